"""Guarantees with constants filled in, and the number of steps that meets an error."""

import copy
import json
import pickle

import numpy as np
import pytest

from dlm_core import Estimate, EstimatedProfile, InformationProfile, ProfileBand
from dlm_core.error import (
    Steps,
    certificate,
    compare,
    error_curve,
    expected_kl,
    guarantee,
    steps_for,
    worst_kl,
)
from dlm_core.information import estimate_total_correlation
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    FixedSizes,
    Geometric,
    Minimax,
    OptimalForProfile,
    Robust,
    Schedule,
    ShiftedEqual,
    TCAdaptive,
    to_systematic,
)

PROFILE = InformationProfile(1 / np.arange(1.0, 31.0))


def test_bounds_hold_and_say_what_they_rest_on():
    rng = np.random.default_rng(0)
    for _ in range(20):
        profile = InformationProfile(np.sort(rng.exponential(size=25) ** 4)[::-1])
        tc, dtc = profile.total_correlation, profile.dual_total_correlation
        values = {"tc": tc, "dtc": dtc, "sum": tc + dtc, "min": min(tc, dtc)}
        values["product"] = tc * dtc / (tc + dtc)
        for schedule in [
            TCAdaptive(25, 6),
            DTCAdaptive(25, 6),
            Minimax(25, 6, "min"),
            Equal(25, 6),
        ]:
            made = certificate(schedule, profile=profile)
            assert made.exact == made.value == expected_kl(schedule, profile)
            assert made.basis == "exact profile"
            assert [bound.measure for bound in made.bounds] == list(values)
            for bound in made.bounds:
                assert bound.constant == schedule.coefficient(bound.measure)
                assert bound.value == pytest.approx(bound.constant * values[bound.measure])
                assert made.exact <= bound.value * (1 + 1e-12)


def test_only_what_is_known_is_filled_in():
    schedule = Minimax(30, 7, "tc")
    nothing = certificate(schedule)
    assert nothing.value is None
    assert nothing.basis is None
    assert all(bound.value is None for bound in nothing.bounds)
    tc = certificate(schedule, total_correlation=2.0)
    assert [bound.value is None for bound in tc.bounds] == [False] + 4 * [True]
    assert tc.value == pytest.approx(2 * schedule.constant)
    dtc = certificate(schedule, dual_total_correlation=2.0)
    assert [bound.value is None for bound in dtc.bounds] == [True, False] + 3 * [True]
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
    with pytest.raises(TypeError, match=r"profile must .* got 2\.0.* total_correlation=2\.0"):
        certificate(schedule, 2.0)
    with pytest.raises(TypeError, match="total_correlation must be a number of nats or an Estim"):
        certificate(schedule, total_correlation=PROFILE)
    with pytest.raises(ValueError, match=r"total_correlation must be at most 1e\+100, got 1e\+200"):
        certificate(schedule, total_correlation=1e200)
    with pytest.raises(ValueError, match="standard_errors must be nonnegative"):
        certificate(schedule, total_correlation=1.0, standard_errors=-1.0)
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
    with pytest.raises(ValueError, match="give the class Equal"):
        steps_for(0.1, 30, Equal(30, 3), profile=profile)
    with pytest.raises(ValueError, match=r"schedule must be a subclass of Schedule, got dict"):
        steps_for(0.1, 30, dict, profile=profile)
    for name in ("residuals", "measure_weights", "Schedule", "Linear"):
        with pytest.raises(ValueError, match="must be the name of a kind, one of .*TCAdaptive"):
            steps_for(0.1, 30, name, profile=profile)


def test_a_kind_goes_by_its_class_its_name_or_its_label():
    profile = InformationProfile.repetition(30, 1.0)
    for kind in ("TCAdaptive", "TC-adaptive", "tcadaptive"):
        assert steps_for(0.5, 30, kind, profile=profile) == steps_for(
            0.5, 30, TCAdaptive, profile=profile
        )


MEASURED = EstimatedProfile.from_draws(
    PROFILE.conditional_entropy + np.random.default_rng(3).normal(0, 0.05, (400, 30))
)
FLAT = EstimatedProfile.from_draws(np.full((64, 30), np.log(2)))
ON = "on the predictor that was measured"


