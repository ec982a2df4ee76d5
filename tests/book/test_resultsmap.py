"""The results map: what it says of checks, and that nothing in claims or records is HTML there."""

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from bookkit.ledger import Check
from bookkit.resultsmap import (
    breakable,
    claims_by_page,
    closest_calls,
    contradictions,
    lines_of_tests,
    origins,
    repository_of,
    tally,
)
from bs4 import BeautifulSoup
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

CHECK = Check("P1", "a check", "1", "=", "1", "0, exactly", "holds", 1)


def test_a_failing_check_is_no_support():
    failing = replace(CHECK, verdict="FAILS")
    assert list(contradictions({"P1": {}}, iter([CHECK, failing]))) == ["a check of 'P1' fails"]


def checks(relation, *slacks):
    return [replace(CHECK, relation=relation, slack=slack) for slack in slacks]


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (checks("<=", "1,234", "0.5", "2e-05"), ["bounds: least slack 2e-05"]),
        (checks("<=", "0.1", "0 (tight)"), ["bounds: least slack 0 (tight)"]),
        (checks("=", "0, exactly", "0 within 1e-11 of it"), ["equalities: 0 within 1e-11 of it"]),
        (
            checks("=", "0, exactly") + checks("≈", "2.1 standard errors apart, 5 allowed"),
            ["equalities: 2.1 standard errors apart, 5 allowed"],
        ),
        (
            checks("≈", "0.001 off, 0.1 allowed") + checks(">=", "3"),
            ["bounds: least slack 3", "equalities: 0.001 off, 0.1 allowed"],
        ),
    ],
)
def test_the_closest_calls_are_quoted(found, lines):
    assert list(closest_calls(found)) == lines


def test_checks_are_counted_with_where_they_come_from():
    recorded = replace(CHECK, recorded="Recorded: then", comparisons=1234)
    assert tally([CHECK]) == "1 check, 1 comparison"
    assert tally([CHECK, recorded]) == "2 checks, 1,235 comparisons"
    assert list(origins([CHECK])) == ["recomputed by the build"]
    assert list(origins([recorded, recorded])) == ["Recorded: then"]
    assert list(origins([recorded, CHECK])) == ["recomputed by the build", "Recorded: then"]


def test_claims_are_sorted_by_page_then_by_letter_and_number():
    pages = {"A10": "b", "A9": "b", "P3": "b", "B12": "b", "A1": "z", "P1": "a", "C1": "a"}
    claims = {name: {"chapter": page} for name, page in pages.items()}
    found = claims_by_page(claims, ["b", "empty", "a"])
    assert {page: list(here) for page, here in found.items()} == {
        "b": ["P3", "B12", "A9", "A10"],
        "a": ["P1", "C1"],
        "z": ["A1"],
    }
    assert list(found) == ["b", "a", "z"]


def test_long_names_break_after_their_marks_only():
    parts = [part.astext() for part in breakable("tests/test_a.py").findall(nodes.Text)]
    assert parts == ["tests/", "<wbr>", "test_", "<wbr>", "a.", "<wbr>", "py"]


def test_tests_link_to_a_repository_where_there_is_one():
    claim = {"tests": ["tests/a.py::test_one", "tests/a.py::test_two"]}
    shown = [line.astext().replace("<wbr>", "") for (line,) in lines_of_tests(claim, None)]
    assert shown == ["tests/a.py", "test_one", "test_two"]
    assert not [
        link for (line,) in lines_of_tests(claim, None) for link in line.findall(nodes.reference)
    ]
    links = [
        line["refuri"] for (line,) in lines_of_tests(claim, "https://host.example/us/it/blob/v1")
    ]
    assert links == ["https://host.example/us/it/blob/v1/tests/a.py"] * 3
    config = SimpleNamespace(html_theme_options={"repository_url": "https://host.example/us/it/"})
    assert repository_of(config) == "https://host.example/us/it/blob/main"
    assert repository_of(SimpleNamespace()) is None


def hostile(where):
    """Text that is HTML, and MyST, unless it is escaped."""
    return (
        f"{where} <script>alert(1)</script><img src=x onerror=alert(1)> **<b>bold</b>** "
        "[link](https://evil.invalid) [run](javascript:alert(1)) {eval-rst}`<i>` & &lt;"
    )


