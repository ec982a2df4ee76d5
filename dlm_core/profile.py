"""The information profile: all that the error of a schedule needs to know of a distribution."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import log

import numpy as np
from scipy.special import comb, entr
from scipy.stats import hypergeom

from dlm_core._validation import frozen, instance, integer, probabilities, real_array

__all__ = ["InformationProfile"]

# Entropies that come from sums of many terms carry rounding of this relative size; a curve that
# rises by more is not the entropy curve of any distribution.
_ROUNDING = 1e-11


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

        Each axis is extended by one symbol, "summed out", so that one array of
        :math:`\prod_i (q_i + 1)` entries holds the marginal of every subset of positions; its
        entropies are then added up by subset size. Time and memory are a few passes over that
        array: 3^L for binary tokens.

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
        marginals = probabilities("p", p)
        length = marginals.ndim
        for axis in range(length):
            summed = marginals.sum(axis, keepdims=True)
            marginals = np.concatenate([marginals, summed], axis)
        by_size = entr(marginals)[np.newaxis]
        for _ in range(length):
            totals = np.zeros((by_size.shape[0] + 1, *by_size.shape[2:]))
            totals[1:] = by_size[:, :-1].sum(axis=1)
            totals[:-1] += by_size[:, -1]
            by_size = totals
        return cls(np.diff(by_size / comb(length, np.arange(length + 1))))

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
        entropy = float(real_array("entropy", entropy, ndim=0))
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
