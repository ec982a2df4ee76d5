r"""The best possible schedules: systematic sampling, and the least constant for a target.

A schedule enters the error only through :math:`E[W_j]`, and by the union bound no schedule with
start probabilities ``u`` has less than

.. math:: V_j(u) = \sum_{i=0}^{L-j-1} \Bigl(1 - \sum_{t=j}^{j+i} u_t\Bigr)_+ .

One uniform phase attains this for every ``j`` at once (``Systematic``), so the least
:math:`\max_j E[W_j]/r_j` over all schedules is a convex program in ``u`` alone (``Minimax``).
"""

from dataclasses import dataclass
from functools import cached_property
from math import fsum

import numpy as np

from dlm_core._validation import (
    NORMALISATION_TOLERANCE,
    frozen,
    generator,
    instance,
    integer,
    real_array,
)
from dlm_core.schedules.base import Schedule, target_weights

__all__ = [
    "Minimax",
    "Systematic",
    "to_systematic",
]

# Running sums for the draw are integers in units of 2^-53, the resolution of ``rng.random``.
_ONE = 1 << 53


class _OnePhase(Schedule):
    """A block starts wherever the running sum of the start probabilities crosses ``U`` + integer.

    Beside ``start_probabilities``, a subclass gives ``_pass_probabilities``, shape (length,):
    :math:`1 - u_t`, which is smaller than the rounding of :math:`u_t` where steps are plenty.
    """

    def _phases(self, n, rng):
        """``n`` phases, each uniform on [0, 1)."""
        return rng.random(n)

    @cached_property
    def _blocks(self):
        """Block of each position, and the phase from which on it lies in the block before.

        With running sum ``k + f``, ``0 < f <= 1``, through position ``t``, the number of starts
        up to ``t`` is ``k + 1`` if ``U < f``, else ``k``. In integers that sum to ``K`` exactly,
        with none above one, the block number rises by 0 or 1 from each position to the next and
        from 0 to K - 1 in all, so that no rounding can lose or add a block.
        """
        units = _units(self.start_probabilities, self._pass_probabilities, self.steps)
        # The sum wraps around at 2^64; its lower 53 bits, all that is read of it, stay true.
        below = (np.cumsum(units.astype(np.uint64)) - np.uint64(1)).astype(np.int64) & (_ONE - 1)
        block = np.zeros(self.length, dtype=np.int64)
        np.cumsum((below[:-1] + units[1:]) >> 53, out=block[1:])
        return frozen(block), frozen((below + 1) / _ONE)

    def sample(self, n, rng):
        n, rng = integer("n", n, 0), generator("rng", rng)
        return self._sizes_at(self._phases(n, rng))

    def law(self):
        # Between two neighbouring thresholds of the phase the sizes do not change.
        ends = np.unique(self._blocks[1])
        starts = np.concatenate([[0.0], ends[:-1]])
        law = {}
        for sizes, chance in zip(self._sizes_at(starts).tolist(), ends - starts, strict=True):
            law[tuple(sizes)] = law.get(tuple(sizes), 0.0) + float(chance)
        return law

    def _sizes_at(self, phases):
        block, until = self._blocks
        thresholds, place = np.unique(until, return_inverse=True)
        # Phases between the same two thresholds give the same sizes: each is made once, from the
        # one before, by the positions that change their block in between.
        passed = np.searchsorted(thresholds, phases, side="right")
        passed, draw = np.unique(passed, return_inverse=True)
        sizes = np.zeros((passed.size, self.steps), dtype=np.int64)
        sizes[:1] = np.bincount(block)
        row = np.searchsorted(passed, place, side="right")
        moves = row < passed.size
        np.add.at(sizes, (row[moves], block[moves]), -1)
        np.add.at(sizes, (row[moves], block[moves] - 1), 1)
        return np.cumsum(sizes, axis=0, out=sizes)[draw]

    @cached_property
    def residual(self):
        # By integration over the phase. Where no block starts at j, the phase is uniform on a
        # stretch of length 1 - u_j, of which each later t takes its u_t until none is left: there
        # the next block starts at t. All terms are positive; windows of 2, 4, 8, ... positions,
        # largest first, find where the stretch ends in O(L log L).
        length, u = self.length, self.start_probabilities
        j = np.arange(1, length)
        mass, moment = [u], [np.zeros(length)]
        while mass[-1].size > (width := 1 << (len(mass) - 1)) and mass[-1].min() <= 1:
            low, high = mass[-1][:-width], mass[-1][width:]
            moment.append(moment[-1][:-width] + moment[-1][width:] + width * high)
            mass.append(low + high)
        following, rest = j + 1, self._pass_probabilities[1:].copy()
        mean = np.zeros(length - 1)
        for level in range(len(mass) - 1, -1, -1):
            inside = np.flatnonzero(following < mass[level].size)
            inside = inside[mass[level][following[inside]] <= rest[inside]]
            start = following[inside]
            taken = mass[level][start]
            mean[inside] += moment[level][start] + (start - j[inside]) * taken
            rest[inside] -= taken
            following[inside] += 1 << level
        return frozen(mean + (following - j) * rest)

    @cached_property
    def mean_sizes(self):
        block, until = self._blocks
        moves = until < 1
        mean = np.bincount(block, until, minlength=self.steps)
        return frozen(mean + np.bincount(block[moves] - 1, 1 - until[moves], minlength=self.steps))


