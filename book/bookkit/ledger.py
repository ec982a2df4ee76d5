"""Claims, checks, and the record of what was verified.

A chapter verifies a claim with ``check``. The row that it prints carries the record with it, in the
notebook's own output, so the results map of the book is built from what the build executed.
"""

import html
import json
import re
import reprlib
import sys
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import yaml

from dlm_core._check import on_host

__all__ = ["MIME_TYPE", "Check", "check", "load_claims", "read_checks"]

MIME_TYPE = "application/vnd.dlm-core.check+json"

# Deviations below this size are rounding: printed digits of theirs would differ between machines.
_ROUNDING = Fraction(1e-9)

# The types of numbers. A subclass may mean more than its number, or give another one on asking.
_BOOLEANS = {bool, np.bool_}
_INTEGERS = {int, *(np.dtype(code).type for code in np.typecodes["AllInteger"])}
_FLOATS = {float, *(np.dtype(code).type for code in np.typecodes["Float"])}

_MOST_AXES = 32  # which numpy can iterate over

_RELATIONS = {"equals": "=", "at_most": "<=", "at_least": ">="}

_CHOICES = {"relation": (*_RELATIONS.values(), "≈"), "verdict": ("holds", "FAILS")}

# The keys of a claim, and the type of each value.
_REQUIRED = {
    "id": str,
    "statement": str,
    "source": str,
    "chapter": str,
    "functions": list,
    "tests": list,
}
_OPTIONAL = {"theorem": str, "status": str}


@dataclass(frozen=True)
class Check:
    """One verified statement, rounded for print.

    Attributes
    ----------
    claim : str
        The claim it supports, as named in ``book/claims.yml``.
    name : str
        What was compared.
    measured, relation, expected : str
        For instance ``"0.00125437"``, ``"<="``, ``"0.00860074"``; ranges for arrays. The relation
        is ``"≈"`` for an equality that allows more than rounding.
    slack : str
        The distance to the bound, or how far apart the two sides of an equality are and how far
        they may be. It begins with a number.
    verdict : str
        ``"holds"`` or ``"FAILS"``.
    comparisons : int
        How many numbers were compared.
    recorded : str
        Where the measured numbers come from, if not from this run: a line of provenance.
    """

    claim: str
    name: str
    measured: str
    relation: str
    expected: str
    slack: str
    verdict: str
    comparisons: int
    recorded: str = ""

    @property
    def distance(self):
        """The number with which ``slack`` begins."""
        return float(self.slack.split()[0].replace(",", ""))

    @property
    def _margin(self):
        return self.slack if self.relation == "≈" else f"slack {self.slack}"

    def __str__(self):
        return (
            f"{self.claim + ' ':<4}{self.verdict:<6} {self.name}: "
            f"{self.measured} {self.relation} {self.expected}; "
            f"{self._margin}; {self.comparisons:,} compared"
            + (f"; {self.recorded}" if self.recorded else "")
        )

    def _repr_mimebundle_(self, include=None, exclude=None):
        cells = "".join(
            f'<span class="ledger-{key}">{html.escape(str(value))}</span>'
            for key, value in [
                ("claim", self.claim),
                ("verdict", self.verdict),
                ("name", self.name),
                ("values", f"{self.measured} {self.relation} {self.expected}"),
                ("slack", self._margin),
                ("count", f"{self.comparisons:,} compared"),
                ("recorded", self.recorded),
            ]
            if value
        )
        return {
            "text/plain": str(self),
            "text/html": f'<div class="ledger-row">{cells}</div>',
            MIME_TYPE: asdict(self),
        }


