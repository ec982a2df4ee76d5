import copy
import json
import pickle
from fractions import Fraction
from math import comb

import numpy as np
import pytest
import torch
from bookkit.examples import alternating, random_joint
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import entropy_curve_by_subsets, reed_solomon_table
from scipy.stats import chi2, hypergeom, norm

from dlm_core import InformationProfile
from dlm_core.error import certificate
from dlm_core.information import (
    Estimate,
    EstimatedProfile,
    dual_total_correlation,
    entropy,
    total_correlation,
)
from dlm_core.schedules import Equal, FixedSizes, TCAdaptive

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**32 - 1), sparsity=st.sampled_from([0.0, 0.5, 0.9]))
def test_profile_of_a_table_agrees_with_every_definition(shape, seed, sparsity):
    p = random_joint(np.random.default_rng(seed), shape, sparsity)
    profile = InformationProfile.from_joint(p)
    np.testing.assert_allclose(profile.entropy_curve, entropy_curve_by_subsets(p), atol=1e-12)
    assert (profile.increments >= 0).all()
    assert profile.total_correlation == pytest.approx(total_correlation(p), abs=1e-12)
    assert profile.dual_total_correlation == pytest.approx(dual_total_correlation(p), abs=1e-12)
    assert profile.entropy == pytest.approx(entropy(p), abs=1e-12)


@pytest.mark.parametrize(
    ("length", "dimension", "field"), [(5, 2, 5), (5, 3, 5), (4, 3, 7), (6, 1, 7)]
)
def test_mds_profile_is_that_of_an_enumerated_reed_solomon_code(length, dimension, field):
    table = InformationProfile.from_joint(reed_solomon_table(length, dimension, field))
    closed = InformationProfile.mds_code(length, dimension, field)
    np.testing.assert_allclose(closed.conditional_entropy, table.conditional_entropy, atol=1e-12)
    assert closed.total_correlation == pytest.approx((length - dimension) * np.log(field))
    assert closed.dual_total_correlation == pytest.approx(
        dimension * np.log(field) if dimension < length else 0.0
    )


def test_closed_forms_agree_with_tables():
    marginals = [np.array([0.2, 0.8]), np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.1])]
    table = np.einsum("a,b,c->abc", *marginals)
    closed = InformationProfile.product([entropy(m) for m in marginals])
    np.testing.assert_allclose(
        closed.conditional_entropy,
        InformationProfile.from_joint(table).conditional_entropy,
        atol=1e-14,
    )
    repeated = np.zeros((3, 3, 3, 3))
    for symbol, chance in enumerate([0.2, 0.3, 0.5]):
        repeated[(symbol,) * 4] = chance
    np.testing.assert_allclose(
        InformationProfile.repetition(4, entropy([0.2, 0.3, 0.5])).conditional_entropy,
        InformationProfile.from_joint(repeated).conditional_entropy,
        atol=1e-14,
    )


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**32 - 1), sparsity=st.sampled_from([0.0, 0.5, 0.9]))
def test_profile_of_a_support_agrees_with_every_definition(shape, seed, sparsity):
    p = random_joint(np.random.default_rng(seed), shape, sparsity)
    profile = InformationProfile.from_support(np.argwhere(p > 0), p[p > 0])
    np.testing.assert_allclose(profile.entropy_curve, entropy_curve_by_subsets(p), atol=1e-12)


@pytest.mark.parametrize("length", [11, 13])
def test_large_profiles_agree_however_they_are_split(length):
    """Tables and supports too large for one pass, where the axes kept and summed are split up."""
    p = alternating(length, noise=0.2)
    table = InformationProfile.from_joint(p).conditional_entropy
    rows = np.argwhere(p > 0)
    support = InformationProfile.from_support(rows, p.ravel()).conditional_entropy
    np.testing.assert_allclose(support, table, atol=1e-12)
    assert table[0] == pytest.approx(np.log(2))
    # With all others known, the word is nearly certain and one letter is a flip.
    flip = entropy([0.2, 0.8])
    assert flip < table[-1] < flip + 0.02


