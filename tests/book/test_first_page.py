"""What a newcomer copies: the lines of the first page and of the README; how to cite."""

import re

import pytest
import transformers
import yaml
from bookkit.citing import PAPER, bibtex
from contents import ROOT, prose
from pybtex.database import parse_string
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import dlm_core

WORDS = list("abcdefghijklmnopqrst")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def masked_model(tmp_path, monkeypatch):
    """Where the README's reader has a model: a small one, with random weights."""
    folder = tmp_path / "a/folder/with/a/masked/model"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {token: number for number, token in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad", "unk", "cls", "sep", "mask")
    tokens = {f"{name}_token": token for name, token in zip(names, special, strict=True)}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens).save_pretrained(
        folder
    )
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), num_attention_heads=2, max_position_embeddings=32, **sizes
    )
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    monkeypatch.chdir(tmp_path)


def test_lines_of_the_first_page(capsys):
    (block,) = blocks(prose("book/intro"), "ipython")
    install, *lines = block.splitlines()
    assert install == "%pip install ."
    exec("\n".join(lines), {})
    constant = dlm_core.TCAdaptive(2000, 1000).constant
    assert capsys.readouterr().out.startswith(f"{constant} times TC\n[[")


# Of random weights the curve is what it is: the package says so.
@pytest.mark.filterwarnings("ignore::dlm_core.PredictorWarning", "ignore:fewer steps are better")
def test_lines_of_the_readme(masked_model, capsys):
    rows = [
        " ".join(WORDS[i % len(WORDS)] for i in range(row * row, row * row + 16))
        for row in range(1200)
    ]
    names = {"texts": rows}
    for block in blocks(README, "python"):
        exec(block, names)
    assert "nats" in capsys.readouterr().out


def test_how_to_cite():
    entries = parse_string(bibtex(ROOT), "bibtex").entries
    assert list(entries) == ["dlm-core", PAPER]
    book = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert entries["dlm-core"].fields["title"].strip("{}") == book["title"]
    assert entries["dlm-core"].fields["version"] == book["version"] == dlm_core.__version__
    assert [str(person) for person in entries[PAPER].persons["author"]] == [
        "Zhao, Yunxiao",
        "Cai, Changxiao",
    ]
    (reference,) = book["references"]
    assert entries[PAPER].fields["title"] == reference["title"]
