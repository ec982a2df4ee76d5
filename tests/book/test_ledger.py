import html
import json
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import isnan

import nbformat
import numpy as np
import pytest
import torch
import yaml
from bookkit.ledger import MIME_TYPE, Check, check, load_claims, read_checks
from hypothesis import given
from hypothesis import strategies as st

from dlm_core import Estimate


def row(capsys, *arguments, **options):
    check(*arguments, **options)
    return capsys.readouterr().out


def test_a_row_says_claim_values_slack_and_verdict(capsys):
    assert row(capsys, "P1", "E KL at codimension 5", 0.25, at_most=1.0) == (
        "P1  holds  E KL at codimension 5: 0.25 <= 1; slack 0.75; 1 compared\n"
    )


# Beside the plain ones: what a comparison in numpy's arithmetic lets pass.
@pytest.mark.parametrize(
    "comparison",
    [
        {"measured": 1.0, "equals": 1.1},
        {"measured": 1.0, "at_most": 0.9},
        {"measured": 1.0, "at_least": 1.1},
        {"measured": [1.0, 2.0], "at_most": [2.0, 1.0]},
        {"measured": [1.0, 5.0, 2.0], "equals": [1.0, 2.0, 2.0]},
        {"measured": [3.0, 1.0], "at_least": 2},
        {"measured": np.nan, "equals": 1.0},
        {"measured": np.nan, "at_most": 1.0},
        {"measured": [1.0, np.nan], "equals": 1.0},
        {"measured": np.inf, "at_least": 1.0},
        {"measured": -np.inf, "at_most": 1.0},
        {"measured": torch.tensor(float("nan")), "at_least": -1.0},
        {"measured": Fraction(1, 3), "equals": Fraction(1, 3) + Fraction(1, 10**30)},
        {"measured": 2, "equals": 3, "rtol": 0.9, "atol": 10.0},
        {"measured": 1.0, "equals": 1.0 + 1e-9},
        # the allowance is a share of the expected value, not of the measured one
        {"measured": 2.0, "equals": 1.25, "rtol": 0.5},
        {"measured": 2.0, "at_most": 1.25, "rtol": 1e-10},
        {"measured": -2.0, "at_least": -1.25, "rtol": 1e-10},
        # differences that wrap around
        {"measured": np.uint64(5), "equals": np.uint64(3)},
        {"measured": np.uint64(5), "at_most": np.uint64(3)},
        {"measured": np.uint8(3), "at_least": np.uint8(5)},
        {"measured": np.int8(100), "at_most": np.int8(-100)},
        {"measured": np.array([-(2**63)]), "at_least": np.array([2**63 - 1])},
        {"measured": torch.tensor(100, dtype=torch.int8), "at_most": np.int8(-100)},
        {"measured": Fraction(np.int64(2**62), np.int64(3)), "at_most": Fraction(-(2**62), 3)},
        # integers that become floats on the way
        {"measured": 2**63 + 5, "equals": 2**63},
        {"measured": [2**63, -1], "equals": [2**63 + 5, -1]},
        {"measured": np.uint64(2**63 + 5), "equals": np.int64(2**63 - 1)},
        {"measured": [2**53 + 1, 0.5], "equals": [2**53, 0.5], "rtol": 0.0},
        {"measured": 2**53 + 1, "equals": 2.0**53, "rtol": 0.0},
        {"measured": Fraction(1, 3), "equals": 1 / 3, "rtol": 0.0},
        {"measured": 10**400, "at_most": 1.0},
        # floats that are narrowed, or whose difference underflows or overflows
        {"measured": np.longdouble(1) + np.finfo(np.longdouble).eps, "equals": 1, "rtol": 0},
        {"measured": np.float32(0.1), "equals": 0.1},
        {"measured": 5e-324, "at_most": 0.0},
        {"measured": 1.5e308, "at_most": -1.5e308},
        {"measured": True, "equals": False},
        {"measured": [True, False], "equals": np.array([True, True])},
        {"measured": 1.0, "equals": 2.0, "standard_error": 0.1, "sigmas": 5},
    ],
)
def test_what_does_not_hold_raises_after_printing(comparison, capsys):
    with pytest.raises(AssertionError, match="FAILS"):
        check("P1", "fails", **comparison)
    assert "FAILS" in capsys.readouterr().out


