"""Exact predictors against their dense tables, and against what is known in closed form."""

from itertools import pairwise, product

import galois
import numpy as np
import pytest
import torch
from bookkit.examples import random_joint
from oracles import entropy_by_definition, p_value, with_summed_axes

from dlm_core import InformationProfile
from dlm_core.information import EstimatedProfile
from dlm_core.targets import (
    HiddenMarkov,
    MarkovChain,
    Product,
    ReedSolomon,
    Repetition,
    Tabular,
    TreePotts,
)

torch.set_num_threads(1)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def field_of(code):
    if code.alphabet_size == 2:
        return galois.GF(2)
    return galois.GF(code.alphabet_size, irreducible_poly=galois.Poly.Int(code.modulus))


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
def test_only_the_asked_for_positions_are_answered_in_row_major_order(name):
    target, _ = CASES[name]
    tokens = histories(target)
    masked = tokens == target.mask_id
    asked = masked & (torch.rand(masked.shape, generator=seeded(0)) < 0.4)
    torch.testing.assert_close(
        target(tokens, asked).exp(), target(tokens, masked).exp()[asked[masked]], rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("name", CASES)
def test_even_impossible_histories_get_normalised_rows(name):
    target, _ = CASES[name]
    tokens = histories(target)
    sums = target(tokens, tokens == target.mask_id).exp().sum(1)
    np.testing.assert_allclose(sums.numpy(), 1.0, atol=1e-12)


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
def test_no_rows_and_equal_seeds(name):
    target, _ = CASES[name]
    none = target.sample(0, seeded(0))
    assert none.shape == (0, target.length)
    assert target.log_prob(none).shape == (0,)
    assert target(none, none == target.mask_id).shape == (0, target.alphabet_size)
    nothing_asked = torch.zeros(1, target.length, dtype=torch.bool)
    assert target(target.sample(1, seeded(0)), nothing_asked).shape == (0, target.alphabet_size)
    assert target.sample(9, seeded(5)).equal(target.sample(9, seeded(5)))
    assert target.log_prob(target.sample(9, seeded(5))).dtype == torch.float64


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


def test_sampled_profiles_deviate_by_their_standard_errors(monkeypatch):
    """Each point within 5 of them, the mean square over seven cases below 4.

    Were the points of each curve one and the same, its square would be chi-square with one degree
    of freedom: false alarm with probability 2e-4.
    """
    monkeypatch.setattr("dlm_core.targets.base._MOST_WORDS", 0)
    squares = []
    for name in SAMPLED_PROFILES[:7]:
        target, p = CASES[name]
        profile = target.profile(draws=60, generator=seeded(target.length))
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
    tree = TreePotts.regular(7, 2, size, coupling)
    assert tree.length == 255
    repeat = np.exp(coupling) / (np.exp(coupling) + size - 1)
    child = entropy_by_definition([repeat, (1 - repeat) / 2, (1 - repeat) / 2])
    found = tree.profile(draws=20, generator=seeded(1)).total_correlation_estimate
    assert found.standard_error < 0.2 * found.value
    assert abs(found.deviation(254 * (np.log(size) - child))) < 5


def test_sampled_profiles_need_no_generator_and_repeat(monkeypatch):
    monkeypatch.setattr("dlm_core.targets.base._MOST_WORDS", 0)
    tree = TreePotts(PATH, 2, 1.0)
    assert (tree.profile(draws=3).estimates == tree.profile(draws=3).estimates).all()
    with pytest.raises(ValueError, match="draws must be an integer >= 2, got 1"):
        tree.profile(draws=1)


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


def test_the_strongest_couplings_stay_finite():
    for coupling, expected in ((100.0, [1.0, 0.0]), (-100.0, [0.0, 1.0])):
        tree = TreePotts(STAR, 2, coupling)
        np.testing.assert_allclose(predict(tree, [0, None, None, None]), [expected] * 3, atol=1e-15)
        np.testing.assert_allclose(predict(tree, [None, 0, 1, None]), [[0.5, 0.5]] * 2)
        assert tree.log_prob(tree.sample(50, seeded(0))).isfinite().all()


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
    "alphabet_size must be an integer >= 2, got 1": (
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
    "length must be an integer >= 1, got 0": (ValueError, lambda: Repetition(0, [1.0])),
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
    "parents must be a vector of integers": (ValueError, lambda: TreePotts([-1.0, 0.0], 2, 1.0)),
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
    with pytest.raises(TypeError, match=r"generator must be a torch\.Generator"):
        target.sample(2, np.random.default_rng(0))
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
