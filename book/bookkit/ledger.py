"""Claims, checks, and the record of what was verified.

A chapter verifies a claim with ``check``. The row that it prints carries the record with it, in the
notebook's own output, so the results map of the book is built from what the build executed.
"""

import html
import json
import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import yaml

__all__ = ["MIME_TYPE", "Check", "check", "load_claims", "read_checks"]

MIME_TYPE = "application/vnd.dlm-core.check+json"

# Deviations below this size are rounding: printed digits of theirs would differ between machines.
_ROUNDING = 1e-9


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
        For instance ``"0.00125437"``, ``"<="``, ``"0.00860074"``; ranges for arrays.
    slack : str
        The distance to the bound, or the tolerance within which an equality holds.
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

    def __str__(self):
        return (
            f"{self.claim:<4}{self.verdict:<6} {self.name}: "
            f"{self.measured} {self.relation} {self.expected}; "
            f"slack {self.slack}; {self.comparisons:,} compared"
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
                ("slack", f"slack {self.slack}"),
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
    recorded="",
):
    """Compare, print one rounded row with its record, and raise if the comparison fails.

    Fractions and integers are compared exactly, whatever the tolerances. Arrays are compared entry
    by entry; the row shows their range for an equality, and for a bound the entry whose slack is
    the least part of it.

    Parameters
    ----------
    claim : str
        Name of the claim in ``book/claims.yml``.
    name : str
        What is compared, in a few words.
    measured : scalar or array_like
        The value that the code obtained.
    equals, at_most, at_least : scalar or array_like
        Exactly one of them: what it must equal, or its upper or lower bound.
    rtol, atol : float
        Allowance for rounding, or ``atol`` for a stated number of standard errors: the allowed
        deviation is ``atol + rtol * abs(expected)``.
    recorded : str
        The provenance of measured values that were recorded earlier, not obtained in this run.

    Raises
    ------
    ValueError
        If not exactly one of the three comparisons is given, or there is nothing to compare.
    AssertionError
        If the comparison fails (a NaN fails).
    """
    given = {"=": equals, "<=": at_most, ">=": at_least}
    relations = [relation for relation, value in given.items() if value is not None]
    if len(relations) != 1:
        raise ValueError("give exactly one of equals, at_most and at_least")
    relation = relations[0]
    measured, expected = np.broadcast_arrays(
        np.atleast_1d(measured), np.atleast_1d(given[relation])
    )
    if measured.size == 0:
        raise ValueError(f"measured must hold at least one value to compare, got none for {name!r}")
    exact = _is_exact(measured) and _is_exact(expected)
    if exact:
        difference, allowed = expected - measured, 0
    else:
        measured, expected = measured.astype(np.float64), expected.astype(np.float64)
        difference, allowed = expected - measured, atol + rtol * np.abs(expected)
    room = {"=": -abs(difference), "<=": difference, ">=": -difference}[relation]
    holds = bool(np.all(room >= -allowed))
    result = Check(
        claim=claim,
        name=name,
        relation=relation,
        **_values_in_print(measured, expected, room, relation),
        slack=_slack_in_print(room, expected, relation, exact, rtol, atol),
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
        If a claim name occurs twice.
    """
    entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["claims"]
    claims = {entry["id"]: entry for entry in entries}
    if len(claims) != len(entries):
        raise ValueError(f"{path} names a claim twice")
    return claims


def read_checks(notebook):
    """The checks recorded in the outputs of an executed notebook file, in order."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    bundles = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    return [Check(**bundle[MIME_TYPE]) for bundle in bundles if MIME_TYPE in bundle]


def _is_exact(array):
    if array.dtype == object:
        return all(isinstance(value, int | Fraction) for value in array.flat)
    return array.dtype.kind in "iub"


def _number(value):
    if isinstance(value, Fraction) and 1 < value.denominator < 1000:
        return str(value)
    if isinstance(value, int | np.integer | np.bool_):
        return f"{int(value):,}"
    return f"{float(value):.6g}"


def _values_in_print(measured, expected, room, relation):
    if measured.size == 1:
        return {"measured": _number(measured.flat[0]), "expected": _number(expected.flat[0])}
    if relation == "=":
        return {"measured": _range(measured), "expected": _range(expected)}
    at = _tightest(room, expected)
    return {"measured": _number(measured.flat[at]), "expected": _number(expected.flat[at])}


def _range(array):
    if array.dtype == np.float64:
        array = np.where(np.abs(array) <= _ROUNDING * np.abs(array).max(), 0.0, array)
    low, high = _number(array.min()), _number(array.max())
    return low if low == high else f"{low} to {high}"


def _tightest(room, expected):
    """Index of the entry with the least slack for its size."""
    relative = (room / np.where(expected == 0, 1, np.abs(expected))).astype(np.float64).ravel()
    # the first among equals, so that rounding does not decide which one is printed
    return int(np.argmax(relative <= relative.min() + _ROUNDING))


def _slack_in_print(room, expected, relation, exact, rtol, atol):
    if relation == "=":
        least = room.min()
        if exact:
            return "0, exactly" if least == 0 else _number(least)
        if atol > _ROUNDING:
            return f"{float(-least):.2g} off, {atol:.2g} allowed"
        return f"0 within {atol:.0e}" if atol > 0 else f"0 within {rtol:.0e} of it"
    at = _tightest(room, expected)
    least = room.flat[at]
    if abs(least) <= _ROUNDING * abs(expected.flat[at]):
        return "0 (tight)"
    return _number(least) if exact else f"{float(least):.3g}"


def _show(result):
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(result)
    else:
        print(result)
