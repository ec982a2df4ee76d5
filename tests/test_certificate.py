"""Guarantees with constants filled in, and the number of steps that meets an error."""

import numpy as np
import pytest

from dlm_core import InformationProfile
from dlm_core.error import certificate, expected_kl, steps_for
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    FixedSizes,
    Geometric,
    Minimax,
    OptimalForProfile,
    TCAdaptive,
    to_systematic,
)

PROFILE = InformationProfile(1 / np.arange(1.0, 31.0))


def test_bounds_hold_and_say_what_they_rest_on():
    rng = np.random.default_rng(0)
    for _ in range(20):
        profile = InformationProfile(np.sort(rng.exponential(size=25) ** 4)[::-1])
        tc, dtc = profile.total_correlation, profile.dual_total_correlation
        values = {"tc": tc, "dtc": dtc, "min": min(tc, dtc), "product": tc * dtc / (tc + dtc)}
        for schedule in [
            TCAdaptive(25, 6),
            DTCAdaptive(25, 6),
            Minimax(25, 6, "min"),
            Equal(25, 6),
        ]:
            made = certificate(schedule, profile=profile)
            assert made.exact == made.value == expected_kl(schedule, profile)
            assert [bound.measure for bound in made.bounds] == list(values)
            for bound in made.bounds:
                assert bound.constant == schedule.coefficient(bound.measure)
                assert bound.value == pytest.approx(bound.constant * values[bound.measure])
                assert made.exact <= bound.value * (1 + 1e-12)


def test_only_what_is_known_is_filled_in():
    schedule = Minimax(30, 7, "tc")
    nothing = certificate(schedule)
    assert nothing.value is None
    assert all(bound.value is None for bound in nothing.bounds)
    tc = certificate(schedule, total_correlation=2.0)
    assert [bound.value is None for bound in tc.bounds] == [False, True, True, True]
    assert tc.value == pytest.approx(2 * schedule.constant)
    dtc = certificate(schedule, dual_total_correlation=2.0)
    assert [bound.value is None for bound in dtc.bounds] == [True, False, True, True]
    both = certificate(schedule, total_correlation=2.0, dual_total_correlation=3.0)
    assert both.value == min(bound.value for bound in both.bounds)
    assert both.exact is None
    independent = certificate(schedule, total_correlation=0, dual_total_correlation=0)
    assert independent.value == 0


def test_printed():
    text = str(certificate(Minimax(6, 2, "tc"), total_correlation=0.5))
    assert "Minimax, 2 steps, length 6" in text
    assert "E KL <= 0.562044 TC = 0.281022 nats" in text
    assert "TC DTC / (TC + DTC)   (" in text
    assert "exact" not in text
    assert "exact" in str(certificate(Equal(30, 2), PROFILE))


def least_steps(target_error, make, **known):
    return next(k for k in range(1, 31) if certificate(make(k), **known).value <= target_error)


@pytest.mark.parametrize("target_error", [5.0, 0.3, 0.03, 0.0])
def test_least_steps_of_all(target_error):
    tc, dtc = PROFILE.total_correlation, PROFILE.dual_total_correlation
    assert dtc < tc
    for kind in (TCAdaptive, DTCAdaptive, Equal, Cosine, Geometric):
        for known in (
            {"profile": PROFILE},
            {"total_correlation": tc},
            {"dual_total_correlation": dtc},
            {"total_correlation": tc, "dual_total_correlation": dtc},
        ):
            expected = least_steps(target_error, lambda k, kind=kind: kind(30, k), **known)
            assert steps_for(target_error, 30, kind, **known) == expected
            assert steps_for(target_error, 30, kind.__name__, **known) == expected
    for kind in (Minimax, BestDeterministic):
        for known, measure in (
            ({"profile": PROFILE}, "dtc"),
            ({"total_correlation": tc}, "tc"),
            ({"total_correlation": tc, "dual_total_correlation": dtc}, "dtc"),
        ):
            expected = least_steps(
                target_error, lambda k, kind=kind, measure=measure: kind(30, k, measure), **known
            )
            assert steps_for(target_error, 30, kind, **known) == expected
    expected = least_steps(target_error, lambda k: OptimalForProfile(PROFILE, k), profile=PROFILE)
    assert steps_for(target_error, 30, OptimalForProfile, profile=PROFILE) == expected
    assert steps_for(target_error, 30, "OptimalForProfile", profile=PROFILE) == expected


