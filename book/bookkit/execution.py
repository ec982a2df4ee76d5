"""Pages executed once: outputs are kept until something that the page read has changed.

Usage: python -m bookkit.execution   (executes the notebooks of the book that are outdated)

For each notebook one file under `_build/kept` holds the outputs and an `Execution`: what they were
computed from, when and where. They hold as long as the code cells, the setting (versions, pins,
machine, threads) and every file of the repository that the kernel read are what they were. Prose,
captions and tags cost no execution. Delete the folder to keep nothing.
"""

import json
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from math import inf
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from bookkit import notebooks, recording
from bookkit.records import (
    ROOT,
    commit,
    device_in_words,
    digest,
    file_digest,
    versions,
    write,
)

KEPT = "_build/kept"
# What nbclient does otherwise with a cell.
_TAGS = {"raises-exception", "skip-execution"}


class Failed(RuntimeError):
    """A page cannot be executed; the text says which and why, with the traceback."""


@dataclass(frozen=True)
class Execution:
    """What is known of the execution whose outputs a page shows.

    Attributes
    ----------
    page : str
        The page, as the table of contents has it: ``"book/04_tc_adaptive"``.
    date : str
        The day, as ``"2026-11-26"``.
    seconds : float
        From the start of the kernel to its end.
    commit : str
        Of the checkout; ``"-dirty"`` follows where files differed from it.
    device : str
        The machine, in words, with its threads.
    versions : dict
        Of Python and of what numbers depend on.
    cells : str
        Digest of the code cells.
    setting : dict
        What all pages depend on: see `setting_of`.
    reads : list of (kind, path, state)
        What the kernel read below the root of the repository: see `recording.state`.
    """

    page: str
    date: str
    seconds: float
    commit: str
    device: str
    versions: dict
    cells: str
    setting: dict
    reads: list

    @property
    def files(self):
        """The files of the repository that were read: a list of paths."""
        return [path for kind, path, state in self.reads if kind == "file" and state]

    @property
    def line(self):
        """What to say below the title of the page; true as long as there are no `changes`."""
        return (
            f"Computed on {self.date} in {self.seconds:.1f} s · {self.device} · "
            f"commit {self.commit} · nothing that it read has changed since"
        )

    def changes(self, root, notebook, setting):
        """What the outputs depend on that is not as it was, in words: a list of str.

        Parameters
        ----------
        root : Path
            Of the repository.
        notebook : NotebookNode
            The page's, as it is now.
        setting : dict
            What `setting_of` returns now.
        """
        words = ["its code"] if cells_digest(notebook) != self.cells else []
        words += [name for name in setting if setting[name] != self.setting.get(name)]
        words += [
            path if kind == "file" else f"the {'names' if kind == 'folder' else kind} in {path}/"
            for kind, path, state in self.reads
            if recording.state(kind, root / path) != state
        ]
        return words


def setting_of(root):
    """Return what every execution depends on besides cells and files, by name, as digests."""
    installed = Path(sysconfig.get_paths()["purelib"]).glob("*.dist-info")
    threads = {name: os.environ[name] for name in os.environ if name.endswith("_NUM_THREADS")}
    own = [Path(module.__file__) for module in (notebooks, recording)]
    return {
        "the pins": digest({p.name: file_digest(p) for p in root.glob("requirements*.txt")}),
        "the installed versions": digest(sorted(path.name for path in installed)),
        "Python": platform.python_version(),
        "the machine": digest([device_in_words("cpu"), threads]),
        "how notebooks are executed": digest([file_digest(path) for path in own]),
    }


def cells_digest(notebook):
    """Return a digest of the code that a notebook runs."""
    return digest(
        [
            [cell.source, sorted(_TAGS.intersection(cell.metadata.get("tags", [])))]
            for cell in notebook.cells
            if cell.cell_type == "code"
        ]
    )


def pages_of(root):
    """Return the names of the book's pages that are notebooks."""
    return [f"book/{path.stem}" for path in sorted((root / "book").glob("*.ipynb"))]


def records(root=ROOT):
    """Return what is kept, whether or not it still holds: an `Execution` for each page, by name."""
    found = ((page, _kept(root, page)) for page in pages_of(root))
    return {page: kept[0] for page, kept in found if kept}


