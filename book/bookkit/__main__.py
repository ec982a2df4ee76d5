"""The command: list and run the experiments of the book."""

import argparse
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from bookkit.records import (
    Recorded,
    Refused,
    book_folder,
    choices,
    commit,
    device_in_words,
    digest,
    facts_digest,
    file_digest,
    missing,
    plain_name,
    read_record,
    versions,
    write,
)
from bookkit.sources import digest_of
from dlm_core import __version__

try:
    import yaml

    from bookkit.experiments import catalogue
    from bookkit.notebooks import check_requirements, execute
    from bookkit.workers import PATIENCE, Run, client_of, differing
except ModuleNotFoundError as error:
    print(missing(error.name), file=sys.stderr)
    sys.exit(2)
except Refused as refusal:  # a variable of the environment
    print(refusal, file=sys.stderr)
    sys.exit(2)


def _provenance(experiment, options, parameters):
    """What is known of a result before it is computed."""
    device = parameters.get("device", "cpu")
    if options.scheduler:
        workers, device_words = _remote_workers(experiment, options, device)
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
        "modules": experiment.modules,
        "version": __version__,
        **versions(),
        "device": device_words,
        "workers": workers,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
    }


def _remote_workers(experiment, options, device):
    """How many workers a scheduler has, and their devices in words."""
    here = experiment.modules, str(experiment.path.parent.resolve()), versions()
    try:
        with client_of(options.scheduler, options.tls) as client:
            client.wait_for_workers(1, timeout=PATIENCE)

            async def ask(*question):
                return await client.run(*question)

            different = client.sync(ask, differing, *here, callback_timeout=PATIENCE)
            devices = client.sync(ask, device_in_words, device, callback_timeout=PATIENCE)
    except Refused:
        raise
    except (OSError, TimeoutError, ValueError) as error:
        raise Refused(
            f"no scheduler with workers answers at {options.scheduler}: {error}"
        ) from None
    except Exception as error:
        raise Refused(f"{options.scheduler} and its workers cannot run it: {error!r}") from None
    for worker, names in different.items():
        if names:
            raise Refused(f"the worker {worker} has not what is here: {names}")
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
        "from its finished points when the same command is given again.",
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
        "--scheduler",
        metavar="ADDRESS",
        help="a running Dask scheduler to use instead. Whoever controls it or can reach it can run "
        "any code as you, here and on its workers (Dask exchanges pickles): use one that you "
        "trust, on a network that you trust, or --tls. If it has no worker for "
        f"{PATIENCE:g} seconds (DLM_PATIENCE in the environment), the run ends",
    )
    run.add_argument(
        "--tls",
        nargs=3,
        metavar=("CA", "CERT", "KEY"),
        help="PEM files with which to speak to a scheduler at tls://...: nothing is then said "
        "unencrypted, or to one whose certificate the authority has not signed",
    )
    return parser


def _list_command(options):
    results = options.results or book_folder("results")
    experiments = catalogue(options.experiments or book_folder("experiments"))
    for name, experiment in experiments.items():
        print(f"{name}: {experiment.title}")
        for profile, changes in experiment.profiles.items():
            path = results / f"{name}.{profile}.json"
            words = ", ".join(f"{key}={value}" for key, value in changes.items())
            print(f"  {profile:<6} {words or 'the parameters of the notebook'}")
            print(f"         {_state(path, experiment, _again(name, profile))}")
    return 0


def _state(path, experiment, again):
    if not path.exists():
        return "not recorded"
    try:
        record = read_record(path, again)
        changes = record.changes_in(experiment)
    except ValueError as error:
        return str(error)
    facts = record.provenance
    line = f"recorded {facts['date']} on {facts['device']}"
    if not changes:
        return line
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return f"{line}; since changed: {', '.join(changes[:3])}{more}"


