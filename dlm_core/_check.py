"""Checks of arguments, made before any work: each error names the argument, its value, the rule."""

from collections.abc import Sequence
from math import comb
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dlm_core._types import FloatArray, IntArray, Rng

_Kind = TypeVar("_Kind")
_Array = TypeVar("_Array", bound=npt.NDArray[Any])

NORMALISATION_TOLERANCE = 1e-9
# How far from one a sum may be, by the precision in which the numbers came: a softmax in float32
# sums to one within 1e-7, and a few times that over a large table.
_TOLERANCES = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 2e-2}
_LARGEST = 2**63 - 1
# Positions, so that products of two of them fit into int64.
MOST_POSITIONS = 2**31 - 1
MOST_COMPOSITIONS = 2**16
_MOST_BYTES = 4 * 2**30
_MOST_TERMS = 2**32

_NUMBER_THEM = "number the symbols of a column by numpy.unique(column, return_inverse=True)[1]"


def shown(value: object) -> str:
    """Return ``repr(value)``, or its beginning, for an error message."""
    if isinstance(value, np.ndarray) and value.ndim > 0:
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def integer(name: str, value: object, at_least: int, at_most: int | None = None) -> int:
    """Return ``value`` as an ``int`` in ``[at_least, at_most]``; at most 2**63 - 1 by default.

    Raises
    ------
    TypeError
        If ``value`` is no integer (a ``bool`` is none, nor is ``3.0``).
    ValueError
        If it lies outside the range.
    """
    rule = f"an integer >= {at_least}"
    if at_most is not None:
        rule = f"an integer in [{at_least}, {at_most}]"
    # numpy counts a time difference among its signed integers
    if isinstance(value, bool | np.bool_ | np.timedelta64) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {rule}, got {shown(value)} of type {_kind(value)}")
    number = int(value)
    if at_most is None and number > _LARGEST:
        raise ValueError(f"{name} must be an integer in [{at_least}, 2**63 - 1], got {number}")
    if number < at_least or (at_most is not None and number > at_most):
        raise ValueError(f"{name} must be {rule}, got {number}")
    return number


def shape(length: object, steps: object) -> tuple[int, int]:
    """Return a length of at least 1 and a number of steps from 1 to it, both as ``int``."""
    length = integer("length", length, 1, MOST_POSITIONS)
    return length, integer("steps", steps, 1, length)


def listable(length: int, steps: int) -> None:
    """Refuse a shape with more compositions than are to be listed one by one.

    Raises
    ------
    ValueError
        If there are more than 2**16 of them.
    """
    inner = min(steps - 1, length - steps)
    # n over k is at least 2^k for k <= n / 2; the number itself may have millions of digits
    if inner > 16 or comb(length - 1, inner) > MOST_COMPOSITIONS:
        raise ValueError(
            f"length and steps must leave at most {MOST_COMPOSITIONS} compositions to list, "
            f"got {length} and {steps}"
        )


def table_fits(what: str, n_bytes: int) -> None:
    """Refuse tables that would take more than 4 GiB, before they are allocated.

    Raises
    ------
    ValueError
        Says of ``what`` how much it needs.
    """
    if n_bytes > _MOST_BYTES:
        raise ValueError(
            f"{what} would take {n_bytes / 2**30:.4g} GiB, more than the "
            f"{_MOST_BYTES >> 30} GiB allowed"
        )


def work_fits(what: str, terms: int) -> None:
    """Refuse a computation of more than 2**32 terms, which takes minutes, before it begins.

    Raises
    ------
    ValueError
        Says of ``what`` how many it has.
    """
    if terms > _MOST_TERMS:
        raise ValueError(
            f"{what} is a computation of {terms:.2g} terms, more than the 2**32 allowed: take a "
            "smaller length"
        )


