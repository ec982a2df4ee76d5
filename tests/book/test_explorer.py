"""The Explorer: its numbers are the package's, and nothing that a reader types breaks it.

The tests marked `pages` open the built page in a browser; the others ask what the build puts in.
"""

import csv
import json
import random
import re

import numpy as np
import pytest
from bookkit import explorer
from bookkit import schedule as schedule_of
from bs4 import BeautifulSoup
from contents import PAGES

# Pytest finds a fixture where its name is.
from test_pages import HTML, browser, site, soup  # noqa: F401

from dlm_core import InformationProfile
from dlm_core.error import certificate, expected_kl
from dlm_core.schedules import BestDeterministic, Minimax, OptimalForProfile
from dlm_core.targets import MarkovChain

PAGE = "book/explorer"
pytestmark = pytest.mark.of_page(PAGE)
CURVES = {"Sudoku 4x4": {"curve": [1.0, 0.5], "estimated": False}}
ALL = ",".join(map(explorer.slug, explorer.NAMES))


# ---- what the build puts in


def test_schedules_stand_out_on_a_dark_page():
    for looks in explorer.looks().values():
        for look in looks.values():
            light = explorer.luminance(look["dark"]) + 0.05
            assert light / (explorer.luminance("#121212") + 0.05) >= 4.5, look


def test_marks_fit_into_a_circle():
    for marker in explorer.MARKERS:
        x, y = np.transpose(explorer.corners(marker))
        assert 0.7 <= np.hypot(x, y).max() <= 1.01
    star = np.hypot(*np.transpose(explorer.corners("*")))
    assert star.tolist() == pytest.approx([1, 0.45] * 5, abs=0.01)


def test_names_differ_in_links():
    names = [*explorer.NAMES, *explorer.FAMILIES, "own"]
    assert len({explorer.slug(name) for name in names}) == len(names)


def test_data_cannot_end_its_script():
    text = explorer.quoted({"</script>": "<!-- & ]]>"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"</script>": "<!-- & ]]>"}


def test_every_field_has_a_label_and_a_place_for_what_is_wrong():
    page = BeautifulSoup(explorer.skeleton(CURVES), "html.parser")
    fields = page.select("[data-key]")
    assert {"L", "K", "of", "curve", "measure", "error"} < {f["data-key"] for f in fields}
    for field in fields:
        assert page.select_one(f'label[for="{field["id"]}"]').text
        assert "ex-says" in page.find(id=f"ex-{field['data-key']}-says")["class"]
        assert f"ex-{field['data-key']}-says" in field["aria-describedby"].split()
    values = [option["value"] for option in page.select("#ex-of option")]
    assert values == [*map(explorer.slug, explorer.FAMILIES), "sudoku-4x4", "own"]
    boxes = {box["data-show"]: box.has_attr("checked") for box in page.select("[data-show]")}
    assert boxes == {explorer.slug(name): shown for name, shown in explorer.NAMES.items()}


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ([3, 2, 1, 0], "3"),
        ([3, 1, 2, 0], "2, for good from 4"),
        ([1, 1, 0, 0], "1"),
        ([2, 2, 2, 0], "4"),
    ],
)
def test_steps_are_told_with_those_from_which_the_target_stays_met(errors, words):
    assert explorer.steps_in_words(errors, 1) == words


def test_static_rows_are_the_certificates():
    rows = list(explorer.static_rows(12, 4))
    chain = MarkovChain(12, explorer.symmetric(explorer.CORRELATION)).profile()
    assert [row[0] for row in rows] == [*explorer.TABLED, "optimal for the profile"]
    for name, row in zip(explorer.TABLED, rows, strict=False):
        found = certificate(schedule_of(name, 12, 4), chain)
        bounds = {bound.measure: bound for bound in found.bounds}
        numbers = [bounds["tc"].constant, bounds["tc"].value]
        numbers += [bounds["dtc"].constant, bounds["dtc"].value, found.by_law]
        assert row[1:6] == [f"{number:.4g}" for number in numbers]


# ---- the page in a browser