def test_support_of_two_points_and_of_a_code_in_closed_form():
    two = InformationProfile.from_support([[0] * 24, [5] * 24], [0.3, 0.7])
    closed = InformationProfile.repetition(24, entropy([0.3, 0.7]))
    np.testing.assert_allclose(two.conditional_entropy, closed.conditional_entropy, atol=1e-13)
    words = np.argwhere(reed_solomon_table(6, 3, 7) > 0)
    code = InformationProfile.from_support(words)
    closed = InformationProfile.mds_code(6, 3, 7)
    np.testing.assert_allclose(code.conditional_entropy, closed.conditional_entropy, atol=1e-12)


def test_torch_tensors_are_taken():
    p = random_joint(np.random.default_rng(17), (2, 3, 2))
    exact = InformationProfile.from_joint(p).conditional_entropy.tolist()
    tensor = torch.tensor(p, requires_grad=True)
    assert InformationProfile.from_joint(tensor).conditional_entropy.tolist() == exact
    draws = np.random.default_rng(18).random((5, 3))
    profile = EstimatedProfile.from_draws(torch.tensor(draws))
    assert profile.estimates.tolist() == EstimatedProfile.from_draws(draws).estimates.tolist()


def random_words(rng, words, length):
    """Distinct words, of which many agree on many positions, and unequal probabilities."""
    rows = np.unique(rng.random((words, length)) < rng.random(length), axis=0).astype(np.int64)
    return rows, rng.dirichlet(np.ones(len(rows)))


def test_sampled_profile_has_exact_ends_and_calibrated_errors():
    """Over 150 seeds z-scores have mean 0 and variance 1; false alarms below 1e-5 at each point."""
    rng, seeds = np.random.default_rng(15), 150
    support = random_words(rng, 40, 9)
    exact = InformationProfile.from_support(*support)
    z = np.empty((seeds, 9))
    functional = np.arange(9) ** 2.0
    scores = np.empty(seeds)
    for row in range(seeds):
        sampled = InformationProfile.from_support_sampled(*support, draws=100, rng=rng)
        assert sampled.standard_error[[0, -1]].tolist() == [0.0, 0.0]
        np.testing.assert_allclose(
            sampled.estimates[[0, -1]], exact.conditional_entropy[[0, -1]], atol=1e-12
        )
        for known, estimate in [
            (exact.total_correlation, sampled.total_correlation),
            (exact.dual_total_correlation, sampled.dual_total_correlation),
        ]:
            assert estimate.value == pytest.approx(known, abs=1e-12)
            assert estimate.standard_error == 0
        z[row, 1:-1] = (sampled.estimates - exact.conditional_entropy)[1:-1]
        z[row, 1:-1] /= sampled.standard_error[1:-1]
        estimate = sampled.estimate(functional)
        scores[row] = estimate.deviation(functional @ exact.conditional_entropy)
    for column in (*z.T[1:-1], scores):
        assert abs(column.mean()) < norm.isf(5e-6) / np.sqrt(seeds)
        # The factor is for the error bars, themselves estimated from 100 draws.
        low, high = chi2.ppf([1e-5, 1 - 1e-5], seeds - 1) / (seeds - 1)
        assert low / 1.1 < column.var(ddof=1) < high * 1.1


def test_sampled_profile_of_short_supports_is_exact():
    for length in (1, 2, 3):
        rows = np.array([[0] * length, [1] * length])
        exact = InformationProfile.from_support(rows)
        sampled = InformationProfile.from_support_sampled(
            rows, draws=2, rng=np.random.default_rng(0)
        )
        np.testing.assert_allclose(
            sampled.fit.conditional_entropy, exact.conditional_entropy, atol=1e-12
        )
        assert sampled.n == 2


