"""Every argument goes through these: each names the argument, its value and what is allowed."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from dlm_core import _check
from dlm_core.information import entropy


@pytest.mark.parametrize("value", [True, np.True_, 3.0, "3", None, np.timedelta64(3), [3], 3j])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(TypeError, match=r"K must be an integer in .1, 5., got .* of type"):
        _check.integer("K", value, 1, 5)


@pytest.mark.parametrize("value", [0, 6, np.int8(-3), 2**64])
def test_integers_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=f"K must be an integer in .1, 5., got {int(value)}"):
        _check.integer("K", value, 1, 5)


def test_no_integer_is_beyond_int64():
    assert _check.integer("n", np.uint64(2**63 - 1), 0) == 2**63 - 1
    with pytest.raises(ValueError, match=r"in \[0, 2\*\*63 - 1\]"):
        _check.integer("n", 2**63, 0)


@pytest.mark.parametrize(
    "seed", [7, np.int32(7), np.random.SeedSequence(7), np.random.PCG64(7), [7], np.array([7])]
)
def test_seeds_are_those_of_default_rng(seed):
    expected = np.random.default_rng(7 if np.ndim(seed) == 0 else [7]).random(3)
    if isinstance(seed, np.random.PCG64):
        expected = np.random.Generator(np.random.PCG64(7)).random(3)
    assert (_check.numpy_generator("rng", seed).random(3) == expected).all()


def test_a_generator_goes_on():
    rng = np.random.default_rng(0)
    assert _check.numpy_generator("rng", rng) is rng


@pytest.mark.parametrize(
    ("rng", "words"),
    [
        (None, "NoneType"),
        (True, "bool"),
        (1.5, "float"),
        ("7", "str"),
        (np.random.RandomState(0), "numpy's RandomState"),
        (torch.Generator(), "torch's Generator"),
    ],
)
def test_another_source_of_randomness_is_named(rng, words):
    with pytest.raises(TypeError, match=rf"rng must be a numpy.random.Generator .* got {words}"):
        _check.numpy_generator("rng", rng)


def test_negative_seeds_are_refused():
    for seed in (-1, [-1]):
        with pytest.raises(ValueError, match="rng"):
            _check.numpy_generator("rng", seed)


@pytest.mark.parametrize(
    "value",
    [
        np.ma.masked_array([0.5, 0.5, 0.0], mask=[0, 1, 0]),
        np.ma.masked_array([0.5, 0.5]),
        [np.ma.masked_array([0.5], mask=[1]), np.array([0.5])],
    ],
)
def test_masked_arrays_are_refused(value):
    with pytest.raises(TypeError, match="p must not be a masked array"):
        _check.real_array("p", value)


@pytest.mark.parametrize(
    "value", [["a"], [None], [1j], [True], [np.datetime64("2020")], {"a": 1}, object(), "1.0"]
)
def test_what_is_not_real_is_refused(value):
    with pytest.raises(TypeError, match="p must be an array of real numbers, got"):
        _check.real_array("p", value)


@pytest.mark.parametrize("value", [np.nan, np.inf, np.longdouble("1e4000")])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match=r"p must be finite, got .* at index \(1,\)"):
        _check.real_array("p", np.array([0, value]))


def test_tensors_are_taken_from_wherever_they_are():
    class OnDevice:
        def detach(self):
            return self

        def cpu(self):
            return torch.tensor([1, 2])

        def __array__(self, *arguments, **options):
            raise TypeError("not in main memory")

    assert _check.real_array("p", OnDevice()).tolist() == [1, 2]
    assert _check.integer_array("n", OnDevice(), 1, 0).tolist() == [1, 2]
    assert _check.real_array("p", torch.ones(2, requires_grad=True)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ([1.0], TypeError, "must hold integers"),
        ([True], TypeError, "must hold integers"),
        ([[1]], ValueError, "must be a vector of integers, got shape"),
        ([1, -1], ValueError, "must hold integers >= 0, got -1 at index 1"),
        (np.array([2**63], np.uint64), ValueError, "must hold integers >= 0, got 9223372036854"),
        ([2**64], TypeError, "must hold integers"),
        ([[1], [2, 3]], ValueError, "must have rows of one length"),
        (np.ma.masked_array([1]), TypeError, "must not be a masked array"),
    ],
)
def test_integer_arrays(value, error, words):
    with pytest.raises(error, match=f"sizes {words}"):
        _check.integer_array("sizes", value, 1, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_tables_are_taken_in_any_precision_and_divided_by_their_sum(dtype):
    table = np.full(9, 1 / 9, dtype=dtype).reshape(3, 3)
    assert _check.probabilities("p", table).sum() == pytest.approx(1, abs=1e-15)
    assert entropy(table) == pytest.approx(2 * np.log(3), abs=1e-13)
    tensor = torch.softmax(torch.zeros(3, 7, dtype=torch.float32), dim=1)
    np.testing.assert_allclose(_check.stochastic("rows", tensor).sum(axis=1), 1, atol=1e-15)


def test_what_does_not_sum_to_one_says_why_it_may_not():
    with pytest.raises(ValueError, match=r"p must sum to 1 within 1e-09, its sum is 1\.00.*float3"):
        _check.probabilities("p", np.full(9, 1 / 9, dtype=np.float32).astype(float))
    with pytest.raises(ValueError, match=r"rows that sum to 1 within 1e-09, row 1 sums to 0.9"):
        _check.stochastic("rows", [[0.5, 0.5], [0.5, 0.4]])


@pytest.mark.parametrize(
    "table",
    [
        np.array([["a", "b"]]),
        np.array([[0.0, 1.0]]),
        np.array([[None, 1]]),
        np.array([[-1, 1]]),
    ],
)
def test_symbols_that_are_no_numbers_from_zero_have_a_way_out(table):
    with pytest.raises((TypeError, ValueError), match=r"numpy.unique.column, return_inverse=True"):
        _check.symbol_rows("samples", table)


def test_booleans_are_symbols():
    assert _check.symbol_rows("samples", [[True, False]]).tolist() == [[1, 0]]


def test_a_class_in_the_place_of_an_object_is_named():
    with pytest.raises(TypeError, match=r"give an object such as Fraction\(\.\.\.\)"):
        _check.instance("x", Fraction, Fraction)


@pytest.mark.parametrize("value", [np.ones(3), None, 1, "c"])
def test_words_are_chosen_from_a_list(value):
    with pytest.raises(ValueError, match="unit must be one of 'a', 'b', got"):
        _check.choice("unit", value, ("a", "b"))


@pytest.mark.parametrize("value", [1, 0.0, "yes", None, np.ones(2)])
def test_flags_are_booleans(value):
    with pytest.raises(TypeError, match="flag must be True or False, got"):
        _check.boolean("flag", value)


def test_the_precision_of_the_rows_of_a_list_counts():
    rows = [np.full(3, 1 / 3, dtype=np.float32) + np.float32(1e-6) for _ in range(2)]
    assert _check.stochastic("rows", rows).sum() == pytest.approx(2)


def test_bfloat16_is_taken():
    rows = torch.softmax(torch.arange(12.0).reshape(3, 4) / 7, dim=1).to(torch.bfloat16)
    np.testing.assert_allclose(_check.stochastic("rows", rows).sum(axis=1), 1)
