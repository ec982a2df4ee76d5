"""Blocks left to right: their profiles and errors by definition, the allocation by search."""

from fractions import Fraction
from itertools import permutations, product
from math import comb, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import CHAINS, binary, chain_table, compositions, kl_by_definition

from dlm_core import (
    Equal,
    FixedSizes,
    InformationProfile,
    OptimalForProfile,
    ShiftedEqual,
    allocate_steps,
    block_kl,
    chain_block_profiles,
    error_curve,
    expected_kl,
)
from dlm_core.error.blocks import _gap_law
from dlm_core.targets import MarkovChain


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_gaps_have_their_law_to_the_last_digits(n):
    exact = [
        [float(Fraction(comb(n - d, t - 1), comb(n, t))) for d in range(1, n + 1)]
        for t in range(1, n + 1)
    ]
    np.testing.assert_allclose(_gap_law(n), exact, rtol=1e-13, atol=0)


@pytest.mark.parametrize("transition", CHAINS)
@pytest.mark.parametrize("length", [1, 2, 9, 200])
def test_the_first_block_is_a_chain(transition, length):
    (profile,) = chain_block_profiles(transition, length, 1)
    chain = MarkovChain(length, transition).profile()
    np.testing.assert_allclose(
        profile.conditional_entropy, chain.conditional_entropy, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("small", [1e-3, 1e-200])
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_stationary_law_spans_decades(small, order):
    """Whatever the names of the states: products of small probabilities are below 5e-324."""
    up, down = [1.0, 1 - small, 1 - small], [small, small, small]
    walk = np.diag(up, 1) + np.diag(down, -1)
    walk[3, 3] = 1 - small
    once = small / (1 - small)
    law = np.array([small * once**2, once**2, once, 1.0])  # by detailed balance
    law /= law.sum()
    entropy = sum(-x * log(x) for x in law if 0 < x < 1)
    (first,) = chain_block_profiles(walk[np.ix_(order, order)], 1, 1)
    assert first.entropy == pytest.approx(entropy, rel=1e-9, abs=0)


@pytest.mark.parametrize("transition", CHAINS)
@pytest.mark.parametrize("sizes", [([3], [3]), ([1, 2], [2, 1]), ([1, 1, 1], [1, 2])])
def test_the_error_by_definition(transition, sizes):
    """Over every order inside the blocks, of the divergence from the table of six tokens."""
    p = chain_table(transition, 6)
    first, later = (list(permutations(range(3))) for _ in range(2))
    mean = np.mean(
        [
            kl_by_definition(p, [*a, *(3 + i for i in b)], sizes[0] + sizes[1])
            for a, b in product(first, later)
        ]
    )
    profiles = chain_block_profiles(transition, 3, 2)
    assert block_kl(map(FixedSizes, sizes), profiles) == pytest.approx(mean, abs=1e-13)


def test_what_is_lost_does_not_depend_on_how_the_sequence_is_cut():
    """One position a block is one token at a time, whose entropies add up to the whole."""
    for transition in CHAINS:
        entropies = [
            sum(p.entropy for p in chain_block_profiles(transition, block, 12 // block))
            for block in (1, 2, 3, 4, 6, 12)
        ]
        assert np.ptp(entropies) < 1e-12


def test_reference_values():
    for block, blocks, steps, later, first, total, whole in [
        (32, 8, 4, 1.627329117212, 1.710844975933, 13.102148796416, 1.530733227349),
        (4, 4, 2, 0.19391812283, 0.261592502532, 0.843346871021, 0.20928821723),
    ]:
        profiles = chain_block_profiles(binary(0.9), block, blocks)
        best = [OptimalForProfile(profile, steps) for profile in profiles]
        assert expected_kl(best[0], profiles[0]) == pytest.approx(first, rel=2e-12)
        assert expected_kl(best[1], profiles[1]) == pytest.approx(later, rel=2e-12)
        assert block_kl(best, profiles) == pytest.approx(total, rel=2e-12)
        (long,) = chain_block_profiles(binary(0.9), block * blocks, 1)
        error = expected_kl(OptimalForProfile(long, blocks * steps), long)
        assert error == pytest.approx(whole, rel=2e-12)


def test_both_correlations_fall():
    for transition in CHAINS:
        (whole,) = chain_block_profiles(transition, 30, 1)
        for block in (2, 3, 5, 10):
            profiles = chain_block_profiles(transition, block, 30 // block)
            assert sum(p.total_correlation for p in profiles) < whole.total_correlation
            assert sum(p.dual_total_correlation for p in profiles) < whole.dual_total_correlation


CURVES = st.lists(
    st.lists(st.floats(0, 4) | st.integers(0, 3).map(float), min_size=1, max_size=4),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(CURVES)
def test_the_greedy_allocation_is_the_best(values):
    profiles = [InformationProfile(np.sort(h)[::-1]) for h in values]
    errors = [error_curve(p.length, OptimalForProfile, profile=p).values for p in profiles]
    least = {}
    for steps in product(*[range(1, p.length + 1) for p in profiles]):
        error = sum(values[k - 1] for values, k in zip(errors, steps, strict=True))
        least[sum(steps)] = min(error, least.get(sum(steps), np.inf))
    for steps, best in least.items():
        found = allocate_steps(profiles, steps)
        assert found.sum() == steps
        assert found.min() >= 1
        chosen = [OptimalForProfile(p, int(k)) for p, k in zip(profiles, found, strict=True)]
        assert block_kl(chosen, profiles) == pytest.approx(best, rel=1e-12, abs=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 9), min_size=3, max_size=9))
def test_the_least_error_is_convex_in_the_number_of_iterations(values):
    profile = InformationProfile(np.sort(values)[::-1])
    errors = [
        min(expected_kl(FixedSizes(s), profile) for s in compositions(profile.length, k))
        for k in range(1, profile.length + 1)
    ]
    assert np.diff(errors, 2).min() >= -1e-12


def test_equal_savings_go_to_the_earlier_block():
    profile = InformationProfile([1.0, 0.5, 0.0])
    assert allocate_steps([profile] * 3, 5).tolist() == [2, 2, 1]
    assert allocate_steps([profile] * 3, 3).tolist() == [1, 1, 1]
    assert allocate_steps([profile] * 3, 9).tolist() == [3, 3, 3]


def test_arguments():
    profiles = chain_block_profiles(binary(0.9), 4, 2)
    with pytest.raises(ValueError, match=r"schedules must be one for each of the 2 .* \[4\]"):
        block_kl([Equal(4, 2)], profiles)
    with pytest.raises(ValueError, match=r"schedules must be .* \[4, 5\]"):
        block_kl([Equal(4, 2), ShiftedEqual(5, 2)], profiles)
    with pytest.raises(TypeError, match="schedules must be of type Schedule"):
        block_kl([Equal(4, 2), Equal], profiles)
    with pytest.raises(ValueError, match=r"steps must be an integer in \[2, 8\], got 9"):
        allocate_steps(profiles, 9)
    with pytest.raises(TypeError, match="profiles must be an iterable"):
        allocate_steps(profiles[0], 2)
    with pytest.raises(ValueError, match="profiles must hold at least one"):
        allocate_steps([], 1)
    with pytest.raises(ValueError, match="block must be"):
        chain_block_profiles(binary(0.9), 0, 2)


def test_a_random_order_needs_every_iteration():
    """Of positive chains; tokens that alternate for certain take two."""
    for transition in CHAINS[:3]:
        (profile,) = chain_block_profiles(transition, 12, 1)
        assert profile.increments.min() > 1e-6
        assert error_curve(12, OptimalForProfile, profile=profile).values[:-1].min() > 1e-6
    (profile,) = chain_block_profiles([[0, 1], [1, 0]], 12, 1)
    assert expected_kl(FixedSizes([1, 11]), profile) == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize("transition", CHAINS)
@pytest.mark.parametrize(("length", "steps"), [(8, 2), (9, 5), (16, 10), (40, 7)])
def test_shifted_equal_sizes_pay_a_range(transition, length, steps):
    size = Fraction(length - 1, steps - 1)
    weights = [float(1 - r / size) for r in range(1, int(np.ceil(size)))]
    for profile in chain_block_profiles(transition, length, 2):
        h = profile.conditional_entropy
        end = sum(w * h[length - r] for r, w in enumerate(weights, 1)) / sum(weights)
        error = expected_kl(ShiftedEqual(length, steps), profile)
        assert error == pytest.approx(sum(weights) * (h[0] - end), abs=1e-12)


@pytest.mark.parametrize("transition", CHAINS)
def test_blocks_of_a_long_chain_lose_more(transition):
    block, steps = 6, 3
    for blocks in (2, 5, 20):
        profiles = chain_block_profiles(transition, block, blocks)
        (whole,) = chain_block_profiles(transition, block * blocks, 1)
        best = allocate_steps(profiles, steps * blocks)
        error = block_kl(map(OptimalForProfile, profiles, best.tolist()), profiles)
        assert error > expected_kl(OptimalForProfile(whole, steps * blocks), whole)
        assert error < expected_kl(OptimalForProfile(whole, steps), whole)
        shifted = expected_kl(ShiftedEqual(block * blocks, steps * blocks), whole)
        bound = (2 * block - 1) / (2 * (2 * steps - 1)) * whole.conditional_entropy[0]
        assert shifted <= bound


def test_blocks_of_interleaved_chains_lose_nothing():
    """Token i depends on i - 2: by definition, of six tokens in three blocks."""
    chain = chain_table(CHAINS[2], 3)
    p = np.einsum("ace,bdf->abcdef", chain, chain)
    assert kl_by_definition(p, range(6), [2, 2, 2]) == pytest.approx(0, abs=1e-14)
    whole = InformationProfile.from_joint(p)
    (single,) = chain_block_profiles(CHAINS[2], 3, 1)
    apart = InformationProfile.concatenate([single, single])
    np.testing.assert_allclose(
        whole.conditional_entropy, apart.conditional_entropy, rtol=0, atol=1e-13
    )
    assert expected_kl(OptimalForProfile(whole, 3), whole) > 0.01
