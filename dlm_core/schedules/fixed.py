"""Schedules whose sizes are fixed: the baselines, and the best that fixed sizes can promise."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dlm_core._validation import frozen, generator, integer
from dlm_core.profile import InformationProfile
from dlm_core.schedules.base import Schedule, residuals, target_weights

__all__ = [
    "BestDeterministic",
    "Cosine",
    "Equal",
    "FixedSizes",
    "Geometric",
    "OptimalForProfile",
]


class _Deterministic(Schedule):
    """A schedule that is one composition: every draw returns ``sizes``.

    Attributes
    ----------
    sizes : ndarray of int64, shape (steps,)
        The sizes, positive, with sum ``length``.
    """

    sizes: np.ndarray

    def sample(self, n, rng):
        n = integer("n", n, 0)
        generator("rng", rng)
        return np.tile(self.sizes, (n, 1))

    def law(self):
        return {tuple(self.sizes.tolist()): 1.0}

    @cached_property
    def start_probabilities(self):
        starts = np.zeros(self.length)
        starts[np.cumsum(self.sizes) - self.sizes] = 1.0
        return frozen(starts)

    @cached_property
    def residual(self):
        return frozen(residuals(self.sizes[np.newaxis])[0].astype(np.float64))

    @property
    def mean_sizes(self):
        return frozen(self.sizes.astype(np.float64))


@dataclass(frozen=True, eq=False)
class FixedSizes(_Deterministic):
    """The schedule with the given sizes.

    Parameters
    ----------
    sizes : array_like of int, shape (K,)
        Positive sizes; their sum is the length.

    Raises
    ------
    TypeError
        If the sizes are no integers.
    ValueError
        If there are none, or one is not positive.
    """

    sizes: np.ndarray

    def __post_init__(self):
        try:
            sizes = np.asarray(self.sizes)
        except ValueError:
            raise ValueError(f"sizes must be a vector, got {self.sizes!r}") from None
        if sizes.size and sizes.dtype.kind not in "iu":
            raise TypeError(f"sizes must be integers, got {self.sizes!r}")
        if sizes.ndim != 1 or sizes.size == 0 or sizes.min() < 1:
            raise ValueError(f"sizes must be a vector of positive integers, got {self.sizes!r}")
        if sum(sizes.tolist()) >= 2**63:
            raise ValueError(f"sizes must have a sum below 2**63, got {self.sizes!r}")
        object.__setattr__(self, "sizes", frozen(sizes.astype(np.int64)))

    @property
    def length(self):
        """int: the sum of the sizes."""
        return int(self.sizes.sum())

    @property
    def steps(self):
        """int: the number of sizes."""
        return self.sizes.size


@dataclass(frozen=True)
class _Baseline(_Deterministic):
    """Sizes that follow a curve of the fraction of iterations done."""

    length: int
    steps: int

    def __post_init__(self):
        self._check_shape()

    def _sizes_from_masked(self, masked):
        """Sizes that leave about ``masked[k-1]`` tokens after step ``k``, every size positive.

        The count after step ``k`` is clipped to ``[K - k, previous - 1]``.
        """
        k = np.arange(1, self.steps + 1)
        counts = np.maximum(np.rint(masked).astype(np.int64), self.steps - k) + k
        # with k added, "at most previous - 1" becomes "at most previous"
        counts = np.minimum.accumulate(np.concatenate([[self.length], counts]))
        return frozen(1 - np.diff(counts))


class Equal(_Baseline):
    """Equal sizes up to rounding: the boundaries are ``floor(k L / K)``.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """

    @cached_property
    def sizes(self):
        return frozen(np.diff(np.arange(self.steps + 1) * self.length // self.steps))


class Cosine(_Baseline):
    r"""The cosine schedule: after step ``k``, about :math:`L \cos(\pi k / 2K)` tokens are masked.

    The count is rounded to the nearest integer (ties to even) and clipped to
    ``[K - k, previous - 1]``, so that every size is positive.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """

    @cached_property
    def sizes(self):
        k = np.arange(1, self.steps + 1)
        return self._sizes_from_masked(self.length * np.cos(np.pi * k / (2 * self.steps)))


class Geometric(_Baseline):
    r"""Geometric decay: after step ``k``, about :math:`L^{1 - k/K}` tokens are masked.

    The count is rounded to the nearest integer (ties to even; 0 after the last step) and clipped
    to ``[K - k, previous - 1]``, so that every size is positive.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """

    @cached_property
    def sizes(self):
        masked = self.length ** (1 - np.arange(1, self.steps + 1) / self.steps)
        masked[-1] = 0
        return self._sizes_from_masked(masked)


@dataclass(frozen=True, eq=False)
class BestDeterministic(_Deterministic):
    r"""The fixed sizes with the least coefficient :math:`\max_j W_j / r_j` for a target.

    A constant ``c`` is feasible if blocks that each reach as far as ``W_j <= c r_j`` allows finish
    within ``K`` steps. The least feasible ``c`` is one of the finitely many ratios ``W / r_j``;
    bisection, in which every feasible trial is replaced by the ratio it attains, ends at it.
    Time O(L) a trial, about 50 trials.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.
    target : {"tc", "dtc", "min", "product"} or array_like, shape (length - 1,)
        The weights :math:`r_j`; see ``target_weights``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or the target unknown.

    Examples
    --------
    >>> BestDeterministic(length=6, steps=2, target="tc").coefficient("tc")
    0.8
    """

    length: int
    steps: int
    target: str | np.ndarray

    def __post_init__(self):
        self._check_shape()
        weights = target_weights(self.target, self.length)
        if not isinstance(self.target, str):
            object.__setattr__(self, "target", frozen(weights))

    @cached_property
    def sizes(self):
        weights = target_weights(self.target, self.length)
        best = self._reaching(np.inf, weights)
        infeasible, feasible = 0.0, _ratio(best, weights)
        while feasible > 0:
            # below the resolution of float64 around the attained ratio nothing is left to find
            trial = (infeasible + feasible) / 2
            if not infeasible < trial < feasible:
                break
            sizes = self._reaching(trial, weights)
            if sizes is None:
                infeasible = trial
            else:
                best, feasible = sizes, _ratio(sizes, weights)
        return frozen(best)

    def _reaching(self, c, weights):
        """Sizes with every ``W_j <= c r_j`` in at most ``steps`` blocks, or None."""
        length, steps = self.length, self.steps
        j = np.arange(1, length)
        # The largest W whose quotient by r_j is at most c: the product is off by one at most.
        room = np.floor(np.minimum(c * weights, length - j))
        room += (room + 1) / weights <= c
        room -= room / weights > c
        # A block may not reach beyond j + W_j of any j inside; a later j never binds it.
        reach = np.minimum.accumulate(np.minimum(j + room.astype(np.int64), length)[::-1])[::-1]
        reach = [*reach.tolist(), length]
        boundaries = [0]
        for left in range(steps - 1, -1, -1):
            boundaries.append(min(reach[boundaries[-1]], length - left))
        return np.diff(boundaries) if boundaries[-1] == length else None


def _ratio(sizes, weights):
    return (residuals(sizes[np.newaxis])[0] / weights).max(initial=0.0)


@dataclass(frozen=True, eq=False)
class OptimalForProfile(_Deterministic):
    r"""The sizes with the least error on a distribution whose profile is known.

    With blocks starting at :math:`b_0 < \dots < b_{K-1}`, the error is
    :math:`\sum_k s_k h_{b_k} - H(X)`, so the least area of a step curve above ``h`` is sought: the
    best first ``k`` blocks that end at ``b`` have

    .. math:: F_k(b) = \min_{a < b} F_{k-1}(a) + (b - a)\, h_a .

    The best ``a`` does not decrease with ``b``: divide and conquer finds a layer in O(L log L),
    all midpoints of one depth at once. Time O(KL log L), memory 4K(L-K) bytes for the way back.
    No random schedule has less error on this distribution.

    Parameters
    ----------
    profile : InformationProfile or array_like, shape (L,)
        The distribution, or its conditional entropies in nats.
    steps : int
        ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.

    Examples
    --------
    >>> OptimalForProfile(InformationProfile.mds_code(8, 3, 7), steps=2).sizes.tolist()
    [3, 5]
    """

    profile: InformationProfile
    steps: int

    def __post_init__(self):
        if not isinstance(self.profile, InformationProfile):
            object.__setattr__(self, "profile", InformationProfile(self.profile))
        object.__setattr__(self, "steps", integer("steps", self.steps, 1, self.length))

    @property
    def length(self):
        """int: the length of the profile."""
        return self.profile.length

    def to_dict(self):
        h = self.profile.conditional_entropy
        return {"schedule": type(self).__name__, "profile": h.tolist(), "steps": self.steps}

    @cached_property
    def sizes(self):
        length, steps = self.length, self.steps
        # Only differences matter; small numbers keep their digits.
        h = self.profile.conditional_entropy - self.profile.conditional_entropy[-1]
        # Block k ends at k + i, and the block before it at k - 1 + i', for 0 <= i' <= i <= L - K.
        width = length - steps + 1
        area = np.arange(1, width + 1) * h[0]
        previous = np.zeros((steps, width), dtype=np.int32)
        for k in range(2, steps + 1):
            area, previous[k - 1] = _next_layer(area, h[k - 1 : k - 1 + width])
        boundaries = [length]
        i = width - 1
        for k in range(steps, 0, -1):
            i = previous[k - 1, i]
            boundaries.append(k - 1 + int(i))
        return frozen(np.diff(boundaries[::-1]))


def _next_layer(area, height):
    """For each ``i``, the least ``area[a] + (i + 1 - a) height[a]`` over ``a <= i``, and its a.

    ``height`` is nonincreasing, so the first best ``a`` does not decrease with ``i``.
    """
    size = area.size
    best, least = np.zeros(size, dtype=np.int64), np.empty(size)
    stride = 1 << size.bit_length()
    while stride > 1:
        # Midpoints between the multiples of the stride, whose best are known.
        i = np.arange(stride // 2, size + 1, stride) - 1
        low = np.where(i + 1 > stride // 2, best[i - stride // 2], 0)
        right = i + stride // 2
        high = np.minimum(np.where(right < size, best[np.minimum(right, size - 1)], size - 1), i)
        count = np.maximum(high - low, 0) + 1  # rounding may make equally good a cross
        first = np.cumsum(count) - count
        a = np.arange(count.sum()) + np.repeat(low - first, count)
        value = area[a] + (np.repeat(i + 1, count) - a) * height[a]
        least[i] = np.minimum.reduceat(value, first)
        hit = np.flatnonzero(value == np.repeat(least[i], count))
        best[i] = a[hit[np.searchsorted(hit, first)]]
        stride //= 2
    return least, best
