"""What every target must do, tried on one: the work behind ``dlm_core.testing.check_target``."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from scipy.stats import chi2

from dlm_core._check import instance, integer
from dlm_core._types import FloatArray, IntArray
from dlm_core.information.estimated import EstimatedProfile
from dlm_core.information.profile import InformationProfile
from dlm_core.targets.base import Target

# Histories, each token known or not, that are written down and summed over.
_MOST_HISTORIES = 2**16
_MOST_COMPARED = 2048
_DRAWS = 4000
_TOLERANCE = 1e-9
_FALSE_ALARM = 1e-9


def hold(target: Target, seed: int) -> None:
    """Try all parts of the contract, those first on which others rest."""
    instance("target", target, Target)  # type: ignore[type-abstract]
    generator = torch.Generator("cpu").manual_seed(integer("seed", seed, 0))
    size, length = target.alphabet_size, target.length
    # the logarithms keep a power of a million digits from being written out
    if length * np.log2(size + 1) > 64 or (size + 1) ** length > _MOST_HISTORIES:
        raise ValueError(
            "target must be a small case, with (alphabet_size + 1)**length <= 2**16, got "
            f"alphabet_size = {size} and length = {length}"
        )
    claim(target.mask_id == size, f"mask_id must be alphabet_size, {size}, is {target.mask_id}")
    training = [name or "target" for name, part in target.named_modules() if part.training]
    claim(not training, f"target must be in evaluation mode, all of it, not: {training}")
    plain = [name for name, value in vars(target).items() if isinstance(value, torch.Tensor)]
    claim(not plain, f"tensors must be given to register_buffer, to move with target: {plain}")
    with torch.no_grad(), _as_breach("log_prob"):
        log_joint = _log_probabilities(target)
    with torch.no_grad(), _as_breach("target(tokens, reveal)"):
        _conditionals(target, log_joint, generator)
    with torch.no_grad(), _as_breach("sample"):
        _samples(target, log_joint, seed)
    with _as_breach("profile"):
        _profile(target, log_joint)
    _refusals(target)
    with torch.no_grad(), _as_breach("a copy"):
        _copies_and_default_device(target, seed)


@contextmanager
def _as_breach(what: str) -> Iterator[None]:
    """Turn what the target's own code raises into ``AssertionError``."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{what} must not raise {type(error).__name__}: {error}") from error


def claim(holds: object, words: str) -> None:
    """Raise ``AssertionError`` with these words unless it holds, also under ``python -O``."""
    if not holds:
        raise AssertionError(words)


def _rows(target: Target, symbols: int) -> torch.Tensor:
    """All rows of the first so many symbols, the mask being the last of them where it is one."""
    each = torch.arange(symbols, device=target.device)
    return torch.cartesian_prod(*[each] * target.length).reshape(-1, target.length)


def _log_probabilities(target: Target) -> FloatArray:
    """Return the logarithm of the joint table, after looking at it."""
    words = _rows(target, target.alphabet_size)
    before = words.clone()
    logs = target.log_prob(words)
    claim(words.equal(before), "log_prob must not write into tokens")
    _form("log_prob(tokens)", logs, (len(words),), torch.float64, target.device)
    claim(not logs.isnan().any(), "log_prob must not be NaN")
    total = float(logs.logsumexp(0).exp())
    claim(
        abs(total - 1) <= _TOLERANCE, f"log_prob must sum to one over all words, sums to {total!r}"
    )
    nothing = target.log_prob(words[:0])
    _form("log_prob of no rows", nothing, (0,), torch.float64, target.device)
    result: FloatArray = (
        logs.detach().cpu().numpy().reshape((target.alphabet_size,) * words.shape[1])
    )
    return result


