import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import psutil
import pytest
from bookkit import Recorded, load, records, sweep, sweeps
from bookkit import __main__ as workshop
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import dlm_core

BIN = Path(sys.executable).parent
DEADLINE = 90

TOY = """
import os
import sys

import numpy as np

from bookkit import sweep


def draw(k, seed):
    value = scale * np.random.default_rng(seed).normal()
    return {"value": value, "sizes": [k] * 2, "even": k % 2 == 0}


def double(word, seed):
    return {"doubled": word + word}


points = [{"k": k} for k in range(n)]
rows = sweep(draw, points, seed=seed)
words = sweep(double, [{"word": word} for word in ["b", "a"]], seed=seed)
print("computed in", os.getcwd())
print("noise", file=sys.stderr)
"""
TOY_PARAMETERS = 'n = 3  # points\nscale = 1.0\nname = "x"\nsizes = [1]\nseed = 5'

# Leaves a mark for each start of a point; from k = 2 on a point waits for the gate to open.
GATED = """
import os
import time
from pathlib import Path

import numpy as np

from bookkit import sweep


def draw(k, seed):
    (Path(folder) / f"{k}.{os.getpid()}").touch()
    deadline = time.monotonic() + 60
    while k >= 2 and not (Path(folder) / "gate").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the gate stayed closed")
        time.sleep(0.02)
    return {"value": np.random.default_rng(seed).normal()}


rows = sweep(draw, [{"k": k} for k in range(6)], seed=seed)
"""

FAILING = """
from bookkit import sweep


def invert(k, seed):
    return {"value": 6 // (k - root)}


rows = sweep(invert, [{"k": k} for k in range(4)], seed=seed)
"""


UFUNC = """
from scipy.special import expit

from bookkit import sweep


def draw(k, seed):
    return {"value": float(expit(k))}


rows = sweep(draw, [{"k": 0}], seed=seed)
"""


def write_notebook(path, parameters, *sources, title="A toy"):
    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    head = [
        new_markdown_cell(f"# {title}\n\nWords.", id="title"),
        new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]}),
    ]
    nbformat.write(new_notebook(cells=head + cells), path)


def serial(source, **parameters):
    """The names that a cell defines when it runs here, without the command."""
    names = dict(parameters)
    exec(source, names)
    return names


