"""Bands around an information profile: what a few measurements say of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log, sqrt
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import scipy  # loads its parts when first asked for

from dlm_core._check import (
    MOST_POSITIONS,
    choice,
    frozen,
    instance,
    integer,
    integer_array,
    number,
    real_array,
    shown,
    table_fits,
)
from dlm_core._types import FloatArray, IntArray
from dlm_core.information.estimate import Estimate
from dlm_core.information.profile import (
    MOST_NATS,
    InformationProfile,
    entries,
    exact_profile,
)

__all__ = ["ProfileBand"]

# Relative size of what a curve may rise by as rounding, as for an `InformationProfile`.
_ROUNDING = 1e-11
_T = "Student t, asymptotic"
_BERNSTEIN = "empirical Bernstein, any number of draws"


class Layers(NamedTuple):
    r"""A band cut at all its limits into layers of nats, made by ``ProfileBand.layers``.

    A falling curve is :math:`h_j = \int 1\{j < D(s)\}\, ds`, :math:`D(s)` the number of positions
    where it exceeds ``s``; it lies in the band if :math:`D(s)` lies in a window for every ``s``,
    and the window is the same within a layer.

    Attributes
    ----------
    nats : ndarray, shape (n,)
        How thick each layer is, from the lowest to the highest; positive.
    first, last : ndarray of int, shape (n,)
        The window: the least and the largest :math:`D` in 0, ..., L. Neither rises from a layer to
        the next.
    """

    nats: FloatArray
    first: IntArray
    last: IntArray


@dataclass(frozen=True, eq=False, repr=False)
class ProfileBand:
    r"""All nonincreasing curves between two limits at a few levels.

    A level is a number ``j`` of known tokens at which :math:`h_j`, the mean conditional entropy
    of a fresh position, was measured. As ``h`` falls, measurements at other levels may narrow the
    limits at one: the lower ones are raised to the largest from there on, the upper ones lowered
    to the least up to there. Between two levels ``h`` is at most what it is at the first and at
    least what it is at the second; after the last it is at least 0.

    Parameters
    ----------
    length : int
        The sequence length ``L >= 1``.
    levels : array_like of int, shape (m,)
        Increasing, from 0 to at most ``L - 1``. The first is 0: without an upper limit there, no
        schedule could promise anything. Where :math:`h_0` was not measured, its limits are 0 and
        the most that it can be, :math:`\log q` for ``q`` symbols.
    lower, upper : array_like, shape (m,)
        Limits of ``h`` at the levels, in nats: ``0 <= lower <= upper <= 1e100``.
    confidence : float
        With what probability the whole curve lies in the band; 1 where that is certain.
    note : str
        What the confidence rests on; printed, and no part of equality.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, shape or out of range; or if no nonincreasing curve lies
        between the limits, because a lower one exceeds an upper one before it (by more than
        rounding).

    Examples
    --------
    >>> band = ProfileBand(8, levels=[0, 4, 7], lower=[1.0, 0.3, 0.3], upper=[1.0, 0.5, 0.4])
    >>> band.upper_curve
    array([1. , 1. , 1. , 1. , 0.5, 0.5, 0.5, 0.4])
    >>> band.next_level()
    2
    """

    length: int
    levels: IntArray
    lower: FloatArray
    upper: FloatArray
    confidence: float = 1.0
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        length = integer("length", self.length, 1, MOST_POSITIONS)
        levels = _levels(self.levels, length)
        if levels.size == 0 or levels[0] != 0:
            raise ValueError(
                f"levels must begin with 0, got {shown(levels.tolist())}: where h_0 was not "
                "measured, give 0 as its lower limit and log q, the most nats of one token, as "
                "its upper one"
            )
        lower, upper = (_limits(name, getattr(self, name), levels) for name in ("lower", "upper"))
        # 0.0 is added so that no zero has a sign: equal limits have equal bytes
        tight = np.maximum.accumulate(lower[::-1])[::-1] + 0.0
        least = np.minimum.accumulate(upper) + 0.0
        excess = tight - least
        if excess.max() > _ROUNDING * max(1.0, tight[0]):
            i = int(excess.argmax())
            before, after = int(upper[: i + 1].argmin()), i + int(lower[i:].argmax())
            raise ValueError(_empty(levels, lower, upper, before, after))
        object.__setattr__(self, "length", length)
        object.__setattr__(self, "levels", frozen(levels))
        object.__setattr__(self, "lower", frozen(tight))
        object.__setattr__(self, "upper", frozen(np.maximum(least, tight)))
        confidence = number("confidence", self.confidence)
        if not 0 < confidence <= 1:
            raise ValueError(f"confidence must lie in (0, 1], got {confidence}")
        object.__setattr__(self, "confidence", confidence)
        instance("note", self.note, str)

    def __repr__(self) -> str:
        limits = [f"{name}={_few(getattr(self, name))}" for name in ("levels", "lower", "upper")]
        sure = "" if self.confidence == 1 else f", confidence={self.confidence:g}"
        return f"ProfileBand(length={self.length}, {', '.join(limits)}{sure})"

    def __str__(self) -> str:
        sure = "" if self.confidence == 1 else f", confidence {self.confidence:g}"
        if self.note:
            sure += f" ({self.note})"
        lines = [f"h at {self.levels.size} of {self.length} levels, in nats{sure}"]
        rows = zip(self.levels.tolist(), self.lower, self.upper, strict=True)
        width = len(str(self.levels[-1]))
        for level, low, high in rows:
            limits = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
            lines.append(f"  {level:{width}d}  {limits}")
        return "\n".join(lines)

    @property
    def _key(self) -> tuple[Any, ...]:
        limits = self.levels.tobytes(), self.lower.tobytes(), self.upper.tobytes()
        return self.length, *limits, self.confidence

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        # by the constructor, so that copies are read-only as well and carry no cached arrays
        return type(self), tuple(vars(self)[name] for name in self.__dataclass_fields__)

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary that ``from_dict`` turns back into this band."""
        return {
            "length": self.length,
            "levels": self.levels.tolist(),
            "lower": self.lower.tolist(),
            "upper": self.upper.tolist(),
            "confidence": self.confidence,
            "note": self.note,
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """The band that ``to_dict`` described.

        Raises
        ------
        TypeError, ValueError
            If ``d`` is no dictionary, an entry is missing or superfluous, or they do not fit.
        """
        return cls(**entries(d, cls))

    @classmethod
    def from_profile(cls, profile: InformationProfile, levels: npt.ArrayLike) -> Self:
        """The band of what is known of a profile from its exact values at some levels.

        Parameters
        ----------
        profile : InformationProfile
            An exact one: of an estimate, ``EstimatedProfile.band`` is the band.
        levels : array_like of int
            As for the class.

        Raises
        ------
        TypeError, ValueError
            If the profile is of another type or ``fitted`` to an estimate, or the levels are out
            of order or range.

        Examples
        --------
        >>> ProfileBand.from_profile(InformationProfile.mds_code(8, 3, 7), [0, 7]).upper.round(4)
        array([1.9459, 0.    ])
        """
        exact_profile("profile", profile)
        if profile.fitted:
            raise ValueError(
                "profile must be exact, got one fitted to an estimate: estimate.band(confidence) "
                "is the band around it"
            )
        levels = _levels(levels, profile.length)
        h = profile.conditional_entropy[levels]
        return cls(profile.length, levels, h, h)

    @classmethod
    def from_estimates(
        cls,
        length: int,
        levels: npt.ArrayLike,
        estimates: Sequence[Estimate],
        confidence: float = 0.95,
        most: float | None = None,
    ) -> Self:
        r"""The band of estimates with standard errors, simultaneous over the levels.

        At each of the ``m`` levels Student's t interval of level
        :math:`1 - (1 - \text{confidence})/m` (Bonferroni; the estimates may depend on each other),
        cut at 0. It is asymptotic: right for means of many draws, too narrow for few draws of a
        skewed law. An estimate without error is taken as exact.

        Parameters
        ----------
        length : int
            The sequence length.
        levels : array_like of int, shape (m,)
            Increasing, each in 0, ..., ``length - 1``. Without the level 0, ``most`` is needed.
        estimates : sequence of Estimate, length m
            Of :math:`h_j` at the levels, in nats.
        confidence : float
            Between 0 and 1.
        most : float, optional
            What no entropy exceeds, :math:`\log q` for ``q`` symbols: an upper limit everywhere,
            and all that is known at the level 0 where that is not among the levels.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type, shape or out of range, an estimate with an error
            rests on a single draw, or the band is empty.

        Examples
        --------
        >>> found = [Estimate(1.0, 0.01, 100), Estimate(0.4, 0.02, 100)]
        >>> print(ProfileBand.from_estimates(8, [0, 7], found, confidence=0.9))
        h at 2 of 8 levels, in nats, confidence 0.9 (Student t, asymptotic)
          0  0.980158 to 1.01984
          7  0.360316 to 0.439684
        """
        levels = _levels(levels, integer("length", length, 1, MOST_POSITIONS))
        several = _several("estimates", estimates, levels)
        found = [instance("estimates", estimate, Estimate) for estimate in several]
        chance = _mistakes(confidence) / max(levels.size, 1) / 2
        values = np.array([estimate.value for estimate in found])
        errors = np.array([estimate.standard_error for estimate in found])
        draws = np.array([estimate.n for estimate in found])
        if ((errors > 0) & (draws < 2)).any():
            raise ValueError("estimates must rest on at least 2 draws each, got one on 1")
        radii = np.where(errors > 0, errors, 0.0)
        radii *= -scipy.special.stdtrit(np.maximum(draws - 1.0, 1.0), chance)
        return cls._around(length, levels, values, radii, confidence, most, _T)

    @classmethod
    def from_samples(
        cls,
        length: int,
        levels: npt.ArrayLike,
        samples: Sequence[npt.ArrayLike],
        confidence: float = 0.95,
        method: Literal["t", "bernstein"] = "t",
        most: float | None = None,
    ) -> Self:
        r"""The band of independent draws at each level, simultaneous over the levels.

        The draws at level ``j`` have mean :math:`h_j`: the surprise at a fresh token when ``j``
        random others are known, or the entropy of its conditional law. With :math:`\delta =
        (1 - \text{confidence})/m` (Bonferroni), the limits at each of the ``m`` levels are

        - ``"t"``: Student's t interval of level :math:`1 - \delta`. Asymptotic: right for means
          of many draws, too narrow for few draws of a skewed law; draws that are all equal count
          as exact.
        - ``"bernstein"``: the empirical Bernstein bound on both sides, for any number of draws of
          numbers in :math:`[0, b]`, ``b = most``, with sample variance :math:`s^2`:

          .. math:: |\bar x - h_j| \le \sqrt{\frac{2 s^2 \log(4/\delta)}{n}}
              + \frac{7 b \log(4/\delta)}{3 (n-1)}

          (Maurer and Pontil, COLT 2009, theorem 4). The surprise is not bounded; the entropy of a
          conditional law is at most :math:`\log q`.

        Parameters
        ----------
        length, levels, confidence, most
            As in ``from_estimates``. ``"bernstein"`` needs ``most``, which no draw exceeds.
        samples : sequence of array_like
            One vector of at least 2 draws for each level, in nats.
        method : {"t", "bernstein"}
            Which limits.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type, shape or out of range, or the band is empty.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> draws = [rng.uniform(0.5, 0.6, 1000), rng.uniform(0, 0.2, 1000)]
        >>> for method in ("t", "bernstein"):
        ...     band = ProfileBand.from_samples(9, [0, 8], draws, 0.95, method, most=np.log(2))
        ...     print((band.upper - band.lower).round(3))
        [0.004 0.008]
        [0.022 0.028]
        """
        levels = _levels(levels, integer("length", length, 1, MOST_POSITIONS))
        draws = [real_array("samples", x, ndim=1) for x in _several("samples", samples, levels)]
        fewest = min((x.size for x in draws), default=2)
        if fewest < 2:
            raise ValueError(f"samples must hold at least 2 draws a level, got {fewest}")
        if choice("method", method, ("t", "bernstein")) == "t":
            found = [Estimate.from_draws(x) for x in draws]
            return cls.from_estimates(length, levels, found, confidence, most)
        if most is None:
            raise ValueError("most must be given for 'bernstein': the most that a draw can be")
        most = _largest("most", most)
        outside = [x for x in draws if x.min() < 0 or x.max() > most]
        if outside:
            x = outside[0]
            wrong = x.min() if x.min() < 0 else x.max()
            raise ValueError(f"samples must lie in [0, most] = [0, {most:.6g}], got {wrong}")
        tail = log(4 * max(levels.size, 1) / _mistakes(confidence))
        values = np.array([x.mean() for x in draws])
        radii = np.array(
            [
                sqrt(2 * x.var(ddof=1) * tail / x.size) + 7 * most * tail / (3 * (x.size - 1))
                for x in draws
            ]
        )
        return cls._around(length, levels, values, radii, confidence, most, _BERNSTEIN)

    @classmethod
    def _around(
        cls,
        length: int,
        levels: IntArray,
        values: FloatArray,
        radii: FloatArray,
        confidence: float,
        most: float | None,
        note: str,
    ) -> Self:
        """The band of intervals around values."""
        lower, upper = np.maximum(values - radii, 0.0), values + radii
        if upper.size and upper.min() < 0:
            i = int(upper.argmin())
            raise ValueError(
                "no entropy curve lies in the band: entropies are nonnegative, and h at level "
                f"{levels[i]} was found to be at most {upper[i]:.6g}"
            )
        if most is not None:
            most = _largest("most", most)
            if levels.size == 0 or levels[0] > 0:
                levels = np.append(0, levels)
                lower, upper = np.append(0.0, lower), np.append(most, upper)
            upper = np.minimum(upper, most)
        return cls(length, levels, lower, upper, confidence, note)

    @cached_property
    def lower_curve(self) -> FloatArray:
        """ndarray, shape (L,): the least that each :math:`h_j` can be; itself in the band."""
        table_fits(f"a curve of length {self.length}", 8 * self.length)
        nearest = np.searchsorted(self.levels, np.arange(self.length))
        return frozen(np.append(self.lower, 0.0)[nearest])

    @cached_property
    def upper_curve(self) -> FloatArray:
        """ndarray, shape (L,): the most that each :math:`h_j` can be; itself in the band."""
        table_fits(f"a curve of length {self.length}", 8 * self.length)
        nearest = np.searchsorted(self.levels, np.arange(self.length), side="right") - 1
        return frozen(self.upper[nearest])

    @cached_property
    def layers(self) -> Layers:
        """Layers: what the band allows a curve to be at each height; at most ``2m`` of them."""
        heights = np.unique(np.concatenate([[0.0], self.lower, self.upper]))
        # how many levels have a limit above the foot of each layer
        foot = heights[:-1]
        low = self.lower.size - np.searchsorted(self.lower[::-1], foot, side="right")
        high = self.upper.size - np.searchsorted(self.upper[::-1], foot, side="right")
        first = np.append(0, self.levels + 1)[low]
        last = np.append(self.levels, self.length)[high]
        return Layers(frozen(np.diff(heights)), frozen(first), frozen(last))

    def contains(self, profile: InformationProfile) -> bool:
        """Whether a profile lies in the band, up to rounding (1e-11 of the larger of 1 and h_0).

        Raises
        ------
        TypeError, ValueError
            If ``profile`` is no InformationProfile, or of another length.
        """
        h = exact_profile("profile", profile).conditional_entropy
        if profile.length != self.length:
            raise ValueError(
                f"profile must have the length {self.length} of the band, got {profile.length}"
            )
        h, rounding = h[self.levels], _ROUNDING * max(1.0, h[0])
        return bool((self.lower <= h + rounding).all() and (h <= self.upper + rounding).all())

    def next_level(self) -> int | None:
        r"""Where to measure next: in the middle of the gap that costs most.

        The least certified error is about :math:`S^2/(2K)`, :math:`S = \sum_i \sqrt{w_i l_i}` over
        the gaps between neighbouring levels, of length :math:`l_i` and with a fall :math:`w_i` of
        the curve (proposition "levels" of the book). Halved is the gap with the largest
        :math:`w_i l_i`, the first of equal ones. The fall is taken between the middles of the
        limits, so that errors alone do not ask for more levels: more draws narrow them. The end
        ``L - 1`` comes first where it was not measured.

        Returns
        -------
        int or None
            None where every gap is closed or without a fall.
        """
        last = self.length - 1
        if self.levels[-1] < last:
            return last
        middle = (self.lower + self.upper) / 2
        gaps = np.diff(self.levels)
        cost = np.where(gaps > 1, -np.diff(middle) * gaps, 0.0)
        if cost.max(initial=0.0) <= 0:
            return None
        i = int(cost.argmax())
        return int(self.levels[i] + self.levels[i + 1]) // 2

    def coarsen(self, levels: int) -> Self:
        r"""The band from at most so many of its levels: wider, hence as valid.

        Kept are the first and the last; the others are chosen one by one, each as the one that
        lowers :math:`\sum_i \sqrt{w_i l_i}` most, with the largest falls :math:`w_i` that the band
        allows over the gaps. Time O(m) a level.

        Parameters
        ----------
        levels : int
            How many are kept, at least 1.

        Raises
        ------
        TypeError, ValueError
            If ``levels`` is no integer >= 1.

        Examples
        --------
        >>> profile = InformationProfile(1 / np.arange(1.0, 41))
        >>> ProfileBand.from_profile(profile, range(40)).coarsen(4).levels
        array([ 0,  5, 14, 39])
        """
        most = integer("levels", levels, 1)
        if most >= self.levels.size:
            return self
        kept = [0] if most == 1 else [0, self.levels.size - 1]
        while len(kept) < most:
            kept = sorted([*kept, self._best_of(kept)])
        parts = self.levels[kept], self.lower[kept], self.upper[kept]
        return type(self)(self.length, *parts, self.confidence, self.note)

    def _best_of(self, kept: list[int]) -> int:
        """The level to keep next beside those kept, all by their places."""
        places = np.setdiff1d(np.arange(self.levels.size), kept)
        after = np.searchsorted(kept, places)
        a, b = np.array(kept)[after - 1], np.array(kept)[after]

        def cost(start: IntArray, end: IntArray) -> FloatArray:
            falls = self.upper[start] - self.lower[end]
            return np.sqrt(falls * (self.levels[end] - self.levels[start]))

        gain = cost(a, b) - cost(a, places) - cost(places, b)
        return int(places[gain.argmax()])


def _levels(value: npt.ArrayLike, length: int) -> IntArray:
    """Increasing levels of a curve of some length."""
    levels = integer_array("levels", value, 1, 0, length - 1)
    falling = np.flatnonzero(np.diff(levels) <= 0)
    if falling.size:
        i = falling[0]
        raise ValueError(f"levels must increase, got {levels[i + 1]} after {levels[i]}")
    return levels


def _limits(name: str, value: object, levels: IntArray) -> FloatArray:
    limits = real_array(name, value, ndim=1)
    if limits.shape != levels.shape:
        raise ValueError(f"{name} must have one entry a level, {levels.size}, got {limits.size}")
    if limits.min() < 0 or limits.max() > MOST_NATS:
        wrong = limits.min() if limits.min() < 0 else limits.max()
        raise ValueError(f"{name} must lie in [0, {MOST_NATS:g}], got {wrong}")
    return limits


def _largest(name: str, value: object) -> float:
    """What no entropy exceeds."""
    most = number(name, value, 0)
    if most > MOST_NATS:
        raise ValueError(f"{name} must lie in [0, {MOST_NATS:g}], got {most}")
    return most


def _several(name: str, value: object, levels: IntArray) -> list[Any]:
    """A list of one thing for each level."""
    if not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        raise TypeError(f"{name} must hold one entry for each level, got {shown(value)}")
    several = list(value)
    if len(several) != levels.size:
        raise ValueError(
            f"{name} must hold one entry for each of the {levels.size} levels, got {len(several)}"
        )
    return several


def _mistakes(confidence: object) -> float:
    """The chance that is left for a mistake."""
    sure = number("confidence", confidence)
    if not 0 < sure < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {sure}")
    return 1 - sure


def _empty(levels: IntArray, lower: FloatArray, upper: FloatArray, before: int, after: int) -> str:
    """What is wrong with limits between which no curve falls."""
    if before == after:
        return (
            f"lower must be at most upper, got {lower[after]:.6g} and {upper[after]:.6g} at level "
            f"{levels[after]}"
        )
    return (
        "lower and upper leave no nonincreasing curve: h is at most "
        f"{upper[before]:.6g} at level {levels[before]} and at least {lower[after]:.6g} at level "
        f"{levels[after]}. A curve that rises beyond its error is not a profile: the measured "
        "cross-entropies of a learned predictor may rise, and what a schedule costs on them is "
        "EstimatedProfile.price(schedule), which needs no falling curve"
    )


def _few(values: npt.NDArray[Any]) -> str:
    few = [f"{x:.6g}" for x in values.tolist()]
    if len(few) > 6:
        few = [*few[:3], "...", few[-1]]
    return f"[{', '.join(few)}]"
