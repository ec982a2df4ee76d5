"""Links to the book's sources, and to where its notebooks run: once the repository has an address.

The address is ``repository.url`` of _config.yml. Binder and Colab read the branch `BRANCH` of that
repository: the archive of the site, unpacked, as CI pushes it. So both run the notebooks in plain
Markdown, and install from the files of the archive.
"""

BRANCH = "notebooks"
# A cell for Colab, which opens one file and nothing beside it.
CELL = """\
# On Colab, fetch what this notebook needs and install the two packages; elsewhere do nothing.
import sys

if "google.colab" in sys.modules:
    !git clone --quiet --depth 1 --branch {branch} {address} notebooks
    !sh notebooks/install.sh packages
    %cd notebooks/book
    sys.path.insert(0, "")"""


def repository(config):
    """Return the address of the book's repository, or nothing where none is told."""
    return getattr(config, "html_theme_options", {}).get("repository_url", "").rstrip("/")


def links(address, page):
    """Return where a notebook runs, by name: nowhere, unless the address is on GitHub."""
    place = address.removeprefix("https://github.com/")
    if place == address:
        return {}
    return {
        "Binder": f"https://mybinder.org/v2/gh/{place}/{BRANCH}?urlpath=lab/tree/{page}.ipynb",
        "Colab": f"https://colab.research.google.com/github/{place}/blob/{BRANCH}/{page}.ipynb",
    }


def cell_for_colab(address):
    """Return the code that makes a notebook run on Colab."""
    return CELL.format(branch=BRANCH, address=address)


def ask_for_buttons(app, config):
    """Let the theme link to sources and issues where it can."""
    if repository(config):
        for name in ("repository", "edit_page", "issues"):
            config.html_theme_options[f"use_{name}_button"] = True


def add_buttons(app, page, template, context, doctree):
    """Add links to Binder and Colab to the buttons of a notebook's page."""
    if doctree is None or not str(app.env.doc2path(page)).endswith(".ipynb"):
        return
    if buttons := [
        {
            "type": "link",
            "text": name,
            "tooltip": f"Run this page on {name}",
            "icon": f"_static/images/logo_{name.lower()}.{'svg' if name == 'Binder' else 'png'}",
            "url": url,
        }
        for name, url in links(repository(app.config), page).items()
    ]:
        context["header_buttons"].append(
            {
                "type": "group",
                "tooltip": "Run this page",
                "icon": "fas fa-rocket",
                "buttons": buttons,
                "label": "launch-buttons",
            }
        )


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("config-inited", ask_for_buttons)
    app.connect("html-page-context", add_buttons, priority=600)  # after the theme's own buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
