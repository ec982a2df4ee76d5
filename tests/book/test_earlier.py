"""Schedules of others, against enumeration, their authors' claims, and values from elsewhere."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from bookkit import earlier
from hypothesis import given
from hypothesis import strategies as st
from oracles import residual_by_definition
from scipy import integrate, stats

from dlm_core import (
    BestDeterministic,
    Equal,
    FixedSizes,
    InformationProfile,
    Minimax,
    OptimalForProfile,
    ShiftedEqual,
    TCAdaptive,
    expected_kl,
    measure_weights,
)

# Computed independently of the project, in its own units (K, L): TC, DTC, product.
TABLE = {
    (64, 1024): {
        "ancestral": (1.0, 15.0, 15.0),
        "Chen, Cong, Li": (0.0899, 0.0987, None),
        "one block": (0.156, 0.185, 0.190),
        "one block, coins": (0.103, 0.120, 0.128),
    },
    (256, 1024): {
        "ancestral": (0.926, 3.07, 3.08),
        "Chen, Cong, Li": (0.0162, 0.0164, None),
        "one block": (0.0294, 0.0294, 0.0308),
        "one block, coins": (0.0266, 0.0276, 0.0278),
    },
    (1000, 2000): {
        "ancestral": (0.687, 1.31, 1.31),
        "Chen, Cong, Li": (0.00285, 0.00286, None),
        "one block": (0.0053, 0.0053, 0.0059),
        "one block, coins": (0.0076, 0.0076, 0.0077),
    },
}


def promises(residual):
    return tuple(earlier.coefficient(residual, m) for m in ("tc", "dtc", "product"))


@pytest.mark.parametrize(("steps", "length"), TABLE)
def test_earlier_schedules_have_the_constants_computed_elsewhere(steps, length):
    sizes, _ = earlier.chen_cong_li(length, steps)
    backwards = FixedSizes(sizes.sizes[::-1])
    block, _ = earlier.one_block(length, steps)
    coins = earlier.coin_residual(length, earlier.one_block_times(length, steps))
    found = {
        "ancestral": promises(earlier.ancestral_residual(length, steps)),
        "Chen, Cong, Li": (sizes.coefficient("tc"), backwards.coefficient("dtc"), None),
        "one block": promises(block.residual),
        "one block, coins": promises(coins),
    }
    for name, values in TABLE[steps, length].items():
        for value, expected in zip(found[name], values, strict=True):
            if expected is not None:  # given to three digits, where they begin with a 5 to two
                assert value == pytest.approx(expected, rel=1e-2 if expected < 0.01 else 5e-3)


def coins_by_enumeration(length, times):
    """E[W_j] from every way to put the tokens into intervals, in fractions."""
    edges = [Fraction(0), *times, Fraction(1)]
    chances = [b - a for a, b in pairwise(edges)]
    found = np.array([Fraction(0)] * (length - 1))
    for places in product(range(len(chances)), repeat=length):
        counts = np.bincount(places, minlength=len(chances)).tolist()
        sizes = [1] * counts[0] + [n for n in counts[1:-1] if n] + [1] * counts[-1]
        chance = np.prod([chances[place] for place in places])
        found += chance * np.array([Fraction(w) for w in residual_by_definition(sizes)])
    return found.astype(float)


@pytest.mark.parametrize(
    "times",
    [
        [Fraction(0), Fraction(1, 3), Fraction(2, 3), Fraction(1)],
        [Fraction(0), Fraction(1, 2), Fraction(1)],
        [Fraction(1, 5), Fraction(1, 4), Fraction(7, 8)],
        [Fraction(1, 10), Fraction(1)],
    ],
)
@pytest.mark.parametrize("length", [2, 3, 5])
def test_coins_have_the_residual_of_the_enumeration(length, times):
    found = earlier.coin_residual(length, [float(t) for t in times])
    np.testing.assert_allclose(found, coins_by_enumeration(length, times), rtol=1e-12, atol=1e-14)


def test_coins_of_one_interval_are_one_block_or_none():
    np.testing.assert_allclose(earlier.coin_residual(9, [0.0, 1.0]), np.arange(8, 0, -1))
    assert earlier.coin_residual(1, [0.0, 1.0]).shape == (0,)


def test_coins_by_simulation():
    rng = np.random.default_rng(5)
    length, times = 40, earlier.one_block_times(40, 9)
    draws = np.sort(rng.random((4000, length)), axis=1)
    which = np.searchsorted(times, draws, side="right")
    alone = (which == 0) | (which == times.size)
    which = np.where(alone, times.size + 1 + np.arange(length), which)
    ends = np.array([np.searchsorted(row, row, side="right") for row in which])
    same = which[:, 1:] == which[:, :-1]
    w = np.where(same, ends[:, 1:] - np.arange(1, length), 0)
    error = w.std(axis=0, ddof=1) / np.sqrt(len(w))
    away = np.abs(w.mean(axis=0) - earlier.coin_residual(length, times)) / np.maximum(error, 1e-3)
    assert away.max() < 5


@given(st.integers(1, 400), st.integers(1, 60))
def test_what_chen_cong_and_li_claim_of_their_sizes(length, zeta):
    schedule = earlier.chen_cong_li_sizes(length, zeta)
    assert schedule.length == length
    assert schedule.steps <= zeta * (1 + np.log(length))
    assert schedule.coefficient("tc") <= 1 / zeta
    if zeta > 1:
        assert FixedSizes(schedule.sizes[::-1]).coefficient("dtc") <= 1 / (zeta - 1)


@given(st.data())
def test_the_largest_zeta_that_fits_is_found(data):
    length = data.draw(st.integers(1, 200))
    steps = data.draw(st.integers(1, length))
    schedule, zeta = earlier.chen_cong_li(length, steps)
    assert schedule.steps <= steps
    assert zeta == length or earlier.chen_cong_li_sizes(length, zeta + 1).steps > steps
    assert schedule.coefficient("tc") >= BestDeterministic(length, steps, "tc").coefficient("tc")


@given(st.data())
def test_one_block_keeps_its_promise_with_the_least_multiplier(data):
    length = data.draw(st.integers(3, 200))
    steps = data.draw(st.integers(3, length))
    schedule, growth = earlier.one_block(length, steps)
    assert schedule.steps <= steps
    assert schedule.sizes[0] == schedule.sizes[-1] == 1
    assert schedule.coefficient("product") <= growth * (1 + 1e-12)
    least = BestDeterministic(length, steps, "product").coefficient("product")
    assert schedule.coefficient("product") >= least
    if growth > 0:
        assert earlier.one_block_sizes(length, growth * (1 - 1e-9)).steps > steps


def test_no_earlier_schedule_promises_less_than_the_best():
    length, steps = 200, 30
    residuals = [
        earlier.chen_cong_li(length, steps)[0].residual,
        earlier.one_block(length, steps)[0].residual,
        earlier.ancestral_residual(length, steps),
        earlier.coin_residual(length, earlier.one_block_times(length, steps)),
    ]
    for measure in ("tc", "dtc", "min", "product", "sum"):
        best = Minimax(length, steps, measure).constant
        assert min(earlier.coefficient(w, measure) for w in residuals) > best


def test_regret_is_the_constant_for_the_sum():
    length, steps = 40, 9
    codes = [InformationProfile.mds_code(length, d, 64) for d in range(1, length)]
    assert all(expected_kl(OptimalForProfile(code, 2), code) == 0 for code in codes)

    def regret(schedule):
        aggregates = [code.total_correlation + code.dual_total_correlation for code in codes]
        return max(
            expected_kl(schedule, code) / nats for code, nats in zip(codes, aggregates, strict=True)
        )

    least = regret(Minimax(length, steps, "sum"))
    assert least == pytest.approx(Minimax(length, steps, "sum").constant, rel=1e-12)
    for other in (ShiftedEqual(length, steps), Equal(length, steps), TCAdaptive(length, steps)):
        assert regret(other) > least


@pytest.mark.parametrize("length", [2, 3, 7, 40])
def test_effective_weights_are_the_integral(length):
    found = earlier.effective_weights(length)
    for j in (1, length // 2, length - 1):
        density = stats.beta(j, length - j).pdf
        value, _ = integrate.quad(
            lambda t, p=density: t * min(1, -np.log(t)) * p(t),
            0,
            1,
            points=[1 / np.e],
            epsabs=1e-12,
        )
        assert found[j - 1] == pytest.approx(length * value, rel=1e-8)


@pytest.mark.parametrize("length", [2, 10, 500])
def test_effective_weights_lie_between_multiples_of_the_product(length):
    aggregate = length / (length + 1) * measure_weights("product", length)
    ratio = earlier.effective_weights(length) / aggregate
    assert (ratio > 1).all()
    assert (ratio < np.e / (np.e - 1)).all()


@pytest.mark.parametrize(("noise", "gain"), [(0.01, 4.51), (0.3, 2.16), (0.45, 1.65)])
def test_the_gain_on_a_noisy_repeated_bit_is_the_published_one(noise, gain):
    profile = InformationProfile.two_words(128, noise)
    assert earlier.growth_gain(profile) == pytest.approx(gain, abs=5e-3)


def test_the_density_of_a_repeated_bit_and_its_mirror_image():
    length, odds = 64, np.linspace(-4, 4, 33)
    bit, parity = (InformationProfile.mds_code(length, d, 2) for d in (1, length - 1))
    r = 1 / (1 + np.exp(-odds))
    closed = length * (length - 1) * np.log(2) * r**2 * (1 - r) ** length  # his (24a)
    found = earlier.growth_density(bit, odds)
    np.testing.assert_allclose(found, closed, rtol=1e-11)
    np.testing.assert_allclose(earlier.growth_density(parity, -odds), found, rtol=1e-11)
    wide = np.linspace(-40, 40, 8001)
    area = np.trapezoid(earlier.growth_density(bit, wide), wide)
    assert area == pytest.approx((length - 1) / (length + 1) * np.log(2), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: earlier.coin_residual(5, [0.5, 0.5]), "times"),
        (lambda: earlier.coin_residual(5, [0.5]), "times"),
        (lambda: earlier.coin_residual(5, [0.5, 1.5]), "times"),
        (lambda: earlier.coin_residual(0, [0.0, 1.0]), "length"),
        (lambda: earlier.ancestral_residual(5, 0), "steps"),
        (lambda: earlier.chen_cong_li_sizes(5, 0), "zeta"),
        (lambda: earlier.chen_cong_li(5, 6), "steps"),
        (lambda: earlier.one_block(5, 2), "steps"),
        (lambda: earlier.one_block_sizes(5, -1.0), "growth"),
        (lambda: earlier.one_block_times(2, 3), "length"),
        (lambda: earlier.effective_weights(0), "length"),
        (lambda: earlier.coefficient([1.0, 1.0], "TC"), "measure"),
        (lambda: earlier.growth_density(InformationProfile([1.0]), [0.0]), "profile"),
        (lambda: earlier.growth_gain(InformationProfile([1.0, 0.0])), "profile"),
        (lambda: earlier.growth_gain(InformationProfile([1.0] * 5)), "profile"),
        (lambda: earlier.growth_gain(InformationProfile([2.0, 1.0, 1.0]), 1), "points"),
    ],
)
def test_bad_input_is_refused_by_name(call, names):
    with pytest.raises(ValueError, match=names):
        call()
