"""The information profile: all that the error of a schedule needs to know of a distribution."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from math import log

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.stats import hypergeom

from dlm_core._check import (
    frozen,
    instance,
    integer,
    number,
    numpy_generator,
    probabilities,
    real_array,
    sparse_law,
)
from dlm_core.information._entropies import (
    columns_of,
    entropy_of,
    refine,
    rest_labels,
)
from dlm_core.information._entropies import (
    curve as _curve,
)
from dlm_core.information._entropies import (
    entropies_of_groups as _entropies_of_groups,
)
from dlm_core.information._entropies import (
    entropies_of_marginals as _entropies_of_marginals,
)
from dlm_core.information.estimate import Estimate

__all__ = ["EstimatedProfile", "InformationProfile"]

# Enumerating the subsets of a support visits 2^L N pairs of subset and row, about 1e8 a second.
_MOST_SUBSET_ROWS = 2**28
# Entropies that come from sums of many terms carry rounding of this relative size; a curve that
# rises by more is not the entropy curve of any distribution.
_ROUNDING = 1e-11
# A variance whose terms cancel to this share of their size is rounding: the value is exact.
_CANCELLED = 1e-14


@dataclass(frozen=True, eq=False)
class InformationProfile:
    r"""The mean conditional entropies of a distribution on sequences of length ``L``.

    With :math:`H_t` the mean entropy of a uniformly random ``t``-subset of the positions,
    ``conditional_entropy[j]`` is :math:`h_j = H_{j+1} - H_j`: the mean entropy of a fresh position
    when ``j`` random others are known. It is nonincreasing (Han 1978).

    Parameters
    ----------
    conditional_entropy : array_like, shape (L,)
        The curve :math:`h_0, \dots, h_{L-1}` in nats: nonnegative and nonincreasing.

    Raises
    ------
    TypeError
        If the curve is not numeric.
    ValueError
        If it is empty, not finite, or negative or increasing by more than rounding (1e-11 of
        the larger of 1 and the entropy). Rises within rounding are flattened.

    Examples
    --------
    A codeword of a [5, 2] Reed-Solomon code over 7 symbols: two symbols determine the rest.

    >>> profile = InformationProfile.mds_code(length=5, dimension=2, alphabet_size=7)
    >>> round(float(profile.total_correlation / np.log(7)), 6)
    3.0
    """

    conditional_entropy: np.ndarray

    def __post_init__(self):
        h = real_array("conditional_entropy", self.conditional_entropy, ndim=1)
        if h.size == 0:
            raise ValueError("conditional_entropy must have at least one entry, got none")
        rounding = _ROUNDING * max(1.0, np.abs(h).sum())
        if h.min() < -rounding:
            j = int(h.argmin())
            raise ValueError(f"conditional_entropy must be nonnegative, got {h[j]} at j={j}")
        if np.diff(h).max(initial=0.0) > rounding:
            j = int(np.diff(h).argmax())
            raise ValueError(
                "conditional_entropy must be nonincreasing, "
                f"got a rise from {h[j]} at j={j} to {h[j + 1]}"
            )
        h = np.minimum.accumulate(np.maximum(h, 0.0))
        object.__setattr__(self, "conditional_entropy", frozen(h))

    def __repr__(self):
        return (
            f"InformationProfile(length={self.length}, entropy={self.entropy:.6g}, "
            f"TC={self.total_correlation:.6g}, DTC={self.dual_total_correlation:.6g})"
        )

    @property
    def length(self):
        """int: the sequence length ``L``."""
        return self.conditional_entropy.size

    @cached_property
    def increments(self):
        r"""ndarray, shape (L-1,): entry ``j-1`` is :math:`\Delta_j = h_{j-1} - h_j \ge 0`."""
        return frozen(-np.diff(self.conditional_entropy))

    @cached_property
    def entropy_curve(self):
        r"""ndarray, shape (L+1,): :math:`H_0 = 0, H_1, \dots, H_L`, in nats."""
        return frozen(np.concatenate([[0.0], np.cumsum(self.conditional_entropy)]))

    @property
    def entropy(self):
        r"""float: the joint entropy :math:`H(X) = H_L`, in nats."""
        return float(self.conditional_entropy.sum())

    @cached_property
    def total_correlation(self):
        r"""float: :math:`TC = \sum_j (L-j)\,\Delta_j`, in nats."""
        return float(np.arange(self.length - 1, 0, -1) @ self.increments)

    @cached_property
    def dual_total_correlation(self):
        r"""float: :math:`DTC = \sum_j j\,\Delta_j`, in nats."""
        return float(np.arange(1, self.length) @ self.increments)

    @classmethod
    def from_joint(cls, p):
        r"""Profile of a dense joint table.

        Every axis is either kept or summed out, one after the other, and the entropies of the
        marginals are added up by the number of axes kept: work on :math:`\prod_i (q_i + 1)`
        numbers, 3^L for binary tokens (L = 16 takes 0.3 s), and memory for a few tables.

        Parameters
        ----------
        p : array_like
            Joint table with one axis per position, of any alphabet sizes.

        Returns
        -------
        InformationProfile

        Raises
        ------
        TypeError, ValueError
            If ``p`` is not a table of probabilities.
        """
        p = probabilities("p", p)
        return cls(_curve(_entropies_of_marginals(p)))

    @classmethod
    def from_support(cls, support, probabilities=None):
        r"""Profile of a distribution given by its support.

        All subsets of positions are visited, each from the one before by splitting the groups of
        rows that agree: exact, at :math:`O(2^L N)` time, about 1e8 pairs of subset and row a
        second, and little memory. Subsets that tell all rows apart cost nothing.

        Parameters
        ----------
        support : array_like of int, shape (N, L)
            The distinct sequences, one a row, of symbols >= 0.
        probabilities : array_like, shape (N,), optional
            Those of the rows; uniform if not given.

        Returns
        -------
        InformationProfile

        Raises
        ------
        TypeError, ValueError
            If the support or its probabilities are none, or if :math:`2^L N > 2^{28}`: see
            `from_support_sampled`.

        Examples
        --------
        >>> parity = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
        >>> InformationProfile.from_support(parity).conditional_entropy / np.log(2)
        array([1., 1., 0.])
        """
        rows, masses = sparse_law(support, probabilities)
        size, length = rows.shape
        if size << length > _MOST_SUBSET_ROWS:
            raise ValueError(
                f"support must have 2^L N <= 2^28 to visit all its subsets of positions, got "
                f"L = {length} and N = {size}: InformationProfile.from_support_sampled takes "
                "random subsets instead"
            )
        return cls(_curve(_entropies_of_groups(columns_of(rows), masses)))

    @classmethod
    def from_support_sampled(cls, support, probabilities=None, *, draws, rng):
        r"""Profile of a distribution given by its support, from random orders of the positions.

        Along a random order the entropies of the first ``t`` positions are unbiased for
        :math:`H_t`; the mean over orders gives the curve and its covariance. The ends,
        :math:`H_1`, :math:`H_{L-1}` and :math:`H_L`, are computed exactly and put in, so that the
        total and the dual total correlation carry no error at all. Cost :math:`O(NL)` for each
        draw.

        Parameters
        ----------
        support : array_like of int, shape (N, L)
            The distinct sequences, one a row, of symbols >= 0.
        probabilities : array_like, shape (N,), optional
            Those of the rows; uniform if not given.
        draws : int
            How many random orders, at least 2.
        rng : numpy.random.Generator
            The source of the orders.

        Returns
        -------
        EstimatedProfile
            With the covariance of its points.

        Raises
        ------
        TypeError, ValueError
            If the support or its probabilities are none, or another argument is out of range.
        """
        rows, masses = sparse_law(support, probabilities)
        draws = integer("draws", draws, 2)
        rng = numpy_generator("rng", rng)
        columns = columns_of(rows)
        length = len(columns)

        def entropy_of_groups(labels):
            return entropy_of(np.bincount(labels, weights=masses))

        curves = np.zeros((draws, length + 1))
        for curve in curves:
            labels = np.zeros(len(rows), dtype=np.int64)
            for t, position in enumerate(rng.permutation(length)[: length - 2], start=1):
                labels = refine(labels, columns[position])
                curve[t] = entropy_of_groups(labels)
        curves[:, 1] = np.mean([entropy_of_groups(column) for column in columns])
        curves[:, -2] = np.mean([entropy_of_groups(labels) for labels in rest_labels(columns)])
        curves[:, 0] = 0.0
        curves[:, -1] = entropy_of(masses)
        return EstimatedProfile.from_draws(np.diff(curves))

    @classmethod
    def mds_code(cls, length, dimension, alphabet_size):
        r"""Profile of a uniformly random codeword of an MDS code.

        Any ``d`` symbols are uniform and determine the rest, so :math:`h_j = \log q` for
        ``j < d`` and 0 after: one increment, :math:`\Delta_d = \log q`. Reed-Solomon codes are
        MDS and exist for every ``d`` when ``q`` is a prime power with ``q >= L - 1`` (extended
        codes); ``d = 1`` (repetition) and ``d = L - 1`` (one parity check) exist for every ``q``.

        Parameters
        ----------
        length, dimension : int
            ``L >= 1`` and ``1 <= d <= L``.
        alphabet_size : int
            ``q >= 1``. That a code with these parameters exists is not checked.

        Returns
        -------
        InformationProfile

        Raises
        ------
        TypeError, ValueError
            If an argument is no integer or out of range.
        """
        length = integer("length", length, 1)
        dimension = integer("dimension", dimension, 1, length)
        symbol = log(integer("alphabet_size", alphabet_size, 1))
        return cls(np.where(np.arange(length) < dimension, symbol, 0.0))

    @classmethod
    def product(cls, entropies):
        """Profile of independent positions with the given entropies (nats), shape (L,).

        Raises
        ------
        TypeError, ValueError
            If ``entropies`` is not a nonempty vector of nonnegative numbers.
        """
        entropies = real_array("entropies", entropies, ndim=1)
        if entropies.size == 0 or entropies.min() < 0:
            raise ValueError(f"entropies must be nonnegative and not empty, got {entropies}")
        return cls(np.full(entropies.size, entropies.mean()))

    @classmethod
    def repetition(cls, length, entropy):
        """Profile of one symbol of the given entropy (nats), written ``length`` times.

        Raises
        ------
        TypeError, ValueError
            If ``length`` is no integer >= 1 or ``entropy`` no nonnegative number.
        """
        length = integer("length", length, 1)
        entropy = number("entropy", entropy)
        if entropy < 0:
            raise ValueError(f"entropy must be nonnegative, got {entropy}")
        return cls(np.where(np.arange(length) < 1, entropy, 0.0))

    @classmethod
    def concatenate(cls, parts):
        r"""Profile of independent blocks side by side.

        A fresh position lies in block ``b`` with probability :math:`n_b / L`, and of ``j`` other
        random positions a hypergeometric number lies in the same block, so
        :math:`h_j = \sum_b \frac{n_b}{L}\, E[h^{(b)}_T]` with
        :math:`T \sim \mathrm{Hypergeometric}(L-1, n_b-1, j)`. Cost :math:`O(L n_b)` for each
        distinct block; a block listed many times is computed once.

        Parameters
        ----------
        parts : sequence of InformationProfile
            The blocks, in any order.

        Returns
        -------
        InformationProfile

        Raises
        ------
        TypeError, ValueError
            If ``parts`` is empty or holds something else.
        """
        counts = Counter(instance("parts", part, cls) for part in parts)
        if not counts:
            raise ValueError("parts must hold at least one InformationProfile, got none")
        length = sum(part.length * copies for part, copies in counts.items())
        drawn = np.arange(length)[:, np.newaxis]
        h = np.zeros(length)
        for part, copies in counts.items():
            same_block = np.arange(part.length)
            law = hypergeom.pmf(same_block, length - 1, part.length - 1, drawn)
            h += copies * part.length / length * (law @ part.conditional_entropy)
        return cls(h)


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedProfile(InformationProfile):
    r"""A profile known up to sampling error.

    The raw means need not be nonincreasing. ``conditional_entropy`` is the nearest curve that is:
    their isotonic fit, weighted by the inverse variances and cut at zero, so that the object
    serves wherever a profile does. The fit moves the means within their errors and is therefore
    slightly biased; `estimate` and the two correlations made with it use the raw means.

    Parameters
    ----------
    estimates : array_like, shape (L,)
        Unbiased estimates of :math:`h_0, \dots, h_{L-1}`, in nats.
    standard_error : array_like, shape (L,)
        Their standard errors; zero where a point is known exactly.
    n : int
        Number of draws behind each point.
    covariance : array_like, shape (L, L), optional
        Covariance of the estimates, with ``standard_error**2`` on its diagonal. Left out, it
        says that the draws at different ``j`` are independent of each other.

    Raises
    ------
    TypeError, ValueError
        If the arrays are not numeric and finite, differ in length, if a standard error is
        negative, ``n`` no integer >= 1, or the covariance asymmetric or of another diagonal.

    Examples
    --------
    >>> profile = EstimatedProfile([0.70, 0.41, 0.43], [0.02, 0.02, 0.02], n=1000)
    >>> profile.conditional_entropy
    array([0.7 , 0.42, 0.42])
    >>> print(profile.total_correlation_estimate)
    0.56 ± 0.049 (n = 1,000)
    """

    conditional_entropy: np.ndarray = field(init=False)
    estimates: np.ndarray
    standard_error: np.ndarray
    n: int
    covariance: np.ndarray | None = None

    def __post_init__(self):
        estimates = real_array("estimates", self.estimates, ndim=1)
        errors = real_array("standard_error", self.standard_error, ndim=1)
        if estimates.size == 0 or errors.shape != estimates.shape:
            raise ValueError(
                "estimates and standard_error must have the same length >= 1, got "
                f"{estimates.size} and {errors.size}"
            )
        if errors.min() < 0:
            raise ValueError(f"standard_error must be nonnegative, got {errors.min()}")
        values = {
            "estimates": frozen(estimates),
            "standard_error": frozen(errors),
            "n": integer("n", self.n, 1),
        }
        if self.covariance is not None:
            values["covariance"] = frozen(_checked_covariance(self.covariance, errors))
        fit = isotonic_regression(estimates, weights=_precisions(errors), increasing=False).x
        values["conditional_entropy"] = np.maximum(fit, 0.0)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        super().__post_init__()

    def __repr__(self):
        return (
            f"EstimatedProfile(length={self.length}, n={self.n}, "
            f"TC={self.total_correlation_estimate}, DTC={self.dual_total_correlation_estimate})"
        )

    @classmethod
    def from_draws(cls, draws):
        """Profile from independent curves, shape (n, L) with n >= 2, each unbiased.

        The points of one curve may depend on each other: the covariance is estimated.

        Raises
        ------
        TypeError, ValueError
            If the draws are not a finite table of two rows or more.
        """
        draws = real_array("draws", draws)
        if draws.ndim != 2 or draws.shape[0] < 2 or draws.shape[1] < 1:
            raise ValueError(f"draws must have shape (n, L), n >= 2 and L >= 1, got {draws.shape}")
        n = draws.shape[0]
        # From the first draw, so that a point that never varies gets an error of exactly zero.
        differences = draws - draws[0]
        deviations = differences - differences.mean(axis=0)
        covariance = deviations.T @ deviations / (n * (n - 1))
        means = draws[0] + differences.mean(axis=0)
        return cls(means, np.sqrt(covariance.diagonal()), n, covariance)

    def estimate(self, weights):
        r"""Unbiased estimate of a linear functional :math:`\sum_j w_j h_j` of the curve.

        Parameters
        ----------
        weights : array_like, shape (L,)
            The weights :math:`w_0, \dots, w_{L-1}`.

        Returns
        -------
        Estimate
            In nats, with the standard error that follows from the covariance of the points.

        Raises
        ------
        TypeError, ValueError
            If the weights are not ``L`` finite numbers.
        """
        weights = real_array("weights", weights, ndim=1)
        if weights.size != self.length:
            raise ValueError(f"weights must have length {self.length}, got {weights.size}")
        if self.covariance is None:
            error = np.linalg.norm(weights * self.standard_error)
        else:
            variance = weights @ self.covariance @ weights
            terms = np.abs(weights) @ np.abs(self.covariance) @ np.abs(weights)
            error = np.sqrt(variance) if variance > _CANCELLED * terms else 0.0
        return Estimate(float(weights @ self.estimates), float(error), self.n)

    @cached_property
    def total_correlation_estimate(self):
        r"""Estimate: :math:`TC = L h_0 - \sum_j h_j`, from the raw means."""
        weights = np.full(self.length, -1.0)
        weights[0] += self.length
        return self.estimate(weights)

    @cached_property
    def dual_total_correlation_estimate(self):
        r"""Estimate: :math:`DTC = \sum_j h_j - L h_{L-1}`, from the raw means."""
        weights = np.full(self.length, 1.0)
        weights[-1] -= self.length
        return self.estimate(weights)


def _precisions(standard_error):
    """Weights 1/se^2, those of points without error large enough to hold them in place."""
    largest = standard_error.max()
    if largest == 0:
        return np.ones_like(standard_error)
    return (np.maximum(standard_error, 1e-6 * largest) / largest) ** -2.0


def _checked_covariance(covariance, standard_error):
    covariance = real_array("covariance", covariance)
    if covariance.shape != 2 * standard_error.shape:
        raise ValueError(
            f"covariance must have shape {2 * standard_error.shape}, got {covariance.shape}"
        )
    scale = np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > _ROUNDING * scale:
        raise ValueError("covariance must be symmetric")
    if np.abs(covariance.diagonal() - standard_error**2).max() > _ROUNDING * scale:
        raise ValueError("covariance must have standard_error**2 on its diagonal")
    return covariance