STATES = {
    "chain": (
        "of=markov-chain&L=256&memory=0.9&letters=2&K=32&measure=tc&error=0.5",
        lambda: MarkovChain(256, explorer.symmetric(0.9)).profile(),
    ),
    "words": (
        "of=two-words&L=64&noise=0.2&K=10&measure=min&error=0.05",
        lambda: InformationProfile.two_words(64, 0.2),
    ),
    "code": (
        "of=mds-code&L=33&dimension=16&symbols=32&K=5&measure=sum&error=0",
        lambda: InformationProfile.mds_code(33, 16, 32),
    ),
    "Sudoku": (
        "of=sudoku-4x4&K=5&measure=dtc&error=0.25",
        lambda: InformationProfile(gallery_curve("sudoku-4x4")),
    ),
    "two": (
        "of=repetition&L=2&entropy=1.5&K=1&measure=product&error=2",
        lambda: InformationProfile.repetition(2, 1.5),
    ),
    "pasted": (
        "of=own&curve=2;1.25,+1.25|0.5*3+0.125&K=3&measure=product&error=1",
        lambda: InformationProfile([2, 1.25, 1.25, 0.5, 0.5, 0.5, 0.125]),
    ),
}


def state(name):
    """The parts of a state's link, and the profile."""
    link, profile = STATES[name]
    return dict(part.split("=") for part in link.split("&")), profile()


def gallery_curve(slug):
    return json.loads(soup(PAGE).find(id="ex-data").text)["gallery"][slug]


def made(name, length, steps, measure, profile):
    if name == "minimax":
        return Minimax(length, steps, measure)
    if name == "best deterministic":
        return BestDeterministic(length, steps, measure)
    if name == "optimal":
        return OptimalForProfile(profile, steps)
    return schedule_of(name, length, steps)


def as_hash(parts):
    return "#" + "&".join(f"{key}={value}" for key, value in parts.items())


class Explorer:
    """The page in a tab, with what went wrong in it."""

    def __init__(self, tab, address):
        self.tab, self.address, self.problems = tab, address, []
        tab.set_default_timeout(120_000)  # milliseconds: a busy machine is not wrong
        tab.on("console", lambda m: m.type == "error" and self.problems.append(m.text))
        tab.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, parts):
        self.tab.goto("about:blank")
        self.tab.goto(self.address + (as_hash(parts) if parts else ""))
        return self.settled()

    def settled(self):
        """Wait until all is drawn, the curves too, and the address line is up to date."""
        self.tab.wait_for_selector("#ex-errors svg")
        self.tab.wait_for_function("!document.getElementById('ex-pending').textContent")
        self.tab.wait_for_timeout(700)
        return self

    def table(self):
        """The cells of the table, by the name of the schedule."""
        rows = self.tab.evaluate(
            """[...document.querySelectorAll("#ex-table tbody tr")].map(
                row => [...row.cells].map(cell => cell.textContent))"""
        )
        return {name: cells for name, *cells in rows}

    def csv(self):
        """The values of the downloaded file: {(quantity, schedule): {index: value}}."""
        with self.tab.expect_download() as download:
            self.tab.click("#ex-csv")
        text = download.value.path().read_text(encoding="utf-8")
        found = {}
        for row in csv.DictReader(text.splitlines()):
            of = found.setdefault((row["quantity"], row["schedule"]), {})
            of[row["index"]] = float(row["value"])
        return text, found


def opened(browser, address):  # noqa: F811
    return Explorer(browser.new_page(), address)


@pytest.fixture
def page(browser, site):  # noqa: F811
    page = opened(browser, f"{site}/{PAGE}.html")
    yield page
    page.tab.close()
    assert page.problems == []


def four_digits(text):
    """The number that a cell shows."""
    digits, _, power = text.replace(",", "").partition("10") if "⁻" in text else (text, "", "")
    if not power:
        return float(digits.replace(",", ""))
    signs = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return float(digits.rstrip(" ·") or 1) * 10.0 ** int(power.translate(signs))


