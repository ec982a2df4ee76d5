import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import digamma

from dlm_core import InformationProfile, exact
from dlm_core.error import error_curve, expected_kl
from dlm_core.schedules import DTCAdaptive, TCAdaptive, residuals

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text())
SMALL = [(length, steps) for length in range(1, 9) for steps in range(1, length + 1)]
LAWS = {TCAdaptive: exact.tc_law, DTCAdaptive: exact.dtc_law}


@pytest.mark.parametrize("row", REFERENCE["constants"], ids=lambda r: f"K{r['K']}-L{r['L']}")
def test_constants_agree_with_400_bit_arithmetic(row):
    assert TCAdaptive(row["L"], row["K"]).constant == pytest.approx(
        float(row["c_TC_scheme"]), rel=1e-11, abs=0
    )
    assert DTCAdaptive(row["L"], row["K"]).constant == pytest.approx(
        float(row["f_DTC_scheme"]), rel=1e-11, abs=0
    )


@pytest.mark.parametrize("length", range(1, 10))
def test_constants_for_all_steps_at_once_agree_with_exact_ones(length):
    tc = [exact.tc_coefficient(steps, length) for steps in range(1, length + 1)]
    dtc = [exact.dtc_coefficient(length, steps, 0) for steps in range(1, length + 1)]
    curve = error_curve(length, TCAdaptive, total_correlation=1.0)
    np.testing.assert_allclose(curve.values, np.array(tc, dtype=float), rtol=1e-13, atol=0)
    curve = error_curve(length, DTCAdaptive, dual_total_correlation=1.0)
    np.testing.assert_allclose(curve.values, np.array(dtc, dtype=float), rtol=1e-13, atol=0)


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize(("length", "several"), [(40, range(1, 41)), (2000, [1, 2, 40, 1999])])
def test_all_steps_at_once_agree_with_each_by_itself(kind, length, several):
    rng = np.random.default_rng(length)
    profile = InformationProfile(np.sort(rng.exponential(size=length) ** 4)[::-1])
    errors = error_curve(length, kind, profile=profile).values
    known = "total_correlation" if kind is TCAdaptive else "dual_total_correlation"
    constants = error_curve(length, kind, **{known: 1.0}).values
    for steps in several:
        schedule = kind(length, steps)
        assert errors[steps - 1] == pytest.approx(expected_kl(schedule, profile), rel=1e-13, abs=0)
        assert constants[steps - 1] == schedule.constant


@pytest.mark.parametrize("kind", LAWS)
def test_a_curve_of_hours_is_refused(kind):
    profile = InformationProfile.repetition(10**5, 1.0)
    for known in ({"dual_total_correlation": 1.0}, {"profile": profile}):
        with pytest.raises(ValueError, match="terms, more than the 2\\*\\*32 allowed"):
            error_curve(10**5, kind, **known)


def test_mean_sizes_agree_with_80_bit_arithmetic():
    reference = REFERENCE["mean_sizes_K1000_L2000"]
    at = np.array(reference["iterations_1_based"]) - 1
    for schedule, name in ((TCAdaptive(2000, 1000), "TC"), (DTCAdaptive(2000, 1000), "DTC")):
        expected = np.array(reference[name], dtype=float)
        np.testing.assert_allclose(schedule.mean_sizes[at], expected, rtol=1e-11)


