"""The largest error on a band, against linear programs over all its curves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import bands, compositions
from scipy.optimize import linprog

from dlm_core import (
    Equal,
    EstimatedProfile,
    FixedSizes,
    InformationProfile,
    Minimax,
    ProfileBand,
    ShiftedEqual,
    TCAdaptive,
    expected_kl,
    measure_weights,
    worst_kl,
    worst_profile,
)
from dlm_core.testing import schedules

TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def by_linear_program(schedule, band, budgets=()):
    """The largest error over h between the limits, nonincreasing, within the budgets; or None."""
    length = band.length
    falling = np.eye(length, k=1)[:-1] - np.eye(length)[:-1]  # h_j - h_{j-1} <= 0
    rows = [*falling, *(-(measure_weights(m, length) @ falling) for m, _ in budgets)]
    sides = [0.0] * (length - 1) + [nats for _, nats in budgets]
    # h_0 is a number of nats like the others; the solver's tolerances are absolute
    found = linprog(
        schedule.residual @ falling,
        A_ub=np.reshape(rows, (-1, length)),
        b_ub=sides,
        bounds=np.transpose([band.lower_curve, band.upper_curve]),
        method="highs-ds",
        options=TIGHT,
    )
    return None if found.x is None else -found.fun


@settings(max_examples=60, deadline=None)
@given(st.data(), bands())
def test_the_largest_error_is_that_of_the_linear_program(data, pair):
    band, profile = pair
    schedule = data.draw(schedules(length=band.length))
    value = worst_kl(schedule, band)
    np.testing.assert_allclose(value, by_linear_program(schedule, band), rtol=1e-9, atol=1e-9)
    assert expected_kl(schedule, profile) <= value * (1 + 1e-12) + 1e-12
    attained = worst_profile(schedule, band)
    assert band.contains(attained)
    np.testing.assert_allclose(expected_kl(schedule, attained), value, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.data(), bands())
def test_budgets_are_met_and_used_up(data, pair):
    band, profile = pair
    length = band.length
    schedule = data.draw(schedules(length=length))
    measures = ["tc", "dtc", "sum", "min", "product", np.linspace(1, 3, max(length - 1, 0)) ** 2]
    budgets = []
    for measure in data.draw(st.lists(st.sampled_from(measures), max_size=3, unique_by=id)):
        needed = float(measure_weights(measure, length) @ profile.increments)
        budgets.append((measure, needed * data.draw(st.sampled_from([1.0, 1.25, 2.0]))))
    value = worst_kl(schedule, band, budgets)
    expected = by_linear_program(schedule, band, budgets)
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=2e-9)
    assert expected_kl(schedule, profile) <= value * (1 + 1e-9) + 1e-12
    attained = worst_profile(schedule, band, budgets)
    assert band.contains(attained)
    np.testing.assert_allclose(expected_kl(schedule, attained), value, rtol=1e-11, atol=1e-11)
    for measure, nats in budgets:
        spent = measure_weights(measure, length) @ attained.increments
        assert spent <= nats * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_budgets_that_no_profile_meets_are_refused(seed):
    rng = np.random.default_rng(seed)
    length = 10
    h = np.sort(rng.random(length))[::-1]
    band = ProfileBand.from_profile(InformationProfile(h), [0, 3, 7])
    schedule = ShiftedEqual(length, 3)
    least = -by_linear_program(_Weighted(-measure_weights("dtc", length)), band)
    budgets = [("dtc", least * 0.999), ("tc", 100.0)]
    assert by_linear_program(schedule, band, budgets) is None
    with pytest.raises(ValueError, match="budgets must leave a profile of the band, but none"):
        worst_kl(schedule, band, budgets)
    # what is just enough leaves one
    just = [("dtc", least), ("tc", 100.0)]
    spent = measure_weights("dtc", length) @ worst_profile(schedule, band, just).increments
    assert spent == pytest.approx(least, rel=1e-11)


class _Weighted:
    """What the linear program asks of a schedule."""

    def __init__(self, residual):
        self.residual = residual


def test_two_budgets_that_exclude_each_other_are_refused():
    # one fall of one nat: after j it costs L - j of the one and j of the other
    band = ProfileBand(10, [0, 9], [1, 0], [1, 0])
    schedule = Equal(10, 2)
    for budgets in ({"tc": 5.0}, {"dtc": 5.0}, {"tc": 5.0, "dtc": 5.0}):
        worst_kl(schedule, band, budgets)
    with pytest.raises(ValueError, match="none meets all budgets"):
        worst_kl(schedule, band, {"tc": 5.0, "dtc": 4.9})


def test_a_budget_alone_is_what_a_constant_promises():
    # nothing known but TC: the largest error is the coefficient times it
    for length, steps in [(6, 2), (40, 7)]:
        for schedule in (TCAdaptive(length, steps), Minimax(length, steps, "tc"), Equal(length, 3)):
            band = ProfileBand(length, [0], [0.0], [5.0])
            value = worst_kl(schedule, band, {"tc": 2.0})
            assert value == pytest.approx(2.0 * schedule.coefficient("tc"), rel=1e-12)


def test_the_largest_error_of_fixed_sizes_by_brute_force():
    # every staircase of one fall between two levels, and every composition
    band = ProfileBand(7, [0, 3, 6], [2.0, 0.5, 0.25], [2.0, 0.5, 0.25])
    for steps in range(1, 8):
        for sizes in compositions(7, steps):
            residual = FixedSizes(sizes).residual
            largest = 1.5 * residual[:3].max() + 0.25 * residual[3:].max()
            assert worst_kl(FixedSizes(sizes), band) == pytest.approx(largest, rel=1e-14)


def test_what_is_fully_known_leaves_no_choice():
    profile = InformationProfile([1.0, 0.7, 0.4, 0.4, 0.1])
    band = ProfileBand.from_profile(profile, range(5))
    schedule = TCAdaptive(5, 2)
    assert worst_kl(schedule, band) == pytest.approx(expected_kl(schedule, profile), rel=1e-14)
    assert band.contains(worst_profile(schedule, band))


def test_the_end_of_the_curve_may_fall_to_zero():
    # h_0 = 1 alone: the worst is a fall where the residual is largest
    schedule = ShiftedEqual(12, 4)
    band = ProfileBand(12, [0], [1.0], [1.0])
    assert worst_kl(schedule, band) == pytest.approx(schedule.residual.max(), rel=1e-14)


def test_long_sequences_take_no_table_of_squares():
    length = 100_000
    h = InformationProfile(1 + 3 / np.sqrt(1 + np.arange(length)))
    band = ProfileBand.from_profile(h, [0, 1000, length // 2, length - 1])
    schedule = ShiftedEqual(length, 5000)
    value = worst_kl(schedule, band, {"tc": h.total_correlation})
    assert expected_kl(schedule, h) < value < worst_kl(schedule, band) * (1 + 1e-12)


def test_what_does_not_fit_is_refused():
    band = ProfileBand(5, [0], [1], [1])
    with pytest.raises(ValueError, match="must have the same length, got 4 and 5"):
        worst_kl(Equal(4, 2), band)
    with pytest.raises(TypeError, match="band must be of type ProfileBand"):
        worst_kl(Equal(5, 2), EstimatedProfile([1, 0, 0, 0, 0], [0] * 5, 3))
    with pytest.raises(ValueError, match="budgets must be for measures: measure must be one of"):
        worst_kl(Equal(5, 2), band, {"TC": 1.0})
    with pytest.raises(ValueError, match="budgets must give nats for measures: nats must be nonne"):
        worst_kl(Equal(5, 2), band, {"tc": -1.0})
    with pytest.raises(TypeError, match="budgets must be a mapping"):
        worst_kl(Equal(5, 2), band, 3.0)


@pytest.mark.parametrize("nats", [1e-12, 1e-16, 1e-320, 0.0])
def test_a_budget_that_is_nothing_beside_the_band_leaves_nothing(nats):
    band = ProfileBand(8, [0], [0.0], [1.0])
    worst = worst_kl(Equal(8, 3), band, {"tc": nats})
    assert 0 <= worst <= Equal(8, 3).coefficient("tc") * nats + 1e-13