@pytest.mark.parametrize("estimated", [MEASURED, FLAT], ids=["measured", "untrained"])
def test_an_estimated_profile_certifies_nothing(estimated):
    schedule = Minimax(30, 7, "tc")
    way = r"EstimatedProfile.*estimate\.price\(schedule\).*estimate\.fit"
    for refused in (
        lambda: certificate(schedule, estimated),
        lambda: expected_kl(schedule, estimated),
        lambda: InformationProfile.concatenate([estimated]),
        lambda: InformationProfile(estimated),
    ):
        with pytest.raises(TypeError, match=way):
            refused()


def test_a_fitted_profile_is_nowhere_exact_and_promises_nothing():
    schedule = Minimax(30, 7, "tc")
    for fitted in (MEASURED.fit, InformationProfile.concatenate([MEASURED.fit, PROFILE])):
        schedule = Minimax(fitted.length, 7, "tc")
        made = certificate(schedule, fitted)
        assert made.exact is None
        assert made.value == pytest.approx(float(fitted.increments @ schedule.residual))
        assert made.basis == "profile fitted to an estimate, its predictor taken for ideal"
        assert {bound.basis for bound in made.bounds} == {made.basis}
        steps = steps_for(0.5, fitted.length, profile=fitted)
        assert steps.basis == made.basis
        for text in (str(made), str(steps), repr(steps), str(compare([schedule], fitted))):
            assert "exact" not in text
            assert "guarantee" not in text
            assert "fitted" in text


def test_an_estimated_correlation_counts_with_its_standard_errors():
    schedule = Minimax(30, 7, "tc")
    found = Estimate(1.5, 0.25, 1000)
    made = certificate(schedule, total_correlation=found)
    assert made.value == certificate(schedule, total_correlation=2.0).value
    assert made.exact is None
    assert made.basis == made.bounds[0].basis == "estimate plus 2 standard errors"
    assert "estimated 0." in str(made.bounds[0])
    assert "(estimate plus 2 standard errors)" in str(made)
    assert "guarantee" not in str(made)
    assert "exact" not in str(made)
    once = certificate(schedule, total_correlation=found, standard_errors=1)
    assert once.value == certificate(schedule, total_correlation=1.75).value
    assert once.basis == "estimate plus 1 standard error"
    steps = steps_for(0.2, 30, total_correlation=found, standard_errors=3)
    assert steps == steps_for(0.2, 30, total_correlation=2.25)
    assert steps.basis == "estimate plus 3 standard errors"
    # beside a correlation that is known, each bound says what it rests on
    both = certificate(schedule, total_correlation=found, dual_total_correlation=9.0)
    bases = [bound.basis for bound in both.bounds]
    assert bases == [made.basis, "guarantee", made.basis, made.basis, made.basis]
    for bound in both.bounds:
        values = {"tc": 2.0, "dtc": 9.0, "sum": 11.0, "min": 2.0, "product": 18 / 11}
        assert bound.value == pytest.approx(bound.constant * values[bound.measure])


def test_an_estimate_below_zero_is_taken():
    """Independent bits, of which an estimate may be negative."""
    estimates = (
        estimate_total_correlation(np.random.default_rng(seed).integers(0, 2, (1000, 4)))
        for seed in range(50)
    )
    found = next(estimate for estimate in estimates if estimate.value < 0)
    taken = certificate(TCAdaptive(4, 2), total_correlation=found)
    assert taken.value == taken.bounds[0].constant * max(found.upper(2), 0.0)
    far_below = certificate(TCAdaptive(4, 2), total_correlation=Estimate(-1.0, 0.1, 50))
    assert far_below.value == 0.0
    assert "estimate" in far_below.basis
    assert steps_for(0.1, 4, total_correlation=found) >= 1
    with pytest.raises(ValueError, match=r"nonnegative, got -0\.\d+: .* the Estimate itself"):
        certificate(TCAdaptive(4, 2), total_correlation=found.value)


