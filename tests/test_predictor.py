"""What counts as a mask predictor, how it is asked, and what is refused before or on the way."""

from functools import partial

import numpy as np
import pytest
import torch

from dlm_core.error import monte_carlo_kl
from dlm_core.estimation import estimate_profile
from dlm_core.predictor import MaskPredictor, torch_generator
from dlm_core.sampler import generate, log_likelihood
from dlm_core.schedules import Equal, TCAdaptive
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

# many predictors here know nothing of the data
pytestmark = pytest.mark.filterwarnings("ignore::dlm_core.estimation.PredictorWarning")

CPU = torch.device("cpu")
COIN = [[0.9, 0.1], [0.35, 0.65]]
LAW = Product(np.random.default_rng(0).dirichlet(np.ones(3), 4))
WORDS = LAW.sample(3, torch.Generator().manual_seed(0))
ORDERS = ["random", "confidence", [[3, 1, 0, 2]] * 3]


def function(tokens, reveal):
    return LAW(tokens, reveal)


class Network(torch.nn.Module):
    """Scores of a table of parameters."""

    mask_id = 3

    def __init__(self):
        super().__init__()
        self.scores = torch.nn.Parameter(LAW(torch.full((1, 4), 3), torch.ones(1, 4).bool()))
        self.eval()

    def forward(self, tokens, reveal):
        return self.scores[reveal.nonzero()[:, 1]]


class WithMask(Network):
    """One whose answers have a column for the mask."""

    def forward(self, tokens, reveal):
        return torch.nn.functional.pad(super().forward(tokens, reveal), (0, 1))


class Returning:
    """A predictor that returns a given value, or what a given function makes of the number."""

    mask_id = 3

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, tokens, reveal):
        return self.answer(int(reveal.sum())) if callable(self.answer) else self.answer


def answers(predictor, order="random", **arguments):
    """All that the three ways to ask a predictor say."""
    made = generate(predictor, TCAdaptive(4, 2), 3, seed=1, order=order, **arguments)
    scored = log_likelihood(predictor, TCAdaptive(4, 2), WORDS, seed=1, order=order, **arguments)
    profile = estimate_profile(predictor, WORDS, 5, **arguments)
    return made.tokens, made.log_prob, scored, torch.tensor(profile.estimates)


@pytest.mark.parametrize("order", ORDERS, ids=["random", "confidence", "given"])
def test_a_function_a_network_and_a_target_are_asked_alike(order):
    expected = answers(LAW, order)
    for predictor, arguments in [
        (function, {"mask_id": 3}),
        (Network(), {}),
        (Network(), {"mask_id": 3}),
        (WithMask(), {}),
    ]:
        for result, value in zip(answers(predictor, order, **arguments), expected, strict=True):
            torch.testing.assert_close(result, value)
            assert not result.requires_grad


@pytest.mark.parametrize("order", ["random", "confidence"])
@pytest.mark.parametrize("masks", [4, 2])
def test_a_predictor_cannot_change_what_it_is_shown(order, masks):
    """Neither where all rows are asked for nor where some are done."""
    given = torch.tensor([[0, 1, 2, 0, 3, 3], [0, 1, 2, 1, 2, 3], [3, 3, 3, 3, 1, 1]])[:masks]

    def spoiler(tokens, reveal):
        logs = torch.zeros(int(reveal.sum()), 3)
        tokens.add_(1)
        reveal.fill_(True)
        return logs

    made = generate(spoiler, Equal(6, 3), tokens=given, order=order, mask_id=3)
    assert made.tokens[given != 3].equal(given[given != 3])
    assert (made.tokens < 3).all()
    clean = generate(Returning(lambda n: torch.zeros(n, 3)), Equal(6, 3), tokens=given, order=order)
    assert made.tokens.equal(clean.tokens)
    tokens = torch.zeros(3, 4).long()
    assert log_likelihood(spoiler, Equal(4, 2), tokens, mask_id=3, order=order).equal(
        torch.full((3,), 4 * -np.log(3), dtype=torch.float64)
    )
    np.testing.assert_allclose(
        estimate_profile(spoiler, tokens, 0, mask_id=3).estimates, np.log(3), rtol=1e-15
    )