def without_seconds(rows):
    return [{key: row[key] for key in row if key != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout of its own: nobody edits its package while a test runs."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(Path(dlm_core.__file__).parent, root / "dlm_core")
    shutil.copytree(Path(records.__file__).parent, root / "book/bookkit")
    for name in ("experiments", "results"):
        (root / "book" / name).mkdir(parents=True, exist_ok=True)
    folder = root / "book/experiments"
    write_notebook(folder / "toy.ipynb", TOY_PARAMETERS, TOY)
    write_notebook(folder / "failing.ipynb", "root = 1\nseed = 0", FAILING)
    write_notebook(folder / "ufunc.ipynb", "seed = 0", UFUNC)
    (folder / "profiles.yml").write_text("toy:\n  paper: {n: 5}\n")
    return root


@contextmanager
def started(checkout, *command):
    """Start a program of the environment; kill it with its descendants at the end."""
    process = subprocess.Popen(
        [BIN / command[0], *map(str, command[1:])],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": f"{checkout}:{checkout}/book"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            kill_all(process)


def kill_all(process):
    """Kill a process and its descendants, and wait until they are gone."""
    family = []
    if process.poll() is None:
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(DEADLINE)
    assert not psutil.wait_procs(family, timeout=DEADLINE)[1]


def command(*arguments):
    return "python", "-m", "bookkit", *arguments


def run(checkout, *arguments):
    with started(checkout, *command(*arguments)) as process:
        output = process.communicate(timeout=DEADLINE)[0]
    return process.returncode, output


def wait_until(condition, process):
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def recorded(path):
    return Recorded(**json.loads(path.read_text()))


# --- a run ---


@pytest.fixture(scope="module")
def toy(checkout):
    """The toy, run with two workers: its checkout, and what the command printed."""
    status, output = run(checkout, "run", "toy", "--profile", "paper", "--workers", "2")
    assert status == 0, output
    return checkout, output


@pytest.fixture
def result(toy, monkeypatch):
    monkeypatch.setattr(records, "ROOT", toy[0])
    return load("toy", "paper")


def test_workers_give_the_rows_of_a_serial_sweep(result):
    expected = serial(TOY, n=5, scale=1.0, seed=5)
    assert list(result.sweeps) == ["draw", "double"]
    assert without_seconds(result.sweeps["draw"]) == without_seconds(expected["rows"])
    assert without_seconds(result.sweeps["double"]) == without_seconds(expected["words"])


def test_provenance_says_where_a_result_comes_from(result):
    facts = dict(result.provenance)
    for name in ("source", "package", "numpy", "torch", "device", "date"):
        facts.pop(name)
    assert facts.pop("seconds") > facts.pop("point_seconds") >= 0
    assert facts == {
        "experiment": "toy",
        "profile": "paper",
        "parameters": {"n": 5, "scale": 1.0, "name": "x", "sizes": [1], "seed": 5},
        "seed": 5,
        "version": dlm_core.__version__,
        "workers": 2,
        "commit": "unversioned",
        "points": 7,
        "resumed": 0,
    }
    assert result.provenance["device"].startswith(f"CPU, {os.cpu_count()} threads (")
    assert result.provenance["numpy"] == np.__version__


def test_the_line_says_it_in_a_sentence(result):
    facts = result.provenance | {"device": "CPU, 2 threads (m)", "date": "2026-11-24"}
    line = Recorded(facts | {"seconds": 2040.0}, {}).line
    assert line == (
        "Recorded: paper profile, CPU, 2 threads (m), 2026-11-24, 34 min, commit unversioned"
    )
    assert (
        "12 s of work in several" in Recorded(facts | {"resumed": 1, "point_seconds": 12}, {}).line
    )
    assert ", 2.0 h, " in Recorded(facts | {"seconds": 7200.0}, {}).line


def test_columns_are_arrays(result):
    columns = result.columns("draw")
    assert list(columns) == ["k", "value", "sizes", "even", "seed", "seconds"]
    assert columns["k"].tolist() == [0, 1, 2, 3, 4]
    assert columns["sizes"].shape == (5, 2)


def test_the_log_is_the_executed_notebook_without_this_machine(toy, result):
    path = toy[0] / "book/results/toy.paper.ipynb"
    text = path.read_text()
    log = nbformat.reads(text, 4)
    nbformat.validate(log)
    assert [cell.id for cell in log.cells] == [
        "title",
        "parameters",
        "injected-parameters",
        "cell-0",
    ]
    assert [output.text for output in log.cells[-1].outputs] == ["computed in .\n"]
    assert not [
        word for word in ("/tmp", "/root", "/home", str(toy[0]), "papermill") if word in text
    ]


def test_a_run_cleans_up_and_shows_progress(toy):
    checkout, output = toy
    stored = sorted(path.name for path in (checkout / "book/results").rglob("*"))
    assert stored == [".partial", "toy.paper.ipynb", "toy.paper.json"]
    assert "draw: 100%" in output and "Executing" in output
    assert "toy.paper.json: 7 points. Recorded: paper profile" in output


def test_list_names_experiments_profiles_and_results(toy, result, capsys):
    assert workshop.main(["list"]) == 0
    facts = result.provenance
    assert capsys.readouterr().out == (
        "failing: A toy\n"
        "  quick  the parameters of the notebook\n"
        "         not recorded\n"
        "toy: A toy\n"
        "  quick  the parameters of the notebook\n"
        "         not recorded\n"
        "  paper  n=5\n"
        f"         recorded {facts['date']} on {facts['device']}\n"
        "ufunc: A toy\n"
        "  quick  the parameters of the notebook\n"
        "         not recorded\n"
    )


def test_a_result_is_current_until_the_code_changes(result, tmp_path, monkeypatch):
    (tmp_path / "book/experiments").mkdir(parents=True)
    monkeypatch.setattr(records, "ROOT", tmp_path)
    path = tmp_path / "book/experiments/toy.ipynb"
    assert not result.is_current
    write_notebook(path, TOY_PARAMETERS, TOY, title="Other words")
    assert result.is_current
    write_notebook(path, TOY_PARAMETERS, TOY + "\n1")
    assert not result.is_current


def test_loading_what_is_not_recorded_says_how_to_record_it(result):
    with pytest.raises(FileNotFoundError, match="run toy --profile gpu"):
        load("toy", "gpu")


# --- what is refused ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "top"], "unknown experiment 'top'; there are: failing, toy"),
        (["run", "toy", "--profile", "gpu"], "no profile 'gpu'; there are: quick, paper"),
        (["run", "toy", "-p", "m=3"], "unknown parameter 'm'; there are: n, scale, name"),
        (["run", "toy", "-p", "n=3.0"], "'n' must be of type int like its default 3, got 3.0"),
        (["run", "toy", "-p", "n=true"], "'n' must be of type int"),
        (["run", "toy", "-p", "scale=wide"], "'scale' must be of type float"),
        (["run", "toy", "-p", "scale=.nan"], "-p: parameter 'scale' must be finite, got nan"),
        (["run", "toy", "-p", "name=3"], "'name' must be of type str"),
        (["run", "toy", "-p", "sizes=3"], "'sizes' must be of type list"),
        (["run", "toy", "-p", "sizes=[a]"], "'sizes' must be of type list like its default [1]"),
        (["run", "toy", "-p", "sizes=["], "-p sizes must have a value in YAML"),
        (["run", "toy", "-p", "n"], "-p must be KEY=VALUE, got 'n'"),
        (["run", "toy", "-p", "n=4"], "-p asks for --results"),
        (["run", "toy", "--workers", "0"], "--workers must be at least 1, got 0"),
        (["run", "toy", "--workers", "1", "--scheduler", "tcp://127.0.0.1:1"], "not allowed with"),
    ],
)
def test_a_wrong_request_is_refused(arguments, message, checkout, monkeypatch, capsys):
    monkeypatch.setattr(records, "ROOT", checkout)
    before = sorted(checkout.rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        workshop.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert sorted(checkout.rglob("*")) == before


@pytest.mark.parametrize(
    ("parameters", "profiles", "message"),
    [
        ("n = 3", "top: {}", "unknown experiment 'top'; there are: toy"),
        ("n = 3", "toy: {large: {n: 4}}", "unknown profile 'large' of toy; there are: paper, gpu"),
        ("n = 3", "toy: {quick: {n: 4}}", "unknown profile 'quick'"),
        ("n = 3", "toy: {paper: {m: 4}}", "profile paper of toy names the unknown parameter 'm'"),
        (
            "n = 3",
            "toy: {paper: {n: a}}",
            "profile paper of toy: parameter 'n' must be of type int",
        ),
        ("n = 3 * k", "", "got `n = 3 * k`"),
        ("n = None", "", "got `n = None`"),
        ("n = m = 3", "", "got `n = m = 3`"),
        ("import os", "", "got `import os`"),
    ],
)
def test_a_wrong_folder_is_refused(parameters, profiles, message, tmp_path, capsys):
    write_notebook(tmp_path / "toy.ipynb", parameters)
    (tmp_path / "profiles.yml").write_text(profiles)
    with pytest.raises(SystemExit):
        workshop.main(["list", "--experiments", str(tmp_path), "--results", str(tmp_path)])
    assert message in capsys.readouterr().err


def test_an_experiment_has_one_cell_of_parameters(tmp_path, capsys):
    nbformat.write(new_notebook(), tmp_path / "toy.ipynb")
    with pytest.raises(SystemExit):
        workshop.main(["list", "--experiments", str(tmp_path), "--results", str(tmp_path)])
    assert "one cell tagged 'parameters', got 0" in capsys.readouterr().err


def test_a_notebook_without_a_sweep_records_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workshop, "execute", lambda path, changes, run: "the log")
    write_notebook(tmp_path / "toy.ipynb", "n = 3")
    results = tmp_path / "results"
    with pytest.raises(SystemExit):
        workshop.main(["run", "toy", "--experiments", str(tmp_path), "--results", str(results)])
    assert "toy calls no sweep" in capsys.readouterr().err
    assert [path.name for path in results.iterdir()] == [".partial"]


def test_without_a_checkout_the_folders_must_be_given(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(records, "ROOT", tmp_path)
    with pytest.raises(SystemExit):
        workshop.main(["list"])
    assert "give the command --experiments and --results" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_refused(tmp_path, capsys):
    write_notebook(tmp_path / "toy.ipynb", 'device = "quantum"')
    folders = ["--experiments", str(tmp_path), "--results", str(tmp_path / "results")]
    with pytest.raises(SystemExit):
        workshop.main(["run", "toy", *folders])
    assert "'device' must be one that torch finds here, got 'quantum'" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_a_gpu_is_described_with_its_driver(tmp_path, monkeypatch):
    query = tmp_path / "nvidia-smi"
    query.write_text("#!/bin/sh\necho 580.1\necho 580.1\n")
    query.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"A GPU at {device}")
    assert records.device_in_words("cuda:1") == "A GPU at cuda:1, driver 580.1"


@pytest.mark.parametrize(
    ("given", "parameters", "workers"),
    [
        (3, {"workers": 2}, 3),
        (None, {"workers": 2}, 2),
        (None, {}, os.cpu_count()),
    ],
)
def test_the_number_of_workers(given, parameters, workers):
    options = SimpleNamespace(scheduler=None, workers=given, name="toy", profile="quick")
    experiment = SimpleNamespace(source="")
    assert workshop._provenance(experiment, options, parameters)["workers"] == workers


# --- a sweep by hand ---


def area(width, height, seed):
    return {"area": width * height}


def test_a_sweep_by_hand_is_quiet_and_stores_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    rows = sweep(area, [{"width": 2, "height": h} for h in (3, 0.5)], seed=1)
    assert [row["area"] for row in rows] == [6, 1.0]
    assert list(rows[0]) == ["width", "height", "area", "seed", "seconds"]
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_a_seed_follows_from_its_point_alone():
    points = [{"width": w, "height": h} for w in range(3) for h in range(3)]
    seeds = [row["seed"] for row in sweep(area, points, seed=1)]
    assert len(set(seeds)) == len(points)
    assert [row["seed"] for row in sweep(area, points[::-1], seed=1)] == seeds[::-1]
    swapped = [{"height": point["height"], "width": point["width"]} for point in points]
    assert [row["seed"] for row in sweep(area, swapped, seed=1)] == seeds
    assert not set(seeds) & {row["seed"] for row in sweep(area, points, seed=2)}


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        ([], ValueError, "at least one point"),
        ([3], TypeError, r"points\[0\] must be a dict"),
        ([{"k": 1}, {"k": 2}, {"k": 1}], ValueError, r"points\[2\] must differ from points\[0\]"),
        ([{"seed": 1}], ValueError, "must not name 'seed'"),
        ([{"seconds": 1}], ValueError, "must not name 'seconds'"),
        ([{"k": np.int64(1)}], TypeError, r"points\[0\]\['k'\] must be a bool, int, .* int64"),
        ([{"k": [1.0, float("inf")]}], ValueError, r"points\[0\]\['k'\]\[1\] must be finite"),
    ],
)
def test_wrong_points_are_refused(points, error, message):
    with pytest.raises(error, match=message):
        sweep(area, points, seed=0)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        ({"x": np.float32(1)}, TypeError, "'x' returned by measure must be a bool, .* float32"),
        ({"x": [np.zeros(2)]}, TypeError, r"'x' returned by measure\[0\] must be .* ndarray"),
        ({"x": None}, TypeError, "'x' returned by measure must be"),
        ({"x": float("nan")}, ValueError, "'x' returned by measure must be finite, got nan"),
        ({"k": 1}, ValueError, "measure must not return 'k'"),
        ({"seconds": 1}, ValueError, "measure must not return 'seconds'"),
        ({1: 2}, TypeError, "measure must return a dict with str keys"),
        (3, TypeError, "measure must return a dict"),
    ],
)
def test_wrong_results_are_refused(result, error, message):
    def measure(k, seed):
        return result

    with pytest.raises(error, match=message) as raised:
        sweep(measure, [{"k": 7}], seed=0)
    assert raised.value.__notes__ == ["measure failed at the point {'k': 7}"]