masked = np.ma.masked_array([1.0, 9.0], mask=[False, True])


@pytest.mark.parametrize(
    "value",
    [
        1 + 5j,
        np.array([1 + 0j]),
        torch.tensor(1 + 0j),
        "5",
        np.array(["5"]),
        b"5",
        ["5", 5],
        [1, None],
        date(2026, 1, 1),
        np.datetime64("2026-01-01"),
        np.timedelta64(3),
        np.array([3], dtype="m8[s]"),
        [np.timedelta64(3)],
        np.array([1.0, 2.0], dtype=object),
        np.array([True], dtype=object),
        np.array([[1], [1, 2]], dtype=object),
        Decimal(1),
        masked,
        [masked, masked],
        np.ma.masked,
        np.array([(1, 2.0)], dtype="i4,f8"),
        torch.eye(2).to_sparse(),
        {"a": 1},
        {1},
        [True, 1],
    ],
)
def test_only_real_numbers_are_compared(value, capsys):
    for relation in ("equals", "at_most", "at_least"):
        with pytest.raises(TypeError, match="measured must hold"):
            check("P1", "coerced", value, **{relation: value})
        with pytest.raises(TypeError, match=f"{relation} must hold"):
            check("P1", "coerced", 1.0, **{relation: value})
    assert capsys.readouterr().out == ""


def test_none_is_no_number():
    with pytest.raises(TypeError, match="measured must hold real numbers"):
        check("P1", "nothing", None, equals=1)


@pytest.mark.parametrize(
    ("measured", "comparison"),
    [
        (True, {"equals": 1}),
        (1, {"equals": True}),
        (1.0, {"equals": np.True_}),
        (np.array([True]), {"equals": np.array([1])}),
        (torch.tensor([True]), {"equals": np.array([1.0])}),
        (True, {"at_most": True}),
        (True, {"at_least": False}),
        (np.array([True]), {"at_least": 0}),
    ],
)
def test_booleans_equal_booleans_only(measured, comparison):
    with pytest.raises(TypeError, match="booleans must be compared with booleans, by equals"):
        check("P1", "truth", measured, **comparison)


def test_estimates_are_told_to_give_their_value():
    estimate = Estimate(1.0, 0.1, 100)
    with pytest.raises(TypeError, match=r"give its \.value"):
        check("P1", "an estimate", estimate, equals=1.0)
    with pytest.raises(TypeError, match=r"give its \.value"):
        check("P1", "an estimate", 1.0, equals=estimate)


