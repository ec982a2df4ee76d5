"""Entropies and correlations: against definitions, dit, closed forms, and known sampling laws."""

import warnings

import dit
import numpy as np
import pytest
import torch
from bookkit.examples import alternating, random_joint
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import entropy_by_definition, reed_solomon_table
from scipy.special import digamma
from scipy.stats import binom, chi2

from dlm_core.information import (
    dual_total_correlation,
    entropy,
    estimate_dual_total_correlation,
    estimate_total_correlation,
    samples,
    total_correlation,
)

MEASURES = [entropy, total_correlation, dual_total_correlation]
ESTIMATORS = {
    estimate_total_correlation: total_correlation,
    estimate_dual_total_correlation: dual_total_correlation,
}

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)
seeds = st.integers(0, 2**32 - 1)
sparsities = st.sampled_from([0.0, 0.5, 0.9])


def support_of(p):
    return np.argwhere(p > 0), p[p > 0]


def samples_from(p, n, rng):
    cells = rng.choice(p.size, size=n, p=p.ravel())
    return np.stack(np.unravel_index(cells, p.shape), axis=1)


def marginal_entropies(p, kept):
    axes = range(p.ndim)
    return [
        entropy_by_definition(p.sum(axis=tuple(a for a in axes if a not in kept(axis))))
        for axis in axes
    ]


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=seeds, sparsity=sparsities)
def test_tables_agree_with_the_definitions(shape, seed, sparsity):
    p = random_joint(np.random.default_rng(seed), shape, sparsity)
    whole = entropy_by_definition(p)
    singles = marginal_entropies(p, lambda axis: {axis})
    rests = marginal_entropies(p, lambda axis: set(range(p.ndim)) - {axis})
    assert entropy(p) == pytest.approx(whole, abs=1e-13)
    assert total_correlation(p) == pytest.approx(sum(singles) - whole, abs=1e-12)
    expected = whole - sum(whole - rest for rest in rests)
    assert dual_total_correlation(p) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=seeds, sparsity=sparsities)
def test_a_support_gives_what_its_table_gives(shape, seed, sparsity):
    p = random_joint(np.random.default_rng(seed), shape, sparsity)
    rows, masses = support_of(p)
    for measure in MEASURES:
        sparse = measure(support=rows, probabilities=masses)
        assert sparse == pytest.approx(measure(p), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=seeds, sparsity=sparsities)
