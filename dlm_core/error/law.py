"""The exact error law: the expected error of a schedule on a distribution."""

from itertools import permutations

import numpy as np
import numpy.typing as npt

from dlm_core._check import instance, probabilities
from dlm_core._types import FloatArray
from dlm_core.information.profile import InformationProfile, block_price_weights, exact_profile
from dlm_core.schedules.base import Schedule
from dlm_core.schedules.fixed import FixedSizes

__all__ = ["expected_kl", "expected_kl_by_enumeration", "price_weights"]

# Enumerating orders takes seconds here and hours a little further.
_MOST_POSITIONS = 8


def expected_kl(schedule: Schedule, profile: InformationProfile) -> float:
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
        If an argument is of another type: an ``EstimatedProfile`` has
        ``EstimatedProfile.price``, with a standard error, in place of this function.
    ValueError
        If the lengths differ, or the profile was ``fitted`` to an estimate: the law on a fit is
        ``certificate(schedule, profile).by_law``.

    Examples
    --------
    >>> from dlm_core.schedules import TCAdaptive
    >>> schedule = TCAdaptive(length=6, steps=2)
    >>> repetition = InformationProfile.repetition(length=6, entropy=1.0)
    >>> round(expected_kl(schedule, repetition) / repetition.total_correlation, 6)
    0.562044
    """
    instance("schedule", schedule, Schedule)
    exact_profile("profile", profile)
    if profile.fitted:
        raise ValueError(
            "profile must be exact, got one fitted to an estimate: use estimate.price(schedule), "
            "or certificate(schedule, profile).by_law for the law on the fit"
        )
    return error_by_law(schedule, profile)


def error_by_law(schedule: Schedule, profile: InformationProfile) -> float:
    """The error law on a profile of the same length, exact or fitted, in nats."""
    if schedule.length != profile.length:
        raise ValueError(
            f"schedule and profile must have the same length, got {schedule.length} "
            f"and {profile.length}"
        )
    return float(profile.increments @ schedule.residual)


def price_weights(schedule: Schedule) -> FloatArray:
    r"""What a nat of entropy costs at each number of known tokens: :math:`a_t - 1`.

    With :math:`a_t = u_t\, E[\text{size} \mid \text{a block starts at } t]` and
    :math:`V_j = E[W_j]`, :math:`V_0 = V_L = 0`, it is :math:`a_t - 1 = V_{t+1} - V_t`, and the
    error law summed by parts reads

    .. math:: \sum_{j=1}^{L-1} (h_{j-1} - h_j)\, V_j = \sum_{t=0}^{L-1} (a_t - 1)\, h_t .

    In this form it holds for the cross-entropies :math:`\hat h_t` of any predictor, as the price
    over one token at a time: see ``EstimatedProfile.price``.

    Parameters
    ----------
    schedule : Schedule
        The law of the sizes.

    Returns
    -------
    ndarray, shape (length,)
        Entry ``t`` is :math:`a_t - 1`, at least -1; they sum to 0.

    Raises
    ------
    TypeError
        If ``schedule`` is none.

    Examples
    --------
    Two blocks of two pay for each position at the entropy of their first:

    >>> from dlm_core.schedules import Equal
    >>> price_weights(Equal(length=4, steps=2))
    array([ 1., -1.,  1., -1.])
    """
    return block_price_weights(instance("schedule", schedule, Schedule).residual)


def expected_kl_by_enumeration(p: npt.ArrayLike, sizes: npt.ArrayLike) -> float:
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
    marginals: dict[frozenset[int], FloatArray] = {}

    def marginal(kept: frozenset[int]) -> FloatArray:
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
