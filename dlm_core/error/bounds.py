"""Bounds on the minimax constants, from below and from above."""

from collections.abc import Callable
from math import isqrt
from typing import Literal

import numpy as np
import scipy  # loads its parts when first asked for

from dlm_core._check import choice, integer, shape, work_fits
from dlm_core._types import FloatArray
from dlm_core.error.law import expected_kl
from dlm_core.information import InformationProfile
from dlm_core.schedules import OptimalForProfile, measure_weights

__all__ = [
    "both_upper_bound",
    "dtc_lower_bound",
    "dtc_upper_bound",
    "small_alphabet_lower_bound",
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

    return _largest(bound, length, steps, 1.0)


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

    return _largest(bound, length, steps, length - 1.0)


def _largest(
    bound: Callable[[float], float], length: int, steps: int, one_step: float, xatol: float = 1e-8
) -> float:
    """The largest value found of a function of beta; each value is a valid bound, and so is 0.

    With ``xatol``, of the logarithm of beta, as it is the value is off by rounding alone, and by
    none where it would show: above the constant of one step, which is the largest, or of all.
    """
    if steps == length:
        return 0.0
    found = scipy.optimize.minimize_scalar(
        lambda x: -bound(np.exp(x)),
        bounds=(np.log(1e-6), np.log(10 * length)),
        method="bounded",
        options={"xatol": xatol},
    )
    return min(max(float(-found.fun), 0.0), one_step)


def small_alphabet_lower_bound(
    length: int, steps: int, alphabet_size: int, measure: Literal["tc", "dtc"] = "tc"
) -> float:
    r"""A lower bound on the best constant for distributions on few symbols.

    The distributions that make ``Minimax`` unimprovable need alphabets of about ``L`` symbols. With
    ``q`` symbols, let ``X`` be a uniformly random word of a random linear code of dimension
    ``d`` over the field of ``q`` elements. The mean profile over the codes is

    .. math:: h^{(d)}_t / \log q = 1 - \mathbb{E}\, q^{\mathrm{rank}_t - d} ,

    with the rank of a uniformly random ``d`` by ``t`` matrix. Mixed over ``d`` with the weights
    :math:`1/((L-d+\beta)(L-d+\beta+1))`, for DTC :math:`1/((d+\beta)(d+\beta-1))`, it is a profile
    on which no sizes have less error than the best fixed ones, and this error over its TC or DTC
    is the bound. The result is the largest found over :math:`\beta`.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.
    alphabet_size : int
        A prime power ``q``; for others the largest prime power below gives a bound.
    measure : {"tc", "dtc"}
        Total correlation or dual total correlation.

    Returns
    -------
    float
        A lower bound, at least 0, on every ``c`` such that some schedule has
        :math:`\mathbb{E}\,KL \le c\,TC` (or DTC) for all distributions on ``q`` symbols. So it is
        also one on ``Minimax(length, steps, measure).constant``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range, if ``alphabet_size`` is no prime power or
        above 2**32, if ``measure`` is another one, or if ``length`` is above 2**20.

    Notes
    -----
    The curve of a code differs from a step at ``d`` within ``60 / log2(q)`` of it only, but for
    parts below ``2**-60``, which are left out: memory O(L). The time is that of the best sizes for
    about twenty profiles, each O(L log L): 0.2 s at ``L = 2000``.

    Examples
    --------
    >>> round(small_alphabet_lower_bound(100, 20, 2), 4)
    0.0667
    """
    length, steps = shape(length, steps)
    alphabet_size = integer("alphabet_size", alphabet_size, 2, 2**32)
    if not _is_prime_power(alphabet_size):
        raise ValueError(
            f"alphabet_size must be a power of a prime, got {alphabet_size}: linear codes are over "
            "such alphabets; the largest prime power below it gives a bound"
        )
    choice("measure", measure, ("tc", "dtc"))
    if steps == length:
        return 0.0
    aggregate = measure_weights(measure, length)
    work_fits(f"the bound for length {length}", 2**12 * length)
    dimension = np.arange(1, length)
    codes = _MixedCodes(length, alphabet_size)

    def bound(beta: float) -> float:
        x = length - dimension + beta if measure == "tc" else dimension - 1 + beta
        profile = codes.profile(1 / (x * (x + 1)))
        error = expected_kl(OptimalForProfile(profile, steps), profile)
        return float(error / (aggregate @ profile.increments))

    one_step = 1.0 if measure == "tc" else length - 1.0
    # coarse, as the best sizes take their time
    return _largest(bound, length, steps, one_step, xatol=1e-4)


def _is_prime_power(q: int) -> bool:
    prime = next((n for n in range(2, isqrt(q) + 1) if q % n == 0), q)
    while q % prime == 0:
        q //= prime
    return q == 1


class _MixedCodes:
    """Mean profiles of random linear codes, in units of ``log q``, mixed over the dimension.

    A uniformly random ``d`` by ``t`` matrix has rank ``r`` with probability

        q^(-(d-r)(t-r)) f(d) f(t) / (f(d-r) f(t-r) f(r)),   f(n) = prod_{i <= n} (1 - q^-i),

    and the profile at ``t`` is the mean of ``1 - q^(r-d)``: no difference of near numbers. It is
    within ``q^(t-d)`` below 1 for ``t < d`` and at most ``q^(d-t) / (q-1)`` beyond.
    """

    def __init__(self, length: int, alphabet_size: int) -> None:
        self.length = length
        digits = np.log2(alphabet_size)
        # q^-reach is below rounding, and so is the change of f from there on
        self.reach = int(np.ceil(60 / digits))
        rows = min(length, 2 * self.reach)
        f = np.cumprod(np.append(1.0, -np.expm1(-digits * np.log(2) * np.arange(1, length + 1))))

        # entry (t, i) is for the dimension d = t - reach + i
        t = np.arange(rows)[:, np.newaxis]
        d = np.clip(t + np.arange(-self.reach, self.reach + 1), 1, length)
        self.curves = np.zeros(d.shape)
        for defect in range(1 + int(np.ceil(np.sqrt(60 / digits)))):
            r = np.minimum(d, t) - defect
            possible = r >= 0
            r = np.where(possible, r, 0)
            a, b = np.where(possible, d - r, 0), np.where(possible, t - r, 0)
            chance = np.exp2(-digits * a * b) * f[d] * f[t] / (f[a] * f[b] * f[r])
            self.curves -= chance * np.expm1(-digits * np.log(2) * a) * possible

    def profile(self, weights: FloatArray) -> InformationProfile:
        """Return the mixture over the dimensions 1, ..., L-1 with these weights."""
        reach, early = self.reach, self.curves
        # entry i is for the dimension i - reach
        padded = np.pad(weights, (reach + 1, reach))
        h = np.correlate(padded, early[-1], "valid")  # further on, the row repeats
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
        h[: len(early)] = (early * windows[: len(early)]).sum(axis=1)
        # the dimensions above t + reach, whose codes miss nothing at t
        above = np.append(np.cumsum(weights[::-1])[::-1], np.zeros(reach + 1))
        h += above[reach : reach + self.length]
        return InformationProfile(np.minimum.accumulate(h))  # but for rounding, as it is


def tc_upper_bound(length: int, steps: int) -> float:
    r"""An upper bound on the minimax constant for total correlation, in closed form.

    .. math:: c^*_{TC} \le \frac{1}{2(K-1)}\, \psi\Bigl(\frac{K-1}{L-1}\Bigr), \qquad
              \psi(x) = -W_{-1}\bigl(-x\, e^{1/2 - \gamma - x}\bigr) - x ,

    with the lower branch of Lambert's function and Euler's constant :math:`\gamma`; and at most 1.
    It is the root of :math:`2(K-1)\,c = \log(1 + 2c\,(L-1)) + \gamma - 1/2`, so never above
    :math:`(\log(2L-1) + \gamma - 1/2) / (2(K-1))` unless that is above 1.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    float
        At least ``Minimax(length, steps, "tc").constant``; 0 for ``K = L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)
    if steps == length:
        return 0.0
    return min(_root(steps - 1, length - 1) / 2, 1.0)


def dtc_upper_bound(length: int, steps: int) -> float:
    r"""An upper bound on the minimax constant for dual total correlation, in closed form.

    The least of two, and of ``L - 1``. With :math:`\psi` as for ``tc_upper_bound``,
    :math:`c^*_{DTC} \le c' / (1 - 2c')` where
    :math:`c' = \psi\bigl(\frac{K-2}{L-2}\bigr) / (2(K-2)) < 1/2`, which is near for many steps; and
    :math:`c^*_{DTC} \le \varphi((K-1)/\log L)` with :math:`\varphi(a) = a(e^{1/a} - 1) - 1`.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    float
        At least ``Minimax(length, steps, "dtc").constant``; 0 for ``K = L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)
    if steps == length:
        return 0.0
    exponential = _exponential_bound(steps - 1, np.log(length))
    return min(exponential, _from_both_ends(length, steps, 0.5), length - 1.0)


