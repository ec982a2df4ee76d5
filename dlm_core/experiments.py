"""Experiments: notebooks whose sweeps run on many workers, are resumed, and are recorded.

An experiment is a notebook in ``book/experiments``. It calls ``sweep`` to measure something at many
points. Opened by hand it computes them one after another and stores nothing; run by

    python -m dlm_core.experiments run NAME --profile paper

the points go to Dask workers, each finished point is kept at once, so that a killed run goes on
where it stopped, and the whole is recorded with its provenance for ``load``.
"""

import argparse
import ast
import json
import logging
import os
import pickle
import platform
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path

import numpy as np
import yaml

from dlm_core import __version__
from dlm_core._validation import integer

__all__ = ["Recorded", "load", "sweep"]

ROOT = Path(__file__).resolve().parents[1]

# Set for the kernel of an experiment that the command runs: a `_Run` as JSON.
_VARIABLE = "DLM_SWEEP"
_PROFILES = ("paper", "gpu")  # besides "quick", which changes no parameter
_PATIENCE = 60  # seconds for a scheduler, a worker or a kernel to answer


class _Refused(ValueError):
    """A request that the command turns down before any work; the text is for its user."""


# --- what notebooks call ---


def sweep(measure, points, *, seed):
    """Measure something at many points.

    The seed of a point follows from ``seed`` and the point alone: neither the order of the points
    nor the number of workers changes a result.

    Parameters
    ----------
    measure : function
        Called as ``measure(**point, seed=...)``; returns a dictionary of numbers, strings, booleans
        or lists of them.
    points : list of dict
        Arguments of ``measure``, of the same kinds.
    seed : int
        What the seeds of all points are derived from.

    Returns
    -------
    list of dict
        For each point, in order, ``{**point, **result, "seed": ..., "seconds": ...}``.

    Raises
    ------
    TypeError, ValueError
        If there are no points, two are equal, names clash, or a value is of another kind or not
        finite.
    Exception
        Whatever ``measure`` raises, with a note that names the point. In a run of the command the
        other points are computed and kept first.

    Examples
    --------
    >>> def area(width, height, seed):
    ...     return {"area": width * height}
    >>> rows = sweep(area, [{"width": 2, "height": 3}, {"width": 4, "height": 5}], seed=0)
    >>> [row["area"] for row in rows]
    [6, 20]
    """
    if not getattr(measure, "__name__", "").isidentifier():
        raise TypeError(f"measure must be a function with a name, got {measure!r}")
    points = _checked_points(points)
    seed = integer("seed", seed, at_least=0)
    seeds = [int(_hash([seed, point])[:16], 16) >> 1 for point in points]
    if _VARIABLE in os.environ:
        return _sweep_on_workers(_Run.from_environment(), measure, points, seeds)
    rows = []
    for point, point_seed in zip(points, seeds, strict=True):
        try:
            rows.append(_measured(measure, point, point_seed))
        except Exception as error:
            error.add_note(f"{measure.__name__} failed at the point {point}")
            raise
    return rows


@dataclass(frozen=True)
class Recorded:
    """The result of an experiment, as the command recorded it.

    Attributes
    ----------
    provenance : dict
        Where it comes from: experiment, profile, parameters, digests, versions, device, times.
    sweeps : dict
        From the name of each measure function to the rows that its ``sweep`` returned.
    """

    provenance: dict
    sweeps: dict

    @property
    def line(self):
        """One sentence of provenance, for below a figure."""
        facts = self.provenance
        if facts["resumed"]:
            duration = f"{_duration(facts['point_seconds'])} of work in several runs"
        else:
            duration = _duration(facts["seconds"])
        return (
            f"Recorded: {facts['profile']} profile, {facts['device']}, {facts['date']}, "
            f"{duration}, commit {facts['commit']}"
        )

    @property
    def is_current(self):
        """Whether the experiment's code cells are still those that were recorded."""
        path = _book_folder("experiments") / f"{self.provenance['experiment']}.ipynb"
        return path.exists() and _source_digest(_cells(path)) == self.provenance["source"]

    def columns(self, name):
        """The rows of one sweep as a dictionary of arrays."""
        rows = self.sweeps[name]
        return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def load(name, profile):
    """The recorded result of an experiment.

    Raises
    ------
    FileNotFoundError
        If there is none; the message says how to record it.
    """
    path = _book_folder("results") / f"{name}.{profile}.json"
    if not path.exists():
        raise FileNotFoundError(
            f"nothing is recorded for experiment {name!r} with profile {profile!r}: run "
            f"`python -m dlm_core.experiments run {name} --profile {profile}`"
        )
    return Recorded(**json.loads(path.read_text(encoding="utf-8")))


