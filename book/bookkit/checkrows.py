"""The checks of a chapter on its page: sentences, folded under one line for each cell.

A cell stores a row for each `bookkit.ledger.check`. On the page the rows of a cell are sentences,
and what matters of them stays in view: how many hold, and which comes closest to failing.
"""

import html
from itertools import groupby
from pathlib import Path

from docutils import nodes
from sphinx.util.nodes import make_refnode

from bookkit.ledger import read_checks
from bookkit.resultsmap import EXPLAINED, MAP, build_claims, counted, tightest

BOUNDS = {"<=": "at most", ">=": "at least"}


def sentence(check):
    """Say in words how the two sides of a check compare.

    Examples
    --------
    >>> from bookkit.ledger import Check
    >>> sampled = ("0.24", "≈", "0.18", "2.1 standard errors apart, 5 allowed", "holds")
    >>> sentence(Check("A2", "a mean", *sampled, comparisons=1))
    '2.1 standard errors apart, 5 allowed (0.24 and 0.18)'
    >>> sentence(Check("A2", "a bound", "0.15", "<=", "0.26", "0.11", "holds", comparisons=1))
    '0.15, at most 0.26 (0.11 to spare)'
    """
    if check.relation in BOUNDS:
        return f"{check.measured}, {BOUNDS[check.relation]} {check.expected} ({room(check)})"
    same = check.measured == check.expected
    sides = f"both {check.measured}" if same else f"{check.measured} and {check.expected}"
    if check.slack == "0, exactly":
        return f"equal, exactly ({sides})"
    if check.slack.startswith("0 within "):
        return f"equal within {check.slack.removeprefix('0 within ')} ({sides})"
    return f"{check.slack} ({sides})"


def room(check):
    """Say how far a bound is."""
    return "reached" if check.slack == "0 (tight)" else f"{check.slack} to spare"


def summary(checks):
    """Say in one line what some checks show together, and which of them came closest to failing."""
    names = ", ".join(dict.fromkeys(check.claim for check in checks))
    holding = sum(check.verdict == "holds" for check in checks)
    verb = "holds" if len(checks) == 1 else "hold"
    parts = [f"{names}: {holding} of {counted(len(checks), 'check')} {verb}"]
    bound, equality = tightest(checks)
    if bound:
        parts.append(f"closest to its bound: “{bound.name}”, {room(bound)}")
    if equality and equality.relation == "≈":
        parts.append(f"furthest apart: “{equality.name}”, {equality.slack}")
    elif equality and not bound:
        exact = all(check.slack == "0, exactly" for check in checks)
        parts.append("both sides are equal, " + ("exactly" if exact else "up to rounding"))
    return "; ".join(parts)


class Page:
    """Builds the rows of one page, with links to the results map."""

    def __init__(self, app, docname):
        self.builder, self.docname = app.builder, docname
        self.claims = build_claims(app.env)

    def link(self, anchor, text):
        return make_refnode(self.builder, self.docname, MAP, anchor, nodes.Text(text))

    def row(self, check):
        """Return a paragraph that states one check."""
        line = nodes.paragraph(classes=["check-row"])
        known = check.claim in self.claims
        name = nodes.Text(check.claim)
        line += self.link(nodes.make_id(f"claim-{check.claim}"), check.claim) if known else name
        if check.verdict != "holds":
            line += nodes.strong("", f" {check.verdict}")
        line += [nodes.Text(f" {check.name}: "), nodes.emphasis("", sentence(check))]
        facts = [f"{check.comparisons:,} compared"] * (check.comparisons > 1)
        facts += ["recorded"] * bool(check.recorded)
        if facts:
            line += nodes.inline("", f" · {', '.join(facts)}", classes=["check-facts"])
        return line

    def folded(self, checks):
        """Return the rows of some checks, folded under their summary."""
        last = nodes.paragraph(classes=["check-row", "check-facts"])
        for line in dict.fromkeys(check.recorded for check in checks if check.recorded):
            last += nodes.Text(f"{line}. ")
        last += self.link(EXPLAINED, "How to read a check")
        opening = f'<details class="checks"><summary>{html.escape(summary(checks))}</summary>'
        return nodes.container(
            "",
            nodes.raw("", opening, format="html"),
            *map(self.row, checks),
            last,
            nodes.raw("", "</details>", format="html"),
            classes=["check-fold"],
        )


def is_row(output):
    """Whether a node is the output that `check` leaves."""
    raw = next(iter(output.findall(nodes.raw)), None)
    return raw is not None and raw.astext().startswith('<div class="ledger-row">')


def fold_rows(app, doctree, docname):
    """Put sentences, folded, in the place of the rows that a page's checks left."""
    outputs = [
        node for node in doctree.findall(nodes.container) if "cell_output" in node["classes"]
    ]
    if not any(map(is_row, outputs)):
        return
    page = Page(app, docname)
    executed = Path(app.env.mystnb_config.output_folder) / f"{docname}.ipynb"
    checks = iter(read_checks(executed))
    for output in outputs:
        shown = []
        for ours, group in groupby(output.children, is_row):
            together = list(group)
            shown += [page.folded([next(checks) for _ in together])] if ours else together
        output.children = []
        output += shown
    if (left := next(checks, None)) is not None:
        raise ValueError(f"a check of {docname} is not shown on its page: {left}")


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("doctree-resolved", fold_rows)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