def check(
    claim,
    name,
    measured,
    *,
    equals=None,
    at_most=None,
    at_least=None,
    rtol=1e-11,
    atol=0.0,
    standard_error=None,
    sigmas=None,
    recorded="",
):
    """Compare, print one rounded row with its record, and raise if the comparison fails.

    Every number is taken as the fraction that it is, so nothing is rounded, wrapped or converted on
    the way. Arrays are compared entry by entry; the row shows their range for an equality that
    holds, and otherwise the entry that is closest to failing. Where both sides hold only integers
    and Fractions, or only booleans, they must agree exactly, whatever the tolerances.

    Parameters
    ----------
    claim : str
        Name of the claim in ``book/claims.yml``.
    name : str
        What is compared, in a few words.
    measured : number, or array or nested list of numbers
        The value that the code obtained: real numbers (integers, Fractions, floats of any width,
        tensors of them), or booleans; of at most 32 axes. Of subclasses, which may have an
        arithmetic of their own, there are none.
    equals, at_most, at_least : like ``measured``
        Exactly one of them: what it must equal, or its upper or lower bound. Finite, and of the
        shape of ``measured``, or one number for all its entries. Booleans are compared with
        booleans, by ``equals``.
    rtol, atol : float
        Allowance for rounding where a side holds floats: the allowed deviation of an entry is
        ``atol + rtol * abs(expected) + sigmas * standard_error``; ``rtol < 1``, and both at most
        1e-9 for a bound.
    standard_error : like ``measured``, optional
        Of a ``measured`` that was sampled, for ``equals``: positive, of the shape of ``measured``
        or one number for all its entries. The row then says how many standard errors the two are
        apart.
    sigmas : float, optional
        How many standard errors are allowed, in (0, 10]; given with ``standard_error``.
    recorded : str
        The provenance of measured values that were recorded earlier, not obtained in this run.

    Raises
    ------
    TypeError
        If an argument is not of the kind above: complex numbers, text, times, masked arrays,
        subclasses, tensors without data, estimates (give their ``.value``), None.
    ValueError
        If not exactly one of the three comparisons is given, there is nothing to compare, the
        shapes differ, an allowance or expected value is out of range, or the allowance is so wide
        that a measured 0 would pass for an expected value other than 0.
    AssertionError
        If the comparison fails (a NaN or infinity in ``measured`` fails).
    """
    claim, name = _line("claim", claim), _line("name", name)
    recorded = _line("recorded", recorded, empty=True)
    given = {"equals": equals, "at_most": at_most, "at_least": at_least}
    comparisons = [key for key, value in given.items() if value is not None]
    if len(comparisons) != 1:
        raise ValueError(
            "give exactly one of equals, at_most and at_least, "
            f"got {' and '.join(comparisons) or 'none'}"
        )
    (comparison,) = comparisons
    measured, kind = _numbers("measured", measured)
    if measured.size == 0:
        raise ValueError(f"measured must hold at least one value to compare, got none for {name!r}")
    expected, kind_expected = _finite(comparison, given[comparison], measured.shape)
    if "boolean" in (kind, kind_expected) and (kind != kind_expected or comparison != "equals"):
        raise TypeError(
            "booleans must be compared with booleans, by equals: "
            f"got measured {kind} and {comparison} {kind_expected}"
        )
    rtol, atol = _tolerance("rtol", rtol, below=1), _tolerance("atol", atol)
    if comparison != "equals" and max(rtol, atol) > _ROUNDING:
        name_of, wide = ("rtol", rtol) if rtol > _ROUNDING else ("atol", atol)
        raise ValueError(
            f"{name_of} must be at most 1e-9 for {comparison}, got {_significant(wide, 6)}: "
            "a bound allows for rounding, and for nothing else"
        )
    errors, sigmas = _sampling(standard_error, sigmas, comparison, measured.shape)
    exact = "float" not in (kind, kind_expected)
    if exact:
        if errors:
            raise ValueError("standard_error must be of a float, got exact numbers on both sides")
        rtol = atol = Fraction(0)

    measured, expected = measured.ravel(), expected.ravel()
    sizes = [abs(_fraction(value)) for value in expected]
    allowed = [atol + rtol * size for size in sizes]
    if errors:
        allowed = [a + sigmas * error for a, error in zip(allowed, errors, strict=True)]
    _refuse_if_zero_passes(comparison, expected, allowed)

    in_digits = _rounded if exact else _significant
    loose = comparison == "equals" and (bool(errors) or max(atol, rtol) > _ROUNDING)
    holds, at, room = _closest(comparison, measured, expected, allowed)
    if room is None:
        slack = "nan"
    elif comparison != "equals":
        tight = holds and abs(room) <= _ROUNDING * sizes[at]
        slack = "0 (tight)" if tight else in_digits(room, 3)
    elif errors:
        apart = max(sigmas - (room + allowed[at]) / errors[at], 0)
        slack = f"{_significant(apart, 2)} standard errors apart, {_significant(sigmas, 3)} allowed"
    elif holds and not loose:
        parts = [f"{float(atol):.0e}"] if atol else []
        parts += [f"{float(rtol):.0e} of it"] if rtol and any(sizes) else []
        slack = f"0 within {' + '.join(parts)}" if parts else "0, exactly"
    else:
        slack = f"{in_digits(-room, 2)} off, {in_digits(allowed[at], 2)} allowed"
    in_print = _range if holds and comparison == "equals" else lambda side: _number(side[at])
    result = Check(
        claim=claim,
        name=name,
        measured=in_print(measured),
        relation="≈" if loose else _RELATIONS[comparison],
        expected=in_print(expected),
        slack=slack,
        verdict="holds" if holds else "FAILS",
        comparisons=measured.size,
        recorded=recorded,
    )
    _show(result)
    if not holds:
        raise AssertionError(str(result))