@pytest.mark.parametrize("relation", ["equals", "at_most", "at_least"])
@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (np.ones((3, 1)), np.ones(3)),
        (np.ones(3), np.ones((3, 1))),
        (np.ones((1, 3)), np.ones(3)),
        (np.ones((2, 3)), np.ones(3)),
        (np.ones(3), np.ones(1)),
        (1.0, [1.0]),
        (1.0, np.ones(3)),
        (torch.ones(3), np.ones(2)),
        ([], []),
        ([], 1.0),
        (np.ones((0, 3)), np.ones((0, 3))),
        (1.0, []),
        ([[1.0], [1.0, 2.0]], 1.0),
        ([1.0, [1.0]], 1.0),
    ],
)
def test_shapes_must_agree(measured, expected, relation):
    with pytest.raises(ValueError, match=r"shape|at least one value|rows of one length"):
        check("P1", "shapes", measured, **{relation: expected})


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({}, "exactly one of"),
        ({"at_most": 1.0, "equals": 1.0}, "exactly one of"),
        ({"equals": np.nan}, "equals"),
        ({"at_most": np.inf}, "at_most"),
        ({"at_least": -np.inf}, "at_least"),
        ({"equals": 1.0, "rtol": np.inf}, "rtol"),
        ({"equals": 1.0, "rtol": np.nan}, "rtol"),
        ({"equals": 1.0, "rtol": -1e-9}, "rtol"),
        ({"equals": 0.0, "rtol": 1.0}, "rtol"),
        ({"at_most": 1.0, "rtol": 1e300}, "rtol"),
        ({"equals": 1.0, "rtol": [1e-9]}, "rtol"),
        ({"equals": 1.0, "rtol": "1e-9"}, "rtol"),
        ({"equals": 1.0, "rtol": True}, "rtol"),
        ({"equals": 1.0, "rtol": None}, "rtol"),
        ({"equals": 1.0, "atol": np.inf}, "atol"),
        ({"equals": 1.0, "atol": np.nan}, "atol"),
        ({"equals": 1.0, "atol": -1.0}, "atol"),
        ({"equals": 1.0, "atol": 1j}, "atol"),
        ({"equals": 1, "rtol": np.nan}, "rtol"),
        ({"equals": 1.0, "standard_error": 0.1}, "given together"),
        ({"equals": 1.0, "sigmas": 5}, "given together"),
        ({"at_most": 1.0, "standard_error": 0.1, "sigmas": 5}, "standard_error"),
        ({"equals": 1.0, "standard_error": 0.0, "sigmas": 5}, "standard_error"),
        ({"equals": 1.0, "standard_error": np.nan, "sigmas": 5}, "standard_error"),
        ({"equals": 1.0, "standard_error": [0.1], "sigmas": 5}, "standard_error"),
        ({"equals": 1.0, "standard_error": True, "sigmas": 5}, "standard_error"),
        ({"equals": 1, "standard_error": 0.1, "sigmas": 5}, "standard_error"),
        ({"equals": 1.0, "standard_error": 0.01, "sigmas": 11}, "sigmas"),
        ({"equals": 1.0, "standard_error": 0.01, "sigmas": 0}, "sigmas"),
        ({"equals": 1.0, "standard_error": 0.01, "sigmas": np.inf}, "sigmas"),
        # a measured 0 would pass
        ({"equals": 0.177, "atol": 0.36}, "a measured 0 would pass"),
        ({"equals": -0.5, "atol": 0.5}, "a measured 0 would pass"),
        ({"equals": 1.0, "standard_error": 0.3, "sigmas": 5}, "a measured 0 would pass"),
        ({"equals": 1.0, "rtol": 0.5, "atol": 0.5}, "a measured 0 would pass"),
        ({"at_least": 1e-10, "atol": 1e-9}, "a measured 0 would pass"),
        ({"equals": 1e-17, "atol": 1e-15}, "a measured 0 would pass"),
    ],
)
def test_options_out_of_range_are_named(options, argument, capsys):
    with pytest.raises((TypeError, ValueError), match=argument):
        check("P1", "options", 1, **options)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("expected", "allowed"),
    [([10.0, 0.1], 0.2), ([0.0, 0.1], 0.2), (np.array([[1e-14], [2e-14]]), 1e-13)],
)
def test_no_entry_passes_with_a_zero(expected, allowed):
    with pytest.raises(ValueError, match="a measured 0 would pass"):
        check("P1", "the truth", expected, equals=expected, atol=allowed)


def test_zeros_up_to_rounding_are_zeros():
    check("P1", "zero", 1e-17, equals=0.0, atol=1e-15)
    check("P1", "zeros", [0.0, 1.0], equals=[1e-17, 1.0], atol=1e-15)
    check("P1", "zeros", [-1e-17, 1.0], at_least=[1e-17, 1.0], atol=1e-15)
    check("P1", "negative", 0.0, at_least=-1.0)
    check("P1", "above", 0.0, at_most=1.0)


@pytest.mark.parametrize("argument", ["claim", "name", "recorded"])
@pytest.mark.parametrize("value", [None, 1, b"P1", "", " ", "a\nb", "a\n", "a\u2028b", "\x1b[2K"])
def test_texts_have_one_line(argument, value):
    texts = {"claim": "P1", "name": "a name", "recorded": ""} | {argument: value}
    if (argument, value) == ("recorded", ""):
        check(measured=1, equals=1, **texts)
        return
    with pytest.raises((TypeError, ValueError), match=f"{argument} must be a text of one line"):
        check(measured=1, equals=1, **texts)