def test_the_fit_is_the_nearest_nonincreasing_curve():
    profile = EstimatedProfile([1.0, 0.2, 0.5, -0.1], [0.1, 0.1, 0.2, 0.1], n=50)
    pooled = (0.2 / 0.01 + 0.5 / 0.04) / (1 / 0.01 + 1 / 0.04)
    np.testing.assert_allclose(profile.fit.conditional_entropy, [1.0, pooled, pooled, 0.0])
    assert profile.estimates.tolist() == [1.0, 0.2, 0.5, -0.1]
    assert not isinstance(profile, InformationProfile)
    assert not hasattr(profile, "mds_code")
    assert type(profile.fit) is InformationProfile
    assert profile.fit.fitted
    assert repr(profile.fit).endswith("fitted=True)")
    assert certificate(TCAdaptive(4, 2), profile.fit).by_law > 0
    assert repr(profile) == ("EstimatedProfile(length=4, n=50, TC=2.4 ± 0.39, DTC=2 ± 0.39)")


def test_points_known_exactly_hold_the_fit():
    profile = EstimatedProfile([1.0, 1.3, 0.4], [0.0, 0.1, 0.1], n=10)
    np.testing.assert_allclose(profile.fit.conditional_entropy, [1.0, 1.0, 0.4], atol=1e-9)
    exact = EstimatedProfile([1.0, 0.4], [0.0, 0.0], n=10)
    assert exact.fit.conditional_entropy.tolist() == [1.0, 0.4]
    assert exact.total_correlation.standard_error == 0


def test_functionals_of_an_estimated_profile():
    estimates, errors = np.array([0.9, 0.6, 0.5]), np.array([0.03, 0.02, 0.01])
    weights = np.array([1.0, -2.0, 4.0])
    independent = EstimatedProfile(estimates, errors, n=7)
    estimate = independent.estimate(weights)
    assert estimate.value == pytest.approx(weights @ estimates)
    assert estimate.standard_error == pytest.approx(np.sqrt(weights**2 @ errors**2))
    assert estimate.n == 7
    together = EstimatedProfile(estimates, errors, 7, np.outer(errors, errors))
    assert together.estimate(weights).standard_error == pytest.approx(abs(weights @ errors))
    tc, dtc = independent.total_correlation, independent.dual_total_correlation
    assert tc.value == pytest.approx(3 * 0.9 - 2.0)
    assert tc.standard_error == pytest.approx(np.sqrt([4, 1, 1] @ errors**2))
    assert dtc.value == pytest.approx(2.0 - 3 * 0.5)
    assert dtc.standard_error == pytest.approx(np.sqrt([1, 1, 4] @ errors**2))
    assert independent.entropy.value == pytest.approx(2.0)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e90])
def test_standard_errors_of_large_and_small_functionals(scale):
    errors = np.array([0.3, 0.4])
    for covariance in (None, np.diag(errors**2)):
        profile = EstimatedProfile([1.0, 0.5], errors, 7, covariance)
        found = profile.estimate([scale, scale])
        assert found.standard_error == pytest.approx(0.5 * scale, rel=1e-14, abs=0)


def test_a_price_is_that_of_the_raw_means():
    """They rise here, which the fit does not; a nat more at a block's start costs its size."""
    means, errors = np.array([0.9, 0.4, 0.7, 0.2]), np.array([0.1, 0.2, 0.3, 0.4])
    profile = EstimatedProfile(means, errors, n=9)
    price = profile.price(FixedSizes([2, 2]))
    assert price.value == pytest.approx(0.9 - 0.4 + 0.7 - 0.2)
    assert price.standard_error == pytest.approx(np.sqrt((errors**2).sum()))
    assert price.value != pytest.approx(certificate(FixedSizes([2, 2]), profile.fit).by_law)
    assert str(price) == "1 ± 0.55 (n = 9), on the predictor that was measured"
    assert profile.price(Equal(4, 4)) == Estimate(0.0, 0.0, 9)
    with pytest.raises(ValueError, match="schedule must have the length 4 of the profile, got 5"):
        profile.price(Equal(5, 2))
    for wrong in ("Equal", TCAdaptive, [2, 2]):
        with pytest.raises(TypeError, match="schedule must be a Schedule such as TCAdaptive"):
            profile.price(wrong)


