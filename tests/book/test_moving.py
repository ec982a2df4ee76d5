"""Figures that move: their places and data, and what they say when a reader moves them."""

import json
import re

import nbformat
import pytest
from bookkit.moving import FIGURES, OF_CODES, OF_GALLERY, ONE_PHASE, SCRIPTS, SEEN, values_of
from bs4 import BeautifulSoup
from contents import NOTEBOOKS, PAGES, ROOT, prose, read

# Pytest finds a fixture where its name is.
from test_pages import HTML, browser  # noqa: F401

from dlm_core import InformationProfile, ProfileBand
from dlm_core.error import expected_kl
from dlm_core.schedules import (
    DTCAdaptive,
    Equal,
    FixedSizes,
    Minimax,
    OptimalForProfile,
    Robust,
    Schedule,
    ShiftedEqual,
    TCAdaptive,
)

STATIC = ROOT / "book/_static"
PLACES = {
    name: page
    for page in NOTEBOOKS
    for name in re.findall(r"^:::\{moving\} (\S+)$", prose(page), re.MULTILINE)
}
pytestmark = pytest.mark.of_page(*sorted(set(PLACES.values())))  # they hold the data


def test_plain_values_of_a_notebook_are_found():
    cells = ["a, b = 3, 4.5\nc = [(1, 2)]\nd = a + b", "a = 'later'\nprint(a)\nx.y = 1"]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    assert values_of(notebook) == {"a": "later", "b": 4.5, "c": [(1, 2)]}


def test_every_figure_has_one_place():
    every = [n for page in NOTEBOOKS for n in re.findall(r"\{moving\} (\S+)", prose(page))]
    assert sorted(every) == sorted(FIGURES)


def data_of(name):
    return FIGURES[name](values_of(read(PLACES[name])))


@pytest.mark.parametrize("name", FIGURES)
def test_data_are_plain(name):
    assert json.loads(json.dumps(data_of(name), allow_nan=False))


@pytest.mark.pages
@pytest.mark.parametrize("page", PAGES)
def test_scripts_are_loaded_where_something_moves(page):
    soup = BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    loaded = {tag["src"].split("/")[-1].split("?")[0] for tag in soup.select("script[src]")}
    places = {tag["data-figure"] for tag in soup.select("div.moving[hidden]")}
    assert places == {name for name, where in PLACES.items() if where == page}
    assert ("moving.js" in loaded) == bool(places)
    assert not places or loaded.issuperset(SCRIPTS)


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):  # noqa: F811
    """A page, opened as a file, with all figures; nothing may go wrong while they move."""
    sheet, *scripts = ((STATIC / name).as_uri() for name in ("moving.css", *SCRIPTS))
    places = "".join(
        f'<div class="moving" data-figure="{name}" hidden>'
        f'<script type="application/json">{json.dumps(data_of(name))}</script></div>'
        for name in FIGURES
    )
    page = tmp_path_factory.mktemp("moving") / "page.html"
    page.write_text(
        f'<html data-theme="light"><meta charset="utf-8"><link rel="stylesheet" href="{sheet}">'
        + places
        + "".join(f'<script src="{script}"></script>' for script in scripts),
        encoding="utf-8",
    )
    problems = []
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    tab.set_default_timeout(120_000)  # milliseconds
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(page.as_uri())
    yield tab
    assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    tab.emulate_media(media="print")
    assert not tab.locator(".moving").locator("visible=true").count()
    assert "NaN" not in tab.locator("body").inner_html()
    tab.close()
    assert problems == []


class Figure:
    """One of the figures, asked for by the keyboard."""

    def __init__(self, tab, name):
        self.tab = tab
        self.place = tab.locator(f"[data-figure={name}]")
        assert not self.place.locator("svg").count()
        self.place.get_by_role("button", name="Move it").press("Enter")
        picture = self.place.locator("svg")
        for part in picture.get_attribute("aria-labelledby").split():
            assert tab.locator(f"#{part}").text_content()

    @property
    def says(self):
        found = self.place.locator("[aria-live=polite]").text_content()
        assert "NaN" not in found
        return found

    def press(self, name, role, *keys):
        for key in keys:
            self.place.get_by_role(role, name=name).press(key)

    def slide(self, name, value):
        self.place.get_by_role("slider", name=name).fill(str(value))

    def choose(self, name, option):
        self.place.get_by_role("combobox", name=name).select_option(option)


def shown(value, digits=4):
    """A number as the figures show it."""
    return f"{float(f'{value:.{digits}g}'):.12g}"


@pytest.mark.pages
def test_stairs_are_moved_by_the_keyboard(tab):
    data, figure = data_of("stairs"), Figure(tab, "stairs")
    profile = InformationProfile(data["curve"])
    sizes = list(data["sizes"])
    for _ in range(2):
        best = expected_kl(OptimalForProfile(profile, len(sizes)), profile)
        lost = expected_kl(FixedSizes(sizes), profile)
        assert figure.says == (
            f"Sizes {', '.join(map(str, sizes))}: expected KL {shown(lost)} nats; "
            f"the best {len(sizes)} sizes lose {shown(best)}."
        )
        figure.press("End of block 2", "slider", "ArrowRight", "ArrowRight", "ArrowLeft")
        sizes[1] += 1
        sizes[2] -= 1
    figure.press("Best sizes", "button", "Enter")
    found = OptimalForProfile(profile, len(sizes)).sizes.tolist()
    assert figure.says.startswith(f"Sizes {', '.join(map(str, found))}: ")
    figure.slide("Iterations K", 4)
    assert figure.says.startswith("Sizes 3, 3, 3, 3: ")


