import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import bookkit
import nbformat
import numpy as np
import psutil
import pytest
from bookkit import (
    Recorded,
    labels,
    load,
    records,
    schedule,
    select,
    sources,
    style,
    sweep,
    workers,
)
from bookkit import __main__ as workshop
from bookkit.experiments import catalogue, read
from contents import ROOT
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import dlm_core
from dlm_core.schedules import FixedSizes

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

DEADLY = """
import os

from bookkit import sweep


def risk(k, seed):
    if k == 1:
        os._exit(3)
    return {"value": k}


rows = sweep(risk, [{"k": k} for k in range(4)], seed=seed)
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
    write_notebook(folder / "deadly.ipynb", "seed = 0", DEADLY)
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
    return records.read_record(path, "a command")


def kept_rows(folder):
    """The rows that are kept for any run, by their k, and their files."""
    paths = folder.glob("*/[!.]*.json")
    return {json.loads(path.read_text())["row"]["k"]: path for path in paths}


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
    assert facts.pop("facts") == records.digest(facts)
    for name in ("source", "modules", "device", "date", "notebook"):
        facts.pop(name)
    assert {name: facts.pop(name) for name in records.versions()} == records.versions()
    assert facts.pop("rows") == records.digest(result.sweeps)
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
    assert list(result.provenance["modules"]) == ["bookkit.sweeps"]
    assert records.versions()["numpy"] == np.__version__
    assert records.versions()["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert result.is_current


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
    assert stored == [".partial", "toy.paper.ipynb", "toy.paper.json", "toy.paper.lock"]
    assert "draw: 100%" in output and "Executing" in output
    assert "toy.paper.json: 7 points. Recorded: paper profile" in output


def test_list_names_experiments_profiles_and_results(toy, result, capsys):
    assert workshop.main(["list"]) == 0
    facts = result.provenance
    assert capsys.readouterr().out == (
        "deadly: A toy\n"
        "  quick  the parameters of the notebook\n"
        "         not recorded\n"
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


def test_loading_what_is_not_recorded_says_how_to_record_it(result):
    with pytest.raises(FileNotFoundError, match="run toy --profile gpu"):
        load("toy", "gpu")


@pytest.fixture
def copied(toy, tmp_path, monkeypatch):
    """A copy of the recorded toy, to be damaged; its JSON file."""
    monkeypatch.setattr(records, "ROOT", tmp_path)
    shutil.copytree(toy[0] / "book/results", tmp_path / "book/results")
    return tmp_path / "book/results/toy.paper.json"


def test_a_changed_number_is_refused(copied):
    content = json.loads(copied.read_text())
    content["sweeps"]["draw"][1]["value"] += 1e-12
    copied.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"toy.paper.json was changed after it was recorded"):
        load("toy", "paper")


def test_a_changed_fact_is_refused(copied):
    content = json.loads(copied.read_text())
    content["provenance"]["device"] = "a faster one"
    copied.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"changed after it was recorded \(its facts do not .* run"
    ):
        load("toy", "paper")
    del content["provenance"]["facts"]
    copied.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="must have 'facts'"):
        load("toy", "paper")


def test_a_record_is_that_of_its_file(copied):
    for kind in ("json", "ipynb"):
        shutil.copy(copied.with_suffix(f".{kind}"), copied.with_name(f"deadly.paper.{kind}"))
        shutil.copy(copied.with_suffix(f".{kind}"), copied.with_name(f"toy.gpu.{kind}"))
    for name, profile in [("deadly", "paper"), ("toy", "gpu")]:
        words = f"{name}.{profile}.json holds the record toy.paper.json: .* run {name} --profile"
        with pytest.raises(ValueError, match=words):
            load(name, profile)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content["provenance"].pop("date"), "must have 'date', of type str"),
        (lambda content: content["provenance"].update(resumed="0"), "'resumed', of type int"),
        (lambda content: content["provenance"].update(seed=float("nan")), "not JSON compliant"),
        (lambda content: content["sweeps"]["draw"][0].update(value=float("nan")), "not JSON compl"),
        (lambda content: content["sweeps"].update(draw=[]), "its sweep 'draw' is no list of rows"),
        (lambda content: content["sweeps"].clear(), "it has no sweeps"),
        (lambda content: content.pop("sweeps"), "sweeps"),
    ],
)
def test_a_damaged_record_is_named_and_does_not_end_the_list(copied, toy, damage, words, capsys):
    content = json.loads(copied.read_text())
    damage(content)
    copied.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"toy.paper.json is not a whole record") as caught:
        load("toy", "paper")
    assert words in str(caught.value)
    assert workshop.main(["list", "--experiments", str(toy[0] / "book/experiments")]) == 0
    printed = capsys.readouterr().out
    assert f"         {caught.value}\n" in printed and "ufunc: A toy" in printed


def test_list_says_what_has_changed_since(copied, tmp_path, capsys):
    write_notebook(tmp_path / "toy.ipynb", TOY_PARAMETERS, TOY.replace("[k] * 2", "[k] * 3"))
    assert workshop.main(["list", "--experiments", str(tmp_path)]) == 0
    assert "not recorded" in capsys.readouterr().out
    (tmp_path / "profiles.yml").write_text("toy: {paper: {n: 6}}")
    assert workshop.main(["list", "--experiments", str(tmp_path)]) == 0
    words = "; since changed: the measuring cells, the parameters of profile paper\n"
    assert words in capsys.readouterr().out


def test_a_list_may_be_cut_off(toy):
    with subprocess.Popen(
        [BIN / "python", "-u", "-m", "bookkit", "list"],
        cwd=toy[0],
        env=os.environ | {"PYTHONPATH": f"{toy[0]}:{toy[0]}/book"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"provenance": {}, "sweeps": {}}'])
def test_what_is_no_record_is_refused(copied, text):
    copied.write_text(text)
    with pytest.raises(ValueError, match=r"toy.paper.json is not a whole record"):
        load("toy", "paper")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("of another run")])
def test_a_notebook_of_another_run_is_refused(copied, damage):
    damage(copied.with_suffix(".ipynb"))
    with pytest.raises(ValueError, match=r"toy.paper.ipynb is not the notebook that gave toy"):
        load("toy", "paper")


@pytest.mark.parametrize("name", ["../toy", "/toy", "", ".", "a b", "toy.paper", "toy\n", "a\0"])
def test_names_are_plain(copied, name):
    with pytest.raises(ValueError, match="name must consist of letters, digits, '_' and '-'"):
        load(name, "paper")
    with pytest.raises(ValueError, match="profile must consist of letters"):
        load("toy", name)
    with pytest.raises(TypeError, match="name must be a str, got 3"):
        load(3, "paper")


# --- what the rows depend on ---

CELLS = (
    """
