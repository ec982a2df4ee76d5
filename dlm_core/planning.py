"""From what is known of a distribution or a model to a number of steps and its sizes."""

from dataclasses import dataclass
from functools import cached_property
from textwrap import fill
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt

from dlm_core._check import integer, number, real_array, table_fits
from dlm_core.error import certificate, price_weights, steps_for
from dlm_core.information import (
    EstimatedProfile,
    InformationProfile,
    ProfileBand,
    ProfilesByLength,
)
from dlm_core.schedules import (
    Cosine,
    Equal,
    OptimalForProfile,
    Robust,
    Schedule,
    ShiftedEqual,
    TCAdaptive,
)

__all__ = ["Alternative", "Plan", "plan"]

_OTHERS: tuple[type[Schedule], ...] = (Equal, Cosine, ShiftedEqual, TCAdaptive)
_AS_GIVEN = "curve taken as given, without errors"
_COLUMNS = 72
# Numbers of eight bytes, for each position, that are held at once.
_TABLES = 16
# What a dictionary describes, by an entry that no other kind has.
_BY_ENTRY: dict[str, Any] = {
    "conditional_entropy": InformationProfile,
    "estimates": EstimatedProfile,
    "levels": ProfileBand,
}


@dataclass(frozen=True)
class Alternative:
    """What sizes that know nothing need or cost, beside a plan.

    Attributes
    ----------
    label : str
        The kind of schedule, as in figures.
    steps : int or None
        The least steps with which it meets the error that was asked for; None where a number of
        steps was asked for.
    error : float
        What it comes to with the steps of the plan, in nats.
    standard_error : float
        Of that, zero where nothing is estimated.
    """

    label: str
    steps: int | None
    error: float
    standard_error: float = 0.0


