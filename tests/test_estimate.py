"""Estimates with standard errors, and profiles estimated from a mask predictor."""

import numpy as np
import pytest
import torch

from dlm_core.error import certificate, expected_kl
from dlm_core.estimation import estimate_profile
from dlm_core.information import Estimate, EstimatedProfile, InformationProfile
from dlm_core.schedules import Equal, Minimax, TCAdaptive
from dlm_core.targets import MarkovChain, Product, Repetition

torch.set_num_threads(1)

# many predictors here know nothing of the data
pytestmark = pytest.mark.filterwarnings("ignore::dlm_core.estimation.PredictorWarning")

COIN = [[0.9, 0.1], [0.35, 0.65]]
STATIONARY = np.array([7, 2]) / 9
CHAIN = MarkovChain(6, COIN)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_mean_and_standard_error_of_draws():
    found = Estimate.from_draws([1, 2, 3, 6])
    assert found == Estimate(3.0, np.sqrt(14 / 3 / 4), 4)
    assert Estimate.from_draws(torch.tensor([1.0, 2.0, 3.0, 6.0])) == found


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_deviation_counts_standard_errors(scale):
    found = Estimate(3.0 * scale, 0.5 * scale, 10)
    assert found.deviation(2.0 * scale) == pytest.approx(2.0)
    assert found.deviation(4.0 * scale) == pytest.approx(-2.0)
    assert found.deviation(3.0 * scale) == 0.0


def test_deviation_is_zero_where_only_rounding_differs():
    tight = Estimate(0.1 + 0.2, 1e-18, 10)
    assert tight.deviation(0.3) == 0.0
    assert Estimate(0.0, 0.0, 10).deviation(0.0) == 0.0
    assert Estimate.from_draws([0.1] * 10).deviation(0.1) == 0.0


def test_deviation_is_infinite_where_an_error_of_zero_is_wrong():
    sure = Estimate(1.0, 0.0, 10)
    assert sure.deviation(0.9) == np.inf
    assert sure.deviation(1.1) == -np.inf
    assert sure.deviation(1.0 + 1e-14) == 0.0


def test_estimates_print_their_error_and_size():
    assert str(Estimate(0.1234567, 0.00123, 12_000)) == "0.123457 ± 0.0012 (n = 12,000)"


def test_estimates_are_immutable():
    with pytest.raises(AttributeError):
        Estimate(1.0, 0.1, 2).value = 2.0


def test_estimates_are_plain_numbers_and_equal_by_value():
    found = Estimate(np.float64(0.5), np.float32(0.25), np.int64(3), note="of a coin")
    assert [type(x) for x in (found.value, found.standard_error, found.n)] == [float, float, int]
    assert found == Estimate(0.5, 0.25, 3)
    assert hash(found) == hash(Estimate(0.5, 0.25, 3))
    assert str(found) == "0.5 ± 0.25 (n = 3), of a coin"
    assert found.upper() == 1.0
    assert found.upper(standard_errors=0) == 0.5
    drawn = Estimate.from_draws(np.arange(5, dtype=np.float32))
    assert [type(x) for x in (drawn.value, drawn.standard_error, drawn.n)] == [float, float, int]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Estimate(np.nan, 0.1, 2), ValueError, "value must be finite, got nan"),
        (lambda: Estimate("1", 0.1, 2), TypeError, "value must be"),
        (
            lambda: Estimate(1.0, -0.1, 2),
            ValueError,
            "standard_error must be nonnegative, got -0.1",
        ),
        (lambda: Estimate(1.0, np.inf, 2), ValueError, "standard_error must be finite"),
        (lambda: Estimate(1.0, 0.1, 0), ValueError, "n must be an integer >= 1, got 0"),
        (lambda: Estimate(1.0, 0.1, 2.0), TypeError, "n must be an integer"),
        (lambda: Estimate(1.0, 0.1, 2, None), TypeError, "note must be of type str"),
        (lambda: Estimate(1.0, 0.1, 2).upper(-1), ValueError, "standard_errors must be nonneg"),
        (lambda: Estimate(1.0, 0.1, 2).deviation("a"), TypeError, "expected must be"),
    ],
)
def test_bad_estimates_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("draws", "error", "message"),
    [
        ([1.0], ValueError, "draws must hold at least 2 numbers, got 1"),
        ([], ValueError, "draws must hold at least 2 numbers, got 0"),
        ([[1.0, 2.0]], ValueError, "draws must have 1 axis"),
        ([1.0, np.inf], ValueError, r"draws must be finite, got inf at index \(1,\)"),
        ("ab", TypeError, "draws must be an array of real numbers"),
    ],
)
def test_bad_draws_are_named(draws, error, message):
    with pytest.raises(error, match=message):
        Estimate.from_draws(draws)