import numpy as np
from bookkit import figures, style, sweep
from bookkit.examples import alternating

import beside
""",
    """
def law(k):
    '''A table.'''
    return alternating(2) * beside.scale  # of two
""",
    """
def measure(k, seed):
    return {"value": float(law(k).sum() + np.pi)}

def swept():
    return sweep(measure, [{"k": 1}], seed=seed)
""",
    """
rows = swept()
""",
    """
style.use()
figures.gaps(rows)
""",
)


@pytest.fixture
def dependent(tmp_path, monkeypatch):
    """A folder with a recorded experiment, in a copied checkout; what has changed there since."""
    for package, place in ((dlm_core, "dlm_core"), (bookkit, "book/bookkit")):
        shutil.copytree(Path(package.__file__).parent, tmp_path / place)
        monkeypatch.setattr(package, "__file__", str(tmp_path / place / "__init__.py"))
    monkeypatch.setattr(records, "ROOT", tmp_path)
    folder = tmp_path / "book/experiments"
    folder.mkdir()
    (folder / "beside.py").write_text("from beneath import scale\n")
    (folder / "beneath.py").write_text("def f():\n    import dlm_core.targets\n\n\nscale = 2\n")
    (folder / "profiles.yml").write_text("toy:\n  paper: {n: 5}\n")
    notebook = folder / "toy.ipynb"
    write_notebook(notebook, "n = 3\nseed = 0", *CELLS)
    experiment = read(notebook)
    facts = {
        "experiment": "toy",
        "profile": "paper",
        "parameters": experiment.parameters("paper"),
        "source": experiment.source,
        "modules": experiment.modules,
    }
    return tmp_path, lambda: Recorded(facts, {}).changes


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("book/bookkit/examples.py", '"""Joint table', '"""A joint table'),
        ("book/bookkit/examples.py", "import numpy as np\n", "import numpy as np  # arrays\n"),
        ("book/bookkit/style.py", "#0072B2", "#000000"),
        ("book/bookkit/figures.py", "import numpy as np\n", "import numpy\n"),
        ("book/bookkit/records.py", "import json\n", "import json as j\n"),
        ("dlm_core/__init__.py", "0.2.0", "0.3.0"),
        (
            "dlm_core/sampler.py",
            "from dataclasses import dataclass\n",
            "from dataclasses import dataclass\n\n\n",
        ),
        ("book/experiments/beneath.py", "scale = 2", "scale = (2)"),
        ("book/experiments/toy.ipynb", "A table.", "A small table."),
        ("book/experiments/toy.ipynb", "# of two", "# of 2"),
        ("book/experiments/toy.ipynb", "figures.gaps", "figures.other_gaps"),
        ("book/experiments/toy.ipynb", "Words.", "Other words."),
        ("book/experiments/toy.ipynb", "n = 3", "n = 4"),
    ],
)
def test_what_the_rows_do_not_depend_on_costs_nothing(dependent, path, old, new):
    root, changes = dependent
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new))
    assert changes() == []


@pytest.mark.parametrize(
    ("path", "old", "new", "changed"),
    [
        ("book/bookkit/examples.py", "noise=0.1", "noise=0.2", "bookkit.examples"),
        ("book/bookkit/sweeps.py", ">> 1", ">> 2", "bookkit.sweeps"),
        ("book/bookkit/sweeps.py", "QPefdU", "QPefd", "bookkit.sweeps"),
        ("dlm_core/_check.py", "import numpy as np\n", "import numpy\n", "dlm_core._check"),
        # imported within a function of a module of a module
        (
            "dlm_core/targets/trees.py",
            "import torch\n",
            "import torch as t\n",
            "dlm_core.targets.trees",
        ),
        ("book/experiments/beneath.py", "scale = 2", "scale = 3", "beneath"),
        ("book/experiments/beneath.py", "scale = 2", "scale = 2.0", "beneath"),
        ("book/experiments/toy.ipynb", "alternating(2)", "alternating(3)", "the measuring cells"),
        ("book/experiments/toy.ipynb", "rows = swept()", "rows = []", "the measuring cells"),
        ("book/experiments/toy.ipynb", "seed = 0", "seed = 1", "the parameters of profile paper"),
        ("book/experiments/profiles.yml", "n: 5", "n: 6", "the parameters of profile paper"),
    ],
)
def test_what_the_rows_depend_on_is_named(dependent, path, old, new, changed):
    root, changes = dependent
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new))
    assert changes() == [changed]


def test_a_record_is_not_current_without_its_notebook(dependent):
    root, changes = dependent
    (root / "book/experiments/toy.ipynb").unlink()
    assert changes() == ["there is no toy.ipynb"]


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("from dlm_core import TCAdaptive\nTCAdaptive", {"schedules.adaptive"}),
        ("import dlm_core\ndlm_core.TCAdaptive", {"schedules.adaptive"}),
        ("from dlm_core.schedules import TCAdaptive\nTCAdaptive", {"schedules.adaptive"}),
        ("import dlm_core as d\nd.error.expected_kl", {"error", "error.guarantee"}),
        ("import dlm_core.error as e\ne", {"error.law", "error.guarantee"}),
        ("from dlm_core import schedules as s\ns", {"schedules", "schedules.minimax"}),
        ("from dlm_core.schedules import adaptive\nadaptive", {"schedules.adaptive"}),
        ("from dlm_core.schedules.adaptive import TCAdaptive\nTCAdaptive", {"schedules.base"}),
        ("def f():\n    from dlm_core.exact import residual\n    residual()\nf()", {"exact"}),
        (
            "from dlm_core import EstimatedProfile as E\nE.from_draws(x).band(0.9)",
            {"information.band"},
        ),
        ("from dlm_core import EstimatedProfile as E\ngetattr(E, 'band')", {"information.band"}),
        ("from dlm_core import *", {"sampler", "targets.trees", "predictor", "error.guarantee"}),
        ("import dlm_core\nvars(dlm_core)", {"sampler", "targets.trees", "predictor"}),
    ],
)
def test_ways_to_read_a_module(code, modules, tmp_path):
    found = sources.modules_read([sources.tree_of(code, "a cell")], tmp_path)
    assert {f"dlm_core.{name}" for name in modules} <= found.keys()
    if "sampler" not in modules:
        assert "dlm_core.targets.base" not in found


@pytest.mark.parametrize(
    ("names", "neighbour"),
    [
        ("schedules import TCAdaptive", "dlm_core.schedules.minimax"),
        ("error import expected_kl", "dlm_core.error.guarantee"),
        ("targets import MarkovChain", "dlm_core.targets.trees"),
        ("information import EstimatedProfile", "dlm_core.information.samples"),
    ],
)
@pytest.mark.parametrize("package", ["dlm_core", ""])
def test_neighbours_of_what_is_asked_for_are_not_read(names, neighbour, package, tmp_path):
    room, _, name = names.partition(" import ")
    code = f"from {package or f'dlm_core.{room}'} import {name}\n{name}"
    found = sources.modules_read([sources.tree_of(code, "a cell")], tmp_path)
    assert found and neighbour not in found


@pytest.mark.parametrize(
    "more", ["scale = 2", "from dlm_core.exact import residual as r", "residual(1)"]
)
def test_a_package_that_does_more_than_hand_names_on_is_read(more, tmp_path):
    (tmp_path / "room").mkdir()
    for module in ("one", "two"):
        (tmp_path / f"room/{module}.py").write_text(f"{module} = 1\n")
    hands_on = 'from room.one import one\nfrom room.two import two\n__all__ = ["one", "two"]\n'
    for text, expected in ((hands_on, ["room.one"]), (f"{hands_on}{more}\n", ["room"])):
        (tmp_path / "room/__init__.py").write_text(text)
        sources._bare.cache_clear()
        found = sources.modules_read([sources.tree_of("from room import one\none", "")], tmp_path)
        assert [name for name in found if name in ("room", "room.one")][:1] == expected
        assert ("room.two" in found) == (expected == ["room"])


@pytest.mark.parametrize(
    "code",
    [
        "from dlm_core import TCAdaptive",
        "import dlm_core",
        "from bookkit import figures, sweep",
        "import numpy, json, scipy.special\nnumpy, json, scipy",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import dlm_core.exact as e\ne",
        "def f():\n    from dlm_core.exact import residual\n    residual()",
    ],
)
def test_what_is_only_imported_is_not_read(code, tmp_path):
    assert sources.modules_read([sources.tree_of(code, "a cell")], tmp_path) == {}


def test_every_name_of_the_library_has_its_module(tmp_path):
    for name in set(dlm_core.__all__) - {"__version__"}:
        cell = sources.tree_of(f"from dlm_core import {name}\n{name}", "a cell")
        named = sources._imports(cell, "", tmp_path, {name})
        found = [module for _, module in named if sources.path_of(module, tmp_path)]
        assert found == [getattr(dlm_core, name).__module__]


def test_the_experiments_read_no_figures():
    for experiment in catalogue(ROOT / "book/experiments").values():
        ours = {name for name in experiment.modules if name.startswith("bookkit.")}
        assert "bookkit.sweeps" in ours
        drawing = ("figures", "style", "samples", "pages")
        assert not ours & {f"bookkit.{room}" for room in drawing}


def test_a_sweep_by_an_unknown_name_is_refused(monkeypatch):
    ran = SimpleNamespace(history_manager=SimpleNamespace(input_hist_parsed=["hidden()"]))
    monkeypatch.setattr("IPython.get_ipython", lambda: ran)
    known = sources.digest_of(sources.tree_of("hidden(  )", "a cell"))
    workers._check_cell([known])
    with pytest.raises(RuntimeError, match="sweep must be called by name in its cell"):
        workers._check_cell([sources.digest_of(sources.tree_of("sweep()", "a cell"))])


# --- rows ---

ROWS = [
    {"schedule": s, "steps": k, "kl": k / 10, "sizes": [k, k]} for k in (3, 1) for s in ("a", "b")
]


def test_select_gives_rows_or_columns():
    record = Recorded({}, {"measure": ROWS})
    assert record.select("measure", schedule="b", steps=1) == [ROWS[3]]
    assert record.select("measure") == ROWS == select(ROWS)
    steps, kl, sizes = record.select("measure", "steps", "kl", "sizes", schedule="a")
    assert steps.tolist() == [3, 1] and kl.tolist() == [0.3, 0.1] and sizes.shape == (2, 2)


@pytest.mark.parametrize(
    ("columns", "conditions", "message"),
    [
        (["size"], {}, "no entry 'size'; there are: schedule, steps, kl, sizes"),
        ([], {"step": 3}, "no entry 'step'; there are"),
        (["kl"], {"schedule": "c", "steps": 3}, "no row has schedule='c', steps=3"),
    ],
)
def test_select_finds_what_is_there(columns, conditions, message):
    with pytest.raises(ValueError, match=message):
        select(ROWS, *columns, **conditions)
    with pytest.raises(ValueError, match=r"name must be that of a sweep, .*; there are: measure"):
        Recorded({}, {"measure": ROWS}).select("other")
    with pytest.raises(ValueError, match="rows must not be empty"):
        select([])


def test_a_label_makes_the_schedule_that_is_drawn_under_it():
    for label in labels._KINDS:
        made = schedule(label, 12, 3)
        assert (made.length, made.steps) == (12, 3)
        assert made.label == label
        assert style.look(made) == style.look(label)
    assert schedule("minimax both", 12, 3).measure == "min"
    with pytest.raises(ValueError, match="got 'TC'"):
        schedule("TC", 12, 3)
    with pytest.raises(ValueError, match="one of the labels TC-adaptive, .*FixedSizes"):
        style.look(FixedSizes([1, 2]))


# --- what is refused ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "top"], "unknown experiment 'top'; there are: deadly, failing, toy"),
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
        (["run", "toy", "--tls", "a", "b", "c"], "--tls asks for --scheduler"),
        (
            ["run", "toy", "--scheduler", "tls://127.0.0.1:1", "--tls", "a", "b", "c"],
            "--tls names 'a', which is no file",
        ),
        (["run", "toy", "--scheduler", "nowhere"], "no scheduler with workers answers at nowhere"),
        (["run", "toy", "--results", __file__], "test_experiments.py cannot be written"),
        (["run", "toy", "--results", f"{__file__}/below"], "below cannot be written"),
        (["run", "toy", "--results", "/proc/nowhere"], "/proc/nowhere cannot be written"),
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
        ("n =", "", "got what is not Python"),
        ("n = 3", "toy: [", "profiles.yml must be YAML"),
        ("n = 3", "[toy]", "must map experiments to profiles to parameters, got ['toy']"),
        ("n = 3", "toy: 3", "got 3"),
        ("n = 3", "toy: {paper: }", "got None"),
    ],
)
def test_a_wrong_folder_is_refused(parameters, profiles, message, tmp_path, capsys):
    write_notebook(tmp_path / "toy.ipynb", parameters)
    (tmp_path / "profiles.yml").write_text(profiles)
    with pytest.raises(SystemExit):
        workshop.main(["list", "--experiments", str(tmp_path), "--results", str(tmp_path)])
    assert message in capsys.readouterr().err


def refused(folder, capsys):
    with pytest.raises(SystemExit) as caught:
        workshop.main(["list", "--experiments", str(folder), "--results", str(folder)])
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_what_cannot_be_read_is_named(tmp_path, capsys):
    assert "nowhere is not there" in refused(tmp_path / "nowhere", capsys)
    write_notebook(tmp_path / "a b.ipynb", "n = 3")
    assert "the name of a b.ipynb must consist of letters" in refused(tmp_path, capsys)
    (tmp_path / "a b.ipynb").rename(tmp_path / "toy.ipynb")
    (tmp_path / "profiles.yml").write_bytes(b"\xff\xfe")
    assert "profiles.yml must be YAML: 'utf-8' codec" in refused(tmp_path, capsys)
    (tmp_path / "profiles.yml").unlink()
    (tmp_path / "d.ipynb").mkdir()
    assert "d.ipynb must be a notebook" in refused(tmp_path, capsys)


@pytest.mark.parametrize("module", ["bookkit", "bookkit.notebooks"])
@pytest.mark.parametrize("given", ["abc", "0", "nan", "inf"])
def test_patience_is_a_time(module, given, monkeypatch):
    monkeypatch.setenv("DLM_PATIENCE", given)
    found = subprocess.run(
        [sys.executable, "-m", module, "list"], capture_output=True, text=True, check=False
    )
    words = f"DLM_PATIENCE must be a positive number of seconds, got '{given}'\n"
    assert (found.returncode, found.stderr) == (2, words)


def test_chapters_to_run_are_notebooks(tmp_path):
    (tmp_path / "text.ipynb").write_text("text")
    for path in (tmp_path / "nope.ipynb", tmp_path, tmp_path / "text.ipynb"):
        found = subprocess.run(
            [sys.executable, "-m", "bookkit.notebooks", path],
            capture_output=True,
            text=True,
            check=False,
        )
        words = f"{path} must be a notebook of nbformat 4\n"
        assert (found.returncode, found.stdout, found.stderr) == (2, "", words)


def test_an_experiment_has_one_cell_of_parameters(tmp_path, capsys):
    nbformat.write(new_notebook(), tmp_path / "toy.ipynb")
    with pytest.raises(SystemExit):
        workshop.main(["list", "--experiments", str(tmp_path), "--results", str(tmp_path)])
    assert "one cell tagged 'parameters', got 0" in capsys.readouterr().err
    (tmp_path / "toy.ipynb").write_text("{}")
    with pytest.raises(SystemExit):
        workshop.main(["list", "--experiments", str(tmp_path), "--results", str(tmp_path)])
    assert "toy.ipynb must be a notebook" in capsys.readouterr().err


def test_measuring_cells_are_plain_python(tmp_path, capsys):
    write_notebook(tmp_path / "toy.ipynb", "n = 3", "%time sweep()")
    with pytest.raises(SystemExit):
        workshop.main(["run", "toy", "--experiments", str(tmp_path), "--results", str(tmp_path)])
    assert "cell 3 of toy.ipynb must be plain Python" in capsys.readouterr().err


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
    experiment = SimpleNamespace(source="", modules={})
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
        ({"x": np.longdouble(1)}, TypeError, "'x' returned by measure must be .* longdouble"),
        ({"x": np.timedelta64(1)}, TypeError, "'x' returned by measure must be .* timedelta64"),
        ({"x": np.complex64(1)}, TypeError, "'x' returned by measure must be .* complex64"),
        ({"x": np.float32("inf")}, ValueError, "'x' returned by measure must be finite, got inf"),
        ({"x": np.zeros(())}, TypeError, "'x' returned by measure must be .* ndarray"),
        ({"x": np.zeros((2, 2))}, TypeError, "'x' returned by measure must be .* ndarray"),
        ({"x": np.ma.zeros(2)}, TypeError, "'x' returned by measure must be .* MaskedArray"),
        ({"x": [1, [{}]]}, TypeError, r"'x' returned by measure\[1\]\[0\] must be .* dict"),
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

    with pytest.raises(error, match=f"(?s){message}") as raised:
        sweep(measure, [{"k": 7}], seed=0)
    assert raised.value.__notes__ == ["measure failed at the point {'k': 7}"]


@pytest.mark.parametrize("measure", [lambda seed: {}, "area"])
def test_a_measure_has_a_name(measure):
    with pytest.raises(TypeError, match="measure must be a function with a name"):
        sweep(measure, [{"k": 1}], seed=0)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.1), 0.10000000149011612),
        (np.float16(0.1), 0.0999755859375),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.arange(2), [0, 1]),
        (np.array([0.5], np.float32), [0.5]),
        ([np.int64(1), [np.array([True])]], [1, [[True]]]),
    ],
)
def test_results_are_plain(given, plain):
    def measure(seed):
        return {"x": given}

    (row,) = sweep(measure, [{}], seed=0)
    assert repr(row["x"]) == repr(plain)
    assert json.loads(json.dumps(row)) == row


def test_seeds_are_those_of_the_recorded_results():
    point = {"target": "alternating words", "steps": 1, "schedule": "TC-adaptive"}

    def gap(seed, **point):
        return {}

    assert sweep(gap, [point], seed=2026)[0]["seed"] == 2681863817162636370


def test_a_row_has_its_point_as_it_was():
    def measure(sizes, seed):
        sizes.append(3)
        return {}

    assert sweep(measure, [{"sizes": [1]}], seed=0)[0]["sizes"] == [1]


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A run of the command, as its kernel sees it."""
    run = workers.Run(
        kept=str(tmp_path / "kept"),
        state=str(tmp_path / "state.json"),
        digest="digest",
        experiments=str(tmp_path),
        cells=[],
        modules={},
        versions=records.versions(),
        workers=1,
    )
    monkeypatch.setattr(workers, "_swept", {})
    monkeypatch.setenv("DLM_SWEEP", json.dumps(vars(run)))
    return run


