"""Exact predictors against their dense tables, and against what is known in closed form."""

import copy
import math
import pickle
import tracemalloc
from fractions import Fraction
from itertools import pairwise, product

import galois
import numpy as np
import pytest
import torch
from bookkit.examples import random_joint
from oracles import entropy_by_definition, p_value, small_targets, with_summed_axes

from dlm_core import InformationProfile
from dlm_core.estimation import estimate_profile
from dlm_core.information import EstimatedProfile
from dlm_core.targets import (
    HiddenMarkov,
    MarkovChain,
    Product,
    ReedSolomon,
    Repetition,
    Tabular,
    Target,
    TreePotts,
)
from dlm_core.testing import check_target

torch.set_num_threads(1)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def field_of(code):
    if code.alphabet_size == 2:
        return galois.GF(2)
    # to compile the arithmetic of a field takes seconds, which only the large field is worth
    compiled = "auto" if code.alphabet_size > 256 else "python-calculate"
    modulus = galois.Poly.Int(code.modulus)
    return galois.GF(code.alphabet_size, irreducible_poly=modulus, compile=compiled)


def values(field, messages, length):
    """Values at 0, ..., length - 1 of the polynomials with these coefficients, highest first."""
    points = field(np.arange(length))
    words = field(np.zeros((len(messages), length), dtype=np.int64))
    for coefficients in field(messages).T:
        words = words * points + coefficients[:, np.newaxis]
    return np.asarray(words, dtype=np.int64)


def table_of(length, size, weight):
    words = product(range(size), repeat=length)
    p = np.array([weight(word) for word in words]).reshape((size,) * length)
    return p / p.sum()


def chain_table(length, transition, initial):
    transition = np.array(transition)
    return table_of(
        length,
        len(initial),
        lambda w: initial[w[0]] * np.prod([transition[a, b] for a, b in pairwise(w)]),
    )


def hidden_table(length, transition, emission, initial):
    hidden, emission = chain_table(length, transition, initial), np.array(emission)
    for _ in range(length):
        hidden = np.tensordot(hidden, emission, axes=(0, 0))
    return hidden


def potts_table(parents, size, coupling):
    return table_of(
        len(parents),
        size,
        lambda w: np.exp(coupling * sum(w[i] == w[parents[i]] for i in range(1, len(w)))),
    )


def code_table(code):
    messages = np.array(list(product(range(code.alphabet_size), repeat=code.dimension)))
    p = np.zeros((code.alphabet_size,) * code.length)
    p[tuple(values(field_of(code), messages, code.length).T)] = 1 / len(messages)
    return p


WALK = [[0.7, 0.2, 0.1], [0.0, 0.4, 0.6], [0.5, 0.5, 0.0]]
WALK_STATIONARY = np.array([30, 25, 18]) / 73
COIN = [[0.9, 0.1], [0.35, 0.65]]
COIN_STATIONARY = np.array([7, 2]) / 9
SEEN = [[0.8, 0.2, 0.0], [0.0, 0.3, 0.7]]
MARGINALS = [[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.1, 0.0, 0.9], [1 / 3, 1 / 3, 1 / 3]]
SPARSE = random_joint(np.random.default_rng(1), (3, 2, 3, 2), sparsity=0.5)
DENSE = random_joint(np.random.default_rng(2), (2,) * 5)
STAR, PATH, BINARY = [-1, 0, 0, 0], [-1, 0, 1, 2], [-1, 0, 0, 1, 1]


def listed():
    p = np.zeros((4, 4, 4))
    p[0, 1, 2], p[2, 1, 0], p[2, 2, 2], p[0, 0, 2] = 0.1, 0.4, 0.2, 0.3
    return Tabular(np.argwhere(p > 0), p[p > 0], alphabet_size=4), p


def padded(p, size):
    return np.pad(p, [(0, size - axis) for axis in p.shape])


CASES = {
    "tabular": listed(),
    "tabular, dense": (Tabular.from_joint(DENSE), DENSE),
    "tabular, mixed alphabets": (Tabular.from_joint(SPARSE), padded(SPARSE, 3)),
    "product": (Product(MARGINALS), np.einsum("a,b,c,d->abcd", *np.array(MARGINALS))),
    "repetition": (
        Repetition(4, [0.2, 0.5, 0.3]),
        table_of(4, 3, lambda w: [0.2, 0.5, 0.3][w[0]] * (len(set(w)) == 1)),
    ),
    "chain": (MarkovChain(4, WALK, [0.1, 0.0, 0.9]), chain_table(4, WALK, [0.1, 0.0, 0.9])),
    "chain, stationary": (MarkovChain(5, COIN), chain_table(5, COIN, COIN_STATIONARY)),
    "chain, periodic": (
        MarkovChain(4, [[0, 1], [1, 0]]),
        chain_table(4, [[0, 1], [1, 0]], [0.5, 0.5]),
    ),
    "chain, one token": (MarkovChain(1, COIN, [0.3, 0.7]), np.array([0.3, 0.7])),
    "chain, two tokens": (MarkovChain(2, COIN, [0.3, 0.7]), chain_table(2, COIN, [0.3, 0.7])),
    "hidden": (
        HiddenMarkov(4, COIN, SEEN, [0.25, 0.75]),
        hidden_table(4, COIN, SEEN, [0.25, 0.75]),
    ),
    "hidden, stationary": (
        HiddenMarkov(3, WALK, [[0.5, 0.5], [0.9, 0.1], [0.0, 1.0]]),
        hidden_table(3, WALK, [[0.5, 0.5], [0.9, 0.1], [0.0, 1.0]], WALK_STATIONARY),
    ),
    **{
        f"tree {name}, q={size}, coupling {coupling}": (
            TreePotts(parents, size, coupling),
            potts_table(parents, size, coupling),
        )
        for name, parents, size in [
            ("star", STAR, 2),
            ("path", PATH, 3),
            ("binary", BINARY, 2),
            ("binary", BINARY, 3),
        ]
        for coupling in (1.3, -0.8)
    },
    "tree, regular": (TreePotts.regular(2, 2, 2, 0.7), potts_table([-1, 0, 0, 1, 1, 2, 2], 2, 0.7)),
    "tree, one node": (TreePotts([-1], 3, 2.0), np.full(3, 1 / 3)),
    "tree, one symbol": (TreePotts(PATH, 1, -2.0), np.ones((1,) * 4)),
    **{
        f"code [{length}, {dimension}] over GF({2**bits})": (code, code_table(code))
        for length, dimension, bits in [
            (1, 1, 1),
            (2, 1, 1),
            (2, 2, 1),
            (4, 1, 2),
            (4, 2, 2),
            (4, 3, 2),
            (3, 3, 2),
            (4, 2, 3),
            (3, 1, 3),
        ]
        for code in [ReedSolomon(length, dimension, bits)]
    },
}
SAMPLED_PROFILES = [
    name for name, (target, _) in CASES.items() if isinstance(target, HiddenMarkov | TreePotts)
]


