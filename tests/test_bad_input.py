"""Bad input of every public callable: refused in words that name the argument, or a right answer.

Every argument of every callable below is replaced by every value of a long list, the others being
right. What comes back is a TypeError or ValueError whose text names the argument, or a result
without NaN; nothing else, and nothing takes 5 seconds of CPU or 2 GB. The calls run in a process
of their own under limits of the system, so that a hang or an allocation is a failure and no end.
"""

import json
import math
import re
import resource
import signal
import subprocess
import sys
import warnings
from dataclasses import fields, is_dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import dlm_core as dlm
from dlm_core import exact

SECONDS, GIGABYTES = 5, 2

# --- what is right: for each callable, arguments that it takes ---

PROFILE = dlm.InformationProfile([1.0, 0.5, 0.25, 0.2, 0.1, 0.05])
BAND = dlm.ProfileBand(6, [0, 2, 5], [1.0, 0.4, 0.1], [1.0, 0.5, 0.2], 0.9)
ESTIMATED = dlm.EstimatedProfile([1.0, 0.6, 0.5, 0.2, 0.1, 0.1], [0.1] * 6, 100)
BITS = np.random.default_rng(0).integers(0, 2, (60, 3))
TRANSITION = [[0.9, 0.1], [0.2, 0.8]]
EMISSION = [[0.7, 0.3], [0.4, 0.6]]
LAW = dlm.Product([[0.5, 0.5]] * 6)
MASKS = torch.full((2, 6), 2)
MANY = torch.zeros(300, 6).long()
WORDS = torch.zeros(2, 6, dtype=torch.int64)
REVEAL = torch.ones(2, 6, dtype=torch.bool)
SIX = {"length": 6, "steps": 2}


def seeded():
    return torch.Generator().manual_seed(0)


def rng():
    return np.random.default_rng(0)


SCHEDULES = {
    kind.__name__: (kind, SIX)
    for kind in (dlm.TCAdaptive, dlm.DTCAdaptive, dlm.Equal, dlm.Cosine, dlm.Geometric)
} | {
    "ShiftedEqual": (dlm.ShiftedEqual, {**SIX, "restarts": ()}),
    "Minimax": (dlm.Minimax, {**SIX, "measure": "tc"}),
    "BestDeterministic": (dlm.BestDeterministic, {**SIX, "measure": "dtc"}),
    "OptimalForProfile": (dlm.OptimalForProfile, {"profile": PROFILE, "steps": 2}),
    "Robust": (dlm.Robust, {"band": BAND, "steps": 2}),
    "FixedSizes": (dlm.FixedSizes, {"sizes": [2, 4]}),
    "Systematic": (
        dlm.Systematic,
        {"start_probabilities": [1, 0.5, 0.5, 0.5, 0.5], "stratified": False},
    ),
}


def _of_schedules():
    for name, (kind, arguments) in SCHEDULES.items():
        yield name, kind, arguments
        made = kind(**arguments)
        yield f"{name}.sample", made.sample, {"n": 2, "rng": rng()}
        yield f"{name}.coefficient", made.coefficient, {"measure": "tc"}
        if made.length == 6:
            yield f"{name}.spread", made.spread, {"profile": PROFILE}
    made = dlm.TCAdaptive(6, 2)
    for made in (dlm.TCAdaptive(6, 2), dlm.FixedSizes([2, 4]), dlm.Minimax(6, 2, "sum")):
        name = type(made).__name__
        yield f"{name}.sample_rows", made.sample_rows, {"lengths": [6, 6], "rng": rng()}
        yield f"{name}.resized", made.resized, {"length": 6}
    yield "Schedule.from_dict", dlm.Schedule.from_dict, {"d": made.to_dict()}
    yield "Spread.quantile", made.spread(PROFILE).quantile, {"p": 0.5}
    yield "to_systematic", dlm.to_systematic, {"schedule": made}
    yield "measure_weights", dlm.measure_weights, {"measure": "tc", "length": 6}
    yield "residuals", dlm.residuals, {"sizes": [[2, 4], [3, 3]]}
    for name in ("tc_law", "dtc_law", "reciprocal_law"):
        yield f"exact.{name}", getattr(exact, name), SIX
    yield "exact.tc_coefficient", exact.tc_coefficient, {"k": 2, "l": 6}
    yield "exact.dtc_coefficient", exact.dtc_coefficient, {"length": 6, "k": 2, "i": 1}
    law = exact.tc_law(6, 2)
    yield "exact.reversed_law", exact.reversed_law, {"law": law}
    yield "exact.residual", exact.residual, {"law": law}
    code = {"length": 6, "dimension": 2, "alphabet_size": 7}
    yield "exact.random_code_curve", exact.random_code_curve, code


