"""The book on paper: its pages joined to one, printed by Chromium with the styles of print.css."""

import html
import re
import shutil
from datetime import date

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright

import dlm_core
from bookkit.records import ROOT, Refused, commit

# Reference that the docstrings have, and what tells of one build or needs a browser.
LEFT_OUT = re.compile(r"book/(api\w*|status|explorer)")
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
# What stands out of the page on the right, in its own words.
CUT = """() => [...document.querySelectorAll("article *")]
    .filter((e) => !e.closest("mjx-assistive-mml") && e.getBoundingClientRect().width
        && e.getBoundingClientRect().right > innerWidth + 2)
    .map((e) => `${e.tagName} ${e.textContent.slice(0, 60)}`)"""


def contents(root):
    """Return the pages of the table of contents that are printed, in its order."""

    def files(entry):
        if isinstance(entry, list):
            for part in entry:
                yield from files(part)
        elif isinstance(entry, dict):
            yield from (entry[key] for key in ("root", "file") if key in entry)
            for part in entry.values():
                yield from files(part)

    table = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [page for page in files(table) if not LEFT_OUT.fullmatch(page)]


def printable(pages, title, author):
    """Join the pages of the book to the one that is printed.

    Parameters
    ----------
    pages : dict
        From names of pages, without a folder, to their HTML; in the order of the book.
    title, author : str

    Returns
    -------
    str
        HTML: a title page and the articles of all pages, each with a heading of the first level.
        Its files are looked for where those of the pages are. Links within the book lead to its
        places, and links to what is not printed are text.
    """
    first = None
    articles = []
    for name, page in pages.items():
        soup = BeautifulSoup(page, "html.parser")
        first = first or soup
        article = soup.select_one("article.bd-article").extract()
        for tag in article.select("[id]"):
            tag["id"] = f"{name}--{tag['id']}"
        for link in article.select("a[href]"):
            address, _, place = link["href"].partition("#")
            if not re.match(r"(https?|mailto):", address):
                page_there = address.removesuffix(".html") or name
                link["href"] = f"#{page_there}--{place}" if place else f"#{page_there}"
        for table in article.select("table.results-map"):
            for cell in table.select("tr > :nth-child(3)"):
                cell.decompose()  # names of functions and tests
        for table in article.select("table.ledger"):
            (table.find_parent("div", class_="admonition") or table).decompose()
        article["id"] = name
        articles.append(article)
    places = {tag["id"] for article in articles for tag in (article, *article.select("[id]"))}
    for link in (link for article in articles for link in article.select("a[href^='#']")):
        if link["href"][1:] not in places:
            link.unwrap()
    for script in first.select("script"):
        if not re.search("mathjax|print.js", script.get("src", script.text), re.IGNORECASE):
            script.decompose()
        elif script.find_parent("body"):
            first.head.append(script.extract())
    first.body.clear()
    first.body["class"] = "book"
    first.body.append(BeautifulSoup(_title_page(title, author, articles), "html.parser"))
    first.body.extend(articles)
    first.title.string = title
    return str(first)


def _title_page(title, author, articles):
    facts = f"Version {dlm_core.__version__} · commit {commit(results=True)} · {date.today()}"
    items = "".join(
        f'<li><a href="#{article["id"]}">'
        f"{html.escape(article.h1.get_text().removesuffix('#').strip())}</a></li>"
        for article in articles
    )
    return f"""<article class="bd-article title-page">
<p class="title">{html.escape(title)}</p>
<p class="author">{html.escape(author)}</p>
<p class="facts">{html.escape(facts)}</p>
<p>The pages of the book as one file, made for paper. Left out here, and found on the pages and in
the notebooks: the reference of the package's functions, the explorer, the status of the build, code
that only draws or checks, and the single checks behind each line that sums them up.</p>
<ul>{items}</ul>
</article>"""


def print_book(site, target):
    """Print the book to a PDF.

    Parameters
    ----------
    site : Path
        The folder of the built pages, in which the page to print lies while it is printed.
    target : Path
        The file to write.

    Raises
    ------
    Refused
        If there is no Chromium.
    ValueError
        If anything is wider than the paper.
    """
    if CHROMIUM is None:
        raise Refused("printing the book needs a Chromium: apt-get install chromium")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    pages = {
        page.rpartition("/")[2]: (site / f"{page}.html").read_text(encoding="utf-8")
        for page in contents(ROOT)
    }
    source = site / "book/paper.html"
    source.write_text(printable(pages, config["title"], config["author"]), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        # as wide as the text on paper, in pixels of CSS
        tab = browser.new_page(viewport={"width": 665, "height": 1000}, color_scheme="light")
        tab.set_default_timeout(600_000)  # milliseconds: a busy machine is slow, not wrong
        tab.emulate_media(media="print")
        tab.goto(source.as_uri())
        tab.wait_for_function("window.MathJax?.startup?.promise")
        tab.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)")
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        if cut := tab.evaluate(CUT):
            raise ValueError(f"these are wider than the paper: {cut}")
        tab.pdf(path=target, prefer_css_page_size=True, tagged=True, outline=True)
        browser.close()
    source.unlink()