def test_profile_from_draws_has_their_mean_and_covariance():
    draws = np.random.default_rng(16).random((40, 5)).cumsum(axis=1)[:, ::-1]
    profile = EstimatedProfile.from_draws(draws)
    np.testing.assert_allclose(profile.estimates, draws.mean(axis=0))
    np.testing.assert_allclose(profile.covariance, np.cov(draws.T) / 40)
    np.testing.assert_allclose(profile.standard_error**2, profile.covariance.diagonal())
    weights = np.arange(5.0)
    each = draws @ weights
    stated = profile.estimate(weights)
    assert stated.value == pytest.approx(each.mean())
    assert stated.standard_error == pytest.approx(each.std(ddof=1) / np.sqrt(40))


def test_concatenated_blocks_agree_with_the_joint_table():
    rng = np.random.default_rng(5)
    left, right = random_joint(rng, (2, 2, 2)), random_joint(rng, (3, 2))
    table = InformationProfile.from_joint(np.multiply.outer(np.multiply.outer(left, right), left))
    a, b = InformationProfile.from_joint(left), InformationProfile.from_joint(right)
    blocks = InformationProfile.concatenate([a, b, a])
    np.testing.assert_allclose(blocks.conditional_entropy, table.conditional_entropy, atol=1e-13)


def test_concatenation_at_scale_adds_the_totals():
    parity = InformationProfile.mds_code(length=8, dimension=7, alphabet_size=2)
    blocks = InformationProfile.concatenate([parity] * 250)
    assert blocks.length == 2000
    assert blocks.total_correlation == pytest.approx(250 * parity.total_correlation, rel=1e-10)
    assert blocks.dual_total_correlation == pytest.approx(
        250 * parity.dual_total_correlation, rel=1e-10
    )


