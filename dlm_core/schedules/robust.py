r"""The best schedule for a profile of which only a band is known.

Let layer ``m`` of the band be :math:`w_m` nats thick, and let ``M_m`` be the largest residual in
its window. The least worst case over the band is a convex program in these few numbers,

.. math:: R^* = \min \Bigl\{ \sum_m w_m M_m : v_d \le M_m \text{ for } d \text{ in window } m,\
    N(v) \le K - 1 \Bigr\} ,

with ``N(v)`` the least sum of start probabilities after the first that keeps every
:math:`V_d \le v_d`: one backward sweep (``dlm_core.schedules.minimax``). It is convex and
piecewise linear, and each sweep gives its value and its gradient, a plane below it.
"""

from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy  # loads its parts when first asked for

from dlm_core._check import frozen, instance, integer, table_fits, work_fits
from dlm_core._types import FloatArray, IntArray, Measure
from dlm_core.information._largest import curve_of, largest_value
from dlm_core.information.band import ProfileBand
from dlm_core.information.profile import InformationProfile
from dlm_core.schedules.minimax import LeastStarts, least_starts
from dlm_core.schedules.optimal import OptimalForProfile
from dlm_core.schedules.systematic import OnePhase, Systematic

__all__ = ["Robust"]

# More levels make the search slow; a coarser band is as valid, and the gap says what it costs.
_MOST_LEVELS = 40
_MOST_ROUNDS = 400
# The search ends when its bounds from both sides agree to this, relatively: for exact levels, and
# where there are error bars, in which more digits mean nothing.
_AGREE, _AGREE_WITHIN_ERRORS = 5e-10, 1e-6
# Where the next plane is sought: at this share of the way from the lower bound to the upper one.
_LEVEL = 0.6
# Planes that are kept: beyond the larger number, the smaller of those nearest to the least point.
_MOST_PLANES, _FEWEST_PLANES = 200, 100


