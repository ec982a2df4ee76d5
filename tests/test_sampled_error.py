"""The error measured by the sampler, and that of the mixture over orders and sizes."""

import numpy as np
import pytest
import torch
from bookkit.examples import alternating
from oracles import mixture_law, small_targets
from scipy.stats import chi2

from dlm_core import InformationProfile
from dlm_core.error import expected_kl, mixture_kl, monte_carlo_kl
from dlm_core.information import Estimate, total_correlation
from dlm_core.sampler import log_likelihood
from dlm_core.schedules import (
    DTCAdaptive,
    Equal,
    FixedSizes,
    Minimax,
    ShiftedEqual,
    Systematic,
    TCAdaptive,
)
from dlm_core.targets import HiddenMarkov, MarkovChain, ReedSolomon, Repetition, Tabular

torch.set_num_threads(1)

TARGETS = small_targets()
SCHEDULES = [TCAdaptive(4, 2), DTCAdaptive(4, 3), Equal(4, 2), Minimax(4, 2, "tc"), Equal(4, 1)]
COIN = [[0.9, 0.1], [0.35, 0.65]]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def exact_error(target, schedule):
    return expected_kl(schedule, InformationProfile.from_joint(target.joint()))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("name", TARGETS)
def test_the_measured_error_is_the_exact_one(name, schedule):
    """Within 4.5 standard errors; false alarm with probability 7e-6 each."""
    target = TARGETS[name]
    found = monte_carlo_kl(target, schedule, 1500, seeded(31))
    assert isinstance(found, Estimate)
    assert found.n == 1500
    expected = exact_error(target, schedule)
    if expected < 1e-12:
        assert found.value == pytest.approx(0.0, abs=1e-12)
    else:
        assert abs(found.deviation(expected)) < 4.5


def test_the_measured_error_of_a_code_at_full_scale():
    """Within 4.5 standard errors, for a law as skewed as this about 1e-4 of false alarm."""
    code, schedule = ReedSolomon(2000, 1995, 11), TCAdaptive(2000, 500)
    found = monte_carlo_kl(code, schedule, 300, seeded(0))
    assert found.n == 300
    assert found.standard_error > 0
    expected = expected_kl(schedule, code.profile())
    assert expected == pytest.approx(schedule.constant * code.profile().total_correlation)
    assert abs(found.deviation(expected)) < 4.5


@pytest.mark.parametrize("target", [*TARGETS.values(), ReedSolomon(60, 50, 8)], ids=repr)
def test_one_token_at_a_time_has_no_error(target):
    length = target.length
    found = monte_carlo_kl(target, Equal(length, length), 100, seeded(1))
    assert found == Estimate(0.0, 0.0, 100)
    assert found.deviation(0.0) == 0.0


def test_the_standard_errors_are_honest():
    """Mean and variance of 200 z-scores within 5 standard errors of 0 and 1: false alarm 1e-6."""
    target, schedule = MarkovChain(5, COIN), TCAdaptive(5, 2)
    expected = exact_error(target, schedule)
    generator = seeded(7)
    z = np.array(
        [monte_carlo_kl(target, schedule, 250, generator).deviation(expected) for _ in range(200)]
    )
    assert abs(z.mean()) < 5 / np.sqrt(200)
    assert abs((z**2).mean() - 1) < 5 * np.sqrt(2 / 200)


@pytest.mark.parametrize(
    "schedule", [TCAdaptive(15, 5), Minimax(15, 5, "tc"), ShiftedEqual(15, 5)], ids=repr
)
def test_deviations_in_the_errors_of_the_law_are_those_of_independent_draws(schedule):
    """Chi-square, two-sided, 1e-6 of false alarm: rows that share a phase would deviate less."""
    code, repetitions, n, generator = ReedSolomon(15, 12, 4), 40, 256, seeded(11)
    ends = {sizes: np.cumsum(sizes) for sizes in schedule.law()}
    residual = np.array([min(end[end >= 12]) - 12 for end in ends.values()])
    chance = np.array([*schedule.law().values()])
    variance = np.log(16) ** 2 * (chance @ residual**2 - (chance @ residual) ** 2) / n
    found = np.array(
        [monte_carlo_kl(code, schedule, n, generator).value for _ in range(repetitions)]
    )
    squares = (found - expected_kl(schedule, code.profile())) ** 2 / variance
    low, high = chi2.ppf([5e-7, 1 - 5e-7], repetitions)
    assert low < squares.sum() < high


