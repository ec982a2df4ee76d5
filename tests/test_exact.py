"""The recursions against the closed law, in exact rational arithmetic."""

from fractions import Fraction
from math import factorial, prod

import pytest
from oracles import compositions

from dlm_core.exact import (
    dtc_coefficient,
    dtc_law,
    reciprocal_law,
    residual,
    reversed_law,
    tc_coefficient,
    tc_law,
)

SMALL = [(length, steps) for length in range(1, 9) for steps in range(1, length + 1)]


@pytest.mark.parametrize(("length", "steps"), SMALL)
def test_laws_are_laws_on_all_compositions(length, steps):
    for law in (tc_law(length, steps), dtc_law(length, steps), reciprocal_law(length, steps)):
        assert set(law) == set(compositions(length, steps))
        assert sum(law.values()) == 1
        assert min(law.values()) > 0


@pytest.mark.parametrize(("length", "steps"), SMALL)
def test_recursions_give_the_closed_law_and_its_reversal(length, steps):
    closed = reciprocal_law(length, steps)
    assert dtc_law(length, steps) == closed
    assert tc_law(length, steps) == reversed_law(closed)


@pytest.mark.parametrize(("length", "steps"), SMALL)
def test_tc_residual_is_proportional_to_what_is_left(length, steps):
    c = tc_coefficient(steps, length)
    assert residual(tc_law(length, steps)) == [c * (length - j) for j in range(1, length)]


@pytest.mark.parametrize(("length", "steps"), SMALL)
def test_dtc_residual_is_bounded_with_equality_up_to_the_number_of_steps(length, steps):
    f = dtc_coefficient(length, steps, 0)
    for j, mean in enumerate(residual(dtc_law(length, steps)), start=1):
        assert mean <= f * j
        assert mean == f * j or j > steps


def _cycle_counts(n):
    """P(a uniform permutation of n has k cycles), from its cycle structure, for k = 0..n."""
    polynomial = [Fraction(1)]
    for m in range(n):
        stay, new = Fraction(m, m + 1), Fraction(1, m + 1)
        shifted = [Fraction(0), *polynomial]
        polynomial = [
            stay * a + new * b for a, b in zip([*polynomial, Fraction(0)], shifted, strict=True)
        ]
    return polynomial


@pytest.mark.parametrize(("length", "steps"), [s for s in SMALL if s[1] < s[0]])
def test_cycle_counts_give_the_constants_and_every_dtc_residual(length, steps):
    exactly = _cycle_counts(length)[steps]

    def more(n):
        return sum(_cycle_counts(n)[steps + 1 :], Fraction(0))

    assert dtc_coefficient(length, steps, 0) == more(length) / exactly
    expected = [j * (more(length) - more(j)) / exactly for j in range(1, length)]
    assert residual(dtc_law(length, steps)) == expected


def test_sizes_are_cycle_lengths_in_size_biased_order():
    """Count permutations of 6 by the lengths of their cycles, each order weighted by size bias."""
    from itertools import permutations

    length = 6
    mass = {}
    for permutation in permutations(range(length)):
        seen, cycles = set(), []
        for start in range(length):
            if start not in seen:
                cycle, here = 0, start
                while here not in seen:
                    seen.add(here)
                    here = permutation[here]
                    cycle += 1
                cycles.append(cycle)
        # cycles found from the least free element, over all permutations, are size-biased
        mass[tuple(cycles)] = mass.get(tuple(cycles), 0) + Fraction(1, factorial(length))
    for steps in range(1, length + 1):
        of_steps = {sizes: chance for sizes, chance in mass.items() if len(sizes) == steps}
        total = sum(of_steps.values())
        assert {s: c / total for s, c in of_steps.items()} == tc_law(length, steps)


@pytest.mark.parametrize(("length", "steps"), [s for s in SMALL if 2 <= s[1] < s[0]])
def test_constant_is_the_chance_that_no_iteration_leaves_one_token(length, steps):
    law = tc_law(length, steps)
    leaves_one = sum(chance for sizes, chance in law.items() if sizes[-1] == 1)
    assert tc_coefficient(steps, length) == 1 - leaves_one


@pytest.mark.parametrize(("length", "steps"), [(5, 3), (7, 4)])
def test_closed_law_weighs_boundaries_by_their_reciprocals(length, steps):
    law = reciprocal_law(length, steps)
    weights = {sizes: Fraction(1, prod(sum(sizes[:k]) for k in range(1, steps))) for sizes in law}
    total = sum(weights.values())
    assert law == {sizes: weight / total for sizes, weight in weights.items()}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tc_coefficient(-5, 6), ValueError, "k must be an integer >= 1, got -5"),
        (lambda: tc_coefficient(2, 0), ValueError, "l must be an integer >= 1, got 0"),
        (lambda: tc_coefficient(2.0, 6), TypeError, "k must be an integer >= 1"),
        (lambda: tc_coefficient(100, 1000), ValueError, "must be at most 1048576, got 81000000"),
        (lambda: dtc_coefficient(0, 1, 0), ValueError, "length must be an integer >= 1, got 0"),
        (lambda: dtc_coefficient(6, 0, 0), ValueError, "k must be an integer >= 1, got 0"),
        (
            lambda: dtc_coefficient(6, 2, -1),
            ValueError,
            r"i must be an integer in \[0, 6\], got -1",
        ),
        (lambda: dtc_coefficient(6, 2, 7), ValueError, r"i must be an integer in \[0, 6\], got 7"),
        (lambda: dtc_coefficient(1000, 100, 0), ValueError, "must be at most 1048576, got"),
        (lambda: residual({}), ValueError, "law must hold compositions of one length"),
        (lambda: residual({(1, 2): 1, (2,): 1}), ValueError, r"of one length, got \[2, 3\]"),
        (lambda: residual([(1, 2)]), TypeError, "law must be of type dict"),
        (lambda: reversed_law(None), TypeError, "law must be of type dict"),
        (lambda: reversed_law({"12": 1}), TypeError, "law must map tuples of .* got '12': 1"),
        (lambda: residual({(2, 0): 1}), TypeError, "law must map tuples of positive sizes"),
        (lambda: residual({(2, 1): 0.5}), TypeError, r"to rational numbers, got \(2, 1\): 0.5"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("law", [tc_law, dtc_law, reciprocal_law])
def test_laws_too_long_to_list_are_refused(law):
    with pytest.raises(ValueError, match="at most 65536 compositions to list, got 40 and 20"):
        law(40, 20)
    with pytest.raises(ValueError, match=r"steps must be an integer in \[1, 6\], got 7"):
        law(6, 7)


def test_many_iterations_do_not_exhaust_the_stack():
    assert tc_coefficient(600, 601) == Fraction(2, 601 * 600)
    assert dtc_coefficient(601, 1, 3) == Fraction(597, 4)
    assert tc_coefficient(5000, 4000) == dtc_coefficient(4000, 5000, 2) == 0


@pytest.mark.parametrize("i", range(7))
def test_dtc_coefficients_after_some_tokens_are_means_over_the_next_boundary(i):
    """f_{2,i} from the closed law of what follows: weight 1/b for the boundary b > i."""
    length = 7
    weights = {b: Fraction(1, b) for b in range(i + 1, length)}
    mean = sum(w * Fraction(length - b - 1, b + 1) for b, w in weights.items())
    expected = mean / sum(weights.values()) if weights else 0
    assert dtc_coefficient(length, 2, i) == expected