@pytest.mark.parametrize("order", ["random", "confidence"])
def test_a_table_that_a_predictor_hands_out_is_not_written_into(order):
    table = torch.zeros(12, 4, dtype=torch.float64)
    made = generate(lambda tokens, reveal: table[: reveal.sum()], Equal(4, 2), 3, mask_id=2)
    assert table.eq(0).all() and made.tokens.ne(2).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_predictions_of_any_precision_are_drawn_in_float64(dtype):
    law = torch.tensor([0.5, 0.25, 0.25]).log().to(dtype)
    made = generate(Returning(lambda n: law.repeat(n, 1)), Equal(6, 2), 50)
    exact = generate(Returning(lambda n: law.double().repeat(n, 1)), Equal(6, 2), 50)
    assert made.log_prob.dtype == torch.float64
    assert made.tokens.equal(exact.tokens) and made.log_prob.equal(exact.log_prob)


def test_gradients_and_inference_mode_are_left_behind():
    def learning(tokens, reveal):
        with torch.enable_grad():
            return Network()(tokens, reveal).requires_grad_()

    @torch.inference_mode()
    def inferring(tokens, reveal):
        return Network()(tokens, reveal)

    for predictor in (learning, inferring):
        for result, value in zip(answers(predictor, mask_id=3), answers(LAW), strict=True):
            torch.testing.assert_close(result, value)
            assert not result.requires_grad
    with torch.inference_mode():
        torch.testing.assert_close(answers(LAW)[0], answers(Network())[0])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: torch.zeros(n + 1, 3), r"shape \(4, V\), got \(5, 3\)"),
        (lambda n: torch.zeros(n), r"shape \(4, V\), got \(4,\)"),
        (lambda n: torch.zeros(2, n // 2, 3), r"shape \(4, V\), got \(2, 2, 3\)"),
        (lambda n: torch.zeros(n, 0), r"shape \(4, V\), got \(4, 0\)"),
        (None, r"as a torch.Tensor of shape \(4, V\), got NoneType"),
        (lambda n: np.zeros((n, 3)), r"as a torch.Tensor of shape \(4, V\), got ndarray"),
        (lambda n: [[0.0] * 3] * n, r"as a torch.Tensor of shape \(4, V\), got list"),
        (lambda n: torch.zeros(n, 3).long(), "in floating point, got torch.int64"),
        (lambda n: torch.zeros(n, 3).cfloat(), "in floating point, got torch.complex64"),
        (lambda n: torch.zeros(n, 3, device="meta"), "on cpu, where the tokens are, got .* meta"),
        (lambda n: torch.full((n, 3), torch.nan), r"got NaN, .*row 0 is nan"),
        (lambda n: torch.full((n, 3), torch.inf), r"got NaN, infinity or .*row 0 is inf"),
        (lambda n: torch.full((n, 3), -torch.inf), "a row without a possible symbol .*row 0"),
        (lambda n: torch.eye(4)[[0, 1, 3, 3]].log(), "a row without a possible symbol .*row 2"),
    ],
)
@pytest.mark.parametrize("order", ["random", "confidence"])
def test_wrong_predictions_are_refused(answer, message, order):
    with pytest.raises(ValueError, match="predictor must return log-prob.*" + message):
        generate(Returning(answer), Equal(2, 1), 2, order=order)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_predictions_of_one_byte_are_taken(dtype):
    logs = torch.tensor([[-2.0, -0.5, -1.0, -4.0]]).to(dtype)
    one_byte, wide = (
        generate(Returning(lambda n, x=x: x.expand(n, -1)), Equal(4, 2), 3)
        for x in (logs, logs.double())
    )
    assert (one_byte.tokens == wide.tokens).all()
    torch.testing.assert_close(one_byte.log_prob, wide.log_prob, rtol=0, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_logits_that_happen_to_sum_to_about_one_are_taken(seed):
    share = torch.rand(1, generator=torch.Generator().manual_seed(seed))
    logits = torch.stack([share, 1.001 - share], 1).double()
    generate(Returning(lambda n: logits[:n]), Equal(1, 1), 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [2, 1000])
@pytest.mark.parametrize("one_row", [False, True])
def test_probabilities_in_place_of_their_logarithms_are_refused(dtype, size, one_row):
    logs = torch.randn(16, size, generator=torch.Generator().manual_seed(0))
    predictor = Returning(
        lambda n: (
            logs[:1].softmax(1).to(dtype).expand(n, -1)
            if one_row
            else logs[:n].softmax(1).to(dtype)
        )
    )
    predictor.mask_id = size
    for ask in (
        lambda: generate(predictor, Equal(4, 2), 2),
        lambda: log_likelihood(predictor, Equal(4, 2), torch.zeros(2, 4).long()),
        lambda: estimate_profile(predictor, torch.zeros(2, 4).long(), 0),
    ):
        with pytest.raises(ValueError, match="predictor must return log-prob.*got probabilities"):
            ask()


@pytest.mark.parametrize(
    "logs",
    [
        [[0.0]],  # the logarithm of the only symbol's probability, 1
        [[1.0]],
        [[0.0, 0.0]],
        [[0.5, 0.5], [0.5, 0.6]],  # one row of all says that these are none
        [[1.5, -0.5]],
        [[0.3, 0.6]],
        [[-0.7, -0.7]],
    ],
)
def test_what_may_be_logits_is_taken(logs):
    logs = torch.tensor(logs)
    rows = torch.arange(4) % len(logs)
    predictor = Returning(lambda n: logs[rows[:n]])
    generate(predictor, Equal(4, 2), 1, order="confidence")


def test_the_number_of_symbols_must_not_change():
    sizes = iter([4, 4, 5])
    predictor = Returning(lambda n: torch.zeros(n, next(sizes)))
    with pytest.raises(ValueError, match="predictor must .* in each call, got 5 after 4"):
        generate(predictor, Equal(4, 4), 1)


@pytest.mark.parametrize(
    "ask",
    [
        lambda predictor, **mask: generate(predictor, Equal(4, 2), 1, **mask),
        lambda predictor, **mask: log_likelihood(predictor, Equal(4, 2), WORDS, **mask),
        lambda predictor, **mask: estimate_profile(predictor, WORDS, 0, **mask),
    ],
    ids=["generate", "log_likelihood", "estimate_profile"],
)
def test_what_is_no_predictor_is_refused(ask):
    with pytest.raises(TypeError, match=r"got function without: set predictor\.mask_id = 126336"):
        ask(function)
    with pytest.raises(TypeError, match="predictor must be callable .*got 3 of type int"):
        ask(3, mask_id=3)
    with pytest.raises(TypeError, match=r"predictor\.mask_id must be an integer >= 0, got '3'"):
        named = Returning(None)
        named.mask_id = "3"
        ask(named)
    with pytest.raises(TypeError, match="mask_id must be an integer >= 0, got True"):
        ask(function, mask_id=True)
    with pytest.raises(ValueError, match=r"mask_id must be predictor\.mask_id, 3, got 2"):
        ask(LAW, mask_id=2)
    with pytest.raises(ValueError, match=r"training mode.*call predictor\.eval\(\) first \(Netw"):
        ask(Network().train())


def test_the_tokens_are_where_the_predictor_is():
    predictor = Network()
    assert MaskPredictor(predictor).device == predictor.scores.device == CPU
    assert MaskPredictor(function, 3).device == CPU
    with pytest.raises(ValueError, match=r"predictor\.device must be .* float64, got 'meta'"):
        generate(Network().to("meta"), Equal(4, 2), 1)
    assert MaskPredictor(Returning(None)).device == CPU
    for device in ("mps", torch.device("mps")):
        predictor.device = device
        with pytest.raises(ValueError, match=r"predictor\.device must .*'mps': MPS has no float64"):
            generate(predictor, Equal(4, 2), 1)


def test_generators_of_torch_are_taken_and_seeds():
    generator = torch.Generator().manual_seed(5)
    assert torch_generator("generator", generator, CPU) is generator
    for seed in (5, np.int64(5)):
        assert torch_generator("generator", seed, CPU).get_state().equal(generator.get_state())


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.random.default_rng(0), TypeError, r"a torch\.Generator such as .*numpy's Generator"),
        (np.random.RandomState(0), TypeError, r"torch\.Generator .*numpy's RandomState"),
        (None, TypeError, r"torch\.Generator .*got NoneType"),
        (True, TypeError, r"torch\.Generator .*got bool"),
        (np.True_, TypeError, r"torch\.Generator .*got numpy's bool"),
        (np.timedelta64(3), TypeError, r"torch\.Generator .*numpy's timedelta64"),
        (1.0, TypeError, r"torch\.Generator .*got float"),
        ("1", TypeError, r"torch\.Generator .*got str"),
        (-1, ValueError, "an integer >= 0, got -1"),
        (2**64, ValueError, "an integer"),
    ],
)
def test_other_sources_of_randomness_are_refused_in_words(value, error, message):
    for ask in (
        lambda: torch_generator("generator", value, CPU),
        lambda: estimate_profile(LAW, WORDS, value),
        lambda: monte_carlo_kl(LAW, Equal(4, 2), 10, value),
    ):
        with pytest.raises(error, match="generator must be.*" + message):
            ask()


