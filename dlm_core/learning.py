r"""Training: the masked objective, a loop that can be killed, and a small mask predictor.

The objective is Eq. 3 of Zhao and Cai (arXiv 2602.20126): mask a number :math:`m` of positions,
uniform on :math:`1, \ldots, L`, and score the predictor by the mean of :math:`-\log q` over them.
Its mean is :math:`\frac1L \sum_j \hat h_j`, with :math:`\hat h_j` the cross-entropy of a token of
which :math:`j` random others are known; so ``L`` times the loss is what decoding one token at a
time costs, in nats a sequence, and is at least :math:`H(X)`.
"""

import os
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from math import cos, pi
from pathlib import Path
from typing import TypeAlias

from dlm_core._check import (
    MOST_POSITIONS,
    boolean,
    count,
    frozen,
    instance,
    integer,
    number,
    shown,
    table_fits,
)
from dlm_core._torch import torch, tqdm
from dlm_core._types import FloatArray
from dlm_core.estimation import _file, _free
from dlm_core.predictor import (
    MaskPredictor,
    Predictor,
    check_rows,
    places_of,
    torch_generator,
)

__all__ = ["MaskedTransformer", "Training", "masked_loss", "train"]

_Callback: TypeAlias = Callable[[int, float], object]

# The stream of random masks that a seed gives.
_MASKS = 2
# The bar shows means over so many steps.
_SHOWN_STEPS = 50
# Tables of the shape of a batch that a step holds at once, networks apart.
_TABLES = 8


