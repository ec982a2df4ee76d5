"""A learned predictor measured: what follows of its curve, what is warned of, what is certified."""

import json
import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from bookkit.examples import sudoku_4x4
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import compositions

from dlm_core import (
    EstimatedProfile,
    ProfilesByLength,
    certificate,
    certify,
    estimate_profile,
    log_likelihood,
)
from dlm_core.error import compare, price_weights, steps_for
from dlm_core.estimation import PredictorWarning
from dlm_core.schedules import (
    Cosine,
    Equal,
    FixedSizes,
    Minimax,
    OptimalForProfile,
    Robust,
    ShiftedEqual,
    TCAdaptive,
)
from dlm_core.targets import MarkovChain, Product, Repetition, Tabular

torch.set_num_threads(1)

CHAIN = MarkovChain(12, [[0.9, 0.1], [0.2, 0.8]])
LEARNED = MarkovChain(12, [[0.8, 0.2], [0.4, 0.6]])  # a predictor with an error


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def halves(tokens, reveal):
    """A predictor that knows nothing of two symbols."""
    return torch.full((int(reveal.sum()), 2), 0.5).log()


UNLIKE = MarkovChain(12, [[0.6, 0.4], [0.5, 0.5]])
DATA = CHAIN.sample(6000, seeded(0))
BAD = torch.linspace(0, 3, 40).double()


# --- sums over the curve ---


def test_the_negative_log_likelihood_is_that_of_the_sampler():
    """Within 5 standard errors, for fixed and random sizes, of a predictor with an error."""
    curve = estimate_profile(LEARNED, DATA, 1)
    for schedule in (Equal(12, 3), Cosine(12, 4), TCAdaptive(12, 3), ShiftedEqual(12, 4)):
        found = curve.nll(schedule)
        measured = -log_likelihood(LEARNED, schedule, CHAIN.sample(3000, seeded(2)), seed=3)
        error = float(measured.std()) / len(measured) ** 0.5
        gap = found.value - float(measured.mean())
        assert abs(gap) < 5 * np.hypot(error, found.standard_error)
        assert found.standard_error < 0.2
        assert found.value == pytest.approx(curve.price(schedule).value + curve.entropy.value)


def cost(h, sizes):
    starts = np.cumsum([0, *sizes[:-1]])
    return float(np.asarray(sizes) @ h[starts])


CURVES = st.lists(st.integers(0, 8), min_size=1, max_size=7)


@settings(max_examples=80, deadline=None)
@given(CURVES, st.data())
def test_optimal_sizes_have_the_least_cost_of_all_with_at_most_so_many_steps(heights, data):
    h = np.array(heights, dtype=float)
    steps = data.draw(st.integers(1, h.size))
    curve = EstimatedProfile(h, np.zeros(h.size), n=9)
    least = min(cost(h, s) for k in range(1, steps + 1) for s in compositions(h.size, k))
    minima = 1 + int((np.diff(np.minimum.accumulate(h)) < 0).sum())
    if steps > minima:
        with pytest.warns(UserWarning, match=f"fewer steps are better than {steps}"):
            made = curve.optimal(steps)
        assert made.steps == minima
    else:
        made = curve.optimal(steps)
        assert made.steps == steps
    assert curve.nll(made).value == pytest.approx(least, abs=1e-12)
    # no number of steps does better than as many as there are minima
    assert least >= np.minimum.accumulate(h).sum() - 1e-12


@settings(max_examples=60, deadline=None)
@given(CURVES, st.floats(0, 20))
def test_steps_for_a_price_are_the_least(heights, price):
    h = np.array(heights, dtype=float)
    curve = EstimatedProfile(h, np.zeros(h.size), n=9)
    prices = [
        min(cost(h, s) for k in range(1, steps + 1) for s in compositions(h.size, k)) - h.sum()
        for steps in range(1, h.size + 1)
    ]
    found = curve.steps_for(price)
    assert found == 1 + next(i for i, each in enumerate(prices) if each <= price + 1e-12)
    assert found.error == pytest.approx(prices[found - 1], abs=1e-12)
    assert found.basis.startswith("sizes chosen and priced on one estimate")


def test_more_steps_can_be_worse():
    """One token at a time asks the predictor where it is worse than with less to go by."""
    curve = EstimatedProfile([1.0, 0.2, 0.9, 0.1], np.zeros(4), n=2)
    assert curve.nll(curve.optimal(3)).value < curve.entropy.value - 0.5
    assert curve.price(curve.optimal(3)).value < 0