def test_a_generator_must_be_on_the_device():
    with pytest.raises(ValueError, match="generator must be on cuda, got one on cpu"):
        torch_generator("generator", torch.Generator(), torch.device("cuda"))


TARGETS = {
    "Product": lambda: LAW,
    "Repetition": lambda: Repetition(4, [0.25, 0.75]),
    "Tabular": lambda: Tabular.from_joint(np.full((2,) * 4, 1 / 16)),
    "MarkovChain": lambda: MarkovChain(4, COIN),
    "HiddenMarkov": lambda: HiddenMarkov(4, COIN, [[0.8, 0.2], [0.3, 0.7]]),
    "TreePotts": lambda: TreePotts.regular(1, 3, 2, 0.7),
    "ReedSolomon": lambda: ReedSolomon(4, 2, 3),
    "function": None,
    "Network": Network,
    "WithMask": WithMask,
}


@pytest.fixture
def nowhere():
    """Every tensor made without saying where is on no device: to use it fails at once."""
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


@pytest.mark.parametrize("name", TARGETS)
def test_every_tensor_says_where_it_is(name, request):
    if name == "function":
        predictor, arguments = function, {"mask_id": 3}
    else:
        predictor, arguments = TARGETS[name](), {}
    generator = torch.Generator("cpu").manual_seed(0)
    exact = hasattr(predictor, "sample")
    size = 3 if not exact else predictor.alphabet_size
    request.getfixturevalue("nowhere")

    tokens = predictor.sample(3, generator) if exact else WORDS
    prompted = tokens.clone()
    prompted[:, 1] = size
    for order in (*ORDERS, torch.tensor(ORDERS[2], device="cpu")):
        for start in ({"n": 3, "device": "cpu"}, {"n": 3}, {"tokens": prompted}):
            made = generate(predictor, TCAdaptive(4, 2), order=order, **start, **arguments)
            assert made.tokens.device == made.log_prob.device == CPU
        scored = log_likelihood(predictor, TCAdaptive(4, 2), tokens, order=order, **arguments)
        assert scored.device == CPU
    generate(predictor, TCAdaptive(4, 2), 3, temperature=0, **arguments)
    for chosen in ({}, {"batch": 2}, {"given": prompted[0].where(prompted[0] == size, size)}):
        estimate_profile(predictor, tokens, generator, **chosen, **arguments)
    estimate_profile(predictor, tokens, 3, perfect=exact, **arguments)
    if exact:
        monte_carlo_kl(predictor, TCAdaptive(4, 2), 10, generator)
        monte_carlo_kl(predictor, TCAdaptive(4, 2), 10, 3)
        predictor.profile()


