"""The error measured by the sampler, and that of the law which it samples on average."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from math import factorial, log, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlm_core._check import boolean, count, instance, shown
from dlm_core._types import FloatArray
from dlm_core.information.estimate import Estimate
from dlm_core.schedules.base import Schedule

if TYPE_CHECKING:
    import torch

    from dlm_core.targets import Target

__all__ = ["mixture_kl", "monte_carlo_kl"]

# Pairs of a word and of disjoint sets of positions that the mixture sums over: seconds.
_MOST_TERMS = 2**26
# Entries of one prediction of the sampler: 512 MiB of float64.
_MOST_ENTRIES = 2**26
# Tokens of one batch, of which the sampler holds several tables: 32 MiB of int64 each. The draws
# depend on the size of a batch, so that another bound changes results beyond 4,096 positions.
_MOST_TOKENS = 2**22


def monte_carlo_kl(
    target: "Target",
    schedule: Schedule,
    n: int,
    generator: "torch.Generator | int",
    *,
    progress: bool = False,
) -> Estimate:
    r"""The expected error measured by the sampler: see ``expected_kl`` for its exact value.

    Sequences from the target are revealed by the sampler's own loop in random orders and sizes
    (``dlm_core.sampler.log_likelihood``); each gives a draw of
    :math:`\log p(x) - \log q(x)`, whose mean is the expected error. No entropy of the target is
    used.

    Parameters
    ----------
    target : dlm_core.targets.Target
        The distribution, which predicts, too.
    schedule : Schedule
        The law of the sizes, of the same length.
    n : int
        How many sequences, at least 2.
    generator : torch.Generator or int
        The only source of randomness, on the target's device, or its seed.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Estimate
        In nats.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, or the lengths differ.
    """
    from dlm_core._torch import torch, tqdm  # here, so that exact errors need numpy alone
    from dlm_core.predictor import torch_generator
    from dlm_core.sampler import log_likelihood

    _check_pair(target, schedule, "sample", "log_prob")
    n = count("n", n, 2, 1)
    generator = torch_generator(
        "generator", generator, getattr(target, "device", torch.device("cpu"))
    )
    progress = boolean("progress", progress)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    rows = int(_MOST_ENTRIES / (schedule.mean_sizes.max() * target.alphabet_size))
    rows = max(min(rows, _MOST_TOKENS // schedule.length, 1024), 1)
    draws = []
    for first_row in tqdm(range(0, n, rows), disable=not progress, desc="batches"):
        tokens = target.sample(min(rows, n - first_row), generator)
        scores = log_likelihood(target, schedule, tokens, seed=seed, first_row=first_row)
        truth = target.log_prob(tokens)
        # where both are sums of the same terms, their difference is rounding and not an error
        same = torch.isclose(truth, scores, rtol=1e-12, atol=0)
        draws.append((truth - scores).masked_fill(same, 0.0).cpu())
    return Estimate.from_draws(torch.cat(draws))


def mixture_kl(target: "Target", schedule: Schedule) -> float:
    r"""Divergence of the law of the samples, averaged over orders and sizes; for small cases.

    The sampler's output has the law :math:`\bar q = E[q]`, the mean over the random order and
    sizes; by convexity :math:`KL(p \,\|\, \bar q) \le E\,KL(p \,\|\, q)`. For each composition
    that the schedule can draw, a recursion over the sets of revealed positions sums over all
    orders at once: time :math:`O(3^L q^L)` for each, refused beyond :math:`2^{26}` for all
    of them.

    Parameters
    ----------
    target : dlm_core.targets.Target
        A small distribution.
    schedule : Schedule
        The law of the sizes, of the same length.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, the lengths differ, or the case is not small.
    """
    _check_pair(target, schedule, "joint")
    length, size = target.length, target.alphabet_size
    rule = f"target must have (3 alphabet_size)^length <= {_MOST_TERMS}"
    got = f"got length {length} and alphabet_size {size}"
    # the logarithms keep a power of a million digits from being written out
    if length * log(3 * size) > log(_MOST_TERMS):
        raise ValueError(f"{rule}, {got}")
    law = schedule.law()
    if len(law) * (3 * size) ** length > _MOST_TERMS:
        raise ValueError(
            f"{rule} / {len(law)}, for so many compositions that schedule can draw, {got}"
        )
    p = target.joint()
    possible = p > 0
    marginals: dict[frozenset[int], FloatArray] = {}
    for kept in _subsets(range(length)):
        summed = tuple(axis for axis in range(length) if axis not in kept)
        table = p.sum(axis=summed, keepdims=True)
        marginals[frozenset(kept)] = np.broadcast_to(table, p.shape)[possible]

    @cache
    def conditional(i: int, known: frozenset[int]) -> FloatArray:
        return marginals[known | {i}] / marginals[known]

    mixture = np.zeros(np.count_nonzero(possible))
    for sizes, chance in law.items():
        reached: dict[frozenset[int], Any] = {frozenset(): np.ones_like(mixture)}
        for block_size in sizes:
            following: dict[frozenset[int], Any] = {}
            for known, weight in reached.items():
                rest = [i for i in range(length) if i not in known]
                for block in combinations(rest, block_size):
                    term = prod((conditional(i, known) for i in block), start=weight)
                    union = known | frozenset(block)
                    following[union] = following.get(union, 0.0) + term
            reached = following
        orders = factorial(length) // prod(map(factorial, sizes))
        mixture += chance * reached[frozenset(range(length))] / orders
    return max(float(p[possible] @ np.log(p[possible] / mixture)), 0.0)


def _check_pair(target: object, schedule: object, *methods: str) -> None:
    """Raise unless the target has what is called here, and the schedule its length."""
    schedule = instance("schedule", schedule, Schedule)
    needed = ["length", "alphabet_size", *methods]
    missing = [name for name in needed if not hasattr(target, name)]
    if missing or isinstance(target, type):
        lacks = "the class itself" if isinstance(target, type) else f"no {', '.join(missing)}"
        raise TypeError(
            "target must be a distribution such as those of dlm_core.targets, with "
            f"{', '.join(needed)}, got {shown(target)} of type {type(target).__name__} ({lacks})"
        )
    length = getattr(target, "length", None)
    if schedule.length != length:
        raise ValueError(
            f"schedule and target must have the same length, got {schedule.length} and {length}"
        )


def _subsets(positions: range) -> Iterator[tuple[int, ...]]:
    for size in range(len(positions) + 1):
        yield from combinations(positions, size)
