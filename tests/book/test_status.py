"""What the status page says of pages and experiments."""

from bookkit.status import origin, since, versions_in_words


def test_records_that_a_page_reads_are_named():
    assert origin(["dlm_core/exact.py", "book/bookkit/records.py"]) == "computed"
    files = ["book/results/a.paper.json", "book/results/a.paper.ipynb", "book/results/speed.json"]
    assert origin(files) == "computed, recorded in `a.paper`, recorded in `speed`"


def test_changes_and_versions_are_named():
    assert since([]) == "nothing that it depends on has changed"
    assert since(["a", "b"]) == "changed: a, b"
    assert versions_in_words({"python": "3.11", "numpy": "2.4.6"}) == "python 3.11, numpy 2.4.6."
