"""Contracts that a user's own class can be held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlm_core.targets.base import Target

__all__ = ["check_target"]


# ---- targets ----------------------------------------------------------------------------------


def check_target(target: Target, *, seed: int = 0) -> None:
    """Hold a target to its contract, on one small case.

    Tried are: that log-probabilities sum to one; that the predictor returns the conditional
    marginals that follow from them, summed by brute force, at all or at 2,048 random histories,
    and normalised rows at impossible ones; that its rows are in order, do not depend on the rest
    of the batch or on what else is asked, and that it does not write into its arguments; that
    samples follow the log-probabilities (a chi-square test at the level 1e-9), are repeated by
    their seed and are never impossible; that the profile is that of the joint table; that
    results have the stated shape, dtype and device, whatever torch's default device is, and for
    no rows; that bad arguments are refused by name; that a deep copy answers the same.

    Parameters
    ----------
    target : Target
        An instance, with ``(alphabet_size + 1)**length`` at most 2**16; on any device.
    seed : int
        Of the histories and the samples that are tried.

    Raises
    ------
    AssertionError
        If it breaks the contract; the message says where.
    TypeError, ValueError
        If ``target`` is no target or too large a case, or ``seed`` no integer >= 0.
    """
    # torch only for those who check targets
    from dlm_core.targets._contract import hold

    hold(target, seed)