def test_two_sweeps_of_a_run_need_two_names(kernel):
    kernel.leave("area", {"rows": [], "resumed": 0})
    with pytest.raises(ValueError, match="'area' has been swept already"):
        sweep(area, [{"width": 1, "height": 1}], seed=0)


def test_a_notebook_may_change_its_rows(kernel):
    row = {"k": 1, "values": [2]}
    kernel.leave("area", {"rows": [row], "resumed": 0})
    row.update(k=999)
    row["values"].append(999)
    kernel.leave("volume", None)
    assert kernel.swept["area"] == {"rows": [{"k": 1, "values": [2]}], "resumed": 0}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["row"].update(area=7),
        lambda content: content["row"].update(area=6.0),
        lambda content: content["row"].update(seed=1),
        lambda content: content["row"].update(width=3),
        lambda content: content["row"].pop("seconds"),
        lambda content: content.pop("hash"),
        lambda content: content.update(row=None),
    ],
)
def test_a_kept_row_that_does_not_fit_is_not_used(kernel, damage):
    point = {"width": 2, "height": 3}
    row = {**point, "area": 6, "seed": 5, "seconds": 0.1}
    path = Path(kernel.kept, "a.json")
    kernel.keep(path, "area", row)
    assert kernel.kept_row(path, "area", point, 5) == row
    assert kernel.kept_row(path, "volume", point, 5) is None
    assert kernel.kept_row(path, "area", point, 6) is None
    assert kernel.kept_row(path, "area", {"width": 2, "height": 4}, 5) is None
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    assert kernel.kept_row(path, "area", point, 5) is None