def histories(target):
    """Every way to know some of the tokens, but not all."""
    symbols = torch.arange(target.alphabet_size + 1)
    rows = torch.cartesian_prod(*[symbols] * target.length).reshape(-1, target.length)
    return rows[(rows == target.mask_id).any(1)]


@pytest.mark.parametrize("name", CASES)
def test_every_conditional_marginal_is_that_of_the_table(name):
    target, p = CASES[name]
    chances = with_summed_axes(p)
    tokens = histories(target)
    tokens = tokens[torch.from_numpy(chances[tuple(tokens.numpy().T)] > 0)]
    masked = tokens == target.mask_id
    rows, positions = torch.nonzero(masked, as_tuple=True)
    words = tokens[rows].unsqueeze(1).repeat(1, target.alphabet_size, 1)
    symbols = torch.arange(target.alphabet_size).expand(len(rows), -1)
    words.scatter_(2, positions[:, None, None].expand(*symbols.shape, 1), symbols[:, :, None])
    expected = chances[tuple(words.numpy().transpose(2, 0, 1))]
    expected /= chances[tuple(tokens[rows].numpy().T)][:, np.newaxis]
    found = target(tokens, masked)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.exp().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_every_target_keeps_the_contract(name):
    check_target(CASES[name][0])


@pytest.mark.parametrize("name", CASES)
def test_the_joint_is_the_table(name):
    target, p = CASES[name]
    joint = target.joint()
    assert joint.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(joint, p, atol=1e-14)
    assert (joint[p == 0] == 0).all()


@pytest.mark.parametrize("name", CASES)
def test_samples_follow_the_joint(name):
    """Chi-square test over all words; false alarm with probability 1e-6 each."""
    target, p = CASES[name]
    words = target.sample(10_000, seeded(2602))
    assert words.dtype == torch.int64
    counts = np.bincount(np.ravel_multi_index(words.numpy().T, p.shape), minlength=p.size)
    assert p_value(counts, p) > 1e-6


@pytest.mark.parametrize("name", CASES)
def test_profiles_are_those_of_the_tables(name):
    target, p = CASES[name]
    np.testing.assert_allclose(
        target.profile().conditional_entropy,
        InformationProfile.from_joint(p).conditional_entropy,
        atol=1e-11,
    )


@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_profiles_of_chains_that_are_not_stationary(length):
    initial = [0.05, 0.05, 0.9]
    np.testing.assert_allclose(
        MarkovChain(length, WALK, initial).profile().conditional_entropy,
        InformationProfile.from_joint(chain_table(length, WALK, initial)).conditional_entropy,
        atol=1e-11,
    )


def test_correlations_of_a_long_chain_in_closed_form():
    length, transition = 1024, np.array(WALK)
    single = entropy_by_definition(WALK_STATIONARY)
    rate, of_two_steps = (
        sum(
            w * entropy_by_definition(row)
            for w, row in zip(WALK_STATIONARY, np.linalg.matrix_power(transition, gap), strict=True)
        )
        for gap in (1, 2)
    )
    # H(X_i | all others) is `rate` at the two ends
    inside = 2 * rate - of_two_steps
    profile = MarkovChain(length, transition).profile()
    assert profile.total_correlation == pytest.approx((length - 1) * (single - rate), rel=1e-10)
    assert profile.dual_total_correlation == pytest.approx(
        single + (length - 1) * rate - 2 * rate - (length - 2) * inside, rel=1e-10
    )


@pytest.mark.parametrize("length", [3, 40])
def test_profiles_of_chains_by_the_sums_over_subsets(length):
    """Weights of neighbours by exact binomials; each h to all digits, not only the curve."""
    rng = np.random.default_rng(length)
    transition, law = rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(3))
    singles, pairs = [], np.zeros(length)
    for i in range(length):
        singles.append(entropy_by_definition(law @ np.linalg.matrix_power(transition, i)))
        for gap in range(1, length - i):
            power = np.linalg.matrix_power(transition, gap)
            here = law @ np.linalg.matrix_power(transition, i)
            pairs[gap] += sum(
                w * entropy_by_definition(row) for w, row in zip(here, power, strict=True)
            )
    curve = [Fraction(0)]
    for t in range(1, length + 1):
        total = sum(math.comb(length - 1 - i, t - 1) * Fraction(h) for i, h in enumerate(singles))
        for gap in range(1, length if t > 1 else 1):
            total += math.comb(length - 1 - gap, t - 2) * Fraction(pairs[gap])
        curve.append(total / math.comb(length, t))
    found = MarkovChain(length, transition, law).profile().conditional_entropy
    np.testing.assert_allclose(found, [float(b - a) for a, b in pairwise(curve)], rtol=1e-12)


def test_the_profile_of_a_very_long_chain_takes_little_memory():
    length = 2000
    chain = MarkovChain(length, [[0.9, 0.1], [0.1, 0.9]])
    tracemalloc.start()
    profile = chain.profile()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 8 * length
    kept = [entropy_by_definition([0.5 + 0.5 * 0.8**gap, 0.5 - 0.5 * 0.8**gap]) for gap in (1, 2)]
    assert profile.total_correlation == pytest.approx(
        (length - 1) * (np.log(2) - kept[0]), rel=1e-12
    )
    assert profile.conditional_entropy[-1] == pytest.approx(
        (2 * kept[0] + (length - 2) * (2 * kept[0] - kept[1])) / length, rel=1e-12
    )


def test_sampled_profiles_deviate_by_their_standard_errors():
    """Each point within 5 of them, the mean square over seven cases below 4.

    Were the points of each curve one and the same, its square would be chi-square with one degree
    of freedom: false alarm with probability 2e-4.
    """
    squares = []
    for name in SAMPLED_PROFILES[:7]:
        target, p = CASES[name]
        profile = target.estimated_profile(draws=60, generator=target.length)
        assert isinstance(profile, EstimatedProfile)
        assert profile.n == 60
        error = profile.estimates - InformationProfile.from_joint(p).conditional_entropy
        sure = profile.standard_error < 1e-13
        np.testing.assert_allclose(error[sure], 0.0, atol=1e-12)
        z = error[~sure] / profile.standard_error[~sure]
        assert np.abs(z).max() < 5
        squares.append((z**2).mean())
    assert np.mean(squares) < 4


