"""The Explorer page: its skeleton, its data, and what it shows without JavaScript.

The numbers that change with the reader's choices are computed in the page by ``dlm.js``, a port
that is tested against ``dlm_core``. What the page cannot compute, the gallery's curves and the
table for readers without JavaScript, is computed here when the page is read.
"""

import json
import re
import warnings
from html import escape
from itertools import starmap
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from bookkit.labels import schedule
from bookkit.pages import table
from bookkit.style import look
from dlm_core import InformationProfile
from dlm_core.error import expected_kl
from dlm_core.estimation import PredictorWarning, estimate_profile
from dlm_core.schedules import OptimalForProfile
from dlm_core.schedules.base import MEASURE_LABELS

__all__ = ["gallery", "looks", "on_dark"]

SCRIPTS = ("dlm.js", "explorer.js")
# The schedules as dlm.js names them, and those that the page shows first.
NAMES = {
    "equal": True,
    "shifted equal": False,
    "cosine": True,
    "geometric": False,
    "TC-adaptive": True,
    "DTC-adaptive": True,
    "best deterministic": False,
    "minimax": True,
    "optimal": False,
}
FAMILIES = {
    "Markov chain": "Markov chain",
    "two words": "Two words and noise",
    "MDS code": "Codeword of an MDS code",
    "repetition": "One token, repeated",
    "independent": "Independent tokens",
}
MEASURES = {
    "tc": "TC",
    "dtc": "DTC",
    "sum": "TC + DTC",
    "min": "min(TC, DTC)",
    "product": "TC · DTC / (TC + DTC)",
}
SHAPES = ((64, 8),)
CORRELATION, TARGET = 0.9, 0.5
TABLED = ("equal", "shifted equal", "cosine", "geometric", "TC-adaptive", "DTC-adaptive")
TABLED += ("best deterministic", "minimax TC", "minimax DTC", "minimax both", "minimax sum")
# The marks of a plot as polygons in a circle of radius 1: corners, turn, inner radius.
MARKERS = {
    "o": (24, 0, 1),
    "s": (4, 45, 1),
    "D": (4, 0, 1),
    "d": (4, 0, 1),
    "^": (3, -90, 1),
    "v": (3, 90, 1),
    "<": (3, 180, 1),
    "p": (5, -90, 1),
    "h": (6, 0, 1),
    "8": (8, 22.5, 1),
    "*": (10, -90, 0.45),
    "P": (12, 15, 0.5),
    "X": (12, -30, 0.5),
}


class Parameter(NamedTuple):
    """A number that some families ask for: its name in dlm.js, and its start and range."""

    families: tuple[str, ...]
    name: str
    label: str
    start: str
    least: str
    most: str | None  # None for the length
    whole: bool = False


MANY = str(2**31)
PARAMETERS = {
    "memory": Parameter(
        ("Markov chain",), "memory", "Chance to copy the token before", "0.9", "0", "0.999999"
    ),
    "letters": Parameter(("Markov chain",), "alphabetSize", "Letters", "2", "1", MANY, True),
    "noise": Parameter(("two words",), "noise", "Chance that a letter is flipped", "0.1", "0", "1"),
    "dimension": Parameter(("MDS code",), "dimension", "Dimension", "128", "1", None, True),
    "symbols": Parameter(("MDS code",), "alphabetSize", "Symbols", "256", "1", MANY, True),
    "entropy": Parameter(
        ("repetition", "independent"), "entropy", "Entropy of a token, in nats", "0.7", "0", "1e100"
    ),
}


