"""Entropy, total correlation and dual total correlation of tables, supports and samples.

A distribution is given in one of two ways, and either way the value is exact:

- a dense table ``p`` with one axis per position, ``p[x_1, ..., x_L]`` the probability of the
  sequence: the cost is that of the table;
- ``support``, one sequence a row, and their ``probabilities``: the cost is that of the rows, and
  the table of all sequences is never made.

From samples alone the two correlations are estimated, with a standard error.
"""

import warnings
from math import log, prod, sqrt

import numpy as np
from scipy.special import digamma

from dlm_core._validation import choice, on_host, sparse_law, symbol_rows
from dlm_core._validation import probabilities as probability_table
from dlm_core.estimate import Estimate

__all__ = [
    "dual_total_correlation",
    "entropy",
    "estimate_dual_total_correlation",
    "estimate_total_correlation",
    "total_correlation",
]

_NATS_PER = {"nats": 1.0, "bits": log(2)}
_SMALLEST = np.finfo(np.float64).tiny
# Entropies that should cancel leave no more than this, in nats.
_ROUNDING = 1e-12

# The intervals were measured down to 50 samples; far below, the normal law is no guide.
_FEWEST_SAMPLES = 20
# An alphabet is undersampled if this much of its probability was not seen, counted as often as its
# entropy, or if the result hangs on a guess at the unseen; a warning is due where it begins to.
_MOST_UNSEEN = 0.5
_MOST_UNSEEN_ERRORS = 4
_UNSEEN_WITHOUT_WARNING = 0.1


def entropy(p=None, *, support=None, probabilities=None, unit="nats"):
    r"""Shannon entropy :math:`H(X) = -\sum_x p(x) \log p(x)`.

    Parameters
    ----------
    p : array_like, optional
        Joint table of any shape: nonnegative, sums to one within 1e-9.
    support : array_like of int, shape (N, L), optional
        In place of ``p``: the distinct sequences, one a row, of symbols >= 0.
    probabilities : array_like, shape (N,), optional
        Those of the rows of ``support``; uniform if not given.
    unit : {"nats", "bits"}
        Unit of the result.

    Returns
    -------
    float
        The entropy.

    Raises
    ------
    TypeError, ValueError
        If the distribution is given twice or not at all, or is none.

    Examples
    --------
    >>> round(entropy([0.5, 0.5]), 6)
    0.693147
    >>> entropy(support=[[0, 0], [0, 1], [1, 0], [1, 1]], unit="bits")
    2.0
    """
    scale = _nats_per(unit)
    return _distribution(p, support, probabilities).entropy() / scale


def total_correlation(p=None, *, support=None, probabilities=None, unit="nats"):
    r"""Total correlation :math:`TC(X) = \sum_i H(X_i) - H(X)` (Watanabe 1960).

    It is the divergence of ``p`` from the product of its marginals: what is lost when all
    positions are revealed at once. Cost: two passes over a table; :math:`O(NL)` for a support.

    Parameters
    ----------
    p : array_like, optional
        Joint table with one axis per position.
    support, probabilities, unit
        As for `entropy`.

    Returns
    -------
    float
        The total correlation, nonnegative up to rounding.

    Raises
    ------
    TypeError, ValueError
        If the distribution is given twice or not at all, or is none.

    Examples
    --------
    >>> round(total_correlation([[0.5, 0], [0, 0.5]]), 6)
    0.693147
    """
    scale = _nats_per(unit)
    joint = _distribution(p, support, probabilities)
    return (joint.sum_of_single_entropies() - joint.entropy()) / scale


def dual_total_correlation(p=None, *, support=None, probabilities=None, unit="nats"):
    r"""Dual total correlation :math:`DTC(X) = H(X) - \sum_i H(X_i \mid X_{-i})` (Han 1978).

    The part of the entropy that is shared: what remains when the randomness that is private to
    one position is taken away. Cost: ``L`` passes over a table; :math:`O(L N \log N)` for a
    support.

    Parameters
    ----------
    p : array_like, optional
        Joint table with one axis per position.
    support, probabilities, unit
        As for `entropy`.

    Returns
    -------
    float
        The dual total correlation, nonnegative up to rounding.

    Raises
    ------
    TypeError, ValueError
        If the distribution is given twice or not at all, or is none.

    Examples
    --------
    A bit written 256 times is one bit of shared randomness:

    >>> round(dual_total_correlation(support=[[0] * 256, [1] * 256], unit="bits"), 6)
    1.0
    """
    scale = _nats_per(unit)
    joint = _distribution(p, support, probabilities)
    return (joint.sum_of_rest_entropies() - (joint.length - 1) * joint.entropy()) / scale


