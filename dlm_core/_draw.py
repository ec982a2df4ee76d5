"""Drawing symbols by inversion: one uniform number for each."""

import torch


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
