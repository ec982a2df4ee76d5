"""The examples of the book: the puzzle, the texts, the images and their mixture, the trees."""

import ast
import inspect
import textwrap

import numpy as np
import pytest
import torch
from bookkit.examples import digits, digits_mixture, solves_sudoku, sudoku_4x4
from bookkit.mixtures import ProductMixture
from bookkit.texts import (
    CHARACTERS,
    END,
    decode,
    encode,
    parses,
    python_functions,
    python_statements,
)
from bookkit.trees import root_from_leaves

from dlm_core import InformationProfile
from dlm_core.error import expected_kl
from dlm_core.information import total_correlation
from dlm_core.schedules import (
    Cosine,
    DTCAdaptive,
    Equal,
    Minimax,
    OptimalForProfile,
    TCAdaptive,
)
from dlm_core.testing import check_target

torch.set_num_threads(1)


def test_the_grids_are_all_and_only_the_solved_ones():
    """Found by filling cell after cell, with the rule asked of every pair of cells."""
    clash = [
        (i, j)
        for i in range(16)
        for j in range(i)
        if i // 4 == j // 4 or i % 4 == j % 4 or (i // 8, i % 4 // 2) == (j // 8, j % 4 // 2)
    ]
    grids = [()]
    for cell in range(16):
        others = [j for i, j in clash if i == cell]
        grids = [(*g, s) for g in grids for s in range(4) if all(g[j] != s for j in others)]
    assert sudoku_4x4().dtype == np.int64
    assert sudoku_4x4().tolist() == [list(grid) for grid in grids]
    assert len(grids) == 288


def test_a_grid_is_solved_if_no_row_column_or_quarter_repeats():
    grids, rng = sudoku_4x4(), np.random.default_rng(0)
    listed = {tuple(grid) for grid in grids.tolist()}
    assert solves_sudoku(grids).all()
    # a swap of two cells, some of which hold the same symbol; and shapes that break one rule alone
    others = [grids[rng.integers(288)].copy() for _ in range(400)]
    for grid in others:
        i, j = rng.choice(16, 2, replace=False)
        grid[[i, j]] = grid[[j, i]]
    cyclic = (np.arange(4) + np.arange(4)[:, None]) % 4  # only quarters repeat
    stripes = np.tile(np.arange(4), (4, 1))  # only columns and quarters repeat
    others = np.array([*others, cyclic.ravel(), stripes.ravel(), stripes.T.ravel()])
    expected = [tuple(grid) in listed for grid in others.tolist()]
    assert solves_sudoku(others).tolist() == expected
    assert 5 < sum(expected) < 200


@pytest.mark.parametrize("tokens", [[[0] * 15], [0] * 16, [[0] * 15 + [4]], [[-1] + [0] * 15]])
def test_what_is_no_grid_is_refused(tokens):
    with pytest.raises(ValueError, match="tokens must"):
        solves_sudoku(tokens)


def test_what_schedules_lose_on_the_grids():
    """TC, DTC and the errors at K = 4, from an independent computation."""
    expected = {
        "Equal": 2.23,
        "Cosine": 2.32,
        "TCAdaptive": 6.28,
        "DTCAdaptive": 3.97,
        "Minimax tc": 5.16,
        "Minimax dtc": 2.21,
        "Minimax min": 3.24,
        "OptimalForProfile": 1.56,
    }
    profile = InformationProfile.from_support(sudoku_4x4())
    assert profile.total_correlation == pytest.approx(16.518, abs=5e-4)
    assert profile.dual_total_correlation == pytest.approx(5.663, abs=5e-4)
    schedules = {
        "Equal": Equal(16, 4),
        "Cosine": Cosine(16, 4),
        "TCAdaptive": TCAdaptive(16, 4),
        "DTCAdaptive": DTCAdaptive(16, 4),
        "Minimax tc": Minimax(16, 4, "tc"),
        "Minimax dtc": Minimax(16, 4, "dtc"),
        "Minimax min": Minimax(16, 4, "min"),
        "OptimalForProfile": OptimalForProfile(profile, 4),
    }
    found = {name: expected_kl(schedule, profile) for name, schedule in schedules.items()}
    assert found == pytest.approx(expected, abs=5e-3)