def _of_information():
    profile = dlm.InformationProfile
    for name in ("entropy", "total_correlation", "dual_total_correlation"):
        call = getattr(dlm, name)
        yield name, call, {"p": [[0.5, 0], [0, 0.5]], "unit": "nats"}
        yield (
            f"{name} of a support",
            call,
            {"support": [[0, 1], [1, 0]], "probabilities": [0.5] * 2, "unit": "bits"},
        )
    for name in ("estimate_total_correlation", "estimate_dual_total_correlation"):
        yield name, getattr(dlm, name), {"samples": BITS, "unit": "bits"}
    estimate = {"value": 1.0, "standard_error": 0.1, "n": 10, "note": "by hand"}
    yield "Estimate", dlm.Estimate, estimate
    yield "Estimate.from_draws", dlm.Estimate.from_draws, {"draws": [1.0, 2.0]}
    yield "InformationProfile", profile, {"conditional_entropy": [1.0, 0.5], "fitted": True}
    yield "from_joint", profile.from_joint, {"p": [[0.5, 0], [0, 0.5]]}
    support = {"support": [[0, 1], [1, 0]], "probabilities": [0.5, 0.5]}
    yield "from_support", profile.from_support, support
    sampled = {**support, "draws": 2, "rng": rng()}
    yield "from_support_sampled", profile.from_support_sampled, sampled
    code = {"length": 6, "dimension": 2, "alphabet_size": 7}
    yield "mds_code", profile.mds_code, code
    yield "product", profile.product, {"entropies": [0.5, 0.5]}
    yield "repetition", profile.repetition, {"length": 6, "entropy": 0.5}
    yield "concatenate", profile.concatenate, {"parts": [PROFILE, PROFILE]}
    arguments = {"estimates": [1.0, 0.5], "standard_error": [0.1, 0.1], "n": 10}
    covariance = [[0.01, 0.0], [0.0, 0.01]]
    where = {"points": [0, 3], "length": 6, "predictor": "ideal"}
    yield "EstimatedProfile", dlm.EstimatedProfile, {**arguments, "covariance": covariance, **where}
    draws = [[1.0, 0.5], [0.9, 0.6], [1.1, 0.4]]
    yield "EstimatedProfile.from_draws", dlm.EstimatedProfile.from_draws, {"draws": draws, **where}
    yield "EstimatedProfile.nll", ESTIMATED.nll, {"schedule": dlm.Equal(6, 2)}
    yield "EstimatedProfile.optimal", ESTIMATED.optimal, {"steps": 2}
    yield "EstimatedProfile.robust", ESTIMATED.robust, {"steps": 2, "confidence": 0.9}
    yield "EstimatedProfile.steps_for", ESTIMATED.steps_for, {"price": 0.5}
    yield "EstimatedProfile.at", ESTIMATED.at, {"levels": [0, 5]}
    several = dlm.ProfilesByLength([ESTIMATED, dlm.EstimatedProfile(**arguments)])
    yield "ProfilesByLength", dlm.ProfilesByLength, {"profiles": [ESTIMATED]}
    yield "ProfilesByLength.nll", several.nll, {"schedule": dlm.Equal(6, 2)}
    yield "ProfilesByLength.price", several.price, {"schedule": dlm.Equal(6, 2)}
    yield "ProfilesByLength.from_dict", several.from_dict, {"d": several.to_dict()}
    yield "EstimatedProfile.estimate", ESTIMATED.estimate, {"weights": [1.0] * 6}
    yield "EstimatedProfile.price", ESTIMATED.price, {"schedule": dlm.Equal(6, 2)}
    yield "EstimatedProfile.band", ESTIMATED.band, {"confidence": 0.9, "levels": [0, 5]}
    limits = {"lower": [1.0, 0.4, 0.1], "upper": [1.0, 0.5, 0.2]}
    known = {"length": 6, "levels": [0, 2, 5], **limits, "confidence": 0.9, "note": "by hand"}
    yield "ProfileBand", dlm.ProfileBand, known
    yield "ProfileBand.from_dict", dlm.ProfileBand.from_dict, {"d": BAND.to_dict()}
    exact = {"profile": PROFILE, "levels": [0, 2, 5]}
    yield "ProfileBand.from_profile", dlm.ProfileBand.from_profile, exact
    measured = {"length": 6, "levels": [0, 5], "confidence": 0.9, "most": 2.0}
    found = [dlm.Estimate(1.0, 0.1, 20), dlm.Estimate(0.2, 0.1, 20)]
    from_estimates = {**measured, "estimates": found}
    yield "ProfileBand.from_estimates", dlm.ProfileBand.from_estimates, from_estimates
    draws = {**measured, "samples": [[1.0, 1.1, 0.9], [0.1, 0.2]], "method": "bernstein"}
    yield "ProfileBand.from_samples", dlm.ProfileBand.from_samples, draws
    yield "ProfileBand.contains", BAND.contains, {"profile": PROFILE}
    yield "ProfileBand.coarsen", BAND.coarsen, {"levels": 2}


