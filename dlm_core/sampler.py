"""The one generation loop: a mask predictor, a schedule, and rows with any number of masks."""

from dataclasses import dataclass

import numpy as np

from dlm_core._check import instance, integer, real_array
from dlm_core._torch import torch, tqdm
from dlm_core.predictor import _device, _mask_id, _of, _parts, check_rows, pick, predict
from dlm_core.schedules.base import Schedule

__all__ = ["Generation", "generate", "log_likelihood"]

# Rows are planned in blocks of this many, each from a seed of its own. Whatever batch a row is in,
# its numbers come from the same place of the same block.
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Generation:
    """What ``generate`` returns.

    Attributes
    ----------
    tokens : Tensor of int64, shape (n, L)
        The sequences, without masks.
    sizes : ndarray of int64, shape (n, K)
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
    sizes: np.ndarray
    order: np.ndarray
    calls: int
    seed: int
    log_prob: torch.Tensor


def generate(
    predictor,
    schedule,
    n=None,
    *,
    tokens=None,
    seed=0,
    first_row=0,
    device=None,
    order="random",
    temperature=1.0,
    progress=False,
    callback=None,
):
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
        shape ``(reveal.sum(), V)``, row-major. Its attribute ``mask_id`` is the mask's token. If
        that is one of the ``V`` symbols, it is excluded and the rest renormalised.
    schedule : Schedule
        The law of the sizes. Its length is that of the sequence or, with ``tokens``, at least the
        number of masks in any row; a row with fewer masks follows the schedule of the same kind
        for its own number (``Schedule.sample_rows``), whole.
    n : int, optional
        How many sequences of the schedule's length to generate.
    tokens : Tensor of int64, shape (n, L), optional
        In place of ``n``: rows to complete. Revealed tokens never change.
    seed : int
        Of all randomness, at least 0.
    first_row : int
        Number of the first row.
    device : torch.device or str, optional
        Where the tokens are; by default where the given ones, or the predictor's ``device``, are.
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
        of shape (n, L); not to be changed).

    Returns
    -------
    Generation

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, a row has more masks than the schedule
        has positions, or the predictor returns something else than rows of log-probabilities.

    Examples
    --------
    >>> from dlm_core.schedules import TCAdaptive
    >>> from dlm_core.targets import ReedSolomon
    >>> code = ReedSolomon(length=200, dimension=150, field_bits=8)
    >>> words = generate(code, TCAdaptive(length=200, steps=199), n=8)
    >>> words.calls, words.tokens.shape
    (199, torch.Size([8, 200]))
    """
    temperature = float(real_array("temperature", temperature, ndim=0))
    if temperature < 0:
        raise ValueError(f"temperature must be nonnegative, got {temperature}")
    tokens = _start(predictor, schedule, n, tokens, device)
    plan = _Plan(schedule, tokens == predictor.mask_id, seed, first_row, order)

    def choose(logs, reveal):
        return _draw(logs, plan.uniforms[reveal], temperature)

    log_prob = _unmask(predictor, tokens, plan, choose, progress, callback)
    return Generation(tokens, plan.sizes, plan.order(), plan.steps, plan.seed, log_prob)


def log_likelihood(
    predictor, schedule, tokens, *, seed=0, first_row=0, order="random", progress=False
):
    r"""Log-probability with which the sampler would produce given sequences.

    The orders and sizes are those that ``generate`` uses for the same seed and row numbers; the
    tokens revealed are the given ones instead of drawn ones. For sequences from :math:`p`, the
    mean of :math:`\log p(x) - \log q(x)` is unbiased for the expected error.

    Parameters
    ----------
    predictor : callable
        A mask predictor.
    schedule : Schedule
        The law of the sizes, for the length of the sequences.
    tokens : Tensor of int64, shape (n, L)
        Sequences without masks.
    seed, first_row, order, progress
        As in ``generate``.

    Returns
    -------
    Tensor of float64, shape (n,)
        In nats; minus infinity where the sampler cannot produce the sequence.

    Raises
    ------
    TypeError, ValueError
        As ``generate``.
    """
    mask_id = _mask_id(predictor)
    instance("tokens", tokens, torch.Tensor)
    if (tokens == mask_id).any():
        raise ValueError(f"tokens must have no mask, got mask_id = {mask_id} among them")
    start = _start(predictor, schedule, None, torch.full_like(tokens, mask_id), None)
    plan = _Plan(schedule, start == mask_id, seed, first_row, order)

    def choose(logs, reveal):
        truth = tokens[reveal]
        return truth, torch.cat(
            [_of(part, part_truth) - part.logsumexp(1) for part, part_truth in _parts(logs, truth)]
        )

    return _unmask(predictor, start, plan, choose, progress, None)


def _unmask(predictor, tokens, plan, choose, progress, callback):
    """Run all iterations on ``tokens``, in place; return the log-probability of each row."""
    log_prob = torch.zeros(len(tokens), dtype=torch.float64, device=tokens.device)
    for k in tqdm(range(plan.steps), disable=not progress, desc="iterations"):
        reveal, logs = plan.next(k, predictor, tokens)
        symbols, chances = choose(logs, reveal)
        tokens[reveal] = symbols
        log_prob.index_add_(0, torch.nonzero(reveal, as_tuple=True)[0], chances)
        if callback is not None:
            callback(k, tokens, reveal)
    return log_prob


