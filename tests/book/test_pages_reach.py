"""The built pages reach every reader: light, within the screen's width, and by any means."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from bookkit import style
from contents import PAGES, together

# Pytest finds a fixture where its name is.
from test_pages import HTML, browser, site, soup  # noqa: F401

pytestmark = pytest.mark.pages

MEGABYTES = 2.3
# What may scroll at 1280 pixels, with its hint: examples in docstrings and files shown as they
# are, of up to 100 letters; certificates, which have one line for each promise, as the package
# prints them; and the ledger, whose six columns stay beside each other.
SCROLLS_AT_1280 = {
    "book/intro": {"Code"},
    "book/reproduce": {"Code"},
    "book/08_best_possible": {"Output"},
    "book/13_earlier_schedules": {"Output"},
    "book/results_map": {"Table", "Equation"},
} | {page: {"Code"} for page in PAGES if page.startswith("book/api")}

# Every box that is wider than its place or that hides a part of what it holds, opened and measured.
BOXES = """() => {
    const wide = [];
    for (const box of document.querySelectorAll("article *")) {
        const style = getComputedStyle(box);
        const unseen = "mjx-assistive-mml, mjx-ext, .visually-hidden";
        if (!box.clientWidth || style.overflowX === "visible" || box.closest(unseen)) continue;
        const inside = box.matches("span.math")
            ? box.querySelector("mjx-math").offsetWidth : box.scrollWidth;
        if (inside <= box.clientWidth + 1) continue;
        wide.push({
            what: (box.getAttribute("aria-label") ?? box.tagName).split(",")[0],
            text: box.innerText.slice(0, 60),
            hinted: box.tabIndex === 0 && box.dataset.more === "right"
                && style.maskImage.includes("gradient") && /auto|scroll/.test(style.overflowX),
        });
    }
    return wide;
}"""


EVERY_PAGE = (*PAGES, "search", "genindex", "py-modindex", "prf-prf")


@pytest.fixture(scope="module", params=together(EVERY_PAGE))
def page(request):
    return request.param


@pytest.fixture(scope="module")
def tab(page, browser, site):  # noqa: F811
    """A page, opened once for all tests in a browser that has stored nothing; formulas stand."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    tab.set_default_timeout(120_000)
    tab.answers = []
    tab.on("response", lambda answer: tab.answers.append(answer))
    tab.goto(f"{site}/{page}.html", wait_until="networkidle")
    tab.evaluate("window.MathJax?.startup?.promise.then(() => true)")
    tab.wait_for_load_state("networkidle")
    yield tab
    tab.close()


def loaded(tab):
    return sorted(((len(answer.body()), answer.url) for answer in tab.answers), reverse=True)


def test_first_load_is_light(tab):
    at_first = loaded(tab)
    tab.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 600) {
                scrollTo(0, y);
                await new Promise(requestAnimationFrame);
            }
        }"""
    )
    tab.wait_for_load_state("networkidle")
    scrolled = loaded(tab)
    for files in (at_first, scrolled):
        assert sum(size for size, _ in files) <= 1e6 * MEGABYTES, files[:9]


def test_nothing_idle_is_published():
    assert not [*HTML.rglob("*.map"), *HTML.rglob("fontawesome.js*"), *HTML.rglob("locales")]
    for file in HTML.rglob("_static/**/*.css"):
        text = file.read_text(encoding="utf-8")
        assert "sourceMappingURL" not in text, file
        for url in re.findall(r"url\(['\"]?([^'\")?#]+)", text):
            assert url.startswith("data:") or (file.parent / url).exists(), (file, url)


def test_icons_are_drawn(tab):
    unknown = tab.evaluate(
        """[...document.querySelectorAll("[class*='fa-']")].filter(
            e => getComputedStyle(e, "::before").content === "none").map(e => e.outerHTML)"""
    )
    assert unknown == []


@pytest.mark.parametrize("page", together(PAGES))
def test_figures_are_read_on_a_phone(page):
    for image in soup(page).select("article img[style]"):
        width = int(re.search(r"width: (\d+)px", image["style"])[1])
        least = 9 / 72 * style.DPI  # pixels of the smallest letters in full width
        assert least * min(1, 360 / width) >= 8, image


def test_what_is_wide_can_be_reached(page, tab):
    tab.evaluate(
        """() => {
            for (const box of document.querySelectorAll("details")) box.open = true;
            for (const box of document.querySelectorAll(".toggle-hidden")) {
                box.classList.remove("toggle-hidden");
            }
        }"""
    )
    wide = {}
    for width in (1280, 390):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.evaluate("() => new Promise((next) => setTimeout(next, 200))")
        wide[width] = tab.evaluate(BOXES)
    assert not [box for boxes in wide.values() for box in boxes if not box["hinted"]]
    allowed = SCROLLS_AT_1280.get(page, set())
    assert not [box for box in wide[1280] if box["what"] not in allowed]


def test_axe_finds_nothing_serious(tab):
    found = {}
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        # Of what axe looks for, only contrast depends on the theme.
        rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
        options = {"resultTypes": ["violations"], **rules}
        for finding in Axe().run(tab, options=options).response["violations"]:
            if finding["impact"] in ("serious", "critical"):
                found[scheme, finding["id"]] = [node["html"] for node in finding["nodes"]]
    assert not found