def compare(page, parts, profile):
    """Hold what the page shows and exports to the package."""
    length, steps, target = profile.length, int(parts["K"]), float(parts["error"])
    measure = parts["measure"]
    _, found = page.csv()

    def same(quantity, schedule, values, first):
        exported = found[quantity, schedule]
        assert list(exported) == [str(i) for i in range(first, first + len(values))]
        assert list(exported.values()) == pytest.approx(list(values), rel=1e-11, abs=1e-11)

    same("conditional entropy", "", profile.conditional_entropy, 0)
    assert found["total correlation", ""][""] == pytest.approx(profile.total_correlation, 1e-11)
    table = page.table()
    labels = []
    for name in explorer.NAMES:
        schedule = made(name, length, steps, measure, profile)
        label = schedule.label
        labels.append(label)
        every = [made(name, length, k, measure, profile) for k in range(1, length + 1)]
        errors = [expected_kl(s, profile) for s in every]
        same("expected KL", label, errors, 1)
        same("mean size", label, schedule.mean_sizes, 1)
        same("start probability", label, schedule.start_probabilities, 0)
        same("residual", label, schedule.residual, 1)
        drawn = found["size drawn", label]
        assert (len(drawn), sum(drawn.values())) == (steps, length)
        constant = schedule.coefficient(measure)
        (bound,) = (b for b in certificate(schedule, profile).bounds if b.measure == measure)
        assert found[f"constant {measure}", label][""] == pytest.approx(constant, abs=1e-11)
        assert found[f"promise {measure}", label][""] == pytest.approx(bound.value, abs=1e-11)
        shown = table[label]
        if name != "optimal":
            assert four_digits(shown[0]) == pytest.approx(constant, rel=6e-4, abs=1e-12)
            assert four_digits(shown[1]) == pytest.approx(bound.value, rel=6e-4, abs=1e-12)
        assert four_digits(shown[2]) == pytest.approx(errors[steps - 1], rel=6e-4, abs=1e-9)
        # where the package's error is the target up to rounding, either side is right
        if min(abs(error - target) for error in errors) > 1e-9:
            assert shown[3].replace(",", "") == explorer.steps_in_words(errors, target).replace(
                ",", ""
            )
    assert list(table) == labels


@pytest.mark.pages
@pytest.mark.parametrize("name", STATES)
def test_numbers_are_those_of_the_package(name, page):
    parts, profile = state(name)
    compare(page.open(parts | {"show": ALL}), parts, profile)


@pytest.mark.pages
def test_a_wrong_constant_is_found_out(page):
    parts, profile = state("words")

    def spoil(route):
        text = (HTML / "_static/dlm.js").read_text(encoding="utf-8")
        wrong = text.replace("((i + 1) * (i + 2)) / 2 - 1", "((i + 1) * (i + 2)) / 2 - 0.999")
        assert wrong != text
        route.fulfill(body=wrong, content_type="text/javascript")

    page.tab.route("**/dlm.js*", spoil)
    page.open(parts | {"show": ALL})
    with pytest.raises(AssertionError):
        compare(page, parts, profile)


@pytest.mark.pages
def test_a_link_restores_everything(page, browser):  # noqa: F811
    page.open({})
    tab = page.tab
    tab.select_option("#ex-of", "two-words")
    for field, value in {"L": "100", "K": "7", "noise": "0.25", "error": "0.01"}.items():
        tab.fill(f"#ex-{field}", value)
    tab.select_option("#ex-measure", "dtc")
    tab.uncheck("[data-show=cosine]")
    tab.check("[data-show=geometric]")
    for _ in range(3):
        tab.click("#ex-new")
    page.settled()
    link = tab.evaluate("location.href")
    assert "draw=4" in link
    other = opened(browser, (HTML / f"{PAGE}.html").as_uri() + "#" + link.split("#")[1])
    other.open({})
    assert other.tab.evaluate("location.protocol") == "file:"
    assert other.csv()[0] == page.csv()[0]
    assert other.table() == page.table()
    assert [other.tab.input_value(f"#ex-{f}") for f in ("L", "K", "noise", "error")] == [
        *("100", "7", "0.25", "0.01")
    ]
    assert other.problems == []
    other.tab.close()


