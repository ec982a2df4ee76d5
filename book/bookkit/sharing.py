"""What other sites show of a page: its description and, at a known address, card and sitemap."""

from html import escape

from docutils import nodes

from bookkit.resultsmap import reading_order

PICTURE = "_static/overview.png"
LONGEST = 200  # characters of a description that others show


def description(doctree):
    """Return the first paragraph of a page in one line, cut after a word if it is long.

    Examples
    --------
    >>> from docutils.core import publish_doctree
    >>> description(publish_doctree("A title\\n=======\\n\\nThe *first* paragraph,\\nin a line."))
    'The first paragraph, in a line.'
    """
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if text and "provenance" not in paragraph["classes"]:
            return text if len(text) <= LONGEST else f"{text[:LONGEST].rsplit(' ', 1)[0]} …"
    return ""


def card(title, about, address, picture, site):
    """Return the properties of the card that is shown for a link to a page."""
    return {
        "og:type": "article",
        "og:site_name": site,
        "og:title": title,
        "og:description": about,
        "og:url": address,
        "og:image": picture,
    }


def sitemap(addresses):
    """Return the list of a site's pages that search engines read."""
    urls = "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address in addresses)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n'
    )


def base_of(config):
    """Return the address of the built pages, with one slash at its end; empty if none is told."""
    return config.html_baseurl and f"{config.html_baseurl.rstrip('/')}/"


def describe(app, pagename, templatename, context, doctree):
    """Put the description, and at a known address the card, into the head of a page."""
    if doctree is None or app.builder.format != "html":
        return
    about = description(doctree)
    tags = f'<meta name="description" content="{escape(about)}" />\n' if about else ""
    if base := base_of(app.config):
        title = app.env.titles[pagename].astext()
        found = card(title, about, context["pageurl"], base + PICTURE, app.config.project)
        for name, value in found.items():
            tags += f'<meta property="{name}" content="{escape(value)}" />\n'
    context["metatags"] = f"{context['metatags']}\n{tags}"


def list_pages(app, exception):
    """Write the sitemap, at a known address."""
    base = base_of(app.config)
    if exception is None and app.builder.name == "html" and base:
        pages = (app.builder.get_target_uri(page) for page in reading_order(app.env))
        (app.outdir / "sitemap.xml").write_text(
            sitemap(base + page for page in pages), encoding="utf-8"
        )


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", describe)
    app.connect("build-finished", list_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
