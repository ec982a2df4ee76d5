"""The results map: each claim of the book beside the checks of this build that verify it.

A chapter's `bookkit.ledger.check` leaves a record in its notebook's outputs; this extension
joins the records of all executed notebooks with `book/claims.yml`. The statement of a claim is MyST
text in which HTML stands as text; what comes from a record is text throughout.
"""

import re
from itertools import chain
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from bookkit.launch import repository
from bookkit.ledger import load_claims, read_checks
from bookkit.pages import page_link, table

MAP = "book/results_map"
EXPLAINED = "how-to-read-a-check"  # where the map says it
MODULES = r"^([a-z_]+\.)+"
PREFIXES = ("P", "B", "A")
LOGGER = logging.getLogger(__name__)


def contradictions(claims, checks):
    """Say where claims and checks disagree: one message per claim or unknown name."""
    checks = list(checks)
    checked = {check.claim for check in checks}
    for name in sorted({check.claim for check in checks if check.verdict != "holds"}):
        yield f"a check of {name!r} fails"
    for name in sorted(checked - claims.keys()):
        yield f"a check names the unknown claim {name!r}"
    for name, claim in claims.items():
        if "status" in claim and name in checked:
            yield f"claim {name!r} is checked, yet its status says {claim['status']!r}"
        elif "status" not in claim and name not in checked:
            yield f"claim {name!r} has neither a check nor a status"


def tally(checks):
    """Say how many checks and comparisons there are."""
    comparisons = sum(check.comparisons for check in checks)
    return f"{counted(len(checks), 'check')}, {counted(comparisons, 'comparison')}"


def counted(number, noun):
    """Return a number with its noun, in the plural unless it is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def origins(checks):
    """Say which of the checked numbers the build computed, and which were recorded, where."""
    if not all(check.recorded for check in checks):
        yield "recomputed by the build"
    yield from dict.fromkeys(check.recorded for check in checks if check.recorded)


def tightest(checks):
    """Return the bound with the least slack and the loosest equality; None where there is none."""
    equalities = [check for check in checks if check.relation in ("=", "≈")]
    bounds = [check for check in checks if check.relation not in ("=", "≈")]
    return (
        min(bounds, key=lambda check: check.distance, default=None),
        max(equalities, key=_looseness, default=None),
    )


def closest_calls(checks):
    """Quote the slack of the tightest bound and of the loosest equality."""
    bound, equality = tightest(checks)
    if bound:
        yield f"bounds: least slack {bound.slack}"
    if equality:
        yield f"equalities: {equality.slack}"


def _looseness(check):
    return check.relation == "≈", check.distance, check.slack != "0, exactly"


def parse_line(directive, text):
    """Return the nodes of one line of MyST text, in which HTML stands as text."""
    (paragraph,) = directive.parse_text_to_nodes(text)
    for raw in list(paragraph.findall(nodes.raw)):
        raw.replace_self(nodes.Text(raw.astext()))
    return paragraph.children


def stacked(lines):
    """Return a paragraph of lines, each a list of nodes."""
    paragraph = nodes.paragraph()
    for number, line in enumerate(lines):
        if number:
            paragraph += nodes.raw("", "<br />", format="html")
        paragraph += line
    return paragraph


def build_claims(env):
    """Return the claims of the book, by name."""
    return load_claims(Path(env.srcdir) / "book/claims.yml")


def build_checks(env):
    """Return the checks in the executed notebooks, by page in the order of reading."""
    executed = Path(env.mystnb_config.output_folder)
    pages = dict.fromkeys([*reading_order(env), *sorted(env.found_docs)])
    notebooks = [name for name in pages if env.doc2path(name).endswith(".ipynb")]
    return {name: read_checks(executed / f"{name}.ipynb") for name in notebooks}


def reading_order(env):
    """Return the pages in the order of the table of contents."""
    pages = {}

    def visit(page):
        if page not in pages:
            pages[page] = True
            for below in env.toctree_includes.get(page, []):
                visit(below)

    visit(env.config.root_doc)
    return list(pages)


def claims_by_page(claims, pages):
    """Sort claims: pages in the order of ``pages``, then others; on each P before B before A.

    Parameters
    ----------
    claims : dict
        As `load_claims` returns them.
    pages : list of str

    Returns
    -------
    dict of dict
        From each page that has claims to these.
    """
    found = {}
    for name in sorted(claims, key=_rank):
        found.setdefault(claims[name]["chapter"], {})[name] = claims[name]
    place = {page: number for number, page in enumerate(pages)}
    return {page: found[page] for page in sorted(found, key=lambda p: place.get(p, len(place)))}


def _rank(name):
    prefix = name.rstrip("0123456789")
    number = name[len(prefix) :]
    known = PREFIXES.index(prefix) if prefix in PREFIXES else len(PREFIXES)
    return known, prefix, int(number or 0), name


def breakable(text):
    """Return code that breaks after its marks, and not within a word."""
    literal = nodes.literal()
    for number, part in enumerate(re.split(r"(?<=[_./])", text)):
        if number:
            literal += nodes.raw("", "<wbr>", format="html")
        literal += nodes.Text(part)
    return literal


def lines_of_tests(claim, repository):
    """Return a line for each file of a claim's tests, and for each test in it."""
    shown = {}
    for test in claim["tests"]:
        file, *names = test.split("::")
        shown |= dict.fromkeys([(file, part) for part in (file, *names)])
    for file, part in shown:
        line = breakable(part)
        if repository:
            line = nodes.reference("", "", line, refuri=f"{repository}/{file}", internal=False)
        yield [line]


