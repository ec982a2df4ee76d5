r"""What a price needs to be measured: two or nine numbers of the curve, and how many passes.

The price of a schedule, :math:`\sum_t (a_t - 1)\, \hat h_t` (``price_weights``), is linear in the
curve :math:`\hat h_t` of the predictor at hand: the mean of its surprise at a token when ``t``
random others are known. Nothing here asks that the curve falls.
"""

import numpy as np
import numpy.typing as npt
import scipy  # loads its parts when first asked for

from dlm_core._check import choice, frozen, instance, number, real_array, shape, table_fits
from dlm_core._types import FloatArray, IntArray
from dlm_core.error.law import price_weights
from dlm_core.schedules.adaptive import TCAdaptive
from dlm_core.schedules.base import Schedule
from dlm_core.schedules.fixed import Deterministic

__all__ = [
    "paired_passes_for",
    "passes_for",
    "shifted_equal_price",
    "shifted_equal_tail",
    "tc_adaptive_nll",
]

# Levels of less weight than this, beside the largest, carry rounding.
_NO_WEIGHT = 1e-12
_MOST_PASSES = 2**53


def tc_adaptive_nll(length: int, steps: int, *, nelbo: float, first: float) -> float:
    r"""The negative log-likelihood of TC-adaptive sampling, from two numbers of any predictor.

    .. math:: NLL_K = (1 - c)\, NELBO + c\, L\, \hat h_0 , \qquad c = c_{K,L} ,

    where :math:`NELBO = \sum_t \hat h_t` is the bound that masked models report, the mean over
    random orders of the nats that one token at a time costs, and :math:`\hat h_0` the mean nats a
    token with nothing known. The price of the schedule is :math:`NLL_K - NELBO`.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.
    nelbo : float
        Nats a sequence, nonnegative.
    first : float
        Nats a token, nonnegative.

    Returns
    -------
    float
        Nats a sequence: the mean, over sizes, orders and sequences, of minus the log-likelihood.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number or out of range.

    Examples
    --------
    >>> tc_adaptive_nll(256, 256, nelbo=181.7, first=1.386)
    181.7
    >>> round(tc_adaptive_nll(256, 1, nelbo=181.7, first=1.386), 3)
    354.816
    """
    schedule = TCAdaptive(length, steps)
    nelbo, first = number("nelbo", nelbo, 0), number("first", first, 0)
    c = schedule.constant
    return (1 - c) * nelbo + c * schedule.length * first


def shifted_equal_price(length: int, steps: int, *, first: float, tail: float) -> float:
    r"""The price of ``ShiftedEqual`` sizes, from two numbers of any predictor.

    .. math:: price = v\, (\hat h_0 - T) , \qquad v = \sum_{1 \le r < S} \Bigl(1 - \frac rS\Bigr)
              = \frac{S-1}{2} + \frac{f (1-f)}{2 S} , \quad S = \frac{L-1}{K-1} ,

    ``f`` the fraction of ``S``, and ``T`` a mean of the curve over less than ``S`` tokens from its
    end (``shifted_equal_tail``). With ``K = 1``, ``S`` is infinite and ``v`` is ``L - 1``.

    With restarts the price is the sum over the segments, each with its own length, steps, entropy
    where it begins, and tail.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.
    first : float
        :math:`\hat h_0`, nats a token with nothing known, nonnegative.
    tail : float
        :math:`T`, nats a token with nearly all known, nonnegative.

    Returns
    -------
    float
        Nats a sequence beyond one token at a time; negative where the curve rises.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number or out of range.

    Examples
    --------
    >>> round(shifted_equal_price(2000, 1000, first=1.0, tail=0.0), 12)
    0.500750375188
    """
    terms = _tail_terms(length, steps)
    first, tail = number("first", first, 0), number("tail", tail, 0)
    return float(terms.sum()) * (first - tail)


def shifted_equal_tail(length: int, steps: int) -> FloatArray:
    r"""The weights with which ``shifted_equal_price`` takes the end of the curve.

    .. math:: T = \frac 1v \sum_{1 \le r < S} \Bigl(1 - \frac rS\Bigr)\, \hat h_{L-r} .

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    ndarray, shape (length,)
        Entry ``t`` is the weight of :math:`\hat h_t`; nonnegative, with sum one, and zero but for
        the last ``S``. ``EstimatedProfile.estimate`` of it is ``T`` with its standard error.
        Where ``S`` is one and nothing is paid, the last entry has it all.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.

    Examples
    --------
    >>> shifted_equal_tail(9, 3).round(3).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.167, 0.333, 0.5]
    """
    terms = _tail_terms(length, steps)
    length, steps = shape(length, steps)
    weights = np.zeros(length)
    if terms.any():
        weights[1:] = (terms / terms.sum())[::-1]
    else:
        weights[-1] = 1.0
    return frozen(weights)


def _tail_terms(length: int, steps: int) -> FloatArray:
    """``(1 - r/S)_+`` for ``r = 1, ..., L - 1``: the fall of the residual ``r`` before the end."""
    length, steps = shape(length, steps)
    table_fits(f"the tail of length {length}", 32 * length)
    r = np.arange(1, length)
    return np.maximum(length - 1 - (steps - 1) * r, 0) / max(length - 1, 1)


