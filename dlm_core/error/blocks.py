r"""Blocks left to right: each is sampled in random order, given all that come before it.

Then each block has a profile of its own, that of its tokens given all earlier ones, and the error
law holds in each: what a whole run loses is the sum.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from dlm_core._chain import gap_entropies
from dlm_core._check import MOST_POSITIONS, instance, integer, shown, table_fits
from dlm_core._types import FloatArray, IntArray
from dlm_core.error.guarantee import error_curve
from dlm_core.error.law import expected_kl
from dlm_core.information.profile import InformationProfile, exact_profile
from dlm_core.schedules.base import Schedule
from dlm_core.schedules.optimal import OptimalForProfile

__all__ = ["allocate_steps", "block_kl", "chain_block_profiles"]


def block_kl(schedules: Iterable[Schedule], profiles: Iterable[InformationProfile]) -> float:
    r"""Expected divergence of a sequence that is sampled block by block, left to right.

    By the chain rule the divergences of the blocks add up, each given the tokens before it, which
    are drawn from other laws than the data's only as far as their own block lost something:

    .. math:: E\,KL(p \,\|\, q) = \sum_b \sum_j \Delta^{(b)}_j\, E[W^{(b)}_j].

    Parameters
    ----------
    schedules : iterable of Schedule
        The law of the sizes in each block, where the order is uniformly random.
    profiles : iterable of InformationProfile
        Of each block, of the same length, the mean conditional entropies given all earlier blocks
        and some tokens of its own; see ``chain_block_profiles``.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    TypeError, ValueError
        If there are not as many schedules as profiles, or a schedule does not fit its profile, as
        for ``expected_kl``.

    Examples
    --------
    >>> from dlm_core.schedules import ShiftedEqual
    >>> profiles = chain_block_profiles([[0.9, 0.1], [0.1, 0.9]], block=4, blocks=4)
    >>> round(block_kl([ShiftedEqual(length=4, steps=2)] * 4, profiles), 6)
    1.199543
    """
    known = _profiles(profiles)
    given = [instance("schedules", item, Schedule) for item in _listed("schedules", schedules)]
    lengths = [schedule.length for schedule in given]
    if lengths != [profile.length for profile in known]:
        raise ValueError(
            f"schedules must be one for each of the {len(known)} profiles, of its length, got "
            f"{len(given)} of the lengths {shown(lengths)}"
        )
    return float(sum(map(expected_kl, given, known)))


def allocate_steps(profiles: Iterable[InformationProfile], steps: int) -> IntArray:
    r"""How many iterations each block should get, if every block then has its best sizes.

    The least error of a block is convex in its number of iterations, so that the greedy rule is
    exact: the next iteration goes where it saves most. Of equal savings the earlier block takes
    them. Cost: an ``error_curve`` with all numbers of steps for each distinct profile.

    Parameters
    ----------
    profiles : iterable of InformationProfile
        Of each block, given all earlier ones.
    steps : int
        In all blocks together; from their number to their total length.

    Returns
    -------
    ndarray of int64, shape (M,)
        At least 1 each; their sum is ``steps``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.

    Examples
    --------
    The tokens of the second block are independent, so the first gets what is left:

    >>> profiles = [InformationProfile([0.7, 0.4, 0.2]), InformationProfile([0.5, 0.5, 0.5])]
    >>> allocate_steps(profiles, steps=4).tolist()
    [3, 1]
    """
    known = _profiles(profiles)
    total = sum(profile.length for profile in known)
    steps = integer("steps", steps, len(known), total)
    saved = {
        profile: -np.diff(error_curve(profile.length, OptimalForProfile, profile=profile).values)
        for profile in set(known)
    }
    # what each further iteration saves, of a block in its own order; the curves are convex, but
    # for the last digit, to which they are rounded
    savings = [np.minimum.accumulate(saved[profile]) for profile in known]
    block = np.repeat(np.arange(len(known)), [part.size for part in savings])
    best = np.argsort(-np.concatenate(savings), kind="stable")[: steps - len(known)]
    return 1 + np.bincount(block[best], minlength=len(known))


def chain_block_profiles(
    transition: npt.ArrayLike, block: int, blocks: int
) -> tuple[InformationProfile, ...]:
    r"""The profiles of the blocks of a stationary Markov chain, each given all earlier blocks.

    In a random ``t``-subset of ``n`` positions in a row, neighbours are ``d`` apart with
    probability :math:`P(G_{t,n} = d) = \binom{n-d}{t-1} / \binom{n}{t}`, which is also the law of
    the distance from the position before them to the first. With :math:`\eta_d = H(X_d \mid X_0)`
    the mean entropies are

    .. math::

       H_t &= H(X_0) + (t-1)\, E\,\eta(G_{t,n}) \quad \text{in the first block}, \\
       H_t &= t\, E\,\eta(G_{t,n}) \quad \text{in every later one.}

    Cost :math:`O(B q^3 + B^2)`, whatever the number of blocks.

    Parameters
    ----------
    transition : array_like, shape (q, q)
        Rows of transition probabilities, irreducible; the chain begins in its stationary law.
    block : int
        The length ``B >= 1`` of each block.
    blocks : int
        Their number ``M >= 1``; with one, it is the profile of the chain itself.

    Returns
    -------
    tuple of InformationProfile
        One for each block; all but the first are the same.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.
    """
    block = integer("block", block, 1, MOST_POSITIONS)
    blocks = integer("blocks", blocks, 1, MOST_POSITIONS)
    table_fits(f"gaps in a block of length {block}", 24 * block**2)
    table_fits(f"{blocks} blocks", 8 * blocks)
    entropies = gap_entropies(transition, block + 1)
    marginal = entropies[-1]
    size = np.arange(1, block + 1)
    mean = _gap_law(block) @ entropies[1:-1]
    first = _profile(marginal + (size - 1) * mean)
    return first, *[_profile(size * mean)] * (blocks - 1)


def _gap_law(n: int) -> FloatArray:
    """The law of the gap, row ``t - 1`` for ``t`` of ``n`` positions, column ``d - 1``.

    From each ``d`` to the next by a product: what falls out for large ``d`` is zero exactly.
    """
    size = np.arange(1, n + 1)[:, np.newaxis]
    gap = np.arange(1, n)
    law = np.empty((n, n))
    law[:, :1] = size / n
    law[:, 1:] = np.maximum(n - gap - size + 1, 0) / (n - gap)
    return np.cumprod(law, axis=1, out=law)


def _profile(entropies: FloatArray) -> InformationProfile:
    """The profile with the mean entropies of 1, 2, ... tokens."""
    return InformationProfile(np.diff(entropies, prepend=0.0))


def _profiles(profiles: Iterable[InformationProfile]) -> list[InformationProfile]:
    found = [exact_profile("profiles", profile) for profile in _listed("profiles", profiles)]
    if not found:
        raise ValueError("profiles must hold at least one InformationProfile, got none")
    return found


def _listed(name: str, values: object) -> list[object]:
    # an array without axes, of numpy or torch, only seems to be iterable
    if not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0:
        raise TypeError(f"{name} must be an iterable, got {shown(values)}")
    return list(values)
