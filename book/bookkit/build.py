"""What `make book` does: execute what is outdated, read what is new, write every page, check them.

Usage: python -m bookkit.build [--fresh]   (--fresh: keep nothing of earlier builds)

Reading a page costs more than writing it, so what was read is kept, but never beyond a build that
warned or was cut off: its warnings would not come again. Writing all pages keeps them consistent:
titles and numbers of theorems that one page quotes from another are always those of this build.
"""

import fcntl
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import contextmanager
from pathlib import Path

from bookkit.execution import KEPT, Failed, execute_outdated
from bookkit.records import ROOT

# What Sphinx has read, and the notebooks and pictures that MyST-NB took out of it.
_READ = ("_build/.doctrees", "_build/jupyter_execute")
CHECKED = "_build/checked"


def build(root=ROOT, fresh=False):
    """Build the pages of a book into `_build/html`.

    Parameters
    ----------
    root : Path
        Of the repository.
    fresh : bool
        Whether to keep nothing of earlier builds.

    Returns
    -------
    int
        The exit status: 0 if there was no warning.

    Raises
    ------
    Failed
        If a notebook cannot be executed.
    """
    if fresh:
        for folder in (KEPT, CHECKED):
            shutil.rmtree(root / folder, ignore_errors=True)
    execute_outdated(root)
    without_warning = root / "_build/.doctrees/without_warning"
    if fresh or not without_warning.exists():
        for folder in _READ:
            shutil.rmtree(root / folder, ignore_errors=True)
    without_warning.unlink(missing_ok=True)
    shutil.rmtree(root / "_build/html", ignore_errors=True)
    program = Path(sys.executable).with_name("jupyter-book")
    command = program, "build", ".", "-W", "-n", "--keep-going"
    status = subprocess.run(command, cwd=root, check=False).returncode
    if status == 0:
        without_warning.touch()
    return status


def check(root=ROOT):
    """Check the built pages and return the exit status."""
    files = sorted((root / "tests/book").glob("test_*.py"))
    tests = [file for file in files if "mark.pages" in file.read_text(encoding="utf-8")]
    workers = "-n", "2", "--dist", "loadgroup"
    command = sys.executable, "-m", "pytest", *workers, "--changed-pages", "-m", "pages", *tests
    return subprocess.run(command, cwd=root, check=False).returncode


@contextmanager
def alone(root=ROOT):
    """Wait until no other build of this book runs, and keep others waiting."""
    (root / "_build").mkdir(exist_ok=True)
    with (root / "_build/building").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build of this book is running: waiting for its end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main():
    """Run the command and return its exit status."""
    parser = ArgumentParser(prog="python -m bookkit.build", description="Build and check the book.")
    parser.add_argument("--fresh", action="store_true", help="keep nothing of earlier builds")
    options = parser.parse_args()
    try:
        with alone():
            return build(fresh=options.fresh) or check()
    except Failed as failure:
        return str(failure)  # which makes the status 1


if __name__ == "__main__":
    sys.exit(main())
