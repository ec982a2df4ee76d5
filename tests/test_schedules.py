"""The contract that every schedule keeps."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import compositions, p_value, residual_by_definition

from dlm_core import InformationProfile, exact
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    FixedSizes,
    Geometric,
    Minimax,
    OptimalForProfile,
    Schedule,
    Systematic,
    TCAdaptive,
    measure_weights,
    residuals,
)

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text())
BY_SHAPE = [TCAdaptive, DTCAdaptive, Equal, Cosine, Geometric]
EVERY = [
    *[kind(12, 5) for kind in BY_SHAPE],
    BestDeterministic(12, 5, "tc"),
    BestDeterministic(12, 5, np.linspace(1, 2, 11)),
    FixedSizes([3, 1, 4, 1, 3]),
]


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_shapes_types_and_totals(schedule):
    sizes = schedule.sample(7, np.random.default_rng(0))
    assert sizes.shape == (7, 5)
    assert sizes.dtype == np.int64
    assert sizes.min() >= 1
    assert (sizes.sum(axis=1) == 12).all()
    assert schedule.start_probabilities[0] == 1.0
    assert schedule.start_probabilities.sum() == pytest.approx(5)
    assert schedule.mean_sizes.sum() == pytest.approx(12)
    assert schedule.residual.shape == (11,)
    assert schedule.sample(0, np.random.default_rng(0)).shape == (0, 5)


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_same_seed_same_result(schedule):
    a, b = (schedule.sample(5, np.random.default_rng(7)) for _ in range(2))
    assert (a == b).all()


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_dictionaries_round_trip_through_json(schedule):
    described = schedule.to_dict()
    again = Schedule.from_dict(json.loads(json.dumps(described)))
    assert type(again) is type(schedule)
    assert again.to_dict() == described
    assert (again.residual == schedule.residual).all()


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_immutable(schedule):
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        schedule.length = 3
    with pytest.raises(ValueError, match="read-only"):
        schedule.residual[0] = 1.0


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
@pytest.mark.parametrize("measure", ["tc", "dtc", "min", "product", np.arange(1.0, 12.0) ** 0.5])
def test_coefficient_is_the_largest_ratio(schedule, measure):
    ratios = schedule.residual / measure_weights(measure, 12)
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


MEASURES = ["tc", "dtc", "min", "product"]


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
    ],
)
def test_bad_sizes_are_refused(sizes, error):
    with pytest.raises(error, match="sizes must"):
        FixedSizes(sizes)


@pytest.mark.parametrize("kind", ["Linear", "_Baseline", None, ["TCAdaptive"]])
def test_unknown_kinds_are_refused(kind):
    with pytest.raises(ValueError, match="schedule must be one of"):
        Schedule.from_dict({"schedule": kind, "length": 4, "steps": 2})
    with pytest.raises(TypeError, match="d must be of type dict"):
        Schedule.from_dict(5)


@pytest.mark.parametrize("sizes", [[[1, 2], [4, 1]], [[0, 3]], [1, 2], [[1.0, 2.0]]])
def test_residuals_of_what_is_no_table_of_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes must"):
        residuals(sizes)


def test_targets_need_a_length():
    with pytest.raises(TypeError, match="length must be an integer"):
        measure_weights("tc", 2.5)
    with pytest.raises(ValueError, match="length must be an integer"):
        measure_weights("tc", 0)


def with_all_kinds():
    starts = Minimax(7, 3, "min").start_probabilities
    yield from (kind(7, 3) for kind in BY_SHAPE)
    yield from (kind(7, 3, "dtc") for kind in (BestDeterministic, Minimax))
    yield from (kind(7, 3, np.arange(1.0, 7.0)) for kind in (BestDeterministic, Minimax))
    yield from (Systematic(starts), Systematic(starts, stratified=True))
    yield OptimalForProfile(InformationProfile(np.linspace(1, 0, 7) ** 2), 3)
    yield FixedSizes([2, 4, 1])
    yield from (kind(1, 1) for kind in BY_SHAPE)
    yield from (kind(5, 5) for kind in BY_SHAPE)


ALL_KINDS = list(with_all_kinds())


def is_resizable(schedule):
    return {"length", "steps"} <= set(vars(schedule)) and isinstance(
        getattr(schedule, "measure", ""), str
    )


RESIZABLE = [schedule for schedule in ALL_KINDS if is_resizable(schedule)]


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
@pytest.mark.parametrize(
    ("kind", "oracle"), [(TCAdaptive, exact.tc_law), (DTCAdaptive, exact.dtc_law)]
)
def test_the_law_is_that_of_the_recursions(kind, oracle, steps):
    expected = {sizes: float(chance) for sizes, chance in oracle(7, steps).items()}
    assert kind(7, steps).law() == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("schedule", ALL_KINDS, ids=repr)
def test_the_law_agrees_with_every_mean(schedule):
    law = schedule.law()
    assert sum(law.values()) == pytest.approx(1.0, abs=1e-14)
    assert min(law.values()) > 0
    assert all(
        len(sizes) == schedule.steps and sum(sizes) == schedule.length and min(sizes) >= 1
        for sizes in law
    )
    chances, sizes = np.array(list(law.values())), np.array(list(law))
    starts = np.zeros(schedule.length)
    np.add.at(starts, np.cumsum(sizes, axis=1) - sizes, chances[:, np.newaxis])
    np.testing.assert_allclose(schedule.start_probabilities, starts, atol=1e-14)
    np.testing.assert_allclose(schedule.mean_sizes, chances @ sizes, rtol=1e-13)
    waits = np.array([residual_by_definition(row) for row in law])
    np.testing.assert_allclose(schedule.residual, chances @ waits, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("schedule", ALL_KINDS, ids=repr)
def test_draws_follow_the_law(schedule):
    """Chi-square test over all compositions; false alarm with probability 1e-6 each."""
    law = schedule.law()
    drawn = map(tuple, schedule.sample(10_000, np.random.default_rng(5)).tolist())
    number = {sizes: i for i, sizes in enumerate(law)}
    counts = np.bincount([number[sizes] for sizes in drawn], minlength=len(law))
    assert p_value(counts, np.array(list(law.values()))) > 1e-6


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
def test_laws_too_long_to_list_are_refused(kind):
    with pytest.raises(ValueError, match="at most 65536 compositions to list, got 40 and 20"):
        kind(40, 20).law()


@pytest.mark.parametrize("schedule", RESIZABLE, ids=repr)
def test_resized_keeps_the_kind_and_its_steps_if_they_fit(schedule):
    assert schedule.resized(schedule.length) is schedule
    for length in (1, 2, 50):
        other = schedule.resized(length)
        assert type(other) is type(schedule)
        assert (other.length, other.steps) == (length, min(schedule.steps, length))
        assert getattr(other, "measure", None) == getattr(schedule, "measure", None)


@pytest.mark.parametrize("schedule", [s for s in ALL_KINDS if not is_resizable(s)], ids=repr)
def test_what_is_made_for_one_length_is_not_resized(schedule):
    name = type(schedule).__name__
    assert schedule.resized(7) is schedule
    with pytest.raises(ValueError, match=f"{name} is for length 7 alone, got length 5"):
        schedule.resized(5)
    with pytest.raises(ValueError, match=f"{name} is for length 7 alone, got length 5"):
        schedule.sample_rows([7, 5], np.random.default_rng(0))
    sizes = schedule.sample_rows([7, 0, 7], np.random.default_rng(0))
    assert sizes.sum(axis=1).tolist() == [7, 0, 7]


def test_bad_new_lengths_are_named():
    with pytest.raises(ValueError, match="length must be an integer >= 1, got 0"):
        TCAdaptive(7, 3).resized(0)
    with pytest.raises(TypeError, match=r"length must be an integer >= 1, got 5\.0"):
        TCAdaptive(7, 3).resized(5.0)


@pytest.mark.parametrize("schedule", RESIZABLE, ids=repr)
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


@pytest.mark.parametrize("schedule", [s for s in RESIZABLE if s.length == 7], ids=repr)
def test_rows_of_a_batch_follow_the_law_of_their_length(schedule):
    """Chi-square tests over the compositions of each length; false alarm with 1e-6 each."""
    lengths = np.resize([7, 3, 0, 5, 2, 6, 1, 4], 16_000)
    sizes = schedule.sample_rows(lengths, np.random.default_rng(3))
    for length in range(1, 8):
        law = schedule.resized(length).law()
        number = {row: i for i, row in enumerate(law)}
        drawn = sizes[lengths == length, : min(3, length)].tolist()
        counts = np.bincount([number[tuple(row)] for row in drawn], minlength=len(law))
        assert p_value(counts, np.array(list(law.values()))) > 1e-6


@pytest.mark.parametrize("schedule", RESIZABLE, ids=repr)
def test_a_row_of_a_batch_does_not_depend_on_the_others(schedule):
    rng = np.random.default_rng(4)
    first, second = rng.integers(0, schedule.length + 1, (2, 60))
    second[::3] = first[::3]
    a, b = (schedule.sample_rows(x, np.random.default_rng(9)) for x in (first, second))
    assert (a[first == second] == b[first == second]).all()


@pytest.mark.parametrize(
    ("lengths", "rng", "error", "message"),
    [
        ([5, 8], np.random.default_rng(0), ValueError, r"lie in \[0, 7\], got 8 in row 1"),
        ([-1, 5], np.random.default_rng(0), ValueError, r"lie in \[0, 7\], got -1 in row 0"),
        ([1.0], np.random.default_rng(0), TypeError, "lengths must be a vector of integers"),
        ([[1]], np.random.default_rng(0), TypeError, "lengths must be a vector of integers"),
        (5, np.random.default_rng(0), TypeError, "lengths must be a vector of integers"),
        ([5], None, TypeError, r"rng must be a numpy\.random\.Generator"),
    ],
)
@pytest.mark.parametrize("schedule", [TCAdaptive(7, 3), Equal(7, 3)], ids=repr)
def test_bad_rows_of_a_batch_are_named(schedule, lengths, rng, error, message):
    with pytest.raises(error, match=message):
        schedule.sample_rows(lengths, rng)