@pytest.mark.parametrize("perfect", [False, True])
def test_a_profile_from_a_perfect_predictor_is_the_exact_one(perfect):
    """Each point, TC and DTC within 5 standard errors; false alarm with probability 1e-5."""
    exact = CHAIN.profile()
    found = estimate_profile(CHAIN, CHAIN.sample(400, seeded(1)), seeded(2), perfect=perfect)
    assert isinstance(found, EstimatedProfile)
    assert found.n == 400
    error = np.abs(found.estimates - exact.conditional_entropy)
    assert (error <= 5 * found.standard_error + 1e-12).all()
    assert abs(found.total_correlation.deviation(exact.total_correlation)) < 5
    assert abs(found.dual_total_correlation.deviation(exact.dual_total_correlation)) < 5


def test_entropies_vary_less_than_surprises():
    tokens = CHAIN.sample(200, seeded(1))
    surprises, entropies = (
        estimate_profile(CHAIN, tokens, seeded(2), perfect=perfect) for perfect in (False, True)
    )
    assert (entropies.standard_error < surprises.standard_error).all()
    assert entropies.standard_error[0] < 1e-15


def test_a_wrong_predictor_gives_its_cross_entropies():
    """Each point within 5 standard errors; false alarm with probability 4e-6."""
    guess = np.array([0.6, 0.4])
    cross_entropy = -STATIONARY @ np.log(guess)
    assert (cross_entropy > CHAIN.profile().conditional_entropy).all()
    found = estimate_profile(Product([guess] * 6), CHAIN.sample(400, seeded(3)), seeded(4))
    assert (np.abs(found.estimates - cross_entropy) <= 5 * found.standard_error).all()


def test_a_predictor_that_learned_nothing_has_no_price_and_no_certificate():
    """One bit written 24 times has TC = 23 log 2, of which a constant predictor shows nothing."""

    class Constant:
        mask_id = 2

        def __call__(self, tokens, reveal):
            return torch.full((int(reveal.sum()), 2), -np.log(2), dtype=torch.float64)

    law = Repetition(24, [0.5, 0.5])
    schedule = TCAdaptive(24, 2)
    assert expected_kl(schedule, law.profile()) > 9
    found = estimate_profile(Constant(), law.sample(16, seeded(1)), seeded(2))
    price = found.price(schedule)
    assert price == Estimate(0.0, 0.0, 16)
    assert str(price).endswith("on the predictor that was measured")
    with pytest.raises(TypeError, match="on the predictor that was measured"):
        certificate(schedule, found)
    with pytest.raises(ValueError, match=r"total_correlation must be of a distribution, got 0 ±"):
        certificate(schedule, total_correlation=found.total_correlation)
    assumed = found.assume_ideal()
    made = certificate(schedule, total_correlation=assumed.total_correlation)
    assert made.basis == "estimate plus 2 standard errors, if the predictor is ideal"
    assert all("if the predictor is ideal" in str(b) for b in made.bounds if b.value is not None)
    assert EstimatedProfile.from_dict(assumed.to_dict()) == assumed != found


def test_the_price_on_an_exact_predictor_is_the_expected_error():
    """Within 5 standard errors; false alarm with probability 1e-6 each."""
    found = estimate_profile(CHAIN, CHAIN.sample(400, seeded(5)), seeded(6))
    for schedule in (TCAdaptive(6, 2), Equal(6, 3), Minimax(6, 2, "tc")):
        price = found.price(schedule)
        assert price.standard_error > 0
        assert abs(price.deviation(expected_kl(schedule, CHAIN.profile()))) < 5


