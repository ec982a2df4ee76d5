"""The site: the pages, and beside them the book as one PDF and as an archive of notebooks.

Usage: python -m bookkit.site   (after the pages are built: `make site`)

The archive runs by itself: notebooks, the results that they read, both packages and the pins.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import dlm_core
from bookkit.downloads import PLACE
from bookkit.paper import print_book
from bookkit.records import ROOT, Refused, file_digest

BUILD = ROOT / "_build"
SITE = BUILD / "site"
ARCHIVE = f"book-{dlm_core.__version__}.zip"
# What each of the two wheels is built from: a folder, and what in it.
WHEELS = {
    ".": ["pyproject.toml", "README.md", "LICENSE", "dlm_core"],
    "book": ["pyproject.toml", "bookkit"],
}
BUILD_WHEEL = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
# In the archive, and in an environment that Binder makes of it.
INSTALL = """\
#!/bin/sh
# Installs the pinned requirements and dlm_core into the Python of this shell, and puts the workshop
# of the book, bookkit, beside its notebooks, where it finds their recorded results. With the word
# "packages", only the two packages: for an environment that has the rest, as Colab does.
set -e
cd "$(dirname "$0")"
if [ "$1" != packages ]; then
  python -m pip install --require-hashes --requirement requirements.txt
  python -m pip install --requirement requirements-torch.txt
fi
python -m pip install --no-deps --no-index wheels/dlm_core-*.whl
python -m pip install --no-deps --no-index --upgrade --target book wheels/bookkit-*.whl
"""
README = f"""\
The executed notebooks of version {dlm_core.__version__} are in book; intro.ipynb is the first.
To run them: python3 -m venv .venv && . .venv/bin/activate && sh install.sh   (Python 3.11 or newer)
Then open one in Jupyter or in an editor for notebooks, with the Python of .venv as its kernel.
"""
EPOCH = 315532800  # seconds; the first moment that a zip file can state


def build_wheels(target):
    """Build the wheels of both packages into the folder ``target``: equal sources, equal bytes.

    Nothing is fetched: the tools are those of this environment.
    """
    for folder, parts in WHEELS.items():
        with tempfile.TemporaryDirectory() as name:
            for part in parts:
                source, copy = ROOT / folder / part, Path(name) / part
                if source.is_dir():
                    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copyfile(source, copy)
            subprocess.run(
                [sys.executable, *BUILD_WHEEL, "--wheel-dir", str(target), name],
                env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)},
                check=True,
            )


def archive_files(wheels):
    """Return what the archive holds: from names in it to bytes.

    Parameters
    ----------
    wheels : Path
        The folder of the two wheels.

    Raises
    ------
    Refused
        If the pages, with their notebooks, were not built.
    """
    notebooks = sorted((BUILD / "html/_sources/book").glob("*.ipynb"))
    if not notebooks:
        raise Refused("there are no pages in _build/html: `make book` builds them")
    files = {"README.txt": README.encode(), "install.sh": INSTALL.encode()}
    files["binder/runtime.txt"] = b"python-3.11\n"
    files["binder/postBuild"] = b"#!/bin/sh\nexec sh install.sh\n"
    for name in ("LICENSE", "CITATION.cff", "requirements.txt", "requirements-torch.txt"):
        files[name] = (ROOT / name).read_bytes()
    for path in sorted(wheels.glob("*.whl")):
        files[f"wheels/{path.name}"] = path.read_bytes()
    for path in notebooks:
        files[f"book/{path.name}"] = path.read_bytes()
    for path in sorted((ROOT / "book/results").glob("*.*")):
        files[f"book/results/{path.name}"] = path.read_bytes()
    return files


def write_archive(target, files):
    """Write files to a zip file in one folder, its name; equal files give equal bytes."""
    with ZipFile(target, "w") as archive:
        for name in sorted(files):
            entry = ZipInfo(f"{Path(target).stem}/{name}")
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3  # Unix, whatever this machine is
            program = files[name].startswith(b"#!")
            entry.external_attr = (0o100755 if program else 0o100644) << 16
            archive.writestr(entry, files[name])


def list_files(site, files):
    """Put a list of files that lie in the folder ``site`` in the place that pages keep for it.

    Parameters
    ----------
    site : Path
    files : dict
        From names to descriptions, in HTML.
    """
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if PLACE in text:
            up = os.path.relpath(site, page.parent)
            items = [
                f'<li><a href="{up}/{name}">{words}</a> ({_size(site / name)})</li>'
                for name, words in files.items()
            ]
            listed = f'<ul class="downloads simple">{"".join(items)}</ul>'
            page.write_text(text.replace(PLACE, listed), encoding="utf-8")


def _size(path):
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def make_site():
    """Make the site in ``_build/site`` from the pages that Sphinx built."""
    shutil.rmtree(SITE, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        build_wheels(Path(name))
        files = archive_files(Path(name))
    shutil.copytree(BUILD / "html", SITE, ignore=shutil.ignore_patterns(".buildinfo*"))
    write_archive(SITE / ARCHIVE, files)
    print_book(SITE, SITE / "book.pdf")
    made = ["book.pdf", ARCHIVE]
    sums = "".join(f"{file_digest(SITE / name)}  {name}\n" for name in made)
    (SITE / "SHA256SUMS").write_text(sums, encoding="utf-8")
    words = ["The book as a PDF", "The notebooks, with all that they need to run", "SHA-256 sums"]
    list_files(SITE, dict(zip([*made, "SHA256SUMS"], words, strict=True)))


if __name__ == "__main__":
    try:
        make_site()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(2)
