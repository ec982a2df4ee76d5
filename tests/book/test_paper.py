"""The page that is printed: the pages of the book, joined, with links that lead within it."""

import pytest
from bookkit.paper import contents, printable
from bs4 import BeautifulSoup
from contents import PAGES, ROOT

PAGE = """<html><head><title>x</title><link rel="stylesheet" href="../_static/a.css"></head><body>
<header>site</header><article class="bd-article"><section id="top"><h1>{title}<a class="headerlink"
href="#top">#</a></h1>{body}</section></article>
<script>window.MathJax = {{}}</script><script src="../_static/togglebutton.js"></script>
<script defer src="../_static/mathjax/startup.js"></script></body></html>"""
LINKS = """<a href="b.html#thm">there</a> <a href="#top">here</a> <a href="b.html">page</a>
<a href="api.html#f">away</a> <a href="../results/x.ipynb">file</a> <a href="https://x.org/#a">out</a>"""


@pytest.fixture(scope="module")
def joined():
    map_ = '<table class="results-map"><tr><td>A1</td><td>x</td><td>f</td><td>ok</td></tr></table>'
    ledger = '<div class="admonition"><table class="ledger"><tr><td>row</td></tr></table></div>'
    pages = {
        "a": PAGE.format(title="One & two", body=LINKS),
        "b": PAGE.format(title="Three", body=f'<p id="thm">So.</p>{map_}{ledger}'),
    }
    return BeautifulSoup(printable(pages, "The <book>", "Somebody"), "html.parser")


def test_every_page_is_an_article_after_the_title_page(joined):
    first, *rest = joined.select("body > article")
    assert first.select_one("p.title").text == "The <book>"
    assert [item.text for item in first.select("li a")] == ["One & two", "Three"]
    assert [article["id"] for article in rest] == ["a", "b"]
    assert not joined.select("header")


def test_links_lead_within_the_page_or_to_other_sites(joined):
    links = {link.text: link["href"] for link in joined.select("#a a:not(.headerlink)")}
    assert links == {
        "there": "#b--thm",
        "here": "#a--top",
        "page": "#b",
        "out": "https://x.org/#a",
    }
    assert "away" in joined.select_one("#a").text
    identifiers = [tag["id"] for tag in joined.select("[id]")]
    assert len(identifiers) == len({*identifiers})


def test_only_what_typesets_and_fits_is_loaded(joined):
    assert [script.get("src") for script in joined.select("script")] == [
        None,
        "../_static/mathjax/startup.js",
    ]


def test_the_map_of_results_is_compact(joined):
    assert [cell.text for cell in joined.select("table.results-map td")] == ["A1", "x", "ok"]
    assert not joined.select(".admonition")


def test_all_but_reference_is_printed_in_order():
    printed = contents(ROOT)
    assert printed == [page for page in PAGES if page in printed]
    left_out = {page for page in PAGES if page not in printed}
    assert all(page.startswith(("book/api", "book/status", "book/explorer")) for page in left_out)
    assert "book/api" in left_out
