"""Schedules whose sizes are fixed: given ones, and the usual baselines."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from dlm_core._check import (
    MOST_POSITIONS,
    count,
    frozen,
    integer_array,
    numpy_generator,
    table_fits,
)
from dlm_core._types import FloatArray, IntArray, Rng
from dlm_core.schedules.base import Remembering, residuals
from dlm_core.schedules.spread import Spread

__all__ = ["Cosine", "Deterministic", "Equal", "FixedSizes", "Geometric"]


class Deterministic(Remembering):
    """A schedule that is one composition: every draw returns ``sizes``."""

    @property
    @abstractmethod
    def sizes(self) -> IntArray:
        """ndarray of int64, shape (steps,): the sizes, positive, with sum ``length``."""

    def sample(self, n: int, rng: Rng) -> IntArray:
        n = count("n", n, 0, self.steps)
        numpy_generator("rng", rng)
        return np.tile(self.sizes, (n, 1))

    def _draw_rows(self, rows: IntArray, n: int, seed: list[int]) -> IntArray:
        return self.sizes

    def law(self) -> dict[tuple[int, ...], float]:
        return {tuple(self.sizes.tolist()): 1.0}

    @cached_property
    def start_probabilities(self) -> FloatArray:
        table_fits(f"{type(self).__name__} of length {self.length}", 8 * self.length)
        starts = np.zeros(self.length)
        starts[np.cumsum(self.sizes) - self.sizes] = 1.0
        return frozen(starts)

    @cached_property
    def residual(self) -> FloatArray:
        return frozen(residuals(self.sizes[np.newaxis])[0].astype(np.float64))

    @property
    def mean_sizes(self) -> FloatArray:
        return frozen(self.sizes.astype(np.float64))

    def _spread(self, increments: FloatArray) -> Spread:
        return Spread.of_law(np.array([increments @ self.residual]), np.ones(1))


@dataclass(frozen=True, eq=False, repr=False, init=False)
class FixedSizes(Deterministic):
    r"""The schedule with the given sizes.

    For another length ``l`` it keeps its proportions: a boundary at ``b`` goes to
    :math:`\lfloor b\,l/L \rfloor`, or as near as leaves every size positive.

    Parameters
    ----------
    sizes : array_like of int, shape (K,)
        Positive sizes; their sum is the length. A torch tensor may be on any device.

    Raises
    ------
    TypeError
        If the sizes are no integers.
    ValueError
        If there are none, one is not positive, or their sum is 2^31 or more.
    """

    label: ClassVar[str] = "fixed sizes"

    def __init__(self, sizes: npt.ArrayLike):
        given = integer_array("sizes", sizes, ndim=1, at_least=1, at_most=MOST_POSITIONS)
        if given.size == 0:
            raise ValueError("sizes must hold at least one size, got none")
        if given.sum() > MOST_POSITIONS:
            raise ValueError(f"sizes must have a sum below 2^31, got {given.sum()}")
        object.__setattr__(self, "_sizes", frozen(given))

    @property
    def sizes(self) -> IntArray:
        """ndarray of int64, shape (steps,): the sizes."""
        return self._sizes  # type: ignore[attr-defined, no-any-return]

    @cached_property
    def length(self) -> int:  # type: ignore[override]
        """int: the sum of the sizes."""
        return int(self.sizes.sum())

    @property
    def steps(self) -> int:  # type: ignore[override]
        """int: the number of sizes."""
        return self.sizes.size

    def _resized(self, length: int) -> "FixedSizes":
        if length <= self.steps:
            return type(self)(np.ones(length, dtype=np.int64))
        k = np.arange(1, self.steps)
        ends = np.cumsum(self.sizes[:-1]) * length // self.length
        ends = np.maximum.accumulate(np.maximum(ends - k, 0)) + k
        ends = np.minimum(ends, length - self.steps + k)
        return type(self)(np.diff(ends, prepend=0, append=length))


@dataclass(frozen=True, eq=False, repr=False)
class _Baseline(Deterministic):
    """Sizes that follow a curve of the fraction of iterations done."""

    length: int
    steps: int

    def __post_init__(self) -> None:
        self._check_shape()

    def _numbers(self, first: int) -> IntArray:
        """The numbers of the iterations, from ``first`` on."""
        table_fits(f"{type(self).__name__} with {self.steps} steps", 8 * self.steps)
        return np.arange(first, self.steps + 1)

    def _sizes_from_masked(self, masked: FloatArray) -> IntArray:
        """Sizes that leave about ``masked[k-1]`` tokens after step ``k``, every size positive.

        The count after step ``k`` is clipped to ``[K - k, previous - 1]``.
        """
        k = self._numbers(1)
        counts = np.maximum(np.rint(masked).astype(np.int64), self.steps - k) + k
        # with k added, "at most previous - 1" becomes "at most previous"
        counts = np.minimum.accumulate(np.concatenate([[self.length], counts]))
        return frozen(1 - np.diff(counts))


class Equal(_Baseline):
    r"""Equal sizes up to rounding: the boundaries are ``floor(k L / K)``.

    Of all fixed sizes they have the least coefficient for the measure ``"sum"``,
    :math:`(\lceil L/K \rceil - 1)/L`, below ``1/K``; that for ``"tc"`` is 1 for every ``K < L``.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """

    label: ClassVar[str] = "equal"

    @cached_property
    def sizes(self) -> IntArray:
        return frozen(self._equal(np.array([self.length]))[0])

    def _sizes_of_rows(self, lengths: IntArray, seed: int) -> IntArray:
        if type(self) is not Equal:  # a kind derived from this one may have sizes of its own
            return super()._sizes_of_rows(lengths, seed)
        distinct, place = np.unique(lengths, return_inverse=True)
        return self._equal(distinct)[place]

    def _equal(self, lengths: IntArray) -> IntArray:
        """Sizes of shape (n, K) for lengths of shape (n,), in ``min(K, length)`` steps."""
        length, steps = lengths[:, np.newaxis], np.minimum(self.steps, lengths)[:, np.newaxis]
        k = np.minimum(self._numbers(0), steps)
        return np.diff(k * length // np.maximum(steps, 1), axis=1)


class Cosine(_Baseline):
    r"""The cosine schedule: after step ``k``, about :math:`L \cos(\pi k / 2K)` tokens are masked.

    The count is rounded to the nearest integer (ties to even) and clipped to
    ``[K - k, previous - 1]``, so that every size is positive. The coefficient for the measure
    ``"sum"`` is at most :math:`\pi/(2K)`; that for ``"tc"`` is 1 for every ``K < L``.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """

    label: ClassVar[str] = "cosine"

    @cached_property
    def sizes(self) -> IntArray:
        k = self._numbers(1)
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

    label: ClassVar[str] = "geometric"

    @cached_property
    def sizes(self) -> IntArray:
        masked = self.length ** (1 - self._numbers(1) / self.steps)
        masked[-1] = 0
        return self._sizes_from_masked(masked)
