"""What the numbers of an experiment depend on: its measuring cells and the modules they read.

Both are hashed by syntax trees without docstrings, so that words and layout cost nothing, and
alike under every version of Python, so that a record made elsewhere can be compared.
"""

import ast
from functools import cache
from pathlib import Path

import bookkit
import dlm_core
from bookkit.records import Refused, digest

# Packages whose names are found in a table, `_HOME`, when they are first asked for.
_LAZY = {"bookkit": bookkit, "dlm_core": dlm_core}
# It makes the rows, and what values they may hold. What it imports in turn carries rows and never
# changes one; of it only the digest that seeds are made of matters, which a test pins.
_LEAF = "bookkit.sweeps"


def measuring_cells(cells, notebook):
    """Syntax trees of the code cells up to the last that calls ``sweep``.

    A function that calls ``sweep`` counts as ``sweep``; where no cell calls it, all cells count.
    The cell of parameters is left out: what counts is the values that a run gives them.

    Parameters
    ----------
    cells : list of (type, tags, text)
    notebook : str
        The name of the notebook, for messages.

    Raises
    ------
    Refused
        If a code cell is not plain Python.
    """
    trees = [
        tree_of(text, f"cell {number} of {notebook}")
        for number, (kind, tags, text) in enumerate(cells, 1)
        if kind == "code" and "parameters" not in tags
    ]
    names = {"sweep"}
    while more := {name for tree in trees for name in _further_names(tree, names)} - names:
        names |= more
    last = max((i for i, tree in enumerate(trees, 1) if _mentions(tree, names)), default=None)
    return trees[:last]


def _further_names(tree, names):
    """Names that a cell gives to one of ``names``, or to a function that mentions one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (a.asname for a in node.names if a.asname and a.name in names)
        elif isinstance(node, ast.FunctionDef) and _mentions(node, names):
            yield node.name


def _mentions(tree, names):
    return any(
        (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr == "sweep")
        for node in ast.walk(tree)
    )


def modules_read(cells, folder):
    """Digests, by name, of the modules that cells read.

    These are the modules of the two packages, or beside the notebook, that the cells import and
    name again, and all that these modules import in turn; not those of other distributions. A
    package that only hands names on is no module: of it the modules of the names asked for count.
    What a function imports counts where anything read names the function.

    Parameters
    ----------
    cells : list of ast.Module
        What `measuring_cells` returns.
    folder : Path
        The notebook's.
    """
    cells = joined(cells)
    loaded = {
        node.id
        for node in ast.walk(cells)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    reads, named = [*_imports(cells, "", folder, loaded)], _named(cells)
    found = {}
    while waiting := {
        module
        for function, module in reads
        if module not in found and (function is None or function in named)
    }:
        for module in waiting:
            path = path_of(module, folder)
            tree = path and tree_of(path.read_text(encoding="utf-8"), path)
            found[module] = path and digest_of(tree)
            if path and module != _LEAF:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                reads += _imports(tree, package, folder)
                named |= _named(tree)
    return {module: digest for module, digest in sorted(found.items()) if digest}


def _named(tree):
    """All that a tree names otherwise than by defining it: a function that runs is among them."""
    return {
        getattr(node, "id", None) or getattr(node, "attr", None) or node.value
        for statement in tree.body
        if not _lists_names(statement)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name | ast.Attribute)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    }


def _lists_names(statement):
    return isinstance(statement, ast.Assign) and ast.unparse(statement.targets) == "__all__"


def module_digest(module, folder):
    """The digest of one module as it is here; None if it is not."""
    path = path_of(module, folder)
    return path and digest_of(tree_of(path.read_text(encoding="utf-8"), path))


def _imports(tree, package, folder, named=None):
    """Pairs of a function and a module that a tree reads, with ``named`` under these names only.

    The function is the one in which the import stands: who does not run it does not read the
    module. None where the import stands outside, or in a function that Python calls by itself.
    """
    for function, node in _scoped(tree, None):
        yield from ((function, module) for module in _read(tree, node, package, folder, named))


def _scoped(node, function):
    """The imports beneath a node, each with the name of the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield function, child
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = child.name
            itself = name.startswith("__") or child.decorator_list
            yield from _scoped(child, None if itself else name)
        else:
            yield from _scoped(child, function)


