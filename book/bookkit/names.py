"""The public names of modules as a table, each with a link to where it is documented."""

from importlib import import_module
from inspect import getdoc

from sphinx.util.docutils import SphinxDirective

from bookkit.pages import table


class Names(SphinxDirective):
    """A row for each module that the content names, a line each."""

    has_content = True

    def run(self):
        header = ["Module", "Names"]
        return [table(self, header, [self.row(name) for name in self.content if name], "names")]

    def row(self, module):
        room = import_module(module)
        summary = getdoc(room).splitlines()[0]
        names = (f"{{py:obj}}`{name} <{module}.{name}>`" for name in room.__all__)
        return [f"{{py:mod}}`{module}`\n\n{summary}", " ".join(names)]


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("names", Names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
