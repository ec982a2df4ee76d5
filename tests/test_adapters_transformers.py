"""Masked models of transformers, built from small configurations, saved, and read again."""

import socket
import sys
from itertools import product

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn

from dlm_core import FixedSizes, TCAdaptive, generate, log_likelihood
from dlm_core.adapters.transformers import MaskedLM
from dlm_core.learning import masked_loss, train

LETTERS = "ABCDEFGH"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def word_tokenizer(pad, unknown, first, last, mask):
    """One token a letter, wrapped as many tokenizers wrap a sequence."""
    vocabulary = {token: i for i, token in enumerate([pad, unknown, first, last, mask, *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, 2), (last, 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unknown,
        cls_token=first,
        sep_token=last,
        mask_token=mask,
    )


def bert_tokenizer(folder):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
    numbers = {token: i for i, token in enumerate(vocabulary)}
    return transformers.BertTokenizer(vocab=numbers, do_lower_case=False)


def esm_tokenizer(folder):
    file = folder / "letters.txt"
    file.write_text("\n".join(["<cls>", "<pad>", "<eos>", "<unk>", *LETTERS, "<mask>"]))
    return transformers.EsmTokenizer(str(file))


def text_tokenizer(folder):
    return word_tokenizer("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def eurobert_tokenizer(folder):
    return word_tokenizer("<|pad|>", "<|unk|>", "<|begin_of_text|>", "<|end_of_text|>", "<|mask|>")


# Weights large enough that predictions differ; three embeddings more than tokens, as where a
# vocabulary is rounded up.
SMALL = {
    "vocab_size": 16,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 24,
    "initializer_range": 0.3,
}
TEXT_IDS = {"pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3}
ARCHITECTURES = {
    "bert": (transformers.BertConfig(**SMALL), bert_tokenizer),
    # its first position is that after the padding's
    "roberta": (
        transformers.RobertaConfig(**SMALL, pad_token_id=0, bos_token_id=2, eos_token_id=3),
        text_tokenizer,
    ),
    "modernbert": (
        transformers.ModernBertConfig(
            **SMALL, **TEXT_IDS, eos_token_id=3, initializer_cutoff_factor=9.0, local_attention=8
        ),
        text_tokenizer,
    ),
    "esm": (
        transformers.EsmConfig(
            **SMALL, pad_token_id=1, mask_token_id=12, position_embedding_type="rotary",
            token_dropout=True,
        ),
        esm_tokenizer,
    ),
    "eurobert": (
        transformers.EuroBertConfig(
            **SMALL, num_key_value_heads=1, pad_token_id=0, bos_token_id=2, eos_token_id=3,
            mask_token_id=4,
        ),
        eurobert_tokenizer,
    ),
    "distilbert": (
        transformers.DistilBertConfig(
            vocab_size=16, dim=32, hidden_dim=48, n_layers=1, n_heads=4, pad_token_id=0,
            max_position_embeddings=24, initializer_range=0.3,
        ),
        bert_tokenizer,
    ),
}  # fmt: skip


def built(name, folder):
    """Write an architecture with random weights and its tokenizer to a folder."""
    config, tokenizer = ARCHITECTURES[name]
    torch.manual_seed(0)
    transformers.AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    tokenizer(folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(request, tmp_path_factory):
    return built(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return built("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A model without a tokenizer."""
    folder = tmp_path_factory.mktemp("bare")
    torch.manual_seed(0)
    transformers.BertForMaskedLM(transformers.BertConfig(**SMALL)).save_pretrained(folder)
    return folder


def padded(model):
    """Rows of lengths 7, 4 and 1, some of each masked."""
    tokens = model.encode(["A B C D E F G", "H G F A", "C"])
    reveal = torch.zeros_like(tokens, dtype=torch.bool)
    for row, columns in enumerate([[0, 3, 6], [1, 3], [0]]):
        tokens[row, columns] = model.mask_id
        reveal[row, columns] = True
    return tokens, reveal


@torch.no_grad()
def by_transformers(folder, tokens, reveal):
    """The same log-probabilities from the tokenizer, the whole head, and a table of symbols."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    letters = tokenizer.convert_tokens_to_ids(list(LETTERS))
    found = []
    for row, asked in zip(tokens, reveal, strict=True):
        row, asked = row[row != tokenizer.pad_token_id], asked[row != tokenizer.pad_token_id]
        text = " ".join(tokenizer.convert_ids_to_tokens(row))
        logits = model(**tokenizer(text, return_tensors="pt")).logits[0, 1:-1]
        assert len(logits) == len(row)
        table = torch.full((len(row), logits.shape[1]), -torch.inf)
        table[:, letters] = logits[:, letters].log_softmax(1)
        found.append(table[asked])
    return torch.cat(found)


def test_what_is_asked_for_is_what_the_whole_head_says_of_each_row_alone(folder):
    model = MaskedLM.from_pretrained(folder)
    tokens, reveal = padded(model)
    expected = by_transformers(folder, tokens, reveal)
    assert model.head_at_revealed
    with torch.no_grad():
        found = model(tokens, reveal)
        model.head_at_revealed = False
        whole = model(tokens, reveal)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=0)
    # these predictions say something
    assert (found.exp().amax(1) > 2 / len(LETTERS)).any()


def test_the_head_is_computed_at_revealed_positions_alone(folder):
    model = MaskedLM.from_pretrained(folder)
    tokens, reveal = padded(model)
    heads = [m for m in model.modules() if getattr(m, "out_features", 0) == model.alphabet_size]
    seen = []
    heads[0].register_forward_hook(lambda module, args, output: seen.append(output.shape))
    model(tokens, reveal)
    assert len(heads) == 1
    assert seen == [(1, 6, 16)]


def test_the_tokenizer_says_what_is_special(folder):
    model = MaskedLM.from_pretrained(folder)
    tokenizer = model.tokenizer
    letters = tokenizer.convert_tokens_to_ids(list(LETTERS))
    assert model.mask_id == tokenizer.mask_token_id
    assert model.pad_id == tokenizer.pad_token_id
    assert {*range(16)} - {*model.special_ids} == {*letters}
    assert tokenizer.convert_ids_to_tokens(model.prefix + model.suffix) == (
        tokenizer.convert_ids_to_tokens(tokenizer("")["input_ids"])
    )
    assert len(model.prefix) == len(model.suffix) == 1
    assert not any(part.training for part in model.modules())


def test_a_row_may_be_as_long_as_the_model_has_positions(folder):
    model = MaskedLM.from_pretrained(folder)
    limit = 21 if model.model.config.model_type == "roberta" else 22
    assert model.length_limit == limit
    tokens = torch.full((1, limit), model.mask_id)
    assert model(tokens, tokens.eq(model.mask_id)).isfinite().any(1).all()


def test_special_tokens_are_never_drawn(folder):
    model = MaskedLM.from_pretrained(folder)
    run = generate(model, TCAdaptive(6, 3), 200, seed=1)
    drawn = set(run.tokens.flatten().tolist())
    assert drawn == {*range(16)} - {*model.special_ids}
    likelihood = log_likelihood(model, TCAdaptive(6, 3), run.tokens, seed=1)
    assert likelihood.isfinite().all()
    torch.testing.assert_close(likelihood, run.log_prob, atol=1e-5, rtol=0)
    # tokens that are no content cannot be produced
    special = run.tokens[:1].clone()
    special[0, 2] = model.suffix[0]
    assert log_likelihood(model, TCAdaptive(6, 3), special) == -torch.inf


def test_probabilities_of_all_sequences_sum_to_one(folder):
    model = MaskedLM.from_pretrained(folder)
    words = model.encode([" ".join(word) for word in product(LETTERS, repeat=3)])
    order = torch.tensor([[1, 2, 0]]).expand(len(words), -1)
    for sizes in [(3,), (1, 2), (1, 1, 1)]:
        total = log_likelihood(model, FixedSizes(sizes), words, order=order).exp().sum()
        assert abs(total - 1) < 1e-5


def test_rows_do_not_depend_on_those_beside_them(folder):
    model = MaskedLM.from_pretrained(folder)
    tokens, reveal = padded(model)
    before = tokens.clone()
    whole = model(tokens, reveal)
    alone = [model(tokens[i : i + 1, :n], reveal[i : i + 1, :n]) for i, n in enumerate([7, 4, 1])]
    torch.testing.assert_close(torch.cat(alone), whole, atol=1e-5, rtol=0)
    wider = nn.functional.pad(tokens, (0, 5), value=model.pad_id)
    more = model(wider, nn.functional.pad(reveal, (0, 5)))
    torch.testing.assert_close(more, whole, atol=1e-5, rtol=0)
    assert torch.equal(tokens, before)
    assert model(tokens, torch.zeros_like(reveal)).shape == (0, 16)


@pytest.mark.parametrize("prefix", [(), (2,)])
def test_shifted_logits_are_read_one_position_before(bert, prefix):
    model = MaskedLM.from_pretrained(bert, prefix=prefix, suffix=(), shifted=True)
    tokens, reveal = model.encode(["A B C D E"]), torch.ones(1, 5, dtype=torch.bool)
    inputs = torch.cat([torch.tensor([prefix], dtype=torch.int64), tokens], 1)
    logits = model.model(input_ids=inputs).logits[0]
    # as Dream does it: the first position has none before it
    speaks = logits[:5] if prefix else logits[[0, 0, 1, 2, 3]]
    found = model(tokens, reveal)
    torch.testing.assert_close(found[:, 5:13], speaks[:, 5:13].log_softmax(1), atol=1e-5, rtol=0)
    unshifted = MaskedLM.from_pretrained(bert, prefix=prefix, suffix=())(tokens, reveal)
    torch.testing.assert_close(found[1:], unshifted[:4])


def test_what_is_given_goes_before_the_tokenizer(bert):
    model = MaskedLM.from_pretrained(
        bert, mask_id=13, special_ids=[13, 1], prefix=[7, 8], suffix=[], dtype="float64"
    )
    assert (model.mask_id, model.special_ids, model.pad_id) == (13, (1, 13), None)
    assert (model.prefix, model.suffix, model.length_limit) == ((7, 8), (), 22)
    # the tokenizer's padding is a symbol now: seen, and predicted
    tokens, reveal = torch.tensor([[5, 13, 0]]), torch.tensor([[False, True, False]])
    logits = model.model(input_ids=torch.tensor([[7, 8, 5, 13, 0]])).logits[0, 3]
    logits[[1, 13]] = -torch.inf
    torch.testing.assert_close(model(tokens, reveal)[0], logits.log_softmax(0))


@pytest.mark.parametrize(
    ("dtype", "returned", "error"),
    [("float64", torch.float64, 1e-5), (torch.bfloat16, torch.float32, 0.2)],
)
def test_the_precision_is_what_was_asked_for(folder, dtype, returned, error):
    usual, model = MaskedLM.from_pretrained(folder), MaskedLM.from_pretrained(folder, dtype=dtype)
    tokens, reveal = padded(model)
    found = model(tokens, reveal)
    assert model.head_at_revealed
    assert found.dtype == returned
    torch.testing.assert_close(
        found.exp(), usual(tokens, reveal).exp().to(returned), atol=error, rtol=0
    )
    assert MaskedLM.from_pretrained(folder, device="cpu").model.dtype == torch.float32


def test_it_learns_by_the_masked_objective_and_what_it_learned_can_be_saved(folder, tmp_path):
    model = MaskedLM.from_pretrained(folder)
    tokens, reveal = padded(model)
    words = model.encode(["A B C D E F G", "H G F A", "C"])
    start = [parameter.clone() for parameter in model.parameters()]

    def loss():
        many = words.repeat(40, 1)
        return masked_loss(model, many, 0, given=many.eq(model.pad_id)).item()

    before = loss()
    train(model, words, 30, batch=16, rate=0.01, given=words.eq(model.pad_id))
    assert loss() < 0.8 * before
    still = [torch.equal(a, b) for a, b in zip(start, model.parameters(), strict=True)]
    # positions and segments that an architecture lists and does not use
    assert sum(still) <= 2
    assert not any(part.training for part in model.modules())
    model.save_pretrained(tmp_path / "learned")
    again = MaskedLM.from_pretrained(tmp_path / "learned")
    assert again.special_ids == model.special_ids
    torch.testing.assert_close(again(tokens, reveal), model(tokens, reveal))


def test_texts_become_tokens_and_come_back(folder):
    model = MaskedLM.from_pretrained(folder)
    texts = ["A B H", "C"]
    tokens = model.encode(texts)
    assert tokens.shape == (2, 3)
    assert model.decode(tokens) == texts
    assert model.decode(padded(model)[0]) == ["B C E F", "H F", ""]


class Unusual(nn.Module):
    """A head that looks at all positions, or a base model whose answer has another form."""

    def __init__(self, answer):
        super().__init__()
        self.base_model = nn.Embedding(12, 6)
        self.head, self.answer = nn.Linear(6, 12), answer

    def get_input_embeddings(self):
        return self.base_model

    def forward(self, input_ids, attention_mask):
        hidden = self.base_model(input_ids)
        if self.answer == "mixed":
            hidden = hidden + hidden.mean(1, keepdim=True)
        if self.answer == "reshaped":
            hidden = hidden.view(*input_ids.shape, 6)
        return transformers.modeling_outputs.MaskedLMOutput(logits=self.head(hidden))


@pytest.mark.parametrize("answer", ["mixed", "reshaped"])
def test_a_head_that_cannot_be_cut_is_asked_as_a_whole(answer):
    torch.manual_seed(0)
    model = MaskedLM(Unusual(answer), mask_id=11, special_ids=[3])
    assert not model.head_at_revealed
    assert model.length_limit is None
    tokens, reveal = torch.tensor([[1, 11, 4]]), torch.tensor([[False, True, False]])
    logits = model.model(tokens, None).logits[0, 1]
    logits[[3, 11]] = -torch.inf
    torch.testing.assert_close(model(tokens, reveal)[0], logits.log_softmax(0))


class Whole(nn.Module):
    """A model of one piece, which transformers gives as its own base."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(12, 6), nn.Linear(6, 12)

    @property
    def base_model(self):
        return self

    def get_input_embeddings(self):
        return self.table

    def forward(self, input_ids, attention_mask):
        return transformers.modeling_outputs.MaskedLMOutput(logits=self.head(self.table(input_ids)))


def test_a_model_that_is_its_own_base_is_asked_as_a_whole():
    assert not MaskedLM(Whole(), mask_id=11).head_at_revealed


def test_loading_and_saving_are_silent(bert, tmp_path, capfd):
    MaskedLM.from_pretrained(bert).save_pretrained(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(ValueError, match="path must be a folder.*there is no such folder"):
        MaskedLM.from_pretrained(tmp_path / "nothing")
    with pytest.raises(ValueError, match="no config.json is in it, and nothing is ever downloaded"):
        MaskedLM.from_pretrained(tmp_path)
    with pytest.raises(TypeError, match="path must be a str or a path, got 3"):
        MaskedLM.from_pretrained(3)


def test_a_folder_that_transformers_does_not_load(tmp_path):
    config = tmp_path / "config.json"
    config.write_text("{")
    with pytest.raises(ValueError, match="path must hold a model that .* not a valid JSON file"):
        MaskedLM.from_pretrained(tmp_path, mask_id=4)
    config.write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="path must hold a model that .* no file named model"):
        MaskedLM.from_pretrained(tmp_path, mask_id=4)
    config.write_text('{"model_type": "llada", "auto_map": {"AutoConfig": "code.Config"}}')
    (tmp_path / "code.py").write_text("class Config: pass")
    with pytest.raises(ValueError, match="custom code.*as LLaDA and Dream do.* given to MaskedLM"):
        MaskedLM.from_pretrained(tmp_path, mask_id=4)


def test_a_model_that_is_not_masked(tmp_path):
    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 1, "vocab_size": 8, "n_positions": 8}
    transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="path must hold a masked language model.*'gpt2'"):
        MaskedLM.from_pretrained(tmp_path)


def test_a_head_that_would_be_random(tmp_path):
    transformers.BertModel(transformers.BertConfig(**SMALL)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="path must hold all weights.*cls.predictions.*be random"):
        MaskedLM.from_pretrained(tmp_path, mask_id=4)


def test_without_a_tokenizer_the_mask_has_to_be_given(bare, tmp_path):
    with pytest.raises(ValueError, match="mask_id must be given, because there is no tokenizer"):
        MaskedLM.from_pretrained(bare)
    model = MaskedLM.from_pretrained(bare, mask_id=4)
    assert (model.special_ids, model.pad_id, model.prefix, model.suffix) == ((4,), None, (), ())
    for call in (lambda: model.encode(["A"]), lambda: model.decode(torch.zeros(1, 1))):
        with pytest.raises(ValueError, match="encode and decode need a tokenizer"):
            call()
    model.save_pretrained(tmp_path)
    assert MaskedLM.from_pretrained(tmp_path, mask_id=4).tokenizer is None


def test_a_tokenizer_that_does_not_tell_what_is_around(bare, tmp_path):
    model = transformers.BertForMaskedLM.from_pretrained(bare)
    model.save_pretrained(tmp_path)
    tokenizer = Tokenizer(models.WordLevel({"[MASK]": 0, "B": 1}))
    tokenizer.normalizer = normalizers.Replace("A", "")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, mask_token="[MASK]"
    ).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"prefix and suffix must be given.* makes \[\] of 'A'"):
        MaskedLM.from_pretrained(tmp_path)
    found = MaskedLM.from_pretrained(tmp_path, prefix=[1], suffix=[])
    assert (found.mask_id, found.prefix, found.suffix) == (0, (1,), ())
    assert {*found.special_ids} == {0, *range(2, 16)}


def test_a_tokenizer_without_a_mask(bare):
    model = transformers.BertForMaskedLM.from_pretrained(bare)
    tokenizer = Tokenizer(models.WordLevel({"A": 0, "?": 1}, unk_token="?"))
    folder = bare.parent / "without-mask"
    model.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    with pytest.raises(ValueError, match="there is a tokenizer without a mask token"):
        MaskedLM.from_pretrained(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_id": 16}, r"mask_id must be an integer in \[0, 15\], got 16"),
        ({"special_ids": [3, -1]}, r"special_ids must be an integer in \[0, 15\], got -1"),
        ({"special_ids": range(16)}, "special_ids must leave a symbol"),
        ({"pad_id": 4}, "pad_id must not be the mask, 4"),
        ({"prefix": [99]}, r"prefix must be an integer in \[0, 15\], got 99"),
        ({"prefix": [2] * 24}, "prefix and suffix must leave a position of the model's 24"),
        ({"device": "nowhere"}, "device must be one on which this machine computes"),
    ],
)
def test_arguments_out_of_range(bert, options, message):
    with pytest.raises(ValueError, match=message):
        MaskedLM.from_pretrained(bert, **options)


def test_arguments_of_another_type(bert):
    with pytest.raises(TypeError, match="shifted must be True or False"):
        MaskedLM.from_pretrained(bert, shifted="yes")
    with pytest.raises(TypeError, match="model must be of type Module"):
        MaskedLM(len, 3)
    with pytest.raises(TypeError, match="model must have get_input_embeddings.*got Linear"):
        MaskedLM(torch.nn.Linear(2, 2), 0)


def test_tokens_out_of_range(bert):
    model = MaskedLM.from_pretrained(bert)
    some = torch.ones(1, 23, dtype=torch.bool)
    with pytest.raises(ValueError, match="tokens must have at most 22 positions.*got 23"):
        model(torch.full((1, 23), model.mask_id), some)
    for token in (-1, 16):
        with pytest.raises(ValueError, match=rf"tokens must be in \[0, 15\].*got {token}"):
            model(torch.tensor([[5, token]]), some[:, :2])
    with pytest.raises(ValueError, match="end of a row only, got row 1 going on after it"):
        model(torch.tensor([[5, 4, 0], [5, 0, 4]]), some[:, :3].expand(2, -1))
    for reveal in (some[:, :2], torch.ones(1, 3)):
        with pytest.raises(ValueError, match="tokens and reveal must have the same shape"):
            model(torch.tensor([[5, 4, 4]]), reveal)


def test_without_transformers_the_extra_is_named(bert, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install dlm-core\[transformers\]"):
        MaskedLM.from_pretrained(bert)