@dataclass(frozen=True, repr=False)
class Plan:
    """A number of steps, its sizes, and what is known of their cost: made by ``plan``.

    Printable, with the sizes where they are fixed and what usual sizes come to beside it.

    Attributes
    ----------
    schedule : Schedule
        The sizes: the best ones for the curve, or those of least worst case over a band.
    error : float
        What they come to, in nats a sequence.
    what : str
        What ``error`` is: ``"expected KL"`` or, of a predictor that was measured, ``"price"``,
        the nats beyond one token at a time.
    basis : str
        What ``error`` rests on.
    standard_error : float
        Of ``error``; zero where nothing is estimated.
    asked : int or None
        The number of steps that was asked for, more than are used where fewer are better.
    target : float or None
        The error that was asked for.
    beside : tuple of Alternative
        Equal, cosine, shifted equal and TC-adaptive sizes.
    """

    schedule: Schedule
    error: float
    what: str
    basis: str
    standard_error: float
    asked: int | None
    target: float | None
    beside: tuple[Alternative, ...]

    @property
    def steps(self) -> int:
        """int: how many steps the schedule takes."""
        return self.schedule.steps

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary: numbers, words, the schedule as its ``to_dict``."""
        return {
            "steps": self.steps,
            "schedule": self.schedule.to_dict(),
            "error": self.error,
            "what": self.what,
            "basis": self.basis,
            "standard_error": self.standard_error,
            "asked": self.asked,
            "target": self.target,
            "beside": [vars(each).copy() for each in self.beside],
        }

    def __str__(self) -> str:
        kind, sizes, bound = type(self.schedule).__name__, "random sizes", "at most "
        if isinstance(self.schedule, OptimalForProfile):
            sizes, bound = f"sizes {self.schedule.sizes.tolist()}", ""
        if self.asked not in (None, self.steps):
            sizes += f" (fewer steps are better than {self.asked})"
        text = [
            f"{_number(self.steps, 'step')} for {_number(self.schedule.length, 'token')}: {kind}, "
            f"{sizes}",
            f"{self.what} {bound}{_shown(self.error, self.standard_error)} nats a sequence: "
            f"{self.basis}",
        ]
        lines = [fill(line, _COLUMNS, subsequent_indent="  ") for line in text]
        head = ["beside it", f"{self.what} at {_number(self.steps, 'step')}"]
        rows = [[each.label, _shown(each.error, each.standard_error)] for each in self.beside]
        if self.target is not None:
            head.append(f"steps for {self.target:g}")
            rows = [[*row, str(each.steps)] for row, each in zip(rows, self.beside, strict=True)]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            lines.append("  ".join([first.strip().ljust(widths[0]), *rest]))
        return "\n".join(lines)

    __repr__ = __str__


def plan(
    profile: InformationProfile | EstimatedProfile | ProfileBand | dict[str, Any] | npt.ArrayLike,
    *,
    error: float | None = None,
    steps: int | None = None,
) -> Plan:
    r"""How many steps an error asks for, or what a number of steps comes to, and with which sizes.

    Of an exact profile the sizes are those of least expected KL (``OptimalForProfile``), and the
    error is that. Of a band they are the random ones of least worst case (``Robust``), and the
    error is a guarantee with the band's confidence; on a band that was measured of a learned
    predictor, it is one for the price, provided that the predictor's curve falls. Of a measured
    curve they are those of least price (``EstimatedProfile.optimal``), whose price on the very
    curve that they were chosen on is too low: ``certify`` them on fresh rows. Where a curve was
    measured at some points alone, it is taken to be straight between these and level after.

    Parameters
    ----------
    profile : InformationProfile, EstimatedProfile, ProfileBand, dict or array_like, shape (L,)
        What is known: one of the three, what the ``to_dict`` of one gave, or the curve itself in
        nats. A curve that rises anywhere is one of a predictor, and has prices.
    error : float, optional
        At most so many nats a sequence are to be lost, nonnegative.
    steps : int, optional
        In place of ``error``: at most so many steps are to be taken, 1 to ``L``.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError, ValueError
        If the profile is of another kind, neither or both of the others are given, or one is out
        of range.

    Examples
    --------
    >>> print(plan([1.0, 0.6, 0.4, 0.3, 0.3, 0.3], error=0.5))
    3 steps for 6 tokens: OptimalForProfile, sizes [1, 2, 3]
    expected KL 0.2 nats a sequence: curve taken as given, without errors
    beside it      expected KL at 3 steps  steps for 0.5
    equal                             0.5              3
    cosine                            0.2              3
    shifted equal                    0.56              4
    TC-adaptive                  0.978222              5
    """
    known = _knowledge(profile)
    if (error is None) == (steps is None):
        raise ValueError(
            f"give either error or steps, got {'neither' if error is None else 'both'}"
        )
    if error is None:
        steps = most = integer("steps", steps, 1, known.length)
    else:
        error = number("error", error, 0)
        most = known.steps_for(error)
    schedule = known.best(most)
    nats, deviation = known.cost(schedule)
    beside = []
    for kind in _OTHERS:
        least = None if error is None else known.least(kind, error)
        cost = known.cost(kind.for_shape(known.length, schedule.steps))
        label = str(kind.label)
        beside.append(Alternative(label, least, *cost))
    return Plan(
        schedule, nats, known.what, known.basis(schedule), deviation, steps, error, tuple(beside)
    )


class _Exact:
    """A profile, whose best sizes are sought, or a band, whose robust ones are."""

    what = "expected KL"

    def __init__(self, profile: InformationProfile | ProfileBand, note: str = "") -> None:
        _check_length(profile.length)
        self._profile, self._note = profile, note
        self._kind = Robust if isinstance(profile, ProfileBand) else OptimalForProfile
        self.length = profile.length

    def best(self, steps: int) -> Schedule:
        """The schedule that is planned, of at most so many steps."""
        return self._kind.for_shape(self.length, steps, profile=self._profile)

    def cost(self, schedule: Schedule) -> tuple[float, float]:
        """What a schedule comes to in nats, and the standard error of that."""
        value = certificate(schedule, self._profile).value
        assert value is not None
        return value, 0.0

    def basis(self, schedule: Schedule) -> str:
        """What the cost of the schedule that is planned rests on."""
        return self._note or str(certificate(schedule, self._profile).basis)

    def steps_for(self, error: float) -> int:
        """How many steps the schedule that is planned needs for an error."""
        return self.least(self._kind, error)

    def least(self, kind: type[Schedule], error: float) -> int:
        """How many steps a kind needs for an error."""
        return int(steps_for(error, self.length, kind, profile=self._profile))


class _Measured:
    """A curve that was measured, straight between its points."""

    def __init__(self, profile: EstimatedProfile, note: str = "") -> None:
        _check_length(profile.length)
        self._profile, self._note = profile, note
        self.length = profile.length
        self.what = "price" if profile.predictor == "learned" else "expected KL"
        # at which point each place of the curve begins, at which it ends, and how far it is
        points, places = profile.points, np.arange(self.length)
        self._left = np.searchsorted(points, places, side="right") - 1
        self._right = np.minimum(self._left + 1, points.size - 1)
        gap = np.maximum(points[self._right] - points[self._left], 1)
        self._share = np.minimum((places - points[self._left]) / gap, 1.0)

    def best(self, steps: int) -> Schedule:
        """The schedule that is planned, of at most so many steps."""
        with catch_warnings():
            simplefilter("ignore", UserWarning)  # where fewer are better, the plan says so itself
            return self._profile.optimal(steps)

    def cost(self, schedule: Schedule) -> tuple[float, float]:
        """What a schedule comes to in nats, and the standard error of that."""
        weights = price_weights(schedule)
        at_points = np.zeros(self.length)
        np.add.at(at_points, self._profile.points[self._left], weights * (1 - self._share))
        np.add.at(at_points, self._profile.points[self._right], weights * self._share)
        found = self._profile.estimate(at_points)
        return found.value, found.standard_error

    def basis(self, schedule: Schedule) -> str:
        """What the cost of the schedule that is planned rests on."""
        if self._note:
            return self._note
        points = self._profile.points.size
        between = f", straight between {points} points" if points < self.length else ""
        return f"{self._profile.steps_for(0.0).basis}{between}; too low: certify it on fresh rows"

    def steps_for(self, error: float) -> int:
        """How many steps the schedule that is planned needs for an error."""
        return int(self._profile.steps_for(error))

    def least(self, kind: type[Schedule], error: float) -> int:
        """How many steps a kind needs for an error."""
        if kind is TCAdaptive and self._range > 0:
            # the price is the constant times this, whatever the curve
            return int(steps_for(error, self.length, kind, total_correlation=self._range))
        return int(steps_for(error, self.length, kind, profile=self._curve, standard_errors=0.0))

    @cached_property
    def _curve(self) -> EstimatedProfile:
        """The whole curve, for its values."""
        values = self._profile.estimates
        curve = values[self._left] * (1 - self._share) + values[self._right] * self._share
        return EstimatedProfile(curve, np.zeros(self.length), self._profile.n)

    @property
    def _range(self) -> float:
        return self._curve.total_correlation.value


def _knowledge(value: object) -> _Exact | _Measured:
    """What is known, and a note of what it rests on where its class does not say it."""
    if isinstance(value, dict):
        # several curves are known as such, to be refused as below
        value = ProfilesByLength.from_dict(value) if "profiles" in value else _from_dict(value)
    if isinstance(value, EstimatedProfile):
        return _Measured(value)
    if isinstance(value, InformationProfile | ProfileBand):
        return _Exact(value)
    if isinstance(value, ProfilesByLength):
        raise TypeError(
            f"profile must be one curve, got those of {len(value)} lengths: plan for each of "
            "profile.values()"
        )
    curve = real_array("profile", value, ndim=1)
    if curve.size == 0 or curve.min() < 0:
        got = f"{curve.min()}" if curve.size else "none"
        raise ValueError(f"profile must hold nonnegative numbers of nats, got {got}")
    try:
        return _Exact(InformationProfile(curve), _AS_GIVEN)
    except ValueError:  # it rises
        return _Measured(EstimatedProfile(curve, np.zeros(curve.size), 1), _AS_GIVEN)


def _from_dict(d: dict[str, Any]) -> InformationProfile | EstimatedProfile | ProfileBand:
    for entry, kind in _BY_ENTRY.items():
        if entry in d:
            try:
                return kind.from_dict(d)  # type: ignore[no-any-return]
            except (TypeError, ValueError) as error:
                name = kind.__name__
                raise type(error)(f"profile must describe one of {name}: {error}") from None
    raise ValueError(
        "profile must be what to_dict of an InformationProfile, EstimatedProfile or ProfileBand "
        f"gave, with one of the entries {', '.join(_BY_ENTRY)}, got "
        f"{', '.join(map(str, d)) or 'none'}"
    )


def _check_length(length: int) -> None:
    """Refuse what a few points may say of a length, before there is a number for each position."""
    table_fits(f"a plan for {length} tokens", 8 * _TABLES * length)


def _shown(nats: float, deviation: float) -> str:
    return f"{nats:.6g} ± {deviation:.2g}" if deviation else f"{nats:.6g}"


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
