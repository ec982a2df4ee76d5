"""Contracts that a user's own class can be held to, and Hypothesis strategies for tests of it.

The checks raise ``AssertionError`` and say what is broken. The strategies need Hypothesis, which
is imported when one is asked for.
"""

import copy
import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from dlm_core._check import instance, integer
from dlm_core._types import FloatArray, IntArray
from dlm_core.information.profile import InformationProfile
from dlm_core.schedules.base import Schedule, measure_weights, residuals

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from dlm_core.targets.base import Target

__all__ = ["check_schedule", "check_target", "compositions", "profiles", "schedules", "shapes"]

# Schedules

_SMALL = [(1, 1), (2, 1), (2, 2), (5, 1), (5, 4), (5, 5), (7, 3)]
_FALSE_ALARM = 1e-6
# Shorter rows are held to their laws up to this length, so that all tests are fewer than 50.
_LONGEST_SHORTER, _MOST_TESTS = 40, 50


def check_schedule(kind: Schedule | type[Schedule], *, draws: int = 10_000, seed: int = 0) -> None:
    """Hold a schedule, or a class of them, to what ``Schedule`` promises.

    Checked are the draws (shape, type, order in memory, totals, one seed one result) and their
    law by a chi-square test, those of ``sample_rows`` too, for shorter rows against the law of the
    ``resized`` schedule; ``start_probabilities``, ``residual`` and ``mean_sizes`` against the law,
    where it can be listed; coefficients; rows of a batch; dictionaries, copies, pickles, equality
    and printing; that nothing can be assigned; and that bad arguments are refused. Of a class with
    ``improves = "always"``, that a further step raises no residual on small lengths; other words
    of ``improves``, and that the rows of a draw are independent, are not verified.

    Parameters
    ----------
    kind : Schedule or type
        A schedule; or a class, tried by ``for_shape`` on small lengths for the measure ``"tc"``
        and a convex profile.
    draws : int
        How many schedules are drawn for the test of the law, at least 100.
    seed : int
        Of the draws. The chance that a right schedule fails is below 1e-6.

    Raises
    ------
    AssertionError
        If a promise is broken; says which, and by which schedule.
    TypeError
        If ``kind`` is neither a schedule nor a class of them.

    Examples
    --------
    >>> from dlm_core.schedules import Equal
    >>> check_schedule(Equal)
    """
    draws, seed = integer("draws", draws, 100), integer("seed", seed, 0)
    if isinstance(kind, type) and issubclass(kind, Schedule):
        for length, steps in _SMALL:
            profile = InformationProfile(np.linspace(1, 0, length) ** 2)
            made = kind.for_shape(length, steps, measure="tc", profile=profile)
            _require(
                (made.length, made.steps) == (length, steps),
                f"{kind.__name__}.for_shape({length}, {steps}) must have that length and steps, "
                f"got {made.length} and {made.steps}",
            )
            _check_one(made, draws, seed)
            if kind.improves == "always" and steps < length:
                more = kind.for_shape(length, steps + 1, measure="tc", profile=profile)
                _require(
                    bool((more.residual <= made.residual + 1e-10).all()),
                    f"{made!r}: improves is 'always', but a further step raises a residual",
                )
    else:
        _check_one(instance("kind", kind, Schedule), draws, seed)  # type: ignore[type-abstract]


def _check_one(schedule: Schedule, draws: int, seed: int) -> None:
    name = repr(schedule)
    length, steps = schedule.length, schedule.steps
    _require(
        type(length) is int and type(steps) is int and 1 <= steps <= length,
        f"{name}: length and steps must be ints with 1 <= steps <= length, got {length!r}, "
        f"{steps!r}",
    )
    _require(
        isinstance(schedule.label, str) and schedule.label != "",
        f"{name}: label must be a name, got {schedule.label!r}",
    )
    _require(
        schedule.improves in ("always", "own measure", "own profile", "no"),
        f"{name}: improves must be one of the words that Schedule lists, got {schedule.improves!r}",
    )
    _check_draws(schedule, name, seed)
    _check_tables(schedule, name)
    _check_law(schedule, name, draws, seed)
    _check_identity(schedule, name)
    _check_rows(schedule, name, draws, seed)
    _check_refusals(schedule, name)


def _check_draws(schedule: Schedule, name: str, seed: int) -> None:
    for n in (0, 1, 30):
        sizes = schedule.sample(n, np.random.default_rng(seed))
        _check_sizes(sizes, n, schedule.steps, f"{name}: sample({n}, rng)")
        _require(
            bool((sizes >= 1).all() and (sizes.sum(axis=1) == schedule.length).all()),
            f"{name}: the sizes of a draw must be positive and sum to the length",
        )
        again = schedule.sample(n, np.random.default_rng(seed))
        by_seed = schedule.sample(n, seed)
        _require(
            np.array_equal(sizes, again) and np.array_equal(sizes, by_seed),
            f"{name}: draws with one seed, as a Generator or an int, must be equal",
        )