def test_steps_for_an_estimated_profile_add_standard_errors():
    for kind in (Equal, Minimax, TCAdaptive):
        for standard_errors in (0.0, 2.0, 5.0):
            found = steps_for(0.4, 30, kind, profile=MEASURED, standard_errors=standard_errors)

            def price(k, kind=kind, standard_errors=standard_errors):
                schedule = kind(30, k, "dtc") if kind is Minimax else kind(30, k)
                return MEASURED.price(schedule).upper(standard_errors)

            assert found == next(k for k in range(1, 31) if price(k) <= 0.4)
            assert found.error == price(found)
            assert found.basis == f"estimate plus {standard_errors:g} standard errors, {ON}"
    assert "exact" not in str(found) + repr(found)
    at_once = steps_for(1e-3, 30, profile=FLAT)
    assert at_once == 1
    assert ON in str(at_once)


def test_a_price_may_rise_with_the_steps():
    """As it does on a curve that rises: the least number is found all the same."""
    rising = EstimatedProfile([6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0], np.zeros(8), n=5)
    prices = [rising.price(Minimax(8, k, "dtc")).value for k in (2, 3, 4)]
    assert prices[0] > 0.5 > prices[1]
    assert prices[2] > 0.5
    assert steps_for(0.5, 8, profile=rising) == 3


def test_sizes_are_not_chosen_and_priced_on_one_estimate():
    with pytest.raises(TypeError, match=r"chosen_on\.fit, steps\), profile=fresh"):
        steps_for(0.1, 30, "OptimalForProfile", profile=MEASURED)
    found = steps_for(
        0.4, 30, lambda length, steps: OptimalForProfile(PROFILE, steps), profile=MEASURED
    )
    assert 1 < found < steps_for(0.4, 30, Equal, profile=MEASURED)


def test_sizes_for_another_profile_are_tried_one_by_one():
    """On their own profile a further step never hurts; on this one the fourth does."""
    own = InformationProfile([8.0, 7.0, 7.0, 6.0, 5.0, 4.0, 3.0, 1.0])
    code = InformationProfile.mds_code(8, 5, 2)
    errors = [expected_kl(OptimalForProfile(own, steps), code) for steps in (2, 3, 4, 5)]
    assert [error > 0 for error in errors] == [True, False, True, False]
    assert steps_for(0.0, 8, lambda _, steps: OptimalForProfile(own, steps), profile=code) == 3


@pytest.mark.parametrize(
    ("kind", "measure", "known", "bisected"),
    [
        (BestDeterministic, "tc", {"total_correlation": 4.0}, True),
        (BestDeterministic, "dtc", {"dual_total_correlation": 4.0}, True),
        (BestDeterministic, "dtc", {"total_correlation": 4.0}, False),
        (
            BestDeterministic,
            "tc",
            {"total_correlation": 4.0, "dual_total_correlation": 9.0},
            False,
        ),
        (BestDeterministic, "tc", {"profile": PROFILE}, False),
        (Minimax, "tc", {"profile": PROFILE}, True),
        (Minimax, "min", {"total_correlation": 4.0}, True),
    ],
)
def test_steps_are_bisected_where_a_further_one_never_hurts(kind, measure, known, bisected):
    """The constants of fixed sizes for a measure that is not their own rise and fall."""
    asked = []

    def made(length, steps):
        asked.append(steps)
        return kind(length, steps, measure)

    found = steps_for(0.2, 30, made, **known)
    assert found == least_steps(0.2, lambda steps: kind(30, steps, measure), **known)
    assert (len(asked) < 10) == bisected


SHORT = InformationProfile(1 / np.arange(1.0, 13.0))
TC, DTC = SHORT.total_correlation, SHORT.dual_total_correlation
KNOWN = {
    "estimated": {"profile": EstimatedProfile(MEASURED.estimates[:12], [0.01] * 12, n=9)},
    "tc": {"total_correlation": TC},
    "dtc": {"dual_total_correlation": DTC},
    "both": {"total_correlation": Estimate(1.0, 0.1, 9), "dual_total_correlation": 1.3},
    "independent": {"total_correlation": 0.0, "dual_total_correlation": 0.0},
}
KINDS = [TCAdaptive, DTCAdaptive, Minimax, BestDeterministic, Equal]