def _read(tree, node, package, folder, named):
    """The modules that one import statement of a tree reads."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            if named is None or bound in named:
                yield from _modules_of(alias.name, None, folder)
                if (whole := alias.name if alias.asname else bound) in _LAZY:
                    for name in _attributes(tree, bound):
                        yield from _modules_of(whole, name, folder)
    else:
        parents = package.split(".")
        above = parents[: len(parents) + 1 - node.level] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            if named is None or (alias.asname or alias.name) in named | {"*"}:
                yield from _modules_of(base, alias.name, folder)


def _attributes(tree, bound):
    """The attributes that a tree takes of a name; ``"*"`` where the name stands alone."""
    taken = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == bound
    ]
    yield from {node.attr for node in taken}
    if any(
        isinstance(node, ast.Name) and node.id == bound
        for node in set(ast.walk(tree)) - {node.value for node in taken}
    ):
        yield "*"


def _modules_of(base, name, folder):
    """The modules that are read for ``name`` of the module ``base``, or for ``base`` alone."""
    parents = base.split(".")
    for depth in range(2 if parents[0] in _LAZY else 1, len(parents)):
        parent = ".".join(parents[:depth])
        if _table(parent, folder) is None:
            yield parent
    homes = _table(base, folder)
    if homes is None:
        yield base
        if name is not None:
            yield f"{base}.{name}"
    elif name in homes:
        yield from _modules_of(homes[name], name, folder)
    elif name in (None, "*") and base not in _LAZY:
        yield from homes.values()
    elif name == "*":
        for each, home in homes.items():
            yield from _modules_of(home, each, folder)
    elif name is not None:
        # A submodule, or a name of the package's own.
        yield f"{base}.{name}" if path_of(f"{base}.{name}", folder) else base


def _table(module, folder):
    """By name, the modules where a package finds its names, if it does nothing else; or None.

    What is asked for by name then depends on that module alone, and not on its neighbours.
    """
    if module in _LAZY:
        return {name: f"{module}.{home}" for name, home in _LAZY[module]._HOME.items()}
    path = path_of(module, folder)
    if path is None or path.name != "__init__.py":
        return None
    return _re_exports(tree_of(path.read_text(encoding="utf-8"), path))


@cache  # by identity: trees are never changed
def _re_exports(tree):
    homes = {}
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and not statement.level:
            if any(alias.asname or alias.name == "*" for alias in statement.names):
                return None
            homes |= dict.fromkeys((alias.name for alias in statement.names), statement.module)
        elif not _lists_names(statement):
            return None
    return homes


def path_of(module, folder):
    """The file of a module of the two packages or of ``folder``; None if it is not theirs."""
    first, *rest = module.split(".")
    top = Path(_LAZY[first].__file__).resolve().parent if first in _LAZY else Path(folder, first)
    place = top.joinpath(*rest)
    files = place / "__init__.py", place.with_name(f"{place.name}.py")
    return next((path for path in files if path.is_file()), None)


def joined(trees):
    """Cells as one tree: how code is divided into cells does not matter."""
    return ast.Module([statement for tree in trees for statement in tree.body], [])


def tree_of(text, where):
    """The syntax tree of Python text, without docstrings and what only type checkers read."""
    try:
        return _bare(text)
    except SyntaxError as error:
        raise Refused(f"{where} must be plain Python: {error}") from None


@cache
def _bare(text):
    return _Bare().visit(ast.parse(text))


class _Bare(ast.NodeTransformer):
    def visit_Expr(self, node):
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)

    def visit_If(self, node):
        self.generic_visit(node)
        checking = ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        return node.orelse if checking else node


@cache  # by identity: trees are never changed
def digest_of(tree):
    return digest(_plain(tree))[:16]


def _plain(node):
    """A syntax tree as lists. `ast.dump` differs between versions in the empty fields it shows."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name != "kind")
        return [
            type(node).__name__,
            *([name, _plain(value)] for name, value in fields if value is not None and value != []),
        ]
    return [_plain(entry) for entry in node] if isinstance(node, list) else repr(node)
