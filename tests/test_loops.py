"""``num_transfer_tokens`` in the generation loops that it is made for, and by itself."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import binary, chain_table, mixture_law, p_value
from peers import dllm, equal_sizes, fast_dllm, llada, rounded_sizes

from dlm_core import (
    DTCAdaptive,
    Equal,
    FixedSizes,
    MarkovChain,
    Minimax,
    OptimalForProfile,
    ShiftedEqual,
    TCAdaptive,
    generate,
    num_transfer_tokens,
)

KINDS = ["ShiftedEqual", "TC-adaptive", "DTCAdaptive", "Equal", "Cosine", "Geometric"]
MASK = 2


class Network:
    """The exact conditional laws of a chain as the logits of a language model; counts its calls."""

    def __init__(self, length, columns=None):
        self.chain = MarkovChain(length, binary(0.85))
        self.columns = slice(None) if columns is None else columns
        self.seen = []

    def __call__(self, tokens):
        self.seen.append(tokens.clone())
        logits = torch.full((*tokens.shape, 3), -torch.inf, dtype=torch.float64)
        logits[..., :2] = 0.0
        part = tokens[:, self.columns]
        masked = part == MASK
        inside = logits[:, self.columns]
        inside[masked] = torch.cat(
            [self.chain(part, masked), torch.full((masked.sum(), 1), -1e3)], 1
        )
        return logits

    def useful(self, tokens):
        """Whether each call changed the tokens, in each row."""
        states = torch.stack([*self.seen, tokens])
        return (states[1:] != states[:-1]).any(2)


def masks(*counts, width):
    return torch.arange(width) < torch.tensor(counts)[:, None]


@given(
    st.lists(st.lists(st.booleans(), min_size=7, max_size=7), max_size=6),
    st.integers(1, 12),
    st.sampled_from(KINDS),
    st.integers(0, 2**63 - 1),
)
@settings(deadline=None)
def test_a_row_has_its_masks_in_positive_sizes_and_then_zeros(rows, steps, kind, seed):
    mask_index = torch.tensor(rows, dtype=torch.bool).reshape(-1, 7)
    table = num_transfer_tokens(mask_index, steps, kind, seed=seed)
    assert table.shape == (len(rows), steps)
    assert table.dtype == torch.int64
    left = mask_index.sum(1)
    assert (table.sum(1) == left).all()
    positive = torch.arange(steps) < left.clamp(max=steps)[:, None]
    assert ((table > 0) == positive).all()


def test_no_masks_at_all_give_a_table_of_zeros():
    for shape in ((3, 5), (3, 0), (0, 5)):
        table = num_transfer_tokens(torch.zeros(shape, dtype=torch.bool), 4)
        assert table.shape == (shape[0], 4)
        assert not table.any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_depends_on_its_masks_the_seed_and_its_number_alone(kind):
    draw = torch.Generator().manual_seed(0)
    mask_index = torch.rand(300, 40, generator=draw) < torch.rand(300, 1, generator=draw)
    whole = num_transfer_tokens(mask_index, 8, kind, seed=3)
    for first, last in [(0, 1), (5, 9), (250, 262), (299, 300)]:
        part = num_transfer_tokens(mask_index[first:last], 8, kind, seed=3, first_row=first)
        assert (part == whole[first:last]).all()
    other = mask_index.clone()
    other[::2] = True
    assert (num_transfer_tokens(other, 8, kind, seed=3)[1::2] == whole[1::2]).all()
    if kind in KINDS[:3]:
        assert (num_transfer_tokens(mask_index, 8, kind, seed=4) != whole).any()


@pytest.mark.parametrize("schedule", [ShiftedEqual(12, 4), Minimax(12, 4, "sum"), Equal(12, 4)])
def test_the_sizes_are_those_of_generate(schedule):
    tokens = torch.full((5, 12), MASK)
    tokens[1, 3:] = 0
    tokens[2] = 1
    tokens[3, :2] = 0
    made = generate(MarkovChain(12, binary(0.9)), schedule, tokens=tokens, seed=9, first_row=254)
    table = num_transfer_tokens(tokens == MASK, 4, schedule, seed=9, first_row=254)
    assert (table.numpy() == made.sizes).all()


def test_a_schedule_is_meant_by_its_name_its_kind_or_itself():
    mask_index = masks(9, 4, 0, width=9)
    tables = [
        num_transfer_tokens(mask_index, 3, schedule, seed=1)
        for schedule in ("tc-adaptive", TCAdaptive, TCAdaptive(9, 3))
    ]
    assert (tables[0] == tables[1]).all()
    assert (tables[0] == tables[2]).all()
    assert (
        num_transfer_tokens(mask_index, 3) == num_transfer_tokens(mask_index, 3, ShiftedEqual)
    ).all()


def test_fixed_sizes_come_as_they_are_and_longer_schedules_serve_shorter_blocks():
    table = num_transfer_tokens(masks(9, 9, width=9), 3, FixedSizes([5, 3, 1]))
    assert table.tolist() == [[5, 3, 1]] * 2
    table = num_transfer_tokens(masks(8, 3, width=8), 4, Equal(100, 4))
    assert table.tolist() == [[2, 2, 2, 2], [1, 1, 1, 0]]


def test_equal_sizes_are_lladas_own_but_for_the_place_of_the_remainder():
    mask_index = masks(*range(12), width=11)
    for steps in (1, 3, 11):
        ours, theirs = (
            num_transfer_tokens(mask_index, steps, "Equal"),
            equal_sizes(mask_index, steps),
        )
        assert (ours.sort(1).values == theirs.sort(1).values).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mask_index": [[True]]}, TypeError, "mask_index must be a torch.Tensor of bool"),
        ({"mask_index": torch.ones(2, 3)}, TypeError, "tokens == mask_id"),
        ({"mask_index": torch.ones(3, dtype=torch.bool)}, TypeError, r"shape \(3,\)"),
        ({"steps": 0}, ValueError, "steps must be an integer"),
        ({"steps": 2.0}, TypeError, "steps must be an integer"),
        ({"schedule": "Linear"}, ValueError, "one of BestDeterministic, "),
        ({"schedule": Minimax}, ValueError, "made for a measure"),
        ({"schedule": OptimalForProfile}, ValueError, "schedule must be a kind that a length and"),
        ({"schedule": Equal(6, 3)}, ValueError, "as many steps as the loop, 2, got Equal"),
        ({"schedule": Equal(5, 2)}, ValueError, "at most as many masks .* 5, got 6 in row 0"),
        ({"schedule": None}, TypeError, "schedule must be of type Schedule"),
        ({"seed": -1}, ValueError, "seed must be an integer"),
        ({"first_row": -1}, ValueError, "first_row must be an integer"),
        ({"steps": 2**31 - 1}, ValueError, "GiB"),
    ],
)
def test_bad_input_is_refused_in_words(change, error, message):
    right = {"mask_index": torch.ones(2, 6, dtype=torch.bool), "steps": 2}
    with pytest.raises(error, match=message):
        num_transfer_tokens(**{**right, **change})


# --- in the loops ---

LENGTH, STEPS, DRAWS = 4, 2, 6000
TRUTH = chain_table(binary(0.85), LENGTH)
SCHEDULES = [ShiftedEqual(LENGTH, STEPS), DTCAdaptive(LENGTH, STEPS), FixedSizes([3, 1])]


def counts_of(tokens):
    return torch.bincount(tokens @ (2 ** torch.arange(LENGTH).flip(0)), minlength=2**LENGTH).numpy()


LOOPS = {
    "llada": partial(llada, temperature=1.0, by_confidence=False),
    "fast_dllm": fast_dllm,
    "dllm": partial(dllm, prompts=[0] * DRAWS),
}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda made: made.label)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_with_random_positions_samples_the_law_of_the_schedule(loop, schedule):
    """The law is enumerated over sizes and orders; that of the loop's own sizes is told apart."""
    torch.manual_seed(0)
    sizes = partial(num_transfer_tokens, schedule=schedule, seed=5)
    network, start = Network(LENGTH), torch.full((DRAWS, LENGTH), MASK)
    tokens = LOOPS[loop](network, start, MASK, STEPS, sizes=sizes)
    assert (tokens != MASK).all()
    assert len(network.seen) == STEPS
    assert network.useful(tokens).all()
    ours = generate(network.chain, schedule, DRAWS, seed=6).tokens
    law = mixture_law(TRUTH, schedule.law())
    for found in (tokens, ours):
        assert p_value(counts_of(found), law) > 1e-3
    other = mixture_law(TRUTH, Equal(LENGTH, STEPS).law())
    if not np.allclose(law, other):
        torch.manual_seed(0)
        assert p_value(counts_of(LOOPS[loop](Network(LENGTH), start, MASK, STEPS)), law) < 1e-3
    else:
        assert schedule.label == "shifted equal"


