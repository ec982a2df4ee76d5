"""The one generation loop: a mask predictor, a schedule, and rows with any number of masks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy.typing as npt

from dlm_core._check import boolean, count, instance, number, shown
from dlm_core._laws import Laws
from dlm_core._plan import ByConfidence, KnownOrder, positions, prepare
from dlm_core._torch import torch, tqdm
from dlm_core._types import IntArray
from dlm_core.predictor import MaskPredictor, Predictor, check_rows, checked_device, table_of
from dlm_core.schedules.base import Schedule

__all__ = ["Generation", "generate", "log_likelihood"]

# Tables of the shape of the tokens that a run holds at once: the tokens, what is revealed and
# when, the keys and uniform numbers and their order, and those returned.
_TABLES = 8

_Pair: TypeAlias = tuple[torch.Tensor, torch.Tensor]
_Callback: TypeAlias = Callable[[int, torch.Tensor, torch.Tensor], object]


@dataclass(frozen=True, eq=False, repr=False)
class Generation:
    """What ``generate`` returns.

    Attributes
    ----------
    tokens : Tensor of int64, shape (n, L)
        The sequences, without masks.
    sizes : ndarray of int64, shape (n, calls)
        How many positions each iteration revealed in each row; a row with fewer iterations than
        others ends with zeros.
    order : ndarray of int64, shape (n, L)
        The positions in the order in which they were revealed (within an iteration, in an
        arbitrary one), then -1 for those that were given.
    calls : int
        How often the predictor was called.
    seed : int
        The seed.
    log_prob : Tensor of float64, shape (n,)
        Log-probability of the drawn tokens given the order and the sizes, in nats.
    """

    tokens: torch.Tensor
    sizes: IntArray
    order: IntArray
    calls: int
    seed: int
    log_prob: torch.Tensor

    def __repr__(self) -> str:
        rows, length = self.tokens.shape
        return f"Generation({rows} x {length} tokens in {self.calls} calls, seed={self.seed})"


def generate(
    predictor: Predictor,
    schedule: Schedule,
    n: int | None = None,
    *,
    tokens: torch.Tensor | None = None,
    mask_id: int | None = None,
    seed: int = 0,
    first_row: int = 0,
    device: torch.device | str | None = None,
    order: str | npt.ArrayLike = "random",
    temperature: float = 1.0,
    progress: bool = False,
    callback: _Callback | None = None,
) -> Generation:
    r"""Sample from a masked diffusion model, or fill the masks of given rows.

    In each iteration the predictor sees the tokens revealed so far; the next positions are drawn
    from the product of its conditional laws, by inversion in float64, at these positions only.
    Every call reveals something, and there are exactly ``schedule.steps`` of them unless every
    row has fewer masks than that.

    A row's result depends on its tokens, on ``seed`` and on its number ``first_row + i``, and not
    on the other rows: a batch may be cut anywhere. (A neural network may round differently in
    another batch; that is beyond this function.)

    Parameters
    ----------
    predictor : callable
        A mask predictor: ``(tokens (B, L) int64, reveal (B, L) bool)`` to log-probabilities of
        shape ``(reveal.sum(), V)``, row-major, in float64 or less. Logits will do, which lack a
        constant in each row; probabilities are refused. If the mask is one of the ``V`` symbols,
        it is excluded and the rest renormalised. A ``torch.nn.Module`` has to be in evaluation
        mode.
    schedule : Schedule
        The law of the sizes. Its length is that of the sequence or, with ``tokens``, at least the
        number of masks in any row; a row with fewer masks follows the schedule of the same kind
        for its own number (``Schedule.sample_rows``), whole.
    n : int, optional
        How many sequences of the schedule's length to generate.
    tokens : Tensor of int64, shape (n, L), optional
        In place of ``n``: rows to complete, with the mask's token at the positions to fill.
        Revealed tokens never change.
    mask_id : int, optional
        The mask's token, if the predictor has no attribute of that name.
    seed : int
        Of all randomness, at least 0.
    first_row : int
        Number of the first row.
    device : torch.device or str, optional
        Where the tokens are; by default where the given ones, or the predictor's ``device``,
        parameters or buffers, are, else the CPU. It must compute in float64, which MPS does not.
    order : {"random", "confidence"} or array_like of int, shape (n, L)
        Which positions come next: those of a uniformly random order, which is what the theory is
        about; those at which the largest probability of a symbol is largest, whatever the
        temperature, with ties broken at random (the predictor is then asked for every mask); or
        those of the given permutations.
    temperature : float
        Divides the log-probabilities of the tokens, never the confidence; at 0 the most probable
        symbol is taken, with ties broken at random.
    progress : bool
        Whether to show a progress bar.
    callback : callable, optional
        Called after each iteration with its number from 0, the tokens and what was revealed (both
        of shape (n, L), copies to keep).

    Returns
    -------
    Generation

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, a row has more masks than the schedule
        has positions, or the predictor returns something else than rows of log-probabilities.
        Symbols of ``tokens`` beyond those of the predictor are known as such from its first
        answer on, unless it has the attribute ``alphabet_size``; an ``IndexError`` of that first
        call is put down to the largest of them.

    Examples
    --------
    >>> from dlm_core.schedules import TCAdaptive
    >>> from dlm_core.targets import ReedSolomon
    >>> code = ReedSolomon(length=200, dimension=150, field_bits=8)
    >>> words = generate(code, TCAdaptive(length=200, steps=199), n=8)
    >>> words.calls, words.tokens.shape
    (199, torch.Size([8, 200]))
    """
    ask = MaskPredictor(predictor, mask_id)
    instance("schedule", schedule, Schedule)
    temperature = number("temperature", temperature, at_least=0)
    progress = boolean("progress", progress)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable or None, got {shown(callback)}")
    current = _start(ask, schedule, n, tokens, device)
    rows, plan = prepare(schedule, current.eq(ask.mask_id), seed, first_row, order)
    uniforms = torch.from_numpy(rows.uniforms).to(current.device)

    def choose(laws: Laws, places: torch.Tensor) -> _Pair:
        return laws.draw(uniforms.take(places), temperature)

    log_prob = _unmask(ask, current, current, plan, choose, progress, callback)
    places = positions(plan.step, rows)
    return Generation(current, rows.sizes, places, plan.calls, int(seed), log_prob)


def log_likelihood(
    predictor: Predictor,
    schedule: Schedule,
    tokens: torch.Tensor,
    *,
    mask_id: int | None = None,
    seed: int = 0,
    first_row: int = 0,
    order: str | npt.ArrayLike = "random",
    progress: bool = False,
) -> torch.Tensor:
    r"""Log-probability with which the sampler would produce given sequences.

    The orders and sizes are those that ``generate`` uses for the same seed and row numbers; the
    tokens revealed are the given ones instead of drawn ones. For sequences from :math:`p`, the
    mean of :math:`\log p(x) - \log q(x)` is unbiased for the expected error.

    Parameters
    ----------
    predictor : callable
        A mask predictor.
    schedule : Schedule
        The law of the sizes, of the length of the sequences.
    tokens : Tensor of int64, shape (n, L)
        Sequences without masks.
    mask_id, seed, first_row, order, progress
        As in ``generate``.

    Returns
    -------
    Tensor of float64, shape (n,)
        In nats; minus infinity where the sampler cannot produce the sequence.

    Raises
    ------
    TypeError, ValueError
        As ``generate``; or if a sequence holds a mask, or is not of the schedule's length.
    """
    ask = MaskPredictor(predictor, mask_id)
    instance("schedule", schedule, Schedule)
    progress = boolean("progress", progress)
    check_rows(tokens)
    if tokens.shape[1] != schedule.length:
        raise ValueError(
            f"tokens must have rows of the schedule's length, {schedule.length}, "
            f"got shape {tuple(tokens.shape)}"
        )
    ask.check_complete(tokens)
    ask.check_symbols(tokens)
    current = torch.full(tokens.shape, ask.mask_id, device=tokens.device)
    _, plan = prepare(schedule, current.eq(ask.mask_id), seed, first_row, order)

    def choose(laws: Laws, places: torch.Tensor) -> _Pair:
        truth = tokens.take(places)
        return truth, laws.log_probability(truth)

    return _unmask(ask, current, tokens, plan, choose, progress, None)


def _unmask(
    ask: MaskPredictor,
    current: torch.Tensor,
    given: torch.Tensor,
    plan: KnownOrder | ByConfidence,
    choose: Callable[[Laws, torch.Tensor], _Pair],
    progress: bool,
    callback: _Callback | None,
) -> torch.Tensor:
    """Run all iterations on ``current``, in place; return the log-probability of each row."""
    log_prob = torch.zeros(len(current), dtype=torch.float64, device=current.device)
    for k in tqdm(range(plan.calls), disable=not progress, desc="iterations"):
        places, laws = plan.next(k, ask, current)
        if k == 0:  # the number of symbols is known now, whatever the predictor
            ask.check_symbols(given)
        symbols, chances = choose(laws, places)
        del laws  # not beside those of the next iteration: they may fill the memory
        current.view(-1)[places] = symbols
        log_prob.index_add_(0, places // current.shape[1], chances)
        if callback is not None:
            callback(k, current.clone(), table_of(places, current.shape))
    return log_prob


def _start(
    ask: MaskPredictor,
    schedule: Schedule,
    n: int | None,
    tokens: torch.Tensor | None,
    device: torch.device | str | None,
) -> torch.Tensor:
    """Return a fresh tensor with the tokens to start from."""
    if (n is None) == (tokens is None):
        raise ValueError(f"give either n or tokens, got {'neither' if n is None else 'both'}")
    where = None if device is None else checked_device("device", device)
    if tokens is None:
        shape = count("n", n, 0, _TABLES * schedule.length), schedule.length
        return torch.full(shape, ask.mask_id, dtype=torch.int64, device=where or ask.device)
    check_rows(tokens)
    ask.check_symbols(tokens)
    device = where or tokens.device
    return tokens.to(device, copy=True, memory_format=torch.contiguous_format)
