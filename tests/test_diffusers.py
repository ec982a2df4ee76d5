"""``UnmaskingScheduler`` inside diffusers' own ``LLaDA2Pipeline``, with a model that is exact."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from oracles import binary, chain_table, mixture_law, p_value

from dlm_core import DTCAdaptive, Equal, FixedSizes, MarkovChain, ShiftedEqual, TCAdaptive

diffusers = pytest.importorskip("diffusers")
UnmaskingScheduler = pytest.importorskip("dlm_core.adapters.diffusers").UnmaskingScheduler

MASK, EOS, PAD = 2, 3, 4


class Model(torch.nn.Module):
    """The conditional laws of a chain after the prompt, as logits that favour the mask."""

    device = torch.device("cpu")

    def __init__(self, prompt, length, eos=-1e3):
        super().__init__()
        self.prompt, self.eos = prompt, eos
        self.chains = {n: MarkovChain(n, binary(0.85)) for n in range(1, length + 1)}
        self.seen = []

    def forward(self, tokens, attention_mask, position_ids):
        self.seen.append(tokens.clone())
        logits = torch.full((*tokens.shape, 5), -1e3, dtype=torch.float64)
        logits[..., MASK], logits[..., EOS] = 50.0, self.eos
        part = tokens[:, self.prompt :].masked_fill(tokens[:, self.prompt :] > MASK, 0)
        masked = part == MASK
        laws = self.chains[part.shape[1]](part, masked)
        logits[:, self.prompt :][masked] = torch.cat(
            [laws, logits[:, self.prompt :][masked][:, 2:]], 1
        )
        return SimpleNamespace(logits=logits)

    def blocks(self):
        """The tokens that the calls saw, by blocks."""
        widths = [x.shape[1] for x in self.seen]
        cuts = np.flatnonzero(np.diff(widths)) + 1
        return np.split(np.arange(len(widths)), cuts)


class Tokenizer:
    eos_token_id, mask_token_id, chat_template = EOS, MASK, None

    def __call__(self, text, return_tensors, padding):
        rows = [
            [int(sign) for sign in line] for line in ([text] if isinstance(text, str) else text)
        ]
        ids = torch.tensor(rows)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def batch_decode(self, rows, skip_special_tokens):
        return ["".join(map(str, row.tolist())) for row in rows]


def run(schedule, prompt, gen_length, seed=0, **options):
    prompt = torch.as_tensor(prompt)
    model = Model(prompt.shape[1], gen_length + schedule.length, options.pop("eos", -1e3))
    pipeline = diffusers.LLaDA2Pipeline(model, UnmaskingScheduler(schedule), Tokenizer())
    pipeline.set_progress_bar_config(disable=True)
    options = {
        "num_inference_steps": schedule.steps,
        "temperature": 1.0,
        "generator": torch.Generator().manual_seed(seed),
        "output_type": "seq",
        **options,
    }
    made = pipeline(input_ids=prompt, gen_length=gen_length, **options).sequences
    return made, model


@pytest.mark.parametrize("schedule", [ShiftedEqual(8, 3), TCAdaptive(8, 5), Equal(8, 8)])
def test_each_block_takes_its_steps_and_each_call_reveals_something_in_each_row(schedule):
    prompt = torch.ones(5, 8, dtype=torch.int64)
    made, model = run(schedule, prompt, 16)
    assert made.shape == (5, 16)
    assert (made < MASK).all()
    assert [len(calls) for calls in model.blocks()] == [schedule.steps] * 2
    for calls in model.blocks():
        states = [model.seen[i] for i in calls]
        known = torch.stack([(x != MASK).sum(1) for x in states])
        assert (known.diff(dim=0) > 0).all()
        for before, after in pairwise(states):
            there = before != MASK
            assert (after[there] == before[there]).all()
        assert (states[0][:, :8] == 1).all()


def test_a_block_that_begins_in_the_prompt_takes_no_more_calls_than_it_has_masks():
    prompt = torch.tensor([[0, 1, 0, 1, 1, 0]])
    made, model = run(ShiftedEqual(8, 4), prompt, 10)
    assert (made < MASK).all()
    assert [len(calls) for calls in model.blocks()] == [2, 4]
    assert all((x[:, :6] == prompt).all() for x in model.seen)
    assert [(x == MASK).sum().item() for x in model.seen[:2]] == [2, 1]


def test_the_rows_of_a_batch_have_sizes_of_their_own_and_do_not_depend_on_each_other():
    schedule = TCAdaptive(8, 3)
    prompt = torch.zeros(6, 8, dtype=torch.int64)
    made, model = run(schedule, prompt, 8, seed=4)
    sizes = torch.stack([(x == MASK).sum(1) for x in model.seen])
    assert len(sizes.unique(dim=1).T) > 1
    alone, _ = run(schedule, prompt[:2], 8, seed=4)
    assert (alone == made[:2]).all()
    assert (run(schedule, prompt, 8, seed=4)[0] == made).all()
    assert (run(schedule, prompt, 8, seed=5)[0] != made).any()


def test_without_a_generator_the_seed_is_torchs_own():
    torch.manual_seed(3)
    first, _ = run(ShiftedEqual(8, 3), torch.ones(2, 8).long(), 8, generator=None)
    torch.manual_seed(3)
    again, _ = run(ShiftedEqual(8, 3), torch.ones(2, 8).long(), 8, generator=None)
    assert (first == again).all()


@pytest.mark.parametrize("schedule", [DTCAdaptive(4, 2), FixedSizes([3, 1])])
def test_the_law_of_a_block_is_that_of_the_schedule(schedule):
    draws = 6000
    prompt = torch.ones(draws, 4, dtype=torch.int64)
    made, model = run(schedule, prompt, 4)
    sizes = 4 - (model.seen[1] == MASK).sum(1)
    expected = [0.0] * 5
    for drawn, chance in schedule.law().items():
        expected[drawn[0]] += chance
    assert p_value(torch.bincount(sizes, minlength=5), expected) > 1e-3
    counts = torch.bincount(made @ torch.tensor([8, 4, 2, 1]), minlength=16)
    truth = chain_table(binary(0.85), 4)
    assert p_value(counts, mixture_law(truth, schedule.law())) > 1e-3
    assert p_value(counts, mixture_law(truth, Equal(4, 2).law())) < 1e-3


def test_greedy_and_cut_laws_take_the_tokens_that_they_leave():
    prompt = torch.ones(3, 8, dtype=torch.int64)
    for options in ({"sampling_method": "greedy"}, {"temperature": 0.0}, {"top_k": 1}):
        made, _ = run(ShiftedEqual(8, 8), prompt, 8, seed=1, **options)
        # a chain that stays is constant where the likelier token is always taken
        assert (made == made[:, :1]).all(), options
    made, _ = run(ShiftedEqual(8, 8), prompt, 8, top_p=0.52)
    assert (made == made[:, :1]).all()
    made, _ = run(ShiftedEqual(8, 8), prompt, 8, seed=1, top_p=0.999, top_k=4)
    assert (made != made[:, :1]).any()


def test_a_row_that_has_ended_is_left_alone_and_the_others_go_on():
    prompt = torch.ones(40, 8, dtype=torch.int64)
    made, model = run(ShiftedEqual(8, 4), prompt, 24, eos=-2.5)
    ended = (made == EOS).any(1)
    assert 0 < ended.sum() < 40
    assert (made[~ended] != MASK).all()
    assert len(model.seen) == 12


def test_a_row_ends_with_its_block_whenever_its_end_was_revealed():
    prompt = torch.full((1, 8), EOS)  # ends of other texts
    for seed in range(12):
        made, model = run(ShiftedEqual(8, 4), prompt, 24, seed=seed, eos=-1.5)
        ends = np.flatnonzero(made[0] == EOS)
        assert len(model.seen) <= 4 * (1 + ends[0] // 8 if ends.size else 3)
        if ends.size:
            assert (made[0, : ends[0]] != MASK).all()


def test_texts_come_from_prompts_of_text():
    model = Model(8, 16)
    scheduler = UnmaskingScheduler(ShiftedEqual(8, 4))
    pipeline = diffusers.LLaDA2Pipeline(model, scheduler, Tokenizer())
    pipeline.set_progress_bar_config(disable=True)
    (text,) = pipeline("01010101", gen_length=8, num_inference_steps=4, temperature=1.0).texts
    assert len(text) == 8
    assert {*text} <= {"0", "1"}


def test_the_shape_of_a_run_must_be_that_of_the_schedule():
    prompt = torch.ones(1, 8, dtype=torch.int64)
    with pytest.raises(ValueError, match="num_inference_steps must be .* 4, got 5"):
        run(ShiftedEqual(8, 4), prompt, 8, num_inference_steps=5)
    with pytest.raises(ValueError, match="got 3 .* gen_length // minimal_topk"):
        run(ShiftedEqual(8, 4), prompt, 3)
    with pytest.raises(ValueError, match="block_length must be the length of the schedule, 8"):
        run(ShiftedEqual(8, 4), prompt, 8, block_length=4)


def test_what_is_no_masked_block_is_refused_in_words():
    with pytest.raises(TypeError, match="schedule must be of type Schedule"):
        UnmaskingScheduler(8)
    scheduler = UnmaskingScheduler(ShiftedEqual(4, 2))
    block, logits = torch.full((1, 4), MASK), torch.zeros(1, 4, 5)
    with pytest.raises(ValueError, match="mask_token_id must be given: a model of uniform noise"):
        scheduler.step(logits, 0, block)
    with pytest.raises(ValueError, match="timestep must be 0 in the first call"):
        scheduler.step(logits, 1, block, mask_token_id=MASK)
    with pytest.raises(ValueError, match="predictor must return log-probabilities"):
        scheduler.step(logits * torch.nan, 0, block, mask_token_id=MASK)
    with pytest.raises(ValueError, match="temperature must be nonnegative"):
        scheduler.step(logits, 0, block, mask_token_id=MASK, temperature=-1.0)
    with pytest.raises(ValueError, match=r"model_output must have the shape \(1, 4\) of sample"):
        scheduler.step(logits[:, :3], 0, block, mask_token_id=MASK)
    with pytest.raises(ValueError, match="at most as many masks"):
        scheduler.step(torch.zeros(1, 5, 5), 0, torch.full((1, 5), MASK), mask_token_id=MASK)


def test_a_step_says_what_it_revealed():
    scheduler = UnmaskingScheduler(FixedSizes([3, 1]))
    block = torch.full((1, 4), MASK)
    out = scheduler.step(
        torch.zeros(1, 4, 5), torch.tensor(0), block, mask_token_id=MASK, temperature=1
    )
    assert (block == MASK).all()
    assert out.transfer_index.sum() == 3
    assert not out.editing_transfer_index.any()
    assert (out.prev_sample[out.transfer_index] != MASK).all()
    torch.testing.assert_close(out.sampled_probs, out.transfer_index * 0.25)
    values = scheduler.step(
        torch.zeros(1, 4, 5), 1, out.prev_sample, mask_token_id=MASK, return_dict=False
    )
    assert (values[0] != MASK).all()
    # whatever the layout in memory
    out = scheduler.step(torch.zeros(2, 4, 5), 0, torch.full((4, 2), MASK).T, mask_token_id=MASK)
    assert (out.prev_sample != MASK).sum(1).tolist() == [3, 3]


def test_a_configuration_brings_the_scheduler_back(tmp_path, caplog):
    scheduler = UnmaskingScheduler(TCAdaptive(16, 4))
    scheduler.save_pretrained(tmp_path)
    for made in (
        UnmaskingScheduler.from_pretrained(tmp_path),
        UnmaskingScheduler.from_config(scheduler.config),
    ):
        assert made.schedule == scheduler.schedule
        assert made.config.block_length == 16
    assert not caplog.records
