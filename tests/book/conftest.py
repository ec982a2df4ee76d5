"""With ``--changed-pages`` a test that opens one page in a browser, and passed, is not asked again
until the page, what it loads, or the tests are others."""

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


@cache
def what_all_pages_load():
    static = HTML / "_static"
    files = [path for path in static.rglob("*") if path.is_file()]
    loaded = [path for path in files if path.relative_to(static).parts[0] not in OF_OTHERS]
    tests = (ROOT / "tests").rglob("*.py")
    setting = setting_of(ROOT)
    return digest([setting, sorted(f"{path} {file_digest(path)}" for path in [*loaded, *tests])])


@cache
def state(page):
    """Return a digest of what the browser shows of a page."""
    text = (HTML / f"{page}.html").read_bytes()
    images = (path for path in HTML.glob("_images/*") if path.name.encode() in text)
    shown = [sha256(text).hexdigest(), *map(file_digest, sorted(images))]
    others = [file_digest(HTML / name) for name in ("searchindex.js", "_static/searchtext.js")]
    return digest([what_all_pages_load(), shown, others if page == "search" else []])


def kept_at(item):
    """Return where it is noted that the test passed; None if it is not one of a single page."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "browser" in item.fixturenames and "page" in parameters:
        return ROOT / CHECKED / sha256(item.nodeid.encode()).hexdigest()[:16]
    return None


@pytest.hookimpl(trylast=True)  # after others have chosen
def pytest_collection_modifyitems(config, items):
    if not config.getoption("--changed-pages"):
        return
    passed = []
    for item in items:
        file = kept_at(item)
        if file and file.exists() and file.read_text() == state(item.callspec.params["page"]):
            passed.append(item)
    config.hook.pytest_deselected(items=passed)
    items[:] = [item for item in items if item not in passed]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    file = kept_at(item)
    if file and report.when == "call" and report.passed:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(state(item.callspec.params["page"]))
    return report
