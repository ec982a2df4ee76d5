"""Guards of the book that could fail silently: each is shown to hold and to bite."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import papermill
import pytest
from bookkit.ledger import Check
from bookkit.notebooks import on_all_cpus
from bookkit.resultsmap import contradictions
from contents import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

BIN = Path(sys.executable).parent
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def write_notebook(path, *sources):
    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    title = new_markdown_cell("# A page", id="title")
    nbformat.write(new_notebook(cells=[title, *cells], metadata=KERNEL), path)


def run(program, *arguments, cwd, **env):
    return subprocess.run(
        [BIN / program, *arguments],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def executed(tmp_path):
    """A notebook with a cell marked for comparison, executed as `make notebooks` does."""
    path = tmp_path / "page.ipynb"
    write_notebook(path, "print(6 * 7)")
    notebook = nbformat.read(path, 4)
    notebook.cells[1].metadata["tags"] = ["nbval-check-output"]
    nbformat.write(notebook, path)
    refresh(path)
    return path


def refresh(path):
    done = run("python", "-m", "bookkit.notebooks", path, cwd=path.parent)
    assert done.returncode == 0, done.stderr


def test_what_a_cell_prints_is_one_output(tmp_path):
    path = tmp_path / "page.ipynb"
    write_notebook(path, "import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.4)")
    refresh(path)
    (output,) = nbformat.read(path, 4).cells[1].outputs
    assert output.text == "0\n1\n2\n"


def test_refresh_is_stable(executed):
    first = executed.read_bytes()
    refresh(executed)
    assert executed.read_bytes() == first


def test_nbval_sees_a_changed_value(executed):
    command = "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", executed
    assert run(*command, cwd=executed.parent).returncode == 0
    executed.write_text(executed.read_text().replace("42", "43"))
    assert run(*command, cwd=executed.parent).returncode == 1


def test_as_many_notebooks_run_at_once_as_there_are_cpus(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    running, counts = set(), []

    async def do(path):
        running.add(path)
        await asyncio.sleep(0)
        counts.append(len(running))
        running.remove(path)
        return f"{path}, executed"

    assert on_all_cpus(do, "abcd") == [f"{path}, executed" for path in "abcd"]
    assert counts[0] == max(counts) == 2


def test_the_first_failure_ends_all(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    started, ended = [], []

    async def do(path):
        started.append(path)
        if path == "b":
            raise ValueError("b fails")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(path)

    with pytest.raises(ValueError, match="b fails"):
        on_all_cpus(do, "abcd")
    assert "d" not in started
    assert sorted(ended) == sorted({*started} - {"b"})


@pytest.fixture
def book(tmp_path):
    """A one-page book that has this book's configuration and its own copy of the package."""
    for name in ("_config.yml", "requirements.txt", "book/macros.yml", "book/references.bib"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("dlm_core", "book/bookkit", "book/_static"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/page\n")
    (tmp_path / "book/claims.yml").write_text("claims: []\n")
    return tmp_path


def build(book, arguments=""):
    command = f"from bookkit.build import *\nwith alone(): sys.exit(build({arguments}))"
    return run("python", "-c", command, cwd=book, PYTHONPATH=f"{book}:{book}/book")


def text_of(book, page="page"):
    return (book / f"_build/html/book/{page}.html").read_text()


def test_editing_the_package_recomputes_the_pages(book):
    module = book / "dlm_core/toy.py"
    write_notebook(book / "book/page.ipynb", "from dlm_core.toy import VALUE\nprint(VALUE)")
    for value in ("first-value", "second-value"):
        module.write_text(f"VALUE = {value!r}\n")
        result = build(book)
        assert result.returncode == 0, result.stdout + result.stderr
        assert value in text_of(book)


def test_a_failing_cell_fails_the_build_each_time(book):
    write_notebook(book / "book/page.ipynb", "raise ValueError('not this time')")
    for _ in range(2):
        result = build(book)
        assert result.returncode != 0
        assert "not this time" in result.stdout + result.stderr


TITLE = """\
# {title}

A sentence of the {title}, and [](other.md).
"""


@pytest.mark.slow
def test_a_warm_build_gives_what_a_fresh_one_would(book):
    """Edit after edit, each page says what its sources say, and a warning stays an error."""

    def store(title, code, links=""):
        write_notebook(book / "book/page.ipynb", code)
        notebook = nbformat.read(book / "book/page.ipynb", 4)
        notebook.cells[0].source = TITLE.format(title=title) + links
        nbformat.write(notebook, book / "book/page.ipynb")

    def built(arguments=""):
        result = build(book, arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    (book / "_toc.yml").write_text(
        "format: jb-book\nroot: book/page\nchapters: [{file: book/other}, {file: book/third}]\n"
    )
    (book / "book/other.md").write_text("# The other\n\nSee [](page.ipynb).\n")
    (book / "book/third.md").write_text("# The third\n\nAs it was.\n")
    code = "import time\nprint(f'computed at {time.time_ns()}')"
    store("first title", code)
    assert "book/page executed" in built()
    (computed,) = set(re.findall(r"computed at \d{9,}", text_of(book)))

    store("second title", code)
    output = built()
    assert "executed" not in output
    assert "book/third" not in re.findall(r"reading sources.*?(book/\w+)", output)
    assert "sentence of the second title" in text_of(book)
    assert computed in text_of(book)
    assert ">second title<" in re.sub("</?span[^>]*>", "", text_of(book, "other"))

    third = book / "book/third.md"
    before = third.stat()
    third.write_text("# The third\n\nAs it is now.\n")
    os.utime(third, ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))
    built()
    assert "As it is now." in text_of(book, "third")

    (book / "book/claims.yml").write_text("claims: []\n\n")
    assert "book/third" in re.findall(r"reading sources.*?(book/\w+)", built())

    store("second title", code, "\n[](no_such_page.md)\n")
    for _ in range(2):
        result = build(book)
        assert result.returncode != 0
        assert "no_such_page" in result.stderr
    store("second title", code)
    assert "executed" not in built()
    assert computed in text_of(book)

    (book / "_toc.yml").write_text(
        "format: jb-book\nroot: book/other\nchapters: [{file: book/third}]\n"
    )
    (book / "book/page.ipynb").unlink()
    (book / "book/other.md").write_text("# The other\n")
    built()
    assert not [*book.glob("_build/html/book/page*"), *book.glob("_build/jupyter_execute/book/*")]

    (book / "_toc.yml").write_text(
        "format: jb-book\nroot: book/page\nchapters: [{file: book/other}, {file: book/third}]\n"
    )
    store("second title", code)
    with ThreadPoolExecutor(2) as pool:
        together = [*pool.map(build, [book, book])]
    assert [result.returncode for result in together] == [0, 0]
    assert sum("book/page executed" in result.stdout for result in together) == 1
    (again,) = set(re.findall(r"computed at \d{9,}", text_of(book)))
    assert "book/page executed" in built("fresh=True")
    assert again not in text_of(book)


def record(claim):
    return Check(claim, "a check", "1", "=", "1", "0, exactly", "holds", 1)


@pytest.mark.parametrize(
    ("claim", "checks", "message"),
    [
        ({}, ["A"], None),
        ({"status": "recorded elsewhere"}, [], None),
        ({}, [], "neither a check nor a status"),
        ({"status": "not covered"}, ["A"], "is checked, yet"),
        ({}, ["A", "B"], "unknown claim 'B'"),
    ],
)
def test_contradictions_are_found(claim, checks, message):
    found = list(contradictions({"A": claim}, [record(name) for name in checks]))
    assert [message in text for text in found] == ([True] if message else [])


@pytest.mark.filterwarnings("default")
def test_a_chapter_runs_with_other_parameters(tmp_path):
    chapter = ROOT / "book/04_tc_adaptive.ipynb"
    declared = {
        name: found["default"] for name, found in papermill.inspect_notebook(chapter).items()
    }
    halved = {name: int(text) // 2 for name, text in declared.items() if text.isdigit()}
    assert halved
    papermill.execute_notebook(
        chapter,
        tmp_path / "out.ipynb",
        parameters=halved,
        kernel_name="python3",
        cwd=ROOT / "book",
        progress_bar=False,
    )
