r"""Systematic sampling: one uniform phase places every block.

A schedule enters the error only through :math:`E[W_j]`, and by the union bound no schedule with
start probabilities ``u`` has less than

.. math:: V_j(u) = \sum_{i=0}^{L-j-1} \Bigl(1 - \sum_{t=j}^{j+i} u_t\Bigr)_+ .

One uniform phase attains this for every ``j`` at once. In survey statistics the device is
systematic sampling with unequal probabilities (Madow, Annals of Mathematical Statistics 20, 1949).
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from dlm_core._check import (
    MOST_COMPOSITIONS,
    NORMALISATION_TOLERANCE,
    boolean,
    count,
    frozen,
    instance,
    integer,
    numpy_generator,
    on_host,
    real_array,
    shown,
    table_fits,
)
from dlm_core._types import FloatArray, IntArray, Rng
from dlm_core.schedules.base import Remembering, Schedule, residuals
from dlm_core.schedules.spread import Spread

__all__ = ["OnePhase", "ShiftedEqual", "Systematic", "to_systematic"]

# Running sums for the draw are integers in units of 2^-53, the resolution of ``rng.random``.
_ONE = 1 << 53


class OnePhase(Remembering):
    """A block starts wherever the running sum of the start probabilities crosses ``U`` + integer.

    Beside ``start_probabilities``, a subclass gives ``_pass_probabilities``, shape (length,):
    :math:`1 - u_t`, which is smaller than the rounding of :math:`u_t` where steps are plenty.
    """

    @property
    @abstractmethod
    def _pass_probabilities(self) -> FloatArray: ...

    @property
    def _segments(self) -> list[tuple[int, int, int]]:
        """Stretches with an integer sum of start probabilities: first position, end and sum."""
        return [(0, self.length, self.steps)]

    def _phases(self, n: int, rng: np.random.Generator) -> FloatArray:
        """``n`` phases, each uniform on [0, 1)."""
        return rng.random(n)

    @cached_property
    def _blocks(self) -> tuple[IntArray, FloatArray]:
        """Block of each position, and the phase from which on it lies in the block before.

        With running sum ``k + f``, ``0 < f <= 1``, through position ``t``, the number of starts
        up to ``t`` is ``k + 1`` if ``U < f``, else ``k``. In integers that sum to ``K`` exactly,
        with none above one, the block number rises by 0 or 1 from each position to the next and
        from 0 to K - 1 in all, so that no rounding can lose or add a block.
        """
        u, passed = self.start_probabilities, self._pass_probabilities
        parts = [_units(u[t:end], passed[t:end], steps) for t, end, steps in self._segments]
        units = np.concatenate(parts)
        # The sum wraps around at 2^64; its lower 53 bits, all that is read of it, stay true.
        below = (np.cumsum(units.astype(np.uint64)) - np.uint64(1)).astype(np.int64) & (_ONE - 1)
        block = np.zeros(self.length, dtype=np.int64)
        np.cumsum((below[:-1] + units[1:]) >> 53, out=block[1:])
        return frozen(block), frozen((below + 1) / _ONE)

    def sample(self, n: int, rng: Rng) -> IntArray:
        n, rng = count("n", n, 0, self.steps), numpy_generator("rng", rng)
        return self._sizes_at(self._phases(n, rng))

    def _draw_rows(self, rows: IntArray, n: int, seed: list[int]) -> IntArray:
        return self._sizes_at(self._phases(n, np.random.default_rng(seed))[rows])

    def law(self) -> dict[tuple[int, ...], float]:
        # Between two neighbouring thresholds of the phase the sizes do not change.
        ends = np.unique(self._blocks[1])
        name = f"the law of {type(self).__name__} of length {self.length}, {self.steps} steps"
        if ends.size > MOST_COMPOSITIONS:
            raise ValueError(
                f"{name} may have {ends.size} compositions, more than the {MOST_COMPOSITIONS} that "
                "are listed"
            )
        table_fits(name, 8 * ends.size * self.steps)
        starts = np.concatenate([[0.0], ends[:-1]])
        law: dict[tuple[int, ...], float] = {}
        for sizes, chance in zip(self._sizes_at(starts).tolist(), ends - starts, strict=True):
            law[tuple(sizes)] = law.get(tuple(sizes), 0.0) + float(chance)
        return law

    def _sizes_at(self, phases: FloatArray) -> IntArray:
        block, until = self._blocks
        if phases.size <= 16:  # one by one is quicker than what many share
            counts = [np.bincount(block - (until <= x), minlength=self.steps) for x in phases]
            return np.array(counts, dtype=np.int64).reshape(-1, self.steps)
        # Phases between the same two thresholds give the same sizes: each is made once, from the
        # one before, by the positions that change their block in between.
        passed = np.searchsorted(np.sort(until), phases, side="right")
        passed, first, draw = np.unique(passed, return_index=True, return_inverse=True)
        sizes = np.zeros((passed.size, self.steps), dtype=np.int64)
        sizes[0] = np.bincount(block)
        row = np.searchsorted(phases[first], until)
        moves = row < passed.size
        np.add.at(sizes, (row[moves], block[moves]), -1)
        np.add.at(sizes, (row[moves], block[moves] - 1), 1)
        return np.cumsum(sizes, axis=0, out=sizes)[draw]

    @cached_property
    def residual(self) -> FloatArray:
        # By integration over the phase. Where no block starts at j, the phase is uniform on a
        # stretch of length 1 - u_j, of which each later t takes its u_t until none is left: there
        # the next block starts at t. All terms are positive; windows of 2, 4, 8, ... positions,
        # largest first, find where the stretch ends in O(L log L).
        length, u = self.length, self.start_probabilities
        table_fits(f"the residual of {type(self).__name__} of length {length}", 64 * length)
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
    def mean_sizes(self) -> FloatArray:
        block, until = self._blocks
        moves = until < 1
        mean = np.bincount(block, until, minlength=self.steps)
        mean = mean + np.bincount(block[moves] - 1, 1 - until[moves], minlength=self.steps)
        return frozen(mean)  # type: ignore[arg-type]  # with weights they are floats

    def _spread(self, increments: FloatArray) -> Spread:
        # While the phase grows, block starts move to later positions, one after the other. A start
        # that moves from s to t, between the starts a before it and b after it, lengthens the block
        # from a on and shortens its own: the loss rises by (t-s) (Delta_{a+1} + .. + Delta_s) and
        # falls by (b-t) (Delta_{s+1} + .. + Delta_t).
        table_fits(
            f"the spread of {type(self).__name__} of length {self.length}", 256 * self.length
        )
        block, until = self._blocks
        ends, rank = np.unique(until, return_inverse=True)
        # Positions in the order in which starts pass them, phase by phase: block m starts, at
        # phases from the i-th end on, at the first position of which this is m ends.size + i.
        order = block * ends.size + rank
        passed = np.flatnonzero(np.diff(order, prepend=-1))
        to = np.append(passed[1:], self.length)
        moves = rank[passed] < ends.size - 1
        passed, to = passed[moves], to[moves]
        before = np.searchsorted(order, order[passed] - ends.size + 1)
        after = np.searchsorted(order, order[passed] + ends.size)
        change = (to - passed) * _window_sums(increments, before, passed)
        change -= (after - to) * _window_sums(increments, passed, to)
        at_zero = residuals(self._sizes_at(np.zeros(1)))[0] @ increments
        losses = np.cumsum(np.bincount(rank[passed] + 1, change, minlength=ends.size))
        return Spread.of_law(np.maximum(at_zero + losses, 0.0), np.diff(ends, prepend=0.0))


def _window_sums(values: FloatArray, first: IntArray, end: IntArray) -> FloatArray:
    """Sums of ``values[first:end]``, of each pair: windows of 1, 2, 4, ... in O(L log L).

    Not differences of running sums, which lose small values beside large ones.
    """
    sums = np.zeros(first.size)
    reached, left, width = first.copy(), end - first, 1
    while width <= left.max(initial=0):
        taken = (left & width) > 0
        sums[taken] += values[reached[taken]]
        reached[taken] += width
        values = values[:-width] + values[width:]
        width *= 2
    return sums


def _units(u: FloatArray, passed: FloatArray, steps: int) -> IntArray:
    """``u`` in integer units of 2^-53, with sum ``steps`` exactly; ``passed`` is ``1 - u``."""
    units = np.where(u < 0.5, np.rint(u * _ONE), _ONE - np.rint(passed * _ONE)).astype(np.int64)
    # the sum itself may exceed 64 bits
    high, low = int((units >> 32).sum()), int((units & 0xFFFFFFFF).sum())
    missing = (steps << 53) - (high << 32) - low
    # Spread over the positions in proportion to their distance from 0 and 1, which none can
    # overstep: the distances add up to |missing| at least, because rounding every u to 0 or 1
    # gives an integer sum.
    if missing:
        room = np.cumsum(np.minimum(units, _ONE - units).astype(np.float64))
        units += np.diff(np.rint(room * (missing / room[-1])).astype(np.int64), prepend=0)
    return units


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Systematic(OnePhase):
    r"""Systematic sampling: one uniform phase places every block.

    With :math:`\Phi_t = u_0 + \dots + u_t`, a block starts at each ``t`` where :math:`\Phi`
    crosses a point of ``U`` + integers, ``U`` uniform on [0, 1). Every draw has exactly ``K``
    blocks, the first at 0, and :math:`E[W_j]` is the least that any schedule with these start
    probabilities can have, for every ``j`` at once (theorem "systematic sampling" of the book).

    For another length ``l`` the start probabilities after the first are stretched from ``L - 1``
    positions to ``l - 1`` with their sum kept: a position gets the integral over what it covers,
    and passes on to the next what exceeds 1.

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

    label: ClassVar[str] = "systematic"

    stratified: bool

    def __init__(self, start_probabilities: npt.ArrayLike, stratified: bool = False):
        u = real_array("start_probabilities", start_probabilities, ndim=1)
        if u.size == 0 or abs(u[0] - 1) > NORMALISATION_TOLERANCE:
            raise ValueError(f"start_probabilities must begin with 1, got {u[:1].tolist()}")
        outside = np.flatnonzero(np.abs(u - 0.5) > 0.5 + NORMALISATION_TOLERANCE)
        if outside.size:
            t = outside[0]
            raise ValueError(f"start_probabilities must lie in [0, 1], got {u[t]} at t={t}")
        u = np.clip(u, 0.0, 1.0)
        u[0] = 1.0
        total = fsum(u)
        if abs(total - round(total)) > NORMALISATION_TOLERANCE * round(total):
            raise ValueError(f"start_probabilities must sum to an integer, their sum is {total!r}")
        object.__setattr__(self, "_starts", frozen(u))
        object.__setattr__(self, "stratified", boolean("stratified", stratified))

    @property
    def start_probabilities(self) -> FloatArray:
        """ndarray, shape (length,): the start probabilities :math:`u_t`."""
        return self._starts  # type: ignore[attr-defined, no-any-return]

    @property
    def length(self) -> int:  # type: ignore[override]
        """int: the number of start probabilities."""
        return self.start_probabilities.size

    @cached_property
    def steps(self) -> int:  # type: ignore[override]
        """int: the sum of the start probabilities."""
        return round(fsum(self.start_probabilities))

    @property
    def _pass_probabilities(self) -> FloatArray:
        return 1 - self.start_probabilities

    def _phases(self, n: int, rng: np.random.Generator) -> FloatArray:
        if not self.stratified:
            return rng.random(n)
        phases = (rng.permutation(n) + rng.random(n)) / max(n, 1)
        return np.minimum(phases, np.nextafter(1.0, 0.0))

    def _resized(self, length: int) -> "Systematic":
        table_fits(f"{type(self).__name__} of length {length}", 8 * length)
        steps = min(self.steps, length)
        # Sums of u up to each of the new positions, as they would be without a limit of 1 each.
        sums = np.concatenate([[0.0], np.cumsum(self.start_probabilities[1:])])
        sums = np.interp(np.linspace(0, self.length - 1, length), np.arange(self.length), sums)
        # No position holds more than 1; what is left at the end fills the last ones.
        place = np.arange(length)
        sums = np.minimum.accumulate(sums - place) + place
        sums = np.maximum(sums, steps - length + place)
        u = np.clip(np.diff(np.minimum(sums, steps - 1)), 0.0, 1.0)
        return type(self)(np.append(1.0, u), self.stratified)


