"""The contract that every schedule keeps."""

import copy
import json
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import compositions, p_value, residual_by_definition

from dlm_core import EstimatedProfile, InformationProfile, ProfileBand, exact, testing
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    FixedSizes,
    Geometric,
    Minimax,
    OptimalForProfile,
    Robust,
    Schedule,
    ShiftedEqual,
    Systematic,
    TCAdaptive,
    measure_weights,
    residuals,
)
from dlm_core.schedules.fixed import Deterministic

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text())
BY_SHAPE = [TCAdaptive, DTCAdaptive, Equal, Cosine, Geometric, ShiftedEqual]
MEASURES = ["tc", "dtc", "sum", "min", "product"]


def with_all_kinds():
    starts = Minimax(7, 3, "min").start_probabilities
    yield from (kind(7, 3) for kind in BY_SHAPE)
    yield from (kind(7, 3, "dtc") for kind in (BestDeterministic, Minimax))
    yield from (kind(7, 3, np.arange(1.0, 7.0)) for kind in (BestDeterministic, Minimax))
    yield from (Systematic(starts), Systematic(starts, stratified=True))
    yield OptimalForProfile(InformationProfile(np.linspace(1, 0, 7) ** 2), 3)
    yield Robust(ProfileBand(7, [0, 2, 5], [1, 0.5, 0.1], [1, 0.6, 0.2], 0.9, "by hand"), 3)
    yield FixedSizes([2, 4, 1])
    yield ShiftedEqual(7, 4, restarts=[(2, 1), (3, 2)])
    yield from (kind(1, 1) for kind in BY_SHAPE)
    yield from (kind(5, 5) for kind in BY_SHAPE)


ALL_KINDS = list(with_all_kinds())
EVERY = [schedule for schedule in ALL_KINDS if schedule.length == 7]


@pytest.mark.parametrize("schedule", ALL_KINDS, ids=repr)
def test_every_kind_keeps_the_contract(schedule):
    testing.check_schedule(schedule)


@pytest.mark.parametrize("kind", [*BY_SHAPE, BestDeterministic, Minimax, OptimalForProfile])
def test_every_kind_that_can_be_made_from_a_shape_keeps_the_contract(kind):
    testing.check_schedule(kind, draws=2000)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(testing.schedules(most=12))
def test_any_schedule_keeps_the_contract(schedule):
    testing.check_schedule(schedule, draws=500)


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_tables_are_read_only(schedule):
    for table in (schedule.start_probabilities, schedule.residual, schedule.mean_sizes):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1.0


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
@pytest.mark.parametrize("measure", [*MEASURES, np.arange(1.0, 7.0) ** 0.5])
def test_coefficient_is_the_largest_ratio(schedule, measure):
    ratios = schedule.residual / measure_weights(measure, 7)
    assert schedule.coefficient(measure) == ratios.max()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_residuals_by_definition(sizes):
    expected = residual_by_definition(sizes)
    assert residuals(np.array([sizes, sizes])).tolist() == [expected.tolist()] * 2
    assert FixedSizes(sizes).residual.tolist() == expected.tolist()


@pytest.mark.parametrize("pair", REFERENCE["baseline_sizes_head"])
@pytest.mark.parametrize("kind", [Equal, Cosine, Geometric])
def test_baselines_agree_with_the_reference(pair, kind):
    steps, length = (int(part[1:]) for part in pair.split("_"))
    expected = REFERENCE["baseline_sizes_head"][pair][kind.__name__.lower()]
    schedule = kind(length, steps)
    assert schedule.sizes[:10].tolist() == expected["first10"]
    assert schedule.sizes[-10:].tolist() == expected["last10"]
    assert schedule.sizes.max() == expected["max"]
    assert schedule.coefficient("tc") == pytest.approx(expected["max_W_over_L-j"], rel=1e-14)
    assert schedule.coefficient("dtc") == pytest.approx(expected["max_W_over_j"], rel=1e-14)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_baselines_have_exactly_the_steps_asked_for(data):
    length = data.draw(st.integers(1, 300))
    steps = data.draw(st.integers(1, length))
    kind = data.draw(st.sampled_from([Equal, Cosine, Geometric]))
    sizes = kind(length, steps).sizes
    assert sizes.shape == (steps,)
    assert sizes.min() >= 1
    assert sizes.sum() == length


@pytest.mark.parametrize("length", range(1, 10))
@pytest.mark.parametrize("measure", [*MEASURES, "random"])
def test_best_deterministic_beats_every_composition(length, measure):
    rng = np.random.default_rng(length)
    for steps in range(1, length + 1):
        goal = rng.uniform(0.1, 3, length - 1) if measure == "random" else measure
        weights = measure_weights(goal, length)
        best = min(
            (residual_by_definition(sizes) / weights).max(initial=0.0)
            for sizes in compositions(length, steps)
        )
        found = BestDeterministic(length, steps, goal)
        assert found.sizes.shape == (steps,)
        assert found.sizes.sum() == length
        assert found.sizes.min() >= 1
        assert found.coefficient(goal) == best