def test_functions_of_length_and_steps():
    known = {"total_correlation": 4.0, "dual_total_correlation": 4.0}
    product = steps_for(0.2, 30, lambda length, steps: Minimax(length, steps, "product"), **known)
    assert product == least_steps(0.2, lambda k: Minimax(30, k, "product"), **known)
    twin = steps_for(
        0.2, 30, lambda length, steps: to_systematic(TCAdaptive(length, steps)), **known
    )
    assert twin <= steps_for(0.2, 30, TCAdaptive, **known)
    assert steps_for(0, 30, lambda length, k: to_systematic(TCAdaptive(length, k)), **known) == 30
    even = np.ones(29)
    sizes = steps_for(0.2, 30, lambda length, k: BestDeterministic(length, k, even), **known)
    assert sizes == least_steps(0.2, lambda k: BestDeterministic(30, k, even), **known)
    known = {"total_correlation": 4.0}
    sizes = steps_for(0.2, 30, lambda length, k: BestDeterministic(length, k, even), **known)
    assert sizes == least_steps(0.2, lambda k: BestDeterministic(30, k, even), **known)


def test_minimax_needs_the_fewest_steps():
    least = steps_for(0.1, 400, total_correlation=10.0)
    for kind in (TCAdaptive, DTCAdaptive, BestDeterministic, Geometric):
        assert least <= steps_for(0.1, 400, kind, total_correlation=10.0)
    assert steps_for(0.1, 400, total_correlation=0.0) == 1
    assert steps_for(0.1, 1, total_correlation=0.0) == 1


def test_arguments_are_checked():
    schedule = Equal(30, 3)
    with pytest.raises(TypeError, match="schedule"):
        certificate("Equal", PROFILE)
    with pytest.raises(TypeError, match="profile"):
        certificate(schedule, [1.0])
    with pytest.raises(ValueError, match="not both"):
        certificate(schedule, PROFILE, total_correlation=1.0)
    with pytest.raises(ValueError, match="same length"):
        certificate(Equal(29, 3), PROFILE)
    with pytest.raises(ValueError, match="dual_total_correlation must be nonnegative"):
        certificate(schedule, dual_total_correlation=-1.0)
    with pytest.raises(ValueError, match="target_error must be nonnegative"):
        steps_for(-0.1, 30, total_correlation=1.0)
    with pytest.raises(TypeError, match="target_error"):
        steps_for(None, 30, total_correlation=1.0)
    with pytest.raises(ValueError, match="profile, total_correlation"):
        steps_for(0.1, 30)
    with pytest.raises(ValueError, match="name"):
        steps_for(0.1, 30, "Best", total_correlation=1.0)
    with pytest.raises(ValueError, match="FixedSizes"):
        steps_for(0.1, 30, FixedSizes, total_correlation=1.0)
    with pytest.raises(TypeError, match="profile"):
        steps_for(0.1, 30, OptimalForProfile, total_correlation=1.0)


def test_steps_for_refuses_what_does_not_fit():
    profile = InformationProfile.repetition(30, 1.0)
    with pytest.raises(ValueError, match="profile must have the length 10, got 30"):
        steps_for(0.001, 10, "OptimalForProfile", profile=profile)
    with pytest.raises(ValueError, match="schedule must make 1 steps of length 30"):
        steps_for(0.1, 30, lambda length, steps: Equal(length + 1, steps), profile=profile)
    for name in ("residuals", "measure_weights", "Schedule", "Linear"):
        with pytest.raises(ValueError, match="schedule must be a schedule class, its name"):
            steps_for(0.1, 30, name, profile=profile)
