"""The built aids of reading: search, previews of links, folded checks, API, status."""

import json
import re
from importlib import import_module

import pytest
from contents import CHAPTERS, NOTEBOOKS, PAGES
from test_api import API, documented

# Pytest finds a fixture where its name is.
from test_pages import HTML, browser, site, soup  # noqa: F401

pytestmark = pytest.mark.pages

KILOBYTES = 5
STATED = ".proof[id], div.math[id], figure[id]:has(.caption-number)"


@pytest.fixture(scope="module")
def tab(browser):  # noqa: F811
    tab = browser.new_page(viewport={"width": 1400, "height": 900})
    tab.set_default_timeout(120_000)
    tab.problems = []
    tab.on("console", lambda message: message.type == "error" and tab.problems.append(message.text))
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    yield tab
    tab.close()


def search(tab, query):
    """What the search finds with the pages opened as files: names, addresses and texts."""
    tab.goto(f"{(HTML / 'search.html').as_uri()}?q={query.replace(' ', '+')}")
    tab.wait_for_function("Search.status?.innerText")
    return tab.locator("ul.search > li").evaluate_all(
        """found => found.map(item => [
            item.querySelector("a").textContent,
            item.querySelector("a").getAttribute("href"),
            item.querySelector("p")?.textContent ?? "",
        ])"""
    )


def numbered(kind):
    """The first statement of each chapter of a kind: its number and its address."""
    for page in CHAPTERS:
        for box in soup(page).select(".proof[id]"):
            number = box.select_one(".caption-number").text.strip()
            if number.startswith(kind):
                yield number, f"{page}.html#{box['id']}"
                break


@pytest.mark.parametrize("form", [str, str.lower, str.upper])
def test_search_finds_theorems_by_number(tab, form):
    theorems = list(numbered("Theorem"))
    assert len(theorems) > 5
    for number, address in theorems:
        assert search(tab, form(number))[0][1] == address
    assert not tab.problems


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("exact error law", "book/03_error_law.html#thm-error-law"),
        ("LLaDA", "book/18_practice.html#"),
        ("claim A2", "book/results_map.html#claim-a2"),
        ("A2", "book/results_map.html#claim-a2"),
        ("figure 4.1", "book/04_tc_adaptive.html#fig-tc-constant"),
        ("Equation 4.3", "book/04_tc_adaptive.html#equation-"),
        ("certificate", "book/glossary.html#term-certificate"),
        ("TCAdaptive", "book/api_schedules.html#dlm_core.schedules.TCAdaptive"),
        ("diffusion language model", "book/"),
    ],
)
def test_search_finds_names_and_words(tab, query, address):
    name, found, _ = search(tab, query)[0]
    assert found.startswith(address), name
    assert not tab.problems


@pytest.mark.parametrize("query", ["numpy", "schedule", "LLaDA", "perfect predictor"])
def test_search_shows_text_and_not_code(tab, query):
    texts = [text for _, _, text in search(tab, query) if text]
    assert texts
    assert not [text for text in texts if re.search(r"^\W*(from \w+ )?import |= \w+\(", text)]
    assert all(len(text) < 1000 for text in texts)


def test_search_says_when_there_is_nothing(tab):
    assert search(tab, "xyzzyplugh") == []
    assert search(tab, "<img src=x onerror=alert(1)>") == []
    assert not tab.problems


def shown_of(page):
    """What is stored for previews of a page: HTML by identifier."""
    script = (HTML / f"_static/previews/{page.removeprefix('book/')}.js").read_text("utf-8")
    arguments = script.removeprefix("bookPreviews(").removesuffix(");\n")
    name, shown = json.loads(f"[{arguments}]")
    assert f"book/{name}" == page
    return shown


@pytest.mark.parametrize("page", PAGES)
def test_everything_stated_on_a_page_has_a_preview(page):
    shown = shown_of(page)
    assert {box["id"] for box in soup(page).select(STATED)} <= shown.keys()
    assert not re.search(r'\bid="|<a ', "".join(shown.values()))


