"""The information profile: all that the error of a schedule needs to know of a distribution.

The name is that of Lavenant and Zanella (arXiv 2510.25544).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from math import log
from typing import TYPE_CHECKING, Any, Self

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

if TYPE_CHECKING:
    from dlm_core.information.estimated import EstimatedProfile

__all__ = ["InformationProfile"]

# Enumerating the subsets of a support visits 2^L N pairs of subset and row, about 1e8 a second.
_MOST_SUBSET_ROWS = 2**28
# Entropies that come from sums of many terms carry rounding of this relative size; a curve that
# rises by more is not the entropy curve of any distribution.
ROUNDING = 1e-11
# Far beyond any entropy, and squares and sums of such numbers still fit into float64.
MOST_NATS = 1e100


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
        if isinstance(self.conditional_entropy, MeasuredCurve):
            raise TypeError(_refusal("conditional_entropy", "the curve of an exact profile"))
        h = real_array("conditional_entropy", self.conditional_entropy, ndim=1)
        if h.size == 0:
            raise ValueError("conditional_entropy must have at least one entry, got none")
        check_size("conditional_entropy", h)
        rounding = ROUNDING * max(1.0, np.abs(h).sum())
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
        # what is estimated rests on what is exact, and not the other way
        from dlm_core.information.estimated import EstimatedProfile

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
        return EstimatedProfile.from_draws(np.diff(curves), predictor="ideal")

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
        check_size("entropies", entropies)
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
        check_size("entropy", np.array(entropy))
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


class MeasuredCurve:
    """The base of `EstimatedProfile`: no profile, and refused in words where one is asked for."""


def exact_profile(name: str, value: object) -> InformationProfile:
    """Return ``value`` if it is an `InformationProfile`.

    Raises
    ------
    TypeError
        If it is not; for an `EstimatedProfile`, with what to use in its place.
    """
    if isinstance(value, MeasuredCurve):
        raise TypeError(_refusal(name, "an InformationProfile"))
    return instance(name, value, InformationProfile)


def _refusal(name: str, allowed: str) -> str:
    return (
        f"{name} must be {allowed}, got an EstimatedProfile, which is known up to sampling error: "
        "estimate.price(schedule) is what a schedule costs on the predictor that was measured, "
        "with its standard error; estimate.fit is the nearest nonincreasing curve, a profile "
        "marked as fitted, whose errors are not known; and estimate.assume_ideal() has a "
        "total_correlation on which guarantees may rest, the predictor being taken for ideal"
    )


def block_price_weights(residual: FloatArray) -> FloatArray:
    """The weights ``a_t - 1`` of a price, shape (L,), from ``E[W_j]``, shape (L - 1,)."""
    return np.diff(residual, prepend=0.0, append=0.0)


def check_size(name: str, array: FloatArray) -> None:
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
