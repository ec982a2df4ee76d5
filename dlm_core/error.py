"""The expected error of a schedule on a distribution: exact, by brute force, and guaranteed."""

from bisect import bisect_left
from dataclasses import dataclass, fields
from functools import cache
from itertools import combinations, permutations
from math import factorial, prod

import numpy as np

from dlm_core import schedules
from dlm_core._validation import instance, integer, probabilities, real_array
from dlm_core.estimate import Estimate
from dlm_core.profile import InformationProfile
from dlm_core.schedules.base import Schedule
from dlm_core.schedules.fixed import FixedSizes

__all__ = [
    "Bound",
    "Certificate",
    "certificate",
    "expected_kl",
    "expected_kl_by_enumeration",
    "mixture_kl",
    "monte_carlo_kl",
    "steps_for",
]

# Enumerating orders takes seconds here and hours a little further.
_MOST_POSITIONS = 8
# Pairs of a word and of disjoint sets of positions that the mixture sums over: seconds.
_MOST_TERMS = 2**26
# Entries of one prediction of the sampler: 512 MiB of float64.
_MOST_ENTRIES = 2**26


def expected_kl(schedule, profile):
    r"""Expected divergence of what the schedule samples, with an exact mask predictor.

    The exact error law (theorem "error law" of the book; for fixed sizes Chen, Cong and Li,
    arXiv 2511.04647):

    .. math:: E\,KL(p \,\|\, q) = \sum_{j=1}^{L-1} \Delta_j\, E[W_j],

    the mean over the sizes and the uniformly random order.

    Parameters
    ----------
    schedule : Schedule
        The law of the sizes.
    profile : InformationProfile
        The distribution, of the same length.

    Returns
    -------
    float
        The error in nats.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> from dlm_core.schedules import TCAdaptive
    >>> schedule = TCAdaptive(length=6, steps=2)
    >>> repetition = InformationProfile.repetition(length=6, entropy=1.0)
    >>> round(expected_kl(schedule, repetition) / repetition.total_correlation, 6)
    0.562044
    """
    instance("schedule", schedule, Schedule)
    instance("profile", profile, InformationProfile)
    if schedule.length != profile.length:
        raise ValueError(
            f"schedule and profile must have the same length, got {schedule.length} "
            f"and {profile.length}"
        )
    return float(profile.increments @ schedule.residual)


def expected_kl_by_enumeration(p, sizes):
    r"""The same error for fixed sizes, from the definition of divergence and nothing else.

    For every order of the positions, the probability :math:`q(x)` that the sampler returns ``x``
    is the product over blocks of the conditional marginals of ``p``; the result is the mean over
    orders of :math:`\sum_x p(x) \log (p(x) / q(x))`. No entropy identity enters. Cost
    :math:`O(L!\, L\, q^L)`: refused beyond ``L = 8``.

    Parameters
    ----------
    p : array_like
        Joint table with one axis per position.
    sizes : array_like of int, shape (K,)
        Positive sizes whose sum is the number of axes.

    Returns
    -------
    float
        The error in nats.

    Raises
    ------
    TypeError, ValueError
        If ``p`` is no table of probabilities, or the sizes do not fit it.
    """
    p = probabilities("p", p)
    if p.ndim > _MOST_POSITIONS:
        raise ValueError(f"p must have at most {_MOST_POSITIONS} axes, got {p.ndim}")
    sizes = FixedSizes(sizes).sizes
    if sizes.sum() != p.ndim:
        raise ValueError(f"sizes must sum to the {p.ndim} axes of p, their sum is {sizes.sum()}")
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    marginals = {}

    def marginal(kept):
        if kept not in marginals:
            summed = tuple(axis for axis in range(p.ndim) if axis not in kept)
            marginals[kept] = p.sum(axis=summed, keepdims=True)
        return marginals[kept]

    possible = p > 0
    divergences = []
    for order in permutations(range(p.ndim)):
        q = np.ones(p.shape)
        for place, position in enumerate(order):
            known = frozenset(order[: starts[place]])
            with np.errstate(invalid="ignore"):  # 0/0 where the history itself is impossible
                q = q * (marginal(known | {position}) / marginal(known))
        divergences.append(p[possible] @ np.log(p[possible] / q[possible]))
    return float(np.mean(divergences))


def monte_carlo_kl(target, schedule, n, generator, *, progress=False):
    r"""The expected error measured by the sampler: see ``expected_kl`` for its exact value.

    Sequences from the target are revealed by the sampler's own loop in random orders and sizes
    (``dlm_core.sampler.log_likelihood``); each gives a draw of
    :math:`\log p(x) - \log q(x)`, whose mean is the expected error. No entropy of the target is
    used.

    Parameters
    ----------
    target : dlm_core.targets.Target
        The distribution, which predicts, too.
    schedule : Schedule
        The law of the sizes, of the same length.
    n : int
        How many sequences, at least 2.
    generator : torch.Generator
        The only source of randomness, on the target's device.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Estimate
        In nats.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, or the lengths differ.
    """
    import torch  # here, so that exact errors need numpy alone
    from tqdm import tqdm

    from dlm_core.sampler import log_likelihood

    _check_pair(target, schedule)
    instance("generator", generator, torch.Generator)
    n = integer("n", n, 2)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    rows = int(_MOST_ENTRIES / (schedule.mean_sizes.max() * target.alphabet_size))
    rows = min(max(rows, 1), 1024)
    draws = []
    for first_row in tqdm(range(0, n, rows), disable=not progress, desc="batches"):
        tokens = target.sample(min(rows, n - first_row), generator)
        scores = log_likelihood(target, schedule, tokens, seed=seed, first_row=first_row)
        truth = target.log_prob(tokens)
        # where both are sums of the same terms, their difference is rounding and not an error
        same = torch.isclose(truth, scores, rtol=1e-12, atol=0)
        draws.append((truth - scores).masked_fill(same, 0.0).cpu())
    return Estimate.from_draws(torch.cat(draws))