def test_sampled_profile_of_a_large_tree_has_the_known_total_correlation():
    """Within 5 standard errors; false alarm with probability 1e-4, by Student's law."""
    size, coupling = 3, 0.9
    tree = TreePotts.regular(6, 2, size, coupling)
    assert tree.length == 127
    repeat = np.exp(coupling) / (np.exp(coupling) + size - 1)
    child = entropy_by_definition([repeat, (1 - repeat) / 2, (1 - repeat) / 2])
    found = tree.estimated_profile(20, seeded(1)).total_correlation
    assert found.standard_error < 0.2 * found.value
    assert abs(found.deviation(126 * (np.log(size) - child))) < 5


def test_estimated_profiles_are_what_the_message_of_the_exact_one_says():
    tree = TreePotts.regular(4, 2, 2, 1.0)
    with pytest.raises(ValueError, match=r"got 3\*\*31: use target.estimated_profile\(draws, gen"):
        tree.profile()
    generator = seeded(3)
    same = estimate_profile(tree, tree.sample(3, generator), generator, perfect=True)
    found = tree.estimated_profile(3, seeded(3))
    assert isinstance(TreePotts(PATH, 2, 1.0).estimated_profile(2, 0), EstimatedProfile)
    assert (found.estimates == same.estimates).all()
    assert (found.estimates == tree.estimated_profile(3, 3).estimates).all()
    with pytest.raises(ValueError, match="draws must be an integer >= 2, got 1"):
        tree.estimated_profile(1, 0)
    with pytest.raises(TypeError, match="generator must be a torch.Generator"):
        tree.estimated_profile(2, np.random.default_rng(0))


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_products_by_logarithms_in_all_of_a_small_field(bits):
    code = ReedSolomon(2, 1, bits)
    field = field_of(code)
    elements = np.arange(1, 2**bits)
    by_logarithms = code._antilog[code._log[elements][:, None] + code._log[elements]]
    assert (by_logarithms.numpy() == np.multiply.outer(field(elements), field(elements))).all()


def test_products_by_logarithms_in_a_large_field():
    code = ReedSolomon(2, 1, 11)
    field = field_of(code)
    a, b = np.random.default_rng(0).integers(1, 2**11, (2, 5000))
    by_logarithms = code._antilog[code._log[a] + code._log[b]]
    assert (by_logarithms.numpy() == field(a) * field(b)).all()


@pytest.mark.parametrize("bits", range(1, 13))
def test_the_modulus_is_primitive(bits):
    modulus = galois.Poly.Int(ReedSolomon(2, 1, bits).modulus)
    assert modulus.degree == bits
    assert modulus.is_primitive()


@pytest.mark.parametrize(("length", "dimension", "bits"), [(15, 4, 4), (60, 50, 8)])
def test_erasures_are_filled_as_lagrange_does(length, dimension, bits):
    code = ReedSolomon(length, dimension, bits)
    field, rng = field_of(code), np.random.default_rng(length)
    for _ in range(3):
        places = rng.permutation(length)[:dimension]
        tokens = np.full(length, code.mask_id)
        tokens[places] = rng.integers(0, 2**bits, dimension)
        polynomial = galois.lagrange_poly(field(places), field(tokens[places]))
        row = torch.from_numpy(tokens)[None]
        found = code.interpolate(
            row,
            row != code.mask_id,
            torch.zeros(length, dtype=torch.int64),
            torch.arange(length),
        )
        assert (found.numpy() == polynomial(field(np.arange(length)))).all()


def test_interpolation_needs_as_many_symbols_as_the_dimension():
    code = ReedSolomon(4, 3, 2)
    known = torch.tensor([[True, True, False, False]])
    rows = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(ValueError, match="known must hold 3 symbols a row, got 2"):
        code.interpolate(torch.zeros(1, 4, dtype=torch.int64), known, rows, rows + 3)


@pytest.mark.parametrize("dimension", [5, 1000, 1995])
def test_codes_at_full_scale(dimension):
    code = ReedSolomon(2000, dimension, 11)
    field, rng = field_of(code), np.random.default_rng(dimension)
    words = torch.from_numpy(values(field, rng.integers(0, 2048, (2, dimension)), 2000))
    expected = torch.full((2,), -dimension * np.log(2048), dtype=torch.float64)
    torch.testing.assert_close(code.log_prob(words), expected)
    wrong = words.clone()
    wrong[torch.arange(2), torch.from_numpy(rng.integers(0, 2000, 2))] ^= 1
    assert (code.log_prob(wrong) == -torch.inf).all()

    kept = torch.from_numpy(rng.permuted(np.arange(2000) < dimension + 1, axis=0))
    erased = words.masked_fill(~kept, code.mask_id)
    asked = ~kept & torch.from_numpy(rng.random((2, 2000)) < 0.1)
    laws = code(erased, asked)
    assert (laws.argmax(1) == words[asked]).all()
    assert (laws.amax(1) == 0).all()

    drawn = code.sample(2, seeded(0))
    assert code.log_prob(drawn).isfinite().all()
    if dimension == 5:
        polynomial = galois.lagrange_poly(field(np.arange(5)), field(drawn[0, :5].numpy()))
        assert (polynomial(field(np.arange(2000))) == drawn[0].numpy()).all()


def test_fewer_symbols_than_the_dimension_say_nothing():
    code = ReedSolomon(2000, 1995, 11)
    tokens = code.sample(1, seeded(0))
    tokens[:, 1994:] = code.mask_id
    laws = code(tokens, tokens == code.mask_id)
    torch.testing.assert_close(laws, torch.full_like(laws, -np.log(2048)))


def predict(target, history):
    tokens = torch.tensor([[target.mask_id if s is None else s for s in history]])
    return target(tokens, tokens == target.mask_id).exp().numpy()


def test_impossible_histories_follow_the_nearest_words():
    target = Tabular([[0, 0, 0, 0], [0, 1, 1, 1], [1, 1, 0, 1]], [0.5, 0.3, 0.2])
    np.testing.assert_allclose(predict(target, [1, 1, 1, None]), [[0.0, 1.0]], atol=1e-15)
    np.testing.assert_allclose(predict(target, [0, None, 0, 1]), [[0.5, 0.5]], atol=1e-15)


