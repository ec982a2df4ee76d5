"""What a page says of its checks."""

from dataclasses import replace

import pytest
from bookkit.checkrows import sentence, summary
from bookkit.ledger import Check

CHECK = Check("P1", "a check", "1", "=", "1", "0, exactly", "holds", 1)
BOUND = replace(CHECK, name="a bound", measured="2", relation=">=", expected="1.5", slack="0.5")
TIGHT = replace(BOUND, name="a tight one", claim="A2", measured="1.5", slack="0 (tight)")
SAMPLED = replace(
    CHECK, name="a mean", relation="≈", expected="1.1", slack="2.1 standard errors apart, 5 allowed"
)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (CHECK, "equal, exactly (both 1)"),
        (replace(CHECK, slack="0 within 1e-11 of it"), "equal within 1e-11 of it (both 1)"),
        (replace(CHECK, slack="0 within 1e-12", expected="2"), "equal within 1e-12 (1 and 2)"),
        (BOUND, "2, at least 1.5 (0.5 to spare)"),
        (replace(BOUND, relation="<=", slack="-1"), "2, at most 1.5 (-1 to spare)"),
        (TIGHT, "1.5, at least 1.5 (reached)"),
        (SAMPLED, "2.1 standard errors apart, 5 allowed (1 and 1.1)"),
        (replace(SAMPLED, slack="0.1 off, 0.2 allowed"), "0.1 off, 0.2 allowed (1 and 1.1)"),
    ],
)
def test_a_check_is_a_sentence(check, words):
    assert sentence(check) == words


def test_the_summary_names_what_came_closest_to_failing():
    assert summary([CHECK]) == "P1: 1 of 1 check holds; both sides are equal, exactly"
    rounded = replace(CHECK, slack="0 within 1e-11 of it")
    assert summary([CHECK, rounded]).endswith("2 checks hold; both sides are equal, up to rounding")
    failing = replace(CHECK, verdict="FAILS", slack="1 off, 0 allowed")
    assert summary([CHECK, failing]).startswith("P1: 1 of 2 checks hold; ")
    assert summary([BOUND, TIGHT, CHECK, SAMPLED]) == (
        "P1, A2: 4 of 4 checks hold; closest to its bound: “a tight one”, reached; "
        "furthest apart: “a mean”, 2.1 standard errors apart, 5 allowed"
    )