# --- points and results ---


def _hash(value):
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return sha256(text.encode()).hexdigest()


def _plain(name, value):
    """Return ``value`` if JSON gives it back unchanged; name the place where it does not."""
    if isinstance(value, list):
        return [_plain(f"{name}[{i}]", entry) for i, entry in enumerate(value)]
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{name} must be finite, got {value}")
        return float(value)
    if not isinstance(value, bool | int | str):
        raise TypeError(
            f"{name} must be a bool, int, float, str or a list of them, "
            f"got {value!r} of type {type(value).__name__}"
        )
    return value


def _checked_points(points):
    points = list(points)
    if not points:
        raise ValueError("points must hold at least one point, got none")
    checked = []
    for index, point in enumerate(points):
        if not isinstance(point, dict):
            raise TypeError(f"points[{index}] must be a dict, got {point!r}")
        if clash := point.keys() & {"seed", "seconds"}:
            raise ValueError(f"points[{index}] must not name {min(clash)!r}: each row has its own")
        checked.append({key: _plain(f"points[{index}][{key!r}]", point[key]) for key in point})
    first = {}
    for index, point in enumerate(checked):
        if (earlier := first.setdefault(_hash(point), index)) != index:
            raise ValueError(f"points[{index}] must differ from points[{earlier}]: {point}")
    return checked


def _measured(measure, point, seed):
    """The row of one point."""
    start = time.perf_counter()
    result = measure(**point, seed=seed)
    seconds = time.perf_counter() - start
    if not isinstance(result, dict) or not all(isinstance(key, str) for key in result):
        raise TypeError(f"{measure.__name__} must return a dict with str keys, got {result!r}")
    if clash := result.keys() & {*point, "seed", "seconds"}:
        raise ValueError(f"{measure.__name__} must not return {min(clash)!r}: the row has its own")
    result = {
        key: _plain(f"{key!r} returned by {measure.__name__}", value)
        for key, value in result.items()
    }
    return {**point, **result, "seed": seed, "seconds": round(seconds, 6)}


# --- sweeps on workers ---


@dataclass(frozen=True)
class _Run:
    """What the command tells the kernel of its experiment.

    ``digest`` stands for all that a point's result depends on besides the point: code cells,
    parameters, package and versions. ``token`` is this run's own, as a kernel outlives a killed
    command for a second.
    """

    folder: str
    token: str
    digest: str
    package: str
    workers: int
    scheduler: str | None

    @classmethod
    def from_environment(cls):
        return cls(**json.loads(os.environ[_VARIABLE]))

    @property
    def finished(self):
        """The sweeps that this run has finished: name to rows, and how many of them it found."""
        path = self._path_of_finished
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def finish(self, name, rows, resumed):
        everything = {**self.finished, name: {"rows": rows, "resumed": resumed}}
        _write(self._path_of_finished, json.dumps(everything))

    @property
    def _path_of_finished(self):
        return Path(self.folder, f"run-{self.token}.json")

    @contextmanager
    def client(self, most):
        """A Dask client with at most ``most`` workers of its own, or with those of a scheduler."""
        from distributed import Client, LocalCluster

        with ExitStack() as stack:
            where = self.scheduler or stack.enter_context(
                LocalCluster(
                    host="127.0.0.1",
                    n_workers=min(self.workers, most),
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=0,  # one point may need most of the memory
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,  # what fails is raised, and once is enough
                    env={"OMP_NUM_THREADS": "1"},
                )
            )
            yield stack.enter_context(Client(where, timeout=_PATIENCE))


