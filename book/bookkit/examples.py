"""Distributions of the book's examples: the running one, random ones, a puzzle, and real images."""

from itertools import permutations

import numpy as np

from dlm_core._check import integer, number, numpy_generator

__all__ = ["alternating", "digits", "digits_mixture", "random_joint", "solves_sudoku", "sudoku_4x4"]


def alternating(length=4, noise=0.1):
    """Joint table of a noisy alternating word: ABAB... or BABA..., each with probability 1/2.

    Every letter is then flipped independently with probability ``noise``. Revealing two letters
    at once mixes the two words up, which is what users of diffusion language models see when
    ``ABAB`` and ``BABA`` are both good answers.

    Parameters
    ----------
    length : int
        Number of binary tokens, 1 to 20.
    noise : float
        Probability of a flip, in [0, 1].

    Returns
    -------
    ndarray, shape (2,) * length
        The joint probabilities; token 0 is A and token 1 is B.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    length = integer("length", length, 1, 20)
    noise = number("noise", noise)
    if not 0 <= noise <= 1:
        raise ValueError(f"noise must lie in [0, 1], got {noise}")
    words = []
    for first in (0, 1):
        word = np.ones(())
        for position in range(length):
            letter = (first + position) % 2
            word = np.multiply.outer(word, np.where(np.arange(2) == letter, 1 - noise, noise))
        words.append(word)
    return 0.5 * (words[0] + words[1])


def random_joint(rng, shape, sparsity=0.0):
    """A Dirichlet-random joint table, of which a share of the cells is impossible.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    shape : tuple of int
        One alphabet size for each position.
    sparsity : float
        Chance that a cell is made impossible, in [0, 1]; one cell at least is kept.

    Returns
    -------
    ndarray, shape ``shape``
        The joint probabilities, Dirichlet(1/2) on the cells that are kept.

    Raises
    ------
    TypeError, ValueError
        If ``rng`` is no Generator or ``sparsity`` out of range.
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must lie in [0, 1], got {sparsity}")
    p = numpy_generator("rng", rng).dirichlet(np.full(np.prod(shape), 0.5))
    keep = rng.random(p.size) >= sparsity
    keep[rng.integers(p.size)] = True
    p = np.where(keep, p, 0.0)
    return (p / p.sum()).reshape(shape)


def sudoku_4x4():
    """The solved 4x4 Sudokus: every row, column and quarter holds each of four symbols once.

    Returns
    -------
    ndarray of int64, shape (288, 16)
        One grid a row, its cells row by row, symbols from 0 to 3. The rows are sorted.
    """
    lines = np.array(list(permutations(range(4))))
    choices = np.indices((len(lines),) * 4).reshape(4, -1).T
    grids = lines[choices].reshape(-1, 16)
    return grids[solves_sudoku(grids)]


def solves_sudoku(tokens):
    """Whether each row of symbols is a solved 4x4 Sudoku.

    Parameters
    ----------
    tokens : array_like of int, shape (n, 16)
        Symbols from 0 to 3, cells row by row.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If the shape is another, or a symbol out of range.
    """
    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or tokens.shape[1] != 16:
        raise ValueError(f"tokens must have shape (n, 16), got {tokens.shape}")
    if tokens.size and not 0 <= tokens.min() <= tokens.max() <= 3:
        raise ValueError(f"tokens must lie in [0, 3], got {tokens.min()} to {tokens.max()}")
    bits = (1 << tokens).reshape(-1, 4, 4)
    quarters = bits.reshape(-1, 2, 2, 2, 2).swapaxes(2, 3).reshape(-1, 4, 4)
    groups = np.concatenate([bits, bits.swapaxes(1, 2), quarters], axis=1)
    return (np.bitwise_or.reduce(groups, axis=2) == 15).all(axis=1)


def digits(seed=2026, fitted=1200):
    """Handwritten digits, each pixel with ink or without: images to fit, and others to test on.

    These are the 1,797 images of 8 x 8 pixels that scikit-learn ships, in random order. A pixel has
    ink if it is at least half dark. The first one of the 64 is always empty and left out.

    Parameters
    ----------
    seed : int
        Of the order.
    fitted : int
        How many are to fit, 1 to 1,796.

    Returns
    -------
    tuple of two Tensors of int64, shapes (fitted, 63) and (1797 - fitted, 63)

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    import torch
    from sklearn.datasets import load_digits

    seed, fitted = integer("seed", seed, 0), integer("fitted", fitted, 1, 1796)
    ink = torch.from_numpy((load_digits().data >= 8).astype(np.int64))[:, 1:]
    order = torch.randperm(len(ink), generator=torch.Generator().manual_seed(seed))
    return ink[order[:fitted]], ink[order[fitted:]]


def digits_mixture(seed=2026, classes=40):
    """A mixture of products fitted to ``digits(seed)[0]``: a target, and a predictor of digits.

    As a target of its own it is exact: samples, log-probabilities and conditional laws. As a
    predictor of real digits it is a model, whose cross-entropies on images that it was not fitted
    to bound their information profile from above.

    Parameters
    ----------
    seed : int
        Of the order of the images, and of the start of the fit.
    classes : int
        How many products are mixed.

    Returns
    -------
    bookkit.mixtures.ProductMixture
        Of length 63, with two symbols.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    from bookkit.mixtures import ProductMixture

    return ProductMixture.fit(digits(seed)[0], classes, seed)
