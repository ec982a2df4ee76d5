"""Estimates: a value with its standard error and the number of draws behind it."""

from dataclasses import dataclass, field
from math import sqrt
from typing import Self

import numpy.typing as npt

from dlm_core._check import instance, integer, number, real_array

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A number obtained by sampling.

    Parameters
    ----------
    value : float
        The estimate.
    standard_error : float
        Its estimated standard deviation, nonnegative.
    n : int
        How many independent draws it rests on, at least 1.
    note : str
        What the number speaks of where that is not plain; printed, and no part of equality.

    Raises
    ------
    TypeError, ValueError
        If a number is none, not finite or out of range.

    Examples
    --------
    >>> found = Estimate.from_draws([1, 2, 3, 6])
    >>> print(found)
    3 ± 1.1 (n = 4)
    >>> round(found.upper(standard_errors=2), 2)
    5.16
    """

    value: float
    standard_error: float
    n: int
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", number("value", self.value))
        object.__setattr__(self, "standard_error", number("standard_error", self.standard_error, 0))
        object.__setattr__(self, "n", integer("n", self.n, 1))
        instance("note", self.note, str)

    @classmethod
    def from_draws(cls, draws: npt.ArrayLike) -> Self:
        """The mean of independent draws, shape (n,) with n >= 2.

        Raises
        ------
        TypeError, ValueError
            If the draws are not a vector of at least two finite numbers.
        """
        draws = real_array("draws", draws, ndim=1)
        if draws.size < 2:
            raise ValueError(f"draws must hold at least 2 numbers, got {draws.size}")
        return cls(float(draws.mean()), float(draws.std(ddof=1) / sqrt(draws.size)), draws.size)

    def upper(self, standard_errors: float = 2.0) -> float:
        """The value plus a number of standard errors: an upper confidence limit.

        Raises
        ------
        TypeError, ValueError
            If ``standard_errors`` is no nonnegative number.
        """
        return self.value + number("standard_errors", standard_errors, 0) * self.standard_error

    def deviation(self, expected: float) -> float:
        """How many standard errors the value lies above ``expected``.

        Zero if the two agree to rounding (1e-12 of the larger); infinite if they do not although
        the standard error is zero.

        Raises
        ------
        TypeError, ValueError
            If ``expected`` is no finite number.
        """
        expected = number("expected", expected)
        difference = self.value - expected
        if abs(difference) <= 1e-12 * max(abs(self.value), abs(expected)):
            return 0.0
        if self.standard_error == 0:
            return float("inf") if difference > 0 else -float("inf")
        return difference / self.standard_error

    def __str__(self) -> str:
        note = f", {self.note}" if self.note else ""
        return f"{self.value:.6g} ± {self.standard_error:.2g} (n = {self.n:,}){note}"
