"""The masked objective, its training loop, and what they are worth for a schedule."""

import subprocess
import sys
from itertools import combinations, permutations
from math import comb, lcm, log

import hypothesis
import numpy as np
import oracles
import pytest
import torch
from bookkit import mistakes
from bookkit.examples import alternating, random_joint
from hypothesis import strategies as st

import dlm_core as dlm
from dlm_core import learning
from dlm_core.learning import MaskedTransformer, masked_loss, train

torch.set_num_threads(1)  # to the bit only with as many threads

WORDS = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1], [2, 2, 2, 2]])


def network(seed=0, **changes):
    return MaskedTransformer(4, 3, **{"width": 8, "layers": 1, "heads": 2, "seed": seed} | changes)


def parameters(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# --- the network ---


@torch.no_grad()
def test_the_network_answers_row_major_and_starts_uniform():
    net = network()
    reveal = torch.tensor([[True, False, True, False], [False, False, False, True]])
    logs = net(torch.full((2, 4), net.mask_id), reveal)
    assert logs.shape == (3, 3)
    assert torch.allclose(logs, torch.tensor(-log(3)))
    torch.nn.init.normal_(net.head.weight, generator=torch.Generator().manual_seed(0))
    seen = torch.tensor([[3, 1, 3, 2], [0, 3, 1, 3]])
    every = net(seen, torch.ones_like(seen, dtype=torch.bool)).view(2, 4, 3)
    assert torch.allclose(net(seen, reveal), every[reveal], atol=1e-6)
    # it looks both ways, and at each place
    for place in (0, 3):
        changed = seen.clone()
        changed[0, place] = (changed[0, place] + 1) % 3
        moved = net(changed, torch.ones_like(seen, dtype=torch.bool)).view(2, 4, 3)
        assert not torch.allclose(moved[0], every[0])
        assert torch.allclose(moved[1], every[1])


def test_the_seed_makes_the_network_and_the_global_state_stays():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second, other = network(3), network(3), network(4)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(parameters(first), parameters(second))
    assert not same(parameters(first), parameters(other))
    # copies of one layer would be equal
    layers = network(layers=2).body.layers
    assert not torch.equal(layers[0].linear1.weight, layers[1].linear1.weight)


# --- the objective ---


def stages(net, tokens, mask_id, free):
    """For each row: the mean of -log q by the number masked, over all ways to mask so many."""
    found = []
    for row, places in zip(tokens, free, strict=True):
        open_places = places.nonzero().squeeze(1).tolist()
        by_number = []
        for m in range(1, len(open_places) + 1):
            draws = []
            for chosen in combinations(open_places, m):
                masked = torch.zeros(1, len(row), dtype=torch.bool)
                masked[0, list(chosen)] = True
                logs = net(row[None].masked_fill(masked, mask_id), masked).double()
                truth = row[list(chosen)][:, None]
                draws.append(float(-logs.log_softmax(-1).gather(1, truth).mean()))
            by_number.append(np.mean(draws))
        found.append(by_number)
    return found


@pytest.fixture(scope="module")
def wrong():
    """A random mask predictor in float64: each history has laws of its own."""
    net = network(7).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    return net


GIVEN = {
    "none": torch.zeros(4, 4, dtype=torch.bool),
    "different numbers": torch.tensor(
        [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]], dtype=torch.bool
    ),
}


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@torch.no_grad()
def test_the_loss_is_unbiased_for_every_batch(wrong, given, rows):
    """Over every order of the rows, every phase and every choice of places: the objective."""
    tokens, free = WORDS[:rows], ~given[:rows]
    by_stage = stages(wrong, tokens, 3, free)
    numbers = free.sum(1)
    grid = lcm(*numbers.tolist())  # between multiples of its inverse no number changes
    values = []
    for order in permutations(range(rows)):
        for point in range(grid):
            phase = torch.tensor([(point + 0.5) / grid], dtype=torch.float64)
            drawn = learning._numbers(torch.tensor(order), phase, numbers)
            values.append(np.mean([s[m - 1] for s, m in zip(by_stage, drawn, strict=True)]))
    assert np.mean(values) == pytest.approx(np.mean([np.mean(s) for s in by_stage]), abs=1e-13)


