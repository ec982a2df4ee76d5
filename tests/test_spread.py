"""The loss of one run: mean, variance, law and quantiles, against fractions and enumeration."""

from dataclasses import FrozenInstanceError, dataclass
from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import compositions, residual_by_definition

from dlm_core import EstimatedProfile, InformationProfile
from dlm_core.error import expected_kl
from dlm_core.schedules import (
    Cosine,
    DTCAdaptive,
    Equal,
    FixedSizes,
    Minimax,
    OptimalForProfile,
    Schedule,
    ShiftedEqual,
    Spread,
    Systematic,
    TCAdaptive,
    residuals,
    to_systematic,
)
from dlm_core.testing import profiles

ADAPTIVE = [TCAdaptive, DTCAdaptive]


def of_increments(increments, last=0.0):
    """A profile with the given increments, up to the rounding of one sum each."""
    return InformationProfile(last + np.append(np.cumsum(np.asarray(increments)[::-1])[::-1], 0.0))


def exact_moments(law, profile):
    """Mean and variance of the loss in fractions, from a law in fractions."""
    increments = [Fraction(x) for x in profile.increments.tolist()]
    losses = {
        sizes: sum(
            d * int(w)
            for d, w in zip(increments, residual_by_definition(np.array(sizes)), strict=True)
        )
        for sizes in law
    }
    mean = sum(p * losses[sizes] for sizes, p in law.items())
    return mean, sum(p * (losses[sizes] - mean) ** 2 for sizes, p in law.items())


def adaptive_law(kind, length, steps):
    """The closed law in fractions: the set of remaining counts, or of boundaries."""
    weights = {}
    for sizes in compositions(length, steps):
        ends = np.cumsum(sizes)[:-1].tolist()
        numbers = [length - b for b in ends] if kind is TCAdaptive else ends
        weights[sizes] = Fraction(1, prod(numbers))
    total = sum(weights.values())
    return {sizes: w / total for sizes, w in weights.items()}


# --- the adaptive kinds ---


@pytest.mark.parametrize("kind", ADAPTIVE)
@pytest.mark.parametrize(
    ("length", "steps"),
    [(1, 1), (2, 1), (2, 2), (5, 1), (5, 2), (5, 4), (5, 5), (8, 3), (9, 6), (10, 4)],
)
@pytest.mark.parametrize("decades", [0, 1, 30])
def test_adaptive_moments_are_those_of_the_law_in_fractions(kind, length, steps, decades):
    # Increments over hundreds of decades, rising, falling and mixed
    falls = np.arange(length - 1.0)
    for exponents in (-falls, falls - length, np.cos(3 * falls)):
        profile = of_increments(10.0 ** (decades * exponents) * (1 + 0.3 * np.sin(falls)))
        spread = kind(length, steps).spread(profile)
        mean, variance = exact_moments(adaptive_law(kind, length, steps), profile)
        assert spread.mean == pytest.approx(float(mean), rel=1e-13, abs=0)
        assert spread.variance == pytest.approx(float(variance), rel=1e-12, abs=1e-300)
        assert spread.law is None


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_adaptive_moments_at_scale_are_those_of_draws(kind):
    profile = InformationProfile(1 + 3 / np.sqrt(1 + np.arange(400.0)))
    schedule, n = kind(400, 60), 4000
    losses = residuals(schedule.sample(n, np.random.default_rng(5))) @ profile.increments
    spread = schedule.spread(profile)
    assert spread.mean == pytest.approx(expected_kl(schedule, profile), rel=1e-12)
    assert abs(losses.mean() - spread.mean) < 5 * spread.standard_deviation / np.sqrt(n)
    fourth = np.mean((losses - spread.mean) ** 4)
    error = np.sqrt((fourth - spread.variance**2) / n)
    assert abs(np.mean((losses - spread.mean) ** 2) - spread.variance) < 5 * error


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_one_step_and_all_steps_have_no_spread_at_all(kind):
    profile = InformationProfile(1 + 3 / np.sqrt(1 + np.arange(50.0)))
    one, every = kind(50, 1).spread(profile), kind(50, 50).spread(profile)
    assert one.mean == pytest.approx(profile.total_correlation)
    assert every.mean == 0
    assert one.variance == every.variance == 0


