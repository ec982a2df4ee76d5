"""Outputs are kept exactly as long as nothing that their page read has changed."""

import shutil
import subprocess
import sys
import time

import nbformat
import pytest
from bookkit.execution import Failed, execute_outdated, records, with_outputs
from contents import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

KERNEL = {"kernelspec": {"display_name": "", "language": "python", "name": "python3"}}
FILES = {
    "requirements.txt": "numpy==1\n",
    "book/kit/__init__.py": "",
    "book/kit/law.py": "constant = 1\n",
    "book/kit/other.py": "constant = 2\n",
    "book/results/a.json": "3",
}
CELLS = {
    "law": "from kit.law import constant\nprint(constant)",
    "results": """\
import glob, subprocess, sys
for path in sorted(glob.glob("results/*.json")):
    print(path, open(path).read())
subprocess.run([sys.executable, "-c", "import kit.other"], check=True)
try:
    open("settings.txt")
except FileNotFoundError:
    print("no settings")
""",
}


def store(root, page, code):
    cells = [new_markdown_cell("# Title"), new_code_cell(code)]
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), root / f"book/{page}.ipynb")


def output(root, page):
    notebook = nbformat.read(root / f"{page}.ipynb", 4)
    with_outputs(root, page, notebook)
    return "".join(output.text for output in notebook.cells[-1].outputs)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A small book whose outputs are kept; tests work on copies."""
    root = tmp_path_factory.mktemp("kept")
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for page, code in CELLS.items():
        store(root, page, code)
    assert execute_outdated(root) == ["book/law", "book/results"]
    return root


@pytest.fixture
def book(kept, tmp_path):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def executed(monkeypatch):
    """The pages that are executed, in place of executing them."""
    pages = []

    async def note(root, page):
        pages.append(page)
        notebook = nbformat.read(root / f"{page}.ipynb", 4)
        return notebook, 1.0, []

    monkeypatch.setattr("bookkit.execution._executed", note)
    return pages


def test_what_was_read_is_recorded_also_by_processes_that_a_page_starts(kept):
    found = records(kept)
    assert found["book/law"].files == ["book/kit/__init__.py", "book/kit/law.py"]
    assert found["book/results"].files == [
        "book/kit/__init__.py",
        "book/kit/other.py",
        "book/results/a.json",
    ]
    assert ["file", "book/settings.txt", None] in found["book/results"].reads
    assert "book/results" in [p for kind, p, _ in found["book/results"].reads if kind == "folder"]


def test_the_record_says_when_and_where(kept):
    execution = records(kept)["book/law"]
    assert execution.seconds > 0
    assert execution.versions["numpy"]
    assert execution.line.startswith(f"Computed on {execution.date} in {execution.seconds} s · CPU")
    assert f"commit {execution.commit}" in execution.line


def test_outputs_are_those_of_the_code(kept):
    assert output(kept, "book/law") == "1\n"
    assert output(kept, "book/results") == "results/a.json 3\nno settings\n"


def edit_prose(book):
    path = book / "book/law.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[0].source = "# Another title"
    notebook.cells.insert(1, new_markdown_cell("More."))
    notebook.cells[-1].metadata = {"tags": ["hide-input"], "mystnb": {"figure": {"caption": "C"}}}
    nbformat.write(notebook, path)


BOTH = ["book/law", "book/results"]
EDITS = {
    "nothing": (lambda book: None, []),
    "prose, captions and tags": (edit_prose, []),
    "a file that one reads": (
        lambda book: (book / "book/kit/law.py").write_text("constant = 5\n"),
        ["book/law"],
    ),
    "a file that a child reads": (
        lambda book: (book / "book/kit/other.py").write_text(""),
        ["book/results"],
    ),
    "a file that both read": (
        lambda book: (book / "book/kit/__init__.py").write_text("# more\n"),
        BOTH,
    ),
    "a file that nobody reads": (lambda book: (book / "book/kit/new.py").write_text(""), []),
    "a result": (lambda book: (book / "book/results/a.json").write_text("4"), ["book/results"]),
    "another result": (
        lambda book: (book / "book/results/b.json").write_text("4"),
        ["book/results"],
    ),
    "a result taken away": (
        lambda book: (book / "book/results/a.json").unlink(),
        ["book/results"],
    ),
    "a file that was not found": (
        lambda book: (book / "book/settings.txt").write_text(""),
        ["book/results"],
    ),
    "a module in the way of others": (lambda book: (book / "book/glob.py").write_text(""), BOTH),
    "the pins": (lambda book: (book / "requirements.txt").write_text("numpy==2\n"), BOTH),
    "a cell": (lambda book: store(book, "law", "print(7)"), ["book/law"]),
    "a page": (lambda book: store(book, "new", "print(8)"), ["book/new"]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_is_edited_is_executed_again_and_nothing_else(edit, book, executed):
    change, pages = EDITS[edit]
    change(book)
    assert execute_outdated(book) == pages
    assert sorted(executed) == pages
    assert execute_outdated(book) == [], "it is kept again"


def test_threads_count(book, executed, monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    assert execute_outdated(book) == BOTH


def test_new_prose_meets_kept_outputs(book):
    edit_prose(book)
    notebook = nbformat.read(book / "book/law.ipynb", 4)
    with_outputs(book, "book/law", notebook)
    assert notebook.cells[0].source == "# Another title"
    assert notebook.cells[-1].metadata["tags"] == ["hide-input"]
    assert [cell.get("execution_count") for cell in notebook.cells] == [None, None, 1]
    assert notebook.cells[-1].outputs[0].text == "1\n"


def test_outputs_are_not_shown_below_other_code(book):
    store(book, "law", "print(7)")
    with pytest.raises(ValueError, match="book/law has not been executed as it is"):
        output(book, "book/law")


def test_what_fails_fails_again_and_leaves_the_rest_kept(book):
    before = (book / "_build/kept/results.json").read_bytes()
    store(book, "law", "print(1)\nraise ArithmeticError('of the test')")
    for _ in range(2):
        with pytest.raises(Failed, match="(?s)book/law fails.*ArithmeticError.*of the test"):
            execute_outdated(book)
    store(book, "law", "import warnings\nwarnings.warn('of the test')")
    for _ in range(2):
        with pytest.raises(Failed, match="(?s)book/law prints a warning.*of the test"):
            execute_outdated(book)
    assert (book / "_build/kept/results.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "{}", '{"execution": {"page": "x"}, "outputs": []}'])
def test_a_file_that_is_not_whole_is_not_kept(text, book, executed):
    (book / "_build/kept/law.json").write_text(text)
    assert list(records(book)) == ["book/results"]
    assert execute_outdated(book) == ["book/law"]


def test_a_page_that_is_gone_is_forgotten(book, executed):
    (book / "book/law.ipynb").unlink()
    assert execute_outdated(book) == []
    assert [path.name for path in (book / "_build/kept").iterdir()] == ["results.json"]


def test_what_changes_while_it_is_read_is_executed_again(book):
    code = """\
