"""Checks of arguments, made before any work: each error names the argument, its value, the rule."""

from numbers import Integral

import numpy as np

NORMALISATION_TOLERANCE = 1e-9


def integer(name, value, at_least, at_most=None):
    """Return ``value`` as an ``int`` in ``[at_least, at_most]``.

    Raises
    ------
    TypeError
        If ``value`` is no integer (a ``bool`` is none, nor is ``3.0``).
    ValueError
        If it lies outside the range.
    """
    rule = (
        f"an integer >= {at_least}" if at_most is None else f"an integer in [{at_least}, {at_most}]"
    )
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {rule}, got {value!r} of type {type(value).__name__}")
    if value < at_least or (at_most is not None and value > at_most):
        raise ValueError(f"{name} must be {rule}, got {value}")
    return int(value)


def generator(name, value):
    """Return ``value`` if it is a ``numpy.random.Generator``; raise ``TypeError`` otherwise."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(
            f"{name} must be a numpy.random.Generator such as numpy.random.default_rng(seed), "
            f"got {value!r} of type {type(value).__name__}"
        )
    return value


def instance(name, value, kind):
    """Return ``value`` if it is a ``kind``; raise ``TypeError`` otherwise."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be of type {kind.__name__}, got {type(value).__name__}")
    return value


def real_array(name, value, ndim=None):
    """Return ``value`` as a finite float64 array, with ``ndim`` axes if that is given.

    Raises
    ------
    TypeError
        If it is not numeric.
    ValueError
        If an entry is NaN or infinite, or the number of axes is wrong.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be an array of real numbers, got {type(value).__name__}"
        ) from None
    if ndim is not None and array.ndim != ndim:
        rule = {0: "be a number", 1: "have 1 axis"}[ndim]
        raise ValueError(f"{name} must {rule}, got shape {array.shape}")
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[place]} at index {place}")
    return array


def probabilities(name, value, ndim=None):
    """Return ``value`` as a float64 table of probabilities that sums to one within 1e-9.

    Raises
    ------
    TypeError
        If it is not numeric.
    ValueError
        If it is empty, has an entry that is negative or not finite, or does not sum to one.
    """
    array = real_array(name, value, ndim)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} must have at least one axis and entry, got shape {array.shape}")
    if array.min() < 0:
        raise ValueError(f"{name} must be nonnegative, got the entry {array.min()}")
    if abs(array.sum() - 1) > NORMALISATION_TOLERANCE:
        raise ValueError(
            f"{name} must sum to 1 within {NORMALISATION_TOLERANCE}, its sum is {array.sum()!r}"
        )
    return array


def frozen(array):
    """Return ``array`` after marking it read-only, for tables that an object hands out."""
    array.setflags(write=False)
    return array


def on_host(value):
    """Return ``value``, or its copy in main memory without gradients where it is a torch tensor.

    Known by its methods, so that torch need not be imported.
    """
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        return value.detach().cpu()
    return value


def choice(name, value, allowed):
    """Return ``value`` if it is one of ``allowed``; raise ``ValueError`` otherwise."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def symbol_rows(name, value):
    """Return ``value`` as an int64 array of shape (N, L): sequences of symbols, one a row.

    Raises
    ------
    TypeError
        If the symbols are no integers.
    ValueError
        If there are not two axes, no row or no position, or if a symbol is negative.
    """
    try:
        array = np.asarray(on_host(value))
    except ValueError:
        raise ValueError(f"{name} must have rows of one length") from None
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must have shape (N, L), N >= 1 and L >= 1, got {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, got the dtype {array.dtype}")
    symbols = array.astype(np.int64)
    if symbols.min() < 0:
        row, position = (int(i) for i in np.argwhere(symbols < 0)[0])
        raise ValueError(
            f"{name} must hold symbols from 0 to 2^63 - 1, got {array[row, position]} "
            f"at row {row}, position {position}"
        )
    return symbols


def sparse_law(support, masses):
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
    masses = probabilities("probabilities", on_host(masses), ndim=1)
    if masses.size != len(rows):
        raise ValueError(
            f"probabilities must have one entry for each of the {len(rows)} rows of support, "
            f"got {masses.size}"
        )
    first_seen = {}
    for index, row in enumerate(rows):
        first = first_seen.setdefault(row.tobytes(), index)
        if first != index:
            raise ValueError(f"support must not repeat a row, rows {first} and {index} are equal")
    return rows, masses