# --- one phase ---


@st.composite
def one_phase(draw):
    """A schedule of one phase, often with start probabilities of 0 and 1 and with ties."""
    length = draw(st.integers(1, 14))
    kind = draw(st.sampled_from(["shifted", "restarts", "minimax", "given", "ties"]))
    if kind == "given" or kind == "ties":
        unit = 2**-53 if kind == "given" else 1 / 4
        most = round(1 / unit)
        parts = draw(st.lists(st.integers(0, most), min_size=length - 1, max_size=length - 1))
        missing = -sum(parts) % most  # the sum becomes a whole number
        while missing:
            i = min(range(len(parts)), key=parts.__getitem__)
            more = min(missing, most - parts[i])
            parts[i], missing = parts[i] + more, missing - more
        return Systematic([1.0, *(unit * p for p in parts)])
    steps = draw(st.integers(1, length))
    if kind == "minimax":
        return Minimax(length, steps, draw(st.sampled_from(["tc", "dtc", "sum", "min"])))
    if kind == "restarts" and 2 <= steps < length:
        t = draw(st.integers(1, length - 1))
        k = draw(st.integers(max(1, steps - t), min(length - t, steps - 1)))
        return ShiftedEqual(length, steps, [(t, k)])
    return ShiftedEqual(length, steps)


@settings(max_examples=150, deadline=None)
@given(one_phase(), st.data())
def test_the_sweep_of_the_phase_is_the_law(schedule, data):
    profile = data.draw(profiles(schedule.length))
    spread = schedule.spread(profile)
    law = {sizes: Fraction(p) for sizes, p in schedule.law().items()}
    mean, variance = exact_moments(law, profile)
    tiny = 1e-13 * (1 + profile.total_correlation)
    assert spread.mean == pytest.approx(float(mean), rel=1e-12, abs=tiny)
    assert spread.variance == pytest.approx(float(variance), rel=1e-9, abs=tiny**2)
    values, chances = spread.law
    assert (np.diff(values) > 0).all()
    assert chances.min() > 0
    assert chances.sum() == 1
    listed = sorted(
        (float(residual_by_definition(np.array(sizes)) @ profile.increments), float(p))
        for sizes, p in law.items()
    )
    # the law as a function: how likely a loss is up to each value
    for loss, _ in listed:
        below = sum(p for other, p in listed if other <= loss + tiny)
        assert chances[values <= loss + tiny].sum() == pytest.approx(below, abs=1e-12)


def test_the_sweep_keeps_small_increments_beside_large_ones():
    # Blocks of one at both ends, where increments of 1 cost nothing, and between them increments
    # of 1e-30. (A profile, which holds entropies, cannot say so.)
    inner = ShiftedEqual(20, 6)
    outer = Systematic(np.concatenate([[1, 1, 1], inner.start_probabilities[1:], [1, 1]]))
    increments = np.linspace(3e-30, 1e-30, 19)
    alone, among = (
        inner._spread(increments),
        outer._spread(np.concatenate([[1, 1], increments, [1, 1]])),
    )
    assert alone.mean == pytest.approx(inner.residual @ increments, rel=1e-13)
    assert among.mean == pytest.approx(alone.mean, rel=1e-13)
    assert among.variance == pytest.approx(alone.variance, rel=1e-12)


def test_fixed_sizes_are_one_value():
    profile = InformationProfile(2.0 ** -np.arange(12))
    for schedule in (
        Equal(12, 5),
        Cosine(12, 5),
        FixedSizes([3, 9]),
        OptimalForProfile(profile, 4),
    ):
        spread = schedule.spread(profile)
        values, chances = spread.law
        assert chances.tolist() == [1.0]
        assert values.tolist() == [spread.mean] == [spread.quantile(0.3)]
        assert spread.mean == expected_kl(schedule, profile) > 0
        assert spread.variance == spread.standard_deviation == 0


