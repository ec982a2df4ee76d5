"""The robust schedule of a band, against linear programs over all schedules, and its two ends."""

import json
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import bands
from scipy.optimize import linprog

from dlm_core import (
    InformationProfile,
    Minimax,
    OptimalForProfile,
    ProfileBand,
    Robust,
    expected_kl,
    worst_kl,
)

REFERENCE = json.loads((Path(__file__).parent / "reference-2.json").read_text())
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
CASES = REFERENCE["robust_levels"]["cases"]
SQUARE_ROOT = InformationProfile(1 + 3 / np.sqrt(1 + np.arange(1024)))


def least_worst_case(band, steps):
    """R* as the largest error of the best sizes: over h in the band and potentials pi.

    max pi_L - sum h - lambda K with pi_b - pi_a <= (b - a) h_a + lambda.
    """
    length = band.length
    n = 2 * length + 2  # h, then pi, then lambda
    rows, sides = [], []
    for a in range(length):
        for b in range(a + 1, length + 1):
            row = np.zeros(n)
            row[length + b] += 1
            row[length + a] -= 1
            row[a] -= b - a
            row[-1] -= 1
            rows.append(row)
            sides.append(0.0)
    for j in range(1, length):
        row = np.zeros(n)
        row[j], row[j - 1] = 1, -1
        rows.append(row)
        sides.append(0.0)
    goal = np.zeros(n)
    goal[:length], goal[2 * length], goal[-1] = 1, -1, steps
    limits = [
        *zip(band.lower_curve, band.upper_curve, strict=True),
        (0, 0),  # pi_0
        *[(None, None)] * length,
        (None, None),
    ]
    found = linprog(goal, np.array(rows), sides, bounds=limits, method="highs-ds", options=TIGHT)
    return -found.fun


def greedy_levels(profile, most):
    levels = [0]
    while len(levels) < most:
        levels = sorted([*levels, ProfileBand.from_profile(profile, levels).next_level()])
    return levels


# The value


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['levels']}-{case['steps']}")
def test_exact_levels_agree_with_the_reference(case):
    profile = InformationProfile(2.0 ** (-np.arange(64) / 8))
    robust = Robust(ProfileBand.from_profile(profile, case["levels"]), case["steps"])
    assert robust.value == pytest.approx(case["value"], rel=1e-9)
    assert robust.gap <= 1e-9


def test_more_levels_promise_what_the_theory_says():
    chain = InformationProfile(_markov_curve(256, 4, 0.85))
    for profile, steps, known in (
        (chain, 32, {2: "3.905", 3: "3.398", 5: "3.247", 9: "3.212", 0: "3.147"}),
        (SQUARE_ROOT, 64, {2: "22.04", 3: "13.07", 5: "5.786", 9: "3.010", 0: "2.930"}),
    ):
        for levels, value in known.items():
            if levels:
                used = greedy_levels(profile, levels)
                robust = Robust(ProfileBand.from_profile(profile, used), steps)
                assert f"{robust.value:.4g}" == value.rstrip() or f"{robust.value:.3f}" == value
                assert robust.gap <= 1e-9
            else:
                best = expected_kl(OptimalForProfile(profile, steps), profile)
                assert f"{best:.3f}" == value


def _markov_curve(length, q, stay):
    """The curve of a stationary chain that else jumps to any other symbol, by its gaps.

    Of t known positions and a next one, two neighbours are d apart with probability
    (n-d choose t-1) / (n choose t), and the entropy of a symbol given one at distance d is known.
    """
    decay = (q * stay - 1) / (q - 1)
    same = 1 / q + (1 - 1 / q) * decay ** np.arange(1, length)
    others = (1 - same) / (q - 1)
    given = -(same * np.log(same) + (q - 1) * others * np.log(others))
    entropies = [0.0, np.log(q)]
    for t in range(2, length + 1):
        gaps = np.array(
            [comb(length - d, t - 1) / comb(length, t) for d in range(1, length - t + 2)]
        )
        entropies.append(np.log(q) + (t - 1) * float(gaps @ given[: gaps.size]))
    return np.diff(entropies)


@settings(max_examples=30, deadline=None)
@given(st.data(), bands(most=9))
def test_no_schedule_has_a_smaller_worst_case(data, pair):
    band, _ = pair
    steps = data.draw(st.integers(1, band.length))
    robust = Robust(band, steps)
    least = least_worst_case(band, steps)
    assert robust.value >= least * (1 - 1e-9) - 1e-9
    assert robust.lower_bound <= least * (1 + 1e-9) + 1e-9
    assert band.contains(robust.least_favourable)
    near = 1e-9 if (band.lower == band.upper).all() else 1e-6
    np.testing.assert_allclose(robust.value, least, rtol=near, atol=1e-9)
    np.testing.assert_allclose(robust.lower_bound, least, rtol=near, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.data(), bands(most=40))