def test_robust_sizes_are_those_for_the_band():
    curve = estimate_profile(CHAIN, DATA[:400], 1)
    assert curve.robust(4, 0.9) == Robust(curve.band(0.9), 4)


def test_a_plot_shows_the_curve():
    plt = pytest.importorskip("matplotlib.pyplot")
    fig, ax = plt.subplots()
    curve = EstimatedProfile([1.0, 0.4, 0.6], [0.1, 0.1, 0.1], n=9)
    assert curve.plot(ax) is ax
    lines = {line.get_label(): line.get_ydata().tolist() for line in ax.get_lines()}
    assert lines == {"measured": [1.0, 0.4, 0.6], "running minimum": [1.0, 0.4, 0.4]}
    assert ax.get_xlabel() and ax.get_ylabel()
    plt.close(fig)


# --- some of the points ---


def test_some_points_are_measured_as_within_the_whole_curve():
    points = [0, 2, 5, 10]
    some = estimate_profile(CHAIN, DATA[:50], 4, points=points)
    whole = estimate_profile(CHAIN, DATA[:50], 4)
    assert some.length == 12 and some.points.tolist() == points
    np.testing.assert_allclose(some.estimates, whole.estimates[points], rtol=1e-12)
    np.testing.assert_allclose(some.covariance, whole.covariance[np.ix_(points, points)])
    # one way to mask a single token, where the whole curve has all of them
    last = estimate_profile(CHAIN, DATA, 4, points=[11])
    assert last.standard_error[0] > 1.5 * estimate_profile(CHAIN, DATA, 4).standard_error[11]


def test_passes_are_spent_on_the_points_alone():
    calls = []

    def watched(tokens, reveal):
        calls.append(len(tokens))
        return CHAIN(tokens, reveal)

    estimate_profile(watched, DATA[:50], 4, mask_id=2, points=[0, 3])
    assert sum(calls) == 1 + 50 * 2


def test_sums_need_the_points_on_which_they_rest():
    curve = estimate_profile(CHAIN, DATA[:50], 4, points=[0, 3, 6, 9])
    assert curve.nll(Equal(12, 4)).value == pytest.approx(3 * curve.estimates.sum())
    shifted = ShiftedEqual(12, 12)
    assert curve.price(shifted).value == 0
    with pytest.raises(ValueError, match=r"measured at 4, 8 of its 12 points, got it at 0, 3, 6"):
        curve.nll(Equal(12, 3))
    with pytest.raises(ValueError, match=r"measured at 1, 2, 4"):
        _ = curve.entropy
    assert "points=0, 3, 6, 9" in repr(curve)
    assert EstimatedProfile.from_dict(json.loads(json.dumps(curve.to_dict()))) == curve
    late = EstimatedProfile([0.5], [0.1], 9, points=[3], length=8)
    with pytest.raises(ValueError, match="points must begin with 0 for a curve, got 3"):
        late.optimal(2)


def test_between_points_the_curve_is_straight_and_the_band_is_wide():
    curve = EstimatedProfile([1.0, 0.5, 0.1], [0.0] * 3, 9, points=[0, 2, 6], length=8)
    drawn = [1.0, 0.75, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1]
    np.testing.assert_allclose(curve.fit.conditional_entropy, drawn)
    assert curve.optimal(3) == OptimalForProfile(curve.fit, 3)
    band = curve.band(0.95)
    assert band.levels.tolist() == [0, 2, 6]
    assert band.upper_curve[5] == 0.5 and band.lower_curve[7] == 0
    assert compare([Equal(8, 2), "Minimax"], curve.fit, 3)
    with pytest.raises(ValueError, match="measured at 4 of its 8 points"):
        curve.band(0.95, levels=[0, 4])


# --- rows with different numbers of free positions ---


