"""The workers of a run: each finished point is kept at once, and whatever fails costs one point.

Local workers are processes of the kernel that runs the experiment. They speak with it through pipes
that nobody else can open, and end with it. With a Dask scheduler the workers are the scheduler's.
"""

import json
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections import Counter, deque
from contextlib import closing, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from math import inf
from multiprocessing.connection import wait
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from bookkit.records import Refused, digest, versions, write


def _patience():
    given = os.environ.get("DLM_PATIENCE", "60")
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0
    if not 0 < seconds < inf:
        raise Refused(f"DLM_PATIENCE must be a positive number of seconds, got {given!r}")
    return seconds


# Set for the kernel of an experiment that the command runs: a `Run` as JSON.
VARIABLE = "DLM_SWEEP"
# Seconds for a scheduler to answer, and to have a worker again.
PATIENCE = _patience()

_swept = {}  # in the kernel: the sweeps of its run, in order; None for one that has not ended


@dataclass(frozen=True)
class Run:
    """What the command tells the kernel of its experiment.

    Attributes
    ----------
    kept : str
        The folder of finished points. Only runs with the same code, parameters and versions share
        it.
    state : str
        A file of this run alone, in which the kernel leaves what its sweeps returned.
    digest : str
        Of all that a point's result depends on besides the point.
    experiments : str
        The notebook's folder.
    cells : list of str
        Digests of the measuring cells.
    modules : dict
        Digests of the modules that these read.
    versions : dict
        Versions of Python and its packages.
    workers : int
        How many local workers there are at most.
    scheduler : str or None
        The address of a Dask scheduler to use instead.
    tls : list of str or None
        Paths of the authority, certificate and key with which to speak to it.
    """

    kept: str
    state: str
    digest: str
    experiments: str
    cells: list
    modules: dict
    versions: dict
    workers: int
    scheduler: str | None = None
    tls: list | None = None

    @classmethod
    def from_environment(cls):
        return cls(**json.loads(os.environ[VARIABLE]))

    @property
    def swept(self):
        """What the kernel has left: name to rows, and how many of them an earlier run had kept."""
        path = Path(self.state)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def leave(self, name, found):
        _swept[name] = deepcopy(found)  # the notebook may change the rows that it is given
        write(Path(self.state), json.dumps(_swept))

    def keep(self, path, name, row):
        content = {"row": row, "hash": digest([self.digest, name, row])}
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(content))

    def kept_row(self, path, name, point, seed):
        """The row kept at ``path``; None if there is none that is whole and of this point."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            row = content["row"]
            fits = content["hash"] == digest([self.digest, name, row])
            own = {key: row[key] for key in (*point, "seed")}
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return row if fits and digest(own) == digest({**point, "seed": seed}) else None


def sweep_on_workers(run, name, work, points, seeds):
    """Compute the points that no earlier run has finished, ``work(point, seed)`` of each."""
    import cloudpickle
    from tqdm import tqdm

    if name in _swept:
        raise ValueError(f"measure must have a name of its own: {name!r} has been swept already")
    _check_cell(run.cells)
    run.leave(name, None)
    tasks = list(zip(points, seeds, strict=True))
    paths = [Path(run.kept, f"{digest([run.digest, name, *task])}.json") for task in tasks]
    rows = [run.kept_row(path, name, *task) for path, task in zip(paths, tasks, strict=True)]
    missing = {index: tasks[index] for index, row in enumerate(rows) if row is None}
    # As bytes: what a worker cannot unpickle fails there, as an error of the point.
    job = Job(cloudpickle.dumps(work), run.modules, run.experiments, run.versions)
    results = _on_scheduler if run.scheduler else _on_processes
    errors = {}
    with (
        closing(results(run, job, missing)) as found,
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
        for index, result in found if missing else ():
            try:
                rows[index] = result.row
                run.keep(paths[index], name, rows[index])
            except Exception as error:
                errors[index] = error
            bar.update()
    if errors:
        index, error = min(errors.items())
        error.add_note(
            f"{name} failed at the point {points[index]}; {len(errors)} of {len(points)} points "
            "failed, the others are kept"
        )
        raise error
    run.leave(name, {"rows": rows, "resumed": len(points) - len(missing)})
    return rows


def _check_cell(cells):
    """Refuse a sweep by a cell that the experiment's digest leaves out."""
    from IPython import get_ipython

    from bookkit.sources import digest_of, tree_of

    if (shell := get_ipython()) is not None:
        running = shell.history_manager.input_hist_parsed[-1]
        if digest_of(tree_of(running, "this cell")) not in cells:
            raise RuntimeError(
                "sweep must be called by name in its cell, or by a function defined in a cell: "
                "nothing else tells which cells the recorded numbers depend on"
            )


