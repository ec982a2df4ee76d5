"""What every page of the book shares: kept outputs, MathJax and its macros, provenance."""

from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from bookkit.execution import kept_at, with_outputs
from bookkit.light import add_mathjax, lighten
from bookkit.recording import state
from bookkit.records import digest, file_digest

# What every page depends on besides its own sources.
SHARED = (
    "_config.yml",
    "_toc.yml",
    "CITATION.cff",
    "requirements*.txt",
    "book/*.yml",
    "book/*.bib",
    "book/bookkit/*.py",
)


def load_macros(root):
    """Return the entries of the notation file, in its order."""
    return yaml.safe_load((root / "book/macros.yml").read_text(encoding="utf-8"))


def table(directive, header, rows, css_class):
    """Build a table whose cells are MyST text, parsed by `directive`, or nodes as they are."""

    def entry(cell):
        parsed = directive.parse_text_to_nodes(cell) if isinstance(cell, str) else [cell]
        return nodes.entry("", *parsed)

    def row(cells):
        return nodes.row("", *map(entry, cells))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in header), cols=len(header))
    group += nodes.thead("", row(header))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group, classes=[css_class])


def page_link(env, page):
    """Return the MyST link to a page of the book, which shows the page's title."""
    return f"[]({Path(env.doc2path(page)).name})"


class NotationTable(SphinxDirective):
    """The symbols of the book, from the file that also defines the macros."""

    def run(self):
        rows = [
            [f"${entry['symbol']}$", entry["meaning"], page_link(self.env, entry["where"])]
            for entry in load_macros(Path(self.env.srcdir)).values()
        ]
        return [table(self, ["Symbol", "Meaning", "Introduced in"], rows, "notation")]


def configure(app, config):
    """Hand the digest of what all pages depend on, and the macros, to Sphinx."""
    root = Path(app.srcdir)
    shared = {path for pattern in SHARED for path in root.glob(pattern)}
    config.bookkit_digest = digest({str(path): file_digest(path) for path in shared})
    macros = {
        name: [entry["tex"], entry["args"]] if "args" in entry else entry["tex"]
        for name, entry in load_macros(root).items()
        if "tex" in entry
    }
    config.mathjax3_config["tex"]["macros"] = macros


def fill_in_outputs(app, docname, source):
    """Give MyST-NB the notebook of a page with the outputs that are kept for it."""
    if Path(app.env.doc2path(docname)).suffix == ".ipynb":
        notebook = nbformat.reads(source[0], 4)
        root = Path(app.srcdir)
        execution = with_outputs(root, docname, notebook)
        app.env.note_dependency(str(kept_at(root, docname)))
        app.env.metadata[docname]["computed"] = execution.line
        source[0] = nbformat.writes(notebook)


def add_provenance(app, doctree):
    """Say below the title of an executed page when, where and from what it was computed."""
    line = app.env.metadata[app.env.docname].pop("computed", None)
    if line:
        title = next(doctree.findall(nodes.title))
        strip = nodes.paragraph("", line, classes=["provenance"])
        title.parent.insert(title.parent.index(title) + 1, strip)


def note_sources(app, doctree):
    """Remember the files that a page was read from, as they are now."""
    env = app.env
    files = [env.doc2path(env.docname), *env.dependencies[env.docname]]
    env.bookkit_sources = getattr(env, "bookkit_sources", {}) | {
        env.docname: {file: state("file", Path(app.srcdir, file)) for file in files}
    }


def outdated(app, env, added, changed, removed):
    """Name the pages read from files that are others now. Sphinx itself compares times only."""
    return [
        page
        for page, files in getattr(env, "bookkit_sources", {}).items()
        if any(state("file", Path(app.srcdir, file)) != then for file, then in files.items())
    ]


def forget(app, env, docname):
    """Take back what is left of a page that is read again, or gone."""
    getattr(env, "bookkit_sources", {}).pop(docname, None)
    Path(env.mystnb_config.output_folder, f"{docname}.ipynb").unlink(missing_ok=True)


def copy_files(app, exception):
    """Add MathJax to the pages, and drop what no page uses."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    add_mathjax(out)
    lighten(out)


def setup(app):
    """Register the extension with Sphinx."""
    app.add_config_value("bookkit_digest", "", "env")  # another one: all pages are read again
    app.add_directive("notation-table", NotationTable)
    app.connect("config-inited", configure)
    app.connect("source-read", fill_in_outputs)
    app.connect("doctree-read", add_provenance)
    app.connect("doctree-read", note_sources)
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", forget)
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
