"""The experiments of the book: what is recorded belongs to them, and they run."""

import json

import pytest
from bookkit import load
from bookkit.__main__ import main
from contents import ROOT

RECORDED = sorted(
    tuple(path.stem.rsplit(".", 1))
    for path in (ROOT / "book/results").glob("*.json")
    if "sweeps" in json.loads(path.read_text(encoding="utf-8"))
)
# Small enough for every run of the tests; the quick profile itself is among the slow ones.
SMALL = {
    "certified": ["levels=3", "passes=[16]", "repetitions=2", 'targets=["4x4 Sudoku", "digits"]'],
    "costs": ['cases=["4x4 Sudoku"]', 'procedures=["equal", "planned"]', "repetitions=2"],
    "coverage": ["sizes=[50]", "repetitions=4"],
    "learned_antibodies": [
        "training_steps=[0, 1]",
        "curve_sequences=2",
        "likelihood_sequences=2",
        'schedules=["equal"]',
        "steps=[4]",
        "antiberty_sequences=2",
        "antiberty_points=[0]",
    ],
    "learned_statements": [
        'corpus="code"',
        "length=48",
        "networks=[[16, 1]]",
        "training=20",
        'schedules=["equal", "planned"]',
        "steps=[2]",
        "steps_shown=[1, 4]",
        "passes=4",
        "generated=4",
        "shown=1",
    ],
    "learned_sudoku": [
        "training=[20, 40]",
        'schedules=["equal", "optimal for the truth", "planned"]',
        "steps=[2]",
        "passes=4",
        "generated=4",
        "shown=1",
    ],
    "linear_codes": [
        "length=60",
        "field_bits=6",
        "steps=[10, 30]",
        "steps_of_sweep=30",
        "codimensions=[1, 20]",
        "sequences=40",
    ],
    "mixture_gap": ["length=4"],
    "structured_targets": [
        "levels=3",
        "levels_of_profile=[2, 3]",
        "steps=[2, 4]",
        "sequences=20",
        "profile_draws=4",
    ],
    "throughput": [
        "length=16",
        "steps=4",
        "width=16",
        "layers=1",
        "vocabulary=32",
        "oracle_batches=[4]",
        "oracle_length=40",
        "oracle_steps=8",
    ],
}


NEEDED = {"learned_antibodies": ["models/unpacked", "sequences/heavy_chains.txt"]}


def skip_unless_present(name):
    if not all((ROOT / "_build" / file).exists() for file in NEEDED.get(name, ())):
        pytest.skip("run `make models sequences`")


def test_every_experiment_is_run_small():
    assert {path.stem for path in (ROOT / "book/experiments").glob("*.ipynb")} == set(SMALL)


@pytest.mark.parametrize(("name", "profile"), RECORDED)
def test_what_is_recorded_belongs_to_the_experiment(name, profile):
    recorded = load(name, profile)
    assert recorded.changes == []
    assert not recorded.provenance["commit"].endswith("-dirty")
    assert (ROOT / f"book/results/{name}.{profile}.ipynb").exists()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", SMALL)
def test_runs_small(name, tmp_path):
    skip_unless_present(name)
    changes = [option for change in SMALL[name] for option in ("-p", change)]
    command = ["run", name, "--results", str(tmp_path), "--workers", "1", *changes]
    assert main(command) == 0
    result = json.loads((tmp_path / f"{name}.quick.json").read_text(encoding="utf-8"))
    assert result["provenance"]["points"] == sum(map(len, result["sweeps"].values()))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", SMALL)
def test_runs_with_the_quick_profile(name, tmp_path):
    skip_unless_present(name)
    assert main(["run", name, "--results", str(tmp_path)]) == 0