class MaskedTransformer(torch.nn.Module):
    """A small bidirectional transformer: a mask predictor to train.

    Learned embeddings of symbols and positions, layers of attention and perceptron, each after a
    layer norm, without dropout. It starts as the uniform law, so that the first loss is
    ``log(alphabet_size)``.

    Parameters
    ----------
    length, alphabet_size : int
        Number of positions ``L`` and of symbols ``V``, at least 1.
    width : int
        Of the vector at each position, a multiple of ``heads``.
    layers, heads : int
        Number of layers, and of attention heads in each, at least 1.
    seed : int
        Of the initial parameters, whatever the state of torch's own generator.

    Attributes
    ----------
    length, alphabet_size : int
    mask_id : int
        The token that stands for "not revealed": ``alphabet_size``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, or the parameters take over 4 GiB.
    """

    def __init__(
        self,
        length: int,
        alphabet_size: int,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.length = integer("length", length, 1, MOST_POSITIONS)
        self.alphabet_size = integer("alphabet_size", alphabet_size, 1)
        width, layers = integer("width", width, 1), integer("layers", layers, 1)
        heads, seed = integer("heads", heads, 1), integer("seed", seed, 0)
        if width % heads:
            raise ValueError(f"width must be a multiple of heads = {heads}, got {width}")
        numbers = width * (self.length + 2 * self.alphabet_size + 12 * layers * width)
        sizes = f"length = {length}, alphabet_size = {alphabet_size}, width = {width}"
        table_fits(f"a network of {sizes}, layers = {layers}", 4 * numbers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.symbols = torch.nn.Embedding(self.alphabet_size + 1, width)
            self.places = torch.nn.Embedding(self.length, width)
            layer = torch.nn.TransformerEncoderLayer(
                width,
                heads,
                dim_feedforward=4 * width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            self.body = torch.nn.TransformerEncoder(
                layer, layers, norm=torch.nn.LayerNorm(width), enable_nested_tensor=False
            )
            # the layers are copies of one: let them start apart
            for parameter in self.body.parameters():
                if parameter.ndim == 2:
                    torch.nn.init.xavier_uniform_(parameter)
            self.head = torch.nn.Linear(width, self.alphabet_size)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)
        self.eval()

    @property
    def mask_id(self) -> int:
        """int: the token that stands for "not revealed": ``alphabet_size``."""
        return self.alphabet_size

    def forward(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the masked positions asked for.

        Parameters
        ----------
        tokens : Tensor of int64, shape (B, L)
            Sequences with ``mask_id`` at masked places.
        reveal : Tensor of bool, shape (B, L)
            Which positions are asked for.

        Returns
        -------
        Tensor of float32, shape (reveal.sum(), V)
            In row-major order of ``reveal``, in nats.
        """
        seen = self.body(self.symbols(tokens) + self.places.weight)
        return self.head(seen[reveal]).log_softmax(-1)


def masked_loss(
    predictor: Predictor,
    tokens: torch.Tensor,
    generator: torch.Generator | int,
    *,
    mask_id: int | None = None,
    given: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""One draw of the masked objective (Eq. 3 of the paper), in nats a token, with its gradient.

    In a row with ``L`` free positions, ``m`` of them are masked, ``m`` uniform on ``1, ..., L``
    and the positions uniform given ``m``; the loss is the mean of :math:`-\log q` over these,
    then over the rows. Its expectation is that of :math:`\frac1L \sum_j \hat h_j` over the rows,
    whatever their number. The ``m`` of a batch are drawn together, by systematic sampling: in a
    batch of ``L`` rows each number occurs once.

    Parameters
    ----------
    predictor : callable
        A mask predictor; a ``torch.nn.Module`` may be in training mode. It is asked once, and at
        the masked positions only.
    tokens : Tensor of int64, shape (B, L)
        Sequences without masks, on the predictor's device.
    generator : torch.Generator or int
        Draws what is masked, on the device of ``tokens``; or a seed.
    mask_id : int, optional
        The mask's token, if the predictor has no attribute of that name.
    given : Tensor of bool or int64, shape (L,) or (B, L), optional
        Which positions are known beforehand and never masked (a prompt, padding): true there; or
        the known tokens, with ``mask_id`` at the other positions. Rows may differ in how many.

    Returns
    -------
    Tensor of float64, without axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, a row has no free position, or the
        predictor returns something else than rows of log-probabilities.
    """
    ask = MaskPredictor(predictor, mask_id, training=True)
    free = _checked(ask, tokens, given)
    generator = torch_generator("generator", generator, tokens.device, _MASKS)
    masked = _masks(free, generator)
    logs = ask.logs(tokens.masked_fill(masked, ask.mask_id), masked)
    ask.check_symbols(tokens)  # by now the number of symbols is known
    return _row_means(logs, tokens, masked, ask.mask_id).mean()


def _checked(ask: MaskPredictor, tokens: torch.Tensor, given: torch.Tensor | None) -> torch.Tensor:
    """Check sequences to learn from; return where they are free, of the same shape."""
    check_rows(tokens)
    if tokens.numel() == 0:
        raise ValueError(f"tokens must have a row and a position, got {tuple(tokens.shape)}")
    ask.check_complete(tokens)
    ask.check_symbols(tokens)
    return _free(tokens, given, ask.mask_id)


def _masks(free: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw what is masked: where ``free``, a bool tensor of the same shape."""
    rows, where = len(free), generator.device
    order = torch.randperm(rows, generator=generator, device=where)
    phase = torch.rand(1, dtype=torch.float64, generator=generator, device=where)
    keys = torch.rand(free.shape, dtype=torch.float64, generator=generator, device=where)
    ranks = keys.masked_fill_(~free, 2.0).argsort(1).argsort(1)
    return ranks < _numbers(order, phase, free.sum(1))[:, None]


def _numbers(order: torch.Tensor, phase: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """How many to mask in each row: uniform on ``1, ..., free`` in each, evenly over the rows."""
    drawn = free * (order + phase) / len(order)
    return torch.minimum(1 + drawn.long(), free)  # a product may round up to `free`


def _row_means(
    logs: torch.Tensor, tokens: torch.Tensor, masked: torch.Tensor, mask_id: int
) -> torch.Tensor:
    """Mean of -log q over the masked positions of each row, shape (B,), float64."""
    if mask_id < logs.shape[1]:
        symbols = torch.arange(logs.shape[1], device=logs.device)
        logs = logs.masked_fill(symbols == mask_id, -torch.inf)
    precise = logs.to(torch.promote_types(logs.dtype, torch.float32))
    surprise = torch.nn.functional.cross_entropy(precise, tokens[masked], reduction="none")
    # a table, because adding at an index has no fixed order on a GPU
    table = torch.zeros(tokens.shape, dtype=torch.float64, device=tokens.device)
    return table.masked_scatter(masked, surprise.double()).sum(1) / masked.sum(1)


@dataclass(frozen=True, eq=False, repr=False)
class Training:
    """What ``train`` returns.

    Attributes
    ----------
    losses : ndarray, shape (steps,), read-only
        The loss of each batch, times the number of free positions: unbiased, in nats a sequence,
        for what decoding one token at a time cost at that step; at least H(X) on average.
    """

    losses: FloatArray

    @property
    def steps(self) -> int:
        """int: how many steps were made."""
        return len(self.losses)

    def __repr__(self) -> str:
        tenth = -(-self.steps // 10)
        first, last = self.losses[:tenth].mean(), self.losses[-tenth:].mean()
        return (
            f"Training({self.steps} steps: {first:.4g} nats a sequence in the first {tenth}, "
            f"{last:.4g} in the last)"
        )


def train(
    predictor: torch.nn.Module,
    tokens: torch.Tensor,
    steps: int,
    *,
    batch: int = 64,
    rate: float = 1e-3,
    seed: int = 0,
    mask_id: int | None = None,
    given: torch.Tensor | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 200,
    progress: bool = False,
    callback: _Callback | None = None,
) -> Training:
    """Train a mask predictor by the masked objective: AdamW, in place.

    The rate rises linearly over the first twentieth of the steps and falls to zero along a
    cosine; gradients are clipped at norm 1. The same arguments give the same parameters, on a CPU
    to the bit, however often the run was killed and begun again; the global random state, by
    which a network may drop out, is set by ``seed`` meanwhile and put back.

    Parameters
    ----------
    predictor : torch.nn.Module
        A mask predictor, on whatever device its parameters are. It is trained in training mode
        and left in evaluation mode; parameters that require no gradient stay.
    tokens : Tensor of int64, shape (n, L)
        Sequences to learn from, without masks, on any device.
    steps : int
        Number of steps, at least 1.
    batch : int
        Sequences a step, drawn from the rows of ``tokens`` with replacement.
    rate : float
        The largest learning rate, at most 1.
    seed : int
        Of all randomness, at least 0.
    mask_id, given
        As in `masked_loss`, ``given`` where ``tokens`` are.
    checkpoint : str or os.PathLike, optional
        A file in which the run is kept: written whole or not at all, after every ``every`` steps
        and at the end. If it exists, the run goes on from there, or is over.
    every : int
        Number of steps between two checkpoints: what a kill costs at most.
    progress : bool
        Whether to show a progress bar, with the mean of the latest losses.
    callback : callable, optional
        Called after each step with the number of steps made and the loss (float, nats a
        sequence), the predictor being in evaluation mode; not for steps made before a kill.

    Returns
    -------
    Training

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, the predictor is none or has no
        parameter to train, the loss does not stay finite, or ``checkpoint`` was written by a run
        with other arguments, other tokens or another network at the start, or is no checkpoint.

    Examples
    --------
    >>> import torch
    >>> words = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0]])
    >>> network = MaskedTransformer(length=4, alphabet_size=2, width=8, layers=1, heads=2)
    >>> train(network, words, steps=300, rate=1e-2).steps
    300
    """
    instance("predictor", predictor, torch.nn.Module)
    parameters = [p for p in predictor.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("predictor must have a parameter that requires a gradient, got none")
    ask = MaskPredictor(predictor, mask_id, training=True)
    free = _checked(ask, tokens, given).cpu()
    steps = count("steps", steps, 1, 1)
    batch = count("batch", batch, 1, _TABLES * tokens.shape[1])
    rate, seed = number("rate", rate, at_least=0), integer("seed", seed, 0)
    if rate > 1:  # a step of AdamW moves each number by about the rate
        raise ValueError(f"rate must be at most 1, got {rate}")
    every, progress = integer("every", every, 1), boolean("progress", progress)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable or None, got {shown(callback)}")
    path = None if checkpoint is None else _file(checkpoint)

    device = ask.device
    facts = {
        "steps": steps,
        "batch": batch,
        "rate": rate,
        "seed": seed,
        "mask_id": ask.mask_id,
        "tokens": _digest([tokens]),
        "given": _digest([free]),
        "network at the start": _digest(chain(predictor.parameters(), predictor.buffers())),
    }
    predictor.eval()
    # this call tells the number of symbols, by which those of the data are checked
    hidden = tokens[:1].masked_fill(free[:1].to(tokens.device), ask.mask_id).to(device)
    ask.laws(hidden, places_of(free[:1].to(device)))
    ask.check_symbols(tokens)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        run = _Run(
            predictor,
            torch.optim.AdamW(parameters, lr=rate),
            torch_generator("seed", seed, torch.device("cpu"), _MASKS),
            torch.zeros(steps, dtype=torch.float64, device=device),
        )
        done = 0 if path is None else run.load(path, facts)
        bar = tqdm(range(done, steps), "steps", steps, initial=done, disable=not progress)
        try:
            for step in bar:
                predictor.train()
                chosen = torch.randint(len(tokens), (batch,), generator=run.generator)
                words = tokens[chosen.to(tokens.device)].to(device)
                open_places = free[chosen]
                masked = _masks(open_places, run.generator).to(device)
                logs = ask.logs(words.masked_fill(masked, ask.mask_id), masked)
                means = _row_means(logs, words, masked, ask.mask_id)
                run.optimizer.zero_grad()
                means.mean().backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                for group in run.optimizer.param_groups:
                    group["lr"] = rate * _pace(step, steps)
                run.optimizer.step()
                run.losses[step] = (means.detach() * open_places.sum(1).to(device)).mean()

                done = step + 1
                if done % every == 0 or done == steps:
                    run.check_finite(done)
                    if path is not None:
                        run.save(path, facts, done)
                if progress and done % _SHOWN_STEPS == 0:
                    latest = float(run.losses[done - _SHOWN_STEPS : done].mean())
                    bar.set_postfix_str(f"{latest:.4g} nats a sequence")
                if callback is not None:
                    predictor.eval()
                    callback(done, float(run.losses[step]))
        finally:
            predictor.eval()
    return Training(frozen(run.losses.cpu().numpy()))


def _pace(step: int, steps: int) -> float:
    """The learning rate of a step, as a share of the largest."""
    return min(1.0, (step + 1) / max(1, steps // 20)) * (1 + cos(pi * step / steps)) / 2


def _digest(tensors: Iterable[torch.Tensor]) -> str:
    """A number, in text, that tells tensors of other numbers, shapes or precision apart."""
    found = sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        # numpy has no bfloat16
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


@dataclass(frozen=True, eq=False)
class _Run:
    """All that changes in the course of a run."""

    predictor: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    losses: torch.Tensor

    def check_finite(self, done: int) -> None:
        """Raise ``ValueError`` if a loss or a parameter is not finite."""
        losses = self.losses[:done]
        numbers = [losses, *self.predictor.parameters()]
        if not all(tensor.isfinite().all() for tensor in numbers):
            raise ValueError(
                "predictor must stay finite and give no token of tokens the probability zero, got "
                f"a loss of {float(losses[-1])} after {done} steps: a smaller rate may help"
            )

    def save(self, path: Path, facts: dict[str, object], done: int) -> None:
        """Write a checkpoint, whole or not at all."""
        device = self.losses.device
        state = {
            "facts": facts,
            "predictor": self.predictor.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "global": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "losses": self.losses[:done].clone(),  # a part would be written with its whole
        }
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            with fresh.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)

    def load(self, path: Path, facts: dict[str, object]) -> int:
        """Take up a checkpoint, if there is one; return the number of steps made."""
        if not path.exists():
            return 0
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            then, losses = state["facts"], state["losses"]
        except (
            pickle.UnpicklingError,
            OSError,
            RuntimeError,
            EOFError,
            LookupError,
            TypeError,
        ) as error:
            raise ValueError(
                f"checkpoint must be a file that train wrote, {path} is none: {error}"
            ) from None
        other = [name for name, value in facts.items() if then.get(name) != value]
        if other:
            raise ValueError(
                f"checkpoint must be of this run, {path} is of one with other {', '.join(other)}: "
                "give the same ones, another checkpoint, or remove the file"
            )
        self.predictor.load_state_dict(state["predictor"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["global"])
        if self.losses.device.type == "cuda" and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self.losses.device)
        self.losses[: len(losses)] = losses
        return len(losses)