def test_previews_cost_little():
    assert (HTML / "_static/previews.js").stat().st_size < KILOBYTES * 1000


@pytest.mark.parametrize("opened", ["served", "file"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_link_shows_what_it_leads_to(browser, site, opened, scheme):  # noqa: F811
    root = site if opened == "served" else HTML.as_uri()
    tab = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    tab.set_default_timeout(120_000)
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(f"{root}/book/04_tc_adaptive.html")
    tab.wait_for_function("window.MathJax?.startup?.promise")
    tab.evaluate("MathJax.startup.promise.then(() => true)")
    link = tab.locator("article a[href='03_error_law.html#cor-guarantee']").first
    box = tab.locator("#link-preview")
    link.hover()
    box.wait_for(state="visible")
    assert "Corollary 3.2" in box.inner_text()
    assert box.locator("mjx-container").count() > 3
    assert not box.locator("mjx-merror").count()
    assert link.get_attribute("aria-describedby") == "link-preview"
    color = box.evaluate("e => getComputedStyle(e).backgroundColor")
    assert (color == "rgb(255, 255, 255)") == (scheme == "light")
    tab.keyboard.press("Escape")
    box.wait_for(state="hidden")
    tab.mouse.move(1, 1)
    # The focus of the keyboard shows it, too, and leaves nothing behind.
    tab.evaluate("document.querySelector('article a[href^=\"references.html\"]').focus()")
    while not link.evaluate("e => e === document.activeElement"):
        tab.keyboard.press("Tab")
    box.wait_for(state="visible")
    tab.keyboard.press("Tab")
    tab.wait_for_timeout(100)
    assert not link.get_attribute("aria-describedby")
    assert all(url.startswith((root, "data:")) for url in requests)
    tab.close()


@pytest.mark.parametrize("page", CHAPTERS)
def test_checks_are_folded_sentences(page):
    body = soup(page).select_one("article")
    folds = body.select("details.checks")
    assert folds
    for fold in folds:
        assert not fold.has_attr("open")
        assert re.search(r"^[A-Z]\d+.*: (\d+) of \1 checks? holds?; ", fold.summary.text)
        assert fold.select("a")[-1]["href"] == "results_map.html#how-to-read-a-check"
    assert not body.select(".ledger-row")


def test_the_map_follows_the_book():
    links = soup("book/results_map").select("table.results-map td:nth-child(2) a[href]")
    places = [f"book/{link['href'].split('.html')[0]}" for link in links]
    assert places == sorted(places, key=PAGES.index)


def test_the_map_links_tests_to_no_other_repository():
    assert not soup("book/results_map").select("table.results-map a.external")


def test_every_public_name_is_documented_once():
    ids = [tag["id"] for page in API for tag in soup(page).select("dt[id], [id^=module-]")]
    for module in documented():
        assert ids.count(f"module-{module}") == 1
        for name in import_module(module).__all__:
            assert ids.count(f"{module}.{name}") <= 1
            assert module.startswith("bookkit") or ids.count(f"{module}.{name}") == 1


def test_the_overview_of_the_api_links_every_name():
    linked = {link["href"].split("#")[-1] for link in soup("book/api").select("table.names a")}
    for module in filter(lambda name: name.startswith("dlm_core"), documented()):
        assert {f"{module}.{name}" for name in import_module(module).__all__} <= linked


def test_the_pages_of_the_api_are_light():
    assert all((HTML / f"{page}.html").stat().st_size < 400_000 for page in API)


def test_the_status_lists_every_notebook():
    table = soup("book/status").select_one("table.status")
    links = [row.select_one("a")["href"] for row in table.select("tbody tr")]
    assert [f"book/{link.removesuffix('.html')}" for link in links] == NOTEBOOKS
    assert re.search(r"python \d.*numpy \d", soup("book/status").text)


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_described_and_name_no_address_without_one(page):
    (about,) = soup(page).select("meta[name=description]")
    assert 20 < len(about["content"]) <= 202
    assert not soup(page).select("link[rel=canonical], meta[property^=og]")
    assert not (HTML / "sitemap.xml").exists()