def both_upper_bound(length: int, steps: int) -> float:
    r"""An upper bound on the minimax constant for the smaller of the two correlations.

    The least of two, and of ``L - 1``, for :math:`r_j = \min(j, L-j)`. With :math:`\psi` as for
    ``tc_upper_bound``, :math:`c^* \le 2c' / (1 - 4c')` where
    :math:`c' = \psi\bigl(\frac{K-2}{L-2}\bigr) / (2(K-2)) < 1/4`, which is near for many steps; and
    :math:`c^* \le \varphi((K-2)/(2 \log(L/2)))` with :math:`\varphi(a) = a(e^{1/a} - 1) - 1`.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    float
        At least ``Minimax(length, steps, "min").constant``; 0 for ``K = L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """
    length, steps = shape(length, steps)
    if steps == length:
        return 0.0
    exponential = _exponential_bound(steps - 2, 2 * np.log(length / 2))
    return min(exponential, _from_both_ends(length, steps, 1.0), length - 1.0)


def _root(starts: int, positions: int) -> float:
    """Solve starts c = log(1 + positions c) + gamma - 1/2: psi(x) / starts, x = starts / positions.

    Infinite without starts. For x in (0, 1] the argument of W stays off its branch point.
    """
    if starts == 0:
        return np.inf
    x = starts / positions
    argument = -x * np.exp(0.5 - np.euler_gamma - x)
    return float(-scipy.special.lambertw(argument, -1).real - x) / starts


def _from_both_ends(length: int, steps: int, share: float) -> float:
    """c' / (1 - 2c'), c' = share * psi(x) / (K-2), x = (K-2) / (L-2); infinite from c' = 1/2 on."""
    pace = share * _root(steps - 2, length - 2) if steps > 2 else np.inf
    return pace / (1 - 2 * pace) if pace < 0.5 else np.inf


def _exponential_bound(steps: int, log: float) -> float:
    """phi(steps / log); infinite without steps."""
    if steps <= 0:
        return np.inf
    a = steps / log
    with np.errstate(over="ignore"):
        return float(a * np.expm1(1 / a) - 1)
