"""What other sites may show of the pages."""

from types import SimpleNamespace
from xml.etree import ElementTree

from bookkit.sharing import base_of, describe, description, sitemap
from docutils import nodes


def page(*paragraphs):
    document = nodes.document("", None)
    document += [nodes.paragraph("", text, classes=classes) for text, *classes in paragraphs]
    return document


def test_the_first_paragraph_describes_a_page():
    assert description(
        page(["Computed", "provenance"], [" "], ["What\n  it says."], ["More."])
    ) == ("What it says.")
    long = description(page(["word " * 100]))
    assert long == "word " * 40 + "…"
    assert description(page()) == ""


def context_of(address):
    """The head of a page whose text and title are HTML unless they are escaped."""
    config = SimpleNamespace(html_baseurl=address, project='The "book"')
    app = SimpleNamespace(
        builder=SimpleNamespace(format="html"),
        config=config,
        env=SimpleNamespace(titles={"a": nodes.title("", "<b>")}),
    )
    context = {"metatags": "", "pageurl": address and f"{address}a.html"}
    describe(app, "a", "page.html", context, page(['A "first" <i>']))
    return context["metatags"].strip().splitlines()


def test_without_an_address_there_is_a_description_only():
    assert context_of("") == ['<meta name="description" content="A &quot;first&quot; &lt;i&gt;" />']


def test_at_an_address_there_is_a_card():
    tags = context_of("https://host.example/")
    assert len(tags) == 7
    assert '<meta property="og:title" content="&lt;b&gt;" />' in tags
    assert '<meta property="og:url" content="https://host.example/a.html" />' in tags
    picture = "https://host.example/_static/overview.png"
    assert f'<meta property="og:image" content="{picture}" />' in tags


def test_the_sitemap_lists_addresses():
    root = ElementTree.fromstring(sitemap(["https://host.example/a.html?x=1&y=2"]))
    assert [place.text for place in root.iter() if place.tag.endswith("loc")] == [
        "https://host.example/a.html?x=1&y=2"
    ]
    for address in "https://host.example/us", "https://host.example/us/":
        assert base_of(SimpleNamespace(html_baseurl=address)) == "https://host.example/us/"
