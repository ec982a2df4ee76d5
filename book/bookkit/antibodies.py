"""Two masked models of antibodies, as they ship inside packages, and sequences to measure them on.

`make models` unpacks the packages under ``_build/models``, and `make sequences` simulates the
sequences; neither is part of the project, and no code of theirs is imported.
"""

import argparse
import warnings
from pathlib import Path

import tokenizers
import torch
from tokenizers import decoders, pre_tokenizers, processors

from bookkit.records import ROOT
from dlm_core._check import choice
from dlm_core.adapters.transformers import MaskedLM

with warnings.catch_warnings():
    # of a progress bar that a notebook without widgets cannot show
    warnings.filterwarnings("ignore", "IProgress not found")
    import transformers

__all__ = ["MODELS", "RESIDUES", "antiberty", "convert_sapiens", "heavy_chains", "shipped"]

MODELS = ROOT / "_build/models"
SEQUENCES = ROOT / "_build/sequences/heavy_chains.txt"
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"

_CHAINS = {"heavy": "checkpoint_vh.pt", "light": "checkpoint_vl.pt"}
# fairseq's names of the parameters, and those of transformers
_RENAMED = {
    "decoder.sentence_encoder.embed_tokens": "roberta.embeddings.word_embeddings",
    "decoder.sentence_encoder.embed_positions": "roberta.embeddings.position_embeddings",
    "decoder.sentence_encoder.emb_layer_norm": "roberta.embeddings.LayerNorm",
    "decoder.sentence_encoder.layers": "roberta.encoder.layer",
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
    "decoder.lm_head.weight": "lm_head.decoder.weight",
    "decoder.lm_head": "lm_head",
}


def shipped(path):
    """A file or folder inside the packages that `make models` unpacks.

    Parameters
    ----------
    path : str
        Below ``_build/models``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileNotFoundError
        If it is not there: says which command brings it.
    """
    return _present(MODELS / path, "make models")


def convert_sapiens(folder, chain="heavy"):
    """Write Sapiens, a RoBERTa of human antibodies, as an ordinary folder of transformers.

    The package ships checkpoints of fairseq. Nothing is unpickled from them but tensors and the
    arguments of their training.

    Parameters
    ----------
    folder : str or path
        Where ``MaskedLM.from_pretrained`` is to find it: weights, configuration and a tokenizer
        with one token a residue. Made if it does not exist.
    chain : {"heavy", "light"}
        Of which chain's domains it is the model.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        If ``chain`` is another one.
    FileNotFoundError
        If the package was not downloaded.
    """
    name = _CHAINS[choice("chain", chain, list(_CHAINS))]
    with torch.serialization.safe_globals([argparse.Namespace]):
        saved = torch.load(shipped(f"sapiens/models/v1/{name}"), "cpu", weights_only=True)
    arguments, weights = saved["args"], {}
    for old, tensor in saved["model"].items():
        new = old
        for theirs, ours in _RENAMED.items():
            new = new.replace(theirs, ours)
        weights[new] = tensor
    # two names for one tensor, and segments, which fairseq's model does not have
    weights["lm_head.decoder.bias"] = weights["lm_head.bias"]
    weights["roberta.embeddings.token_type_embeddings.weight"] = torch.zeros(
        1, arguments.encoder_embed_dim
    )
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *RESIDUES, "<mask>"]
    config = transformers.RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=arguments.encoder_embed_dim,
        intermediate_size=arguments.encoder_ffn_embed_dim,
        num_hidden_layers=arguments.encoder_layers,
        num_attention_heads=arguments.encoder_attention_heads,
        max_position_embeddings=len(weights["roberta.embeddings.position_embeddings.weight"]),
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    model = transformers.RobertaForMaskedLM(config)
    model.load_state_dict(weights)
    tokenizer = _residue_tokenizer(vocabulary, ["<s>", "</s>", "<pad>", "<unk>", "<mask>"])
    MaskedLM(model, tokenizer.mask_token_id, tokenizer=tokenizer).save_pretrained(folder)
    return Path(folder)


def antiberty():
    """AntiBERTy, a BERT of antibodies, loaded unchanged from the folder that its package ships.

    There is no tokenizer in it: one with a token a residue is made of the package's vocabulary.

    Returns
    -------
    MaskedLM

    Raises
    ------
    FileNotFoundError
        If the package was not downloaded.
    """
    vocabulary = shipped("antiberty/trained_models/vocab.txt").read_text().split()
    special = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]
    first, last, pad, unknown, mask = map(vocabulary.index, special)
    model = MaskedLM.from_pretrained(
        shipped("antiberty/trained_models/AntiBERTy_md_smooth"),
        mask_id=mask,
        special_ids=[unknown, first, last],
        pad_id=pad,
        prefix=[first],
        suffix=[last],
    )
    model.tokenizer = _residue_tokenizer(vocabulary, special)
    return model


def heavy_chains():
    """Simulated variable domains of human heavy chains, all of one length, without repetition.

    Returns
    -------
    list of str
        One letter a residue, as `make sequences` wrote them.

    Raises
    ------
    FileNotFoundError
        If they were not simulated.
    """
    return _present(SEQUENCES, "make sequences").read_text().split()


def _present(path, command):
    if not path.exists():
        raise FileNotFoundError(f"{path.relative_to(ROOT)} is not there: run `{command}`")
    return path


def _residue_tokenizer(vocabulary, special):
    """One token a letter; ``special`` names those for first, last, pad, unknown and mask."""
    first, last, pad, unknown, mask = special
    numbers = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, numbers[first]), (last, numbers[last])]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=first,
        eos_token=last,
        pad_token=pad,
        unk_token=unknown,
        mask_token=mask,
    )
