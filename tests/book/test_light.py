"""What makes pages light and figures legible, tried on small examples."""

from base64 import b64decode
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bookkit import figures, style
from bookkit.light import lighten, squeezed
from PIL import Image

from dlm_core.schedules import Equal, TCAdaptive


@pytest.fixture(autouse=True)
def looks():
    with plt.rc_context():
        style.use()
        yield


def test_a_light_figure_looks_the_same():
    figure, axis = plt.subplots()
    for k, name in enumerate(("TC-adaptive", "DTC-adaptive", "equal", "cosine")):
        axis.plot(np.arange(9), np.arange(9) ** k, **style.look(name))
    packed, size = style.light_png(figure)
    with Image.open(BytesIO(b64decode(packed))) as image:
        assert image.mode == "P"
        assert tuple(side // 2 for side in image.size) == (size["width"], size["height"])
        light = np.asarray(image.convert("RGB")).astype(int)
    figure.savefig(full := BytesIO(), dpi=2 * figure.dpi, bbox_inches="tight")
    plt.close(figure)
    with Image.open(full) as image:
        shades = np.abs(np.asarray(image.convert("RGB")).astype(int) - light).max(-1)
    assert len(packed) < 4 / 3 * len(full.getvalue()) / 2
    assert shades.max() <= 24
    assert (light[0, 0] == 255).all()


def test_letters_are_read_on_a_phone():
    names = ("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize", "xtick.labelsize")
    least = min(plt.rcParams[name] for name in (*names, "ytick.labelsize"))
    assert least * 360 / (72 * style.WIDTH) >= 8


def test_zeros_have_a_strip_of_their_own():
    x = np.array([1, 10, 100])
    error = {TCAdaptive: [1.0, 0.1, 0.01], Equal: [1.0, 0.0, 0.0]}
    (axis,) = figures.curves(x, {"error": error}, xlabel="x").axes
    (strip,) = axis.patches
    top = strip.get_window_extent().transformed(axis.transData.inverted()).y1
    assert top < 0.01
    assert [text.get_text() for text in axis.texts] == ["0"]
    below = [line for line in axis.lines if line.get_fillstyle() == "none"]
    assert [line.get_xdata().tolist() for line in below] == [[10, 100]]
    ends = axis.transData.transform([(1, 0.01), (1, top)])[:, 1]
    for line in below:
        assert line.get_window_extent().y0 < ends.min()


def test_without_zeros_there_is_no_strip():
    error = {TCAdaptive: [1.0, 0.1, 0.01]}
    (axis,) = figures.curves([1, 10, 100], {"error": error}, xlabel="x").axes
    assert not axis.patches
    assert not axis.texts


def test_drops_only_what_is_idle(tmp_path):
    static = tmp_path / "_static"
    (static / "styles").mkdir(parents=True)
    (static / "scripts").mkdir()
    (static / "locales/de").mkdir(parents=True)
    (static / "scripts/fontawesome.js").write_text("icons")
    (static / "scripts/theme.js").write_text("use('fa-sun')\n//# sourceMappingURL=theme.js.map")
    (static / "scripts/theme.js.map").write_text("{}")
    theme = static / "styles/pydata-sphinx-theme.css"
    theme.write_text(
        'a{src:url(x.woff2) format("woff2"),url(x.ttf) format("truetype")}'
        '.fa-sun:before{content:"\\f1"}.fa-moon:before,.fa-night:before{content:"\\f2"}'
        '.fa-cow:before{content:"\\f3"}.fa-spin{color:red}\n/*# sourceMappingURL=theme.css.map*/'
    )
    scripts = [
        '<script defer src="_static/scripts/fontawesome.js?digest=1"></script>',
        '<script src="_static/searchtools.js"></script>',
        '<script src="searchindex.js"></script>',
        '<script src="_static/scripts/theme.js"></script>',
    ]
    for name in ("page", "search"):
        (tmp_path / f"{name}.html").write_text("\n".join(scripts) + '<i class="fas fa-night">')
    for _ in range(2):
        lighten(tmp_path)
        assert not (static / "locales").exists()
        assert {path.name for path in (static / "scripts").iterdir()} == {"theme.js"}
        assert (static / "scripts/theme.js").read_text() == "use('fa-sun')"
        assert theme.read_text() == (
            'a{src:url(x.ttf) format("truetype")}.fa-sun:before{content:"\\f1"}'
            '.fa-moon:before,.fa-night:before{content:"\\f2"}.fa-spin{color:red}'
        )
        page = (tmp_path / "page.html").read_text()
        assert [script in page for script in scripts] == [False, False, False, True]
        search = (tmp_path / "search.html").read_text()
        assert [script in search for script in scripts] == [False, True, True, True]


def test_scripts_keep_what_runs_and_their_first_remark():
    script = (
        "/* What it is\n   and for whom. */\n"
        "(function () {\n"
        "  // why\n"
        "  /** What f does:\n\n      the docstring. */\n"
        '  const f = (x) => "a // b" + x; // kept\n'
        "})();\n"
    )
    light = squeezed(script)
    assert light == (
        "/* What it is\nand for whom. */\n"
        "(function () {\n"
        'const f = (x) => "a // b" + x; // kept\n'
        "})();\n"
    )
    assert squeezed(light) == light