def load_claims(path):
    """The claims of ``book/claims.yml``, in order: dictionaries keyed by claim name.

    Raises
    ------
    ValueError
        If a claim name occurs twice, or an entry lacks a key, has one that is unknown, or a value
        of the wrong type; the message names the claim and the key.
    """
    document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(document, dict) or not isinstance(document.get("claims"), list):
        raise ValueError(f"{path} must hold a list under the key 'claims'")
    claims = {}
    for number, entry in enumerate(document["claims"], start=1):
        if not isinstance(entry, dict):
            raise ValueError(f"{path}: claim number {number} must be a mapping, got {entry!r}")
        where = f"{path}: claim {entry.get('id', f'number {number}')!r}"
        _check_claim(where, entry)
        if entry["id"] in claims:
            raise ValueError(f"{path} names a claim twice: {entry['id']!r}")
        claims[entry["id"]] = entry
    return claims


def read_checks(notebook):
    """The checks recorded in the outputs of an executed notebook file, in order.

    Raises
    ------
    ValueError
        If a record lacks a field, or has one that is unknown or not as `Check` describes it; the
        message names the notebook and the field.
    """
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    bundles = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    records = (bundle[MIME_TYPE] for bundle in bundles if MIME_TYPE in bundle)
    return [_read(f"check {i} of {notebook}", record) for i, record in enumerate(records, start=1)]


def _check_claim(where, entry):
    known = _REQUIRED | _OPTIONAL
    if missing := sorted(_REQUIRED.keys() - entry.keys()):
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    if unknown := sorted(map(str, entry.keys() - known.keys())):
        raise ValueError(f"{where} has the unknown key {', '.join(unknown)}")
    for key, value in entry.items():
        texts = value if known[key] is list else [value]
        if not isinstance(texts, list) or not all(_is_line(text) for text in texts):
            rule = "a list of texts" if known[key] is list else "a text"
            raise ValueError(f"{where}: {key} must be {rule} of one line, got {value!r}")
    # the name becomes the label of a place in the results map
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", entry["id"]):
        raise ValueError(f"{where}: id must be a letter, then letters, digits and hyphens")


def _read(where, record):
    """Return the `Check` of a record, after a look at every field."""
    if not isinstance(record, dict):
        raise ValueError(f"{where} must be a mapping, got {record!r}")
    names = {field.name for field in fields(Check)}
    if missing := sorted(names - record.keys() - {"recorded"}):
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    if unknown := sorted(record.keys() - names):
        raise ValueError(f"{where} has the unknown field {', '.join(unknown)}")
    for field, value in record.items():
        if field == "comparisons":
            fits, rule = type(value) is int and value > 0, "a positive integer"
        elif field in _CHOICES:
            fits = value in _CHOICES[field]
            rule = f"one of {', '.join(map(repr, _CHOICES[field]))}"
        else:
            fits, rule = _is_line(value) or (field, value) == ("recorded", ""), "a text of one line"
        if not fits:
            raise ValueError(f"{where}: {field} must be {rule}, got {value!r}")
    found = Check(**record)
    try:
        _ = found.distance
    except ValueError:
        raise ValueError(f"{where}: slack must begin with a number, got {found.slack!r}") from None
    return found


def _is_line(value):
    return isinstance(value, str) and value.isprintable() and value.strip() != ""


