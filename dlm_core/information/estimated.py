"""What was measured of a mask predictor: its curve with errors, and the prices that follow."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import hypot, sqrt
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias
from warnings import warn

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
    ROUNDING,
    InformationProfile,
    MeasuredCurve,
    block_price_weights,
    check_size,
    entries,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dlm_core.error.guarantee import Steps
    from dlm_core.information.band import ProfileBand
    from dlm_core.schedules import OptimalForProfile, Robust, Schedule

__all__ = ["EstimatedProfile", "ProfilesByLength"]

# A sum whose terms cancel to this share of their size is rounding: a variance of zero, for one.
_CANCELLED = 1e-14
# Eigenvalues of a matrix of correlations are computed to about 1e-16 of its trace.
_INDEFINITE = 1e-9
# Points of less weight than this, beside the largest, carry rounding.
_NO_WEIGHT = 1e-12
_CHOSEN = "sizes chosen and priced on one estimate"

_Predictor: TypeAlias = Literal["learned", "ideal", "assumed ideal"]
# what is said of each number, by the predictor that was measured
LEARNED = "on the predictor that was measured"
_NOTES: dict[str, str] = {
    "learned": LEARNED,
    "ideal": "",
    "assumed ideal": "if the predictor is ideal",
}


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedProfile(MeasuredCurve):
    r"""The curve of a mask predictor, measured: a profile known up to sampling error.

    Its points are :math:`\hat h_j`, the mean of the predictor's surprise at a token when ``j``
    random others are known. For the true conditional marginals that is :math:`h_j`; of a learned
    predictor the curve need not even fall. Either way the negative log-likelihood of what a
    schedule generates is a sum over it (``nll``), and what the schedule costs beyond one token at
    a time its ``price``. Nothing here is exact, so this is no `InformationProfile` and serves
    nowhere as one: its sums come as `Estimate`, with standard errors, and `fit` is the curve for
    whatever needs one.

    Parameters
    ----------
    estimates : array_like, shape (m,)
        Unbiased estimates of :math:`\hat h_j` at the points, in nats; they may rise.
    standard_error : array_like, shape (m,)
        Their standard errors; zero where a point is known exactly.
    n : int
        Number of draws behind each point.
    covariance : array_like, shape (m, m), optional
        Covariance of the estimates, with ``standard_error**2`` on its diagonal. Left out, it
        says that the draws at different ``j`` are independent of each other.
    points : array_like of int, shape (m,), optional
        At which ``j`` it was measured, increasing; all of 0, ..., ``L - 1`` if left out.
    length : int, optional
        ``L``; ``m`` if left out.
    predictor : {"learned", "ideal", "assumed ideal"}
        Whether the predictor is known to return the true conditional marginals, or taken to do so
        (``assume_ideal``). Of a learned one nothing follows about TC and DTC.

    Raises
    ------
    TypeError, ValueError
        If the arrays are not numeric and finite, differ in length, exceed 1e100, if a standard
        error is negative, ``n`` no integer >= 1, the points out of order or range, or the
        covariance is that of no random numbers (not symmetric or not positive semidefinite, up to
        rounding) or of another diagonal.

    Examples
    --------
    >>> from dlm_core.schedules import Equal
    >>> measured = EstimatedProfile([0.70, 0.41, 0.43], [0.02, 0.02, 0.02], n=1000)
    >>> print(measured.price(Equal(3, 2)))
    -0.02 ± 0.028 (n = 1,000), on the predictor that was measured
    >>> measured.optimal(2).sizes
    array([1, 2])
    >>> measured.fit.conditional_entropy
    array([0.7 , 0.42, 0.42])
    """

    estimates: FloatArray
    standard_error: FloatArray
    n: int
    covariance: FloatArray | None = None
    points: IntArray = None  # type: ignore[assignment]
    length: int = None  # type: ignore[assignment]
    predictor: _Predictor = "learned"

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
        check_size("estimates", estimates)
        check_size("standard_error", errors)
        length = estimates.size if self.length is None else self.length
        length = integer("length", length, estimates.size, MOST_POSITIONS)
        points = np.arange(length) if self.points is None else self.points
        points = checked_points(points, length)
        if points.size != estimates.size:
            raise ValueError(
                f"points must be as many as estimates, {estimates.size}, got {points.size}"
            )
        # 0.0 is added so that no zero has a sign: equal arrays have equal bytes
        object.__setattr__(self, "estimates", frozen(estimates + 0.0))
        object.__setattr__(self, "standard_error", frozen(errors + 0.0))
        object.__setattr__(self, "n", integer("n", self.n, 1))
        if self.covariance is not None:
            covariance = _checked_covariance(self.covariance, errors)
            object.__setattr__(self, "covariance", frozen(covariance + 0.0))
        object.__setattr__(self, "points", frozen(points))
        object.__setattr__(self, "length", length)
        choice("predictor", self.predictor, list(_NOTES))

    def __repr__(self) -> str:
        what = f"length={self.length}, n={self.n}"
        if not self._whole:
            return f"EstimatedProfile({what}, points={_few(self.points)})"
        sums = {"TC": self.total_correlation, "DTC": self.dual_total_correlation}
        shown_sums = (
            f"{name}={sum_.value:.6g} ± {sum_.standard_error:.2g}" for name, sum_ in sums.items()
        )
        return f"EstimatedProfile({what}, {', '.join(shown_sums)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        arrays = self.estimates, self.standard_error, self.covariance, self.points
        described = tuple(None if array is None else array.tobytes() for array in arrays)
        return *described, self.n, self.length, self.predictor

    def __reduce__(self) -> tuple[Any, ...]:
        # by the constructor, so that copies are read-only as well and carry no cached arrays
        return type(self), tuple(vars(self)[name] for name in self.__dataclass_fields__)

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary that ``from_dict`` turns back into this profile."""
        return {
            "estimates": self.estimates.tolist(),
            "standard_error": self.standard_error.tolist(),
            "n": self.n,
            "covariance": None if self.covariance is None else self.covariance.tolist(),
            "points": self.points.tolist(),
            "length": self.length,
            "predictor": self.predictor,
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
    def from_draws(
        cls,
        draws: npt.ArrayLike,
        *,
        points: npt.ArrayLike | None = None,
        length: int | None = None,
        predictor: _Predictor = "learned",
    ) -> Self:
        """Profile from independent curves, shape (n, m) with n >= 2, each unbiased.

        The points of one curve may depend on each other: the covariance is estimated. The other
        arguments are those of the class.

        Raises
        ------
        TypeError, ValueError
            If the draws are not a finite table of two rows or more, or exceed 1e100; or as the
            class.
        """
        draws = real_array("draws", draws)
        if draws.ndim != 2 or draws.shape[0] < 2 or draws.shape[1] < 1:
            raise ValueError(f"draws must have shape (n, m), n >= 2 and m >= 1, got {draws.shape}")
        check_size("draws", draws)
        n, size = draws.shape
        table_fits(f"the covariance of {size} points", 8 * size**2)
        # From the first draw, so that a point that never varies gets an error of exactly zero.
        differences = draws - draws[0]
        deviations = differences - differences.mean(axis=0)
        covariance = deviations.T @ deviations / (n * (n - 1))
        means = draws[0] + differences.mean(axis=0)
        errors = np.sqrt(covariance.diagonal())
        return cls(means, errors, n, covariance, points, length, predictor)  # type: ignore[arg-type]

    def assume_ideal(self) -> Self:
        """The same, its predictor taken to return the true conditional marginals.

        Its TC, DTC and prices are then those of the distribution, up to sampling error, and what
        is promised on them says that it rests on this assumption.
        """
        if self.predictor == "ideal":
            return self
        return replace(self, predictor="assumed ideal")

    @property
    def note(self) -> str:
        """str: what each number of this curve speaks of; empty where the predictor is ideal."""
        return _NOTES[self.predictor]

    @property
    def _whole(self) -> bool:
        """Whether every point was measured."""
        return self.points.size == self.length

    @cached_property
    def fit(self) -> InformationProfile:
        """InformationProfile: the nearest nonincreasing curve, marked as ``fitted``.

        The isotonic regression of the estimates, weighted by the inverse variances and cut at
        zero. It moves them within their errors and is therefore slightly biased. Between points
        that were measured it is straight, and level after the last; 0 must be among them.
        """
        weights = _precisions(self.standard_error)
        fit = scipy.optimize.isotonic_regression(
            self.estimates, weights=weights, increasing=False
        ).x
        return InformationProfile(self._between(np.maximum(fit, 0.0)), fitted=True)

    def _between(self, values: FloatArray) -> FloatArray:
        """A curve through values at the points."""
        if self.points[0] > 0:
            raise ValueError(
                f"points must begin with 0 for a curve, got {self.points[0]}: what the predictor "
                "knows with nothing revealed is the largest entropy"
            )
        table_fits(f"a curve of length {self.length}", 8 * self.length)
        return np.interp(np.arange(self.length), self.points, values)

    def at(self, levels: npt.ArrayLike) -> list[Estimate]:
        """The estimates at some of the points, each with its error.

        Raises
        ------
        TypeError, ValueError
            If ``levels`` are no increasing integers, or not all were measured.
        """
        levels = checked_points(levels, self.length, "levels")
        places = self._places(levels)
        pairs = zip(self.estimates[places], self.standard_error[places], strict=True)
        return [Estimate(float(x), float(error), self.n, self.note) for x, error in pairs]

    def _places(self, levels: IntArray) -> IntArray:
        places = np.minimum(np.searchsorted(self.points, levels), self.points.size - 1)
        missing = levels[self.points[places] != levels]
        if missing.size:
            raise ValueError(
                f"the curve must have been measured at {_few(missing)} of its {self.length} "
                f"points, got it at {_few(self.points)}: give estimate_profile those points, or "
                "band(confidence) for what falling curves may do between them"
            )
        return places

    def estimate(self, weights: npt.ArrayLike) -> Estimate:
        r"""Unbiased estimate of a linear functional :math:`\sum_j w_j \hat h_j` of the curve.

        Parameters
        ----------
        weights : array_like, shape (L,)
            The weights :math:`w_0, \dots, w_{L-1}`, at most 1e100, and zero (up to rounding) at
            points that were not measured.

        Returns
        -------
        Estimate
            In nats, with the standard error that follows from the covariance of the points.

        Raises
        ------
        TypeError, ValueError
            If the weights are not ``L`` finite numbers, or rest on a point that was not measured.
        """
        weights = real_array("weights", weights, ndim=1)
        if weights.size != self.length:
            raise ValueError(f"weights must have length {self.length}, got {weights.size}")
        check_size("weights", weights)
        if not self._whole:
            used = np.abs(weights) > _NO_WEIGHT * np.abs(weights).max()
            self._places(np.flatnonzero(used))
            weights = weights[self.points]
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
        return Estimate(value, error, self.n, self.note)

    def nll(self, schedule: "Schedule") -> Estimate:
        r"""The expected negative log-likelihood of a sequence under what a schedule generates.

        With :math:`a_t` the expected size of a block that starts at ``t`` (0 where none does), it
        is :math:`\sum_t a_t \hat h_t`, exactly and whatever the predictor: the mean of
        ``-log_likelihood`` over sequences, orders and sizes. Less the entropy of the distribution
        it is the expected KL, the predictor's own error included.

        Parameters
        ----------
        schedule : Schedule
            The law of the sizes, of the same length. Of sizes chosen on this very estimate
            (``optimal``) the value is too low: measure it on fresh draws.

        Returns
        -------
        Estimate
            In nats a sequence, unbiased.

        Raises
        ------
        TypeError, ValueError
            If ``schedule`` is no schedule, the lengths differ, or blocks may start at a point that
            was not measured.

        Examples
        --------
        >>> from dlm_core.schedules import Equal
        >>> ends = EstimatedProfile([0.7, 0.45], [0.01, 0.01], n=500, points=[0, 2], length=4)
        >>> print(ends.nll(Equal(4, 2)))
        2.3 ± 0.028 (n = 500), on the predictor that was measured
        """
        return self.estimate(self._price_weights(schedule) + 1)

    def price(self, schedule: "Schedule") -> Estimate:
        r"""The nats that a schedule costs over one token at a time, on the predictor measured.

        With :math:`a_t` as in ``nll`` it is :math:`\sum_t (a_t - 1) \hat h_t`, see
        `dlm_core.error.price_weights`: the expected divergence of the samples less that of one
        token at a time, whatever the predictor and whether or not its curve falls. Only where the
        predictor is exact is it the expected KL; a predictor that has learned nothing of the
        dependence has a price of zero and samples that are as wrong with one token at a time.

        Parameters
        ----------
        schedule : Schedule
            The law of the sizes, of the same length. If it was chosen on this very estimate
            (``optimal``), the price is too low: measure it on fresh draws.

        Returns
        -------
        Estimate
            In nats, unbiased.

        Raises
        ------
        TypeError
            If ``schedule`` is no schedule.
        ValueError
            If the lengths differ, or a point of some weight was not measured.

        Examples
        --------
        >>> from dlm_core.schedules import Equal
        >>> measured = EstimatedProfile([0.7, 0.5, 0.45], [0.01, 0.01, 0.01], n=500)
        >>> print(measured.price(Equal(3, 1)))
        0.45 ± 0.024 (n = 500), on the predictor that was measured
        """
        return self.estimate(self._price_weights(schedule))

    def _price_weights(self, schedule: "Schedule") -> FloatArray:
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
        return block_price_weights(schedule.residual)

    @cached_property
    def _least(self) -> InformationProfile:
        """The running minimum of the curve, on which sizes are chosen."""
        least = np.minimum.accumulate(np.maximum(self.estimates, 0.0))
        return InformationProfile(self._between(least), fitted=True)

    def optimal(self, steps: int) -> "OptimalForProfile":
        r"""The fixed sizes of least price on this curve, with at most so many steps.

        Those of the running minimum :math:`m_j = \min_{i \le j} \hat h_i` (straight between points
        that were measured): whatever the curve, no sizes have less price than the best ones on
        ``m``, and these begin blocks where the curve reaches a new minimum. Where it does so fewer
        than ``steps`` times, further steps cost more than they bring; the schedule then has as
        many as help, and a warning says so.

        Parameters
        ----------
        steps : int
            ``1 <= K <= L``.

        Returns
        -------
        OptimalForProfile
            Its price on this very estimate is too low: ``price`` of fresh draws, or ``certify``.

        Raises
        ------
        TypeError, ValueError
            If ``steps`` is no integer in range, or the curve was not measured at 0.

        Warns
        -----
        UserWarning
            If fewer steps are better than ``steps``.

        Examples
        --------
        >>> rising = EstimatedProfile([1.0, 0.4, 0.6, 0.2], [0.01] * 4, n=900)
        >>> rising.optimal(3).sizes
        array([1, 2, 1])
        """
        from dlm_core.schedules.optimal import OptimalForProfile

        steps = integer("steps", steps, 1, self.length)
        useful = 1 + int(np.count_nonzero(self._least.increments))
        if steps > useful:
            warn(
                f"fewer steps are better than {steps}: the curve has only {useful} minima so far, "
                "its start among them, and a block that begins elsewhere costs more than it "
                f"brings. The sizes are for {useful} steps",
                stacklevel=2,
            )
        return OptimalForProfile(self._least, min(steps, useful))

    def robust(self, steps: int, confidence: float = 0.95) -> "Robust":
        """The schedule of least price in the worst case over ``band(confidence)``.

        Parameters
        ----------
        steps : int
            ``1 <= K <= L``.
        confidence : float
            Of the band.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, or no falling curve lies in the band.
        """
        from dlm_core.schedules.robust import Robust

        return Robust(self.band(confidence), steps)

    def steps_for(self, price: float) -> "Steps":
        """The least number of steps with which ``optimal`` sizes cost at most so much.

        Parameters
        ----------
        price : float
            In nats, nonnegative.

        Returns
        -------
        Steps
            An ``int`` with ``error`` (the price) and ``basis``, which says that sizes were chosen
            and priced on one curve.

        Raises
        ------
        TypeError, ValueError
            If ``price`` is no nonnegative number, or the curve was not measured at 0.

        Examples
        --------
        >>> measured = EstimatedProfile([1.0, 0.5, 0.6, 0.2], [0.01] * 4, n=900)
        >>> steps = measured.steps_for(0.5)
        >>> int(steps), round(steps.error, 6)
        (2, 0.2)
        >>> steps.basis
        'sizes chosen and priced on one estimate, on the predictor that was measured'
        """
        from dlm_core.error.guarantee import Steps
        from dlm_core.schedules._partitions import Partitions

        price = number("price", price, 0)
        partitions = Partitions(self._least)
        # what the curve lies above its running minimum counts for each token at a time
        above = float(self._between(self.estimates).sum()) - self._least.entropy
        steps = partitions.least(price + above)
        basis = f"{_CHOSEN}, {self.note}" if self.note else _CHOSEN
        return Steps(steps, partitions.at(steps) - above, basis)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the curve, its standard errors (two on each side), and its running minimum.

        Needs matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where; by default the current axes.

        Returns
        -------
        matplotlib.axes.Axes
        """
        try:
            import matplotlib.pyplot as plt
        except ModuleNotFoundError as error:
            message = "matplotlib is not installed: pip install matplotlib"
            raise ModuleNotFoundError(message, name=error.name) from None

        ax = plt.gca() if ax is None else ax
        alone = "o" if self.points.size == 1 else ""
        (line,) = ax.plot(self.points, self.estimates, marker=alone, label="measured")
        reach = 2 * self.standard_error
        ax.fill_between(
            self.points,
            self.estimates - reach,
            self.estimates + reach,
            color=line.get_color(),
            alpha=0.25,
            linewidth=0,
        )
        least = np.minimum.accumulate(self.estimates)
        if (least < self.estimates).any():
            ax.plot(self.points, least, color="0.4", linestyle=":", label="running minimum")
        ax.set_xlabel("tokens known")
        ax.set_ylabel("nats a token")
        ax.set_xlim(0, max(self.length - 1, 1))
        ax.set_ylim(bottom=0)
        return ax

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
            Increasing, from 0 on, among the points. If not given, the points where only some were
            measured, else at most 16: the ends, and 1/2, 1/4, ..., 1/128 of the way from each of
            them. More levels need wider intervals.

        Returns
        -------
        ProfileBand

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type or out of range, a point with an error rests on a
            single draw, a level was not measured, or no falling curve lies in the band.

        Examples
        --------
        >>> measured = EstimatedProfile([0.7, 0.5, 0.45], [0.01, 0.01, 0.01], n=500)
        >>> measured.band(confidence=0.95).upper.round(4)
        array([0.724, 0.524, 0.474])
        """
        # a band is made of profiles and rests on this module
        from dlm_core.information.band import ProfileBand

        if levels is None:
            levels = _dyadic(self.length) if self._whole else self.points
        return ProfileBand.from_estimates(self.length, levels, self.at(levels), confidence)

    @cached_property
    def entropy(self) -> Estimate:
        r"""Estimate: the NELBO :math:`\sum_j \hat h_j`, nats a sequence of one token at a time.

        The bound that masked models report, at least :math:`H(X)`, which it is where the predictor
        is exact.
        """
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


@dataclass(frozen=True, repr=False)
class ProfilesByLength(Mapping[int, EstimatedProfile]):
    """The curves of one predictor on rows with different numbers of positions to fill.

    A mapping from each number to its `EstimatedProfile`. Sums over all rows, ``nll`` and
    ``price``, let each row follow the schedule of the same kind for its own number, as
    ``generate`` does; their standard errors are given the numbers.

    Parameters
    ----------
    profiles : iterable of EstimatedProfile
        One for each length, in any order.

    Raises
    ------
    TypeError, ValueError
        If there is none, one is something else, or two have one length.
    """

    profiles: tuple[EstimatedProfile, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.profiles, Iterable) or getattr(self.profiles, "ndim", 1) == 0:
            raise TypeError(
                f"profiles must be several of EstimatedProfile, got {shown(self.profiles)}"
            )
        found = [instance("profiles", each, EstimatedProfile) for each in self.profiles]
        found.sort(key=lambda each: each.length)
        lengths = [each.length for each in found]
        if not found or len(set(lengths)) < len(lengths):
            raise ValueError(f"profiles must be of different lengths, at least one, got {lengths}")
        object.__setattr__(self, "profiles", tuple(found))

    def __getitem__(self, length: int) -> EstimatedProfile:
        for profile in self.profiles:
            if profile.length == length:
                return profile
        raise KeyError(length)

    def __iter__(self) -> Iterator[int]:
        return (profile.length for profile in self.profiles)

    def __len__(self) -> int:
        return len(self.profiles)

    def __repr__(self) -> str:
        rows = ", ".join(f"{profile.length}: n={profile.n}" for profile in self.profiles)
        return f"ProfilesByLength({rows})"

    @property
    def n(self) -> int:
        """int: how many rows there are in all."""
        return sum(profile.n for profile in self.profiles)

    def nll(self, schedule: "Schedule") -> Estimate:
        """The expected negative log-likelihood of a row, as ``EstimatedProfile.nll``.

        Parameters
        ----------
        schedule : Schedule
            Of at least the largest of the lengths, of a kind that can be resized.

        Raises
        ------
        TypeError, ValueError
            If ``schedule`` is no such schedule, or a point of some weight was not measured.
        """
        return self._mean([each.nll(self._for(schedule, each.length)) for each in self.profiles])

    def price(self, schedule: "Schedule") -> Estimate:
        """The nats a row that a schedule costs, as ``EstimatedProfile.price``.

        Parameters
        ----------
        schedule : Schedule
            As for ``nll``.

        Raises
        ------
        TypeError, ValueError
            As ``nll``.
        """
        return self._mean([each.price(self._for(schedule, each.length)) for each in self.profiles])

    def _for(self, schedule: "Schedule", length: int) -> "Schedule":
        from dlm_core.schedules.base import Schedule

        return instance("schedule", schedule, Schedule).resized(length)

    def _mean(self, found: list[Estimate]) -> Estimate:
        shares = [profile.n / self.n for profile in self.profiles]
        value = sum(share * each.value for share, each in zip(shares, found, strict=True))
        error = sqrt(
            sum((s * each.standard_error) ** 2 for s, each in zip(shares, found, strict=True))
        )
        return Estimate(value, error, self.n, found[0].note)

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary that ``from_dict`` turns back into these profiles."""
        return {"profiles": [profile.to_dict() for profile in self.profiles]}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """The profiles that ``to_dict`` described.

        Raises
        ------
        TypeError, ValueError
            If ``d`` is no dictionary, an entry is missing or superfluous, or they do not fit.
        """
        listed = instance("profiles", entries(d, cls)["profiles"], list)
        return cls(tuple(EstimatedProfile.from_dict(each) for each in listed))


def checked_points(value: npt.ArrayLike, length: int, name: str = "points") -> IntArray:
    """Increasing numbers of known tokens, at least one, below ``length``.

    Raises
    ------
    TypeError, ValueError
        If they are not.
    """
    points = integer_array(name, value, 1, 0, length - 1)
    falling = np.flatnonzero(np.diff(points) <= 0)
    if falling.size:
        i = falling[0]
        raise ValueError(f"{name} must increase, got {points[i + 1]} after {points[i]}")
    if points.size == 0:
        raise ValueError(f"{name} must be at least one, got none")
    return points


def _dyadic(length: int) -> IntArray:
    """At most 16 levels: the ends, and half, a quarter, ... of the way from each of them."""
    last = length - 1
    far = last >> np.arange(1, 8)
    return np.unique(np.concatenate([[0, last], far, last - far[1:]]))


def _few(points: IntArray) -> str:
    few = [str(x) for x in points.tolist()]
    return ", ".join([*few[:6], "...", few[-1]] if len(few) > 8 else few)


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
    if np.abs(covariance - covariance.T).max() > ROUNDING * scale:
        raise ValueError("covariance must be symmetric")
    variances = covariance.diagonal()
    if np.abs(variances - standard_error**2).max() > ROUNDING * scale:
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
