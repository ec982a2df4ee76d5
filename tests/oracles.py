"""Slow and obvious versions of what the package computes, for comparison."""

from itertools import combinations, pairwise, product

import numpy as np


def compositions(length, steps):
    """All ways to write ``length`` as an ordered sum of ``steps`` positive sizes."""
    for inner in combinations(range(1, length), steps - 1):
        edges = (0, *inner, length)
        yield tuple(b - a for a, b in pairwise(edges))


def residual_by_definition(sizes):
    """W_j of one composition, straight from its definition."""
    boundaries = np.cumsum(sizes)
    starts = {0, *boundaries[:-1].tolist()}
    return np.array(
        [
            0 if j in starts else min(b for b in boundaries if b > j) - j
            for j in range(1, boundaries[-1])
        ],
        dtype=float,
    )


def entropy_by_definition(p):
    """Entropy of a joint table by a loop over its cells."""
    return -sum(x * np.log(x) for x in np.ravel(p) if x > 0)


def entropy_curve_by_subsets(p):
    """H_0, ..., H_L by marginalising every subset separately."""
    length = p.ndim
    curve = []
    for size in range(length + 1):
        values = [
            entropy_by_definition(p.sum(axis=tuple(a for a in range(length) if a not in subset)))
            for subset in combinations(range(length), size)
        ]
        curve.append(np.mean(values))
    return np.array(curve)


def reed_solomon_table(length, dimension, field):
    """Joint table of a uniform codeword of a Reed-Solomon code over a prime field."""
    p = np.zeros((field,) * length)
    for message in product(range(field), repeat=dimension):
        word = tuple(
            sum(m * x**power for power, m in enumerate(message)) % field for x in range(length)
        )
        p[word] += field**-dimension
    return p
