"""Recorded results: what was measured, with its provenance, kept whole."""

import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

__all__ = ["Recorded", "load", "select"]

ROOT = Path(__file__).resolve().parents[2]


class Refused(ValueError):
    """A request that is turned down before any work; the text is for its user."""


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
    def changes(self):
        """What the rows depend on that is not as it was recorded, in words: a list of str.

        It is the measuring cells (up to the last that calls ``sweep``), the modules of this
        repository that they read, and the profile's parameters. Docstrings, comments and what only
        draws do not count; neither do versions of Python and its packages, which are part of the
        provenance.
        """
        from bookkit.experiments import read  # which has need of this module

        path = book_folder("experiments") / f"{self.provenance['experiment']}.ipynb"
        if not path.exists():
            return [f"there is no {path.name}"]
        return self.changes_in(read(path))

    def changes_in(self, experiment):
        """What of an `Experiment` is not as it was recorded: see `changes`."""
        facts = self.provenance
        changes = []
        if experiment.source != facts["source"]:
            changes.append("the measuring cells")
        if experiment.parameters(facts["profile"]) != facts["parameters"]:
            changes.append(f"the parameters of profile {facts['profile']}")
        now, then = experiment.modules, facts["modules"]
        changes += [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
        return changes

    @property
    def is_current(self):
        """Whether nothing that the rows depend on has changed: see `changes`."""
        return not self.changes

    def columns(self, name):
        """The rows of one sweep as a dictionary of arrays."""
        rows = self.sweeps[name]
        return dict(zip(rows[0], select(rows, *rows[0]), strict=True))

    def select(self, name, /, *columns, **conditions):
        """Some rows or columns of one sweep: `select` of its rows.

        Parameters
        ----------
        name : str
            Of the measure function.
        """
        if name not in self.sweeps:
            raise ValueError(f"name must be that of a sweep, got {name!r}{choices(self.sweeps)}")
        return select(self.sweeps[name], *columns, **conditions)


def select(rows, /, *columns, **conditions):
    """The rows that meet conditions, or columns of these rows.

    Parameters
    ----------
    rows : list of dict
        What a sweep returned.
    *columns : str
        Names of columns.
    **conditions
        A row meets ``name=value`` if its entry of that name equals the value.

    Returns
    -------
    list of dict, or list of ndarray
        The rows, in their order; if columns are named, an array for each instead.

    Raises
    ------
    ValueError
        If rows have no entry of a given name, or no row meets the conditions.

    Examples
    --------
    >>> rows = [{"steps": 1, "kl": 0.5}, {"steps": 2, "kl": 0.25}]
    >>> select(rows, steps=2)
    [{'steps': 2, 'kl': 0.25}]
    >>> steps, kl = select(rows, "steps", "kl")
    >>> kl
    array([0.5 , 0.25])
    """
    for name in (*columns, *conditions):
        if not all(name in row for row in rows):
            raise ValueError(f"rows have no entry {name!r}{choices(rows[0])}")
    found = [row for row in rows if all(row[name] == conditions[name] for name in conditions)]
    if not found:
        words = ", ".join(f"{name}={value!r}" for name, value in conditions.items())
        raise ValueError(f"no row has {words}" if rows else "rows must not be empty")
    return [np.array([row[name] for row in found]) for name in columns] if columns else found


def load(name, profile):
    """The recorded result of an experiment.

    Raises
    ------
    FileNotFoundError
        If there is none; the message says how to record it.
    ValueError
        If a name is not plain, or the files are not as they were written: a number differs, or
        the executed notebook beside the result is of another run.
    """
    plain_name("name", name)
    plain_name("profile", profile)
    path = book_folder("results") / f"{name}.{profile}.json"
    again = f"`python -m bookkit run {name} --profile {profile}`"
    if not path.exists():
        raise FileNotFoundError(
            f"nothing is recorded for experiment {name!r} with profile {profile!r}: run {again}"
        )
    return read_record(path, again)


def read_record(path, again):
    """The record at ``path``, verified; ``again`` is the command that makes it anew."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        record = Recorded(content["provenance"], content["sweeps"])
        _check_whole(record)
        rows, facts = digest(record.sweeps), facts_digest(record.provenance)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"{path.name} is not a whole record ({error}): record it again by {again}"
        ) from None
    provenance = record.provenance
    own = f"{provenance['experiment']}.{provenance['profile']}.json"
    if path.name != own:
        raise ValueError(f"{path.name} holds the record {own}: record it again by {again}")
    for what, found in [("rows", rows), ("facts", facts)]:
        if found != provenance[what]:
            raise ValueError(
                f"{path.name} was changed after it was recorded (its {what} do not have the hash "
                f"that was recorded with them): restore it, or record it again by {again}"
            )
    beside = path.with_suffix(".ipynb")
    if not beside.is_file() or file_digest(beside) != provenance["notebook"]:
        raise ValueError(
            f"{beside.name} is not the notebook that gave {path.name} (a recording was cut off, or "
            f"one of the two was changed): restore both, or record them again by {again}"
        )
    return record


# What is asked of a provenance, here and on the pages, and its types.
_FACTS = {
    **dict.fromkeys(["experiment", "profile", "device", "date", "commit"], (str,)),
    **dict.fromkeys(["source", "rows", "facts", "notebook"], (str,)),
    **dict.fromkeys(["parameters", "modules"], (dict,)),
    **dict.fromkeys(["resumed", "seconds", "point_seconds"], (int, float)),
}


def _check_whole(record):
    """Raise a ValueError that names what a record lacks."""
    if not isinstance(record.provenance, dict):
        raise ValueError("its provenance is no mapping")
    for name, types in _FACTS.items():
        if type(record.provenance.get(name)) not in types:
            words = " or ".join(kind.__name__ for kind in types)
            raise ValueError(f"its provenance must have {name!r}, of type {words}")
    if not isinstance(record.sweeps, dict) or not record.sweeps:
        raise ValueError("it has no sweeps")
    for name, rows in record.sweeps.items():
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"its sweep {name!r} is no list of rows")


def facts_digest(provenance):
    """The digest of a provenance, without the entry that holds it."""
    return digest({name: fact for name, fact in provenance.items() if name != "facts"})


def plain_name(what, name):
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a str, got {name!r} of type {type(name).__name__}")
    if not re.fullmatch(r"[\w-]+", name):
        raise Refused(f"{what} must consist of letters, digits, '_' and '-', got {name!r}")


def book_folder(name):
    if not (ROOT / "book").is_dir():
        raise Refused(
            f"bookkit is installed without the book, so there is no folder book/{name}: "
            "install it from a checkout, or give the command --experiments and --results"
        )
    return ROOT / "book" / name


def digest(value):
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return sha256(text.encode()).hexdigest()


def file_digest(path):
    return sha256(path.read_bytes()).hexdigest()


def write(path, text):
    """Write beside ``path`` and move over it: a killed run leaves the old file or the new one.

    When it returns, the file outlives a loss of power, too.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def missing(what):
    return (
        f"running an experiment asks for {what}, which is not installed here: `make env`, or "
        "`python -m pip install ./book` in a checkout, brings all that it needs"
    )


def choices(names):
    return f"; there are: {', '.join(names)}" if names else "; there are none"


@cache
def versions():
    """Versions of what numbers depend on besides this repository."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python} | {name: version_of(name) for name in ("numpy", "scipy", "torch")}


def version_of(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit(root=None, *, results=False):
    """The short commit of a checkout, marked when a tracked file differs from it.

    Differences of recorded results count only with ``results``: one recording does not mark the
    next, but a page shows both.
    """
    if shutil.which("git") is None:
        return "unversioned"

    def git(*arguments):
        return subprocess.run(
            ["git", *arguments], cwd=root or ROOT, capture_output=True, text=True, check=False
        )

    found = git("describe", "--always", "--exclude=*")
    if found.returncode != 0:
        return "unversioned"
    files = [] if results else ["--", ".", ":(exclude)book/results"]
    changed = git("diff", "--quiet", "HEAD", *files).returncode
    return found.stdout.strip() + ("-dirty" if changed else "")


def threads_in_words():
    return f"CPU, {os.cpu_count()} threads"


def device_in_words(device):
    if device == "cpu":
        cpuinfo = Path("/proc/cpuinfo")
        text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
        model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
        return f"{threads_in_words()} ({model[1] if model else platform.machine()})"
    import torch

    if not device.startswith("cuda") or not torch.cuda.is_available():
        raise Refused(f"parameter 'device' must be one that torch finds here, got {device!r}")
    words = torch.cuda.get_device_name(device)
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        found = subprocess.run(query, capture_output=True, text=True, check=False)
        driver, *_ = found.stdout.splitlines() or ["unknown"]
        words += f", driver {driver}"
    return words


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