@pytest.mark.pages
def test_a_pasted_curve_is_restored_to_the_last_digit(page):
    page.open({})
    page.tab.select_option("#ex-of", "own")
    h = np.sort(np.random.default_rng(5).random(40))[::-1]
    page.tab.fill("#ex-curve", "[" + ",\n".join(map(repr, h.tolist())) + "]")
    page.settled()
    before = page.csv()
    page.tab.reload()
    after = page.settled().csv()
    assert after == before
    assert list(after[1]["conditional entropy", ""].values()) == h.tolist()


WRONG = [
    ("L", "", "empty"),
    ("L", "many", "no number"),
    ("L", "NaN", "no number"),
    ("L", "1e400", "too large"),
    ("L", "-5", "got -5"),
    ("L", "2.5", "got 2.5"),
    ("L", "5000", "from 2 to 4,096"),
    ("K", "300", "from 1 to 256, got 300"),
    ("K", "0", "got 0"),
    ("error", "-1", "got -1"),
    ("error", "Infinity", "no number"),
    ("memory", "1", "from 0 to 1"),
    ("letters", "1.5", "whole number"),
    ("curve", "", "at least two numbers"),
    ("curve", "1 2", "at most the 1 before, got 2"),
    ("curve", "1 -1", "nonnegative"),
    ("curve", "1 word", "Entry 2"),
    ("curve", "1 NaN", "Entry 2"),
    ("curve", "1 1e400", "at most 1e100"),
    ("curve", "1*5000", "at most 4,096 numbers"),
    ("curve", "<b>1</b>", "Entry 1"),
]


@pytest.mark.pages
def test_bad_input_gets_a_sentence_and_the_picture_stays(page):
    page.open({})
    table = page.table()
    picture = page.tab.inner_html("#ex-errors svg")
    for field, value, sentence in WRONG:
        if field == "curve":
            page.tab.select_option("#ex-of", "own")
        page.tab.fill(f"#ex-{field}", value)
        says = page.tab.inner_text(f"#ex-{field}-says")
        assert sentence in says, (field, value, says)
        assert says.count(".") >= 1
        assert "\n" not in says
        assert page.tab.get_attribute(f"#ex-{field}", "aria-invalid") == "true"
        page.tab.wait_for_timeout(50)
        assert page.table() == table
        assert page.tab.inner_html("#ex-errors svg") == picture
        page.tab.click("#ex-reset")
        assert page.tab.inner_text("#ex-L-says") == ""
        assert page.tab.locator("[aria-invalid]").count() == 0


@pytest.mark.pages
@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"of": "nothing"}, "of"),
        ({"of": "__proto__"}, "of"),
        ({"measure": "constructor"}, "measure"),
        ({"show": "equal,best"}, "show"),
        ({"show": "<img src=x onerror=alert(1)>"}, "show"),
        ({"K": "<script>alert(1)</script>"}, "K"),
        ({"draw": "0"}, "link"),
        ({"of": "own", "curve": "1,2"}, "curve"),
        ({"unknown": "1"}, "link"),
    ],
)
def test_a_wrong_link_is_told_beside_the_first_picture(parts, field, page):
    page.open(parts)
    assert page.tab.inner_text(f"#ex-{field}-says").endswith(".")
    assert page.table()["TC-adaptive"][0] == "0.09304"
    assert page.tab.locator("#ex-root :is(img, script)").count() == 0


WORDS = ["NaN", "Infinity", "-1", "1e400", "0", "2", "1.5", "word", "", "<b>x</b>", "%", "&amp;"]
WORDS += ["%00", "null", "undefined", "1e-320", "1e99", "__proto__", "💥", "−3", "0x10", "1_000"]