def _line(name, value, empty=False):
    """Return ``value`` if it is a text of one line, without characters that do not print."""
    rule = f"a text of one line{', or empty' if empty else ''}"
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {rule}, got {value!r} of type {type(value).__name__}")
    if not _is_line(value) and not (empty and value == ""):
        raise ValueError(f"{name} must be {rule}, got {value!r}")
    return value


def _numbers(name, value):
    """Return ``value`` as an array of Python numbers, and their kind: boolean, exact or float."""
    array = _unpacked(name, value)
    kinds = {_kind(leaf) for leaf in array.flat}
    if "boolean" in kinds and len(kinds) > 1:
        raise TypeError(f"{name} must hold numbers or booleans, got both")
    return array, "float" if "float" in kinds else kinds.pop() if kinds else "exact"


def _unpacked(name, value, axes=_MOST_AXES):
    """Return a number, an array, a tensor, or lists of them as an array of dtype object."""
    rule = f"{name} must hold real numbers or booleans in plain arrays or lists"
    if hasattr(value, "value") and hasattr(value, "standard_error"):
        raise TypeError(
            f"{rule}, got {value!r}: give its .value, and its .standard_error beside it"
        )
    if type(value) in (list, tuple):
        if not axes:
            raise ValueError(
                f"{name} must have at most {_MOST_AXES} axes, got more levels of lists"
            )
        parts = [_unpacked(name, part, axes - 1) for part in value]
        if len({part.shape for part in parts}) > 1:
            raise ValueError(f"{name} must have rows of one length")
        return np.stack(parts) if parts else np.empty(0, dtype=object)
    try:
        host = on_host(value)
        if host is not value:
            host = np.asarray(host)
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"{rule}, got a tensor of {value.dtype}: {error}") from None
    # A subclass may mean more than its numbers: a mask, a unit.
    if type(host) is np.ndarray:
        if host.dtype.kind not in "biufO":
            raise TypeError(f"{rule}, got the dtype {host.dtype}")
        if host.ndim > axes:
            raise ValueError(f"{name} must have at most {_MOST_AXES} axes, got more")
        for leaf in host.flat if host.dtype.kind == "O" else ():
            if _kind(leaf) != "exact":
                raise TypeError(
                    f"{name} must hold integers or Fractions where its dtype is object, "
                    f"got {reprlib.repr(leaf)} of type {type(leaf).__name__}"
                )
        return host.astype(object)
    if _kind(host) is None:
        raise TypeError(f"{rule}, got {reprlib.repr(value)} of type {type(value).__name__}")
    array = np.empty((), dtype=object)
    array[()] = host
    return array


def _kind(leaf):
    if type(leaf) in _BOOLEANS:
        return "boolean"
    if type(leaf) in _INTEGERS or (
        type(leaf) is Fraction and {type(leaf.numerator), type(leaf.denominator)} <= _INTEGERS
    ):
        return "exact"
    return "float" if type(leaf) in _FLOATS else None


def _fraction(leaf):
    """The number itself, in Python's integers: numpy's wrap around, inside of Fractions too."""
    if isinstance(leaf, float | np.floating):
        return Fraction(*leaf.as_integer_ratio())
    if isinstance(leaf, Fraction):
        return Fraction(int(leaf.numerator), int(leaf.denominator))
    return Fraction(int(leaf))


def _is_finite(leaf):
    return bool(np.isfinite(leaf)) if isinstance(leaf, float | np.floating) else True


def _finite(name, value, shape):
    """Return numbers in ``shape``, which they have or one of them fills, and their kind."""
    array, kind = _numbers(name, value)
    if array.shape not in ((), shape):
        raise ValueError(
            f"{name} must have the shape of measured, {shape}, or be one number, "
            f"got the shape {array.shape}"
        )
    for leaf in array.flat:
        if not _is_finite(leaf):
            raise ValueError(f"{name} must be finite, got {leaf}")
    return np.broadcast_to(array, shape), kind


def _tolerance(name, value, below=None):
    """Return an allowance as a Fraction."""
    array, kind = _finite(name, value, ())
    if kind == "boolean":
        raise TypeError(f"{name} must be a number, got {value!r}")
    allowance = _fraction(array[()])
    if allowance < 0 or (below is not None and allowance >= below):
        rule = "nonnegative" if below is None else f"in [0, {below})"
        raise ValueError(f"{name} must be {rule}, got {value}")
    return allowance


