"""Time the schedules against plain numpy on arrays of the same size: `make bench`.

Each ratio is measured in this one run, with the two sides in turn, and is the median of several
rounds; absolute times depend on the machine, the ratios hardly.
"""

import os
import time

import numpy as np

from dlm_core.schedules import BestDeterministic, DTCAdaptive, Minimax, TCAdaptive

ROUNDS = 9


def seconds(*works, rounds=ROUNDS):
    """Median time of each work, run in turn so that a slow moment of the machine hits all."""
    times = np.empty((rounds, len(works)))
    for row in times:
        for i, work in enumerate(works):
            started = time.perf_counter()
            work()
            row[i] = time.perf_counter() - started
    return np.median(times, axis=0)


def report(name, work, unit, limit):
    ours, reference = seconds(work, unit)
    ratio = ours / reference
    verdict = "within" if ratio <= limit else "ABOVE"
    print(
        f"{name:44} {1e3 * ours:8.1f} ms   {ratio:6.2f} times numpy's {1e3 * reference:.1f} ms"
        f"   {verdict} the limit of {limit}"
    )
    return ratio <= limit


def solving(length, steps, target, limit):
    (time_taken,) = seconds(lambda: Minimax(length, steps, target).constant)
    verdict = "within" if 1e3 * time_taken <= limit else "ABOVE"
    name = f"minimax {target}, K = {steps:,}, L = {length:,}"
    print(f"{name:44} {1e3 * time_taken:8.1f} ms   {verdict} the limit of {limit} ms")
    return 1e3 * time_taken <= limit


def infilling(kind, limit):
    """Rows of 64 lengths, once the solutions for them are there."""
    lengths = np.resize(np.linspace(16, 1024, 64).astype(int), 256)
    schedule, reference = kind(1024, 64, "tc"), TCAdaptive(1024, 64)
    started = time.perf_counter()
    schedule.sample_rows(lengths, 0)
    first = time.perf_counter() - started
    reference.sample_rows(lengths, 0)
    ours, theirs = seconds(
        lambda: schedule.sample_rows(lengths, 0), lambda: reference.sample_rows(lengths, 0)
    )
    verdict = "within" if ours <= limit * theirs else "ABOVE"
    print(
        f"{'infilling, 64 lengths, ' + kind.__name__:44} {1e3 * ours:8.1f} ms   "
        f"{ours / theirs:6.2f} times TC-adaptive's {1e3 * theirs:.1f} ms, {1e3 * first:.0f} ms the "
        f"first time   {verdict} the limit of {limit}"
    )
    return ours <= limit * theirs


def growth(name, sizes, make):
    """Exponent of the time in the size, between the smallest and the largest."""
    times = [seconds(make(size), rounds=3)[0] for size in sizes]
    exponent = np.log(times[-1] / times[0]) / np.log(sizes[-1] / sizes[0])
    shown = ", ".join(f"{s:,}: {1e3 * t:.1f} ms" for s, t in zip(sizes, times, strict=True))
    print(f"{name:44} exponent {exponent:5.2f}   ({shown})")


def tables(length, steps):
    def work():
        return TCAdaptive(length, steps).table, DTCAdaptive(length, steps).table

    return work


def drawing(n, schedule):
    rng = np.random.default_rng(0)
    schedule.sample(1, rng)
    return lambda: schedule.sample(n, rng)


def main():
    print(f"numpy {np.__version__}, {os.cpu_count()} cores, medians of {ROUNDS} rounds\n")
    rng = np.random.default_rng(0)
    array = rng.random((1000, 2000))
    within = [
        report(
            "both tables (they are one), K = 1000, L = 2000",
            tables(2000, 1000),
            lambda: np.cumsum(array),
            3,
        ),
        *(
            report(
                f"10,000 draws, {type(schedule).__name__}",
                drawing(10_000, schedule),
                lambda: rng.random((10_000, 1000)),
                limit,
            )
            for schedule, limit in [
                (TCAdaptive(2000, 1000), 10),
                (DTCAdaptive(2000, 1000), 10),
                (Minimax(2000, 1000, "tc"), 5),
            ]
        ),
        *(
            solving(length, steps, target, limit)
            for length, steps, limit in [(2000, 1000, 20), (100_000, 50_000, 1000)]
            for target in ("tc", "dtc", "sum", "min", "product")
        ),
        *(infilling(kind, 2) for kind in (Minimax, BestDeterministic)),
    ]
    print("\nGrowth, where vectors are long enough to hide the interpreter; O(KL) means at most 1")
    growth("tables in K, L = 10,000", [1000, 2000, 4000], lambda k: tables(10_000, k))
    growth("tables in L, K = 2,000", [5000, 10_000, 20_000], lambda n: tables(n, 2000))
    growth(
        "1,000 draws in L, K = 500", [2000, 4000, 8000], lambda n: drawing(1000, TCAdaptive(n, 500))
    )
    growth(
        "1,000 draws in K, L = 8,000",
        [500, 1000, 2000],
        lambda k: drawing(1000, TCAdaptive(8000, k)),
    )
    raise SystemExit(not all(within))


if __name__ == "__main__":
    main()
