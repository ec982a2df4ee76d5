"""How the schedules compare: the claims that set one constant against another."""

import numpy as np
import pytest
from scipy.optimize import brentq

from dlm_core import InformationProfile
from dlm_core.error import expected_kl
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    Geometric,
    Minimax,
    TCAdaptive,
)

GRID = [(50, 5), (50, 25), (300, 3), (300, 30), (300, 150), (300, 290), (2000, 100), (2000, 1000)]


@pytest.mark.parametrize(("length", "steps"), GRID)
def test_random_sizes_have_the_smaller_tc_constant(length, steps):
    fixed = BestDeterministic(length, steps, "tc").coefficient("tc")
    assert fixed > TCAdaptive(length, steps).constant


@pytest.mark.parametrize(("length", "steps"), GRID)
def test_fluid_root_separates_fixed_and_random_sizes(length, steps):
    def log(c):
        return (steps - 1) * np.log1p(-c) + np.log1p(c * (length - 1))

    root = brentq(log, 1e-3 * (length - steps) / length**2, 1 - 1e-15, xtol=1e-300)
    assert TCAdaptive(length, steps).constant <= root
    assert BestDeterministic(length, steps, "tc").coefficient("tc") >= root * (1 - 1e-12)


@pytest.mark.parametrize("length", [3, 10, 100, 1000])
def test_one_token_short_randomness_is_worth_half_the_length(length):
    fixed = BestDeterministic(length, length - 1, "tc").coefficient("tc")
    random = TCAdaptive(length, length - 1).constant
    assert fixed / random == pytest.approx(length / 2, rel=1e-12)


@pytest.mark.parametrize("steps", range(2, 8))
def test_few_steps_make_the_dtc_constant_polynomial(steps):
    lengths = (500, 2000, 8000)
    random = [DTCAdaptive(length, steps).constant for length in lengths]
    fixed = [BestDeterministic(n, steps, "dtc").coefficient("dtc") for n in lengths]
    assert all(f > d for f, d in zip(random, fixed, strict=True))
    growth = np.diff(np.log(random)) / np.log(4)
    assert (growth > 1 - 1.3 * (steps - 1) / np.log(500)).all()


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
def test_steps_for_a_fixed_constant_grow_like_the_logarithm(kind):
    needed = []
    for length in (250, 1000, 4000):
        steps = next(k for k in range(10, length) if kind(length, k).constant <= 0.2)
        needed.append(steps)
    assert np.diff(needed).min() > 0
    per_log = np.array(needed) / np.log([250, 1000, 4000])
    assert per_log.max() / per_log.min() < 1.3


def test_tc_error_is_one_multiple_of_tc_whatever_the_distribution():
    rng = np.random.default_rng(4)
    schedule = TCAdaptive(300, 60)
    for _ in range(50):
        h = np.sort(rng.exponential(10.0 ** rng.integers(-2, 3), size=300))[::-1]
        profile = InformationProfile(h)
        ratio = expected_kl(schedule, profile) / profile.total_correlation
        assert ratio == pytest.approx(schedule.constant, rel=1e-9)


@pytest.mark.parametrize("steps", [20, 100, 250])
def test_over_all_codes_no_fixed_baseline_beats_the_random_schedule(steps):
    length = 300
    codes = [InformationProfile.mds_code(length, d, 307) for d in range(1, length)]

    def worst(schedule):
        return max(expected_kl(schedule, code) / code.total_correlation for code in codes)

    best = worst(TCAdaptive(length, steps))
    fixed = [kind(length, steps) for kind in (Equal, Cosine, Geometric)]
    fixed.append(BestDeterministic(length, steps, "tc"))
    assert all(worst(schedule) > best for schedule in fixed)


@pytest.mark.parametrize("steps", [100, 300, 1000])
def test_both_at_once_cost_about_what_tc_adaptive_costs_for_one(steps):
    both = Minimax(2000, steps, "min")
    assert both.coefficient("tc") == pytest.approx(both.coefficient("dtc"), rel=0.05)
    assert 1 < both.constant / TCAdaptive(2000, steps).constant < 1.15


@pytest.mark.parametrize(("length", "steps"), [(7, 3), (50, 5), (50, 25), (300, 290), (2000, 100)])
def test_the_largest_block_is_what_fixed_sizes_promise_in_the_sum(length, steps):
    for kind in (Equal, Cosine, Geometric):
        sizes = kind(length, steps).sizes
        promised = kind(length, steps).coefficient("sum")
        assert promised == pytest.approx((sizes.max() - 1) / length, rel=1e-13)
    assert Equal(length, steps).coefficient("sum") < 1 / steps
    assert Cosine(length, steps).coefficient("sum") <= np.pi / (2 * steps)
    assert Cosine(length, steps).coefficient("dtc") <= np.pi**2 * length / (4 * steps**2)


@pytest.mark.parametrize(("length", "steps"), [(50, 2), (300, 3), (2000, 4), (2000, 7)])
def test_a_few_fixed_sizes_leave_one_token_for_the_last_block(length, steps):
    fixed = 1 - BestDeterministic(length, steps, "tc").coefficient("tc")
    assert fixed >= (length - 1) ** (-1 / (steps - 1)) * (1 - 1e-12)
    random = 1 - TCAdaptive(length, steps).constant
    harmonic = (1 / np.arange(1, length)).sum()
    assert random >= (steps - 1) / (harmonic + steps - 2) * (1 - 1e-12)
    assert random > fixed


@pytest.mark.parametrize("length", [3, 5, 8, 13])
def test_minimax_is_better_between_the_ends_only(length):
    for steps in range(2, length):
        for kind, measure, first in ((TCAdaptive, "tc", 3), (DTCAdaptive, "dtc", 2)):
            gain = kind(length, steps).constant / Minimax(length, steps, measure).constant
            if first <= steps <= length - 2:
                assert gain > 1 + 1e-6
            else:
                assert gain == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("measure", ["tc", "dtc", "min"])
def test_longer_sequences_are_not_easier(measure):
    for steps in (1, 2, 5, 11):
        constants = [Minimax(n, steps, measure).constant for n in range(steps, 16)]
        assert (np.diff(constants) >= -1e-12).all()
