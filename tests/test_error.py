import numpy as np
import pytest
from bookkit.examples import alternating, random_joint
from oracles import compositions, reed_solomon_table

from dlm_core import InformationProfile, exact
from dlm_core.error import expected_kl, expected_kl_by_enumeration, price_weights
from dlm_core.information import total_correlation
from dlm_core.schedules import DTCAdaptive, Equal, FixedSizes, Minimax, TCAdaptive

TABLES = {
    "dense binary": random_joint(np.random.default_rng(1), (2,) * 5),
    "sparse binary": random_joint(np.random.default_rng(2), (2,) * 5, sparsity=0.6),
    "mixed alphabets": random_joint(np.random.default_rng(3), (3, 2, 4, 2), sparsity=0.2),
    "words": alternating(5, noise=0.1),
    "deterministic": np.eye(1, 16, 5).reshape((2,) * 4),
    "code": reed_solomon_table(4, 2, 5),
}


@pytest.mark.parametrize("name", TABLES)
def test_error_law_from_the_definition_of_divergence(name):
    p = TABLES[name]
    profile = InformationProfile.from_joint(p)
    for steps in range(1, p.ndim + 1):
        for sizes in compositions(p.ndim, steps):
            by_law = expected_kl(FixedSizes(sizes), profile)
            assert by_law == pytest.approx(expected_kl_by_enumeration(p, sizes), abs=1e-12)


@pytest.mark.parametrize("name", ["dense binary", "words"])
@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
def test_random_schedules_from_the_definition_of_divergence(name, kind):
    p = TABLES[name]
    laws = {TCAdaptive: exact.tc_law, DTCAdaptive: exact.dtc_law}
    for steps in range(1, p.ndim + 1):
        law = laws[kind](p.ndim, steps)
        error = sum(float(w) * expected_kl_by_enumeration(p, s) for s, w in law.items())
        by_law = expected_kl(kind(p.ndim, steps), InformationProfile.from_joint(p))
        assert by_law == pytest.approx(error, abs=1e-12)


def test_one_step_costs_the_total_correlation_and_all_steps_nothing():
    p = TABLES["dense binary"]
    profile = InformationProfile.from_joint(p)
    assert expected_kl(Equal(5, 1), profile) == pytest.approx(total_correlation(p), abs=1e-13)
    assert expected_kl(Equal(5, 5), profile) == 0.0


@pytest.mark.parametrize("length", [1, 2, 6])
def test_price_weights_are_the_mean_sizes_of_blocks_less_one(length):
    """By the law of the sizes; with them, the error law summed by parts."""
    profile = InformationProfile(1 / np.arange(1.0, length + 1))
    for steps in range(1, length + 1):
        for schedule in (TCAdaptive(length, steps), Minimax(length, steps, "tc")):
            weights = -np.ones(length)
            for sizes, chance in schedule.law().items():
                starts = np.cumsum(sizes) - sizes
                weights[starts] += chance * np.array(sizes)
            found = price_weights(schedule)
            np.testing.assert_allclose(found, weights, atol=1e-12)
            price = found @ profile.conditional_entropy
            assert price == pytest.approx(expected_kl(schedule, profile), abs=1e-12)


def test_prices_read_off_a_curve_of_any_shape():
    """Section by section, the surprise of a block is its size times that of its first token."""
    curve = np.array([0.9, 1.1, 0.3, 0.7, 0.2, 0.4])
    assert price_weights(FixedSizes([2, 3, 1])) @ curve == pytest.approx(
        2 * 0.9 + 3 * 0.3 + 0.4 - curve.sum()
    )
    schedule = TCAdaptive(6, 3)
    whole, first = curve.sum(), 6 * curve[0]
    c = schedule.constant
    assert price_weights(schedule) @ curve == pytest.approx(c * (first - whole))


def test_bad_input_is_named():
    profile = InformationProfile.repetition(4, 1.0)
    with pytest.raises(ValueError, match="same length, got 5 and 4"):
        expected_kl(Equal(5, 2), profile)
    with pytest.raises(TypeError, match="schedule must be of type Schedule"):
        expected_kl([2, 2], profile)
    with pytest.raises(TypeError, match="schedule must be of type Schedule"):
        price_weights([2, 2])
    with pytest.raises(TypeError, match="profile must be of type InformationProfile"):
        expected_kl(Equal(4, 2), np.ones(4))
    with pytest.raises(ValueError, match="sizes must sum to the 4 axes of p, their sum is 3"):
        expected_kl_by_enumeration(alternating(4), (1, 2))
    with pytest.raises(ValueError, match="p must have at most 8 axes, got 9"):
        expected_kl_by_enumeration(alternating(9), (9,))
    with pytest.raises(ValueError, match="p must sum to 1"):
        expected_kl_by_enumeration(np.ones((2, 2)), (1, 1))
