"""The law that is sampled, on average over orders and sizes, on MDS codes."""

from math import log1p

import numpy as np
from scipy.special import logsumexp

from dlm_core._check import instance, integer
from dlm_core.schedules.systematic import OnePhase

__all__ = ["mixture_kl_on_code", "residual_tail"]


def residual_tail(schedule, j):
    """How likely a residual of a systematic schedule is to be large.

    No block starts on the ``i`` positions from ``j`` on with probability
    ``max(1 - (u_j + ... + u_{j+i-1}), 0)``, where one phase places every block.

    Parameters
    ----------
    schedule : Systematic, Minimax or ShiftedEqual
        Whose blocks are placed by one phase.
    j : int
        From 1 to ``length - 1``.

    Returns
    -------
    ndarray, shape (length - j,)
        The probabilities of ``W_j >= i`` for ``i = 1, ..., length - j``.

    Raises
    ------
    TypeError, ValueError
        If the schedule is of another kind (``to_systematic`` makes its twin), or ``j`` out of
        range.
    """
    schedule = instance("schedule", schedule, OnePhase)
    j = integer("j", j, 1, schedule.length - 1)
    return np.maximum(1 - np.cumsum(schedule.start_probabilities[j:]), 0.0)


def mixture_kl_on_code(schedule, dimension, alphabet_size):
    """Divergence of the law of the samples on an MDS code, for a systematic schedule of any size.

    It is ``-log E q^(-W_d)``, with ``1 - E q^(-W_d) = (1 - 1/q) sum_i P(W_d >= i) q^(1-i)``.
    ``dlm_core.error.mixture_kl`` enumerates small cases of every kind.

    Parameters
    ----------
    schedule : Systematic, Minimax or ShiftedEqual
        Whose blocks are placed by one phase.
    dimension : int
        Of the code, from 1 to ``length - 1``.
    alphabet_size : int
        At least 2.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or out of range.
    """
    q = float(integer("alphabet_size", alphabet_size, 2))
    tail = residual_tail(schedule, dimension)
    missed = (1 - 1 / q) * float(tail @ q ** -np.arange(tail.size, dtype=float))
    if missed < 0.5:
        return -log1p(-missed)
    # where codewords are rare, their share by positive terms: W_d = w if a block starts there
    starts = np.append(schedule.start_probabilities[dimension:], 1.0)
    chances = np.minimum(starts, np.append(1.0, tail))
    return -float(logsumexp(-np.arange(chances.size) * np.log(q), b=chances))
