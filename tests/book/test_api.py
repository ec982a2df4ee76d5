"""The pages of the API: every public module stands on one of them, once."""

import re
from importlib import import_module

from contents import PAGES, ROOT
from test_annotations import ROOMS

import dlm_core
from dlm_core import exact, testing

API = [page for page in PAGES if page.startswith("book/api")]
TEXTS = {page: (ROOT / f"{page}.md").read_text(encoding="utf-8") for page in API}


def documented():
    return re.findall(r"automodule:: (\S+)", "\n".join(TEXTS.values()))


def test_no_module_is_documented_twice():
    modules = documented()
    assert len(modules) == len(set(modules))


def test_every_public_module_of_the_library_is_documented():
    public = {module.__name__ for module in [*ROOMS, exact, testing]}
    assert {name for name in documented() if not name.startswith("bookkit.")} == public


def test_the_overview_names_every_module():
    overview = TEXTS["book/api"]
    assert {*re.findall(r"^dlm_core\.\S+|(?<=   )bookkit\.\S+", overview, re.MULTILINE)} == {
        *documented()
    }


def test_every_public_name_stands_in_a_module_that_is_documented():
    names = {name for module in documented() for name in import_module(module).__all__}
    assert {*dlm_core.__all__} - {"__version__"} <= names
