"""The exact error law: the expected error of a schedule on a distribution."""

from itertools import permutations

import numpy as np

from dlm_core._check import instance, probabilities
from dlm_core.information.profile import InformationProfile
from dlm_core.schedules.base import Schedule
from dlm_core.schedules.fixed import FixedSizes

__all__ = ["expected_kl", "expected_kl_by_enumeration"]

# Enumerating orders takes seconds here and hours a little further.
_MOST_POSITIONS = 8


def expected_kl(schedule, profile):
    r"""Expected divergence of what the schedule samples, with an exact mask predictor.

    The exact error law (theorem "error law" of the book; for fixed sizes Chen, Cong and Li,
    arXiv 2511.04647):

    .. math:: E\,KL(p \,\|\, q) = \sum_{j=1}^{L-1} \Delta_j\, E[W_j],

    the mean over the sizes and the uniformly random order.

    Parameters
    ----------
    schedule : Schedule
        The law of the sizes.
    profile : InformationProfile
        The distribution, of the same length.

    Returns
    -------
    float
        The error in nats.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> from dlm_core.schedules import TCAdaptive
    >>> schedule = TCAdaptive(length=6, steps=2)
    >>> repetition = InformationProfile.repetition(length=6, entropy=1.0)
    >>> round(expected_kl(schedule, repetition) / repetition.total_correlation, 6)
    0.562044
    """
    instance("schedule", schedule, Schedule)
    instance("profile", profile, InformationProfile)
    if schedule.length != profile.length:
        raise ValueError(
            f"schedule and profile must have the same length, got {schedule.length} "
            f"and {profile.length}"
        )
    return float(profile.increments @ schedule.residual)


def expected_kl_by_enumeration(p, sizes):
    r"""The same error for fixed sizes, from the definition of divergence and nothing else.

    For every order of the positions, the probability :math:`q(x)` that the sampler returns ``x``
    is the product over blocks of the conditional marginals of ``p``; the result is the mean over
    orders of :math:`\sum_x p(x) \log (p(x) / q(x))`. No entropy identity enters. Cost
    :math:`O(L!\, L\, q^L)`: refused beyond ``L = 8``.

    Parameters
    ----------
    p : array_like
        Joint table with one axis per position.
    sizes : array_like of int, shape (K,)
        Positive sizes whose sum is the number of axes.

    Returns
    -------
    float
        The error in nats.

    Raises
    ------
    TypeError, ValueError
        If ``p`` is no table of probabilities, or the sizes do not fit it.
    """
    p = probabilities("p", p)
    if p.ndim > _MOST_POSITIONS:
        raise ValueError(f"p must have at most {_MOST_POSITIONS} axes, got {p.ndim}")
    sizes = FixedSizes(sizes).sizes
    if sizes.sum() != p.ndim:
        raise ValueError(f"sizes must sum to the {p.ndim} axes of p, their sum is {sizes.sum()}")
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    marginals = {}

    def marginal(kept):
        if kept not in marginals:
            summed = tuple(axis for axis in range(p.ndim) if axis not in kept)
            marginals[kept] = p.sum(axis=summed, keepdims=True)
        return marginals[kept]

    possible = p > 0
    divergences = []
    for order in permutations(range(p.ndim)):
        q = np.ones(p.shape)
        for place, position in enumerate(order):
            known = frozenset(order[: starts[place]])
            with np.errstate(invalid="ignore"):  # 0/0 where the history itself is impossible
                q = q * (marginal(known | {position}) / marginal(known))
        divergences.append(p[possible] @ np.log(p[possible] / q[possible]))
    return float(np.mean(divergences))