def repository_of(config):
    """Return where the files of the book's repository are shown; None where that is not told."""
    address = repository(config)
    if not address:
        return None
    return f"{address}/blob/{config.html_theme_options.get('repository_branch', 'main')}"


def checks_by_claim(env):
    """Return the checks of this build, by the name of their claim."""
    claims = {}
    for check in chain.from_iterable(build_checks(env).values()):
        claims.setdefault(check.claim, []).append(check)
    return claims


class ResultsMap(SphinxDirective):
    """A section for each page, in it one row per claim: its places, and what was checked."""

    def run(self):
        claims, self.checked = build_claims(self.env), checks_by_claim(self.env)
        for message in contradictions(claims, chain.from_iterable(self.checked.values())):
            LOGGER.warning(message, location=self.get_location())
        self.repository = repository_of(self.config)
        sections = []
        for page, here in claims_by_page(claims, reading_order(self.env)).items():
            title = self.env.titles[page].astext() if page in self.env.titles else page
            section = nodes.section(ids=[nodes.make_id(f"claims-of-{page}")])
            section += nodes.title("", title)
            header = ["Claim", "Where", "Code and tests", "Status"]
            rows = [self.row(name, claim) for name, claim in here.items()]
            section += table(self, header, rows, "results-map")
            sections.append(section)
        return sections

    def row(self, name, claim):
        text = parse_line(self, f"**{name}** {claim['statement']}")
        label = nodes.fully_normalize_name(f"claim-{name}")
        statement = nodes.paragraph("", "", *text, names=[label])
        self.state.document.note_explicit_target(statement)
        where = page_link(self.env, claim["chapter"])
        if "theorem" in claim:
            where = f"{{prf:ref}}`{claim['theorem']}`"
        places = [parse_line(self, where), [nodes.Text(f"source: {claim['source']}")]]
        functions = [
            parse_line(self, f"{{py:obj}}`{re.sub(MODULES, '', function)} <{function}>`")
            for function in claim["functions"]
        ]
        for literal in chain.from_iterable(n.findall(nodes.literal) for n in chain(*functions)):
            literal.children = breakable(literal.astext()).children
        tests = list(lines_of_tests(claim, self.repository))
        if name in self.checked:
            checks = self.checked[name]
            status = [[nodes.strong("", origin)] for origin in origins(checks)]
            status += [[nodes.Text(line)] for line in (tally(checks), *closest_calls(checks))]
        else:
            status = [[nodes.Text(claim.get("status", ""))]]
        return [statement, *map(stacked, (places, functions + tests, status))]


class Ledger(SphinxDirective):
    """Every check of this build, folded by page."""

    def run(self):
        header = ["Claim", "Check", "Measured", "", "Expected", "Slack", "Compared"]
        claims, boxes = build_claims(self.env), []
        for page, checks in build_checks(self.env).items():
            if not checks:
                continue
            rows = [
                [
                    # the name of a claim is safe in a link; another name is text
                    f"[{check.claim}](#claim-{check.claim})"
                    if check.claim in claims
                    else nodes.paragraph("", check.claim),
                    *(
                        nodes.paragraph("", text)
                        for text in (
                            check.name,
                            check.measured,
                            check.relation,
                            check.expected,
                            check.slack,
                            f"{check.comparisons:,}",
                        )
                    ),
                ]
                for check in checks
            ]
            box = nodes.admonition(classes=["dropdown"])
            box += nodes.title("", f"{self.env.titles[page].astext()}: {tally(checks)}")
            box += table(self, header, rows, "ledger")
            boxes.append(box)
        return boxes


class ChapterClaims(SphinxDirective):
    """The claims of this page, each with what this build checked."""

    def run(self):
        items = nodes.bullet_list(classes=["chapter-claims"])
        docname = self.env.docname
        for name, claim in claims_by_page(build_claims(self.env), []).get(docname, {}).items():
            text = parse_line(self, f"[{name}](#claim-{name}) {claim['statement']}")
            paragraph = nodes.paragraph("", "", *text, nodes.Text(" "))
            paragraph += Verdict(claim=name, status=claim.get("status"))
            items += nodes.list_item("", paragraph)
        return [items]


class Verdict(nodes.inline):
    """What this build checked of a claim, filled in when all pages have been read."""


def fill_verdicts(app, doctree, docname):
    """Put the counts of this build in the place of every `Verdict`."""
    verdicts = list(doctree.findall(Verdict))
    checked = checks_by_claim(app.env) if verdicts else {}
    for verdict in verdicts:
        checks = checked.get(verdict["claim"])
        text = f"{tally(checks)}: holds" if checks else verdict["status"]
        verdict.replace_self(nodes.emphasis("", text))


def read_map_last(app, env, docnames):
    """Read the map after the pages whose records it shows."""
    docnames.sort(key=lambda name: name == MAP)


def map_outdated(app, env, added, changed, removed):
    """Read the map again whenever another page changes."""
    return [MAP] if added or changed or removed else []


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("results-map", ResultsMap)
    app.add_directive("ledger", Ledger)
    app.add_directive("chapter-claims", ChapterClaims)
    app.connect("env-get-outdated", map_outdated)
    app.connect("env-before-read-docs", read_map_last)
    app.connect("doctree-resolved", fill_verdicts)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