def count(name: str, value: object, at_least: int, numbers: int) -> int:
    """Return how many rows are asked for, of ``numbers`` of 8 bytes each; at most 4 GiB in all.

    Raises
    ------
    TypeError, ValueError
        If ``value`` is no integer, below ``at_least``, or more than fits.
    """
    rows = integer(name, value, at_least)
    n_bytes = 8 * rows * numbers
    if n_bytes > _MOST_BYTES:
        raise ValueError(
            f"{name} must be at most {_MOST_BYTES // (8 * numbers)} here, got {rows}: that many "
            f"rows of {numbers} numbers need {n_bytes / 2**30:.1f} GiB, more than the "
            f"{_MOST_BYTES >> 30} GiB allowed"
        )
    return rows


def boolean(name: str, value: object) -> bool:
    """Return ``value`` as a ``bool``; raise ``TypeError`` if it is none."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)} of type {_kind(value)}")
    return bool(value)


def number(name: str, value: object, at_least: float | None = None) -> float:
    """Return ``value``, one finite real number, as a ``float``.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it has axes, is NaN or infinite, or lies below ``at_least``.
    """
    result = float(real_array(name, value, ndim=0))
    if at_least is not None and result < at_least:
        rule = "nonnegative" if at_least == 0 else f"at least {at_least}"
        raise ValueError(f"{name} must be {rule}, got {result}")
    return result


def numpy_generator(name: str, value: Rng) -> np.random.Generator:
    """Return the ``numpy.random.Generator`` that ``value`` is or seeds.

    Taken is what ``numpy.random.default_rng`` takes except None, so that no draw is ever without
    a seed by accident; of numpy's own types the legacy ``RandomState`` is refused.

    Raises
    ------
    TypeError
        If it is something else; a generator of torch is named.
    ValueError
        If it is a negative integer.
    """
    if isinstance(value, np.random.Generator):
        return value
    seeds = np.random.BitGenerator | np.random.SeedSequence
    if isinstance(value, seeds):
        return np.random.default_rng(value)
    if isinstance(value, Integral) and not isinstance(value, bool | np.bool_ | np.timedelta64):
        if value < 0:
            raise ValueError(f"{name} must be a nonnegative integer as a seed, got {int(value)}")
        return np.random.default_rng(int(value))
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        words = integer_array(name, value, ndim=1, at_least=0)
        return np.random.default_rng(words.tolist())
    raise TypeError(
        f"{name} must be a numpy.random.Generator such as numpy.random.default_rng(seed), or a "
        f"seed as an int, got {with_library(value)}"
    )


def instance(name: str, value: object, kind: type[_Kind]) -> _Kind:
    """Return ``value`` if it is a ``kind``; raise ``TypeError`` otherwise."""
    if not isinstance(value, kind):
        remedy = (
            f": give an object such as {value.__name__}(...)" if isinstance(value, type) else ""
        )
        raise TypeError(
            f"{name} must be of type {kind.__name__}, got {shown(value)} of type "
            f"{_kind(value)}{remedy}"
        )
    return value


def choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """Return ``value`` if it is one of the words allowed; raise ``ValueError`` otherwise."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, allowed))}, got {shown(value)}"
        )
    return value


def on_host(value: Any) -> Any:
    """Return ``value``, or its copy in main memory without gradients where it is a torch tensor.

    Known by its methods, so that torch need not be imported.
    """
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu()
        # numpy has no such numbers; all of them are float32
        return value.float() if str(value.dtype) == "torch.bfloat16" else value
    return value


def host_array(name: str, value: object) -> npt.NDArray[Any]:
    """Return ``value`` as an array in main memory.

    Raises
    ------
    TypeError
        If it is a masked array (the mask would be lost), or cannot be an array.
    ValueError
        If it has rows of different lengths.
    """
    if isinstance(value, np.ma.MaskedArray) or _holds_masked(value):
        raise TypeError(
            f"{name} must not be a masked array, because its mask would be lost: leave out or "
            "fill the masked entries first"
        )
    try:
        return np.asarray(on_host(value))
    except ValueError:
        raise ValueError(f"{name} must have rows of one length, got {shown(value)}") from None
    except Exception as error:  # whatever an object of a class of its own raises
        raise TypeError(f"{name} must be an array, got {_kind(value)}: {error}") from None


