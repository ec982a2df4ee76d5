"""Conditional laws as a predictor gave them: a table that may fill the memory, read in parts."""

from collections.abc import Iterator
from copy import copy
from functools import reduce

from dlm_core._torch import torch

__all__ = ["Laws", "pick"]

# Entries of the one buffer of a pass: on a CPU, what stays in its cache.
_CHUNK = {"cpu": 2**18}


class Laws:
    """Laws of one symbol each: rows of logarithms, up to a constant of its own in each row.

    The rows stay as the predictor gave them, in its precision. Each pass copies a part at a time
    into one buffer of float64, without the mask and less the largest entry, and works there. Rows
    that are all one row in memory, as ``expand`` makes them, are read as that one row: it is what
    a predictor returns at low cost where the positions do not differ.

    Parameters
    ----------
    logs : Tensor of any floating point, shape (m, V)
        The rows, at least one; never written into.
    mask_id : int
        The symbol to leave out, if it is one of the ``V``.

    Attributes
    ----------
    largest : Tensor of float64, shape (m,) or (1,)
        The largest entry of each row in memory, NaN where the row has one.
    """

    def __init__(self, logs: torch.Tensor, mask_id: int) -> None:
        self._logs = logs[:1] if logs.stride(0) == 0 else logs
        self._mask_id = mask_id
        self._number = len(logs)
        self._chosen: torch.Tensor | None = None
        # on both sides of the mask, which takes no copy
        sides = self._logs[:, :mask_id], self._logs[:, mask_id + 1 :]
        nothing = logs.new_full((len(self._logs),), -torch.inf)
        found = reduce(torch.maximum, (side.amax(1) for side in sides if side.shape[1]), nothing)
        self.largest = found.double()

    def __getitem__(self, rows: torch.Tensor) -> "Laws":
        """The laws of some rows of a whole table, an index of int64."""
        some = copy(self)
        some._number = len(rows)
        if len(self._logs) > 1:
            some._chosen, some.largest = rows, self.largest[rows]
        return some

    def draw(
        self, uniforms: torch.Tensor, temperature: float = 1.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw a symbol from each law by inversion.

        Parameters
        ----------
        uniforms : Tensor of float64, shape (m,)
            Numbers in [0, 1).
        temperature : float
            Divides the logarithms; at 0 the most probable symbols are equally likely.

        Returns
        -------
        symbols : Tensor of int64, shape (m,)
        log_probabilities : Tensor of float64, shape (m,)
            Of these symbols in the laws that they are drawn from, in nats.
        """
        # not from lists of parts: small tensors among the large ones keep memory from being reused
        symbols, chances = torch.empty_like(uniforms, dtype=torch.int64), torch.empty_like(uniforms)
        for part, above in self._parts():
            if temperature == 0:
                weights = above.eq_(0)
            elif temperature == 1:  # a division less
                weights = above.exp_()
            else:
                weights = above.div_(temperature).exp_()
            drawn = symbols[part] = pick(weights, uniforms[part])
            torch.div(_entries(weights, drawn), weights.sum(1), out=chances[part])
        return symbols, chances.log_()

    def confidence(self) -> torch.Tensor:
        """Log-probability of the most probable symbol of each law, in nats, shape (m,).

        It ranks positions, for which the precision of the rows is enough. The sums are in float64
        all the same: one that is rounded to 1 would make ties of all sure positions.
        """
        precision = torch.promote_types(self._logs.dtype, torch.float32)
        return (self.largest - self._log_sums(precision)).expand(self._number)

    def log_probability(self, symbols: torch.Tensor) -> torch.Tensor:
        """Log-probability of one symbol (int64, shape (m,)) in each law, in nats, shape (m,)."""
        return self.entry(symbols) - self._log_sums()

    def entry(self, symbols: torch.Tensor) -> torch.Tensor:
        """The logarithm of one symbol (int64, shape (m,)) in each row, as it was given."""
        rows = self._logs if self._chosen is None else self._logs[self._chosen]
        return _entries(rows, symbols).double()

    def entropy(self) -> torch.Tensor:
        """Entropy of each law, in nats, shape (m,)."""
        found = torch.empty_like(self.largest)
        for part, above in self._parts():
            found[part] = torch.special.entr(above.softmax(1), out=above).sum(1)
        return found.expand(self._number)

    def _log_sums(self, precision: torch.dtype = torch.float64) -> torch.Tensor:
        sums = torch.empty_like(self.largest)
        for part, above in self._parts(precision):
            torch.sum(above.exp_(), 1, dtype=torch.float64, out=sums[part])
        return sums.log_().add_(self.largest)

    def _parts(
        self, precision: torch.dtype = torch.float64
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield which laws are read, and by how much their entries exceed the largest."""
        columns = self._logs.shape[1]
        at_once = max(1, _CHUNK.get(self._logs.device.type, 2**24) // columns)
        largest = self.largest[:, None].to(precision)
        buffer = largest.new_empty(min(at_once, len(largest)), columns)
        for start in range(0, len(largest), at_once):
            part = slice(start, start + at_once)
            rows = self._logs[part if self._chosen is None else self._chosen[part]]
            above = buffer[: len(rows)].copy_(rows).sub_(largest[part])
            if self._mask_id < columns:
                above[:, self._mask_id] = -torch.inf
            yield (part if len(self._logs) > 1 else slice(None)), above


def pick(weights: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """The symbol at which each distribution function exceeds its uniform number.

    Parameters
    ----------
    weights : Tensor of float64, shape (n, q) or (1, q)
        Nonnegative rows with a positive sum, not necessarily one; a single row serves all.
    uniforms : Tensor of float64, shape (n,)
        Numbers in [0, 1).

    Returns
    -------
    Tensor of int64, shape (n,)
        Never a symbol of weight zero.
    """
    cumulated = weights.cumsum(1)
    threshold = uniforms[:, None] * cumulated[:, -1:]
    if len(weights) == 1:
        return torch.searchsorted(cumulated[0], threshold[:, 0], right=True)
    return torch.searchsorted(cumulated, threshold, right=True).squeeze(1)


def _entries(rows: torch.Tensor, symbols: torch.Tensor) -> torch.Tensor:
    """The entry of one symbol in each row, or in the single row."""
    return rows.expand(len(symbols), -1).gather(1, symbols[:, None]).squeeze(1)
