"""The built pages, as `make book` leaves them: complete, self-contained, linked and readable."""

import re
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from threading import Thread
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bookkit.execution import records
from bookkit.ledger import load_claims
from bookkit.pages import load_macros
from bookkit.paper import CHROMIUM, OPTIONS
from bookkit.resultsmap import claims_by_page
from bs4 import BeautifulSoup
from contents import CLAIMS, NOTEBOOKS, PAGES, ROOT, together
from playwright.sync_api import sync_playwright

pytestmark = pytest.mark.pages

BUILD = ROOT / "_build"
HTML = BUILD / "html"

every_page = pytest.mark.parametrize("page", together(PAGES))
every_notebook = pytest.mark.parametrize("page", together(NOTEBOOKS))


@cache
def parse(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def ids(path):
    return {tag["id"] for tag in parse(path).find_all(id=True)}


def soup(page):
    return parse(HTML / f"{page}.html")


def test_every_page_was_built():
    assert {file.stem for file in (HTML / "book").glob("*.html")} == {
        page.removeprefix("book/") for page in PAGES
    }


def test_every_notebook_was_executed():
    executed = BUILD / "jupyter_execute/book"
    assert {f"book/{file.stem}" for file in executed.glob("*.ipynb")} == set(NOTEBOOKS)


def code_of(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def text_of(page):
    """Return the Markdown of the notebook behind a page's download button."""
    cells = nbformat.read(HTML / "_sources" / f"{page}.ipynb", 4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@every_notebook
def test_download_is_the_executed_notebook(page):
    links = [link["href"] for link in soup(page).select("a.btn-download-source-button")]
    assert links == [f"../_sources/{page}.ipynb"]
    cells = [cell for cell in code_of(HTML / "_sources" / f"{page}.ipynb") if cell.id != "colab"]
    executed = code_of(BUILD / "jupyter_execute" / f"{page}.ipynb")
    for name in "source", "outputs", "execution_count":
        assert [cell[name] for cell in cells] == [cell[name] for cell in executed]
    assert all(cell.execution_count for cell in cells)


@every_notebook
def test_download_is_plain_markdown(page):
    text = text_of(page)
    assert not re.findall(
        r"^[> ]*(?:`{3,}|:{3,})\{.*|\{[\w:-]+\}`.*|^\([\w-]+\)=$", text, re.MULTILINE
    )
    assert "{glue" not in (HTML / "_sources" / f"{page}.ipynb").read_text(encoding="utf-8")
    macros = [name for name, entry in load_macros(ROOT).items() if "tex" in entry]
    assert not re.findall(rf"\\(?:{'|'.join(macros)})(?![A-Za-z])", text)


@every_notebook
def test_download_has_the_numbers_of_the_page(page):
    text = text_of(page)
    for number in soup(page).select("article div.proof span.caption-number"):
        assert re.search(rf"^> \*\*{number.text.strip()}\*\*[ .]", text, re.MULTILINE), number
    for number in soup(page).select("article figcaption span.caption-number"):
        assert f"**{number.text.strip()}.** " in text, number
    for number in soup(page).select("article span.eqno"):
        assert f"\\tag{{{number.find(string=True).strip('()')}}}" in text, number


@every_notebook
def test_says_what_it_was_computed_from(page):
    (strip,) = soup(page).select("p.provenance")
    assert strip.text == records()[page].line


@every_page
def test_loads_nothing_from_another_host(page):
    loaded = [
        tag.get(attribute, "")
        for tag in soup(page).select("script, link, img, iframe, source, video, audio, object")
        for attribute in ("src", "href", "srcset", "data")
    ]
    assert not [url for url in loaded if urlsplit(url).netloc]


def test_style_sheets_load_nothing_from_another_host():
    for sheet in HTML.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)\s*['\"]?\s*(https?:)?//", text), sheet


@every_page
def test_links_lead_somewhere(page):
    for link in soup(page).select("a[href]"):
        url = urlsplit(link["href"])
        if url.scheme or url.netloc:
            continue
        path = HTML / f"{page}.html"
        target = (path.parent / unquote(url.path)).resolve() if url.path else path
        assert target.exists(), link
        if url.fragment and target.suffix == ".html":
            assert unquote(url.fragment) in ids(target), link


@every_page
def test_references_are_resolved(page):
    text = soup(page).select_one("article").get_text(" ")
    assert "(???)" not in text
    assert "??" not in text


@every_page
def test_numbers_of_theorems_are_right(page):
    for link in soup(page).select("article a[href*='#']"):
        if re.fullmatch(r"[A-Z][a-z]+ \d+\.\d+", link.text):
            path, label = link["href"].split("#")
            target = (HTML / f"{page}.html").parent / path if path else HTML / f"{page}.html"
            title = parse(target.resolve()).find(id=label).select_one("p.admonition-title").text
            assert title.startswith(f"{link.text} "), link


@every_page
def test_images_have_alternative_text(page):
    for image in soup(page).select("article img"):
        assert image.get("alt", "").strip(), image


def test_results_map_covers_every_claim():
    rows = soup("book/results_map").select("table.results-map tbody tr")
    claims = load_claims(CLAIMS)
    by_page = claims_by_page(claims, PAGES)
    assert len(rows) == len(claims)
    names = chain.from_iterable(by_page.values())
    for row, name in zip(rows, names, strict=True):
        claim = claims[name]
        first, *_, status = row.select("td")
        assert first.select_one("strong").text == name
        checked = ["recomputed by the build", "Recorded: "]
        origins = [claim["status"]] if "status" in claim else checked
        assert any(origin in status.text for origin in origins)


class Quiet(SimpleHTTPRequestHandler):
    """Serves without a log, and without complaint when the browser hangs up."""

    def log_message(self, *arguments):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True


@pytest.fixture(scope="module")
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=HTML)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the pages were not opened in a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@every_page
def test_reads_well_in_a_browser(page, browser, site):
    problems = []
    tab = browser.new_page()
    tab.set_default_timeout(120_000)  # milliseconds: what is slow on a busy machine is not wrong
    tab.on("console", lambda message: message.type == "error" and problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on(
        "request",
        lambda request: (
            request.url.removeprefix("blob:").startswith((site, "data:"))
            or problems.append(request.url)
        ),
    )
    tab.on("response", lambda response: response.status >= 400 and problems.append(response.url))
    tab.goto(f"{site}/{page}.html")
    if tab.locator(".math").count():
        tab.wait_for_function("window.MathJax?.startup?.promise")
        tab.evaluate("MathJax.startup.promise.then(() => true)")
    tab.wait_for_load_state("networkidle")
    found = tab.evaluate(
        """() => ({
            untypeset: [...document.querySelectorAll(".math")]
                .filter(e => !e.querySelector("mjx-container")).map(e => e.textContent),
            broken: [...document.querySelectorAll("mjx-merror, [data-mjx-error]")]
                .map(e => e.getAttribute("data-mjx-error") || e.textContent),
            missing: [...document.images].filter(e => !e.naturalWidth).map(e => e.src),
        })"""
    )
    sideways = {}
    for width, height in (1400, 900), (390, 844):
        tab.set_viewport_size({"width": width, "height": height})
        sideways[width] = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        stretched = tab.evaluate(
            """[...document.images].filter(e => Math.abs(
                e.width * e.naturalHeight / (e.height * e.naturalWidth) - 1) > 0.05
            ).map(e => e.src)"""
        )
        assert stretched == []
    background = {}
    for scheme in "light", "dark":
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        background[scheme] = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.close()
    assert problems == []
    assert not any(found.values()), found
    assert max(sideways.values()) <= 0, sideways
    assert background["light"] != background["dark"]