class _Plan:
    """Everything random about the rows of a batch, drawn before the first call."""

    def __init__(self, schedule, masked, seed, first_row, order):
        self.seed = integer("seed", seed, 0)
        first_row = integer("first_row", first_row, 0)
        device, masked = masked.device, masked.cpu().numpy()
        n, length = masked.shape
        masks = masked.sum(axis=1)
        if masks.max(initial=0) > schedule.length:
            raise ValueError(
                f"tokens must have at most as many masks in a row as the schedule has positions, "
                f"{schedule.length}, got {masks.max()} in row {masks.argmax()}"
            )
        self.sizes = np.zeros((n, schedule.steps), dtype=np.int64)
        keys, uniforms = np.empty((n, length)), np.empty((n, length))
        start = 0
        while start < n:
            block, inside = divmod(first_row + start, _BLOCK)
            rows = slice(start, min(n, start + _BLOCK - inside))
            place = slice(inside, inside + rows.stop - start)
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(block,)))
            keys[rows] = rng.random((_BLOCK, length))[place]
            uniforms[rows] = rng.random((_BLOCK, length))[place]
            lengths = np.zeros(_BLOCK, dtype=np.int64)
            lengths[place] = masks[rows]
            self.sizes[rows] = schedule.sample_rows(lengths, rng)[place]
            start = rows.stop
        self.steps = int(np.count_nonzero(self.sizes.any(axis=0)))
        self.sizes = self.sizes[:, : self.steps]
        self.uniforms = torch.from_numpy(uniforms).to(device)
        self.by_confidence = isinstance(order, str) and order == "confidence"
        if not isinstance(order, str):
            keys = _ranks(order, keys.shape) / length
        elif order not in ("random", "confidence"):
            raise ValueError(
                f'order must be "random", "confidence" or an array of permutations, got {order!r}'
            )
        self.keys = torch.from_numpy(keys).to(device)
        # The iteration in which a position is revealed; `steps` for those that are given.
        step = np.full((n, length), self.steps, dtype=np.int32)
        if not self.by_confidence:
            keys = np.where(masked, keys, 2.0)
            positions = np.argsort(keys, axis=1)[np.arange(length) < masks[:, np.newaxis]]
            rows = np.repeat(np.arange(n), masks)
            iterations = np.tile(np.arange(self.steps), n)
            step[rows, positions] = np.repeat(iterations, self.sizes.ravel())
        self.step = torch.from_numpy(step).to(device)

    def next(self, k, predictor, tokens):
        """Return which positions iteration ``k`` reveals, and their log-probabilities."""
        if not self.by_confidence:
            reveal = self.step == k
            return reveal, predict(predictor, tokens, reveal)
        size = torch.from_numpy(self.sizes[:, k]).to(tokens.device)
        masked = (tokens == predictor.mask_id) & (size > 0)[:, None]
        logs = predict(predictor, tokens, masked)
        confidence = torch.full(tokens.shape, -torch.inf, dtype=torch.float64, device=tokens.device)
        confidence[masked] = logs.amax(1) - logs.logsumexp(1)
        by_key = self.keys.argsort(1)
        shuffled = confidence.gather(1, by_key)
        ranked = torch.argsort(shuffled, dim=1, descending=True, stable=True)
        chosen = torch.arange(tokens.shape[1], device=tokens.device) < size[:, None]
        reveal = torch.zeros_like(masked).scatter_(1, by_key.gather(1, ranked), chosen)
        self.step[reveal] = k
        return reveal, logs[reveal[masked]]

    def order(self):
        """The positions of each row in the order of their iterations, then -1."""
        when = (self.step + self.keys).cpu().numpy()
        given = np.arange(when.shape[1]) >= self.sizes.sum(axis=1)[:, np.newaxis]
        return np.where(given, -1, np.argsort(when, axis=1))


def _start(predictor, schedule, n, tokens, device):
    """Return a fresh tensor with the tokens to start from."""
    instance("schedule", schedule, Schedule)
    mask_id = _mask_id(predictor)
    if (n is None) == (tokens is None):
        raise ValueError("give either n or tokens")
    if tokens is None:
        shape = integer("n", n, 0), schedule.length
        where = _device(predictor) if device is None else device
        return torch.full(shape, mask_id, dtype=torch.int64, device=where)
    check_rows(tokens)
    if tokens.numel() and tokens.min() < 0:
        raise ValueError(f"tokens must be nonnegative, got {int(tokens.min())}")
    return tokens.to(tokens.device if device is None else device, copy=True)


def _ranks(order, shape):
    """Return the place of each position in the given orders."""
    try:
        order = np.asarray(order)
    except ValueError:
        raise ValueError(f"order must be a table of shape {shape}, got ragged rows") from None
    if order.shape != shape or not (np.sort(order, axis=1) == np.arange(shape[1])).all():
        raise ValueError(f"order must be permutations of shape {shape}, got shape {order.shape}")
    return np.argsort(order, axis=1)


def _draw(logs, uniforms, temperature):
    """Draw a symbol from each row; return the symbols and their log-probabilities."""
    symbols, chances = [], []
    for part, numbers in _parts(logs, uniforms):
        above = part - part.amax(1, keepdim=True)
        weights = (above == 0).double() if temperature == 0 else (above / temperature).exp_()
        drawn = pick(weights, numbers)
        symbols.append(drawn)
        chances.append((_of(weights, drawn) / weights.sum(1)).log_())
    return torch.cat(symbols), torch.cat(chances)