@dataclass(frozen=True, eq=False, repr=False)
class Robust(OnePhase):
    r"""The schedule with the least worst case over all profiles of a band.

    No schedule that ignores content, random or not, promises less on what is known. Beside it
    stands its adversary: a profile of the band on which even the best sizes lose
    ``lower_bound``, so that ``lower_bound`` and ``value`` enclose the least worst case whatever
    the search did, and ``gap`` says how closely: to 1e-9 and better for up to 16 exact levels, to
    about 1e-6 with error bars, and to 1e-4 or so for a few dozen levels. Of a band with more than
    40 levels a coarser one is solved.

    The draws are those of ``Systematic``. The search, some 100 to 500 sweeps of O(L), takes 0.3 s
    at ``L = 2000`` with 5 exact levels and up to 1.5 s with 16. Known at 0 and ``L - 1`` alone, the
    band leaves the minimax schedule for constant weights; known everywhere, the best fixed sizes.

    For a length ``l < L`` it is robust for the last ``l`` values of the curve, which is right where
    the ``L - l`` tokens known are at random positions.

    Parameters
    ----------
    band : ProfileBand
        What is known of the profile.
    steps : int
        ``1 <= K <= L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.

    Examples
    --------
    >>> profile = InformationProfile(2.0 ** (-np.arange(64) / 8))
    >>> print(Robust(ProfileBand.from_profile(profile, [0, 8, 24, 63]), steps=8))
    robust, 8 steps, length 64: at most 2.64203 nats on the band, which no schedule can lower
    """

    label: ClassVar[str] = "robust"
    improves: ClassVar[Literal["own profile"]] = "own profile"

    band: ProfileBand
    steps: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "band", _band(self.band))
        object.__setattr__(self, "steps", integer("steps", self.steps, 1, self.length))

    @property
    def length(self) -> int:  # type: ignore[override]
        """int: the length of the band."""
        return self.band.length

    @classmethod
    def for_shape(
        cls, length: int, steps: int, *, measure: Measure | None = None, profile: Any = None
    ) -> "Robust":
        if not isinstance(profile, ProfileBand):
            raise ValueError(f"{cls.__name__} is made for a ProfileBand: give it as profile")
        if profile.length != length:
            raise ValueError(f"profile must have the length {length}, got {profile.length}")
        return cls(profile, steps)

    def _resized(self, length: int) -> "Robust":
        if length > self.length:
            raise ValueError(
                f"{type(self).__name__} knows the band of a sequence of length {self.length}, "
                f"and not of one of length {length}"
            )
        return type(self)(_last(self.band, length), min(self.steps, length))

    def __str__(self) -> str:
        name = f"{self.label}, {self.steps} steps, length {self.length}"
        sure = "" if self.band.confidence == 1 else f" with confidence {self.band.confidence:g}"
        promise = f"at most {self.value:.6g} nats on the band{sure}"
        if self.gap <= 1e-6:
            return f"{name}: {promise}, which no schedule can lower"
        return f"{name}: {promise}; no schedule promises less than {self.lower_bound:.6g}"

    @cached_property
    def _solution(self) -> "_Solution":
        what = f"{type(self).__name__} of length {self.length} and {self.band.levels.size} levels"
        table_fits(what, 1024 * self.length)
        work_fits(what, 1024 * self.length * min(self.band.levels.size, _MOST_LEVELS))
        return _solve(self.band, self.steps)

    @property
    def start_probabilities(self) -> FloatArray:
        return self._solution.u

    @property
    def _pass_probabilities(self) -> FloatArray:
        return self._solution.passed

    @cached_property
    def value(self) -> float:
        """float: the largest error on the band, in nats: ``worst_kl(self, band)``."""
        return _worst(self.residual, self.band)[0]

    @property
    def least_favourable(self) -> InformationProfile:
        """InformationProfile: one of the band, on which no schedule has less than the lower bound.

        From the multipliers of the search.
        """
        return self._solution.adversary

    @cached_property
    def lower_bound(self) -> float:
        """float: the error of the best sizes on ``least_favourable``, in nats.

        No schedule's worst case over the band is less. It is computed by ``OptimalForProfile``
        and trusts nothing of the search.
        """
        return _least_error(self.least_favourable, self.steps)

    @property
    def gap(self) -> float:
        """float: ``value / lower_bound - 1``, at least 0; what the search may have left.

        Infinite where only the lower bound is 0.
        """
        excess = max(self.value - self.lower_bound, 0.0)
        if self.lower_bound == 0:
            return np.inf if excess else 0.0
        return excess / self.lower_bound


class _Solution(NamedTuple):
    """Start probabilities, one minus each of them, and the profile that makes them best."""

    u: FloatArray
    passed: FloatArray
    adversary: InformationProfile


def _solve(band: ProfileBand, steps: int) -> _Solution:
    length = band.length
    if steps in (1, length):
        passed = np.zeros(length) if steps == length else np.minimum(np.arange(length), 1.0)
        adversary = _worst(length - np.arange(1.0, length), band)[1]
        return _Solution(frozen(1 - passed), frozen(passed), adversary)
    seen = _seen(band)
    if np.count_nonzero(seen) < steps:
        # every position where the band leaves a fall is a start: nothing is lost
        u = seen.astype(np.float64)
        return _filled(u, 1 - u, steps, _middle(band))
    # Where the band leaves hardly a choice, the best sizes for a profile in its middle.
    middle = _middle(band)
    sizes = OptimalForProfile(middle, steps)
    least, promise = _least_error(middle, steps), _worst(sizes.residual, band)[0]
    fixed = sizes.start_probabilities
    plain = _Solution(fixed, frozen(1 - fixed), middle)
    if promise <= (1 + _AGREE) * least:
        return plain
    game = _Game(band.coarsen(_MOST_LEVELS), steps)
    starts, falls = game.solved()
    # of a coarser band the adversary is brought into this one
    h = curve_of(falls, game.band).conditional_entropy
    adversary = InformationProfile(np.clip(h, band.lower_curve, band.upper_curve))
    if game.band != band and _least_error(adversary, steps) < least:
        adversary = middle
    found = _filled(np.append(1.0, starts.u), np.append(0.0, starts.passed), steps, adversary)
    if game.band != band and promise < _worst(Systematic(found.u).residual, band)[0]:
        return plain._replace(adversary=adversary)
    return found


