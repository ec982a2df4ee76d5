"""Schedules of others in the units of this book: their sizes, or the exact residuals of their laws.

They are here to be compared, not to be used: the package has better ones for each promise.
"""

from itertools import pairwise

import numpy as np
from scipy.special import bdtrc, betainc, betaln, digamma

from dlm_core._check import instance, integer, number, real_array, shape, work_fits
from dlm_core.information import InformationProfile
from dlm_core.schedules import FixedSizes, measure_weights

__all__ = [
    "ancestral_residual",
    "chen_cong_li",
    "chen_cong_li_sizes",
    "coefficient",
    "coin_residual",
    "effective_weights",
    "growth_density",
    "growth_gain",
    "one_block",
    "one_block_sizes",
    "one_block_times",
]


def coefficient(residual, measure):
    r"""What expected residuals promise: the least ``c`` with :math:`E[W_j] \le c\, r_j`.

    Parameters
    ----------
    residual : array_like, shape (length - 1,)
        Entry ``j - 1`` is :math:`E[W_j]`.
    measure : str or array_like, shape (length - 1,)
        As in ``dlm_core.measure_weights``.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If the residuals are no array of numbers, or the measure does not fit them.
    """
    residual = real_array("residual", residual, ndim=1)
    return float((residual / measure_weights(measure, residual.size + 1)).max(initial=0.0))


def chen_cong_li_sizes(length, zeta):
    r"""The fixed sizes of Chen, Cong and Li (COLT 2026, Theorem 9) for TC.

    Of ``l`` tokens that are left, :math:`\max(1, \lfloor l/\zeta \rfloor)` are revealed. Their
    sizes for DTC are these, read backwards.

    Parameters
    ----------
    length : int
        ``L >= 1``.
    zeta : int
        At least 1; theirs is :math:`1 + \lceil TC/\varepsilon \rceil` for an error
        :math:`\varepsilon`.

    Returns
    -------
    FixedSizes
        With at most :math:`\zeta (1 + \log L)` steps (theirs: 2 more).

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    left, zeta = integer("length", length, 1), integer("zeta", zeta, 1)
    work_fits(f"sizes of length {left}", left)
    sizes = []
    while left:
        sizes.append(max(1, left // zeta))
        left -= sizes[-1]
    return FixedSizes(sizes)


def chen_cong_li(length, steps):
    """Their sizes at a fixed number of steps: the largest ``zeta`` that needs no more.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    schedule : FixedSizes
        With at most ``steps`` steps.
    zeta : int
        At most ``length``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)
    least, most = 1, length
    while least < most:  # the number of steps does not fall in zeta
        middle = (least + most + 1) // 2
        if chen_cong_li_sizes(length, middle).steps <= steps:
            least = middle
        else:
            most = middle - 1
    return chen_cong_li_sizes(length, least), least


def one_block_sizes(length, growth):
    r"""The fixed sizes of Wainwright (arXiv 2608.13520, section 3.3) with one multiplier.

    The first and the last token are alone. Between them a block that starts at ``a`` reaches to
    the largest ``b`` at which the odds :math:`b/(L-b)` are at most :math:`1 + \kappa` times those
    at ``a + 1``.

    Parameters
    ----------
    length : int
        ``L >= 2``.
    growth : float
        :math:`\kappa \ge 0`, his rho. By his Theorem 1 the error is at most :math:`\kappa` times
        :math:`\sum_j j(L-j) \Delta_j / L`.

    Returns
    -------
    FixedSizes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.
    """
    length = integer("length", length, 2)
    growth = number("growth", growth, at_least=0.0)
    work_fits(f"sizes of length {length}", length)
    boundaries = [0, 1]
    while boundaries[-1] < length - 1:
        first = boundaries[-1] + 1
        reach = int(length * first * (1 + growth) / (length + growth * first))
        boundaries.append(min(max(first, reach), length - 1))
    return FixedSizes(np.diff([*boundaries, length]))


def one_block(length, steps):
    """His sizes at a fixed number of steps: the least multiplier that needs no more.

    Parameters
    ----------
    length, steps : int
        ``L >= 3`` and ``3 <= K <= L``.

    Returns
    -------
    schedule : FixedSizes
        With at most ``steps`` steps.
    growth : float
        The multiplier less one, to the last digits of a float.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length = integer("length", length, 3)
    steps = integer("steps", steps, 3, length)
    # a ratio of odds is at most that of the last token but one to the second, which needs 3 steps
    low, high = 0.0, float(length) ** 2
    if steps == length:
        high = low
    while low < (middle := (low + high) / 2) < high:
        if one_block_sizes(length, middle).steps <= steps:
            high = middle
        else:
            low = middle
    return one_block_sizes(length, high), high


def coin_residual(length, times):
    r"""Expected residuals when every token has its own coin in each step, exactly.

    Each token has a uniform time in [0, 1]. Tokens whose times share an interval of the grid are
    revealed together, those before the first and after the last point of the grid one at a time.
    In other words, a masked token is revealed between the times ``s < t`` with probability
    ``(t - s) / (1 - s)``, independently of the others; a step may be empty.

    Parameters
    ----------
    length : int
        ``L >= 1``.
    times : array_like, shape (N + 1,)
        The grid: increasing, in [0, 1], two points at least.

    Returns
    -------
    ndarray, shape (length - 1,)
        Entry ``j - 1`` is :math:`E[W_j]`: with :math:`G_j(t)` the probability that a binomial of
        ``L - 1`` trials with chance ``t`` is at least ``j``,

        .. math:: L \sum_i \int_{t_i}^{t_{i+1}} (G_j(t) - G_j(t_i))\, dt .

        Cost O(NL).

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.
    """
    length = integer("length", length, 1)
    times = real_array("times", times, ndim=1)
    if times.size < 2 or times[0] < 0 or times[-1] > 1 or (np.diff(times) <= 0).any():
        raise ValueError(f"times must be two or more that increase within [0, 1], got {times}")
    work_fits(f"residuals of length {length} on {times.size} times", length * times.size)
    j = np.arange(1, length)

    def at_least_j(t):
        return bdtrc(j - 1, length - 1, t)

    def integral(t):  # of G_j from 0 to t: the mean of (B - j)_+ / L for B of L trials
        return t * at_least_j(t) - j / length * bdtrc(j, length, t)

    residual = integral(times[-1]) - integral(times[0])
    for start, end in pairwise(times):
        residual -= (end - start) * at_least_j(start)
    return length * np.maximum(residual, 0.0)


def ancestral_residual(length, steps):
    """Expected residuals of the ancestral sampler of MDLM with a linear schedule of noise.

    Parameters
    ----------
    length, steps : int
        ``L >= 1``, and the number of equal intervals of time, that is of calls, some of which
        reveal nothing: at least 1.

    Returns
    -------
    ndarray, shape (length - 1,)
        As ``coin_residual``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    return coin_residual(length, np.linspace(0.0, 1.0, integer("steps", steps, 1) + 1))