@pytest.mark.parametrize(
    ("comparison", "text"),
    [
        (
            {"measured": [Fraction(1, 3)] * 2, "equals": [Fraction(1, 3)] * 2},
            "1/3 = 1/3; slack 0, exactly; 2 compared",
        ),
        ({"measured": 2, "at_most": 5}, "2 <= 5; slack 3;"),
        ({"measured": 20000, "at_least": 15000}, "20,000 >= 15,000; slack 5,000;"),
        ({"measured": Fraction(1, 3), "at_most": 1}, "1/3 <= 1; slack 0.667;"),
        ({"measured": 5.0, "at_least": 2.0}, "5 >= 2; slack 3;"),
        ({"measured": True, "equals": True}, "True = True; slack 0, exactly"),
        ({"measured": 1.0, "equals": 1.0 + 1e-13}, "1 = 1; slack 0 within 1e-11 of it"),
        (
            {"measured": [2.0], "equals": [2.0], "atol": 1e-12},
            "slack 0 within 1e-12 + 1e-11 of it",
        ),
        ({"measured": 0.5, "equals": 0.5, "rtol": 0}, "slack 0, exactly"),
        ({"measured": [0.0, -0.0], "equals": 0}, "0 = 0; slack 0, exactly"),
        ({"measured": 1e-17, "equals": 0, "atol": 1e-15}, "1e-17 = 0; slack 0 within 1e-15;"),
        ({"measured": 1.5, "equals": 1.0, "atol": 0.6}, "1.5 ≈ 1; 0.5 off, 0.6 allowed;"),
        ({"measured": 1.5, "equals": 1.25, "rtol": 0.4}, "1.5 ≈ 1.25; 0.25 off, 0.5 allowed;"),
        (
            {"measured": [5.5, 1.0], "equals": [5.0, 1.5], "rtol": 0.5},
            "1 to 5.5 ≈ 1.5 to 5; 0.5 off, 0.75 allowed; 2 compared",
        ),
        (
            {"measured": 0.24, "equals": 0.18, "standard_error": 0.03, "sigmas": 5},
            "0.24 ≈ 0.18; 2 standard errors apart, 5 allowed; 1 compared",
        ),
        (
            {
                "measured": [9.0, 1.5],
                "equals": [10.0, 1.0],
                "standard_error": [1.0, 0.125],
                "sigmas": 4.5,
            },
            "1.5 to 9 ≈ 1 to 10; 4 standard errors apart, 4.5 allowed; 2 compared",
        ),
        (
            {
                "measured": 1.5,
                "equals": 1.0,
                "standard_error": 0.125,
                "sigmas": 4,
                "atol": 0.25,
                "rtol": 0,
            },
            "2 standard errors apart, 4 allowed",
        ),
        ({"measured": [1.0, 4.0], "at_most": [2.0, 4.5]}, "4 <= 4.5; slack 0.5; 2 compared"),
        ({"measured": [4.0, 1.0], "at_most": 5}, "4 <= 5; slack 1; 2 compared"),
        ({"measured": 1.0, "at_most": 1.0 - 1e-13}, "slack 0 (tight)"),
        ({"measured": [1.0, 2.0], "equals": [1.0, 2.0]}, "1 to 2 = 1 to 2;"),
        ({"measured": [1e-17, 2.0], "equals": [0.0, 2.0], "atol": 1e-15}, "0 to 2 = 0 to 2;"),
        ({"measured": torch.tensor([1.0, 2.0], requires_grad=True), "at_least": 1}, "1 >= 1;"),
        ({"measured": np.longdouble("1e4000"), "at_least": 1}, "1.00000e+4000 >= 1;"),
        ({"measured": Fraction(1, 10**400), "at_most": 1}, "1.00000e-400 <= 1;"),
        ({"measured": 10**5000, "at_least": 1}, "1.00000e+5000 >= 1;"),
    ],
)
def test_rows_of_what_holds(comparison, text, capsys):
    assert text in row(capsys, "P1", "holds", **comparison)


