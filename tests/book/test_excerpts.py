"""What the pages keep for previews of links and for the search."""

from types import SimpleNamespace

from bookkit import excerpts
from bookkit.excerpts import collect, inline, preview, prose, statements
from bs4 import BeautifulSoup

PAGE = r"""
<section id="a-page"><h1>A page</h1>
<p class="provenance">Computed</p>
<p>Of \(x\) it says <a href="#thm-a">Theorem 1.2</a>.</p>
<div class="proof theorem admonition" id="thm-a">
<p class="admonition-title"><span class="caption-number">Theorem 1.2 </span> (Exact law)</p>
<section class="theorem-content" id="proof-content"><p>For all \(x\)</p>
<div class="math" id="equation-eq-a">
<span class="eqno">(1.3)</span>\[
x = x
\]</div></section></div>
<section id="below"><h2>Below</h2><p>More.</p>
<figure id="fig-a"><img src="a.png"/><figcaption><p><span class="caption-number">Fig. 1.1 </span>
<span class="caption-text">A line.</span></p></figcaption></figure>
<figure id="unnumbered"></figure>
<table class="results-map"><tr><td><p id="claim-a2"><strong>A2</strong> It holds.</p></td></tr>
</table>
<dl class="glossary"><dt id="term-band">band</dt><dd><p>Bounds.</p></dd></dl>
</section></section>
"""


def article():
    return BeautifulSoup(PAGE, "html.parser")


def test_statements_are_found_with_number_name_and_text():
    found = {names[0]: [*names[1:], inline(parts)] for *names, parts, _ in statements(article())}
    assert found == {
        "thm-a": ["Theorem 1.2", "Exact law", r"For all \(x\) \( x = x \)"],
        "equation-eq-a": ["Equation (1.3)", "", r"\( x = x \)"],
        "fig-a": ["Fig. 1.1", "", "A line."],
        "claim-a2": ["Claim A2", "", "It holds."],
        "term-band": ["", "band", "Bounds."],
    }


def test_a_preview_holds_no_names_or_links():
    shown = {identifier: preview(elements) for identifier, *_, elements in statements(article())}
    for html in shown.values():
        assert not BeautifulSoup(html, "html.parser").select("[id], a")
    assert "(1.3)" in shown["equation-eq-a"]
    assert "Exact law" in shown["thm-a"]
    assert 'src="a.png"' in shown["fig-a"]
    assert "Bounds." in shown["term-band"]


def test_prose_stands_in_sections_without_what_is_below_them():
    above, below = prose(article())
    assert above[:2] == ["a-page", "A page"]
    assert above[2] == r"Of \(x\) it says Theorem 1.2."
    assert below == ["below", "Below", "More."]


def test_a_page_is_taken_apart_again_only_when_its_text_changes(tmp_path, monkeypatch):
    app = SimpleNamespace(builder=SimpleNamespace(name="html"), doctreedir=tmp_path)
    done = []
    monkeypatch.setattr(excerpts, "taken", lambda body: done.append(body) or {})
    for body in (PAGE, PAGE, "<p>Other.</p>"):
        collect(app, "book/page", "page.html", {"body": body}, object())
    assert done == [PAGE, "<p>Other.</p>"]
