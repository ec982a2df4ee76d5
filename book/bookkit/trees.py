"""How far dependence reaches on a tree: what the leaves tell of the root."""

import numpy as np

from dlm_core._check import integer, integer_array, number, numpy_generator

__all__ = ["root_from_leaves"]


def root_from_leaves(share, depths, population, rng):
    """Mutual information of the root and the leaves of binary trees, in nats, by sampling.

    A bit keeps its parent's value with probability ``(1 + share) / 2``. The log-odds of a node,
    given the leaves below it, are drawn for a population of nodes that are 1, depth after depth:
    each is made from two of the depth before, seen through two edges. The draws of a depth share
    those of the depth before, so that no standard error comes with the result.

    Parameters
    ----------
    share : float
        The second eigenvalue of each edge, in [0, 1).
    depths : list of int
        Increasing, at least 1.
    population : int
        How many log-odds stand for a law.
    rng : numpy.random.Generator or int
        The only source of randomness, or a seed for one.

    Returns
    -------
    list of float
        For each depth.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.
    """
    share, rng = number("share", share), numpy_generator("rng", rng)
    if not 0 <= share < 1:
        raise ValueError(f"share must lie in [0, 1), got {share}")
    depths = integer_array("depths", depths, 1, 1, 10_000).tolist()
    population = integer("population", population, 1)
    odds = np.full(population, np.inf)
    found = {}
    for depth in range(1, max(depths) + 1):
        total = 0.0
        for _ in range(2):
            sign = np.where(rng.random(population) < (1 + share) / 2, 1, -1)
            message = np.tanh(rng.permutation(odds) * sign / 2)
            total = total + 2 * np.arctanh(share * message)
        odds = total
        # given the leaves the root is 1 with chance expit(odds)
        found[depth] = float(np.log(2) - np.logaddexp(0.0, -odds).mean())
    return [found[depth] for depth in depths]
