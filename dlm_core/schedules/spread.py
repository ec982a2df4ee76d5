"""The loss of one run: its mean, its variance and, where it is known, its law."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from dlm_core._check import frozen, number
from dlm_core._types import FloatArray

__all__ = ["Spread"]


@dataclass(frozen=True, eq=False)
class Spread:
    r"""What one run of a schedule loses on a distribution: :math:`D = \sum_j \Delta_j W_j`.

    The sizes of one run decide :math:`W_j`; the mean over the random order is taken. Made by
    ``Schedule.spread``; the mean is ``expected_kl``.

    Attributes
    ----------
    mean, variance : float
        Of the loss, in nats and nats squared; exact up to rounding.
    law : tuple of two ndarrays of one shape, or None
        The values of the loss, increasing, and their probabilities; None where only the mean and
        the variance are known.
    """

    mean: float
    variance: float
    law: tuple[FloatArray, FloatArray] | None = None

    @classmethod
    def of_law(cls, losses: FloatArray, chances: FloatArray) -> "Spread":
        """The spread of a loss that takes the given values, in any order, with such chances."""
        mean = float(chances @ losses)
        values, place = np.unique(losses, return_inverse=True)
        merged: FloatArray = np.bincount(place, chances).astype(np.float64)
        variance = float(chances @ (losses - mean) ** 2)
        return cls(mean, variance, (frozen(values), frozen(merged)))

    @property
    def standard_deviation(self) -> float:
        """float: the square root of the variance, in nats."""
        return sqrt(self.variance)

    def quantile(self, p: float) -> float:
        """The least loss that one run does not exceed with probability ``p``.

        Parameters
        ----------
        p : float
            From 0 to 1; at 1 it is the largest loss of all.

        Returns
        -------
        float
            In nats.

        Raises
        ------
        TypeError, ValueError
            If ``p`` is no number from 0 to 1, or only the mean and the variance are known.
        """
        p = number("p", p, 0)
        if p > 1:
            raise ValueError(f"p must be a probability, from 0 to 1, got {p}")
        if self.law is None:
            raise ValueError(
                f"the quantile at p={p} needs the law of one run's loss, and of this schedule only "
                "the mean and the variance are known: take the quantile of "
                "residuals(schedule.sample(n, rng)) @ profile.increments"
            )
        values, chances = self.law
        # running sums are off by rounding, and the last chances may be below it
        at = values.size - 1 if p == 1 else np.searchsorted(np.cumsum(chances), p - 1e-12)
        return float(values[min(int(at), values.size - 1)])

    def __str__(self) -> str:
        return f"{self.mean:.6g} nats a run, standard deviation {self.standard_deviation:.3g}"
