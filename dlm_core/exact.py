r"""The adaptive schedules and random codes in rational arithmetic, as recursions define them.

The recursions are re-derived from the stated properties of Zhao and Cai, arXiv 2602.20126.

This is the oracle for the floating-point code: nothing here is optimised or rewritten, and
nothing in ``dlm_core.schedules`` calls it. A law is a dictionary from compositions (tuples of
sizes) to ``fractions.Fraction`` probabilities. It is for small ``L``: refused are laws of more than
2^16 compositions, and recursions of more than about ten seconds.
"""

from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from math import prod
from numbers import Rational
from typing import TypeAlias

from dlm_core._check import instance, integer, listable, shape, shown

__all__ = [
    "dtc_coefficient",
    "dtc_law",
    "random_code_curve",
    "reciprocal_law",
    "reversed_law",
    "residual",
    "tc_coefficient",
    "tc_law",
]

Law: TypeAlias = dict[tuple[int, ...], Fraction]

_MOST_WORK = 2**20


def tc_coefficient(k: int, l: int) -> Fraction:  # noqa: E741
    r"""Coefficient :math:`c_{k,l}` of the TC-adaptive scheme with ``k`` iterations, ``l`` tokens.

    :math:`c_{k,l} = \sum_{m<l} w_k(m)\, c_{k-1,m} / \sum_{m<l} w_k(m)`, started from
    :math:`c_{1,l} = 1` for ``l >= 2`` and 0 for ``l <= k``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no positive integer, or the two are too large.
    """
    k, l = integer("k", k, 1), integer("l", l, 1)  # noqa: E741
    if 1 < k < l:
        _workable("k (l - k)**2", k * (l - k) ** 2)
        for fewer in range(2, k):  # each finds what it needs of the last in the cache
            _tc_coefficient(fewer, l - k + fewer)
    return _tc_coefficient(k, l)


@cache
def _tc_coefficient(k: int, l: int) -> Fraction:  # noqa: E741
    if l <= k:
        return Fraction(0)
    if k == 1:
        return Fraction(1)
    weights = {m: _tc_weight(k, m) for m in range(k - 1, l)}
    terms = (w * _tc_coefficient(k - 1, m) for m, w in weights.items())
    return sum(terms, Fraction(0)) / sum(weights.values())


@cache
def _tc_weight(k: int, m: int) -> Fraction:
    """w_k(m), from w_k(k-1) = 1 by the ratio w_k(m+1) / w_k(m)."""
    if m == k - 1:
        return Fraction(1)
    return (
        _tc_weight(k, m - 1)
        * (1 + (m - 2) * _tc_coefficient(k - 1, m - 1))
        / (m * _tc_coefficient(k - 1, m))
    )


def tc_law(length: int, steps: int) -> Law:
    r"""The law of the TC-adaptive sizes, from its recursion.

    With ``k`` iterations and ``l`` tokens left, the count ``m`` left after this iteration has
    probability :math:`w_k(m) / \sum_{m'<l} w_k(m')` on ``k-1 <= m <= l-1``; with ``k = l`` every
    size is 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range, or there are more than 2**16 compositions.
    """
    length, steps = _listable(length, steps)
    tc_coefficient(steps, length)
    law: Law = {(): Fraction(1)}
    for k in range(steps, 1, -1):
        following: Law = {}
        for sizes, chance in law.items():
            left = length - sum(sizes)
            weights = {m: _tc_weight(k, m) for m in range(k - 1, left)}
            total = sum(weights.values())
            for m, weight in weights.items():
                following[(*sizes, left - m)] = chance * weight / total
        law = following
    return {(*sizes, length - sum(sizes)): chance for sizes, chance in law.items()}


def dtc_coefficient(length: int, k: int, i: int) -> Fraction:
    r"""Coefficient :math:`f_{k,i}` of the DTC-adaptive scheme: ``k`` iterations, ``i`` revealed.

    :math:`f_{k,i} = \sum_{b>i} v_k(b)\, f_{k-1,b} / \sum_{b>i} v_k(b)`, started from
    :math:`f_{1,i} = (L-i-1)/(i+1)` and 0 when ``L - i <= k``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer, ``length`` or ``k`` not positive or the two too large, or
        ``i`` not in ``[0, length]``.
    """
    length, k = integer("length", length, 1), integer("k", k, 1)
    i = integer("i", i, 0, length)
    if 1 < k < length - i:
        _workable("k length**2", k * length**2)
        for fewer in range(2, k):  # each finds what it needs of the last in the cache
            _dtc_coefficient(length, fewer, 0)
    return _dtc_coefficient(length, k, i)


@cache
def _dtc_coefficient(length: int, k: int, i: int) -> Fraction:
    if length - i <= k:
        return Fraction(0)
    if k == 1:
        return Fraction(length - i - 1, i + 1)
    weights = {b: _dtc_weight(length, k, b) for b in range(1, length - k + 2)}
    after = {b: weight for b, weight in weights.items() if b > i}
    terms = (w * _dtc_coefficient(length, k - 1, b) for b, w in after.items())
    return sum(terms, Fraction(0)) / sum(after.values())


@cache
def _dtc_weight(length: int, k: int, b: int) -> Fraction:
    """v_k(b), from v_k(1) = 1 by v_k(b) (1 + (b+1) f_{k-1,b}) = (b-1) f_{k-1,b-1} v_k(b-1)."""
    if b == 1:
        return Fraction(1)
    return (
        _dtc_weight(length, k, b - 1)
        * (b - 1)
        * _dtc_coefficient(length, k - 1, b - 1)
        / (1 + (b + 1) * _dtc_coefficient(length, k - 1, b))
    )


