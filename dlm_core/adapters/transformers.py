"""Masked language models of the transformers ecosystem, as mask predictors.

``MaskedLM.from_pretrained(folder)`` reads a model and its tokenizer from a folder, never from a
network; ``MaskedLM(model, mask_id)`` takes a model that was loaded in another way.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

from dlm_core._check import boolean, instance, integer, shown
from dlm_core._torch import torch
from dlm_core.predictor import checked_device

__all__ = ["MaskedLM"]

# What a folder with a tokenizer holds at least one of. Without them, transformers makes up an
# empty tokenizer for some architectures.
_TOKENIZER_FILES = "tokenizer*", "vocab*", "*.model"


class MaskedLM(torch.nn.Module):
    r"""A masked language model as a mask predictor.

    Called as ``(tokens (B, L) int64, reveal (B, L) bool)`` it returns log-probabilities of shape
    ``(reveal.sum(), V)``, row-major, in float32 or the model's precision if that is higher. The
    mask and the special tokens have probability zero, and the rest is renormalised. What a
    tokenizer puts around a sequence is put around every row, and not part of ``L``. It is a module
    like any other: ``dlm_core.learning.train`` trains it.

    The vocabulary projection, the largest part of the memory at a vocabulary of 100,000, is
    computed at the revealed positions alone wherever the model computes it position by position
    from the last hidden states of its ``base_model``; this is found out by a first small call.

    Parameters
    ----------
    model : torch.nn.Module
        Called as ``model(input_ids=..., attention_mask=...)`` it returns an object with
        ``logits`` of shape (B, length, V), and by ``get_input_embeddings()`` the table of its
        tokens, as any ``*ForMaskedLM`` of transformers does. Put into evaluation mode.
    mask_id : int
        The mask's token.
    special_ids : iterable of int
        Tokens that are never predicted, beside the mask.
    pad_id : int, optional
        The token that fills rows up at their end: special, and hidden from the model by its
        attention mask. Without it every token of a row is seen.
    prefix, suffix : iterable of int
        Tokens put before and after each row (before its padding).
    shifted : bool
        Whether the logits at a position are about the next one, as in models that were made from
        autoregressive ones (Dream). The first position, if it has no prefix, then takes its own.
    tokenizer : optional
        The tokenizer of transformers, for ``encode``, ``decode`` and ``save_pretrained``.

    Attributes
    ----------
    model, mask_id, special_ids, pad_id, prefix, suffix, shifted, tokenizer
        As given; ``special_ids`` sorted, with the mask and the padding.
    alphabet_size : int
        The number ``V`` of symbols, special ones included.
    length_limit : int or None
        Most positions of a row, without prefix and suffix: how far the model's table of positions
        goes, else what its configuration says; None where neither says. It may be set.
    head_at_revealed : bool
        Whether the vocabulary projection is computed at the revealed positions alone.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, or no symbol is left to predict.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        mask_id: int,
        *,
        special_ids: Iterable[int] = (),
        pad_id: int | None = None,
        prefix: Iterable[int] = (),
        suffix: Iterable[int] = (),
        shifted: bool = False,
        tokenizer: Any = None,
    ) -> None:
        super().__init__()
        self.model: Any = instance("model", model, torch.nn.Module)
        self._symbols = _known_symbols(model)
        self._excluded: torch.Tensor
        self.mask_id = integer("mask_id", mask_id, 0, self._symbols - 1)
        self.pad_id = None if pad_id is None else integer("pad_id", pad_id, 0, self._symbols - 1)
        if self.pad_id == self.mask_id:
            raise ValueError(f"pad_id must not be the mask, {self.mask_id}")
        special = {*self._ids("special_ids", special_ids), self.mask_id}
        self.special_ids = tuple(sorted(special if pad_id is None else {*special, pad_id}))
        self.prefix, self.suffix = self._ids("prefix", prefix), self._ids("suffix", suffix)
        self.shifted = boolean("shifted", shifted)
        self.tokenizer = tokenizer
        self._around = len(self.prefix) + len(self.suffix)
        most = _most_positions(self.model)
        if most is not None and most <= self._around:
            raise ValueError(f"prefix and suffix must leave a position of the model's {most}")
        self.length_limit: int | None = None if most is None else most - self._around
        self.eval()
        self.head_at_revealed, self.alphabet_size = self._try_head()
        excluded = [token for token in self.special_ids if token < self.alphabet_size]
        if len(excluded) == self.alphabet_size:
            raise ValueError(
                f"special_ids must leave a symbol to predict, got all {self.alphabet_size} of them"
            )
        table = torch.zeros(self.alphabet_size, dtype=torch.bool)
        table[excluded] = True
        device = next(self.model.parameters()).device
        self.register_buffer("_excluded", table.to(device), persistent=False)

    @classmethod
    def from_pretrained(
        cls,
        path: str | os.PathLike[str],
        *,
        mask_id: int | None = None,
        special_ids: Iterable[int] | None = None,
        pad_id: int | None = None,
        prefix: Iterable[int] | None = None,
        suffix: Iterable[int] | None = None,
        shifted: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> "MaskedLM":
        """Read a masked language model from a folder. No network is ever asked.

        What is not given comes from the tokenizer in the folder: the mask, the padding, what is
        put around a sequence, and as special tokens those that it names so and those that it
        does not know (models round their vocabulary up). Padding is only what is special: where
        ``special_ids`` are given without the tokenizer's padding token, that is a symbol like
        others, as the end of text is in LLaDA.

        Parameters
        ----------
        path : str or path
            A folder as ``save_pretrained`` writes it: ``config.json``, weights, and a tokenizer
            or none.
        mask_id, special_ids, pad_id, prefix, suffix, shifted
            As in the class. Without a tokenizer ``mask_id`` is needed, and the others are empty
            unless given.
        device : torch.device or str, optional
            Where the model computes; by default on the CPU.
        dtype : torch.dtype or str, optional
            Its precision; by default that in which it was saved.

        Returns
        -------
        MaskedLM
            In evaluation mode.

        Raises
        ------
        ModuleNotFoundError
            If transformers is not installed.
        TypeError, ValueError
            If there is no such folder, no masked language model or not all of its weights in it,
            no mask token, or an argument is out of range.
        """
        folder = _checked_folder(path)
        where = None if device is None else checked_device("device", device)
        with _quiet():
            model = _load(folder, dtype)
            tokenizer = _load_tokenizer(folder)
        if mask_id is None:
            mask_id = getattr(tokenizer, "mask_token_id", None)
        if mask_id is None:
            reason = "no tokenizer" if tokenizer is None else "a tokenizer without a mask token"
            raise ValueError(
                f"mask_id must be given, because there is {reason} in {shown(str(folder))}: the "
                "number of the token by which the model was trained to know masked positions"
            )
        if tokenizer is not None:
            if special_ids is None:
                known = set(tokenizer.get_vocab().values())
                unknown = set(range(_known_symbols(model))) - known
                special_ids = {*tokenizer.all_special_ids, *unknown}
            special_ids = set(special_ids)
            if pad_id is None and tokenizer.pad_token_id in special_ids - {mask_id}:
                pad_id = tokenizer.pad_token_id
            if prefix is None or suffix is None:
                before, after = _around(tokenizer)
                prefix = before if prefix is None else prefix
                suffix = after if suffix is None else suffix
        return cls(
            model if where is None else model.to(where),
            mask_id,
            special_ids=special_ids or (),
            pad_id=pad_id,
            prefix=prefix or (),
            suffix=suffix or (),
            shifted=shifted,
            tokenizer=tokenizer,
        )

    def forward(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        """Predict the tokens to be revealed.

        Parameters
        ----------
        tokens : Tensor of int64, shape (B, L)
            Sequences with ``mask_id`` at masked positions and ``pad_id`` after their end.
        reveal : Tensor of bool, shape (B, L)
            The positions that are asked for.

        Returns
        -------
        Tensor, shape (reveal.sum(), V)
            Log-probabilities in nats, minus infinity at special tokens.

        Raises
        ------
        ValueError
            If the shapes differ, a row is longer than ``length_limit``, a token is none of the
            model's, or a row goes on after its padding.
        """
        if tokens.ndim != 2 or reveal.shape != tokens.shape or reveal.dtype != torch.bool:
            raise ValueError(
                "tokens and reveal must have the same shape (B, L), and reveal be of bool, got "
                f"{tuple(tokens.shape)} and {tuple(reveal.shape)} of {reveal.dtype}"
            )
        if self.length_limit is not None and tokens.shape[1] > self.length_limit:
            raise ValueError(
                f"tokens must have at most {self.length_limit} positions, which with "
                f"{self._around} tokens around them is all that the model "
                f"has, got {tokens.shape[1]}"
            )
        logits = self._logits(tokens, reveal, self.head_at_revealed)
        precision = torch.promote_types(logits.dtype, torch.float32)
        # assigned, so that no more than two such tables are held at once
        logits = logits.masked_fill(self._excluded, -torch.inf)
        return logits.log_softmax(1, dtype=precision)

    def encode(self, texts: Iterable[str]) -> torch.Tensor:
        """Texts as tokens (int64, shape (n, L)), filled up with ``pad_id``; nothing around them."""
        encoded = self._needs_tokenizer()(
            list(texts),
            add_special_tokens=False,
            padding=True,
            padding_side="right",
            return_tensors="pt",
        )
        return encoded["input_ids"].to(self._excluded.device)

    def decode(self, tokens: torch.Tensor) -> list[str]:
        """Rows of tokens as texts, without the special ones."""
        return self._needs_tokenizer().batch_decode(tokens, skip_special_tokens=True)

    def save_pretrained(self, path: str | os.PathLike[str]) -> None:
        """Write the model, and its tokenizer if there is one, where they can be read again."""
        with _quiet():
            self.model.save_pretrained(path)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(path)

    def _needs_tokenizer(self) -> Any:
        if self.tokenizer is None:
            raise ValueError("encode and decode need a tokenizer, and this model came without one")
        return self.tokenizer

    def _ids(self, name: str, tokens: Iterable[int]) -> tuple[int, ...]:
        return tuple(integer(name, token, 0, self._symbols - 1) for token in tokens)

    def _logits(self, tokens: torch.Tensor, reveal: torch.Tensor, narrow: bool) -> torch.Tensor:
        """Return the logits that speak of the positions to be revealed, shape (m, V)."""
        inputs, seen = self._surrounded(tokens)
        rows, columns = reveal.nonzero(as_tuple=True)
        # which position speaks of each
        columns = (columns + len(self.prefix) - int(self.shifted)).clamp_(min=0)
        if not narrow:
            return self.model(input_ids=inputs, attention_mask=seen).logits[rows, columns]
        # what follows the base model sees these hidden states alone, as one sequence
        hook = self.model.base_model.register_forward_hook(partial(_keep, rows, columns))
        try:
            return self.model(input_ids=inputs, attention_mask=seen).logits[0]
        finally:
            hook.remove()

    def _surrounded(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the rows with what is around them, and where to look if not everywhere."""
        unknown = tokens.lt(0) | tokens.ge(self._symbols)
        padding = torch.zeros_like(unknown) if self.pad_id is None else tokens.eq(self.pad_id)
        goes_on = padding[:, :-1] & ~padding[:, 1:]
        # one wait for an accelerator, where a token beyond the embedding would end the process
        any_unknown, any_goes_on, padded = torch.stack(
            [unknown.any(), goes_on.any(), padding.any()]
        ).tolist()
        if any_unknown:
            raise ValueError(
                f"tokens must be in [0, {self._symbols - 1}], which the model knows, got "
                f"{int(tokens[unknown][0])}"
            )
        if any_goes_on:
            raise ValueError(
                f"tokens must have padding, {self.pad_id}, at the end of a row only, got row "
                f"{int(goes_on.any(1).nonzero()[0])} going on after it"
            )
        before, after = (tokens.new_tensor(part) for part in (self.prefix, self.suffix))
        parts = before.expand(len(tokens), -1), tokens, after.expand(len(tokens), -1)
        inputs = torch.cat(parts, dim=1)
        if self.pad_id is None or not padded:
            return inputs, None
        place = torch.arange(inputs.shape[1], device=tokens.device)
        end = len(before) + tokens.shape[1] - padding.sum(1, keepdim=True)
        inputs.masked_fill_(place >= end, self.pad_id).scatter_(
            1, end + place[: len(after)], parts[2]
        )
        return inputs, place.lt(end + len(after)).to(torch.int64)

    @torch.no_grad()
    def _try_head(self) -> tuple[bool, int]:
        """Return whether the head can be asked at some positions alone, and how many symbols."""
        device = next(self.model.parameters()).device
        special = set(self.special_ids)
        usual = islice((token for token in range(self._symbols) if token not in special), 2)
        row = [self.mask_id, *usual, self.mask_id][: self.length_limit]
        tokens = torch.tensor([row, row[::-1][1:] + row[:1]], device=device)
        reveal = tokens.eq(self.mask_id)
        full = self._logits(tokens, reveal, narrow=False)
        if getattr(self.model, "base_model", None) is self.model:
            return False, full.shape[1]  # its head would be cut after the fact
        # some other architecture than expected may fail in any way
        try:
            found = self._logits(tokens, reveal, narrow=True)
        except Exception:
            return False, full.shape[1]
        error = (found - full).abs().max() if found.shape == full.shape else torch.inf
        return bool(error <= full.abs().max() * torch.finfo(full.dtype).eps ** 0.5), full.shape[1]


def _keep(
    rows: torch.Tensor, columns: torch.Tensor, module: torch.nn.Module, args: Any, output: Any
) -> Any:
    """Leave of the last hidden states of a base model some positions, as one sequence of them."""
    kept = output[0][rows, columns].unsqueeze(0)
    if isinstance(output, tuple):
        return kept, *output[1:]
    output[next(iter(output))] = kept
    return output


def _known_symbols(model: Any) -> int:
    """Return how many tokens a model has an embedding of."""
    try:
        return len(model.get_input_embeddings().weight)
    except (AttributeError, NotImplementedError):
        raise TypeError(
            "model must have get_input_embeddings(), as models of transformers do, which tells how "
            f"many tokens it knows, got {type(model).__name__}"
        ) from None


def _most_positions(model: Any) -> int | None:
    """Return how many positions a model has, if it says so."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # where padding has a position, the first token's comes after it
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - unused
    return getattr(getattr(model, "config", None), "max_position_embeddings", None)


def _checked_folder(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a str or a path, got {shown(path)}")
    folder = Path(path)
    if not (folder / "config.json").is_file():
        reason = "no config.json is in it" if folder.is_dir() else "there is no such folder"
        raise ValueError(
            "path must be a folder with a model, as save_pretrained writes it, got "
            f"{shown(str(path))}: {reason}, and nothing is ever downloaded"
        )
    return folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reports of what is checked here, and from progress bars."""
    logging = _transformers().utils.logging
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _transformers() -> Any:
    try:
        with catch_warnings():
            # of a progress bar that a notebook without widgets cannot show
            filterwarnings("ignore", "IProgress not found")
            import transformers
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        message = "transformers is not installed: pip install dlm-core[transformers] brings it"
        raise ModuleNotFoundError(message, name=error.name) from None
    return transformers


def _load(folder: Path, dtype: torch.dtype | str | None) -> Any:
    transformers = _transformers()
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **local)
    except (OSError, ValueError) as error:
        raise _not_loaded(folder, error) from None
    if type(config) not in transformers.MODEL_FOR_MASKED_LM_MAPPING:
        raise ValueError(
            f"path must hold a masked language model, got one of type {config.model_type!r} in "
            f"{shown(str(folder))}, which transformers does not load as one. A model that was "
            "loaded in another way can be given to MaskedLM itself"
        )
    try:
        model, report = transformers.AutoModelForMaskedLM.from_pretrained(
            folder, config=config, dtype=dtype or "auto", output_loading_info=True, **local
        )
    except OSError as error:
        raise _not_loaded(folder, error) from None
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(
            "path must hold all weights of a masked language model, got a folder without "
            f"{', '.join(missing[:4])}{' and others' * (len(missing) > 4)}, which would be random"
        )
    return model


def _not_loaded(folder: Path, error: Exception) -> ValueError:
    reason = str(error).partition("\n")[0]
    return ValueError(
        f"path must hold a model that transformers loads, got {shown(str(folder))}: {reason} A "
        "model that comes with code of its own, as LLaDA and Dream do, is loaded by transformers "
        "itself, with trust_remote_code=True, and given to MaskedLM"
    )


def _load_tokenizer(folder: Path) -> Any:
    if not any(any(folder.glob(pattern)) for pattern in _TOKENIZER_FILES):
        return None
    return _transformers().AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return what a tokenizer puts before and after a sequence."""
    inner, outer = (tokenizer("A", add_special_tokens=flag)["input_ids"] for flag in (False, True))
    for start in range(len(outer) - len(inner) + 1):
        if inner and outer[start : start + len(inner)] == inner:
            return outer[:start], outer[start + len(inner) :]
    raise ValueError(
        "prefix and suffix must be given: the tokenizer does not tell what it puts around a "
        f"sequence (it makes {inner} of 'A', and {outer} with special tokens)"
    )
