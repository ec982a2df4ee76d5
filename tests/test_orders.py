"""Orders that follow a structure, against all ordered set partitions and by definition."""

from functools import cache
from itertools import combinations, permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import CHAINS, binary, chain_table, compositions, kl_by_definition

from dlm_core import FixedSizes, InformationProfile, MarkovChain, TreePotts, expected_kl, generate
from dlm_core.orders import best_chain_order, chain_order_kl, tree_depth_order


def path(length):
    return [(i, i + 1) for i in range(length - 1)]


def plans(length, steps):
    """Every ordered partition of the positions into so many nonempty parts."""
    for sizes in compositions(length, steps):
        for order in permutations(range(length)):
            blocks = np.split(order, np.cumsum(sizes)[:-1])
            if all((np.diff(block) > 0).all() for block in blocks):
                yield list(order), list(sizes)


# --- graphs ---


def least_depth(length, edges):
    """The tree-depth by its definition: remove the best vertex, take the deepest component."""
    edges = {frozenset(edge) for edge in edges}

    def parts(subset):
        left = set(subset)
        while left:
            part, frontier = set(), {min(left)}
            while frontier:
                part |= frontier
                frontier = {v for v in left - part for u in frontier if {u, v} in edges}
            yield frozenset(part)
            left -= part

    @cache
    def depth(subset):
        if len(subset) <= 1:
            return len(subset)
        connected = list(parts(subset))
        if len(connected) > 1:
            return max(map(depth, connected))
        return 1 + min(depth(subset - {v}) for v in subset)

    return depth(frozenset(range(length)))


def assert_separates(plan, length, edges):
    """Each iteration reveals positions that those revealed before separate."""
    assert sorted(plan.order.tolist()) == list(range(length))
    assert plan.sizes.sum() == length
    assert plan.sizes.min() >= 1
    assert plan.steps == plan.sizes.size
    joined = np.eye(length, dtype=bool)
    for i, j in edges:
        joined[i, j] = joined[j, i] = True
    known = np.zeros(length, dtype=bool)
    for block in np.split(plan.order, np.cumsum(plan.sizes)[:-1]):
        reach = joined & ~known & ~known[:, np.newaxis]
        for _ in range(length.bit_length()):
            reach = (reach.astype(int) @ reach) > 0
        assert np.array_equal(reach[np.ix_(block, block)], np.eye(block.size, dtype=bool))
        known[block] = True


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_small_graph_takes_its_tree_depth(data):
    length = data.draw(st.integers(1, 7))
    pairs = st.sampled_from([*combinations(range(7), 2)])
    edges = data.draw(st.lists(pairs, max_size=20, unique=True))
    edges = [(j, i) for i, j in edges if j < length]
    plan = tree_depth_order(length, edges)
    assert_separates(plan, length, edges)
    assert plan.steps == least_depth(length, edges)
    assert plan.error == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_tree_takes_its_tree_depth(data):
    """Which is the rank of a vertex ranking; with labels in any order."""
    length = data.draw(st.integers(2, 11))
    edges = [(i, data.draw(st.integers(0, i - 1))) for i in range(1, length)]
    names = data.draw(st.permutations(range(length)))
    edges = [(names[i], names[j]) for i, j in edges]
    plan = tree_depth_order(length, edges)
    assert_separates(plan, length, edges)
    assert plan.steps == least_depth(length, edges)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 62, 63, 64, 1000])
def test_a_path_is_bisected_and_a_star_takes_two(length):
    plan = tree_depth_order(length, path(length))
    assert plan.steps == int(np.log2(length)) + 1
    star = tree_depth_order(length, [(0, i) for i in range(1, length)])
    assert star.steps == min(length, 2)
    if length < 100:
        assert_separates(plan, length, path(length))
        assert_separates(star, length, [(0, i) for i in range(1, length)])


def test_forests_with_other_components():
    assert tree_depth_order(5, []).sizes.tolist() == [5]
    triangle = [(0, 1), (1, 2), (2, 0)]
    plan = tree_depth_order(20, triangle + [(i, i + 1) for i in range(4, 19)])
    assert plan.steps == 5
    assert_separates(plan, 20, triangle + [(i, i + 1) for i in range(4, 19)])
    whole = tree_depth_order(16, list(combinations(range(16), 2)))
    assert whole.sizes.tolist() == [1] * 16