def real_array(name: str, value: object, ndim: int | None = None) -> FloatArray:
    """Return ``value`` as a fresh, finite float64 array, with ``ndim`` axes if that is given.

    Raises
    ------
    TypeError
        If it is not numeric, or a masked array.
    ValueError
        If an entry is NaN or infinite, or the number of axes is wrong.
    """
    array = host_array(name, value)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"{name} must be an array of real numbers, got {shown(value)} of type {_kind(value)}"
        )
    if ndim is not None and array.ndim != ndim:
        rule = "be a number" if ndim == 0 else f"have {ndim} ax{'i' if ndim == 1 else 'e'}s"
        raise ValueError(f"{name} must {rule}, got shape {array.shape}")
    table_fits(f"{name} with {array.size} numbers", 8 * array.size)
    with np.errstate(over="ignore"):  # beyond float64 is infinite, and said below
        result = array.astype(np.float64)
    if not np.isfinite(result).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        where = f" at index {place}" if place else ""
        raise ValueError(f"{name} must be finite, got {array[place]}{where}")
    return result


def integer_array(
    name: str, value: object, ndim: int, at_least: int, at_most: int | None = None
) -> IntArray:
    """Return ``value`` as a fresh int64 array with ``ndim`` axes and entries in a range.

    Raises
    ------
    TypeError
        If it does not hold integers (booleans are none), or is a masked array.
    ValueError
        If the number of axes is wrong or an entry lies outside ``[at_least, at_most]``.
    """
    array = host_array(name, value)
    if array.size == 0 and array.dtype.kind == "f":  # what numpy makes of an empty list
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, got {shown(value)} of type {_kind(value)}")
    if array.ndim != ndim:
        rule = {1: "be a vector", 2: "be a table"}[ndim]
        raise ValueError(f"{name} must {rule} of integers, got shape {array.shape}")
    highest = _LARGEST if at_most is None else at_most
    if array.size and (array.min() < at_least or array.max() > highest):
        place = tuple(int(i) for i in np.argwhere((array < at_least) | (array > highest))[0])
        rule = f">= {at_least}" if at_most is None else f"in [{at_least}, {at_most}]"
        index = place[0] if ndim == 1 else place
        raise ValueError(f"{name} must hold integers {rule}, got {array[place]} at index {index}")
    return array.astype(np.int64)


def probabilities(name: str, value: object, ndim: int | None = None) -> FloatArray:
    """Return ``value`` as a float64 table of probabilities, divided by its sum.

    The sum may be off one by rounding: by 1e-9, 1e-5 for numbers that came in float32, 1e-2 in
    float16 and 2e-2 in bfloat16.

    Raises
    ------
    TypeError
        If it is not numeric.
    ValueError
        If it is empty, has an entry that is negative or not finite, or does not sum to one.
    """
    tolerance = _tolerance(value)
    array = real_array(name, value, ndim)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} must have at least one axis and entry, got shape {array.shape}")
    if array.min() < 0:
        raise ValueError(f"{name} must be nonnegative, got the entry {array.min()}")
    total = float(array.sum())
    if abs(total - 1) > tolerance:
        raise ValueError(f"{name} must sum to 1 within {tolerance:g}, its sum is {total!r}{_HINT}")
    return array / total


_HINT = " (divide it by its sum in float64 if float32 or rounding is the cause)"


