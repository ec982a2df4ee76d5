"""The command: list and run the experiments of the book."""

import argparse
import ast
import json
import os
import secrets
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from bookkit.notebooks import execute
from bookkit.records import (
    Recorded,
    Refused,
    book_folder,
    cells_of,
    choices,
    commit,
    device_in_words,
    digest,
    package_digest,
    plain,
    source_digest,
    version_of,
    write,
)
from bookkit.sweeps import PATIENCE, Run
from dlm_core import __version__

_PROFILES = ("paper", "gpu")  # besides "quick", which changes no parameter


@dataclass(frozen=True)
class _Experiment:
    """A notebook with its parameters; ``profiles`` maps a profile to those that it changes."""

    path: Path
    title: str
    source: str
    defaults: dict
    profiles: dict


def _catalogue(folder):
    """All experiments of a folder by name, their profiles checked."""
    paths = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    listed = folder / "profiles.yml"
    text = listed.read_text(encoding="utf-8") if listed.exists() else ""
    profiles = yaml.safe_load(text) or {}
    for name in profiles:
        if name not in paths:
            raise Refused(f"profiles.yml names the unknown experiment {name!r}{choices(paths)}")
    return {name: _experiment(path, profiles.get(name, {})) for name, path in paths.items()}


def _experiment(path, overrides):
    cells = cells_of(path)
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
            raise Refused(
                f"profiles.yml names the unknown profile {profile!r} of {path.stem}"
                f"{choices(_PROFILES)}"
            )
        profiles[profile] = _typed(changes, defaults, f"profile {profile} of {path.stem}")
    return _Experiment(path, next(headings, path.stem), source_digest(cells), defaults, profiles)


def _defaults(path, cells):
    """Names and values in the cell tagged ``parameters``."""
    texts = [text for _, tags, text in cells if "parameters" in tags]
    if len(texts) != 1:
        raise Refused(f"{path.name} must have one cell tagged 'parameters', got {len(texts)}")
    defaults = {}
    for statement in ast.parse(texts[0]).body:
        try:
            (target,) = statement.targets
            value = ast.literal_eval(statement.value)
            defaults[target.id] = plain(target.id, value)
        except (AttributeError, TypeError, ValueError):
            raise Refused(
                f"the parameters of {path.name} must be lines `name = literal` with a finite "
                f"number, string, boolean or list, got `{ast.unparse(statement)}`"
            ) from None
    return defaults


def _typed(given, defaults, where):
    """Return ``given`` with each value in the type of its default."""
    typed = {}
    for name, value in given.items():
        if name not in defaults:
            raise Refused(f"{where} names the unknown parameter {name!r}{choices(defaults)}")
        default = defaults[name]
        try:
            typed[name] = plain(f"parameter {name!r}", _like(value, default))
        except TypeError:
            raise Refused(
                f"{where}: parameter {name!r} must be of type {type(default).__name__} like its "
                f"default {default!r}, got {value!r} of type {type(value).__name__}"
            ) from None
        except ValueError as error:
            raise Refused(f"{where}: {error}") from None
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


def _provenance(experiment, options, parameters):
    """What is known of a result before it is computed."""
    device = parameters.get("device", "cpu")
    if options.scheduler:
        workers, device_words = _remote_workers(options.scheduler, device)
    else:
        workers = options.workers or parameters.get("workers")
        workers = workers or (os.cpu_count() if device == "cpu" else 1)
        device_words = device_in_words(device)
    return {
        "experiment": options.name,
        "profile": options.profile,
        "parameters": parameters,
        "seed": parameters.get("seed"),
        "source": experiment.source,
        "package": package_digest(),
        "version": __version__,
        "numpy": np.__version__,
        "torch": version_of("torch"),
        "device": device_words,
        "workers": workers,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
    }


def _remote_workers(scheduler, device):
    """How many workers a scheduler has, and their devices in words."""
    from distributed import Client

    try:
        with Client(scheduler, timeout=PATIENCE) as client:
            client.wait_for_workers(1, timeout=PATIENCE)
            devices = client.run(device_in_words, device)
    except OSError as error:
        raise Refused(f"no scheduler with workers answers at {scheduler}: {error}") from None
    return len(devices), "; ".join(sorted(set(devices.values())))


def main(arguments=None):
    """Run the command and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except Refused as refusal:
        parser.error(str(refusal))


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m bookkit", description="Run and record the book's experiments."
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
    results = options.results or book_folder("results")
    experiments = _catalogue(options.experiments or book_folder("experiments"))
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
    experiments = _catalogue(options.experiments or book_folder("experiments"))
    if options.name not in experiments:
        raise Refused(f"unknown experiment {options.name!r}{choices(experiments)}")
    experiment = experiments[options.name]
    if options.profile not in experiment.profiles:
        raise Refused(
            f"{options.name} has no profile {options.profile!r}{choices(experiment.profiles)}"
        )
    changes = experiment.profiles[options.profile] | _changes(options.changes, experiment.defaults)
    if options.changes and options.results is None:
        raise Refused("-p asks for --results, so that no recorded result is replaced by accident")
    if options.workers is not None and options.workers < 1:
        raise Refused(f"--workers must be at least 1, got {options.workers}")
    results = options.results or book_folder("results")
    target = results / f"{options.name}.{options.profile}.json"
    provenance = _provenance(experiment, options, experiment.defaults | changes)
    run = Run(
        folder=str((results / ".partial" / target.stem).resolve()),
        token=secrets.token_hex(4),
        digest=digest(
            [provenance[key] for key in ("source", "package", "parameters", "numpy", "torch")]
        ),
        package=provenance["package"],
        workers=provenance["workers"],
        scheduler=options.scheduler,
    )
    Path(run.folder).mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    log = execute(experiment.path, changes, run)
    if log is None:
        print(
            f"{options.name} did not finish, so nothing is recorded; the same command goes on from "
            "the points that are done",
            file=sys.stderr,
        )
        return 1
    finished = run.finished
    if not finished:
        raise Refused(f"{options.name} calls no sweep, so there is nothing to record")
    sweeps = {name: found["rows"] for name, found in finished.items()}
    rows = [row for found in sweeps.values() for row in found]
    provenance |= {
        "points": len(rows),
        "resumed": sum(found["resumed"] for found in finished.values()),
        "seconds": round(time.perf_counter() - start, 1),
        "point_seconds": round(sum(row["seconds"] for row in rows), 1),
    }
    write(target.with_suffix(".ipynb"), log)
    write(target, json.dumps({"provenance": provenance, "sweeps": sweeps}, indent=1) + "\n")
    # Other runs of the experiment, of older code or killed a moment ago, may still write there.
    shutil.rmtree(run.folder, ignore_errors=True)
    print(f"{target}: {len(rows)} points. {Recorded(provenance, sweeps).line}")
    return 0


def _changes(pairs, defaults):
    changes = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise Refused(f"-p must be KEY=VALUE, got {pair!r}")
        try:
            changes[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise Refused(f"-p {name} must have a value in YAML, got {text!r}") from None
    return _typed(changes, defaults, "-p")


if __name__ == "__main__":
    sys.exit(main())
