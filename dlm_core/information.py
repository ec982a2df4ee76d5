"""Entropy, total correlation and dual total correlation of dense joint tables, in nats.

A joint table ``p`` has one axis per position: ``p[x_1, ..., x_L]`` is the probability of the
sequence. The cost of each function is a small multiple of ``L`` passes over the table.
"""

from scipy.special import entr

from dlm_core._validation import probabilities

__all__ = ["dual_total_correlation", "entropy", "total_correlation"]


def entropy(p):
    r"""Shannon entropy :math:`H(X) = -\sum_x p(x) \log p(x)`.

    Parameters
    ----------
    p : array_like
        Joint table of any shape: nonnegative, sums to one within 1e-9.

    Returns
    -------
    float
        The entropy in nats.

    Raises
    ------
    TypeError, ValueError
        If ``p`` is not a table of probabilities.

    Examples
    --------
    >>> round(entropy([0.5, 0.5]), 6)
    0.693147
    """
    return float(entr(probabilities("p", p)).sum())


def total_correlation(p):
    r"""Total correlation :math:`TC(X) = \sum_i H(X_i) - H(X)` (Watanabe 1960).

    It is the divergence of ``p`` from the product of its marginals: what is lost when all
    positions are revealed at once.

    Parameters
    ----------
    p : array_like
        Joint table with one axis per position.

    Returns
    -------
    float
        The total correlation in nats, nonnegative up to rounding.

    Raises
    ------
    TypeError, ValueError
        If ``p`` is not a table of probabilities.

    Examples
    --------
    >>> round(total_correlation([[0.5, 0], [0, 0.5]]), 6)
    0.693147
    """
    p = probabilities("p", p)
    singles = sum(entr(_marginal_without(p, _others(p, axis))).sum() for axis in range(p.ndim))
    return float(singles - entr(p).sum())


def dual_total_correlation(p):
    r"""Dual total correlation :math:`DTC(X) = H(X) - \sum_i H(X_i \mid X_{-i})` (Han 1978).

    The part of the entropy that is shared: what remains when the randomness that is private to
    one position is taken away.

    Parameters
    ----------
    p : array_like
        Joint table with one axis per position.

    Returns
    -------
    float
        The dual total correlation in nats, nonnegative up to rounding.

    Raises
    ------
    TypeError, ValueError
        If ``p`` is not a table of probabilities.

    Examples
    --------
    Three equal bits share one bit of randomness:

    >>> import numpy as np
    >>> p = np.zeros((2, 2, 2))
    >>> p[0, 0, 0] = p[1, 1, 1] = 0.5
    >>> round(float(dual_total_correlation(p) / np.log(2)), 6)
    1.0
    """
    p = probabilities("p", p)
    whole = entr(p).sum()
    rests = sum(entr(_marginal_without(p, (axis,))).sum() for axis in range(p.ndim))
    return float(rests - (p.ndim - 1) * whole)


def _others(p, axis):
    return tuple(other for other in range(p.ndim) if other != axis)


def _marginal_without(p, axes):
    return p.sum(axis=axes) if axes else p