def _run_command(options):
    plain_name("NAME", options.name)
    experiments = catalogue(options.experiments or book_folder("experiments"))
    if options.name not in experiments:
        raise Refused(f"unknown experiment {options.name!r}{choices(experiments)}")
    experiment = experiments[options.name]
    if options.profile not in experiment.profiles:
        raise Refused(
            f"{options.name} has no profile {options.profile!r}{choices(experiment.profiles)}"
        )
    changes = experiment.profiles[options.profile] | _changes(options.changes, experiment)
    if options.changes and options.results is None:
        raise Refused("-p asks for --results, so that no recorded result is replaced by accident")
    if options.workers is not None and options.workers < 1:
        raise Refused(f"--workers must be at least 1, got {options.workers}")
    if options.tls and not options.scheduler:
        raise Refused("--tls asks for --scheduler: local workers are reached through no network")
    for path in options.tls or []:
        if not Path(path).is_file():
            raise Refused(f"--tls names {path!r}, which is no file")
    check_requirements()
    provenance = _provenance(experiment, options, experiment.parameters(options.profile, **changes))
    target = (options.results or book_folder("results")) / f"{options.name}.{options.profile}.json"
    with _reserved(target) as partial, tempfile.TemporaryDirectory(prefix="bookkit-") as own:
        depends = digest(
            [provenance[key] for key in ("source", "modules", "parameters", *versions())]
        )
        run = Run(
            kept=str(partial / depends[:16]),
            state=str(Path(own, "sweeps.json")),
            digest=depends,
            experiments=str(experiment.path.parent.resolve()),
            cells=[digest_of(cell) for cell in experiment.measuring],
            modules=experiment.modules,
            versions=versions(),
            workers=provenance["workers"],
            scheduler=options.scheduler,
            tls=options.tls and [str(Path(path).resolve()) for path in options.tls],
        )
        return _recorded(experiment, changes, run, target, provenance)


def _recorded(experiment, changes, run, target, provenance):
    """Execute and record; return the exit status."""
    start = time.perf_counter()
    log = execute(experiment.path, changes, run)
    swept = run.swept
    if log is not None and not swept:
        raise Refused(f"{experiment.path.stem} calls no sweep, so there is nothing to record")
    if log is None or not all(swept.values()):
        return _unfinished(experiment, run)
    sweeps = {name: found["rows"] for name, found in swept.items()}
    rows = [row for found in sweeps.values() for row in found]
    provenance |= {
        "points": len(rows),
        "resumed": sum(found["resumed"] for found in swept.values()),
        "seconds": round(time.perf_counter() - start, 1),
        "point_seconds": round(sum(row["seconds"] for row in rows), 1),
        "rows": digest(sweeps),
    }
    beside = target.with_suffix(".ipynb")
    try:
        # In this order: the result names the notebook, and an older one does not fit.
        write(beside, log)
        provenance["notebook"] = file_digest(beside)
        provenance["facts"] = facts_digest(provenance)
        write(target, json.dumps({"provenance": provenance, "sweeps": sweeps}, indent=1) + "\n")
    except OSError as error:
        print(f"{target} cannot be written: {error}", file=sys.stderr)
        return _unfinished(experiment, run)
    kept = Path(run.kept)
    shutil.rmtree(kept, ignore_errors=True)
    with suppress(OSError):  # points of other parameters or other code
        kept.parent.rmdir()
    print(f"{target}: {len(rows)} points. {Recorded(provenance, sweeps).line}")
    return 0


def _unfinished(experiment, run):
    """Say what is left of a run, and return its exit status."""
    kept = len(list(Path(run.kept).glob("[!.]*.json")))
    print(
        f"{experiment.path.stem} did not finish, so nothing is recorded; "
        + (
            f"the same command goes on from the {kept} finished points that are kept"
            if kept
            else "no finished point is kept"
        ),
        file=sys.stderr,
    )
    return 1


@contextmanager
def _reserved(target):
    """The folder of the target's finished points, while no other run may record the target."""
    partial = target.parent / ".partial" / target.stem
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass  # a result can be written there
        lock = partial.with_name(f"{partial.name}.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise Refused(f"the results folder {target.parent} cannot be written: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Refused(
                f"{target} is being recorded by another run ({lock.read().strip()}): wait for it, "
                "or give --results another folder"
            ) from None
        except OSError as error:
            raise Refused(f"{lock.name} cannot be locked: {error}") from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} of {socket.gethostname()}\n")
        lock.flush()
        yield partial.resolve()


def _again(name, profile):
    return f"`python -m bookkit run {name} --profile {profile}`"


def _changes(pairs, experiment):
    changes = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise Refused(f"-p must be KEY=VALUE, got {pair!r}")
        try:
            changes[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise Refused(f"-p {name} must have a value in YAML, got {text!r}") from None
    return experiment.typed(changes, "-p")


if __name__ == "__main__":
    # `list | head` ends the list. A run outlives what reads its words.
    if sys.argv[1:2] == ["list"] and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
