"""Our information calculators beside dit, hoi and bare numpy, on the same inputs.

``python benchmarks/information.py`` prints the table; with ``--record`` it also writes it to
``book/results/calculators.json``. Competitors that are not installed are left out and named:
``make compare`` has them all in one environment. How far the stated errors of the estimates can be
trusted is measured by the book's experiment ``coverage``.

Fair play. Every calculator gets its input in its own form, built outside the timed region: dit a
distribution made by ``Distribution.from_array``, hoi the binned samples and one call before, which
compiles. Times are medians of rounds in which all calculators take turns, in one process. Memory is
the peak that ``tracemalloc`` sees in a separate call: numpy's arrays, but not those of jax, which
shows as a dash. Values are in nats, whatever the calculator's own unit, which is named. The exit
status is nonzero if a limit is missed.
"""

import argparse
import tracemalloc
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from math import log

import numpy as np
from bookkit.examples import random_joint
from bookkit.records import ROOT
from scipy.stats import norm
from timing import Limit, finish, provenance, seconds

from dlm_core import InformationProfile
from dlm_core.information import (
    Estimate,
    dual_total_correlation,
    estimate_dual_total_correlation,
    estimate_total_correlation,
    total_correlation,
)

try:
    import dit
except ImportError:
    dit = None
try:
    import hoi
except ImportError:
    hoi = None

RECORD = ROOT / "book/results/calculators.json"


@dataclass(frozen=True)
class Row:
    """One calculator on one input: value and error in nats, its own unit, seconds, megabytes."""

    case: str
    quantity: str
    calculator: str
    value: float
    standard_error: float | None
    unit: str
    seconds: float
    megabytes: float | None

    def __str__(self):
        error = "" if self.standard_error is None else f"± {self.standard_error:.2g}"
        memory = "-" if self.megabytes is None else f"{self.megabytes:.1f}"
        return (
            f"{self.case:36} {self.quantity:12} {self.calculator:9} {self.value:10.6f} {error:8}"
            f" {self.unit:5} {1e3 * self.seconds:10.2f} {memory:>8}"
        )


def compare(case, quantity, calculators, rounds=9):
    """Rows of calculators {name: (unit, work)}, where the work returns its value in the unit."""
    works = [work for _, work in calculators.values()]
    times = seconds(*works, rounds=rounds)
    rows = []
    for (name, (unit, work)), time in zip(calculators.items(), times, strict=True):
        tracemalloc.start()
        result = work()
        megabytes = None if name == "hoi" else tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        nats = log(2) if unit == "bits" else 1.0
        estimated = isinstance(result, Estimate)
        value = nats * float(result.value if estimated else np.squeeze(result))
        error = nats * result.standard_error if estimated else None
        rows.append(Row(case, quantity, name, value, error, unit, float(time), megabytes))
        print(rows[-1], flush=True)
    return rows


def ratio(rows, slow, fast):
    by_name = {row.calculator: row.seconds for row in rows}
    return by_name[slow] / by_name[fast]


def dit_distribution(p):
    names = [f"x{axis}" for axis in range(p.ndim)]
    return dit.Distribution.from_array(p, names, [list(range(q)) for q in p.shape])


def numpy_entropy(p):
    p = p[p > 0]
    return -(p * np.log(p)).sum()


def numpy_total_correlation(p):
    axes = range(p.ndim)
    singles = [p.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes]
    return sum(map(numpy_entropy, singles)) - numpy_entropy(p)


def numpy_dual_total_correlation(p):
    rests = [numpy_entropy(p.sum(axis=axis)) for axis in range(p.ndim)]
    return sum(rests) - (p.ndim - 1) * numpy_entropy(p)


def dense(n):
    p = random_joint(np.random.default_rng(n), (2,) * n)
    limits, rows = [], []
    for quantity, ours, bare in [
        ("TC", total_correlation, numpy_total_correlation),
        ("DTC", dual_total_correlation, numpy_dual_total_correlation),
    ]:
        calculators = {
            "ours": ("nats", partial(ours, p)),
            "numpy": ("nats", partial(bare, p)),
        }
        if dit:
            theirs = getattr(dit.multivariate, ours.__name__)
            distribution = dit_distribution(p)
            calculators["dit"] = ("bits", partial(theirs, distribution))
        found = compare(f"dense, {n} binary variables", quantity, calculators)
        limits.append(
            Limit(f"{quantity}, n = {n}: times bare numpy", ratio(found, "ours", "numpy"), 2)
        )
        if dit:
            spread = max(abs(row.value - found[0].value) for row in found)
            limits.append(
                Limit(f"{quantity}, n = {n}: difference from dit, in 1e-12 nats", 1e12 * spread, 1)
            )
        if dit and n <= 14:
            limits.append(
                Limit(f"{quantity}, n = {n}: share of dit's time", ratio(found, "ours", "dit"), 0.1)
            )
        rows += found
    return rows, limits