@pytest.mark.parametrize("row", REFERENCE["constants"], ids=lambda r: f"K{r['K']}-L{r['L']}")
def test_best_deterministic_agrees_with_the_reference_fractions(row):
    for measure, name in (("tc", "det_TC"), ("dtc", "det_DTC")):
        numerator, denominator = (int(x) for x in (row[name] + "/1").split("/")[:2])
        schedule = BestDeterministic(row["L"], row["K"], measure)
        assert schedule.coefficient(measure) == numerator / denominator


@pytest.mark.parametrize(
    ("length", "steps", "error"),
    [
        (0, 1, ValueError),
        (5, 0, ValueError),
        (5, 6, ValueError),
        (-1, 1, ValueError),
        (5.0, 2, TypeError),
        (5, 2.0, TypeError),
        ("5", 2, TypeError),
        (5, True, TypeError),
        (5, None, TypeError),
        (5, np.float64(2), TypeError),
    ],
)
@pytest.mark.parametrize("kind", [*BY_SHAPE, BestDeterministic])
def test_bad_shapes_are_refused(kind, length, steps, error):
    measure = ("tc",) if kind is BestDeterministic else ()
    with pytest.raises(error, match="must be an integer"):
        kind(length, steps, *measure)


def test_numpy_integers_are_integers():
    schedule = TCAdaptive(np.int64(5), np.int32(2))
    assert type(schedule.length) is int
    assert schedule == TCAdaptive(5, 2)
    assert hash(schedule) == hash(TCAdaptive(5, 2))
    assert repr(schedule) == "TCAdaptive(length=5, steps=2)"


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
@pytest.mark.parametrize("rng", [np.random.RandomState(0), 0.0, None, np.random, "seed"])
def test_only_a_generator_is_a_source_of_randomness(schedule, rng):
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        schedule.sample(1, rng)


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_bad_counts_are_refused(schedule):
    with pytest.raises(ValueError, match="n must be an integer >= 0, got -1"):
        schedule.sample(-1, np.random.default_rng(0))
    with pytest.raises(TypeError, match="n must be an integer >= 0"):
        schedule.sample(1.5, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("measure", "error", "message"),
    [
        ("TC", ValueError, "measure must be one of"),
        (np.ones(3), ValueError, r"measure must have shape \(11,\), got \(3,\)"),
        (np.zeros(11), ValueError, "measure must be positive, got 0.0 at j=1"),
        (np.full(11, 1e-320), ValueError, r"lie in \[1e-295, 1e\+?295\], got 1e-320 at j=1"),
        (np.full(11, 1e300), ValueError, r"lie in \[1e-295, 1e\+?295\], got 1e\+?300 at j=1"),
        (np.full(11, np.nan), ValueError, "measure must be finite"),
        (["a"] * 11, TypeError, "measure must be an array of real numbers"),
        (None, TypeError, "measure must be an array of real numbers"),
    ],
)
def test_bad_targets_are_refused(measure, error, message):
    with pytest.raises(error, match=message):
        TCAdaptive(12, 5).coefficient(measure)
    with pytest.raises(error, match=message):
        BestDeterministic(12, 5, measure)


@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ([], ValueError),
        ([1, 0], ValueError),
        ([[1]], ValueError),
        ([1.0], TypeError),
        (3, ValueError),
        ([[1, 2], [3]], ValueError),
        ([2**62] * 3, ValueError),
        ([2**30] * 3, ValueError),
        (np.ma.array([2, 3], mask=[False, True]), TypeError),
    ],
)
def test_bad_sizes_are_refused(sizes, error):
    with pytest.raises(error, match="sizes must"):
        FixedSizes(sizes)


@pytest.mark.parametrize("kind", ["Linear", "_Baseline", None, ["TCAdaptive"]])
def test_unknown_kinds_are_refused(kind):
    with pytest.raises(ValueError, match="schedule must be the name of a kind"):
        Schedule.from_dict({"schedule": kind, "length": 4, "steps": 2})
    with pytest.raises(TypeError, match="d must be of type dict"):
        Schedule.from_dict(5)


@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ([[1, 2], [4, 1]], ValueError),
        ([[0, 3]], ValueError),
        ([1, 2], ValueError),
        ([[1.0, 2.0]], TypeError),
        ([[1, 2], [3]], ValueError),
        ([], ValueError),
        ([[]], ValueError),
        (np.zeros((0, 3), dtype=int), ValueError),
        ([[2**62, 2**62], [1, 1]], ValueError),
        (None, TypeError),
    ],
)
def test_residuals_of_what_is_no_table_of_sizes_are_refused(sizes, error):
    with pytest.raises(error, match="sizes must"):
        residuals(sizes)


