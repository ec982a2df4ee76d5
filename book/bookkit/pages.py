"""What every page of the book shares: fresh execution, MathJax and its macros, provenance."""

import shutil
import time
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import yaml
from docutils import nodes
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util.docutils import SphinxDirective

from bookkit.notebooks import executed, on_all_cpus
from bookkit.records import commit, digest, file_digest, threads_in_words

# What a notebook's results depend on besides its own cells.
SOURCES = (
    "dlm_core/**/*.py",
    "requirements.txt",
    "book/claims.yml",
    "book/macros.yml",
    "book/results/**/*",
    "book/bookkit/*.py",
)
# The part of MathJax that the pages load: 2 MB of 24.
MATHJAX = ("tex-mml-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")


def digest_of_sources(root):
    """Return a hash of all files that `SOURCES` names under `root`."""
    paths = {path for pattern in SOURCES for path in root.glob(pattern) if path.is_file()}
    return digest({path.relative_to(root).as_posix(): file_digest(path) for path in paths})


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
    """Hand the digest and the macros to Sphinx."""
    root = Path(app.srcdir)
    config.bookkit_digest = digest_of_sources(root)
    macros = {
        name: [entry["tex"], entry["args"]] if "args" in entry else entry["tex"]
        for name, entry in load_macros(root).items()
        if "tex" in entry
    }
    config.mathjax3_config["tex"]["macros"] = macros


def execute_notebooks(app, env, docnames):
    """Execute the notebooks about to be read, several at once, and put them where MyST-NB looks."""

    async def timed(path):
        start = time.perf_counter()
        notebook = await executed(path)
        return CacheBundleIn(
            notebook, str(path), data={"execution_seconds": time.perf_counter() - start}
        )

    cache = get_cache(env.mystnb_config.execution_cache_path)
    paths = filter(lambda path: path.suffix == ".ipynb", map(Path, map(env.doc2path, docnames)))
    for bundle in on_all_cpus(timed, paths):
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def add_provenance(app, doctree):
    """Say below the title of an executed page when, where and from what it was computed."""
    execution = NbMetadataCollector.get_exec_data(app.env, app.env.docname)
    if execution is None:
        return
    facts = [
        "Computed in this build",
        f"{execution['runtime']:.1f} s",
        threads_in_words(),
        date.today().isoformat(),
        f"commit {commit(app.srcdir, results=True)}",
    ]
    title = next(doctree.findall(nodes.title))
    strip = nodes.paragraph("", " · ".join(facts), classes=["provenance"])
    title.parent.insert(title.parent.index(title) + 1, strip)


def copy_files(app, exception):
    """Add MathJax to the pages."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    source = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
    target = out / "_static/mathjax"
    for part in MATHJAX:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / part, target / part)


def setup(app):
    """Register the extension with Sphinx."""
    # "env": when the digest changes, every page is read, and so executed, again.
    app.add_config_value("bookkit_digest", "", "env")
    app.add_directive("notation-table", NotationTable)
    app.connect("config-inited", configure)
    app.connect("env-before-read-docs", execute_notebooks)
    app.connect("doctree-read", add_provenance)
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
