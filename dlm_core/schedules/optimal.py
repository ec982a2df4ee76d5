"""The best fixed sizes: for a guarantee, and for a distribution whose profile is known."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from dlm_core._check import frozen, integer, real_array, table_fits
from dlm_core._types import FloatArray, IntArray, Measure
from dlm_core.information.estimated import EstimatedProfile
from dlm_core.information.profile import InformationProfile
from dlm_core.schedules._partitions import Partitions
from dlm_core.schedules.base import (
    MEASURE_LABELS,
    BySteps,
    ForMeasure,
    measure_weights,
    residuals,
    short,
)
from dlm_core.schedules.fixed import Deterministic

__all__ = ["BestDeterministic", "OptimalForProfile"]


@dataclass(frozen=True, eq=False, repr=False)
class BestDeterministic(ForMeasure, Deterministic):
    r"""The fixed sizes with the least coefficient :math:`\max_j W_j / r_j` for a measure.

    A constant ``c`` is feasible if blocks that each reach as far as ``W_j <= c r_j`` allows finish
    within ``K`` steps. The least feasible ``c`` is one of the finitely many ratios ``W / r_j``;
    bisection, in which every feasible trial is replaced by the ratio it attains, ends at it.
    Time O(L) a trial, about 50 trials.

    For another length it is the best for the measure of that name, or for the last of the given
    weights: of a sequence of which tokens are known, only the later increments are left.

    Parameters
    ----------
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.
    measure : {"tc", "dtc", "sum", "min", "product"} or array_like, shape (length - 1,)
        The weights :math:`r_j`; see ``measure_weights``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or the measure unknown.

    Examples
    --------
    >>> BestDeterministic(length=6, steps=2, measure="tc").coefficient("tc")
    0.8
    """

    label: ClassVar[str] = "best deterministic"
    improves: ClassVar[Literal["own measure"]] = "own measure"

    length: int
    steps: int
    measure: Measure

    def __post_init__(self) -> None:
        self._check_measure()
        if self.measure_label != MEASURE_LABELS["tc"]:
            object.__setattr__(self, "label", f"{type(self).label} {self.measure_label}")

    @cached_property
    def sizes(self) -> IntArray:
        table_fits(f"{type(self).__name__} of length {self.length}", 100 * self.length)
        weights = measure_weights(self.measure, self.length)
        best = self._reaching(np.inf, weights)
        assert best is not None  # one block reaches the end
        infeasible, feasible = 0.0, _ratio(best, weights)
        while feasible > 0:
            # below the resolution of float64 around the attained ratio nothing is left to find
            trial = (infeasible + feasible) / 2
            if not infeasible < trial < feasible:
                break
            sizes = self._reaching(trial, weights)
            if sizes is None:
                infeasible = trial
            else:
                best, feasible = sizes, _ratio(sizes, weights)
        return frozen(best)

    def _reaching(self, c: float, weights: FloatArray) -> IntArray | None:
        """Sizes with every ``W_j <= c r_j`` in at most ``steps`` blocks, or None."""
        length, steps = self.length, self.steps
        j = np.arange(1, length)
        # The largest W whose quotient by r_j is at most c: the product is off by one at most.
        with np.errstate(over="ignore"):
            room = np.floor(np.minimum(c * weights, length - j))
        room += (room + 1) / weights <= c
        room -= room / weights > c
        # A block may not reach beyond j + W_j of any j inside; a later j never binds it.
        reach = np.minimum.accumulate(np.minimum(j + room.astype(np.int64), length)[::-1])[::-1]
        ends = [*reach.tolist(), length]
        boundaries = [0]
        for left in range(steps - 1, -1, -1):
            boundaries.append(min(ends[boundaries[-1]], length - left))
        return np.diff(boundaries) if boundaries[-1] == length else None


def _ratio(sizes: IntArray, weights: FloatArray) -> float:
    return float((residuals(sizes[np.newaxis])[0] / weights).max(initial=0.0))


@dataclass(frozen=True, eq=False, repr=False)
class OptimalForProfile(Deterministic):
    r"""The sizes with the least error on a distribution whose profile is known.

    With blocks starting at :math:`b_0 < \dots < b_{K-1}`, the error is
    :math:`\sum_k s_k h_{b_k} - H(X)`, so the least area of a step curve above ``h`` is sought. The
    least area is convex in ``K``, and found by a search over prices of a block. Some ten sweeps of
    O(L), each of 2 ms at ``L = 4096``, or up to 200 where the curve spans hundreds of decades; in
    integers: no rounding makes other sizes look better. Memory O(L). No random schedule has less
    error on this distribution.

    For a length ``l < L`` it is optimal for the last ``l`` entries of the profile, which is right
    where the ``L - l`` tokens known are at random positions.

    Parameters
    ----------
    profile : InformationProfile or array_like, shape (L,)
        The distribution, or its conditional entropies in nats. Of an estimated profile, give
        ``fit``: no promise goes with sizes that are best for an estimate.
    steps : int
        ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.

    Examples
    --------
    >>> OptimalForProfile(InformationProfile.mds_code(8, 3, 7), steps=2).sizes.tolist()
    [3, 5]
    """

    label: ClassVar[str] = "optimal for the profile"
    improves: ClassVar[Literal["own profile"]] = "own profile"

    profile: InformationProfile
    steps: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "profile", _profile(self.profile))
        object.__setattr__(self, "steps", integer("steps", self.steps, 1, self.length))

    @property
    def length(self) -> int:  # type: ignore[override]
        """int: the length of the profile."""
        return self.profile.length

    @classmethod
    def for_shape(
        cls, length: int, steps: int, *, measure: Measure | None = None, profile: Any = None
    ) -> "OptimalForProfile":
        if profile is None:
            raise ValueError(f"{cls.__name__} is made for a profile: give profile")
        known = _profile(profile)
        if known.length != length:
            raise ValueError(f"profile must have the length {length}, got {known.length}")
        return cls(known, steps)

    def _resized(self, length: int) -> "OptimalForProfile":
        if length > self.length:
            raise ValueError(
                f"{type(self).__name__} knows the profile of a sequence of length {self.length}, "
                f"and not of one of length {length}"
            )
        tail = self.profile.conditional_entropy[self.length - length :]
        kept = InformationProfile(tail, self.profile.fitted)
        return type(self)(kept, min(self.steps, length))

    def __repr__(self) -> str:
        profile = self.profile
        # an exact one by its curve, from which the schedule can be made again
        given = repr(profile) if profile.fitted else short(profile.conditional_entropy)
        return f"{type(self).__name__}(profile={given}, steps={self.steps})"

    @cached_property
    def sizes(self) -> IntArray:
        return frozen(np.diff(Partitions(self.profile).cuts(self.steps)))

    @classmethod
    def _errors_by_steps(cls, profile: InformationProfile) -> BySteps:
        return Partitions(profile)


def _profile(value: Any) -> InformationProfile:
    if isinstance(value, InformationProfile):
        return value
    if isinstance(value, EstimatedProfile):
        raise TypeError(
            "profile must be an InformationProfile or its conditional entropies, got "
            "EstimatedProfile: give its fit for the sizes that are best for the estimate"
        )
    try:
        if isinstance(value, dict):  # what to_dict makes of one
            return InformationProfile.from_dict(value)
        return InformationProfile(real_array("profile", value, ndim=1))
    except (TypeError, ValueError) as error:
        raise type(error)(f"profile must be an entropy curve: {error}") from None