class Unsendable(Exception):
    def __init__(self, first, second):
        super().__init__(first)

    def __reduce__(self):
        return eval, ("1 / 0",)


@pytest.mark.parametrize(
    ("work", "error", "text"),
    [
        ("Unsendable('a', 'b')", RuntimeError, "Unsendable: a"),
        ("type('Local', (Exception,), {})('c')", RuntimeError, "Local: c"),
        ("SystemExit(3)", RuntimeError, "SystemExit: 3"),
        ("KeyError('k')", KeyError, "in raiser"),
    ],
)
def test_whatever_a_point_raises_comes_back(work, error, text):
    job = workers.Job(pickle.dumps(raiser), {}, "", records.versions())
    with pytest.raises(error) as raised:
        job.do(work, 0).row  # noqa: B018
    assert text in str(raised.value) + "".join(getattr(raised.value, "__notes__", []))


def raiser(point, seed):
    raise eval(point)


def test_a_worker_with_other_code_or_versions_is_refused(kernel, tmp_path):
    (tmp_path / "beside.py").write_text("1")
    assert workers.differing({}, str(tmp_path), records.versions()) == ""
    words = workers.differing(
        {"beside": "0", "absent": "0", "bookkit.sweeps": "0"},
        str(tmp_path),
        records.versions() | {"numpy": "1.0"},
    )
    assert words == f"beside, absent, bookkit.sweeps, numpy {np.__version__} instead of 1.0"


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
    assert records.commit() == records.commit(tmp_path) == clean
    assert records.commit(tmp_path, results=True) == f"{clean}-dirty"
    source.write_text("2")
    assert records.commit() == f"{clean}-dirty"


