"""Distributions small enough to enumerate: the running example of the book, and random ones."""

import numpy as np

from dlm_core._check import integer, number, numpy_generator

__all__ = ["alternating", "random_joint"]


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
