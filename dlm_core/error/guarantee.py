"""What a schedule guarantees for every distribution, and how many steps suffice."""

from bisect import bisect_left
from dataclasses import dataclass, fields

from dlm_core import schedules
from dlm_core._check import instance, integer, number
from dlm_core.error.law import expected_kl
from dlm_core.information.profile import InformationProfile
from dlm_core.schedules.base import Schedule

__all__ = ["Bound", "Certificate", "certificate", "steps_for"]


@dataclass(frozen=True)
class Bound:
    r"""One guarantee :math:`E\,KL \le c \cdot A` with its constant filled in.

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
    """

    measure: str
    aggregate: str
    constant: float
    value: float | None

    def __str__(self):
        value = "" if self.value is None else f" = {self.value:.6g} nats"
        return f"E KL <= {self.constant:.6g} {self.aggregate}{value}"


@dataclass(frozen=True)
class Certificate:
    """What a schedule guarantees, made by ``certificate``.

    Attributes
    ----------
    schedule : Schedule
        The schedule it speaks of.
    bounds : tuple of Bound
        The guarantees, which hold for every distribution with the given correlations.
    exact : float or None
        The error itself in nats, by the exact error law; None where the profile is not known.
    """

    schedule: Schedule
    bounds: tuple
    exact: float | None

    @property
    def value(self):
        """float or None: the exact error if known, else the least bound that is, in nats."""
        known = [bound.value for bound in self.bounds if bound.value is not None]
        return self.exact if self.exact is not None else min(known, default=None)

    def __str__(self):
        schedule = self.schedule
        lines = [
            f"{type(schedule).__name__}, {schedule.steps} steps, length {schedule.length}",
            *(f"  {bound}   (E W_j <= c r_j, measure {bound.measure!r})" for bound in self.bounds),
        ]
        if self.exact is not None:
            lines.append(f"  E KL = {self.exact:.6g} nats   (exact, from the profile)")
        return "\n".join(lines)


_AGGREGATES = {
    "tc": ("TC", lambda tc, dtc: tc),
    "dtc": ("DTC", lambda tc, dtc: dtc),
    "min": ("min(TC, DTC)", min),
    "product": ("TC DTC / (TC + DTC)", lambda tc, dtc: tc * dtc / (tc + dtc) if tc * dtc else 0.0),
}


def certificate(schedule, profile=None, total_correlation=None, dual_total_correlation=None):
    r"""The guarantees of a schedule with their constants filled in.

    With :math:`c_r = \max_j E[W_j]/r_j`, the exact error law gives
    :math:`E\,KL \le c_r \sum_j r_j \Delta_j`. The four named measures bound the sum by TC, DTC,
    :math:`\min(TC, DTC)` and, as :math:`ab/(a+b)` is concave and homogeneous,
    :math:`TC \cdot DTC/(TC + DTC)`.

    Parameters
    ----------
    schedule : Schedule
        The law of the sizes.
    profile : InformationProfile, optional
        The distribution: gives both correlations and the exact error.
    total_correlation, dual_total_correlation : float, optional
        Nonnegative, in nats, or upper bounds on them; either or both, in place of the profile.

    Returns
    -------
    Certificate
        Printable. Bounds whose correlations are not given have ``value`` None.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a correlation is negative, the lengths differ, or both the profile and a correlation
        are given.

    Examples
    --------
    >>> from dlm_core.schedules import Minimax
    >>> print(certificate(Minimax(6, 2, "tc"), total_correlation=0.5).bounds[0])
    E KL <= 0.562044 TC = 0.281022 nats
    """
    instance("schedule", schedule, Schedule)
    tc, dtc = _correlations(profile, total_correlation, dual_total_correlation)
    bounds = []
    for measure, (aggregate, formula) in _AGGREGATES.items():
        known = (tc is not None or measure == "dtc") and (dtc is not None or measure == "tc")
        constant = schedule.coefficient(measure)
        value = constant * formula(tc, dtc) if known else None
        bounds.append(Bound(measure, aggregate, constant, value))
    exact = None if profile is None else expected_kl(schedule, profile)
    return Certificate(schedule, tuple(bounds), exact)