def gallery(draws=100, seed=2026):
    """The gallery's curves that have no closed form, by name.

    Parameters
    ----------
    draws : int
        Random orders for each curve that is estimated, and held-out images of digits.
    seed : int

    Returns
    -------
    dict
        From the name to ``{"curve": list of nats, "estimated": bool}``. What is estimated is
        the nearest nonincreasing curve.
    """
    import torch

    from bookkit.examples import digits, digits_mixture, sudoku_4x4
    from dlm_core.targets import HiddenMarkov, TreePotts

    generator = torch.Generator().manual_seed(seed)
    hidden = HiddenMarkov(63, symmetric(0.9), [[0.95, 0.05], [0.05, 0.95]])
    found = {
        "Sudoku 4x4": InformationProfile.from_support(sudoku_4x4()),
        "hidden chain": hidden.estimated_profile(draws, generator).fit,
    }
    for name, lam in [("weak", 0.5), ("threshold", 0.5**0.5), ("strong", 0.9)]:
        tree = TreePotts.regular(5, 2, 2, np.log((1 + lam) / (1 - lam)))
        found[f"tree, {name}"] = tree.estimated_profile(draws, generator).fit
    with warnings.catch_warnings():
        # a few rows have heavy tails, and what rises here is noise
        warnings.simplefilter("ignore", PredictorWarning)
        images = digits(seed)[1][:draws]
        found["digits"] = estimate_profile(digits_mixture(seed), images, generator).fit
    return {
        name: {"curve": profile.conditional_entropy.tolist(), "estimated": profile.fitted}
        for name, profile in found.items()
    }


def symmetric(lam):
    """A bit that keeps a share ``lam`` of what it was: eigenvalues 1 and ``lam``."""
    return lam * np.eye(2) + (1 - lam) / 2


def looks():
    """How the page draws each schedule, by name and by the measure that it is made for.

    Returns
    -------
    dict
        From the name in the page to a dictionary: from each measure to a look, or from the empty
        name to the one look. A look has a label, a colour, that on a dark page, the corners of
        its mark and the dashes of its line.
    """
    found = {name: {"": _drawn(name)} for name in NAMES if name not in ("minimax", "optimal")}
    found["best deterministic"] |= {
        m: _drawn("best deterministic") | {"label": f"best deterministic {label}"}
        for m, label in MEASURE_LABELS.items()
        if m != "tc"
    }
    found["minimax"] = {m: _drawn(f"minimax {label}") for m, label in MEASURE_LABELS.items()}
    found["optimal"] = {"": _drawn("optimal for the profile")}
    return found


def _drawn(label):
    style = look(label)
    return {
        "label": label,
        "color": style["color"],
        "dark": on_dark(style["color"]),
        "corners": corners(style["marker"]),
        "dash": {"-": "", "--": "6 3", ":": "1.5 2.5", "-.": "7 3 1.5 3"}[style["linestyle"]],
    }


def corners(marker):
    """The corners of a plot's mark, in a circle of radius 1."""
    number, turn, inner = MARKERS[marker]
    angles = np.radians(turn + 360 * np.arange(number) / number)
    every = 3 if number == 12 else 2
    radius = np.where(np.arange(number) % every == (0 if number == 12 else 1), inner, 1.0)
    x, y = radius * np.cos(angles) * (0.62 if marker == "d" else 1), radius * np.sin(angles)
    return np.round([x, y], 2).T.tolist()


def on_dark(color, against="#121212", contrast=4.5):
    """A colour for a dark page: with as little white as stands out, and greys turned around.

    Parameters
    ----------
    color, against : str
        ``"#rrggbb"``.
    contrast : float
        By the Web Content Accessibility Guidelines, 1 to 21.

    Returns
    -------
    str
        ``"#rrggbb"``.
    """
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    if np.ptp(rgb) == 0:
        rgb = 255 - rgb  # black on white is white on black, and what was darker stands out more
    for white in np.linspace(0, 1, 101):
        mixed = np.rint(rgb + white * (255 - rgb)).astype(int)
        found = "#" + "".join(f"{part:02x}" for part in mixed)
        if (luminance(found) + 0.05) / (luminance(against) + 0.05) >= contrast:
            break
    return found


def luminance(color):
    """Relative luminance of ``"#rrggbb"``, in [0, 1]."""
    parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def steps_in_words(errors, target):
    """From which number of steps a target is met: first, and for good.

    Parameters
    ----------
    errors : sequence of float
        For ``K = 1, ..., L``; the last is 0.
    target : float
        Nonnegative.
    """
    met = np.asarray(errors) <= target
    first = int(met.argmax()) + 1
    stays = len(met) - int(met[::-1].argmin()) + 1 if not met.all() else 1
    return f"{first}" if first == stays else f"{first}, for good from {stays}"