def _conditionals(target: Target, log_joint: FloatArray, generator: torch.Generator) -> None:
    size, mask = target.alphabet_size, target.mask_id
    chances = _summed(log_joint)
    histories = _rows(target, size + 1)
    histories = histories[(histories == mask).any(1)]
    if len(histories) > _MOST_COMPARED:
        chosen = torch.randperm(len(histories), generator=generator, device="cpu")
        histories = histories[chosen[:_MOST_COMPARED].to(target.device)]
    masked = histories == mask
    before, asked_before = histories.clone(), masked.clone()
    found = target(histories, masked)
    claim(histories.equal(before), "target(tokens, reveal) must not write into tokens")
    claim(masked.equal(asked_before), "target(tokens, reveal) must not write into reveal")
    asked = int(masked.sum())
    _form("target(tokens, reveal)", found, (asked, size), torch.float64, target.device)
    found = found.detach()
    off = float((found.exp().sum(1) - 1).abs().max())
    claim(
        off <= _TOLERANCE,
        f"each predicted row must sum to one, impossible histories too: {off:g} off",
    )

    rows, positions = (index.cpu().numpy() for index in torch.nonzero(masked, as_tuple=True))
    known = histories.cpu().numpy()
    for row, position, logs in zip(rows, positions, found.cpu().numpy(), strict=True):
        history = tuple(known[row])
        if chances[history] == -np.inf:
            continue
        with_symbol = [(*history[:position], s, *history[position + 1 :]) for s in range(size)]
        expected = np.exp([chances[word] - chances[history] for word in with_symbol])
        claim(
            np.abs(np.exp(logs) - expected).max() <= _TOLERANCE,
            f"the law at position {position} given {_written(history, mask)} must be "
            f"{expected.round(9).tolist()} by log_prob, is {np.exp(logs).round(9).tolist()}",
        )

    draws = torch.rand(masked.shape, generator=generator, device="cpu")
    some = masked & (draws.to(target.device) < 0.5)
    claim(
        _near(target(histories, some), found[some[masked]]),
        "target(tokens, reveal) must return the rows of the positions asked for, in row-major "
        "order, and must not depend on which others are asked for",
    )
    order = torch.randperm(len(histories), generator=generator, device="cpu").to(target.device)
    back = torch.cat([target(histories[i : i + 1], masked[i : i + 1]) for i in order[:50].tolist()])
    whole = target(histories[order], masked[order])
    claim(
        _near(back, whole[: len(back)]),
        "a row's prediction must not depend on the rest of its batch",
    )
    for few, what in [
        (histories[:0], "no rows"),
        (histories[:1], "a row of which nothing is asked"),
    ]:
        nothing = target(few, torch.zeros_like(few, dtype=torch.bool))
        _form(f"the prediction for {what}", nothing, (0, size), torch.float64, target.device)


def _samples(target: Target, log_joint: FloatArray, seed: int) -> None:
    def generator() -> torch.Generator:
        return torch.Generator(target.device).manual_seed(seed)

    drawn = target.sample(_DRAWS, generator())
    _form("sample", drawn, (_DRAWS, target.length), torch.int64, target.device)
    claim(drawn.equal(target.sample(_DRAWS, generator())), "sample must be repeated by its seed")
    claim(drawn.equal(target.sample(_DRAWS, seed)), "sample must take a seed as an int")
    state = generator()
    claim(
        not target.sample(_DRAWS, state).equal(target.sample(_DRAWS, state))
        or np.exp(log_joint).max() ** _DRAWS > _FALSE_ALARM,
        "sample must advance its generator",
    )
    nothing = target.sample(0, seed)
    _form("sample of no rows", nothing, (0, target.length), torch.int64, target.device)
    words = drawn.cpu().numpy()
    claim(
        words.min() >= 0 and words.max() < target.alphabet_size,
        f"sample must draw symbols from 0 to {target.alphabet_size - 1}",
    )
    cells = np.ravel_multi_index(tuple(words.T), log_joint.shape)
    law, counts = np.exp(log_joint.ravel()), np.bincount(cells, minlength=log_joint.size)
    impossible = np.isneginf(log_joint.ravel()) & (counts > 0)
    claim(not impossible.any(), "sample must not draw what has probability zero by log_prob")
    chance = _chance_of(counts, law)
    claim(
        chance > _FALSE_ALARM,
        f"sample must follow log_prob: {_DRAWS} draws as far off have probability {chance:.2g}",
    )


def _profile(target: Target, log_joint: FloatArray) -> None:
    found = target.profile()
    claim(
        isinstance(found, InformationProfile) and not isinstance(found, EstimatedProfile),
        f"profile must be an InformationProfile, is {type(found).__name__}",
    )
    expected = InformationProfile.from_joint(np.exp(log_joint))
    off = np.abs(found.conditional_entropy - expected.conditional_entropy).max()
    claim(off <= _TOLERANCE, f"profile must be that of the joint table, is {off:g} off")