def test_a_write_is_whole_and_durable(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}"))
    )
    records.write(path, "old")
    assert synced[0].startswith(str(tmp_path / ".a.json.")) and synced[1] == str(tmp_path)

    def full(file):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        records.write(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


# --- what goes wrong ---


def test_a_failing_point_is_named_and_the_others_are_kept(checkout, tmp_path):
    earlier = tmp_path / "failing.quick.json"
    earlier.write_text("an earlier result")
    status, output = run(checkout, "run", "failing", "--workers", "1", "--results", tmp_path)
    assert status == 1
    assert "ZeroDivisionError" in output
    assert "invert failed at the point {'k': 1}; 1 of 4 points failed" in output
    assert "the same command goes on from the 3 finished points that are kept" in output
    assert earlier.read_text() == "an earlier result"
    partial = tmp_path / ".partial/failing.quick"
    assert sorted(kept_rows(partial)) == [0, 2, 3]

    # Other parameters: none of those points is used, and none is taken away.
    other = ["-p", "root=9", "--workers", "1", "--results", tmp_path]
    status, output = run(checkout, "run", "failing", *other)
    assert status == 0, output
    result = recorded(earlier)
    assert result.provenance["resumed"] == 0
    assert result.provenance["parameters"]["root"] == 9
    assert [row["value"] for row in result.sweeps["invert"]] == [-1, -1, -1, -1]
    assert sorted(kept_rows(partial)) == [0, 2, 3]


def test_a_point_that_ends_its_worker_fails_alone(checkout, tmp_path):
    status, output = run(checkout, "run", "deadly", "--workers", "2", "--results", tmp_path)
    assert status == 1
    assert "two workers died at this point, the last with exit status 3" in output
    assert "risk failed at the point {'k': 1}; 1 of 4 points failed" in output
    assert sorted(kept_rows(tmp_path / ".partial/deadly.quick")) == [0, 2, 3]


def test_ufuncs_of_the_notebook_reach_the_workers(checkout, tmp_path):
    # pickled as Dask does it, a ufunc is a name in the notebook's __main__, and the sweep hangs
    status, output = run(checkout, "run", "ufunc", "--workers", "1", "--results", tmp_path)
    assert status == 0, output
    assert recorded(tmp_path / "ufunc.quick.json").columns("draw")["value"] == [0.5]


@pytest.fixture
def toy_without_kernel(tmp_path, monkeypatch):
    """The command on a toy, with a stand-in for the execution of its notebook."""
    write_notebook(tmp_path / "toy.ipynb", TOY_PARAMETERS, TOY)
    monkeypatch.setattr(workers, "_swept", {})

    def command_with(execute):
        monkeypatch.setattr(workshop, "execute", execute)
        folders = ["--experiments", str(tmp_path), "--results", str(tmp_path / "results")]
        return workshop.main(["run", "toy", *folders])

    return command_with


def two_sweeps(path, changes, run):
    for name in ("draw", "double"):
        row = {"k": 1, "seed": 2, "seconds": 0.5}
        run.keep(Path(run.kept, f"{name}.json"), name, row)
        run.leave(name, {"rows": [row], "resumed": 0})
    return "the log"


def test_a_sweep_does_not_vanish(toy_without_kernel, tmp_path, capsys):
    def with_a_failure_that_the_notebook_hides(path, changes, run):
        two_sweeps(path, changes, run)
        run.leave("third", None)
        return "the log"

    assert toy_without_kernel(with_a_failure_that_the_notebook_hides) == 1
    assert "from the 2 finished points that are kept" in capsys.readouterr().err
    assert not list((tmp_path / "results").glob("*.json"))


def test_a_recording_that_is_cut_off_is_seen(toy_without_kernel, tmp_path, monkeypatch, capsys):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/results").symlink_to(tmp_path / "results")
    monkeypatch.setattr(records, "ROOT", tmp_path)
    assert toy_without_kernel(two_sweeps) == 0
    load("toy", "quick")
    assert not list((tmp_path / "results/.partial").rglob("*.json"))

    def full(path, text):
        if path.suffix == ".json":
            raise OSError("no space left")
        records.write(path, text)

    monkeypatch.setattr(workshop, "write", full)
    log = lambda *arguments: two_sweeps(*arguments) + " of another run"  # noqa: E731
    assert toy_without_kernel(log) == 1
    assert "goes on from the 2 finished points that are kept" in capsys.readouterr().err
    with pytest.raises(ValueError, match="a recording was cut off"):
        load("toy", "quick")


def test_without_finished_points_none_are_promised(toy_without_kernel, capsys):
    assert toy_without_kernel(lambda path, changes, run: None) == 1
    assert capsys.readouterr().err == (
        "toy did not finish, so nothing is recorded; no finished point is kept\n"
    )


@pytest.mark.parametrize("absent", ["ipykernel", "papermill", "kernel"])
def test_what_is_not_installed_is_named(toy_without_kernel, absent, monkeypatch, capsys):
    def get_kernel_spec(self, name):
        raise NoSuchKernel(name)

    def find(name):
        return None if name == absent else "found"

    monkeypatch.setattr("bookkit.notebooks.find_spec", find)
    if absent == "kernel":
        monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", get_kernel_spec)
    with pytest.raises(SystemExit) as stopped:
        toy_without_kernel(two_sweeps)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert absent in line and "`make env`" in line and "not installed" in line


def test_a_checkout_without_the_extras_says_so(checkout):
    hidden = "import sys; sys.modules['yaml'] = None; import runpy; runpy.run_module('bookkit')"
    with started(checkout, "python", "-c", hidden) as process:
        output = process.communicate(timeout=DEADLINE)[0]
    assert process.returncode == 2
    assert "running an experiment asks for yaml" in output and "Traceback" not in output


def test_a_scheduler_is_spoken_to_under_tls(monkeypatch):
    made = []

    class Client:
        def __init__(self, *arguments, **options):
            made.append((arguments, options))

        def close(self, timeout):
            pass

    monkeypatch.setattr("distributed.Client", Client)
    with workers.client_of("tls://a:1", ["ca.pem", "cert.pem", "key.pem"]):
        pass
    ((address,), options) = made[0]
    security = options["security"]
    assert address == "tls://a:1" and security.require_encryption
    assert (security.tls_ca_file, security.tls_client_cert, security.tls_client_key) == (
        "ca.pem",
        "cert.pem",
        "key.pem",
    )


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
        wait_until(lambda: len(kept_rows(partial)) == 2 and starts(marks, 2), process)
        kill_all(process)
    assert process.returncode == -signal.SIGKILL
    assert {path: path.read_text() for path in earlier} == earlier
    kept = kept_rows(partial)
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


def test_local_workers_are_closed_to_others_and_may_die(checkout, gated, tmp_path, capsys):
    arguments, marks, rows = gated
    with started(checkout, *command(*arguments, "--workers", "2")) as process:
        held = wait_until(lambda: list(marks.glob("[2-9].*")), process)[0]
        worker = psutil.Process(int(held.suffix[1:]))
        kernel = worker.parent()
        listening = [
            member
            for member in psutil.Process(process.pid).children(recursive=True)
            if any(c.status == "LISTEN" for c in member.net_connections())
        ]
        # Jupyter's own channels: their messages are signed with a key that others cannot read.
        assert listening == [kernel]
        assert 8787 not in {c.laddr.port for c in kernel.net_connections()}

        # A second run of the same would write to the same place.
        before = kept_rows(tmp_path / "results/.partial/gated.quick")
        with pytest.raises(SystemExit) as stopped:
            workshop.main([*map(str, arguments), "-p", "seed=3"])
        assert stopped.value.code == 2
        assert (
            f"is being recorded by another run (process {process.pid} " in capsys.readouterr().err
        )
        assert kept_rows(tmp_path / "results/.partial/gated.quick").items() >= before.items()

        worker.kill()
        (marks / "gate").touch()
        output = process.communicate(timeout=DEADLINE)[0]
    assert process.returncode == 0, output
    assert without_seconds(recorded(tmp_path / "results/gated.quick.json").sweeps["draw"]) == rows
    assert starts(marks, held.stem) == 2


@contextmanager
def cluster(checkout, folder, workers):
    """A Dask scheduler with workers: its address, its process and theirs."""
    address = folder / "scheduler.json"
    local = "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", address
    worker = "dask", "worker", "--nthreads", "1", "--no-nanny", *local
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            started(checkout, "dask", "scheduler", "--port", "0", *local)
        )
        processes = [stack.enter_context(started(checkout, *worker)) for _ in range(workers)]
        wait_until(lambda: address.exists() and address.read_text().endswith("}"), scheduler)
        yield json.loads(address.read_text())["address"], scheduler, *processes


