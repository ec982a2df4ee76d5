"""Measuring a mask predictor: its curve of surprises, from data.

A *pass* shows the predictor one sequence with some of its tokens masked, and yields the mean
surprise at these: a draw of the curve at the number of tokens known.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from os import PathLike, replace
from pathlib import Path
from time import monotonic
from typing import NamedTuple
from warnings import warn

import numpy as np
import numpy.typing as npt
import scipy  # loads its parts when first asked for

from dlm_core._check import boolean, instance, integer, shown, table_fits
from dlm_core._torch import torch, tqdm
from dlm_core._types import FloatArray, IntArray
from dlm_core.information.estimated import EstimatedProfile, ProfilesByLength, checked_points
from dlm_core.predictor import (
    MaskPredictor,
    Predictor,
    check_rows,
    first_wrong,
    places_of,
    torch_generator,
)

__all__ = ["PredictorWarning", "estimate_profile"]

# The stream of random orders that a seed gives.
ORDERS = 1
# Most entries of one prediction (256 MiB of float32), and most tokens shown at once.
_MOST_ENTRIES = 2**26
_MOST_TOKENS = 2**18
# How often a checkpoint is written, in seconds.
_INTERVAL = 20.0
# The chance that all is well with a curve that is warned of, if its points were normal.
_FALSE_ALARM = 3e-5
# Less than this many nats is the rounding of a predictor in float32.
_ROUNDING = 1e-6


class PredictorWarning(UserWarning):
    """What was measured says that a predictor is not what it is taken for."""


class Passes(NamedTuple):
    """Which tokens are masked, pass by pass: in row ``row``, those with a rank in [first, end)."""

    row: IntArray
    first: IntArray
    end: IntArray

    def part(self, part: slice) -> "Passes":
        """Some of the passes."""
        return Passes(*(column[part] for column in self))


class Rows:
    """Sequences, each with a random order of the positions that are not given.

    Parameters
    ----------
    ask : MaskPredictor
        The predictor.
    tokens : Tensor of int64, shape (n, L)
        Whole sequences.
    given : Tensor, optional
        As ``estimate_profile`` takes it.
    generator : torch.Generator
        Draws the orders, of one row after the other: those of the first rows do not depend on how
        many follow.
    """

    def __init__(
        self,
        ask: MaskPredictor,
        tokens: torch.Tensor,
        given: torch.Tensor | None,
        generator: torch.Generator,
    ) -> None:
        self.ask, self.tokens = ask, tokens
        self.free = _free(tokens, given, ask.mask_id)
        self.lengths: IntArray = self.free.sum(1).cpu().numpy()
        keys = torch.empty(tokens.shape, dtype=torch.float64, device=tokens.device)
        for row_of_keys in keys:
            row_of_keys.uniform_(generator=generator)
        self.rank = keys.masked_fill_(~self.free, 2.0).argsort(1).argsort(1)

    def learn_symbols(self) -> None:
        """Ask a first time, to know the number of symbols, and check those of the data by it.

        The call shows none of the data, and no history that a predictor may take for impossible.
        """
        masked = self.tokens[:1].masked_fill(self.free[:1], self.ask.mask_id)
        self.ask.laws(masked, places_of(self.rank[:1] == 0))
        self.ask.check_symbols(self.tokens)

    def surprises(
        self, passes: Passes, perfect: bool, batch: int | None
    ) -> Iterator[tuple[slice, FloatArray]]:
        """Yield parts of the passes, each with its mean surprises (entropies if ``perfect``)."""
        cuts = _cuts(passes.end - passes.first, self.tokens.shape[1], self.ask.columns, batch)
        for start, stop in pairwise(cuts):
            part = slice(start, stop)
            row, first, end = (
                torch.from_numpy(np.ascontiguousarray(x)).to(self.tokens.device)
                for x in passes.part(part)
            )
            rank = self.rank[row]
            masked = (rank >= first[:, None]) & (rank < end[:, None])
            yield part, _mean_surprise(self.ask, self.tokens[row], masked, perfect).cpu().numpy()

    def check_possible(self, row: IntArray, surprise: FloatArray) -> None:
        """Raise ``ValueError`` if a token of the data has probability zero."""
        impossible = ~np.isfinite(surprise)
        if impossible.any():
            raise ValueError(
                "predictor must give a positive probability to each token of the data, got zero "
                f"in row {int(row[impossible][0])}"
            )


def calls_of(rows: Rows, passes: Passes, batch: int | None) -> int:
    """How many calls of the predictor these passes take."""
    masks = passes.end - passes.first
    return len(_cuts(masks, rows.tokens.shape[1], rows.ask.columns, batch)) - 1


def estimate_profile(
    predictor: Predictor,
    tokens: torch.Tensor,
    generator: torch.Generator | int,
    *,
    mask_id: int | None = None,
    given: torch.Tensor | None = None,
    points: npt.ArrayLike | None = None,
    perfect: bool = False,
    batch: int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool = False,
) -> EstimatedProfile | ProfilesByLength:
    r"""Measure a mask predictor on data: the curve on which the price of every schedule depends.

    Each sequence is revealed in a random order of its own; with its first ``j`` tokens of that
    order known, the mean of :math:`-\log q(x_i \mid \cdot)` over all masked ``i`` is a draw for
    :math:`\hat h_j`. So every sequence gives one draw of the whole curve, and sequences are
    independent: standard errors of every sum over the curve follow without assumptions on how
    neighbouring points depend.

    The curve is the information profile of the data's distribution only where the predictor
    returns its true conditional marginals. For a predictor with an error the mean is
    :math:`h_j + E\,KL(p(x_i \mid \cdot) \,\|\, q(x_i \mid \cdot))`, an upper bound on
    :math:`h_j` for each ``j`` by itself. TC and DTC are differences of such points, so nothing
    follows about them, in either direction, unless the excess is known to be small; what follows
    is the negative log-likelihood of what the predictor generates with any schedule
    (``EstimatedProfile.nll``).

    Parameters
    ----------
    predictor : callable
        A mask predictor.
    tokens : Tensor of int64, shape (n, L)
        Independent sequences from the distribution, at least 2.
    generator : torch.Generator or int
        Draws the orders, on the device of ``tokens``; or a seed.
    mask_id : int, optional
        The mask's token, if the predictor has no attribute of that name.
    given : Tensor of bool or int64, shape (L,) or (n, L), optional
        Which positions are known from the beginning (a prompt, padding): true there; or the known
        tokens, with ``mask_id`` at the other positions. The curve is that of the others,
        conditional on them, on average over the rows. ``tokens`` are whole sequences all the same.
    points : array_like of int, optional
        At which numbers of known tokens to measure, increasing; at all if left out.
    perfect : bool
        That the predictor returns the true conditional marginals. The draws are then their
        entropies, which have the same mean and less variance.
    batch : int, optional
        How many masked sequences the predictor is shown at once; by default as many as keep a
        prediction within 2**26 entries (256 MiB of float32), and 2**18 tokens. The result does
        not depend on it, except as far as the predictor rounds differently.
    checkpoint : path, optional
        A file that keeps what was measured, written every 20 seconds and at the end: the same call
        goes on from there. One of another call is refused.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    EstimatedProfile or ProfilesByLength
        Of as many points as there are positions not given, ``L`` of them without ``given``; one
        curve for each number, if that differs from row to row. Cost: one pass for each row and
        point, and at ``j = L - 1`` of a whole curve ``L`` of them, over all ways to mask one token;
        and one pass before, which tells the number of symbols.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, a sequence holds a mask or differs from
        what is given, a row has nothing to measure, only one row has its number of free positions,
        the predictor gives probability zero to one of the tokens, or the checkpoint is of another
        call.

    Warns
    -----
    PredictorWarning
        If a point lies beyond its error above the entropy of the data's single symbols or above
        the logarithm of their number (the predictor does worse than guessing there), or if the
        curve rises beyond its error. Not if ``perfect``.
    """
    ask = MaskPredictor(predictor, mask_id)
    check_rows(tokens)
    integer("the number of rows of tokens", len(tokens), 2)
    integer("the number of columns of tokens", tokens.shape[1], 1)
    generator = torch_generator("generator", generator, tokens.device, ORDERS)
    perfect, progress = boolean("perfect", perfect), boolean("progress", progress)
    batch = None if batch is None else integer("batch", batch, 1)
    file = None if checkpoint is None else _file(checkpoint)
    ask.check_complete(tokens)
    ask.check_symbols(tokens)
    rows = Rows(ask, tokens, given, generator)
    lengths, numbers = np.unique(rows.lengths, return_counts=True)
    if numbers.min() < 2:
        raise ValueError(
            "given must leave as many positions free in two rows at least, got one row with "
            f"{lengths[numbers.argmin()]} of them: leave it out"
        )
    chosen = None if points is None else checked_points(points, int(lengths[0]))

    passes, width = _passes(rows.lengths, chosen)
    surprise = np.full(len(passes.row), np.nan)
    rows.learn_symbols()
    kept = _Checkpoint(file, rows, passes, perfect)
    done = kept.load(surprise)
    rest = passes.part(slice(done, None))
    parts = rows.surprises(rest, perfect, batch)
    calls = calls_of(rows, rest, batch)
    for part, found in tqdm(parts, total=calls, disable=not progress, desc="predictions"):
        rows.check_possible(rest.row[part], found)
        surprise[done:][part] = found
        kept.save(surprise, done + part.stop, force=done + part.stop == len(surprise))

    curves = []
    state = "ideal" if perfect else "learned"
    ends = np.cumsum(width)
    for length in lengths.tolist():
        of_length = np.flatnonzero(rows.lengths == length)
        size = int(width[of_length[0]])
        draws = surprise[ends[of_length, None] - size + np.arange(size)]
        if chosen is None:
            last = draws[:, length - 1 :].mean(axis=1, keepdims=True)
            draws = np.concatenate([draws[:, : length - 1], last], axis=1)
        curves.append(
            EstimatedProfile.from_draws(draws, points=chosen, length=length, predictor=state)  # type: ignore[arg-type]
        )
        if not perfect:
            _warn_of_guessing(curves[-1], rows)
            _warn_of_a_rise(curves[-1])
    return curves[0] if len(curves) == 1 else ProfilesByLength(tuple(curves))


def _passes(lengths: IntArray, points: IntArray | None) -> tuple[Passes, IntArray]:
    """All passes, row by row, and how many each row has.

    At the last point of a whole curve, which weighs most in DTC, each way to mask one token.
    """
    if points is not None:
        shape = len(lengths), points.size
        table_fits(f"{shape[0] * shape[1]} passes", 48 * shape[0] * shape[1])
        row, first = (x.ravel() for x in np.broadcast_arrays(np.arange(shape[0])[:, None], points))
        return Passes(row, first, lengths[row]), np.full(len(lengths), points.size)
    width = 2 * lengths - 1
    table_fits(f"{width.sum()} passes", 48 * int(width.sum()))
    row = np.repeat(np.arange(len(lengths)), width)
    case = np.arange(row.size) - np.repeat(np.cumsum(width) - width, width)
    single = case - (lengths[row] - 1)
    first = np.where(single < 0, case, single)
    return Passes(row, first, np.where(single < 0, lengths[row], first + 1)), width


def _file(value: object) -> Path:
    if not isinstance(value, str | PathLike):
        raise TypeError(f"checkpoint must be a path, got {shown(value)}")
    file = Path(value)
    if not file.parent.is_dir():
        raise ValueError(f"checkpoint must lie in a folder that exists, got {str(file)!r}")
    return file


class _Checkpoint:
    """A file with what was measured, and by what call."""

    def __init__(self, file: Path | None, rows: Rows, passes: Passes, perfect: bool) -> None:
        self._file, self._written = file, monotonic()
        self._rows, self._passes, self._perfect = rows, passes, perfect
        if file is not None:
            digest = sha256(repr((perfect, rows.ask.mask_id)).encode())
            for array in (rows.tokens.cpu().numpy(), rows.rank.cpu().numpy(), *passes):
                digest.update(np.ascontiguousarray(array).tobytes())
            self._call = digest.hexdigest()

    def load(self, surprise: FloatArray) -> int:
        """Fill in what was measured; return how many passes that is."""
        if self._file is None or not self._file.exists():
            return 0
        try:
            with np.load(self._file) as kept:
                call, found = str(kept["call"]), kept["surprise"]
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"checkpoint must be a file of estimate_profile, got {str(self._file)!r}: {error}"
            ) from None
        if call != self._call or not self._repeats(found):
            raise ValueError(
                f"checkpoint must be of this call, got {str(self._file)!r} of another one (other "
                "data, points, generator or predictor): remove it or name another file"
            )
        surprise[: found.size] = found
        return int(found.size)

    def _repeats(self, found: FloatArray) -> bool:
        """Whether the predictor says again what it said at the last pass that is kept."""
        last = slice(found.size - 1, found.size)
        ((_, again),) = self._rows.surprises(self._passes.part(last), self._perfect, None)
        # networks round differently from batch to batch and from machine to machine
        return np.allclose(again, found[last], rtol=1e-3, atol=1e-3)

    def save(self, surprise: FloatArray, done: int, *, force: bool) -> None:
        """Write what was measured, if that is due."""
        if self._file is None or not (force or monotonic() - self._written > _INTERVAL):
            return
        beside = self._file.with_name(self._file.name + ".part")
        with beside.open("wb") as file:
            np.savez(file, call=self._call, surprise=surprise[:done])
        replace(beside, self._file)
        self._written = monotonic()


def _reach(curve: EstimatedProfile) -> float:
    """How many standard errors a point must lie beyond what would be well."""
    chance = _FALSE_ALARM / curve.points.size
    return -float(scipy.special.stdtrit(curve.n - 1.0, chance))


def _warn_of_guessing(curve: EstimatedProfile, rows: Rows) -> None:
    """Warn if the predictor does worse, somewhere, than one that knows how often symbols occur."""
    symbols, counts = rows.tokens[rows.free].unique(return_counts=True)
    shares = (counts / counts.sum()).double().cpu().numpy()
    logs = -np.log(shares)
    entropy = float(shares @ logs)
    # an entropy of counts is too low on average (Miller 1955), and varies: with the rows, not with
    # the tokens, which may be copies of each other within a row
    spread = float(shares @ (logs - entropy) ** 2) ** 0.5 / len(rows.tokens) ** 0.5
    reach = _reach(curve)
    likely = entropy + (len(symbols) - 1) / (2 * int(counts.sum())) + reach * spread
    assert rows.ask.columns is not None
    uniform = float(np.log(max(rows.ask.columns - (rows.ask.mask_id < rows.ask.columns), 1)))
    excess = curve.estimates - reach * curve.standard_error - min(likely, uniform)
    if excess.max() > _ROUNDING:
        worst = int(excess.argmax())
        counted = likely < uniform
        what = "entropy of the data's symbols" if counted else "logarithm of their number"
        limit = entropy if counted else uniform
        warn(
            f"worse than guessing with {curve.points[worst]} of {curve.length} tokens known: "
            f"{curve.estimates[worst]:.4g} nats a token, where the {what} is {limit:.4g}. A "
            "predictor trained with few masks (15 %, say) has not learned to begin: a short "
            "fine-tuning with Eq. 3 (dlm_core.learning.train) repairs it",
            PredictorWarning,
            stacklevel=3,
        )


def _warn_of_a_rise(curve: EstimatedProfile) -> None:
    """Warn if the curve rises beyond its error."""
    found, places = curve.estimates, np.arange(curve.estimates.size)
    lowest = np.maximum.accumulate(np.where(found <= np.minimum.accumulate(found), places, 0))
    assert curve.covariance is not None
    variance = curve.standard_error**2
    variance = variance + variance[lowest] - 2 * curve.covariance[places, lowest]
    beyond = found - found[lowest] - _reach(curve) * np.sqrt(np.maximum(variance, 0.0))
    if beyond.max() > _ROUNDING:
        high = int(beyond.argmax())
        low = lowest[high]
        warn(
            f"the curve rises beyond its error, from {found[low]:.4g} nats with "
            f"{curve.points[low]} tokens known to {found[high]:.4g} with {curve.points[high]}: no "
            "profile of a distribution does. What it says of prices is right all the same, and "
            "optimal(steps) begins no block on a rise; a band of falling curves it is not in",
            PredictorWarning,
            stacklevel=3,
        )


def _free(tokens: torch.Tensor, given: torch.Tensor | None, mask_id: int) -> torch.Tensor:
    """Return which positions are not known beforehand, shape (n, L)."""
    if given is None:
        return torch.ones_like(tokens, dtype=torch.bool)
    instance("given", given, torch.Tensor)
    if given.dtype not in (torch.bool, torch.int64) or given.shape not in (
        tokens.shape,
        tokens.shape[1:],
    ):
        raise ValueError(
            f"given must be a tensor of torch.bool (or of torch.int64, the tokens with the mask at "
            f"free positions) with shape {tuple(tokens.shape[1:])} or {tuple(tokens.shape)}, got "
            f"{given.dtype} and shape {tuple(given.shape)}"
        )
    if given.device != tokens.device:
        raise ValueError(f"given must be on {tokens.device} as tokens, got {given.device}")
    given = given.expand_as(tokens)
    known = given if given.dtype == torch.bool else given.ne(mask_id)
    differs = known & given.ne(tokens) & (given.dtype == torch.int64)
    if differs.any():
        raise ValueError(f"tokens must agree with given, got {first_wrong(differs, tokens)}")
    free = ~known
    full = free.any(1).logical_not()
    if full.any():
        raise ValueError(
            "given must leave at least 1 position free in each row, got none in row "
            f"{int(full.nonzero()[0])}"
        )
    return free


def _cuts(masks: IntArray, length: int, columns: int | None, batch: int | None) -> list[int]:
    """Where a list of sequences with so many masks is cut into calls of the predictor."""
    if not masks.size:
        return [0]
    ends = np.cumsum(masks)
    if batch is None:
        sequences, positions = max(1, _MOST_TOKENS // length), _MOST_ENTRIES // (columns or 1)
    else:
        sequences, positions = batch, int(ends[-1])
    cuts = [0]
    while cuts[-1] < len(masks):
        start = cuts[-1]
        fitting = np.searchsorted(ends, ends[start] - masks[start] + positions, side="right")
        cuts.append(min(max(int(fitting), start + 1), start + sequences))
    return cuts


def _mean_surprise(
    ask: MaskPredictor, tokens: torch.Tensor, masked: torch.Tensor, perfect: bool
) -> torch.Tensor:
    """Mean over the masked positions of each sequence, shape (m,), of what they still hold."""
    asked = places_of(masked)
    laws, truth = ask.laws(tokens.masked_fill(masked, ask.mask_id), asked), tokens.take(asked)
    if perfect:
        # what cannot happen is no data of this predictor
        surprise = laws.entropy().masked_fill(laws.entry(truth) == -torch.inf, torch.inf)
    else:
        surprise = -laws.log_probability(truth)
    total = surprise.new_zeros(len(masked)).index_add_(0, asked // masked.shape[1], surprise)
    return total / masked.sum(1)