def stochastic(name: str, value: object, columns: int | None = None) -> FloatArray:
    """Return a float64 table of rows of probabilities, each divided by its sum.

    The sums may be off one as for ``probabilities``.

    Raises
    ------
    TypeError
        If it is not numeric.
    ValueError
        If it is no table, has another number of columns, or a row is no law.
    """
    tolerance = _tolerance(value)
    table = real_array(name, value)
    if table.ndim != 2 or table.size == 0 or (columns is not None and table.shape[1] != columns):
        rule = "rows of probabilities" if columns is None else f"rows of {columns} probabilities"
        raise ValueError(f"{name} must be a table with {rule}, got shape {table.shape}")
    if table.min() < 0:
        raise ValueError(f"{name} must be nonnegative, got the entry {table.min()}")
    sums = table.sum(axis=1)
    worst = int(abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > tolerance:
        raise ValueError(
            f"{name} must have rows that sum to 1 within {tolerance:g}, row {worst} sums to "
            f"{float(sums[worst])!r}{_HINT}"
        )
    return table / sums[:, np.newaxis]


def frozen(array: _Array) -> _Array:
    """Return ``array`` after marking it read-only, for tables that an object hands out."""
    array.setflags(write=False)
    return array


def symbol_rows(name: str, value: object) -> IntArray:
    """Return ``value`` as an int64 array of shape (N, L): sequences of symbols, one a row.

    Booleans count as 0 and 1.

    Raises
    ------
    TypeError
        If the symbols are no integers, or masked.
    ValueError
        If there are not two axes, no row or no position, or if a symbol is negative.
    """
    array = host_array(name, value)
    if array.size and array.dtype.kind not in "iub":
        raise TypeError(
            f"{name} must hold integers, got the dtype {array.dtype}: {_NUMBER_THEM}"
            + (", or use .astype(int) for whole numbers" if array.dtype.kind == "f" else "")
        )
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must have shape (N, L), N >= 1 and L >= 1, got {array.shape}")
    if array.min() < 0 or array.max() > _LARGEST:
        row, position = (int(i) for i in np.argwhere((array < 0) | (array > _LARGEST))[0])
        raise ValueError(
            f"{name} must hold symbols from 0 to 2^63 - 1, got {array[row, position]} "
            f"at row {row}, position {position}: {_NUMBER_THEM}"
        )
    return array.astype(np.int64)


def sparse_law(support: object, masses: object) -> tuple[IntArray, FloatArray]:
    """Return a distribution given by its support: rows (N, L) int64, probabilities (N,) float64.

    Raises
    ------
    TypeError, ValueError
        If ``support`` is no table of symbols, repeats a row, or ``masses`` (uniform if None) are
        no probabilities of its rows.
    """
    rows = symbol_rows("support", support)
    if masses is None:
        masses = np.full(len(rows), 1 / len(rows))
    law = probabilities("probabilities", masses, ndim=1)
    if law.size != len(rows):
        raise ValueError(
            f"probabilities must have one entry for each of the {len(rows)} rows of support, "
            f"got {law.size}"
        )
    _refuse_repeats(rows)
    return rows, law


def _refuse_repeats(rows: IntArray) -> None:
    """Raise ``ValueError`` naming two rows of ``support`` that are equal, if there are any."""
    # Rows of different keys differ, so that distinct keys settle it at once; rows of equal keys
    # may differ, so that only the rows themselves tell.
    weights = np.random.default_rng(0).integers(-_LARGEST, _LARGEST, rows.shape[1])
    keys = np.sort(np.einsum("ij,j->i", rows, weights))  # sooner done than rows @ weights
    if (keys[1:] != keys[:-1]).all():
        return
    first_seen: dict[bytes, int] = {}
    for index, row in enumerate(rows):
        first = first_seen.setdefault(row.tobytes(), index)
        if first != index:
            raise ValueError(f"support must not repeat a row, rows {first} and {index} are equal")


def _tolerance(value: object) -> float:
    while isinstance(value, list | tuple) and value:  # rows of one table have one precision
        value = value[0]
    # torch names a precision as numpy does, after its own name
    precision = str(getattr(value, "dtype", "")).removeprefix("torch.")
    return _TOLERANCES.get(precision, NORMALISATION_TOLERANCE)


def _holds_masked(value: object) -> bool:
    """Whether a list or tuple, or one inside it, holds a masked array."""
    return isinstance(value, list | tuple) and any(
        isinstance(entry, np.ma.MaskedArray) or _holds_masked(entry) for entry in value[:1000]
    )


def _kind(value: object) -> str:
    return type(value).__name__


def with_library(value: object) -> str:
    """Return what ``value`` is, with the library that it comes from."""
    module = type(value).__module__.partition(".")[0]
    prefix = "" if module == "builtins" else f"{module}'s "
    return f"{prefix}{_kind(value)} ({shown(value)})"