def random_links(rng, n):
    """Hashes of states, most of them right, of which some parts are spoilt."""
    for _ in range(n):
        of = rng.choice([*map(explorer.slug, explorer.FAMILIES), "sudoku-4x4", "digits", "own"])
        length = rng.choice([2, 3, 5, 16, 60])
        parts = {
            "of": of,
            "L": length,
            "K": rng.randint(1, length),
            "measure": rng.choice(list(explorer.MEASURES)),
            "error": rng.choice(["0", "1e-9", "0.1", "3", "1e99"]),
            "show": ",".join(explorer.slug(name) for name in explorer.NAMES if rng.random() < 0.5),
            "draw": rng.randint(1, 2**31),
            "memory": rng.choice([0, 0.5, 0.999999]),
            "letters": rng.choice([1, 2, 2**31]),
            "noise": rng.random(),
            "dimension": rng.randint(1, length),
            "symbols": rng.choice([1, 3, 1000]),
            "entropy": rng.choice(["0", "1e-320", "0.7", "1e100"]),
            "curve": random_curve(rng),
        }
        for key in rng.sample(list(parts), rng.choice([0, 0, 1, 2])):
            parts[key] = rng.choice(WORDS)
        if rng.random() < 0.1:
            parts[rng.choice(["x", "__proto__", "<i>"])] = "1"
        yield as_hash({k: v for k, v in parts.items() if rng.random() < 0.9})


def random_curve(rng):
    values = sorted((rng.choice([0, 1e-300, rng.random(), 1e50]) for _ in range(8)), reverse=True)
    words = [repr(value) for value in values[: rng.randint(1, 8)]]
    if rng.random() < 0.4:
        words.insert(rng.randint(0, len(words)), rng.choice([*WORDS, "2*3", "*", "1*2*3", "1*"]))
    return rng.choice([",", " ", ";", "\n", " | ", "\t"]).join(words)


@pytest.mark.pages
def test_two_thousand_links_and_pastes_break_nothing(page):
    rng = random.Random(2026)
    page.open({})
    tried = [("link", link) for link in random_links(rng, 1000)]
    tried += [("paste", random_curve(rng)) for _ in range(1000)]
    found = page.tab.evaluate(
        """async (tried) => {
            const root = document.getElementById("ex-root"), bad = [];
            window.requestAnimationFrame = (draw) => draw(); // at once, without waiting for a frame
            let drawn = 0, count = 0;
            const select = document.getElementById("ex-of");
            const curve = document.getElementById("ex-curve");
            for (const [kind, text] of tried) {
                const before = document.querySelector("#ex-errors svg");
                if (kind === "link") {
                    history.replaceState(null, "", text);
                    dispatchEvent(new Event("hashchange"));
                } else {
                    if (select.value !== "own") {
                        document.getElementById("ex-reset").click();
                        select.value = "own";
                        select.dispatchEvent(new Event("input", { bubbles: true }));
                    }
                    curve.value = text;
                    curve.dispatchEvent(new Event("input", { bubbles: true }));
                }
                if (++count % 50 === 0) await new Promise((next) => setTimeout(next)); // workers
                drawn += before !== document.querySelector("#ex-errors svg");
                const wrong = root.innerHTML.match(/.{30}\\b(NaN|Infinity|undefined|null)\\b.{30}/);
                if (wrong || root.querySelector("img, script, b b")) bad.push([text, wrong?.[0]]);
            }
            return { bad, drawn };
        }""",
        tried,
    )
    assert found["bad"] == []
    assert 300 < found["drawn"] < 1900, found["drawn"]


@pytest.mark.pages
def test_it_can_be_used_by_the_keyboard(page):
    page.open({})
    tab = page.tab
    tab.focus("#ex-K-slider")
    for key, steps in [
        ("ArrowRight", 33),
        ("Home", 1),
        ("PageUp", 2),
        ("PageUp", 4),
        ("ArrowLeft", 3),
    ]:
        tab.keyboard.press(key)
        assert tab.input_value("#ex-K") == str(steps)
        assert tab.get_attribute("#ex-K-slider", "aria-valuetext") == f"{steps} of 256 iterations"
    tab.focus("#ex-new")
    before = tab.inner_html("#ex-draw svg")
    tab.keyboard.press("Enter")
    page.settled()
    assert tab.inner_html("#ex-draw svg") != before
    assert tab.evaluate("document.activeElement.id") == "ex-new"
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    # every control is reached by the tabulator, in the order of the page
    tab.focus("#ex-L")
    reached = []
    for _ in range(24):
        reached.append(
            tab.evaluate("document.activeElement.id || document.activeElement.dataset.show")
        )
        tab.keyboard.press("Tab")
    expected = ["ex-L", "ex-L-slider", "ex-K", "ex-K-slider", "ex-of", "ex-memory", "ex-letters"]
    expected += ["ex-measure", "ex-error", *map(explorer.slug, explorer.NAMES)]
    assert [name for name in reached if name in expected] == expected