@pytest.mark.parametrize(
    ("comparison", "text"),
    [
        ({"measured": [1.0, 2.0], "equals": [1.0, 3.0]}, "2 = 3; slack 1 off, 3e-11 allowed"),
        ({"measured": [1, 2], "equals": [1, 3]}, "2 = 3; slack 1 off, 0 allowed"),
        ({"measured": [1, 2], "at_most": [1, 1]}, "2 <= 1; slack -1;"),
        ({"measured": [0.0, np.nan], "equals": [0.0, 4.0]}, "nan = 4; slack nan;"),
        (
            {"measured": 2.0, "equals": 1.0, "standard_error": 0.125, "sigmas": 5},
            "8 standard errors apart, 5 allowed",
        ),
    ],
)
def test_rows_of_what_fails_show_the_failing_entry(comparison, text):
    with pytest.raises(AssertionError) as raised:
        check("P1", "fails", **comparison)
    assert text in str(raised.value)


INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
FLOATS = [np.float16, np.float32, np.float64, np.longdouble]


def integers(dtype):
    info = np.iinfo(dtype)
    ends = [info.min, info.min + 1, info.max - 1, info.max, 0, 1]
    return st.sampled_from(ends) | st.integers(int(info.min), int(info.max))


def floats(dtype):
    width = min(64, 8 * np.dtype(dtype).itemsize)
    return st.floats(width=width, allow_nan=False, allow_infinity=False)


def entries():
    """One entry, as the ledger may be given it, and the fraction that it is."""
    plain = st.one_of(
        st.integers(-(2**70), 2**70) | st.integers(-3, 3),
        st.fractions(-3, 3, max_denominator=5),
        st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 0.5, 2.0**53]),
    ).map(lambda value: (value, Fraction(value)))
    typed = [integers(t).map(lambda v, t=t: (t(v), Fraction(v))) for t in INTEGERS]
    typed += [floats(t).map(lambda v, t=t: (t(v), Fraction(v))) for t in FLOATS]
    return st.one_of(plain, *typed)


@st.composite
def comparisons(draw):
    """Arguments of a check, and whether it holds, in fractions."""
    size = draw(st.integers(1, 3))
    measured = draw(st.lists(entries(), min_size=size, max_size=size))
    near = [*measured, *((f + e, f + e) for _, f in measured for e in (1, -1, Fraction(1, 4)))]
    expected = draw(st.lists(entries() | st.sampled_from(near), min_size=size, max_size=size))
    one = draw(st.booleans())
    expected = expected[:1] if one else expected
    comparison = draw(st.sampled_from(["equals", "at_most", "at_least"]))
    allowances = [0, 1e-11, 0.25, 0.75] if comparison == "equals" else [0, 1e-11, 1e-9]
    rtol, atol = (draw(st.sampled_from(allowances)) for _ in range(2))
    truths = [f for _, f in expected] * (size if one else 1)
    exact = not any(isinstance(v, float | np.floating) for v, _ in [*measured, *expected])
    allowed = [0 if exact else Fraction(atol) + Fraction(rtol) * abs(f) for f in truths]
    if comparison != "at_most":
        signed = [abs(f) if comparison == "equals" else f for f in truths]
        passes = [0 < f <= a for f, a in zip(signed, allowed, strict=True)]
        if any(passes):
            return None
    holds = True
    for (_, found), truth, allowance in zip(measured, truths, allowed, strict=True):
        holds &= {
            "equals": abs(found - truth) <= allowance,
            "at_most": found <= truth + allowance,
            "at_least": found >= truth - allowance,
        }[comparison]
    value = expected[0][0] if one else [v for v, _ in expected]
    options = {comparison: value, "rtol": rtol, "atol": atol}
    return [v for v, _ in measured], options, holds