@pytest.mark.pages
def test_a_block_is_dragged(tab):
    handle = tab.get_by_role("slider", name="End of block 1")
    before = int(handle.get_attribute("aria-valuenow"))
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 40, y)
    tab.mouse.up()
    assert int(handle.get_attribute("aria-valuenow")) > before


@pytest.mark.pages
def test_mean_sizes_follow_the_steps_and_the_draw(tab):
    data, figure = data_of("mean-sizes"), Figure(tab, "mean-sizes")
    length, steps = data["length"], data["steps"]
    assert f"is {shown(TCAdaptive(length, steps).constant)} per nat of TC" in figure.says
    first = figure.says
    figure.press("New draw", "button", "Enter")
    assert figure.says != first
    figure.slide("Iterations K", 40)
    figure.place.get_by_role("checkbox").check()
    made = DTCAdaptive(length, 40)
    low, high = made.mean_sizes[[0, -1]]
    assert f"goes from {shown(low)} to {shown(high)};" in figure.says
    assert f"is {shown(made.coefficient('dtc'))} per nat of DTC" in figure.says


@pytest.mark.pages
def test_the_gallery_says_what_each_schedule_loses(tab):
    data, figure = data_of("gallery"), Figure(tab, "gallery")
    for member, steps in ("chain, short", data["steps"]), ("MDS code, half", 9):
        figure.choose("Distribution", member)
        figure.slide("Iterations K", steps)
        profile = InformationProfile(data["members"][member])
        for label, name, measure in OF_GALLERY:
            kind = Schedule.named("OptimalForProfile" if name == "optimal" else name)
            made = kind.for_shape(data["length"], steps, measure=measure, profile=profile)
            assert f"{label} {shown(expected_kl(made, profile), 3)}" in figure.says


@pytest.mark.pages
def test_draws_add_up_to_the_expected_residual(tab):
    data, figure = data_of("residuals"), Figure(tab, "residuals")
    made = TCAdaptive(data["length"], data["steps"])
    equal = Equal(data["length"], data["steps"]).coefficient("tc")
    expected = f"expected is {shown(made.constant)} at every j; equal sizes reach {shown(equal)} at"

    def largest():
        assert expected in figure.says
        return float(re.search(r"the largest ratio is ([\d.]+)", figure.says)[1])

    one = largest()
    figure.press("Add 100 draws", "button", *["Enter"] * 10)
    assert figure.says.startswith("1001 draws: ")
    assert made.constant < largest() < one / 2
    figure.press("Start again", "button", "Enter")
    assert largest() == one


@pytest.mark.pages
def test_a_phase_places_the_blocks(tab):
    figure = Figure(tab, "phase")
    kinds = {
        "shifted equal": ShiftedEqual(**SEEN),
        "minimax TC": Minimax(**SEEN, measure="tc"),
        "minimax DTC": Minimax(**SEEN, measure="dtc"),
    }
    assert list(kinds) == [label for label, _, _ in ONE_PHASE]
    for label, made in kinds.items():
        figure.choose("Schedule", label)
        means = ", ".join(shown(mean, 3) for mean in made.mean_sizes)
        assert figure.says.endswith(f"their means are {means}.")
        before = figure.says
        figure.press("Phase U", "slider", *["ArrowRight"] * 30)
        sizes = [int(size) for size in re.search(r"sizes ([\d, ]+);", figure.says)[1].split(",")]
        assert tuple(sizes) in made.law()
        assert figure.says != before


@pytest.mark.pages
def test_errors_on_a_code_follow_its_codimension(tab):
    data, figure = data_of("codes"), Figure(tab, "codes")
    for codimension in data["codimension"], 100:
        figure.slide("Codimension", codimension)
        steps = int(re.search(r"With (\d+) iterations", figure.says)[1])
        length = data["length"]
        code = InformationProfile.mds_code(length, length - codimension, data["alphabetSize"])
        assert f"TC {shown(code.total_correlation)} nats." in figure.says
        for name in OF_CODES:
            lost = expected_kl(Schedule.named(name).for_shape(length, steps), code)
            assert f"{name} {shown(lost, 3)}" in figure.says


@pytest.mark.pages
def test_levels_narrow_the_band_and_the_certificate(tab):
    data, figure = data_of("band"), Figure(tab, "band")
    chain = InformationProfile(data["curve"])
    for frame in data["frames"][:3]:
        robust = Robust(ProfileBand.from_profile(chain, frame["levels"]), data["steps"])
        assert figure.says == (
            f"Levels at {', '.join(map(str, frame['levels']))}: with {data['steps']} iterations "
            f"the robust schedule certifies {shown(robust.value)} nats, no schedule less than "
            f"{shown(robust.lower_bound)}; on the true profile it loses "
            f"{shown(expected_kl(robust, chain))}."
        )
        figure.press("Add a level", "button", "Enter")
    figure.slide("Levels", len(data["frames"]) + 1)
    assert len(data["frames"][-1]["levels"]) == len(data["frames"]) + 1
    before = figure.says
    figure.press("Add a level", "button", "Enter")
    assert figure.says == before