# --- values computed elsewhere ---


def test_reference_values():
    profile = InformationProfile(2.0 ** (-np.arange(64) / 8))
    expected = {
        TCAdaptive(64, 8): (15.205368209133, 63.435846409804),
        Minimax(64, 8, "tc"): (10.714570548865, 4.955061259677),
        ShiftedEqual(64, 8): (3.97882688595, 0.076331529743),
    }
    for schedule, (mean, variance) in expected.items():
        spread = schedule.spread(profile)
        assert spread.mean == pytest.approx(mean, rel=0, abs=1e-11)
        assert spread.variance == pytest.approx(variance, rel=0, abs=2e-12 * max(1, variance))


def test_reference_values_at_full_scale():
    profile = InformationProfile(1 + 3 / np.sqrt(1 + np.arange(2000)))
    expected = {
        TCAdaptive(2000, 1000): (7.195, 4.722, None),
        Minimax(2000, 1000, "tc"): (4.058, 0.836, 5.56),
        ShiftedEqual(2000, 1000): (1.469, 0.317, 1.79),
    }
    for schedule, (mean, deviation, quantile) in expected.items():
        spread = schedule.spread(profile)
        assert spread.mean == pytest.approx(mean, abs=5e-4)
        assert spread.standard_deviation == pytest.approx(deviation, abs=5e-4)
        if quantile is not None:
            assert spread.quantile(0.99) == pytest.approx(quantile, abs=5e-3)


# --- the largest loss of one run ---


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.data())
def test_no_run_exceeds_twice_the_mean_and_the_range(length, data):
    steps = data.draw(st.integers(1, length))
    profile = data.draw(profiles(length))
    h = profile.conditional_entropy
    for schedule in (Minimax(length, steps, "tc"), ShiftedEqual(length, steps)):
        assert (np.diff(schedule.start_probabilities[1:]) >= -1e-12).all()
        spread = schedule.spread(profile)
        assert spread.quantile(1) <= 2 * spread.mean + (h[0] - h[-1]) + 1e-9 * (1 + h[0])


