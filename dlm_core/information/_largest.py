r"""The largest value of an inner product with the falls of a curve, over all curves of a band.

With :math:`h_j = \int 1\{j < D(s)\}\, ds`, :math:`D(s)` the number of positions where the curve
exceeds ``s``, and :math:`V_0 = V_L = 0`,

.. math:: \sum_{j=1}^{L-1} (h_{j-1} - h_j)\, V_j = \int V_{D(s)}\, ds .

A band lets :math:`D(s)` lie anywhere in a window (``ProfileBand.layers``), so that the largest
value is a sum of window maxima. Both ends of the windows fall as ``s`` rises; so do the least
places where the maxima are attained, and they describe a curve of the band.
"""

from typing import NamedTuple

import numpy as np
import scipy  # loads its parts when first asked for

from dlm_core._types import FloatArray, IntArray
from dlm_core.information.band import ProfileBand
from dlm_core.information.profile import InformationProfile

__all__ = ["Largest", "curve_of", "largest_value"]

# The largest value is found when the bounds from both sides agree to this, relatively.
_AGREE = 1e-13
# Budgets are met, or cannot be, by more than this share of them.
_MET = 1e-12
_MOST_ROUNDS = 500
# A budget is nothing below this share of what the band allows: no program is so fine.
_NOTHING = 1e-14
_TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class Largest(NamedTuple):
    """The largest value, and what a curve that attains it falls by after each of 0, ..., L."""

    value: float
    falls: FloatArray


def curve_of(falls: FloatArray, band: ProfileBand) -> InformationProfile:
    """The curve in the band with the given falls after each of 0, ..., L."""
    h = np.cumsum(falls[::-1])[::-1][1:]
    return InformationProfile(np.clip(h, band.lower_curve, band.upper_curve))


def largest_value(
    values: FloatArray, band: ProfileBand, weights: FloatArray, most: FloatArray
) -> Largest:
    r"""The largest value for :math:`V_0, \dots, V_L`, where ``weights @ falls <= most``.

    Without budgets in O(L log L); with them the least over :math:`\mu \ge 0` of :math:`\mu R + \int
    \max_d (V_d - \mu r_d)\, ds`, by cutting planes: a mixture of staircases attains it.

    Raises
    ------
    ValueError
        If no curve of the band meets the budgets.
    """
    falls = _attained(values, band)
    if not (weights @ falls > most).any():
        return Largest(float(values @ falls), falls)
    # in units of the budgets; of those that are nothing beside what the band allows, of that
    allowed = weights.max(axis=1) * band.upper[0]
    units = np.where(most > _NOTHING * allowed, most, allowed)
    weights, most = weights / units[:, np.newaxis], most / units
    return _Mixture(values, band, weights, most, falls).solved()


class _Mixture:
    """Mixtures of staircases in a band, to meet budgets with the largest error."""

    def __init__(
        self,
        values: FloatArray,
        band: ProfileBand,
        weights: FloatArray,
        most: FloatArray,
        falls: FloatArray,
    ) -> None:
        self._values, self._band, self._weights, self._most = values, band, weights, most
        self._scale = float(values @ falls) or 1.0
        self._falls: list[FloatArray] = []
        self._errors: list[float] = []
        self._spent: list[FloatArray] = []
        self._add(falls)

    def _add(self, falls: FloatArray) -> None:
        self._falls.append(falls)
        self._errors.append(float(self._values @ falls))
        self._spent.append(self._weights @ falls)

    def solved(self) -> Largest:
        over = self._least_over()
        allowed = self._most + max(over, 0.0)
        for _ in range(_MOST_ROUNDS):
            # the best mixture of the staircases so far; its prices of the budgets
            gains = np.array(self._errors) / self._scale
            shares, prices = _best_shares(gains, np.array(self._spent).T, allowed)
            prices = prices * self._scale
            value = float(shares @ self._errors)
            falls = _attained(self._values - prices @ self._weights, self._band)
            bound = float(prices @ allowed + (self._values - prices @ self._weights) @ falls)
            if bound - value <= _AGREE * self._scale or self._known(falls):
                break
            self._add(falls)
        return Largest(max(bound, value), shares @ np.array(self._falls))

    def _known(self, falls: FloatArray) -> bool:
        return any(np.array_equal(falls, known) for known in self._falls)

    def _least_over(self) -> float:
        """The least excess over the budgets in the band; at most 0 if a profile meets them.

        By the same rounds, for the largest excess in place of the error.
        """
        n = self._most.size
        for _ in range(_MOST_ROUNDS):
            excess = np.array(self._spent).T - self._most[:, np.newaxis]
            over, prices = _least_excess(excess)
            if over <= 0:
                return over
            falls = _attained(-(prices @ self._weights), self._band)
            least = float(prices @ (self._weights @ falls - self._most))
            if least > _MET:
                few = "the budget" if n == 1 else "all budgets"
                raise ValueError(
                    f"budgets must leave a profile of the band, but none meets {few}: the least "
                    f"excess is {least:.3g} of a budget"
                )
            if self._known(falls):
                return over
            self._add(falls)
        return over


def _best_shares(
    gains: FloatArray, spent: FloatArray, allowed: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Shares of what gains most within the budgets, and the prices of the budgets."""
    found = scipy.optimize.linprog(
        -gains,
        A_ub=spent,
        b_ub=allowed,
        A_eq=np.ones((1, gains.size)),
        b_eq=[1.0],
        method="highs-ds",
        options=_TIGHT,
    )
    assert found.x is not None, found.message
    shares = np.maximum(found.x, 0.0)
    return shares / shares.sum(), np.maximum(-found.ineqlin.marginals, 0.0)


def _least_excess(excess: FloatArray) -> tuple[float, FloatArray]:
    """The least, over mixtures of the columns, of the largest row; and weights of the rows."""
    n, m = excess.shape
    found = scipy.optimize.linprog(
        np.append(np.zeros(m), 1.0),
        A_ub=np.hstack([excess, -np.ones((n, 1))]),
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(m), 0.0)[np.newaxis],
        b_eq=[1.0],
        bounds=[(0, None)] * m + [(None, None)],
        method="highs-ds",
        options=_TIGHT,
    )
    assert found.x is not None, found.message
    prices = np.maximum(-found.ineqlin.marginals, 0.0)
    return float(found.x[-1]), prices / prices.sum()


def _attained(values: FloatArray, band: ProfileBand) -> FloatArray:
    """What a curve falls by after each ``j`` where the layers take the largest values. O(L log L).

    The least maximisers, so that they do not rise with the layers.
    """
    nats, first, last = band.layers
    at = np.empty(nats.size, dtype=np.int64)
    # where the values are largest in all windows of 1, 2, 4, 8, ... positions
    largest = np.arange(values.size)
    size = (last - first + 1).astype(np.float64)
    _, doublings = np.frexp(size)
    for level in range(int(doublings.max(initial=1))):
        if level:
            half = 1 << (level - 1)
            largest = _larger(values, largest[:-half], largest[half:])
        here = np.flatnonzero(doublings == level + 1)
        at[here] = _larger(values, largest[first[here]], largest[last[here] + 1 - (1 << level)])
    falls = np.bincount(at, nats, minlength=values.size)
    return falls  # type: ignore[return-value]  # with weights they are floats


def _larger(values: FloatArray, left: IntArray, right: IntArray) -> IntArray:
    return np.where(values[right] > values[left], right, left)
