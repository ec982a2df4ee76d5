"""Systematic sampling and the minimax schedule, against enumeration, exact fractions and LPs."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import compositions, least_constant, residual_by_definition
from scipy.optimize import linprog
from scipy.stats import chi2

from dlm_core import InformationProfile, exact
from dlm_core.error import (
    error_curve,
    expected_kl,
)
from dlm_core.schedules import (
    DTCAdaptive,
    Equal,
    FixedSizes,
    Geometric,
    Minimax,
    Schedule,
    ShiftedEqual,
    Systematic,
    TCAdaptive,
    measure_weights,
    residuals,
    to_systematic,
)

MEASURES = ["tc", "dtc", "sum", "min", "product"]

# Constants for TC, DTC, min and product, from an independent 400-bit computation.
REFERENCE = {
    (2, 6): "0.562043795620437956204 0.818181818181818181818 "
    "0.927710843373493975904 1.34928229665071770335",
    (3, 10): "0.387673425827107790822 0.499000666222518321119 "
    "0.713958810068649885584 0.953971974268189298359",
    (4, 12): "0.272597610982349794972 0.316561051735552823229 "
    "0.504290542118951581505 0.680978738813305054058",
    (6, 12): "0.129521115376843806830 0.131075110456553755523 "
    "0.235435304385773510801 0.326011789113182072645",
    (20, 100): "0.0694151199313220262771 0.0728984740437088242593 "
    "0.138658022857669189258 0.175195549910690921619",
    (1000, 2000): "0.000707506274301602170975 0.000707533183951542970288 "
    "0.00141421350391433202157 0.00193091720053696410729",
}
# Constants for the sum times the length, from an independent computation, to 12 digits and more.
REFERENCE_ONES = {
    (2, 6): 1.566666666667,
    (4, 12): 1.257908479945,
    (20, 100): 2.085078206465,
    (1000, 2000): 2000 * 0.0002503749375104147,
    (500, 2000): 2000 * 0.0007514310609003409,
    (7, 2000): 2000 * 0.07867779447527432,
}
# Start probabilities at K = 3, L = 10, exact, from the same computation.
STARTS_3_10 = {
    "tc": "1 743/7496 765/7496 459/3748 507/3748 2295/14992 765/3748 3979/14992 2295/7496 "
    "2295/3748",
    "dtc": "1 1611/3002 642/1501 352/1501 375/1501 450/1501 755/3002 0 0 0",
    "min": "1 1749/3496 499/1748 963/3496 749/2622 25/437 125/1748 125/1311 125/874 125/437",
    "product": "1 3949/9115 30432/100265 2139/9115 683/3646 3628/20053 7157/40106 3496/20053 "
    "3331/20053 2836/20053",
}
# E W_j at j = 1995 and mean sizes of some iterations, at the same precision as printed there.
RESIDUAL_500_2000 = {
    "tc": 1.23015227200329025635e-02,
    "dtc": 4.91522840584286567527,
    "min": 2.45961674500487437659e-02,
    "product": 3.14503910755902883582e-02,
}
MEAN_SIZES_1000_2000 = {  # iterations 1, 100 and 600, to 13 digits
    "tc": [2.414305042329, 3.27525029177, 1.381736945267],
    "dtc": [1.000707533184, 1.072875917947, 2.195498518184],
    "min": [1.001414213504, 1.152735058423, 2.852468637395],
    "product": [1.001929951742, 1.202436393846, 2.767614629605],
}


def union_bound(u):
    """V_j(u), j = 1, ..., L-1, from its definition."""
    length = len(u)
    return [
        sum(max(1 - sum(u[j : j + i + 1]), 0) for i in range(length - j)) for j in range(1, length)
    ]


def law_by_phase(u):
    """The exact law of systematic sampling: sizes for each interval of the phase, in fractions."""
    sums = [sum(u[: t + 1]) for t in range(len(u))]
    cuts = sorted({Fraction(0), Fraction(1), *(s % 1 for s in sums)})
    law = {}
    for low, high in pairwise(cuts):
        phase = (low + high) / 2
        starts, point = [], phase
        for t, reached in enumerate(sums):
            if reached > point:
                starts.append(t)
                point += 1
        sizes = tuple(b - a for a, b in pairwise((*starts, len(u))))
        law[sizes] = law.get(sizes, 0) + high - low
    return law


def random_starts(rng, length, steps, denominator=60):
    """Random start probabilities with small denominators, ones and zeros among them."""
    units = np.zeros(length, dtype=int)
    units[0] = denominator
    missing = (steps - 1) * denominator
    while missing:
        t = rng.integers(1, length)
        more = min(int(rng.integers(1, denominator + 1)), denominator - units[t], missing)
        units[t] += more
        missing -= more
    return [Fraction(int(x), denominator) for x in units]


# Systematic sampling


@pytest.mark.parametrize("seed", range(60))
def test_systematic_sampling_attains_the_union_bound_exactly(seed):
    rng = np.random.default_rng(seed)
    length = int(rng.integers(1, 13))
    steps = int(rng.integers(1, length + 1))
    u = random_starts(rng, length, steps)
    law = law_by_phase(u)
    assert all(len(sizes) == steps for sizes in law)
    assert exact.residual(law) == union_bound(u)
    schedule = Systematic([float(x) for x in u])
    assert schedule.steps == steps
    np.testing.assert_allclose(schedule.residual, np.array(union_bound(u), float), atol=1e-13)
    mean = [sum(chance * sizes[k] for sizes, chance in law.items()) for k in range(steps)]
    np.testing.assert_allclose(schedule.mean_sizes, np.array(mean, float), rtol=1e-13)


@pytest.mark.parametrize("length", [5, 7])
def test_no_law_has_less_than_the_union_bound(length):
    rng = np.random.default_rng(length)
    for steps in range(1, length + 1):
        laws = [exact.tc_law(length, steps), exact.dtc_law(length, steps)]
        for _ in range(20):
            weights = {s: int(rng.integers(0, 9)) ** 2 for s in compositions(length, steps)}
            total = sum(weights.values())
            if total:
                laws.append({s: Fraction(w, total) for s, w in weights.items()})
        for law in laws:
            u = [Fraction(0)] * length
            for sizes, chance in law.items():
                for start in np.cumsum((0, *sizes[:-1])):
                    u[start] += chance
            assert all(w >= v for w, v in zip(exact.residual(law), union_bound(u), strict=True))
            assert exact.residual(law_by_phase(u)) == union_bound(u)


def assert_contract(schedule, sizes):
    assert sizes.dtype == np.int64
    assert sizes.shape[1] == schedule.steps
    assert sizes.min() >= 1
    assert (sizes.sum(axis=1) == schedule.length).all()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(0, 1), max_size=40),
    st.sampled_from([0.0, 1e-16, 1e-12]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_every_draw_has_exactly_k_blocks(values, noise, stratified, seed):
    # the last entry makes the sum an integer, up to noise on every entry
    total = sum(values)
    u = np.array([1.0, *values, np.ceil(total) - total])
    rng = np.random.default_rng(seed)
    u = np.where(u > 0.5, u - noise * rng.random(u.size), u + noise * rng.random(u.size))
    schedule = Systematic(u, stratified=stratified)
    sizes = schedule.sample(50, rng)
    assert_contract(schedule, sizes)
    assert schedule.mean_sizes.sum() == pytest.approx(u.size, rel=1e-12)
    assert schedule.mean_sizes.min() >= 1 - 1e-9
    assert (schedule.residual >= 0).all()


@pytest.mark.parametrize(
    "u",
    [
        np.ones(1),
        np.ones(500),
        np.full(500, 1 - 1.2e-16),
        np.concatenate([[1.0], np.full(499, 1 - 1e-12)]),
        np.concatenate([[1.0], np.full(499, 1e-18)]),
        np.concatenate([np.ones(40), np.full(10, 0.1), np.ones(50), np.zeros(30)]),
        np.concatenate([[1.0], np.full(999_999, 1 / 999_999)]),
        np.concatenate([[1.0], np.tile([0.1, 0.2, 0.7], 700)]),
        np.concatenate([[1.0], np.full(3000, np.nextafter(0.5, 1))]),
    ],
)
def test_rounding_neither_loses_nor_adds_a_block(u):
    schedule = Systematic(u)
    # phases next to every crossing, where rounding matters
    until = np.unique(schedule._blocks[1])
    phases = np.concatenate([[0.0], until, np.nextafter(until, 0)])
    object.__setattr__(schedule, "_phases", lambda n, rng: phases[phases < 1][:n])
    assert_contract(schedule, schedule.sample(60, np.random.default_rng(0)))


def test_a_few_rows_are_drawn_as_many_are():
    schedule = Systematic(Minimax(12, 5, "tc").start_probabilities)
    until = np.unique(schedule._blocks[1])
    phases = np.concatenate([[0.0], until[:-1], np.nextafter(until, 0)])
    object.__setattr__(schedule, "_phases", lambda n, rng: phases[:n])
    together = schedule.sample(phases.size, 0)
    for row in range(phases.size):
        alone = schedule._draw_rows(np.array([row]), phases.size, [0, 12])
        assert (alone == together[row]).all()


@pytest.mark.parametrize("stratified", [False, True])
def test_draws_follow_the_law(stratified):
    # Chi-square at a false-alarm rate of 1e-6 per case; stratified batches vary less than
    # independent draws, so that for them the test is weaker and the rate lower.
    u = random_starts(np.random.default_rng(5), 12, 5)
    law = law_by_phase(u)
    assert len(law) >= 6
    n = 100_000
    schedule = Systematic([float(x) for x in u], stratified=stratified)
    drawn, counts = np.unique(
        schedule.sample(n, np.random.default_rng(6)), axis=0, return_counts=True
    )
    observed = dict(zip(map(tuple, drawn.tolist()), counts.tolist(), strict=True))
    assert set(observed) <= set(law)
    expected = {sizes: float(chance) * n for sizes, chance in law.items()}
    statistic = sum((observed.get(s, 0) - e) ** 2 / e for s, e in expected.items())
    assert statistic < chi2.isf(1e-6, len(law) - 1)
    if stratified:
        # one phase in each n-th of [0, 1): a count differs from its mean by less than 2
        assert max(abs(observed[s] - e) for s, e in expected.items()) < 2


def test_stratified_rows_keep_the_law_each():
    # The first row of many batches of four, which without shuffling would never see U >= 1/4;
    # false-alarm rate 1e-6.
    schedule = Systematic([1, 0.5, 0.5], stratified=True)
    rng = np.random.default_rng(2)
    first = np.array([schedule.sample(4, rng)[0, 0] for _ in range(2000)])
    assert abs((first == 1).sum() - 1000) < 4.9 * np.sqrt(500)


@pytest.mark.parametrize("kind", [TCAdaptive, DTCAdaptive, Equal, Geometric])
def test_the_systematic_twin_never_loses(kind):
    rng = np.random.default_rng(3)
    for length, steps in [(1, 1), (2, 1), (2, 2), (7, 7), (9, 4), (60, 17), (200, 9)]:
        schedule = kind(length, steps)
        twin = to_systematic(schedule)
        assert (twin.length, twin.steps) == (length, steps)
        assert (twin.residual <= schedule.residual + 1e-11).all()
        for _ in range(5):
            profile = InformationProfile(np.sort(rng.exponential(size=length) ** 3)[::-1])
            assert expected_kl(twin, profile) <= expected_kl(schedule, profile) * (1 + 1e-11)
        if kind in (Equal, Geometric):
            assert twin.sample(3, rng).tolist() == schedule.sample(3, rng).tolist()


def test_the_twin_of_the_tc_adaptive_schedule_gains():
    schedule = TCAdaptive(60, 17)
    twin = to_systematic(schedule)
    assert twin.residual.sum() < 0.95 * schedule.residual.sum()


@pytest.mark.parametrize(
    ("u", "error", "message"),
    [
        ([], ValueError, "begin with 1"),
        ([0.5, 0.5], ValueError, "begin with 1"),
        ([1, 1.5, 0.5], ValueError, r"\[0, 1\], got 1.5 at t=1"),
        ([1, -0.1, 0.1], ValueError, r"\[0, 1\], got -0.1 at t=1"),
        ([1, 0.5, 0.4], ValueError, "integer"),
        ([1, np.nan], ValueError, "finite"),
        ([[1, 0]], ValueError, "axis"),
        (None, TypeError, "start_probabilities"),
        ("abc", TypeError, "start_probabilities"),
        (np.ma.ones(3), TypeError, "start_probabilities must not be a masked array"),
    ],
)
def test_start_probabilities_are_checked(u, error, message):
    with pytest.raises(error, match=message):
        Systematic(u)


def test_other_arguments_are_checked():
    with pytest.raises(TypeError, match="stratified"):
        Systematic([1.0], stratified=1)
    with pytest.raises(TypeError, match="Schedule"):
        to_systematic([1, 2])
    with pytest.raises(ValueError, match="steps"):
        Minimax(5, 6, "tc")
    with pytest.raises(ValueError, match="measure"):
        Minimax(5, 2, "both")
    with pytest.raises(ValueError, match="positive"):
        Minimax(4, 2, [1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="shape"):
        Minimax(4, 2, [1.0, 1.0])
    with pytest.raises(ValueError, match="finite"):
        Minimax(4, 2, [1.0, np.inf, 1.0])


@pytest.mark.parametrize(
    "schedule",
    [
        Systematic([1, 0.25, 0.5, 0.25]),
        Systematic([1, 0.25, 0.5, 0.25], stratified=True),
        Minimax(9, 3, "product"),
        Minimax(4, 2, [1.0, 3.0, 2.0]),
    ],
    ids=lambda s: type(s).__name__,
)
def test_dictionaries_and_repeated_draws(schedule):
    again = Schedule.from_dict(schedule.to_dict())
    assert again.to_dict() == schedule.to_dict()
    assert (again.residual == schedule.residual).all()
    a, b = (s.sample(9, np.random.default_rng(1)) for s in (schedule, again))
    assert (a == b).all()
    assert schedule.sample(0, np.random.default_rng(1)).shape == (0, schedule.steps)
    assert repr(schedule)
    for table in (schedule.start_probabilities, schedule.residual, schedule.mean_sizes):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0.0


# Equal sizes with one random phase


def price_of_one_shift(length, steps):
    """v = sum over 1 <= r < S of 1 - r/S, S = (L - 1) / (K - 1), and its closed form."""
    size = Fraction(length - 1, steps - 1)
    below = range(1, -(-size.numerator // size.denominator))
    f = size % 1
    closed = (size - 1) / 2 + f * (1 - f) / (2 * size)
    assert sum((1 - r / size for r in below), Fraction(0)) == closed
    return closed


@pytest.mark.parametrize(("length", "steps"), [(9, 3), (10, 4), (12, 12), (256, 32), (2000, 1000)])
def test_shifted_equal_sizes_have_the_residual_in_closed_form(length, steps):
    schedule = ShiftedEqual(length, steps)
    size = (length - 1) / (steps - 1)
    ahead = np.minimum(np.arange(length - 1, 0, -1), np.ceil(size) - 1)
    np.testing.assert_allclose(
        schedule.residual, ahead - ahead * (ahead + 1) / (2 * size), atol=1e-12
    )
    assert schedule.residual.max() == pytest.approx(
        float(price_of_one_shift(length, steps)), rel=1e-12
    )
    np.testing.assert_allclose(
        schedule.residual, to_systematic(schedule).residual, rtol=1e-12, atol=1e-12
    )


def test_shifted_equal_sizes_at_the_scale_of_the_paper():
    assert ShiftedEqual(2000, 1000).residual.max() == pytest.approx(0.500750375188, abs=1e-12)
    for steps in (1000, 500, 7):
        least = REFERENCE_ONES[steps, 2000]
        promised = 2000 * ShiftedEqual(2000, steps).coefficient("sum")
        assert least <= promised * (1 + 1e-12)
        assert (1999 / steps - 1) / 2 <= promised <= 1999 / (2 * (steps - 2))
        assert promised < 0.6 * 2000 * Equal(2000, steps).coefficient("sum")


@pytest.mark.parametrize(("length", "steps"), [(1, 1), (2, 1), (7, 1), (2, 2), (7, 7)])
def test_shifted_equal_sizes_at_the_ends(length, steps):
    expected = [length] if steps == 1 else [1] * length
    assert ShiftedEqual(length, steps).law() == {tuple(expected): pytest.approx(1.0)}


def test_restarts_cut_the_sequence_into_segments():
    schedule = ShiftedEqual(20, 9, restarts=((6, 4), (15, 1)))
    segments = [ShiftedEqual(6, 4), ShiftedEqual(9, 4), ShiftedEqual(5, 1)]
    starts = np.concatenate([s.start_probabilities for s in segments])
    np.testing.assert_allclose(schedule.start_probabilities, starts, rtol=1e-15)
    # a block ends where a segment does: nothing is left of it at the start of the next
    residual = np.concatenate([x for s in segments for x in ([0.0], s.residual)])[1:]
    np.testing.assert_allclose(schedule.residual, residual, atol=1e-14)
    for sizes in schedule.law():
        assert {6, 15} <= set(np.cumsum(sizes).tolist())
        assert np.searchsorted(np.cumsum(sizes), [6, 15]).tolist() == [3, 7]
        assert (residual_by_definition(sizes)[[5, 14]] == 0).all()
    assert ShiftedEqual(20, 9, [[6, 4], [15, 1]]) == schedule
    assert ShiftedEqual(20, 9, np.array([[6, 4], [15, 1]])) == schedule


@pytest.mark.parametrize(
    ("restarts", "error", "message"),
    [
        ([(0, 1)], ValueError, r"restarts must be an integer in \[1, 9\], got 0"),
        ([(10, 1)], ValueError, r"restarts must be an integer in \[1, 9\], got 10"),
        ([(4, 1), (4, 1)], ValueError, r"restarts must be an integer in \[5, 9\], got 4"),
        ([(4, 0)], ValueError, r"restarts must be an integer in \[1, 10\], got 0"),
        ([(7, 4)], ValueError, "leave 1 to 3 steps for the 3 positions from 7 on, got 4 of 5"),
        ([(4, 5)], ValueError, "leave 1 to 4 steps for the 4 positions from 0 on, got 0 of 5"),
        ([(2, 1)], ValueError, "leave 1 to 2 steps for the 2 positions from 0 on, got 4 of 5"),
        ([(4.0, 1)], TypeError, "restarts must be an integer"),
        ([4, 5], TypeError, "restarts must be pairs of a position and a number of steps"),
        (4, TypeError, "restarts must be pairs of a position and a number of steps, got 4"),
    ],
)
def test_bad_restarts_are_named(restarts, error, message):
    with pytest.raises(error, match=message):
        ShiftedEqual(10, 5, restarts)


# The minimax constant


@pytest.mark.parametrize("shape", REFERENCE)
def test_constants_agree_with_the_reference(shape):
    steps, length = shape
    constants = map(float, REFERENCE[shape].split())
    for measure, expected in zip(["tc", "dtc", "min", "product"], constants, strict=True):
        schedule = Minimax(length, steps, measure)
        assert schedule.constant == pytest.approx(expected, rel=1e-12, abs=0)
        assert schedule.coefficient(measure) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("shape", REFERENCE_ONES)
def test_constants_for_the_sum_agree_with_the_reference(shape):
    steps, length = shape
    schedule = Minimax(length, steps, "sum")
    assert length * schedule.constant == pytest.approx(REFERENCE_ONES[shape], rel=1e-12)
    assert length * schedule.coefficient("sum") == pytest.approx(REFERENCE_ONES[shape], rel=1e-12)
    if steps > 2:
        assert ((length - 1) / steps - 1) / 2 <= REFERENCE_ONES[shape]
        assert REFERENCE_ONES[shape] <= (length - 1) / (2 * (steps - 2))


@pytest.mark.parametrize("measure", STARTS_3_10)
def test_tables_agree_with_the_reference(measure):
    starts = [float(Fraction(x)) for x in STARTS_3_10[measure].split()]
    np.testing.assert_allclose(Minimax(10, 3, measure).start_probabilities, starts, atol=1e-14)
    at = Minimax(2000, 500, measure).residual[1994]
    assert at == pytest.approx(RESIDUAL_500_2000[measure], rel=1e-12)
    sizes = Minimax(2000, 1000, measure).mean_sizes[[0, 99, 599]]
    np.testing.assert_allclose(sizes, MEAN_SIZES_1000_2000[measure], rtol=1e-12)


def optimum_of_the_linear_program(length, steps, weights):
    """Lower and upper bound on the least constant, from all compositions.

    HiGHS solves to a tolerance of 1e-7 only. From its answer just the support is taken: the law
    and the dual weights are moved to where the constraints in the support are equalities. Then,
    made nonnegative and normalised, each bounds the optimum whatever was done to it before, and
    the bounds are sums of positive terms, right to 1e-15.
    """
    rows = residuals(np.array(list(compositions(length, steps)), dtype=np.int64)) / weights
    n, m = rows.shape
    found = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.column_stack([rows.T, -np.ones(m)]),
        b_ub=np.zeros(m),
        A_eq=np.append(np.ones(n), 0.0)[np.newaxis],
        b_eq=[1.0],
        method="highs-ds",
    )
    law, dual = found.x[:n], -found.ineqlin.marginals
    table = rows[np.ix_(law > 1e-8, dual > 1e-8)]
    law[law > 1e-8] = equalised(law[law > 1e-8], table)
    dual[dual > 1e-8] = equalised(dual[dual > 1e-8], table.T)
    law, dual = np.maximum(law, 0), np.maximum(dual, 0)
    return (rows @ (dual / dual.sum())).min(), (law / law.sum() @ rows).max()


def equalised(weights, table):
    """The nearest weights with ``weights @ table`` constant and the same sum."""
    deviation = table - table.mean(axis=1, keepdims=True)
    system = np.column_stack([deviation, np.ones(len(weights))])
    measure = np.append(np.zeros(table.shape[1]), weights.sum())
    correction = np.linalg.lstsq(system.T, measure - weights @ system, rcond=1e-12)[0]
    return weights + correction


@pytest.mark.parametrize("length", range(2, 10))
def test_linear_programs_over_all_compositions(length):
    rng = np.random.default_rng(length)
    extra = [rng.random(length - 1) + 0.01, rng.exponential(size=length - 1) ** 2 + 1e-3]
    for steps in range(1, length):
        for measure in [*MEASURES, *extra]:
            weights = measure_weights(measure, length)
            constant = Minimax(length, steps, measure).constant
            low, high = optimum_of_the_linear_program(length, steps, weights)
            assert low * (1 - 1e-12) <= constant <= high * (1 + 1e-12)
            assert high - low <= 1e-12 * high
    assert all(Minimax(length, length, measure).constant == 0 for measure in [*MEASURES, *extra])


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_properties_for_any_measure(data):
    length = data.draw(st.integers(1, 60))
    steps = data.draw(st.integers(1, length))
    r = st.one_of(st.floats(1e-3, 1e3), st.sampled_from([1e-6, 1.0, 1e6]))
    measure = np.array(data.draw(st.lists(r, min_size=length - 1, max_size=length - 1)))
    schedule = Minimax(length, steps, measure)
    u = schedule.start_probabilities
    assert u[0] == 1
    assert u.min() >= 0
    assert u.max() <= 1
    assert u.sum() == pytest.approx(steps, rel=1e-12)
    assert schedule.coefficient(measure) == pytest.approx(schedule.constant, rel=1e-12)
    assert_contract(schedule, schedule.sample(20, np.random.default_rng(0)))
    # The residuals in closed form: as much as the constant allows here, or a little later and
    # one more for every position between.
    allowed = np.append(schedule.constant * measure, 0.0) + np.arange(1, length + 1)
    closed = np.minimum.accumulate(allowed[::-1])[::-1][:-1] - np.arange(1, length)
    np.testing.assert_allclose(schedule.residual, closed, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("length", "steps", "expected"),
    [
        (1, 1, (0, 0, 0, 0, 0)),
        (2, 1, (1, 1, 1 / 2, 1, 2)),
        (2, 2, (0, 0, 0, 0, 0)),
        (5, 5, (0, 0, 0, 0, 0)),
        (5, 1, (1, 4, 4 / 5, 4, 5)),
        (5, 4, (1 / 10, 1 / 10, 1 / 20, 1 / 6, 1 / 4)),
    ],
)
def test_smallest_cases(length, steps, expected):
    for measure, constant in zip(MEASURES, expected, strict=True):
        schedule = Minimax(length, steps, measure)
        assert schedule.constant == pytest.approx(constant, rel=1e-14, abs=0)
        assert schedule.coefficient(measure) == pytest.approx(constant, rel=1e-14, abs=0)
        assert schedule.start_probabilities.shape == (length,)
        assert schedule.mean_sizes.sum() == pytest.approx(length)
        assert_contract(schedule, schedule.sample(5, np.random.default_rng(0)))


@pytest.mark.parametrize(("length", "steps"), [(12, 1), (12, 5), (40, 7), (40, 39), (64, 32)])
def test_codes_of_every_dimension_attain_the_constant(length, steps):
    aggregates = {
        "tc": lambda p: p.total_correlation,
        "dtc": lambda p: p.dual_total_correlation,
        "sum": lambda p: p.total_correlation + p.dual_total_correlation,
        "min": lambda p: min(p.total_correlation, p.dual_total_correlation),
        "product": lambda p: (
            p.total_correlation
            * p.dual_total_correlation
            / (p.total_correlation + p.dual_total_correlation)
        ),
    }
    for measure in MEASURES:
        schedule = Minimax(length, steps, measure)
        codes = [InformationProfile.mds_code(length, d, 64) for d in range(1, length)]
        ratios = [expected_kl(schedule, code) / aggregates[measure](code) for code in codes]
        assert max(ratios) == pytest.approx(schedule.constant, rel=1e-12)


@pytest.mark.parametrize("known", ["total_correlation", "dual_total_correlation"])
def test_one_sweep_finds_the_steps_that_meet_a_bound(known):
    """At and around the bounds themselves too, where rounding decides."""
    rng = np.random.default_rng(7)
    for length in (1, 2, 3, 12, 40):
        nats = float(10.0 ** rng.uniform(-3, 3))
        curve = error_curve(length, Minimax, **{known: nats})
        near = [curve.values * (1 + less) for less in (0, -2e-16, 2e-16, -1e-12, 1e-12, -0.01)]
        for target in [0.0, 1e-300, 1e-17 * nats, 1e300, *np.concatenate(near)]:
            steps = curve.steps_for(target)
            assert steps == 1 + np.argmax(curve.values <= target)
            assert steps.error == curve.values[steps - 1]


def test_every_residual_falls_with_the_steps():
    length = 40
    for make in [
        *[lambda k, measure=measure: Minimax(length, k, measure) for measure in MEASURES],
        lambda k: TCAdaptive(length, k),
        lambda k: DTCAdaptive(length, k),
    ]:
        tables = np.array([make(k).residual for k in range(1, length + 1)])
        assert (np.diff(tables, axis=0) <= 1e-12).all()
    for measure in MEASURES:
        constants = [Minimax(length, k, measure).constant for k in range(1, length + 1)]
        assert (np.diff(constants) < 0).all()


def test_minimax_is_best_among_all():
    for length, steps in [(30, 2), (30, 11), (300, 40)]:
        for measure in MEASURES:
            best = Minimax(length, steps, measure).constant
            others = [
                TCAdaptive(length, steps),
                to_systematic(TCAdaptive(length, steps)),
                DTCAdaptive(length, steps),
                Equal(length, steps),
                FixedSizes([1] * (steps - 1) + [length - steps + 1]),
                *[Minimax(length, steps, other) for other in MEASURES],
            ]
            assert all(best <= other.coefficient(measure) * (1 + 1e-12) for other in others)


@pytest.mark.parametrize("steps", [50_000, 99_999])
def test_a_hundred_thousand_positions(steps):
    schedule = Minimax(100_000, steps, "dtc")
    assert schedule.coefficient("dtc") == pytest.approx(schedule.constant, rel=1e-12, abs=0)
    if steps == 99_999:  # one step short: every position but the first passed in proportion to r_j
        assert schedule.constant == pytest.approx(2 / (100_000 * 99_999), rel=1e-12)
    else:  # the limit at K = L/2 is sqrt(2) / L
        assert schedule.constant * 100_000 == pytest.approx(np.sqrt(2), rel=2e-5)
    assert_contract(schedule, schedule.sample(3, np.random.default_rng(0)))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10, 1000, 50_000])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_hundred_thousand_positions_for_every_measure(steps, measure):
    schedule = Minimax(100_000, steps, measure)
    assert schedule.coefficient(measure) == pytest.approx(schedule.constant, rel=1e-12, abs=0)


@st.composite
def wide_weights(draw, most):
    """Positive weights over up to 99 decades, with repeated and with neighbouring values."""
    decades = draw(st.sampled_from([1, 8, 16, 30, 60, 99]))
    ends = st.sampled_from([-decades / 2, 0.0, decades / 2])
    exponents = st.one_of(ends, st.floats(-decades / 2, decades / 2))
    weights = 10.0 ** np.array(draw(st.lists(exponents, min_size=1, max_size=most - 1)))
    return np.sort(weights)[:: draw(st.sampled_from([1, -1]))] if draw(st.booleans()) else weights


def assert_kept(schedule):
    u = schedule.start_probabilities
    assert u.min() >= 0
    assert u.max() <= 1
    assert u.sum() == pytest.approx(schedule.steps, rel=1e-12)
    measure = schedule.measure
    assert schedule.coefficient(measure) == pytest.approx(schedule.constant, rel=1e-12, abs=0)


@settings(max_examples=200, deadline=None)
@given(wide_weights(60), st.data())
def test_the_constant_is_kept_for_wide_weights(weights, data):
    steps = data.draw(st.integers(1, weights.size + 1))
    schedule = Minimax(weights.size + 1, steps, weights)
    assert_kept(schedule)
    assert_contract(schedule, schedule.sample(5, np.random.default_rng(0)))


@settings(max_examples=100, deadline=None)
@given(wide_weights(8), st.data())
def test_the_constant_is_the_least_for_wide_weights(weights, data):
    steps = data.draw(st.integers(1, weights.size))
    expected = float(least_constant(steps, weights))
    found = Minimax(weights.size + 1, steps, weights).constant
    assert found == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("seed", range(8))
def test_long_sequences_with_wide_weights(seed):
    rng = np.random.default_rng(seed)
    for _ in range(6):
        length = int(rng.integers(100, 201))
        decades = rng.choice([12, 20, 40, 99])
        schedule = Minimax(
            length,
            int(rng.integers(1, length + 1)),
            [
                10.0 ** rng.uniform(-decades / 2, decades / 2, length - 1),
                np.where(rng.random(length - 1) < 0.2, 10.0**-decades, 1.0),
            ][seed % 2],
        )
        assert_kept(schedule)


def test_the_constant_that_was_contradicted():
    schedule = Minimax(5, 2, [1e-20, 1, 1, 1])
    assert schedule.constant == pytest.approx(3, rel=1e-12)
    assert_kept(schedule)
    # one constant from 1 to 2 is as good as another but for terms below rounding
    assert Minimax(3, 2, [1.0, 1e-20]).constant == pytest.approx(1, rel=1e-12)


def test_weights_of_any_scale():
    base = Minimax(8, 3, "product").constant
    weights = measure_weights("product", 8)
    for scale in (1e-290, 1e-30, 1e30, 1e290):
        assert Minimax(8, 3, weights * scale).constant * scale == pytest.approx(base, rel=1e-12)
    spread = Minimax(8, 3, 10.0 ** np.linspace(-45, 45, 7))
    assert spread.coefficient(spread.measure) == pytest.approx(spread.constant, rel=1e-12)
    with pytest.raises(ValueError, match="1e100"):
        Minimax(8, 3, 10.0 ** np.linspace(-60, 60, 7))


@pytest.mark.parametrize("measure", MEASURES)
def test_rounding_does_not_add_up_over_wide_windows(measure):
    schedule = Minimax(20_000, 10, measure)
    assert schedule.coefficient(measure) == pytest.approx(schedule.constant, rel=1e-13, abs=0)