def test_impossible_histories_of_a_repetition_follow_the_majority():
    target = Repetition(6, [0.5, 0.3, 0.2, 0.0])
    np.testing.assert_allclose(predict(target, [1, 2, 2, 0, 2, None]), [[0, 0, 1, 0]])
    np.testing.assert_allclose(predict(target, [1, 2, 2, 3, 1, None]), [[0, 0.6, 0.4, 0]])
    np.testing.assert_allclose(predict(target, [3] * 5 + [None]), [[0.5, 0.3, 0.2, 0]])


def test_impossible_histories_of_a_chain_give_the_uniform_law():
    target = MarkovChain(3, [[0, 1], [1, 0]])
    np.testing.assert_allclose(predict(target, [0, None, 1]), [[0.5, 0.5]])


def test_impossible_histories_of_a_code_follow_the_first_symbols():
    code = ReedSolomon(6, 2, 3)
    word = code.sample(1, seeded(3))[0].tolist()
    history = [word[0], None, word[2], word[3] ^ 1, None, word[5] ^ 3]
    assert predict(code, history).argmax(1).tolist() == [word[1], word[4]]


def test_impossible_histories_of_a_hidden_chain_restart_from_the_uniform_law():
    target = HiddenMarkov(4, [[0, 1], [1, 0]], np.eye(2))
    np.testing.assert_allclose(predict(target, [0, 0, None, None]), np.full((2, 2), 0.5))
    np.testing.assert_allclose(predict(target, [0, 0, 1, None]), [[1.0, 0.0]])


def test_three_ways_to_a_long_chain():
    size, coupling, length = 3, 1.2, 400
    stay = np.exp(coupling)
    transition = (np.full((size, size), 1.0) + (stay - 1) * np.eye(size)) / (stay + size - 1)
    chain = MarkovChain(length, transition)
    hidden = HiddenMarkov(length, transition, np.eye(size))
    tree = TreePotts(np.arange(-1, length - 1), size, coupling)
    words = chain.sample(20, seeded(0))
    tokens = words.masked_fill(torch.rand(words.shape, generator=seeded(1)) < 0.9, size)
    for other in (hidden, tree):
        torch.testing.assert_close(other.log_prob(words), chain.log_prob(words), rtol=1e-12, atol=0)
        torch.testing.assert_close(
            other(tokens, tokens == size), chain(tokens, tokens == size), rtol=0, atol=1e-11
        )


TINY = 1e-200


def weight_of_chain(transition, initial):
    rows = [[Fraction(float(x)) for x in row] for row in transition]
    start = [Fraction(float(x)) for x in initial]
    return lambda word: math.prod([rows[a][b] for a, b in pairwise(word)], start=start[word[0]])


def weight_of_hidden(transition, initial, emission):
    weight, seen = weight_of_chain(transition, initial), weight_of_chain(emission, [1, 1, 1])
    paths = range(len(transition))
    return lambda word: sum(
        weight(path) * math.prod(seen(pair) for pair in zip(path, word, strict=True))
        for path in product(paths, repeat=len(word))
    )


def weight_of_tree(parents, coupling):
    repeat = Fraction(math.exp(coupling))
    return lambda word: repeat ** sum(word[i] == word[parents[i]] for i in range(1, len(word)))


def rare_cases(e):
    one_way = [[1, e, 0], [0, 1, e], [0, 0, 1]]
    cycle = [[1, e, 0], [0, 1, e], [e, 0, 1]]
    flip = [[1, e], [e, 1]]
    words = [(0, 0, 0), (0, 1, 1), (1, 1, 0)]
    masses = [1, e, 1e-310]
    third = [1 / 3] * 3
    outlived = [[e, 1, 0], [1e-20, e, 1]]
    return {
        "one way": (MarkovChain(3, one_way, [1, 0, 0]), weight_of_chain(one_way, [1, 0, 0])),
        "one way, longer": (
            MarkovChain(4, one_way, [1, 0, 0]),
            weight_of_chain(one_way, [1, 0, 0]),
        ),
        "flip": (MarkovChain(4, flip), weight_of_chain(flip, [0.5, 0.5])),
        "cycle": (MarkovChain(4, cycle), weight_of_chain(cycle, third)),
        "rare start": (MarkovChain(4, cycle, [1, e, e]), weight_of_chain(cycle, [1, e, e])),
        "hidden": (
            HiddenMarkov(3, cycle, [[1, e], [e, 1], [0.5, 0.5]]),
            weight_of_hidden(cycle, third, [[1, e], [e, 1], [0.5, 0.5]]),
        ),
        "hidden, one way": (
            HiddenMarkov(3, one_way, one_way, [1, 0, 0]),
            weight_of_hidden(one_way, [1, 0, 0], one_way),
        ),
        # the first state is all but lost at the first token, and left alone by the next two
        "hidden, outlived": (
            HiddenMarkov(3, np.eye(2), outlived, [1e-90, 1]),
            weight_of_hidden(np.eye(2), [1e-90, 1], outlived),
        ),
        "repetition": (
            Repetition(3, masses),
            lambda word: Fraction(masses[word[0]]) if len(set(word)) == 1 else 0,
        ),
        "tabular": (
            Tabular(words, masses),
            lambda word: Fraction(dict(zip(words, masses, strict=True)).get(word, 0)),
        ),
        **{
            f"tree, q={size}, {coupling}, {parents}": (
                TreePotts(parents, size, coupling),
                weight_of_tree(parents, coupling),
            )
            for coupling in (100.0, -100.0)
            for size in (1, 2, 3)
            for parents in (STAR, PATH)
        },
    }


RARE = {
    f"{name}, {e}": case for e in (1e-160, 1e-200, 1e-300) for name, case in rare_cases(e).items()
}


def log_of(x):
    return math.log(x.numerator) - math.log(x.denominator) if x else -math.inf