def _of_error():
    schedule = dlm.TCAdaptive(6, 2)
    yield "expected_kl", dlm.expected_kl, {"schedule": schedule, "profile": PROFILE}
    joint = np.full((2, 2, 2), 0.125)
    by_enumeration = {"p": joint, "sizes": [1, 2]}
    yield "expected_kl_by_enumeration", dlm.expected_kl_by_enumeration, by_enumeration
    worst = {"schedule": schedule, "band": BAND, "budgets": {"tc": 3.0}}
    yield "worst_kl", dlm.worst_kl, worst
    yield "worst_profile", dlm.worst_profile, {**worst, "budgets": [("dtc", 3.0)]}
    yield "price_weights", dlm.price_weights, {"schedule": schedule}
    measured = {"nelbo": 3.0, "first": 1.0}
    yield "tc_adaptive_nll", dlm.tc_adaptive_nll, {**SIX, **measured}
    yield "shifted_equal_price", dlm.shifted_equal_price, {**SIX, "first": 1.0, "tail": 0.5}
    yield "shifted_equal_tail", dlm.shifted_equal_tail, SIX
    wanted = {"precision": 0.5, "confidence": 0.9}
    fresh = {**wanted, "schedule": schedule, "standard_deviations": [0.1] * 6, "what": "nll"}
    yield "passes_for", dlm.passes_for, fresh
    paired = {**wanted, "schedule": dlm.Equal(6, 2), "standard_deviations": [0.1] * 2}
    yield "paired_passes_for", dlm.paired_passes_for, paired
    yield "certificate", dlm.certificate, {"schedule": schedule, "profile": PROFILE}
    known = {"total_correlation": 1.0, "dual_total_correlation": 0.5}
    both = {"schedules": [schedule, dlm.Equal(6, 2)], "standard_errors": 2.0}
    yield "compare", dlm.compare, {**both, **known, "target_error": 0.5}
    kinds = {"schedules": ["Equal", "Robust"], "profile": BAND, "steps": 2, "target_error": 0.5}
    yield "compare on a band", dlm.compare, kinds
    yield "certificate on a band", dlm.certificate, {"schedule": schedule, "profile": BAND}
    yield "certificate of two numbers", dlm.certificate, {"schedule": schedule, **known}
    needed = {"target_error": 0.1, "length": 6, "schedule": "Minimax"}
    yield "steps_for", dlm.steps_for, {**needed, "profile": PROFILE}
    yield "steps_for two numbers", dlm.steps_for, {**needed, **known}
    yield "error_curve", dlm.error_curve, {"length": 6, "schedule": "Equal", "profile": PROFILE}
    curve = dlm.error_curve(6, "TCAdaptive", **known)
    yield "ErrorCurve.steps_for", curve.steps_for, {"target_error": 0.1}
    for name in dlm.__all__:
        if name.endswith("_bound"):
            codes = {"alphabet_size": 2, "measure": "tc"} if name.startswith("small") else {}
            yield name, getattr(dlm, name), {"length": 20, "steps": 5, **codes}
    blocks = {"transition": TRANSITION, "block": 6, "blocks": 2}
    yield "chain_block_profiles", dlm.chain_block_profiles, blocks
    profiles = [PROFILE, PROFILE]
    yield "block_kl", dlm.block_kl, {"schedules": both["schedules"], "profiles": profiles}
    yield "allocate_steps", dlm.allocate_steps, {"profiles": profiles, "steps": 4}
    measured = {"target": LAW, "schedule": schedule, "n": 2, "generator": 0, "progress": False}
    yield "monte_carlo_kl", dlm.monte_carlo_kl, measured
    small = dlm.Product([[0.5, 0.5]] * 3)
    afresh = {"predictor": LAW, "schedule": dlm.Equal(6, 2), "data": MANY, "precision": 1.0}
    afresh |= {"what": "nll", "confidence": 0.9, "pilot": 4, "seed": 0, "mask_id": None}
    afresh |= {"given": None, "batch": 5, "progress": False}
    yield "certify", dlm.certify, afresh
    yield "mixture_kl", dlm.mixture_kl, {"target": small, "schedule": dlm.Equal(3, 2)}


