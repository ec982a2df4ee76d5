"""The notebooks that readers download: plain Markdown around the executed cells."""

from types import SimpleNamespace
from zipfile import ZipFile

import nbformat
import pytest
from bookkit.downloads import PLACE, Markdown, converted, expand
from bookkit.launch import links
from bookkit.site import list_files, write_archive
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace
from sphinx_proof.nodes import theorem_node

MACROS = {"KL": [r"D(#1 \| #2)", 2], "TC": r"\rm T", "E": r"\mathbb{E}", "DTC": r"\TC^*"}


def page(address=""):
    env = SimpleNamespace(
        toc_fignumbers={"book/a": {"theorem": {"thm": (4, 1)}, "displaymath": {"eq": (4, 3)}}},
        toc_secnumbers={},
        doc2path=lambda name: f"{name}.{'md' if name == 'book/notes' else 'ipynb'}",
    )
    return Markdown(env, "book/a", MACROS, address)


@pytest.mark.parametrize(
    ("tex", "plain"),
    [
        (r"\KL{p}{\hat{q}}", r"D(p \| \hat{q})"),
        (r"\KL pq", r"D(p \| q)"),
        (r"\KL{\KL{a}{b}}{c}", r"D(D(a \| b) \| c)"),
        (r"\TC x + \TC", r"\rm T x + \rm T"),
        (r"\DTC", r"\rm T^*"),
        (r"\E[W] \Et", r"\mathbb{E}[W] \Et"),
        (r"\TC\{a\}", r"\rm T\{a\}"),
    ],
)
def test_macros_are_written_out(tex, plain):
    assert expand(tex, MACROS) == plain


def test_a_brace_must_close():
    with pytest.raises(ValueError, match="tex must close the braces that it opens"):
        expand(r"\KL{p", MACROS)


def test_a_theorem_is_a_quotation_with_its_number():
    equation = nodes.math_block("", "a \\\\\n\\E b", ids=["eq"])
    body = nodes.section("", nodes.paragraph("", "", nodes.Text("So a_b:")), equation)
    box = theorem_node(
        "",
        nodes.title("", " (Equality)"),
        body,
        ids=["thm"],
        countertype="theorem",
        realtype="lemma",
    )
    assert page().blocks([box]) == [
        "> **Lemma 4.1** (Equality).\n>\n> So a\\_b:\n>\n"
        r"> $$\begin{split}a \\ \mathbb{E} b\end{split} \tag{4.3}$$"
    ]


@pytest.mark.parametrize(
    ("uri", "address", "text"),
    [
        ("b.html", "", "[there](b.ipynb)"),
        ("b.html#thm", "", "there"),
        ("b.html#thm", "https://x.org/y", "[there](https://x.org/y/book/b.html#thm)"),
        ("notes.html", "", "there"),
        ("#thm", "https://x.org", "there"),
        ("https://x.org", "", "[there](https://x.org)"),
    ],
)
def test_links_lead_to_files_and_sites_and_nowhere_else(uri, address, text):
    reference = nodes.reference("", "there", refuri=uri)
    assert page(address).inline(reference) == text


def test_a_table_keeps_its_columns():
    def row(*cells):
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))

    head = nodes.thead("", row(nodes.Text("a"), nodes.Text("b")))
    body = nodes.tbody("", row(nodes.math("", "P(x | y)"), nodes.Text("1 * 2")))
    table = nodes.table("", nodes.tgroup("", head, body))
    assert page().blocks([table]) == [
        "| a | b |\n| --- | --- |\n| $P(x \\vert  y)$ | 1 \\* 2 |".replace("  ", " ")
    ]


def test_every_cell_is_kept_in_order_and_folded_as_on_the_page():
    new = nbformat.v4
    hidden = {"tags": ["remove-cell"], "mystnb": {"figure": {"caption": "{glue}`x`"}}}
    cells = [
        new.new_code_cell("one", id="a", metadata=hidden),
        new.new_markdown_cell("old", id="b"),
        new.new_code_cell("two", id="c"),
        new.new_code_cell("three", id="d"),
    ]
    notebook = new.new_notebook(cells=cells)
    out = converted(notebook, ["# Title", "Text", 2, "**Fig. 1.** It rises.", "## More"])
    assert [cell.source for cell in out.cells] == [
        "# Title\n\nText",
        "one",
        "two",
        "**Fig. 1.** It rises.",
        "## More",
        "three",
    ]
    assert out.cells[1].metadata == {
        "tags": ["remove-cell"],
        "jupyter": {"source_hidden": True, "outputs_hidden": True},
    }
    assert notebook.cells[0].metadata == hidden
    nbformat.validate(out)


def test_an_archive_of_the_same_files_has_the_same_bytes(tmp_path):
    files = {"b/run": b"#!/bin/sh\n", "a": b"text"}
    write_archive(tmp_path / "x.zip", files)
    first = (tmp_path / "x.zip").read_bytes()
    write_archive(tmp_path / "x.zip", dict(reversed(files.items())))
    assert (tmp_path / "x.zip").read_bytes() == first
    with ZipFile(tmp_path / "x.zip") as archive:
        assert archive.namelist() == ["x/a", "x/b/run"]
        assert archive.infolist()[1].external_attr >> 16 == 0o100755


def test_pages_list_files_by_relative_links(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/a.html").write_text(f"<p>{PLACE}</p>", encoding="utf-8")
    (tmp_path / "book.pdf").write_bytes(bytes(2_345_678))
    list_files(tmp_path, {"book.pdf": "The book"})
    text = (tmp_path / "book/a.html").read_text(encoding="utf-8")
    assert '<a href="../book.pdf">The book</a> (2.3 MB)' in text
    assert PLACE not in text


@pytest.mark.filterwarnings("ignore")  # of other extensions
@pytest.mark.parametrize("address", ["", "https://github.com/owner/name"])
def test_pages_link_to_where_they_run_if_the_repository_has_an_address(address, tmp_path):
    (tmp_path / "book").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title", id="a")])
    nbformat.write(notebook, tmp_path / "book/a.ipynb")
    settings = {
        "extensions": ["myst_nb", "bookkit.launch"],
        "root_doc": "book/a",
        "html_theme": "sphinx_book_theme",
        "html_theme_options": {"repository_url": address, "repository_branch": "main"},
        "nb_execution_mode": "off",
    }
    out = tmp_path / "out"
    with docutils_namespace():
        Sphinx(tmp_path, None, out, out, "html", settings, status=None, warning=None).build()
    html = (out / "book/a.html").read_text(encoding="utf-8")
    found = {link["href"] for link in BeautifulSoup(html, "html.parser").select("a[href*='owner']")}
    expected = {*links(address, "book/a").values()}
    if address:
        issues = {link for link in found if link.startswith(f"{address}/issues/new")}
        assert len(issues) == 1
        expected |= {address, f"{address}/edit/main/book/a.ipynb"} | issues
    assert found == expected


def test_only_github_is_read_by_binder_and_colab():
    assert links("https://example.org/owner/name", "book/a") == {}