def test_a_graph_that_is_too_hard_is_refused():
    cycle = [(i, (i + 1) % 17) for i in range(17)]
    with pytest.raises(ValueError, match=r"edges must join at most 16 .* component of 17"):
        tree_depth_order(30, cycle)
    assert tree_depth_order(16, [(i, (i + 1) % 16) for i in range(16)]).steps == 5
    with pytest.raises(ValueError, match=r"edges must join different positions, got \[2, 2\]"):
        tree_depth_order(3, [(0, 1), (2, 2)])
    with pytest.raises(ValueError, match=r"edges must be pairs"):
        tree_depth_order(4, [(0, 1, 2)])
    with pytest.raises(ValueError, match=r"edges must hold integers in \[0, 3\], got 4"):
        tree_depth_order(4, [(0, 4)])


def field(length, edges, rng):
    """A positive random law that is Markov on a graph, with a full table on each edge."""
    logs = np.zeros((2,) * length)
    for i, j in edges:
        shape = [2 if axis in (i, j) else 1 for axis in range(length)]
        logs = logs + rng.normal(size=4).reshape(shape)
    p = np.exp(logs)
    return p / p.sum()


def test_it_has_no_error_and_fewer_iterations_have_some():
    """On random fields, by the definition of divergence, over every plan with one step less."""
    rng = np.random.default_rng(0)
    cycle = [(0, 1), (1, 2), (2, 3), (3, 0)]
    for edges in (path(5), [(0, 1), (0, 2), (2, 3), (2, 4)], cycle, [(0, 1), (2, 3)]):
        length = 1 + max(map(max, edges))
        p = field(length, edges, rng)
        plan = tree_depth_order(length, edges)
        assert kl_by_definition(p, plan.order, plan.sizes) == pytest.approx(0, abs=1e-13)
        if plan.steps > 1:
            fewer = [kl_by_definition(p, *other) for other in plans(length, plan.steps - 1)]
            assert min(fewer) > 1e-5


@pytest.mark.parametrize("length", [7, 40])
def test_the_sampler_takes_the_order_and_draws_a_chain_without_loss(length):
    chain = MarkovChain(length, [[0.8, 0.2, 0.0], [0.1, 0.6, 0.3], [0.5, 0.0, 0.5]])
    plan = tree_depth_order(length, path(length))
    made = generate(chain, FixedSizes(plan.sizes), n=200, order=[plan.order] * 200)
    assert made.calls == plan.steps == int(np.log2(length)) + 1
    torch.testing.assert_close(made.log_prob, chain.log_prob(made.tokens), rtol=0, atol=1e-10)


def test_the_sampler_draws_a_tree_without_loss():
    tree = TreePotts.regular(depth=5, branching=2, alphabet_size=3, coupling=1.5)
    edges = [(i, int(j)) for i, j in enumerate(tree.parents) if j >= 0]
    plan = tree_depth_order(tree.length, edges)
    made = generate(tree, FixedSizes(plan.sizes), n=50, order=[plan.order] * 50)
    assert made.calls <= 6
    torch.testing.assert_close(made.log_prob, tree.log_prob(made.tokens), rtol=0, atol=1e-10)


# --- chains ---


@pytest.mark.parametrize("transition", CHAINS)
def test_the_error_of_an_order_by_definition(transition):
    p = chain_table(transition, 5)
    rng = np.random.default_rng(1)
    for steps in range(1, 6):
        for sizes in compositions(5, steps):
            order = rng.permutation(5)
            found = chain_order_kl(transition, order, sizes)
            assert found == pytest.approx(kl_by_definition(p, order, sizes), abs=1e-13)


def test_the_mean_over_all_orders_is_the_error_law():
    profile = InformationProfile.from_joint(chain_table(CHAINS[3], 5))
    for sizes in ([5], [2, 3], [3, 1, 1]):
        mean = np.mean([chain_order_kl(CHAINS[3], o, sizes) for o in permutations(range(5))])
        assert mean == pytest.approx(expected_kl(FixedSizes(sizes), profile), abs=1e-13)


