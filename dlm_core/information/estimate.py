"""Estimates: a value with its standard error and the number of draws behind it."""

from dataclasses import dataclass
from math import sqrt

from dlm_core._check import real_array

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A number obtained by sampling.

    Attributes
    ----------
    value : float
        The estimate.
    standard_error : float
        Its estimated standard deviation.
    n : int
        How many independent draws it rests on.
    """

    value: float
    standard_error: float
    n: int

    @classmethod
    def from_draws(cls, draws):
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

    def deviation(self, expected):
        """How many standard errors the value lies above ``expected``.

        Zero if the two agree to rounding (1e-12 of the larger); infinite if they do not although
        the standard error is zero.
        """
        difference = self.value - expected
        if abs(difference) <= 1e-12 * max(abs(self.value), abs(expected)):
            return 0.0
        if self.standard_error == 0:
            return float("inf") if difference > 0 else -float("inf")
        return difference / self.standard_error

    def __str__(self):
        return f"{self.value:.6g} ± {self.standard_error:.2g} (n = {self.n:,})"