@torch.no_grad()
def test_the_loss_is_the_mean_over_its_masks(wrong):
    """At any draw: of each row the mean of -log q, asked for at the masked places alone."""
    seen = []

    def watched(tokens, reveal):
        seen.append((tokens.clone(), reveal.clone()))
        return wrong(tokens, reveal)

    given = GIVEN["different numbers"]
    for seed in range(20):
        loss = masked_loss(watched, WORDS, seed, mask_id=3, given=given)
        tokens, reveal = seen[-1]
        assert len(seen) == seed + 1
        assert torch.equal(reveal, tokens.eq(3))
        assert torch.equal(tokens[~reveal], WORDS[~reveal])
        assert not (reveal & given).any()
        table = torch.zeros(4, 4, dtype=torch.float64)
        logs = wrong(tokens, reveal).log_softmax(-1)
        table[reveal] = -logs.gather(1, WORDS[reveal][:, None]).squeeze(1)
        assert float(loss) == pytest.approx(float((table.sum(1) / reveal.sum(1)).mean()), rel=1e-12)


def test_the_masks_are_spread_over_the_batch_and_uniform():
    """Each number once in a batch of L rows; each set of so many places equally often."""
    generator = torch.Generator().manual_seed(0)
    free = torch.ones(4, 4, dtype=torch.bool)
    counts = np.zeros((4, 16), dtype=int)  # of a row, of the set that is masked
    for _ in range(3000):
        masked = learning._masks(free, generator)
        assert sorted(masked.sum(1).tolist()) == [1, 2, 3, 4]
        counts[np.arange(4), (masked.long() @ torch.tensor([1, 2, 4, 8])).numpy()] += 1
    law = np.array([0 if not s else 1 / (4 * comb(4, s.bit_count())) for s in range(16)])
    for row in counts:
        assert oracles.p_value(row, law) > 1e-4
    for _ in range(200):  # of seven rows: as evenly as whole numbers can
        numbers = np.bincount(learning._masks(free[:1].expand(7, -1), generator).sum(1))[1:]
        assert set(numbers.tolist()) <= {1, 2}


def test_the_gradient_is_that_of_the_mean():
    net = network()
    masked = learning._masks(torch.ones(4, 4, dtype=torch.bool), torch.Generator().manual_seed(3))
    masked_loss(net, WORDS, torch.Generator().manual_seed(3)).backward()
    weight = (masked / masked.sum(1, keepdim=True) / 4)[masked]
    other = network()
    logs = other(WORDS.masked_fill(masked, 3), masked)
    (-logs.gather(1, WORDS[masked][:, None]).squeeze(1) * weight).sum().backward()
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-6)


@torch.no_grad()
def test_logits_with_a_column_for_the_mask_lose_it():
    """As language models answer: a constant more in each row, the mask among the symbols."""
    target = dlm.Tabular(WORDS.numpy(), alphabet_size=3)

    def logits(tokens, reveal):
        laws = target(tokens, reveal)
        return torch.cat([laws + 5, torch.full((len(laws), 1), 9.0, dtype=laws.dtype)], 1)

    ours, theirs = masked_loss(target, WORDS, 2), masked_loss(logits, WORDS, 2, mask_id=3)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-12)


# --- training ---


def test_training_learns_and_says_so():
    net = network(width=16)
    result = train(net, WORDS, 400, batch=16, rate=1e-2)
    assert result.steps == 400
    assert result.losses[0] == pytest.approx(4 * log(3), rel=1e-6)
    assert log(4) * 0.9 < result.losses[-100:].mean() < log(4) * 1.2
    assert not result.losses.flags.writeable
    assert not any(module.training for module in net.modules())
    assert repr(result).startswith("Training(400 steps: ")
    assert f"{result.losses[-40:].mean():.4g} in the last" in repr(result)


def test_prompts_are_left_alone_and_count_not():
    """With two of four given, the log shows the nats of the other two."""
    given = torch.tensor([True, False, False, True])
    seen = []

    class Watched(MaskedTransformer):
        def forward(self, tokens, reveal):
            seen.append((tokens.clone(), reveal.clone()))
            return super().forward(tokens, reveal)

    net = Watched(4, 3, width=8, layers=1, heads=2)
    result = train(net, WORDS, 10, batch=8, given=given)
    assert result.losses[0] == pytest.approx(2 * log(3), rel=1e-6)
    for tokens, reveal in seen:
        assert not (reveal & given).any()
        assert not tokens.eq(3).logical_and(given).any()


