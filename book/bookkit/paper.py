"""The book on paper: its single page, printed by Chromium with the styles of print.css."""

import html
import re
import shutil
from datetime import date

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright

import dlm_core
from bookkit.records import ROOT, Refused, commit

SINGLE = ROOT / "_build/singlehtml"
LEFT_OUT = ("book/api",)  # longer than any chapter, and the docstrings have it
BROWSERS = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
CHROMIUM = next(filter(None, BROWSERS), None)
# The sandbox does not start as root, and a browser that updates itself is not the one tested.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]


def printable(page, title, author):
    """Turn the single page of the book into the one that is printed.

    Parameters
    ----------
    page : str
        HTML, as Sphinx's builder ``singlehtml`` writes it.
    title, author : str

    Returns
    -------
    str
        The same without the site around it, after a title page. Each chapter is a section of class
        ``chapter`` whose title is a heading of the first level, and every link leads somewhere.
    """
    soup = BeautifulSoup(page, "html.parser")
    article = soup.select_one("article.bd-article").extract()
    for script in soup.body.select("script"):
        soup.head.append(script.extract())
    chapters = []
    for mark in article.select('span[id^="document-"]'):
        chapter = mark.find_next("section")
        name = mark["id"].removeprefix("document-")
        if name in LEFT_OUT:
            chapter.decompose()
            mark.decompose()
            continue
        chapter["class"] = [*chapter.get("class", []), "chapter"]
        for heading in chapter.find_all(re.compile("^h[2-6]$")):
            heading.name = f"h{int(heading.name[1]) - 1}"
        chapters.append((mark["id"], heading_text(chapter.h1)))
    for table in article.select("table.results-map"):
        for cell in table.select("tr > :nth-child(3)"):
            cell.decompose()  # names of functions and tests
    for table in article.select("table.ledger"):
        table.find_parent("div", class_="admonition").decompose()
    _mend_links(article)
    soup.body.clear()
    soup.body["class"] = "book"
    soup.body.append(BeautifulSoup(_title_page(title, author, chapters), "html.parser"))
    soup.body.append(article)
    soup.title.string = title
    return str(soup)


def heading_text(heading):
    """Return the text of a heading without the sign that links to it."""
    return heading.get_text().removesuffix("#").strip()


def _mend_links(article):
    """Let links within the book lead to its places, and take links to other files away."""
    places = {tag["id"] for tag in article.find_all(id=True)}
    for link in article.find_all("a", href=True):
        address, sign, place = link["href"].partition("#")
        if re.match(r"(https?|mailto):", address):
            continue
        if sign and place in places:
            link["href"] = f"#{place}"
        else:
            link.unwrap()


def _title_page(title, author, chapters):
    facts = f"Version {dlm_core.__version__} · commit {commit(results=True)} · {date.today()}"
    items = "".join(
        f'<li><a href="#{place}">{html.escape(name)}</a></li>' for place, name in chapters
    )
    return f"""<article class="bd-article title-page">
<p class="title">{html.escape(title)}</p>
<p class="author">{html.escape(author)}</p>
<p class="facts">{html.escape(facts)}</p>
<p>The pages of the book as one file, made for paper. Left out here, and found on the pages and in
the notebooks: the reference of the package's functions, code that only draws or checks, and the
single checks of the results map.</p>
<ol class="simple">{items}</ol>
</article>"""


def print_book(target):
    """Print the single page of the book to the file ``target``, a PDF.

    Raises
    ------
    Refused
        If there is no Chromium, or the single page was not built.
    """
    if CHROMIUM is None:
        raise Refused("printing the book needs a Chromium: apt-get install chromium")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    root = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["root"]
    page = (SINGLE / f"{root}.html").read_text(encoding="utf-8")
    source = SINGLE / "print.html"
    source.write_text(printable(page, config["title"], config["author"]), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        # as wide as the text on paper, in pixels of CSS
        tab = browser.new_page(viewport={"width": 665, "height": 1000}, color_scheme="light")
        tab.set_default_timeout(
            600_000
        )  # milliseconds: what is slow on a busy machine is not wrong
        tab.emulate_media(media="print")
        tab.goto(source.as_uri())
        tab.wait_for_function("window.MathJax?.startup?.promise")
        tab.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)")
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        tab.pdf(path=target, prefer_css_page_size=True, tagged=True, outline=True)
        browser.close()
