"""The antibody models: what their packages' authors print of them, and known sequences."""

import re
from math import log

import pytest
import torch
from bookkit import antibodies
from bookkit.antibodies import MODELS, RESIDUES, antiberty, convert_sapiens, heavy_chains

from dlm_core import TCAdaptive, generate
from dlm_core.adapters.transformers import MaskedLM

models = pytest.mark.skipif(not MODELS.is_dir(), reason="run `make models`")

# Variable domains of trastuzumab, a humanised antibody, as its patent and many papers print them.
HEAVY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
    "SRWGGDGFYAMDYWGQGTLVTVSS"
)
LIGHT = (
    "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPT"
    "FGQGTKVEIK"
)


@pytest.fixture(scope="module")
def sapiens(tmp_path_factory):
    return MaskedLM.from_pretrained(convert_sapiens(tmp_path_factory.mktemp("sapiens")))


@torch.no_grad()
def one_masked(model, domain, every=1):
    """Of every so many residues, whether it is the most probable when it alone is masked."""
    tokens = model.encode([domain])
    alone = torch.eye(tokens.shape[1], dtype=torch.bool)[::every]
    rows = tokens.expand(len(alone), -1).masked_fill(alone, model.mask_id)
    return model(rows, alone).argmax(1) == tokens[0, ::every]


@torch.no_grad()
def all_masked(model, domain):
    """Mean of -log q of the residues, in nats, when all are masked."""
    tokens = model.encode([domain])
    masked = torch.full_like(tokens, model.mask_id)
    found = model(masked, torch.ones_like(tokens, dtype=torch.bool))
    return -float(found.gather(1, tokens.T).mean())


def printed_by_its_authors():
    """The example of Sapiens' own description: sequence, infilled sequence, and some scores."""
    text = next(MODELS.glob("sapiens-*/METADATA")).read_text()
    (scores,) = re.findall(r"scores\.head\(\)\n(.*?)```", text, re.DOTALL)
    sequence, infilled = re.search(
        r"predict_masked\(\s+'(\S+)',.*?# (\w+)\n", text, re.DOTALL
    ).groups()
    rows = re.findall(r"^# \d ((?: +\d\.\d+)+)", scores, re.MULTILINE)
    return sequence, infilled, torch.tensor([[*map(float, row.split())] for row in rows])


@models
def test_the_converted_model_says_what_its_authors_print(sapiens):
    sequence, infilled, scores = printed_by_its_authors()
    assert scores.shape == (5, 4)
    tokens = sapiens.encode([sequence.replace("*", "<mask>")])
    around = torch.tensor([[*sapiens.prefix, *tokens[0], *sapiens.suffix]])
    with torch.no_grad():
        # theirs are of the whole vocabulary, of which they then leave out the special tokens
        found = sapiens.model(around).logits.softmax(2)[0, 1:]
        masked = tokens == sapiens.mask_id
        tokens[masked] = sapiens(tokens, masked).argmax(1)
    torch.testing.assert_close(found[:5, 4:8], scores, atol=1e-6, rtol=0)
    assert sapiens.decode(tokens) == [infilled]


@models
def test_it_knows_a_human_heavy_chain(sapiens):
    assert one_masked(sapiens, HEAVY).double().mean() > 0.7
    # the two cysteines of the disulphide bridge and the tryptophan that packs against it
    assert one_masked(sapiens, HEAVY)[[21, 35, 95]].all()


@models
def test_the_light_chain_is_another_model(tmp_path):
    model = MaskedLM.from_pretrained(convert_sapiens(tmp_path, chain="light"))
    assert one_masked(model, LIGHT).double().mean() > 0.7
    assert one_masked(model, HEAVY).double().mean() < 0.5


@models
def test_what_is_generated_are_residues(sapiens):
    run = generate(sapiens, TCAdaptive(110, 12), 4, seed=2)
    assert {*"".join(sapiens.decode(run.tokens))} <= {*RESIDUES}
    assert [len(domain) for domain in sapiens.decode(run.tokens)] == [110] * 4


@models
def test_antiberty_is_loaded_unchanged_and_was_trained_at_few_masks():
    model = antiberty()
    assert model.head_at_revealed
    assert len(model.special_ids) + len(RESIDUES) == model.alphabet_size
    assert one_masked(model, HEAVY, every=10).double().mean() > 0.7
    assert all_masked(model, HEAVY) > log(len(RESIDUES))


def test_what_was_not_downloaded_says_how(tmp_path, monkeypatch):
    monkeypatch.setattr(antibodies, "ROOT", tmp_path)
    monkeypatch.setattr(antibodies, "MODELS", tmp_path / "models")
    monkeypatch.setattr(antibodies, "SEQUENCES", tmp_path / "heavy_chains.txt")
    for call in (lambda: convert_sapiens(tmp_path / "folder"), antiberty):
        with pytest.raises(FileNotFoundError, match="is not there: run `make models`"):
            call()
    with pytest.raises(FileNotFoundError, match="is not there: run `make sequences`"):
        heavy_chains()


def test_a_chain_that_sapiens_does_not_know(tmp_path):
    with pytest.raises(ValueError, match="chain must be one of 'heavy', 'light', got 'kappa'"):
        convert_sapiens(tmp_path, chain="kappa")
