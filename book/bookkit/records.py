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
from math import isfinite
from pathlib import Path

import numpy as np

import dlm_core

__all__ = ["Recorded", "load"]

ROOT = Path(__file__).resolve().parents[2]


class Refused(ValueError):
    """A request that the command turns down before any work; the text is for its user."""


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
        path = book_folder("experiments") / f"{self.provenance['experiment']}.ipynb"
        return path.exists() and source_digest(cells_of(path)) == self.provenance["source"]

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
    path = book_folder("results") / f"{name}.{profile}.json"
    if not path.exists():
        raise FileNotFoundError(
            f"nothing is recorded for experiment {name!r} with profile {profile!r}: run "
            f"`python -m bookkit run {name} --profile {profile}`"
        )
    return Recorded(**json.loads(path.read_text(encoding="utf-8")))


def book_folder(name):
    if not (ROOT / "book").is_dir():
        raise Refused(
            f"dlm_core is installed without the book, so there is no folder book/{name}: "
            "install it from a checkout, or give the command --experiments and --results"
        )
    return ROOT / "book" / name


def cells_of(path):
    """Cells of a notebook as (type, tags, text)."""
    return [
        (cell["cell_type"], cell["metadata"].get("tags", []), "".join(cell["source"]))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    ]


def source_digest(cells):
    return digest([text for kind, _, text in cells if kind == "code"])


def digest(value):
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return sha256(text.encode()).hexdigest()


def plain(name, value):
    """Return ``value`` if JSON gives it back unchanged; name the place where it does not."""
    if isinstance(value, list):
        return [plain(f"{name}[{i}]", entry) for i, entry in enumerate(value)]
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


def write(path, text):
    """Write beside ``path`` and move over it: a killed run leaves the old file or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def choices(names):
    return f"; there are: {', '.join(names)}" if names else "; there are none"


@cache
def package_digest():
    folder = Path(dlm_core.__file__).resolve().parent
    return digest(
        [
            (path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
            for path in sorted(folder.rglob("*.py"))
        ]
    )


def version_of(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit():
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


def device_in_words(device):
    if device == "cpu":
        cpuinfo = Path("/proc/cpuinfo")
        text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
        model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
        return f"CPU, {os.cpu_count()} threads ({model[1] if model else platform.machine()})"
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
