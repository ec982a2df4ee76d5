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
