r"""The best possible schedules: the least constant for a measure.

The least :math:`\max_j E[W_j]/r_j` over all schedules is a convex program in the start
probabilities alone, because systematic sampling attains the least residuals that they allow
(``dlm_core.schedules.systematic``).
"""

from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from dlm_core._check import frozen, table_fits, work_fits
from dlm_core._types import FloatArray, Measure
from dlm_core.schedules.base import BySteps, ForMeasure, measure_weights
from dlm_core.schedules.systematic import OnePhase

__all__ = ["Minimax"]


@dataclass(frozen=True, eq=False, repr=False)
class Minimax(ForMeasure, OnePhase):
    r"""The schedule with the least possible coefficient :math:`\max_j E[W_j]/r_j` for a measure.

    The error of every distribution is at most :math:`c^* \sum_j r_j \Delta_j`, and no schedule
    that ignores content, random or not, can promise less, whatever the order: uniform words of
    MDS codes attain it (theorem "minimax" of the book). The start probabilities solve

    .. math:: c^* = \min \{ c : V_j(u) \le c\, r_j,\ 0 \le u \le 1,\ u_0 = 1,\ \sum u = K \}

    by Newton's method over O(L) sweeps, and the draws are those of ``Systematic``. Solving takes
    about half a second at ``L = 100000``; memory O(L).

    For another length it is the best for the measure of that name, or for the last of the given
    weights: of a sequence of which tokens are known, only the later increments are left. A batch
    of rows with many lengths (``sample_rows``) takes one solution for each length, about 3 ms at
    ``L = 1000``, the first time; the next batches find them.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.
    measure : {"tc", "dtc", "sum", "min", "product"} or array_like, shape (length - 1,)
        The weights :math:`r_j`, positive, within a factor of 1e100 of each other; see
        ``measure_weights``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or the measure unknown.

    Examples
    --------
    >>> round(Minimax(length=6, steps=2, measure="dtc").constant * 11, 12)
    9.0
    """

    label: ClassVar[str] = "minimax"
    improves: ClassVar[Literal["always"]] = "always"

    length: int
    steps: int
    measure: Measure

    def __post_init__(self) -> None:
        self._check_measure()
        object.__setattr__(self, "label", f"{type(self).label} {self.measure_label}")
        if isinstance(self.measure, str):
            return
        weights = np.asarray(self.measure)
        if (weights / weights.max(initial=0.0)).min(initial=1.0) < 1e-100:
            raise ValueError(
                "measure must not span more than a factor of 1e100, "
                f"got {weights.min()} to {weights.max()}"
            )

    @classmethod
    def _bounds_by_steps(
        cls, length: int, measure: str, nats: float, made_for: Measure
    ) -> BySteps | None:
        return _Bounds(cls, length, measure, nats) if measure == made_for else None

    @cached_property
    def _solution(self) -> tuple[float, FloatArray, FloatArray]:
        """The constant, the start probabilities, and one minus each of them."""
        length, steps = self.length, self.steps
        weights = _weights(self.measure, length)
        if steps == length:
            return 0.0, frozen(np.ones(length)), frozen(np.zeros(length))
        if steps == 1:
            passed = np.minimum(np.arange(length), 1.0)
            constant = (np.arange(length - 1, 0, -1) / weights).max()
            return float(constant), frozen(1 - passed), frozen(passed)
        scale = weights.max()
        c, u, passed = _solve(steps, weights / scale)
        return float(c / scale), frozen(u), frozen(passed)

    @property
    def constant(self) -> float:
        """float: the least possible constant :math:`c^*`; 0 when ``K = L``."""
        return self._solution[0]

    @property
    def start_probabilities(self) -> FloatArray:
        return self._solution[1]

    @property
    def _pass_probabilities(self) -> FloatArray:
        return self._solution[2]