def _of_orders():
    yield "tree_depth_order", dlm.tree_depth_order, {"length": 6, "edges": [[0, 1], [1, 2]]}
    chain = {"transition": TRANSITION, "length": 6, "steps": 2}
    yield "best_chain_order", dlm.best_chain_order, chain
    given = {"transition": TRANSITION, "order": [1, 3, 0, 2], "sizes": [2, 2]}
    yield "chain_order_kl", dlm.chain_order_kl, given


def _of_targets():
    yield "Product", dlm.Product, {"probabilities": [[0.5, 0.5]] * 3}
    yield "Repetition", dlm.Repetition, {"length": 3, "probabilities": [0.5, 0.5]}
    words = {"support": [[0, 1], [1, 0]], "probabilities": [0.5, 0.5], "alphabet_size": 2}
    yield "Tabular", dlm.Tabular, words
    yield "Tabular.from_joint", dlm.Tabular.from_joint, {"p": [[0.5, 0], [0, 0.5]]}
    chain = {"length": 4, "transition": TRANSITION, "initial": [0.5, 0.5]}
    yield "MarkovChain", dlm.MarkovChain, chain
    yield "HiddenMarkov", dlm.HiddenMarkov, {**chain, "emission": EMISSION}
    tree = {"parents": [-1, 0, 0], "alphabet_size": 2, "coupling": 1.0}
    yield "TreePotts", dlm.TreePotts, tree
    regular = {"depth": 2, "branching": 2, "alphabet_size": 2, "coupling": 1.0}
    yield "TreePotts.regular", dlm.TreePotts.regular, regular
    yield "ReedSolomon", dlm.ReedSolomon, {"length": 6, "dimension": 3, "field_bits": 3}
    for made in (LAW, dlm.MarkovChain(6, TRANSITION), dlm.HiddenMarkov(6, TRANSITION, EMISSION)):
        name = type(made).__name__
        yield f"{name}.sample", made.sample, {"n": 2, "generator": seeded()}
        yield f"{name}.log_prob", made.log_prob, {"tokens": WORDS}
        yield name + "()", made, {"tokens": MASKS, "reveal": REVEAL}


def _of_sampler():
    schedule = dlm.Equal(6, 2)
    every = {
        "predictor": LAW,
        "schedule": schedule,
        "n": 2,
        "seed": 0,
        "first_row": 0,
        "device": "cpu",
        "order": "random",
        "temperature": 1.0,
        "progress": False,
        "callback": None,
        "mask_id": None,
    }
    yield "generate", dlm.generate, every
    rows = {key: value for key, value in every.items() if key not in ("n", "device", "callback")}
    yield "generate for rows", dlm.generate, {**rows, "tokens": MASKS}
    likely = {"predictor": LAW, "schedule": schedule, "tokens": WORDS, "seed": 0, "first_row": 0}
    likely |= {"order": "random", "progress": False, "mask_id": None}
    yield "log_likelihood", dlm.log_likelihood, likely
    learned = {"predictor": LAW, "tokens": WORDS, "generator": 0, "perfect": False, "batch": 2}
    learned |= {"progress": False, "mask_id": None, "given": None}
    learned |= {"points": [0, 2]}
    yield "estimate_profile", dlm.estimate_profile, learned


