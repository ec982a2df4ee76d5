"""Experiments: notebooks whose sweeps run on many workers, are resumed, and are recorded.

An experiment is a notebook in ``book/experiments``. It calls ``sweep`` to measure something at many
points. Opened by hand it computes them one after another and stores nothing; run by

    python -m bookkit run NAME --profile paper

the points go to worker processes, each finished point is kept at once, so that a killed run goes on
where it stopped, and the whole is recorded with its provenance for ``load``.
"""

import os
import time
from copy import deepcopy
from functools import partial
from math import isfinite

import numpy as np

from bookkit.records import digest
from bookkit.workers import VARIABLE, Run, sweep_on_workers
from dlm_core._check import integer

__all__ = ["sweep"]


def sweep(measure, points, *, seed):
    """Measure something at many points.

    The seed of a point follows from ``seed`` and the point alone: neither the order of the points
    nor the number of workers changes a result.

    Parameters
    ----------
    measure : function
        Called as ``measure(**point, seed=...)``; returns a dictionary of numbers, strings, booleans
        or lists of them. Scalars of numpy, and its arrays of one axis, become Python's, equal to
        them.
    points : list of dict
        Arguments of ``measure``: numbers, strings, booleans or lists of them, of Python's types.
    seed : int
        What the seeds of all points are derived from.

    Returns
    -------
    list of dict
        For each point, in order, ``{**point, **result, "seed": ..., "seconds": ...}``.

    Raises
    ------
    TypeError, ValueError
        If there are no points, two are equal, names clash, or a value is of another kind or not
        finite.
    Exception
        Whatever ``measure`` raises, with a note that names the point. In a run of the command the
        other points are computed and kept first, and an exception that does not travel between
        processes becomes a RuntimeError with its text.

    Examples
    --------
    >>> def area(width, height, seed):
    ...     return {"area": width * height}
    >>> rows = sweep(area, [{"width": 2, "height": 3}, {"width": 4, "height": 5}], seed=0)
    >>> [row["area"] for row in rows]
    [6, 20]
    """
    if not getattr(measure, "__name__", "").isidentifier():
        raise TypeError(f"measure must be a function with a name, got {measure!r}")
    points = _checked_points(points)
    seed = integer("seed", seed, at_least=0)
    seeds = [int(digest([seed, point])[:16], 16) >> 1 for point in points]
    if VARIABLE in os.environ:
        work = partial(measured, measure)
        return sweep_on_workers(Run.from_environment(), measure.__name__, work, points, seeds)
    rows = []
    for point, point_seed in zip(points, seeds, strict=True):
        try:
            rows.append(measured(measure, point, point_seed))
        except Exception as error:
            error.add_note(f"{measure.__name__} failed at the point {point}")
            raise
    return rows


def _checked_points(points):
    points = list(points)
    if not points:
        raise ValueError("points must hold at least one point, got none")
    checked = []
    for index, point in enumerate(points):
        if not isinstance(point, dict):
            raise TypeError(f"points[{index}] must be a dict, got {point!r}")
        if not all(isinstance(key, str) for key in point):
            raise TypeError(f"points[{index}] must have str keys, got {point!r}")
        if clash := point.keys() & {"seed", "seconds"}:
            raise ValueError(f"points[{index}] must not name {min(clash)!r}: each row has its own")
        checked.append({key: plain(f"points[{index}][{key!r}]", point[key]) for key in point})
    first = {}
    for index, point in enumerate(checked):
        if (earlier := first.setdefault(digest(point), index)) != index:
            raise ValueError(f"points[{index}] must differ from points[{earlier}]: {point}")
    return checked


def measured(measure, point, seed):
    """The row of one point."""
    start = time.perf_counter()
    result = measure(**deepcopy(point), seed=seed)  # so that the row has the point as it was
    seconds = time.perf_counter() - start
    if not isinstance(result, dict) or not all(isinstance(key, str) for key in result):
        raise TypeError(f"{measure.__name__} must return a dict with str keys, got {result!r}")
    if clash := result.keys() & {*point, "seed", "seconds"}:
        raise ValueError(f"{measure.__name__} must not return {min(clash)!r}: the row has its own")
    result = {
        key: plain(f"{key!r} returned by {measure.__name__}", without_numpy(value))
        for key, value in result.items()
    }
    return {**point, **result, "seed": seed, "seconds": round(seconds, 6)}


def plain(name, value):
    """Return ``value`` if JSON gives it back unchanged; name the place where it does not."""
    if isinstance(value, list):
        return [plain(f"{name}[{i}]", entry) for i, entry in enumerate(value)]
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{name} must be finite, got {value}")
        return float(value)
    if not isinstance(value, bool | int | str):
        raise TypeError(
            f"{name} must be a bool, int, float, str or a list of them, "
            f"got {value!r} of type {type(value).__name__}"
        )
    return value


def without_numpy(value):
    """Numpy's scalars as Python's, equal to them, and arrays of one axis as lists; else as it is.

    Not so extended precision, times and masked arrays, which have no equal.
    """
    if isinstance(value, np.generic) and value.dtype.char in "?bhilqpBHILQPefdU":
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 1 and not np.ma.isMaskedArray(value):
        value = list(value)
    return [without_numpy(entry) for entry in value] if isinstance(value, list) else value
