"""Re-execute chapters in place, so that equal results leave equal files.

Usage: python book/refresh.py [book/04_tc_adaptive.ipynb ...]   (default: every chapter)

The figure of the introduction is also written to book/_static/overview.png, for the README.
"""

import base64
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).parent


def refresh(path):
    """Execute the notebook at `path` and store its outputs, without times or kernel details."""
    notebook = nbformat.read(path, 4)
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata = {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    # Written beside the chapter and moved over it: a killed run leaves the chapter whole.
    fresh = path.with_suffix(".fresh")
    nbformat.write(notebook, fresh)
    fresh.replace(path)
    return notebook


def first_picture(notebook):
    """Return the bytes of the first PNG among the notebook's outputs."""
    outputs = (
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    pictures = (
        output.get("data", {}).get("image/png") for output in outputs
    )
    return base64.b64decode(next(filter(None, pictures)))


if __name__ == "__main__":
    for chapter in map(Path, sys.argv[1:] or sorted(BOOK.glob("*.ipynb"))):
        print(chapter, flush=True)
        notebook = refresh(chapter)
        if chapter.stem == "intro":
            (BOOK / "_static/overview.png").write_bytes(
                first_picture(notebook)
            )
