"""What readers take along: the pages as notebooks for Jupyter, and the place of the site's files.

A notebook of the book is written in MyST, which Jupyter shows as it stands. The one behind a page's
download button is written anew from what Sphinx made of the page: its text in plain Markdown, with
the numbers and names of the built book, around the executed cells.
"""

import posixpath
import re
import shutil
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from sphinx_proof.nodes import NODE_TYPES

from bookkit.launch import cell_for_colab, repository

# What stands on a page until the files are made beside it; bookkit.site then lists them here.
PLACE = (
    '<p class="downloads">The book as one PDF and as an archive of notebooks: '
    "<code>make site</code> makes both.</p>"
)
# What Jupyter is told, so that it shows of a cell what the page shows.
FOLDED = {
    "source_hidden": {"hide-input", "hide-cell", "remove-input", "remove-cell"},
    "outputs_hidden": {"hide-output", "hide-cell", "remove-output", "remove-cell"},
}
PROOFS = tuple(NODE_TYPES.values())


class Downloads(SphinxDirective):
    """The files of the site: `PLACE`, which `bookkit.site` fills."""

    def run(self):
        return [nodes.raw("", PLACE, format="html")]


def expand(tex, macros):
    r"""Write TeX without the macros of the book.

    Parameters
    ----------
    tex : str
    macros : dict
        From names, without the backslash, to what MathJax is told: a text, or a list of a text and
        the number of arguments.

    Examples
    --------
    >>> expand(r"\KL{p}{\hat q} = \TC x", {"KL": ["D(#1 | #2)", 2], "TC": r"\rm T"})
    'D(p | \\hat q) = \\rm T x'
    """
    found = (
        re.search(rf"\\({'|'.join(map(re.escape, macros))})(?![A-Za-z])", tex) if macros else None
    )
    if not found:
        return tex
    body = macros[found[1]]
    rest = tex[found.end() :]
    if isinstance(body, list):
        body, count = body
        arguments = []
        for _ in range(count):
            argument, rest = _argument(rest.lstrip())
            arguments.append(argument)
        body = re.sub(r"#(\d)", lambda place: arguments[int(place[1]) - 1], body)
    if re.search(r"\\[A-Za-z]+$", body) and rest[:1].isalpha():
        body += " "
    return tex[: found.start()] + expand(body, macros) + expand(rest, macros)


def _argument(tex):
    """Split TeX into its first argument, without its braces, and what follows."""
    depth = 0
    for token in re.finditer(r"\\[A-Za-z]+|\\.|.", tex, re.DOTALL):
        depth += (token[0] == "{") - (token[0] == "}")
        if depth == 0:
            argument = tex[: token.end()]
            return argument[1:-1] if argument[0] == "{" else argument, tex[token.end() :]
    raise ValueError(f"tex must close the braces that it opens, got {tex!r}")


