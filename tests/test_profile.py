import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import entropy_curve_by_subsets, reed_solomon_table

from dlm_core import InformationProfile
from dlm_core.examples import alternating, random_joint
from dlm_core.information import dual_total_correlation, entropy, total_correlation

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
    for array in (profile.conditional_entropy, profile.increments, profile.entropy_curve):
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
        (lambda: random_joint(0, (2, 2)), TypeError, "rng must be a numpy.random.Generator"),
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
