"""The sizes that are optimal for a known profile, against all compositions."""

import copy
import json
import pickle
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import least_errors

from dlm_core import EstimatedProfile, InformationProfile
from dlm_core.error import error_curve, expected_kl, steps_for
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    Equal,
    FixedSizes,
    Geometric,
    Minimax,
    OptimalForProfile,
    Schedule,
    TCAdaptive,
)


def least_error(profile, steps):
    length = profile.length
    return min(
        expected_kl(FixedSizes(np.diff([0, *inner, length])), profile)
        for inner in combinations(range(1, length), steps - 1)
    )


def assert_optimal(profile):
    for steps in range(1, profile.length + 1):
        schedule = OptimalForProfile(profile, steps)
        assert (schedule.length, schedule.steps) == (profile.length, steps)
        assert schedule.sizes.shape == (steps,)
        assert schedule.sizes.min() >= 1
        assert schedule.sizes.sum() == profile.length
        best = least_error(profile, steps)
        assert expected_kl(schedule, profile) == pytest.approx(best, rel=1e-12, abs=1e-14)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 9), min_size=1, max_size=9))
def test_all_compositions(values):
    assert_optimal(InformationProfile(np.sort(values)[::-1]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=10))
def test_all_compositions_with_many_ties(values):
    assert_optimal(InformationProfile(np.sort(values)[::-1]))


def curve(kind, length, rng):
    """Entropy curves with and without ties, flat and over many decades."""
    values = {
        "random": lambda: rng.random(length),
        "many ties": lambda: rng.integers(0, 3, length).astype(float),
        "ties that round": lambda: 0.1 * rng.integers(0, 8, length),
        "wide": lambda: 10.0 ** rng.uniform(-20, 5, length),
        "widest": lambda: 10.0 ** rng.integers(-300, 99, length),
        "last bits": lambda: 1 + 2.0**-52 * rng.integers(0, 12, length),
    }[kind]()
    return InformationProfile(np.sort(values)[::-1])


@pytest.mark.parametrize(
    "kind", ["random", "many ties", "ties that round", "wide", "widest", "last bits"]
)
def test_no_rounding_makes_other_sizes_look_better(kind):
    """To the last bit of the entropies, for every number of blocks, as for the curve over it."""
    rng = np.random.default_rng(5)
    for _ in range(30):
        profile = curve(kind, int(rng.integers(1, 14)), rng)
        h = [Fraction(x) for x in profile.conditional_entropy]
        expected = least_errors(profile.conditional_entropy)
        for steps, least in enumerate(expected, 1):
            cuts = np.cumsum([0, *OptimalForProfile(profile, steps).sizes]).tolist()
            assert len(cuts) == steps + 1
            assert cuts[-1] == profile.length
            assert sum((b - a) * h[a] for a, b in pairwise(cuts)) - sum(h) == least
        values = error_curve(profile.length, OptimalForProfile, profile=profile).values
        assert values.tolist() == [float(least) for least in expected]
        for target in [0.0, *values, *values * (1 - 2e-16), *values * rng.random(values.size)]:
            steps = steps_for(target, profile.length, OptimalForProfile, profile=profile)
            assert steps == 1 + np.argmax(values <= target)
            assert steps.error == values[steps - 1]


@pytest.mark.parametrize("steps", [3, 7_000, 19_999, 20_000])
def test_a_long_sequence_whose_blocks_are_all_alike(steps):
    """On a straight curve equal sizes are best; most numbers of steps do not divide the length."""
    length = 20_000
    profile = InformationProfile(np.arange(length, 0.0, -1.0))
    less, more = divmod(length, steps)
    expected = (steps - more) * less * (less - 1) / 2 + more * less * (less + 1) / 2
    assert expected_kl(OptimalForProfile(profile, steps), profile) == expected


def by_full_table(profile, steps):
    """The least error by the dynamic program without divide and conquer, on larger lengths."""
    length, h = profile.length, profile.conditional_entropy
    end, start = np.arange(length + 1), np.arange(length)
    cost = np.where(
        start[:, np.newaxis] < end, (end - start[:, np.newaxis]) * h[:, np.newaxis], np.inf
    )
    area = cost[0]
    for _ in range(steps - 1):
        area = (area[:-1, np.newaxis] + cost).min(axis=0)
    return area[-1] - profile.entropy