def dtc_law(length: int, steps: int) -> Law:
    r"""The law of the DTC-adaptive sizes, from its recursion.

    With ``k`` iterations left and ``i`` tokens revealed, the next boundary ``b`` has probability
    proportional to :math:`v_k(b)` on ``i < b <= L-k+1``; with ``k = L - i`` every size is 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range, or there are more than 2**16 compositions.
    """
    length, steps = _listable(length, steps)
    dtc_coefficient(length, steps, 0)
    law: Law = {(): Fraction(1)}
    for k in range(steps, 1, -1):
        following: Law = {}
        for sizes, chance in law.items():
            i = sum(sizes)
            if k == length - i:  # the weights beyond the first are not defined
                following[(*sizes, 1)] = chance
                continue
            weights = {b: _dtc_weight(length, k, b) for b in range(i + 1, length - k + 2)}
            total = sum(weights.values())
            for b, weight in weights.items():
                following[(*sizes, b - i)] = chance * weight / total
        law = following
    return {(*sizes, length - sum(sizes)): chance for sizes, chance in law.items()}


def reciprocal_law(length: int, steps: int) -> Law:
    r"""The closed law of the DTC-adaptive sizes: boundaries ``B`` with weight :math:`\prod 1/b`.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range, or there are more than 2**16 compositions.
    """
    length, steps = _listable(length, steps)
    weights = {}
    for boundaries in combinations(range(1, length), steps - 1):
        edges = (0, *boundaries, length)
        sizes = tuple(right - left for left, right in pairwise(edges))
        weights[sizes] = Fraction(1, prod(boundaries))
    total = sum(weights.values())
    return {sizes: weight / total for sizes, weight in weights.items()}


def reversed_law(law: Law) -> Law:
    """The law of the sizes read backwards.

    Raises
    ------
    TypeError
        If ``law`` is no dictionary from tuples of sizes to rational numbers.
    """
    return {sizes[::-1]: chance for sizes, chance in _law(law).items()}


def residual(law: Law) -> list[Fraction]:
    """:math:`E[W_j]` for ``j = 1, ..., L-1`` under a law, as a list of fractions.

    Raises
    ------
    TypeError
        If ``law`` is no dictionary from tuples of sizes to rational numbers.
    ValueError
        If it is empty, or its compositions have different sums.
    """
    lengths = {sum(sizes) for sizes in _law(law)}
    if len(lengths) != 1:
        raise ValueError(f"law must hold compositions of one length, got {sorted(lengths)}")
    mean = [Fraction(0)] * (lengths.pop() - 1)
    for sizes, chance in law.items():
        start = 0
        for size in sizes:
            for j in range(start + 1, start + size):
                mean[j - 1] += chance * (start + size - j)
            start += size
    return mean


def random_code_curve(length: int, dimension: int, alphabet_size: int) -> list[Fraction]:
    r"""The mean information profile of random linear codes, in units of ``log q``.

    The code is spanned by the ``d`` rows of a uniformly random ``d`` by ``L`` matrix over the field
    of ``q`` elements. Position ``t`` is new unless its column lies in the span of ``t`` others, so
    :math:`h_t / \log q = 1 - \mathbb{E}\, q^{\mathrm{rank}_t - d}`, and the rank grows by one
    with probability :math:`1 - q^{\mathrm{rank}_t - d}`.

    Parameters
    ----------
    length, dimension : int
        At least 1; together with ``alphabet_size`` small.
    alphabet_size : int
        The number of elements of the field, which is not checked to be a prime power.

    Returns
    -------
    list of Fraction
        Entry ``t`` is for ``t`` known positions, ``0 <= t < L``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or too small, or the three are too large.
    """
    length, dimension = integer("length", length, 1), integer("dimension", dimension, 1)
    q = integer("alphabet_size", alphabet_size, 2)
    _workable("length**2 dimension**2 log2(q)", (length * dimension) ** 2 * q.bit_length())
    none = Fraction(0)
    ranks, curve = {0: Fraction(1)}, []
    for _ in range(length):
        known = {r: chance * Fraction(1, q ** (dimension - r)) for r, chance in ranks.items()}
        curve.append(1 - sum(known.values(), none))
        ranks = {
            r: known.get(r, none) + ranks.get(r - 1, none) - known.get(r - 1, none)
            for r in range(min(max(ranks) + 1, dimension) + 1)
        }
    return curve


def _workable(name: str, work: int) -> None:
    if work > _MOST_WORK:
        raise ValueError(f"{name} must be at most {_MOST_WORK}, got {work}")


def _law(law: Law) -> Law:
    for sizes, chance in instance("law", law, dict).items():
        composition = (
            isinstance(sizes, tuple)
            and sizes
            and all(isinstance(size, int) and size > 0 for size in sizes)
        )
        if not composition or not isinstance(chance, Rational):
            raise TypeError(
                "law must map tuples of positive sizes to rational numbers, got "
                f"{shown(sizes)}: {shown(chance)}"
            )
    return law


def _listable(length: int, steps: int) -> tuple[int, int]:
    length, steps = shape(length, steps)
    listable(length, steps)
    return length, steps
