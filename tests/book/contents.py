"""What the book consists of, for the tests of its notebooks and of its built pages."""

from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLAIMS = ROOT / "book/claims.yml"


def _pages():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    yield contents["root"]
    for part in contents["parts"]:
        for chapter in part["chapters"]:
            yield from (page["file"] for page in [chapter, *chapter.get("sections", [])])


PAGES = list(_pages())
NOTEBOOKS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]
CHAPTERS = [page for page in NOTEBOOKS if page.removeprefix("book/")[0].isdigit()]


def together(pages):
    """Return pages as parameters of tests; all tests of a page go to one worker, which reads it."""
    return [pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in pages]


@cache
def read(page):
    """Return the notebook of a page."""
    return nbformat.read(ROOT / f"{page}.ipynb", 4)


def code_cells(page):
    """Return the code cells of a page's notebook."""
    return [cell for cell in read(page).cells if cell.cell_type == "code"]


def prose(page):
    """Return all Markdown of a page's notebook, as one text."""
    return "\n\n".join(cell.source for cell in read(page).cells if cell.cell_type == "markdown")


def tags(cell):
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))
