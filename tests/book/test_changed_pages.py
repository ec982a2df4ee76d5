"""`make book` opens a page in the browser again when it, or what it loads, has changed."""

import re
import shutil
import subprocess
import sys

import pytest
from contents import ROOT

TESTS = """
import pytest
from contents import ROOT

pytestmark = pytest.mark.pages

@pytest.fixture
def browser():
    return lambda page: (ROOT / f"_build/html/{page}.html").read_text()

@pytest.mark.parametrize("page", ["book/a", "book/b"])
def test_page(page, browser):
    assert "wrong" not in browser(page)

def test_all(browser):
    pass

@pytest.mark.of_page("book/a")
def test_of_a():
    pass
"""


@pytest.fixture
def book(tmp_path):
    for path, text in {
        "tests/book/contents.py": f"from pathlib import Path\nROOT = Path({str(tmp_path)!r})\n",
        "tests/book/test_pages.py": TESTS,
        "pytest.ini": "[pytest]\nmarkers = pages: .\n  of_page: .\n",
        "dlm_core/law.py": "",
        "_build/html/book/a.html": "<img src='../_images/a.png'>",
        "_build/html/book/b.html": "b",
        "_build/html/_images/a.png": "a",
        "_build/html/_static/custom.css": "c",
        "_build/html/_static/searchtext.js": "s",
        "_build/html/searchindex.js": "s",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    shutil.copy(ROOT / "tests/book/conftest.py", tmp_path / "tests/book")
    return tmp_path


def opened(book):
    """Return how many tests passed, failed, and were left out."""
    command = "pytest", "--changed-pages", "-p", "no:cacheprovider", "tests/book/test_pages.py"
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=book, capture_output=True, text=True, check=False
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", done.stdout)}
    return [counts.get(word, 0) for word in ("passed", "failed", "deselected")]


@pytest.mark.slow
def test_what_changed_is_opened_again_and_what_fails_each_time(book):
    html = book / "_build/html"
    assert opened(book) == [4, 0, 0]
    assert opened(book) == [1, 0, 3]
    (html / "book/b.html").write_text("wrong")
    assert opened(book) == [1, 1, 2]
    assert opened(book) == [1, 1, 2]
    (html / "book/b.html").write_text('<p class="provenance">On another day.</p>b')
    (html / "_static/searchtext.js").write_text("what all pages say")
    assert opened(book) == [1, 0, 3]
    (html / "_images/a.png").write_text("another picture")
    assert opened(book) == [3, 0, 1]
    (html / "_static/custom.css").write_text("another style")
    assert opened(book) == [4, 0, 0]
    (book / "dlm_core/law.py").write_text("# another law")
    assert opened(book) == [2, 0, 2]
    (book / "tests/book/test_pages.py").write_text(TESTS + "\n")
    assert opened(book) == [4, 0, 0]
