"""Slow and obvious versions of what the package computes, for comparison."""

from fractions import Fraction
from itertools import combinations, pairwise, permutations, product

import numpy as np
from hypothesis import strategies as st
from scipy import stats

from dlm_core import ProfileBand, testing


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


def least_constant(steps, weights):
    """The minimax constant by Newton's method in rational arithmetic, from zero upwards.

    Numbers go with their derivatives to the right in ``c``.
    """
    weights, c = [Fraction(w) for w in weights], Fraction(0)
    while True:
        later = []  # u_{j+1}, u_{j+2}, ...
        for weight in reversed(weights):
            left, terms = (Fraction(1), Fraction(0)), []
            for u in [*later, (Fraction(1), Fraction(0))]:
                terms.append(left)
                left = max((left[0] - u[0], left[1] - u[1]), (0, 0))
            start, sums = (0, 0), (-c * weight, -weight)
            for count, term in enumerate(terms, 1):
                sums = (sums[0] + term[0], sums[1] + term[1])
                start = max(start, (sums[0] / count, sums[1] / count))
            later.insert(0, start)
        total, slope = map(sum, zip(*later, strict=True))
        if total == steps - 1:
            return c
        c += (total - (steps - 1)) / -slope


def least_errors(heights):
    """The least errors of 1, ..., L blocks on an entropy curve, by the layers, in fractions."""
    h = [Fraction(x) for x in heights]
    length = len(h)
    area = {b: b * h[0] for b in range(1, length + 1)}
    found = [area[length]]
    for k in range(2, length + 1):
        area = {
            b: min(area[a] + (b - a) * h[a] for a in range(k - 1, b)) for b in range(k, length + 1)
        }
        found.append(area[length])
    return [total - sum(h) for total in found]


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


def p_value(counts, law):
    """Pearson's test of counts against a law; 0 if a cell of probability zero was hit.

    The rarest cells are pooled until they expect 5 draws together and no other expects fewer.
    """
    counts, law = np.ravel(counts), np.ravel(law)
    if counts[law == 0].any():
        return 0.0
    order = np.argsort(law)
    counts, expected = counts[order], counts.sum() * law[order]
    pooled = 1 + max(np.searchsorted(np.cumsum(expected), 5.0), np.searchsorted(expected, 5.0) - 1)
    counts = [counts[:pooled].sum(), *counts[pooled:]]
    expected = [expected[:pooled].sum(), *expected[pooled:]]
    return stats.chisquare(counts, expected).pvalue if len(counts) > 1 else 1.0


def with_summed_axes(p):
    """A joint table in which each axis has one more symbol, that of a token not known.

    Entry ``[history]`` is the probability of the known tokens of a history.
    """
    for axis in range(p.ndim):
        p = np.concatenate([p, p.sum(axis=axis, keepdims=True)], axis=axis)
    return p


def sampler_law(p, order, sizes):
    """Law of the words drawn block by block, in one order and with given sizes, from ``p``."""
    q, known = np.ones(p.shape), []
    for block in np.split(np.array(order), np.cumsum(sizes)[:-1]):
        history = p.sum(axis=tuple(a for a in range(p.ndim) if a not in known), keepdims=True)
        for i in block:
            kept = {*known, i}
            joint = p.sum(axis=tuple(a for a in range(p.ndim) if a not in kept), keepdims=True)
            shape = np.broadcast_shapes(joint.shape, history.shape)
            q = q * np.divide(joint, history, out=np.zeros(shape), where=history > 0)
        known.extend(block.tolist())
    return q


def binary(stay):
    """Transitions of a binary chain that stays with one probability."""
    return np.array([[stay, 1 - stay], [1 - stay, stay]])


# Transitions of chains: sticky, switching, lopsided, and one that cannot go everywhere at once.
CHAINS = [
    binary(0.9),
    binary(0.2),
    np.array([[0.7, 0.3], [0.05, 0.95]]),
    np.array([[0.2, 0.8, 0.0], [0.0, 0.1, 0.9], [0.6, 0.2, 0.2]]),
]


def chain_table(transition, length):
    """The joint table of a stationary chain, by its definition."""
    transition = np.asarray(transition)
    values, vectors = np.linalg.eig(transition.T)
    law = np.real(vectors[:, np.argmin(abs(values - 1))])
    table = law / law.sum()
    for _ in range(length - 1):
        table = table[..., np.newaxis] * transition
    return table


def kl_by_definition(p, order, sizes):
    """The divergence from ``p`` of what is drawn in one order with given sizes."""
    q = sampler_law(p, order, sizes)
    return float(p[p > 0] @ np.log(p[p > 0] / q[p > 0]))


def mixture_law(p, law):
    """The same, averaged over all orders and over a law of the sizes."""
    orders = list(permutations(range(p.ndim)))
    return sum(
        chance / len(orders) * sampler_law(p, order, sizes)
        for sizes, chance in law.items()
        for order in orders
    )


def small_targets():
    """One small instance of every class of targets, by name."""
    from bookkit.examples import alternating

    from dlm_core import targets

    coin = [[0.9, 0.1], [0.35, 0.65]]
    return {
        "Tabular": targets.Tabular.from_joint(alternating(4, noise=0.1)),
        "Product": targets.Product([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1], [1.0, 0.0]]),
        "Repetition": targets.Repetition(4, [0.2, 0.5, 0.3]),
        "MarkovChain": targets.MarkovChain(4, coin, [0.2, 0.8]),
        "HiddenMarkov": targets.HiddenMarkov(4, coin, [[0.8, 0.2], [0.1, 0.9]]),
        "TreePotts": targets.TreePotts([-1, 0, 0, 1], 3, 1.5),
        "ReedSolomon": targets.ReedSolomon(4, 2, 2),
    }


@st.composite
def bands(draw, most=12):
    """Hypothesis strategy of a band around a profile, with the profile; many limits are exact."""
    profile = draw(testing.profiles(most=most))
    length, h = profile.length, profile.conditional_entropy
    inner = draw(st.sets(st.integers(1, length - 1))) if length > 1 else set()
    levels = [0, *sorted(inner)]
    error = st.sampled_from([0.0, 0.0, 0.1, 1.0])
    below, above = (
        draw(st.lists(error, min_size=len(levels), max_size=len(levels))) for _ in range(2)
    )
    band = ProfileBand(length, levels, np.maximum(h[levels] - below, 0), h[levels] + above)
    return band, profile
