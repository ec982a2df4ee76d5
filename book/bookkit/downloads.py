"""What readers take along: the place on a page where the files of the site are listed.

`bookkit.site` makes the files, and lists them in this place, when it makes a site of the pages.
"""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

# What stands on a page until the files are made beside it.
PLACE = (
    '<p class="downloads">The book as one PDF and as an archive of notebooks: '
    "<code>make site</code> makes both.</p>"
)


class Downloads(SphinxDirective):
    """The files of the site: `PLACE`, which `bookkit.site` fills."""

    def run(self):
        return [nodes.raw("", PLACE, format="html")]


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("downloads", Downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
