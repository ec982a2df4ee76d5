"""The price of a schedule on any curve: identities of two numbers, and passes to measure it."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import compress, product
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dlm_core import EstimatedProfile, exact
from dlm_core.error import (
    paired_passes_for,
    passes_for,
    price_weights,
    shifted_equal_price,
    shifted_equal_tail,
    tc_adaptive_nll,
)
from dlm_core.schedules import (
    Cosine,
    DTCAdaptive,
    Equal,
    FixedSizes,
    Minimax,
    ShiftedEqual,
    TCAdaptive,
)

REFERENCE = [
    # q, stay, window, power, length, steps, h_0, NELBO, shifted equal, TC-adaptive
    (4, 0.85, 2, 1.0, 16, 4, 1.38629436112, 11.906031370211, 1.851542333077, 3.90642654611),
    (4, 0.85, 2, 1.0, 256, 32, 1.38629436112, 181.706000888432, 3.598294618061, 16.113883891683),
    (2, 0.8, 3, 1.5, 256, 32, 0.69314718056, 154.030854920695, 0.404657983387, 2.178612289861),
]


@st.composite
def shapes_and_curves(draw, most=60):
    length = draw(st.integers(1, most))
    heights = st.floats(0, 5, allow_subnormal=False)
    curve = draw(st.lists(heights, min_size=length, max_size=length))
    return length, draw(st.integers(1, length)), np.array(curve)


# --- the two identities ---


@settings(max_examples=100, deadline=None)
@given(shapes_and_curves())
def test_the_nll_of_tc_adaptive_sizes_needs_two_numbers(case):
    length, steps, curve = case
    price = price_weights(TCAdaptive(length, steps)) @ curve
    found = tc_adaptive_nll(length, steps, nelbo=curve.sum(), first=curve[0])
    assert found == pytest.approx(curve.sum() + price, rel=1e-11, abs=1e-11)


@settings(max_examples=100, deadline=None)
@given(shapes_and_curves())
def test_the_price_of_shifted_equal_sizes_needs_two_numbers(case):
    length, steps, curve = case
    price = price_weights(ShiftedEqual(length, steps)) @ curve
    weights = shifted_equal_tail(length, steps)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    found = shifted_equal_price(length, steps, first=curve[0], tail=weights @ curve)
    assert found == pytest.approx(price, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize(("length", "steps"), [(5, 2), (6, 3), (7, 4), (6, 6), (4, 1)])
def test_the_nll_of_tc_adaptive_sizes_in_fractions(length, steps):
    curve = [Fraction(5 + 7 * t * t % 11, 3) for t in range(length)]  # neither falls nor rises
    nll = sum(
        chance * sum(s * curve[sum(sizes[:k])] for k, s in enumerate(sizes))
        for sizes, chance in exact.tc_law(length, steps).items()
    )
    c = exact.tc_coefficient(steps, length)
    assert nll == (1 - c) * sum(curve) + c * length * curve[0]
    found = tc_adaptive_nll(length, steps, nelbo=float(sum(curve)), first=float(curve[0]))
    assert found == pytest.approx(float(nll), rel=1e-14)


@pytest.mark.parametrize(("length", "steps"), [(2000, 1000), (2000, 7), (101, 34), (9, 9), (9, 1)])
def test_what_a_token_costs_under_shifted_equal_sizes(length, steps):
    v = shifted_equal_price(length, steps, first=1.0, tail=0.0)
    assert v == pytest.approx(ShiftedEqual(length, steps).residual[0], rel=1e-12)
    if steps > 1:
        spacing = Fraction(length - 1, steps - 1)
        f = spacing % 1
        assert v == pytest.approx(float((spacing - 1) / 2 + f * (1 - f) / (2 * spacing)))


def test_what_a_token_costs_at_the_scale_of_the_paper():
    v = shifted_equal_price(2000, 1000, first=1.0, tail=0.0)
    assert v == pytest.approx(0.500750375188, abs=1e-12)


def test_the_tail_is_measured_on_the_last_tokens_alone():
    weights = shifted_equal_tail(256, 32)
    spacing = 255 / 31
    assert np.flatnonzero(weights).tolist() == list(range(256 - int(spacing), 256))
    r = np.arange(1, 9)
    assert weights[256 - r] == pytest.approx((1 - r / spacing) / (1 - r / spacing).sum())
    assert shifted_equal_tail(5, 5).tolist() == [0, 0, 0, 0, 1]
    assert shifted_equal_tail(1, 1).tolist() == [1]
    assert shifted_equal_tail(4, 1) == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    measured = EstimatedProfile(np.linspace(2, 1, 9), np.full(9, 0.1), 50)
    tail = measured.estimate(shifted_equal_tail(9, 3))
    assert tail.standard_error == pytest.approx(0.1 * np.sqrt(1 + 4 + 9) / 6)


@settings(max_examples=60, deadline=None)
@given(shapes_and_curves(), st.data())
def test_restarts_add_up_the_prices_of_their_segments(case, data):
    length, steps, curve = case
    assume(steps >= 2)
    t = data.draw(st.integers(1, length - 1))
    k = data.draw(st.integers(max(1, steps - t), min(length - t, steps - 1)))
    price = price_weights(ShiftedEqual(length, steps, [(t, k)])) @ curve
    parts = [(curve[:t], steps - k), (curve[t:], k)]
    found = sum(
        shifted_equal_price(
            part.size, k, first=part[0], tail=shifted_equal_tail(part.size, k) @ part
        )
        for part, k in parts
    )
    assert found == pytest.approx(price, rel=1e-11, abs=1e-11)


# --- a learned predictor, whose curve is known in full ---


@dataclass(frozen=True)
class Pool:
    """Pools the known tokens of a symmetric chain as if each spoke for itself."""

    symbols: int
    stay: float
    window: int
    power: float

    def kernel(self, distance):
        moved = self.stay - (1 - self.stay) / (self.symbols - 1)
        off = (1 - moved**distance) / self.symbols
        return off + np.eye(self.symbols) * moved**distance

    def surprise(self, known):
        """Mean surprise at a token, with known tokens at these distances, by enumeration."""
        places = sorted([0, *known])
        total = 0.0
        for word in product(range(self.symbols), repeat=len(places)):
            chance = 1 / self.symbols
            for a, b, x, y in zip(places, places[1:], word, word[1:], strict=False):
                chance *= self.kernel(b - a)[x, y]
            logits = np.zeros(self.symbols)
            for place, symbol in zip(places, word, strict=True):
                if place:
                    logits += self.power * np.log(self.kernel(abs(place))[:, symbol])
            symbol = word[places.index(0)]
            total += chance * (np.log(np.exp(logits).sum()) - logits[symbol])
        return total

    def curve(self, length):
        """The mean surprise with t random tokens known, over positions and known neighbours."""

        @cache
        def chances(near, known):
            """That just so many of the tokens near one are known, and which, by t."""
            others = length - 1 - near
            ways = [comb(others, t - known) if t >= known else 0 for t in range(length)]
            return np.array([float(Fraction(w, comb(length - 1, t))) for t, w in enumerate(ways)])

        curve, surprise = np.zeros(length), cache(self.surprise)
        for i in range(length):
            places = range(max(-i, -self.window), min(length - 1 - i, self.window) + 1)
            near = [d for d in places if d]
            for bits in product([False, True], repeat=len(near)):
                known = tuple(compress(near, bits))
                curve += chances(len(near), len(known)) * surprise(known) / length
        return curve


@pytest.mark.parametrize("case", REFERENCE)
def test_prices_of_a_learned_chain(case):
    q, stay, window, power, length, steps, first, nelbo, shifted, adaptive = case
    curve = Pool(q, stay, window, power).curve(length)
    assert curve[0] == pytest.approx(first, abs=1e-11)
    assert curve.sum() == pytest.approx(nelbo, abs=2e-11)
    tail = shifted_equal_tail(length, steps) @ curve
    assert shifted_equal_price(length, steps, first=curve[0], tail=tail) == pytest.approx(
        shifted, abs=1e-11
    )
    nll = tc_adaptive_nll(length, steps, nelbo=curve.sum(), first=curve[0])
    assert nll - curve.sum() == pytest.approx(adaptive, abs=1e-11)
    if power > 1:
        assert np.diff(curve).max() > 0  # overconfident: the curve rises somewhere


# --- passes ---


def reached(schedule, passes, deviations, what="price"):
    """The standard error of the estimate from so many passes."""
    weights = price_weights(schedule) + (what == "nll")
    used = passes > 0
    return np.sqrt(np.sum((weights * deviations)[used] ** 2 / passes[used]))


@settings(max_examples=60, deadline=None)
@given(shapes_and_curves(40), st.sampled_from(["price", "nll"]), st.floats(0.05, 2))
def test_passes_reach_the_precision_at_the_least_cost(case, what, precision):
    length, steps, deviations = case
    for kind in (Equal, Cosine, TCAdaptive, DTCAdaptive, ShiftedEqual):
        schedule = kind(length, steps)
        passes = passes_for(schedule, precision, deviations, what=what)
        assert passes.dtype == np.int64
        assert passes.shape == (length,)
        assert reached(schedule, passes, deviations, what) <= precision / 1.9599 + 1e-12
        weights = np.abs(price_weights(schedule) + (what == "nll"))
        weights[weights < 1e-12 * weights.max(initial=1)] = 0
        assert ((passes >= 2) == (weights > 0)).all()
        # Cauchy and Schwarz: no real numbers of passes do with less in all; two a level and one
        # for rounding are added
        least = (1.959964 / precision * (weights @ deviations)) ** 2
        assert passes.sum() <= least + 2 * length
        if passes.max(initial=0) > 2:
            assert passes.sum() >= least - 1e-6


def test_passes_are_spent_in_proportion_to_weight_and_deviation():
    deviations = np.linspace(0.5, 1.5, 12)
    passes = passes_for(Equal(12, 4), 0.01, deviations)
    ratios = passes / (np.abs(price_weights(Equal(12, 4))) * deviations)
    assert ratios == pytest.approx(np.full(12, ratios.mean()), rel=1e-3)
    nll = passes_for(Equal(12, 4), 0.01, deviations, what="nll")
    assert np.flatnonzero(nll).tolist() == [0, 3, 6, 9]
    more = passes_for(Equal(12, 4), 0.01, deviations, confidence=0.99)
    assert more.sum() / passes.sum() == pytest.approx((2.5758 / 1.95996) ** 2, rel=1e-3)


def test_random_sizes_make_a_price_cheap_to_know():
    deviations = np.full(256, 0.1)
    fresh = passes_for(Equal(256, 32), 0.5, deviations).sum()
    shifted = passes_for(ShiftedEqual(256, 32), 0.5, deviations)
    assert fresh > 1000 * shifted.sum()
    assert np.flatnonzero(shifted).tolist() == [0, *range(248, 256)]


def test_weights_that_are_rounding_ask_for_no_pass():
    schedule = Minimax(256, 32, "sum")  # whose residual is constant but for rounding, then falls
    weights = price_weights(schedule)
    rounding = abs(weights) < 1e-13
    assert abs(weights[rounding]).max() > 0
    passes = passes_for(schedule, 0.5, np.full(256, 0.1))
    assert np.array_equal(passes == 0, rounding)


def total_variation(schedule):
    return np.abs(price_weights(schedule)).sum()


@pytest.mark.parametrize("sizes", [[5], [1, 1, 1], [2, 3, 1, 4], [1, 6, 1]])
def test_how_uncertain_a_price_is_if_every_level_is(sizes):
    fixed = FixedSizes(sizes)
    assert total_variation(fixed) == 2 * (fixed.length - fixed.steps)
    for kind in (TCAdaptive, DTCAdaptive, ShiftedEqual):
        schedule = kind(fixed.length, fixed.steps)
        largest = schedule.residual.max()
        assert total_variation(schedule) == pytest.approx(2 * largest)  # up once, down once
    schedule = Minimax(fixed.length, fixed.steps, "tc")
    assert total_variation(schedule) >= 2 * schedule.residual.max() - 1e-9


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_hold_the_price_as_often_as_they_say(confidence):
    # Skewed surprises with known standard deviations
    rng = np.random.default_rng(3)
    length, steps, repetitions = 64, 8, 4000
    curve = 1 + np.cos(np.arange(length) / 9) / (1 + np.arange(length) / 9)
    deviations = 0.2 + 0.01 * np.arange(length)
    for kind in (Equal, TCAdaptive, ShiftedEqual):
        schedule = kind(length, steps)
        weights = price_weights(schedule)
        passes = passes_for(schedule, 0.4, deviations, confidence=confidence)
        used = passes > 0
        shape = passes[used].astype(float)
        # the mean of n exponentials, centred
        means = rng.gamma(shape, 1 / shape, (repetitions, shape.size)) - 1
        prices = (curve[used] + deviations[used] * means) @ weights[used]
        covered = np.mean(abs(prices - weights @ curve) <= 0.4)
        # where passes are rounded up the interval is wider than it needs to be
        assert covered >= confidence - 4 * np.sqrt(confidence * (1 - confidence) / repetitions)
        if passes.sum() > 10 * used.sum():
            assert covered <= confidence + 0.02


def test_pairs_count_each_level_of_a_block():
    schedule = FixedSizes([1, 4, 2, 1])
    deviations = np.array([9.0, 0.6, 0.3, 9.0])  # blocks of one need none
    passes = paired_passes_for(schedule, 0.05, deviations)
    assert passes.tolist() == [0, *[passes[1]] * 4, *[passes[5]] * 2, 0]
    # least sum of s n with the sum of tau^2 / n given: n is proportional to tau / sqrt(s)
    assert passes[1] / passes[5] == pytest.approx(0.6 / 2 / (0.3 / np.sqrt(2)), rel=0.01)
    error = np.sqrt(0.6**2 / passes[1] + 0.3**2 / passes[5])
    assert error == pytest.approx(0.05 / 1.959964, rel=2e-3)
    assert error <= 0.05 / 1.959964
    least = (1.959964 / 0.05 * (0.6 * 2 + 0.3 * np.sqrt(2))) ** 2
    assert least <= passes.sum() <= least + 6


def test_pairs_of_random_sizes_are_refused():
    with pytest.raises(ValueError, match="schedule must have fixed sizes, got TCAdaptive"):
        paired_passes_for(TCAdaptive(6, 2), 0.1, [0.1, 0.1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"precision": 0.0}, ValueError, "precision must be positive"),
        ({"precision": 1e-12}, ValueError, r"precision must be one that 2\*\*53 passes reach"),
        ({"precision": 1e-300}, ValueError, r"precision must be one that 2\*\*53 passes reach"),
        (
            {"precision": 1e-200, "standard_deviations": [0.0] + [1e200] * 5},
            ValueError,
            "got 1e-200 where inf are needed",
        ),
        ({"confidence": 1.0}, ValueError, "confidence must lie between 0 and 1"),
        ({"confidence": 0}, ValueError, "confidence must lie between 0 and 1"),
        ({"standard_deviations": [0.1] * 5}, ValueError, r"must have shape \(6,\), got \(5,\)"),
        ({"standard_deviations": [-0.1] * 6}, ValueError, "standard_deviations must be nonneg"),
        ({"what": "kl"}, ValueError, "what must be one of 'price', 'nll'"),
        ({"schedule": Equal}, TypeError, "schedule must be of type Schedule"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    given = {"schedule": Equal(6, 2), "precision": 0.1, "standard_deviations": [1.0] * 6}
    with pytest.raises(error, match=message):
        passes_for(**{**given, **arguments})


@pytest.mark.parametrize("value", [-0.1, np.nan, "x"])
def test_numbers_that_are_no_surprises_are_refused(value):
    for name in ("nelbo", "first"):
        with pytest.raises((TypeError, ValueError), match=name):
            tc_adaptive_nll(6, 2, **{"nelbo": 1.0, "first": 1.0, name: value})
    for name in ("first", "tail"):
        with pytest.raises((TypeError, ValueError), match=name):
            shifted_equal_price(6, 2, **{"first": 1.0, "tail": 1.0, name: value})
