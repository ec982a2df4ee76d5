"""The information profile: all that the error of a schedule needs to know of a distribution.

The name is that of Lavenant and Zanella (arXiv 2510.25544).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from math import hypot, log
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import scipy  # loads its parts when first asked for

from dlm_core._check import (
    MOST_POSITIONS,
    boolean,
    count,
    frozen,
    instance,
    integer,
    number,
    numpy_generator,
    probabilities,
    real_array,
    shown,
    sparse_law,
    table_fits,
    work_fits,
)
from dlm_core._types import FloatArray, Rng
from dlm_core.information._entropies import (
    columns_of,
    curve,
    entropies_of_groups,
    entropies_of_marginals,
    entropy_of,
    entropy_of_groups,
    entropy_terms,
    refine,
    rest_labels,
)
from dlm_core.information.estimate import Estimate

if TYPE_CHECKING:
    from dlm_core.information.band import ProfileBand

__all__ = ["EstimatedProfile", "InformationProfile"]

# Enumerating the subsets of a support visits 2^L N pairs of subset and row, about 1e8 a second.
_MOST_SUBSET_ROWS = 2**28
# Entropies that come from sums of many terms carry rounding of this relative size; a curve that
# rises by more is not the entropy curve of any distribution.
_ROUNDING = 1e-11
# A sum whose terms cancel to this share of their size is rounding: a variance of zero, for one.
_CANCELLED = 1e-14
# Far beyond any entropy, and squares and sums of such numbers still fit into float64.
MOST_NATS = 1e100
# Eigenvalues of a matrix of correlations are computed to about 1e-16 of its trace.
_INDEFINITE = 1e-9
MEASURED = "on the predictor that was measured"


@dataclass(frozen=True, eq=False)
class InformationProfile:
    r"""The mean conditional entropies of a distribution on sequences of length ``L``.

    With :math:`H_t` the mean entropy of a uniformly random ``t``-subset of the positions,
    ``conditional_entropy[j]`` is :math:`h_j = H_{j+1} - H_j`: the mean entropy of a fresh position
    when ``j`` random others are known. It is nonincreasing (Han 1978).

    Parameters
    ----------
    conditional_entropy : array_like, shape (L,)
        The curve :math:`h_0, \dots, h_{L-1}` in nats: nonnegative, nonincreasing, at most 1e100.
    fitted : bool
        That the curve was fitted to estimates, as `EstimatedProfile.fit` is: nothing that is
        computed from it is then called exact.

    Raises
    ------
    TypeError
        If the curve is not numeric, an `EstimatedProfile` for instance.
    ValueError
        If it is empty, not finite, above 1e100, or negative or increasing by more than rounding
        (1e-11 of the larger of 1 and the entropy). Rises within rounding are flattened.

    Examples
    --------
    A codeword of a [5, 2] Reed-Solomon code over 7 symbols: two symbols determine the rest.

    >>> profile = InformationProfile.mds_code(length=5, dimension=2, alphabet_size=7)
    >>> round(float(profile.total_correlation / np.log(7)), 6)
    3.0
    """

    conditional_entropy: FloatArray
    fitted: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.conditional_entropy, EstimatedProfile):
            raise TypeError(_refusal("conditional_entropy", "the curve of an exact profile"))
        h = real_array("conditional_entropy", self.conditional_entropy, ndim=1)
        if h.size == 0:
            raise ValueError("conditional_entropy must have at least one entry, got none")
        _check_size("conditional_entropy", h)
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
        # 0.0 is added so that no zero has a sign: equal curves have equal bytes
        h = np.minimum.accumulate(np.maximum(h, 0.0)) + 0.0
        object.__setattr__(self, "conditional_entropy", frozen(h))
        object.__setattr__(self, "fitted", boolean("fitted", self.fitted))

    def __repr__(self) -> str:
        fitted = ", fitted=True" if self.fitted else ""
        return (
            f"InformationProfile(length={self.length}, entropy={self.entropy:.6g}, "
            f"TC={self.total_correlation:.6g}, DTC={self.dual_total_correlation:.6g}{fitted})"
        )

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        same_curve = np.array_equal(self.conditional_entropy, other.conditional_entropy)
        return same_curve and self.fitted == other.fitted

    def __hash__(self) -> int:
        return hash((self.conditional_entropy.tobytes(), self.fitted))

    def __reduce__(self) -> tuple[Any, ...]:
        # by the constructor, so that copies are read-only as well and carry no cached arrays
        return type(self), (self.conditional_entropy, self.fitted)

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary that ``from_dict`` turns back into this profile."""
        return {"conditional_entropy": self.conditional_entropy.tolist(), "fitted": self.fitted}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """The profile that ``to_dict`` described.

        Raises
        ------
        TypeError, ValueError
            If ``d`` is no dictionary, an entry is missing or superfluous, or the curve is none.
        """
        return cls(**entries(d, cls))

    @property
    def length(self) -> int:
        """int: the sequence length ``L``."""
        return self.conditional_entropy.size

    @cached_property
    def increments(self) -> FloatArray:
        r"""ndarray, shape (L-1,): entry ``j-1`` is :math:`\Delta_j = h_{j-1} - h_j \ge 0`."""
        return frozen(self.conditional_entropy[:-1] - self.conditional_entropy[1:])

    @cached_property
    def entropy_curve(self) -> FloatArray:
        r"""ndarray, shape (L+1,): :math:`H_0 = 0, H_1, \dots, H_L`, in nats."""
        return frozen(np.concatenate([[0.0], np.cumsum(self.conditional_entropy)]))

    @property
    def entropy(self) -> float:
        r"""float: the joint entropy :math:`H(X) = H_L`, in nats."""
        return float(self.conditional_entropy.sum())

    @cached_property
    def total_correlation(self) -> float:
        r"""float: :math:`TC = \sum_j (L-j)\,\Delta_j`, in nats."""
        return float(np.arange(self.length - 1, 0, -1) @ self.increments)

    @cached_property
    def dual_total_correlation(self) -> float:
        r"""float: :math:`DTC = \sum_j j\,\Delta_j`, in nats."""
        return float(np.arange(1, self.length) @ self.increments)

    @classmethod
    def from_joint(cls, p: npt.ArrayLike) -> Self:
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
        return cls(curve(entropies_of_marginals(p)))

    @classmethod
    def from_support(
        cls, support: npt.ArrayLike, probabilities: npt.ArrayLike | None = None
    ) -> Self:
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
        return cls(curve(entropies_of_groups(columns_of(rows), masses)))

    @classmethod
    def from_support_sampled(
        cls,
        support: npt.ArrayLike,
        probabilities: npt.ArrayLike | None = None,
        *,
        draws: int,
        rng: Rng,
    ) -> "EstimatedProfile":
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
        rng : numpy.random.Generator or int
            The source of the orders, or its seed.

        Returns
        -------
        EstimatedProfile
            With the covariance of its points. The predictor that it speaks of is the exact one.

        Raises
        ------
        TypeError, ValueError
            If the support or its probabilities are none, or another argument is out of range.
        """
        rows, masses = sparse_law(support, probabilities)
        draws = count("draws", draws, 2, len(rows[0]) + 1)
        rng = numpy_generator("rng", rng)
        columns = columns_of(rows)
        length = len(columns)
        table_fits(f"the covariance of {length} points", 8 * length**2)

        curves = np.zeros((draws, length + 1))
        for draw in curves:
            labels = np.zeros(len(rows), dtype=np.int64)
            for t, position in enumerate(rng.permutation(length)[: length - 2], start=1):
                labels = refine(labels, columns[position])
                draw[t] = entropy_of_groups(labels, masses)
        curves[:, 1] = np.mean([entropy_of_groups(column, masses) for column in columns])
        curves[:, -2] = np.mean(
            [entropy_of_groups(labels, masses) for labels in rest_labels(columns)]
        )
        curves[:, 0] = 0.0
        curves[:, -1] = entropy_of(masses)
        return EstimatedProfile.from_draws(np.diff(curves))

    @classmethod
    def mds_code(cls, length: int, dimension: int, alphabet_size: int) -> Self:
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
        length = integer("length", length, 1, MOST_POSITIONS)
        table_fits(f"a profile of length {length}", 8 * length)
        dimension = integer("dimension", dimension, 1, length)
        symbol = log(integer("alphabet_size", alphabet_size, 1))
        return cls(np.where(np.arange(length) < dimension, symbol, 0.0))

    @classmethod
    def product(cls, entropies: npt.ArrayLike) -> Self:
        """Profile of independent positions with the given entropies (nats), shape (L,).

        Raises
        ------
        TypeError, ValueError
            If ``entropies`` is not a nonempty vector of nonnegative numbers.
        """
        entropies = real_array("entropies", entropies, ndim=1)
        if entropies.size == 0 or entropies.min() < 0:
            least = entropies.min(initial=np.inf) if entropies.size else "none"
            raise ValueError(f"entropies must be nonnegative and not empty, got {least}")
        _check_size("entropies", entropies)
        return cls(np.full(entropies.size, entropies.mean()))

    @classmethod
    def repetition(cls, length: int, entropy: float) -> Self:
        """Profile of one symbol of the given entropy (nats), written ``length`` times.

        Raises
        ------
        TypeError, ValueError
            If ``length`` is no integer >= 1 or ``entropy`` no nonnegative number.
        """
        length = integer("length", length, 1, MOST_POSITIONS)
        table_fits(f"a profile of length {length}", 8 * length)
        entropy = number("entropy", entropy, 0)
        _check_size("entropy", np.array(entropy))
        return cls(np.where(np.arange(length) < 1, entropy, 0.0))

    @classmethod
    def two_words(cls, length: int, noise: float) -> Self:
        r"""Profile of one of two words that differ everywhere, each letter flipped by chance.

        The words have probability 1/2 each; every binary letter is then flipped independently
        with probability :math:`\varepsilon`. Of ``j`` known letters, ``w`` of which contradict the
        first word, that word has probability
        :math:`1 / (1 + (\varepsilon/(1-\varepsilon))^{j-2w})`, and the entropy of the next
        letter follows. Time :math:`O(L^2)`, memory :math:`O(L)`.

        Parameters
        ----------
        length : int
            ``L >= 1``.
        noise : float
            The probability of a flip, in [0, 1].

        Returns
        -------
        InformationProfile

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type or out of range.

        Examples
        --------
        Without noise, one letter tells the word:

        >>> InformationProfile.two_words(length=4, noise=0).conditional_entropy / np.log(2)
        array([1., 0., 0., 0.])
        """
        length = integer("length", length, 1, MOST_POSITIONS)
        noise = number("noise", noise, 0)
        if noise > 1:
            raise ValueError(f"noise must lie in [0, 1], got {noise}")
        # to flip every letter exchanges the words
        noise = min(noise, 1 - noise)
        if noise == 0:
            return cls.repetition(length, log(2))
        work_fits(f"two_words of length {length}", length**2)
        evidence = log(1 - noise) - log(noise)
        wrong = np.arange(length)
        chance = np.zeros(length)
        chance[0] = 1.0
        h = np.empty(length)
        for j in range(length):
            balance = (j - 2 * wrong[: j + 1]) * evidence
            first, second = scipy.special.expit(balance), scipy.special.expit(-balance)
            next_letter = [noise * first + (1 - noise) * second]
            next_letter.append((1 - noise) * first + noise * second)
            h[j] = chance[: j + 1] @ entropy_terms(np.array(next_letter)).sum(axis=0)
            flipped = noise * chance[:-1]
            chance *= 1 - noise
            chance[1:] += flipped
        return cls(h)

    @classmethod
    def concatenate(cls, parts: "Iterable[InformationProfile]") -> Self:
        r"""Profile of independent blocks side by side.

        A fresh position lies in block ``b`` with probability :math:`n_b / L`, and of ``j`` other
        random positions a hypergeometric number lies in the same block, so
        :math:`h_j = \sum_b \frac{n_b}{L}\, E[h^{(b)}_T]` with
        :math:`T \sim \mathrm{Hypergeometric}(L-1, n_b-1, j)`. Time :math:`O(L n_b)` and memory
        :math:`O(L)` for each distinct block; equal blocks are computed once.

        Parameters
        ----------
        parts : iterable of InformationProfile
            The blocks, in any order.

        Returns
        -------
        InformationProfile

        Raises
        ------
        TypeError, ValueError
            If ``parts`` is empty or holds something else.
        """
        if not isinstance(parts, Iterable) or getattr(parts, "ndim", 1) == 0:
            raise TypeError(
                f"parts must be several of InformationProfile, got {shown(parts)} of type "
                f"{type(parts).__name__}"
            )
        counts = Counter(exact_profile("parts", part) for part in parts)
        if not counts:
            raise ValueError("parts must hold at least one InformationProfile, got none")
        length = sum(part.length * copies for part, copies in counts.items())
        integer("the sum of the lengths of parts", length, 1, MOST_POSITIONS)
        work = sum(length * part.length for part in counts)
        work_fits(f"the concatenation of length {length}", work)
        h = np.zeros(length)
        for part, copies in counts.items():
            h += copies * part.length / length * _mean_in_block(part.conditional_entropy, length)
        return cls(h, any(part.fitted for part in counts))


def _mean_in_block(h: FloatArray, length: int) -> FloatArray:
    """``E h_T``, T of ``j`` random others of ``length`` in a block of ``h.size``, for each j.

    The law of T is carried from each ``j`` to the next: all terms are positive, so that it keeps
    its digits.
    """
    others, inside = length - 1, np.arange(h.size)
    law = np.zeros(h.size)
    law[0] = 1.0
    mean = np.empty(length)
    for j in range(length):
        mean[j] = law @ h
        if j < others:
            in_block = law[:-1] * ((h.size - 1 - inside[:-1]) / (others - j))
            law *= (others - h.size + 1 - j + inside) / (others - j)
            law[1:] += in_block
    return mean


class _Sizes(Protocol):
    """What a price needs to know of a schedule."""

    @property
    def length(self) -> int: ...

    @property
    def residual(self) -> FloatArray: ...


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedProfile:
    r"""A profile known up to sampling error.

    What is measured is a mask predictor: the mean of its surprise at a token when ``j`` random
    others are known. For the true conditional marginals that is :math:`h_j`. Nothing here is
    exact, so this is no `InformationProfile` and serves nowhere as one: its sums come as
    `Estimate`, with standard errors, and `fit` is the curve for whatever needs one.

    Parameters
    ----------
    estimates : array_like, shape (L,)
        Unbiased estimates of :math:`h_0, \dots, h_{L-1}`, in nats; they need not be nonincreasing.
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
        If the arrays are not numeric and finite, differ in length, exceed 1e100, if a standard
        error is negative, ``n`` no integer >= 1, or the covariance is that of no random numbers
        (not symmetric or not positive semidefinite, up to rounding) or of another diagonal.

    Examples
    --------
    >>> profile = EstimatedProfile([0.70, 0.41, 0.43], [0.02, 0.02, 0.02], n=1000)
    >>> print(profile.total_correlation)
    0.56 ± 0.049 (n = 1,000), on the predictor that was measured
    >>> profile.fit.conditional_entropy
    array([0.7 , 0.42, 0.42])
    """

    estimates: FloatArray
    standard_error: FloatArray
    n: int
    covariance: FloatArray | None = None

    def __post_init__(self) -> None:
        estimates = real_array("estimates", self.estimates, ndim=1)
        errors = real_array("standard_error", self.standard_error, ndim=1)
        if estimates.size == 0 or errors.shape != estimates.shape:
            raise ValueError(
                "estimates and standard_error must have the same length >= 1, got "
                f"{estimates.size} and {errors.size}"
            )
        if errors.min() < 0:
            raise ValueError(f"standard_error must be nonnegative, got {errors.min()}")
        _check_size("estimates", estimates)
        _check_size("standard_error", errors)
        # 0.0 is added so that no zero has a sign: equal arrays have equal bytes
        object.__setattr__(self, "estimates", frozen(estimates + 0.0))
        object.__setattr__(self, "standard_error", frozen(errors + 0.0))
        object.__setattr__(self, "n", integer("n", self.n, 1))
        if self.covariance is not None:
            covariance = _checked_covariance(self.covariance, errors)
            object.__setattr__(self, "covariance", frozen(covariance + 0.0))

    def __repr__(self) -> str:
        sums = {"TC": self.total_correlation, "DTC": self.dual_total_correlation}
        shown_sums = (
            f"{name}={sum_.value:.6g} ± {sum_.standard_error:.2g}" for name, sum_ in sums.items()
        )
        return f"EstimatedProfile(length={self.length}, n={self.n}, {', '.join(shown_sums)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        covariance = None if self.covariance is None else self.covariance.tobytes()
        return self.estimates.tobytes(), self.standard_error.tobytes(), self.n, covariance

    def __reduce__(self) -> tuple[Any, ...]:
        # by the constructor, so that copies are read-only as well and carry no cached arrays
        return type(self), (self.estimates, self.standard_error, self.n, self.covariance)

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary that ``from_dict`` turns back into this profile."""
        return {
            "estimates": self.estimates.tolist(),
            "standard_error": self.standard_error.tolist(),
            "n": self.n,
            "covariance": None if self.covariance is None else self.covariance.tolist(),
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """The profile that ``to_dict`` described.

        Raises
        ------
        TypeError, ValueError
            If ``d`` is no dictionary, an entry is missing or superfluous, or they do not fit.
        """
        return cls(**entries(d, cls))

    @classmethod
    def from_draws(cls, draws: npt.ArrayLike) -> Self:
        """Profile from independent curves, shape (n, L) with n >= 2, each unbiased.

        The points of one curve may depend on each other: the covariance is estimated.

        Raises
        ------
        TypeError, ValueError
            If the draws are not a finite table of two rows or more, or exceed 1e100.
        """
        draws = real_array("draws", draws)
        if draws.ndim != 2 or draws.shape[0] < 2 or draws.shape[1] < 1:
            raise ValueError(f"draws must have shape (n, L), n >= 2 and L >= 1, got {draws.shape}")
        _check_size("draws", draws)
        n, length = draws.shape
        table_fits(f"the covariance of {length} points", 8 * length**2)
        # From the first draw, so that a point that never varies gets an error of exactly zero.
        differences = draws - draws[0]
        deviations = differences - differences.mean(axis=0)
        covariance = deviations.T @ deviations / (n * (n - 1))
        means = draws[0] + differences.mean(axis=0)
        return cls(means, np.sqrt(covariance.diagonal()), n, covariance)

    @property
    def length(self) -> int:
        """int: the sequence length ``L``."""
        return self.estimates.size

    @cached_property
    def fit(self) -> InformationProfile:
        """InformationProfile: the nearest nonincreasing curve, marked as ``fitted``.

        The isotonic regression of the estimates, weighted by the inverse variances and cut at
        zero. It moves them within their errors and is therefore slightly biased; it is what the
        best sizes are chosen on, and what is drawn.
        """

        weights = _precisions(self.standard_error)
        fit = scipy.optimize.isotonic_regression(
            self.estimates, weights=weights, increasing=False
        ).x
        return InformationProfile(np.maximum(fit, 0.0), fitted=True)

    def estimate(self, weights: npt.ArrayLike) -> Estimate:
        r"""Unbiased estimate of a linear functional :math:`\sum_j w_j h_j` of the curve.

        Parameters
        ----------
        weights : array_like, shape (L,)
            The weights :math:`w_0, \dots, w_{L-1}`, at most 1e100.

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
        _check_size("weights", weights)
        if self.covariance is None:
            error = hypot(*(weights * self.standard_error).tolist())
        else:
            scale = float(np.abs(weights).max()) or 1.0
            scaled = weights / scale
            variance = float(scaled @ self.covariance @ scaled)
            # what the variance would be if nothing cancelled
            most = float(np.abs(scaled) @ self.standard_error) ** 2
            error = scale * variance**0.5 if variance > _CANCELLED * most else 0.0
        terms = weights * self.estimates
        value = float(terms.sum())
        if abs(value) <= _CANCELLED * float(np.abs(terms).sum()):
            value = 0.0
        return Estimate(value, error, self.n, MEASURED)

    def price(self, schedule: _Sizes) -> Estimate:
        r"""The nats that a schedule costs over one token at a time, on the predictor measured.

        With :math:`a_t` the expected size of a block that starts at ``t`` (0 where none does), it
        is :math:`\sum_t (a_t - 1) \hat h_t`, see `dlm_core.error.price_weights`: the expected
        divergence of the samples less that of one token at a time, whatever the predictor and
        whether or not its curve falls. Only where the predictor is exact is it the expected KL; a
        predictor that has learned nothing of the dependence has a price of zero and samples that
        are as wrong with one token at a time.

        Parameters
        ----------
        schedule : Schedule
            The law of the sizes, of the same length. If it was chosen on this very estimate, as
            ``OptimalForProfile(estimate.fit, K)`` is, the price is too low: measure it on fresh
            draws.

        Returns
        -------
        Estimate
            In nats, unbiased.

        Raises
        ------
        TypeError
            If ``schedule`` is no schedule.
        ValueError
            If the lengths differ.

        Examples
        --------
        >>> from dlm_core.schedules import Equal
        >>> measured = EstimatedProfile([0.7, 0.5, 0.45], [0.01, 0.01, 0.01], n=500)
        >>> print(measured.price(Equal(3, 1)))
        0.45 ± 0.024 (n = 500), on the predictor that was measured
        """
        known = hasattr(schedule, "length") and hasattr(schedule, "residual")
        if isinstance(schedule, type) or not known:
            raise TypeError(
                "schedule must be a Schedule such as TCAdaptive(length, steps), got "
                f"{shown(schedule)} of type {type(schedule).__name__}"
            )
        if schedule.length != self.length:
            raise ValueError(
                f"schedule must have the length {self.length} of the profile, got {schedule.length}"
            )
        return self.estimate(block_price_weights(schedule.residual))

    def band(self, confidence: float = 0.95, levels: npt.ArrayLike | None = None) -> "ProfileBand":
        r"""The falling curves that agree with the estimates at some levels, all at once.

        Student's t intervals with ``n - 1`` degrees of freedom, each of level
        :math:`1 - (1 - \text{confidence})/m` for ``m`` levels (Bonferroni): asymptotic, and
        whatever the covariance. What is certified on the band is so with this confidence where
        the predictor is exact, and then holds for the error itself; for another predictor whose
        curve falls, for its ``price``.

        Parameters
        ----------
        confidence : float
            Between 0 and 1.
        levels : array_like of int, optional
            Increasing, from 0 on. At most 16 if not given: the ends, and 1/2, 1/4, ..., 1/128 of
            the way from each of them. More levels need wider intervals.

        Returns
        -------
        ProfileBand

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type or out of range, a point with an error rests on a
            single draw, or no falling curve lies in the band.

        Examples
        --------
        >>> measured = EstimatedProfile([0.7, 0.5, 0.45], [0.01, 0.01, 0.01], n=500)
        >>> measured.band(confidence=0.95).upper.round(4)
        array([0.724, 0.524, 0.474])
        """
        # a band is made of profiles and rests on this module
        from dlm_core.information.band import band_of

        return band_of(self, confidence, levels)

    @cached_property
    def entropy(self) -> Estimate:
        r"""Estimate: :math:`\sum_j \hat h_j`, the predictor's any-order cross-entropy of X."""
        return self.estimate(np.ones(self.length))

    @cached_property
    def total_correlation(self) -> Estimate:
        r"""Estimate: :math:`L \hat h_0 - \sum_j \hat h_j`, TC where the predictor is exact."""
        weights = np.full(self.length, -1.0)
        weights[0] += self.length
        return self.estimate(weights)

    @cached_property
    def dual_total_correlation(self) -> Estimate:
        r"""Estimate: :math:`\sum_j \hat h_j - L \hat h_{L-1}`, DTC for an exact predictor."""
        weights = np.full(self.length, 1.0)
        weights[-1] -= self.length
        return self.estimate(weights)


def exact_profile(name: str, value: object) -> InformationProfile:
    """Return ``value`` if it is an `InformationProfile`.

    Raises
    ------
    TypeError
        If it is not; for an `EstimatedProfile`, with what to use in its place.
    """
    if isinstance(value, EstimatedProfile):
        raise TypeError(_refusal(name, "an InformationProfile"))
    return instance(name, value, InformationProfile)


def _refusal(name: str, allowed: str) -> str:
    return (
        f"{name} must be {allowed}, got an EstimatedProfile, which is known up to sampling error: "
        "estimate.price(schedule) is what a schedule costs on the predictor that was measured, "
        "with its standard error; estimate.fit is the nearest nonincreasing curve, a profile "
        "marked as fitted, whose errors are not known"
    )


def block_price_weights(residual: FloatArray) -> FloatArray:
    """The weights ``a_t - 1`` of a price, shape (L,), from ``E[W_j]``, shape (L - 1,)."""
    return np.diff(residual, prepend=0.0, append=0.0)


def _check_size(name: str, array: FloatArray) -> None:
    """Raise ``ValueError`` where sums of squares might leave the range of float64."""
    if np.abs(array).max() > MOST_NATS:
        raise ValueError(f"{name} must be at most {MOST_NATS:g}, got {np.abs(array).max():g}")


def entries(d: object, kind: type) -> dict[str, Any]:
    """The entries of a dictionary that describes a ``kind``, by the names of its fields."""
    given = instance("d", d, dict)
    known = [f.name for f in fields(kind)]
    missing = [f.name for f in fields(kind) if f.default is MISSING and f.name not in given]
    superfluous = [name for name in given if name not in known]
    if missing or superfluous:
        raise ValueError(
            f"d must describe a {kind.__name__} by {', '.join(known)}, got the entries "
            f"{', '.join(map(str, given)) or 'none'}"
        )
    return given


def _precisions(standard_error: FloatArray) -> FloatArray:
    """Weights 1/se^2, those of points without error large enough to hold them in place."""
    largest = standard_error.max()
    if largest == 0:
        return np.ones_like(standard_error)
    return (np.maximum(standard_error, 1e-6 * largest) / largest) ** -2.0


def _checked_covariance(covariance: object, standard_error: FloatArray) -> FloatArray:
    covariance = real_array("covariance", covariance)
    if covariance.shape != 2 * standard_error.shape:
        raise ValueError(
            f"covariance must have shape {2 * standard_error.shape}, got {covariance.shape}"
        )
    scale = np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > _ROUNDING * scale:
        raise ValueError("covariance must be symmetric")
    variances = covariance.diagonal()
    if np.abs(variances - standard_error**2).max() > _ROUNDING * scale:
        raise ValueError("covariance must have standard_error**2 on its diagonal")
    # As correlations, so that points of small variance are judged by their own scale.
    deviations = np.sqrt(np.maximum(variances, 0.0))
    unit = np.where(deviations > 0, deviations, 1.0)
    correlations = covariance / np.multiply.outer(unit, unit)
    shift = _INDEFINITE * standard_error.size
    try:
        np.linalg.cholesky(correlations + shift * np.eye(standard_error.size))
    except np.linalg.LinAlgError:
        least = np.linalg.eigvalsh(correlations).min()
        raise ValueError(
            "covariance must be positive semidefinite, or a sum of the estimates would have a "
            f"negative variance: scaled to correlations its least eigenvalue is {least:.3g}"
        ) from None
    return covariance
