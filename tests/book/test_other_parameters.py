"""Chapters at other parameters: every check holds there too, and nothing warns."""

import os

import pytest
from contents import CHAPTERS, ROOT, code_cells, tags
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

pytestmark = pytest.mark.slow

# What is smaller than in the page, and shaped otherwise: few iterations for the length, then many.
SETTINGS = [
    ("01_masked_diffusion", {"length": 30, "steps": 7, "noise": 0.3, "seed": 1}),
    ("01_masked_diffusion", {"length": 100, "steps": 90, "noise": 0.5, "seed": 2}),
    ("02_dependence", {"length": 8, "noise": 0.25, "seed": 1}),
    ("02_dependence", {"length": 15, "noise": 0.02, "seed": 2}),
    ("03_error_law", {"length": 300, "steps": 40, "draws": 500, "seed": 1}),
    ("03_error_law", {"length": 700, "steps": 600, "draws": 300, "seed": 2}),
    ("04_tc_adaptive", {"length": 300, "steps": 40, "draws": 500, "seed": 1}),
    ("04_tc_adaptive", {"length": 700, "steps": 600, "draws": 300, "seed": 2}),
    ("05_dtc_adaptive", {"length": 300, "steps": 40, "draws": 500, "seed": 1}),
    ("05_dtc_adaptive", {"length": 700, "steps": 600, "draws": 300, "seed": 2}),
    ("06_randomness", {"length": 300, "steps": 40, "seed": 1}),
    ("06_randomness", {"length": 700, "steps": 600, "seed": 2}),
    (
        "07_linear_codes",
        {"length": 300, "alphabet_size": 512, "field_bits": 9, "codimension": 7, "steps": 40}
        | {"drawn": 128, "few": 20, "target_error": 0.2, "seed": 1},
    ),
    (
        "07_linear_codes",
        {"length": 700, "alphabet_size": 1024, "field_bits": 10, "codimension": 40, "steps": 600}
        | {"drawn": 100, "few": 60, "target_error": 0.05, "seed": 2},
    ),
    ("08_best_possible", {"length": 300, "steps": 40, "target_error": 0.3, "seed": 1}),
    ("08_best_possible", {"length": 700, "steps": 600, "target_error": 0.02, "seed": 2}),
    ("09_certified", {"length": 128, "steps": 20, "symbols": 3, "stay": 0.7, "seed": 1}),
    ("09_certified", {"length": 200, "steps": 60, "symbols": 2, "stay": 0.95, "seed": 2}),
    ("11_rates", {"length": 600, "steps": 60, "seed": 3}),
    ("12_one_run", {"length": 300, "steps": 40, "runs": 2000, "seed": 3}),
    (
        "14_structured_targets",
        {"length": 127, "steps": 20, "sequences": 200, "small_length": 6, "code_length": 500}
        | {"codimension": 8, "target_error": 0.2, "seed": 3},
    ),
    ("15_gallery", {"levels": 4, "steps": 8, "noise": 0.2, "draws": 300, "seed": 3}),
    (
        "10_price",
        {"tokens": 128, "calls": 16, "repetitions": 100, "confidence": 0.9, "price_seed": 1},
    ),
    (
        "10_price",
        {"tokens": 96, "calls": 40, "precision": 0.3, "pilot": 40, "repetitions": 100}
        | {"sharpened": 4, "price_seed": 2},
    ),
    ("11_rates", {"length": 300, "steps": 40, "long": 5000, "seed": 1}),
    ("11_rates", {"length": 700, "steps": 600, "long": 9000, "seed": 2}),
    ("12_one_run", {"length": 300, "steps": 40, "runs": 1001, "seed": 1}),
    ("12_one_run", {"length": 700, "steps": 600, "runs": 2000, "seed": 2}),
    (
        "13_earlier_schedules",
        {"length": 300, "pairs": [[20, 200], [60, 300]], "few": 10, "draws": 500, "seed": 1},
    ),
    (
        "13_earlier_schedules",
        {"length": 600, "pairs": [[500, 600]], "few": 60, "draws": 500, "seed": 2},
    ),
    (
        "14_structured_targets",
        {"length": 127, "steps": 16, "sequences": 200, "small_length": 6, "code_length": 600}
        | {"codimension": 20, "target_error": 0.3, "seed": 1},
    ),
    (
        "14_structured_targets",
        {"length": 100, "steps": 64, "sequences": 200, "small_length": 5, "code_length": 300}
        | {"codimension": 2, "target_error": 1.0, "seed": 2},
    ),
    ("15_gallery", {"levels": 4, "steps": 6, "noise": 0.2, "draws": 300, "seed": 1}),
    ("15_gallery", {"levels": 4, "steps": 14, "noise": 0.02, "draws": 300, "seed": 2}),
    (
        "16_orders_and_blocks",
        {"length": 31, "stay": 0.8, "block": 16, "blocks": 4, "steps_per_block": 2, "seed": 1},
    ),
    (
        "16_orders_and_blocks",
        {"length": 48, "stay": 0.95, "block": 10, "blocks": 12, "steps_per_block": 8, "seed": 2},
    ),
    (
        "17_learned",
        {"length": 6, "noise": 0.2, "samples": 2000, "budgets": [20, 60, 600], "few": 16}
        | {"few_length": 9, "drawn": 1500, "seed": 1},
    ),
    (
        "17_learned",
        {"length": 7, "noise": 0.05, "samples": 3000, "budgets": [15, 40, 500], "few": 30}
        | {"few_length": 10, "drawn": 1000, "seed": 2},
    ),
    (
        "18_practice",
        {"pretraining": 200, "finetuning": 500, "measured": 300, "nats": 2.0, "precision": 0.3}
        | {"draws": 3000, "seed": 1},
    ),
    (
        "18_practice",
        {"mask_share": 0.3, "pretraining": 300, "finetuning": 800, "nats": 0.5, "seed": 2},
    ),
]


def parameters(page):
    """The names that a chapter's cell of parameters sets."""
    (cell,) = (cell for cell in code_cells(page) if "parameters" in tags(cell))
    return {line.split(" = ")[0] for line in cell.source.splitlines() if " = " in line}


def at(page, settings):
    """The chapter's code at these parameters, executed."""
    unknown = settings.keys() - parameters(page)
    assert not unknown
    notebook = load_notebook_node(str(ROOT / f"{page}.ipynb"))
    notebook = parameterize_notebook(notebook, settings)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT / "book")}},
    )
    client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})
    return notebook


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_every_check_holds(name, settings):
    notebook = at(f"book/{name}", settings)  # raises where a cell does
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_every_chapter_is_tried_at_two_settings():
    tried = [f"book/{name}" for name, _ in SETTINGS]
    assert all(tried.count(page) >= 2 for page in CHAPTERS)
