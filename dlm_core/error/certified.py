"""What a schedule costs on a predictor, measured afresh to a precision that is said beforehand."""

from dataclasses import dataclass, field
from math import log, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy  # loads its parts when first asked for

from dlm_core._check import boolean, choice, instance, integer, number
from dlm_core._types import FloatArray, IntArray
from dlm_core.error.law import price_weights
from dlm_core.error.price import paired_passes_for, passes_for
from dlm_core.information.estimate import Estimate
from dlm_core.information.estimated import LEARNED
from dlm_core.schedules.base import Schedule
from dlm_core.schedules.fixed import Deterministic

if TYPE_CHECKING:
    import torch

    from dlm_core.predictor import Predictor

__all__ = ["CertifiedCost", "certify"]

# The stream of random orders that a seed gives: not that of `estimate_profile`, on whose orders
# sizes are chosen and which most callers seed alike.
_FRESH = 3
# Levels of less weight than this, beside the largest, carry rounding.
_NO_WEIGHT = 1e-12
# Draws in all, at least: of fewer, the interval of Student and Welch is wide.
_FEWEST = 32
# More draws of a term than any data have rows, in float64 and in sums of int64.
_MOST_DRAWS = 2.0**40
# Draws that deviate by less than this share of what they may come to are as good as equal: those
# of a network always differ a little.
_EQUAL = 1e-3
# Levels, or blocks, that the pilot looks at; between them deviations are interpolated.
_PILOT_TERMS = 9
# The chance that a deviation is larger than what the pilot's is taken for.
_LARGER = 0.2
_WHAT = {"price": "price", "nll": "negative log-likelihood"}


@dataclass(frozen=True)
class CertifiedCost:
    """What a schedule costs on a predictor, with a confidence interval: made by ``certify``.

    Attributes
    ----------
    schedule : Schedule
        The schedule.
    what : {"price", "nll"}
        The nats beyond one token at a time, or all of them.
    estimate : Estimate
        Nats a sequence, unbiased, from fresh passes; ``n`` counts the sequences.
    interval : tuple of float
        Student's t interval with Welch's degrees of freedom: asymptotic.
    confidence : float
        Of the interval.
    passes : int
        How many passes it rests on.
    pilot_passes : int
        How many more the pilot took, which told how to spend them.
    """

    schedule: Schedule
    what: str
    estimate: Estimate
    interval: tuple[float, float]
    confidence: float
    passes: int
    pilot_passes: int = field(repr=False)

    def __str__(self) -> str:
        low, high = self.interval
        name, shape = type(self.schedule).__name__, f"K = {self.schedule.steps}"
        return (
            f"{name}, {shape}: {_WHAT[self.what]} {self.estimate.value:.6g} nats, "
            f"{low:.6g} to {high:.6g} with confidence {self.confidence:g} (Student t, asymptotic), "
            f"from {self.passes:,} fresh passes after {self.pilot_passes:,} of a pilot, {LEARNED}"
        )


