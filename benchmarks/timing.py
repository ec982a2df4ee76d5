"""What the benchmarks share: times taken by turns, limits, and a record with its provenance."""

import json
import platform
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from bookkit.records import commit, device_in_words, write


def seconds(*works, rounds=9):
    """Median time of each work, run in turn so that a slow moment of the machine hits all."""
    times = np.empty((rounds, len(works)))
    for row in times:
        for i, work in enumerate(works):
            started = time.perf_counter()
            work()
            row[i] = time.perf_counter() - started
    return np.median(times, axis=0)


@dataclass(frozen=True)
class Limit:
    """A stated limit and what was measured: at most, in the unit that the name says."""

    name: str
    measured: float
    at_most: float

    @property
    def holds(self):
        return bool(self.measured <= self.at_most)

    def __str__(self):
        verdict = "within" if self.holds else "ABOVE"
        return f"{self.name:72} {self.measured:9.4f}  {verdict} {self.at_most:.4g}"


def provenance(*packages):
    """Where and with what a record is made; a package that was not imported has no version."""
    made = commit()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": device_in_words("cpu"),
        "python": platform.python_version(),
        "versions": {name: version(name) if name in sys.modules else None for name in packages},
        "commit": made.removesuffix("-dirty"),
        "uncommitted changes": made.endswith("-dirty"),
    }


def finish(limits, path=None, **content):
    """Print the limits, write the record if there is a path, and exit: 1 if a limit is missed."""
    print("\nLimits")
    for limit in limits:
        print(limit)
    if path:
        content["limits"] = [asdict(limit) | {"holds": limit.holds} for limit in limits]
        write(path, json.dumps(content, indent=1) + "\n")
    raise SystemExit(not all(limit.holds for limit in limits))