def test_marginals_bound_the_curve_from_above_and_hide_all_correlation():
    found = estimate_profile(Product([STATIONARY] * 6), CHAIN.sample(400, seeded(3)), seeded(4))
    entropy = -STATIONARY @ np.log(STATIONARY)
    assert (np.abs(found.estimates - entropy) <= 5 * found.standard_error).all()
    assert (found.estimates > CHAIN.profile().conditional_entropy - 5 * found.standard_error).all()
    assert abs(found.total_correlation.deviation(0.0)) < 5


@pytest.mark.parametrize("length", [1, 2])
def test_profiles_of_very_short_sequences(length):
    chain = MarkovChain(length, COIN)
    found = estimate_profile(chain, chain.sample(300, seeded(0)), seeded(1))
    error = np.abs(found.estimates - chain.profile().conditional_entropy)
    assert (error <= 5 * found.standard_error).all()


# What the first edition found: recorded results rest on these numbers.
FOUND = [
    0.4601082563634672,
    0.49698241799678167,
    0.5003060645452408,
    0.30596684315951056,
    0.147325926529388,
    0.07337628177783778,
    0.07840354349355587,
    0.13006862414585507,
]


@pytest.mark.parametrize("perfect", [False, True])
def test_the_same_seed_gives_the_same_profile_whatever_the_batch(perfect, monkeypatch):
    chain = MarkovChain(8, COIN)
    tokens = chain.sample(3, seeded(1))
    first = estimate_profile(chain, tokens, seeded(2), perfect=perfect)
    if not perfect:
        np.testing.assert_allclose(first.estimates, FOUND, rtol=1e-12)
    before = torch.get_rng_state()
    for batch in (1, 2, 7, 16, 10**6):
        again = estimate_profile(chain, tokens, seeded(2), perfect=perfect, batch=batch)
        np.testing.assert_allclose(again.estimates, first.estimates, rtol=1e-14)
    monkeypatch.setattr("dlm_core.estimation._MOST_ENTRIES", 10)
    monkeypatch.setattr("dlm_core._laws._CHUNK", {"cpu": 4})
    again = estimate_profile(chain, tokens, seeded(2), perfect=perfect)
    np.testing.assert_allclose(again.estimates, first.estimates, rtol=1e-14)
    assert torch.get_rng_state().equal(before)


def test_a_seed_orders_independently_of_data_drawn_by_the_same_seed():
    """Keys that drew the tokens, too, would reveal the likely ones first: 5 standard errors."""
    fair, biased = Product([[0.5, 0.5]] * 8), Product([[0.1, 0.9]] * 8)
    found = estimate_profile(biased, fair.sample(500, 0), 0)
    cross_entropy = -np.log([0.1, 0.9]).mean()
    assert (np.abs(found.estimates - cross_entropy) < 5 * found.standard_error).all()
    assert found == estimate_profile(biased, fair.sample(500, 0), 0)


class Watched:
    """The law of ten tokens, that keeps what it is asked."""

    mask_id = 3

    def __init__(self, symbols=3):
        self.shown, self.symbols = [], symbols

    def __call__(self, tokens, reveal):
        # but for a first call, which only tells the number of symbols
        assert tokens.eq(3).equal(reveal) or (not self.shown and reveal.sum() == 1)
        self.shown.append(tokens)
        return torch.zeros(1, self.symbols).expand(int(reveal.sum()), -1)

    def most(self):
        return max(map(len, self.shown)), max(int(t.eq(3).sum()) for t in self.shown)


def test_a_batch_holds_sequences_of_several_levels_and_rows():
    tokens = torch.zeros(4, 10).long()
    watched = Watched()
    estimate_profile(watched, tokens, 0, batch=38)
    assert list(map(len, watched.shown)) == [1, 38, 38]
    assert [t.eq(3).any(1).all() for t in watched.shown] == [True] * 3


def test_a_prediction_stays_within_memory_where_no_batch_is_given(monkeypatch):
    """Also with a large vocabulary a call is shown more than one sequence where there is room."""
    tokens = torch.zeros(4, 10).long()
    monkeypatch.setattr("dlm_core.estimation._MOST_ENTRIES", 126_464 * 12)
    watched = Watched(126_464)
    estimate_profile(watched, tokens, 0)
    sequences, masks = watched.most()
    assert sequences > 5 and masks <= 12
    assert len(watched.shown) < 4 * 19 / 1.5
    monkeypatch.setattr("dlm_core.estimation._MOST_ENTRIES", 3)
    monkeypatch.setattr("dlm_core.estimation._MOST_TOKENS", 50)
    watched = Watched()
    estimate_profile(watched, tokens, 0)
    assert watched.most() == (1, 10)
    monkeypatch.setattr("dlm_core.estimation._MOST_ENTRIES", 2**26)
    watched = Watched()
    estimate_profile(watched, tokens, 0)
    assert watched.most()[0] == 5


