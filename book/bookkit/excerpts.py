"""What the pages say, kept for readers who are elsewhere: previews of links, texts for the search.

Each page leaves a script with the theorems, equations, figures, claims and terms that links lead
to; `book/_static/previews.js` loads it when a link to one is looked at. All pages together leave
one with their prose, from which `book/_static/search.js` shows what was found. They are scripts,
because a page that is opened as a file may read nothing else.
"""

import json
from copy import copy
from pathlib import Path, PurePosixPath

from bs4 import BeautifulSoup

from bookkit.records import digest, file_digest
from bookkit.resultsmap import reading_order

CODE = "div.cell_input, details.hide, details.checks, div.highlight, table.ledger, script, style"
# What says nothing of the subject of a section, or stands among the statements.
NOT_PROSE = "p.provenance, div.proof[id], figure, table.results-map, dl.glossary, dl.py"
SEARCHED = "_static/searchtext.js"


def statements(article):
    """Yield what links lead to on a page: identifier, number, name, text and element of each."""
    for element in article.select("div.proof[id]"):
        number, name = named(element.select_one("p.admonition-title"))
        yield element["id"], number, name.strip("()"), element.select("section"), [element]
    for element in article.select("div.math[id]"):
        number = line(element.select_one("span.eqno"))
        yield element["id"], f"Equation {number}", "", [element], [element]
    for element in article.select("figure[id]:has(.caption-number)"):
        number, _ = named(element.select_one("figcaption"))
        yield element["id"], number, "", element.select(".caption-text"), [element]
    for element in article.select("p[id^=claim-]"):
        number, text = named(element)
        yield element["id"], f"Claim {number}", "", [text], [element]
    for element in article.select("dl.glossary > dt[id]"):
        meaning = element.find_next_sibling("dd")
        yield element["id"], "", line(element), [meaning], [element, meaning]


def named(element):
    """Return the first part of a title, its number, and what follows."""
    number = line(element.select_one(".caption-number, strong"))
    return number, line(element).removeprefix(number).strip()


def line(element):
    """Return the text of an element in one line, its formulas as TeX in a line."""
    return " ".join(str(getattr(element, "text", element)).split())


def inline(parts):
    """Return the text of elements in one line, with displayed formulas set in it, unnumbered."""
    texts = []
    for part in map(copy, parts):
        for number in getattr(part, "select", lambda _: [])("span.eqno"):
            number.decompose()
        texts.append(line(part).replace(r"\[ ", r"\( ").replace(r" \]", r" \)"))
    return " ".join(texts)


def preview(elements):
    """Return elements as HTML without links and identifiers, to be shown on another page."""
    shown = BeautifulSoup("".join(map(str, elements)), "html.parser")
    for tag in shown.select("[id]"):
        del tag["id"]
    for link in shown.select("a"):
        link.unwrap()
    return str(shown)


def prose(article):
    """Take a page apart: identifier, heading and text of each section, in order."""
    for tag in article.select(NOT_PROSE):
        tag.decompose()
    sections = article.select("section[id]:not(#proof-content)")
    found = []
    for section in reversed(sections):  # so that what is below a section is taken out of it
        heading = line(section.find(["h1", "h2", "h3", "h4"]).extract())
        found.insert(0, [section["id"], heading, inline([section.extract()])])
    return found


def taken(body):
    """Return what is kept of a page: HTML of its statements, and the texts for the search."""
    article = BeautifulSoup(body, "html.parser")
    for tag in article.select(f"{CODE}, a.headerlink"):
        tag.decompose()
    found = list(statements(article))
    return {
        "shown": {identifier: preview(elements) for identifier, *_, elements in found},
        "texts": {
            "statements": [[*names, inline(parts)] for *names, parts, _ in found],
            "sections": prose(article),
        },
    }


def collect(app, pagename, templatename, context, doctree):
    """Keep what a page says as it is written, and let the search page load what all say."""
    if app.builder.name != "html":
        return
    if pagename == "search":
        load_search(app)
    elif doctree is not None:
        # To take a page apart costs as much as to write it, so it is done when the page is new.
        key = digest([context["body"], file_digest(Path(__file__))])
        if read(app, pagename).get("key") != key:
            write(kept_at(app, pagename), as_json({"key": key, **taken(context["body"])}))


def load_search(app):
    """Let the search page load the texts and its script, which loads MathJax for formulas."""
    mathjax = f"_static/{app.config.mathjax_path}"
    settings = as_json(app.config.mathjax3_config)
    app.add_js_file(None, body=f"window.MathJax = {settings}; const bookMathJax = '{mathjax}';")
    for script in (SEARCHED.removeprefix("_static/"), "search.js"):
        app.add_js_file(script, defer="defer")


def bind(app, exception):
    """Write the scripts: the previews of each page, and the texts of all in their order."""
    if exception is not None or app.builder.name != "html":
        return
    texts = []
    for page in reading_order(app.env):
        kept, name = read(app, page), PurePosixPath(page).name
        script = f"bookPreviews({as_json(name)}, {as_json(kept['shown'])});\n"
        write(Path(app.outdir) / f"_static/previews/{name}.js", script)
        texts.append(f"{as_json(page)}:{as_json(kept['texts'])}")
    script = "const bookTexts = {\n" + ",\n".join(texts) + "\n};\n"
    write(Path(app.outdir) / SEARCHED, script)


def kept_at(app, pagename):
    return Path(app.doctreedir) / f"excerpts/{pagename}.json"


def read(app, pagename):
    path = kept_at(app, pagename)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def as_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", collect)
    app.connect("build-finished", bind)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
