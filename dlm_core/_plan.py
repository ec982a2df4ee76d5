"""What is random about the rows of a batch, and the order in which their positions come."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dlm_core._check import host_array, integer, integer_array, shown
from dlm_core._laws import Laws
from dlm_core._torch import torch
from dlm_core._types import FloatArray, IntArray
from dlm_core.predictor import MaskPredictor
from dlm_core.schedules.base import Schedule

__all__ = ["ByConfidence", "KnownOrder", "Rows", "draw_sizes", "positions", "prepare"]

_Mask: TypeAlias = npt.NDArray[np.bool_]

# Rows are planned in blocks of this many, each from a seed of its own. Whatever batch a row is in,
# its numbers come from the same place of the same block.
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Rows:
    """What is random about the rows of a batch, all drawn before the first call.

    Sizes of shape (n, calls); keys by which positions are ordered and uniform numbers by which
    tokens are drawn, of shape (n, L).
    """

    sizes: IntArray
    keys: FloatArray
    uniforms: FloatArray


class KnownOrder:
    """An order known beforehand, random or given, and with it what each iteration reveals."""

    def __init__(self, rows: Rows, masked: _Mask, device: torch.device) -> None:
        (n, length), masks = masked.shape, masked.sum(axis=1)
        self.calls = rows.sizes.shape[1]
        self.sizes = rows.sizes
        ranked = np.argsort(np.where(masked, rows.keys, 2.0), axis=1)
        columns = ranked[np.arange(length) < masks[:, np.newaxis]]
        iterations = np.repeat(np.tile(np.arange(self.calls), n), rows.sizes.ravel())
        # the iteration in which a position is revealed; `calls` for those that are given
        self.step = np.full((n, length), self.calls, dtype=np.min_scalar_type(self.calls))
        self.step[np.repeat(np.arange(n), masks), columns] = iterations
        # all there is to send to a device goes before the first call
        self._places = torch.from_numpy(self.step.argsort(axis=None, kind="stable")).to(device)
        self._ends = np.cumsum(rows.sizes.sum(axis=0))

    def places(self, k: int) -> torch.Tensor:
        """Which places iteration ``k`` reveals: increasing indices into the table of tokens."""
        return self._places[self._ends[k] - self.sizes[:, k].sum() : self._ends[k]]

    def next(self, k: int, ask: MaskPredictor, tokens: torch.Tensor) -> tuple[torch.Tensor, Laws]:
        """Return which places iteration ``k`` reveals, and the laws there."""
        places = self.places(k)
        return places, ask.laws(tokens, places, _some(self.sizes[:, k] > 0, tokens.device))


class ByConfidence:
    """An order that follows the predictor's confidence, known only as it is asked."""

    def __init__(self, rows: Rows, masked: _Mask, device: torch.device) -> None:
        self.calls = rows.sizes.shape[1]
        self.sizes = rows.sizes
        self._sizes = torch.from_numpy(rows.sizes).to(device)
        self._by_key = torch.from_numpy(rows.keys).to(device).argsort(1)
        self._step = torch.full(masked.shape, self.calls, dtype=torch.int32, device=device)
        self._masked = torch.from_numpy(np.flatnonzero(masked)).to(device)

    def next(self, k: int, ask: MaskPredictor, tokens: torch.Tensor) -> tuple[torch.Tensor, Laws]:
        """Return which places iteration ``k`` reveals, and the laws there."""
        asked = self._masked
        laws = ask.laws(tokens, asked, _some(self.sizes[:, k] > 0, tokens.device))
        confidence = torch.full(tokens.shape, -torch.inf, dtype=torch.float64, device=tokens.device)
        confidence.view(-1)[asked] = laws.confidence()
        # from an order at random, so that a stable sort breaks ties at random
        shuffled = confidence.gather(1, self._by_key)
        ranked = torch.argsort(shuffled, dim=1, descending=True, stable=True)
        first = torch.arange(tokens.shape[1], device=tokens.device) < self._sizes[:, k, None]
        reveal = torch.zeros_like(first).scatter_(1, self._by_key.gather(1, ranked), first)
        self._step.masked_fill_(reveal, k)
        # a sort in place of an index by a table of bool, whose result has a size to wait for
        split = reveal.take(asked).byte().argsort(descending=True, stable=True)
        number = self.sizes[:, k].sum()
        chosen, self._masked = split[:number], asked[split[number:]]
        return asked[chosen], laws[chosen]

    @property
    def step(self) -> npt.NDArray[np.int32]:
        """The iteration in which each position was revealed; `calls` for those that were given."""
        return self._step.cpu().numpy()


def _some(active: _Mask, device: torch.device) -> torch.Tensor | None:
    """Return the numbers of the active rows, None if that is all of them."""
    if active.all():
        return None
    return torch.from_numpy(np.flatnonzero(active)).to(device, non_blocking=True)


