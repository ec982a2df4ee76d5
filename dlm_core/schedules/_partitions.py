r"""The best partitions of an entropy curve into blocks, for every number of blocks.

A block of the positions ``a`` to ``b - 1`` has the area :math:`(b - a)\, h_a`, and the error of a
partition is what the areas of its blocks add up to beyond that of the curve. As ``h`` falls, the
area has the Monge property: of two blocks that overlap, the union and the intersection have
together no less. Therefore the least error is convex in the number ``K`` of blocks, and the best
partition for some price paid for each block is the best of all with as many blocks (Aggarwal,
Schieber and Tokuyama, Discrete and Computational Geometry 12, 1994). For a given price one sweep
finds it, whatever its ``K``.
"""

from bisect import bisect_left
from collections.abc import Callable
from itertools import count, pairwise
from typing import NamedTuple

import numpy as np

from dlm_core._check import frozen, table_fits, work_fits
from dlm_core._types import FloatArray
from dlm_core.information.profile import InformationProfile
from dlm_core.schedules.base import BySteps

__all__ = ["Partitions"]


class _Partition(NamedTuple):
    """The boundaries of blocks, from 0 to ``L``, and their error in units of ``Partitions``."""

    cuts: list[int]
    excess: int

    @property
    def steps(self) -> int:
        return len(self.cuts) - 1