class Markdown:
    """Writes what Sphinx made of a page as plain Markdown and numbered cells.

    Parameters
    ----------
    env : BuildEnvironment
        Knows the numbers of the book.
    docname : str
    macros : dict
        As `expand` takes them.
    address : str
        Where the book is published; empty if nowhere.
    """

    def __init__(self, env, docname, macros, address):
        self.env = env
        self.docname = docname
        self.macros = macros
        self.address = address
        self.numbers = env.toc_fignumbers.get(docname, {})

    def pieces(self, doctree):
        """Yield, in order, texts of Markdown and indices of code cells.

        A text starts at each heading and behind each cell; a figure's caption follows its cell.
        """
        for node in doctree.children:
            yield from self._pieces(node, 1)

    def _pieces(self, node, level):
        if isinstance(node, nodes.section):
            title, *children = node.children
            yield f"{'#' * level} {self._section_number(node)}{self.inline(title)}"
            for child in children:
                yield from self._pieces(child, level + 1)
        elif cell := _cell(node):
            yield cell["cell_index"]
            for figure in node.findall(nodes.figure):
                yield self._caption(figure)
        elif isinstance(node, nodes.Element) and any(map(_cell, node.findall(nodes.container))):
            for child in node.children:
                yield from self._pieces(child, level)
        else:
            yield from self.blocks([node])

    def _section_number(self, section):
        numbers = self.env.toc_secnumbers.get(self.docname, {})
        first = isinstance(section.parent, nodes.document)
        number = numbers.get("" if first else f"#{section['ids'][0]}")
        return ".".join(map(str, number)) + ". " if number else ""

    def _number(self, kind, node):
        return ".".join(map(str, self.numbers.get(kind, {}).get(node["ids"][0], ())))

    def _caption(self, figure):
        caption = " ".join(self.inline(part) for part in figure.findall(nodes.caption))
        number = self._number("figure", figure)
        return f"**{self.env.config.numfig_format['figure'] % number}.** {caption}"

    # blocks

    def blocks(self, children, quoted=False):
        """Return the blocks of Markdown that nodes become."""
        found = []
        for node in children:
            found += self._block(node, quoted)
        return [block for block in found if block.strip()]

    def _body(self, children, quoted=False):
        return "\n\n".join(self.blocks(children, quoted))

    def _block(self, node, quoted):
        match node:
            case nodes.paragraph() | nodes.rubric() | nodes.caption() | nodes.attribution():
                text = self.inline(node)
                return [f"*{text}*" if "provenance" in node["classes"] else text]
            case nodes.math_block():
                return [self._display(node, quoted)]
            case nodes.literal_block():
                language = node.get("language", "")
                language = "" if language in ("none", "default", "text") else language
                text = node.astext().rstrip("\n")
                return [f"```{language}\n{text}\n```"]
            case nodes.bullet_list():
                return [self._list(node, lambda number: "- ", quoted)]
            case nodes.enumerated_list():
                start = node.get("start", 1)
                return [self._list(node, lambda number: f"{start + number}. ", quoted)]
            case nodes.definition_list():
                return [self._definition(item, quoted) for item in node.children]
            case nodes.table():
                return [self._table(node)]
            case nodes.admonition() | nodes.Admonition():
                return [self._box(node)]
            case nodes.block_quote():
                return [_quote(self._body(node.children, quoted=True))]
            case nodes.raw():
                return [node.astext()] if node.get("format") == "html" else []
            case nodes.figure():
                return [self._caption(node)]
            case nodes.Text() | nodes.Inline():
                return [self.inline(node)]
            case nodes.Invisible() | nodes.target() | addnodes.toctree() | addnodes.index():
                return []
            case _:
                return self.blocks(node.children, quoted)

    def _display(self, node, quoted):
        tex = expand(node.astext().strip(), self.macros)
        if r"\\" in tex and r"\begin" not in tex:
            tex = rf"\begin{{split}}{tex}\end{{split}}"
        number = self._number("displaymath", node) if node["ids"] else ""
        if number:
            tex += rf" \tag{{{number}}}"
        # Jupyter reads mathematics first: the mark of a quoted line would be part of it.
        return f"$${' '.join(tex.split())}$$" if quoted else f"$$\n{tex}\n$$"

    def _list(self, node, mark, quoted):
        items = []
        for number, item in enumerate(node.children):
            first = mark(number)
            blocks = self._body(item.children, quoted)
            items.append(first + blocks.replace("\n", "\n" + " " * len(first)))
        return re.sub(r"^ +$", "", "\n".join(items), flags=re.MULTILINE)

    def _definition(self, item, quoted):
        terms = ", ".join(self.inline(term) for term in item.findall(nodes.term))
        return f"**{terms}**: " + self._body(
            [part for part in item.children if isinstance(part, nodes.definition)], quoted
        )

    def _table(self, table):
        rows = [
            [self._table_cell(entry) for entry in row.children] for row in table.findall(nodes.row)
        ]
        if not next(table.findall(nodes.thead), None):
            rows.insert(0, [""] * len(rows[0]))
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _table_cell(self, entry):
        text = "<br>".join(self.blocks(entry.children, quoted=True))
        in_math = text.replace(r"\|", r"\Vert ").replace("|", r"\vert ")
        return re.sub(r"\s+", " ", in_math)

    def _box(self, node):
        title, children = "", list(node.children)
        if children and isinstance(children[0], nodes.title):
            title = self.inline(children.pop(0)).strip()
        if isinstance(node, PROOFS):
            number = "" if node.get("nonumber") else self._number(node["countertype"], node)
            name = " ".join(filter(None, [node["realtype"].title(), number]))
            title = f"**{name}**{f' {title}' if title else ''}."
        elif "dropdown" in node["classes"]:
            body = self._body(children)
            return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"
        else:
            title = f"**{title or type(node).__name__.title()}.**"
        return _quote("\n\n".join([title, *self.blocks(children, quoted=True)]))

    # within a line

    def inline(self, node):
        """Return a node within a line as Markdown."""
        if isinstance(node, nodes.Text):
            return re.sub(r"([\\`*_\[\]<$])", r"\\\1", node.astext()).replace("\n", " ")
        text = "".join(map(self.inline, node.children))
        match node:
            case nodes.math():
                return f"${expand(' '.join(node.astext().split()), self.macros)}$"
            case nodes.literal():
                return _code(node.astext())
            case nodes.emphasis():
                return f"*{text}*"
            case nodes.strong():
                return f"**{text}**"
            case nodes.raw():
                return node.astext() if node.get("format") == "html" else ""
            case nodes.image():
                return node.get("alt", "")
            case addnodes.download_reference():
                return f"[{text}]({node['reftarget']})"
            case nodes.reference():
                address = self._address(node)
                return f"[{text}]({address})" if address else text
            case _:
                return text

    def _address(self, reference):
        """Say where a link leads: to a file beside this one, a site, or nowhere."""
        uri = reference.get("refuri", "")
        if re.match(r"(https?|mailto):", uri):
            return uri
        path, sign, place = uri.partition("#")
        if not path or not path.endswith(".html"):
            return None
        page = posixpath.normpath(posixpath.join(posixpath.dirname(self.docname), path[:-5]))
        if not sign and str(self.env.doc2path(page)).endswith(".ipynb"):
            return f"{posixpath.basename(page)}.ipynb"
        return f"{self.address}/{page}.html{sign}{place}" if self.address else None