@given(comparisons().filter(bool))
def test_checks_hold_as_in_fractions(case):
    measured, options, holds = case
    try:
        check("P1", "oracle", measured, **options)
    except AssertionError:
        assert not holds
    else:
        assert holds


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
@given(data=st.data())
def test_arrays_of_every_dtype_compare_as_in_fractions(dtype, data):
    values = integers(dtype) if dtype in INTEGERS else floats(dtype)
    shape = data.draw(st.sampled_from([(), (2,), (1, 2), (2, 1)]))
    size = int(np.prod(shape))
    left, right = (data.draw(st.lists(values, min_size=size, max_size=size)) for _ in range(2))
    truth = {
        "equals": [Fraction(a) == Fraction(b) for a, b in zip(left, right, strict=True)],
        "at_most": [Fraction(a) <= Fraction(b) for a, b in zip(left, right, strict=True)],
        "at_least": [Fraction(a) >= Fraction(b) for a, b in zip(left, right, strict=True)],
    }
    arrays = [np.array(side, dtype=dtype).reshape(shape) for side in (left, right)]
    for comparison, entries_hold in truth.items():
        try:
            check("P1", "oracle", arrays[0], **{comparison: arrays[1]}, rtol=0)
        except AssertionError:
            assert not all(entries_hold)
        else:
            assert all(entries_hold)


def store(path, *bundles):
    cell = nbformat.v4.new_code_cell("check(...)")
    cell.outputs = [nbformat.v4.new_output("display_data", data=bundle) for bundle in bundles]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_records_travel_in_the_output(tmp_path):
    record = Check("P1", "x", "1", "=", "1", "0", "holds", 3)
    bundle = record._repr_mimebundle_()
    assert bundle["text/plain"] == str(record)
    assert read_checks(store(tmp_path / "chapter.ipynb", bundle)) == [record]
    assert json.dumps(bundle[MIME_TYPE])


HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"&"


def test_rows_escape_what_they_show():
    hostile = Check(*[HOSTILE] * 3, "<=", HOSTILE, f"1 {HOSTILE}", HOSTILE, 1, HOSTILE)
    shown = hostile._repr_mimebundle_()["text/html"]
    assert shown.count(html.escape(HOSTILE)) == 7
    assert "<script" not in shown
    assert "<img" not in shown


GOOD = {
    "claim": "P1",
    "name": "x",
    "measured": "1",
    "relation": "=",
    "expected": "1",
    "slack": "0, exactly",
    "verdict": "holds",
    "comparisons": 3,
    "recorded": "",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claim": None}, "lacks claim"),
        ({"comparisons": None, "slack": None}, "lacks comparisons, slack"),
        ({"extra": 1}, "unknown field extra"),
        ({"claim": ""}, "claim must be a text of one line, got ''"),
        ({"claim": 5}, "claim must be a text"),
        ({"name": "a\nb"}, "name must be a text"),
        ({"measured": 1.0}, "measured must be a text"),
        ({"recorded": []}, "recorded must be a text"),
        ({"relation": "<"}, "relation must be one of"),
        ({"relation": ["="]}, "relation must be one of"),
        ({"verdict": "fine"}, "verdict must be one of"),
        ({"comparisons": True}, "comparisons must be a positive integer"),
        ({"comparisons": 0}, "comparisons must be a positive integer"),
        ({"comparisons": "3"}, "comparisons must be a positive integer"),
        ({"slack": "little"}, "slack must begin with a number, got 'little'"),
    ],
)
def test_records_that_are_none_are_refused(changes, message, tmp_path):
    record = {key: value for key, value in (GOOD | changes).items() if value is not None}
    path = store(tmp_path / "chapter.ipynb", {MIME_TYPE: GOOD}, {MIME_TYPE: record})
    with pytest.raises(ValueError, match=rf"check 2 of .*chapter\.ipynb.*{message}"):
        read_checks(path)


def test_a_record_is_a_mapping(tmp_path):
    with pytest.raises(ValueError, match="must be a mapping, got 'P1'"):
        read_checks(store(tmp_path / "chapter.ipynb", {MIME_TYPE: "P1"}))


@pytest.mark.parametrize(
    ("slack", "distance"),
    [("0, exactly", 0), ("1,234", 1234), ("-2.5e-07 off", -2.5e-7), ("2.1 standard errors", 2.1)],
)
def test_the_distance_is_the_number_in_front(slack, distance):
    assert Check(**GOOD | {"slack": slack}).distance == distance
    assert isnan(Check(**GOOD | {"slack": "nan"}).distance)


