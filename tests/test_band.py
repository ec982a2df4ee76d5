"""Bands around a profile: what they allow, where they come from, and when they are refused."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dlm_core import Estimate, EstimatedProfile, InformationProfile, ProfileBand
from dlm_core.testing import profiles


@st.composite
def bands_around(draw, profile):
    """A band that holds the profile, at some levels from 0 on."""
    length = profile.length
    inner = draw(st.sets(st.integers(1, length - 1))) if length > 1 else set()
    levels = [0, *sorted(inner)]
    errors = st.lists(st.sampled_from([0.0, 0.1, 1.0]), min_size=len(levels), max_size=len(levels))
    h = profile.conditional_entropy[levels]
    return ProfileBand(length, levels, np.maximum(h - draw(errors), 0), h + draw(errors))


# What a band allows


@given(st.data(), profiles(most=12))
def test_the_limits_are_the_least_and_the_largest_curve(data, profile):
    band = data.draw(bands_around(profile))
    assert band.contains(profile)
    low, high = band.lower_curve, band.upper_curve
    for curve in (low, high):
        assert band.contains(InformationProfile(curve))  # hence nonincreasing too
    h = profile.conditional_entropy
    assert (low <= h).all()
    assert (h <= high).all()
    # by the definition: what the limits at all levels say of each j
    for j in range(profile.length):
        before, after = band.levels <= j, band.levels >= j
        assert high[j] == band.upper[before].min()
        assert low[j] == max(band.lower[after], default=0)


def test_measurements_narrow_each_other():
    band = ProfileBand(6, [0, 2, 3], lower=[1, 0.5, 0.7], upper=[2, 0.9, 1.5])
    assert band.lower.tolist() == [1, 0.7, 0.7]
    assert band.upper.tolist() == [2, 0.9, 0.9]
    assert band == ProfileBand(6, [0, 2, 3], lower=[1, 0.7, 0.7], upper=[2, 0.9, 0.9])


def test_a_profile_outside_is_not_contained():
    band = ProfileBand(4, [0, 2], lower=[1, 0.5], upper=[1, 0.6])
    assert band.contains(InformationProfile([1, 1, 0.55, 0.55]))
    assert not band.contains(InformationProfile([1, 1, 0.6 + 1e-6, 0]))
    assert not band.contains(InformationProfile([1, 0.6, 0.5 - 1e-6, 0]))
    assert not band.contains(InformationProfile([0.9, 0.6, 0.5, 0]))
    with pytest.raises(ValueError, match="profile must have the length 4 of the band, got 3"):
        band.contains(InformationProfile([1, 1, 0.5]))


def test_an_empty_band_is_refused_by_its_two_levels():
    with pytest.raises(
        ValueError, match=r"at most 0.5 at level 4 and at least 0.6 at level 7. A curve that rises"
    ):
        ProfileBand(9, [0, 4, 6, 7], [1, 0.2, 0.2, 0.6], [1, 0.5, 0.9, 0.9])
    with pytest.raises(ValueError, match=r"lower must be at most upper, got 0.6 and 0.5 at level"):
        ProfileBand(9, [0, 4], [1, 0.6], [1, 0.5])
    rises = EstimatedProfile([1, 0.4, 0.5], [0.001] * 3, 100)
    with pytest.raises(ValueError, match=r"A curve that rises beyond its error is not a profile"):
        rises.band(0.95)
    negative = EstimatedProfile([1, 0.4, -0.5], [0.001] * 3, 100)
    with pytest.raises(ValueError, match="h at level 2 was found to be at most -0.49"):
        negative.band(0.95)


def test_rises_within_rounding_are_no_contradiction():
    band = ProfileBand(3, [0, 1], [1.0, 1.0 + 1e-15], [1.0, 1.0 + 1e-15])
    assert (band.lower <= band.upper).all()
    assert (np.diff(band.lower_curve) <= 0).all()


def test_a_band_is_a_value():
    band = ProfileBand(6, [0, 3], [1, 0.5], [1, 0.6], confidence=0.9, note="by hand")
    described = json.loads(json.dumps(band.to_dict()))
    copies = [copy.deepcopy(band), pickle.loads(pickle.dumps(band)), band.from_dict(described)]
    for other in copies:
        assert other == band
        assert hash(other) == hash(band)
        assert str(other) == str(band)
    for other in (
        ProfileBand(7, [0, 3], [1, 0.5], [1, 0.6], 0.9),
        ProfileBand(6, [0, 2], [1, 0.5], [1, 0.6], 0.9),
        ProfileBand(6, [0, 3], [1, 0.4], [1, 0.6], 0.9),
        ProfileBand(6, [0, 3], [1, 0.5], [1, 0.7], 0.9),
        ProfileBand(6, [0, 3], [1, 0.5], [1, 0.6], 0.8),
    ):
        assert other != band
    assert repr(band) == (
        "ProfileBand(length=6, levels=[0, 3], lower=[1, 0.5], upper=[1, 0.6], confidence=0.9)"
    )
    assert str(band).splitlines() == [
        "h at 2 of 6 levels, in nats, confidence 0.9 (by hand)",
        "  0  1",
        "  3  0.5 to 0.6",
    ]
    with pytest.raises(ValueError, match="read-only"):
        band.lower[0] = 0
    with pytest.raises(AttributeError):
        band.length = 7


# From measurements


def test_the_t_intervals_are_simultaneous():
    draws = [np.array([1.0, 1.2, 1.3, 0.9]), np.array([0.1, 0.3, 0.2])]
    band = ProfileBand.from_samples(5, [0, 4], draws, confidence=0.9)
    for x, low, high in zip(draws, band.lower, band.upper, strict=True):
        each = stats.t.interval(1 - 0.1 / 2, x.size - 1, x.mean(), stats.sem(x))
        np.testing.assert_allclose([low, high], np.maximum(each, 0), rtol=1e-12)
    assert band.confidence == 0.9
    assert "asymptotic" in str(band)
    estimates = [Estimate.from_draws(x) for x in draws]
    assert ProfileBand.from_estimates(5, [0, 4], estimates, 0.9) == band


def test_the_bernstein_limits_are_those_of_the_theorem():
    x = np.array([0.2, 0.4, 0.9, 0.5])
    wide = ProfileBand.from_samples(3, [0], [np.tile(x, 500)], 0.9, "bernstein", most=1.0)
    tail, n = np.log(4 / 0.1), 2000
    variance = np.tile(x, 500).var(ddof=1)
    radius = np.sqrt(2 * variance * tail / n) + 7 * tail / (3 * (n - 1))
    np.testing.assert_allclose([*wide.lower, *wide.upper], [0.5 - radius, 0.5 + radius])
    assert "asymptotic" not in str(wide)
    with pytest.raises(ValueError, match=r"samples must lie in \[0, most\] = \[0, 0.8\], got 0.9"):
        ProfileBand.from_samples(3, [0], [x], 0.9, "bernstein", most=0.8)
    with pytest.raises(ValueError, match="most must be given for 'bernstein'"):
        ProfileBand.from_samples(3, [0], [x], 0.9, "bernstein")


@pytest.mark.parametrize(("method", "least"), [("t", 0.9), ("bernstein", 0.99)])
def test_bands_hold_the_truth_as_often_as_they_say(method, least):
    rng = np.random.default_rng(1)
    truth = InformationProfile([0.6, 0.5, 0.5, 0.2])
    held = 0
    for _ in range(400):
        draws = [rng.uniform(h - 0.2, h + 0.2, 40) for h in truth.conditional_entropy]
        band = ProfileBand.from_samples(4, range(4), draws, 0.9, method, most=1.0)
        held += band.contains(truth)
    # four standard deviations below what is promised
    assert held >= 400 * least - 4 * np.sqrt(400 * least * (1 - least))
    if method == "t":  # and not by being needlessly wide
        assert held < 400


def test_the_level_0_may_be_bounded_in_place_of_measured():
    found = [Estimate(0.4, 0.01, 50)]
    band = ProfileBand.from_estimates(6, [3], found, 0.9, most=np.log(2))
    assert band.levels.tolist() == [0, 3]
    assert band.upper[0] == np.log(2)
    assert band.lower[0] == band.lower[1] > 0  # by its being nonincreasing
    with pytest.raises(ValueError, match="levels must begin with 0"):
        ProfileBand.from_estimates(6, [3], found, 0.9)


def test_an_estimated_profile_has_a_band():
    rng = np.random.default_rng(2)
    truth = np.exp(-np.arange(300) / 40)
    estimated = EstimatedProfile.from_draws(truth + 0.01 * rng.standard_normal((30, 300)))
    band = estimated.band(0.9)
    assert band.levels.size <= 16
    assert band.levels[[0, -1]].tolist() == [0, 299]
    width = band.upper - band.lower
    quantile = stats.t.ppf(1 - 0.1 / band.levels.size / 2, 29)
    np.testing.assert_allclose(width[0], 2 * quantile * estimated.standard_error[0], rtol=1e-9)
    chosen = estimated.band(0.9, levels=[0, 100])
    assert chosen.levels.tolist() == [0, 100]
    exact = EstimatedProfile([1, 0.5], [0, 0], 1).band(0.9)
    assert exact.lower.tolist() == exact.upper.tolist() == [1, 0.5]
    with pytest.raises(ValueError, match="at least 2 draws"):
        EstimatedProfile([1, 0.5], [0.1, 0], 1).band(0.9)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 17, 2000])
def test_the_levels_of_a_band_are_few_at_every_length(length):
    band = EstimatedProfile(np.zeros(length), np.zeros(length), 2).band()
    assert band.levels.size <= 16
    assert band.levels[0] == 0
    assert band.levels[-1] == length - 1


def test_a_fitted_profile_is_no_exact_one():
    fit = EstimatedProfile([1, 0.5], [0.1, 0.1], 9).fit
    with pytest.raises(ValueError, match=r"estimate.band\(confidence\)"):
        ProfileBand.from_profile(fit, [0, 1])
    with pytest.raises(TypeError, match="EstimatedProfile"):
        ProfileBand.from_profile(EstimatedProfile([1, 0.5], [0.1, 0.1], 9), [0, 1])


# Which levels


def test_the_gap_that_costs_most_is_halved():
    profile = InformationProfile(2.0 ** (-np.arange(64) / 8))
    levels = [0]
    while (level := ProfileBand.from_profile(profile, levels).next_level()) is not None:
        levels = sorted([*levels, level])
        if len(levels) == 6:
            break
    # by hand: the end, then the larger w l of neighbours, halved
    assert levels == [0, 7, 15, 23, 31, 63]
    whole = ProfileBand.from_profile(profile, range(64))
    assert whole.next_level() is None
    flat = ProfileBand.from_profile(InformationProfile([1.0] * 9), [0, 8])
    assert flat.next_level() is None


def test_errors_alone_ask_for_no_more_levels():
    band = ProfileBand(101, [0, 10, 100], [1.0, 0.4, 0.3], [1.0, 0.5, 0.6])
    # 0.55 x 10 and 0.05 x 90 between the middles
    assert band.next_level() == 5


@settings(max_examples=50)
@given(st.data(), profiles(most=20), st.integers(1, 6))
def test_a_coarser_band_is_wider(data, profile, few):
    band = data.draw(bands_around(profile))
    coarse = band.coarsen(few)
    assert coarse.levels.size == min(few, band.levels.size)
    assert set(coarse.levels) <= set(band.levels)
    assert (coarse.lower_curve <= band.lower_curve).all()
    assert (coarse.upper_curve >= band.upper_curve).all()
    if few > 1:
        assert coarse.levels[-1] == band.levels[-1]


def test_coarsening_keeps_the_level_that_lowers_the_sum_most():
    profile = InformationProfile(1 / np.arange(1.0, 41))
    h = profile.conditional_entropy

    def total(levels):
        return np.sqrt(-np.diff(h[levels]) * np.diff(levels)).sum()

    kept = ProfileBand.from_profile(profile, range(40)).coarsen(3).levels.tolist()
    assert total(kept) == min(total([0, j, 39]) for j in range(1, 39))
