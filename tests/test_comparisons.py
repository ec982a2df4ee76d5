"""How the schedules compare: the claims that set one constant against another."""

import numpy as np
import pytest
from oracles import compositions, residual_by_definition
from scipy.optimize import brentq, linprog

from dlm_core import InformationProfile, ProfileBand, Robust
from dlm_core.error import expected_kl
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    Geometric,
    Minimax,
    OptimalForProfile,
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


def mean_pace(theta):
    """The mean of u* over [0, theta]: by the trapezia between its kinks."""
    kinks = np.append(np.arange(np.floor(2 * theta) + 1) / 2, theta)
    n = np.floor(2 * kinks) + 1
    u = 1 / n + (2 * kinks - (n - 1)) * (1 / (n + 1) - 1 / n)
    return np.trapezoid(u, kinks) / theta


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_limits_at_a_fixed_share_of_the_length(share):
    length = 20_000
    steps = int(share * length)
    theta = brentq(lambda x: mean_pace(x) - share, 1e-3, 1e3)
    for measure, times in (("tc", 1), ("dtc", 1), ("min", 2)):
        found = length * Minimax(length, steps, measure).constant
        assert found == pytest.approx(times * theta, rel=2e-3)
    theta = brentq(lambda x: np.log1p(x) / x - share, 1e-3, 1e3)
    found = length * TCAdaptive(length, steps).constant
    assert found == pytest.approx(theta, rel=5e-3)
    assert mean_pace(np.sqrt(2)) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("steps", [1000, 3000])
def test_second_order_of_the_minimax_constants(steps):
    length = 100_000
    ell = np.log(length / steps)
    for measure, times in (("tc", 2), ("dtc", 2), ("min", 1)):
        z = times * steps * Minimax(length, steps, measure).constant
        assert 0.06 < z - np.log1p(z * length / steps) < np.euler_gamma - 0.5 + 0.02
        assert ell + np.log(ell) < z < ell + np.log(ell) + 0.5


@pytest.mark.parametrize(("length", "steps", "more"), [(6, 2, 2), (7, 3, 3), (8, 6, 1)])
def test_who_is_optimal_early_gains_nothing_later(length, steps, more):
    """The least promise at K' for one at K, by a linear program over all laws."""
    stopped, on = [], []
    for sizes in compositions(length, steps):
        for tail in compositions(sizes[-1], min(sizes[-1], 1 + more)):
            stopped.append(residual_by_definition(sizes))
            on.append(residual_by_definition(sizes[:-1] + tail))
    stopped, on = np.array(stopped).T, np.array(on).T
    left = length - np.arange(1.0, length)
    one, zero = np.ones(stopped.shape[1]), np.zeros(length - 1)
    above = np.block([[stopped, zero[:, None]], [on, -left[:, None]]])
    best = Minimax(length, steps, "tc").constant
    for promise in (best, 1.3 * best, 0.5 + best / 2):
        most = np.append(promise * left * (1 + 1e-12), zero)
        cost = np.append(0 * one, 1)
        total = np.append(one, 0)[None]
        found = linprog(cost, above, most, total, [1.0], method="highs").fun
        assert found >= (1 - promise) * best * (1 - 1e-9)
        if promise == best:
            assert found == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize(("length", "steps"), [(6, 2), (12, 4), (60, 30)])
def test_regret_is_largest_on_codes(length, steps):
    schedule = Minimax(length, steps, np.ones(length - 1))

    def regret(profile):
        best = OptimalForProfile(profile, steps)
        spread = profile.conditional_entropy[0] - profile.conditional_entropy[-1]
        return (expected_kl(schedule, profile) - expected_kl(best, profile)) / spread

    codes = [InformationProfile.mds_code(length, d, 61) for d in range(1, length)]
    assert max(map(regret, codes)) == pytest.approx(schedule.constant, rel=1e-12)
    rng = np.random.default_rng(8)
    for _ in range(20):
        h = np.sort(rng.exponential(size=length) ** 3)[::-1]
        assert regret(InformationProfile(h)) <= schedule.constant
    lowest = length / (length - 1) * (length - steps) / (2 * steps)
    assert lowest <= schedule.constant * (1 + 1e-12)
    assert schedule.constant <= length / (2 * (steps - 1))


def squared_sum(band):
    return np.sqrt(-np.diff(band.lower) * np.diff(band.levels)).sum() ** 2


@pytest.mark.parametrize("seed", range(12))
def test_levels_are_worth_what_the_theorem_says(seed):
    rng = np.random.default_rng(seed)
    length, m = int(rng.integers(8, 40)), int(rng.integers(1, 6))
    h = np.sort(rng.exponential(size=length) ** rng.integers(1, 5))[::-1]
    inner = rng.choice(np.arange(1, length - 1), m - 1, replace=False)
    band = ProfileBand.from_profile(InformationProfile(h), np.union1d([0, length - 1], inner))
    steps = int(rng.integers(m + 1, length))
    value = Robust(band, steps).value
    assert value <= squared_sum(band) / (2 * (steps - m)) * (1 + 1e-9)
    below = squared_sum(band) / (steps + m - 1) - (h[0] - h[-1])
    assert value >= below / 2 * (1 - 1e-9)


@pytest.mark.parametrize("length", [2, 3, 4, 7, 16, 63, 64, 65, 200])
def test_levels_at_powers_of_two_adapt_to_both_measures(length):
    powers = 2 ** np.arange(length.bit_length())
    left, right = powers - 1, length - powers
    levels = np.unique(np.r_[left[2 * left < length], length // 2, right[2 * right > length]])
    assert levels.size <= 2 * np.log2(length) + 2
    rng = np.random.default_rng(length)
    for concentration in (0.01, 0.1, 1.0):
        for falls in rng.dirichlet(np.full(length - 1, concentration), 20):
            profile = InformationProfile(np.append(np.cumsum(falls[::-1])[::-1], 0.0))
            band = ProfileBand.from_profile(profile, levels)
            least = min(profile.total_correlation, profile.dual_total_correlation)
            assert squared_sum(band) <= (1 + np.log2(length)) * least * (1 + 1e-9)
