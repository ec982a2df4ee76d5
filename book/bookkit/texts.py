"""Texts that ship with Python: statements and functions of its standard library, as tokens.

Each text comes out of ``ast.unparse``, so that one spelling stands for one syntax tree, and every
text parses. Whether Python parses what a model wrote is then a quality that all can see.
"""

import ast
import sysconfig
import warnings
from functools import cache
from itertools import accumulate
from pathlib import Path

import numpy as np

from dlm_core._check import integer

__all__ = [
    "CHARACTERS",
    "END",
    "decode",
    "encode",
    "parses",
    "python_functions",
    "python_statements",
]

CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
"""The characters of the symbols 0, 1, ...: the new line, and the printable ones of ASCII."""

END = len(CHARACTERS)
"""The symbol that follows the last character of a text up to the end of its row."""

# Folders of others' packages, and of tests, which not every installation of Python has.
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test"}


def python_statements(shortest=6, longest=28):
    """Short simple statements of the running Python's standard library, each once.

    A statement is simple if it has no other in it, as ``x = 1`` and ``return x``. Taken are those
    on lines of less than twice ``longest`` characters, without the library's tests and without
    what is not plain ASCII.

    Parameters
    ----------
    shortest, longest : int
        Least and largest number of characters, 1 to 10,000.

    Returns
    -------
    ndarray of int64, shape (n, longest)
        One statement a row, in the order of the texts; see `encode`. Another version of Python
        has another library.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    return _rows(_is_simple, shortest, longest)


def python_functions(shortest=32, longest=512):
    """Functions and methods of the running Python's standard library, each once.

    As `python_statements`, with all that is in a function: decorators, docstring and body.
    """
    return _rows(_is_function, shortest, longest)


def encode(texts, length):
    """Texts as rows of symbols: each with ``END`` after it, up to the end of the row.

    How long a text is, is so part of what a model has to predict.

    Parameters
    ----------
    texts : sequence of str
        Of the ``CHARACTERS``.
    length : int
        Of the rows, at least that of the longest text.

    Returns
    -------
    ndarray of int64, shape (len(texts), length)

    Raises
    ------
    ValueError
        If a text is too long or has another character.
    """
    length = integer("length", length, 1)
    symbol = {character: number for number, character in enumerate(CHARACTERS)}
    rows = np.full((len(texts), length), END, dtype=np.int64)
    for row, text in zip(rows, texts, strict=True):
        if len(text) > length or not symbol.keys() >= set(text):
            raise ValueError(
                f"texts must have at most {length} characters, new lines and printable ASCII, "
                f"got {text!r}"
            )
        row[: len(text)] = [symbol[character] for character in text]
    return rows


def decode(tokens, end=""):
    """The text of each row.

    Parameters
    ----------
    tokens : array_like of int, shape (n, L)
        Symbols from 0 to ``END``.
    end : str
        Written for each ``END`` that a character follows, which no text of the data has.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If a symbol is out of range.
    """
    tokens = np.asarray(tokens)
    if tokens.size and not 0 <= tokens.min() <= tokens.max() <= END:
        raise ValueError(f"tokens must lie in [0, {END}], got {tokens.min()} to {tokens.max()}")
    letters = [*CHARACTERS, "\0"]
    texts = ("".join(letters[symbol] for symbol in row) for row in tokens)
    return [text.rstrip("\0").replace("\0", end) for text in texts]


def parses(tokens):
    """Whether each row is a text that the running Python parses as one statement.

    A row in which a character follows ``END`` is none.

    Parameters
    ----------
    tokens : array_like of int, shape (n, L)

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If a symbol is out of range.
    """
    return np.array([_is_statement(text) for text in decode(tokens, "\0")], dtype=bool)


def _is_statement(text):
    if "\0" in text:
        return False
    try:
        return len(_tree(text).body) == 1
    # what Python's parser says of text that it was not made for
    except (MemoryError, RecursionError, SyntaxError, ValueError):
        return False


def _tree(source):
    with warnings.catch_warnings():  # of escapes and literals that a later Python will refuse
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _rows(wanted, shortest, longest):
    longest = integer("longest", longest, 1, 10_000)
    shortest = integer("shortest", shortest, 1, longest)
    return encode(_texts(wanted, shortest, longest), longest)


def _is_simple(node):
    return not hasattr(node, "body") and not isinstance(node, ast.Match)


def _is_function(node):
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


@cache
def _texts(wanted, shortest, longest):
    """The texts of all files, in order; kept, for reading them takes seconds."""
    library = Path(sysconfig.get_path("stdlib"))
    texts = set()
    for path in sorted(library.rglob("*.py")):
        if _LEFT_OUT.intersection(path.relative_to(library).parts):
            continue
        source = path.read_bytes()
        try:
            tree = _tree(source)
        except (SyntaxError, ValueError):  # some files are there to be refused
            continue
        ends = [0, *accumulate(map(len, source.splitlines()))]
        for node in _statements(tree):
            # asked first, which saves most of the time that the texts of all would take
            written = ends[node.end_lineno] - ends[node.lineno - 1]
            if written < 2 * longest and wanted(node):
                texts.add(ast.unparse(node))
    allowed = set(CHARACTERS)
    return sorted(
        text for text in texts if shortest <= len(text) <= longest and allowed.issuperset(text)
    )


def _statements(node):
    """All statements in a syntax tree, without a visit to its expressions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _statements(child)