def _units(u, passed, steps):
    """``u`` in integer units of 2^-53, with sum ``steps`` exactly; ``passed`` is ``1 - u``."""
    units = np.where(u < 0.5, np.rint(u * _ONE), _ONE - np.rint(passed * _ONE)).astype(np.int64)
    missing = (steps << 53) - sum(units.tolist())
    # Spread over the positions in proportion to their distance from 0 and 1, which none can
    # overstep: the distances add up to |missing| at least, because rounding every u to 0 or 1
    # gives an integer sum.
    room = np.cumsum(np.minimum(units, _ONE - units).astype(np.float64))
    if missing:
        units += np.diff(np.rint(room * (missing / room[-1])).astype(np.int64), prepend=0)
    return units


@dataclass(frozen=True, eq=False)
class Systematic(_OnePhase):
    r"""Systematic sampling: one uniform phase places every block.

    With :math:`\Phi_t = u_0 + \dots + u_t`, a block starts at each ``t`` where :math:`\Phi`
    crosses a point of ``U`` + integers, ``U`` uniform on [0, 1). Every draw has exactly ``K``
    blocks, the first at 0, and :math:`E[W_j]` is the least that any schedule with these start
    probabilities can have, for every ``j`` at once (theorem "systematic sampling" of the book).

    Parameters
    ----------
    start_probabilities : array_like, shape (L,)
        The chances :math:`u_t` that a block starts at ``t``: :math:`u_0 = 1`,
        :math:`0 \le u_t \le 1`, and an integer sum, which is ``K``; all within rounding (1e-9,
        for the sum times ``K``).
    stratified : bool
        Whether the ``n`` phases of one call of ``sample`` lie one in each ``n``-th of [0, 1), in
        random order. Each schedule keeps its law, but they are no longer independent: means over
        the batch vary less.

    Raises
    ------
    TypeError
        If ``start_probabilities`` is not numeric or ``stratified`` no bool.
    ValueError
        If the start probabilities break one of the rules above.

    Examples
    --------
    >>> schedule = Systematic([1, 0.5, 0.5, 0.5, 0.5])
    >>> np.unique(schedule.sample(100, np.random.default_rng(0)), axis=0).tolist()
    [[1, 2, 2], [2, 2, 1]]
    """

    start_probabilities: np.ndarray = None  # a value, to replace the property; None is refused
    stratified: bool = False

    def __post_init__(self):
        u = real_array("start_probabilities", self.start_probabilities, ndim=1)
        if u.size == 0 or abs(u[0] - 1) > NORMALISATION_TOLERANCE:
            raise ValueError(f"start_probabilities must begin with 1, got {u[:1].tolist()}")
        outside = np.flatnonzero(np.abs(u - 0.5) > 0.5 + NORMALISATION_TOLERANCE)
        if outside.size:
            t = outside[0]
            raise ValueError(f"start_probabilities must lie in [0, 1], got {u[t]} at t={t}")
        total = fsum(u)
        if abs(total - round(total)) > NORMALISATION_TOLERANCE * round(total):
            raise ValueError(f"start_probabilities must sum to an integer, their sum is {total!r}")
        u = np.clip(u, 0.0, 1.0)
        u[0] = 1.0
        object.__setattr__(self, "start_probabilities", frozen(u))
        object.__setattr__(self, "stratified", instance("stratified", self.stratified, bool))

    @property
    def length(self):
        """int: the number of start probabilities."""
        return self.start_probabilities.size

    @cached_property
    def steps(self):
        """int: the sum of the start probabilities."""
        return round(fsum(self.start_probabilities))

    @property
    def _pass_probabilities(self):
        return 1 - self.start_probabilities

    def _phases(self, n, rng):
        if not self.stratified:
            return rng.random(n)
        phases = (rng.permutation(n) + rng.random(n)) / max(n, 1)
        return np.minimum(phases, np.nextafter(1.0, 0.0))