def _check_sizes(sizes: Any, n: int, steps: int, what: str) -> None:
    _require(
        isinstance(sizes, np.ndarray) and sizes.shape == (n, steps) and sizes.dtype == np.int64,
        f"{what} must be an int64 array of shape {(n, steps)}, got "
        f"{getattr(sizes, 'dtype', type(sizes).__name__)} of shape {getattr(sizes, 'shape', None)}",
    )
    _require(sizes.flags.c_contiguous, f"{what} must be C-contiguous")


def _check_tables(schedule: Schedule, name: str) -> None:
    sizes = {"start_probabilities": 0, "residual": -1}
    expected = {key: schedule.length + less for key, less in sizes.items()}
    for key, size in {**expected, "mean_sizes": schedule.steps}.items():
        table = getattr(schedule, key)
        _require(
            isinstance(table, np.ndarray) and table.shape == (size,) and table.dtype == np.float64,
            f"{name}: {key} must be a float64 array of shape ({size},)",
        )
        _require(
            not table.flags.writeable and all(stride >= 0 for stride in table.strides),
            f"{name}: {key} must be read-only, with a positive stride",
        )
    array = np.sqrt(np.arange(1.0, schedule.length))
    for measure in ("tc", "dtc", "sum", "min", "product", array):
        ratios = schedule.residual / measure_weights(measure, schedule.length)  # type: ignore[arg-type]
        coefficient = schedule.coefficient(measure)  # type: ignore[arg-type]
        _require(
            isinstance(coefficient, float)
            and np.isclose(coefficient, ratios.max(initial=0.0), rtol=1e-12, atol=0),
            f"{name}: coefficient({measure!r}) must be the largest ratio "
            f"{ratios.max(initial=0.0)}, got {coefficient!r}",
        )


def _check_law(schedule: Schedule, name: str, draws: int, seed: int) -> None:
    try:
        law = schedule.law()
    except ValueError:
        return  # too many compositions
    for sizes, chance in law.items():
        _require(
            len(sizes) == schedule.steps and sum(sizes) == schedule.length and min(sizes) >= 1,
            f"{name}: law() must list compositions of the length into the steps, got {sizes}",
        )
        _require(chance > 0, f"{name}: law() must list positive chances, got {chance} of {sizes}")
    chances, table = np.array(list(law.values())), np.array(list(law), dtype=np.int64)
    _require(
        abs(chances.sum() - 1) < 1e-12,
        f"{name}: the chances of law() must sum to 1, their sum is {chances.sum()!r}",
    )
    starts = np.zeros(schedule.length)
    np.add.at(starts, np.cumsum(table, axis=1) - table, chances[:, np.newaxis])
    means = {
        "start_probabilities": starts,
        "residual": chances @ residuals(table),
        "mean_sizes": chances @ table,
    }
    for key, mean in means.items():
        _require(
            np.allclose(getattr(schedule, key), mean, rtol=1e-10, atol=1e-12),
            f"{name}: {key} must be the mean over law(), {mean}, got {getattr(schedule, key)}",
        )
    _require_law(schedule.sample(draws, np.random.default_rng(seed)), law, name)


def _require_law(drawn: IntArray, law: dict[tuple[int, ...], float], what: str) -> None:
    """Hold drawn sizes, without what follows the last step of a shorter row, to a law."""
    number = {sizes: i for i, sizes in enumerate(law)}
    rows = [tuple(row) for row in drawn[:, : len(next(iter(law)))].tolist()]
    unlisted = [row for row in rows if row not in number]
    _require(not unlisted, f"{what}: {unlisted[:1]} was drawn, and is not listed in law()")
    counts = np.bincount([number[row] for row in rows], minlength=len(law))
    p = _p_value(counts, np.array(list(law.values())))
    _require(
        p > _FALSE_ALARM / _MOST_TESTS,
        f"{what}: {len(rows)} draws do not follow law(): chi-square test, p = {p:.3g}",
    )


def _p_value(counts: IntArray, law: FloatArray) -> float:
    """Pearson's test; the rarest cells are pooled until they expect 5 draws together."""
    from scipy.stats import chisquare

    order = np.argsort(law)
    observed, expected = counts[order], counts.sum() * law[order] / law.sum()
    few = int(np.searchsorted(np.cumsum(expected), 5.0)) + 1
    pooled = max(few, int(np.searchsorted(expected, 5.0)))
    starts = np.concatenate([[0], np.arange(pooled, observed.size)])
    observed, expected = (np.add.reduceat(x, starts) for x in (observed, expected))
    return float(chisquare(observed, expected).pvalue) if observed.size > 1 else 1.0