def test_rows_of_different_length_follow_schedules_of_their_own():
    """The mean over rows is that of the sampler, each row with the schedule for its number."""
    law = Tabular.from_joint(np.random.default_rng(5).dirichlet(np.ones(16)).reshape(2, 2, 2, 2))
    tokens = law.sample(4000, seeded(1))
    known = torch.zeros(4000, 4).bool()
    known[1000:, 3] = True
    known[3000:, 0] = True
    curves = estimate_profile(law, tokens, 7, given=known)
    assert isinstance(curves, ProfilesByLength)
    assert {length: curve.n for length, curve in curves.items()} == {2: 1000, 3: 2000, 4: 1000}
    alone = estimate_profile(law, tokens[:1000], 7)
    np.testing.assert_allclose(curves[4].estimates, alone.estimates)
    schedule = Equal(4, 2)
    parts = [curves[n].nll(schedule.resized(n)).value for n in (2, 3, 4)]
    found = curves.nll(schedule)
    assert found.value == pytest.approx(np.array([1, 2, 1]) @ parts / 4)
    assert found.n == 4000
    given_tokens = tokens.masked_fill(~known, 2)
    assert estimate_profile(law, tokens, 7, given=given_tokens) == curves
    assert curves.price(schedule).value == pytest.approx(
        sum(w * curves[n].price(schedule.resized(n)).value for n, w in ((2, 1), (3, 2), (4, 1))) / 4
    )
    assert ProfilesByLength.from_dict(json.loads(json.dumps(curves.to_dict()))) == curves
    with pytest.raises(KeyError):
        curves[5]


# --- warnings ---


def uniform(symbols, mask_id):
    def predictor(tokens, reveal):
        return torch.zeros(int(reveal.sum()), symbols)

    predictor.mask_id = mask_id
    return predictor


def test_guessing_worse_than_by_frequency_is_warned_of():
    tokens = Product([[0.9, 0.1]] * 8).sample(500, seeded(0))
    with pytest.warns(PredictorWarning, match="guessing with . of 8 tokens known: 0.6931"):
        estimate_profile(uniform(2, 2), tokens, 0)
    # of few rows with many symbols the entropy is uncertain, and no more than the logarithm
    few = torch.stack([torch.randperm(40, generator=seeded(seed)) for seed in range(4)])
    with pytest.warns(PredictorWarning, match="logarithm of their number is 3.689"):
        estimate_profile(
            lambda t, r: (t[r.nonzero()[:, 0], 0] * 0.0)[:, None] + BAD, few, 0, mask_id=40
        )


def test_a_rise_beyond_error_is_warned_of():
    """Overconfident once it sees a token."""

    def overconfident(tokens, reveal):
        known = tokens.ne(2).any(1)[reveal.nonzero()[:, 0]]
        law = torch.where(known[:, None], torch.tensor([0.99, 0.01]), torch.tensor([0.75, 0.25]))
        return law.log()

    tokens = Product([[0.75, 0.25]] * 6).sample(400, seeded(0))
    with pytest.warns(PredictorWarning) as caught:
        estimate_profile(overconfident, tokens, 0, mask_id=2)
    assert [w.filename for w in caught] == [__file__] * 2
    assert any("rises beyond its error, from 0.5" in str(w.message) for w in caught)


@pytest.mark.parametrize("seed", range(4))
def test_an_exact_predictor_is_not_warned_of(seed):
    for law in (CHAIN, Repetition(6, [0.3, 0.7]), Product([[0.5, 0.5]] * 5)):
        estimate_profile(law, law.sample(40, seeded(seed)), seed)


# --- guarantees ---


def test_a_learned_curve_promises_nothing_unless_its_predictor_is_assumed_ideal():
    curve = estimate_profile(LEARNED, DATA[:200], 0)
    schedule = Minimax(12, 4, "tc")
    for name in ("total_correlation", "dual_total_correlation"):
        measured = getattr(curve, name)
        with pytest.raises(ValueError, match=f"{name} must be of a distribution.*assume_ideal"):
            certificate(schedule, **{name: measured})
        with pytest.raises(ValueError, match=f"{name} must be of a distribution"):
            steps_for(0.5, 12, **{name: measured})
        with pytest.raises(ValueError, match=f"{name} must be of a distribution"):
            compare([schedule], **{name: measured})
        assumed = getattr(curve.assume_ideal(), name)
        made = certificate(schedule, **{name: assumed})
        lines = [str(bound) for bound in made.bounds if bound.value is not None]
        assert lines and all("if the predictor is ideal" in line for line in lines)
        assert "if the predictor is ideal" in str(steps_for(0.5, 12, **{name: assumed}))
    ideal = estimate_profile(CHAIN, DATA[:200], 0, perfect=True)
    assert ideal.predictor == "ideal" and ideal.assume_ideal() is ideal
    assert certificate(schedule, total_correlation=ideal.total_correlation).value > 0
    assert str(steps_for(0.5, 12, profile=ideal)).count("E KL about") == 1
    assert "(price about" in str(steps_for(0.5, 12, profile=curve))