@pytest.mark.parametrize(
    ("kind", "known"),
    [(kind, known) for kind in KINDS for known in KNOWN.values()]
    + [(kind, {"profile": SHORT}) for kind in (*KINDS, OptimalForProfile)],
)
def test_the_curve_is_what_each_number_of_steps_promises(kind, known):
    curve = error_curve(12, kind, **known)
    made_for = "tc" if "total_correlation" in known else "dtc"  # whichever is less
    for steps, value in enumerate(curve.values, 1):
        schedule = kind.for_shape(12, steps, measure=made_for, profile=SHORT)
        if isinstance(known.get("profile"), EstimatedProfile):
            expected, basis = known["profile"].price(schedule).upper(2), curve.basis
        else:
            made = certificate(schedule, **known)
            expected, basis = made.value, made.basis
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-14)
        assert basis in curve.basis
    for target in [0.0, 9.0, *curve.values[::3], *curve.values[::3] * 0.99]:
        if target >= 0:  # a price may be below
            steps = steps_for(target, 12, kind, **known)
            assert steps == curve.steps_for(target) == 1 + np.argmax(curve.values <= target)
            assert steps.error == curve.values[steps - 1]
            assert steps.basis in curve.basis


def test_a_curve_is_printed_by_doublings_and_cannot_be_changed():
    curve = error_curve(400, "Minimax", total_correlation=10.0)
    header, *rows = str(curve).splitlines()
    assert header == "Minimax, length 400, by steps:"
    assert [int(row.split()[0]) for row in rows] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 400]
    assert rows[0].strip() == "1 (E KL <= 10 nats: guarantee)"
    assert repr(curve) == "ErrorCurve(schedule='Minimax', length=400, basis='guarantee')"
    with pytest.raises(ValueError, match="read-only"):
        error_curve(5, "Minimax", total_correlation=10.0).values[0] = 1.0
    with pytest.raises(ValueError, match="target_error must be nonnegative"):
        curve.steps_for(-1.0)
    with pytest.raises(ValueError, match="FixedSizes"):
        error_curve(30, FixedSizes, total_correlation=1.0)


def test_a_function_has_a_curve_too():
    curve = error_curve(30, lambda length, steps: Minimax(length, steps, "min"), profile=PROFILE)
    errors = [expected_kl(Minimax(30, steps, "min"), PROFILE) for steps in range(1, 31)]
    assert curve.values.tolist() == errors
    assert curve.schedule == "Minimax"


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (TCAdaptive, {"profile": PROFILE}),
        (TCAdaptive, {"total_correlation": 2.0}),
        (DTCAdaptive, {"dual_total_correlation": 2.0}),
        (Minimax, {"total_correlation": 2.0}),
        (OptimalForProfile, {"profile": PROFILE}),
    ],
)
def test_a_class_that_derives_from_a_kind_is_asked_for_its_own_law(kind, known):
    twice = {"residual": property(lambda self: 2 * kind.residual.__get__(self, kind))}
    derived = type(f"Twice{kind.__name__}", (kind,), twice)
    curve, once = error_curve(30, derived, **known), error_curve(30, kind, **known)
    np.testing.assert_allclose(curve.values, 2 * once.values, rtol=1e-12, atol=1e-14)
    target = 1.001 * curve.values[14]
    assert steps_for(target, 30, derived, **known) == 1 + np.argmax(curve.values <= target)


@pytest.mark.parametrize("kind", [TCAdaptive, Minimax, Equal])
def test_a_curve_travels(kind):
    curve = error_curve(12, kind, profile=SHORT)
    again = pickle.loads(pickle.dumps(curve))
    assert again.values.tolist() == curve.values.tolist()
    assert again.steps_for(0.1) == curve.steps_for(0.1) == steps_for(0.1, 12, kind, profile=SHORT)


