"""Experiments: notebooks whose sweeps run on many workers, are resumed, and are recorded.

An experiment is a notebook in ``book/experiments``. It calls ``sweep`` to measure something at many
points. Opened by hand it computes them one after another and stores nothing; run by

    python -m bookkit run NAME --profile paper

the points go to Dask workers, each finished point is kept at once, so that a killed run goes on
where it stopped, and the whole is recorded with its provenance for ``load``.
"""

import json
import logging
import os
import pickle
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bookkit.records import digest, package_digest, plain, write
from dlm_core._check import integer

__all__ = ["sweep"]

# Set for the kernel of an experiment that the command runs: a `Run` as JSON.
VARIABLE = "DLM_SWEEP"
PATIENCE = 60  # seconds for a scheduler, a worker or a kernel to answer


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
    seeds = [int(digest([seed, point])[:16], 16) >> 1 for point in points]
    if VARIABLE in os.environ:
        return _sweep_on_workers(Run.from_environment(), measure, points, seeds)
    rows = []
    for point, point_seed in zip(points, seeds, strict=True):
        try:
            rows.append(_measured(measure, point, point_seed))
        except Exception as error:
            error.add_note(f"{measure.__name__} failed at the point {point}")
            raise
    return rows


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
        checked.append({key: plain(f"points[{index}][{key!r}]", point[key]) for key in point})
    first = {}
    for index, point in enumerate(checked):
        if (earlier := first.setdefault(digest(point), index)) != index:
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
        key: plain(f"{key!r} returned by {measure.__name__}", value)
        for key, value in result.items()
    }
    return {**point, **result, "seed": seed, "seconds": round(seconds, 6)}


@dataclass(frozen=True)
class Run:
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
        return cls(**json.loads(os.environ[VARIABLE]))

    @property
    def finished(self):
        """The sweeps that this run has finished: name to rows, and how many of them it found."""
        path = self._path_of_finished
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def finish(self, name, rows, resumed):
        everything = {**self.finished, name: {"rows": rows, "resumed": resumed}}
        write(self._path_of_finished, json.dumps(everything))

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
            yield stack.enter_context(Client(where, timeout=PATIENCE))


def _sweep_on_workers(run, measure, points, seeds):
    """Compute the points that no earlier run has finished; keep each at once."""
    import cloudpickle
    from distributed import as_completed
    from tqdm import tqdm

    name = measure.__name__
    if name in run.finished:
        raise ValueError(f"measure must have a name of its own: {name!r} has been swept already")
    paths = [
        Path(run.folder, digest([run.digest, name, *pair]) + ".json")
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
                    write(paths[index], json.dumps(rows[index]))
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
    if package_digest() != package:
        raise RuntimeError("dlm_core of this worker is not the one that the run started with")
    return _measured(pickle.loads(pickled), point, seed)


def _kept_row(path):
    """The row that an earlier run kept at ``path``, or None if there is none that is whole."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return row if isinstance(row, dict) and "seconds" in row else None