# --- checkpoints ---


def test_a_checkpoint_goes_on_where_it_stopped(tmp_path, monkeypatch):
    file = tmp_path / "curve"
    monkeypatch.setattr("dlm_core.estimation._INTERVAL", -1.0)
    asked = []

    def dying(tokens, reveal):
        asked.append(len(tokens))
        if len(asked) == 6:
            raise KeyboardInterrupt
        return CHAIN(tokens, reveal)

    arguments = {"mask_id": 2, "batch": 10}
    with pytest.raises(KeyboardInterrupt):
        estimate_profile(dying, DATA[:5], 3, checkpoint=file, **arguments)
    resumed = estimate_profile(dying, DATA[:5], 3, checkpoint=str(file), **arguments)
    assert resumed == estimate_profile(CHAIN, DATA[:5], 3, batch=10)
    # one call each time to know the number of symbols, and one to know the predictor again
    assert sum(asked) == 1 + 50 + 1 + 1 + (5 * 23 - 40)
    before = len(asked)
    again = estimate_profile(dying, DATA[:5], 3, checkpoint=file, **arguments)
    assert again == resumed and len(asked) == before + 2
    assert os.listdir(tmp_path) == ["curve"]
    for data, seed, predictor in (
        (DATA[:6], 3, CHAIN),
        (DATA[:5], 4, CHAIN),
        (DATA[:5], 3, UNLIKE),
    ):
        with pytest.raises(ValueError, match="checkpoint must be of this call"):
            estimate_profile(predictor, data, seed, checkpoint=file, **arguments)
    file.write_text("something else")
    with pytest.raises(ValueError, match="checkpoint must be a file of estimate_profile"):
        estimate_profile(CHAIN, DATA[:5], 3, checkpoint=file)


# --- certified costs ---


def test_a_certified_cost_holds_the_truth_and_counts_its_passes():
    """Exact predictors: the price is the expected error. Alone in one of 1e5 does each fail."""
    profile = CHAIN.profile()
    h = profile.conditional_entropy
    asked, widths = [], []

    def watched(tokens, reveal):
        asked.append(len(tokens))
        return CHAIN(tokens, reveal)

    for schedule, what in product(
        (Equal(12, 4), TCAdaptive(12, 4), ShiftedEqual(12, 4), Cosine(12, 5)), ("price", "nll")
    ):
        asked.clear()
        found = certify(schedule, watched, DATA, 0.3, what=what, seed=5, mask_id=2)
        truth = (price_weights(schedule) + (what == "nll")) @ h
        assert abs(found.estimate.deviation(truth)) < 5
        assert sum(asked) == 1 + found.passes + found.pilot_passes
        widths.append(np.ptp(found.interval) / 2)
        assert f"{found.passes:,} fresh passes" in str(found)
        again = certify(schedule, CHAIN, DATA, 0.3, what=what, seed=5, batch=7)
        assert again.estimate.value == pytest.approx(found.estimate.value, rel=1e-12)
    # a plan, and no promise: the surprise at a single token has a long tail
    assert 0.2 < np.median(widths) < 0.4
    tight = certify(Equal(12, 4), CHAIN, DATA, 0.1)
    assert tight.passes > 3 * certify(Equal(12, 4), CHAIN, DATA, 0.2).passes


def test_the_levels_of_a_block_on_one_row_cost_fewer_passes():
    long = MarkovChain(48, [[0.9, 0.1], [0.1, 0.9]])
    data = long.sample(6000, seeded(3))
    paired = certify(Equal(48, 8), long, data, 0.6)
    unpaired = certify(FixedSizes([6] * 8), long, data, 0.6, what="nll")
    assert paired.passes < unpaired.passes * 6


def test_what_equal_draws_may_hide_is_in_the_interval():
    """Of twelve known cells of a Sudoku one in a hundred leaves a choice: 50 draws show none."""
    grids, noise = Tabular(sudoku_4x4()), seeded(1)
    truth = price_weights(ShiftedEqual(16, 4)) @ grids.profile().conditional_entropy

    def learned(tokens, reveal):
        laws = grids(tokens, reveal).exp()
        return (laws + 1e-4 * torch.rand(laws.shape, generator=noise)).log()

    learned.mask_id = grids.mask_id
    held = []
    for seed in range(30):
        asked = learned if seed % 2 else grids
        data = grids.sample(400, seeded(seed))
        found = certify(ShiftedEqual(16, 4), asked, data, 0.5, seed=seed)
        low, high = found.interval
        assert low + 0.05 < high < low + 2
        held.append(low <= truth <= high)
    assert np.mean(held) > 0.85