def test_the_seed_fixes_every_bit_whatever_the_checkpoints(tmp_path):
    runs = {}
    for name, options in {
        "plain": {},
        "often": {"checkpoint": tmp_path / "a", "every": 7},
        "seldom": {"checkpoint": tmp_path / "b", "every": 1000, "callback": lambda *_: None},
        "other seed": {"seed": 1},
    }.items():
        net = network()
        torch.manual_seed(len(name))  # the global state must not matter
        runs[name] = train(net, WORDS, 50, **options).losses, parameters(net)
    for name in ("often", "seldom"):
        assert np.array_equal(runs[name][0], runs["plain"][0])
        assert same(runs[name][1], runs["plain"][1])
    assert not same(runs["other seed"][1], runs["plain"][1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_training_puts_the_global_state_back():
    torch.manual_seed(11)
    state = torch.get_rng_state()
    train(network(), WORDS, 3)
    assert torch.equal(torch.get_rng_state(), state)


class Dropping(MaskedTransformer):
    """The same network with dropout, by torch's global state."""

    def forward(self, tokens, reveal):
        seen = self.body(self.symbols(tokens) + self.places.weight)
        seen = torch.nn.functional.dropout(seen, 0.3, self.training)
        return self.head(seen[reveal]).log_softmax(-1)


@pytest.mark.parametrize("kind", [MaskedTransformer, Dropping])
def test_a_run_that_stops_goes_on_to_the_bit(kind, tmp_path):
    def fresh():
        return kind(4, 3, width=8, layers=1, heads=2)

    whole = fresh()
    losses = train(whole, WORDS, 40, every=10).losses

    class Stop(Exception):
        pass

    def stop(done, loss):
        calls.append((done, loss))
        if done == 25:
            raise Stop

    calls, path = [], tmp_path / "run.pt"
    with pytest.raises(Stop):
        train(fresh(), WORDS, 40, every=10, checkpoint=path, callback=stop)
    net = fresh()
    calls.clear()
    result = train(net, WORDS, 40, every=10, checkpoint=path, callback=lambda *c: calls.append(c))
    assert [done for done, _ in calls] == [*range(21, 41)]  # five steps were lost
    assert [loss for _, loss in calls] == losses[20:].tolist()
    assert np.array_equal(result.losses, losses)
    assert same(parameters(net), parameters(whole))
    # what is over is over
    again, calls = fresh(), []
    train(again, WORDS, 40, every=10, checkpoint=path, callback=lambda *c: calls.append(c))
    assert not calls
    assert same(parameters(again), parameters(whole))


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_learning import WORDS, network
from dlm_core.learning import train
def kill(done, loss):
    if done == 33:
        os.kill(os.getpid(), signal.SIGKILL)
train(network(), WORDS, 60, every=8, checkpoint={path!r}, callback=kill)
"""


def test_a_killed_run_goes_on_to_the_bit(tmp_path):
    path = tmp_path / "run.pt"
    code = KILLED.format(tests=str(__file__).rpartition("/")[0], path=str(path))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    net, whole, calls = network(), network(), []
    result = train(
        net, WORDS, 60, every=8, checkpoint=path, callback=lambda done, _: calls.append(done)
    )
    assert calls[0] == 33
    assert np.array_equal(result.losses, train(whole, WORDS, 60).losses)
    assert same(parameters(net), parameters(whole))


@pytest.mark.parametrize("moment", ["torch.save", "os.fsync", "pathlib.Path.replace"])
def test_a_checkpoint_is_written_whole_or_not_at_all(moment, tmp_path, monkeypatch):
    path = tmp_path / "run.pt"

    def fail(*_):
        raise OSError("no space left")

    def broken(done, _):
        if done == 5:
            monkeypatch.setattr(moment, fail)

    with pytest.raises(OSError, match="no space"):
        train(network(), WORDS, 20, every=5, checkpoint=path, callback=broken)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    net, whole, calls = network(), network(), []
    train(net, WORDS, 20, every=5, checkpoint=path, callback=lambda done, _: calls.append(done))
    assert calls[0] == 6
    train(whole, WORDS, 20)
    assert same(parameters(net), parameters(whole))


def test_a_checkpoint_of_another_run_is_refused_in_words(tmp_path):
    path = tmp_path / "run.pt"
    base = {"steps": 6, "checkpoint": path}
    train(network(), WORDS, **base)
    others = {
        "steps": (network(), WORDS, {"steps": 7}),
        "batch": (network(), WORDS, {"batch": 3}),
        "rate": (network(), WORDS, {"rate": 0.1}),
        "seed": (network(), WORDS, {"seed": 1}),
        "given": (network(), WORDS, {"given": torch.tensor([True, False, False, False])}),
        "tokens": (network(), WORDS.flip(0), {}),
        "network at the start": (network(1), WORDS, {}),
    }
    before = path.read_bytes()
    for name, (net, tokens, changes) in others.items():
        kept = parameters(net)
        with pytest.raises(ValueError, match=f"checkpoint must be of this run, .* other {name}:"):
            train(net, tokens, **base | changes)
        assert same(parameters(net), kept)
    assert path.read_bytes() == before
    for content in (b"", b"no checkpoint", before[: len(before) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="checkpoint must be a file that train wrote"):
            train(network(), WORDS, **base)
    for content in ({"a": 1}, [1], torch.ones(2)):
        torch.save(content, path)
        with pytest.raises(ValueError, match="checkpoint must be a file that train wrote"):
            train(network(), WORDS, **base)


def test_the_callback_sees_a_network_that_can_be_measured():
    found = {}

    def measure(done, loss):
        if done in (2, 4):
            found[done] = dlm.estimate_profile(net, WORDS, 0), loss

    net, plain = network(), network()
    losses = train(net, WORDS, 4, callback=measure).losses
    assert [loss for _, loss in found.values()] == losses[[1, 3]].tolist()
    train(plain, WORDS, 4)
    assert same(parameters(net), parameters(plain))


def test_progress_shows_nats_a_sequence(capsys):
    result = train(network(), WORDS, 60, progress=True)
    shown = capsys.readouterr().err
    assert f"{result.losses[:50].mean():.4g} nats a sequence" in shown
    assert "60/60" in shown
    train(network(), WORDS, 60)
    assert not capsys.readouterr().err


def test_any_module_that_predicts_masks_can_be_trained():
    """As an adapter does it: a module around one of another signature, logits in half precision."""

    class Adapter(torch.nn.Module):
        mask_id = 5

        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Embedding(6, 6, dtype=torch.bfloat16)
            self.fixed = torch.nn.Parameter(torch.zeros(6), requires_grad=False)

        def forward(self, tokens, reveal):
            return self.inner(tokens)[reveal]

    net = Adapter()
    train(net, WORDS, 20, rate=0.1)
    assert (net.fixed == 0).all()
    # a law that sees nothing: the unigram law of the data, and the mask left out
    logs = net(torch.full((1, 4), 5), torch.ones(1, 4, dtype=torch.bool))[0, :5].float()
    assert logs[:3].min() > logs[3:].max()


BAD = {
    "no module": (lambda net: {"predictor": lambda *_: None}, TypeError, "predictor must be of"),
    "nothing to train": (
        lambda net: {"predictor": dlm.Tabular(WORDS.numpy())},
        ValueError,
        "predictor must have a parameter",
    ),
    "a mask in the data": (lambda net: {"tokens": WORDS + 1}, ValueError, "tokens must have no"),
    "a symbol too many": (lambda net: {"tokens": WORDS + 4}, ValueError, "tokens must hold sym"),
    "no row": (lambda net: {"tokens": WORDS[:0]}, ValueError, "tokens must have a row"),
    "all given": (
        lambda net: {"given": torch.ones(4, dtype=torch.bool)},
        ValueError,
        "given must leave",
    ),
    "given in numbers": (lambda net: {"given": WORDS}, ValueError, "given must leave"),
    "another prompt": (lambda net: {"given": WORDS[0]}, ValueError, "tokens must agree with given"),
    "a folder": (
        lambda net: {"checkpoint": "."},
        ValueError,
        "checkpoint must be a file that train wrote",
    ),
    "no such folder": (lambda net: {"checkpoint": "no/x"}, ValueError, "checkpoint must lie in a"),
    "no path": (lambda net: {"checkpoint": b"x"}, TypeError, "checkpoint must be a path"),
    "too steep": (lambda net: {"rate": 1.5}, ValueError, "rate must be at most 1"),
    "no callback": (lambda net: {"callback": 3}, TypeError, "callback must be callable"),
    "no interval": (lambda net: {"every": 0}, ValueError, "every must be an integer >= 1"),
}


@pytest.mark.parametrize(("changes", "kind", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(changes, kind, words):
    net = network()
    arguments = {"predictor": net, "tokens": WORDS, "steps": 3} | changes(net)
    with pytest.raises(kind, match=words):
        train(**arguments)
    assert same(parameters(net), parameters(network()))


def test_a_training_that_breaks_says_so(tmp_path):
    class Breaking(MaskedTransformer):
        def forward(self, tokens, reveal):
            return super().forward(tokens, reveal) + (torch.nan if broken else 0.0)

    net, broken = Breaking(4, 3, width=8, layers=1, heads=2), []
    with pytest.raises(ValueError, match="predictor must stay finite .* loss of nan after 4 steps"):
        train(
            net,
            WORDS,
            9,
            every=2,
            checkpoint=tmp_path / "x",
            callback=lambda done, _: broken.append(done) if done == 3 else None,
        )
    assert not any(module.training for module in net.modules())
    assert len(torch.load(tmp_path / "x")["losses"]) == 2


# --- what it is worth: exact statements, by enumeration ---


def every_composition(length):
    return [s for steps in range(1, length + 1) for s in oracles.compositions(length, steps)]


def cost(curve, sizes):
    """What sizes pay on a curve of cross-entropies, by definition."""
    total, start = 0.0, 0
    for size in sizes:
        total += size * curve[start]
        start += size
    return total


def random_table(seed, length=4, symbols=3):
    rng = np.random.default_rng(seed)
    return dlm.Tabular.from_joint(random_joint(rng, (symbols,) * length, sparsity=0.3))


def wrong_predictors(target):
    """Predictors of its alphabet: a random network, and counts of a few samples."""
    net = MaskedTransformer(target.length, target.alphabet_size, width=8, layers=1, heads=2)
    net = net.double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(3))
    yield net
    yield mistakes.CountingPredictor(target.sample(6, 1), target.alphabet_size)


@pytest.mark.parametrize("name", oracles.small_targets())
@torch.no_grad()
def test_the_oracle_loses_the_entropy(name, monkeypatch):
    """The loss itself, over every word, every number and every set of places: H(X) / L."""
    target = oracles.small_targets()[name]
    joint, expected = target.joint(), 0.0
    for m in range(1, 5):
        for chosen in combinations(range(4), m):
            masked = torch.zeros(1, 4, dtype=torch.bool)
            masked[0, list(chosen)] = True
            monkeypatch.setattr(learning, "_masks", lambda *_, masked=masked: masked)
            for word in np.argwhere(joint > 0):
                loss = masked_loss(target, torch.tensor(word)[None], 0)
                expected += joint[tuple(word)] * float(loss) / (4 * comb(4, m))
    entropy = oracles.entropy_by_definition(joint)
    assert expected == pytest.approx(entropy / 4, abs=1e-12)
    table = dlm.Tabular.from_joint(joint)
    curve = mistakes.cross_entropy_curve(target, table)
    assert curve == pytest.approx(target.profile().conditional_entropy, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_loss_exceeds_its_optimum_by_is_one_token_at_a_time(seed):
    target = random_table(seed)
    optimum = target.profile().entropy / 4
    for predictor in wrong_predictors(target):
        free = torch.ones_like(target.support, dtype=torch.bool)
        with torch.no_grad():
            rows = stages(predictor, target.support, predictor.mask_id, free)
        loss = float(np.mean(rows, 1) @ target.probabilities.numpy())
        one_at_a_time = mistakes.split(predictor, target, (1, 1, 1, 1)).divergence.mean()
        assert one_at_a_time > 0.1
        assert 4 * (loss - optimum) == pytest.approx(one_at_a_time, abs=1e-12)
        curve = mistakes.cross_entropy_curve(predictor, target)
        by_stage = target.probabilities.numpy() @ np.array(rows)
        assert curve == pytest.approx(by_stage[::-1], abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_divergence_is_discarded_dependence_and_mistakes(seed):
    """For every order and all sizes; and in the mean over orders, the law of the profile."""
    target = random_table(seed)
    joint, profile = target.joint(), target.profile()
    orders = [np.argsort(ranks) for ranks in permutations(range(4))]
    for predictor in wrong_predictors(target):
        curve = mistakes.cross_entropy_curve(predictor, target)
        for sizes in every_composition(4):
            parts = mistakes.split(predictor, target, sizes)
            assert parts.divergence == pytest.approx(parts.discarded + parts.mistaken, abs=1e-12)
            by_definition = [oracles.kl_by_definition(joint, order, sizes) for order in orders]
            assert parts.discarded == pytest.approx(by_definition, abs=1e-12)
            fixed = dlm.FixedSizes(sizes)
            assert parts.discarded.mean() == pytest.approx(dlm.expected_kl(fixed, profile))
            expected = cost(curve, sizes) - profile.entropy
            assert parts.divergence.mean() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", [dlm.TCAdaptive, dlm.DTCAdaptive, dlm.ShiftedEqual])
@pytest.mark.parametrize("steps", [2, 3])
def test_random_sizes_pay_the_price_on_any_predictor(schedule, steps):
    target = random_table(7)
    made = schedule(4, steps)
    for predictor in wrong_predictors(target):
        curve = mistakes.cross_entropy_curve(predictor, target)
        one_at_a_time = mistakes.split(predictor, target, (1, 1, 1, 1)).divergence.mean()
        expected = one_at_a_time - np.diff(curve) @ made.residual
        found = sum(
            chance * mistakes.split(predictor, target, sizes).divergence.mean()
            for sizes, chance in made.law().items()
        )
        assert found == pytest.approx(expected, abs=1e-12)


def test_a_schedule_that_discards_less_may_lose_more():
    """Twelve samples of a noisy ABABA: three steps lose less than five, which discard nothing."""
    target = dlm.Tabular.from_joint(alternating(5, noise=0.05))
    counting = mistakes.CountingPredictor(target.sample(12, 0), 2)
    three = mistakes.split(counting, target, (1, 1, 3))
    five = mistakes.split(counting, target, (1,) * 5)
    assert abs(five.discarded).max() < 1e-12 < 0.05 < three.discarded.mean()
    assert five.mistaken.mean() > three.mistaken.mean() + three.discarded.mean()
    assert five.divergence.mean() > 1.1 * three.divergence.mean()


@pytest.mark.parametrize("wrong", [{"samples": WORDS + 1}, {"doubt": 0.0}, {"alphabet_size": 0}])
def test_a_counting_predictor_refuses_what_it_cannot_count(wrong):
    right = {"samples": WORDS, "alphabet_size": 3, "doubt": 0.5}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        mistakes.CountingPredictor(**right | wrong)


def test_sizes_to_split_by_add_up():
    target = random_table(0)
    with pytest.raises(ValueError, match="sizes must add up to the length, 4"):
        mistakes.split(target, target, (1, 2))


@hypothesis.given(st.lists(st.integers(1, 300), min_size=1, max_size=9))
def test_the_best_sizes_are_those_of_the_running_minimum(curve):
    """Whatever the curve: at most K steps cost the same on both; more than its records help not."""
    curve = np.array(curve) / 100
    lowest = np.minimum.accumulate(curve)
    length = len(curve)
    records = 1 + int((np.diff(lowest) < 0).sum())
    best = {
        k: min(cost(curve, sizes) for sizes in oracles.compositions(length, k))
        for k in range(1, length + 1)
    }
    for steps in range(1, length + 1):
        found = min(best[k] for k in range(1, steps + 1))
        made = dlm.OptimalForProfile(dlm.InformationProfile(lowest), steps)
        assert found == pytest.approx(cost(lowest, made.sizes), rel=1e-12)
        if steps >= records:
            assert found == pytest.approx(lowest.sum(), rel=1e-12)
        else:
            assert found > lowest.sum()
    assert best[length] == pytest.approx(curve.sum(), rel=1e-12)
    assert all(cost(curve, s) >= lowest.sum() * (1 - 1e-12) for s in every_composition(length))