@pytest.mark.parametrize("transition", CHAINS)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
def test_no_order_and_sizes_are_better(transition, length):
    for steps in range(1, length + 1):
        plan = best_chain_order(transition, length, steps)
        assert plan.sizes.size == steps
        assert sorted(plan.order.tolist()) == list(range(length))
        assert chain_order_kl(transition, plan.order, plan.sizes) == pytest.approx(
            plan.error, abs=1e-14
        )
        if steps > 3:  # no error, by bisection
            assert plan.error == 0
        elif length < 6 or steps == 2:
            least = min(chain_order_kl(transition, *other) for other in plans(length, steps))
            assert plan.error == pytest.approx(least, abs=1e-14)


def test_the_order_has_the_error_that_the_program_found():
    """Among them chains whose first segment is no mirror image of itself."""
    sticky = np.array([[0.27, 0.16, 0.57], [0.006, 0.9937, 0.0003], [0.74, 0.004, 0.256]])
    for transition in (sticky, *CHAINS):
        for length, steps in product((11, 20, 33), (2, 3, 4)):
            plan = best_chain_order(transition, length, steps)
            found = chain_order_kl(transition, plan.order, plan.sizes)
            assert found == pytest.approx(plan.error, abs=1e-13)


def test_the_least_error_by_divergence_alone():
    p = chain_table(CHAINS[3], 4)
    least = min(kl_by_definition(p, *plan) for plan in plans(4, 2))
    assert best_chain_order(CHAINS[3], 4, 2).error == pytest.approx(least, abs=1e-13)
    assert least > 0.01


@pytest.mark.parametrize(
    ("length", "stay", "steps", "value"),
    [
        (5, 0.9, 2, 0.199557277551),
        (6, 0.8, 2, 0.107215053069),
        (63, 0.9, 2, 3.991145551019),
        (63, 0.9, 3, 1.075860755773),
        (63, 0.9, 4, 0.084843162430),
        (63, 0.9, 5, 0.000792386277),
        (63, 0.9, 6, 0.0),
    ],
)
def test_reference_values(length, stay, steps, value):
    plan = best_chain_order(binary(stay), length, steps)
    assert plan.error == pytest.approx(value, abs=1e-12)
    found = chain_order_kl(binary(stay), plan.order, plan.sizes)
    assert found == pytest.approx(value, abs=1e-12)


def test_more_iterations_than_bisection_needs():
    for steps in (6, 7, 31, 63):
        plan = best_chain_order(binary(0.9), 63, steps)
        assert plan.sizes.size == steps
        assert plan.sizes.min() >= 1
        assert plan.error == 0
        assert chain_order_kl(binary(0.9), plan.order, plan.sizes) == 0


def test_dependent_neighbours_alone_do_not_need_bisection():
    """The square of these transitions has equal rows: every second token is independent."""
    forgetful = 1 / 3 + 0.1 * np.outer([1, -1, 0], [1, 1, -2])
    assert chain_order_kl(forgetful, range(15), [15]) > 0.01
    assert best_chain_order(forgetful, 15, 2).error == pytest.approx(0, abs=1e-13)


def test_an_independent_chain_has_no_error_in_any_order():
    flat = np.full((3, 3), 1 / 3)
    assert chain_order_kl(flat, range(9), [9]) == pytest.approx(0, abs=1e-13)
    assert best_chain_order(flat, 9, 1).error == pytest.approx(0, abs=1e-13)


def test_arguments():
    for transition, words in [
        ([[0.5, 0.5]], "transition must be square"),
        (np.eye(2), "transition must lead from every state to every other.*got 2 classes"),
        ([[0.5, 0.5], [0.0, 1.0]], "transition must lead"),
    ]:
        with pytest.raises(ValueError, match=words):
            best_chain_order(transition, 6, 2)
    with pytest.raises(ValueError, match="terms"):
        best_chain_order(binary(0.9), 5000, 20)
    with pytest.raises(ValueError, match="order must be a permutation"):
        chain_order_kl(binary(0.9), [0, 2], [2])
    with pytest.raises(ValueError, match="sizes must sum to the 2 positions"):
        chain_order_kl(binary(0.9), [0, 1], [2, 1])
