"""Bounds in closed form on the minimax constants, from below and from above."""

from collections.abc import Callable

import numpy as np
import scipy  # loads its parts when first asked for

from dlm_core._check import shape

__all__ = [
    "both_upper_bound",
    "dtc_lower_bound",
    "dtc_upper_bound",
    "tc_lower_bound",
    "tc_upper_bound",
]


def tc_lower_bound(length: int, steps: int) -> float:
    r"""A lower bound on the minimax constant for total correlation.

    For every :math:`\beta > 0`, with :math:`h = \sum_{m=1}^L 1/(m+\beta)`,

    .. math:: c^*_{TC} \ge \frac{h - K\bigl(1 - (\tfrac{\beta}{L+\beta})^{1/K}\bigr)}
              {h - \tfrac{L}{L+\beta}} ,

    by linear programming duality: no sizes have less error on the profile
    :math:`h_{L-m} = const - 1/(m+\beta)`. The result is the largest found over :math:`\beta`.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    float
        A lower bound on ``Minimax(length, steps, "tc").constant``, at least 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)

    def bound(beta: float) -> float:
        harmonic = scipy.special.digamma(length + 1 + beta) - scipy.special.digamma(1 + beta)
        blocks = -steps * np.expm1(-np.log1p(length / beta) / steps)
        return (harmonic - blocks) / (harmonic - length / (length + beta))

    return _largest(bound, length)


def dtc_lower_bound(length: int, steps: int) -> float:
    r"""A lower bound on the minimax constant for dual total correlation, in closed form.

    For every :math:`\beta > 0`, with :math:`g = \sum_{m=0}^{L-1} 1/(m+\beta)`,

    .. math:: c^*_{DTC} \ge \frac{K\bigl((\tfrac{L+\beta}{\beta})^{1/K} - 1\bigr) - g}
              {g - \tfrac{L}{L-1+\beta}} ,

    as no sizes have less error on the profile :math:`h_j = 1/(j+\beta)`. The result is the largest
    found over :math:`\beta`.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    float
        A lower bound on ``Minimax(length, steps, "dtc").constant``, at least 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)

    def bound(beta: float) -> float:
        harmonic = scipy.special.digamma(length + beta) - scipy.special.digamma(beta)
        blocks = steps * np.expm1(np.log1p(length / beta) / steps)
        return (blocks - harmonic) / (harmonic - length / (length - 1 + beta))

    return _largest(bound, length)


def _largest(bound: Callable[[float], float], length: int) -> float:
    """The largest value found of a function of beta; each value is a valid bound, and so is 0."""

    if length == 1:
        return 0.0
    found = scipy.optimize.minimize_scalar(
        lambda x: -bound(np.exp(x)),
        bounds=(np.log(1e-6), np.log(10 * length)),
        method="bounded",
        options={"xatol": 1e-8},  # the value is then off by rounding alone
    )
    return max(float(-found.fun), 0.0)


def tc_upper_bound(length: int, steps: int) -> float:
    r"""An upper bound on the minimax constant for total correlation.

    :math:`c^*_{TC} \le (\log(2L-1) + \gamma - 1/2) / (2(K-1))`, with Euler's
    constant :math:`\gamma`, and at most 1.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)
    if steps == 1:
        return 1.0
    return float(min((np.log(2 * length - 1) + np.euler_gamma - 0.5) / (2 * (steps - 1)), 1.0))


def dtc_upper_bound(length: int, steps: int) -> float:
    r"""An upper bound on the minimax constant for dual total correlation.

    :math:`c^*_{DTC} \le \varphi((K-1)/\log L)` with :math:`\varphi(a) = a(e^{1/a} - 1) - 1`, and
    at most ``L - 1``.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)
    return _exponential_bound(steps - 1, np.log(length), length)


def both_upper_bound(length: int, steps: int) -> float:
    r"""An upper bound on the minimax constant for the smaller of the two correlations.

    :math:`c^* \le \varphi((K-2)/(2 \log(L/2)))` for :math:`r_j = \min(j, L-j)`, with
    :math:`\varphi(a) = a(e^{1/a} - 1) - 1`, and at most ``L - 1``.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)
    return _exponential_bound(steps - 2, 2 * np.log(length / 2), length)


def _exponential_bound(steps: int, log: float, length: int) -> float:
    """phi(steps / log), but at most ``length - 1``, which one step attains."""
    if steps <= 0 or log <= 0:
        return length - 1.0
    a = steps / log
    with np.errstate(over="ignore"):
        return float(min(a * np.expm1(1 / a) - 1, length - 1))