def prepare(
    schedule: Schedule, masked: torch.Tensor, seed: int, first_row: int, order: object
) -> tuple[Rows, KnownOrder | ByConfidence]:
    """Check what is left to check, and draw the rows; ``masked`` has shape (n, L)."""
    seed, first_row = integer("seed", seed, 0), integer("first_row", first_row, 0)
    given_keys = _given_keys(order, tuple(masked.shape))
    on_host = masked.cpu().numpy()
    masks = on_host.sum(axis=1)
    if masks.max(initial=0) > schedule.length:
        raise ValueError(
            f"tokens must have at most as many masks in a row as the schedule has positions, "
            f"{schedule.length}, got {masks.max()} in row {masks.argmax()}"
        )
    rows = _draw_rows(schedule, masks, on_host.shape[1], seed, first_row)
    if given_keys is not None:
        rows = replace(rows, keys=given_keys)
    kind = ByConfidence if isinstance(order, str) and order == "confidence" else KnownOrder
    return rows, kind(rows, on_host, masked.device)


def _draw_rows(schedule: Schedule, masks: IntArray, length: int, seed: int, first_row: int) -> Rows:
    """Draw the rows numbered from ``first_row`` on, with so many masks each."""
    n = len(masks)
    keys, uniforms = np.empty((n, length)), np.empty((n, length))
    for rows, inside, source in _blocks(n, seed, first_row):
        shape = rows.stop - rows.start, length
        # a block is all its keys, then all its uniform numbers, then the sizes
        keys[rows] = _generator_at(source, inside * length).random(shape)
        uniforms[rows] = _generator_at(source, (_BLOCK + inside) * length).random(shape)
    sizes = draw_sizes(schedule, masks, length, seed, first_row)
    calls = np.count_nonzero(sizes.any(axis=0))
    return Rows(np.ascontiguousarray(sizes[:, :calls]), keys, uniforms)


def draw_sizes(
    schedule: Schedule, masks: IntArray, length: int, seed: int, first_row: int
) -> IntArray:
    """Draw the sizes, (n, schedule.steps), of rows of ``length`` tokens with so many masks each."""
    sizes = np.zeros((len(masks), schedule.steps), dtype=np.int64)
    for rows, inside, source in _blocks(len(masks), seed, first_row):
        own = slice(inside, inside + rows.stop - rows.start)
        lengths = np.zeros(_BLOCK, dtype=np.int64)
        lengths[own] = masks[rows]
        drawn = schedule.sample_rows(lengths, _generator_at(source, 2 * _BLOCK * length))
        sizes[rows] = drawn[own]
        _check_sizes(sizes[rows], masks[rows], schedule)
    return sizes


def _blocks(
    n: int, seed: int, first_row: int
) -> Iterator[tuple[slice, int, np.random.SeedSequence]]:
    """Yield the rows of a batch by blocks, the first's place in its block, and the block's seed."""
    start = 0
    while start < n:
        block, inside = divmod(first_row + start, _BLOCK)
        rows = slice(start, min(n, start + _BLOCK - inside))
        yield rows, inside, np.random.SeedSequence(seed, spawn_key=(block,))
        start = rows.stop


def _check_sizes(sizes: IntArray, masks: IntArray, schedule: Schedule) -> None:
    """Raise ``ValueError`` unless the rows of sizes are positive, then zeros, and sum to masks."""
    ended = (sizes[:, :-1] == 0) & (sizes[:, 1:] != 0)
    wrong = np.flatnonzero(
        ended.any(axis=1) | (sizes < 0).any(axis=1) | (sizes.sum(axis=1) != masks)
    )
    if wrong.size:
        row = wrong[0]
        raise ValueError(
            f"schedule must draw positive sizes, then zeros, with the sum {masks[row]}, got "
            f"{sizes[row].tolist()} of {schedule!r}"
        )


def _generator_at(source: np.random.SeedSequence, numbers: int) -> np.random.Generator:
    """Return ``default_rng(source)`` as it is after so many uniform numbers, without drawing."""
    return np.random.Generator(np.random.PCG64(source).advance(numbers))


def positions(step: npt.NDArray[np.integer], rows: Rows) -> IntArray:
    """Return the positions of each row in the order of their iterations, then -1."""
    ranked = np.lexsort((rows.keys, step), axis=1)
    given = np.arange(ranked.shape[1]) >= rows.sizes.sum(axis=1)[:, np.newaxis]
    return np.where(given, -1, ranked)


def _given_keys(order: object, shape: tuple[int, ...]) -> FloatArray | None:
    """Return keys that sort the positions into the orders given, None where none are."""
    if isinstance(order, str) and order in ("random", "confidence"):
        return None
    rule = f'order must be permutations of shape {shape} (or "random", or "confidence")'
    found = host_array("order", order)
    if found.shape != shape:
        got = f"shape {found.shape}" if found.ndim else shown(order)
        raise ValueError(f"{rule}, got {got}")
    table = integer_array("order", found, 2, 0, shape[1] - 1)
    twice = np.argwhere(np.diff(np.sort(table, axis=1), axis=1) == 0)
    if twice.size:
        row, place = twice[0]
        raise ValueError(f"{rule}, got {np.sort(table[row])[place]} twice in row {row}")
    return np.argsort(table, axis=1) / shape[1]