def mixture_kl(target, schedule):
    r"""Divergence of the law of the samples, averaged over orders and sizes; for small cases.

    The sampler's output has the law :math:`\bar q = E[q]`, the mean over the random order and
    sizes; by convexity :math:`KL(p \,\|\, \bar q) \le E\,KL(p \,\|\, q)`. For each composition
    that the schedule can draw, a recursion over the sets of revealed positions sums over all
    orders at once: time :math:`O(3^L q^L)` for each, refused beyond :math:`2^{26}`.

    Parameters
    ----------
    target : dlm_core.targets.Target
        A small distribution.
    schedule : Schedule
        The law of the sizes, of the same length.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, the lengths differ, or the case is not small.
    """
    _check_pair(target, schedule)
    length, size = target.length, target.alphabet_size
    if (3 * size) ** length > _MOST_TERMS:
        raise ValueError(
            f"target must have (3 alphabet_size)^length <= {_MOST_TERMS}, "
            f"got length {length} and alphabet_size {size}"
        )
    p = target.joint()
    possible = p > 0
    marginals = {}
    for kept in _subsets(range(length)):
        summed = tuple(axis for axis in range(length) if axis not in kept)
        table = p.sum(axis=summed, keepdims=True)
        marginals[frozenset(kept)] = np.broadcast_to(table, p.shape)[possible]

    @cache
    def conditional(i, known):
        return marginals[known | {i}] / marginals[known]

    mixture = np.zeros(np.count_nonzero(possible))
    for sizes, chance in schedule.law().items():
        reached = {frozenset(): np.ones_like(mixture)}
        for block_size in sizes:
            following = {}
            for known, weight in reached.items():
                rest = [i for i in range(length) if i not in known]
                for block in combinations(rest, block_size):
                    term = prod((conditional(i, known) for i in block), start=weight)
                    union = known | frozenset(block)
                    following[union] = following.get(union, 0.0) + term
            reached = following
        orders = factorial(length) // prod(map(factorial, sizes))
        mixture += chance * reached[frozenset(range(length))] / orders
    return max(float(p[possible] @ np.log(p[possible] / mixture)), 0.0)


def _check_pair(target, schedule):
    instance("schedule", schedule, Schedule)
    if not hasattr(target, "log_prob"):
        raise TypeError(
            "target must be a distribution such as those of dlm_core.targets, "
            f"got {type(target).__name__}"
        )
    if schedule.length != target.length:
        raise ValueError(
            f"schedule and target must have the same length, got {schedule.length} "
            f"and {target.length}"
        )


def _subsets(positions):
    for size in range(len(positions) + 1):
        yield from combinations(positions, size)


@dataclass(frozen=True)
class Bound:
    r"""One guarantee :math:`E\,KL \le c \cdot A` with its constant filled in.

    Attributes
    ----------
    target : str
        The weights :math:`r_j` it rests on: :math:`E[W_j] \le c\, r_j` for every ``j``.
    aggregate : str
        What :math:`A` is, in terms of the total and the dual total correlation.
    constant : float
        :math:`c`, the schedule's coefficient for the target.
    value : float or None
        :math:`c \cdot A` in nats; None where ``A`` is not known.
    """

    target: str
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
            *(f"  {bound}   (E W_j <= c r_j, target {bound.target!r})" for bound in self.bounds),
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
    :math:`E\,KL \le c_r \sum_j r_j \Delta_j`. The four named targets bound the sum by TC, DTC,
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
    for target, (aggregate, formula) in _AGGREGATES.items():
        known = (tc is not None or target == "dtc") and (dtc is not None or target == "tc")
        constant = schedule.coefficient(target)
        value = constant * formula(tc, dtc) if known else None
        bounds.append(Bound(target, aggregate, constant, value))
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
    value = float(real_array(name, value, ndim=0))
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
    of ``BestDeterministic`` for its own target. For these, bisection finds the answer. The other
    errors can grow with a further step: all numbers of steps from 1 on are tried.

    Parameters
    ----------
    target_error : float
        Nonnegative, in nats.
    length : int
        The sequence length ``L``.
    schedule : str, type or callable
        A schedule class or its name; or any function of length and steps that returns a
        ``Schedule``, always of one class. A class that asks for a target gets ``"tc"`` or
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
    if isinstance(first, schedules.BestDeterministic) and isinstance(first.target, str):
        known = [target for target, x in (("tc", tc), ("dtc", dtc)) if x is not None]
        improving = known == [first.target]
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


def _maker(schedule, profile, target):
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
    return lambda length, steps: kind(length, steps, *([target] if "target" in names else []))
