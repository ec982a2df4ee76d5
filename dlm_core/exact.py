r"""The paper's two schemes in rational arithmetic, exactly as their recursions define them.

This is the oracle for the floating-point code: nothing here is optimised or rewritten, and
nothing in ``dlm_core.schedules`` calls it. A law is a dictionary from compositions (tuples of
sizes) to ``fractions.Fraction`` probabilities. There are ``binom(L-1, K-1)`` compositions, so use
it for small ``L``.
"""

from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from math import prod

from dlm_core._check import integer

__all__ = [
    "dtc_coefficient",
    "dtc_law",
    "reciprocal_law",
    "reversed_law",
    "residual",
    "tc_coefficient",
    "tc_law",
]


@cache
def _tc_weight(k, m):
    """w_k(m), from w_k(k-1) = 1 by the ratio w_k(m+1) / w_k(m)."""
    if m == k - 1:
        return Fraction(1)
    return (
        _tc_weight(k, m - 1)
        * (1 + (m - 2) * tc_coefficient(k - 1, m - 1))
        / (m * tc_coefficient(k - 1, m))
    )


@cache
def tc_coefficient(k, l):  # noqa: E741
    r"""Coefficient :math:`c_{k,l}` of the TC-adaptive scheme with ``k`` iterations, ``l`` tokens.

    :math:`c_{k,l} = \sum_{m<l} w_k(m)\, c_{k-1,m} / \sum_{m<l} w_k(m)`, started from
    :math:`c_{1,l} = 1` for ``l >= 2`` and 0 for ``l <= k``.
    """
    if l <= k:
        return Fraction(0)
    if k == 1:
        return Fraction(1)
    weights = {m: _tc_weight(k, m) for m in range(k - 1, l)}
    return sum(w * tc_coefficient(k - 1, m) for m, w in weights.items()) / sum(weights.values())


def tc_law(length, steps):
    r"""The law of the TC-adaptive sizes, from its recursion.

    With ``k`` iterations and ``l`` tokens left, the count ``m`` left after this iteration has
    probability :math:`w_k(m) / \sum_{m'<l} w_k(m')` on ``k-1 <= m <= l-1``; with ``k = l`` every
    size is 1.
    """
    length, steps = _shape(length, steps)

    def law(k, l):  # noqa: E741
        if k == 1:
            return {(l,): Fraction(1)}
        if k == l:
            return {(1,) * k: Fraction(1)}
        weights = {m: _tc_weight(k, m) for m in range(k - 1, l)}
        return {
            (l - m, *rest): weights[m] / sum(weights.values()) * chance
            for m in weights
            for rest, chance in law(k - 1, m).items()
        }

    return law(steps, length)


@cache
def dtc_coefficient(length, k, i):
    r"""Coefficient :math:`f_{k,i}` of the DTC-adaptive scheme: ``k`` iterations, ``i`` revealed.

    :math:`f_{k,i} = \sum_{b>i} v_k(b)\, f_{k-1,b} / \sum_{b>i} v_k(b)`, started from
    :math:`f_{1,i} = (L-i-1)/(i+1)` and 0 when ``L - i <= k``.
    """
    if length - i <= k:
        return Fraction(0)
    if k == 1:
        return Fraction(length - i - 1, i + 1)
    weights = {b: _dtc_weight(length, k, b) for b in range(i + 1, length - k + 2)}
    total = sum(weights.values())
    return sum(w * dtc_coefficient(length, k - 1, b) for b, w in weights.items()) / total


@cache
def _dtc_weight(length, k, b):
    """v_k(b), from v_k(1) = 1 by v_k(b) (1 + (b+1) f_{k-1,b}) = (b-1) f_{k-1,b-1} v_k(b-1)."""
    if b == 1:
        return Fraction(1)
    return (
        _dtc_weight(length, k, b - 1)
        * (b - 1)
        * dtc_coefficient(length, k - 1, b - 1)
        / (1 + (b + 1) * dtc_coefficient(length, k - 1, b))
    )


def dtc_law(length, steps):
    r"""The law of the DTC-adaptive sizes, from its recursion.

    With ``k`` iterations left and ``i`` tokens revealed, the next boundary ``b`` has probability
    proportional to :math:`v_k(b)` on ``i < b <= L-k+1``; with ``k = L - i`` every size is 1.
    """
    length, steps = _shape(length, steps)

    def law(k, i):
        if k == 1:
            return {(length - i,): Fraction(1)}
        if k == length - i:
            return {(1,) * k: Fraction(1)}
        weights = {b: _dtc_weight(length, k, b) for b in range(i + 1, length - k + 2)}
        return {
            (b - i, *rest): weights[b] / sum(weights.values()) * chance
            for b in weights
            for rest, chance in law(k - 1, b).items()
        }

    return law(steps, 0)


def reciprocal_law(length, steps):
    r"""The closed law of the DTC-adaptive sizes: boundaries ``B`` with weight :math:`\prod 1/b`."""
    length, steps = _shape(length, steps)
    weights = {}
    for boundaries in combinations(range(1, length), steps - 1):
        edges = (0, *boundaries, length)
        sizes = tuple(right - left for left, right in pairwise(edges))
        weights[sizes] = Fraction(1, prod(boundaries))
    total = sum(weights.values())
    return {sizes: weight / total for sizes, weight in weights.items()}


def reversed_law(law):
    """The law of the sizes read backwards."""
    return {sizes[::-1]: chance for sizes, chance in law.items()}


def residual(law):
    """:math:`E[W_j]` for ``j = 1, ..., L-1`` under a law, as a list of fractions."""
    length = sum(next(iter(law)))
    mean = [Fraction(0)] * (length - 1)
    for sizes, chance in law.items():
        start = 0
        for size in sizes:
            for j in range(start + 1, start + size):
                mean[j - 1] += chance * (start + size - j)
            start += size
    return mean


def _shape(length, steps):
    length = integer("length", length, 1)
    return length, integer("steps", steps, 1, length)