class _Bounds(BySteps):
    """The bounds of the best schedules for a measure, with the nats of its aggregate."""

    def __init__(self, kind: type[Minimax], length: int, measure: str, nats: float) -> None:
        self._kind, self._length, self._measure, self._nats = kind, length, measure, nats

    def at(self, steps: int) -> float:
        schedule = self._kind.for_shape(self._length, steps, measure=self._measure)
        return schedule.coefficient(self._measure) * self._nats

    @property
    def values(self) -> FloatArray:
        """One solution for each ``K``: a minute at ``L = 4096``."""
        work_fits(f"every number of steps of length {self._length}", 64 * self._length**2)
        return np.array([self.at(steps) for steps in range(1, self._length + 1)])

    def least(self, target: float) -> int:
        # The least sum of start probabilities with which the constant meets the target is L less
        # the chances to pass; K is the next whole number.
        weights = _weights(self._measure, self._length)
        if self._nats == 0:
            return 1
        weights = weights[::-1]
        with np.errstate(over="ignore"):  # without a bound, then
            bounds = target / self._nats * weights
        room = fsum(least_starts(bounds.tolist(), weights.tolist()).passed)
        more = round(room)
        if abs(room - more) <= 1e-9 * more:
            # up to rounding a whole number of steps, which the bound itself decides
            return self._length - more + (self.at(self._length - more) > target)
        return self._length - int(room)


def _weights(measure: Measure, length: int) -> FloatArray:
    """The weights of a measure, after a check that the lists of the solution will fit."""
    # lists of floats: seven numbers a position, of 32 bytes each
    table_fits(f"{Minimax.__name__} of length {length}", 7 * 32 * length)
    return measure_weights(measure, length)