def test_the_statements_are_simple_short_distinct_and_parse():
    rows = python_statements()
    texts = decode(rows)
    assert rows.dtype == np.int64 and rows.shape == (len(texts), 28)
    assert len(texts) > 10_000
    assert texts == sorted(set(texts))
    assert {len(text) for text in texts} == set(range(6, 29))
    assert all(text.isascii() and text.isprintable() for text in texts)
    assert parses(rows).all()
    nodes = [ast.parse(text).body for text in texts[::50]]
    assert all(len(body) == 1 and not hasattr(body[0], "body") for body in nodes)
    assert [ast.unparse(body) for body in nodes] == texts[::50]
    assert "import os" in texts and "return self" in texts
    assert np.array_equal(rows, python_statements())


def test_the_statements_are_found_where_they_stand():
    """In one module, walked from its source by the tree's own visitor."""

    class Visitor(ast.NodeVisitor):
        def generic_visit(self, node):
            line = node.lineno == node.end_lineno if isinstance(node, ast.stmt) else False
            if line and not hasattr(node, "body"):
                found.add(ast.unparse(node))
            super().generic_visit(node)

    found = set()
    Visitor().visit(ast.parse(inspect.getsource(textwrap)))
    short = {text for text in found if 6 <= len(text) <= 28 and text.isascii()}
    assert len(short) > 30
    assert short <= set(decode(python_statements()))


def test_the_functions_parse():
    texts = decode(python_functions(20, 120))
    assert len(texts) > 1000 and texts == sorted(set(texts))
    assert parses(encode(texts[::100], 120)).all()
    nodes = [ast.parse(text).body[0] for text in texts[::100]]
    assert all(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes)
    assert any(text.startswith("@property") for text in texts)


def test_texts_are_rows_that_end():
    rows = encode(["a = 1", "", "x"], 6)
    assert rows[1].tolist() == [END] * 6
    assert [CHARACTERS[s] for s in rows[0, :5]] == list("a = 1") and rows[0, 5] == END
    assert decode(rows) == ["a = 1", "", "x"]
    rows[2, 3] = CHARACTERS.index("y")
    assert decode(rows, "_")[2] == "x__y"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = [1, 2]", True),
        ("x = [1, 2", False),
        ("return x", True),
        ("if a: b", True),
        ("x; y", False),
        ("# nothing", False),
        ("", False),
        (" x = 1", False),
        ("x = 1 # one", True),
        ("'\\d' is 1or x", True),
        ("a = b = c = = d", False),
        ("(" * 300, False),
    ],
)
def test_one_statement_and_nothing_else_parses(text, expected):
    assert parses(encode([text], 300)).tolist() == [expected]


def test_a_character_after_the_end_is_an_error():
    rows = encode(["x = 10"], 8)
    assert parses(rows).all()
    rows[0, 3] = END
    assert decode(rows) == ["x =10"] and decode(rows, "_") == ["x =_10"]
    assert not parses(rows).any()


@pytest.mark.parametrize(
    "call",
    [
        lambda: encode(["abc"], 2),
        lambda: encode(["\u00e9"], 2),
        lambda: decode([[END + 1]]),
        lambda: parses([[-1]]),
        lambda: python_statements(5, 4),
        lambda: python_statements(0, 4),
    ],
)
def test_what_is_no_text_is_refused(call):
    with pytest.raises(ValueError, match="must"):
        call()


def test_the_images_are_split_and_binary():
    first, others = digits(seed=1)
    assert (first.shape, others.shape) == ((1200, 63), (597, 63))
    assert set(first.unique().tolist()) == {0, 1}
    assert not torch.equal(first, digits(seed=2)[0])
    everything = [torch.cat(digits(seed=s)).sum(0) for s in (1, 2)]
    assert torch.equal(*everything)