def middle_entropy_by_dit(distribution, n):
    """Mean entropy of the subsets of n/2 variables, after those of every size: the whole curve."""
    # Four times as fast as dit.multivariate.entropy, for the same number.
    entropy = dit.shannon.entropy
    curve = [
        np.mean([entropy(distribution, list(subset)) for subset in combinations(range(n), size)])
        for size in range(1, n + 1)
    ]
    return curve[n // 2 - 1]


def profile(n, at_most):
    p = random_joint(np.random.default_rng(n), (2,) * n)
    calculators = {"ours": ("nats", lambda: InformationProfile.from_joint(p).entropy_curve[n // 2])}
    with_dit = dit and n <= 14
    if with_dit:
        distribution = dit_distribution(p)
        calculators["dit"] = ("bits", partial(middle_entropy_by_dit, distribution, n))
    rows = compare(f"profile, {n} binary variables", f"H_{n // 2}", calculators, rounds=3)
    limits = [Limit(f"profile, n = {n}: seconds", rows[0].seconds, at_most)]
    if with_dit:
        limits.append(
            Limit(f"profile, n = {n}: share of dit's time", ratio(rows, "ours", "dit"), 1 / 30)
        )
    return rows, limits


def two_points(n):
    support = np.repeat([[0], [1]], n, axis=1)
    calculators = {"ours": ("nats", partial(total_correlation, support=support))}
    if dit and n <= 24:
        p = np.zeros((2,) * n)
        p.flat[[0, -1]] = 0.5
        distribution = dit_distribution(p)
        calculators["dit"] = ("bits", partial(dit.multivariate.total_correlation, distribution))
    rows = compare(f"two points of {n} symbols", "TC", calculators, rounds=3)
    rows += compare(
        f"two points of {n} symbols",
        "DTC",
        {"ours": ("nats", partial(dual_total_correlation, support=support))},
        rounds=3,
    )
    limits = [
        Limit(f"two points, n = {n}: seconds, {row.quantity}", row.seconds, 0.1)
        for row in rows
        if row.calculator == "ours"
    ]
    return rows, limits


def codewords():
    rng = np.random.default_rng(0)
    messages = (np.arange(4096)[:, np.newaxis] >> np.arange(12)) & 1
    check = rng.integers(0, 2, (12, 52))
    words = np.hstack([messages, messages @ check % 2])
    rows = []
    for quantity, ours in [("TC", total_correlation), ("DTC", dual_total_correlation)]:
        rows += compare(
            "4,096 codewords of length 64",
            quantity,
            {"ours": ("nats", partial(ours, support=words))},
        )
    return rows, [Limit(f"codewords: seconds, {row.quantity}", row.seconds, 1) for row in rows]


def binned_gaussians():
    """Signs of 10 equally correlated Gaussians: exact by quadrature over their common factor."""
    share, length, rng = 0.64, 10, np.random.default_rng(0)
    factor = rng.standard_normal((10_000, 1))
    noise = rng.standard_normal((10_000, length))
    samples = (np.sqrt(share) * factor + np.sqrt(1 - share) * noise > 0).astype(np.int64)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    positive = norm.cdf(np.sqrt(share / (1 - share)) * nodes)
    joint = (weights / weights.sum())[np.newaxis]
    for _ in range(length):
        joint = np.concatenate([joint * (1 - positive), joint * positive])
    p = joint.sum(axis=1).reshape((2,) * length)
    rows = []
    for quantity, ours, exact in [
        ("TC", estimate_total_correlation, total_correlation),
        ("DTC", estimate_dual_total_correlation, dual_total_correlation),
    ]:
        calculators = {
            "exact": ("nats", partial(exact, p)),
            "ours": ("nats", partial(ours, samples)),
        }
        if hoi:
            model = getattr(hoi.metrics, quantity)(samples, verbose=False)
            fit = partial(model.fit, minsize=length, maxsize=length, method="binning")
            fit()
            calculators["hoi"] = ("bits", fit)
        rows += compare("10,000 x 10 Gaussian signs", quantity, calculators, rounds=3)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name} as well")
    record = parser.parse_args().record
    missing = [name for name, module in [("dit", dit), ("hoi", hoi)] if module is None]
    facts = provenance("numpy", "scipy", "dit", "hoi", "jax")
    print(f"{facts['machine']}; left out: {', '.join(missing) or 'none'}\n")
    print(
        f"{'case':36} {'quantity':12} {'by':9} {'value, nats':>19} {'unit':5} {'ms':>10} {'MB':>8}"
    )
    rows, limits = [], []
    for found, stated in [
        *(dense(n) for n in (10, 12, 14, 16)),
        *(profile(n, at_most) for n, at_most in [(12, 0.15), (14, 0.15), (16, 1.0)]),
        *(two_points(n) for n in (16, 20, 24, 256)),
        codewords(),
        (binned_gaussians(), []),
    ]:
        rows += found
        limits += stated
    print("Left out: dit on two points of 28 symbols (141 s and 4.7 GB where it was measured).")
    facts["memory"] = "peak of tracemalloc, megabytes"
    rows = [asdict(row) for row in rows]
    finish(limits, RECORD if record else None, provenance=facts, rows=rows)


if __name__ == "__main__":
    main()
