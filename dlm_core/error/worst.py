"""The largest error of a schedule on all profiles of a band: its residuals against the curves."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np

from dlm_core._check import instance, number, shown, table_fits
from dlm_core._types import FloatArray, Measure
from dlm_core.information._largest import Largest, curve_of, largest_value
from dlm_core.information.band import ProfileBand
from dlm_core.information.profile import MOST_NATS, InformationProfile
from dlm_core.schedules.base import Schedule, measure_weights

__all__ = ["worst_kl", "worst_profile"]

# Bounds on the sums of r_j times the increments, by the measures of which the r_j are the weights.
Budgets: TypeAlias = Mapping[str, float] | Iterable[tuple[Measure, float]] | None


def worst_kl(schedule: Schedule, band: ProfileBand, budgets: Budgets = None) -> float:
    r"""The largest expected error of a schedule on all profiles of a band.

    .. math:: \max_h \sum_{j=1}^{L-1} (h_{j-1} - h_j)\, E[W_j]
        = \int_0^\infty \max_{D_{lo}(s) \le d \le D_{hi}(s)} V_d \; ds , \qquad V_j = E[W_j],

    :math:`V_0 = V_L = 0`: a sum over the layers of the band, in each of which the number ``d`` of
    positions where the curve is above ``s`` lies in a window (theorem "worst case" of the book).

    Budgets :math:`\sum_j r_j \Delta_j \le R` add a multiplier each: the least over
    :math:`\mu \ge 0` of :math:`\mu R + \int \max_d (V_d - \mu r_d)\, ds`, found by cutting
    planes. Time :math:`O(L \log L)` beside that of ``schedule.residual``; with budgets, for each
    of a few rounds, seldom more than 15.

    Parameters
    ----------
    schedule : Schedule
        The law of the sizes.
    band : ProfileBand
        What is known of the profile, of the same length.
    budgets : mapping or iterable of pairs, optional
        Further bounds, as ``{"tc": 3.0}`` or as pairs of a measure and nats where the measure is
        an array: :math:`\sum_j r_j \Delta_j \le R`, which is a bound on TC, on DTC or on their sum
        for the measures of these names, and follows from one on :math:`\min(TC, DTC)` and
        :math:`TC \cdot DTC / (TC + DTC)` for the other two.

    Returns
    -------
    float
        In nats: at least the error on every profile that the band and the budgets allow, and
        attained by ``worst_profile``.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the lengths differ, a budget is negative or its measure unknown, or no profile of the
        band meets the budgets.

    Examples
    --------
    >>> from dlm_core.schedules import Equal
    >>> band = ProfileBand(8, levels=[0, 4, 7], lower=[1.0, 0.4, 0.1], upper=[1.0, 0.4, 0.1])
    >>> round(worst_kl(Equal(8, 2), band), 6)
    2.7
    >>> round(worst_kl(Equal(8, 2), band, {"tc": 4.0}), 6)
    1.6
    """
    return _worst(schedule, band, budgets).value


def worst_profile(
    schedule: Schedule, band: ProfileBand, budgets: Budgets = None
) -> InformationProfile:
    """A profile of the band on which a schedule has its largest error.

    Without budgets a staircase whose steps lie where ``schedule.residual`` is largest within each
    window; with budgets a mixture of a few of them that meets the budgets.

    Parameters
    ----------
    schedule, band, budgets
        As in ``worst_kl``.

    Returns
    -------
    InformationProfile
        In the band; ``expected_kl(schedule, profile)`` is ``worst_kl``, up to rounding.

    Raises
    ------
    TypeError, ValueError
        As in ``worst_kl``.

    Examples
    --------
    >>> from dlm_core.schedules import Equal
    >>> band = ProfileBand(8, levels=[0, 4, 7], lower=[1.0, 0.4, 0.1], upper=[1.0, 0.4, 0.1])
    >>> worst_profile(Equal(8, 2), band).conditional_entropy
    array([1. , 0.4, 0.4, 0.4, 0.4, 0.1, 0.1, 0.1])
    """
    return curve_of(_worst(schedule, band, budgets).falls, band)


def _worst(schedule: Schedule, band: ProfileBand, budgets: Budgets) -> Largest:
    instance("schedule", schedule, Schedule)
    instance("band", band, ProfileBand)
    if schedule.length != band.length:
        raise ValueError(
            f"schedule and band must have the same length, got {schedule.length} and {band.length}"
        )
    pairs = _checked_budgets(budgets)
    table_fits(f"the worst case of length {band.length}", 64 * (2 + len(pairs)) * band.length)
    residual = np.concatenate([[0.0], schedule.residual, [0.0]])
    return largest_value(residual, band, *_budget_weights(pairs, band.length))


def _checked_budgets(budgets: Budgets) -> tuple[tuple[Measure, float], ...]:
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


def _budget_weights(
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