def static_rows(length, steps):
    """The rows of the table for one shape: what every schedule promises, loses and needs."""
    from dlm_core.targets import MarkovChain

    chain = MarkovChain(length, symmetric(CORRELATION)).profile()
    tc, dtc = chain.total_correlation, chain.dual_total_correlation
    for name in (*TABLED, None):
        if name is None:
            made = [OptimalForProfile(chain, k) for k in range(1, length + 1)]
        else:
            made = [schedule(name, length, k) for k in range(1, length + 1)]
        here = made[steps - 1]
        numbers = [
            here.coefficient("tc"),
            here.coefficient("tc") * tc,
            here.coefficient("dtc"),
            here.coefficient("dtc") * dtc,
            expected_kl(here, chain),
        ]
        steps_needed = steps_in_words([expected_kl(s, chain) for s in made], TARGET)
        yield [here.label, *(f"{number:.4g}" for number in numbers), steps_needed]


def slug(name):
    """A name as links have it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def skeleton(curves):
    """The fields and the empty pictures of the page, as HTML.

    Parameters
    ----------
    curves : dict
        As `gallery` returns them.
    """
    options = {
        "families": {slug(name): words for name, words in FAMILIES.items()},
        "measures": MEASURES,
        "gallery": {
            slug(name): f"{name}{' ≈' * found['estimated']} (L = {len(found['curve'])})"
            for name, found in curves.items()
        },
    }
    parts = {
        name: "".join(
            f'<option value="{key}">{escape(words)}</option>' for key, words in of.items()
        )
        for name, of in options.items()
    }
    parts["parameters"] = "\n".join(starmap(_field, PARAMETERS.items()))
    parts["schedules"] = "\n".join(
        f'<label class="ex-check"><input type="checkbox" data-show="{slug(name)}"'
        f"{' checked' * shown}/><span>{name}</span></label>"
        for name, shown in NAMES.items()
    )
    template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    return Template(template).substitute(parts)


def _field(key, asked):
    most = "" if asked.most is None else f' data-most="{asked.most}"'
    whole = ' data-whole="whole"' * asked.whole
    return (
        f'<div class="ex-field" data-for="{" ".join(map(slug, asked.families))}">'
        f'<label for="ex-{key}">{asked.label}</label><input id="ex-{key}" data-key="{key}" '
        f'value="{asked.start}" data-name="{asked.name}" data-least="{asked.least}"{most}{whole} '
        f'inputmode="decimal" aria-describedby="ex-{key}-says"/>'
        f'<p class="ex-says" id="ex-{key}-says" aria-live="polite"></p></div>'
    )


class Explorer(SphinxDirective):
    """The skeleton of the page, its data, and a table for readers without JavaScript."""

    def run(self):
        for path in dependencies(Path(self.env.srcdir)):
            self.env.note_dependency(str(path))
        curves = gallery()
        data = {
            "looks": looks(),
            "gallery": {slug(name): found["curve"] for name, found in curves.items()},
        }
        block = f'<script type="application/json" id="ex-data">{quoted(data)}</script>'
        page = nodes.raw("", skeleton(curves) + block, format="html")
        return [page, nodes.container("", *self.tables(), classes=["explorer-static"])]

    def tables(self):
        header = ["Schedule", "Constant for TC", "Promise", "Constant for DTC", "Promise"]
        header += ["Expected KL", f"Steps for {TARGET} nats"]
        for length, steps in SHAPES:
            rows = static_rows(length, steps)
            cells = [[nodes.paragraph("", cell) for cell in row] for row in rows]
            yield nodes.paragraph(
                "",
                f"A Markov chain of {length} bits, each a copy of the one before with "
                f"probability {CORRELATION} and fresh otherwise, revealed in {steps} steps:",
            )
            yield table(self, header, cells, "explorer-table")


def dependencies(root):
    """The files that the page is made from."""
    yield from sorted((root / "dlm_core").rglob("*.py"))
    here = Path(__file__)
    yield from (here, here.with_suffix(".html"), *map(here.with_name, ("style.py", "examples.py")))


def quoted(data):
    """JSON that cannot end the script element in which it stands."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def add_scripts(app, pagename, templatename, context, doctree):
    """Load the scripts and the style on the page alone; the book on one page shows the table."""
    if 'id="ex-root"' in context.get("body", "") and app.builder.name != "singlehtml":
        app.add_css_file("explorer.css")
        for name in SCRIPTS:
            app.add_js_file(name, loading_method="defer")


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
