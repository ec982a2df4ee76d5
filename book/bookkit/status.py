"""The status of the book: what was computed, when and where; what was recorded, what not run."""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from bookkit.execution import records
from bookkit.pages import page_link, table
from bookkit.records import load
from bookkit.resultsmap import reading_order

RESULTS = "book/results/"


class Status(SphinxDirective):
    """One of the lists of the page: of the pages, the experiments, or what was skipped."""

    required_arguments = 1

    def run(self):
        root = Path(self.env.srcdir)
        notebooks = [
            page for page in reading_order(self.env) if self.env.doc2path(page).endswith(".ipynb")
        ]
        self.env.note_reread()  # in each build, because it depends on almost everything
        kept = records(root)
        executed = {page: kept[page] for page in notebooks if page in kept}
        recorded = {
            path.stem: load(*path.stem.rsplit(".", 1))
            for path in sorted((root / RESULTS).glob("*.*.json"))
        }
        lists = {
            "pages": lambda: self.pages(executed),
            "experiments": lambda: self.experiments(recorded),
            "skipped": lambda: self.skipped(root, recorded),
        }
        if self.arguments[0] not in lists:
            raise self.error(f"must be one of {', '.join(lists)}, got {self.arguments[0]!r}")
        return lists[self.arguments[0]]()

    def pages(self, executed):
        header = ["Page", "Took", "Computed on", "Device", "Numbers"]
        rows = [
            [
                page_link(self.env, page),
                f"{found.seconds:.1f} s",
                found.date,
                found.device,
                origin(found.files),
            ]
            for page, found in executed.items()
        ]
        total = sum(found.seconds for found in executed.values())
        lines = dict.fromkeys(versions_in_words(found.versions) for found in executed.values())
        below = [f"All pages together: {total:.0f} seconds.", *lines]
        return [table(self, header, rows, "status"), nodes.paragraph("", " ".join(below))]

    def experiments(self, recorded):
        header = ["Experiment", "Recorded", "Since then"]
        rows = [
            [f"`{name}`", found.line.removeprefix("Recorded: "), since(found.changes)]
            for name, found in recorded.items()
        ]
        return [table(self, header, rows, "status")]

    def skipped(self, root, recorded):
        profiles = root / "book/experiments/profiles.yml"
        settings = yaml.safe_load(profiles.read_text(encoding="utf-8"))
        lines = [
            f"The experiment `{name}` was not run with the profile `{profile}`."
            for name in settings
            for profile in settings[name]
            if f"{name}.{profile}" not in recorded
        ]
        lines += [
            f"`{name}` was not recorded again, although what it depends on has changed."
            for name, found in recorded.items()
            if not found.is_current
        ]
        items = [nodes.list_item("", *self.parse_text_to_nodes(line)) for line in lines]
        return [nodes.bullet_list("", *items) if items else nodes.paragraph("", "Nothing.")]


def origin(files):
    """Say that a page computes, and which recorded results it reads."""
    names = [
        Path(file).stem for file in files if file.startswith(RESULTS) and file.endswith("json")
    ]
    return ", ".join(["computed", *(f"recorded in `{name}`" for name in names)])


def versions_in_words(versions):
    """Name the versions of Python and of what numbers depend on."""
    return ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def since(changes):
    """Say what has changed of what a record depends on."""
    return f"changed: {', '.join(changes)}" if changes else "nothing that it depends on has changed"


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("status", Status)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