def estimate_total_correlation(samples, *, unit="nats"):
    r"""Total correlation of the distribution that ``samples`` were drawn from.

    Each entropy is estimated by the method of Chao, Wang and Jost (Methods in Ecology and
    Evolution 4:1091, 2013), which corrects for the sequences that were not seen; the standard
    error is that of the jackknife. On the targets of the book's experiment ``coverage``, where it
    comes without a warning, the interval of 1.96 standard errors holds the truth in 90 to 98 % of
    repetitions, from 1,000 samples on in 94 to 97 %. Where the error is of second order, as at
    independence or for a fair repeated symbol, it is no longer normal and the interval is too
    wide: it then holds the truth in 98 to 100 %. The estimate is not cut at zero, or it would be
    biased there.

    Parameters
    ----------
    samples : array_like of int, shape (n, L)
        Independent samples, one a row, ``n >= 20``, of symbols >= 0. Bin real numbers first.
    unit : {"nats", "bits"}
        Unit of the value and of its standard error.

    Returns
    -------
    Estimate
        Cost :math:`O(n L)`.

    Raises
    ------
    TypeError
        If the symbols are no integers.
    ValueError
        If there are fewer than 20 samples, or if the joint alphabet (or that of a position) is
        undersampled. The share of samples that are the only ones of their kind estimates the
        probability of all that was not seen (Good 1953); times the weight of the entropy in the
        sum it may be at most 0.5. Nor may what is put down to the unseen change the result by
        more than 4 standard errors.

    Warns
    -----
    UserWarning
        If the share times the weight is above 0.1.

    Examples
    --------
    >>> bits = np.random.default_rng(0).integers(0, 2, size=(1000, 1))
    >>> print(estimate_total_correlation(np.repeat(bits, 3, axis=1), unit="bits"))
    1.99354 ± 0.0068 (n = 1,000)
    """
    scale = _nats_per(unit)
    columns = _sampled_columns(samples)
    names = [f"the alphabet of position {i}" for i in range(len(columns))]
    singles = [(1, column, name) for column, name in zip(columns, names, strict=True)]
    return _estimate([*singles, (-1, joint_labels(columns), "the joint alphabet")], scale)


def estimate_dual_total_correlation(samples, *, unit="nats"):
    r"""Dual total correlation of the distribution that ``samples`` were drawn from.

    As `estimate_total_correlation`, from the entropies of all positions but one and, ``L - 1``
    times, the joint one: it needs about ``L`` times as many samples. The interval can be too
    narrow without a warning: for 500 samples of four bits, six of whose words have probability
    0.0004 each, it held the truth in two thirds of the repetitions.

    Parameters
    ----------
    samples : array_like of int, shape (n, L)
        Independent samples, one a row, ``n >= 20``, of symbols >= 0. Bin real numbers first.
    unit : {"nats", "bits"}
        Unit of the value and of its standard error.

    Returns
    -------
    Estimate
        Cost :math:`O(L n \log n)`.

    Raises
    ------
    TypeError, ValueError
        As `estimate_total_correlation`.

    Warns
    -----
    UserWarning
        As `estimate_total_correlation`.

    Examples
    --------
    >>> bits = np.random.default_rng(0).integers(0, 2, size=(1000, 1))
    >>> print(estimate_dual_total_correlation(np.repeat(bits, 3, axis=1), unit="bits"))
    0.996768 ± 0.0034 (n = 1,000)
    """
    scale = _nats_per(unit)
    columns = _sampled_columns(samples)
    names = [f"the alphabet of all positions but {i}" for i in range(len(columns))]
    rests = [(1, rest, name) for rest, name in zip(rest_labels(columns), names, strict=True)]
    # First, so that it is the one named where it is undersampled: the others are then as well.
    joint = (1 - len(columns), joint_labels(columns), "the joint alphabet")
    return _estimate([joint, *rests], scale)


def entropy_terms(masses):
    r""":math:`-m \log m` of every entry, in nats, 0 for 0.

    Three times as fast as ``scipy.special.entr``, and as exact: a mass below 1e-308, zero among
    them, is off by less than 1e-305.
    """
    terms = np.maximum(masses, _SMALLEST)
    np.log(terms, out=terms)
    terms *= masses
    return np.negative(terms, out=terms)


def entropy_of(masses):
    """The sum of `entropy_terms`, a float in nats."""
    return float(entropy_terms(masses).sum())


def refine(labels, symbols):
    """Split groups of rows by one more position.

    Parameters
    ----------
    labels, symbols : ndarray of int, shape (N,)
        The group of each row, and its symbol at the position: both numbered from 0 without gaps.

    Returns
    -------
    ndarray of int, shape (N,)
        The new groups, numbered from 0 without gaps: two rows share one if and only if they
        shared one before and have the same symbol. No hashing, so no collisions. Cost O(N), or
        O(N log N) where the products of group and symbol are spread too thin for a table.
    """
    groups = int(labels.max()) + 1
    if groups == labels.size:
        return labels
    alphabet = int(symbols.max()) + 1
    return _numbered(labels * alphabet + symbols, groups * alphabet)