def _check_rows(schedule: Schedule, name: str, draws: int, seed: int) -> None:
    length, steps = schedule.length, schedule.steps
    lengths = np.resize([length, 0, length, 1, max(1, length // 2)], 20)
    shorter = [list(range(1, min(length, _LONGEST_SHORTER + 1)))] if length > 1 else []
    try:
        schedule.resized(1)
    except ValueError:
        shorter = []
        lengths = np.where(lengths == length, length, 0)  # for one length alone
    else:
        for other in range(1, length + 1):
            resized = schedule.resized(other)
            _require(
                resized.length == other and 1 <= resized.steps <= min(steps, other),
                f"{name}: resized({other}) must have length {other} and at most "
                f"{min(steps, other)} steps, got {resized!r}",
            )
    what = f"{name}: sample_rows(lengths, rng)"
    sizes = schedule.sample_rows(lengths, np.random.default_rng(seed))
    _check_sizes(sizes, lengths.size, steps, what)
    _require(
        bool((sizes >= 0).all() and (sizes.sum(axis=1) == lengths).all()),
        f"{what}: row i must sum to lengths[i]",
    )
    taken = np.count_nonzero(sizes, axis=1)
    _require(
        np.array_equal(sizes > 0, np.arange(steps) < taken[:, np.newaxis]),
        f"{what}: positive sizes must come first, then zeros",
    )
    others = np.where(np.arange(lengths.size) % 3 == 0, lengths, 0)
    again = schedule.sample_rows(others, np.random.default_rng(seed))
    _require(
        np.array_equal(sizes[::3], again[::3]),
        f"{what}: a row must not depend on the lengths of the others",
    )
    _check_law_of_rows(schedule, name, draws, seed, [[length], *shorter])


def _check_law_of_rows(
    schedule: Schedule, name: str, draws: int, seed: int, lengths: list[list[int]]
) -> None:
    """Hold the rows of batches with the given lengths to the law of each length."""
    for several in lengths:
        laws = {}
        for length in several:
            # unless there are too many compositions
            with suppress(ValueError):
                laws[length] = schedule.resized(length).law()
        if not laws:
            continue
        batch = np.resize(several, draws)
        rows = schedule.sample_rows(batch, np.random.default_rng(seed))
        for length, law in laws.items():
            what = f"{name}: sample_rows of length {length}, against resized({length})"
            _require_law(rows[batch == length], law, what)


def _check_identity(schedule: Schedule, name: str) -> None:
    described = json.loads(json.dumps(schedule.to_dict()))
    copies = {
        "Schedule.from_dict(to_dict())": Schedule.from_dict(described),
        "copy.copy": copy.copy(schedule),
        "copy.deepcopy": copy.deepcopy(schedule),
    }
    if _can_be_imported(type(schedule)):
        copies["its pickle"] = pickle.loads(pickle.dumps(schedule))
    for what, other in copies.items():
        _require(
            type(other) is type(schedule) and other == schedule,
            f"{name}: {what} must be an equal schedule, got {other!r}",
        )
        try:
            same = hash(other) == hash(schedule)
        except TypeError as error:
            raise AssertionError(f"{name}: must have a hash: {error}") from None
        _require(same, f"{name}: {what} must have the same hash")
        _require(repr(other) == name, f"{name}: {what} must be printed alike, got {other!r}")
    _require(schedule != object(), f"{name}: must not equal other objects")
    for attribute in ("length", "steps", "sizes", "residual", "label", "a_new_name"):
        try:
            setattr(copies["copy.copy"], attribute, getattr(schedule, attribute, None))
        except (AttributeError, TypeError):
            continue
        _require(False, f"{name}: {attribute} must not be assignable")


def _can_be_imported(kind: type) -> bool:
    """Whether pickle can name the class: it cannot where it is defined in a function."""
    try:
        pickle.dumps(kind)
    except (pickle.PicklingError, AttributeError):
        return False
    return True


def _check_refusals(schedule: Schedule, name: str) -> None:
    rng = np.random.default_rng(0)
    _refused(lambda: schedule.sample(-1, rng), ValueError, f"{name}: sample(-1, rng)")
    _refused(lambda: schedule.sample(1.5, rng), TypeError, f"{name}: sample(1.5, rng)")  # type: ignore[arg-type]
    _refused(lambda: schedule.sample(1, None), TypeError, f"{name}: sample(1, None)")  # type: ignore[arg-type]
    too_long = [schedule.length + 1]
    _refused(
        lambda: schedule.sample_rows(too_long, rng), ValueError, f"{name}: sample_rows({too_long})"
    )


def _refused(call: Callable[[], Any], error: type[Exception], what: str) -> None:
    try:
        call()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what} must raise {error.__name__}, raised {other!r}") from other
    raise AssertionError(f"{what} must raise {error.__name__}, returned a value")


def _require(holds: bool, message: str) -> None:
    # no assert statement: it would be gone where Python runs with -O
    if not holds:
        raise AssertionError(message)


def shapes(most: int = 40) -> "SearchStrategy[tuple[int, int]]":
    """Hypothesis strategy of pairs (length, steps) with ``1 <= steps <= length <= most``."""
    from hypothesis import strategies as st

    return st.integers(1, integer("most", most, 1)).flatmap(
        lambda length: st.tuples(st.just(length), st.integers(1, length))
    )


def compositions(most: int = 40) -> "SearchStrategy[list[int]]":
    """Hypothesis strategy of lists of positive sizes whose sum is at most ``most``."""
    from hypothesis import strategies as st

    def sizes(shape: tuple[int, int]) -> "SearchStrategy[list[int]]":
        length, steps = shape
        inner = st.permutations(range(1, length)).map(lambda order: sorted(order[: steps - 1]))
        return inner.map(lambda ends: np.diff([0, *ends, length]).tolist())

    return shapes(most).flatmap(sizes)


def profiles(length: int | None = None, most: int = 40) -> "SearchStrategy[InformationProfile]":
    """Hypothesis strategy of information profiles, of the given length or of at most ``most``.

    Flat stretches and zeros are common among them.
    """
    from hypothesis import strategies as st

    most = integer("most", most, 1)
    low, high = (1, most) if length is None else (integer("length", length, 1),) * 2
    entropy = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 10))
    curve = st.lists(entropy, min_size=low, max_size=high)
    return curve.map(lambda values: InformationProfile(np.sort(values)[::-1]))