CLAIM = {
    "id": "P1",
    "statement": "a",
    "source": "ours",
    "chapter": "book/page",
    "functions": [],
    "tests": ["tests/test_a.py::test_b"],
}


def write_claims(path, *claims):
    path.write_text(yaml.safe_dump({"claims": list(claims)}))
    return path


def test_claims_come_in_order(tmp_path):
    second = CLAIM | {"id": "A2", "status": "not covered", "theorem": "thm-a"}
    found = load_claims(write_claims(tmp_path / "claims.yml", CLAIM, second))
    assert list(found.items()) == [("P1", CLAIM), ("A2", second)]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ([CLAIM, CLAIM | {"statement": "b"}], "names a claim twice: 'P1'"),
        ([{"id": "P1", "statement": "a"}], "claim 'P1' lacks chapter, functions, source, tests"),
        ([CLAIM, {"statement": "a"}], "claim 'number 2' lacks chapter, functions, id"),
        ([CLAIM | {"theorm": "thm-a"}], "claim 'P1' has the unknown key theorm"),
        ([CLAIM | {"functions": "f"}], "functions must be a list of texts of one line, got 'f'"),
        ([CLAIM | {"tests": [1]}], "tests must be a list of texts"),
        ([CLAIM | {"status": None}], "status must be a text of one line, got None"),
        ([CLAIM | {"statement": "a\n\n# b"}], "statement must be a text of one line"),
        ([CLAIM | {"id": 1}], "id must be a text of one line, got 1"),
        ([CLAIM | {"id": "P1)=<b>"}], "id must be a letter, then"),
        (["P1"], "claim number 1 must be a mapping, got 'P1'"),
    ],
)
def test_claims_are_whole(claims, message, tmp_path):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        load_claims(write_claims(tmp_path / "claims.yml", *claims))


@pytest.mark.parametrize("text", ["", "claims:", "[]", "claims: {id: P1}"])
def test_a_file_without_claims_is_refused(text, tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match="must hold a list under the key 'claims'"):
        load_claims(path)


@pytest.mark.parametrize("allowed", [{"atol": 100}, {"rtol": 1e-6}, {"atol": 1.1e-9}])
@pytest.mark.parametrize("bound", [{"at_most": 1e-3}, {"at_most": -1}, {"at_least": -5}])
def test_a_bound_allows_for_rounding_only(bound, allowed):
    (name,) = allowed
    with pytest.raises(ValueError, match=f"{name} must be at most 1e-9 for {min(bound)}"):
        check("P1", "wide", 5.0, **bound, **allowed)


class OtherFloat(float):
    def as_integer_ratio(self):
        return 1, 1


class OtherInt(int):
    def __int__(self):
        return 1


class OtherFraction(Fraction):
    numerator = 1


class OtherDouble(np.float64):
    def as_integer_ratio(self):
        return 1, 1


class OtherList(list):
    def __iter__(self):
        return iter([1])


class OtherTuple(tuple):
    def __iter__(self):
        return iter([1])


@pytest.mark.parametrize(
    "value",
    [
        OtherFloat(2),
        OtherInt(2),
        OtherFraction(2),
        OtherDouble(2),
        OtherList([2]),
        OtherTuple([2]),
        [OtherFloat(2)],
        np.array(OtherInt(2), dtype=object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_does_not_speak_for_its_number(value):
    with pytest.raises(TypeError, match="measured must hold .*, got"):
        check("P1", "other", value, equals=1)
    with pytest.raises(TypeError, match="equals must hold .*, got"):
        check("P1", "other", 1, equals=value)


def nested(levels):
    value = 1.0
    for _ in range(levels):
        value = [value]
    return value


def test_what_has_no_end_or_no_data_is_refused():
    endless = []
    endless.append(endless)
    for value in (endless, nested(33), nested(100), [np.ones([1] * 32)], np.ones([1] * 33)):
        with pytest.raises(ValueError, match="measured must have at most 32 axes"):
            check("P1", "deep", value, equals=1.0)
    check("P1", "deep", nested(32), equals=1.0)
    with pytest.raises(TypeError, match="measured must hold real numbers .*, got a tensor of"):
        check("P1", "meta", torch.ones(2, device="meta"), equals=1.0)