def to_systematic(schedule):
    r"""The systematic twin of a schedule: the same start probabilities, the least residuals.

    On every distribution its error is at most that of ``schedule`` (the corollary of theorem
    "systematic sampling"). A deterministic schedule is its own twin.

    Parameters
    ----------
    schedule : Schedule
        Any schedule.

    Returns
    -------
    Systematic

    Raises
    ------
    TypeError
        If ``schedule`` is of another type.
    """
    return Systematic(instance("schedule", schedule, Schedule).start_probabilities)


@dataclass(frozen=True, eq=False)
class Minimax(_OnePhase):
    r"""The schedule with the least possible coefficient :math:`\max_j E[W_j]/r_j` for a target.

    The error of every distribution is at most :math:`c^* \sum_j r_j \Delta_j`, and no schedule
    that ignores content, random or not, can promise less, whatever the order: uniform words of
    MDS codes attain it (theorem "minimax" of the book). The start probabilities solve

    .. math:: c^* = \min \{ c : V_j(u) \le c\, r_j,\ 0 \le u \le 1,\ u_0 = 1,\ \sum u = K \}

    by Newton's method over O(L) sweeps, and the draws are those of ``Systematic``. Solving takes
    about half a second at ``L = 100000``; memory O(L).

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.
    target : {"tc", "dtc", "min", "product"} or array_like, shape (length - 1,)
        The weights :math:`r_j`, positive, within a factor of 1e100 of each other; see
        ``target_weights``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or the target unknown.

    Examples
    --------
    >>> round(Minimax(length=6, steps=2, target="dtc").constant * 11, 12)
    9.0
    """

    length: int
    steps: int
    target: str | np.ndarray

    def __post_init__(self):
        self._check_shape()
        weights = target_weights(self.target, self.length)
        if not isinstance(self.target, str):
            object.__setattr__(self, "target", frozen(weights))
        if (weights / weights.max(initial=0.0)).min(initial=1.0) < 1e-100:
            raise ValueError(
                "target must not span more than a factor of 1e100, "
                f"got {weights.min()} to {weights.max()}"
            )

    @cached_property
    def _solution(self):
        """The constant, the start probabilities, and one minus each of them."""
        length, steps = self.length, self.steps
        weights = target_weights(self.target, length)
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
    def constant(self):
        """float: the least possible constant :math:`c^*`; 0 when ``K = L``."""
        return self._solution[0]

    @property
    def start_probabilities(self):
        return self._solution[1]

    @property
    def _pass_probabilities(self):
        return self._solution[2]