def _sweep_on_workers(run, measure, points, seeds):
    """Compute the points that no earlier run has finished; keep each at once."""
    import cloudpickle
    from distributed import as_completed
    from tqdm import tqdm

    name = measure.__name__
    if name in run.finished:
        raise ValueError(f"measure must have a name of its own: {name!r} has been swept already")
    paths = [
        Path(run.folder, _hash([run.digest, name, *pair]) + ".json")
        for pair in zip(points, seeds, strict=True)
    ]
    rows = [_kept_row(path) for path in paths]
    missing = [index for index, row in enumerate(rows) if row is None]
    errors = {}
    if missing:
        # As bytes: what a worker cannot unpickle fails there, as an error of the point. Dask's own
        # unpickling would fail in the scheduler, and the sweep would wait for ever.
        pickled = cloudpickle.dumps(measure)
        with (
            run.client(len(missing)) as client,
            # Plain text, as the command passes it on to a terminal.
            tqdm(
                total=len(points),
                initial=len(points) - len(missing),
                desc=name,
                unit="point",
                mininterval=1,
                file=sys.stderr,
            ) as bar,
        ):
            futures = {
                client.submit(
                    _measured_by_worker,
                    run.package,
                    pickled,
                    points[index],
                    seeds[index],
                    key=f"{name}-{run.token}-{paths[index].stem}",
                    pure=False,
                ): index
                for index in missing
            }
            for future in as_completed(futures):
                index = futures[future]
                if (error := future.exception()) is None:
                    rows[index] = future.result()
                    _write(paths[index], json.dumps(rows[index]))
                else:
                    errors[index] = error
                bar.update()
    if errors:
        index, error = min(errors.items())
        error.add_note(
            f"{name} failed at the point {points[index]}; {len(errors)} of {len(points)} points "
            "failed, the others are kept"
        )
        raise error
    run.finish(name, rows, resumed=len(points) - len(missing))
    return rows


def _measured_by_worker(package, pickled, point, seed):
    # A remote worker may have an older checkout; a local one starts after the command did.
    if _package_digest() != package:
        raise RuntimeError("dlm_core of this worker is not the one that the run started with")
    return _measured(pickle.loads(pickled), point, seed)


def _kept_row(path):
    """The row that an earlier run kept at ``path``, or None if there is none that is whole."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return row if isinstance(row, dict) and "seconds" in row else None


def _write(path, text):
    """Write beside ``path`` and move over it: a killed run leaves the old file or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


# --- experiments ---


@dataclass(frozen=True)
class _Experiment:
    """A notebook with its parameters; ``profiles`` maps a profile to those that it changes."""

    path: Path
    title: str
    source: str
    defaults: dict
    profiles: dict


def _book_folder(name):
    if not (ROOT / "book").is_dir():
        raise _Refused(
            f"dlm_core is installed without the book, so there is no folder book/{name}: "
            "install it from a checkout, or give the command --experiments and --results"
        )
    return ROOT / "book" / name


def _cells(path):
    """Cells of a notebook as (type, tags, text)."""
    return [
        (cell["cell_type"], cell["metadata"].get("tags", []), "".join(cell["source"]))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    ]


def _source_digest(cells):
    return _hash([text for kind, _, text in cells if kind == "code"])


def _catalogue(folder):
    """All experiments of a folder by name, their profiles checked."""
    paths = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    listed = folder / "profiles.yml"
    text = listed.read_text(encoding="utf-8") if listed.exists() else ""
    profiles = yaml.safe_load(text) or {}
    for name in profiles:
        if name not in paths:
            raise _Refused(f"profiles.yml names the unknown experiment {name!r}{_choice(paths)}")
    return {name: _experiment(path, profiles.get(name, {})) for name, path in paths.items()}