def schedules(
    length: int | None = None, steps: int | None = None, most: int = 40
) -> "SearchStrategy[Schedule]":
    """Hypothesis strategy of schedules of every kind in ``dlm_core``.

    Parameters
    ----------
    length, steps : int, optional
        Of all of them; else any, with lengths of at most ``most``.
    most : int
        The largest length.
    """
    from hypothesis import strategies as st

    from dlm_core import schedules as kinds

    def of_shape(shape: tuple[int, int]) -> "SearchStrategy[Schedule]":
        length, steps = shape
        weights = st.lists(st.floats(1e-3, 1e3), min_size=length - 1, max_size=length - 1)
        measure = st.one_of(st.sampled_from(["tc", "dtc", "sum", "min", "product"]), weights)
        by_shape: list[Any] = [
            kinds.TCAdaptive,
            kinds.DTCAdaptive,
            kinds.Equal,
            kinds.Cosine,
            kinds.Geometric,
            kinds.ShiftedEqual,
        ]
        plain = st.sampled_from(by_shape).map(lambda kind: kind(length, steps))
        return st.one_of(
            plain,
            measure.map(lambda m: kinds.Minimax(length, steps, m)),
            measure.map(lambda m: kinds.BestDeterministic(length, steps, m)),
            profiles(length).map(lambda p: kinds.OptimalForProfile(p, steps)),
            plain.map(kinds.to_systematic),
            plain.map(lambda s: kinds.FixedSizes(s.sample(1, 0)[0])),
        )

    chosen = shapes(most)
    if length is not None:
        high = integer("length", length, 1)
        chosen = st.tuples(st.just(high), st.integers(1, high))
    if steps is not None:
        few = integer("steps", steps, 1)
        low = st.integers(few, max(few, most)) if length is None else st.just(length)
        chosen = st.tuples(low, st.just(few))
    return chosen.flatmap(of_shape)


# Targets


def check_target(target: "Target", *, seed: int = 0) -> None:
    """Hold a target to its contract, on one small case.

    Tried are: that log-probabilities sum to one; that the predictor returns the conditional
    marginals that follow from them, summed by brute force, at all or at 2,048 random histories,
    and normalised rows at impossible ones; that its rows are in order, do not depend on the rest
    of the batch or on what else is asked, and that it does not write into its arguments; that
    samples follow the log-probabilities (a chi-square test at the level 1e-9), are repeated by
    their seed and are never impossible; that the profile is that of the joint table; that
    results have the stated shape, dtype and device, whatever torch's default device is, and for
    no rows; that bad arguments are refused by name; that a deep copy answers the same; that all
    its parts are in evaluation mode, and no attribute is a tensor that would not move with it.

    Parameters
    ----------
    target : Target
        An instance, with ``(alphabet_size + 1)**length`` at most 2**16; on any device.
    seed : int
        Of the histories and the samples that are tried.

    Raises
    ------
    AssertionError
        If it breaks the contract, or raises an error of its own; the message says where.
    TypeError, ValueError
        If ``target`` is no target or too large a case, or ``seed`` no integer >= 0.
    """
    # torch only for those who check targets
    from dlm_core.targets._contract import hold

    hold(target, seed)