def test_certified_orders_are_others_than_those_that_sizes_were_chosen_on():
    """Both seeded by 0: on the same orders what was chosen looks as good again as it did."""
    masks = []

    def watched(tokens, reveal):
        masks.append(tokens.eq(2))
        return halves(tokens, reveal)

    def half_masked():
        shown = torch.cat(masks)
        masks.clear()
        return {tuple(row) for row in shown[shown.sum(1) == 24].tolist()}

    data = torch.randint(2, (64, 48), generator=seeded(0))
    estimate_profile(watched, data, 0, points=[24], mask_id=2)
    chosen_on = half_masked()
    certify(FixedSizes([24, 24]), watched, data, 1e3, what="nll", mask_id=2)
    certified_on = half_masked()
    assert len(chosen_on) == 64 and len(certified_on) == 32
    assert not chosen_on & certified_on


def test_certifying_says_beforehand_how_many_rows_it_needs():
    calls = []

    def watched(tokens, reveal):
        calls.append(len(tokens))
        return CHAIN(tokens, reveal)

    with pytest.raises(ValueError, match=r"at least 49 rows, 16 for the pilot and 33 for fresh"):
        certify(Equal(12, 3), watched, DATA[:48], 1, mask_id=2)
    assert not calls
    with pytest.raises(ValueError, match=r"data must have at least [\d,]+ rows.*got 60"):
        certify(Equal(12, 3), watched, DATA[:60], 0.01, mask_id=2)
    assert sum(calls) == 1 + 16 * 12  # three blocks of four
    # nothing varies, and what that may hide asks for more rows than float64 has integers
    sure = torch.zeros(200, 12, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"data must have at least [\d,]+ rows.*got 200"):
        certify(Equal(12, 3), halves, sure, 1e-19, mask_id=2)
    nothing = certify(Equal(12, 12), CHAIN, DATA, 0.01)
    assert nothing.interval == (0.0, 0.0) and nothing.passes == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"schedule": Equal(11, 3)}, ValueError, "as many free positions .* 11, got 12"),
        ({"schedule": Equal}, TypeError, "schedule must be of type Schedule"),
        ({"precision": 0}, ValueError, "precision must be positive, got 0"),
        ({"precision": "a"}, TypeError, "precision must be"),
        ({"confidence": 1}, ValueError, "confidence must lie between 0 and 1, got 1"),
        ({"what": "kl"}, ValueError, "what must be"),
        ({"pilot": 1}, ValueError, "pilot must be an integer >= 2, got 1"),
        ({"seed": -1}, ValueError, "seed must be an integer >= 0, got -1"),
        ({"data": DATA + 2}, ValueError, "data must have no mask"),
        ({"data": [[0]]}, TypeError, "data must be of type Tensor"),
        ({"batch": 0}, ValueError, "batch must be an integer >= 1"),
        ({"progress": 1}, TypeError, "progress must be True or False"),
    ],
)
def test_bad_arguments_of_certify_are_named(arguments, error, message):
    every = {"schedule": Equal(12, 3), "predictor": CHAIN, "data": DATA, "precision": 1.0}
    with pytest.raises(error, match=message):
        certify(**(every | arguments))


def test_a_pilot_looks_at_a_few_levels_of_many():
    found = certify(TCAdaptive(12, 4), CHAIN, DATA, 0.5)
    assert found.pilot_passes == 9 * 16
    few = certify(ShiftedEqual(12, 4), CHAIN, DATA, 0.5)
    assert few.pilot_passes == 16 * np.count_nonzero(price_weights(few.schedule))


def test_every_line_on_a_measured_band_says_what_it_assumes():
    band = estimate_profile(LEARNED, DATA[:200], 0).band()
    made = certificate(Equal(12, 3), band)
    lines = str(made).splitlines()[1:]
    assert len(lines) == 6 and all("if the predictor measured is ideal" in line for line in lines)


def test_the_progress_bar_counts_passes(capsys):
    found = certify(Equal(12, 4), CHAIN, DATA, 0.5, progress=True)
    assert f"{found.passes}/{found.passes}" in capsys.readouterr().err


def test_a_price_from_two_points_needs_no_torch():
    code = "import sys, dlm_core; dlm_core.passes_for; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