@pytest.mark.parametrize("row", REFERENCE["mds"], ids=lambda r: f"K{r['K']}-codim{r['codim']}")
def test_residuals_agree_with_400_bit_arithmetic(row):
    for kind, name in ((TCAdaptive, "TC_scheme"), (DTCAdaptive, "DTC_scheme")):
        residual = kind(row["L"], row["K"]).residual[row["d"] - 1]
        assert residual == pytest.approx(float(row["E_W_d"][name]), rel=1e-11, abs=0)


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize(("length", "steps"), SMALL)
def test_float_tables_agree_with_the_exact_law(kind, length, steps):
    schedule, law = kind(length, steps), LAWS[kind](length, steps)
    expected = np.array([float(w) for w in exact.residual(law)])
    np.testing.assert_allclose(schedule.residual, expected, rtol=1e-13, atol=1e-15)
    starts = np.zeros(length)
    mean_sizes = np.zeros(steps)
    for sizes, chance in law.items():
        starts[np.cumsum((0, *sizes[:-1]))] += float(chance)
        mean_sizes += float(chance) * np.array(sizes)
    np.testing.assert_allclose(schedule.start_probabilities, starts, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(schedule.mean_sizes, mean_sizes, rtol=1e-13)


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize(("length", "steps"), [(7, 3), (8, 5), (9, 2)])
def test_draws_follow_the_exact_law(kind, length, steps):
    """Chi-square test over all compositions; false alarm with probability 1e-6 each."""
    n = 40_000
    law = LAWS[kind](length, steps)
    draws = kind(length, steps).sample(n, np.random.default_rng(20260223))
    observed = dict.fromkeys(law, 0)
    for sizes in map(tuple, draws.tolist()):
        observed[sizes] += 1
    expected = n * np.array([float(chance) for chance in law.values()])
    assert expected.min() > 5
    assert stats.chisquare(list(observed.values()), expected).pvalue > 1e-6


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_draws_are_compositions(data):
    length = data.draw(st.integers(1, 60))
    steps = data.draw(st.integers(1, length))
    kind = data.draw(st.sampled_from(list(LAWS)))
    sizes = kind(length, steps).sample(50, np.random.default_rng(data.draw(st.integers(0, 99))))
    assert sizes.shape == (50, steps)
    assert sizes.dtype == np.int64
    assert sizes.min() >= 1
    assert (sizes.sum(axis=1) == length).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_theorems_on_a_wide_grid(data):
    length = data.draw(st.integers(2, 400))
    steps = data.draw(st.integers(1, length - 1))
    tc, dtc = TCAdaptive(length, steps), DTCAdaptive(length, steps)
    j = np.arange(1, length)
    np.testing.assert_allclose(tc.residual, tc.constant * (length - j), rtol=1e-11)
    np.testing.assert_allclose(dtc.residual[:steps], dtc.constant * j[:steps], rtol=1e-11)
    assert (dtc.residual <= dtc.constant * j * (1 + 1e-11)).all()
    np.testing.assert_allclose(tc.mean_sizes[::-1], dtc.mean_sizes, rtol=1e-9)
    assert tc.start_probabilities.sum() == pytest.approx(steps, rel=1e-11)
    assert tc.mean_sizes[0] == pytest.approx(1 + tc.constant * (length - 1), rel=1e-9)


def test_bounds_on_every_pair_up_to_sixty_and_at_scale():
    pairs = [(L, K) for L in range(3, 61) for K in range(2, L)]
    pairs += [(2000, 2), (2000, 20), (2000, 1999), (5000, 500)]
    for length, steps in pairs:
        harmonic, log = digamma(length) + np.euler_gamma, np.log(length - 1)
        c, f = TCAdaptive(length, steps).constant, DTCAdaptive(length, steps).constant
        chain = [c, (harmonic - 1) / (harmonic + steps - 2), log / (log + steps - 1)]
        chain.append((1 + log) / steps)
        assert all(a <= b * (1 + 1e-12) for a, b in pairwise(chain))
        if steps == 2:
            assert c == pytest.approx(chain[1], rel=1e-12)
        if steps > harmonic:
            assert f <= harmonic / (steps - harmonic) * (1 + 1e-12)
        if steps > log + 1:
            assert f <= (1 + log) / (steps - log - 1) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("length", "steps"), [(1, 1), (2, 1), (2, 2), (5, 5), (5, 1), (5, 4), (2000, 1), (2000, 2000)]
)
@pytest.mark.parametrize("kind", LAWS)
def test_the_edges(kind, length, steps):
    schedule = kind(length, steps)
    sizes = schedule.sample(3, np.random.default_rng(0))
    assert (sizes.sum(axis=1) == length).all()
    assert sizes.min() >= 1
    assert schedule.residual.shape == (length - 1,)
    assert schedule.start_probabilities.shape == (length,)
    if steps == length:
        assert schedule.constant == 0
        assert (schedule.residual == 0).all()
    if steps == 1 and length > 1:
        assert schedule.constant == pytest.approx(1 if kind is TCAdaptive else length - 1)
        assert schedule.residual.tolist() == list(range(length - 1, 0, -1))


def test_few_steps_and_a_very_long_sequence():
    length, steps = 100_000, 8
    tc, dtc = TCAdaptive(length, steps), DTCAdaptive(length, steps)
    j = np.arange(1, length)
    np.testing.assert_allclose(tc.residual, tc.constant * (length - j), rtol=1e-11)
    np.testing.assert_allclose(dtc.residual[:steps], dtc.constant * j[:steps], rtol=1e-11)
    draws = tc.sample(200, np.random.default_rng(0))
    assert (draws.sum(axis=1) == length).all()


def test_residuals_of_draws_average_to_the_exact_ones():
    """At the paper's scale; each of the 1,999 means within 6 standard errors (false alarm 4e-6)."""
    schedule = TCAdaptive(2000, 1000)
    n = 2000
    drawn = residuals(schedule.sample(n, np.random.default_rng(1)))
    error = np.abs(drawn.mean(axis=0) - schedule.residual)
    # where the residual is rarely positive its own law gives the spread, not the sample's
    spread = np.maximum(drawn.std(axis=0), np.sqrt(schedule.residual))
    assert (error <= 6 * spread / np.sqrt(n)).all()


def test_weights_by_logs_give_the_same_transition_law():
    """The recursion of the weights, carried in logs at full scale, against the stable odds."""
    length, steps = 2000, 1000
    levels = np.arange(1, length + 1)
    a = np.full(length + 1, np.inf)  # 1 / c_{k,l} - 1 by l
    a[2:] = 0.0
    for k in range(2, steps + 1):
        c = 1 / (1 + a)
        following = np.full(length + 1, np.inf)
        following[k + 1] = k * (k + 1) / 2 - 1
        for level in levels[k:-1]:
            following[level + 1] = (
                following[level] * (level + a[level]) / (level + following[level])
            )
        if k == steps:
            m = np.arange(k - 1, length - 1)
            ratio = (1 + (m - 1) * c[m]) / ((m + 1) * c[m + 1])
            log_weights = np.concatenate([[0.0], np.cumsum(np.log(ratio))])
            assert log_weights.max() - log_weights.min() > np.log(1e308)  # plain floats overflow
            law = np.exp(log_weights - log_weights.max())
            law /= law.sum()
        a = following
    first_size_mean = length - (np.arange(steps - 1, length) * law).sum()
    assert first_size_mean == pytest.approx(TCAdaptive(length, steps).mean_sizes[0], rel=1e-11)
    assert 1 / (1 + a[length]) == pytest.approx(TCAdaptive(length, steps).constant, rel=1e-11)


def test_one_uniform_per_position_and_no_more():
    schedule = TCAdaptive(300, 40)
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)
    schedule.sample(1, rng)
    twin.bit_generator.advance(schedule.length - 1)
    assert rng.random() == twin.random()


def test_twins_share_one_table_while_it_is_in_use():
    tc, dtc = TCAdaptive(50, 7), DTCAdaptive(50, 7)
    assert tc.table is dtc.table
    assert TCAdaptive(50, 8).table is not tc.table