@dataclass(frozen=True)
class Job:
    """What a worker is told of a sweep: the work, and what it is to be done with."""

    work: bytes
    modules: dict
    experiments: str
    versions: dict

    def do(self, point, seed):
        """The result of one point; whatever goes wrong is part of it."""
        try:
            if different := differing(self.modules, self.experiments, self.versions):
                raise RuntimeError(f"this worker has not what the run started with: {different}")
            return Result(text=json.dumps(pickle.loads(self.work)(point, seed), allow_nan=False))
        except BaseException as error:
            # Also an exit, which would take the worker along.
            text = "".join(traceback.format_exception(error))
            try:
                pickled = pickle.dumps(error)
            except Exception:
                pickled = b""
            return Result(pickled=pickled, failure=text)


@dataclass(frozen=True)
class Result:
    """A row as JSON; or an exception, pickled if it could be, and as text."""

    text: str = ""
    pickled: bytes = b""
    failure: str = ""

    @property
    def row(self):
        if not self.failure:
            return json.loads(self.text)
        try:
            error = pickle.loads(self.pickled)
            error.add_note(self.failure)
        except Exception:
            error = RuntimeError(self.failure)
        raise error if isinstance(error, Exception) else RuntimeError(self.failure)


def differing(modules, folder, expected):
    """Modules and packages that are others here than where the digests were taken, in words."""
    found = versions()
    names = [name for name in modules if _digest_here(name, folder) != modules[name]]
    names += [
        f"{name} {found[name]} instead of {expected[name]}"
        for name in expected
        if found[name] != expected[name]
    ]
    return ", ".join(names)


@cache
def _digest_here(name, folder):
    from bookkit.sources import module_digest

    return module_digest(name, Path(folder))


# --- local workers ---


def _on_processes(run, job, tasks):
    """Results by index, as they come. A worker that dies takes only its point along, at the second
    time that this happens to the point."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for the workers: one point, one thread
    spawn = multiprocessing.get_context("spawn")
    waiting, deaths = deque(tasks), Counter()
    processes, idle, busy = {}, [], {}
    try:
        while waiting or busy:
            while waiting and len(busy) < run.workers:
                if not idle:
                    ours, theirs = spawn.Pipe()
                    processes[ours] = spawn.Process(target=_serve, args=(theirs, job), daemon=True)
                    processes[ours].start()
                    theirs.close()
                    idle.append(ours)
                connection, index = idle.pop(), waiting.popleft()
                busy[connection] = index
                with suppress(OSError):  # it has died: the wait below returns it
                    connection.send(tasks[index])
            for connection in wait(busy):
                index = busy.pop(connection)
                try:
                    result = connection.recv()
                    idle.append(connection)
                except (EOFError, OSError):
                    process = processes.pop(connection)
                    connection.close()
                    process.join()
                    deaths[index] += 1
                    if deaths[index] == 1:
                        waiting.appendleft(index)
                        continue
                    result = Result(
                        failure=f"two workers died at this point, the last with exit status "
                        f"{process.exitcode} (-9: killed, often for want of memory)"
                    )
                yield index, result
    finally:
        for process in processes.values():
            process.kill()
        for process in processes.values():
            process.join()


def _serve(connection, job):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the kernel's, which ends us
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(job.do(*task))


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


# --- workers of a scheduler ---


@contextmanager
def client_of(scheduler, tls):
    """A client of a Dask scheduler; it unpickles what the scheduler sends."""
    try:
        from distributed import Client, Security
    except ImportError:
        raise Refused(
            "--scheduler asks for Dask, which is not installed here: "
            'python -m pip install "dask[distributed]"'
        ) from None

    security = None
    if tls:
        authority, certificate, key = tls
        security = Security(
            tls_ca_file=authority,
            tls_client_cert=certificate,
            tls_client_key=key,
            require_encryption=True,
        )
    client = Client(scheduler, timeout=PATIENCE, security=security)
    try:
        yield client
    finally:
        client.close(timeout=PATIENCE)


def _on_scheduler(run, job, tasks):
    """Results by index, as they come, as long as the scheduler answers and has workers."""
    done = SimpleQueue()
    with client_of(run.scheduler, run.tls) as client:
        futures = {}
        for index, task in tasks.items():
            future = client.submit(job.do, *task, pure=False)
            futures[future] = index
            future.add_done_callback(done.put)
        seen = monotonic()
        while futures:
            future = None
            try:
                future = done.get(timeout=min(1, PATIENCE))
                if future.cancelled():
                    raise RuntimeError(f"the scheduler at {run.scheduler} is lost")
                if future.status == "error":
                    result = Result(failure=repr(future.exception()))
                else:
                    result = future.result(timeout=PATIENCE)
            except (Empty, TimeoutError):
                if future is not None:  # its worker died with the result: it is computed again
                    future.add_done_callback(done.put)
                if _threads(client, run.scheduler):
                    seen = monotonic()
                elif monotonic() - seen > PATIENCE:
                    raise RuntimeError(
                        f"the scheduler at {run.scheduler} has had no worker for {PATIENCE:g} s"
                    ) from None
            else:
                seen = monotonic()
                yield futures.pop(future), result


def _threads(client, scheduler):
    try:
        return client.nthreads(callback_timeout=PATIENCE)
    except (OSError, TimeoutError) as error:
        raise RuntimeError(f"the scheduler at {scheduler} does not answer: {error}") from None