class OfParts(Network):
    def __init__(self):
        super().__init__()
        self.part = torch.nn.Dropout()
        self.eval()

    def ask(self, tokens, reveal, factor=1):
        return self(tokens, reveal) * factor


@pytest.mark.parametrize(
    "wrap",
    [
        lambda network: network,
        lambda network: network.ask,
        lambda network: partial(network),
        lambda network: partial(partial(network.ask, factor=2)),
    ],
)
def test_training_mode_is_seen_in_every_part_and_through_wrappers(wrap):
    network = OfParts()
    MaskPredictor(wrap(network), 3)
    network.part.train()
    with pytest.raises(ValueError, match="^predictor must not be in training mode.*OfParts"):
        MaskPredictor(wrap(network), 3)


@pytest.mark.parametrize("kind", [int, np.int64, np.array, torch.tensor])
def test_integers_of_every_library_are_a_mask_and_a_size(kind):
    predictor = Returning(LAW(torch.full((1, 4), 3), torch.ones(1, 4).bool()))
    predictor.alphabet_size, predictor.mask_id = kind(3), kind(3)
    ask = MaskPredictor(predictor, kind(3))
    assert type(ask.mask_id) is int and ask.mask_id == 3
    with pytest.raises(ValueError, match=r"in \[0, 2\].* got 4 at row 0, position 1"):
        ask.check_symbols(torch.tensor([[0, 4]]))