@pytest.mark.parametrize("name", RARE)
def test_small_masses_are_never_lost(name):
    """Brute force in exact rationals: the logarithm of every chance, and where it is impossible."""
    target, weight = RARE[name]
    size = target.alphabet_size
    table = {w: weight(w) for w in product(range(size), repeat=target.length)}
    total = sum(table.values())
    chances = {w: x / total for w, x in table.items()}
    np.testing.assert_allclose(
        target.log_prob(torch.tensor(list(table))),
        [log_of(x) for x in chances.values()],
        rtol=1e-11,
    )
    for history in histories(target).tolist():
        agrees = [
            (w, x)
            for w, x in chances.items()
            if x and all(a in (b, size) for a, b in zip(history, w, strict=True))
        ]
        if agrees:
            masked = [i for i, symbol in enumerate(history) if symbol == size]
            whole = sum(x for _, x in agrees)
            expected = [
                [log_of(sum(x for w, x in agrees if w[i] == s) / whole) for s in range(size)]
                for i in masked
            ]
            tokens = torch.tensor([history])
            np.testing.assert_allclose(
                target(tokens, tokens == size), expected, rtol=1e-11, atol=1e-11
            )


def test_a_long_chain_and_a_hidden_one_agree_on_chances_beyond_float64():
    transition = [[0.99, 0.01, 0.0], [1e-9, 1 - 2e-9, 1e-9], [0.0, 0.5, 0.5]]
    chain = MarkovChain(300, transition)
    hidden = HiddenMarkov(300, transition, np.eye(3))
    tokens = torch.full((3, 300), 3)
    tokens[0, [0, 150, 299]] = torch.tensor([0, 2, 0])
    tokens[1, ::7] = torch.arange(43) % 3
    tokens[2, :200] = 2
    torch.testing.assert_close(
        chain(tokens, tokens == 3), hidden(tokens, tokens == 3), rtol=1e-9, atol=1e-9
    )
    words = torch.tensor([0, 1, 2]).repeat(100)[None]
    words[0, ::3] = 1
    assert chain.log_prob(words).isfinite().all()
    torch.testing.assert_close(chain.log_prob(words), hidden.log_prob(words), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("transition", "expected"),
    [
        ([[1, TINY], [1, 0]], [1, TINY]),
        ([[1, 1e-14], [1e-14, 1]], [0.5, 0.5]),
        ([[0.5, 0.5, 0], [0, 0.3, 0.7], [0, 0.6, 0.4]], [0, 6 / 13, 7 / 13]),
        ([[1, TINY, 0], [0, 1, TINY], [TINY, 0, 1]], [1 / 3] * 3),
        ([[1.0]], [1]),
        (WALK, WALK_STATIONARY),
    ],
)
def test_stationary_laws_keep_small_masses(transition, expected):
    rows = np.array(transition) / np.sum(transition, axis=1, keepdims=True)
    chain = MarkovChain(1, rows)
    np.testing.assert_allclose(chain.joint(), expected, rtol=1e-12)


class OneOn(Target):
    """One token is 1, the others are 0: the example of a class with the least that it needs."""

    def __init__(self, length):
        super().__init__(length, 2)

    def conditionals(self, tokens, reveal):
        masked = (tokens == self.mask_id).sum(1).double()
        seen = (tokens == 1).any(1)
        chance = torch.where(seen, 0.0, 1 / masked.clamp(min=1))
        law = torch.stack([1 - chance, chance], 1).log()
        return law[torch.nonzero(reveal, as_tuple=True)[0]]


class Constant(Target):
    """The example of the documentation."""

    def __init__(self, word, alphabet_size):
        super().__init__(len(word), alphabet_size)
        self.register_buffer("word", torch.tensor(word))

    def conditionals(self, tokens, reveal):
        certain = torch.nn.functional.one_hot(self.word, self.alphabet_size)
        return certain.double().log().expand(len(tokens), -1, -1)[reveal]


def test_a_users_target_needs_its_conditionals_only():
    check_target(OneOn(5))
    check_target(OneOn(1))
    check_target(Constant([2, 0, 1], 4))
    check_target(Biased())
    assert OneOn(5).device == torch.device("cpu")
    assert repr(OneOn(5)) == "OneOn(length=5, alphabet_size=2)"
    np.testing.assert_allclose(OneOn(2).joint(), [[0, 0.5], [0.5, 0]])


class Biased(Product):
    def __init__(self):
        super().__init__([[0.2, 0.5, 0.3], [0.5, 0.0, 0.5], [0.1, 0.1, 0.8]])


def breach(**methods):
    return type("Breach", (Biased,), methods)()


def scribbles(self, tokens, reveal):
    laws = Biased.conditionals(self, tokens, reveal)
    tokens[reveal] = 0
    return laws


def of_the_batch(self, tokens, reveal):
    laws = Biased.conditionals(self, tokens, reveal).exp() + (tokens == 0).sum() * 1e-6
    return (laws / laws.sum(1, keepdim=True)).log()


def always_drawn_alike(self, n, generator):
    return Biased.draw(self, n, torch.Generator().manual_seed(5))


BREACHES = {
    "mask_id must be alphabet_size": {"mask_id": property(lambda self: 7)},
    "log_prob must sum to one": {"log_mass": lambda self, x: Biased.log_mass(self, x) + 0.01},
    "log_prob.tokens. must have shape .*float64 .*, has .*float32": {
        "log_mass": lambda self, x: Biased.log_mass(self, x).float()
    },
    "log_prob must not write into tokens": {
        "log_mass": lambda self, x: Biased.log_mass(self, x.clone()) + 0 * x.fill_(0).sum(1)
    },
    "must not write into tokens": {"conditionals": scribbles},
    "each predicted row must sum to one": {
        "conditionals": lambda self, x, r: Biased.conditionals(self, x, r) - 0.01
    },
    "the law at position . given . . . must be": {
        "conditionals": lambda self, x, r: Biased.conditionals(self, x, r).roll(1, 1)
    },
    r"target\(tokens, reveal\) must have shape": {
        "conditionals": lambda self, x, r: Biased.conditionals(self, x, r)[:1]
    },
    "must not depend on the rest of its batch|given . . . must be": {"conditionals": of_the_batch},
    "sample must be repeated by its seed": {
        "draw": lambda self, n, g: Biased.draw(self, n, torch.default_generator)
    },
    "sample must advance its generator": {"draw": always_drawn_alike},
    "sample must not draw what has probability zero": {
        "draw": lambda self, n, g: torch.randint(0, 3, (n, 3), generator=g)
    },
    "sample must follow log_prob": {
        "draw": lambda self, n, g: Biased.draw(self, n, g).where(
            torch.rand(n, 1, generator=g) < 0.9, 2
        )
    },
    "profile must be that of the joint table": {
        "profile": lambda self: InformationProfile.product([0.1, 0.2, 0.3])
    },
    "profile must be an InformationProfile, is": {
        "profile": lambda self: self.estimated_profile(2, 0)
    },
    "must raise TypeError that begins with 'generator'": {
        "sample": lambda self, n, generator: Biased.sample(self, n, generator or 0)
    },
    r"log_prob\(.*\) must raise TypeError that begins with 'tokens'": {"log_prob": Biased.log_mass},
    r"log_prob must not raise KeyError: 'a'": {"log_mass": lambda self, x: {}["a"]},
    r"target\(tokens, reveal\) must not raise KeyError: 'a'": {
        "conditionals": lambda self, x, r: {}["a"],
        "log_mass": lambda self, x: Biased().log_mass(x),
    },
    "sample must not raise KeyError: 'a'": {"draw": lambda self, n, g: {}["a"]},
    "profile must not raise KeyError: 'a'": {"profile": lambda self: {}["a"]},
    "must not depend on torch's default device": {
        "draw": lambda self, n, g: Biased.draw(self, n, g) + torch.zeros(3, dtype=torch.int64)
    },
}