def test_the_same_generator_gives_the_same_estimate():
    target, schedule = TARGETS["HiddenMarkov"], DTCAdaptive(4, 2)
    first, again, other = (monte_carlo_kl(target, schedule, 50, seeded(s)) for s in (1, 1, 2))
    assert first == again
    assert first != other
    generator = seeded(1)
    assert monte_carlo_kl(target, schedule, 50, generator) == first
    assert monte_carlo_kl(target, schedule, 50, generator) != first
    assert monte_carlo_kl(target, schedule, 50, 1) == first


def test_small_batches_estimate_the_same(monkeypatch):
    """Within 4.5 standard errors, with batches of 100 rows that cross the sampler's blocks."""
    target, schedule = TARGETS["MarkovChain"], Equal(4, 2)
    monkeypatch.setattr("dlm_core.error.measured._MOST_ENTRIES", 100 * 2 * 2)
    found = monte_carlo_kl(target, schedule, 1010, seeded(4), progress=True)
    assert found.n == 1010
    assert abs(found.deviation(exact_error(target, schedule))) < 4.5


def test_batches_number_their_rows_on_and_every_call_has_a_seed_of_its_own(monkeypatch):
    calls = []

    def watched(*arguments, **named):
        calls.append((named["seed"], named["first_row"], len(arguments[2])))
        return log_likelihood(*arguments, **named)

    monkeypatch.setattr("dlm_core.sampler.log_likelihood", watched)
    monkeypatch.setattr("dlm_core.error.measured._MOST_ENTRIES", 100 * 2 * 2)
    generator = seeded(0)
    for _ in range(2):
        monte_carlo_kl(TARGETS["MarkovChain"], Equal(4, 2), 250, generator)
    seeds, rows, sizes = zip(*calls, strict=True)
    assert rows == 2 * (0, 100, 200)
    assert sizes == 2 * (100, 100, 50)
    assert len(set(seeds[:3])) == len(set(seeds[3:])) == 1
    assert seeds[0] != seeds[3]


def test_bad_measurements_are_named():
    target, schedule = TARGETS["Tabular"], Equal(4, 2)
    with pytest.raises(TypeError, match="schedule must be of type Schedule, got .* of type list"):
        monte_carlo_kl(target, [2, 2], 10, seeded(0))
    with pytest.raises(ValueError, match="n must be an integer >= 2, got 1"):
        monte_carlo_kl(target, schedule, 1, seeded(0))
    with pytest.raises(TypeError, match=r"n must be an integer >= 2, got 10\.0"):
        monte_carlo_kl(target, schedule, 10.0, seeded(0))
    with pytest.raises(ValueError, match="the same length, got 5 and 4"):
        monte_carlo_kl(target, Equal(5, 2), 10, seeded(0))
    for wrong in (None, np.random.default_rng(0)):
        with pytest.raises(TypeError, match=r"generator must be a torch\.Generator such as"):
            monte_carlo_kl(target, schedule, 10, wrong)
    with pytest.raises(ValueError, match="n must be an integer >= 2, got 0"):
        monte_carlo_kl(target, schedule, 0, None)
    with pytest.raises(TypeError, match="progress must be True or False, got 3"):
        monte_carlo_kl(target, schedule, 10, 0, progress=3)
    coin = torch.distributions.Bernoulli(0.5)
    for wrong, lacking in ((coin, "no length, alphabet_size"), (Tabular, "the class itself")):
        with pytest.raises(TypeError, match=f"target must be a distribution .*{lacking}"):
            monte_carlo_kl(wrong, schedule, 10, 0)