def test_correlations_are_nonnegative_and_blind_to_names_and_order(shape, seed, sparsity):
    rng = np.random.default_rng(seed)
    p = random_joint(rng, shape, sparsity)
    renamed = p[np.ix_(*(rng.permutation(q) for q in shape))].transpose(rng.permutation(p.ndim))
    rows, masses = support_of(p)
    spread = (7 * rows + 1_000_000)[:, rng.permutation(p.ndim)]
    for measure in MEASURES:
        value = measure(p)
        assert value >= 0
        assert measure(renamed) == pytest.approx(value, abs=1e-12)
        assert measure(support=spread, probabilities=masses) == pytest.approx(value, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(sizes=shapes, seed=seeds)
def test_a_product_has_no_correlation(sizes, seed):
    rng = np.random.default_rng(seed)
    p = np.ones(())
    for q in sizes:
        p = np.multiply.outer(p, rng.dirichlet(np.ones(q)))
    for measure in (total_correlation, dual_total_correlation):
        assert 0 <= measure(p) < 1e-12


def test_what_rounding_adds_to_a_sum_of_probabilities_is_no_correlation():
    p = np.full((2,) * 16, 2.0**-16) * (1 + 9e-10)
    for measure in (total_correlation, dual_total_correlation):
        assert 0 <= measure(p) < 1e-12
    assert entropy(p, unit="bits") == pytest.approx(16, abs=1e-12)
    assert str(entropy([1.0, 0.0])) == "0.0"


def test_a_softmax_in_single_precision_is_a_table():
    logits = torch.arange(24.0).reshape(2, 3, 4).mul(0.7).sin()
    p = logits.flatten().softmax(0).reshape(2, 3, 4)
    assert p.dtype == torch.float32
    exact = p.double() / p.double().sum()
    for measure in MEASURES:
        assert measure(p) == pytest.approx(measure(exact.numpy()), abs=1e-12)
        rows = np.argwhere(np.ones(p.shape, dtype=bool))
        law = {"support": rows, "probabilities": p.flatten()}
        assert measure(**law) == pytest.approx(measure(p), abs=1e-12)
    with pytest.raises(ValueError, match="float32"):
        entropy(p.numpy().astype(np.float64) * (1 + 1e-6))


@pytest.mark.parametrize("shape", [(2,) * 10, (2,) * 12, (2,) * 14, (5, 3, 2, 4), (30, 40)])
def test_agrees_with_dit(shape):
    p = random_joint(np.random.default_rng(7), shape, sparsity=0.3)
    names = [f"x{axis}" for axis in range(p.ndim)]
    theirs = dit.Distribution.from_array(p, names, [list(range(q)) for q in shape])
    for measure in MEASURES:
        bits = getattr(dit.multivariate, measure.__name__)(theirs)
        assert measure(p, unit="bits") == pytest.approx(bits, abs=1e-12 / np.log(2))
        assert measure(p) == pytest.approx(bits * np.log(2), abs=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_reed_solomon_codewords(dimension):
    p = reed_solomon_table(5, dimension, 5)
    rows, masses = support_of(p)
    assert len(rows) == 5**dimension
    for given_as in ({"p": p}, {"support": rows, "probabilities": masses}, {"support": rows}):
        assert entropy(**given_as) == pytest.approx(dimension * np.log(5))
        assert total_correlation(**given_as) == pytest.approx((5 - dimension) * np.log(5))
        assert dual_total_correlation(**given_as) == pytest.approx(dimension * np.log(5))


def test_two_points_of_256_symbols():
    support = [[0] * 256, [9] * 256]
    assert entropy(support=support, unit="bits") == pytest.approx(1)
    assert total_correlation(support=support, unit="bits") == pytest.approx(255)
    assert dual_total_correlation(support=support, unit="bits") == pytest.approx(1)
    uneven = entropy([0.1, 0.9])
    law = {"support": support, "probabilities": [0.1, 0.9]}
    assert total_correlation(**law) == pytest.approx(255 * uneven)
    assert dual_total_correlation(**law) == pytest.approx(uneven)


def test_codewords_beyond_any_table():
    """4,096 words of 64 bits: a position is private if no other word differs there alone."""
    rng = np.random.default_rng(0)
    messages = (np.arange(4096)[:, np.newaxis] >> np.arange(12)) & 1
    words = np.hstack([messages, messages @ rng.integers(0, 2, (12, 52)) % 2])
    weights = words.sum(axis=1)
    lonely = {int(word.argmax()) for word in words[weights == 1]}
    assert entropy(support=words, unit="bits") == pytest.approx(12)
    assert total_correlation(support=words, unit="bits") == pytest.approx(52)
    assert dual_total_correlation(support=words, unit="bits") == pytest.approx(12 - len(lonely))


def test_positions_are_counted_whatever_their_symbols():
    """More rows and positions than are counted at once, and alphabets of many kinds."""
    rng = np.random.default_rng(0)
    words = rng.integers(0, rng.choice([1, 2, 9, 300], 50), (3000, 50))
    words[:, 0] = np.arange(3000)  # so that all differ
    words[:, 1] *= 11
    masses = rng.dirichlet(np.ones(3000))
    singles = [entropy_by_definition(np.bincount(word, masses)) for word in words.T]
    expected = pytest.approx(sum(singles) - entropy_by_definition(masses), abs=1e-10)
    for spread in (1, 10**9):
        assert total_correlation(support=spread * words, probabilities=masses) == expected


def test_rows_that_any_one_sum_confuses_are_told_apart():
    """Rows (a, 0) and (0, b) have one sum under the weights (b, a), these among them."""
    for seed in range(8):
        for b, a in np.random.default_rng(seed).integers(-(2**63) + 1, 2**63 - 1, (1, 2)):
            rows = [[abs(a), 0], [0, abs(b)], [1, 1]]
            assert entropy(support=rows) == pytest.approx(np.log(3))
            with pytest.raises(ValueError, match="rows 1 and 3 are equal"):
                entropy(support=[*rows, [0, abs(b)], [1, 1]])


def test_a_row_of_probability_zero_changes_nothing():
    rows = [[0, 0], [1, 1], [0, 1]]
    law = {"support": rows, "probabilities": [0.5, 0.5, 0.0]}
    assert total_correlation(**law) == pytest.approx(np.log(2))
    assert dual_total_correlation(**law) == pytest.approx(np.log(2))


def test_torch_tensors_are_taken():
    p = random_joint(np.random.default_rng(3), (2, 3, 2))
    rows, masses = support_of(p)
    for measure in MEASURES:
        value = measure(p)
        assert measure(torch.tensor(p)) == value
        assert measure(torch.tensor(p, requires_grad=True)) == value
        law = {"support": torch.tensor(rows), "probabilities": torch.tensor(masses)}
        assert measure(**law) == pytest.approx(value, abs=1e-13)
    samples = samples_from(p, 500, np.random.default_rng(4))
    for estimator in ESTIMATORS:
        assert estimator(torch.tensor(samples)) == estimator(samples)
        assert estimator(OnDevice(samples)) == estimator(samples)


class OnDevice:
    """A tensor that must be copied to main memory first."""

    def __init__(self, array, attached=True):
        self.array, self.attached = array, attached

    def detach(self):
        return OnDevice(self.array, attached=False)

    def cpu(self):
        assert not self.attached
        return self.array

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert a device tensor to numpy")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_yes_and_no_count_as_one_and_zero(estimator):
    bits = samples_from(alternating(3, noise=0.1), 500, np.random.default_rng(0))
    assert estimator(bits.astype(bool)) == estimator(bits)
    assert estimator(bits.astype(np.uint8)) == estimator(bits)
    found = estimator(bits)
    assert (type(found.value), type(found.standard_error), type(found.n)) == (float, float, int)


# ---------------------------------------------------------------------------- from samples


def chao_wang_jost(counts):
    """The estimator as its authors write it."""
    n = counts.sum()
    once, twice = (counts == 1).sum(), (counts == 2).sum()
    seen = sum(c / n * (digamma(n) - digamma(c)) for c in counts)
    if once == 0:
        return seen
    a = 2 * twice / ((n - 1) * once + 2 * twice)
    if twice == 0:
        a = 2 / ((n - 1) * (once - 1) + 2)
    if a == 1:
        return seen
    partial = sum((1 - a) ** r / r for r in range(1, n))
    return seen + once / n * (1 - a) ** (1 - n) * (-np.log(a) - partial)


@pytest.mark.parametrize(
    "counts", [[5, 4, 1], [1, 1, 1, 7], [2, 2, 2, 1, 1, 3], [1, 9], [10], [1] * 8 + [2, 3, 30]]
)
def test_entropy_estimate_and_its_deletions_as_published(counts):
    counts = np.array(counts)
    value, unseen, without = samples._sampled_entropy(counts)
    assert value == pytest.approx(chao_wang_jost(counts), abs=1e-9)
    assert 0 <= unseen <= value
    for group, left in enumerate(without):
        fewer = counts.copy()
        fewer[group] -= 1
        assert left == pytest.approx(chao_wang_jost(fewer[fewer > 0]), abs=1e-9)


def quietly(estimator, samples):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator(samples)


@pytest.mark.parametrize(("estimator", "weight"), [*zip(ESTIMATORS, (1, 2), strict=True)])
def test_standard_error_is_the_jackknife_and_a_nat_for_what_was_not_seen(estimator, weight):
    """Two samples are the only ones of their kind; another new one would change less."""
    p, rare = random_joint(np.random.default_rng(5), (3, 2, 2)), [[3, 3, 3], [4, 4, 4], [5, 5, 5]]
    samples = np.vstack([samples_from(p, 796, np.random.default_rng(6)), rare, rare[:1]])
    counts = np.unique(samples, axis=0, return_counts=True)[1]
    assert ((counts == 1).sum(), (counts == 2).sum()) == (2, 1)
    n, once = 800, 2
    stated = estimator(samples)
    without = [quietly(estimator, np.delete(samples, i, axis=0)).value for i in range(n)]
    jackknife = np.sqrt((n - 1) * np.var(without))
    assert jackknife > 2 * (1 + np.log(n)) / n
    assert stated.standard_error == pytest.approx(np.hypot(jackknife, weight * once / n), rel=1e-6)
    assert estimator(samples[::-1]).value == pytest.approx(stated.value, abs=1e-12)
    bits = estimator(samples, unit="bits")
    assert bits.value == pytest.approx(stated.value / np.log(2))
    assert bits.standard_error == pytest.approx(stated.standard_error / np.log(2))
    assert stated.n == bits.n == n


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("length", [2, 3, 8])
@pytest.mark.parametrize("n", [20, 21, 1000, 10**5])
def test_equal_samples_are_no_proof(estimator, length, n):
    """Of every seven laws with a second word of probability 2/n, one shows none of it."""
    law = {"support": [[0] * length, [1] * length], "probabilities": [1 - 2 / n, 2 / n]}
    found = estimator(np.full((n, length), 7))
    assert found.value == pytest.approx(0, abs=1e-12)
    assert ESTIMATORS[estimator](**law) <= 1.96 * found.standard_error
    weight = length - 1 if estimator is estimate_total_correlation else 1
    assert found.standard_error == pytest.approx(weight * (1 + np.log(n)) / n)
    one_constant = np.zeros((n, length), dtype=int)
    one_constant[: n // 2, 0] = 1
    assert estimator(one_constant).standard_error >= found.standard_error


@pytest.mark.parametrize("length", [3, 4, 5])
def test_a_word_known_to_all_but_its_whole_weighs_most_in_the_dual_correlation(length):
    """Of the 2^(L-1) words without parity errors every other word is a neighbour of L."""
    even = np.argwhere(np.indices((2,) * length).sum(axis=0) % 2 == 0)
    samples = np.repeat(even, 50, axis=0)
    found = estimate_dual_total_correlation(samples)
    assert found.standard_error == pytest.approx(
        (length - 1) * (1 + np.log(len(samples))) / len(samples)
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_curvature_alone_makes_an_error(estimator):
    """Each of 1,600 pairs ten times: no sample has an influence, and the rank is large."""
    samples = np.repeat(np.argwhere(np.ones((40, 40))), 10, axis=0)
    least = 39**2 / np.sqrt(2 * 1599) / 16_000
    assert least > 2 * (1 + np.log(16_000)) / 16_000
    assert estimator(samples).standard_error == pytest.approx(least, rel=1e-9)


def held_without_warning(estimator, p, n, repetitions, rng):
    """How often the interval held the truth, out of how often it came without a warning."""
    truth, held, given = ESTIMATORS[estimator](p), 0, 0
    for _ in range(repetitions):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = estimator(samples_from(p, n, rng))
            except ValueError as refusal:
                assert "samples are too few" in str(refusal)
                continue
        if not caught:
            given += 1
            held += abs(found.value - truth) <= 1.96 * found.standard_error
    return held, given


def zipf_copies(exponent, noise):
    """One of 8 symbols, of probability 1/rank^exponent, and two copies, redrawn evenly at times."""
    law = np.arange(1.0, 9.0) ** -exponent
    copy = (1 - noise) * np.eye(8) + noise / 8
    return np.einsum("a,ab,ac->abc", law / law.sum(), copy, copy)


@pytest.mark.parametrize(
    ("make", "n"),
    [
        (lambda: alternating(4, noise=0.02), 500),
        (lambda: alternating(4, noise=0.005), 2000),
        (lambda: zipf_copies(0.5, 0.1), 2000),
        (lambda: zipf_copies(1.0, 0.1), 2000),
    ],
)
def test_dual_correlation_holds_where_rare_words_are_not_seen(make, n):
    """A coverage of 90 % would fail in one run out of 1e6."""
    rng = np.random.default_rng(16)
    held, given = held_without_warning(estimate_dual_total_correlation, make(), n, 200, rng)
    assert given >= 100
    assert held >= binom.ppf(1e-6, given, 0.9)


def markov_chain(length):
    p = np.full(3, 1 / 3)
    for _ in range(length - 1):
        p = p[..., np.newaxis] * (0.55 * np.eye(3) + 0.15)
    return p


def repeated_symbol(law, length):
    p = np.zeros((len(law),) * length)
    np.einsum("i" * length + "->i", p)[:] = law
    return p


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: np.full((2,) * 6, 2.0**-6),
        lambda: repeated_symbol([0.3, 0.7], 8),
        lambda: repeated_symbol([0.01, 0.99], 4),
        lambda: (np.indices((2,) * 4).sum(axis=0) % 2 == 0) / 8,
        lambda: alternating(4, noise=0.005),
        lambda: alternating(4, noise=0.02),
        lambda: alternating(8, noise=0.1),
        lambda: repeated_symbol(1 / np.arange(1, 9) / (1 / np.arange(1, 9)).sum(), 3),
        lambda: zipf_copies(0.5, 0.1),
        lambda: zipf_copies(1.0, 0.02),
        lambda: markov_chain(4),
        lambda: random_joint(np.random.default_rng(1), (3, 3, 3)),
        lambda: random_joint(np.random.default_rng(1), (2,) * 6),
    ],
)
def test_intervals_without_a_warning_cover(estimator, make):
    """A coverage of 90 % would fail at one size in one run out of 1e5."""
    p, rng = make(), np.random.default_rng(17)
    for n in (50, 200, 500, 2000, 10_000):
        held, given = held_without_warning(estimator, p, n, 400, rng)
        if given >= 200:
            assert held >= binom.ppf(1e-5, given, 0.9), n


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("name", "n"), [("noisy word", 1000), ("random table", 1000), ("random table", 3000)]
)
def test_intervals_cover_at_their_stated_rate(estimator, name, n):
    """Rates of 94 to 97.5 % would pass; at either end the false-alarm rate is 1e-4."""
    tables = {
        "noisy word": alternating(4, noise=0.1),
        "random table": random_joint(np.random.default_rng(8), (3, 3, 2)),
    }
    p, rng, repetitions = tables[name], np.random.default_rng([9, n]), 500
    truth = ESTIMATORS[estimator](p)
    held = 0
    for _ in range(repetitions):
        estimate = quietly(estimator, samples_from(p, n, rng))
        held += abs(estimate.value - truth) <= 1.96 * estimate.standard_error
    assert binom.ppf(1e-4, repetitions, 0.94) <= held <= binom.isf(1e-4, repetitions, 0.975)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("table", [np.full((2, 2), 0.25), alternating(4, noise=0.0)])
def test_where_the_error_is_of_second_order_intervals_are_wide_and_centred(estimator, table):
    """There n times the error is (chi2_1 - 1)/2 times a constant: sd from the table, mean 0."""
    rng, n, repetitions = np.random.default_rng(10), 400, 600
    truth = ESTIMATORS[estimator](table)
    estimates = [estimator(samples_from(table, n, rng)) for _ in range(repetitions)]
    errors = np.array([estimate.value for estimate in estimates]) - truth
    stated = np.array([estimate.standard_error for estimate in estimates])
    constant = 3 if estimator is estimate_total_correlation and table.ndim == 4 else 1
    deviation = constant * np.sqrt(chi2.var(1)) / (2 * n)
    # Five standard errors of the mean: a false alarm in 1e6 cases.
    assert abs(errors.mean()) < 5 * deviation / np.sqrt(repetitions)
    assert (np.abs(errors) <= 1.96 * stated).mean() >= 0.98


def test_estimates_are_refused_where_the_joint_alphabet_is_undersampled():
    samples = np.random.default_rng(11).integers(0, 3, (400, 8))
    once = int((np.unique(samples, axis=0, return_counts=True)[1] == 1).sum())
    assert once > 200
    with pytest.raises(ValueError, match=f"the joint alphabet is undersampled, {once} of 400"):
        estimate_total_correlation(samples)
    with pytest.raises(ValueError, match=r"the joint alphabet is undersampled.*weight 7"):
        estimate_dual_total_correlation(samples)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_half_of_the_samples_may_be_alone(estimator):
    words = np.concatenate([np.arange(60).repeat(2), np.arange(60, 180)])
    samples = np.stack([words, words], axis=1)
    with pytest.warns(UserWarning, match=r"is 0\.5 \(above"):
        estimator(samples)
    with pytest.raises(ValueError, match="122 of 240 samples are the only ones of their kind"):
        estimator(np.vstack([samples[2:], [[200, 200], [201, 201]]]))


def test_the_alphabet_at_fault_is_named():
    rng = np.random.default_rng(12)
    bits = rng.integers(0, 2, (300, 1))
    samples = np.hstack([bits, bits, rng.permutation(300)[:, np.newaxis]])
    with pytest.raises(ValueError, match="the alphabet of position 2 is undersampled, 300 of 300"):
        estimate_total_correlation(samples)
    with pytest.raises(ValueError, match="the joint alphabet is undersampled, 300 of 300"):
        estimate_dual_total_correlation(samples)


def test_a_result_that_hangs_on_a_guess_is_refused():
    """Half as many samples as words: few are alone, yet the unseen outweighs the error bar."""
    samples = np.random.default_rng(13).integers(0, 2, (4000, 12))
    with pytest.raises(ValueError, match=r"the joint alphabet is undersampled, what 4000 samples"):
        estimate_total_correlation(samples)


def test_a_doubtful_sample_brings_a_warning_and_an_honest_interval():
    p, rng = alternating(6, noise=0.15), np.random.default_rng(14)
    samples = samples_from(p, 80, rng)
    with pytest.warns(UserWarning, match="the joint alphabet is undersampled") as caught:
        estimate = estimate_total_correlation(samples)
    assert caught[0].filename == __file__
    assert abs(estimate.value - total_correlation(p)) < 3 * estimate.standard_error


def with_odd_ones(n, odd):
    """``n`` copied bits, each of the other words as often as listed."""
    bits = np.arange(n - sum(odd)) % 2
    words = [np.full((times, 2), 2 + word) for word, times in enumerate(odd)]
    return np.vstack([np.stack([bits, bits], axis=1), *words])


def test_two_singles_without_a_pair_bring_a_warning():
    for estimator in ESTIMATORS:
        for odd in ([1], [1, 2], [1, 1, 2]):
            estimator(with_odd_ones(300, odd))
        with pytest.warns(UserWarning, match="2 of 300 samples are the only ones") as caught:
            estimator(with_odd_ones(300, [1, 1]))
        assert caught[0].filename == __file__


def test_two_singles_that_cannot_matter_bring_none():
    p = repeated_symbol([0.2, 0.8], 2)
    samples = samples_from(p, 20_000, np.random.default_rng(15))
    for estimator in ESTIMATORS:
        estimator(np.vstack([samples, [[2, 2], [3, 3]]]))
        with pytest.warns(UserWarning, match="the only ones of their kind"):
            estimator(np.vstack([samples[:500], [[2, 2], [3, 3]]]))


def test_a_warning_is_due_from_a_tenth_on():
    """Ten words alone of 100, nine of 91, beside pairs: the share is a tenth, or less."""
    bits = np.repeat([[0, 0], [1, 1]], 43, axis=0)
    pairs = np.repeat([[2, 2], [3, 3]], 2, axis=0)
    alone = np.arange(4, 15)[:, np.newaxis].repeat(2, axis=1)
    at_the_limit = np.vstack([bits, pairs, alone[:10]])
    assert len(at_the_limit) == 100
    beyond = np.vstack([bits, pairs, alone])
    for estimator in ESTIMATORS:
        estimator(at_the_limit)
        with pytest.warns(UserWarning, match=r"is 0\.11 \(above 0\.1\)"):
            estimator(beyond)


@settings(max_examples=40, deadline=None)
@given(shape=shapes, seed=seeds, n=st.integers(20, 300))
def test_estimates_are_blind_to_names_and_order(shape, seed, n):
    rng = np.random.default_rng(seed)
    rows = samples_from(random_joint(rng, shape), n, rng)
    names = rng.integers(0, 2**62, max(shape))
    others = names[rows][rng.permutation(n)][:, rng.permutation(len(shape))]
    for estimator in ESTIMATORS:
        try:
            found = quietly(estimator, rows)
        except ValueError:
            with pytest.raises(ValueError, match="samples are too few"):
                quietly(estimator, others)
            continue
        again = quietly(estimator, others)
        assert again.value == pytest.approx(found.value, abs=1e-11)
        assert again.standard_error == pytest.approx(found.standard_error, abs=1e-11)


@settings(max_examples=30, deadline=None)
@given(shape=shapes, seed=seeds, n=st.integers(20, 200))
def test_samples_that_come_twice_leave_nothing_to_guess(shape, seed, n):
    """Nothing was seen once, and what is left of the estimator is a sum of digammas."""
    rng = np.random.default_rng(seed)
    rows = samples_from(random_joint(rng, shape), n, rng).repeat(2, axis=0)
    length = len(shape)

    def seen(columns):
        counts = np.unique(rows[:, columns], axis=0, return_counts=True)[1] if columns else [2 * n]
        return sum(c / (2 * n) * (digamma(2 * n) - digamma(c)) for c in counts)

    positions = list(range(length))
    total = sum(seen([i]) for i in positions) - seen(positions)
    rests = sum(seen([j for j in positions if j != i]) for i in positions)
    dual = rests - (length - 1) * seen(positions)
    assert quietly(estimate_total_correlation, rows).value == pytest.approx(total, abs=1e-10)
    assert quietly(estimate_dual_total_correlation, rows).value == pytest.approx(dual, abs=1e-10)


def test_one_position_has_no_correlation():
    samples = np.repeat(np.arange(4), 25)[:, np.newaxis]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for estimator in ESTIMATORS:
            estimate = estimator(samples)
            assert (estimate.value, estimate.standard_error) == (0.0, 0.0)


two = [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: entropy(), ValueError, "either the table p or its support, got neither"),
        (lambda: entropy([1.0], support=two), ValueError, "got both"),
        (lambda: entropy([1.0], probabilities=[1.0]), ValueError, "must come with support"),
        (lambda: entropy([1.0], unit="nat"), ValueError, "unit must be one of 'nats', 'bits'"),
        (lambda: entropy([]), ValueError, "p must have at least one axis and entry"),
        (lambda: total_correlation([[0.5, np.nan]]), ValueError, r"p must be finite, got nan"),
        (lambda: total_correlation([[1.5, -0.5]]), ValueError, "p must be nonnegative"),
        (lambda: dual_total_correlation([0.5, 0.4]), ValueError, "p must sum to 1"),
        (lambda: entropy(support=[0, 1]), ValueError, r"support must have shape \(N, L\)"),
        (lambda: entropy(support=[[], []]), ValueError, r"support must have shape .*\(2, 0\)"),
        (lambda: entropy(support=[[0], [0, 1]]), ValueError, "support must have rows of one len"),
        (lambda: entropy(support=[[0.0, 1.0]]), TypeError, "support must hold integers"),
        (lambda: entropy(support=[["a"]]), TypeError, "support must hold integers"),
        (lambda: entropy(support=[[0, -1]]), ValueError, "got -1 at row 0, position 1"),
        (
            lambda: entropy(support=np.array([[2**64 - 1]], dtype=np.uint64)),
            ValueError,
            "support must hold symbols from 0 to",
        ),
        (lambda: entropy(support=[[1], [2], [1]]), ValueError, "rows 0 and 2 are equal"),
        (
            lambda: entropy(support=two, probabilities=[1.0]),
            ValueError,
            "probabilities must have one entry for each of the 2 rows",
        ),
        (lambda: entropy(support=two, probabilities=[0.5, 0.6]), ValueError, "must sum to 1"),
        (lambda: entropy(support=two, probabilities=[1.5, -0.5]), ValueError, "nonnegative"),
        (
            lambda: entropy(np.ma.masked_array([0.5, 0.5], mask=[0, 1])),
            TypeError,
            "p must not be a",
        ),
        (lambda: entropy([[0.5], [0.25, 0.25]]), ValueError, "p must have rows of one length"),
        (lambda: entropy(np.array([1.0]), support=np.array(two)), ValueError, "got both"),
        (
            lambda: entropy(np.array([0.5, 0.5]), unit=np.array(["bits"])),
            ValueError,
            "unit must be",
        ),
        (lambda: entropy("ab"), TypeError, "p must be an array of real numbers"),
        (
            lambda: total_correlation(support=np.ma.masked_equal(two, 1)),
            TypeError,
            "support must not be a masked array",
        ),
        (
            lambda: estimate_total_correlation(np.ma.masked_equal(two * 20, 1)),
            TypeError,
            "samples must not be a masked array",
        ),
        (
            lambda: estimate_total_correlation(["ABAB", "BABA"] * 100),
            TypeError,
            "number the symbols of a column by numpy.unique",
        ),
        (
            lambda: estimate_dual_total_correlation(np.full((30, 2), "a")),
            TypeError,
            "number the symbols of a column by numpy.unique",
        ),
        (lambda: estimate_total_correlation(two), ValueError, "samples must have at least 20 rows"),
        (lambda: estimate_total_correlation([0] * 30), ValueError, "samples must have shape"),
        (
            lambda: estimate_dual_total_correlation(np.zeros((30, 2))),
            TypeError,
            "samples must hold integers",
        ),
        (
            lambda: estimate_dual_total_correlation(np.full((30, 2), -3)),
            ValueError,
            "samples must hold symbols from 0",
        ),
        (
            lambda: estimate_total_correlation(np.zeros((30, 2), int), unit="hartley"),
            ValueError,
            "unit must be one of",
        ),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
