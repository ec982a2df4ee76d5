"""Entropy, total correlation and dual total correlation of tables and supports.

A distribution is given in one of two ways, and either way the value is exact:

- a dense table ``p`` with one axis per position, ``p[x_1, ..., x_L]`` the probability of the
  sequence: the cost is that of the table;
- ``support``, one sequence a row, and their ``probabilities``: the cost is that of the rows, and
  the table of all sequences is never made.
"""

from collections.abc import Iterator
from math import log, prod

import numpy as np
import numpy.typing as npt

from dlm_core._check import choice, sparse_law
from dlm_core._check import probabilities as probability_table
from dlm_core._types import FloatArray
from dlm_core.information._entropies import (
    columns_of,
    entropies_of_columns,
    entropy_of,
    entropy_of_groups,
    rest_labels,
)

__all__ = ["dual_total_correlation", "entropy", "total_correlation"]

_NATS_PER = {"nats": 1.0, "bits": log(2)}


def entropy(
    p: npt.ArrayLike | None = None,
    *,
    support: npt.ArrayLike | None = None,
    probabilities: npt.ArrayLike | None = None,
    unit: str = "nats",
) -> float:
    r"""Shannon entropy :math:`H(X) = -\sum_x p(x) \log p(x)`.

    Parameters
    ----------
    p : array_like, optional
        Joint table of any shape: nonnegative, of sum one within 1e-9 (1e-5 if it comes in
        float32, 1e-2 in float16), by which it is divided.
    support : array_like of int, shape (N, L), optional
        In place of ``p``: the distinct sequences, one a row, of symbols >= 0. Booleans count as
        0 and 1.
    probabilities : array_like, shape (N,), optional
        Those of the rows of ``support``; uniform if not given.
    unit : {"nats", "bits"}
        Unit of the result.

    Returns
    -------
    float
        The entropy, nonnegative.

    Raises
    ------
    TypeError
        If an array is masked or does not hold numbers (``support``: integers).
    ValueError
        If the distribution is given twice or not at all, or is none, or the unit is unknown.

    Examples
    --------
    >>> round(entropy([0.5, 0.5]), 6)
    0.693147
    >>> entropy(support=[[0, 0], [0, 1], [1, 0], [1, 1]], unit="bits")
    2.0
    """
    scale = nats_per(unit)
    return _nonnegative(_distribution(p, support, probabilities).entropy()) / scale


def total_correlation(
    p: npt.ArrayLike | None = None,
    *,
    support: npt.ArrayLike | None = None,
    probabilities: npt.ArrayLike | None = None,
    unit: str = "nats",
) -> float:
    r"""Total correlation :math:`TC(X) = \sum_i H(X_i) - H(X)` (Watanabe 1960).

    It is the divergence of ``p`` from the product of its marginals: what is lost when all
    positions are revealed at once. Cost: two passes over a table; :math:`O(NL)` for a support.

    Parameters
    ----------
    p : array_like, optional
        Joint table with one axis per position.
    support, probabilities, unit
        As for `entropy`.

    Returns
    -------
    float
        The total correlation, nonnegative: what rounding leaves below zero is cut.

    Raises
    ------
    TypeError, ValueError
        As `entropy`.

    Examples
    --------
    >>> round(total_correlation([[0.5, 0], [0, 0.5]]), 6)
    0.693147
    """
    scale = nats_per(unit)
    joint = _distribution(p, support, probabilities)
    return _nonnegative(joint.sum_of_single_entropies() - joint.entropy()) / scale