@pytest.mark.parametrize("size", [True, 3.0, "3", lambda: 3, np.timedelta64(3), torch.ones(3)])
def test_what_is_no_integer_is_no_size(size):
    predictor = Returning(None)
    predictor.alphabet_size = size
    MaskPredictor(predictor).check_symbols(torch.tensor([[0, 4]]))


@pytest.mark.parametrize("value", [torch.tensor(3.0), torch.tensor(True), np.array([3])])
def test_what_is_no_integer_is_no_mask(value):
    with pytest.raises(TypeError, match="mask_id must be an integer"):
        MaskPredictor(function, value)


def test_symbols_beyond_a_table_are_named():
    embedding = torch.zeros(6, 5)
    tokens = torch.tensor([[5, 5, 1, 5], [5, 9, 5, 1]])

    def predictor(tokens, reveal):
        return embedding[tokens][reveal]

    with pytest.raises(ValueError, match="^tokens must .* largest symbol is 9 at row 1, position"):
        generate(predictor, Equal(4, 2), tokens=tokens, mask_id=5)
    prompt = torch.tensor([5, 9, 5, 1])
    words = torch.tensor([[0, 9, 0, 1]] * 2)
    with pytest.raises(ValueError, match="^tokens must .* largest symbol is 9 at row 0, position"):
        estimate_profile(predictor, words, 0, mask_id=5, given=prompt)

    def broken(tokens, reveal):
        return embedding[99]

    with pytest.raises(IndexError, match="99"):
        generate(broken, Equal(4, 2), 1, mask_id=5)


class WithBuffer(torch.nn.Module):
    mask_id = 3

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.zeros(3, device="meta"))
        self.eval()

    def forward(self, tokens, reveal):
        raise NotImplementedError


def test_a_module_with_buffers_alone_is_where_they_are():
    with pytest.raises(ValueError, match="predictor.device must be .* got 'meta'"):
        MaskPredictor(WithBuffer()).device  # noqa: B018


def test_training_finds_the_product_of_the_conditional_marginals():
    """A score for each masked sequence, position and symbol, trained on the exact expected loss."""
    length, q = 3, 2
    p = np.random.default_rng(4).dirichlet(np.ones(q**length)).reshape((q,) * length)
    tokens = torch.cartesian_prod(*[torch.arange(q + 1)] * length)
    tokens = tokens[(tokens == q).any(1)]
    reveal = tokens == q
    # the chance that the revealed tokens are these and the masked one at i is a
    weights = torch.zeros(len(tokens), length, q, dtype=torch.float64)
    for row, masked in enumerate(tokens.tolist()):
        for word in np.ndindex(p.shape):
            if all(seen in (q, letter) for seen, letter in zip(masked, word, strict=True)):
                for i in np.flatnonzero(reveal[row]):
                    weights[row, i, word[i]] += p[word]
    scores = torch.zeros(weights.shape, dtype=torch.float64, requires_grad=True)
    mass = weights.sum(2, keepdim=True).clamp(min=1e-9)
    for _ in range(400):
        loss = -(weights * scores.log_softmax(2)).sum()
        (slope,) = torch.autograd.grad(loss, scores)
        with torch.no_grad():
            scores -= 2 * slope / mass
    found = scores.detach().softmax(2)[reveal]
    expected = Tabular.from_joint(p)(tokens, reveal).exp()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