@pytest.mark.parametrize("schedule", ["ShiftedEqual", "TCAdaptive"])
@pytest.mark.parametrize("loop", [partial(llada, temperature=1.0), fast_dllm])
def test_blocks_and_rows_of_different_length_are_filled_without_a_wasted_call(loop, schedule):
    """Two blocks of eight after a prompt of four; in some rows part of a block is given."""
    torch.manual_seed(0)
    start = torch.full((6, 20), MASK)
    start[:, :4] = 1
    start[1, 6:10], start[2, 12:] = 0, 1
    network = Network(16, slice(4, None))
    sizes = partial(num_transfer_tokens, schedule=schedule, seed=2)
    tokens = loop(network, start, MASK, 4, prompt=4, blocks=2, sizes=sizes)
    assert (tokens != MASK).all()
    given_there = start != MASK
    assert (tokens[given_there] == start[given_there]).all()
    useful = network.useful(tokens)
    assert useful.shape == (8, 6)
    assert useful[:, [0, 1, 3, 4, 5]].all()
    assert useful[:, 2].tolist() == [True] * 4 + [False] * 4


def test_prompts_of_different_length_are_filled_in_dllms_loop():
    torch.manual_seed(0)
    start = torch.zeros(3, 11, dtype=torch.int64)
    prompts = [3, 0, 1]
    for row, prompt in enumerate(prompts):
        start[row, prompt : prompt + 8] = MASK
    network = Network(11)
    sizes = partial(num_transfer_tokens, schedule="ShiftedEqual")
    tokens = dllm(network, start, MASK, 3, prompts=prompts, blocks=2, sizes=sizes)
    assert (tokens != MASK).all()
    assert (tokens[start != MASK] == 0).all()
    assert len(network.seen) == 6
    assert network.useful(tokens).all()


def test_the_loops_own_tables_have_the_defects_that_are_told_of_them():
    """Steps without a token, where there are fewer masks than steps; none left in dllm's table."""
    few = masks(3, 5, width=8)
    assert (equal_sizes(few, 8) == 0).sum() == 8
    assert (num_transfer_tokens(few, 8) == 0).sum() == 8
    assert rounded_sizes(few, 8).shape == (2, 5)
    assert (rounded_sizes(few, 8).sum(1) == few.sum(1)).all()