def _numbered(keys, bound):
    if bound > 8 * keys.size:
        return np.unique(keys, return_inverse=True)[1]
    present = np.zeros(bound, dtype=np.int64)
    present[keys] = 1
    return (np.cumsum(present) - 1)[keys]


def columns_of(rows):
    """The positions of (N, L) rows, each a vector (N,) of symbols numbered from 0 without gaps."""
    return [_numbered(column, int(column.max()) + 1) for column in rows.T]


def rest_labels(columns):
    """For each position, the groups of the rows that agree at all the others.

    What comes before a position and what comes after are numbered in one pass each: ``3 L``
    refinements of ``N`` rows in all, and ``L N`` integers of memory.
    """
    nothing = np.zeros_like(columns[0])
    afters = [nothing]
    for column in columns[:0:-1]:
        afters.append(refine(afters[-1], column))
    before = nothing
    for column in columns:
        yield refine(before, afters.pop())
        before = refine(before, column)


def joint_labels(columns):
    """The groups of the rows that agree everywhere."""
    labels = np.zeros_like(columns[0])
    for column in columns:
        labels = refine(labels, column)
    return labels


def _unseen_entropy(n, once, twice):
    r"""Entropy hidden in what ``n`` samples have not shown, in nats.

    From the numbers of groups that were met once and twice (Chao, Wang and Jost 2013):

    .. math:: \frac{f_1}{n} \sum_{k \ge 1} \frac{(1-A)^k}{k + n - 1}, \qquad
              A = \frac{2 f_2}{(n-1) f_1 + 2 f_2},

    and :math:`A = 2 / ((n-1)(f_1-1) + 2)` where :math:`f_2 = 0`.
    """
    if once == 0:
        return 0.0
    if twice > 0:
        chance = 2 * twice / ((n - 1) * once + 2 * twice)
    else:
        chance = 2 / ((n - 1) * (once - 1) + 2)
    if chance == 1:
        return 0.0
    # The series has 1/chance terms; the same sum as the integral of e^{-ns} over a geometric
    # series in e^{-s} takes 300 points on a logarithmic scale, to nine digits.
    y = np.linspace(log(1e-15 * min(chance, 1 / n)), log(40 / n), 300)
    s = np.exp(y)
    integrand = s * (1 - chance) * np.exp(-n * s) / (chance - (1 - chance) * np.expm1(-s))
    return once / n * float(np.trapezoid(integrand, y))


def _sampled_entropy(counts):
    r"""Entropy of a grouping of samples, and what it would be without one of them.

    The estimator of Chao, Wang and Jost (2013): the part that is unbiased for all but the
    unseen, :math:`\sum_g \frac{c_g}{n} (\psi(n) - \psi(c_g))`, plus `_unseen_entropy`.

    Parameters
    ----------
    counts : ndarray of int, shape (m,)
        The number of samples in each group, all positive.

    Returns
    -------
    value, unseen : float
        The entropy, and the part of it that was not seen.
    without : ndarray, shape (m,)
        The entropy without one sample of the group.
    """
    n = int(counts.sum())
    digammas = digamma(counts)
    total = counts @ digammas
    once, twice, thrice = (int((counts == times).sum()) for times in (1, 2, 3))
    unseen = _unseen_entropy(n, once, twice)

    unseen_without = np.full(counts.size, _unseen_entropy(n - 1, once, twice))
    for times, met, change in [(1, once, (-1, 0)), (2, twice, (1, -1)), (3, thrice, (0, 1))]:
        if met:
            changed = _unseen_entropy(n - 1, once + change[0], twice + change[1])
            unseen_without[counts == times] = changed
    # (c-1) psi(c-1) = c psi(c) - psi(c) - 1, and nothing is left of a group of one.
    total_without = total - digammas - (counts > 1)
    without = digamma(n - 1) - total_without / (n - 1) + unseen_without
    return digamma(n) - total / n + unseen, unseen, without