@pytest.mark.parametrize("message", BREACHES)
def test_breaches_of_the_contract_are_found(message):
    with pytest.raises(AssertionError, match=message):
        check_target(breach(**BREACHES[message]))


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(TypeError, match="target must be of type Target"):
        check_target(lambda tokens, reveal: tokens)
    for length in (11, 2**31 - 1):
        with pytest.raises(ValueError, match="target must be a small case"):
            check_target(Repetition(length, [0.2, 0.3, 0.5]))


def test_targets_cannot_be_changed():
    for target in (*small_targets().values(), OneOn(4)):
        for name in ("length", "alphabet_size", "mask_id", "device", "sample", "_place"):
            with pytest.raises(AttributeError, match=f"is immutable, its {name} cannot be changed"):
                setattr(target, name, 3)
        with pytest.raises(AttributeError, match="its length cannot be changed"):
            del target.length
        for change in (
            lambda t: t.half(),
            lambda t: t.float(),
            lambda t: t.bfloat16(),
            lambda t: t.to(torch.float32),
            lambda t: t.to("cpu", torch.float16),
            lambda t: t.to(torch.zeros(1, dtype=torch.float32)),
            lambda t: t.type(torch.int64),
            lambda t: torch.nn.ModuleList([t]).half(),
        ):
            with pytest.raises(TypeError, match="computes in float64 and cannot become torch"):
                change(target)
        for place in ("mps", torch.device("mps", 0)):
            with pytest.raises(ValueError, match="in float64, got 'mps.*: MPS has no float64"):
                target.to(place)
        for place in ("mps", "meta", "xyz", "cuda:99"):
            with pytest.raises(ValueError, match=f"^the device of .* float64, got '{place}'"):
                target.to(device=place)
        torch.nn.ModuleList([target]).train()
        assert not target.training
        words = target.sample(3, 0)
        moved = target.double().to(torch.float64).to("cpu").cpu()
        assert moved.log_prob(words).equal(moved.double().log_prob(words))
        assert moved.sample(3, 0).equal(words)
    chain = small_targets()["MarkovChain"]
    with pytest.raises(AttributeError, match="its transition cannot be changed"):
        chain.transition = torch.eye(2)
    with pytest.raises(AttributeError, match="its transition cannot be changed"):
        chain.register_buffer("transition", torch.eye(2))
    with pytest.raises(RuntimeError, match="Unexpected key"):
        chain.load_state_dict({"transition": torch.eye(2)})


def test_copies_answer_the_same():
    for target in small_targets().values():
        for other in (copy.deepcopy(target), pickle.loads(pickle.dumps(target))):
            words = other.sample(20, 1)
            assert words.equal(target.sample(20, 1))
            assert other.log_prob(words).equal(target.log_prob(words))
            assert repr(other) == repr(target)
            with pytest.raises(AttributeError, match="immutable"):
                other.length = 3


def test_targets_say_what_they_are():
    assert [repr(target) for target in small_targets().values()] == [
        "Tabular(length=4, alphabet_size=2, words=16)",
        "Product(length=4, alphabet_size=2)",
        "Repetition(length=4, alphabet_size=3)",
        "MarkovChain(length=4, alphabet_size=2)",
        "HiddenMarkov(length=4, alphabet_size=2, states=2)",
        "TreePotts(length=4, alphabet_size=3, coupling=1.5)",
        "ReedSolomon(length=4, alphabet_size=4, dimension=2)",
    ]


def test_targets_are_made_alike_whatever_the_default_device():
    expected = small_targets()
    with torch.device("meta"):
        found = {**small_targets(), "tree": TreePotts.regular(2, 2, 2, 1.0)}
        profiles = [found["HiddenMarkov"].estimated_profile(2, 0), found["TreePotts"].profile()]
    for name, target in found.items():
        assert {buffer.device for buffer in target.buffers()} == {torch.device("cpu")}
        if name in expected:
            assert target.sample(9, 0).equal(expected[name].sample(9, 0))
    assert (profiles[1].conditional_entropy > 0).all()


def test_parameters_may_come_from_a_model():
    logits = torch.tensor([[0.3, 0.1], [0.2, 0.9]], requires_grad=True)
    rows = logits.softmax(1)
    for target in (
        MarkovChain(3, rows, rows[0]),
        HiddenMarkov(3, rows, rows),
        Product(rows),
        Repetition(3, rows[0]),
        Tabular(torch.tensor([[0, 1], [1, 1]]), rows[0]),
        Tabular.from_joint(rows / 2),
        TreePotts(torch.tensor([-1, 0]), 2, logits[0, 0]),
    ):
        check_target(target)