def test_targets_need_a_length():
    with pytest.raises(TypeError, match="length must be an integer"):
        measure_weights("tc", 2.5)
    with pytest.raises(ValueError, match="length must be an integer"):
        measure_weights("tc", 0)


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
@pytest.mark.parametrize(
    ("kind", "oracle"), [(TCAdaptive, exact.tc_law), (DTCAdaptive, exact.dtc_law)]
)
def test_the_law_is_that_of_the_recursions(kind, oracle, steps):
    expected = {sizes: float(chance) for sizes, chance in oracle(7, steps).items()}
    assert kind(7, steps).law() == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
def test_laws_too_long_to_list_are_refused(kind):
    with pytest.raises(ValueError, match="at most 65536 compositions to list, got 40 and 20"):
        kind(40, 20).law()


def has_any_length(schedule):
    """Whether the kind can be made longer: it knows nothing of one length alone."""
    return not (
        isinstance(schedule, OptimalForProfile | Robust)
        or isinstance(getattr(schedule, "measure", ""), np.ndarray)
        or getattr(schedule, "restarts", ())
    )


@pytest.mark.parametrize("schedule", ALL_KINDS, ids=repr)
def test_resized_keeps_the_kind_and_its_steps_if_they_fit(schedule):
    assert schedule.resized(schedule.length) is schedule
    for length in [*range(1, schedule.length), 50]:
        if length == 50 and not has_any_length(schedule):
            with pytest.raises(ValueError, match="for the length 50|of one of length 50|length 50"):
                schedule.resized(length)
            continue
        other = schedule.resized(length)
        assert type(other) is type(schedule)
        assert (other.length, other.steps) == (length, min(schedule.steps, length))
        if isinstance(getattr(schedule, "measure", None), str):
            assert other.measure == schedule.measure


@pytest.mark.parametrize(
    ("schedule", "length", "expected"),
    [
        (FixedSizes([2, 4, 6]), 6, FixedSizes([1, 2, 3])),
        (FixedSizes([2, 4, 6]), 24, FixedSizes([4, 8, 12])),
        (FixedSizes([1, 1, 1, 97]), 10, FixedSizes([1, 1, 1, 7])),
        (FixedSizes([97, 1, 1, 1]), 10, FixedSizes([7, 1, 1, 1])),
        (FixedSizes([50, 1, 49]), 4, FixedSizes([2, 1, 1])),
        (FixedSizes([1, 50, 49]), 2, FixedSizes([1, 1])),
        (Systematic([1, *[0.25] * 8]), 5, Systematic([1, 0.5, 0.5, 0.5, 0.5])),
        (Systematic([1, 0.5, 0.5]), 5, Systematic([1, *[0.25] * 4])),
        (Systematic([1, 1, 1, 0, 0]), 3, Systematic([1, 1, 1])),
        (Systematic([1, 1, 1, 0, 0, 0, 0]), 4, Systematic([1, 1, 1, 0])),
        (Systematic([1, 0, 0, 0, 0, 1, 1]), 4, Systematic([1, 0, 1, 1])),
        (Systematic([1, 0.5, 0.5], stratified=True), 2, Systematic([1, 1], stratified=True)),
        (Minimax(5, 3, [4.0, 3.0, 2.0, 1.0]), 3, Minimax(3, 3, [2.0, 1.0])),
        (
            OptimalForProfile([8.0, 6.0, 5.0, 3.0, 1.0], 3),
            4,
            OptimalForProfile([6.0, 5.0, 3.0, 1.0], 3),
        ),
        (ShiftedEqual(9, 3), 5, ShiftedEqual(5, 3)),
        (ShiftedEqual(12, 6, [(3, 1), (5, 4)]), 9, ShiftedEqual(9, 6, [(2, 4)])),
        (ShiftedEqual(12, 6, [(3, 1), (5, 4)]), 10, ShiftedEqual(10, 6, [(1, 1), (3, 4)])),
        (ShiftedEqual(12, 9, [(8, 2)]), 5, ShiftedEqual(5, 5, [(1, 4)])),
        (ShiftedEqual(16, 7, [(8, 2), (12, 2)]), 9, ShiftedEqual(9, 7, [(1, 4), (5, 2)])),
    ],
    ids=str,
)
def test_each_kind_is_resized_by_its_rule(schedule, length, expected):
    resized = schedule.resized(length)
    assert type(resized) is type(expected)
    np.testing.assert_allclose(
        resized.start_probabilities, expected.start_probabilities, atol=1e-15
    )
    if not isinstance(schedule, Systematic):
        assert resized == expected


@settings(max_examples=200, deadline=None)
@given(testing.schedules(most=30), st.integers(1, 30))
def test_any_schedule_can_fill_in_fewer_tokens(schedule, length):
    length = min(length, schedule.length)
    resized = schedule.resized(length)
    assert (resized.length, resized.steps) == (length, min(schedule.steps, length))
    sizes = schedule.sample_rows([length, 0, schedule.length], 5)
    assert sizes.sum(axis=1).tolist() == [length, 0, schedule.length]
    assert (np.count_nonzero(sizes, axis=1) == [resized.steps, 0, schedule.steps]).all()