def test_a_prompt_is_never_masked_and_conditions_the_profile():
    """Each point within 5 standard errors; false alarm with probability 1e-5."""
    length, prompt = 6, torch.tensor([2, 1, 2, 2, 0, 2])
    joint = CHAIN.joint()[:, 1, :, :, 0, :]
    exact = InformationProfile.from_joint(joint / joint.sum())
    tokens = CHAIN.sample(4000, seeded(7))
    tokens = tokens[((tokens == prompt) | (prompt == 2)).all(1)]
    asked = []

    def watched(shown, reveal):
        assert shown[:, [1, 4]].eq(torch.tensor([1, 0])).all()
        asked.append(reveal.sum())
        return CHAIN(shown, reveal)

    found = estimate_profile(watched, tokens, 3, mask_id=2, given=prompt)
    assert found.length == length - 2
    assert sum(asked) == 1 + len(tokens) * (4 + 3 + 2 + 4)
    error = np.abs(found.estimates - exact.conditional_entropy)
    assert (error <= 5 * found.standard_error + 1e-12).all()
    rows = estimate_profile(CHAIN, tokens, 3, given=prompt.expand_as(tokens))
    assert (rows.estimates == found.estimates).all()


def test_rows_may_have_prompts_of_their_own():
    """With one free position each, the mean surprise of two known conditional laws."""
    chain, tokens = MarkovChain(3, COIN), torch.tensor([[0, 1, 1], [1, 1, 0]])
    found = estimate_profile(chain, tokens, 0, given=torch.tensor([[2, 1, 1], [1, 1, 2]]))
    p = chain.joint()
    expected = -np.log([p[0, 1, 1] / p[:, 1, 1].sum(), p[1, 1, 0] / p[1, 1].sum()])
    np.testing.assert_allclose(found.estimates, [expected.mean()], rtol=1e-12)


def test_a_progress_bar_counts_predictions(capsys):
    estimate_profile(Watched(), torch.zeros(4, 10).long(), 0, batch=38, progress=True)
    assert "2/2" in capsys.readouterr().err
    estimate_profile(Watched(), torch.zeros(4, 10).long(), 0)
    assert capsys.readouterr().err == ""


def test_the_predictor_is_asked_for_every_number_of_known_tokens():
    asked = []

    class Watched:
        mask_id, alphabet_size = 2, 2

        def __call__(self, tokens, reveal):
            # but for the first call
            assert ((tokens == 2) == reveal).all() or not asked
            asked.extend(reveal.sum(1).tolist())
            return CHAIN(tokens, reveal)

    estimate_profile(Watched(), CHAIN.sample(2, seeded(1)), seeded(2))
    asked_for_the_alphabet, *asked = asked
    assert asked_for_the_alphabet == 1
    assert asked == 2 * [6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 1]


def test_a_predictor_with_parameters_is_not_trained():
    class Learned(torch.nn.Module):
        mask_id = 2

        def __init__(self):
            super().__init__()
            self.scores = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
            self.eval()

        def forward(self, tokens, reveal):
            return self.scores.log_softmax(0).expand(int(reveal.sum()), -1)

    found = estimate_profile(Learned(), CHAIN.sample(3, seeded(1)), seeded(2))
    np.testing.assert_allclose(found.estimates, np.log(2))


DATA = torch.zeros(2, 6).long()