class _Terms(NamedTuple):
    """Sums over the curve, each drawn as a whole on one sequence: term ``i`` takes the levels
    ``levels[starts[i]:starts[i + 1]]`` with their weights."""

    levels: IntArray
    weights: FloatArray
    starts: IntArray

    @property
    def reach(self) -> FloatArray:
        """By how much each term changes at most where surprises change by one nat."""
        up, down = (np.maximum(sign * self.weights, 0.0) for sign in (1, -1))
        starts = self.starts[:-1]
        return np.maximum(np.add.reduceat(up, starts), np.add.reduceat(down, starts))

    def passes(self, term: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """For draws of some terms, one after the other: draw, level and weight of each pass."""
        width = self.starts[term + 1] - self.starts[term]
        draw = np.repeat(np.arange(term.size), width)
        inside = np.arange(draw.size) - np.repeat(np.cumsum(width) - width, width)
        entry = np.repeat(self.starts[term], width) + inside
        return draw, self.levels[entry], self.weights[entry]


def certify(
    schedule: Schedule,
    predictor: "Predictor",
    data: "torch.Tensor",
    precision: float,
    *,
    what: str = "price",
    confidence: float = 0.95,
    pilot: int = 16,
    seed: int = 0,
    mask_id: int | None = None,
    given: "torch.Tensor | None" = None,
    batch: int | None = None,
    progress: bool = False,
) -> CertifiedCost:
    r"""Measure what a schedule costs on a predictor, to a precision and on fresh passes.

    The cost is a sum :math:`\sum_t w_t \hat h_t` over the curve of the predictor, whatever the
    shape of the curve (``price_weights``). A pilot, on random rows of the data, tells how much
    the surprise varies at nine of the levels of some weight, and by straight lines at those
    between; the passes are then spread so that the sum is known to the precision at least cost
    (``passes_for``), each on a row of its own with a random order of its own. For the price of
    fixed sizes all levels of a block are taken on one row (``paired_passes_for``). Few rows tell a
    deviation roughly: it is taken so large that the true one is larger with chance 0.2 (if the
    surprise is normal), 1.2 times what 16 rows say. The pilot's passes do not enter the interval.
    Where all draws of a level are equal, or deviate by less than a thousandth of the largest
    surprise, it is not taken for certain: an event that ``n`` draws do not show may have a chance
    of about ``3 / n``, and is counted with the largest surprise that any pass showed. How many
    passes it takes, and whether the data has as many rows, is known before the first of them.

    Of sizes chosen on data (``EstimatedProfile.optimal``), ``data`` must be other rows. Where ``r``
    schedules are tried until one pleases, each needs the confidence ``1 - (1 - confidence)/r``.

    Parameters
    ----------
    schedule : Schedule
        The law of the sizes.
    predictor : callable
        A mask predictor.
    data : Tensor of int64, shape (n, L)
        Independent sequences from the distribution.
    precision : float
        The half-width of the interval, in nats, positive. It is what the plan aims at; the interval
        has the width that the passes turn out to give.
    what : {"price", "nll"}
        What is to be known.
    confidence : float
        Of the interval, between 0 and 1.
    pilot : int
        How many rows the pilot takes, at least 2.
    seed : int
        Of the random orders, which are others than those that ``estimate_profile`` draws by it.
    mask_id : int, optional
        The mask's token, if the predictor has no attribute of that name.
    given : Tensor of bool or int64, optional
        As in ``estimate_profile``; as many positions free in each row as the schedule's length.
    batch : int, optional
        How many masked sequences the predictor is shown at once, as in ``estimate_profile``.
    progress : bool
        Whether to show a progress bar, which counts the passes.

    Returns
    -------
    CertifiedCost
        Printable.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, the lengths differ, or the data has
        fewer rows than the pilot and the plan ask for: the message says how many these are.

    Examples
    --------
    >>> from dlm_core.schedules import ShiftedEqual
    >>> from dlm_core.targets import MarkovChain
    >>> chain = MarkovChain(32, [[0.9, 0.1], [0.1, 0.9]])
    >>> found = certify(ShiftedEqual(32, 8), chain, chain.sample(2000, 1), precision=0.1)
    >>> found.interval[0] < found.estimate.value < found.interval[1]
    True
    """
    from dlm_core._torch import torch, tqdm  # here, so that exact errors need numpy alone
    from dlm_core.estimation import Passes, Rows
    from dlm_core.predictor import MaskPredictor, check_rows, torch_generator

    instance("schedule", schedule, Schedule)
    ask = MaskPredictor(predictor, mask_id)
    check_rows(data, "data")
    precision = number("precision", precision)
    choice("what", what, list(_WHAT))
    pilot, progress = integer("pilot", pilot, 2), boolean("progress", progress)
    batch = None if batch is None else integer("batch", batch, 1)
    generator = torch_generator("seed", integer("seed", seed, 0), data.device, _FRESH)
    ask.check_complete(data, "data")
    ask.check_symbols(data, "data")
    # checked before any pass, with deviations that ask for the least number of passes
    paired = what == "price" and isinstance(schedule, Deterministic)
    terms = _terms(schedule, what, paired)
    number_of_terms = terms.starts.size - 1
    least = _draws(schedule, terms, np.zeros(number_of_terms), precision, confidence, what, paired)
    if len(data) < pilot + int(least.sum()):
        raise ValueError(_too_few(len(data), pilot, int(least.sum())))
    rows = Rows(ask, data, given, generator)
    # data may come in an order that is not random
    shuffled = torch.randperm(len(data), generator=generator, device=data.device).cpu().numpy()
    other = rows.lengths != schedule.length
    if other.any():
        raise ValueError(
            f"data must have as many free positions in each row as the schedule, "
            f"{schedule.length}, got {rows.lengths[other][0]}"
        )
    rows.learn_symbols()

    largest = 0.0  # surprise of a pass

    def measured(row: IntArray, term: IntArray, label: str) -> FloatArray:
        nonlocal largest
        draw, level, weight = terms.passes(term)
        passes = Passes(shuffled[row[draw]], level, np.full(draw.size, schedule.length))
        values = np.zeros(term.size)
        with tqdm(total=draw.size, disable=not progress, desc=label, unit="pass") as bar:
            for part, surprise in rows.surprises(passes, False, batch):
                rows.check_possible(passes.row[part], surprise)
                largest = max(largest, float(surprise.max()))
                np.add.at(values, draw[part], weight[part] * surprise)
                bar.update(surprise.size)
        return values

    if number_of_terms == 0:  # nothing is paid
        nothing = Estimate(0.0, 0.0, len(data), LEARNED)
        return CertifiedCost(schedule, what, nothing, (0.0, 0.0), confidence, 0, 0)
    # by reach, in which terms differ most, the deviations of neighbours are alike
    chosen = np.unique(np.linspace(0, number_of_terms - 1, _PILOT_TERMS).round().astype(np.int64))
    every = np.tile(chosen, pilot)
    piloted = measured(np.repeat(np.arange(pilot), chosen.size), every, "pilot")
    found = piloted.reshape(pilot, -1).std(axis=0, ddof=1) / terms.reach[chosen]
    deviations = np.interp(np.arange(number_of_terms), chosen, found) * terms.reach
    deviations *= sqrt((pilot - 1) / scipy.special.chdtri(pilot - 1, 1 - _LARGER))
    draws = _draws(schedule, terms, deviations, precision, confidence, what, paired)
    # so that what equal draws may hide is a quarter of the precision
    hidden = _rarely(terms.reach * largest, deviations, confidence)
    with np.errstate(over="ignore"):  # too many, and said below
        hiding = np.minimum(np.ceil(4 * hidden / precision), _MOST_DRAWS)
    draws = np.maximum(draws, hiding.astype(np.int64))
    if len(data) < pilot + int(draws.sum()):
        raise ValueError(_too_few(len(data), pilot, int(draws.sum())))
    term = np.repeat(np.arange(number_of_terms), draws)
    values = measured(pilot + np.arange(term.size), term, "fresh passes")

    means = np.bincount(term, values) / draws
    variances = np.bincount(term, (values - means[term]) ** 2) / (draws - 1)
    # a few draws may be equal by chance where the pilot's are not
    worth = terms.reach * largest
    variances = np.where(variances < (_EQUAL * worth) ** 2, deviations**2, variances)
    hidden = _rarely(worth, np.sqrt(variances), confidence)
    variances /= draws
    error = sqrt(float(variances.sum()))
    estimate = Estimate(float(means.sum()), error, int(draws.sum()), LEARNED)
    radius = float((hidden / draws).max())
    if error > 0:
        freedom = float(variances.sum() ** 2 / (variances**2 / (draws - 1)).sum())
        radius += error * float(scipy.special.stdtrit(freedom, (1 + confidence) / 2))
    width = np.diff(terms.starts)
    return CertifiedCost(
        schedule,
        what,
        estimate,
        (estimate.value - radius, estimate.value + radius),
        confidence,
        int(draws @ width),
        pilot * int(width[chosen].sum()),
    )


def _terms(schedule: Schedule, what: str, paired: bool) -> _Terms:
    """What is drawn as a whole: each level of some weight, or each block of more than one."""
    weights = price_weights(schedule) + (what == "nll")
    levels = np.arange(schedule.length)
    if paired:
        assert isinstance(schedule, Deterministic)
        used = np.repeat(schedule.sizes > 1, schedule.sizes)
        widths = schedule.sizes[schedule.sizes > 1]
    else:
        used = np.abs(weights) > _NO_WEIGHT * np.abs(weights).max()
        widths = np.ones(int(used.sum()), dtype=np.int64)
    return _Terms(levels[used], weights[used], np.append(0, np.cumsum(widths)))


def _draws(
    schedule: Schedule,
    terms: _Terms,
    deviations: FloatArray,
    precision: float,
    confidence: float,
    what: str,
    paired: bool,
) -> IntArray:
    """How many draws of each term the precision asks for."""
    if paired:
        assert isinstance(schedule, Deterministic)
        by_block = np.zeros(schedule.steps)
        by_block[schedule.sizes > 1] = deviations
        found = paired_passes_for(schedule, precision, by_block, confidence=confidence)
    else:
        # of a term, here a level with its weight: passes_for has the weight itself
        by_level = np.zeros(schedule.length)
        by_level[terms.levels] = deviations / np.abs(terms.weights)
        found = passes_for(schedule, precision, by_level, confidence=confidence, what=what)
    draws = found[terms.levels[terms.starts[:-1]]]
    return np.maximum(draws, -(-_FEWEST // max(draws.size, 1)))


def _rarely(worth: FloatArray, deviations: FloatArray, confidence: float) -> FloatArray:
    """What terms with equal draws may hide, times the number of draws: the rule of three.

    If events of chances ``p_i`` are seen in none of ``n_i`` draws, ``sum n_i p_i`` is less than
    ``log(1 / d)`` with confidence ``1 - d``; their worth, at most ``w_i`` each, adds up to no
    more than ``log(1 / d) max_i w_i / n_i``. An event is taken to be worth as much as the
    largest surprise that any pass showed.
    """
    return np.where(deviations < _EQUAL * worth, worth, 0.0) * log(1 / (1 - confidence))


def _too_few(rows: int, pilot: int, fresh: int) -> str:
    return (
        f"data must have at least {pilot + fresh:,} rows, {pilot:,} for the pilot and {fresh:,} "
        f"for fresh passes, got {rows:,}: ask for less precision, or take all levels on the same "
        "rows by estimate_profile(predictor, data, generator) and its price(schedule)"
    )
