"""The law of the samples on MDS codes: against enumeration, references, and other schedules."""

import numpy as np
import pytest
import torch
from bookkit.codes import mixture_kl_on_code, residual_tail

from dlm_core import InformationProfile
from dlm_core.error import expected_kl, mixture_kl
from dlm_core.schedules import (
    Cosine,
    DTCAdaptive,
    Equal,
    FixedSizes,
    Minimax,
    ShiftedEqual,
    Systematic,
    TCAdaptive,
    to_systematic,
)
from dlm_core.targets import ReedSolomon, Repetition, Tabular

torch.set_num_threads(1)

WORDS = np.indices((2,) * 5).reshape(5, -1)
CODES = [
    (Repetition(6, [0.5, 0.5]), 1),
    (Tabular(np.vstack([WORDS, WORDS.sum(axis=0) % 2]).T), 5),
    *((ReedSolomon(4, dimension, 2), dimension) for dimension in (1, 2, 3)),
    (ReedSolomon(4, 2, 3), 2),
]


def one_phase(length):
    """Schedules of every kind, systematic."""
    yield from (Minimax(length, k, "tc") for k in range(1, length + 1))
    yield from (Minimax(length, 3, measure) for measure in ("dtc", "min", "sum"))
    yield from (ShiftedEqual(length, k) for k in (2, 3))
    yield to_systematic(TCAdaptive(length, 3))
    yield to_systematic(Equal(length, 2))


def tails(law, j):
    """P(W_j >= i) for i = 1, ..., by the list of all compositions."""
    length = sum(next(iter(law)))
    found = np.zeros(length - j)
    for sizes, chance in law.items():
        ends = np.cumsum(sizes)
        found[: ends[ends >= j][0] - j] += chance
    return found


@pytest.mark.parametrize(("code", "dimension"), CODES, ids=repr)
def test_the_mixture_on_codes_from_its_definition(code, dimension):
    for schedule in one_phase(code.length):
        found = mixture_kl_on_code(schedule, dimension, code.alphabet_size)
        assert found == pytest.approx(mixture_kl(code, schedule), abs=1e-13), schedule


@pytest.mark.parametrize(("code", "dimension"), CODES, ids=repr)
def test_the_mixture_of_any_schedule_is_the_mean_of_powers(code, dimension):
    for schedule in [
        TCAdaptive(code.length, 3),
        DTCAdaptive(code.length, 2),
        Cosine(code.length, 3),
        FixedSizes([code.length - 1, 1]),
    ]:
        tail = tails(schedule.law(), dimension)
        chances = -np.diff(tail, prepend=1.0, append=0.0)
        mean = chances @ float(code.alphabet_size) ** -np.arange(chances.size)
        found = mixture_kl(code, schedule)
        assert found == pytest.approx(-np.log(mean), abs=1e-13)
        start = schedule.start_probabilities[dimension]
        expected = expected_kl(schedule, code.profile())
        with np.errstate(divide="ignore"):
            assert found <= min(expected, -np.log(start)) + 1e-12
        twin = to_systematic(schedule)
        assert mixture_kl_on_code(twin, dimension, code.alphabet_size) <= found + 1e-12


@pytest.mark.parametrize("schedule", [*one_phase(7), ShiftedEqual(9, 5, [(4, 3)])], ids=repr)
def test_tails_are_those_of_the_law(schedule):
    for j in range(1, schedule.length):
        found = residual_tail(schedule, j)
        np.testing.assert_allclose(found, tails(schedule.law(), j), atol=1e-12)
        assert found.sum() == pytest.approx(schedule.residual[j - 1], abs=1e-12)


def test_the_twin_has_the_stochastically_smallest_residuals():
    rng = np.random.default_rng(5)
    for _ in range(30):
        compositions = [tuple(np.diff([0, *sorted(rng.choice(6, 2, False) + 1), 7])) for _ in "abc"]
        law = dict.fromkeys(compositions, 0.0)
        for sizes, chance in zip(compositions, rng.dirichlet(np.ones(3)), strict=True):
            law[sizes] += chance
        u = np.zeros(7)
        for sizes, chance in law.items():
            u[np.cumsum((0, *sizes[:-1]))] += chance
        twin = Systematic(u)
        for j in range(1, 7):
            assert (residual_tail(twin, j) <= tails(law, j) + 1e-12).all()


@pytest.mark.parametrize(
    ("steps", "expected", "sampled"),
    [(100, 0.8730672, 0.1215468), (1000, 0.0269723, 0.0035421)],
)
def test_full_scale_agrees_with_the_reference(steps, expected, sampled):
    schedule = Minimax(2000, steps, "tc")
    profile = InformationProfile.mds_code(2000, 1995, 2048)
    assert expected_kl(schedule, profile) == pytest.approx(expected, abs=5e-8)
    assert mixture_kl_on_code(schedule, 1995, 2048) == pytest.approx(sampled, abs=5e-8)


def test_a_share_of_codewords_far_below_rounding_is_still_seen():
    schedule = ShiftedEqual(400, 3)
    assert schedule.start_probabilities[200:301].sum() < 0.6
    # almost surely many symbols beyond the dimension, seldom a block start on it
    start = schedule.start_probabilities[200]
    found = mixture_kl_on_code(schedule, 200, 2**40)
    assert found == pytest.approx(-np.log(start), abs=1e-9)
    whole = Systematic([1.0, *[0.0] * 99])
    assert mixture_kl_on_code(whole, 60, 2**40) == pytest.approx(40 * 40 * np.log(2))


@pytest.mark.parametrize("q", [2, 16, 2048])
def test_rare_misses_by_one_symbol_cost_less_by_a_factor_that_is_known(q):
    for chance in (1e-3, 1e-6):
        # W_d is 1 with this chance, and else 0
        schedule = Systematic([1.0, 1 - chance, chance])
        expected = expected_kl(schedule, InformationProfile.mds_code(3, 1, q))
        ratio = expected / mixture_kl_on_code(schedule, 1, q)
        limit = np.log(q) / (1 - 1 / q)
        assert limit * (1 - chance) < ratio < limit * (1 + 1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((TCAdaptive(5, 2), 2, 2), "schedule"),
        ((Minimax(5, 2, "tc"), 5, 2), "j must"),
        ((Minimax(5, 2, "tc"), 2, 1), "alphabet_size"),
    ],
)
def test_what_has_no_answer_is_refused(arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        mixture_kl_on_code(*arguments)