MIXED = [
    *SCHEDULES,
    FixedSizes([1, 3]),
    FixedSizes([3, 1]),
    Systematic([1, 0.4, 0.3, 0.3]),
    Equal(4, 4),
]


@pytest.mark.parametrize("schedule", MIXED, ids=repr)
@pytest.mark.parametrize("name", TARGETS)
def test_the_mixture_error_from_its_definition(name, schedule):
    target = TARGETS[name]
    p, mixture = target.joint(), mixture_law(target.joint(), schedule.law())
    assert mixture.sum() <= 1 + 1e-12
    possible = p > 0
    expected = p[possible] @ np.log(p[possible] / mixture[possible])
    found = mixture_kl(target, schedule)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found <= exact_error(target, schedule) + 1e-12


def test_the_mixture_error_of_five_tokens():
    target, schedule = HiddenMarkov(5, COIN, [[0.8, 0.2], [0.1, 0.9]]), DTCAdaptive(5, 3)
    p, mixture = target.joint(), mixture_law(target.joint(), schedule.law())
    assert mixture_kl(target, schedule) == pytest.approx((p * np.log(p / mixture)).sum(), abs=1e-12)


@pytest.mark.parametrize("name", TARGETS)
def test_the_mixture_of_all_steps_and_of_one(name):
    target = TARGETS[name]
    assert mixture_kl(target, Equal(4, 4)) == pytest.approx(0.0, abs=1e-12)
    assert mixture_kl(target, Equal(4, 1)) == pytest.approx(
        total_correlation(target.joint()), abs=1e-12
    )


@pytest.mark.parametrize("schedule", [TCAdaptive(4, 2), Equal(4, 2), Minimax(4, 2, "dtc")])
def test_mixing_orders_makes_alternating_words_better(schedule):
    target = Tabular.from_joint(alternating(4, noise=0.1))
    assert mixture_kl(target, schedule) < 0.99 * exact_error(target, schedule)


def test_mixtures_too_large_or_not_fitting_are_refused():
    with pytest.raises(ValueError, match=r"<= 67108864, got length 11 and alphabet_size 2"):
        mixture_kl(MarkovChain(11, COIN), Equal(11, 2))
    with pytest.raises(ValueError, match="got length 1000000 and alphabet_size 1"):
        mixture_kl(Repetition(10**6, [1.0]), Equal(10**6, 2))
    with pytest.raises(ValueError, match="<= 67108864 / [0-9]+, for so many compositions"):
        mixture_kl(Repetition(16, [1.0]), TCAdaptive(16, 8))
    with pytest.raises(ValueError, match="the same length, got 5 and 4"):
        mixture_kl(TARGETS["Tabular"], Equal(5, 2))
    with pytest.raises(TypeError, match="schedule must be of type Schedule, got .* of type tuple"):
        mixture_kl(TARGETS["Tabular"], (2, 2))
    with pytest.raises(TypeError, match="target must be a distribution"):
        mixture_kl(np.full((2, 2), 0.25), Equal(2, 1))


@pytest.mark.parametrize(
    ("length", "sizes"), [(1023, [1024, 6]), (2000, [1024, 6]), (4097, [1023, 7])]
)
def test_a_batch_of_long_sequences_is_bounded_by_its_tokens(length, sizes, monkeypatch):
    """Up to 4,096 positions batches, by which the draws are numbered, stay as they were."""
    found = []

    def watched(target, schedule, tokens, **named):
        found.append(len(tokens))
        return target.log_prob(tokens)

    monkeypatch.setattr("dlm_core.sampler.log_likelihood", watched)
    monte_carlo_kl(Repetition(length, [0.5, 0.5]), Equal(length, length), 1030, seeded(0))
    assert found == sizes
