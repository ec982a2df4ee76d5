"""How to cite the book and the paper, as BibTeX from the repository's own files."""

from pathlib import Path

import yaml
from docutils import nodes
from pybtex.database import BibliographyData, Entry, parse_file
from sphinx.util.docutils import SphinxDirective

PAPER = "zhao2026adaptation"


def bibtex(root):
    """Return the entries of the book and of the paper, as BibTeX.

    Parameters
    ----------
    root : Path
        The repository: its ``CITATION.cff`` describes the book, ``book/references.bib`` the paper.
    """
    book = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    fields = {
        "author": " and ".join(f"{{{author['name']}}}" for author in book["authors"]),
        "title": f"{{{book['title']}}}",
        "version": book["version"],
        **({"url": book["repository-code"]} if "repository-code" in book else {}),
        "note": "Jupyter Book and Python package",
    }
    paper = parse_file(root / "book/references.bib").entries[PAPER]
    entries = {"dlm-core": Entry("misc", list(fields.items())), PAPER: paper}
    return BibliographyData(entries).to_string("bibtex").strip()


class HowToCite(SphinxDirective):
    """The entries of the book and of the paper, to be copied."""

    def run(self):
        text = bibtex(Path(self.env.srcdir))
        return [nodes.literal_block(text, text, language="bibtex")]


def setup(app):
    """Register the directive with Sphinx."""
    app.add_directive("how-to-cite", HowToCite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