def _of_adapters():
    masks = {"mask_index": REVEAL, "steps": 2, "schedule": "Equal", "seed": 0, "first_row": 0}
    yield "num_transfer_tokens", dlm.num_transfer_tokens, masks


def _of_learning():
    network = {"length": 6, "alphabet_size": 2, "width": 4, "layers": 1, "heads": 2, "seed": 0}
    yield "MaskedTransformer", dlm.MaskedTransformer, network
    given = {"mask_id": None, "given": torch.zeros(6, dtype=torch.bool)}
    loss = {"predictor": LAW, "tokens": WORDS, "generator": 0, **given}
    yield "masked_loss", dlm.masked_loss, loss
    learner = dlm.MaskedTransformer(**network)
    learned = {"predictor": learner, "tokens": WORDS, "steps": 2, "batch": 2, "rate": 1e-3}
    learned |= {**given, "seed": 0, "every": 1, "progress": False, "callback": None}
    # what else may be a path, tests/test_learning.py looks at
    yield "train", dlm.train, learned
    assert not learner.training


def _of_planning():
    for known in (PROFILE, BAND, ESTIMATED):
        yield "plan", dlm.plan, {"profile": known, "error": 0.5, "steps": None}
        yield "plan of steps", dlm.plan, {"profile": known, "error": None, "steps": 2}


ROOMS = {
    "adapters": _of_adapters,
    "planning": _of_planning,
    "schedules": _of_schedules,
    "information": _of_information,
    "error": _of_error,
    "orders": _of_orders,
    "targets": _of_targets,
    "sampler": _of_sampler,
    "learning": _of_learning,
}

# Public names that are not called by arguments of ours: abstract, or made by the library.
NOT_CALLED = {
    "Alternative",
    "Bound",
    "Certificate",
    "CertifiedCost",
    "Comparison",
    "Generation",
    "Plan",
    "PlannedOrder",
    "PredictorWarning",
    "Schedule",
    "Spread",
    "Steps",
    "Target",
    "Training",
}


# --- what is wrong ---


class Hostile:
    """Answers everything that duck typing asks with something else."""

    length = "three"
    steps = None
    shape = property(lambda self: 1 / 0)

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return self if i < 3 else 1 / 0


def bad_values():
    ints = [
        -1,
        0,
        1,
        3,
        7,
        10**13,
        2**63 - 1,
        2**63,
        2**70,
        -(2**70),
        np.int8(-3),
        np.uint64(2**63),
    ]
    floats = [1.5, -0.0, 2.0, math.nan, math.inf, -math.inf, 1e308, 1e-320, np.float16(1), np.nan]
    odd = [None, True, np.False_, 1j, "x", "tc", "", b"x", Decimal(1), Fraction(1, 2), object()]
    times = [np.timedelta64(3), np.datetime64("2020-01-01"), ...]
    nested = [[], [[]], [1, [2]], [[1, 2], [3]], [None], ["a"], [math.nan] * 6, [True], {}, {1, 2}]
    boxes = [range(6), (i for i in range(3)), {"length": 6}, (1, 2), [2, 2, 2], [[2, 2, 2]]]
    arrays = [
        np.array(3),
        np.zeros(0),
        np.zeros((0, 6)),
        np.ones((2, 2, 2)),
        np.full(6, np.nan),
        np.array([1, "a"], dtype=object),
        np.array(["a"] * 6),
        np.ma.masked_equal([1, 2, 3], 2),
        np.zeros(2, dtype=[("a", int)]),
        np.arange(6.0)[::-1],
        np.full((2, 6), -1),
        np.full((2, 6), 99),
        np.eye(2, dtype=np.float32),
    ]
    tensors = [
        torch.tensor(3),
        torch.full((6,), math.nan),
        torch.ones(2, 6),
        torch.full((2, 6), 7),
        torch.full((2, 6), -1),
        torch.ones(2, 5, dtype=torch.int64),
        torch.ones(2, 2, requires_grad=True),
        torch.empty(2, 6, device="meta"),
        torch.ones(2, 2, dtype=torch.bfloat16),
        torch.eye(2).to_sparse(),
    ]
    objects = [
        np.random.RandomState(0),
        np.random,
        np.random.default_rng(0),
        torch.Generator(),
        dlm.TCAdaptive,
        dlm.Equal(5, 2),
        dlm.Equal(6, 2),
        PROFILE,
        ESTIMATED,
        dlm.Estimate(-0.1, 0.2, 30),
        dlm.Product([[0.5, 0.5]] * 5),
        lambda *arguments, **options: None,
        int,
        Hostile(),
        torch.nn.Linear(2, 2),
        Path("."),
    ]
    return [*ints, *floats, *odd, *times, *nested, *boxes, *arrays, *tensors, *objects]