def small():
    weights = torch.tensor([1.0, 3.0, 2.0])
    laws = torch.rand(3, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return ProductMixture(weights, laws / laws.sum(2, keepdim=True))


def test_a_mixture_is_a_target():
    check_target(small())


def test_a_mixture_is_the_sum_of_its_products():
    model, table = small(), 0
    for weight, laws in zip([1 / 6, 3 / 6, 2 / 6], model.laws.numpy(), strict=True):
        one = np.ones(())
        for law in laws:
            one = np.multiply.outer(one, law)
        table = table + weight * one
    np.testing.assert_allclose(model.joint(), table, rtol=1e-12)
    assert total_correlation(table) > 0.01


def test_a_fit_finds_two_words():
    words = torch.tensor([[0, 1] * 3, [1, 0] * 3]).repeat(50, 1)
    model = ProductMixture.fit(words, 2, 3)
    assert model.log_prob(words[:2]).exp().sum() > 0.9


def test_the_fitted_mixture_tells_images_from_noise():
    model = digits_mixture(classes=10)
    held_out = digits()[1]
    noise = torch.randint(2, held_out.shape, generator=torch.Generator().manual_seed(0))
    assert model.log_prob(held_out).mean() > model.log_prob(noise).mean() + 40
    assert model.log_prob(held_out).mean() > -63 * np.log(2) + 20


@pytest.mark.parametrize(
    ("weights", "laws"),
    [
        (torch.ones(2), torch.ones(3, 4, 2) / 2),
        (torch.tensor([1.0, 0.0]), torch.ones(2, 4, 2) / 2),
        (torch.ones(2), torch.ones(2, 4, 2)),
        (torch.ones(2), torch.ones(4, 2)),
    ],
)
def test_what_is_no_mixture_is_refused(weights, laws):
    with pytest.raises(ValueError, match="weights|laws"):
        ProductMixture(weights, laws)


def leaves_and_root(share, depth):
    """Their mutual information, from the table of all leaves given the root."""
    step = np.array([[1 + share, 1 - share], [1 - share, 1 + share]]) / 2
    given = np.eye(2)  # row: the value of the node; columns: all that its leaves can be
    for _ in range(depth):
        child = step @ given
        given = (child[:, :, None] * child[:, None, :]).reshape(2, -1)
    both = given / 2
    return mutual_information(both)


def mutual_information(table):
    p = table[table > 0]
    product = np.outer(table.sum(1), table.sum(0))[table > 0]
    return float(p @ np.log(p / product))


@pytest.mark.parametrize("share", [0.3, 0.5**0.5, 0.9])
def test_what_leaves_tell_of_the_root_is_that_of_the_table(share):
    """Up to 2**16 leaves' values; the population's error is a few of its 1 / sqrt(n)."""
    found = root_from_leaves(share, [1, 2, 3, 4], 400_000, 5)
    expected = [leaves_and_root(share, depth) for depth in (1, 2, 3, 4)]
    assert found == pytest.approx(expected, abs=4e-3)
    assert found[2:] == root_from_leaves(share, [3, 4], 400_000, 5)


def test_only_beyond_the_threshold_a_deep_tree_tells_of_its_root():
    for square, low, high in [(0.5, -1e-3, 1e-3), (0.9, -1e-3, 0.01), (1.3, 0.2, 0.6)]:
        (found,) = root_from_leaves((square / 2) ** 0.5, [40], 20_000, 6)
        assert low < found < high
        # at most the sum over paths of what one leaf tells, (2 share^2)^depth
        for depth in (1, 2, 3):
            assert leaves_and_root((square / 2) ** 0.5, depth) <= square**depth


@pytest.mark.parametrize(
    "arguments", [(1.0, [1], 10, 0), (0.5, [0], 10, 0), (0.5, [1], 0, 0), (0.5, [1.5], 10, 0)]
)
def test_what_is_no_tree_is_refused(arguments):
    with pytest.raises((TypeError, ValueError), match="share|depths|population"):
        root_from_leaves(*arguments)
