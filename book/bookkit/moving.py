"""Figures that move: what ``moving.js`` draws below a recorded figure, and the data it draws from.

``{moving} NAME`` stands in a chapter below a figure. Its data are those of the chapter: what a cell
assigns as a plain value, ``length = 2000``, is read from the notebook, so that nothing is stated
twice. Curves come from ``dlm_core``; what follows the reader's hand is computed in the page by
``dlm.js``.
"""

import ast
from pathlib import Path

import nbformat
import numpy as np
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from bookkit.examples import alternating
from bookkit.explorer import dependencies, quoted
from bookkit.style import look
from dlm_core import InformationProfile, ProfileBand, Robust
from dlm_core.error import expected_kl
from dlm_core.targets import MarkovChain

__all__ = ["FIGURES", "values_of"]

SCRIPTS = ("dlm.js", "moving.js")
# A shape at which the blocks of one draw can be told apart, and its schedules with one phase.
SEEN = {"length": 48, "steps": 12}
ONE_PHASE = [
    ("shifted equal", "shifted equal", None),
    ("minimax TC", "minimax", "tc"),
    ("minimax DTC", "minimax", "dtc"),
]
OF_GALLERY = [
    ("TC-adaptive", "TC-adaptive", None),
    ("DTC-adaptive", "DTC-adaptive", None),
    *ONE_PHASE,
    ("minimax both", "minimax", "min"),
    ("minimax sum", "minimax", "sum"),
    ("equal", "equal", None),
    ("cosine", "cosine", None),
    ("optimal for the profile", "optimal", None),
]
MOST_LEVELS = 9
OF_CODES = ["equal", "cosine", "geometric", "TC-adaptive", "DTC-adaptive"]


def values_of(notebook):
    """What the code cells of a notebook assign to a name as a plain value, the last of each.

    Parameters
    ----------
    notebook : NotebookNode

    Returns
    -------
    dict
    """
    found = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for line in ast.parse(cell.source).body:
            if not isinstance(line, ast.Assign):
                continue
            try:
                value = ast.literal_eval(line.value)
            except ValueError:  # computed
                continue
            for target in line.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                parts = value if isinstance(target, ast.Tuple) else [value]
                found |= {
                    name.id: part
                    for name, part in zip(names, parts, strict=True)
                    if isinstance(name, ast.Name)
                }
    return found


def colors(*labels):
    """The colours of schedules by their labels."""
    return {label: look(label)["color"] for label in labels}


def stairs(values):
    """Chapter "error law": sizes on the noisy alternating words."""
    words = InformationProfile.from_joint(alternating(values["word_length"]))
    return {
        "curve": words.conditional_entropy.tolist(),
        "sizes": values["choices"][0],
    }


def mean_sizes(values):
    """Chapter "TC-adaptive": Figure 1."""
    return {
        "length": values["length"],
        "steps": values["steps"],
        "colors": colors("TC-adaptive", "DTC-adaptive"),
    }


def gallery(values):
    """Chapter "gallery": those members whose profile has a closed form."""
    length, bit = 2 ** (values["levels"] + 1) - 1, np.log(2)

    def chain(memory):
        return MarkovChain(length, memory * np.eye(2) + (1 - memory) / 2).profile()

    members = {
        "chain, short": chain(0.5),
        "chain, long": chain(0.95),
        "two products": InformationProfile.two_words(length, values["noise"]),
        "repetition": InformationProfile.repetition(length, bit),
        "parity check": InformationProfile.mds_code(length, length - 1, 2),
        "MDS code, half": InformationProfile.mds_code(length, length // 2, 64),
    }
    return {
        "members": {name: h.conditional_entropy.tolist() for name, h in members.items()},
        "length": length,
        "steps": values["steps"],
        "names": OF_GALLERY,
        "colors": colors(*(label for label, _, _ in OF_GALLERY)),
    }


def fixed_residuals(values):
    """Chapter "randomness": what fixed sizes pay, and a mean over draws."""
    return {
        "length": values["small_length"],
        "steps": values["small_steps"],
        "colors": colors("equal", "TC-adaptive"),
    }


def phase(values):
    """Chapter "best possible": systematic sampling."""
    return {
        **SEEN,
        "names": ONE_PHASE,
        "colors": colors(*(label for label, _, _ in ONE_PHASE)),
    }


def band(values):
    """Chapter "certified": exact levels, each after the ends in the costliest gap."""
    length, steps, symbols = values["length"], values["steps"], values["symbols"]
    transition = np.full((symbols, symbols), (1 - values["stay"]) / (symbols - 1))
    np.fill_diagonal(transition, values["stay"])
    chain = MarkovChain(length, transition).profile()
    levels, frames = [0, length - 1], []
    while len(levels) <= MOST_LEVELS:
        known = ProfileBand.from_profile(chain, levels)
        robust = Robust(known, steps)
        numbers = {
            "certified": robust.value,
            "least": robust.lower_bound,
            "actual": expected_kl(robust, chain),
        }
        frames.append({"levels": list(levels), **numbers})
        levels = sorted([*levels, known.next_level()])
    return {
        "curve": chain.conditional_entropy.tolist(),
        "steps": steps,
        "frames": frames,
        "colors": colors("robust"),
    }


def codes(values):
    """Chapter "linear codes": Figure 2."""
    return {
        "length": values["length"],
        "alphabetSize": values["alphabet_size"],
        "codimension": values["codimension"],
        "names": OF_CODES,
        "colors": colors(*OF_CODES),
    }


FIGURES = {
    "stairs": stairs,
    "mean-sizes": mean_sizes,
    "gallery": gallery,
    "residuals": fixed_residuals,
    "phase": phase,
    "codes": codes,
    "band": band,
}


class Place(nodes.Invisible, nodes.Element):
    """What moves, in the pages alone: a notebook that is taken along has the recorded figure."""


def write_place(translator, node):
    """Write the HTML of a place."""
    translator.body.append(node["html"])


class Moving(SphinxDirective):
    """A place for a figure that moves, hidden without JavaScript, with its data."""

    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        if name not in FIGURES:
            raise self.error(f"moving must name one of {', '.join(FIGURES)}, got {name}")
        for path in (Path(__file__), *dependencies(Path(self.env.srcdir))):
            self.env.note_dependency(str(path))
        page = Path(self.env.doc2path(self.env.docname))
        data = FIGURES[name](values_of(nbformat.read(page, 4)))
        block = (
            f'<div class="moving" data-figure="{name}" hidden>'
            f'<script type="application/json">{quoted(data)}</script></div>'
        )
        return [Place(html=block)]


def add_scripts(app, pagename, templatename, context, doctree):
    """Load the scripts and the style on pages with a figure that moves, and on no others."""
    if 'class="moving"' in context.get("body", "") and app.builder.name != "singlehtml":
        app.add_css_file("moving.css")
        for name in SCRIPTS:
            app.add_js_file(name, loading_method="defer")


def setup(app):
    """Register the extension with Sphinx."""
    app.add_node(Place, html=(write_place, lambda *_: None))
    app.add_directive("moving", Moving)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