@pytest.mark.parametrize("measure", [lambda seed: {}, "area"])
def test_a_measure_has_a_name(measure):
    with pytest.raises(TypeError, match="measure must be a function with a name"):
        sweep(measure, [{"k": 1}], seed=0)


def test_results_are_plain():
    def measure(seed):
        return {"x": np.float64(0.1)}

    assert type(sweep(measure, [{}], seed=0)[0]["x"]) is float


def test_two_sweeps_of_a_run_need_two_names(tmp_path, monkeypatch):
    run = sweeps.Run(str(tmp_path), "token", "digest", "package", 1, None)
    run.finish("area", [], resumed=0)
    monkeypatch.setenv("DLM_SWEEP", json.dumps(vars(run)))
    with pytest.raises(ValueError, match="'area' has been swept already"):
        sweep(area, [{"width": 1, "height": 1}], seed=0)


# --- provenance of the checkout ---


def test_the_commit_is_marked_when_sources_differ(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    monkeypatch.setattr(records, "ROOT", tmp_path)
    assert records.commit() == "unversioned"
    (tmp_path / "book/results").mkdir(parents=True)
    source, result = tmp_path / "source.py", tmp_path / "book/results/a.json"
    source.write_text("1")
    result.write_text("1")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    clean = records.commit()
    assert clean.isalnum()
    result.write_text("2")
    (tmp_path / "book/results/b.json").write_text("1")
    assert records.commit() == clean
    source.write_text("2")
    assert records.commit() == f"{clean}-dirty"


# --- what goes wrong ---


def test_a_failing_point_is_named_and_the_others_are_kept(checkout, tmp_path):
    earlier = tmp_path / "failing.quick.json"
    earlier.write_text("an earlier result")
    status, output = run(checkout, "run", "failing", "--workers", "1", "--results", tmp_path)
    assert status == 1
    assert "ZeroDivisionError" in output
    assert "invert failed at the point {'k': 1}; 1 of 4 points failed" in output
    assert earlier.read_text() == "an earlier result"
    kept = list((tmp_path / ".partial/failing.quick").iterdir())
    assert sorted(json.loads(path.read_text())["k"] for path in kept) == [0, 2, 3]

    # Another parameter, other results: none of those that were kept is used.
    other = ["-p", "root=9", "--workers", "1", "--results", tmp_path]
    status, output = run(checkout, "run", "failing", *other)
    assert status == 0, output
    result = recorded(earlier)
    assert result.provenance["resumed"] == 0
    assert result.provenance["parameters"]["root"] == 9
    assert [row["value"] for row in result.sweeps["invert"]] == [-1, -1, -1, -1]


def test_ufuncs_of_the_notebook_reach_the_workers(checkout, tmp_path):
    # pickled as Dask does it, a ufunc is a name in the notebook's __main__, and the sweep hangs
    status, output = run(checkout, "run", "ufunc", "--workers", "1", "--results", tmp_path)
    assert status == 0, output
    assert recorded(tmp_path / "ufunc.quick.json").columns("draw")["value"] == [0.5]


@pytest.fixture
def gated(checkout, tmp_path):
    """An experiment that waits, its folder of marks, and the rows it should give."""
    marks = tmp_path / "marks"
    marks.mkdir()
    (tmp_path / "experiments").mkdir()
    write_notebook(tmp_path / "experiments/gated.ipynb", f'folder = "{marks}"\nseed = 2', GATED)
    (marks / "gate").touch()
    rows = serial(GATED, folder=str(marks), seed=2)["rows"]
    for mark in marks.iterdir():
        mark.unlink()
    arguments = ["--experiments", tmp_path / "experiments", "--results", tmp_path / "results"]
    return ["run", "gated", *arguments], marks, without_seconds(rows)


def starts(marks, k):
    return len(list(marks.glob(f"{k}.*")))


def test_a_killed_run_leaves_results_whole_and_goes_on(checkout, gated, tmp_path):
    arguments, marks, rows = gated
    partial = tmp_path / "results/.partial/gated.quick"
    earlier = {tmp_path / "results" / f"gated.quick.{kind}": kind for kind in ("json", "ipynb")}
    (tmp_path / "results").mkdir()
    for path, text in earlier.items():
        path.write_text(text)

    with started(checkout, *command(*arguments, "--workers", "2")) as process:
        wait_until(lambda: len(list(partial.glob("*.json"))) == 2 and starts(marks, 2), process)
        kill_all(process)
    assert process.returncode == -signal.SIGKILL
    assert {path: path.read_text() for path in earlier} == earlier
    kept = {json.loads(path.read_text())["k"]: path for path in partial.glob("*.json")}
    assert sorted(kept) == [0, 1]
    kept[1].write_text(kept[1].read_text()[:-1])

    (marks / "gate").touch()
    status, output = run(checkout, *arguments, "--workers", "2")
    assert status == 0, output
    result = recorded(tmp_path / "results/gated.quick.json")
    assert without_seconds(result.sweeps["draw"]) == rows
    assert result.provenance["resumed"] == 1
    assert starts(marks, 0) == 1, "a finished point was computed again"
    assert starts(marks, 1) == 2, "a truncated file was taken for a finished point"


def test_a_worker_that_dies_loses_nothing(checkout, gated, tmp_path):
    arguments, marks, rows = gated
    address = tmp_path / "scheduler.json"
    local = "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", address
    worker = "dask", "worker", "--nthreads", "1", "--no-nanny", *local
    with (
        started(checkout, "dask", "scheduler", "--port", "0", *local) as scheduler,
        started(checkout, *worker) as victim,
        started(checkout, *worker) as survivor,
    ):
        wait_until(address.exists, scheduler)
        where = json.loads(address.read_text())["address"]
        with started(checkout, *command(*arguments, "--scheduler", where)) as process:
            held = wait_until(lambda: list(marks.glob(f"[2-9].{victim.pid}")), process)
            wait_until(lambda: list(marks.glob(f"[2-9].{survivor.pid}")), process)
            victim.kill()
            (marks / "gate").touch()
            output = process.communicate(timeout=DEADLINE)[0]
    assert process.returncode == 0, output
    result = recorded(tmp_path / "results/gated.quick.json")
    assert without_seconds(result.sweeps["draw"]) == rows
    assert result.provenance["workers"] == 2
    assert starts(marks, held[0].stem) == 2, "the point of the dead worker was started again"