LAW = np.full((2, 2), 0.5)
MAKERS = {
    "support must hold integers, got the dtype float64": (TypeError, lambda: Tabular([[0.0, 1.0]])),
    r"support must have shape \(N, L\), N >= 1 and L >= 1, got \(2,\)": (
        ValueError,
        lambda: Tabular([0, 1]),
    ),
    r"support must hold symbols from 0 to .*, got -1": (ValueError, lambda: Tabular([[0, -1]])),
    "support must not repeat a row, rows 0 and 2 are equal": (
        ValueError,
        lambda: Tabular([[0, 1], [1, 1], [0, 1]]),
    ),
    r"alphabet_size must be an integer in \[2, 2147483647\], got 1$": (
        ValueError,
        lambda: Tabular([[0, 1]], alphabet_size=1),
    ),
    "probabilities must be positive, got 0 in row 1": (
        ValueError,
        lambda: Tabular([[0, 1], [1, 1]], [1.0, 0.0]),
    ),
    "p must sum to 1": (ValueError, lambda: Tabular.from_joint([0.5, 0.6])),
    "probabilities must be a table with rows of probabilities, got shape": (
        ValueError,
        lambda: Product([0.5, 0.5]),
    ),
    "probabilities must be nonnegative, got the entry": (
        ValueError,
        lambda: Product([[1.5, -0.5]]),
    ),
    "probabilities must be an array of real numbers": (TypeError, lambda: Product([["a"]])),
    "probabilities must sum to 1": (ValueError, lambda: Repetition(3, [0.5, 0.6])),
    r"length must be an integer in \[1, 2147483647\], got 0": (
        ValueError,
        lambda: Repetition(0, [1.0]),
    ),
    r"length must be an integer in \[1, 2147483647\], got 10000000000000": (
        ValueError,
        lambda: Repetition(10**13, [0.5, 0.5]),
    ),
    "alphabet_size must be an integer in .*, got 1180591620717411303424": (
        ValueError,
        lambda: Tabular([[0, 1]], alphabet_size=2**70),
    ),
    r"support must hold symbols below 2\*\*31 - 1, got 1099511627776: number the symbols": (
        ValueError,
        lambda: Tabular([[0, 2**40]]),
    ),
    "powers of transition for length = 100000000 and 3 symbols would take 6.706 GiB, more than": (
        ValueError,
        lambda: MarkovChain(10**8, np.full((3, 3), 1 / 3)),
    ),
    r"at most 2\*\*24 nodes, got depth = 1000000 and branching = 2": (
        ValueError,
        lambda: TreePotts.regular(10**6, 2, 2, 1.0),
    ),
    r"at most 2\*\*24 nodes, got depth = 1 and branching = 9223372036854775807": (
        ValueError,
        lambda: TreePotts.regular(1, 2**63 - 1, 2, 1.0),
    ),
    r"at most 2\*\*24 nodes, got depth = 1000000000000 and branching = 1": (
        ValueError,
        lambda: TreePotts.regular(10**12, 1, 2, 1.0),
    ),
    "beliefs and messages of 4 nodes over 100000 symbols would take 74.51 GiB": (
        ValueError,
        lambda: TreePotts(STAR, 10**5, 1.0),
    ),
    "the profile of length 2147483647 would take 16 GiB": (
        ValueError,
        lambda: Repetition(2**31 - 1, [0.5, 0.5]).profile(),
    ),
    "n = 1000000000000 sequences of length 3 would take": (
        ValueError,
        lambda: Repetition(3, [0.5, 0.5]).sample(10**12, 0),
    ),
    r"a dense table needs at most 1048576 words, got 2\*\*2147483647": (
        ValueError,
        lambda: Repetition(2**31 - 1, [0.5, 0.5]).joint(),
    ),
    r"HiddenMarkov.profile\(\) is exact and needs .*, got 3\*\*1000000000: use": (
        ValueError,
        lambda: HiddenMarkov(10**9, LAW, LAW).profile(),
    ),
    "transition must have rows that sum to 1 within 1e-09, row 1 sums to 0.9": (
        ValueError,
        lambda: MarkovChain(3, [[0.5, 0.5], [0.5, 0.4]]),
    ),
    "transition must be square": (ValueError, lambda: MarkovChain(3, [[0.5, 0.5]])),
    "initial must have 2 entries as transition has rows, got 3": (
        ValueError,
        lambda: MarkovChain(3, LAW, [0.2, 0.3, 0.5]),
    ),
    "initial must be given: transition has more than one stationary law": (
        ValueError,
        lambda: MarkovChain(3, np.eye(2)),
    ),
    "emission must have one row for each of the 2 states, got 1": (
        ValueError,
        lambda: HiddenMarkov(3, LAW, [[0.5, 0.5]]),
    ),
    "emission must have rows that sum to 1": (
        ValueError,
        lambda: HiddenMarkov(3, LAW, [[0.5, 0.5], [1.0, 1.0]]),
    ),
    r"parents must be -1 for node 0 and in \[0, i-1\] for node i, got 2 at 1": (
        ValueError,
        lambda: TreePotts([-1, 2, 0], 2, 1.0),
    ),
    "parents must hold integers": (TypeError, lambda: TreePotts([-1.0, 0.0], 2, 1.0)),
    "parents must be a vector of integers": (ValueError, lambda: TreePotts([[-1, 0]], 2, 1.0)),
    "parents must hold integers >= -1, got -2 at index 0": (
        ValueError,
        lambda: TreePotts([-2, 0], 2, 1.0),
    ),
    "parents must have at least one entry": (ValueError, lambda: TreePotts([], 2, 1.0)),
    "parents must not be a masked array": (
        TypeError,
        lambda: TreePotts(np.ma.array([-1, 0], mask=[0, 1]), 2, 1.0),
    ),
    r"coupling must lie in \[-100, 100\], got -101": (
        ValueError,
        lambda: TreePotts([-1, 0], 2, -101),
    ),
    "branching must be an integer >= 1, got 0": (ValueError, lambda: TreePotts.regular(2, 0, 2, 1)),
    r"field_bits must be an integer in \[1, 12\], got 13": (
        ValueError,
        lambda: ReedSolomon(4, 2, 13),
    ),
    r"length must be an integer in \[1, 4\], got 5": (ValueError, lambda: ReedSolomon(5, 2, 2)),
    r"dimension must be an integer in \[1, 4\], got 5": (ValueError, lambda: ReedSolomon(4, 5, 2)),
    "dimension must be an integer": (TypeError, lambda: ReedSolomon(4, 2.0, 2)),
}


@pytest.mark.parametrize("message", MAKERS)
def test_bad_parameters_are_named(message):
    error, make = MAKERS[message]
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        (torch.zeros(1, 4), TypeError, r"tokens must be a tensor of torch\.int64, got torch.float"),
        (np.zeros((1, 4), int), TypeError, r"tokens must be a tensor of torch\.int64, got int64"),
        (torch.zeros(4).long(), ValueError, r"tokens must have shape \(n, 4\), got \(4,\)"),
        (torch.zeros(1, 5).long(), ValueError, r"tokens must have shape \(n, 4\), got \(1, 5\)"),
        (torch.tensor([[0, 1, 2, 4]]), ValueError, r"tokens must lie in \[0, {high}\], got 4"),
        (torch.tensor([[0, -1, 2, 4]]), ValueError, r"tokens must lie in \[0, {high}\], got -1"),
    ],
)
def test_bad_tokens_are_named(tokens, error, message):
    target = CASES["product"][0]
    with pytest.raises(error, match=message.format(high=3)):
        target(tokens, torch.zeros(1, 4, dtype=torch.bool))
    with pytest.raises(error, match=message.format(high=2)):
        target.log_prob(tokens)


