"""What readers take along, as `make site` leaves it: the PDF, the archive, and their places."""

import os
import re
import subprocess
import sys
import unicodedata
from functools import cache
from zipfile import ZipFile

import nbformat
import pytest
from bookkit.downloads import PLACE
from bookkit.launch import BRANCH, cell_for_colab
from bookkit.paper import contents
from bookkit.records import file_digest
from bookkit.site import ARCHIVE, SITE, archive_files, build_wheels, write_archive
from bs4 import BeautifulSoup
from contents import NOTEBOOKS, PAGES, ROOT
from pypdf import PdfReader

pytestmark = pytest.mark.site
PRINTED = contents(ROOT)


@cache
def pdf():
    return PdfReader(SITE / "book.pdf")


def letters(text):
    """Return text without what a line break or a ligature changes."""
    return re.sub(r"[\s\u00ad]", "", unicodedata.normalize("NFKC", text))


@cache
def read():
    """Return of each page of the PDF its text, and where pieces of it start, in points."""
    pages = []
    for page in pdf().pages:
        places = []

        def visit(text, matrix, place, font, size, places=places):
            if text.strip():
                places.append((text, place[4] * matrix[0] + matrix[4]))

        pages.append((page.extract_text(visitor_text=visit), places))
    return pages


@cache
def printed():
    return letters("".join(text for text, _ in read()))


@cache
def soup(page):
    return BeautifulSoup((SITE / f"{page}.html").read_text(encoding="utf-8"), "html.parser")


def test_the_pdf_has_a_title_page_and_at_most_170_pages():
    assert len(pdf().pages) <= 170
    (version,) = re.findall(
        r'^__version__ = "(.+)"', (ROOT / "dlm_core/__init__.py").read_text(), re.M
    )
    first, _ = read()[0]
    assert re.search(rf"Version {version} · commit \w+\S* · \d{{4}}-\d\d-\d\d", first)
    assert letters(pdf().metadata.title) in letters(first)


def test_no_page_of_the_pdf_is_blank():
    short = [number for number, (text, _) in enumerate(read()) if len(letters(text)) < 20]
    assert not [number + 1 for number in short if not pdf().pages[number].images]


def test_the_pdf_is_tagged_and_outlined():
    root = pdf().trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en"
    chapters = [letters(entry.title) for entry in pdf().outline if not isinstance(entry, list)]
    titles = [
        letters(soup(page).select_one("article h1").get_text().removesuffix("#"))
        for page in PRINTED
    ]
    assert [title for title in chapters if title in titles] == titles


@pytest.mark.parametrize("page", PRINTED)
def test_the_pdf_has_every_theorem_and_proof(page):
    for title in soup(page).select("article p.admonition-title"):
        box = title.find_parent(class_="admonition")
        if not (title.find_parent("details") or box.select("table.ledger")):
            words = [
                "\0" if text.find_parent(class_="math") else text
                for text in title.find_all(string=True)
            ]
            assert all(letters(part) in printed() for part in "".join(words).split("\0")), title
    for number in soup(page).select("article span.eqno"):
        assert letters(number.find(string=True)) in printed(), number


def test_the_pdf_has_the_end_of_the_longest_line_of_code():
    lines = [
        line
        for page in PRINTED
        for code in soup(page).select("article div.cell_input pre")
        if not code.find_parent("details", class_="hide")
        for line in code.get_text().splitlines()
    ]
    longest = max(lines, key=len)
    assert letters(longest[-30:]) in printed(), longest


def test_no_text_of_the_pdf_starts_beyond_the_right_margin():
    outside = [piece for _, places in read() for piece in places if piece[1] > 555]
    assert not outside  # points, of 595


def test_sums_are_right():
    lines = (SITE / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert lines == [f"{file_digest(SITE / name)}  {name}" for name in ("book.pdf", ARCHIVE)]


def test_pages_list_what_was_made():
    assert not [page for page in PAGES if PLACE in (SITE / f"{page}.html").read_text()]
    links = soup("book/reproduce").select("ul.downloads a")
    assert [link["href"] for link in links] == ["../book.pdf", f"../{ARCHIVE}", "../SHA256SUMS"]
    assert all((SITE / "book" / link["href"]).resolve().is_file() for link in links)


def test_the_archive_is_complete_and_the_same_again(tmp_path):
    for name in "first", "second":
        (tmp_path / name).mkdir()
        build_wheels(tmp_path / name)
    files = archive_files(tmp_path / "first")
    assert files == archive_files(tmp_path / "second")
    again = tmp_path / ARCHIVE
    write_archive(again, files)
    assert again.read_bytes() == (SITE / ARCHIVE).read_bytes()
    notebooks = {f"{page}.ipynb" for page in NOTEBOOKS}
    results = {f"book/results/{path.name}" for path in (ROOT / "book/results").glob("*.*")}
    assert notebooks | results <= files.keys()
    wheels = [name.split("-")[0] for name in files if name.startswith("wheels/")]
    assert sorted(wheels) == ["wheels/bookkit", "wheels/dlm_core"]
    assert len(files["README.txt"].splitlines()) == 3


RUN = """
import sys, nbformat
from nbclient import NotebookClient
for path in sys.argv[1:]:
    notebook = nbformat.read(path, 4)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    print(path, flush=True)
"""


def unpacked(folder):
    with ZipFile(SITE / ARCHIVE) as archive:
        archive.extractall(folder)
    (root,) = folder.iterdir()
    return root


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The archive, unpacked and installed by its own script into a fresh environment."""
    root = unpacked(tmp_path_factory.mktemp("archive"))
    subprocess.run([sys.executable, "-m", "venv", root / ".venv"], check=True)
    path = f"{root / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PATH": path}
    # what Binder runs, and what README.txt says
    subprocess.run(["sh", "binder/postBuild"], cwd=root, env=environment, check=True)
    return root, environment


@pytest.mark.slow
@pytest.mark.parametrize("page", NOTEBOOKS)
def test_notebooks_of_the_archive_run(page, installed):
    root, environment = installed
    subprocess.run(
        ["python", "-c", RUN, f"{page.removeprefix('book/')}.ipynb"],
        cwd=root / "book",
        env=environment | {"OMP_NUM_THREADS": "1"},
        check=True,
    )


COLAB = """
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
{cell}
from bookkit import load
print(load("costs", "paper").line)
"""


@pytest.mark.slow
def test_the_cell_for_colab_fetches_and_installs(installed, tmp_path):
    _, environment = installed
    origin = unpacked(tmp_path / "origin")
    settings = ["-c", "user.name=x", "-c", "user.email=x@x"]
    for command in (["init", "-b", BRANCH], ["add", "."], [*settings, "commit", "-m", "x"]):
        subprocess.run(["git", *command], cwd=origin, check=True, capture_output=True)
    notebook = nbformat.v4.new_notebook()
    notebook.cells.append(nbformat.v4.new_code_cell(COLAB.format(cell=cell_for_colab(origin))))
    nbformat.write(notebook, tmp_path / "opened.ipynb")
    show = RUN.replace("print(path", "print(notebook.cells[0].outputs[-1].text")
    done = subprocess.run(
        ["python", "-c", show, "opened.ipynb"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Recorded: paper profile" in done.stdout