def _experiment(path, overrides):
    cells = _cells(path)
    headings = (
        line.removeprefix("# ")
        for kind, _, text in cells
        if kind == "markdown"
        for line in text.splitlines()
        if line.startswith("# ")
    )
    defaults = _defaults(path, cells)
    profiles = {"quick": {}}
    for profile, changes in overrides.items():
        if profile not in _PROFILES:
            raise _Refused(
                f"profiles.yml names the unknown profile {profile!r} of {path.stem}"
                f"{_choice(_PROFILES)}"
            )
        profiles[profile] = _typed(changes, defaults, f"profile {profile} of {path.stem}")
    return _Experiment(path, next(headings, path.stem), _source_digest(cells), defaults, profiles)


def _defaults(path, cells):
    """Names and values in the cell tagged ``parameters``."""
    texts = [text for _, tags, text in cells if "parameters" in tags]
    if len(texts) != 1:
        raise _Refused(f"{path.name} must have one cell tagged 'parameters', got {len(texts)}")
    defaults = {}
    for statement in ast.parse(texts[0]).body:
        try:
            (target,) = statement.targets
            value = ast.literal_eval(statement.value)
            defaults[target.id] = _plain(target.id, value)
        except (AttributeError, TypeError, ValueError):
            raise _Refused(
                f"the parameters of {path.name} must be lines `name = literal` with a finite "
                f"number, string, boolean or list, got `{ast.unparse(statement)}`"
            ) from None
    return defaults


def _typed(given, defaults, where):
    """Return ``given`` with each value in the type of its default."""
    typed = {}
    for name, value in given.items():
        if name not in defaults:
            raise _Refused(f"{where} names the unknown parameter {name!r}{_choice(defaults)}")
        default = defaults[name]
        try:
            typed[name] = _plain(f"parameter {name!r}", _like(value, default))
        except TypeError:
            raise _Refused(
                f"{where}: parameter {name!r} must be of type {type(default).__name__} like its "
                f"default {default!r}, got {value!r} of type {type(value).__name__}"
            ) from None
        except ValueError as error:
            raise _Refused(f"{where}: {error}") from None
    return typed


def _like(value, default):
    """Return ``value`` in the type of ``default``; an int may stand for a float."""
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise TypeError
    if isinstance(value, list) and default:
        return [_like(entry, default[0]) for entry in value]
    return value


def _choice(names):
    return f"; there are: {', '.join(names)}" if names else "; there are none"


# --- provenance ---


@cache
def _package_digest():
    folder = Path(__file__).resolve().parent
    return _hash(
        [
            (path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
            for path in sorted(folder.rglob("*.py"))
        ]
    )


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit():
    """The short commit, marked when a tracked file other than a result differs from it."""
    if shutil.which("git") is None:
        return "unversioned"

    def git(*arguments):
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )

    found = git("describe", "--always", "--exclude=*")
    if found.returncode != 0:
        return "unversioned"
    changed = git("diff", "--quiet", "HEAD", "--", ".", ":(exclude)book/results").returncode
    return found.stdout.strip() + ("-dirty" if changed else "")


def _provenance(experiment, options, parameters):
    """What is known of a result before it is computed."""
    device = parameters.get("device", "cpu")
    if options.scheduler:
        workers, device_in_words = _remote_workers(options.scheduler, device)
    else:
        workers = options.workers or parameters.get("workers")
        workers = workers or (os.cpu_count() if device == "cpu" else 1)
        device_in_words = _device_in_words(device)
    return {
        "experiment": options.name,
        "profile": options.profile,
        "parameters": parameters,
        "seed": parameters.get("seed"),
        "source": experiment.source,
        "package": _package_digest(),
        "version": __version__,
        "numpy": np.__version__,
        "torch": _version("torch"),
        "device": device_in_words,
        "workers": workers,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
    }


