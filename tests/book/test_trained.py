"""What is measured of networks, on predictors whose prices are known, and how it is shown."""

import re

import numpy as np
import pytest
import torch
from bookkit import figures
from bookkit.examples import solves_sudoku, sudoku_4x4
from bookkit.samples import Sharpening
from bookkit.trained import by_setting, measured, settings, sharpening

from dlm_core import InformationProfile, estimate_profile
from dlm_core.error import expected_kl
from dlm_core.schedules import Equal, OptimalForProfile, TCAdaptive
from dlm_core.targets import Tabular

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def oracle():
    """The ideal predictor of the grids, its curve on some, and what was measured on others."""
    target = Tabular(sudoku_4x4())
    generator = torch.Generator().manual_seed(1)
    curve = estimate_profile(target, target.sample(400, generator), generator)
    truth = InformationProfile.from_support(sudoku_4x4())
    labels = ["equal", "TC-adaptive", "optimal for the truth", "planned"]
    chosen = settings(labels, [2, 4], curve, truth)
    further = target.sample(400, generator)
    found = measured(target, chosen, curve, further, solves_sudoku, 300, 5)
    return target, truth, curve, chosen, found


def test_settings_are_what_their_labels_say(oracle):
    _, truth, curve, chosen, _ = oracle
    laws = {(label, k): law for label, k, law in chosen}
    assert len(chosen) == 8
    assert laws["equal", 4] == Equal(16, 4)
    assert laws["TC-adaptive", 2] == TCAdaptive(16, 2)
    assert laws["optimal for the truth", 4] == OptimalForProfile(truth, 4)
    assert laws["planned", 4] == curve.optimal(4)


def test_the_ideal_predictor_pays_the_expected_kl(oracle):
    _, truth, _, chosen, found = oracle
    exact = np.array([expected_kl(law, truth) for *_, law in chosen])
    equal = np.array([expected_kl(Equal(16, k), truth) for _, k, _ in chosen])
    for name, value in {
        "price": exact,
        "loss": exact,
        "over_equal": exact - equal,
        "nll": exact + np.log(288),
        "likelihood": exact + np.log(288),
    }.items():
        error = np.array(found[f"{name}_error"])
        assert (np.abs(found[name] - value) <= 4 * error + 1e-9).all(), name
        assert error.max() < 0.3
    assert found["over_equal"][:2] == [0.0, 0.0] == found["over_equal_error"][:2]


def test_differences_have_smaller_errors_than_what_they_are_of(oracle):
    *_, found = oracle
    assert found["over_equal_error"][5] < np.hypot(found["price_error"][5], found["price_error"][1])
    # the score of the ideal predictor one at a time is log 288 on every grid
    assert found["loss_error"] == pytest.approx(found["likelihood_error"])


def test_what_is_generated_is_judged(oracle):
    target, *_, found = oracle
    assert found["good"][1] > found["good"][0]
    assert solves_sudoku(sharpening(target, "equal", [16], 50, 0)[0]).all()


def test_a_row_for_each_network_and_schedule(oracle):
    *_, found = oracle
    rows = by_setting([found | {"training": n, "curve": [1.0]} for n in (1, 2)])
    assert len(rows) == 16
    assert rows[9] == {
        **{name: entries[1] for name, entries in found.items()},
        "training": 2,
        "curve": [1.0],
    }


def test_more_steps_keep_the_order_and_the_random_numbers(oracle):
    """What is revealed first is drawn from the same law by the same number, whatever K."""
    target, *_ = oracle
    samples = sharpening(target, "equal", [4, 8, 16], 200, 7)
    assert samples.shape == (3, 200, 16)
    same = (samples[:-1] == samples[-1]).mean(axis=(1, 2))
    others = (sharpening(target, "equal", [4], 200, 8)[0] == samples[0]).mean()
    assert others < 0.3 < same[0] < same[1]


def test_a_table_marks_what_will_change():
    table = Sharpening(
        [1, 4], [["a<c", "x\ny"], ["abc1", "x\ny"]], [[False, True], [True, True]], "ok"
    )
    page = table._repr_html_()
    assert "<code>a<u>&lt;</u>c<u> </u></code>" in page
    assert page.count("<u>") == 2 and "x⏎y" in page
    assert re.findall("<td>(yes|no)</td>", page) == ["no", "yes", "yes", "yes"]
    assert repr(table).splitlines() == [
        "   K  text  ok",
        "   1  a<c   no",
        "   4  abc1  yes",
        "",
        "   1  x⏎y   yes",
        "   4  x⏎y   yes",
    ]


def test_cells_are_shaded_where_a_grid_is_wrong():
    grids = sudoku_4x4()[:20].copy()
    grids[::2, 3] = grids[::2, 12]  # in the last column and the first row
    figure = figures.grids_sampled([grids], [16])
    shaded = [sum(p.get_fill() for p in axis.patches) for axis in figure.axes]
    framed = [sum(not p.get_fill() for p in axis.patches) for axis in figure.axes]
    assert framed == solves_sudoku(grids).astype(int).tolist()
    assert all((count == 0) == bool(frame) for count, frame in zip(shaded, framed, strict=True))
    assert 0 < sum(framed) < 20