@pytest.mark.parametrize("kind", ["OptimalForProfile", "Minimax"])
def test_whole_curves_that_take_hours_are_refused(kind):
    profile = InformationProfile.repetition(10**5, 1.0)
    known = {"total_correlation": 1.0} if kind == "Minimax" else {"profile": profile}
    curve = error_curve(10**5, kind, **known)
    with pytest.raises(ValueError, match="every number of steps of length 100000 is a computation"):
        _ = curve.values


def test_steps_are_an_int_that_says_what_it_rests_on():
    steps = steps_for(0.1, 400, total_correlation=10.0)
    assert isinstance(steps, Steps)
    assert type(steps + 1) is int
    assert steps.basis == "guarantee"
    made = certificate(Minimax(400, steps, "tc"), total_correlation=10.0)
    assert steps.error == made.value <= 0.1
    assert f"{steps} steps" == f"{int(steps)} steps"
    assert str(steps) == f"{int(steps)} (E KL <= {steps.error:.6g} nats: guarantee)"
    assert f"{steps:5d}" == f"{int(steps):5d}"
    assert json.dumps([steps]) == f"[{int(steps)}]"
    assert np.array([steps]).dtype == np.int64
    fresh = steps_for(0.1, 400, total_correlation=10.0)
    for copied in (copy.deepcopy(steps), pickle.loads(pickle.dumps(fresh))):
        assert (copied, copied.error, copied.basis) == (steps, steps.error, steps.basis)
    exact = steps_for(0.1, 30, profile=PROFILE)
    assert exact.basis == "exact profile"
    assert "E KL = " in str(exact)
    assert steps_for(0.0, 30, "Equal", profile=PROFILE).error == 0.0


def test_bounds_of_large_correlations_stay_finite_and_small_ones_positive():
    for size in (1e100, 1e-300):
        made = certificate(Equal(30, 3), total_correlation=size, dual_total_correlation=size)
        product = made.bounds[-1]
        assert product.measure == "product"
        assert product.value == pytest.approx(product.constant * size / 2, rel=1e-12, abs=0)


def test_a_comparison_on_an_estimate_has_prices_and_no_error():
    table = compare(["TCAdaptive", Equal(30, 7)], MEASURED, 7, target_error=0.4)
    assert [made.value for made in table.certificates] == [None, None]
    schedules = [TCAdaptive(30, 7), Equal(30, 7)]
    assert [made.schedule for made in table.certificates] == schedules
    assert table.prices == tuple(MEASURED.price(schedule) for schedule in schedules)
    kinds = [TCAdaptive, Equal]
    assert table.steps == tuple(steps_for(0.4, 30, kind, profile=MEASURED) for kind in kinds)
    for row, price in zip(str(table).splitlines()[1:], table.prices, strict=True):
        assert f"{price.value:.5g} ± {price.standard_error:.2g}" in row


def test_a_comparison_on_a_band_has_the_worst_case():
    band = ProfileBand.from_profile(PROFILE, [0, 9, 29])
    kinds = ["Robust", ShiftedEqual, lambda length, steps: Minimax(length, steps, "dtc")]
    table = compare([*kinds, FixedSizes([4, 16, 10])], band, steps=3, target_error=1.0)
    made = [Robust(band, 3), ShiftedEqual(30, 3), Minimax(30, 3, "dtc"), FixedSizes([4, 16, 10])]
    assert [entry.schedule for entry in table.certificates] == made
    for entry in table.certificates:
        assert entry.value == worst_kl(entry.schedule, band)
        assert entry.exact is None
        assert entry.basis == "worst case over the band"
        # no bound from the largest TC and DTC of the band is below it
        assert min(bound.value for bound in entry.bounds) >= entry.value * (1 - 1e-9)
        assert "E KL <= " in str(entry)
    robust, shifted, minimax, fixed = table.steps
    assert fixed is None
    for found, kind in ((robust, Robust), (shifted, ShiftedEqual)):
        for steps, met in ((found, True), (found - 1, False)):
            schedule = kind.for_shape(30, steps, profile=band)
            assert (worst_kl(schedule, band) <= 1.0) is met
    assert minimax >= robust
    assert robust.basis == "worst case over the band"
    assert "<=" in str(robust)
    sure = ProfileBand(30, [0, 29], [1, 0], [1.1, 0.1], confidence=0.9)
    said = "confidence 0.9, if the predictor measured is ideal"
    assert compare([Equal(30, 3)], sure).certificates[0].basis.endswith(said)
    assert str(steps_for(0.5, 30, "ShiftedEqual", profile=sure)).endswith(f"{said})")


