"""Budgets: what is known of sums of weights times increments, beside a band."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np

from dlm_core._check import number, shown
from dlm_core._types import FloatArray, Measure
from dlm_core.information.profile import MOST_NATS
from dlm_core.schedules.base import measure_weights

__all__ = ["Budgets", "budget_weights", "checked_budgets"]

# Bounds on the sums of r_j times the increments, by the measures of which the r_j are the weights.
Budgets: TypeAlias = Mapping[str, float] | Iterable[tuple[Measure, float]] | None


def checked_budgets(budgets: Budgets) -> tuple[tuple[Measure, float], ...]:
    """The budgets as pairs of a measure and nats."""
    pairs = budgets.items() if isinstance(budgets, Mapping) else budgets
    if pairs is None:
        return ()
    found = []
    try:
        several = [(measure, nats) for measure, nats in pairs]
    except Exception:  # whatever an object of a class of its own raises
        raise TypeError(
            "budgets must be a mapping from measures to nats, or pairs of the two, got "
            f"{shown(budgets)}"
        ) from None
    for measure, nats in several:
        try:
            most = number("nats", nats, 0)
            if most > MOST_NATS:
                raise ValueError(f"nats must be at most {MOST_NATS:g}, got {most}")
        except (TypeError, ValueError) as error:
            raise type(error)(f"budgets must give nats for measures: {error}") from None
        found.append((measure, most))
    return tuple(found)


def budget_weights(
    budgets: tuple[tuple[Measure, float], ...], length: int
) -> tuple[FloatArray, FloatArray]:
    """Weights :math:`r_0 = 0, r_1, ..., r_L = 0` of each budget, and its nats."""
    weights = np.zeros((len(budgets), length + 1))
    for row, (measure, _) in zip(weights, budgets, strict=True):
        try:
            row[1:-1] = measure_weights(measure, length)
        except (TypeError, ValueError) as error:
            raise type(error)(f"budgets must be for measures: {error}") from None
    return weights, np.array([nats for _, nats in budgets])