def test_bad_new_lengths_are_named():
    with pytest.raises(ValueError, match=r"length must be an integer in \[1, 2147483647\], got 0"):
        TCAdaptive(7, 3).resized(0)
    with pytest.raises(TypeError, match=r"length must be an integer in .*, got 5\.0"):
        TCAdaptive(7, 3).resized(5.0)


@pytest.mark.parametrize("schedule", ALL_KINDS, ids=repr)
def test_rows_of_a_batch_are_their_sizes_and_then_zeros(schedule):
    lengths = np.random.default_rng(1).integers(0, schedule.length + 1, 50)
    sizes = schedule.sample_rows(lengths, np.random.default_rng(2))
    assert sizes.shape == (50, schedule.steps)
    assert sizes.dtype == np.int64
    assert sizes.sum(axis=1).tolist() == lengths.tolist()
    steps = np.minimum(schedule.steps, lengths)
    assert ((sizes > 0) == (np.arange(schedule.steps) < steps[:, np.newaxis])).all()
    assert (sizes == schedule.sample_rows(lengths, np.random.default_rng(2))).all()
    assert schedule.sample_rows(np.zeros(0, int), np.random.default_rng(0)).shape[0] == 0


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive, lambda *shape: Minimax(*shape, "tc")])
def test_every_batch_is_drawn_anew(kind):
    rng = np.random.default_rng(2)
    first, second = (kind(40, 10).sample_rows([40, 30] * 20, rng) for _ in range(2))
    assert (first != second).any(axis=1).mean() > 0.9
    assert len(np.unique(first[::2], axis=0)) > 5


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_rows_of_a_batch_follow_the_law_of_their_length(schedule):
    """Chi-square tests over the compositions of each length; false alarm with 1e-6 each."""
    lengths = np.resize([7, 3, 0, 5, 2, 6, 1, 4], 16_000)
    sizes = schedule.sample_rows(lengths, np.random.default_rng(3))
    for length in range(1, 8):
        law = schedule.resized(length).law()
        number = {row: i for i, row in enumerate(law)}
        drawn = sizes[lengths == length, : min(schedule.steps, length)].tolist()
        counts = np.bincount([number[tuple(row)] for row in drawn], minlength=len(law))
        assert p_value(counts, np.array(list(law.values()))) > 1e-6


@pytest.mark.parametrize("schedule", ALL_KINDS, ids=repr)
def test_a_row_of_a_batch_does_not_depend_on_the_others(schedule):
    rng = np.random.default_rng(4)
    first, second = rng.integers(0, schedule.length + 1, (2, 60))
    second[::3] = first[::3]
    a, b = (schedule.sample_rows(x, np.random.default_rng(9)) for x in (first, second))
    assert (a[first == second] == b[first == second]).all()


@pytest.mark.parametrize(
    ("lengths", "rng", "error", "message"),
    [
        ([5, 8], np.random.default_rng(0), ValueError, r"in \[0, 7\], got 8 at index 1"),
        ([-1, 5], np.random.default_rng(0), ValueError, r"in \[0, 7\], got -1 at index 0"),
        ([1.0], np.random.default_rng(0), TypeError, "lengths must hold integers"),
        ([True], np.random.default_rng(0), TypeError, "lengths must hold integers"),
        ([[1]], np.random.default_rng(0), ValueError, "lengths must be a vector of integers"),
        (5, np.random.default_rng(0), ValueError, "lengths must be a vector of integers"),
        ([5], None, TypeError, r"rng must be a numpy\.random\.Generator"),
    ],
)
@pytest.mark.parametrize("schedule", [TCAdaptive(7, 3), Equal(7, 3)], ids=repr)
def test_bad_rows_of_a_batch_are_named(schedule, lengths, rng, error, message):
    with pytest.raises(error, match=message):
        schedule.sample_rows(lengths, rng)


# Facts about a kind


def test_a_kind_is_found_by_its_name_or_label():
    for name in ("TCAdaptive", "TC-adaptive", "tcadaptive", "tc adaptive", "tc_adaptive"):
        assert Schedule.named(name) is TCAdaptive
    assert Schedule.named("optimal for the profile") is OptimalForProfile
    assert Schedule.from_dict({"schedule": "equal", "length": 4, "steps": 2}) == Equal(4, 2)
    with pytest.raises(ValueError, match="one of BestDeterministic, .*Cosine.* got 'Linear'"):
        Schedule.named("Linear")
    with pytest.raises(ValueError, match="schedule must be the name of a kind"):
        Schedule.named(TCAdaptive)
    assert not {"OnePhase", "Deterministic", "_Baseline", "_Adaptive"} & set(Schedule._kinds)