def _sampling(standard_error, sigmas, comparison, shape):
    """Return the standard errors as a list of Fractions, and how many of them are allowed."""
    if standard_error is None and sigmas is None:
        return [], None
    if standard_error is None or sigmas is None:
        raise ValueError("standard_error and sigmas must be given together, got one of them")
    if comparison != "equals":
        raise ValueError(f"standard_error must be given with equals, got {comparison}")
    errors, kind = _finite("standard_error", standard_error, shape)
    if kind == "boolean":
        raise TypeError("standard_error must hold numbers, got booleans")
    errors = [_fraction(leaf) for leaf in errors.flat]
    if min(errors) <= 0:
        raise ValueError(f"standard_error must be positive, got {_significant(min(errors), 6)}")
    count = _tolerance("sigmas", sigmas)
    if not 0 < count <= 10:
        raise ValueError(f"sigmas must be in (0, 10], got {sigmas}")
    return errors, count


def _refuse_if_zero_passes(comparison, expected, allowed):
    """Refuse an allowance within which 0 could stand for an expected value that is not 0.

    Entries below rounding for the largest one count as 0.
    """
    if comparison == "at_most":
        return
    values = [_fraction(leaf) for leaf in expected]
    rounding = _ROUNDING * max(map(abs, values))
    for value, allowance in zip(values, allowed, strict=True):
        size = value if comparison == "at_least" else abs(value)
        if rounding < size <= allowance:
            raise ValueError(
                "the allowed deviation must be smaller than the expected value, or a measured 0 "
                f"would pass: got {_significant(allowance, 3)} allowed for {comparison} "
                f"{_significant(value, 6)}; measure with less error, or compare with 0"
            )


def _closest(comparison, measured, expected, allowed):
    """Return whether all entries hold, the index of the closest call, and the room there.

    The room is the distance to a bound, or minus the deviation from an equality; None where the
    measured value is not finite.
    """
    for at, leaf in enumerate(measured):
        if not _is_finite(leaf):
            return False, at, None
    gaps = [_fraction(e) - _fraction(m) for m, e in zip(measured, expected, strict=True)]
    if comparison == "equals":
        room = [-abs(gap) for gap in gaps]
    else:
        room = gaps if comparison == "at_most" else [-gap for gap in gaps]
    left = [r + a for r, a in zip(room, allowed, strict=True)]
    if min(left) < 0:
        at = left.index(min(left))
    elif comparison == "equals":
        used = [-r / a if a else Fraction(0) for r, a in zip(room, allowed, strict=True)]
        at = used.index(max(used))
    else:
        sizes = [abs(_fraction(e)) for e in expected]
        relative = [r / size if size else r for r, size in zip(room, sizes, strict=True)]
        # the first among equals, so that rounding does not decide which one is printed
        least = min(relative) + _ROUNDING
        at = next(i for i, value in enumerate(relative) if value <= least)
    return min(left) >= 0, at, room[at]


def _number(leaf):
    if isinstance(leaf, Fraction) and 1 < leaf.denominator < 1000:
        return str(leaf)
    if _kind(leaf) == "boolean":
        return str(bool(leaf))
    return _rounded(leaf, 6)


def _rounded(leaf, digits):
    """A number in print: integers in full, unless they are astronomical."""
    if not _is_finite(leaf):
        return str(float(leaf))
    value = _fraction(leaf)
    if _kind(leaf) == "exact" and value.denominator == 1 and abs(value) < 10**40:
        return f"{int(value):,}"
    return _significant(value, digits)


def _significant(value, digits):
    near = Decimal(value.numerator) / value.denominator
    if value == 0 or Decimal("1e-300") < abs(near) < Decimal("1e300"):
        return f"{float(value):.{digits}g}"
    return f"{near:.{digits - 1}e}"  # beyond the range of floats


def _range(side):
    values = [_fraction(leaf) for leaf in side]
    if any(_kind(leaf) == "float" for leaf in side):
        rounding = _ROUNDING * max(map(abs, values))
        side = [
            leaf if abs(value) > rounding else 0 for leaf, value in zip(side, values, strict=True)
        ]
        values = [_fraction(leaf) for leaf in side]
    low, high = (_number(side[values.index(end)]) for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _show(result):
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(result)
    else:
        print(result)
