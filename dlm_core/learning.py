"""What a mask predictor, ideal or learned, says of the distribution behind it."""

import torch

from dlm_core._validation import instance, integer
from dlm_core.profile import EstimatedProfile
from dlm_core.sampler import check_rows, predict

__all__ = ["estimate_profile"]

# Entries of one prediction: 128 MiB of float64.
_CHUNK = 2**24


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
    at_once = max(1, _CHUNK // (length * alphabet))
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