def _cell(node):
    """Return a node if it is a code cell."""
    is_cell = isinstance(node, nodes.Element) and node.get("nb_element") == "cell_code"
    return node if is_cell else None


def _quote(text):
    return re.sub("^", "> ", text, flags=re.MULTILINE).replace("> \n", ">\n")


def _code(text):
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def converted(notebook, pieces):
    """Return an executed notebook with other text around its cells.

    Parameters
    ----------
    notebook : NotebookNode
        Executed. Its code cells are kept, whatever the pieces name.
    pieces : iterable of str or int
        Texts of Markdown, and indices of code cells, as `Markdown.pieces` gives them.
    """
    code = {n: cell for n, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
    cells, texts = [], []

    def end_text():
        if texts:
            number = sum(cell.cell_type == "markdown" for cell in cells)
            text = "\n\n".join(texts)
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"text-{number}"))
            texts.clear()

    def code_up_to(last):
        for number in [number for number in code if number <= last]:
            cells.append(_as_shown(code.pop(number)))

    for piece in pieces:
        if isinstance(piece, int):
            end_text()
            code_up_to(piece)
        else:
            if piece.startswith("#"):
                end_text()
            texts.append(piece)
    end_text()
    code_up_to(len(notebook.cells))
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def _as_shown(cell):
    """Return a cell that Jupyter folds where the page hides."""
    cell = nbformat.from_dict(cell)
    cell.metadata.pop("mystnb", None)
    tags = set(cell.metadata.get("tags", []))
    folded = {name: True for name, causes in FOLDED.items() if causes & tags}
    if folded:
        cell.metadata["jupyter"] = folded
    return cell


def folder(app):
    """Return where the converted notebooks are kept, beside the executed ones."""
    return Path(app.outdir).parent / "downloads"


def convert(app, doctree, docname):
    """Write the page that has just been resolved as a notebook."""
    path = Path(app.env.mystnb_config.output_folder) / f"{docname}.ipynb"
    if app.builder.name != "html" or not app.env.doc2path(docname).endswith(".ipynb"):
        return
    macros = app.config.mathjax3_config["tex"]["macros"]
    page = Markdown(app.env, docname, macros, app.config.html_baseurl.rstrip("/"))
    notebook = converted(nbformat.read(path, 4), page.pieces(doctree))
    if address := repository(app.config):
        cell = nbformat.v4.new_code_cell(cell_for_colab(address), id="colab")
        notebook.cells.insert(1, cell)
    target = folder(app) / f"{docname}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def offer(app, exception):
    """Put the converted notebooks behind the download buttons."""
    if exception is None and app.builder.name == "html":
        sources = Path(app.outdir) / "_sources"
        for download in sources.rglob("*.ipynb"):
            shutil.copyfile(folder(app) / download.relative_to(sources), download)


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("downloads", Downloads)
    app.connect("doctree-resolved", convert, priority=900)  # after all that fills in text
    app.connect("build-finished", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
