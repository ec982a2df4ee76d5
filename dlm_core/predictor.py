"""Mask predictors: what one is, how it is asked, and the information profile that it implies.

A mask predictor is called as ``(tokens (B, L) int64, reveal (B, L) bool)`` and returns
log-probabilities of shape ``(reveal.sum(), V)``, row-major; ``mask_id`` is the token that stands
for "not revealed".
"""

from dlm_core._check import instance, integer
from dlm_core._torch import torch
from dlm_core.information.profile import EstimatedProfile

__all__ = ["estimate_profile", "pick", "predict"]

# Entries of a temporary table of weights: on a CPU, what stays in its cache.
_CHUNK = {"cpu": 2**18}
# Entries of one prediction: 128 MiB of float64.
_AT_ONCE = 2**24


def predict(predictor, tokens, reveal):
    """Call a mask predictor on the rows that need it, and check what it returns.

    Parameters
    ----------
    predictor : callable
        A mask predictor.
    tokens, reveal : Tensor, shape (B, L)
        As its signature says.

    Returns
    -------
    Tensor of float64, shape (reveal.sum(), V)
        The logarithms, minus infinity for the mask if that is one of the symbols: rows are then
        no longer normalised.

    Raises
    ------
    ValueError
        If the predictor returns something else than rows of log-probabilities.
    """
    active = reveal.any(1)
    with torch.no_grad():
        if active.all():
            logs = predictor(tokens, reveal)
        else:
            logs = predictor(tokens[active], reveal[active])
    expected = int(reveal.sum())
    fits = isinstance(logs, torch.Tensor) and logs.ndim == 2 and len(logs) == expected
    if not fits or logs.shape[1] == 0:
        raise ValueError(
            f"predictor must return log-probabilities of shape ({expected}, V), "
            f"got {tuple(getattr(logs, 'shape', ())) or type(logs).__name__}"
        )
    logs = logs.double()
    if predictor.mask_id < logs.shape[1]:
        logs = logs.index_fill(1, torch.tensor(predictor.mask_id, device=logs.device), -torch.inf)
    for (part,) in _parts(logs):
        largest = part.amax(1)
        # false for NaN, too
        if not ((largest > -torch.inf) & (largest < torch.inf)).all():
            raise ValueError(
                "predictor must return log-probabilities below infinity, some finite in each row, "
                "got NaN, infinity or a row without a possible symbol"
            )
    return logs


def check_rows(tokens):
    """Raise ``TypeError`` unless ``tokens`` is a tensor of int64 with two axes."""
    instance("tokens", tokens, torch.Tensor)
    if tokens.dtype != torch.int64 or tokens.ndim != 2:
        raise TypeError(
            f"tokens must be a tensor of torch.int64 with shape (n, L), got {tokens.dtype} "
            f"and shape {tuple(tokens.shape)}"
        )


def _mask_id(predictor):
    if not callable(predictor) or not hasattr(predictor, "mask_id"):
        raise TypeError(
            f"predictor must be callable and have a mask_id, got {type(predictor).__name__}"
        )
    return integer("predictor.mask_id", predictor.mask_id, 0)


def _device(predictor):
    if isinstance(predictor, torch.nn.Module) and not hasattr(predictor, "device"):
        return next(predictor.parameters(), torch.empty(0)).device
    return getattr(predictor, "device", "cpu")


def _parts(logs, *columns):
    """Cut rows, and columns that go with them, into parts of a handy size.

    Rows that are all one row in memory, as ``expand`` makes them, come as that one row: it is what
    a predictor returns at low cost where the positions do not differ.
    """
    if len(logs) > 1 and logs.stride(0) == 0:
        return [(logs[:1], *columns)]
    rows = max(1, _CHUNK.get(logs.device.type, 2**26) // logs.shape[1])
    return zip(*(column.split(rows) for column in (logs, *columns)), strict=True)


def _of(rows, symbols):
    """Pick the entry of one symbol from each row, or from the single row."""
    if len(rows) == 1:
        return rows[0, symbols]
    return rows.gather(1, symbols[:, None]).squeeze(1)


def pick(weights, uniforms):
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


@torch.no_grad()
def estimate_profile(predictor, tokens, generator, *, perfect=False):
    r"""The information profile, from a mask predictor and data.

    Each sequence is revealed in a random order of its own; with its first ``j`` tokens of that
    order known, the mean of :math:`-\log q(x_i \mid \cdot)` over all masked ``i`` is a draw for
    :math:`h_j` (for the last point, the mean over all ways to mask one token). So every sequence
    gives one draw of the whole curve, and sequences are independent: standard errors of TC, DTC
    and of any expected error follow without assumptions on how neighbouring points depend.

    For a predictor with an error the mean is
    :math:`h_j + E\,KL(p(x_i \mid \cdot) \,\|\, q(x_i \mid \cdot))`, an upper bound on
    :math:`h_j` for each ``j`` by itself. TC and DTC are differences of such points, so nothing
    follows about them, in either direction, unless the excess is known to be small. Isotonic
    regression, by which the returned profile becomes a nonincreasing curve, keeps consistency but
    not unbiasedness; ``estimates`` are the unbiased means.

    Parameters
    ----------
    predictor : callable
        A mask predictor, with attribute ``mask_id``.
    tokens : Tensor of int64, shape (n, L)
        Independent sequences from the distribution, at least 2.
    generator : torch.Generator
        Draws the orders, on the device of ``tokens``.
    perfect : bool
        That the predictor returns the true conditional marginals. The draws are then their
        entropies, which have the same mean and less variance.

    Returns
    -------
    EstimatedProfile
        Cost: ``2 n L`` sequences through the predictor.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, or there are fewer than 2 sequences.
    """
    check_rows(tokens)
    instance("generator", generator, torch.Generator)
    n, length = tokens.shape
    integer("the number of rows of tokens", n, 2)
    draws = torch.empty(n, length, dtype=torch.float64, device=tokens.device)
    known = torch.arange(length, device=tokens.device)[:, None]
    last = length - 1 == known.T
    alphabet = predict(predictor, tokens[:1].masked_fill(last, predictor.mask_id), last).shape[1]
    at_once = max(1, _AT_ONCE // (length * alphabet))
    for row, curve in zip(tokens, draws, strict=True):
        keys = torch.rand(length, generator=generator, dtype=torch.float64, device=tokens.device)
        rank = keys.argsort().argsort()
        # with all but one token known, every choice of the one: that point weighs most in DTC
        for j, masked in [(known[:-1], rank >= known[:-1]), (known[-1:], rank == known)]:
            parts = masked.split(at_once)
            surprise = torch.cat([_mean_surprise(predictor, row, part, perfect) for part in parts])
            curve[j.flatten()] = surprise if len(j) > 1 else surprise.mean()
    return EstimatedProfile.from_draws(draws.cpu())


def _mean_surprise(predictor, row, masked, perfect):
    """Mean over the masked positions of each mask, shape (m, L), of what they still hold."""
    logs = predict(predictor, row.masked_fill(masked, predictor.mask_id), masked)
    normaliser = logs.logsumexp(1)
    if perfect:
        surprise = torch.special.entr((logs - normaliser[:, None]).exp()).sum(1)
    else:
        truth = row.expand(masked.shape)[masked]
        surprise = normaliser - logs.gather(1, truth[:, None]).squeeze(1)
    of_mask = torch.nonzero(masked, as_tuple=True)[0]
    return surprise.new_zeros(len(masked)).index_add_(0, of_mask, surprise) / masked.sum(1)