def _solve(steps, weights):
    """Newton's method for the constant: it, the start probabilities, and one minus them.

    The least sum of start probabilities that keeps ``V_j <= c r_j`` is convex, decreasing and
    piecewise linear in ``c``: from below its root, Newton's method ends there in finitely many
    sweeps. From above, one step leads below.
    """
    length = weights.size + 1
    backward = weights[::-1].tolist()
    tolerance = 1e-14 + 1e-18 * length
    c = _first_guess(steps, weights)
    descents = 0
    while True:
        u, slope = _least_starts(c, backward)
        # Where u_j + u_{j+1} >= 1, a block that does not start at j starts at j + 1, so that
        # 1 - u_j is V_j itself: it keeps digits that u_j has lost.
        alone = u[:-1] + u[1:] >= 1
        passed = np.where(alone, np.minimum(c * weights, 1), 1 - u[:-1])
        step = (fsum(passed) - (length - steps)) / slope if slope else -np.inf
        # Descents beyond the first come from rounding at the root.
        if abs(step) <= tolerance * c or descents == 3:
            return c, np.append(1.0, u[:-1]), np.append(0.0, passed)
        if step < -c / 2:
            c /= 2
        else:
            descents += step < 0
            c += step


def _least_starts(c, backward):
    r"""The least start probabilities with :math:`V_j \le c\, r_j` for all ``j``, in one sweep.

    Backward from :math:`j = L - 1`, each :math:`u_j` is as small as the later ones allow. The
    least residuals are :math:`V_j = \min(c\, r_j, V_{j+1} + 1)`. With
    :math:`e_n = (1 - u_{j+1} - \dots - u_{n-1})_+`, the chance that no block starts strictly
    between ``j`` and ``n``, both :math:`V_{j+1} = \sum_{n > j+1} e_n` and
    :math:`V_j = \sum_{n > j} (e_n - u_j)_+`, so that

    .. math:: u_j = \frac{1 + V_{j+1} - V_j - \sum_{e_n \le u_j} e_n}{\#\{n : e_n > u_j\}} .

    The ``n`` that count are a window after ``j`` whose end only moves left: O(L).

    Parameters
    ----------
    c : float
        Positive.
    backward : list of float, length L - 1
        The weights :math:`r_{L-1}, \dots, r_1`.

    Returns
    -------
    u : ndarray, shape (L,)
        :math:`u_1, \dots, u_{L-1}`, and 1 for the end of the sequence.
    slope : float
        Derivative of the sum of the start probabilities in ``c``.
    """
    # For each n of the window, from the far end at ``head``: what the sum of u must reach for that
    # n to drop out, and its derivative in c.
    ends, end_slopes, head = [1.0], [0.0], 0
    end, end_slope = 1.0, 0.0
    starts = [1.0]
    add_start, add_end, add_end_slope = starts.append, ends.append, end_slopes.append
    total = slope = reach = reach_slope = surplus = 0.0
    for seen, weight in enumerate(backward, 1):
        bound = c * weight
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
            if count == 1:
                start = numerator = 1 - bound
                numerator_slope = -weight
            # Later windows see the sum as rounded. What that changes in V_j goes to the surplus,
            # to be made good at the next position: errors do not add up.
            before = total
            total += start
            start = total - before
            surplus = numerator - count * start
            reach, reach_slope = bound, weight
            slope += numerator_slope / count
            if total >= 2:  # only differences matter, and small numbers keep their digits
                total -= 2
                end -= 2
                ends[head:] = [x - 2 for x in ends[head:]]
        else:
            start = 0.0
            surplus += 1
        add_start(start)
        add_end(total + 1)
        add_end_slope(slope)
    return np.minimum(starts[::-1], 1.0), slope


def _first_guess(steps, weights):
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
            return c