def _middle(band: ProfileBand) -> InformationProfile:
    return InformationProfile((band.lower_curve + band.upper_curve) / 2)


def _seen(band: ProfileBand) -> npt.NDArray[np.bool_]:
    """Where a residual can matter: the positions 1, ..., L - 1 in windows of the band."""
    seen = np.zeros(band.length + 1, dtype=bool)
    for first, last in zip(*band.layers[1:], strict=True):
        seen[first : last + 1] = True
    seen[0] = False
    return seen[:-1]


def _filled(
    u: FloatArray, passed: FloatArray, steps: int, adversary: InformationProfile
) -> _Solution:
    """The solution with the steps put in that the worst case has no use for."""
    u[0], passed[0] = 1.0, 0.0  # as every block starts somewhere
    room, left = fsum(passed), passed.size - steps
    if room > left:
        u = u + passed * ((room - left) / room)
        passed = passed * (left / room)
    return _Solution(frozen(u), frozen(passed), adversary)


class _Plane(NamedTuple):
    """What a sweep says of N at a point: its excess over ``K - 1``, its gradient, and where from.

    ``falls[d]`` is minus the derivative in :math:`v_d`, and ``owner[d]`` the layer that bounds it.
    """

    point: FloatArray
    excess: float
    gradient: FloatArray
    falls: FloatArray
    owner: IntArray
    starts: LeastStarts