# --- the calls ---


class TooSlow(BaseException):
    pass


def _too_slow(*_):
    raise TooSlow


def holds_nan(value, depth=3):
    """Whether a result holds a NaN anywhere that is looked at."""
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and bool(np.isnan(value).any())
    if isinstance(value, torch.Tensor):
        return value.is_floating_point() and bool(value.isnan().any())
    if depth and isinstance(value, list | tuple):
        return any(holds_nan(entry, depth - 1) for entry in value)
    if depth and is_dataclass(value):
        return any(holds_nan(getattr(value, f.name), depth - 1) for f in fields(value))
    return False


def outcome(call, arguments, name=None):
    """What is wrong with the answer to one call, or None.

    Without the name of a replaced argument all are right, and the call has to return.
    """
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        result = call(**arguments)
        if holds_nan(result):
            return "returns a NaN"
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):
            return f"raises {type(error).__name__}: {error}"
        if name is None:
            return f"raises {type(error).__name__}: {error}"
        # what a function raises that is called for the user is the user's
        if callable(arguments.get(name)) and name in ("callback", "predictor", "schedule"):
            return None
        # of several arguments that do not fit together, any may be named
        named = [key for key in arguments if re.search(rf"(?<![a-z]){key}(?![a-z])", str(error))]
        if name not in named and not named:
            return f"does not name it: {type(error).__name__}: {error}"
    except TooSlow:
        return f"takes over {SECONDS} s"
    except BaseException as error:
        return f"raises {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return None


def try_all(room):
    """Make the calls of one room; return how many, and what was wrong."""
    signal.signal(signal.SIGPROF, _too_slow)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + GIGABYTES * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    calls, problems = 0, []
    for title, call, arguments in ROOMS[room]():
        if (wrong := outcome(call, arguments)) is not None:
            problems.append(f"{title} with right arguments {wrong}")
        for name in arguments:
            for value in bad_values():
                calls += 1
                wrong = outcome(call, {**arguments, name: value}, name)
                if wrong is not None:
                    shown = repr(value) if not isinstance(value, torch.Tensor) else str(value.shape)
                    problems.append(f"{title}({name}={shown[:60]}) {wrong}"[:400])
    return calls, problems


FEWEST = {
    "adapters": 300,
    "planning": 1000,
    "schedules": 7000,
    "information": 3500,
    "error": 3000,
    "orders": 600,
    "targets": 3300,
    "sampler": 2700,
    "learning": 1500,
}


@pytest.mark.parametrize("room", ROOMS)
def test_bad_input_is_refused_in_words_or_answered_rightly(room):
    command = [sys.executable, __file__, room]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    calls, problems = json.loads(done.stdout)
    assert calls >= FEWEST[room]
    assert not problems, f"{len(problems)} of {calls}:\n" + "\n".join(problems[:40])


def test_at_least_ten_thousand_calls_are_made():
    assert sum(FEWEST.values()) >= 10_000


def test_every_public_callable_is_called():
    titles = {title.split(" ")[0].split(".")[0] for room in ROOMS.values() for title, *_ in room()}
    public = {name for name in dlm.__all__ if callable(getattr(dlm, name))}
    assert public <= titles | NOT_CALLED


if __name__ == "__main__":
    print(json.dumps(try_all(sys.argv[1])))