def _correlations(profile, total_correlation, dual_total_correlation):
    if profile is not None:
        if total_correlation is not None or dual_total_correlation is not None:
            raise ValueError("give either a profile or correlations, not both")
        instance("profile", profile, InformationProfile)
        return profile.total_correlation, profile.dual_total_correlation
    given = {
        "total_correlation": total_correlation,
        "dual_total_correlation": dual_total_correlation,
    }
    return tuple(None if x is None else _nonnegative(name, x) for name, x in given.items())


def _nonnegative(name, value):
    value = number(name, value)
    if value < 0:
        raise ValueError(f"{name} must be nonnegative, got {value}")
    return value


def steps_for(
    target_error,
    length,
    schedule="Minimax",
    *,
    profile=None,
    total_correlation=None,
    dual_total_correlation=None,
):
    r"""The least number of steps with which a schedule meets an error.

    For each number of steps, the error is ``certificate(...).value``: exact if the profile is
    given, else the best of the guarantees for the given correlations.

    Every :math:`E[W_j]` of ``TCAdaptive``, ``DTCAdaptive`` and ``Minimax``, and the error of
    ``OptimalForProfile`` on its own profile, never increase with the steps; nor does the constant
    of ``BestDeterministic`` for its own measure. For these, bisection finds the answer. The other
    errors can grow with a further step: all numbers of steps from 1 on are tried.

    Parameters
    ----------
    target_error : float
        Nonnegative, in nats.
    length : int
        The sequence length ``L``.
    schedule : str, type or callable
        A schedule class or its name; or any function of length and steps that returns a
        ``Schedule``, always of one class. A class that asks for a measure gets ``"tc"`` or
        ``"dtc"``, whichever correlation is known to be less; one that asks for a profile gets it.
    profile : InformationProfile, optional
    total_correlation, dual_total_correlation : float, optional
        As in ``certificate``; at least one of the three is needed.

    Returns
    -------
    int
        The least ``K``; at most ``L``, where the error is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, out of range or missing.

    Examples
    --------
    >>> steps_for(0.1, 2000, total_correlation=20.0)
    313
    """
    length = integer("length", length, 1)
    target_error = _nonnegative("target_error", target_error)
    tc, dtc = _correlations(profile, total_correlation, dual_total_correlation)
    if tc is None and dtc is None:
        raise ValueError("give a profile, total_correlation or dual_total_correlation")
    if profile is not None and profile.length != length:
        raise ValueError(f"profile must have the length {length}, got {profile.length}")
    less = "dtc" if tc is None or (dtc is not None and dtc < tc) else "tc"
    make = _maker(schedule, profile, less)

    def met(steps):
        made = instance("schedule(length, steps)", make(length, steps), Schedule)
        if (made.length, made.steps) != (length, steps):
            raise ValueError(f"schedule must make {steps} steps of length {length}, got {made!r}")
        promise = certificate(made, profile, total_correlation, dual_total_correlation)
        return promise.value <= target_error

    first = make(length, 1)
    improving = isinstance(first, _IMPROVING)
    if isinstance(first, schedules.BestDeterministic) and isinstance(first.measure, str):
        known = [measure for measure, x in (("tc", tc), ("dtc", dtc)) if x is not None]
        improving = known == [first.measure]
    candidates = range(1, length)  # with K = L the error is 0
    if improving:
        return 1 + bisect_left(candidates, True, key=met)
    return next((steps for steps in candidates if met(steps)), length)


_IMPROVING = (
    schedules.TCAdaptive,
    schedules.DTCAdaptive,
    schedules.Minimax,
    schedules.OptimalForProfile,
)


def _maker(schedule, profile, measure):
    """A function of length and steps that returns the schedule."""
    kind = Schedule._kinds.get(schedule) if isinstance(schedule, str) else schedule
    if not callable(kind) or kind is Schedule:
        raise ValueError(
            f"schedule must be a schedule class, its name or a function, got {schedule!r}"
        )
    if not (isinstance(kind, type) and issubclass(kind, Schedule)):
        return kind
    names = {field.name for field in fields(kind)}
    if "profile" in names:
        instance("profile", profile, InformationProfile)
        return lambda length, steps: kind(profile, steps)
    if not {"length", "steps"} <= names:
        raise ValueError(f"schedule must be given by its length and steps, {kind.__name__} is not")
    return lambda length, steps: kind(length, steps, *([measure] if "measure" in names else []))