@pytest.mark.parametrize(
    ("schedule", "label"),
    [
        *zip(
            [kind(7, 3) for kind in BY_SHAPE],
            ["TC-adaptive", "DTC-adaptive", "equal", "cosine", "geometric", "shifted equal"],
            strict=True,
        ),
        (Systematic([1.0]), "systematic"),
        (FixedSizes([3]), "fixed sizes"),
        (BestDeterministic(7, 3, "tc"), "best deterministic"),
        (BestDeterministic(7, 3, "dtc"), "best deterministic DTC"),
        (BestDeterministic(7, 3, "min"), "best deterministic both"),
        (BestDeterministic(3, 2, [1, 2]), "best deterministic own weights"),
        (OptimalForProfile([1.0, 0.5], 1), "optimal for the profile"),
        (Minimax(7, 3, "tc"), "minimax TC"),
        (Minimax(7, 3, "dtc"), "minimax DTC"),
        (Minimax(7, 3, "sum"), "minimax sum"),
        (Minimax(7, 3, "min"), "minimax both"),
        (Minimax(7, 3, "product"), "minimax product"),
        (Minimax(3, 2, [1, 2]), "minimax own weights"),
        (TCAdaptive, "TC-adaptive"),
        (Minimax, "minimax"),
    ],
    ids=str,
)
def test_labels(schedule, label):
    assert schedule.label == label


def test_a_class_of_the_same_name_is_refused_unless_it_is_the_same_one_again():
    def make(qualname):
        members = {"__module__": "__main__", "__qualname__": qualname}
        return type("Halving", (Equal,), members)

    try:
        first = make("Halving")
        again = make("Halving")  # as when a cell of a notebook runs a second time
        assert Schedule.named("halving") is again is not first
        assert again.label == "Halving"
        with pytest.raises(TypeError, match="Halving is already __main__.Halving.*another name"):
            make("Other.Halving")
        with pytest.raises(TypeError, match="TCAdaptive is already dlm_core.schedules.adaptive"):
            type("TCAdaptive", (Equal,), {"__module__": "__main__"})
    finally:
        Schedule._kinds.pop("Halving", None)


PROFILE = InformationProfile(np.linspace(1, 0, 7))


def test_kinds_are_made_for_a_shape_or_say_what_they_need():
    needs = {"measure": [Minimax, BestDeterministic], "profile": [OptimalForProfile]}
    for kind in BY_SHAPE:
        assert kind.for_shape(7, 3, measure="tc", profile=PROFILE) == kind(7, 3)
    for kind in needs["measure"]:
        assert kind.for_shape(7, 3, measure="sum") == kind(7, 3, "sum")
    assert OptimalForProfile.for_shape(7, 3, profile=PROFILE) == OptimalForProfile(PROFILE, 3)
    for need, kinds in needs.items():
        for kind in kinds:
            with pytest.raises(ValueError, match=f"{kind.__name__} is made for .*give {need}"):
                kind.for_shape(7, 3)
    with pytest.raises(ValueError, match="profile must have the length 8, got 7"):
        OptimalForProfile.for_shape(8, 3, profile=PROFILE)
    with pytest.raises(ValueError, match="FixedSizes is given by its sizes: it cannot be made"):
        FixedSizes.for_shape(7, 3)
    with pytest.raises(ValueError, match="Systematic is given by its start_probabilities and"):
        Systematic.for_shape(7, 3)


@pytest.mark.parametrize("kind", [*BY_SHAPE, BestDeterministic, Minimax, OptimalForProfile])
def test_what_a_kind_says_of_more_steps_is_true(kind):
    rng = np.random.default_rng(0)
    for length in (2, 9, 30):
        profile = InformationProfile(np.sort(rng.exponential(size=length) ** 3)[::-1])
        for measure in MEASURES:
            made = [
                kind.for_shape(length, steps, measure=measure, profile=profile)
                for steps in range(1, length + 1)
            ]
            promised = {
                "always": [schedule.residual for schedule in made],
                "own measure": [schedule.coefficient(measure) for schedule in made],
                "own profile": [schedule.residual @ profile.increments for schedule in made],
                "no": [0.0],
            }[kind.improves]
            assert (np.diff(promised, axis=0) <= 1e-12).all()


def test_the_best_sizes_for_a_measure_can_lose_on_others_with_a_step_more():
    kinds = {"no": [Equal, Cosine, Geometric, FixedSizes, Systematic]}
    assert all(kind.improves == "no" for kind in kinds["no"])
    coefficients = [BestDeterministic(30, k, "sum").coefficient("tc") for k in range(1, 31)]
    assert np.diff(coefficients).max() > 0
    assert BestDeterministic.improves == "own measure"


# Value and identity


@pytest.mark.parametrize("schedule", ALL_KINDS, ids=repr)
def test_no_table_travels_with_a_schedule(schedule):
    bare = len(pickle.dumps(Schedule.from_dict(schedule.to_dict())))
    used = schedule.sample(3, 0), schedule.residual, schedule.mean_sizes, schedule.law()
    assert used
    assert len(pickle.dumps(schedule)) == bare
    assert bare < 1000
    fresh = copy.copy(schedule)
    assert set(vars(fresh)) <= set(vars(Schedule.from_dict(schedule.to_dict())))