def test_the_certificate_is_what_it_says(data, pair):
    band, profile = pair
    steps = data.draw(st.integers(1, band.length))
    robust = Robust(band, steps)
    assert robust.value == worst_kl(robust, band)
    assert expected_kl(robust, profile) <= robust.value * (1 + 1e-12) + 1e-12
    adversary = robust.least_favourable
    assert band.contains(adversary)
    best = expected_kl(OptimalForProfile(adversary, steps), adversary)
    assert robust.lower_bound == best
    assert robust.lower_bound <= robust.value * (1 + 1e-12) + 1e-12
    assert robust.start_probabilities.sum() == pytest.approx(steps, rel=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 5, 40, 300, 1998, 1999, 2000])
def test_the_gap_closes_at_the_scale_of_the_paper(steps):
    profile = InformationProfile(1 + 3 / np.sqrt(1 + np.arange(2000)))
    band = ProfileBand.from_profile(profile, [0, 62, 249, 749, 1999])
    robust = Robust(band, steps)
    assert robust.gap <= 1e-9
    assert robust.least_favourable.length == 2000
    assert band.contains(robust.least_favourable)


@pytest.mark.parametrize("least", [5e-324, 1e-300, 1e-30])
def test_layers_of_any_thickness_are_solved(least):
    for levels, h in (([0], [least]), ([0, 1], [0.5, least]), ([0, 2, 5], [1, 0.5, 0.5 - least])):
        band = ProfileBand(7, levels, h, h)
        robust = Robust(band, 3)
        assert robust.value == worst_kl(robust, band)
        assert 0 <= robust.value - robust.lower_bound + 1e-15 * h[0] <= 1e-9 * h[0] + 1e-300
        assert robust.gap >= 0  # infinite where the lower bound is lost in rounding


# The two ends


@pytest.mark.parametrize(("length", "steps"), [(2, 1), (5, 2), (12, 4), (64, 8), (200, 150)])
def test_with_the_ends_alone_it_is_minimax_for_one_nat_of_range(length, steps):
    band = ProfileBand(length, [0, length - 1], [1.5, 0.25], [1.5, 0.25])
    robust, minimax = Robust(band, steps), Minimax(length, steps, np.ones(length - 1))
    assert robust.value == pytest.approx(1.25 * minimax.constant, rel=1e-9)
    np.testing.assert_allclose(robust.residual.max(), minimax.residual.max(), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.data(), bands(most=40))