def _device_in_words(device):
    if device == "cpu":
        cpuinfo = Path("/proc/cpuinfo")
        text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
        model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
        return f"CPU, {os.cpu_count()} threads ({model[1] if model else platform.machine()})"
    import torch

    if not device.startswith("cuda") or not torch.cuda.is_available():
        raise _Refused(f"parameter 'device' must be one that torch finds here, got {device!r}")
    words = torch.cuda.get_device_name(device)
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        found = subprocess.run(query, capture_output=True, text=True, check=False)
        driver, *_ = found.stdout.splitlines() or ["unknown"]
        words += f", driver {driver}"
    return words


def _remote_workers(scheduler, device):
    """How many workers a scheduler has, and their devices in words."""
    from distributed import Client

    try:
        with Client(scheduler, timeout=_PATIENCE) as client:
            client.wait_for_workers(1, timeout=_PATIENCE)
            devices = client.run(_device_in_words, device)
    except OSError as error:
        raise _Refused(f"no scheduler with workers answers at {scheduler}: {error}") from None
    return len(devices), "; ".join(sorted(set(devices.values())))


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


# --- the command ---


def main(arguments=None):
    """Run the command and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except _Refused as refusal:
        parser.error(str(refusal))


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m dlm_core.experiments", description="Run and record the book's experiments."
    )
    folders = argparse.ArgumentParser(add_help=False)
    folders.add_argument(
        "--experiments", type=Path, metavar="FOLDER", help="default: book/experiments"
    )
    folders.add_argument("--results", type=Path, metavar="FOLDER", help="default: book/results")
    commands = parser.add_subparsers(required=True, metavar="list | run")

    listing = commands.add_parser("list", parents=[folders], help="list them and their results")
    listing.set_defaults(command=_list_command)

    run = commands.add_parser(
        "run",
        parents=[folders],
        help="run one and record its result",
        description="Run an experiment and record FOLDER/NAME.PROFILE.json, its result, and "
        "FOLDER/NAME.PROFILE.ipynb, its executed notebook. A run that was killed or failed goes on "
        "where it stopped when the same command is given again.",
    )
    run.set_defaults(command=_run_command)
    run.add_argument("name", metavar="NAME", help="a notebook of the experiments folder")
    run.add_argument(
        "--profile",
        default="quick",
        help="quick (the notebook's own parameters, the default), paper or gpu",
    )
    run.add_argument(
        "-p",
        dest="changes",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a parameter, the value in YAML (1.0e-3, not 1e-3); asks for --results, so "
        "that the recorded results are never replaced by accident",
    )
    where = run.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="local worker processes; default: the notebook's parameter `workers` if it has one, "
        "else as many as CPUs, or 1 when `device` is not cpu",
    )
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="a running Dask scheduler to use instead"
    )
    return parser


def _list_command(options):
    results = options.results or _book_folder("results")
    experiments = _catalogue(options.experiments or _book_folder("experiments"))
    for name, experiment in experiments.items():
        print(f"{name}: {experiment.title}")
        for profile, changes in experiment.profiles.items():
            path = results / f"{name}.{profile}.json"
            words = ", ".join(f"{key}={value}" for key, value in changes.items())
            print(f"  {profile:<6} {words or 'the parameters of the notebook'}")
            if path.exists():
                facts = json.loads(path.read_text(encoding="utf-8"))["provenance"]
                print(f"         recorded {facts['date']} on {facts['device']}")
            else:
                print("         not recorded")
    return 0


def _run_command(options):
    experiments = _catalogue(options.experiments or _book_folder("experiments"))
    if options.name not in experiments:
        raise _Refused(f"unknown experiment {options.name!r}{_choice(experiments)}")
    experiment = experiments[options.name]
    if options.profile not in experiment.profiles:
        raise _Refused(
            f"{options.name} has no profile {options.profile!r}{_choice(experiment.profiles)}"
        )
    changes = experiment.profiles[options.profile] | _changes(options.changes, experiment.defaults)
    if options.changes and options.results is None:
        raise _Refused("-p asks for --results, so that no recorded result is replaced by accident")
    if options.workers is not None and options.workers < 1:
        raise _Refused(f"--workers must be at least 1, got {options.workers}")
    results = options.results or _book_folder("results")
    target = results / f"{options.name}.{options.profile}.json"
    provenance = _provenance(experiment, options, experiment.defaults | changes)
    run = _Run(
        folder=str((results / ".partial" / target.stem).resolve()),
        token=secrets.token_hex(4),
        digest=_hash(
            [provenance[key] for key in ("source", "package", "parameters", "numpy", "torch")]
        ),
        package=provenance["package"],
        workers=provenance["workers"],
        scheduler=options.scheduler,
    )
    Path(run.folder).mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    log = _execute(experiment.path, changes, run)
    if log is None:
        print(
            f"{options.name} did not finish, so nothing is recorded; the same command goes on from "
            "the points that are done",
            file=sys.stderr,
        )
        return 1
    finished = run.finished
    if not finished:
        raise _Refused(f"{options.name} calls no sweep, so there is nothing to record")
    sweeps = {name: found["rows"] for name, found in finished.items()}
    rows = [row for found in sweeps.values() for row in found]
    provenance |= {
        "points": len(rows),
        "resumed": sum(found["resumed"] for found in finished.values()),
        "seconds": round(time.perf_counter() - start, 1),
        "point_seconds": round(sum(row["seconds"] for row in rows), 1),
    }
    _write(target.with_suffix(".ipynb"), log)
    _write(target, json.dumps({"provenance": provenance, "sweeps": sweeps}, indent=1) + "\n")
    # Other runs of the experiment, of older code or killed a moment ago, may still write there.
    shutil.rmtree(run.folder, ignore_errors=True)
    print(f"{target}: {len(rows)} points. {Recorded(provenance, sweeps).line}")
    return 0


def _changes(pairs, defaults):
    changes = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise _Refused(f"-p must be KEY=VALUE, got {pair!r}")
        try:
            changes[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise _Refused(f"-p {name} must have a value in YAML, got {text!r}") from None
    return _typed(changes, defaults, "-p")


def _execute(path, parameters, run):
    """Execute a notebook and return it as text to store; None if it fails or is interrupted."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    # An interrupted cell leaves a task behind whose exception nobody asks for.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    os.environ[_VARIABLE] = json.dumps(asdict(run))
    try:
        notebook = papermill.execute_notebook(
            path,
            None,
            parameters=parameters,
            kernel_name="python3",
            language="python",
            cwd=path.parent,
            stderr_file=sys.stderr,
            start_timeout=_PATIENCE,
            iopub_timeout=_PATIENCE,
        )
    except (papermill.PapermillExecutionError, DeadKernelError, KeyboardInterrupt) as error:
        print(str(error) or "interrupted", file=sys.stderr)
        return None
    finally:
        del os.environ[_VARIABLE]
    return _log(notebook, path)


def _log(notebook, path):
    """The text of an executed notebook without times, progress bars or machine details."""
    import nbformat

    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "injected-parameters"
            cell.source = cell.source.strip()
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [
                _without_folders(output, path)
                for output in cell.outputs
                if output.get("name") != "stderr"
            ]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.writes(notebook) + "\n"


def _without_folders(output, path):
    """Return an output after taking the folders of this machine out of its text."""
    folders = {
        str(path.parent.resolve()): ".",
        str(ROOT): "<checkout>",
        tempfile.gettempdir(): "<temporary>",
        str(Path.home()): "~",
    }

    def clean(text):
        for folder in sorted(folders.keys() - {"/"}, key=len, reverse=True):
            text = text.replace(folder, folders[folder])
        return text

    if "text" in output:
        output.text = clean(output.text)
    for kind in output.get("data", {}):
        if kind.startswith("text/"):
            output.data[kind] = clean(output.data[kind])
    return output


if __name__ == "__main__":
    # Through the module's own name: workers are to find its functions under that one.
    from dlm_core import experiments

    sys.exit(experiments.main())