def _estimate(terms, scale):
    r"""Estimate of :math:`\sum_k a_k H_k` in units of ``scale`` nats.

    A term is :math:`a_k`, the grouping of the samples that has the entropy :math:`H_k`, its name.
    The standard error is that of the delete-one jackknife (Efron and Stein 1981), or the least
    that the curvature allows if that is more: where the first-order influence of every sample
    vanishes, as at independence, the error is a quadratic form of trace :math:`b/2n` and rank
    below ``m``, so its variance is at least :math:`b^2 / (2 n^2 (m-1))`. Here ``m`` counts the
    groups of the finest term and :math:`b = \sum_k a_k (m_k - 1)`.
    """
    n = terms[0][1].size
    value, guessed, without, trace, finest = 0.0, 0.0, np.zeros(n), 0.0, 1
    hidden = []
    for weight, labels, name in terms:
        counts = np.bincount(labels)
        once = int((counts == 1).sum())
        hidden.append((abs(weight) * once / n, name))
        if hidden[-1][0] > _MOST_UNSEEN:
            raise ValueError(
                f"samples are too few: {name} is undersampled, {once} of {n} samples are the only "
                f"ones of their kind and its entropy has weight {abs(weight)} (their share times "
                f"the weight may be at most {_MOST_UNSEEN})"
            )
        whole, unseen, rest = _sampled_entropy(counts)
        value += weight * whole
        guessed += weight * unseen
        without += weight * rest[labels]
        trace += weight * (counts.size - 1)
        finest = max(finest, counts.size)
    jackknife = (n - 1) * without.var()
    curvature = trace**2 / (2 * n**2 * max(finest - 1, 1))
    error = sqrt(max(jackknife, curvature))

    unseen_weight, name = max(hidden)
    if abs(guessed) > _MOST_UNSEEN_ERRORS * error + _ROUNDING:
        raise ValueError(
            f"samples are too few: {name} is undersampled, what {n} samples do not show is guessed "
            f"to change the result by {guessed / scale:.2g}, more than {_MOST_UNSEEN_ERRORS} "
            f"standard errors of {error / scale:.2g}"
        )
    if unseen_weight > _UNSEEN_WITHOUT_WARNING:
        warnings.warn(
            f"{name} is undersampled: the share of samples that are the only ones of their kind, "
            f"times the weight of its entropy, is {unseen_weight:.2g} (above "
            f"{_UNSEEN_WITHOUT_WARNING}); the standard error may be too small",
            stacklevel=3,
        )
    return Estimate(value / scale, error / scale, n)


def _sampled_columns(samples):
    samples = symbol_rows("samples", samples)
    if len(samples) < _FEWEST_SAMPLES:
        raise ValueError(
            f"samples must have at least {_FEWEST_SAMPLES} rows for a standard error, "
            f"got {len(samples)}"
        )
    return columns_of(samples)


class _Table:
    """A distribution given as a dense table."""

    def __init__(self, p):
        self.p = probability_table("p", on_host(p))
        self.length = self.p.ndim

    def entropy(self):
        return entropy_of(self.p)

    def sum_of_single_entropies(self):
        return entropy_of(np.concatenate(_single_marginals(self.p)))

    def sum_of_rest_entropies(self):
        return sum(entropy_of(rest) for rest in _rest_marginals(self.p))


def _single_marginals(p):
    """The marginal of each axis, by halving: the passes get shorter and cost two in all."""
    if p.ndim == 1:
        return [p]
    half = p.ndim // 2
    folded = _folded(p, half)
    left = folded.sum(axis=1).reshape(p.shape[:half])
    right = folded.sum(axis=0).reshape(p.shape[half:])
    return _single_marginals(left) + _single_marginals(right)


def _rest_marginals(p):
    """The marginal of all axes but one, for each, its axes in any order."""
    half = p.ndim // 2
    # numpy adds long rows fast and short ones slowly: turn the table to sum over its last axes.
    turned = np.ascontiguousarray(_folded(p, half).T).reshape(p.shape[half:] + p.shape[:half])
    yield from (p.sum(axis, keepdims=True) for axis in range(half))
    yield from (turned.sum(axis, keepdims=True) for axis in range(p.ndim - half))


def _folded(p, half):
    return p.reshape(prod(p.shape[:half]), -1)


class _Support:
    """A distribution given by its support."""

    def __init__(self, support, masses):
        rows, self.masses = sparse_law(support, masses)
        self.columns = columns_of(rows)
        self.length = len(self.columns)

    def entropy(self):
        return entropy_of(self.masses)

    def sum_of_single_entropies(self):
        return sum(map(self._entropy_of_groups, self.columns))

    def sum_of_rest_entropies(self):
        return sum(map(self._entropy_of_groups, rest_labels(self.columns)))

    def _entropy_of_groups(self, labels):
        return entropy_of(np.bincount(labels, weights=self.masses))


def _distribution(p, support, masses):
    if (p is None) == (support is None):
        raise ValueError(
            "give either the table p or its support, got "
            + ("neither" if p is None else "both of them")
        )
    if support is not None:
        return _Support(support, masses)
    if masses is not None:
        raise ValueError("probabilities must come with support, got them with the table p")
    return _Table(p)


def _nats_per(unit):
    return _NATS_PER[choice("unit", unit, tuple(_NATS_PER))]