@pytest.mark.parametrize("length", [10, 97, 2000])
def test_concatenation_from_the_hypergeometric_law(length):
    """One block beside independent coins, so that the curve is the mean over the law alone."""
    for size in (1, 2, length // 3, length - 1):
        block = InformationProfile(2.0 / np.arange(1.0, size + 1))
        rest = InformationProfile.product(np.ones(length - size))
        found = InformationProfile.concatenate([block, rest]).conditional_entropy
        j = np.linspace(0, length - 1, 5).astype(int)[:, np.newaxis]
        law = hypergeom.pmf(np.arange(size), length - 1, size - 1, j)
        share = size / length
        expected = share * (law @ block.conditional_entropy) + 1 - share
        np.testing.assert_allclose(found[j[:, 0]], expected, rtol=1e-12)


def test_concatenation_keeps_its_digits_where_the_law_is_wide():
    """Against integer binomials: half of 1,000 positions are in the block."""
    size, length = 500, 1000
    block = InformationProfile(np.arange(size, 0, -1.0) ** 2 / size**2)
    rest = InformationProfile.product(np.zeros(length - size))
    found = InformationProfile.concatenate([block, rest]).conditional_entropy
    for j in (1, 250, 500, 997):
        ways = [comb(size - 1, t) * comb(length - size, j - t) for t in range(min(j, size - 1) + 1)]
        exact = sum(way * (size - t) ** 2 for t, way in enumerate(ways))
        exact = Fraction(exact, 2 * size**2 * comb(length - 1, j))
        assert found[j] == pytest.approx(float(exact), rel=1e-13)


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("noise", [0.0, 1e-200, 1e-3, 0.1, 0.5, 0.9, 1.0])
def test_two_words_agree_with_their_table(length, noise):
    table = InformationProfile.from_joint(alternating(length, noise=noise))
    closed = InformationProfile.two_words(length, noise)
    np.testing.assert_allclose(closed.conditional_entropy, table.conditional_entropy, atol=1e-13)


def test_two_long_words():
    """With 3,000 letters known the word is certain; TC and DTC add up as they must."""
    profile = InformationProfile.two_words(3000, 0.1)
    flip, bit = entropy([0.1, 0.9]), np.log(2)
    assert profile.conditional_entropy[0] == pytest.approx(bit, rel=1e-14)
    assert profile.conditional_entropy[-1] == pytest.approx(flip, rel=1e-12)
    # given the word the letters are independent, and all letters tell the word
    assert profile.entropy == pytest.approx(bit + 3000 * flip, rel=1e-12)
    assert profile.dual_total_correlation == pytest.approx(bit, rel=1e-9)


def test_profiles_are_equal_by_value_and_copied_whole():
    curve = [1.0, 0.5, -0.0]
    profile, same = InformationProfile(curve), InformationProfile([1.0, 0.5, 0.0])
    assert profile == same
    assert hash(profile) == hash(same)
    assert profile != InformationProfile([1.0, 0.5, 0.1])
    assert profile != InformationProfile(curve, fitted=True)
    assert profile != InformationProfile([1.0, 0.5])
    assert profile != curve
    errors, covariance = [0.1, 0.2, 0.0], np.diag([0.1, 0.2, 0.0]) ** 2
    estimated = EstimatedProfile(curve, errors, 5, covariance)
    assert estimated == EstimatedProfile(np.array(curve), errors, 5, covariance.copy())
    assert hash(estimated) == hash(EstimatedProfile(curve, errors, 5, covariance))
    for other in (
        EstimatedProfile(curve, errors, 5),
        EstimatedProfile(curve, errors, 6, covariance),
        EstimatedProfile([1.0, 0.4, 0.0], errors, 5, covariance),
        EstimatedProfile(curve, [0.1, 0.2, 0.1], 5),
        profile,
    ):
        assert estimated != other
    for one in (profile, profile.__class__(curve, fitted=True), estimated):
        small = len(pickle.dumps(one))
        for name in ("increments", "entropy_curve", "fit", "total_correlation"):
            getattr(one, name, None)
        assert len(pickle.dumps(one)) == small
        written = json.loads(json.dumps(one.to_dict()))
        for copied in (
            copy.copy(one),
            copy.deepcopy(one),
            pickle.loads(pickle.dumps(one)),
            type(one).from_dict(written),
        ):
            assert copied == one
            assert repr(copied) == repr(one)
            for name in ("conditional_entropy", "estimates", "covariance"):
                assert not hasattr(one, name) or not getattr(copied, name).flags.writeable


def test_no_increment_is_minus_zero():
    assert not np.signbit(InformationProfile([0.5, 0.5, -0.0]).increments).any()


def test_single_precision_is_taken_where_tables_are():
    logits = np.random.default_rng(4).normal(size=(40, 30)).astype(np.float32)
    table = torch.softmax(torch.tensor(logits).flatten(), 0).reshape(40, 30)
    for p in (table, table.numpy()):
        assert InformationProfile.from_joint(p).total_correlation > 0
    rows, masses = np.argwhere(table.numpy() > 0), table.flatten()
    assert InformationProfile.from_support(rows, masses).total_correlation > 0


def test_one_position():
    profile = InformationProfile([0.7])
    assert profile.length == 1
    assert profile.increments.shape == (0,)
    assert profile.total_correlation == profile.dual_total_correlation == 0.0
    assert profile.entropy_curve.tolist() == [0.0, 0.7]


def test_rounding_is_flattened_and_more_is_refused():
    profile = InformationProfile([1.0, 1.0 + 1e-13, -1e-13])
    assert profile.increments.min() >= 0
    assert profile.conditional_entropy[-1] == 0.0
    with pytest.raises(ValueError, match="conditional_entropy must be nonincreasing"):
        InformationProfile([1.0, 1.0 + 1e-9])
    with pytest.raises(ValueError, match="conditional_entropy must be nonnegative"):
        InformationProfile([1.0, -1e-9])


def test_tables_are_read_only():
    profile = InformationProfile([1.0, 0.5])
    estimated = EstimatedProfile.from_draws([[1.0, 0.5], [0.9, 0.6]])
    for array in (
        profile.conditional_entropy,
        profile.increments,
        profile.entropy_curve,
        estimated.estimates,
        estimated.standard_error,
        estimated.covariance,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 2.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: InformationProfile([]), ValueError, "conditional_entropy must have at least one"),
        (lambda: InformationProfile([[1.0]]), ValueError, "conditional_entropy must have 1 axis"),
        (lambda: InformationProfile([np.nan]), ValueError, "conditional_entropy must be finite"),
        (lambda: InformationProfile(["a"]), TypeError, "conditional_entropy must be an array"),
        (lambda: InformationProfile.from_joint([0.5, 0.6]), ValueError, "p must sum to 1"),
        (lambda: InformationProfile.from_joint([1.5, -0.5]), ValueError, "p must be nonnegative"),
        (lambda: InformationProfile.from_joint(1.0), ValueError, "p must have at least one axis"),
        (
            lambda: InformationProfile.mds_code(5, 0, 7),
            ValueError,
            r"dimension must be .*1, 5\]",
        ),
        (
            lambda: InformationProfile.from_support([[0] * 40, [1] * 40]),
            ValueError,
            r"support must have 2\^L N <= 2\^28 .* L = 40 and N = 2: .*from_support_sampled",
        ),
        (
            lambda: InformationProfile.from_support([[0, 1], [0, 1]]),
            ValueError,
            "rows 0 and 1 are equal",
        ),
        (
            lambda: InformationProfile.from_support_sampled(
                [[0, 1]], draws=1, rng=np.random.default_rng(0)
            ),
            ValueError,
            "draws must be an integer >= 2, got 1",
        ),
        (
            lambda: InformationProfile.from_support_sampled([[0, 1]], draws=2, rng=None),
            TypeError,
            "rng must be a numpy.random.Generator",
        ),
        (lambda: EstimatedProfile([], [], 1), ValueError, "must have the same length >= 1"),
        (lambda: EstimatedProfile([1.0], [0.1, 0.1], 1), ValueError, "got 1 and 2"),
        (lambda: EstimatedProfile([1.0], [-0.1], 1), ValueError, "standard_error must be nonneg"),
        (lambda: EstimatedProfile([np.inf], [0.1], 1), ValueError, "estimates must be finite"),
        (lambda: EstimatedProfile([1.0], [0.1], 0), ValueError, "n must be an integer >= 1"),
        (
            lambda: EstimatedProfile([1.0], [0.1], 1, [0.01]),
            ValueError,
            r"covariance must have shape \(1, 1\), got \(1,\)",
        ),
        (
            lambda: EstimatedProfile([1.0, 0.5], [0.1, 0.1], 1, [[0.01, 0.0], [0.01, 0.01]]),
            ValueError,
            "covariance must be symmetric",
        ),
        (
            lambda: EstimatedProfile([1.0], [0.1], 1, [[0.1]]),
            ValueError,
            r"covariance must have standard_error\*\*2 on its diagonal",
        ),
        (
            lambda: EstimatedProfile([1.0, 0.5], [1.0, 1.0], 10, [[1, -5], [-5, 1]]),
            ValueError,
            "covariance must be positive semidefinite.* its least eigenvalue is -4",
        ),
        (
            lambda: EstimatedProfile([1.0, 0.5], [1.0, 1e-6], 9, [[1, 2e-6], [2e-6, 1e-12]]),
            ValueError,
            "covariance must be positive semidefinite.* its least eigenvalue is -1",
        ),
        (
            lambda: EstimatedProfile([1e200], [0.1], 1),
            ValueError,
            "estimates must be at most 1e",
        ),
        (lambda: EstimatedProfile([1.0], [1e200], 1), ValueError, "standard_error must be at most"),
        (
            lambda: EstimatedProfile.from_draws([[1e200], [0.0]]),
            ValueError,
            r"draws must be at most 1e\+100, got 1e\+200",
        ),
        (
            lambda: EstimatedProfile([1.0], [0.1], 1).estimate([1e200]),
            ValueError,
            "weights must be at most",
        ),
        (lambda: EstimatedProfile.from_draws([[1.0, 0.5]]), ValueError, "draws must have shape"),
        (
            lambda: EstimatedProfile.from_dict({"estimates": [1.0]}),
            ValueError,
            "d must describe a EstimatedProfile by estimates, .* got the entries estimates",
        ),
        (
            lambda: InformationProfile.from_dict({"conditional_entropy": [1.0], "n": 3}),
            ValueError,
            "d must describe a InformationProfile by conditional_entropy, fitted, got .*, n",
        ),
        (lambda: InformationProfile.from_dict([1.0]), TypeError, "d must be of type dict"),
        (lambda: InformationProfile([1.0], fitted=1), TypeError, "fitted must be True or False"),
        (
            lambda: InformationProfile([1e308, 1e308, 0]),
            ValueError,
            r"conditional_entropy must be at most 1e\+100, got 1e\+308",
        ),
        (lambda: InformationProfile.product([1e308] * 3), ValueError, "entropies must be at most"),
        (lambda: InformationProfile.repetition(3, 1e308), ValueError, "entropy must be at most"),
        (lambda: InformationProfile.two_words(0, 0.1), ValueError, "length must be an integer"),
        (lambda: InformationProfile.two_words(3, 1.5), ValueError, r"noise must lie in \[0, 1\]"),
        (lambda: InformationProfile.concatenate(3), TypeError, "parts must be several"),
        (
            lambda: EstimatedProfile([1.0], [0.1], 1).estimate([1.0, 2.0]),
            ValueError,
            "weights must have length 1, got 2",
        ),
        (lambda: InformationProfile.mds_code(5, 2.0, 7), TypeError, "dimension must be an integer"),
        (lambda: InformationProfile.mds_code(5, 2, 0), ValueError, "alphabet_size must be"),
        (lambda: InformationProfile.mds_code(5, 2, 2.0), TypeError, "alphabet_size must be"),
        (lambda: InformationProfile.product([]), ValueError, "entropies must be nonnegative"),
        (lambda: InformationProfile.repetition(4, -1.0), ValueError, "entropy must be nonnegative"),
        (lambda: InformationProfile.concatenate([]), ValueError, "parts must hold at least one"),
        (lambda: InformationProfile.concatenate([1]), TypeError, "parts must be of type"),
        (lambda: total_correlation([np.inf]), ValueError, "p must be finite"),
        (lambda: entropy("ab"), TypeError, "p must be an array of real numbers"),
        (lambda: alternating(0), ValueError, r"length must be an integer in \[1, 20\], got 0"),
        (lambda: alternating(4, noise=[1]), ValueError, "noise must be a number"),
        (lambda: random_joint(None, (2, 2)), TypeError, "rng must be a numpy.random.Generator"),
        (
            lambda: random_joint(np.random.default_rng(0), (2,), sparsity=2.0),
            ValueError,
            r"sparsity must lie in \[0, 1\]",
        ),
        (lambda: alternating(4, noise=1.5), ValueError, r"noise must lie in \[0, 1\], got 1.5"),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