def test_twice_the_mean_and_the_range_is_nearly_reached_and_needs_rising_chances():
    # nearly every token alone: a run that passes one position loses its whole increment
    spread = ShiftedEqual(1001, 1000).spread(of_increments(np.eye(1000)[0]))
    assert spread.quantile(1) == 1
    assert 2 * spread.mean + 1 < 1.0021
    # chances that fall: only the blocks at the end are long
    falling = Systematic([1.0, 1.0, 1.0, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    increments = np.zeros(8)
    increments[2] = 1.0
    spread = falling.spread(of_increments(increments))
    assert spread.quantile(1) > 2 * spread.mean + 1


# --- the twin ---


@pytest.mark.parametrize("kind", ADAPTIVE)
@pytest.mark.parametrize(("length", "steps"), [(5, 3), (8, 3), (9, 5)])
def test_each_residual_of_the_twin_is_stochastically_least(kind, length, steps):
    schedule = kind(length, steps)
    twin = to_systematic(schedule)
    u = twin.start_probabilities
    for j in range(1, length):
        code = of_increments(np.eye(length - 1)[j - 1])  # what one run loses on it is W_j
        values, chances = twin.spread(code).law
        law = adaptive_law(kind, length, steps)
        for i in range(1, length - j + 1):
            beyond = chances[values > i - 0.5].sum()
            assert beyond == pytest.approx(max(0.0, 1 - u[j : j + i].sum()), abs=1e-12)
            given = sum(
                float(p)
                for sizes, p in law.items()
                if residual_by_definition(np.array(sizes))[j - 1] >= i
            )
            assert given >= beyond - 1e-12


def test_the_twin_may_vary_more():
    profile = of_increments([0.12, 0.28, 0.04, 0.56])
    schedule = DTCAdaptive(5, 3)
    given, twin = schedule.spread(profile), to_systematic(schedule).spread(profile)
    assert twin.mean < given.mean
    assert twin.variance > 2 * given.variance


# --- other kinds, and what is refused ---


@dataclass(frozen=True, eq=False, repr=False)
class CoinOfTwo(Schedule):
    """One of two compositions, equally likely; without a short way to its spread."""

    length: int
    steps: int = 2

    def sample(self, n, rng):
        heads = np.random.default_rng(rng).integers(0, 2, n)[:, np.newaxis]
        return np.where(heads, [1, self.length - 1], [self.length - 1, 1])

    def law(self):
        if self.length > 100:
            raise ValueError("too long")
        return {(1, self.length - 1): 0.5, (self.length - 1, 1): 0.5}

    start_probabilities = residual = mean_sizes = property(lambda self: np.zeros(1))


def test_a_kind_of_ones_own_is_read_from_its_law():
    profile = InformationProfile(2.0 ** -np.arange(6))
    spread = CoinOfTwo(6).spread(profile)
    losses = [residual_by_definition(np.array(s)) @ profile.increments for s in ([1, 5], [5, 1])]
    values, chances = spread.law
    assert values.tolist() == pytest.approx(sorted(losses))
    assert chances.tolist() == [0.5, 0.5]
    assert spread.variance == pytest.approx((losses[0] - losses[1]) ** 2 / 4)


def test_a_kind_without_any_way_says_so():
    profile = InformationProfile(np.linspace(1, 0, 101))
    with pytest.raises(ValueError, match="CoinOfTwo, that has no short way .* too long"):
        CoinOfTwo(101).spread(profile)


def test_quantiles():
    spread = Systematic([1, 0.25, 0.25, 0.5]).spread(of_increments([3.0, 2.0, 1.0]))
    values, chances = spread.law
    assert values.size >= 2
    total = 0.0
    for value, chance in zip(values.tolist(), chances.tolist(), strict=True):
        assert spread.quantile(total + chance / 2) == spread.quantile(total + chance) == value
        total += chance
    assert spread.quantile(0) == values[0]
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="p must be"):
            spread.quantile(p)
    with pytest.raises(ValueError, match="only the mean and the variance are known: take the"):
        TCAdaptive(6, 2).spread(of_increments(np.ones(5))).quantile(0.5)


def test_profiles_that_are_no_exact_profile_of_this_length_are_refused():
    estimated = EstimatedProfile([1.0, 0.5, 0.4], [0.1] * 3, 100)
    with pytest.raises(TypeError, match="EstimatedProfile"):
        Equal(3, 2).spread(estimated)
    with pytest.raises(ValueError, match="profile must be exact, got one fitted"):
        Equal(3, 2).spread(estimated.fit)
    with pytest.raises(ValueError, match="profile must have the length of the schedule, 4, got 3"):
        Equal(4, 2).spread(InformationProfile([1.0, 0.5, 0.4]))


def test_a_spread_is_printed_and_cannot_be_changed():
    spread = ShiftedEqual(5, 3).spread(InformationProfile([1.0, 0.5, 0.3, 0.2, 0.2]))
    assert str(spread) == "0.4 nats a run, standard deviation 0.2"
    with pytest.raises(FrozenInstanceError):
        spread.mean = 0.0
    with pytest.raises(ValueError, match="read-only"):
        spread.law[0][0] = 0.0
    assert Spread(1.0, 4.0).standard_deviation == 2


def test_quantiles_at_the_steps_of_the_law():
    loss = ShiftedEqual(11, 2).spread(InformationProfile(np.arange(11, 0, -1.0) ** 2))
    values, chances = loss.law
    assert np.allclose(chances, 0.1)
    for i, value in enumerate(values, 1):
        assert loss.quantile(i / 10) == value
        assert loss.quantile((i - 0.5) / 10) == value