def kept_at(root, page):
    """Return where the outputs of a page are kept."""
    return root / KEPT / f"{page.removeprefix('book/')}.json"


def _kept(root, page):
    """The `Execution` of a page and the outputs of each code cell; None if none is kept."""
    try:
        content = json.loads(kept_at(root, page).read_text(encoding="utf-8"))
        return Execution(**content["execution"]), content["outputs"]
    except (OSError, ValueError, TypeError, KeyError):  # none, or of another version of this module
        return None


def with_outputs(root, page, notebook):
    """Give the code cells of ``notebook`` the outputs that are kept for the page.

    Returns
    -------
    Execution

    Raises
    ------
    ValueError
        If nothing is kept that belongs to these cells.
    """
    kept = _kept(root, page)
    if kept is None or kept[0].cells != cells_digest(notebook):
        raise ValueError(f"{page} has not been executed as it is: run python -m bookkit.execution")
    execution, outputs = kept
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    for number, (cell, shown) in enumerate(zip(cells, outputs, strict=True), 1):
        cell.outputs = [nbformat.from_dict(output) for output in shown]
        cell.execution_count = number
    return execution


def execute_outdated(root=ROOT):
    """Execute the book's notebooks whose kept outputs no longer hold, and keep the new ones.

    As many run at once as there are CPUs. Each is kept as soon as it is done; of a run that fails
    nothing is.

    Returns
    -------
    list of str
        The pages that were executed.

    Raises
    ------
    Failed
        If a cell fails, or prints to the standard error: a page with a warning is not finished.
    """
    setting, at, kept = setting_of(root), commit(root, results=True), records(root)
    outdated = {}
    for page in pages_of(root):
        notebook = nbformat.read(root / f"{page}.ipynb", 4)
        if page not in kept:
            outdated[page] = ["all, as nothing was kept"]
        elif changes := kept[page].changes(root, notebook, setting):
            outdated[page] = changes
    for path in (root / KEPT).glob("*.json"):
        if f"book/{path.stem}" not in pages_of(root):
            path.unlink()

    async def do(page):
        try:
            notebook, seconds, reads = await _executed(root, page)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise Failed(f"{page} fails. {error}") from error
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell in code:
            for output in cell.outputs:
                if output.get("name") == "stderr":
                    raise Failed(f"{page} prints a warning.\n{cell.source}\n\n{output.text}")
        execution = Execution(
            page=page,
            date=date.today().isoformat(),
            seconds=round(seconds, 1),
            commit=at,
            device=device_in_words("cpu"),
            versions=versions(),
            cells=cells_digest(notebook),
            setting=setting,
            reads=reads,
        )
        content = {"execution": asdict(execution), "outputs": [cell.outputs for cell in code]}
        path = kept_at(root, page)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(content, indent=1) + "\n")
        words = ", ".join(outdated[page][:3]) + (" ..." if len(outdated[page]) > 3 else "")
        print(f"{page} executed in {seconds:.1f} s (changed: {words})", flush=True)

    def seconds_before(page):
        return kept[page].seconds if page in kept else inf

    # No long one is left for the end.
    notebooks.on_all_cpus(do, sorted(outdated, key=seconds_before, reverse=True))
    return list(outdated)


async def _executed(root, page):
    """An executed notebook, the seconds it took, and what it read."""
    with tempfile.TemporaryDirectory(prefix="bookkit-") as folder:
        shutil.copyfile(recording.__file__, Path(folder, "sitecustomize.py"))
        paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
        variables = {"PYTHONPATH": os.pathsep.join(paths), recording.VARIABLE: str(root.absolute())}
        start = time.perf_counter()
        notebook = await notebooks.executed(root / f"{page}.ipynb", variables)
        seconds = time.perf_counter() - start
        states = {}
        for line in Path(folder, "reads").read_text(encoding="utf-8").splitlines():
            kind, path, state = json.loads(line)
            # Two processes that found it different: it holds for none.
            agree = states.setdefault((kind, path), state) == state
            states[kind, path] = state if agree else "different"
    return notebook, seconds, [[*what, state] for what, state in sorted(states.items())]


if __name__ == "__main__":
    try:
        execute_outdated()
    except Failed as failure:
        sys.exit(str(failure))