@pytest.mark.pages
def test_pictures_are_told_to_who_does_not_see_them(page):
    page.open({"show": ALL})
    pictures = page.tab.evaluate(
        """[...document.querySelectorAll("#ex-root figure svg")].map(picture => ({
            role: picture.getAttribute("role"),
            words: picture.getAttribute("aria-labelledby").split(" ").map(
                id => document.getElementById(id).textContent),
        }))"""
    )
    assert len(pictures) == 6
    for picture in pictures:
        assert picture["role"] == "img"
        assert all(picture["words"])
    summary = page.tab.inner_text("#ex-summary")
    assert re.search(r"With 32 iterations for 256 tokens, .* loses least", summary)
    assert page.tab.get_attribute("#ex-summary", "role") == "status"


@pytest.mark.pages
def test_nothing_moves_by_itself(page):
    page.tab.emulate_media(reduced_motion="reduce")
    page.open({})
    page.tab.fill("#ex-K", "50")
    moving = page.tab.evaluate(
        """document.getAnimations().filter(
            a => a.effect.target.closest("#ex-root")).length"""
    )
    assert moving == 0


@pytest.mark.pages
@pytest.mark.parametrize("broken", ["delete window.Worker", "URL.createObjectURL = () => 'x:'"])
def test_without_a_worker_the_page_computes_by_itself(broken, page):
    parts, profile = state("words")
    page.tab.add_init_script(broken)
    page.open(parts)
    page.problems[:] = [text for text in page.problems if "x:" not in text]
    errors = [expected_kl(schedule_of("equal", 64, k), profile) for k in range(1, 65)]
    assert page.table()["equal"][3].replace(",", "") == explorer.steps_in_words(
        errors, 0.05
    ).replace(",", "")


@pytest.mark.pages
def test_without_scripts_there_is_a_table(browser, site):  # noqa: F811
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{site}/{PAGE}.html")
    assert not tab.is_visible("#ex-root")
    rows = tab.locator("table.explorer-table tbody tr")
    assert rows.count() == len(explorer.SHAPES) * (len(explorer.TABLED) + 1)
    assert rows.first.is_visible()
    cells = [cell.strip() for cell in rows.first.locator("td").all_inner_texts()]
    assert cells == next(explorer.static_rows(*explorer.SHAPES[0]))
    context.close()


@pytest.mark.pages
def test_the_table_gives_way_to_the_page(page):
    page.open({})
    assert not page.tab.is_visible("table.explorer-table")
    assert page.tab.is_visible("#ex-root")


@pytest.mark.pages
def test_scripts_are_light_and_loaded_where_they_are_needed():
    ours = [HTML / "_static" / name for name in ("dlm.js", "explorer.js", "moving.js")]
    assert sum(path.stat().st_size for path in ours if path.exists()) <= 80_000
    for name in PAGES:
        text = (HTML / f"{name}.html").read_text(encoding="utf-8")
        assert ("_static/explorer.js" in text) == (name == PAGE)


@pytest.mark.pages
def test_it_fits_a_phone(page):
    page.tab.set_viewport_size({"width": 390, "height": 844})
    page.open({"show": ALL})
    assert page.tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    box = page.tab.evaluate(
        "(e => e.scrollWidth - e.clientWidth)(document.querySelector('.ex-tablebox'))"
    )
    assert box <= 0
    # the iterations stay in sight while one reads on
    page.tab.locator("#ex-draw").scroll_into_view_if_needed()
    assert page.tab.locator("#ex-K-slider").bounding_box()["y"] < 200