@dataclass(frozen=True, eq=False, repr=False)
class ShiftedEqual(OnePhase):
    r"""Equal sizes, shifted by one random phase: systematic sampling with constant chances.

    The first block starts at 0; at every later position one starts with the same chance
    :math:`1/S`, :math:`S = (L-1)/(K-1)`. The residual at ``j`` is
    :math:`\sum_{1 \le r < S} (1 - r/S) = (S-1)/2 + f(1-f)/(2S)` with ``f`` the fraction of ``S``,
    less only within ``S`` of the end: so that the error is about :math:`(S-1)/2` times what one
    token's entropy falls, whatever the length, and the coefficient for the measure ``"sum"`` about
    half that of ``Equal``.

    With restarts the same holds in each segment, of :math:`l_i` positions and :math:`k_i` blocks,
    with chances :math:`(k_i - 1)/(l_i - 1)`. For a length ``l < L`` the last ``l`` positions keep
    their restarts and blocks, and the segment in which they begin gets the steps that are left.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.
    restarts : sequence of (int, int)
        Positions :math:`0 < t_1 < t_2 < \dots < L` at which a block starts in any case, each with
        the number :math:`k_i` of blocks from it on to the next one or the end, at most as many
        as there are positions. ``steps`` is the number of all blocks: those before the first
        restart are what the others leave.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.

    Examples
    --------
    >>> ShiftedEqual(length=9, steps=3).start_probabilities.tolist()
    [1.0, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]
    >>> ShiftedEqual(length=6, steps=4, restarts=[(2, 3)]).start_probabilities.round(3).tolist()
    [1.0, 0.0, 1.0, 0.667, 0.667, 0.667]
    """

    label: ClassVar[str] = "shifted equal"
    improves: ClassVar[Literal["always"]] = "always"

    length: int
    steps: int
    restarts: Sequence[tuple[int, int]] = ()

    def __post_init__(self) -> None:
        self._check_shape()
        object.__setattr__(self, "restarts", _restarts(self.restarts, self.length))
        for t, end, k in self._segments:
            if not 1 <= k <= end - t:
                raise ValueError(
                    f"restarts must leave 1 to {end - t} steps for the {end - t} positions from "
                    f"{t} on, got {k} of {self.steps}"
                )

    @property
    def _segments(self) -> list[tuple[int, int, int]]:
        starts = [0, *(t for t, _ in self.restarts)]
        counts = [k for _, k in self.restarts]
        ends = [*starts[1:], self.length]
        return list(zip(starts, ends, [self.steps - sum(counts), *counts], strict=True))

    @cached_property
    def _chances(self) -> tuple[FloatArray, FloatArray]:
        """The start probabilities, and one minus each of them."""
        table_fits(f"{type(self).__name__} of length {self.length}", 16 * self.length)
        u, passed = np.ones(self.length), np.zeros(self.length)
        for t, end, k in self._segments:
            if end - t > 1:
                u[t + 1 : end] = (k - 1) / (end - t - 1)
                passed[t + 1 : end] = (end - t - k) / (end - t - 1)
        return frozen(u), frozen(passed)

    @property
    def start_probabilities(self) -> FloatArray:
        return self._chances[0]

    @property
    def _pass_probabilities(self) -> FloatArray:
        return self._chances[1]

    def _resized(self, length: int) -> "ShiftedEqual":
        if not self.restarts:
            return type(self)(length, min(self.steps, length))
        cut = self.length - length
        if cut < 0:
            raise ValueError(
                f"{type(self).__name__} has restarts for the length {self.length}, and none for "
                f"the length {length}"
            )
        kept = [(t - cut, k) for t, k in self.restarts if t > cut]
        ends = [*(t for t, _ in kept), length]
        left = min(self.steps, length) - sum(k for _, k in kept)
        left -= (first := min(left, ends[0]))
        restarts = []
        for (t, k), end in zip(kept, ends[1:], strict=True):
            more = min(left, end - t - k)
            restarts.append((t, k + more))
            left -= more
        return type(self)(length, first + sum(k for _, k in restarts), restarts)


def _restarts(value: object, length: int) -> tuple[tuple[int, int], ...]:
    """Pairs of increasing positions and positive numbers of steps, as ints."""
    try:
        pairs = [(t, k) for t, k in on_host(value)]
    except Exception:  # whatever an object of a class of its own raises
        raise TypeError(
            f"restarts must be pairs of a position and a number of steps, got {shown(value)}"
        ) from None
    restarts, before = [], 0
    for t, k in pairs:
        before = integer("restarts", t, before + 1, length - 1)
        restarts.append((before, integer("restarts", k, 1, length)))
    return tuple(restarts)


def to_systematic(schedule: Schedule) -> Systematic:
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
    return Systematic(
        instance("schedule", schedule, Schedule).start_probabilities  # type: ignore[type-abstract]
    )
