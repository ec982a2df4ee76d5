"""With ``--changed-pages`` a test that looks at named pages in a browser, and passed, is not asked
again until these pages, what they load, or the tests are others.

These are the tests of the built pages that have a parameter ``page`` and the fixture ``browser``,
and those marked ``of_page``, which may also compare their pages with the two packages.
"""

import re
from functools import cache
from hashlib import sha256

import pytest
from bookkit.build import CHECKED
from bookkit.execution import setting_of
from bookkit.records import digest, file_digest
from contents import ROOT

HTML = ROOT / "_build/html"
# Of the other pages, and looked at by tests of the search and of previews.
OF_OTHERS = ("previews", "searchtext.js")


def pytest_addoption(parser):
    parser.addoption("--changed-pages", action="store_true", help="open only pages that changed")


def digest_of(files):
    return digest([f"{path} {file_digest(path)}" for path in sorted(files)])


@cache
def what_all_pages_load():
    static = HTML / "_static"
    files = [path for path in static.rglob("*") if path.is_file()]
    loaded = [path for path in files if path.relative_to(static).parts[0] not in OF_OTHERS]
    return digest([setting_of(ROOT), digest_of([*loaded, *(ROOT / "tests").rglob("*.py")])])


@cache
def what_is_shown(page):
    """Return a digest of what the browser shows of a page, but for when it was computed."""
    text = (HTML / f"{page}.html").read_bytes()
    text = re.sub(rb'<p class="provenance">.*?</p>', b"", text, flags=re.DOTALL)
    files = [path for path in HTML.glob("_images/*") if path.name.encode() in text]
    if page == "search":
        files += [HTML / "searchindex.js", HTML / "_static/searchtext.js"]
    return digest([what_all_pages_load(), sha256(text).hexdigest(), digest_of(files)])


@cache
def packages():
    return digest_of([*(ROOT / "dlm_core").rglob("*.py"), *(ROOT / "book/bookkit").glob("*.py")])


def pages_of(item):
    """Return the pages that a test looks at; none if it may look at all."""
    marker = item.get_closest_marker("of_page")
    page = getattr(getattr(item, "callspec", None), "params", {}).get("page")
    if not item.get_closest_marker("pages") or not (marker or "browser" in item.fixturenames):
        return []
    return sorted({*(marker.args if marker else ()), *([page] if page else ())})


def kept_at(item):
    """Return where it is noted that the test passed."""
    return ROOT / CHECKED / sha256(item.nodeid.encode()).hexdigest()[:16]


def state(item):
    """Return a digest of all that the verdict of a test depends on."""
    compared = packages() if item.get_closest_marker("of_page") else ""
    return digest([compared, *map(what_is_shown, pages_of(item))])


@pytest.hookimpl(trylast=True)  # after others have chosen
def pytest_collection_modifyitems(config, items):
    if not config.getoption("--changed-pages"):
        return
    passed = [
        item
        for item in items
        if pages_of(item) and kept_at(item).exists() and kept_at(item).read_text() == state(item)
    ]
    config.hook.pytest_deselected(items=passed)
    items[:] = [item for item in items if item not in passed]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call" and report.passed and pages_of(item):
        kept_at(item).parent.mkdir(parents=True, exist_ok=True)
        kept_at(item).write_text(state(item))
    return report