import pathlib, subprocess, sys
file = pathlib.Path("input.txt")
file.write_text(file.read_text() + "and more")
subprocess.run([sys.executable, "-c", "open('input.txt')"], check=True)
"""
    (book / "book/input.txt").write_text("this ")
    store(book, "law", code)
    assert execute_outdated(book) == ["book/law"]
    assert ["file", "book/input.txt", "different"] in records(book)["book/law"].reads
    assert execute_outdated(book) == ["book/law"]


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_what_it_finished(book):
    store(book, "law", "print('done')")
    store(book, "results", "import time\nif not open('go.txt').read():\n    time.sleep(600)")
    (book / "book/go.txt").write_text("")
    command = "import sys, pathlib, bookkit.execution as e; e.execute_outdated(pathlib.Path('.'))"
    with subprocess.Popen([sys.executable, "-c", command], cwd=book) as build:
        while output_or_none(book, "book/law") != "done\n":
            time.sleep(0.1)
        build.kill()
    (book / "book/go.txt").write_text("go")
    assert execute_outdated(book) == ["book/results"]


def output_or_none(root, page):
    try:
        return output(root, page)
    except ValueError:
        return None


@pytest.mark.slow
def test_chapters_that_load_a_module_are_executed_when_it_changes(tmp_path, monkeypatch):
    """What Python has loaded when a chapter ends is asked in a cell of its own."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    for path in tracked.stdout.split():
        if not path.startswith("book/") or path.count("/") > 1:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tmp_path / path)
    chapters = ["book/02_dependence", "book/03_error_law", "book/12_one_run"]
    for path in (tmp_path / "book").glob("*.ipynb"):
        page = f"book/{path.stem}"
        notebook = nbformat.read(path, 4)
        path.unlink()
        if page in chapters:
            asked = (
                "import sys\nprint(*(getattr(m, '__file__', 0) for m in [*sys.modules.values()]))"
            )
            notebook.cells.append(new_code_cell(asked))
            nbformat.write(notebook, path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{tmp_path}/book")
    assert execute_outdated(tmp_path) == chapters
    found = records(tmp_path)
    loaded = {}
    for page in chapters:
        paths = [tmp_path.joinpath(path) for path in output(tmp_path, page).split() if "/" in path]
        ours = {str(p.relative_to(tmp_path)) for p in paths if p.is_relative_to(tmp_path)}
        loaded[page] = ours
        assert ours <= set(found[page].files)
    law = "dlm_core/error/law.py"
    readers = [page for page in chapters if law in loaded[page]]
    assert 0 < len(readers) < len(chapters)
    with (tmp_path / law).open("a") as file:
        file.write("# another last line\n")
    assert execute_outdated(tmp_path) == readers
    assert execute_outdated(tmp_path) == []