def _solve(steps: int, weights: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Newton's method for the constant: it, the start probabilities, and one minus them.

    The least sum of start probabilities that keeps ``V_j <= c r_j`` is convex, decreasing and
    piecewise linear in ``c``: from below its root, Newton's method ends there in finitely many
    sweeps. From above, one step leads below.
    """
    length = weights.size + 1
    backward = weights[::-1]
    slopes = backward.tolist()
    tolerance = 1e-14 + 1e-18 * length
    c = _first_guess(steps, weights)
    below = False
    descents = 0
    while True:
        u, passed, slope, _ = least_starts((c * backward).tolist(), slopes)
        # exact but for one rounding: where the sum hardly depends on c, tiny terms decide
        excess = fsum([*passed, steps - length])
        step = excess / slope if slope else -np.inf
        # Above the root again after having been below it, c is there up to rounding.
        arrived = below and (step < -1e-6 * c or descents == 3)
        if abs(step) <= tolerance * c or arrived:
            return c, np.append(1.0, u), np.append(0.0, passed)
        below |= step > 0
        descents += below and step < 0
        c = max(c + step, c / 2)


class LeastStarts(NamedTuple):
    r"""The least start probabilities under bounds on the residuals, made by ``least_starts``.

    Attributes
    ----------
    u, passed : ndarray, shape (L - 1,)
        :math:`u_1, \dots, u_{L-1}`, and one minus each.
    slope : float
        Derivative of the sum of the start probabilities in ``c``, for bounds :math:`c\, r_j`.
    counts : list of int, length L - 1
        For :math:`j = L - 1, \dots, 1` the number of ``n`` in the window of ``j``; 0 where the
        bound is met without a start.
    """

    u: FloatArray
    passed: FloatArray
    slope: float
    counts: list[int]


def least_starts(bounds: list[float], weights: list[float]) -> LeastStarts:
    r"""The least start probabilities with :math:`V_j \le v_j` for all ``j``, in one sweep.

    Backward from :math:`j = L - 1`, each :math:`u_j` is as small as the later ones allow. The
    least residuals are :math:`V_j = \min(v_j, V_{j+1} + 1)`. With
    :math:`e_n = (1 - u_{j+1} - \dots - u_{n-1})_+`, the chance that no block starts strictly
    between ``j`` and ``n``, both :math:`V_{j+1} = \sum_{n > j+1} e_n` and
    :math:`V_j = \sum_{n > j} (e_n - u_j)_+`, so that

    .. math:: u_j = \frac{1 + V_{j+1} - V_j - \sum_{e_n \le u_j} e_n}{\#\{n : e_n > u_j\}} .

    The ``n`` that count are a window after ``j`` whose end only moves left: O(L). What is left of
    1 is a sum of positive terms,

    .. math:: 1 - u_j = \frac{V_j + \sum_{e_n > u_j} (u_{j+1} + \dots + u_{n-1})}
        {\#\{n : e_n > u_j\}} ,

    and keeps its digits however small it is. It is used where :math:`u_j > 1/2`: the windows of
    these ``j`` do not overlap, so that adding them up anew is O(L) too.

    Parameters
    ----------
    bounds : list of float, length L - 1
        :math:`v_{L-1}, \dots, v_1`, nonnegative, infinite perhaps.
    weights : list of float, length L - 1
        Their derivatives in ``c``: :math:`r_{L-1}, \dots, r_1` where :math:`v_j = c\, r_j`.

    Returns
    -------
    LeastStarts
    """
    # For each n of the window, from the far end at ``head``: what the sum of u must reach for that
    # n to drop out, and its derivative in c.
    ends, end_slopes, head = [1.0], [0.0], 0
    end, end_slope = 1.0, 0.0
    starts: list[float] = []
    passed: list[float] = []
    counts: list[int] = []
    add_start, add_passed, add_count = starts.append, passed.append, counts.append
    add_end, add_end_slope = ends.append, end_slopes.append
    total = slope = reach = reach_slope = surplus = 0.0
    for seen, (bound, weight) in enumerate(zip(bounds, weights, strict=True), 1):
        # V_{j+1} is ``reach``, the last bound that was tight, plus ``surplus``.
        numerator = 1 + ((reach - bound) + surplus)
        if numerator > 0:
            numerator_slope = reach_slope - weight
            count = seen - head
            start = numerator / count
            while count > 1 and end - total < start:
                numerator -= end - total
                numerator_slope -= end_slope - slope
                head += 1
                count -= 1
                end, end_slope = ends[head], end_slopes[head]
                start = numerator / count
            near = start > 0.5
            if near:
                rest, count = _rest(bound, starts)
                start = 1 - rest
                numerator = count * start
                head = seen - count
                numerator_slope = sum(end_slopes[head : seen - 1]) - (count - 1) * slope - weight
                end, end_slope = ends[head], end_slopes[head]
            # Later windows see the sum as rounded. What that changes in V_j goes to the surplus,
            # to be made good at the next position: errors do not add up.
            before = total
            total += start
            rounded = total - before
            surplus = numerator - count * rounded
            if not near:
                start, rest = rounded, 1 - rounded
            reach, reach_slope = bound, weight
            slope += numerator_slope / count
            if total >= 2:  # only differences matter, and small numbers keep their digits
                total -= 2
                end -= 2
                ends[head:] = [x - 2 for x in ends[head:]]
        else:
            start, rest, count = 0.0, 1.0, 0
            surplus += 1
        add_start(start)
        add_passed(rest)
        add_count(count)
        add_end(total + 1)
        add_end_slope(slope)
    return LeastStarts(np.array(starts[::-1]), np.array(passed[::-1]), slope, counts)


def _rest(bound: float, starts: list[float]) -> tuple[float, int]:
    """One minus the least start probability with ``V_j`` at the bound, and its window's count."""
    rest, count, between, total = bound, 1, 0.0, bound
    for start in reversed(starts):
        between += start
        if between >= rest:
            break
        count += 1
        total += between
        rest = total / count
    return rest, count


def _first_guess(steps: int, weights: FloatArray) -> float:
    r"""The constant that would be right if the start probabilities varied slowly.

    With ``u`` constant over ``n`` positions ahead, :math:`V = n - n(n+1)u/2`, where ``n`` is the
    number of terms that are positive: at most :math:`2V + 1`, and at most ``L - j``.
    """
    ahead = np.arange(weights.size, 0, -1)
    c = 0.0
    while True:
        n = np.minimum(np.floor(2 * c * weights) + 1, ahead)
        u = np.maximum(2 * (n - c * weights) / (n * (n + 1)), 0)
        slope = -(2 * weights / (n * (n + 1)))[u > 0].sum()
        step = (steps - 1 - u.sum()) / slope
        c += step
        if step <= 1e-3 * c:
            return float(c)
