"""Schedules whose sizes are fixed: given ones, and the usual baselines."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dlm_core._check import frozen, integer, numpy_generator
from dlm_core.schedules.base import Schedule, residuals

__all__ = ["Cosine", "Deterministic", "Equal", "FixedSizes", "Geometric"]


class Deterministic(Schedule):
    """A schedule that is one composition: every draw returns ``sizes``.

    Attributes
    ----------
    sizes : ndarray of int64, shape (steps,)
        The sizes, positive, with sum ``length``.
    """

    sizes: np.ndarray

    def sample(self, n, rng):
        n = integer("n", n, 0)
        numpy_generator("rng", rng)
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
class FixedSizes(Deterministic):
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
class _Baseline(Deterministic):
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