def test_a_comparison_is_shown_in_a_box_of_its_own():
    class Odd(Equal):
        label = "<b>odd & bold</b>"

    try:
        table = compare([Odd(30, 7), Equal(30, 7)], PROFILE)
        html = table._repr_html_()
    finally:
        Schedule._kinds.pop("Odd")
    assert html.startswith('<div style="overflow-x: auto"><table>')
    assert "&lt;b&gt;odd &amp; bold&lt;/b&gt;" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 3
    assert html.count("</th>") * 2 == html.count("</td>") > 0
    for made in table.certificates:
        assert f">{made.value:.5g}</td>" in html


def test_kinds_are_compared_for_a_length_and_steps():
    for refused in (
        lambda: compare(["Equal"]),
        lambda: compare(["Equal"], PROFILE),
        lambda: compare(["Equal"], None, 3),
        lambda: compare(["Unknown"], PROFILE, 3),
        lambda: compare(["FixedSizes"], PROFILE, 3),
    ):
        with pytest.raises(ValueError, match="schedules|FixedSizes is given by"):
            refused()
    with pytest.raises(TypeError, match="schedules must hold Schedules or kinds"):
        compare([3], PROFILE, 3)
    with pytest.raises(ValueError, match="target_error needs a profile or a correlation"):
        compare([Equal(30, 3)], target_error=0.1)


def test_a_comparison_is_one_table():
    several = [TCAdaptive(30, 7), Equal(30, 7), Minimax(30, 7, "sum")]
    table = compare(several, total_correlation=2.0, dual_total_correlation=Estimate(3.0, 0.1, 9))
    assert [made.schedule for made in table.certificates] == several
    header, *rows = str(table).splitlines()
    assert [word for word in ("c, tc", "c, sum", "nats", "basis") if word not in header] == []
    assert len(rows) == 3
    for row, made in zip(rows, table.certificates, strict=True):
        assert f"{made.value:.5g}" in row
        assert row.endswith(made.basis)
        for bound in made.bounds:
            assert f"{bound.constant:.5g}" in row
    with pytest.raises(TypeError, match="schedules must be several"):
        compare(Equal(30, 3))
    with pytest.raises(ValueError, match="schedules must hold at least one"):
        compare([])


def test_nothing_is_lost_on_one_token():
    assert guarantee.certificate(Equal(1, 1), total_correlation=0.0).value == 0.0


def test_a_function_does_not_choose_and_price_on_one_estimate():
    rising = EstimatedProfile([1.0, 0.5, 0.6, 0.2], [0.01] * 4, n=900)
    for sizes in (lambda _, k: rising.optimal(k), lambda _, k: OptimalForProfile(rising.fit, k)):
        with pytest.raises(TypeError, match="look too good"):
            steps_for(0.5, 4, sizes, profile=rising)
    with pytest.raises(TypeError, match="look too good"):
        steps_for(
            0.1,
            MEASURED.length,
            lambda length, steps: OptimalForProfile(MEASURED.fit, steps),
            profile=MEASURED,
        )


def test_the_exact_law_takes_no_fit():
    with pytest.raises(ValueError, match=r"estimate.price\(schedule\)"):
        expected_kl(Equal(MEASURED.length, 3), MEASURED.fit)


def test_a_price_is_not_called_an_error():
    steps = steps_for(0.1, MEASURED.length, profile=MEASURED)
    assert "price about" in str(steps)
    assert "E KL" not in str(steps)
    for name in ("error", "basis"):
        with pytest.raises(AttributeError):
            setattr(steps, name, 0)
    assert pickle.loads(pickle.dumps(steps)).basis == copy.copy(steps).basis == steps.basis
