"""What a schedule guarantees for every distribution, and how many steps suffice."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from html import escape
from numbers import Real
from typing import Any

import numpy as np

from dlm_core._check import MOST_POSITIONS, frozen, instance, integer, number, shown
from dlm_core._types import FloatArray
from dlm_core.error.law import error_by_law
from dlm_core.error.worst import worst_kl
from dlm_core.information._largest import largest_value
from dlm_core.information.band import ProfileBand
from dlm_core.information.estimate import Estimate
from dlm_core.information.estimated import LEARNED, EstimatedProfile
from dlm_core.information.profile import MOST_NATS, InformationProfile, exact_profile
from dlm_core.schedules.base import BySteps, Schedule, measure_weights

__all__ = [
    "Bound",
    "Certificate",
    "ErrorCurve",
    "Steps",
    "certificate",
    "compare",
    "error_curve",
    "steps_for",
]

# What a number of nats may rest on; the fourth is made by `_plus`.
_EXACT = "exact profile"
_GUARANTEE = "guarantee"
_FITTED = "profile fitted to an estimate, its predictor taken for ideal"
_BAND = "worst case over the band"


@dataclass(frozen=True)
class Bound:
    r"""One bound :math:`E\,KL \le c \cdot A` with its constant filled in.

    Attributes
    ----------
    measure : str
        The weights :math:`r_j` it rests on: :math:`E[W_j] \le c\, r_j` for every ``j``.
    aggregate : str
        What :math:`A` is, in terms of the total and the dual total correlation.
    constant : float
        :math:`c`, the schedule's coefficient for the measure.
    value : float or None
        :math:`c \cdot A` in nats; None where ``A`` is not known.
    basis : str
        ``"guarantee"`` where ``A`` is given, or what stands in its place: ``"estimate plus 2
        standard errors"``, ``"profile fitted to an estimate"``.
    """

    measure: str
    aggregate: str
    constant: float
    value: float | None
    basis: str = _GUARANTEE

    def __str__(self) -> str:
        bound = f"E KL <= {self.constant:.6g} {self.aggregate}"
        if self.value is None:
            return bound
        if self.basis == _GUARANTEE:
            return f"{bound} = {self.value:.6g} nats"
        if self.basis.startswith(_BAND):
            return f"{bound} <= {self.value:.6g} nats ({self.basis})"
        return f"{bound}, estimated {self.value:.6g} nats ({self.basis})"


@dataclass(frozen=True)
class Certificate:
    """What a schedule guarantees, made by ``certificate``.

    Attributes
    ----------
    schedule : Schedule
        The schedule it speaks of.
    bounds : tuple of Bound
        The bounds, which hold for every distribution with the given correlations.
    by_law : float or None
        The error law on the profile, in nats; of a band its largest value. None where neither is
        given.
    fitted : bool
        Whether that profile was fitted to an estimate.
    band : ProfileBand or None
        The band, where one is given in place of a profile.
    """

    schedule: Schedule
    bounds: tuple[Bound, ...]
    by_law: float | None
    fitted: bool = False
    band: ProfileBand | None = None

    @property
    def exact(self) -> float | None:
        """float or None: the error itself in nats; None where no exact profile is given."""
        return None if self.fitted or self.band is not None else self.by_law

    @property
    def value(self) -> float | None:
        """float or None: by the law if a profile or a band is known, else the least bound."""
        if self.by_law is not None:
            return self.by_law
        least = self._least
        return None if least is None else least.value

    @property
    def basis(self) -> str | None:
        """str or None: what ``value`` rests on, in the words of ``Bound.basis``.

        ``"exact profile"`` where it is the error itself, None where there is no value.
        """
        if self.by_law is not None:
            return _basis_of(self.band) if self.band else _FITTED if self.fitted else _EXACT
        least = self._least
        return None if least is None else least.basis

    @property
    def _least(self) -> Bound | None:
        known = [(bound.value, bound) for bound in self.bounds if bound.value is not None]
        return min(known, key=lambda pair: pair[0])[1] if known else None

    def __str__(self) -> str:
        schedule = self.schedule
        lines = [
            f"{type(schedule).__name__}, {schedule.steps} steps, length {schedule.length}",
            *(f"  {bound}   (E W_j <= c r_j, measure {bound.measure!r})" for bound in self.bounds),
        ]
        if self.band is not None:
            lines.append(f"  E KL <= {self.by_law:.6g} nats   ({self.basis})")
        elif self.by_law is not None:
            source = f"estimated: {_FITTED}" if self.fitted else "exact, from the profile"
            lines.append(f"  E KL = {self.by_law:.6g} nats   ({source})")
        return "\n".join(lines)


def _basis_of(band: ProfileBand) -> str:
    """What the largest error over a band rests on."""
    if band.confidence == 1:
        return _BAND
    # a band does not say of what it was measured
    return f"{_BAND}, confidence {band.confidence:g}, if the predictor measured is ideal"


def _harmonic(tc: float, dtc: float) -> float:
    less, more = sorted((tc, dtc))
    return less / (1 + less / more) if less else 0.0


_AGGREGATES: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "tc": ("TC", lambda tc, dtc: tc),
    "dtc": ("DTC", lambda tc, dtc: dtc),
    "sum": ("(TC + DTC)", lambda tc, dtc: tc + dtc),
    "min": ("min(TC, DTC)", min),
    "product": ("TC DTC / (TC + DTC)", _harmonic),
}


def certificate(
    schedule: Schedule,
    profile: InformationProfile | ProfileBand | None = None,
    total_correlation: float | Estimate | None = None,
    dual_total_correlation: float | Estimate | None = None,
    *,
    standard_errors: float = 2.0,
) -> Certificate:
    r"""The guarantees of a schedule with their constants filled in.

    With :math:`c_r = \max_j E[W_j]/r_j`, the exact error law gives
    :math:`E\,KL \le c_r \sum_j r_j \Delta_j`. The five named measures bound the sum by TC, DTC,
    :math:`TC + DTC`, :math:`\min(TC, DTC)` and, as :math:`ab/(a+b)` is concave and homogeneous,
    :math:`TC \cdot DTC/(TC + DTC)`.

    Parameters
    ----------
    schedule : Schedule
        The law of the sizes.
    profile : InformationProfile or ProfileBand, optional
        The distribution: gives both correlations and the exact error. Of a band, their largest
        values and that of the error. An ``EstimatedProfile`` is none: it has ``price(schedule)``.
    total_correlation, dual_total_correlation : float or Estimate, optional
        Nonnegative, in nats, or upper bounds on them; either or both, in place of the profile. Of
        an ``Estimate``, negative or not, the value plus ``standard_errors`` standard errors is
        taken, and 0 where that is less. The bounds are then called estimated, since they hold
        only if the correlation is no larger.
    standard_errors : float
        How many, nonnegative.

    Returns
    -------
    Certificate
        Printable. Bounds whose correlations are not given have ``value`` None.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a correlation is negative or above 1e100, the lengths differ, or both the profile and a
        correlation are given.

    Examples
    --------
    >>> from dlm_core.schedules import Minimax
    >>> print(certificate(Minimax(6, 2, "tc"), total_correlation=0.5).bounds[0])
    E KL <= 0.562044 TC = 0.281022 nats
    >>> found = Estimate(0.45, 0.025, n=4000)
    >>> print(certificate(Minimax(6, 2, "tc"), total_correlation=found).bounds[0])
    E KL <= 0.562044 TC, estimated 0.281022 nats (estimate plus 2 standard errors)
    """
    instance("schedule", schedule, Schedule)
    if profile is not None and not isinstance(profile, ProfileBand | Real):
        exact_profile("profile", profile)
    known = _known(profile, total_correlation, dual_total_correlation, standard_errors)
    return _certificate(schedule, profile, known)


def _certificate(
    schedule: Schedule,
    profile: InformationProfile | ProfileBand | None,
    known: "dict[str, _Upper]",
) -> Certificate:
    band = profile if isinstance(profile, ProfileBand) else None
    if isinstance(profile, ProfileBand):
        by_law: float | None = worst_kl(schedule, profile)
    else:
        by_law = None if profile is None else error_by_law(schedule, profile)
    upper = _aggregates(known)
    bounds = []
    for measure, (aggregate, _) in _AGGREGATES.items():
        constant = schedule.coefficient(measure)
        if measure in upper:
            nats, basis = upper[measure].nats, upper[measure].basis
            bounds.append(Bound(measure, aggregate, constant, constant * nats, basis))
        else:
            bounds.append(Bound(measure, aggregate, constant, None))
    fitted = isinstance(profile, InformationProfile) and profile.fitted
    return Certificate(schedule, tuple(bounds), by_law, fitted, band)


@dataclass(frozen=True)
class _Upper:
    """A correlation, or what is taken for an upper bound on it, and what that rests on."""

    nats: float
    basis: str


def _aggregates(known: dict[str, _Upper]) -> dict[str, _Upper]:
    """The aggregates for which all correlations are known, by the name of the measure."""
    found = {}
    for measure, (_, formula) in _AGGREGATES.items():
        needed = [measure] if measure in ("tc", "dtc") else ["tc", "dtc"]
        if all(name in known for name in needed):
            tc, dtc = (known[name].nats if name in known else 0.0 for name in ("tc", "dtc"))
            rests = {known[name].basis for name in needed} - {_GUARANTEE}
            basis = " and ".join(sorted(rests)) or _GUARANTEE
            found[measure] = _Upper(formula(tc, dtc), basis)
    return found


def _known(
    profile: InformationProfile | EstimatedProfile | ProfileBand | None,
    total_correlation: float | Estimate | None,
    dual_total_correlation: float | Estimate | None,
    standard_errors: float,
) -> dict[str, _Upper]:
    """The correlations that are known, by the name of the measure."""
    standard_errors = number("standard_errors", standard_errors, 0)
    given = {"total_correlation": total_correlation}
    given["dual_total_correlation"] = dual_total_correlation
    if profile is not None:
        if isinstance(profile, Real):
            raise TypeError(
                f"profile must be of type InformationProfile, got {shown(profile)}: give a "
                f"correlation by its name, such as total_correlation={shown(profile)}"
            )
        if any(value is not None for value in given.values()):
            raise ValueError("give either a profile or correlations, not both")
        if isinstance(profile, ProfileBand):
            return {m: _Upper(_largest_sum(m, profile), _basis_of(profile)) for m in ("tc", "dtc")}
        if isinstance(profile, EstimatedProfile):
            # for the choice of a measure alone: what a schedule costs there is its price
            rough = profile.fit.total_correlation, profile.fit.dual_total_correlation
            basis = _plus(standard_errors, profile.note)
            return {m: _Upper(nats, basis) for m, nats in zip(("tc", "dtc"), rough, strict=True)}
        exact_profile("profile", profile)
        basis = _FITTED if profile.fitted else _GUARANTEE
        return {
            "tc": _Upper(profile.total_correlation, basis),
            "dtc": _Upper(profile.dual_total_correlation, basis),
        }
    names = zip(("tc", "dtc"), given.items(), strict=True)
    return {
        measure: _correlation(name, value, standard_errors)
        for measure, (name, value) in names
        if value is not None
    }


def _largest_sum(measure: str, band: ProfileBand) -> float:
    """The largest sum of weights times increments over a band."""
    weights = np.zeros(band.length + 1)
    weights[1:-1] = measure_weights(measure, band.length)
    return largest_value(weights, band, np.zeros((0, weights.size)), np.zeros(0)).value


def _correlation(name: str, value: float | Estimate, standard_errors: float) -> _Upper:
    if isinstance(value, Estimate):
        if value.note == LEARNED:
            raise ValueError(
                f"{name} must be of a distribution, got {value}: of a learned predictor's curve "
                "nothing follows about it. What a schedule costs on the predictor is "
                "estimate.price(schedule); estimate.assume_ideal() takes the predictor for ideal"
            )
        nats = max(value.upper(standard_errors), 0.0)
        basis = _plus(standard_errors, value.note)
    else:
        try:
            nats, basis = number(name, value), _GUARANTEE
        except TypeError:
            raise TypeError(
                f"{name} must be a number of nats or an Estimate, got {shown(value)} of type "
                f"{type(value).__name__}"
            ) from None
        if nats < 0:
            raise ValueError(
                f"{name} must be nonnegative, got {nats}: an estimate below 0 is taken as the "
                "Estimate itself, with its standard error"
            )
    if nats > MOST_NATS:
        raise ValueError(f"{name} must be at most {MOST_NATS:g}, got {nats}")
    return _Upper(nats, basis)


def _plus(standard_errors: float, note: str) -> str:
    plural = "" if standard_errors == 1 else "s"
    basis = f"estimate plus {standard_errors:g} standard error{plural}"
    return f"{basis}, {note}" if note else basis


class Steps(int):
    """A number of steps that says what it rests on, made by ``steps_for``; else an ``int``."""

    _error: float | Callable[[], float]
    _basis: str

    def __new__(cls, steps: int, error: float | Callable[[], float], basis: str) -> "Steps":
        made = super().__new__(cls, steps)
        made._error, made._basis = error, basis
        return made

    @property
    def error(self) -> float:
        """float: the error that it is to have, in nats; computed when first asked for."""
        if callable(self._error):
            self._error = self._error()
        return self._error

    @property
    def basis(self) -> str:
        """str: what the error rests on.

        ``"exact profile"`` if it is the error itself, ``"guarantee"`` if a bound for every
        distribution with the given correlations; else the estimate it was computed from.
        """
        return self._basis

    def __getnewargs__(self) -> tuple[int, float, str]:  # type: ignore[override]
        return int(self), self.error, self.basis

    def __repr__(self) -> str:
        return f"Steps({int(self)}, error={self.error:.6g}, basis={self.basis!r})"

    def __str__(self) -> str:
        promised = self.basis.startswith((_GUARANTEE, _BAND))
        relation = "=" if self.basis == _EXACT else "<=" if promised else "about"
        # of a predictor that was measured no error is known, but a price, negative perhaps
        what = "price" if self.basis.endswith(LEARNED) else "E KL"
        return f"{int(self)} ({what} {relation} {self.error:.6g} nats: {self.basis})"

    def __format__(self, spec: str) -> str:
        # a number inside a sentence, as other integers are
        return format(int(self), spec)


def steps_for(
    target_error: float,
    length: int,
    schedule: "str | type[Schedule] | Callable[[int, int], Schedule]" = "Minimax",
    *,
    profile: InformationProfile | EstimatedProfile | ProfileBand | None = None,
    total_correlation: float | Estimate | None = None,
    dual_total_correlation: float | Estimate | None = None,
    standard_errors: float = 2.0,
) -> Steps:
    r"""The least number of steps with which a schedule meets an error.

    For each number of steps, the error is ``certificate(...).value``, up to rounding: exact if an
    exact profile is given, else the best of the bounds for the given correlations. Of an
    ``EstimatedProfile`` it is the ``price`` plus ``standard_errors`` standard errors, the expected
    KL where the predictor that was measured is exact; each number of steps is judged by itself, on
    the same draws.

    Some kinds know the answer without making a schedule for each number that is tried: ``Minimax``
    for the one correlation that is known, from one sweep (3 ms at ``L = 4096``);
    ``OptimalForProfile`` from some ten, or up to 200 where the curve spans hundreds of decades;
    ``TCAdaptive``, and ``DTCAdaptive`` with a profile or for
    the dual total correlation, from what is computed for all numbers of steps at once (20 to 50 ms
    the first time). Otherwise a class says by ``improves`` where a further step never hurts, and
    bisection finds the answer: for any distribution, for its own measure, or on its own profile.
    In all other cases, estimated prices among them, all numbers of steps from 1 on are tried.

    Parameters
    ----------
    target_error : float
        Nonnegative, in nats.
    length : int
        The sequence length ``L``.
    schedule : str, type or callable
        A schedule class or its name; or any function of length and steps that returns a
        ``Schedule``, always of one class and for one measure. A class that asks for a measure
        gets ``"tc"`` or ``"dtc"``, whichever correlation is known to be less; one that asks for a
        profile gets it.
    profile : InformationProfile, EstimatedProfile or ProfileBand, optional
    total_correlation, dual_total_correlation : float or Estimate, optional
        As in ``certificate``; at least one of the three is needed.
    standard_errors : float
        How many are added to what is estimated, nonnegative.

    Returns
    -------
    Steps
        The least ``K``, an ``int`` with ``error`` and ``basis``; at most ``L``, where the error
        is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, out of range or missing. Sizes are not chosen and
        priced on one and the same ``EstimatedProfile``.

    Examples
    --------
    >>> print(steps_for(0.1, 2000, total_correlation=20.0))
    313 (E KL <= 0.0995713 nats: guarantee)
    >>> print(steps_for(0.1, 2000, total_correlation=Estimate(18.0, 1.0, n=500)))
    313 (E KL about 0.0995713 nats: estimate plus 2 standard errors)
    """
    target_error = number("target_error", target_error, 0)
    curve = error_curve(
        length,
        schedule,
        profile=profile,
        total_correlation=total_correlation,
        dual_total_correlation=dual_total_correlation,
        standard_errors=standard_errors,
    )
    return curve.steps_for(target_error)


@dataclass(frozen=True, eq=False, repr=False)
class ErrorCurve:
    """What a schedule promises or costs for every number of steps, made by ``error_curve``.

    Printed, it says so for 1, 2, 4, 8, ... steps.

    Attributes
    ----------
    schedule : str
        The name of the kind of schedule.
    length : int
        The sequence length ``L``.
    basis : str
        What the values rest on, as in ``Steps.basis``.
    """

    schedule: str
    length: int
    basis: str
    _promises: "_AtOnce | _InTurn"

    @cached_property
    def values(self) -> FloatArray:
        """ndarray, shape (L,): entry ``K - 1`` is for ``K`` steps, in nats; the last is 0."""
        return frozen(self._promises.values)

    def steps_for(self, target_error: float) -> Steps:
        """The least number of steps that meets an error: no more work than ``steps_for`` has.

        Parameters
        ----------
        target_error : float
            Nonnegative, in nats.

        Returns
        -------
        Steps

        Raises
        ------
        TypeError, ValueError
            If ``target_error`` is no nonnegative number.
        """
        target_error = number("target_error", target_error, 0)
        if "values" in vars(self):  # computed before
            return self._at(1 + int(np.argmax(self.values <= target_error)))
        return self._at(self._promises.least(target_error))

    def _at(self, steps: int) -> Steps:
        return Steps(steps, *self._promises.at(steps))

    def __repr__(self) -> str:
        return f"ErrorCurve(schedule={self.schedule!r}, length={self.length}, basis={self.basis!r})"

    def __str__(self) -> str:
        few = [1 << i for i in range((self.length - 1).bit_length())]
        lines = ["  " + str(self._at(steps)) for steps in (*few, self.length)]
        return "\n".join([f"{self.schedule}, length {self.length}, by steps:", *lines])


def error_curve(
    length: int,
    schedule: "str | type[Schedule] | Callable[[int, int], Schedule]" = "Minimax",
    *,
    profile: InformationProfile | EstimatedProfile | ProfileBand | None = None,
    total_correlation: float | Estimate | None = None,
    dual_total_correlation: float | Estimate | None = None,
    standard_errors: float = 2.0,
) -> ErrorCurve:
    r"""What a schedule promises or costs for every number of steps from 1 to ``L``.

    Its ``values`` are computed when they are needed. All at once in O(L^2) time, vectorised, and
    O(L) memory for ``TCAdaptive`` with what else is known and for ``DTCAdaptive`` with a profile
    or a dual total correlation (20 to 50 ms at ``L = 4096``); by a sweep of O(L) for each number of
    steps for ``OptimalForProfile`` (10 s there); other kinds make one schedule after the other
    (``Minimax`` a minute there).

    Parameters
    ----------
    length, schedule, profile, total_correlation, dual_total_correlation, standard_errors
        As in ``steps_for``.

    Returns
    -------
    ErrorCurve
        With ``values``, ``basis`` and ``steps_for``. Printable.

    Raises
    ------
    TypeError, ValueError
        As in ``steps_for``. ``values`` are refused where they take more than minutes.

    Examples
    --------
    >>> curve = error_curve(6, "TCAdaptive", total_correlation=2.0)
    >>> curve.values.round(4)
    array([2.    , 1.1241, 0.6311, 0.3294, 0.1333, 0.    ])
    >>> print(curve.steps_for(0.5))
    4 (E KL <= 0.329412 nats: guarantee)
    """
    length = integer("length", length, 1, MOST_POSITIONS)
    standard_errors = number("standard_errors", standard_errors, 0)
    known = _known(profile, total_correlation, dual_total_correlation, standard_errors)
    if not known:
        raise ValueError("give a profile, total_correlation or dual_total_correlation")
    if profile is not None and profile.length != length:
        raise ValueError(f"profile must have the length {length}, got {profile.length}")
    aggregates = _aggregates(known)
    if isinstance(profile, EstimatedProfile):
        basis = _plus(standard_errors, profile.note)
    elif isinstance(profile, ProfileBand):
        basis = _basis_of(profile)
    elif profile is not None:
        basis = _FITTED if profile.fitted else _EXACT
    else:
        basis = " or ".join(dict.fromkeys(upper.basis for upper in aggregates.values()))

    kind = _kind(schedule, profile)
    make = _maker(kind, profile, known)
    if isinstance(kind, type) and not isinstance(profile, EstimatedProfile | ProfileBand):
        at_once = _at_once(kind, length, profile, aggregates, _least_known(known))
        if at_once:
            return ErrorCurve(kind.__name__, length, basis, at_once)
    in_turn = _InTurn(make, length, profile, known, standard_errors, basis)
    return ErrorCurve(type(in_turn.made(1)).__name__, length, basis, in_turn)


class _AtOnce:
    """The least of several promises, each of which a kind knows for every number of steps."""

    def __init__(self, parts: list[tuple[BySteps, str]]) -> None:
        self._parts = parts

    @property
    def values(self) -> FloatArray:
        return np.minimum.reduce([part.values for part, _ in self._parts])

    def least(self, target: float) -> int:
        return min(part.least(target) for part, _ in self._parts)

    def at(self, steps: int) -> tuple[float | Callable[[], float], str]:
        if len(self._parts) == 1:
            ((part, basis),) = self._parts
            return lambda: part.at(steps), basis
        return min(((part.at(steps), basis) for part, basis in self._parts), key=lambda x: x[0])


def _at_once(
    kind: type[Schedule],
    length: int,
    profile: InformationProfile | None,
    aggregates: dict[str, _Upper],
    made_for: str,
) -> _AtOnce | None:
    """What the schedules of a kind promise, where it knows all that is needed in a short way."""
    # a class that derives from a kind may have another law, and says so itself
    if ("_bounds_by_steps" if profile is None else "_errors_by_steps") not in vars(kind):
        return None
    if profile is not None:
        parts = [(kind._errors_by_steps(profile), _FITTED if profile.fitted else _EXACT)]
    else:
        parts = [
            (kind._bounds_by_steps(length, measure, upper.nats, made_for), upper.basis)
            for measure, upper in aggregates.items()
        ]
    known = [(part, basis) for part, basis in parts if part is not None]
    return _AtOnce(known) if len(known) == len(parts) else None


@dataclass(frozen=True)
class _InTurn:
    """Promises of schedules that are made one after the other."""

    make: Callable[[int, int], Schedule]
    length: int
    profile: InformationProfile | EstimatedProfile | ProfileBand | None
    known: dict[str, _Upper]
    standard_errors: float
    basis: str

    def made(self, steps: int) -> Schedule:
        found = instance("schedule(length, steps)", self.make(self.length, steps), Schedule)
        if (found.length, found.steps) != (self.length, steps):
            raise ValueError(
                f"schedule must make {steps} steps of length {self.length}, got {found!r}"
            )
        chosen_on = getattr(found, "profile", None) if found.improves == "own profile" else None
        if isinstance(self.profile, EstimatedProfile) and chosen_on in (
            self.profile.fit,
            self.profile.optimal(1).profile,  # the running minimum, which is another if it rises
        ):
            raise TypeError(_chosen_on_itself(type(found).__name__))
        return found

    def at(self, steps: int) -> tuple[float, str]:
        schedule = self.made(steps)
        if isinstance(self.profile, EstimatedProfile):
            return self.profile.price(schedule).upper(self.standard_errors), self.basis
        found = _certificate(schedule, self.profile, self.known)
        assert found.value is not None and found.basis is not None
        return found.value, found.basis

    @property
    def values(self) -> FloatArray:
        return np.array([self.at(steps)[0] for steps in range(1, self.length + 1)])

    def least(self, target: float) -> int:
        def met(steps: int) -> bool:
            return self.at(steps)[0] <= target

        candidates = range(1, self.length)  # with K = L the error is 0
        if not isinstance(self.profile, EstimatedProfile) and _never_hurt(
            self.made(1), self.profile, list(self.known)
        ):
            return 1 + bisect_left(candidates, True, key=met)
        return next((steps for steps in candidates if met(steps)), self.length)


def _never_hurt(
    first: Schedule, profile: InformationProfile | ProfileBand | None, known: list[str]
) -> bool:
    """Whether further steps of this kind never make the error larger that is asked for."""
    if first.improves == "own measure":
        measure = getattr(first, "measure", None)
        return profile is None and isinstance(measure, str) and known == [measure]
    if first.improves == "own profile":
        made_on = getattr(first, "profile", getattr(first, "band", None))
        return profile is not None and made_on == profile
    return first.improves == "always"


def _kind(schedule: object, profile: object) -> Any:
    """The class that is meant, or the function of length and steps that returns the schedule."""
    kind: Any = Schedule.named(schedule) if isinstance(schedule, str) else schedule
    if not callable(kind) or kind is Schedule:
        hint = f": give the class {type(kind).__name__}" if isinstance(kind, Schedule) else ""
        raise ValueError(
            f"schedule must be a schedule class, its name or a function of length and steps, "
            f"got {shown(schedule)}{hint}"
        )
    if not isinstance(kind, type):
        return kind
    if not issubclass(kind, Schedule):
        raise ValueError(f"schedule must be a subclass of Schedule, got {kind.__name__}")
    if kind.improves == "own profile":
        if isinstance(profile, EstimatedProfile):
            raise TypeError(_chosen_on_itself(kind.__name__))
        if profile is None:
            raise TypeError(f"profile must be given for {kind.__name__}, got None")
    return kind


def _maker(kind: Any, profile: object, known: dict[str, _Upper]) -> Callable[[int, int], Schedule]:
    """What makes a schedule of a kind from a length and a number of steps."""
    if not isinstance(kind, type):
        return kind  # type: ignore[no-any-return]
    measure = _least_known(known) if known else None
    return partial(kind.for_shape, measure=measure, profile=profile)  # type: ignore[attr-defined]


def _least_known(known: dict[str, _Upper]) -> str:
    """The measure for which a kind that asks for one is made."""
    return min(known, key=lambda name: known[name].nats)


def _chosen_on_itself(kind: str) -> str:
    return (
        f"profile must be exact for {kind}, got an EstimatedProfile: sizes that are chosen on an "
        "estimate look too good on it. Choose them on one estimate and price them on fresh draws: "
        f"steps_for(..., lambda length, steps: {kind}(chosen_on.fit, steps), profile=fresh)"
    )


@dataclass(frozen=True, repr=False)
class Comparison:
    """Several schedules in one table, made by ``compare``.

    Printable; in a notebook it is shown as a table that scrolls in a box of its own.

    Attributes
    ----------
    certificates : tuple of Certificate
        One for each schedule, in their order.
    prices : tuple of Estimate
        What each schedule costs on the predictor that was measured; empty without an estimated
        profile.
    target_error : float or None
        The error, in nats, of which ``steps`` speaks.
    steps : tuple of Steps or None
        The least steps with which each kind meets the target; None for a kind that cannot be made
        from a number of steps. Empty without a target.
    """

    certificates: tuple[Certificate, ...]
    prices: tuple[Estimate, ...] = ()
    target_error: float | None = None
    steps: tuple[Steps | None, ...] = ()

    @cached_property
    def _rows(self) -> list[list[str]]:
        """The cells of the table, its head first."""
        head = ["schedule", "steps", "nats"]
        head += ["price"] if self.prices else []
        head += [] if self.target_error is None else [f"steps for {self.target_error:g}"]
        rows = [[*head, *(f"c, {name}" for name in _AGGREGATES), "basis"]]
        for place, made in enumerate(self.certificates):
            schedule = made.schedule
            row = [getattr(schedule, "label", type(schedule).__name__), str(schedule.steps)]
            row.append("" if made.value is None else f"{made.value:.5g}")
            if self.prices:
                price = self.prices[place]
                row.append(f"{price.value:.5g} ± {price.standard_error:.2g}")
            if self.target_error is not None:
                least = self.steps[place]
                row.append("" if least is None else f"{least:d}")
            row += [f"{bound.constant:.5g}" for bound in made.bounds]
            rows.append([*row, made.basis or ""])
        return rows

    def __str__(self) -> str:
        rows = self._rows
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        last = len(widths) - 1
        return "\n".join(
            "  ".join(
                cell.ljust(width) if place in (0, last) else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        style = 'style="padding: 0.2em 0.7em; text-align: left; white-space: nowrap"'
        lines = [
            "".join(f"<{kind} {style}>{escape(cell)}</{kind}>" for cell in row)
            for kind, row in zip(["th", *["td"] * len(self._rows)], self._rows, strict=False)
        ]
        table = "\n".join(f"<tr>{line}</tr>" for line in lines)
        return f'<div style="overflow-x: auto"><table>\n{table}\n</table></div>'


def compare(
    schedules: "Iterable[Schedule | str | type[Schedule] | Callable[[int, int], Schedule]]",
    profile: InformationProfile | EstimatedProfile | ProfileBand | None = None,
    steps: int | None = None,
    *,
    total_correlation: float | Estimate | None = None,
    dual_total_correlation: float | Estimate | None = None,
    target_error: float | None = None,
    standard_errors: float = 2.0,
) -> Comparison:
    """Several schedules side by side: what they promise, lose and cost.

    Parameters
    ----------
    schedules : iterable
        At least one: schedules, or with ``steps`` and a profile or band also kinds of them, as
        ``steps_for`` takes them.
    profile : InformationProfile, EstimatedProfile or ProfileBand, optional
        What is known: gives the error itself; the price on the predictor that was measured, and
        no error; or the largest error over the band.
    steps : int, optional
        With how many steps kinds are made, for the length of the profile.
    total_correlation, dual_total_correlation, standard_errors
        As in ``certificate``, in place of a profile; the correlations may be left out.
    target_error : float, optional
        In nats: of each kind also the least steps that meet it, as by ``steps_for``. What a kind
        that asks for a measure is made for is kept.

    Returns
    -------
    Comparison
        Printable as a table: the value, the price, the steps for the target, the constants for each
        measure, and what the value rests on.

    Raises
    ------
    TypeError, ValueError
        If there is no schedule, a kind has no steps or no length, or as ``certificate`` and
        ``steps_for``.

    Examples
    --------
    >>> from dlm_core.schedules import Equal, TCAdaptive
    >>> table = compare([TCAdaptive(8, 3), Equal(8, 3)], total_correlation=1.0)
    >>> [round(made.value, 4) for made in table.certificates]
    [0.3887, 1.0]
    >>> band = ProfileBand(8, levels=[0, 4, 7], lower=[1.0, 0.4, 0.1], upper=[1.0, 0.4, 0.1])
    >>> table = compare(["ShiftedEqual", "Robust"], band, steps=3, target_error=0.5)
    >>> [(round(made.value, 3), int(k)) for made, k in zip(table.certificates, table.steps)]
    [(1.157, 5), (1.0, 5)]
    """
    if isinstance(schedules, str) or not isinstance(schedules, Iterable):
        raise TypeError(f"schedules must be several of Schedule, got {shown(schedules)}")
    if getattr(schedules, "ndim", 1) == 0:
        raise TypeError(f"schedules must be several of Schedule, got {shown(schedules)}")
    kinds = list(schedules)
    if not kinds:
        raise ValueError("schedules must hold at least one Schedule, got none")
    given = total_correlation, dual_total_correlation, standard_errors
    known = _known(profile, *given)
    exact = None if isinstance(profile, EstimatedProfile) else profile
    made = tuple(
        each if isinstance(each, Schedule) else _made(each, profile, known, steps) for each in kinds
    )
    prices: tuple[Estimate, ...] = ()
    promised = known
    if isinstance(profile, EstimatedProfile):
        prices = tuple(profile.price(schedule) for schedule in made)
        promised = {}  # what was measured of a predictor promises nothing of its errors
    certificates = tuple(_certificate(schedule, exact, promised) for schedule in made)
    if target_error is None:
        return Comparison(certificates, prices)
    target_error = number("target_error", target_error, 0)
    if not known:
        raise ValueError("target_error needs a profile or a correlation beside it, got neither")
    least = tuple(_least_steps(target_error, schedule, profile, given) for schedule in made)
    return Comparison(certificates, prices, target_error, least)


def _made(
    kind: object,
    profile: InformationProfile | EstimatedProfile | ProfileBand | None,
    known: dict[str, _Upper],
    steps: object,
) -> Schedule:
    """The schedule of a kind for the length of a profile."""
    if not isinstance(kind, str) and not callable(kind):
        raise TypeError(f"schedules must hold Schedules or kinds of them, got {shown(kind)}")
    if steps is None or profile is None:
        raise ValueError(
            "schedules must hold schedules such as Equal(length, steps), or else profile and "
            f"steps must be given for which to make them, got {shown(kind)}"
        )
    steps = integer("steps", steps, 1, profile.length)
    try:
        make = _maker(_kind(kind, profile), profile, known)
    except (TypeError, ValueError) as error:
        raise type(error)(f"schedules must be kinds: {error}") from None
    return instance("schedules", make(profile.length, steps), Schedule)


def _least_steps(
    target_error: float,
    schedule: Schedule,
    profile: InformationProfile | EstimatedProfile | ProfileBand | None,
    given: tuple[float | Estimate | None, float | Estimate | None, float],
) -> Steps | None:
    """The least steps of a schedule's kind; None if it cannot be made from their number."""
    measure = getattr(schedule, "measure", None)
    made_on = getattr(schedule, "profile", getattr(schedule, "band", None))

    def make(length: int, steps: int) -> Schedule:
        return type(schedule).for_shape(length, steps, measure=measure, profile=made_on)

    try:
        make(schedule.length, schedule.steps)
    except ValueError:
        return None
    total_correlation, dual_total_correlation, standard_errors = given
    return steps_for(
        target_error,
        schedule.length,
        make,
        profile=profile,
        total_correlation=total_correlation,
        dual_total_correlation=dual_total_correlation,
        standard_errors=standard_errors,
    )
