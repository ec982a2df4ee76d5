"""The chapters as they are stored: executed, comparable, readable, and true to the claims file."""

import json
import re
from importlib.metadata import version
from itertools import chain
from pkgutil import resolve_name
from statistics import median

import pytest
from bookkit.ledger import load_claims, read_checks
from bookkit.resultsmap import contradictions
from contents import CHAPTERS, CLAIMS, NOTEBOOKS, PAGES, ROOT, code_cells, prose, read, tags
from typed_numbers import ALLOWED, in_caption, in_prose, typed

SHOWN = re.compile(r"text/(plain|html|latex|markdown)$|image/|application/papermill\.record/")
HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
THEOREM = re.compile(r"\{prf:(?:theorem|lemma|proposition|corollary)\}.*?:label: (\S+)", re.DOTALL)
LABEL = re.compile(r":label: (\S+)")
# What may hold decimals in prose: mathematics, code and glued values, and addresses.
NOT_PROSE = re.compile(
    r"""
    ^(?P<fence>`{3,})[^`{\n]*\n.*?^(?P=fence)$   # a block of code, but not a directive
    | (?<!`)(?P<ticks>`{1,2})(?!`)[^`]+(?P=ticks)   # code in a line, or the value of a role
    | \$\$.+?\$\$ | \$.+?\$
    | \]\([^)]*\) | arXiv:?\ ?\d{4}\.\d{5} | Exercise\ \d+\.\d+
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
# Decimals that may stand in prose as they are, because nothing computes them.
TYPED_DECIMALS = set()

every_notebook = pytest.mark.parametrize("page", NOTEBOOKS)
every_chapter = pytest.mark.parametrize("page", CHAPTERS)


def outputs(page):
    return list(chain.from_iterable(cell.outputs for cell in code_cells(page)))


def images(cell):
    shown = chain.from_iterable(output.get("data", {}) for output in cell.outputs)
    return [mime for mime in shown if mime.startswith("image/")]


def claims():
    return load_claims(CLAIMS)


def test_jupyter_book_is_version_1():
    assert version("jupyter-book").split(".")[0] == "1"


def test_contents_exist():
    missing = [
        page
        for page in PAGES
        if not any((ROOT / f"{page}{suffix}").exists() for suffix in (".ipynb", ".md"))
    ]
    assert not missing


def test_no_page_is_left_out():
    files = [*(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]
    assert {f"book/{file.stem}" for file in files} == set(PAGES)


def test_there_are_chapters():
    assert CHAPTERS


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_linked_by_their_files(page):
    (path,) = (ROOT / "book").glob(f"{page.removeprefix('book/')}.[im][pd]*")
    assert "{doc}" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "book").rglob("*.ipynb")), ids=lambda p: p.stem)
def test_sources_are_lists_of_lines(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert isinstance(cell["source"], list)
        assert cell["source"] == "".join(cell["source"]).splitlines(keepends=True)


@every_notebook
def test_was_executed_in_order(page):
    counts = [cell.execution_count for cell in code_cells(page)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [output for output in outputs(page) if output.output_type == "error"]


@every_notebook
def test_prints_no_warning(page):
    assert not [output for output in outputs(page) if output.get("name") == "stderr"]


@every_notebook
def test_shows_every_output(page):
    """The build drops data of an unknown kind silently, as it should beside a text, not alone."""
    for output in outputs(page):
        assert output.output_type == "stream" or any(map(SHOWN.match, output.data))


@every_notebook
def test_has_no_trace_of_a_machine(page):
    for output in outputs(page):
        data = output.get("data", {"text": output.get("text")})
        text = json.dumps({k: v for k, v in data.items() if not k.startswith("image/")})
        assert not re.search(r"/(work|root|home|tmp|Users)/|\b0x[0-9a-f]{6,}", text)


@every_chapter
def test_has_marked_cells_that_print_text(page):
    marked = [cell for cell in code_cells(page) if "nbval-check-output" in tags(cell)]
    assert marked
    for cell in marked:
        assert cell.outputs
        assert not images(cell)


@every_chapter
def test_has_parameters(page):
    (cell,) = (cell for cell in code_cells(page) if "parameters" in tags(cell))
    for line in cell.source.splitlines():  # other forms are invisible to papermill
        assert re.fullmatch(r"#.*|\w+ = .+", line)


@every_notebook
def test_visible_cells_are_short(page):
    lines = [cell.source.count("\n") + 1 for cell in code_cells(page) if not HIDDEN & tags(cell)]
    assert median(lines or [0]) <= 8
    assert max(lines, default=0) <= 25


EXERCISE = re.compile(r"^:::\{admonition\} (Solution of )?Exercise (\d+\.\d+)", re.MULTILINE)


@every_chapter
def test_ends_with_exercises_whose_solutions_run(page):
    """Each exercise has a solution in words, or one that runs, before the next begins."""
    before, _, exercises = prose(page).partition("\n## Exercises\n")
    exercises, claims, _ = exercises.partition("\n## The claims of this page\n")
    assert exercises
    assert claims
    assert not EXERCISE.search(before)
    numbers, solved, runs = [], set(), 0
    for cell in read(page).cells:
        if cell.cell_type == "markdown":
            for solution, number in EXERCISE.findall(cell.source):
                (solved.add if solution else numbers.append)(number)
        elif cell.metadata.get("mystnb", {}).get("code_prompt_show") == "Show solution":
            assert "hide-cell" in tags(cell)
            assert re.search(r"^\s*(assert|check\() ?", cell.source, re.MULTILINE)
            assert any(output.output_type == "stream" for output in cell.outputs)
            solved.add(numbers[-1])
            runs += 1
    chapter = int(page.removeprefix("book/").split("_")[0])
    assert numbers in ([f"{chapter}.{i}" for i in range(1, n + 1)] for n in (2, 3, 4))
    assert solved == set(numbers)
    assert runs


@every_notebook
def test_figures_have_caption_and_alternative_text(page):
    for cell in filter(images, code_cells(page)):
        settings = cell.metadata.get("mystnb", {})
        assert settings.get("figure", {}).get("caption", "").strip(), cell.source
        assert settings.get("image", {}).get("alt", "").strip(), cell.source


def decimals(text):
    return set(re.findall(r"\d+\.\d+", NOT_PROSE.sub("", text)))


@every_notebook
def test_decimals_in_prose_are_computed(page):
    assert decimals(prose(page)) <= TYPED_DECIMALS


def test_decimals_are_found_in_prose_only():
    prose = (
        "Gains 1.5, in `2.5` and $3.5$.\n\n```{prf:lemma}\nAt 4.5.\n```\n\n```python\n5.5\n```\n"
    )
    assert decimals(prose) == {"1.5", "4.5"}


@every_notebook
def test_numbers_that_a_run_supplies_are_not_typed(page):
    assert typed(page) == set(ALLOWED.get(page, {}))  # what is gone needs no permission


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Over 2,000 draws at $K = 1000$, half of them.", {"2,000 draws", "1000", "half of"}),
        ("One order of 48 positions, and 95 % of it.", {"48 positions", "95 %"}),
        (
            "The lines of $1/2$ lie about half the way up, near forty nats.",
            {"half the", "forty nats"},
        ),
        ("The line at {glue:text}`height:.2f`, over {glue:text}`n` draws, [](04.ipynb) 3.", set()),
        ("Right, two panels of Figure 1.", set()),
    ],
)
def test_typed_numbers_are_found_in_captions(text, found):
    said = in_caption(text)
    assert len(said) == len(found)
    assert all(any(word in phrase for phrase in said) for word in found)


def test_typed_numbers_are_found_in_prose():
    theorem = ":::{prf:lemma} Twice\n:label: lem-a\nA factor of two, at 10,000 places.\n:::\n"
    run = (
        "A false alarm once in 16,000 seeds, within milliseconds and four standard errors of "
        "$L = 2000$. With $K = 300$ of 12 tokens there are 455 compositions, and a factor of ten.\n"
    )
    found = {"once in", "16,000 seeds", "four standard errors", "455 compositions"}
    found |= {"2000", "factor of ten", "milliseconds"}
    assert set(in_prose(theorem + run, {"2000"})) == found
    assert not in_prose(theorem)


def test_claims_and_checks_agree():
    checks = chain.from_iterable(read_checks(ROOT / f"{page}.ipynb") for page in NOTEBOOKS)
    assert not list(contradictions(claims(), list(checks)))


@pytest.mark.parametrize("name", claims())
def test_claim_names_what_exists(name):
    claim = claims()[name]
    assert claim["chapter"] in PAGES
    for function in claim["functions"]:
        resolve_name(function)
    for test in claim["tests"]:
        file, *names = test.split("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        for part in names:
            assert re.search(rf"^\s*(def|class) {re.escape(part)}\b", text, re.MULTILINE), test


def test_theorems_and_claims_agree():
    pages = {page: prose(page) for page in NOTEBOOKS}
    stated = {(page, label) for page, text in pages.items() for label in THEOREM.findall(text)}
    known = {(page, label) for page, text in pages.items() for label in LABEL.findall(text)}
    named = {
        (claim["chapter"], claim["theorem"]) for claim in claims().values() if "theorem" in claim
    }
    assert stated <= named <= known