def _refusals(target: Target) -> None:
    """Bad arguments are refused by name; a class that overrides the public methods may not."""
    size, mask, device = target.alphabet_size, target.mask_id, target.device
    tokens = torch.full((1, target.length), mask, dtype=torch.int64, device=device)
    reveal = torch.ones_like(tokens, dtype=torch.bool)
    word = torch.zeros_like(tokens)
    longer = tokens.new_zeros(1, target.length + 1)
    for name, error, method, arguments in [
        ("tokens", TypeError, "__call__", (tokens.double(), reveal)),
        ("tokens", TypeError, "__call__", (tokens.cpu().numpy(), reveal)),
        ("tokens", ValueError, "__call__", (tokens[0], reveal[0])),
        ("tokens", ValueError, "__call__", (longer, longer == 0)),
        ("tokens", ValueError, "__call__", (tokens + 1, reveal)),
        ("tokens", ValueError, "__call__", (tokens - size - 1, reveal)),
        ("reveal", TypeError, "__call__", (tokens, reveal.long())),
        ("reveal", ValueError, "__call__", (tokens, reveal[:0])),
        ("reveal", ValueError, "__call__", (word, reveal)),
        ("tokens", TypeError, "log_prob", (word.double(),)),
        ("tokens", ValueError, "log_prob", (longer,)),
        ("tokens", ValueError, "log_prob", (tokens,)),
        ("tokens", ValueError, "log_prob", (word - 1,)),
        ("n", ValueError, "sample", (-1, 0)),
        ("n", TypeError, "sample", (1.0, 0)),
        ("generator", TypeError, "sample", (1, None)),
        ("generator", TypeError, "sample", (1, np.random.default_rng(0))),
    ]:
        _refused(target, method, arguments, error, name)


def _refused(
    target: Target, method: str, arguments: tuple[Any, ...], error: type[Exception], name: str
) -> None:
    given = ", ".join(_short(argument) for argument in arguments)
    words = f"{method}({given}) must raise {error.__name__} that begins with {name!r}"
    try:
        getattr(target, method)(*arguments)
    except error as raised:
        claim(str(raised).startswith(name), f"{words}, says: {raised}")
    except Exception as raised:
        raise AssertionError(f"{words}, raises {type(raised).__name__}: {raised}") from raised
    else:
        raise AssertionError(f"{words}, raises nothing")


def _copies_and_default_device(target: Target, seed: int) -> None:
    def answers(of: Target) -> list[torch.Tensor]:
        drawn = of.sample(5, seed)
        tokens = drawn.clone()
        tokens[:, ::2] = of.mask_id
        return [drawn, of.log_prob(drawn), of(tokens, tokens == of.mask_id)]

    expected = answers(target)
    words = "sample, log_prob and predictions must not depend on torch's default device"
    try:
        with torch.device("meta"):
            elsewhere = answers(target)
    except (RuntimeError, ValueError) as raised:
        raise AssertionError(f"{words}, raise: {raised}") from raised
    claim(all(map(_same, elsewhere, expected)), words)
    claim(
        all(map(_same, answers(deepcopy(target)), expected)),
        "sample, log_prob and predictions of a deep copy must be the same",
    )


def _same(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return found.device == expected.device and found.equal(expected)


def _form(
    what: str, value: object, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> None:
    claim(isinstance(value, torch.Tensor), f"{what} must be a tensor, is {type(value).__name__}")
    assert isinstance(value, torch.Tensor)  # for the type checker
    claim(
        (tuple(value.shape), value.dtype, value.device) == (shape, dtype, device),
        f"{what} must have shape {shape} and dtype {dtype} on {device}, has {tuple(value.shape)} "
        f"and {value.dtype} on {value.device}",
    )


def _near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two tables of log-probabilities agree, as probabilities."""
    return found.shape == expected.shape and torch.allclose(
        found.exp(), expected.exp(), rtol=0, atol=_TOLERANCE
    )


def _summed(logs: FloatArray) -> FloatArray:
    """Append to each axis the logarithm of the sum over it: the symbol of a token not known."""
    for axis in range(logs.ndim):
        total = np.logaddexp.reduce(logs, axis=axis, keepdims=True)
        logs = np.concatenate([logs, total], axis=axis)
    return logs


def _chance_of(counts: IntArray, law: FloatArray) -> float:
    """P-value of Pearson's test, in which the rarest words count as one that expects 5 draws."""
    order = np.argsort(law)
    expected = counts.sum() * law[order]
    pooled = int(np.searchsorted(expected, 5.0))
    while 0 < pooled < law.size and expected[:pooled].sum() < 5:
        pooled += 1
    starts = [0, *range(max(pooled, 1), law.size)]
    expected = np.add.reduceat(expected, starts)
    found = np.add.reduceat(counts[order], starts)
    return float(chi2.sf(((found - expected) ** 2 / expected).sum(), max(len(starts) - 1, 1)))


def _written(history: tuple[int, ...], mask: int) -> str:
    return " ".join("?" if symbol == mask else str(symbol) for symbol in history)


def _short(argument: object) -> str:
    if isinstance(argument, torch.Tensor):
        return f"tensor of {tuple(argument.shape)}, {argument.dtype}"
    return type(argument).__name__ if not isinstance(argument, int | float) else repr(argument)