def test_unequal_schedules():
    different = [
        *ALL_KINDS,
        Systematic([1, 0.5, 0.5]),
        FixedSizes([2, 1, 4]),
        Minimax(7, 3, "tc"),
        Minimax(7, 3, np.arange(2.0, 8.0)),
        OptimalForProfile(InformationProfile(np.linspace(1, 0, 7) ** 3), 3),
        ShiftedEqual(7, 4, restarts=[(2, 1), (4, 2)]),
    ]
    assert len(set(different)) == len(different)
    assert Systematic([1, -0.0, 1]) == Systematic([1, 0.0, 1])
    assert hash(Systematic([1, -0.0, 1])) == hash(Systematic([1, 0.0, 1]))


def test_long_arrays_are_printed_short():
    text = repr(FixedSizes(np.ones(10_000, dtype=int)))
    assert text == "FixedSizes(sizes=[1, 1, 1, ..., 1])"
    assert repr(FixedSizes([2, 4, 1])) == "FixedSizes(sizes=[2, 4, 1])"
    assert len(repr(OptimalForProfile(np.linspace(1, 0, 10_000), 3))) < 80


def test_a_missing_argument_is_said_to_be_missing():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'start_prob"):
        Systematic()


# Size and memory


def test_integers_do_not_overflow():
    length, steps = 2**31 - 1, 10**6
    for kind in (Equal, Cosine, Geometric):
        sizes = kind(length, steps).sizes
        assert sizes.min() >= 1
        assert sum(sizes.tolist()) == length
    equal = [length * (k + 1) // steps - length * k // steps for k in range(steps)]
    assert Equal(length, steps).sizes.tolist() == equal
    for kind in (*BY_SHAPE, lambda *shape: Minimax(*shape, "tc")):
        with pytest.raises(ValueError, match=r"length must be an integer in \[1, 2147483647\]"):
            kind(2**63, 2)
        with pytest.raises(TypeError, match="length must be an integer"):
            kind(np.timedelta64(3), 2)


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
def test_tables_that_do_not_fit_are_refused_with_their_size(kind):
    schedule = kind(100_000, 50_000)
    for work in (lambda: schedule.sample(1, 0), lambda: schedule.residual):
        with pytest.raises(ValueError, match=r"would take 37\.25 GiB, more than the 4 GiB"):
            work()
    with pytest.raises(ValueError, match="at most 65536 compositions"):
        kind(2**31 - 1, 2**30).law()


# What comes in and goes out


class OnDevice:
    """Stands for a tensor on an accelerator: no array can be made of it before it is moved."""

    def __init__(self, tensor):
        self.tensor = tensor

    def detach(self):
        return OnDevice(self.tensor.detach())

    def cpu(self):
        return self.tensor

    def __array__(self, *args, **kwargs):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


def test_tensors_on_a_device_are_taken():
    lengths = OnDevice(torch.tensor([3, 5]))
    for schedule in (TCAdaptive(20, 5), Equal(20, 5)):
        assert schedule.sample_rows(lengths, 0).sum(axis=1).tolist() == [3, 5]
    assert FixedSizes(OnDevice(torch.tensor([2, 3]))) == FixedSizes([2, 3])
    starts = torch.tensor([1.0, 0.5, 0.5], requires_grad=True)
    assert Systematic(OnDevice(starts)) == Systematic([1, 0.5, 0.5])
    assert residuals(OnDevice(torch.tensor([[2, 1]]))).tolist() == [[1, 0]]
    assert Minimax(3, 2, OnDevice(torch.tensor([2.0, 1.0]))) == Minimax(3, 2, [2, 1])


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_what_comes_out_can_be_given_to_torch(schedule):
    lengths = np.arange(8)
    for array in (
        schedule.sample(3, 0),
        schedule.sample_rows(lengths, 0),
        schedule.mean_sizes,
        schedule.residual,
        schedule.start_probabilities,
    ):
        assert array.flags.c_contiguous
        torch.tensor(array)


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
def test_ragged_rows_are_what_each_length_alone_would_draw(kind):
    """Longer than 16, where a sort that is not stable moves equal keys."""
    length, steps, n = 60, 40, 50
    lengths = np.resize([60, 45, 23, 17, 60, 3, 0], n)
    sizes = kind(length, steps).sample_rows(lengths, np.random.default_rng(8))
    for other in np.unique(lengths[lengths > 0]).tolist():
        rng = np.random.default_rng(8)
        rng.random((length - other) * n)  # for the positions that this length does not have
        alone = kind(other, min(steps, other)).sample(n, rng)
        rows = lengths == other
        assert (sizes[rows, : alone.shape[1]] == alone[rows]).all()


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
def test_a_row_alone_gets_what_it_gets_among_many(kind):
    """Few rows are drawn by another loop than many, and the numbers come in several pieces."""
    schedule, n = kind(400, 50), 256
    lengths = np.random.default_rng(0).integers(0, 401, n)
    rngs = [np.random.default_rng(1) for _ in range(4)]
    together = schedule.sample_rows(lengths, rngs[0])
    for rng, rows in zip(rngs[1:], ([7], [0, 100, 255], []), strict=True):
        alone = np.zeros(n, dtype=int)
        alone[rows] = lengths[rows]
        sizes = schedule.sample_rows(alone, rng)
        assert (sizes[rows] == together[rows]).all()
        assert sizes.sum() == alone.sum()
    assert len({rng.random() for rng in rngs}) == 1


def test_rows_of_equal_sizes_are_those_of_each_length():
    class _Front(Equal):  # derived, with sizes of its own
        @property
        def sizes(self):
            return np.append(self.length - self.steps + 1, np.ones(self.steps - 1, dtype=int))

    lengths = np.random.default_rng(0).permutation(41)
    for kind in (Equal, _Front):
        for row, length in zip(kind(40, 12).sample_rows(lengths, 0), lengths, strict=True):
            expected = kind(length, min(12, length)).sizes.tolist() if length else []
            assert row.tolist() == expected + [0] * (12 - len(expected))


INFILLING = np.resize(np.linspace(16, 1024, 64).astype(int), 256)


def seconds_of_infilling(schedule, rounds):
    times = []
    for _ in range(rounds):
        started = time.process_time()
        schedule.sample_rows(INFILLING, 0)
        times.append(time.process_time() - started)
    return np.median(times)


@pytest.mark.parametrize("kind", [Minimax, BestDeterministic])
def test_infilling_solves_each_length_once(kind, monkeypatch):
    solved = []
    solution = {Minimax: "_solution", BestDeterministic: "sizes"}[kind]
    compute = vars(kind)[solution].func

    def counted(self):
        solved.append(self.length)
        return compute(self)

    counting = cached_property(counted)
    counting.__set_name__(kind, solution)
    monkeypatch.setattr(kind, solution, counting)
    for _ in range(2):  # an equal schedule finds what the first one left
        kind(1024, 63, "tc").sample_rows(INFILLING, 0)
    assert solved.count(1024) <= 2
    shorter = [length for length in solved if length != 1024]
    assert sorted(shorter) == np.unique(INFILLING)[:-1].tolist()


@pytest.mark.parametrize("kind", [Minimax, BestDeterministic])
def test_infilling_again_costs_little(kind):
    reference, schedule = TCAdaptive(1024, 64), kind(1024, 64, "tc")
    for each in (reference, schedule):
        each.sample_rows(INFILLING, 0)
    assert seconds_of_infilling(schedule, 9) <= 2 * seconds_of_infilling(reference, 9)


# The contract catches what breaks it


@dataclass(frozen=True, eq=False, repr=False)
class _Sound(Deterministic):
    length: int
    steps: int

    def __post_init__(self):
        self._check_shape()

    @property
    def sizes(self):
        sizes = np.ones(self.steps, dtype=np.int64)
        sizes[0] += self.length - self.steps
        return sizes


def broken(name, **members):
    kind = type(f"_{name}", (_Sound,), {"__module__": __name__, **members})
    return dataclass(frozen=True, eq=False, repr=False)(kind)


def second_law(self):
    sizes = tuple(self.sizes.tolist())
    return {sizes: 0.5, sizes[::-1]: 0.5} if len(set(sizes)) > 1 else {sizes: 1.0}


BROKEN = {
    "float64": broken("Float", sample=lambda self, n, rng: np.ones((n, self.steps))),
    "C-contiguous": broken(
        "Strided",
        sample=lambda self, n, rng: np.tile(self.sizes[::-1], (n, 1))[:, ::-1],
    ),
    "sum to the length": broken(
        "Short", sample=lambda self, n, rng: np.ones((n, self.steps), dtype=np.int64)
    ),
    "residual must be the mean": broken(
        "Residual", residual=property(lambda self: Equal(self.length, self.steps).residual)
    ),
    "read-only": broken(
        "Writable", mean_sizes=property(lambda self: self.sizes.astype(np.float64))
    ),
    "is not listed in law|do not follow law|must be the mean": broken("Law", law=second_law),
    "must raise ValueError": broken(
        "Lenient",
        sample=lambda self, n, rng: Deterministic.sample(self, abs(n) if n == -1 else n, rng),
    ),
    "equal schedule": broken("Identity", __eq__=lambda self, other: self is other, __hash__=None),
    "must be one of the words": broken("Improving", improves="sometimes"),
    "label must be a name": broken("Nameless", label=None),
    "first, then zeros|must sum to lengths": broken(
        "Rows",
        sample_rows=lambda self, lengths, rng: Deterministic.sample_rows(self, lengths, rng)[
            :, ::-1
        ].copy(),
    ),
}


def test_a_sound_kind_passes():
    testing.check_schedule(_Sound)


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_kind_fails_in_words(words):
    with pytest.raises(AssertionError, match=words):
        testing.check_schedule(BROKEN[words](7, 3))


def test_draws_against_another_law_are_found():
    class _Skewed(TCAdaptive):
        def sample(self, n, rng):
            return Equal(self.length, self.steps).sample(n, rng)

    with pytest.raises(AssertionError, match="do not follow law"):
        testing.check_schedule(_Skewed(7, 3))


def test_only_schedules_are_checked():
    with pytest.raises(TypeError, match="kind must be of type Schedule"):
        testing.check_schedule(3)


@settings(max_examples=50, deadline=None)
@given(testing.compositions(20), testing.shapes(20), testing.profiles(most=20), st.data())
def test_strategies(sizes, shape, profile, data):
    assert 1 <= len(sizes) <= sum(sizes) <= 20
    assert min(sizes) >= 1
    assert 1 <= shape[1] <= shape[0] <= 20
    assert 1 <= profile.length <= 20
    length, steps = shape
    assert data.draw(testing.profiles(length)).length == length
    schedule = data.draw(testing.schedules(length, steps))
    assert (schedule.length, schedule.steps) == shape
    assert data.draw(testing.schedules(length)).length == length


@pytest.mark.parametrize("schedule", [Equal(12, 4), Cosine(12, 4), TCAdaptive(12, 4)], ids=str)
@pytest.mark.parametrize("name", ["length", "sizes", "residual", "label", "new"])
def test_nothing_can_be_assigned(schedule, name):
    before = schedule.residual.tolist()
    with pytest.raises(AttributeError):
        setattr(schedule, name, np.zeros(11))
    with pytest.raises(AttributeError):
        delattr(schedule, name)
    assert schedule.residual.tolist() == before


def test_a_kind_that_can_be_changed_is_found():
    class _Open(Equal):
        def __setattr__(self, name, value):
            if name in ("length", "steps"):
                super().__setattr__(name, value)
            object.__setattr__(self, name, value)

    with pytest.raises(AssertionError, match="must not be assignable"):
        testing.check_schedule(_Open(7, 3))


def test_rows_of_another_law_are_found():
    class _OddRows(TCAdaptive):
        def sample_rows(self, lengths, rng):
            return ShiftedEqual(self.length, self.steps).sample_rows(lengths, rng)

    with pytest.raises(AssertionError, match="sample_rows"):
        testing.check_schedule(_OddRows(7, 3))

    class _OddShortRows(TCAdaptive):
        def sample_rows(self, lengths, rng):
            lengths = np.asarray(lengths)
            sizes = super().sample_rows(lengths, rng)
            return np.where((lengths == 5)[:, np.newaxis], [3, 1, 1], sizes)

    with pytest.raises(AssertionError, match="sample_rows of length 5"):
        testing.check_schedule(_OddShortRows(7, 3))


def test_a_wrong_coefficient_and_a_wrong_improvement_are_found():
    class _Flattering(Equal):
        def coefficient(self, measure):
            return super().coefficient(measure) / (2 if measure is not None else 1)

    with pytest.raises(AssertionError, match="must be the largest ratio"):
        testing.check_schedule(_Flattering(7, 3))

    class _Worse(Equal):
        improves = "always"

    with pytest.raises(AssertionError, match="a further step raises a residual"):
        testing.check_schedule(_Worse)


@pytest.mark.parametrize(
    ("base", "arguments"),
    [
        (ShiftedEqual, (12, 4)),
        (ShiftedEqual, (12, 4, [(6, 2)])),
        (FixedSizes, ([3, 3, 3, 3],)),
        (Systematic, ([1, *[0.25] * 8],)),
        (OptimalForProfile, ([3.0, 2, 1, 0.5, 0.2, 0.1, 0, 0], 3)),
    ],
)
def test_a_kind_of_its_own_is_kept_by_another_length(base, arguments):
    own = type(f"_Own{base.__name__}{len(arguments)}", (base,), {})
    made = own(*arguments)
    assert type(made.resized(6)) is own
    assert type(made.resized(2)) is own


def test_missing_arguments_are_named_by_the_kind():
    with pytest.raises(TypeError, match="d must give length and steps of Equal"):
        Schedule.from_dict({"schedule": "Equal"})
    with pytest.raises(TypeError, match="Schedule is abstract"):
        Schedule.for_shape(3, 2)


@pytest.mark.parametrize("kind", [Minimax, BestDeterministic])
def test_a_word_of_numpy_is_a_word(kind):
    assert repr(kind(12, 4, np.str_("tc"))) == repr(kind(12, 4, "tc"))


def test_what_only_looks_like_a_schedule_has_no_price():
    measured = EstimatedProfile([0.7, 0.5, 0.45], [0.01] * 3, n=500)
    with pytest.raises(TypeError, match="schedule must be a Schedule"):
        measured.price(SimpleNamespace(residual=[1.0, 1.0]))


def test_testing_is_loaded_when_it_is_asked_for():
    program = "import dlm_core; assert 'testing' in dir(dlm_core); dlm_core.testing.check_schedule"
    subprocess.run([sys.executable, "-c", program], check=True)