class Partitions(BySteps):
    r"""The best partitions of a profile into ``K`` blocks, for every ``K``, and their errors.

    The entropies are integers, in a unit so small that none is rounded, and even: so are then the
    least errors and what they fall by from each ``K`` to the next, and for a price that is odd no
    two ``K`` are equally good.
    """

    def __init__(self, profile: InformationProfile) -> None:
        # lists of integers: five numbers a position, of up to 64 bytes each
        table_fits(f"partitions of a profile of length {profile.length}", 5 * 64 * profile.length)
        mantissa, exponent = np.frexp(profile.conditional_entropy)
        least = int(exponent.min(initial=0))
        digits = (mantissa * 2.0**54).astype(np.int64).tolist()
        self._unit = 1 << (54 - least)
        self._heights = [x << n for x, n in zip(digits, (exponent - least).tolist(), strict=True)]
        self._entropy = sum(self._heights)
        length = profile.length
        # each search begins between these
        self._ends = self._priced([0, length]), self._priced(list(range(length + 1)))

    def cuts(self, steps: int) -> list[int]:
        """The boundaries of the best partition into so many blocks, from 0 to ``L``."""
        few, many = self._around(lambda found: steps - found.steps, lambda *_: steps)
        # Both are best for one price. The first ``i`` blocks of one, then the others of the other,
        # where these overtake each other: by the Monge property no worse than the two.
        ahead = steps - few.steps
        i = next(i for i in count() if many.cuts[i + ahead + 1] <= few.cuts[i + 1])
        return many.cuts[: i + ahead + 1] + few.cuts[i + 1 :]

    def at(self, steps: int) -> float:
        few, many = self._around(lambda found: steps - found.steps, lambda *_: steps)
        return self._error(few, many, steps)

    def least(self, target: float) -> int:
        def aim(few: _Partition, many: _Partition) -> int:
            # where c + d / K, through both ends, meets the target
            high, low = few.excess / self._unit, many.excess / self._unit
            k, more = few.steps, many.steps
            return round(k * more * (high - low) / (k * (high - target) + more * (target - low)))

        def lacking(found: _Partition) -> float:
            return found.excess / self._unit - target or -1.0  # never 0: the least K is sought

        few, many = self._around(lacking, aim)
        between = range(few.steps, many.steps)
        met = bisect_left(between, True, key=lambda k: self._error(few, many, k) <= target)
        return few.steps + met

    @property
    def values(self) -> FloatArray:
        """O(L) for each ``K`` at which the fall of the error changes: 10 s at ``L = 4096``."""
        values = np.zeros(len(self._heights))
        work_fits(f"every number of steps of length {len(values)}", 16 * values.size**2)
        pending = [self._ends]
        while pending:
            few, many = pending.pop()
            adjacent = many.steps - few.steps == 1
            found = few if adjacent else self._best(self._fall(few, many) | 1)
            if few.steps < found.steps < many.steps:
                pending += [(few, found), (found, many)]
            else:
                for steps in range(few.steps, many.steps):
                    values[steps - 1] = self._error(few, many, steps)
        return frozen(values)

    def _error(self, few: _Partition, many: _Partition, steps: int) -> float:
        """The error between two partitions that are best for one price, in nats."""
        return (few.excess - (steps - few.steps) * self._fall(few, many)) / self._unit

    @staticmethod
    def _fall(few: _Partition, many: _Partition) -> int:
        return (few.excess - many.excess) // ((many.steps - few.steps) or 1)

    def _around(
        self,
        lacking: Callable[[_Partition], float],
        aim: Callable[[_Partition, _Partition], int],
    ) -> tuple[_Partition, _Partition]:
        """Two partitions that are best for one price, where something begins not to lack.

        The same one twice if nothing is lacking exactly there, or already with one block.
        ``aim`` guesses the number of blocks at which that is. It is followed as long as each guess
        halves what was lacking, or left over; then the price is the mean fall of the error
        between the two partitions: another is better at it, or the error falls evenly.
        """
        few, many = self._ends
        if lacking(few) <= 0:
            return few, few
        if lacking(many) == 0:
            return many, many
        trusted = True
        while many.steps - few.steps > 1:
            square = few.steps * many.steps
            # the fall at ``aim`` of c + d / K through both ends; the mean one at the root
            price = (few.excess - many.excess) * square
            price //= (many.steps - few.steps) * (aim(few, many) ** 2 if trusted else square)
            found = self._best(price | 1)
            if not few.steps < found.steps < many.steps:
                if not trusted:
                    break
                trusted = False
                continue
            left = lacking(found)
            if left == 0:
                return found, found
            trusted = trusted and 2 * abs(left) <= abs(lacking(few if left > 0 else many))
            few, many = (found, many) if left > 0 else (few, found)
        return few, many

    def _best(self, price: int) -> _Partition:
        """The best partition where each block costs ``price``, odd, beside its area. O(L).

        The least cost of the positions before ``b`` is the minimum over ``a < b`` of lines in
        ``b``, of slope ``h_a`` and offset the cost before ``a`` plus the price less ``a h_a``. As
        slopes fall, lines take over from each other in the order of ``a``; and a line may count at
        ``b <= a`` too, where it is never the least. Of equally good lines the first is kept.
        """
        heights = self._heights
        length = len(heights)
        # the lower envelope from line ``now`` on: where each line takes over from the one before
        lines, slopes, offsets, since, now = [0], [heights[0]], [price], [0], 0
        before = [0] * (length + 1)
        for b in range(1, length):
            if now + 1 < len(since) and since[now + 1] <= b:
                now += 1
            before[b] = lines[now]
            slope = heights[b]
            offset = offsets[now] + b * (slopes[now] - slope) + price
            while True:
                if fall := slopes[-1] - slope:
                    first = (offset - offsets[-1]) // fall + 1
                    if first > since[-1]:
                        break
                elif offset >= offsets[-1]:
                    first = length + 1
                    break
                lines.pop()
                slopes.pop()
                offsets.pop()
                since.pop()
            if first <= length:
                lines.append(b)
                slopes.append(slope)
                offsets.append(offset)
                since.append(first)
        if now + 1 < len(since) and since[now + 1] <= length:
            now += 1
        cuts = [length, lines[now]]
        while cuts[-1]:
            cuts.append(before[cuts[-1]])
        return self._priced(cuts[::-1])

    def _priced(self, cuts: list[int]) -> _Partition:
        area = sum((b - a) * self._heights[a] for a, b in pairwise(cuts))
        return _Partition(cuts, area - self._entropy)
