r"""Orders that follow a known structure: what may be revealed together without loss.

A random order pays for tokens that depend on each other and are drawn at once. Where it is known
which tokens separate which, an order can be chosen instead. With the tree-depth of the graph as
the number of iterations nothing is lost; a stationary chain has a best order for any fewer.

An order goes to the sampler beside its sizes::

    plan = best_chain_order(transition, length=63, steps=4)
    generate(chain, FixedSizes(plan.sizes), n=8, order=[plan.order] * 8)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dlm_core._chain import gap_entropies
from dlm_core._check import (
    MOST_POSITIONS,
    frozen,
    host_array,
    integer,
    integer_array,
    shape,
    table_fits,
    work_fits,
)
from dlm_core._types import FloatArray, IntArray
from dlm_core.schedules.fixed import FixedSizes

__all__ = ["PlannedOrder", "best_chain_order", "chain_order_kl", "tree_depth_order"]

# The exact tree-depth of a graph with cycles visits its connected subsets: seconds at this size.
_MOST_VERTICES = 16


@dataclass(frozen=True, eq=False)
class PlannedOrder:
    """An order of the positions, and how many of them each iteration reveals.

    Attributes
    ----------
    order : ndarray of int64, shape (L,)
        The positions in the order in which they are revealed; those of one iteration ascend.
    sizes : ndarray of int64, shape (K,)
        The sizes of the iterations, for ``FixedSizes``.
    error : float
        The divergence from the distribution of what the sampler draws in this order with an
        exact mask predictor, in nats.
    """

    order: IntArray
    sizes: IntArray
    error: float

    @property
    def steps(self) -> int:
        """int: the number ``K`` of iterations."""
        return self.sizes.size

    def __repr__(self) -> str:
        return f"PlannedOrder({self.order.size} in {self.steps} steps, error={self.error:.6g})"


def tree_depth_order(length: int, edges: npt.ArrayLike) -> PlannedOrder:
    r"""An order without error in as few iterations as the graph allows: its tree-depth.

    For every distribution that is Markov on the graph: tokens are independent given any that
    separate them. Each iteration reveals at most one position of each component of what is left,
    one that breaks it well. If tokens joined through masked ones are always dependent, no order
    that ignores content does it in fewer (theorem "tree-depth" of the book).

    A component without cycles is solved in O(L), by the vertex ranking of trees (Iyer, Ratliff and
    Vijayan 1988; Schäffer 1989): a path takes :math:`\lfloor \log_2 L \rfloor + 1` iterations, a
    star two. With cycles the tree-depth is NP-hard to find: components of up to 16 positions are
    solved by a search through their connected subsets, larger ones are refused.

    Parameters
    ----------
    length : int
        The number ``L >= 1`` of positions.
    edges : array_like of int, shape (m, 2)
        Pairs of different positions that may depend on each other directly. None for independent
        tokens; repeated pairs count once.

    Returns
    -------
    PlannedOrder
        Its ``error`` is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, an edge joins a position to itself, or
        a component with cycles has more than 16 positions.

    Examples
    --------
    >>> plan = tree_depth_order(7, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)])
    >>> plan.order.tolist(), plan.sizes.tolist()
    ([3, 1, 5, 0, 2, 4, 6], [1, 2, 4])
    """
    length = integer("length", length, 1, MOST_POSITIONS)
    table_fits(f"an order of length {length}", 256 * length)
    pairs = _pairs(edges, length)
    neighbours: list[list[int]] = [[] for _ in range(length)]
    for i, j in pairs.tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)
    components = list(_components(neighbours))
    for vertices, parents in components:
        if len(vertices) > _MOST_VERTICES and not _is_tree(vertices, neighbours):
            raise ValueError(
                f"edges must join at most {_MOST_VERTICES} positions where they close cycles, got "
                f"a component of {len(vertices)} positions, that of {min(parents)}: the tree-depth "
                "of such a graph is NP-hard to find"
            )
    step = np.zeros(length, dtype=np.int64)
    for vertices, parents in components:
        if _is_tree(vertices, neighbours):
            _rank_tree(vertices, parents, step)
        else:
            _rank_graph(vertices, neighbours, step)
    order = np.argsort(step, kind="stable")
    return PlannedOrder(frozen(order), frozen(np.bincount(step)), 0.0)


def _pairs(edges: npt.ArrayLike, length: int) -> IntArray:
    """The distinct edges, shape (m, 2)."""
    found = host_array("edges", edges)
    if found.size == 0 and found.ndim in (1, 2):
        return np.zeros((0, 2), dtype=np.int64)
    pairs = integer_array("edges", found, 2, 0, length - 1)
    if pairs.shape[1] != 2:
        raise ValueError(f"edges must be pairs of positions, got shape {pairs.shape}")
    loops = np.flatnonzero(pairs[:, 0] == pairs[:, 1])
    if loops.size:
        raise ValueError(
            f"edges must join different positions, got {pairs[loops[0]].tolist()} at {loops[0]}"
        )
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _components(neighbours: list[list[int]]) -> Iterator[tuple[list[int], dict[int, int]]]:
    """Yield the vertices of each component, parents first, and the parent of each but the first.

    The first is its own parent. Components of one vertex are left out.
    """
    seen = bytearray(len(neighbours))
    for first, joined in enumerate(neighbours):
        if seen[first] or not joined:
            continue
        seen[first] = True
        vertices, parents = [first], {first: first}
        for vertex in vertices:
            for other in neighbours[vertex]:
                if not seen[other]:
                    seen[other] = True
                    parents[other] = vertex
                    vertices.append(other)
        yield vertices, parents


def _is_tree(vertices: list[int], neighbours: list[list[int]]) -> bool:
    return sum(len(neighbours[vertex]) for vertex in vertices) == 2 * (len(vertices) - 1)


def _rank_tree(vertices: list[int], parents: dict[int, int], step: IntArray) -> None:
    """Fill in the iterations of a tree by an optimal vertex ranking, as few as there can be.

    From the leaves up each vertex gets the least rank that no visible one contradicts: a rank is
    visible from a vertex if no higher one lies between, and two equal ones must not meet. Sets of
    ranks are the bits of integers.
    """
    visible = dict.fromkeys(vertices, 0)
    twice = dict.fromkeys(vertices, 0)
    ranks = np.empty(len(vertices), dtype=np.int64)
    for place in range(len(vertices) - 1, -1, -1):
        vertex = vertices[place]
        seen = visible[vertex]
        barred = seen | ((1 << twice[vertex].bit_length()) - 1)
        rank = (~barred & (barred + 1)).bit_length() - 1
        ranks[place] = rank
        onward = (seen >> rank | 1) << rank
        parent = parents[vertex]
        twice[parent] |= visible[parent] & onward
        visible[parent] |= onward
    step[vertices] = ranks.max() - ranks


def _rank_graph(vertices: list[int], neighbours: list[list[int]], step: IntArray) -> None:
    """Fill in the iterations of a small connected graph, by its exact tree-depth."""
    number = {vertex: i for i, vertex in enumerate(vertices)}
    joined = [sum(1 << number[other] for other in neighbours[vertex]) for vertex in vertices]
    found: dict[int, tuple[int, int]] = {}

    def parts(subset: int) -> Iterator[int]:
        while subset:
            part = frontier = subset & -subset
            while frontier:
                reached = 0
                while frontier:
                    lowest = frontier & -frontier
                    reached |= joined[lowest.bit_length() - 1]
                    frontier ^= lowest
                frontier = reached & subset & ~part
                part |= frontier
            yield part
            subset ^= part

    def depth(subset: int) -> int:
        """The tree-depth of a connected subset; remembers what to remove first."""
        if subset not in found:
            inside = [i for i in range(len(joined)) if subset >> i & 1]
            inside.sort(key=lambda i: -(joined[i] & subset).bit_count())
            # no tree-depth is at most the least number of neighbours
            least = 1 + (joined[inside[-1]] & subset).bit_count()
            best, first = len(inside) + 1, inside[0]
            for i in inside:
                deep = 1 + max(map(depth, parts(subset ^ 1 << i)), default=0)
                if deep < best:
                    best, first = deep, i
                    if best == least:
                        break
            found[subset] = best, first
        return found[subset][0]

    whole = (1 << len(vertices)) - 1
    depth(whole)
    pending = [(whole, 0)]
    while pending:
        subset, now = pending.pop()
        _, first = found[subset]
        step[vertices[first]] = now
        pending += [(part, now + 1) for part in parts(subset ^ 1 << first)]


def chain_order_kl(transition: npt.ArrayLike, order: npt.ArrayLike, sizes: npt.ArrayLike) -> float:
    r"""The error of a given order on a stationary Markov chain, exactly.

    The sampler reveals the positions of ``order`` in iterations of the given sizes, with an exact
    mask predictor. Of the tokens revealed at once each depends on the one before it given the
    nearest known neighbours ``l`` and ``r`` of both, and on nothing else:

    .. math:: KL(p \,\|\, q) = \sum I(X_a; X_b \mid X_l, X_r), \qquad
       I = \eta_{b-l} - \eta_{r-l} - \eta_{b-a} + \eta_{r-a},

    over neighbours ``a < b`` within an iteration with no known position between them,
    :math:`\eta_d = H(X_d \mid X_0)`; where there is no ``l`` or ``r``, :math:`H(X_0)` stands for
    the entropies at that distance. Cost :math:`O(L q^3 + K L)`.

    Parameters
    ----------
    transition : array_like, shape (q, q)
        Rows of transition probabilities, irreducible; the chain begins in its stationary law.
    order : array_like of int, shape (L,)
        A permutation of the positions.
    sizes : array_like of int, shape (K,)
        Positive sizes with the sum ``L``.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, or the sizes do not fit the order.

    Examples
    --------
    Every second position of four, then the others:

    >>> stay = [[0.9, 0.1], [0.1, 0.9]]
    >>> round(chain_order_kl(stay, [1, 3, 0, 2], [2, 2]), 6)
    0.221754
    """
    positions = integer_array("order", order, 1, 0)
    length = positions.size
    if not np.array_equal(np.sort(positions), np.arange(length)) or length == 0:
        raise ValueError(f"order must be a permutation of 0, ..., L - 1, got {length} positions")
    sizes = FixedSizes(sizes).sizes
    if sizes.sum() != length:
        raise ValueError(
            f"sizes must sum to the {length} positions of order, their sum is {sizes.sum()}"
        )
    work_fits(f"an order of length {length} in {sizes.size} steps", length * sizes.size)
    entropies = gap_entropies(transition, length)
    place = np.arange(length)
    known = np.zeros(length, dtype=bool)
    error = 0.0
    for block in np.split(positions, np.cumsum(sizes)[:-1]):
        before = np.maximum.accumulate(np.where(known, place, -1))
        after = np.minimum.accumulate(np.where(known, place, length)[::-1])[::-1]
        block = np.sort(block)
        a, b = block[:-1], block[1:]
        meet = before[a] == before[b]
        a, b = a[meet], b[meet]
        left, right = before[a], after[b]
        # no known neighbour is one infinitely far
        no_left, no_right = left < 0, right == length
        error += _shared(
            entropies[np.where(no_left, length, b - left)],
            entropies[np.where(no_left | no_right, length, right - left)],
            entropies[b - a],
            entropies[np.where(no_right, length, right - a)],
        ).sum()
        known[block] = True
    return float(error)


def _shared(
    left: FloatArray, across: FloatArray, between: FloatArray, right: FloatArray
) -> FloatArray:
    """The information that two tokens share given their neighbours: never negative."""
    return np.maximum(left - across - between + right, 0.0)


def best_chain_order(transition: npt.ArrayLike, length: int, steps: int) -> PlannedOrder:
    r"""The order and sizes with the least error on a stationary Markov chain.

    Among all that ignore content. What is left to reveal between two known positions is a segment
    that depends on nothing outside, so that with :math:`C_k(n; \cdot)` the least error of ``n``
    masked positions in ``k`` iterations, by which ends are known,

    .. math:: C_k = \min_{t_1 < \dots < t_m} \; \sum_{i=2}^{m}
       I(X_{t_{i-1}}; X_{t_i} \mid \text{known ends}) + \sum_{\text{gaps}} C_{k-1}(\text{gap}),

    a shortest path for each ``n``. From :math:`\lfloor \log_2 L \rfloor + 1` iterations on the
    error is zero. Time :math:`O(L q^3 + K L^3)`, vectorised: 20 ms at (63, 4), 1.4 s at (256, 8).

    Parameters
    ----------
    transition : array_like, shape (q, q)
        Rows of transition probabilities, irreducible; the chain begins in its stationary law.
    length, steps : int
        ``L >= 1`` and ``1 <= K <= L``.

    Returns
    -------
    PlannedOrder

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.

    Examples
    --------
    >>> plan = best_chain_order([[0.9, 0.1], [0.1, 0.9]], length=6, steps=2)
    >>> plan.order.tolist(), plan.sizes.tolist(), round(plan.error, 6)
    ([1, 4, 0, 2, 3, 5], [2, 4], 0.199557)
    """
    length, steps = shape(length, steps)
    rounds = min(steps, length.bit_length())
    work_fits(f"the best order of length {length} in {steps} steps", 2 * rounds * length**3)
    entropies = gap_entropies(transition, length)
    none_left = np.full(length + 1, np.inf)
    none_left[0] = 0.0
    # least[k][e][n]: of n masked positions in k iterations, with e known ends
    least = [[none_left] * 3]
    for _ in range(rounds):
        least.append(
            [
                _Segments(entropies, ends, np.arange(length + 1 - ends), least[-1]).values
                for ends in range(3)
            ]
        )
    step = np.empty(length, dtype=np.int64)
    pending = [(0, length, False, False, rounds)]
    while pending:
        start, n, left, right, k = pending.pop()
        if n == 0:
            continue
        ends = left + right
        points = _Segments(entropies, ends, np.array([n]), least[k - 1]).points()
        if right and not left:  # solved as its mirror image
            points = n - 1 - points[::-1]
        step[start + points] = rounds - k
        cuts = [-1, *points.tolist(), n]
        for i, (before, after) in enumerate(pairwise(cuts)):
            known = (left or i > 0, right or i < points.size)
            pending.append((start + before + 1, after - before - 1, *known, k - 1))
    order = np.argsort(step, kind="stable")
    sizes = _divided(np.bincount(step), steps)
    return PlannedOrder(frozen(order), frozen(sizes), float(least[rounds][0][length]))


class _Segments:
    """Segments of masked positions and the best points of each to reveal now.

    With two known ends, with one, to the left, or with none; the gaps that the points leave cost
    what ``after`` says, by their known ends. Points are counted from 1, the known end from 0.
    """

    def __init__(
        self, entropies: FloatArray, ends: int, lengths: IntArray, after: list[FloatArray]
    ) -> None:
        most, far = int(lengths.max(initial=0)), entropies[-1]
        points = np.arange(most + 1)
        distance = lengths[:, np.newaxis] + 1 - points
        left = entropies[points] if ends else np.full(most + 1, far)
        if ends == 2:
            right, across = entropies[np.maximum(distance, 0)], entropies[lengths + 1]
        else:
            right, across = np.full(distance.shape, far), np.full(lengths.shape, far)
        first, last = after[2 if ends else 1], after[2 if ends == 2 else 1]
        # least[:, b]: of what lies left of b, where b is the last point so far
        least = np.full((lengths.size, most + 1), np.inf)
        self._before = np.zeros(least.shape, dtype=np.int64)
        for b in range(1, most + 1):
            shared = _shared(
                left[b], across[:, np.newaxis], entropies[b - 1 : 0 : -1], right[:, 1:b]
            )
            costs = np.empty((lengths.size, b))
            costs[:, 0] = first[b - 1]
            costs[:, 1:] = least[:, 1:b] + shared + after[2][: b - 1][::-1]
            self._before[:, b] = costs.argmin(axis=1)
            least[:, b] = costs.min(axis=1)
        inside = (points > 0) & (distance > 0)
        gaps = last[np.clip(distance - 1, 0, last.size - 1)]
        ending = np.where(inside, least + gaps, np.inf)
        self._end = ending.argmin(axis=1)
        self.values = np.where(lengths > 0, ending.min(axis=1), 0.0)

    def points(self) -> IntArray:
        """The points of the first segment, counted from 0, ascending."""
        found = []
        b = self._end[0]
        while b:
            found.append(b - 1)
            b = self._before[0, b]
        return np.array(found[::-1])


def _divided(sizes: IntArray, steps: int) -> IntArray:
    """Divide iterations until there are ``steps`` of them: no error grows by that."""
    divided: list[int] = []
    missing = steps - sizes.size
    for size in sizes.tolist():
        ones = min(missing, size - 1)
        divided += [1] * ones + [size - ones]
        missing -= ones
    return np.array(divided)
