"""Notebooks run from end to end: chapters in place or for a page, experiments through papermill.

Usage: python -m bookkit.notebooks [book/04_tc_adaptive.ipynb ...]   (default: every chapter)

Chapters are stored so that equal results leave equal files. The figure of the introduction is also
written to book/_static/overview.png, for the README.
"""

import asyncio
import base64
import json
import logging
import os
import sys
import tempfile
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbclient import NotebookClient

from bookkit.records import ROOT, Refused, missing, write

try:
    from bookkit.workers import VARIABLE
except Refused as refusal:
    if __name__ != "__main__":
        raise
    print(refusal, file=sys.stderr)
    sys.exit(2)

BOOK = ROOT / "book"
PATIENCE = 60  # seconds for a kernel to answer

# Of every notebook that is stored, whatever kernel ran it.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def on_all_cpus(do, paths):
    """Return what the coroutine function `do` gives for each path.

    As many run at once as there are CPUs. The first that fails ends all, and its error is raised.
    """

    async def together():
        free = asyncio.Semaphore(os.cpu_count())

        async def one(path):
            async with free:
                return await do(path)

        return await asyncio.gather(*map(one, paths))

    return asyncio.run(together())


async def executed(path, variables=None):
    """Return the notebook at `path` with new outputs. Its kernel computes with one thread.

    `variables` are added to its environment.
    """
    notebook = nbformat.read(path, 4)
    await NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # else a slow machine cuts what is printed at other places
        resources={"metadata": {"path": str(path.parent)}},
    ).async_execute(env=os.environ | {"OMP_NUM_THREADS": "1"} | (variables or {}))
    return notebook


async def refresh(path):
    """Execute the notebook at `path` and store its outputs, without times or kernel details."""
    notebook = await executed(path)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata = METADATA
    write(path, nbformat.writes(notebook) + "\n")
    print(path, flush=True)
    if path.stem == "intro":
        (BOOK / "_static/overview.png").write_bytes(first_picture(notebook))


def first_picture(notebook):
    """Return the bytes of the first PNG among the notebook's outputs."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    pictures = (output.get("data", {}).get("image/png") for output in outputs)
    return base64.b64decode(next(filter(None, pictures)))


def check_requirements():
    """Refuse to go on without what runs a notebook and its workers."""
    for package in ("cloudpickle", "ipykernel", "papermill", "tqdm"):
        if find_spec(package) is None:
            raise Refused(missing(package))
    try:
        KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        raise Refused(missing("a Jupyter kernel named 'python3'")) from None


def execute(path, parameters, run):
    """Execute a notebook and return it as text to store; None if it fails or is interrupted."""
    import papermill

    # An interrupted cell leaves a task behind whose exception nobody asks for.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    os.environ[VARIABLE] = json.dumps(asdict(run))
    try:
        notebook = papermill.execute_notebook(
            path,
            None,
            parameters=parameters,
            kernel_name="python3",
            language="python",
            cwd=path.parent,
            stderr_file=sys.stderr,
            start_timeout=PATIENCE,
            iopub_timeout=PATIENCE,
        )
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return None
    except (papermill.PapermillExecutionError, RuntimeError) as error:
        print(error, file=sys.stderr)  # a RuntimeError: the kernel died, or did not answer
        return None
    finally:
        del os.environ[VARIABLE]
    return _log(notebook, path)


def _log(notebook, path):
    """The text of an executed notebook without times, progress bars or machine details."""
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "injected-parameters"
            cell.source = cell.source.strip()
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [
                _without_folders(output, path)
                for output in cell.outputs
                if output.get("name") != "stderr"
            ]
    notebook.metadata = METADATA
    return nbformat.writes(notebook) + "\n"


def _without_folders(output, path):
    """Return an output after taking the folders of this machine out of its text."""
    folders = {
        str(path.parent.resolve()): ".",
        str(ROOT): "<checkout>",
        tempfile.gettempdir(): "<temporary>",
        str(Path.home()): "~",
    }

    def clean(text):
        for folder in sorted(folders.keys() - {"/"}, key=len, reverse=True):
            text = text.replace(folder, folders[folder])
        return text

    if "text" in output:
        output.text = clean(output.text)
    for kind in output.get("data", {}):
        if kind.startswith("text/"):
            output.data[kind] = clean(output.data[kind])
    return output


if __name__ == "__main__":
    chapters = [Path(name) for name in sys.argv[1:]] or sorted(BOOK.glob("*.ipynb"))
    for chapter in chapters:
        try:
            nbformat.read(chapter, 4)
        except (OSError, ValueError, nbformat.ValidationError):
            print(f"{chapter} must be a notebook of nbformat 4", file=sys.stderr)
            sys.exit(2)
    on_all_cpus(refresh, chapters)