def passes_for(
    schedule: Schedule,
    precision: float,
    standard_deviations: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    what: str = "price",
) -> IntArray:
    r"""How many passes to spend at each level, to know what a schedule costs to a precision.

    A pass at level ``t`` is a fresh sequence with ``t`` random tokens known, and what it yields a
    number whose mean is :math:`\hat h_t` and whose standard deviation is :math:`\sigma_t`, such as
    the mean surprise at the tokens that are not known. The sum :math:`\sum_t w_t \hat h_t` is
    known to :math:`\pm\epsilon`, with normal quantile :math:`z`, from least passes in all if

    .. math:: n_t = \frac{z^2}{\epsilon^2}\, |w_t| \sigma_t \sum_s |w_s| \sigma_s , \qquad
              N = \Bigl( \frac z\epsilon \sum_t |w_t| \sigma_t \Bigr)^2 ,

    here rounded up, to two at least. For the price the weights are :math:`a_t - 1`
    (``price_weights``), for the negative log-likelihood :math:`a_t`.

    Parameters
    ----------
    schedule : Schedule
        The law of the sizes.
    precision : float
        The half-width :math:`\epsilon` of the confidence interval, in nats, positive.
    standard_deviations : array_like, shape (length,)
        :math:`\sigma_t`, nonnegative: from a pilot, where one was measured; of one that is not
        known, take more rather than less. At levels of no weight they do not matter.
    confidence : float
        Of the interval, between 0 and 1.
    what : {"price", "nll"}
        What is to be known.

    Returns
    -------
    ndarray of int64, shape (length,)
        Passes at each level; 0 where the weight is. Their sum is what the measurement costs.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, out of range or of the wrong shape, or more than 2**53
        passes would be needed.

    Examples
    --------
    >>> from dlm_core.schedules import Equal, ShiftedEqual
    >>> for kind in (Equal, ShiftedEqual):
    ...     print(passes_for(kind(256, 32), 0.5, np.full(256, 0.1)).sum())
    30880
    21
    """
    weights = price_weights(schedule)
    if choice("what", what, ["price", "nll"]) == "nll":
        weights = weights + 1
    used = np.abs(weights) > _NO_WEIGHT * np.abs(weights).max()
    deviations = _deviations(standard_deviations, schedule.length)
    return _allocated(
        np.where(used, np.abs(weights) * deviations, 0.0),
        used.astype(np.int64),
        precision,
        confidence,
    )


def paired_passes_for(
    schedule: Schedule,
    precision: float,
    standard_deviations: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> IntArray:
    r"""The same for the price of fixed sizes, with all levels of a block on one sequence.

    A block of ``s`` from ``b`` on costs :math:`\sum_{t=b}^{b+s-1} (\hat h_b - \hat h_t)`. One
    sequence, on which one token after the other becomes known from ``b`` to ``b+s-1``, yields a
    draw of it in ``s`` passes; of the parts that are common to the ``s`` surprises nothing is
    left. Blocks of one cost nothing and need none.

    Parameters
    ----------
    schedule : Schedule
        One with fixed sizes, such as ``Equal``.
    precision : float
        The half-width of the confidence interval, in nats, positive.
    standard_deviations : array_like, shape (steps,)
        Of one such draw for each block, nonnegative.
    confidence : float
        Of the interval, between 0 and 1.

    Returns
    -------
    ndarray of int64, shape (length,)
        Passes at each level, the same at all levels of a block: so many sequences does it take.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, out of range or of the wrong shape, the sizes are
        random, or more than 2**53 passes would be needed.
    """
    instance("schedule", schedule, Schedule)  # type: ignore[type-abstract]
    if not isinstance(schedule, Deterministic):
        raise ValueError(
            f"schedule must have fixed sizes, got {type(schedule).__name__}: blocks of random "
            "sizes have no levels of their own to be paired"
        )
    sizes = schedule.sizes
    deviations = _deviations(standard_deviations, schedule.steps)
    cost = np.where(sizes > 1, sizes, 0)
    draws = _allocated(np.where(cost, deviations, 0.0), cost, precision, confidence)
    return np.repeat(draws, sizes)


def _deviations(value: npt.ArrayLike, size: int) -> FloatArray:
    deviations = real_array("standard_deviations", value, ndim=1)
    if deviations.size != size:
        raise ValueError(f"standard_deviations must have shape ({size},), got {deviations.shape}")
    if deviations.min() < 0:
        raise ValueError(f"standard_deviations must be nonnegative, got {deviations.min()}")
    return deviations


def _allocated(
    deviations: FloatArray, cost: IntArray, precision: float, confidence: float
) -> IntArray:
    """Draws of each of several terms, for their sum at the least cost, 2 or more where it has one.

    With so many, ``n``, the variance of the sum of means is the sum of ``deviations**2 / n``.
    """
    precision, confidence = number("precision", precision), number("confidence", confidence)
    if precision <= 0:
        raise ValueError(f"precision must be positive, got {precision}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    z = float(scipy.special.ndtri((1 + confidence) / 2))
    rates = np.sqrt(np.maximum(cost, 1))
    with np.errstate(over="ignore"):  # too many, and said below
        scaled = deviations / precision * z
        root = float(scaled @ rates)
    if not root * root <= _MOST_PASSES:
        raise ValueError(
            f"precision must be one that 2**53 passes reach, got {precision} where "
            f"{root * root:.3g} are needed"
        )
    draws = np.maximum(np.ceil(scaled / rates * root), 2)
    return np.where(cost > 0, draws, 0).astype(np.int64)
