"""Counts of operations: what is counted, and the orders of growth that the claims name."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from bookkit.operations import Float64Entries, operations

from dlm_core import generate
from dlm_core.schedules import DTCAdaptive, Equal, TCAdaptive, adaptive

SHAPES = [(60, 240), (120, 480), (240, 960), (24, 960), (900, 960)]


@pytest.fixture
def example(tmp_path, monkeypatch):
    path = tmp_path / "example_of_operations.py"
    path.write_text(
        "import numpy as np\n\n\n"
        "def lines(n):\n    for _ in range(n):\n        pass\n\n\n"
        "def entries(n):\n    return np.add(np.zeros(n), 1.0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("example_of_operations")
    del sys.modules["example_of_operations"]


def test_lines_and_entries_are_counted(example):
    assert operations(example, lambda: example.lines(100)) == pytest.approx(200, abs=3)
    # n entries leave zeros, and n go into the sum and come out of it; and one line
    assert operations(example, lambda: example.entries(70)) == 3 * 70 + 1
    assert operations(example, lambda: list(range(9))) == 0
    assert example.np is np


def test_an_error_leaves_everything_as_it_was(example):
    before = sys.gettrace()
    with pytest.raises(TypeError):
        operations(example, lambda: example.lines("many"))
    assert sys.gettrace() is before
    assert example.np is np
    with pytest.raises(TypeError, match="module"):
        operations("numpy", lambda: None)
    assert isinstance(example, ModuleType)


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
def test_a_table_takes_k_times_l_and_a_draw_k_plus_l(kind):
    for steps, length in SHAPES:
        schedule = kind(length, steps)
        table = operations(adaptive, lambda s=schedule: s.table)
        assert steps * (length - steps) < table < 16 * steps * length
        draws = [
            operations(adaptive, lambda s=schedule, i=i: s.sample(1, np.random.default_rng(i)))
            for i in range(3)
        ]
        assert length <= min(draws)
        assert max(draws) < 9 * (steps + length)


def test_a_draw_that_reads_the_whole_table_is_found_out(monkeypatch):
    schedule = TCAdaptive(300, 100)
    scan = adaptive._scan_few

    def slow(*arguments):
        adaptive.np.add(schedule.table, 1.0)
        scan(*arguments)

    monkeypatch.setattr(adaptive, "_scan_few", slow)
    assert operations(adaptive, lambda: schedule.sample(1, 0)) > 100 * (300 + 100)


@pytest.mark.parametrize("order", ["random", "confidence"])
def test_the_sampler_works_on_revealed_tokens_alone(order):
    """At most twice the float64 entries of their rows, exponentials, running sums and maxima."""
    length, size = 24, 400

    def network(tokens, reveal):
        # what a predictor does is its own affair
        return torch.zeros(int(reveal.sum()), size).double().add(1).float()

    with Float64Entries() as made:
        generate(made.outside(network), Equal(length, 4), 3, mask_id=size, order=order)
    assert 3 * length * size < made.entries < 2 * 4 * 3 * length * size
    with Float64Entries() as with_network:
        generate(network, Equal(length, 4), 3, mask_id=size, order=order)
    assert with_network.entries > made.entries


def test_entries_are_counted_in_float64_alone():
    with Float64Entries() as made:
        torch.zeros(3, 4, dtype=torch.float64).exp_()
        torch.zeros(3, 4).exp()
    assert made.entries == 24
    torch.zeros(5, dtype=torch.float64)
    assert made.entries == 24
