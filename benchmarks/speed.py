"""What the sampler and the schedules cost, beside loops in wide use and bare numpy: `make bench`.

``python benchmarks/speed.py`` prints the rows and their limits; with ``--record`` it also writes
them to ``book/results/speed.json``. The exit status is nonzero if a limit is missed.

Fair play. All that is compared is measured in this one run, in turns, on one thread, and a time is
the median of several rounds; absolute times depend on the machine, the ratios that are limited
hardly. A network here copies its logits from a table, all of them or those it is asked for, as one
with a head for single positions does; the time of that is taken off. Memory is the growth of the
peak of a process of its own, logits included and the table not; Linux tells it.
"""

import argparse
import multiprocessing
import re
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from bookkit.records import ROOT
from peers import dream, llada, mdlm
from timing import Limit, finish, provenance, seconds
from tqdm import tqdm

import dlm_core
from dlm_core import InformationProfile, generate, steps_for, total_correlation
from dlm_core.estimation import estimate_profile
from dlm_core.schedules import (
    BestDeterministic,
    DTCAdaptive,
    Equal,
    Minimax,
    OptimalForProfile,
    TCAdaptive,
)

RECORD = ROOT / "book/results/speed.json"
LENGTH, STEPS = 256, 16


class Table:
    """A network whose logits do not depend on the tokens, in both forms that loops ask for."""

    def __init__(self, batch, vocabulary, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.logits = torch.randn(batch, LENGTH, vocabulary, generator=generator).mul_(2)
        self.mask_id = vocabulary - 1
        self.masked = torch.full((batch, LENGTH), self.mask_id)
        self.seconds = 0.0

    def network(self, tokens):
        return self._timed(self.logits.clone)

    def predictor(self, tokens, reveal):
        return self._timed(lambda: self.logits[: len(tokens)][reveal])

    def _timed(self, work):
        started = time.perf_counter()
        logits = work()
        self.seconds += time.perf_counter() - started
        return logits

    def beyond(self, loop):
        """Seconds of one generation outside the network."""
        self.seconds, started = 0.0, time.perf_counter()
        self.run(loop)
        return time.perf_counter() - started - self.seconds

    def run(self, loop, steps=STEPS):
        """One generation by the loop of that name."""
        ours = partial(generate, self.predictor, Equal(LENGTH, steps), tokens=self.masked)
        theirs = {
            "ours, by confidence": lambda: ours(
                mask_id=self.mask_id, order="confidence", temperature=0
            ),
            "ours, random order": lambda: ours(mask_id=self.mask_id),
            "LLaDA, by confidence": lambda: self._peer(llada, steps),
            "LLaDA, random order": lambda: self._peer(
                llada, steps, temperature=1.0, by_confidence=False
            ),
            "Dream, random order": lambda: self._peer(dream, steps),
            "MDLM, random order": lambda: self._peer(mdlm, steps),
        }
        return theirs[loop]()

    def _peer(self, loop, steps, **options):
        return loop(self.network, self.masked, self.mask_id, steps, **options)


def peak_in(status):
    """MiB of a process at its peak, from what the system says of it.

    ``resource.getrusage`` would count the process that started it.
    """
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def peak_memory():
    return peak_in(Path("/proc/self/status").read_text())


def peak(loop, batch, vocabulary, steps):
    """MiB by which the peak of this process grows in a run."""
    torch.set_num_threads(1)
    table = Table(batch, vocabulary)
    Table(1, 8).run(loop, 2)
    before = peak_memory()
    table.run(loop, steps)
    return peak_memory() - before


def apart(work, *arguments):
    """Call a function in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *arguments).result()


CONFIDENCE = [(64, 1), (8192, 1), (8192, 8), (8192, 64), (126_464, 1)]
ORDERS = {
    "by confidence": (CONFIDENCE, ("ours", "LLaDA")),
    "random order": ([(64, 1), (8192, 1), (8192, 8)], ("ours", "LLaDA", "Dream", "MDLM")),
}
# Where tables are tiny, what counts is how many operations a call has, and others have fewer.
TINY, TINY_LIMIT = 64, 10


def loops(progress):
    """Milliseconds a call and MiB of generation loops, beyond the network."""
    rows, limits = [], []
    for order, (cases, names) in ORDERS.items():
        for vocabulary, batch in cases:
            table = Table(batch, vocabulary)
            rounds = 9 if batch * vocabulary < 2**17 else 3
            turns = [[table.beyond(f"{name}, {order}") for name in names] for _ in range(rounds)]
            times = np.median(turns, axis=0)
            found = [
                {
                    "order": order,
                    "vocabulary": vocabulary,
                    "batch": batch,
                    "loop": name,
                    "milliseconds": 1e3 * float(time) / STEPS,
                    "mebibytes": apart(peak, f"{name}, {order}", batch, vocabulary, STEPS),
                }
                for name, time in zip(names, times, strict=True)
            ]
            for row in found:
                print(
                    f"{order:14} V = {vocabulary:7,} batch {batch:2}  {row['loop']:6}"
                    f"{row['milliseconds']:10.2f} ms a call{row['mebibytes']:10.1f} MiB"
                )
            rows += found
            ours, *others = found
            name = f"{order}, V = {vocabulary:,}, batch {batch}: share of the fastest other's"
            fastest = min(other["milliseconds"] for other in others)
            limit = TINY_LIMIT if vocabulary == TINY else 1
            limits.append(Limit(f"{name} time", ours["milliseconds"] / fastest, limit))
            if vocabulary * batch >= 2**16:  # below, what is measured is the allocator
                least = min(other["mebibytes"] for other in others)
                limits.append(Limit(f"{name} memory", ours["mebibytes"] / least, 1))
            progress.update()
    return rows, limits


class Network:
    """A network that listens: its logits depend on the tokens revealed and on the place."""

    vocabulary = 257

    def __init__(self, mask_bonus=0.0):
        generator = torch.Generator().manual_seed(0)
        self.mask_id = self.vocabulary - 1
        self.symbols = torch.randn(self.vocabulary, 16, generator=generator)
        self.symbols[self.mask_id] = 0.0
        self.places = torch.randn(LENGTH, 16, generator=generator)
        self.head = torch.randn(16, self.vocabulary, generator=generator)
        self.bonus = torch.zeros(self.vocabulary)
        self.bonus[self.mask_id] = mask_bonus
        self.seen = []

    def __call__(self, tokens):
        self.seen.append(tokens.clone())
        heard = self.symbols[tokens].sum(1, keepdim=True) / 8
        # one row at a time: a matrix product may round by the size of the batch
        return (
            torch.stack([row @ self.head for row in torch.tanh(heard + self.places)]) + self.bonus
        )

    def predictor(self, tokens, reveal):
        return self(tokens)[reveal]


def run_quality(name, steps, batch, mask_bonus=0.0, seed=0):
    """Tokens of a loop and those that its network saw."""
    torch.manual_seed(seed)
    network = Network(mask_bonus)
    masked = torch.full((batch, LENGTH), network.mask_id)
    if name.startswith("ours"):
        order = "confidence" if name.endswith("confidence") else "random"
        tokens = generate(
            network.predictor,
            Equal(LENGTH, steps),
            tokens=masked,
            mask_id=network.mask_id,
            order=order,
            temperature=float(order == "random"),
            seed=seed,
        ).tokens
    else:
        options = {}
        if name == "LLaDA, random order":
            options = {"temperature": 1.0, "by_confidence": False}
        loop = {"LLaDA": llada, "Dream": dream, "MDLM": mdlm}[name.partition(",")[0]]
        tokens = loop(network, masked, network.mask_id, steps, **options)
    return tokens, network


def quality(progress):
    """What a run is worth: useful calls, masks left, independence of the batch, masks drawn."""
    rows = []
    for name in [f"{loop}, {order}" for order, (_, names) in ORDERS.items() for loop in names]:
        for steps in (STEPS, LENGTH):
            batch, runs = 8, 5
            useful, left, drawn = [], 0, 0
            for seed in range(runs):
                tokens, network = run_quality(name, steps, batch, seed=seed)
                states = torch.stack([*network.seen, tokens]) != network.mask_id
                useful.append((states[1:] != states[:-1]).any(2).double().sum(0).mean())
                left += int((tokens == network.mask_id).sum())
                likely, network = run_quality(name, steps, batch, mask_bonus=4.0, seed=seed)
                drawn += int((likely == network.mask_id).sum())
            alone, _ = run_quality(name, steps, 1)
            together, _ = run_quality(name, steps, batch)
            rows.append(
                {
                    "loop": name,
                    "steps": steps,
                    "tokens": runs * batch * LENGTH,
                    "useful calls": float(np.mean(useful)),
                    "masks left": left,
                    "masks left where the mask is likely": drawn,
                    "row as alone": bool((alone[0] == together[0]).all()),
                }
            )
            print(
                f"{name:22} K = {steps:3}: useful calls of a row {np.mean(useful):6.1f}, masks "
                f"left {left}, where the network likes the mask {drawn}, of "
                f"{rows[-1]['tokens']:,}; first row as alone: {rows[-1]['row as alone']}"
            )
            progress.update()
    ours = [row for row in rows if row["loop"].startswith("ours")]
    masks = sum(row["masks left"] + row["masks left where the mask is likely"] for row in ours)
    lost = sum(row["steps"] - row["useful calls"] for row in ours)
    batched = sum(not row["row as alone"] for row in ours)
    limits = [
        Limit("ours: masks left in all runs", masks, 0),
        Limit("ours: calls that reveal nothing", lost, 0),
        Limit("ours: loops whose first row depends on the others", batched, 0),
    ]
    return rows, limits


def row_of(name, ours, unit, reference, limit, rounds=9):
    """One task beside plain work on arrays of the same size."""
    own, plain = (float(time) for time in seconds(ours, reference, rounds=rounds))
    return told(name, own, unit, plain, limit)


def told(name, own, unit, plain, limit):
    """The row of a task and its limit, printed, from the seconds of both sides."""
    print(f"{name:64} {1e3 * own:9.2f} ms   {unit}: {1e3 * plain:.2f} ms")
    row = {"task": name, "milliseconds": 1e3 * own, "unit": unit, "unit milliseconds": 1e3 * plain}
    return row, Limit(f"{name}: times {unit}", own / plain, limit)


def first_time(name, ours, unit, reference, limit):
    """A task as it is once in a process: what it stores is not there yet."""
    started = time.perf_counter()
    ours()
    own = time.perf_counter() - started
    return told(name, own, unit, float(seconds(reference)[0]), limit)


def curve_of(length):
    """A profile with dependence at all scales."""
    return InformationProfile((np.arange(length, 0, -1) / length) ** 2 + 0.5)


def schedules():
    """What is asked of schedules, beside numpy at work on as many numbers."""
    rng = np.random.default_rng(0)
    length = 4096
    square = rng.random((length, length))
    touch = partial(np.cumsum, square, axis=1, out=np.empty_like(square))
    # Constants are kept, and a second answer costs nothing: each is of another length.
    profiles = iter([curve_of(long) for long in range(length - 25, length)])

    def answer(kind, name):
        profile = next(profiles)
        known = profile if name == "profile" else profile.total_correlation
        return steps_for(0.02 * profile.total_correlation, profile.length, kind, **{name: known})

    for kind, name, limit in [
        ("OptimalForProfile", "profile", 0.45),
        ("TCAdaptive", "profile", 1),
        ("DTCAdaptive", "profile", 1.5),
        ("TCAdaptive", "total_correlation", 0.45),
        ("Minimax", "total_correlation", 0.15),
    ]:
        yield row_of(
            f"steps_for, L = 4,096, {kind}, {name.replace('_', ' ')}",
            partial(answer, kind, name),
            "a running sum of L^2 numbers",
            touch,
            limit,
            rounds=5,
        )
    for long, steps, limit in [(2000, 500, 5), (8192, 128, 10)]:
        numbers = rng.random((steps, long))
        known = curve_of(long)
        yield row_of(
            f"OptimalForProfile, L = {long:,}, K = {steps}",
            lambda known=known, steps=steps: OptimalForProfile(known, steps).sizes,
            "a running sum of K L numbers",
            partial(np.cumsum, numbers, axis=1, out=np.empty_like(numbers)),
            limit,
        )
    lengths = np.resize(np.unique(np.linspace(16, 1024, 199).astype(int)), 256)
    uniforms = partial(rng.random, (256, 1024))
    unit = "n L uniform numbers"
    for schedule, first, limit in [
        (Equal(1024, 128), None, 1),
        (TCAdaptive(1024, 128), None, 15),
        (Minimax(1024, 128, "tc"), 700, 18),
        (BestDeterministic(1024, 128, "tc"), None, 18),
    ]:
        name = f"planning 256 rows of 199 lengths, {schedule.label}"
        plan = partial(schedule.sample_rows, lengths, 0)
        if first:
            yield first_time(f"{name}, the first time", plan, unit, uniforms, first)
        plan()
        yield row_of(name, plan, unit, uniforms, limit)
    for long, steps, limit in [(256, 64, 8), (1024, 128, 8)]:
        yield one_row(long, steps, limit)
    numbers = np.empty((2000, 10_000))
    for schedule, limit in [
        (TCAdaptive(2000, 1000), 3.3),
        (DTCAdaptive(2000, 1000), 3.3),
        (Minimax(2000, 1000, "tc"), 1),
    ]:
        schedule.sample(1, rng)
        yield row_of(
            f"10,000 draws, L = 2,000, K = 1,000, {schedule.label}",
            partial(schedule.sample, 10_000, rng),
            unit,
            partial(rng.random, out=numbers),
            limit,
            rounds=5,
        )
    array = rng.random((1000, 2000))
    yield row_of(
        "the table of both adaptive schedules, L = 2,000, K = 1,000",
        lambda: (TCAdaptive(2000, 1000).table, DTCAdaptive(2000, 1000).table),
        "a running sum of K L numbers",
        partial(np.cumsum, array, axis=1),
        4,
    )
    for long, measure in product((2000, 100_000), ("tc", "dtc", "sum", "min", "product")):
        yield row_of(
            f"minimax {measure}, L = {long:,}, K = {long // 2:,}",
            lambda long=long, measure=measure: Minimax(long, long // 2, measure).constant,
            "a plain loop of L steps",
            partial(plain_loop, long),
            150,
            rounds=5,
        )
    yield words()


def plain_loop(length):
    total = 0.0
    for j in range(length):
        total += 1.0 / (j + 1)
    return total


def one_row(length, steps, limit):
    """``generate`` of one row with a predictor that costs nothing, beside the calls alone."""
    flat = torch.zeros(length, 2)
    schedule = TCAdaptive(length, steps)

    def predictor(tokens, reveal):
        return flat[: int(reveal.sum())]

    def calls():
        tokens, reveal = torch.zeros(1, length).long(), torch.zeros(1, length).bool()
        reveal[0, :2] = True
        for _ in range(steps):
            logits = predictor(tokens, reveal)
            tokens[reveal] = logits.softmax(1).multinomial(1).squeeze(1)

    schedule.sample(1, 0)
    return row_of(
        f"one row by generate, L = {length:,}, K = {steps}",
        partial(generate, predictor, schedule, 1, mask_id=2),
        "the plainest loop of K calls",
        calls,
        limit,
    )


def words():
    """TC of the words of a random linear code."""
    rng = np.random.default_rng(0)
    messages = (np.arange(4096)[:, np.newaxis] >> np.arange(12)) & 1
    code = np.hstack([messages, messages @ rng.integers(0, 2, (12, 52)) % 2])

    def counted():
        singles = [np.bincount(column) / len(code) for column in code.T]
        return -sum((p * np.log(p)).sum() for p in singles) - np.log(len(code))

    return row_of(
        "TC of 4,096 words of length 64",
        partial(total_correlation, support=code),
        "the same by numpy, no input checked",
        counted,
        3.3,
    )


def imports():
    """CPU seconds and MiB of importing the package, beside numpy alone."""
    numpy_alone = imported("import numpy")
    rows, limits = [], []
    for name, line in [
        ("import dlm_core", "import dlm_core"),
        ("a schedule and its guarantee", "from dlm_core import TCAdaptive, steps_for"),
    ]:
        time_taken, memory = imported(f"import numpy; {line}") - numpy_alone
        print(f"{name:64} {time_taken:6.3f} s of CPU, {memory:5.1f} MiB beyond numpy")
        rows.append({"import": name, "seconds": time_taken, "mebibytes": memory})
        limits.append(Limit(f"{name}: times numpy's CPU time", time_taken / numpy_alone[0], 2.5))
        limits.append(Limit(f"{name}: MiB beyond numpy", memory, 30))
    return rows, limits


def imported(lines):
    """Median CPU seconds and peak MiB of processes that run the lines."""
    report = "import time; print(time.process_time(), open('/proc/self/status').read(), sep='; ')"
    command = [sys.executable, "-c", f"{lines}; {report}"]
    runs = []
    for _ in range(7):
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        time_taken, status = told.split("; ")
        runs.append([float(time_taken), peak_in(status)])
    return np.median(runs, axis=0)


def measuring_a_profile():
    """Calls and memory of ``estimate_profile`` with a vocabulary of 126,464."""
    rows, vocabulary = 4, 126_464
    calls, growth = apart(profile_peak, rows, vocabulary)
    sequences = rows * (2 * LENGTH - 1)
    print(
        f"estimate_profile, V = {vocabulary:,}, L = {LENGTH}, {rows} sequences: {calls} calls for "
        f"{sequences:,} masked sequences, {growth:.0f} MiB beyond the logits of a call"
    )
    row = {"vocabulary": vocabulary, "sequences": sequences, "calls": calls, "mebibytes": growth}
    # 2^26 entries a call: so many would do if each could be filled
    least = (rows * (LENGTH * (LENGTH + 1) // 2 - 1 + LENGTH)) * vocabulary / 2**26
    return [row], [
        Limit("estimate_profile: calls, times as few as memory allows", calls / least, 1.5),
        Limit("estimate_profile: MiB beyond the logits of a call", growth, 128),
    ]


def profile_peak(rows, vocabulary):
    torch.set_num_threads(1)
    logits = torch.zeros(2**26 // vocabulary + LENGTH, vocabulary)
    logits.normal_(generator=torch.Generator().manual_seed(0))
    calls = 0

    def predictor(tokens, reveal):
        nonlocal calls
        calls += 1
        return logits[: int(reveal.sum())]

    tokens = torch.randint(0, vocabulary - 1, (rows, LENGTH))
    before = peak_memory()
    estimate_profile(predictor, tokens, 0, mask_id=vocabulary - 1)
    return calls, peak_memory() - before


def growth(name, sizes, make):
    """Exponent of the time in the size, between the smallest and the largest."""
    times = [float(seconds(make(size), rounds=3)[0]) for size in sizes]
    exponent = float(np.log(times[-1] / times[0]) / np.log(sizes[-1] / sizes[0]))
    shown = ", ".join(f"{s:,}: {1e3 * t:.1f} ms" for s, t in zip(sizes, times, strict=True))
    print(f"{name:64} exponent {exponent:5.2f}   ({shown})")
    return {"task": name, "exponent": exponent}, Limit(f"{name}: exponent", exponent, 1.25)


def tables(length, steps):
    def work():
        return TCAdaptive(length, steps).table, DTCAdaptive(length, steps).table

    return work


def drawing(n, schedule):
    rng = np.random.default_rng(0)
    schedule.sample(1, rng)
    return lambda: schedule.sample(n, rng)


def grows():
    """How times grow, where vectors are long enough to hide the interpreter."""
    yield growth("tables in K, L = 10,000", [1000, 2000, 4000], lambda k: tables(10_000, k))
    yield growth("tables in L, K = 2,000", [5000, 10_000, 20_000], lambda n: tables(n, 2000))
    yield growth(
        "1,000 draws in L, K = 500", [2000, 4000, 8000], lambda n: drawing(1000, TCAdaptive(n, 500))
    )
    yield growth(
        "1,000 draws in K, L = 8,000",
        [500, 1000, 2000],
        lambda k: drawing(1000, TCAdaptive(8000, k)),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name} as well")
    record = parser.parse_args().record
    torch.set_num_threads(1)
    facts = provenance("numpy", "torch")
    print(f"{facts['machine']}, one thread, dlm_core {dlm_core.__version__}\n")
    content, limits = {"provenance": facts}, []
    cases = sum(len(found) for found, _ in ORDERS.values())
    names = 2 * sum(len(names) for _, names in ORDERS.values())
    with tqdm(total=cases + names, desc="loops", disable=not sys.stderr.isatty()) as progress:
        content["loops"], found = loops(progress)
        limits += found
        content["quality"], found = quality(progress)
        limits += found
    for name, made in [("schedules", schedules()), ("growth", grows())]:
        content[name], found = map(list, zip(*made, strict=True))
        limits += found
    for name, work in [("imports", imports), ("profile", measuring_a_profile)]:
        content[name], found = work()
        limits += found
    finish(limits, RECORD if record else None, **content)


if __name__ == "__main__":
    main()