def test_masks_have_no_log_probability():
    with pytest.raises(ValueError, match=r"tokens must lie in \[0, 2\], got 3"):
        CASES["product"][0].log_prob(torch.full((1, 4), 3))


def test_bad_requests_are_named():
    target = CASES["product"][0]
    tokens = torch.tensor([[0, 3, 0, 3], [3, 0, 0, 0]])
    with pytest.raises(TypeError, match=r"reveal must be a tensor of torch\.bool, got torch.int64"):
        target(tokens, tokens)
    with pytest.raises(ValueError, match="reveal must have the shape and device of tokens"):
        target(tokens, tokens[:1] == 3)
    with pytest.raises(ValueError, match="masked positions only, got row 1, position 3"):
        target(tokens, torch.tensor([[False, True, False, True], [False, False, False, True]]))
    for generator in (np.random.default_rng(0), np.random.RandomState(0)):
        with pytest.raises(TypeError, match=r"generator must be a torch\.Generator .* got numpy's"):
            target.sample(2, generator)
    for generator in (None, True, 0.5):
        with pytest.raises(TypeError, match=r"generator must be a torch\.Generator .* got"):
            target.sample(2, generator)
    assert target.sample(9, np.int64(5)).equal(target.sample(9, seeded(5)))
    with pytest.raises(ValueError, match="n must be an integer >= 0, got -1"):
        target.sample(-1, seeded(0))
    with pytest.raises(TypeError, match="n must be an integer >= 0"):
        target.sample(2.0, seeded(0))


def test_tables_too_large_to_write_down_are_refused():
    with pytest.raises(ValueError, match=r"at most 1048576 words, got 2\*\*21"):
        Repetition(21, [0.5, 0.5]).joint()


def test_tables_beyond_one_chunk_are_cut(monkeypatch):
    target, _ = CASES["tabular, dense"]
    tokens = histories(target)
    masked = tokens == target.mask_id
    whole, likelihood = target(tokens, masked), target.log_prob(tokens[:0] + 0)
    monkeypatch.setattr("dlm_core.targets.tables._CHUNK", 2**10)
    assert target(tokens, masked).equal(whole)
    assert target.log_prob(tokens[:0]).equal(likelihood)


def test_codes_beyond_one_chunk_are_cut(monkeypatch):
    code = ReedSolomon(60, 50, 8)
    whole = code.sample(5, seeded(0))
    monkeypatch.setattr("dlm_core.targets.codes._CHUNK", 2**7)
    assert code.sample(5, seeded(0)).equal(whole)


def test_autocast_leaves_codewords_as_they_are():
    code = ReedSolomon(200, 100, 8)
    words = code.sample(5, 0)
    shown = words.clone()
    shown[:, ::3] = code.mask_id
    masked = shown == code.mask_id
    laws = code(shown, masked)
    with torch.autocast("cpu", torch.bfloat16):
        assert code.sample(5, 0).equal(words)
        assert code.log_prob(words).isfinite().all()
        assert code(shown, masked).equal(laws)


class WithNetwork(Product):
    def __init__(self, add):
        super().__init__(MARGINALS)
        add(self, torch.nn.Sequential(torch.nn.Dropout(0.5)))


@pytest.mark.parametrize(
    "add",
    [
        lambda target, network: setattr(target, "net", network),
        lambda target, network: target.add_module("net", network),
        lambda target, network: target.register_module("net", network),
    ],
)
def test_parts_of_a_target_are_in_evaluation_mode(add):
    target = WithNetwork(add)
    assert not any(part.training for part in target.modules())
    check_target(target)
    target.net[0].train()
    with pytest.raises(AssertionError, match="evaluation mode"):
        check_target(target)


def test_a_model_around_a_target_is_told_that_it_may_be_half_converted():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), Product(MARGINALS))
    with pytest.raises(TypeError, match="the parts before it may be converted already"):
        model.half()


def test_large_supports_are_looked_up_and_not_compared_pair_by_pair():
    p = np.random.default_rng(0).dirichlet(np.ones(2**14)).reshape((2,) * 14)
    tracemalloc.start()
    np.testing.assert_allclose(Tabular.from_joint(p).joint(), p, rtol=1e-12)
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    law = Tabular([[0, 1], [2, 1]], [0.25, 0.75])
    found = law.log_prob(torch.tensor([[2, 1], [1, 1], [0, 1], [0, 0], [2, 1]]))
    np.testing.assert_array_equal(found.exp(), [0.75, 0, 0.25, 0, 0.75])


def test_predictions_in_parts_of_rows_are_the_same(monkeypatch):
    target = Tabular.from_joint(SPARSE)
    tokens = target.sample(50, 0)
    tokens[torch.rand(tokens.shape, generator=seeded(1)) < 0.6] = target.mask_id
    masked = tokens == target.mask_id
    whole = target(tokens, masked)
    monkeypatch.setattr("dlm_core.targets.tables._CHUNK", 2 * target.support.numel())
    assert target(tokens, masked).equal(whole)
    assert target(tokens[:0], masked[:0]).shape == (0, target.alphabet_size)


def test_predictions_beyond_memory_are_refused():
    target = Tabular([[0, 1], [1, 0]], alphabet_size=2**31 - 1)
    tokens = torch.full((1, 2), target.mask_id)
    with pytest.raises(ValueError, match="the prediction would take 32 GiB"):
        target(tokens, tokens == target.mask_id)


class WithPlainTensor(Product):
    def __init__(self):
        super().__init__(MARGINALS)
        self.table = torch.ones(3)


class WithParameter(Product):
    def __init__(self):
        super().__init__(MARGINALS)
        self.shift = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

    def conditionals(self, tokens, reveal):
        return super().conditionals(tokens, reveal) + self.shift


@pytest.mark.filterwarnings("error")
def test_parameters_pass_the_contract_and_plain_tensors_do_not():
    check_target(WithParameter())
    with pytest.raises(AssertionError, match=r"register_buffer.*\['table'\]"):
        check_target(WithPlainTensor())