CLAIM = {
    "statement": "For $K < L$: <script>alert(1)</script><img src=x onerror=alert(1)> <b>bold</b> "
    "[run](javascript:alert(1)) {raw-html}`<i>`",
    "source": hostile("source"),
    "chapter": "book/page",
    "functions": ["dlm_core.<script>alert(1)</script>"],
    "tests": [hostile("tests")],
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a book whose claims, records and glued lines are hostile, as it was built."""
    root = tmp_path_factory.mktemp("book")
    fields = ("name", "measured", "expected", "recorded")
    record = replace(CHECK, slack=f"0 {hostile('slack')}", **{key: hostile(key) for key in fields})
    stranger = replace(record, claim=f"P9](x) {hostile('claim')}")
    key = "application/papermill.record/"
    outputs = [
        *(new_output("display_data", data=each._repr_mimebundle_()) for each in (record, stranger)),
        new_output(
            "display_data",
            data={f"{key}text/plain": repr(hostile("line"))},
            metadata={"scrapbook": {"name": "line", "mime_prefix": key}},
        ),
    ]
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# A page\n\n```{chapter-claims}\n```"),
            new_code_cell("check(...)", outputs=outputs, execution_count=1),
            new_markdown_cell("{glue:text}`line`"),
        ],
        metadata={"kernelspec": {"display_name": "", "language": "python", "name": "python3"}},
    )
    (root / "book").mkdir()
    nbformat.write(notebook, root / "book/page.ipynb")
    claims = [CLAIM | {"id": "P1"}, CLAIM | {"id": "P2", "status": hostile("status")}]
    (root / "book/claims.yml").write_text(yaml.safe_dump({"claims": claims}))
    (root / "book/results_map.md").write_text("# Map\n\n```{results-map}\n```\n```{ledger}\n```\n")
    (root / "index.md").write_text("# Book\n\n```{toctree}\nbook/page\nbook/results_map\n```\n")
    (root / "conf.py").write_text(
        "extensions = ['myst_nb', 'bookkit.resultsmap', 'bookkit.checkrows', 'bookkit.excerpts',"
        " 'bookkit.sharing']\n"
        "html_baseurl = 'https://host.example/us'\n"
        "nb_execution_mode = 'off'\n"
        "myst_enable_extensions = ['dollarmath']\n"
        "html_theme = 'basic'\n"
    )
    command = [sys.executable, "-m", "sphinx", "-b", "html", ".", "_build/html"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root / "_build/html"


@pytest.fixture(scope="module")
def pages(built):
    """The texts of the pages of that book."""
    return {
        name: BeautifulSoup(
            (built / f"book/{name}.html").read_text(encoding="utf-8"), "html.parser"
        ).select_one("div.body")
        for name in ("page", "results_map")
    }


@pytest.mark.parametrize("page", ["page", "results_map"])
def test_claims_and_records_hold_no_html(pages, page):
    body = pages[page]
    assert not body.select("script, img, b, i, [onerror], a[href^='javascript'], a[href*='evil']")
    assert "<script>alert(1)</script><img src=x onerror=alert(1)>" in body.text


def test_the_map_shows_claims_and_records_as_they_are_written(pages):
    first, second = pages["results_map"].select("table.results-map tbody tr")
    claim, where, code, status = first.select("td")
    assert claim.select_one("strong").text == "P1"
    assert r"\(K < L\)" in claim.text
    assert claim.select_one("[id]")["id"] == "claim-p1"
    assert hostile("source") in where.text
    assert where.select_one("a")["href"] == "page.html"
    assert code.select("code")[-1].text == hostile("tests")
    assert status.select_one("strong").text == hostile("recorded")
    assert f"equalities: 0 {hostile('slack')}" in status.text
    assert hostile("status") in second.text


def test_the_ledger_shows_every_record(pages):
    known, unknown = pages["results_map"].select("table.ledger tbody tr")
    assert known.select_one("a")["href"] == "#claim-p1"
    assert hostile("claim") in unknown.text
    for row in (known, unknown):
        assert all(hostile(field) in row.text for field in ("name", "measured", "expected"))


def test_a_page_folds_its_checks_and_states_each(pages):
    folds = pages["page"].select("details.checks")
    ((first, last),) = [fold.select("p.check-row")[:-1] for fold in folds]
    assert first.select_one("a")["href"] == "results_map.html#claim-p1"
    assert not last.select("a")
    for row in first, last:
        assert all(hostile(field) in row.text for field in ("name", "measured", "expected"))
    assert hostile("recorded") in folds[0].text
    assert not pages["page"].select(".ledger-row")


def test_a_glued_line_is_text(pages):
    assert hostile("line") in pages["page"].text


def test_previews_and_search_hold_what_the_pages_say(built):
    stored = (built / "_static/previews/results_map.js").read_text(encoding="utf-8")
    _, shown = json.loads(f"[{stored.removeprefix('bookPreviews(').removesuffix(');' + chr(10))}]")
    assert "<script" not in shown["claim-p1"]
    assert shown["claim-p1"].startswith("<p><strong>P1</strong> For")
    texts = (built / "_static/searchtext.js").read_text(encoding="utf-8")
    says = json.loads(texts.removeprefix("const bookTexts = ").strip().removesuffix(";"))
    assert list(says) == ["index", "book/page", "book/results_map"]
    assert says["book/page"]["sections"][0][1] == "A page"
    assert [names[:2] for names in says["book/results_map"]["statements"]] == [
        ["claim-p1", "Claim P1"],
        ["claim-p2", "Claim P2"],
    ]


def test_an_address_gives_canonical_links_and_a_sitemap(built):
    address = "https://host.example/us/book/page.html"
    head = BeautifulSoup((built / "book/page.html").read_text(encoding="utf-8"), "html.parser").head
    assert head.select_one("link[rel=canonical]")["href"] == address
    assert head.select_one("meta[property='og:url']")["content"] == address
    assert address in (built / "sitemap.xml").read_text(encoding="utf-8")