def one_block_times(length, steps):
    """The grid of times of Wainwright's coins with one multiplier.

    Parameters
    ----------
    length, steps : int
        ``L >= 3``, and the mean number of calls, at least 3: one token on average lies before the
        grid and one after it.

    Returns
    -------
    ndarray, shape (steps - 1,)
        From ``1 / L`` to ``1 - 1 / L``, in equal steps of the logarithm of the odds.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = integer("length", length, 3), integer("steps", steps, 3)
    end = np.log(length - 1)
    return 1 / (1 + np.exp(-np.linspace(-end, end, steps - 1)))


def effective_weights(length):
    r"""Weights of the effective total correlation of Dmitriev, Huang and Wei (COLT 2026).

    In the form that Wainwright gives it (arXiv 2608.13520, Appendix A) it is
    :math:`\int_0^1 t \min(1, \log\frac1t)\, h'(t)\, dt`, where ``h`` is his gain, whose
    derivative is :math:`L \sum_j \Delta_j` times the density of Beta(j, L - j).

    Parameters
    ----------
    length : int
        ``L >= 1``.

    Returns
    -------
    ndarray, shape (length - 1,)
        Entry ``j - 1`` is :math:`r_j` of :math:`\sum_j r_j \Delta_j`: ``L`` times the mean of
        :math:`T \min(1, \log\frac1T)`. Cost O(L^2).

    Raises
    ------
    TypeError, ValueError
        If ``length`` is no integer or out of range.
    """
    length = integer("length", length, 1)
    work_fits(f"effective weights of length {length}", length * length)
    j = np.arange(1, length)
    # E[T (log(1/T) - 1)_+] is the integral over s < 1/e of E[T; T < s] / s, a polynomial of
    # degree L - 1, on which Gauss's rule is exact
    nodes, weights = np.polynomial.legendre.leggauss(length // 2 + 1)
    s = (nodes + 1) / (2 * np.e)
    early = betainc(j[:, np.newaxis] + 1, length - j[:, np.newaxis], s) / s
    return j * (digamma(length + 1) - digamma(j + 1) - early @ weights / (2 * np.e))


def growth_density(profile, log_odds):
    r"""Wainwright's density of unmasking growth over the logarithm of the odds of being revealed.

    His (4): :math:`r^2 (1-r)^2 h'(r)` at the chance ``r`` whose odds are given, with
    :math:`h'(r) = L \sum_j \Delta_j` times the density of Beta(j, L - j) at ``r``.

    Parameters
    ----------
    profile : InformationProfile
        The distribution, of length two or more.
    log_odds : array_like, shape (n,)
        Logarithms of the odds ``r / (1 - r)``.

    Returns
    -------
    ndarray, shape (n,)
        In nats. Cost O(nL).

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, or the profile of length 1.
    """
    length = instance("profile", profile, InformationProfile).length
    if length < 2:
        raise ValueError(f"profile must have length 2 or more, got {length}")
    log_odds = real_array("log_odds", log_odds, ndim=1)
    work_fits(f"a density of length {length} at {log_odds.size} odds", length * log_odds.size)
    j = np.arange(1, length)
    reveal, keep = -np.logaddexp(0, -log_odds), -np.logaddexp(0, log_odds)
    powers = np.outer(reveal, j + 1) + np.outer(keep, length - j + 1) - betaln(j, length - j)
    return length * np.exp(powers) @ profile.increments


def growth_gain(profile, points=4001):
    """What his geometry gains at most over one multiplier: his ratio (6).

    Parameters
    ----------
    profile : InformationProfile
        The distribution, of length three or more.
    points : int
        Points of the trapezoidal rule, at least 2.

    Returns
    -------
    float
        At least 1, and 1 for a density that is constant between the odds ``1 / (L - 1)`` and
        ``L - 1``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, or nothing depends on anything.
    """
    length = instance("profile", profile, InformationProfile).length
    if length < 3:
        raise ValueError(f"profile must have length 3 or more, got {length}")
    end = np.log(length - 1)
    log_odds = np.linspace(-end, end, integer("points", points, 2))
    density = growth_density(profile, log_odds)
    if not density.any():
        raise ValueError("profile must have a positive increment, got none")
    root = np.trapezoid(np.sqrt(density), log_odds)
    return float(2 * end * np.trapezoid(density, log_odds) / root**2)
