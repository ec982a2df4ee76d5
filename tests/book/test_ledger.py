import json
from fractions import Fraction

import nbformat
import numpy as np
import pytest
from bookkit.ledger import MIME_TYPE, Check, check, load_claims, read_checks


def test_a_row_says_claim_values_slack_and_verdict(capsys):
    check("P1", "E KL at codimension 5", 0.25, at_most=1.0)
    assert capsys.readouterr().out == (
        "P1  holds  E KL at codimension 5: 0.25 <= 1; slack 0.75; 1 compared\n"
    )


@pytest.mark.parametrize(
    "comparison",
    [
        {"measured": 1.0, "equals": 1.1},
        {"measured": 1.0, "at_most": 0.9},
        {"measured": 1.0, "at_least": 1.1},
        {"measured": [1.0, 2.0], "at_most": [2.0, 1.0]},
        {"measured": np.nan, "equals": 1.0},
        {"measured": np.nan, "at_most": 1.0},
        {"measured": Fraction(1, 3), "equals": Fraction(1, 3) + Fraction(1, 10**30)},
        {"measured": 2, "equals": 3, "rtol": 1.0},
        {"measured": 1.0, "equals": 1.0 + 1e-9},
    ],
)
def test_what_does_not_hold_raises_after_printing(comparison, capsys):
    with pytest.raises(AssertionError, match="FAILS"):
        check("P1", "fails", **comparison)
    assert "FAILS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("comparison", "row"),
    [
        (
            {"measured": [Fraction(1, 3)] * 2, "equals": [Fraction(1, 3)] * 2},
            "1/3 = 1/3; slack 0,",
        ),
        ({"measured": 2, "at_most": 5}, "2 <= 5; slack 3;"),
        ({"measured": 5.0, "at_least": 2.0}, "5 >= 2; slack 3;"),
        ({"measured": 1.0, "equals": 1.0 + 1e-13}, "1 = 1; slack 0 within 1e-11 of it"),
        ({"measured": 1.5, "equals": 1.0, "atol": 0.6}, "slack 0.5 off, 0.6 allowed"),
        ({"measured": [1.0, 4.0], "at_most": [2.0, 4.5]}, "4 <= 4.5; slack 0.5; 2 compared"),
        ({"measured": 1.0, "at_most": 1.0 - 1e-13}, "slack 0 (tight)"),
        ({"measured": [1.0, 2.0], "equals": [1.0, 2.0]}, "1 to 2 = 1 to 2;"),
    ],
)
def test_rows_of_what_holds(comparison, row, capsys):
    check("P1", "holds", **comparison)
    assert row in capsys.readouterr().out


def test_one_comparison_is_asked_for_and_something_to_compare():
    with pytest.raises(ValueError, match="exactly one of"):
        check("P1", "nothing", 1.0)
    with pytest.raises(ValueError, match="exactly one of"):
        check("P1", "two", 1.0, at_most=1.0, equals=1.0)
    with pytest.raises(ValueError, match="measured must hold at least one value"):
        check("P1", "empty", [], at_most=1.0)


def test_records_travel_in_the_output(tmp_path):
    record = Check("P1", "x", "1", "=", "1", "0", "holds", 3)
    bundle = record._repr_mimebundle_()
    assert bundle["text/plain"] == str(record)
    cell = nbformat.v4.new_code_cell("check(...)")
    cell.outputs = [nbformat.v4.new_output("display_data", data=bundle)]
    path = tmp_path / "chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    assert read_checks(path) == [record]
    assert json.dumps(bundle[MIME_TYPE])


def test_claims_are_unique(tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text("claims:\n- {id: P1, statement: a}\n- {id: P2, statement: b}\n")
    assert list(load_claims(path)) == ["P1", "P2"]
    path.write_text("claims:\n- {id: P1, statement: a}\n- {id: P1, statement: b}\n")
    with pytest.raises(ValueError, match="names a claim twice"):
        load_claims(path)