class _Game:
    """The convex program of a band, in the largest residuals ``M`` in the windows of its layers."""

    def __init__(self, band: ProfileBand, steps: int) -> None:
        self.band = band
        self._length, self._steps = band.length, steps
        exact = np.array_equal(band.lower, band.upper)
        self._agree = _AGREE if exact else _AGREE_WITHIN_ERRORS
        nats, first, last = band.layers
        # windows that hold nothing but 0 or L cost nothing
        kept = (last > 0) & (first < band.length)
        # in units of the thickest, so that no layer is too thin to divide by
        self._thickest = float(nats[kept].max())
        self._nats = nats[kept] / self._thickest
        self._first, self._last = (
            np.maximum(first[kept], 1),
            np.minimum(last[kept], band.length - 1),
        )
        # falls that no residual sees
        self._unseen = np.zeros(band.length + 1)
        np.add.at(self._unseen, first[~kept], nats[~kept])
        self._planes: list[_Plane] = []

    def _plane(self, point: FloatArray) -> _Plane:
        """One sweep, kept as a plane below N."""
        bounds = np.full(self._length - 1, np.inf)
        owner = np.zeros(self._length - 1, dtype=np.int64)
        for layer in np.argsort(-point, kind="stable"):  # the least bound of several is kept
            window = slice(self._first[layer] - 1, self._last[layer])
            bounds[window], owner[window] = point[layer], layer
        backward = bounds[::-1].tolist()
        starts = least_starts(backward, backward)
        excess = -fsum([*starts.passed, self._steps - self._length])
        falls = _sensitivity(starts.counts)
        gradient = np.zeros(self._nats.size)
        np.subtract.at(gradient, owner, falls)
        plane = _Plane(point, excess, gradient, falls, owner, starts)
        self._planes.append(plane)
        return plane

    def _along(self, point: FloatArray, sweeps: int) -> _Plane | None:
        """Newton's method along the ray through a point, to where N is ``K - 1``.

        The best feasible plane that it meets, if any.
        """
        found, before = None, np.inf
        for _ in range(sweeps):
            plane = self._plane(point)
            slope = float(plane.gradient @ point)
            # where the plane is all but level along the ray, a step may lead far beyond the root
            if plane.excess <= 1e-13 * self._steps and (
                found is None or self._nats @ point < self._nats @ found.point
            ):
                found = plane
            if slope == 0 and plane.excess >= 0:
                break
            step = -plane.excess / slope if slope else -np.inf
            if abs(step) <= 1e-14:
                break
            # The plane lies below N, so that its own root is short of the other's, by about this.
            further = step * (1 + 2 * step / before) if step > 0 else step
            point = point * max(1 + further, 0.5)
            before = abs(step)
        return found

    def solved(self) -> tuple[LeastStarts, FloatArray]:
        """The least starts at the best point, and the falls of the adversary.

        A level method (Lemaréchal, Nemirovskii and Nesterov, Mathematical Programming 69, 1995):
        the next point is the one nearest to the best, in nats, at which the planes leave a given
        share of the gap.
        """
        size = self._last - self._first + 1
        best = self._along(np.sqrt(size / np.maximum(self._nats, 1e-8)), 100)
        assert best is not None  # far out on the ray no starts are needed
        upper, lower = float(self._nats @ best.point), 0.0
        for _ in range(_MOST_ROUNDS):
            # no residual exceeds L, however thin the layer
            unit = upper / np.maximum(self._nats, upper / self._length)
            costs = self._nats * unit / upper
            planes = self._planes
            gradients = np.array([plane.gradient for plane in planes]) * unit
            limits = np.array([p.gradient @ p.point - p.excess for p in planes])
            vertex, shares, slack = _least_vertex(costs, gradients, limits)
            if upper * float(costs @ vertex) > lower:
                lower, certificate = upper * float(costs @ vertex), (planes, shares * upper)
            if upper - lower <= self._agree * upper:
                break
            target = lower / upper + _LEVEL * (1 - lower / upper)
            here = best.point / unit
            # N changes like the inverse of a residual, and its curvature like the inverse of a cost
            metric = np.sqrt(np.maximum(here, 1e-3 * here.max()))
            point = _nearest(here / metric, costs * metric, gradients * metric, limits, target)
            point = None if point is None else point * metric
            if point is None:
                point = 0.7 * here + 0.3 * vertex
            kept = np.arange(len(planes))
            if kept.size > _MOST_PLANES:
                kept = np.sort(np.argsort(slack, kind="stable")[:_FEWEST_PLANES])
            self._planes = [planes[i] for i in kept]
            found = self._along(point * unit, 3)
            if found is not None and float(self._nats @ found.point) < upper:
                best, upper = found, float(self._nats @ found.point)
        return best.starts, self._adversary(*certificate)

    def _adversary(self, planes: list[_Plane], shares: FloatArray) -> FloatArray:
        """What the adversary's curve falls by after each of 0, ..., L.

        The planes with their multipliers split each layer over its window. Where the layer is
        thicker than what they use up, its residuals are 0, and the rest may fall anywhere.
        """
        falls = np.zeros(self._length + 1)
        parts = np.zeros((self._nats.size, self._length + 1))
        for plane, share in zip(planes, shares, strict=True):
            if share > 0:
                parts[plane.owner, np.arange(1, self._length)] += share * plane.falls
        used = parts.sum(axis=1)
        for layer, nats in enumerate(self._nats):
            if used[layer] > 0:
                falls += parts[layer] * (nats / used[layer])
            else:
                falls[(self._first[layer] + self._last[layer]) // 2] += nats
        return self._unseen + self._thickest * falls


def _sensitivity(counts: list[int]) -> FloatArray:
    r"""Minus the derivatives of the least sum of starts in :math:`v_1, \dots, v_{L-1}`.

    With suffix sums :math:`A_j`, a bound that is tight reads :math:`v_j = \sum_{i=1}^n (1 - A_j +
    A_{j+i})`, so that :math:`A_j` changes by :math:`-1/n` with :math:`v_j` and by :math:`1/n` with
    each of the ``n`` later sums; elsewhere :math:`A_j = A_{j+1}`. What depends on :math:`A_1` is
    passed on to the later sums in one sweep of O(L).

    Parameters
    ----------
    counts : list of int, length L - 1
        As in ``LeastStarts``.
    """
    ends = [0.0] * (len(counts) + 3)  # where what was spread over a window ends
    spread, moved = 0.0, 1.0
    falls: list[float] = []
    add = falls.append
    for j, n in enumerate(reversed(counts), 1):
        spread -= ends[j]
        mass = spread + moved
        if n:
            share = mass / n
            spread += share
            ends[j + n + 1] += share
            moved = 0.0
            add(share)
        else:
            moved = mass
            add(0.0)
    return np.maximum(np.array(falls), 0.0)


def _least_vertex(
    costs: FloatArray, gradients: FloatArray, limits: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The point of the least cost above all planes, their multipliers, and how far each is off."""
    found = scipy.optimize.linprog(
        costs,
        A_ub=gradients,
        b_ub=limits,
        method="highs-ds",
        options=_TIGHT,
    )
    assert found.x is not None, found.message
    return found.x, np.maximum(-found.ineqlin.marginals, 0.0), found.slack


def _nearest(
    here: FloatArray, costs: FloatArray, gradients: FloatArray, limits: FloatArray, target: float
) -> FloatArray | None:
    """The nearest point above all planes that costs at most ``target`` and no negative entry.

    A least-distance program, as nonnegative least squares (Lawson and Hanson, Solving Least
    Squares Problems, chapter 23). None where rounding leaves none.
    """
    n = here.size
    rows = np.vstack([-gradients, -costs, np.eye(n)])
    sides = np.concatenate([gradients @ here - limits, [costs @ here - target], -here])
    norms = np.linalg.norm(rows, axis=1)
    norms[norms == 0] = 1.0  # far out, where no starts are needed
    rows, sides = rows / norms[:, np.newaxis], sides / norms
    system = np.vstack([rows.T, sides])
    goal = np.append(np.zeros(n), 1.0)
    try:
        multipliers, _ = scipy.optimize.nnls(system, goal)
    except RuntimeError:  # too many of its iterations
        return None
    residual = system @ multipliers - goal
    if residual[-1] > -1e-14:
        return None
    return np.maximum(here - residual[:-1] / residual[-1], 0.0)


# Programs so small are solved sooner as they are.
_TIGHT = {
    "presolve": False,
    "primal_feasibility_tolerance": 1e-10,
    "dual_feasibility_tolerance": 1e-10,
}


def _worst(residual: FloatArray, band: ProfileBand) -> tuple[float, InformationProfile]:
    """The largest error of a schedule on a band, and the profile that attains it."""
    values = np.concatenate([[0.0], residual, [0.0]])
    largest = largest_value(values, band, np.zeros((0, values.size)), np.zeros(0))
    return largest.value, curve_of(largest.falls, band)


def _least_error(profile: InformationProfile, steps: int) -> float:
    return float(profile.increments @ OptimalForProfile(profile, steps).residual)


def _band(value: object) -> ProfileBand:
    if isinstance(value, dict):  # what to_dict makes of one
        try:
            return ProfileBand.from_dict(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"band must be one: {error}") from None
    return instance("band", value, ProfileBand)


def _last(band: ProfileBand, length: int) -> ProfileBand:
    """The band of the last values of the curve."""
    cut = band.length - length
    kept = band.levels > cut
    levels = np.append(0, band.levels[kept] - cut)
    lower = np.append(band.lower_curve[cut], band.lower[kept])
    upper = np.append(band.upper_curve[cut], band.upper[kept])
    return ProfileBand(length, levels, lower, upper, band.confidence, band.note)