def test_a_worker_that_dies_loses_nothing(checkout, gated, tmp_path):
    arguments, marks, rows = gated
    with (
        cluster(checkout, tmp_path, 2) as (where, _, victim, survivor),
        started(checkout, *command(*arguments, "--scheduler", where)) as process,
    ):
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


@pytest.mark.parametrize(
    ("lost", "by", "words"),
    [
        ("worker", signal.SIGKILL, "has had no worker for 2 s"),
        ("scheduler", signal.SIGSTOP, "does not answer"),
        ("scheduler", signal.SIGKILL, "is lost"),
    ],
)
def test_what_does_not_answer_ends_the_run(lost, by, words, checkout, gated, tmp_path, monkeypatch):
    arguments, marks, rows = gated
    monkeypatch.setenv("DLM_PATIENCE", "2")
    partial = tmp_path / "results/.partial/gated.quick"
    with (
        cluster(checkout, tmp_path, 1) as (where, scheduler, worker),
        started(checkout, *command(*arguments, "--scheduler", where)) as process,
    ):
        wait_until(lambda: len(kept_rows(partial)) == 2 and starts(marks, 2), process)
        os.kill({"worker": worker, "scheduler": scheduler}[lost].pid, by)
        output = process.communicate(timeout=DEADLINE)[0]
    assert process.returncode == 1
    assert words in output
    assert "goes on from the 2 finished points that are kept" in output

    (marks / "gate").touch()
    if lost == "worker":
        status, output = run(checkout, *arguments, "--workers", "1")
        assert status == 0, output
        result = recorded(tmp_path / "results/gated.quick.json")
        assert without_seconds(result.sweeps["draw"]) == rows
        assert result.provenance["resumed"] == 2
