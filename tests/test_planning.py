"""``plan`` and ``python -m dlm_core plan``: from a curve to a number of steps and its sizes."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_core import (
    Cosine,
    Equal,
    EstimatedProfile,
    InformationProfile,
    OptimalForProfile,
    ProfileBand,
    ProfilesByLength,
    Robust,
    Schedule,
    ShiftedEqual,
    TCAdaptive,
    expected_kl,
    plan,
    worst_kl,
)
from dlm_core.__main__ import main

CURVE = (1 + 3 / np.sqrt(1 + np.arange(64))).round(6)
PROFILE = InformationProfile(CURVE)
BAND = ProfileBand.from_profile(PROFILE, [0, 4, 16, 63])
OTHERS = [Equal, Cosine, ShiftedEqual, TCAdaptive]


def measured(points=None, rise=0.0):
    draws = np.random.default_rng(0).normal(0, 0.02, (400, 1)) + CURVE
    draws = draws + np.random.default_rng(1).normal(0, 0.02, draws.shape)
    draws[:, 20:] += rise
    if points is None:
        return EstimatedProfile.from_draws(draws)
    return EstimatedProfile.from_draws(draws[:, points], points=points, length=64)


BY_LENGTH = ProfilesByLength([measured(), EstimatedProfile([1.0, 0.5], [0.1, 0.1], 9)])
LONG = EstimatedProfile([1.0, 0.5], [0.1, 0.1], 9, points=[0, 9], length=2 * 10**9)
LONG_BAND = ProfileBand(2 * 10**9, [0, 9], [1.0, 0.5], [1.0, 0.5])


def least_by_trial(cost, kind, target, length=64):
    """The least steps, by making one schedule after the other."""
    costs = (cost(kind.for_shape(length, k)) for k in range(1, length + 1))
    return next(k for k, nats in enumerate(costs, 1) if nats <= target + 1e-12)


def test_of_an_exact_profile_the_sizes_are_the_best_and_the_steps_the_least():
    made = plan(PROFILE, error=0.5)
    best = [expected_kl(OptimalForProfile(PROFILE, k), PROFILE) for k in range(1, 65)]
    assert made.steps == 1 + int(np.argmax(np.array(best) <= 0.5))
    assert made.schedule == OptimalForProfile(PROFILE, made.steps)
    assert made.error == pytest.approx(best[made.steps - 1], rel=1e-12)
    assert (made.what, made.basis, made.standard_error) == ("expected KL", "exact profile", 0.0)
    for each, kind in zip(made.beside, OTHERS, strict=True):
        cost = expected_kl(kind(64, made.steps), PROFILE)
        assert each.error == pytest.approx(cost, rel=1e-12)
        assert each.label == kind.label
        found = least_by_trial(lambda schedule: expected_kl(schedule, PROFILE), kind, 0.5)
        assert each.steps == found > made.steps


def test_a_budget_is_answered_by_what_it_comes_to():
    made = plan(PROFILE, steps=9)
    assert made.steps == 9
    assert made.error == pytest.approx(expected_kl(OptimalForProfile(PROFILE, 9), PROFILE))
    assert [each.steps for each in made.beside] == [None] * 4
    assert "steps for" not in str(made).partition("\n")[2]


def test_of_a_band_the_schedule_is_the_robust_one_and_the_error_a_guarantee():
    made = plan(BAND, error=5.0)
    assert made.error == pytest.approx(worst_kl(made.schedule, BAND), rel=1e-9)
    assert made.error <= 5.0 < Robust(BAND, made.steps - 1).value
    assert made.schedule == Robust(BAND, made.steps)
    assert made.basis == "worst case over the band"
    for each, kind in zip(made.beside, OTHERS, strict=True):
        assert each.error == pytest.approx(worst_kl(kind(64, made.steps), BAND))
        assert each.steps == least_by_trial(lambda schedule: worst_kl(schedule, BAND), kind, 5.0)
    assert "expected KL at most" in str(made)
    limits = ProfileBand(64, [0, 63], [3.9, 1.3], [4.1, 1.4], confidence=0.9)
    ideal = "if the predictor measured is ideal"
    assert plan(limits, steps=8).basis == f"worst case over the band, confidence 0.9, {ideal}"


def test_of_a_measured_curve_it_is_the_price_with_its_error_and_no_promise():
    profile = measured()
    made = plan(profile, error=2.0)
    assert made.what == "price"
    assert "too low: certify it on fresh rows" in made.basis
    assert made.schedule == profile.optimal(made.steps)
    price = profile.price(made.schedule)
    assert (made.error, made.standard_error) == (price.value, price.standard_error)
    assert made.error <= 2.0 < profile.price(profile.optimal(made.steps - 1)).value
    for each, kind in zip(made.beside, OTHERS, strict=True):
        price = profile.price(kind(64, made.steps))
        assert each.error == pytest.approx(price.value, rel=1e-12)
        assert each.standard_error == pytest.approx(price.standard_error, rel=1e-12)
        found = least_by_trial(lambda schedule: profile.price(schedule).value, kind, 2.0)
        assert each.steps == found
    assert f"{made.error:.6g} ± {made.standard_error:.2g} nats" in str(made)
    assert plan(profile.assume_ideal(), error=2.0).what == "expected KL"


def test_between_points_that_were_measured_the_curve_is_straight():
    points = [0, 3, 10, 30]
    profile = measured(points)
    made = plan(profile, error=2.0)
    assert "straight between 4 points" in made.basis
    matrix = np.array([np.interp(np.arange(64), points, row) for row in np.eye(4)]).T
    whole = EstimatedProfile(
        matrix @ profile.estimates,
        np.sqrt((matrix @ profile.covariance @ matrix.T).diagonal()),
        profile.n,
        matrix @ profile.covariance @ matrix.T,
    )
    schedules = [made.schedule, *(kind(64, made.steps) for kind in OTHERS)]
    for schedule, each in zip(schedules, [made, *made.beside], strict=True):
        price = whole.price(schedule)
        assert each.error == pytest.approx(price.value, rel=1e-9)
        assert each.standard_error == pytest.approx(price.standard_error, rel=1e-6)
    assert made.error <= 2.0


def test_where_fewer_steps_are_better_the_plan_says_so():
    made = plan(measured(rise=2.0), steps=40)
    assert made.asked == 40 > made.steps
    assert "(fewer steps are better than 40)" in re.sub(r"\s+", " ", str(made))


@given(st.lists(st.floats(0, 5), min_size=1, max_size=9), st.floats(0, 3))
def test_a_bare_list_is_a_curve_and_meets_any_error(curve, target):
    made = plan(curve, error=target)
    assert made.error <= target + 1e-9
    falls = bool((np.diff(curve) <= 1e-11 * max(1.0, sum(curve))).all())
    assert made.what == ("expected KL" if falls else "price")
    assert made.basis == "curve taken as given, without errors"
    assert isinstance(Schedule.from_dict(made.to_dict()["schedule"]), OptimalForProfile)


@pytest.mark.parametrize("known", [PROFILE, BAND, measured(), measured([0, 9, 63])])
def test_a_dictionary_stands_for_what_it_came_from(known):
    text = json.dumps(known.to_dict())
    made = plan(known, error=3.0)
    assert str(plan(json.loads(text), error=3.0)) == str(made)
    assert json.loads(json.dumps(made.to_dict()))["steps"] == made.steps
    assert all(len(line) <= 72 for line in str(made).splitlines())


@pytest.mark.parametrize(
    ("profile", "goal", "error", "message"),
    [
        (PROFILE, {}, ValueError, "either error or steps, got neither"),
        (PROFILE, {"error": 1.0, "steps": 3}, ValueError, "either error or steps, got both"),
        (PROFILE, {"error": -1.0}, ValueError, "error must be nonnegative"),
        (PROFILE, {"steps": 65}, ValueError, r"steps must be an integer in \[1, 64\]"),
        (PROFILE, {"steps": 2.0}, TypeError, "steps must be an integer"),
        ([], {"steps": 1}, ValueError, "profile must hold nonnegative numbers"),
        ([1.0, -0.5], {"steps": 1}, ValueError, "profile must hold nonnegative numbers"),
        (["a"], {"steps": 1}, TypeError, "profile must be an array of real numbers"),
        ({"h": [1.0]}, {"steps": 1}, ValueError, "entries conditional_entropy, estimates, levels"),
        ({"estimates": [1.0]}, {"steps": 1}, ValueError, "profile must describe .* Estimated"),
        (measured([3, 9]), {"steps": 1}, ValueError, "points must begin with 0"),
        (BY_LENGTH, {"steps": 1}, TypeError, "one curve, got those of 2 lengths"),
        (BY_LENGTH.to_dict(), {"steps": 1}, TypeError, "one curve, got those of 2 lengths"),
        (LONG, {"steps": 1}, ValueError, "a plan for 2000000000 tokens would take"),
        (LONG_BAND, {"steps": 1}, ValueError, "a plan for 2000000000 tokens would take"),
    ],
)
def test_bad_input_is_refused_in_words(profile, goal, error, message):
    with pytest.raises(error, match=message):
        plan(profile, **goal)


# --- the command ---


def test_the_command_prints_the_plan_of_a_file(tmp_path):
    file = tmp_path / "curve.json"
    for known in (PROFILE.to_dict(), BAND.to_dict(), measured().to_dict(), CURVE.tolist()):
        file.write_text(json.dumps(known))
        command = [sys.executable, "-m", "dlm_core", "plan", "--profile", file]
        done = subprocess.run(
            [*command, "--error", "4"], capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{plan(known, error=4)}\n"
        assert not done.stderr


def refusal(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        main([*map(str, arguments)])
    assert left.value.code == 2
    return re.sub(r"\s+", " ", capsys.readouterr().err)


def test_the_command_refuses_in_words_with_status_2(tmp_path, capsys):
    file, other = tmp_path / "curve.json", tmp_path / "none.json"
    file.write_text("[1.0, 0.5")
    assert "must be a file of JSON" in refusal(capsys, "plan", "--profile", file, "--steps", 1)
    file.write_text("[" * 100_000)
    assert "must be a file of JSON" in refusal(capsys, "plan", "--profile", file, "--steps", 1)
    assert "No such file" in refusal(capsys, "plan", "--profile", other, "--steps", 1)
    file.write_text('{"a": 1}')
    assert "with one of the entries" in refusal(capsys, "plan", "--profile", file, "--steps", 1)
    file.write_text("[1.0, 0.5]")
    assert "[1, 2], got 3" in refusal(capsys, "plan", "--profile", file, "--steps", 3)
    assert "error must be nonnegative" in refusal(capsys, "plan", "--profile", file, "--error", -1)
    assert "--error --steps" in refusal(capsys, "plan", "--profile", file)
    assert "required" in refusal(capsys)
    main(["plan", "--profile", str(file), "--steps", "1"])
    assert capsys.readouterr().out.startswith("1 step for 2 tokens")
