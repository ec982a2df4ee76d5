r"""Systematic sampling: one uniform phase places every block.

A schedule enters the error only through :math:`E[W_j]`, and by the union bound no schedule with
start probabilities ``u`` has less than

.. math:: V_j(u) = \sum_{i=0}^{L-j-1} \Bigl(1 - \sum_{t=j}^{j+i} u_t\Bigr)_+ .

One uniform phase attains this for every ``j`` at once.
"""

from dataclasses import dataclass
from functools import cached_property
from math import fsum

import numpy as np

from dlm_core._check import (
    NORMALISATION_TOLERANCE,
    frozen,
    instance,
    integer,
    numpy_generator,
    real_array,
)
from dlm_core.schedules.base import Schedule

__all__ = ["OnePhase", "Systematic", "to_systematic"]

# Running sums for the draw are integers in units of 2^-53, the resolution of ``rng.random``.
_ONE = 1 << 53


class OnePhase(Schedule):
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
        n, rng = integer("n", n, 0), numpy_generator("rng", rng)
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
class Systematic(OnePhase):
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
