r"""The two adaptive schedules, re-derived from stated properties (Zhao and Cai, arXiv 2602.20126).

Both choose a random set of ``K - 1`` of the numbers ``1, ..., L - 1``; the chosen numbers are the
counts of tokens left masked at the ends of the iterations (TC-adaptive), or the counts revealed
(DTC-adaptive). The set ``M`` has probability proportional to :math:`\prod_{m \in M} 1/m`: this
closed law equals the law that the schemes' recursions define (``dlm_core.exact`` writes those down
in rational arithmetic; the book proves the equality and the tests check it).

Drawing scans ``t = L-1, ..., 1`` and decides whether ``t`` is chosen given that ``k`` of
``{1, ..., t}`` are still to be chosen. The odds are ratios of elementary symmetric polynomials of
``1, 1/2, ..., 1/t``, and obey a recursion of positive terms that neither overflows nor cancels,
although the polynomials themselves span hundreds of orders of magnitude.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from math import fsum, prod
from typing import Any, ClassVar, Literal, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from dlm_core._check import count, frozen, listable, numpy_generator, table_fits, work_fits
from dlm_core._types import FloatArray, IntArray, Measure, Rng
from dlm_core.information.profile import InformationProfile
from dlm_core.schedules.base import BySteps, Schedule, measure_weights
from dlm_core.schedules.spread import Spread

__all__ = ["DTCAdaptive", "TCAdaptive"]

_Marks: TypeAlias = npt.NDArray[np.bool_]

_tables_in_use: WeakValueDictionary[tuple[int, int], FloatArray] = WeakValueDictionary()


def _weights_against(length: int, steps: int) -> FloatArray:
    r"""Weight against choosing ``t``, to be set against ``1/t`` for choosing it.

    With :math:`e_k(t)` the elementary symmetric polynomial of :math:`1, 1/2, \dots, 1/t`, and ``k``
    of ``{1, ..., t}`` still to be chosen, the two weights are :math:`1/t` and
    :math:`R_t(k) = e_k(t-1) / e_{k-1}(t-1)`; from :math:`e_k(t) = e_k(t-1) + e_{k-1}(t-1)/t`

    .. math:: R_{t+1}(k) = R_t(k-1)\, \frac{R_t(k) + 1/t}{R_t(k-1) + 1/t}.

    Only the states from which a draw can come, :math:`K-L+t \le k \le t`, are computed; the others
    stay 0 and their memory untouched. Time O(KL), vectorised over ``k``.

    Returns
    -------
    ndarray, shape (length, steps)
        Entry ``[t, k]``; row 0 is not used, column 0 is infinite.
    """
    against = np.zeros((length, steps))
    against[:, 0] = np.inf
    if steps > 1:
        against[2:, 1] = np.cumsum(1 / np.arange(1, length - 1))
    either = np.empty(steps)
    for t in range(2, length - 1):
        low, high = max(2, steps - length + t + 1), min(steps, t + 2)
        if low < high:
            here, both = against[t, low - 1 : high], either[low - 1 : high]
            following = against[t + 1, low:high]
            np.add(here, 1 / t, out=both)
            np.divide(here[:-1], both[:-1], out=following)
            np.multiply(following, both[1:], out=following)
    return against


def _tc_constants(length: int, fewest: int, most: int) -> FloatArray:
    """The constants of ``TCAdaptive`` for ``fewest`` to ``most`` steps, in one recursion.

    Only the states on which they depend are computed: O(KL) for a single one, O(L^2) for all.
    """
    k = np.arange(1, most + 1)
    a = k * (k + 1) / 2 - 1
    sums = np.empty(most)
    for remaining in range(3, length):
        # a[k-1] holds a_{k, remaining} for k < remaining, and its first value for later k
        low, high = max(2, fewest - length + remaining + 1), min(most + 1, remaining)
        if low < high:
            _advance(a, sums, remaining, low, high)
    constants = 1 / (1 + a[fewest - 1 :])
    constants[k[fewest - 1 :] == length] = 0.0
    return constants


def _dtc_constants(length: int, fewest: int, most: int) -> FloatArray:
    """The same for ``DTCAdaptive``."""
    z = np.full(most, np.inf)
    z[0] = length if length > 1 else np.inf
    sums = np.empty(most)
    for i in range(length - 2, 0, -1):
        # z[k-1] goes from Z_{k,i} to Z_{k,i-1}
        newest = length - i
        if newest <= most:
            z[newest - 1] = i + z[newest - 2]
        low, high = max(2, fewest - i + 1), min(most + 1, newest)
        if low < high:
            _advance(z, sums, i, low, high)
        z[0] = length / (length - i)
    return 1 / (z[fewest - 1 :] - 1)


def _advance(x: FloatArray, sums: FloatArray, n: int, low: int, high: int) -> None:
    """``x[k-1] <- x[k-1] (n + x[k-2]) / (n + x[k-1])`` for ``low <= k < high``, by old values."""
    sums = np.add(x[low - 2 : high - 1], n, out=sums[: high - low + 1])
    x[low - 1 : high - 1] *= sums[:-1]
    x[low - 1 : high - 1] /= sums[1:]


def _dtc_errors(profile: InformationProfile) -> FloatArray:
    r"""The error of ``DTCAdaptive`` on a profile for ``K = 1, ..., L`` at once.

    Scanning up, the chosen numbers end runs of passed ones, and :math:`W_j` counts the passed
    numbers from ``j`` to the end of its run: passing ``t`` adds the increments of the whole run up
    to ``t`` once more. From each state (t, k), ``run`` is the mean sum of the increments in the
    run that ends at ``t``, and ``error`` that of all :math:`\Delta_j W_j` so far. Terms are
    positive. Time O(L^2), memory O(L), vectorised over ``k``.
    """
    length = profile.length
    against, both, take = np.zeros(length), np.empty(length), np.empty(length)
    skip = np.ones(length)
    run, error = np.zeros(length), np.zeros(length)
    for t, increment in enumerate(profile.increments.tolist(), 1):
        # of the t + 1 states, k = 0 passes every number
        here = slice(1, t + 1)
        np.add(against[here], 1 / t, out=both[here])
        np.divide(against[here], both[here], out=skip[here])
        np.divide(1 / t, both[here], out=take[here])
        run[: t + 1] += increment
        run[: t + 1] *= skip[: t + 1]
        take[here] *= error[:t]
        error[: t + 1] *= skip[: t + 1]
        error[here] += take[here]
        error[: t + 1] += run[: t + 1]
        np.multiply(skip[:t], both[here], out=against[here])
    return error


@lru_cache(maxsize=8)
def _for_all_steps(recursion: Callable[[int, int, int], FloatArray], length: int) -> FloatArray:
    """The constants for ``K = 1, ..., L``, kept for the next measure or distribution."""
    _refuse_long_curve(length)
    return frozen(recursion(length, 1, length))


def _refuse_long_curve(length: int) -> None:
    """Refuse a recursion for all numbers of steps that takes minutes."""
    work_fits(f"length {length} with every number of steps", length * (length // 2 + 256))


@dataclass(frozen=True, eq=False, repr=False)
class _Adaptive(Schedule):
    """The random set that both schedules share; the subclasses read it in opposite directions."""

    improves: ClassVar[Literal["always"]] = "always"

    length: int
    steps: int

    def __post_init__(self) -> None:
        self._check_shape()

    @property
    @abstractmethod
    def constant(self) -> float:
        """float: the constant of the schedule's guarantee."""

    @cached_property
    def table(self) -> FloatArray:
        r"""ndarray, shape (L, K): entry ``[t, k]`` weighs against ``t``, as ``1/t`` weighs for it.

        The choice is made when ``k`` of ``{1, ..., t}`` are still to be chosen. Computed once,
        when first needed, in O(KL) time and memory; row 0 is not used. Both schedules have the
        same one, and share it while either is in use. Refused beyond 4 GiB.
        """
        shape = (self.length, self.steps)
        table = _tables_in_use.get(shape)
        if table is None:
            name = f"{type(self).__name__} of length {self.length} with {self.steps} steps"
            table_fits(name, 8 * self.length * self.steps)
            self._refuse_long_work()
            table = _tables_in_use[shape] = frozen(_weights_against(*shape))
        return table

    def _refuse_long_work(self) -> None:
        """Refuse a recursion over more states than can be computed in minutes."""
        name = f"{type(self).__name__} of length {self.length} with {self.steps} steps"
        # a step of the loop over the length takes as long as some 256 states
        work_fits(name, self.steps * (self.length - self.steps) + 256 * self.length)

    @abstractmethod
    def _in_order(self, sizes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """View of what belongs to the gaps between ascending numbers, (..., K), as to the sizes."""

    def sample(self, n: int, rng: Rng) -> IntArray:
        n, rng = count("n", n, 0, self.length), numpy_generator("rng", rng)
        marks = self._draw_marks(np.full(n, self.length), rng)
        sizes = np.empty((n, self.steps), dtype=np.int64)
        # so many rows at once that all passes over them stay in the cache of one core
        at_once = max(64, 2**19 // self.length)
        for first in range(0, n, at_once):
            rows = slice(first, first + at_once)
            ends = _flat_places(marks[:, rows]).reshape(-1, self.steps + 1)
            np.subtract(ends[:, 1:], ends[:, :-1], out=self._in_order(sizes[rows]))
        return sizes

    def law(self) -> dict[tuple[int, ...], float]:
        listable(self.length, self.steps)
        weights = {}
        for numbers in combinations(range(1, self.length), self.steps - 1):
            gaps = np.diff([0, *numbers, self.length])
            weights[tuple(self._in_order(gaps).tolist())] = 1 / prod(numbers)
        total = fsum(weights.values())
        return {sizes: weight / total for sizes, weight in weights.items()}

    def sample_rows(self, lengths: npt.ArrayLike, rng: Rng) -> IntArray:
        # The law with k iterations and l tokens left does not depend on L: one scan serves all.
        totals, rng = self._checked_lengths(lengths), numpy_generator("rng", rng)
        count("the number of lengths", totals.size, 0, self.length)
        gaps = np.diff(_flat_places(self._draw_marks(totals, rng)))
        steps = np.minimum(self.steps, totals)
        # a gap from the last mark of one row to the first of the next is no size
        last = np.cumsum(steps[totals > 0] + 1) - 1
        sizes = np.zeros((totals.size, self.steps), dtype=np.int64)
        here = np.arange(self.steps) < steps[:, np.newaxis]
        self._in_order(sizes)[self._in_order(here)] = np.delete(gaps, last[:-1])
        return sizes

    def _draw_marks(self, lengths: IntArray, rng: np.random.Generator) -> _Marks:
        """Draw a set of numbers below its length for each row, but those of length 0.

        Whatever the lengths, ``t = L-1, ..., 1`` each take one uniform number for every row.
        Time O((n + K) L), or O(n L) with few rows of positive length.

        Returns
        -------
        ndarray of bool, shape (L + 1, number of positive lengths)
            Marks at the numbers of the set, at 0 and at the length.
        """
        n, drawn = lengths.size, np.flatnonzero(lengths)
        lengths = lengths[drawn]
        marks = np.zeros((self.length + 1, drawn.size), dtype=bool)
        left = np.minimum(self.steps, lengths) - 1
        few = drawn.size <= 16
        at_once = max(1, 2**16 // max(n, 1 if few else self.steps))
        for high in range(self.length, 1, -at_once):
            numbers = slice(max(high - at_once, 1), high)
            uniforms = rng.random((numbers.stop - numbers.start, n))[::-1]
            if drawn.size < n:
                uniforms = uniforms[:, drawn]
            if high > lengths.min(initial=high):
                t = np.arange(numbers.start, high)
                uniforms[t[:, np.newaxis] >= lengths] = 1.0  # which is below no chance
            scan = _scan_few if few else _scan_many
            scan(numbers.start, self.table[numbers], uniforms, left, marks[numbers])
        marks[0] = marks[lengths, np.arange(drawn.size)] = True
        return marks

    @cached_property
    def _marginals(self) -> tuple[FloatArray, FloatArray]:
        """Chance that ``t`` is chosen, shape (length,), and mean of each chosen number, ascending.

        Forward pass over the states (t, k) of the scan: O(KL) time, O(K) memory beside the table.
        """
        chosen = np.zeros(self.length)
        mean_number = np.zeros(self.steps)
        for t, arrive, take, _ in self._scan():
            share = arrive * take
            chosen[t] = share.sum()
            mean_number += t * share
        return frozen(chosen), frozen(mean_number[1:])

    def _scan(self) -> Iterator[tuple[int, FloatArray, FloatArray, FloatArray]]:
        """Yield ``t``, the law of ``k`` at ``t``, and the chances to take and to pass ``t``."""
        arrive = np.zeros(self.steps)
        arrive[-1] = 1.0
        for t in range(self.length - 1, 0, -1):
            take, skip = self._chances(t)
            yield t, arrive, take, skip
            moved = arrive[1:] * take[1:]
            arrive = arrive * skip
            arrive[:-1] += moved

    def _chances(self, t: int) -> tuple[FloatArray, FloatArray]:
        """The chances to take and to pass ``t``, with each number still to be chosen."""
        against = self.table[t]
        skip = np.ones(self.steps)
        np.divide(against[1:], against[1:] + 1 / t, out=skip[1:])
        return (1 / t) / (against + 1 / t), skip

    @abstractmethod
    def _runs(self, increments: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What each number that is passed adds to its run, and how often that run then counts.

        Upwards over ``t = 1, ..., L-1``, a run begins at 0 and after each chosen number; the loss
        is the sum, over the passed numbers, of the run through ``t`` times its count.
        """

    def _spread(self, increments: FloatArray) -> Spread:
        # From each state (t, k), the means and the covariance of the run and of the loss are those
        # of a mixture of taking and passing t: the variance adds up without a difference of
        # squares. O(KL) time, O(K) memory beside the table.
        scale = max(increments.max(initial=0.0), np.finfo(np.float64).tiny)
        run, loss, took = np.zeros((3, self.steps))
        var_run, covariance, var_loss, var_took = np.zeros((4, self.steps))
        for t, (more, times) in enumerate(zip(*self._runs(increments / scale), strict=True), 1):
            take, skip = self._chances(t)
            took[1:], var_took[1:] = loss[:-1], var_loss[:-1]
            run += more
            loss += times * run
            var_loss += times * (2 * covariance + times * var_run)
            covariance += times * var_run
            apart, either = loss - took, take * skip
            var_loss = take * var_took + skip * var_loss + either * apart**2
            covariance = skip * covariance + either * run * apart
            var_run = skip * var_run + either * run**2
            loss = take * took + skip * loss
            run *= skip
        return Spread(scale * float(loss[-1]), scale * (scale * max(float(var_loss[-1]), 0.0)))


def _scan_many(
    first: int, against: FloatArray, uniforms: FloatArray, left: IntArray, marks: _Marks
) -> None:
    """Mark the numbers that are chosen among ``first, first + 1, ...``, and count down ``left``.

    Entries ``[t - first, i]`` of ``uniforms`` and ``marks`` belong to the number ``t`` in row
    ``i``, and row ``t - first`` of ``against`` to the number ``t``.
    """
    weights = 1 / np.arange(first, first + len(against))[:, np.newaxis]
    chances = np.empty_like(against)
    within_reach = slice(max(int(left.min()) - len(against), 0), int(left.max()) + 1)
    np.divide(weights, against[:, within_reach] + weights, out=chances[:, within_reach])
    chance = np.empty(left.size)
    for at in range(len(against) - 1, -1, -1):
        chances[at].take(left, out=chance, mode="clip")
        np.less(uniforms[at], chance, out=marks[at])
        left -= marks[at]


def _scan_few(
    first: int, against: FloatArray, uniforms: FloatArray, left: IntArray, marks: _Marks
) -> None:
    """The same row by row, without what one call of numpy costs at each number."""
    entry = against.item
    for row, k in enumerate(left.tolist()):
        column = uniforms[:, row].tolist()
        for at in range(len(column) - 1, -1, -1):
            if k == 0:
                break
            weight = 1 / (first + at)
            if column[at] < weight / (entry(at, k) + weight):
                marks[at, row] = True
                k -= 1
        left[row] = k


def _flat_places(marks: _Marks) -> IntArray:
    """The places of the marks in their transpose, row after row."""
    # one scan of a contiguous table, several times faster than np.nonzero on its transpose
    return np.flatnonzero(np.ascontiguousarray(marks.T))


@dataclass(frozen=True, eq=False, repr=False)
class TCAdaptive(_Adaptive):
    r"""The TC-adaptive schedule: :math:`E\,KL = c_{K,L}\, TC(X)` for every distribution.

    With ``k`` iterations and ``l`` tokens left, the number ``m`` left masked after this iteration
    is drawn with probability proportional to :math:`w_k(m)` (``dlm_core.exact.tc_law``). The
    remaining counts are the chosen set; the sizes are the cycle lengths, in size-biased order, of
    a uniformly random permutation conditioned to have ``K`` cycles.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.

    Examples
    --------
    >>> schedule = TCAdaptive(length=12, steps=4)
    >>> sizes = schedule.sample(1000, np.random.default_rng(0))
    >>> sizes.shape, set(sizes.sum(axis=1).tolist())
    ((1000, 4), {12})
    """

    label: ClassVar[str] = "TC-adaptive"

    @cached_property
    def constant(self) -> float:
        r"""float: :math:`c_{K,L}`, by the recursion of the coefficients; 0 when ``K = L``.

        :math:`a_{k,l} = 1/c_{k,l} - 1` obeys
        :math:`a_{k,l+1} = a_{k,l}\,(l + a_{k-1,l}) / (l + a_{k,l})` with :math:`a_{1,l} = 0` and
        :math:`a_{k,k+1} = k(k+1)/2 - 1`. Time O(KL), memory O(K).
        """
        if self.steps == self.length:
            return 0.0
        self._refuse_long_work()
        return float(_tc_constants(self.length, self.steps, self.steps)[0])

    @classmethod
    def _errors_by_steps(cls, profile: InformationProfile) -> BySteps:
        return cls._bounds_by_steps(profile.length, "tc", profile.total_correlation, "tc")

    @classmethod
    def _bounds_by_steps(cls, length: int, measure: str, nats: float, made_for: Measure) -> BySteps:
        # E W_j = c_{K,L} (L - j) for every j
        per_constant = measure_weights("tc", length) / measure_weights(measure, length)
        constants = _for_all_steps(_tc_constants, length)
        return BySteps(constants * per_constant.max(initial=0.0) * nats)

    def _in_order(self, sizes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return sizes[..., ::-1]

    @property
    def start_probabilities(self) -> FloatArray:
        chosen, _ = self._marginals
        return frozen(np.concatenate([[1.0], chosen[:0:-1]]))

    @cached_property
    def residual(self) -> FloatArray:
        # After t in the scan, the run of numbers that are passed: its mean length from each state.
        table = self.table
        run = np.zeros((self.length, self.steps))
        for t in range(1, self.length):
            against = table[t, 1:]
            run[t, 0] = t
            run[t, 1:] = against / (against + 1 / t) * (1 + run[t - 1, 1:])
        mean = [arrive @ run[t] for t, arrive, _, _ in self._scan()]
        return frozen(np.array(mean, dtype=np.float64))

    @property
    def mean_sizes(self) -> FloatArray:
        _, numbers = self._marginals
        return frozen(np.diff(numbers, prepend=0, append=self.length)[::-1].copy())

    def _runs(self, increments: FloatArray) -> tuple[FloatArray, FloatArray]:
        # W_j counts the passed numbers from L - j down to the next chosen one
        return np.ones(self.length - 1), increments[::-1]


@dataclass(frozen=True, eq=False, repr=False)
class DTCAdaptive(_Adaptive):
    r"""The DTC-adaptive schedule: :math:`E\,KL \le f_{K,0}\, DTC(X)` for every distribution.

    With ``k`` iterations left and ``i`` tokens revealed, the next boundary ``b`` is drawn with
    probability proportional to :math:`v_k(b)` (``dlm_core.exact.dtc_law``). The boundaries are
    the chosen set: the schedule is the time reversal of ``TCAdaptive``.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """

    label: ClassVar[str] = "DTC-adaptive"

    @cached_property
    def constant(self) -> float:
        r"""float: :math:`f_{K,0}`, by the recursion of the coefficients; 0 when ``K = L``.

        :math:`Z_{k,i} = 1 + 1/f_{k,i}` obeys
        :math:`Z_{k,i-1} = Z_{k,i}\,(i + Z_{k-1,i}) / (i + Z_{k,i})` with
        :math:`Z_{1,i} = L/(L-i-1)` and :math:`Z_{k,L-k-1} = L-k + Z_{k-1,L-k}`. Time O(KL),
        memory O(K).
        """
        if self.steps == self.length:
            return 0.0
        self._refuse_long_work()
        return float(_dtc_constants(self.length, self.steps, self.steps)[0])

    @classmethod
    def _errors_by_steps(cls, profile: InformationProfile) -> BySteps:
        _refuse_long_curve(profile.length)
        return BySteps(_dtc_errors(profile))

    @classmethod
    def _bounds_by_steps(
        cls, length: int, measure: str, nats: float, made_for: Measure
    ) -> BySteps | None:
        if measure != "dtc":
            return None
        return BySteps(_for_all_steps(_dtc_constants, length) * nats)

    def _in_order(self, sizes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return sizes

    @property
    def start_probabilities(self) -> FloatArray:
        chosen, _ = self._marginals
        return frozen(np.concatenate([[1.0], chosen[1:]]))

    @cached_property
    def residual(self) -> FloatArray:
        # Scanning down, W_t = 1 + W_{t+1} where t is passed and 0 where it is chosen.
        mean = np.zeros(self.length)
        above = np.zeros(self.steps)
        for t, arrive, _, skip in self._scan():
            passed = skip * (arrive + above)
            mean[t] = passed.sum()
            above = passed
        return frozen(mean[1:])

    @property
    def mean_sizes(self) -> FloatArray:
        _, numbers = self._marginals
        return frozen(np.diff(numbers, prepend=0, append=self.length))

    def _runs(self, increments: FloatArray) -> tuple[FloatArray, FloatArray]:
        # Delta_j counts once for each passed number from j up to the end of its run
        return increments, np.ones(self.length - 1)
