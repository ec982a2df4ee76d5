"""Shapes far beyond any use are refused in words, before any memory or time is taken."""

import numpy as np
import pytest

from dlm_core import EstimatedProfile, InformationProfile
from dlm_core.error import certificate, steps_for
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    FixedSizes,
    Geometric,
    Minimax,
    ShiftedEqual,
    Systematic,
    TCAdaptive,
    measure_weights,
    residuals,
)

M = 2**31 - 1
BLOCK = InformationProfile.repetition(50_000, 1.0)
OTHER = InformationProfile.repetition(50_001, 1.0)


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive])
@pytest.mark.parametrize("length", [2**26, M])
def test_a_recursion_of_hours_is_refused(kind, length):
    with pytest.raises(ValueError, match="terms, more than the 2\\*\\*32 allowed"):
        _ = kind(length, 5).constant
    with pytest.raises(ValueError, match="allowed"):
        kind(length, 1).sample(0, 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: InformationProfile.two_words(10**6, 0.1),
        lambda: InformationProfile.concatenate([BLOCK, OTHER]),
    ],
)
def test_quadratic_work_is_refused(call):
    with pytest.raises(ValueError, match="terms, more than the 2\\*\\*32 allowed"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: measure_weights("tc", M),
        lambda: residuals([[M]]),
        lambda: Equal(M, 5).residual,
        lambda: Equal(M, 5).start_probabilities,
        lambda: Equal(M, M).sizes,
        lambda: Cosine(M, M).sizes,
        lambda: Geometric(M, M).sizes,
        lambda: ShiftedEqual(M, 5).start_probabilities,
        lambda: ShiftedEqual(M, 5).residual,
        lambda: Minimax(M, 5, "tc").constant,
        lambda: BestDeterministic(M, 5, "tc").sizes,
        lambda: Systematic([1, 0.5, 0.5]).resized(M),
        lambda: InformationProfile.mds_code(M, 3, 7),
        lambda: InformationProfile.repetition(M, 1.0),
        lambda: InformationProfile.two_words(M, 0.0),
        lambda: InformationProfile.product(np.broadcast_to(1.0, M)),
        lambda: EstimatedProfile.from_draws(np.zeros((2, 30_000))),
        lambda: steps_for(0.1, M, total_correlation=1.0),
        lambda: steps_for(0.1, M, "Equal", total_correlation=1.0),
        lambda: certificate(Equal(M, 5), total_correlation=1.0),
    ],
)
def test_tables_beyond_4_gib_are_refused(call):
    with pytest.raises(ValueError, match="GiB"):
        call()


@pytest.mark.parametrize("kind", [Minimax, BestDeterministic])
def test_a_named_measure_costs_nothing_to_name(kind):
    assert kind(M, 5, "tc").length == M


def test_a_batch_beyond_4_gib_is_refused():
    lengths = np.broadcast_to(1, 2**16)
    for schedule in (FixedSizes(np.ones(2**14, dtype=int)), TCAdaptive(2**14, 2)):
        with pytest.raises(ValueError, match="the number of lengths must be at most"):
            schedule.sample_rows(lengths, 0)


def test_a_law_is_not_listed_beyond_2_to_the_16():
    with pytest.raises(ValueError, match="more than the 65536 that are listed"):
        ShiftedEqual(200_003, 1_001).law()
    with pytest.raises(ValueError, match="GiB"):
        ShiftedEqual(50_021, 19_998).law()
