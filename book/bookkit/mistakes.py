"""What a wrong predictor costs, exactly: its cross-entropies and its divergence, by enumeration."""

from itertools import combinations, pairwise, permutations
from typing import NamedTuple

import numpy as np
import torch

from dlm_core._check import instance, integer, number
from dlm_core.predictor import MaskPredictor, check_rows, places_of
from dlm_core.targets import Tabular

__all__ = ["CountingPredictor", "Split", "cross_entropy_curve", "split"]


class CountingPredictor:
    """Predicts a token by how often each symbol stood there among samples that agree.

    Its law at a masked position is the frequency of the symbols there, among the samples that
    agree with all revealed tokens, each symbol counted ``doubt`` times more. The more is revealed,
    the fewer samples agree: it predicts worse from much than from little, as learned predictors
    may where data are few.

    Parameters
    ----------
    samples : Tensor of int64, shape (n, L)
        What it has seen, symbols from 0 to ``alphabet_size - 1``.
    alphabet_size : int
        Number of symbols.
    doubt : float
        Positive.

    Attributes
    ----------
    mask_id : int
        ``alphabet_size``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.
    """

    def __init__(self, samples, alphabet_size, doubt=0.5):
        check_rows(samples)
        self.alphabet_size = self.mask_id = integer("alphabet_size", alphabet_size, 1)
        if samples.min() < 0 or samples.max() >= alphabet_size:
            raise ValueError(f"samples must hold symbols in [0, {alphabet_size - 1}]")
        self._doubt = number("doubt", doubt)
        if self._doubt <= 0:
            raise ValueError(f"doubt must be positive, got {doubt}")
        self._seen = torch.nn.functional.one_hot(samples, self.alphabet_size).double()
        self._samples = samples

    def __call__(self, tokens, reveal):
        known = tokens.ne(self.mask_id)[:, None]
        agree = (tokens[:, None].eq(self._samples) | ~known).all(2).double()
        counts = torch.einsum("bn,nlv->blv", agree, self._seen)[reveal] + self._doubt
        return (counts / counts.sum(1, keepdim=True)).log()


class Split(NamedTuple):
    """The divergence of a learned sampler and its two parts, in nats, for each order.

    Attributes
    ----------
    divergence : ndarray, shape (L!,)
        KL(p || q) of what is sampled, from the probabilities of the words.
    discarded : ndarray, shape (L!,)
        The dependence that the sizes discard: the same with the true marginals.
    mistaken : ndarray, shape (L!,)
        The error of the predictor: over the tokens revealed, the expected divergence of its law
        from the true one, on histories of the data.
    """

    divergence: np.ndarray
    discarded: np.ndarray
    mistaken: np.ndarray


@torch.no_grad()
def cross_entropy_curve(predictor, target):
    r"""The curve :math:`\hat h_j`: the mean of -log q of a token, given j random others.

    By enumeration of all words and all sets of known positions.

    Parameters
    ----------
    predictor : callable
        A mask predictor with attribute ``mask_id``.
    target : dlm_core.targets.Tabular
        The law of the data.

    Returns
    -------
    ndarray, shape (L,)
        In nats. Cost: ``2^L`` times the number of words through the predictor.

    Raises
    ------
    TypeError, ValueError
        If ``target`` is no table, or the predictor none of masks.
    """
    ask = MaskPredictor(predictor)
    words = instance("target", target, Tabular).support
    length = target.length
    curve = []
    for known in range(length):
        sets = torch.tensor([*combinations(range(length), known)], dtype=torch.int64)
        masked = torch.ones(len(sets), length, dtype=torch.bool).scatter_(1, sets, False)
        tokens = words.repeat(len(sets), 1)
        masked = masked.repeat_interleave(len(words), 0)
        places = places_of(masked)
        laws = ask.laws(tokens.masked_fill(masked, ask.mask_id), places)
        surprise = -laws.log_probability(tokens.take(places)).view(len(sets), len(words), -1)
        curve.append(float(surprise.mean((0, 2)) @ target.probabilities))
    return np.array(curve)


@torch.no_grad()
def split(predictor, target, sizes):
    """Split the divergence of a learned sampler, for every order, by enumeration.

    Parameters
    ----------
    predictor : callable
        A mask predictor with attribute ``mask_id``; normalised, and without a law for the mask.
    target : dlm_core.targets.Tabular
        The law of the data.
    sizes : sequence of int
        Of the blocks, of sum ``L``.

    Returns
    -------
    Split
        Three computations that do not use each other. Cost: ``L! K`` times the number of words
        through the predictor and the target.

    Raises
    ------
    TypeError, ValueError
        If ``target`` is no table or ``sizes`` are none of its length.
    """
    words, chances = instance("target", target, Tabular).support, target.probabilities
    bounds = np.cumsum([0, *(integer("sizes", size, 1) for size in sizes)])
    if bounds[-1] != target.length:
        raise ValueError(f"sizes must add up to the length, {target.length}, got {list(sizes)}")
    # the inverse of an order says when each position comes
    ranks = torch.tensor([*permutations(range(target.length))])
    shape = len(ranks), len(words)
    tokens = words.repeat(len(ranks), 1)
    ranks = ranks.repeat_interleave(len(words), 0)
    learned, exact, apart = (torch.zeros(len(tokens), dtype=torch.float64) for _ in range(3))
    for start, end in pairwise(bounds):
        reveal = (ranks >= start) & (ranks < end)
        history = tokens.masked_fill(ranks >= start, predictor.mask_id)
        q = predictor(history, reveal).double()
        history = tokens.masked_fill(ranks >= start, target.mask_id)
        p = target(history, reveal)
        truth, rows = tokens[reveal][:, None], torch.nonzero(reveal)[:, 0]
        learned.index_add_(0, rows, q.gather(1, truth)[:, 0])
        exact.index_add_(0, rows, p.gather(1, truth)[:, 0])
        terms = torch.where(p.exp() > 0, p.exp() * (p - q), 0.0)
        apart.index_add_(0, rows, terms.sum(1))

    surplus = chances.log().repeat(shape[0])
    parts = surplus - learned, surplus - exact, apart
    return Split(*((part.view(shape) @ chances).numpy() for part in parts))