def test_where_all_is_known_it_has_the_error_of_the_best_sizes(data, pair):
    _, profile = pair
    steps = data.draw(st.integers(1, profile.length))
    robust = Robust(ProfileBand.from_profile(profile, range(profile.length)), steps)
    best = expected_kl(OptimalForProfile(profile, steps), profile)
    np.testing.assert_allclose(robust.value, best, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(robust.lower_bound, best, rtol=1e-12, atol=1e-12)


def test_steps_that_nothing_asks_for_are_used_all_the_same():
    # only the fall between 3 and 5 is open, and two starts there close it
    band = ProfileBand(9, [0, 3, 5, 8], [1, 1, 0.5, 0.5], [1, 1, 0.5, 0.5])
    robust = Robust(band, 6)
    assert robust.value == robust.lower_bound == robust.gap == 0
    assert robust.start_probabilities[[4, 5]].tolist() == [1, 1]
    assert robust.sample(100, 0).sum(axis=1).tolist() == [9] * 100


# Bands with error bars


def test_a_band_with_error_bars_everywhere_agrees_with_the_reference():
    reference = REFERENCE["robust_band"][0]
    h = 1 / (1 + np.arange(40.0))
    robust = Robust(ProfileBand(40, range(40), 0.9 * h, 1.1 * h), reference["steps"])
    # 80 layers that overlap: the search ends after its last round, here between 1e-15 and 1e-4
    assert robust.gap <= 2e-4
    assert robust.lower_bound <= reference["value"] * (1 + 1e-11)
    assert reference["value"] <= robust.value * (1 + 1e-11)
    assert robust.band.contains(robust.least_favourable)


@pytest.mark.parametrize("error", [0.0, 0.02])
def test_of_more_levels_than_are_solved_the_gap_is_reported(error, monkeypatch):
    monkeypatch.setattr("dlm_core.schedules.robust._MOST_LEVELS", 8)
    h = 2.0 ** (-np.arange(60) / 10)
    levels = np.append(np.arange(0, 58, 3), 59)
    band = ProfileBand(60, levels, (1 - error) * h[levels], (1 + error) * h[levels])
    robust = Robust(band, 9)
    assert robust.value == worst_kl(robust, band)
    assert robust.lower_bound <= robust.value <= 1.5 * robust.lower_bound
    assert robust.gap == pytest.approx(robust.value / robust.lower_bound - 1)
    assert robust.gap > 1e-6
    assert "no schedule promises less than" in str(robust)
    assert band.contains(robust.least_favourable)


# What it is


def test_it_says_what_it_promises():
    band = ProfileBand(64, [0, 20, 63], [1.0, 0.2, 0.1], [1.2, 0.3, 0.1], confidence=0.95)
    robust = Robust(band, 8)
    assert str(robust).startswith("robust, 8 steps, length 64: at most ")
    assert "with confidence 0.95" in str(robust)
    assert repr(robust) == (
        "Robust(band=ProfileBand(length=64, levels=[0, 20, 63], lower=[1, 0.2, 0.1], "
        "upper=[1.2, 0.3, 0.1], confidence=0.95), steps=8)"
    )


def test_the_same_band_gives_the_same_schedule():
    band = ProfileBand.from_profile(SQUARE_ROOT, [0, 100, 1023])
    first, second = Robust(band, 50), Robust(band, 50)
    assert first.start_probabilities.tobytes() == second.start_probabilities.tobytes()


def test_a_shorter_one_is_robust_for_the_end_of_the_curve():
    profile = InformationProfile(2.0 ** (-np.arange(64) / 8))
    band = ProfileBand.from_profile(profile, [0, 8, 24, 63])
    tail = InformationProfile(profile.conditional_entropy[24:])
    shorter = Robust(band, 8).resized(40)
    assert shorter == Robust(ProfileBand.from_profile(tail, [0, 39]), 8)
    # a level that falls away still bounds what comes after it
    inside = Robust(band, 8).resized(50).band
    assert inside.levels.tolist() == [0, 10, 49]
    assert inside.upper[0] == profile.conditional_entropy[8]
    assert inside.lower[0] == profile.conditional_entropy[24]
    with pytest.raises(ValueError, match="not of one of length 65"):
        Robust(band, 8).resized(65)


def test_it_is_made_for_a_band():
    band = ProfileBand(5, [0], [1], [1])
    assert Robust.for_shape(5, 2, profile=band) == Robust(band, 2)
    with pytest.raises(ValueError, match="profile must have the length 6, got 5"):
        Robust.for_shape(6, 2, profile=band)
    with pytest.raises(ValueError, match="is made for a ProfileBand"):
        Robust.for_shape(5, 2)
    with pytest.raises(TypeError, match="band must be of type ProfileBand"):
        Robust(InformationProfile([1, 0.5]), 1)
    with pytest.raises(ValueError, match="steps must be an integer in"):
        Robust(band, 6)


@pytest.mark.parametrize("nats", [1e-200, 1e-80, 1.0, 1e80])
def test_the_scale_of_the_curve_does_not_matter(nats):
    lower, upper = np.array([1.0, 1 / 3]), np.array([1.0, 1 / 2])
    schedule = Robust(ProfileBand(8, [0, 7], nats * lower, nats * upper), 3)
    assert schedule.gap <= 1e-6
    assert schedule.value / nats == pytest.approx(
        Robust(ProfileBand(8, [0, 7], lower, upper), 3).value, rel=1e-5
    )


def test_lengths_that_would_take_hours_are_refused():
    with pytest.raises(ValueError, match="a computation of"):
        Robust(ProfileBand(2 * 10**6, [0, 5, 9], [1.0, 0.5, 0.0], [1.0, 0.5, 0.0]), 4).value  # noqa: B018


def test_a_layer_whose_residuals_are_best_at_zero():
    # found by Hypothesis: a Newton step along a ray that is all but level went on to twice the root
    h = np.array([6.4140625, 6.375, 0, 0])
    band = ProfileBand(4, [0, 1, 2, 3], h, np.array([7.4140625, 6.375, 0, 0]))
    assert Robust(band, 2).value == pytest.approx(1.0390625, rel=1e-9)