@pytest.mark.parametrize("steps", [1, 2, 7, 60, 119, 120])
@pytest.mark.parametrize("shape", ["random", "steep", "flat", "code"])
def test_larger_lengths(steps, shape):
    j = np.arange(120)
    profile = InformationProfile(
        {
            "random": np.sort(np.random.default_rng(0).random(120))[::-1],
            "steep": 1 / (1.0 + j),
            "flat": np.ones(120),
            "code": np.where(j < 43, 2.0, 0.0),
        }[shape]
    )
    error = expected_kl(OptimalForProfile(profile, steps), profile)
    assert error == pytest.approx(by_full_table(profile, steps), rel=1e-11, abs=1e-11)


def test_never_worse_than_the_others():
    profile = InformationProfile(1 / np.arange(1.0, 501.0) ** 0.5)
    for steps in (3, 50, 400):
        best = expected_kl(OptimalForProfile(profile, steps), profile)
        for other in [
            *[kind(500, steps) for kind in (Equal, Cosine, Geometric, TCAdaptive)],
            *[Minimax(500, steps, target) for target in ("tc", "dtc", "product")],
            BestDeterministic(500, steps, "dtc"),
        ]:
            assert best <= expected_kl(other, profile) * (1 + 1e-12)


def test_round_trip_and_arguments():
    schedule = OptimalForProfile(InformationProfile.repetition(6, entropy=0.7), 3)
    again = Schedule.from_dict(json.loads(json.dumps(schedule.to_dict())))
    assert again.to_dict() == schedule.to_dict()
    assert again.sizes.tolist() == schedule.sizes.tolist()
    assert repr(schedule)
    with pytest.raises(ValueError, match="steps"):
        OptimalForProfile(InformationProfile([1.0, 0.5]), 3)
    with pytest.raises(ValueError, match="nonincreasing"):
        OptimalForProfile([0.5, 1.0], 1)
    with pytest.raises(TypeError, match="profile"):
        OptimalForProfile("tc", 1)
    same = OptimalForProfile([0.7, 0.7, 0.0], 2)
    assert same == OptimalForProfile(InformationProfile([0.7, 0.7, -0.0]), 2)
    assert hash(same) == hash(OptimalForProfile(np.array([0.7, 0.7, 0.0]), 2))


def test_what_is_chosen_on_a_fit_stays_fitted():
    measured = EstimatedProfile([0.7, 0.5, 0.45, 0.3, 0.2, 0.1], [0.01] * 6, n=500)
    made = OptimalForProfile(measured.fit, 2)
    described = json.loads(json.dumps(made.to_dict()))
    copies = [copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))]
    for other in (*copies, Schedule.from_dict(described)):
        assert other == made
        assert hash(other) == hash(made)
        assert other.profile.fitted
    assert made.resized(4).profile.fitted
    exact = OptimalForProfile(measured.fit.conditional_entropy, 2)
    assert exact != made
    assert repr(exact) != repr(made)
    assert not copy.copy(exact).profile.fitted


@given(st.lists(st.integers(0, 50), min_size=1, max_size=11), st.booleans(), st.integers(1, 12))
def test_best_sizes_grow_on_convex_curves_and_shrink_on_concave_ones(falls, convex, steps):
    """Sorting the best sizes changes nothing, and sorting any sizes costs nothing."""
    falls = sorted(falls, reverse=convex)
    curve = np.append(np.cumsum(falls[::-1])[::-1], 0.0)
    profile, steps = InformationProfile(curve), min(steps, curve.size)

    def cost(sizes):
        return round(float(np.dot(sizes, curve[np.cumsum(sizes) - sizes])))

    def arranged(sizes):
        return np.sort(sizes) if convex else np.sort(sizes)[::-1]

    best = OptimalForProfile(profile, steps).sizes
    assert cost(arranged(best)) == cost(best)
    for schedule in (Cosine(curve.size, steps), Geometric(curve.size, steps)):
        for sizes in (schedule.sizes, schedule.sizes[::-1]):
            assert cost(arranged(sizes)) <= cost(sizes)