def dual_total_correlation(
    p: npt.ArrayLike | None = None,
    *,
    support: npt.ArrayLike | None = None,
    probabilities: npt.ArrayLike | None = None,
    unit: str = "nats",
) -> float:
    r"""Dual total correlation :math:`DTC(X) = H(X) - \sum_i H(X_i \mid X_{-i})` (Han 1978).

    The part of the entropy that is shared: what remains when the randomness that is private to
    one position is taken away. Cost: ``L`` passes over a table; :math:`O(L N \log N)` for a
    support.

    Parameters
    ----------
    p : array_like, optional
        Joint table with one axis per position.
    support, probabilities, unit
        As for `entropy`.

    Returns
    -------
    float
        The dual total correlation, nonnegative: what rounding leaves below zero is cut.

    Raises
    ------
    TypeError, ValueError
        As `entropy`.

    Examples
    --------
    A bit written 256 times is one bit of shared randomness:

    >>> round(dual_total_correlation(support=[[0] * 256, [1] * 256], unit="bits"), 6)
    1.0
    """
    scale = nats_per(unit)
    joint = _distribution(p, support, probabilities)
    private = (joint.length - 1) * joint.entropy()
    return _nonnegative(joint.sum_of_rest_entropies() - private) / scale


class _Table:
    """A distribution given as a dense table."""

    def __init__(self, p: npt.ArrayLike) -> None:
        self.p = probability_table("p", p)
        self.length = self.p.ndim

    def entropy(self) -> float:
        return entropy_of(self.p)

    def sum_of_single_entropies(self) -> float:
        return entropy_of(np.concatenate(_single_marginals(self.p)))

    def sum_of_rest_entropies(self) -> float:
        return sum(entropy_of(rest) for rest in _rest_marginals(self.p))


def _single_marginals(p: FloatArray) -> list[FloatArray]:
    """The marginal of each axis, by halving: the passes get shorter and cost two in all."""
    if p.ndim == 1:
        return [p]
    half = p.ndim // 2
    folded = _folded(p, half)
    left = folded.sum(axis=1).reshape(p.shape[:half])
    right = folded.sum(axis=0).reshape(p.shape[half:])
    return _single_marginals(left) + _single_marginals(right)


def _rest_marginals(p: FloatArray) -> Iterator[FloatArray]:
    """The marginal of all axes but one, for each, its axes in any order."""
    half = p.ndim // 2
    # numpy adds long rows fast and short ones slowly: turn the table to sum over its last axes.
    turned = np.ascontiguousarray(_folded(p, half).T).reshape(p.shape[half:] + p.shape[:half])
    yield from (p.sum(axis, keepdims=True) for axis in range(half))
    yield from (turned.sum(axis, keepdims=True) for axis in range(p.ndim - half))


def _folded(p: FloatArray, half: int) -> FloatArray:
    return p.reshape(prod(p.shape[:half]), -1)


class _Support:
    """A distribution given by its support."""

    def __init__(self, support: npt.ArrayLike, masses: npt.ArrayLike | None) -> None:
        self.rows, self.masses = sparse_law(support, masses)
        self.length = self.rows.shape[1]

    def entropy(self) -> float:
        return entropy_of(self.masses)

    def sum_of_single_entropies(self) -> float:
        return sum(entropies_of_columns(self.rows, self.masses).tolist())

    def sum_of_rest_entropies(self) -> float:
        rests = rest_labels(columns_of(self.rows))
        return sum(entropy_of_groups(rest, self.masses) for rest in rests)


def _distribution(
    p: npt.ArrayLike | None, support: npt.ArrayLike | None, masses: npt.ArrayLike | None
) -> _Table | _Support:
    if support is None:
        if p is None:
            raise ValueError("give either the table p or its support, got neither")
        if masses is not None:
            raise ValueError("probabilities must come with support, got them with the table p")
        return _Table(p)
    if p is not None:
        raise ValueError("give either the table p or its support, got both of them")
    return _Support(support, masses)


def _nonnegative(value: float) -> float:
    # None of the measures is negative in exact arithmetic; a sum of zeros may be -0.0.
    return max(value, 0.0) + 0.0


def nats_per(unit: str) -> float:
    """Return how many nats one ``unit`` is; raise ``ValueError`` if it is none."""
    return _NATS_PER[choice("unit", unit, tuple(_NATS_PER))]