@pytest.mark.parametrize(
    ("tokens", "arguments", "error", "message"),
    [
        (DATA[:1], {}, ValueError, "rows of tokens must be .* >= 2, got 1"),
        (DATA[:, :0], {}, ValueError, "columns of tokens must be .* >= 1, got 0"),
        (DATA[0], {}, TypeError, r"tokens must be .*shape \(n, L\), got"),
        (DATA.double(), {}, TypeError, r"tokens must be .*torch\.int64"),
        ([[0, 1]], {}, TypeError, "tokens must be of type Tensor, got .* of type list"),
        (
            DATA + 2,
            {},
            ValueError,
            "tokens must have no mask, got mask_id = 2 .* row 0, position 0",
        ),
        (DATA - 1, {}, ValueError, "tokens must hold symbols .*got -1 at row 0, position 0"),
        (DATA + 3, {}, ValueError, r"tokens .*in \[0, 1\].*got 3 at row 0, position 0"),
        (DATA, {"generator": None}, TypeError, r"generator must be a torch\.Generator"),
        (DATA, {"batch": 0}, ValueError, "batch must be an integer >= 1, got 0"),
        (DATA, {"batch": 2.0}, TypeError, "batch must be an integer >= 1, got 2.0"),
        (DATA, {"perfect": 1}, TypeError, "perfect must be True or False, got 1"),
        (DATA, {"progress": None}, TypeError, "progress must be True or False, got None"),
        (DATA, {"given": [2] * 6}, TypeError, "given must be of type Tensor, got .* list"),
        (
            DATA,
            {"given": DATA[0, 1:]},
            ValueError,
            r"given must .*\(6,\) or \(2, 6\), got .*\(5,\)",
        ),
        (DATA, {"given": DATA.int()}, ValueError, r"given must be .*bool.*got torch\.int32"),
        (DATA, {"given": DATA}, ValueError, "given must leave at least 1 .* none in row 0"),
        (
            DATA,
            {"given": DATA.bool() | torch.tensor([[False], [True]])},
            ValueError,
            "given must leave at least 1 .* none in row 1",
        ),
        (
            DATA,
            {"given": torch.tensor([[2, 2, 2, 2, 2, 2], [2, 2, 2, 0, 0, 0]])},
            ValueError,
            "given must leave as many .* two rows at least, got one row with 3 of them",
        ),
        (
            DATA,
            {"given": torch.tensor([2, 2, 1, 2, 2, 2])},
            ValueError,
            "tokens must agree with given, got 0 at row 0, position 2",
        ),
        (DATA, {"points": [0, 6]}, ValueError, r"points must hold integers in \[0, 5\], got 6"),
        (DATA, {"points": [3, 1]}, ValueError, "points must increase, got 1 after 3"),
        (DATA, {"points": []}, ValueError, "points must be at least one, got none"),
        (DATA, {"checkpoint": 3}, TypeError, "checkpoint must be a path, got 3"),
        (DATA, {"checkpoint": "no/such/x"}, ValueError, "checkpoint must lie in a folder that"),
    ],
)
@pytest.mark.parametrize("by_function", [False, True])
def test_bad_data_are_named(tokens, arguments, error, message, by_function):
    predictor = (lambda tokens, reveal: CHAIN(tokens, reveal)) if by_function else CHAIN
    with pytest.raises(error, match=message):
        estimate_profile(predictor, tokens, **({"generator": 0, "mask_id": 2} | arguments))


def test_a_token_of_probability_zero_has_no_finite_surprise():
    certain = Product([[1.0, 0.0]] * 3)
    tokens = torch.tensor([[0, 0, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="predictor must give a positive prob.*zero in row 1"):
        estimate_profile(certain, tokens, 0)


@pytest.mark.parametrize("perfect", [False, True])
def test_data_that_the_predictor_calls_impossible_are_refused(perfect):
    target = Repetition(4, [0.5, 0.5])
    tokens = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]])
    with pytest.raises(ValueError, match="positive probability.*row 1"):
        estimate_profile(target, tokens, seeded(0), perfect=perfect)


def test_the_predictor_is_shown_no_history_that_is_not_in_the_data():
    target = Repetition(4, [0.0, 0.5, 0.5])

    def strict(tokens, reveal):
        known = (tokens < 3) & (tokens != tokens.amin(1, keepdim=True)) | (tokens == 0)
        laws = target(tokens, reveal).clone()
        laws[known.any(1)[reveal.nonzero()[:, 0]]] = torch.nan
        return laws

    tokens = target.sample(5, seeded(0))
    found = estimate_profile(strict, tokens, seeded(1), mask_id=3)
    expected = estimate_profile(target, tokens, seeded(1))
    np.testing.assert_array_equal(found.estimates, expected.estimates)
