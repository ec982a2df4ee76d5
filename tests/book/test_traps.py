"""Guards of the book that could fail silently: each is shown to hold and to bite."""

import asyncio
import os
import shutil
import subprocess
import sys
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
def build(tmp_path):
    """Build a one-page book that has this book's configuration and its own copy of the package."""
    for name in ("_config.yml", "requirements.txt", "book/macros.yml", "book/references.bib"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("dlm_core", "book/bookkit", "book/_static"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/page\n")
    (tmp_path / "book/claims.yml").write_text("claims: []\n")

    def build():
        where = {"cwd": tmp_path, "PYTHONPATH": f"{tmp_path}:{tmp_path}/book"}
        done = run("python", "-m", "bookkit.execution", **where)
        return done if done.returncode else run("jupyter-book", "build", ".", "-W", "-n", **where)

    return build


def test_editing_the_package_recomputes_the_pages(build, tmp_path):
    module = tmp_path / "dlm_core/toy.py"
    page = tmp_path / "_build/html/book/page.html"
    write_notebook(tmp_path / "book/page.ipynb", "from dlm_core.toy import VALUE\nprint(VALUE)")
    for value in ("first-value", "second-value"):
        module.write_text(f"VALUE = {value!r}\n")
        result = build()
        assert result.returncode == 0, result.stdout + result.stderr
        assert value in page.read_text()


def test_a_failing_cell_fails_the_build(build, tmp_path):
    write_notebook(tmp_path / "book/page.ipynb", "raise ValueError('not this time')")
    result = build()
    assert result.returncode != 0
    assert "not this time" in result.stdout + result.stderr


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
