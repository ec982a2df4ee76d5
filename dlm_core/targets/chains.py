"""Markov chains, seen directly or through noise."""

from math import log

import numpy as np
import numpy.typing as npt
import torch

from dlm_core._chain import log_stationary
from dlm_core._check import probabilities as checked_probabilities
from dlm_core._check import stochastic, table_fits
from dlm_core._types import FloatArray, IntArray
from dlm_core.information.profile import InformationProfile
from dlm_core.predictor import pick
from dlm_core.targets.base import Target, uniforms

__all__ = ["HiddenMarkov", "MarkovChain"]

# Entries of a temporary array: 32 MiB of float64.
_CHUNK = 2**22
# A sum of products above this has lost no digit to products below the least float64, 5e-324.
_SAFE = 1e-280
# Products of three numbers above this are no less than 1e-300.
_ORDINARY = 1e-100
# Weights of pairs of positions below this are left out of a profile.
_NEGLIGIBLE = 1e-40


def _chain(
    transition: npt.ArrayLike, initial: npt.ArrayLike | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the checked transition matrix, and the logarithm of the initial law."""
    table = stochastic("transition", transition)
    if table.shape[0] != table.shape[1]:
        raise ValueError(f"transition must be square, got shape {table.shape}")
    if initial is None:
        return torch.from_numpy(table), torch.from_numpy(log_stationary(table))
    law = checked_probabilities("initial", initial, ndim=1)
    if law.size != len(table):
        raise ValueError(
            f"initial must have {len(table)} entries as transition has rows, got {law.size}"
        )
    return torch.from_numpy(table), torch.from_numpy(law).log()


def _walk(initial: torch.Tensor, transition: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Run the chain with the given uniform numbers, shape (n, L)."""
    states = torch.empty(numbers.shape, dtype=torch.int64, device=numbers.device)
    law = initial.expand(len(numbers), -1)
    for t in range(numbers.shape[1]):
        states[:, t] = pick(law, numbers[:, t])
        law = transition[states[:, t]]
    return states


def _log_product(log_rows: torch.Tensor, log_matrix: torch.Tensor) -> torch.Tensor:
    r"""Return :math:`\log(e^A e^B)` for logarithms (n, S) and (S, T) of numbers up to one.

    A matrix product, in which the largest number of each row is scaled to one. Where a sum comes
    out so small that products may have been lost to it, it is done again in logarithms.
    """
    matrix = log_matrix.exp()
    result = log_rows.new_empty(len(log_rows), log_matrix.shape[1])
    per_row = max(log_matrix.shape)
    for rows, out in zip(
        log_rows.split(max(1, _CHUNK // per_row)),
        result.split(max(1, _CHUNK // per_row)),
        strict=True,
    ):
        # a row of zeros stays one
        largest = rows.amax(1, keepdim=True).clamp(min=torch.finfo(torch.float64).min)
        sums = (rows - largest).exp() @ matrix
        torch.add(sums.log(), largest, out=out)
        small = sums < _SAFE
        if small.any():
            # most such sums are zeros indeed
            small &= (rows > -torch.inf).double() @ (log_matrix > -torch.inf).double() > 0
            places = torch.nonzero(small)
            for row, column in (part.T for part in places.split(max(1, _CHUNK // per_row))):
                out[row, column] = (rows[row] + log_matrix.T[column]).logsumexp(1)
    return result


def _log_normalised(logs: torch.Tensor) -> torch.Tensor:
    """Return logarithms of rows divided by their sums; of uniform rows where the sum is zero."""
    total = logs.logsumexp(-1, keepdim=True)
    return torch.where(total > -torch.inf, logs - total, -log(logs.shape[-1]))


def _filter(laws: torch.Tensor, evidence: torch.Tensor, transition: torch.Tensor) -> torch.Tensor:
    """Fill in the laws of a hidden state, each given the evidence before it, from ``laws[0]`` on.

    ``laws`` and ``evidence`` have shape (L, B, S); returns the sums by which the weighted laws are
    divided, shape (L, B). A row is lost, as NaN, after a sum of zero.
    """
    chance = evidence.new_empty(evidence.shape[:2])
    steps = zip(laws, laws[1:], evidence, chance.unsqueeze(2), strict=False)
    for law, following, seen, total in steps:
        weighted = law * seen
        torch.sum(weighted, 1, keepdim=True, out=total)
        torch.matmul(weighted.div_(total), transition, out=following)
    chance[-1] = (laws[-1] * evidence[-1]).sum(1)
    return chance


def _log_filter(
    law: torch.Tensor, evidence: torch.Tensor, transition: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``_filter`` computes, from and in logarithms: slower, with no product lost.

    After evidence that is impossible the law is uniform.
    """
    laws = torch.empty_like(evidence)
    chance = evidence.new_empty(evidence.shape[:2])
    for t, seen in enumerate(evidence):
        laws[t] = law
        weighted = law + seen
        chance[t] = weighted.logsumexp(1)
        law = _log_product(_log_normalised(weighted), transition)
    return laws, chance


class MarkovChain(Target):
    r"""A homogeneous Markov chain.

    Only the nearest revealed neighbours ``l < i < r`` matter:
    :math:`p(x_i \mid \cdot) \propto P^{i-l}[x_l, x_i]\, P^{r-i}[x_i, x_r]`. The powers of the
    transition matrix are tabulated once, by doubling, in :math:`O(L q^3)` time and
    :math:`L q^2` memory; a prediction is then O(q) for each position, with no loop. The table
    holds logarithms, so that no power of a small probability becomes zero.

    Given revealed tokens that cannot occur together the predictor returns the uniform law.

    Parameters
    ----------
    length : int
        ``L >= 1``; the table of :math:`8 L q^2` bytes may take up to 4 GiB.
    transition : array_like, shape (q, q)
        Rows of transition probabilities.
    initial : array_like, shape (q,), optional
        Law of the first token; the stationary one by default.

    Raises
    ------
    TypeError, ValueError
        If a row is no law, the shapes differ, the default does not exist, or the table is too
        large.
    """

    transition: torch.Tensor
    _log_powers: torch.Tensor
    _log_marginals: torch.Tensor

    def __init__(
        self, length: int, transition: npt.ArrayLike, initial: npt.ArrayLike | None = None
    ) -> None:
        table, log_initial = _chain(transition, initial)
        size = len(table)
        super().__init__(length, size)
        table_fits(
            f"the powers of transition for length = {self.length} and {size} symbols",
            8 * (self.length * size**2),
        )
        single = table.log()
        powers = torch.empty(self.length, size, size, dtype=torch.float64, device="cpu")
        powers[0] = torch.eye(size, dtype=torch.float64, device="cpu").log()
        marginals = torch.empty(self.length, size, dtype=torch.float64, device="cpu")
        marginals[0] = log_initial
        done = 1
        while done < self.length:
            hop = _log_product(powers[done - 1], single)
            more = slice(done, min(2 * done, self.length))
            known = slice(0, more.stop - done)
            powers[more] = _log_product(powers[known].flatten(0, 1), hop).view_as(powers[more])
            marginals[more] = _log_product(marginals[known], hop)
            done = more.stop
        self.register_buffer("transition", table)
        self.register_buffer("_log_powers", powers)
        self.register_buffer("_log_marginals", marginals)

    def conditionals(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        known = tokens != self.mask_id
        place = torch.arange(self.length, device=tokens.device)
        before = torch.where(known, place, -1).cummax(1).values
        after = torch.where(known, place, self.length).flip(1).cummin(1).values.flip(1)
        rows, i = torch.nonzero(reveal, as_tuple=True)
        left, right = before[rows, i], after[rows, i]
        law = self._log_marginals[i]
        inside = left >= 0
        seen = tokens[rows[inside], left[inside]]
        law[inside] = self._log_powers[(i - left)[inside], seen]
        inside = right < self.length
        seen = tokens[rows[inside], right[inside]]
        law[inside] += self._log_powers[(right - i)[inside], :, seen]
        return _log_normalised(law)

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        initial = self._log_marginals[0].exp()
        return _walk(initial, self.transition, uniforms(n, self.length, generator))

    def log_mass(self, tokens: torch.Tensor) -> torch.Tensor:
        steps = self.transition.log()[tokens[:, :-1], tokens[:, 1:]]
        return self._log_marginals[0, tokens[:, 0]] + steps.sum(1)

    def profile(self) -> InformationProfile:
        r"""The exact information profile, in :math:`O(L q^2 + L \log L)` time and O(L) memory.

        The entropy of the tokens on a set of positions is that of the first of them plus
        :math:`H(X_r \mid X_l)` for each pair of neighbours ``l < r`` in the set. In a random set
        of ``t`` positions, two that are ``g`` apart are neighbours with probability
        :math:`\binom{L-1-g}{t-2} / \binom{L}{t}`, and position ``i`` is the first with
        probability :math:`\binom{L-1-i}{t-1} / \binom{L}{t}`. For a gap ``g`` these fall like
        :math:`(1 - t/L)^g`; those below 1e-40 are left out.
        """
        length = self.length
        singles = torch.special.entr(self._log_marginals.exp()).sum(1).cpu().numpy()
        by_state = torch.cat(
            [
                torch.special.entr(part.exp()).sum(2)
                for part in self._log_powers.split(max(1, _CHUNK // self.alphabet_size**2))
            ]
        )
        # over all pairs with a gap g, the total of H(X_{l+g} | X_l), from the states before them
        before = self._log_marginals.exp().cumsum(0).flip(0)
        pairs = (before * by_state).sum(1).cpu().numpy()[1:]
        size = np.arange(1, length)
        entropies = np.zeros(length)
        entropies[0] = singles.mean()
        # the weight of position i as the first of t, and what one more in the set adds to it
        weight = size / length
        for i, entropy in enumerate(singles):
            added = (length - i - (i + 1) * size) / (size * (length - size))
            entropies[1 : 1 + size.size] += weight * added * entropy
            if i + 1 < length:
                weight = weight * np.maximum(1 - (size - 1) / (length - 1 - i), 0)
                size, weight = _cut(size, weight)
        if length > 1:
            entropies[1] += 2 / (length * (length - 1)) * pairs.sum()
        # the same for two positions as neighbours, from sets of two
        size = np.arange(2, length)
        weight = size * (size - 1) / max(length * (length - 1), 1)
        for gap, entropy in enumerate(pairs, start=1):
            added = (2 * length + 1 - (gap + 1) * size - gap) / ((size - 1) * (length - size))
            entropies[2 : 2 + size.size] += weight * added * entropy
            if gap + 1 < length:
                weight = weight * np.maximum(1 - (size - 2) / (length - 1 - gap), 0)
                size, weight = _cut(size, weight)
        return InformationProfile(entropies)


def _cut(size: IntArray, weight: FloatArray) -> tuple[IntArray, FloatArray]:
    """Leave out the sizes from which on the weights are negligible, now and for larger gaps."""
    kept = np.count_nonzero(weight >= _NEGLIGIBLE)
    return size[:kept], weight[:kept]


class HiddenMarkov(Target):
    r"""A hidden Markov model: a Markov chain of states, each seen through its emission law.

    The predictor runs the forward and the backward recursion, a masked token carrying no
    evidence: :math:`O(B L S^2)` time with a loop over positions, each step of it for the whole
    batch. Rows in which a product may have come out as zero are done again in logarithms, some
    five times as slow.

    Given revealed tokens that cannot occur together the recursions restart from the uniform law
    where the contradiction shows.

    Parameters
    ----------
    length : int
        ``L >= 1``.
    transition : array_like, shape (S, S)
        Rows of transition probabilities of the hidden states.
    emission : array_like, shape (S, q)
        The law of the token in each state.
    initial : array_like, shape (S,), optional
        Law of the first state; the stationary one by default.

    Raises
    ------
    TypeError, ValueError
        If a row is no law, the shapes differ, or the default does not exist.
    """

    transition: torch.Tensor
    emission: torch.Tensor
    _log_initial: torch.Tensor
    _ordinary: bool

    def __init__(
        self,
        length: int,
        transition: npt.ArrayLike,
        emission: npt.ArrayLike,
        initial: npt.ArrayLike | None = None,
    ) -> None:
        table, log_initial = _chain(transition, initial)
        seen = torch.from_numpy(stochastic("emission", emission))
        if len(seen) != len(table):
            raise ValueError(
                f"emission must have one row for each of the {len(table)} states, got {len(seen)}"
            )
        super().__init__(length, seen.shape[1])
        self.register_buffer("transition", table)
        self.register_buffer("emission", seen)
        self.register_buffer("_log_initial", log_initial)
        logs = (table.log(), seen.log(), log_initial)
        self._ordinary = all(bool((x[x > -torch.inf] >= log(_ORDINARY)).all()) for x in logs)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, states={len(self.transition)}"

    def _evidence(self, tokens: torch.Tensor) -> torch.Tensor:
        """Likelihood of each state: shape (L, B, S), ones where the token is masked."""
        unseen = torch.ones_like(self.emission[:, :1])
        return torch.cat([self.emission, unseen], 1).T[tokens.T]

    def _forward(self, evidence: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Law of each state given the tokens before it, and the chance of each token: logarithms.

        Shapes (L, B, S) and (L, B).
        """
        predictive = torch.empty_like(evidence)
        predictive[0] = self._log_initial.exp()
        chance = _filter(predictive, evidence, self.transition)
        logs, log_chance = predictive.log(), chance.log()
        careful = self._lossy(predictive, chance)
        if len(careful):
            log_evidence = evidence[:, careful].log()
            law = self._log_initial.expand(len(careful), -1)
            parts = _log_filter(law, log_evidence, self.transition.log())
            logs[:, careful], log_chance[:, careful] = parts
        return logs, log_chance

    def _backward(self, evidence: torch.Tensor) -> torch.Tensor:
        """Likelihood of each state by the tokens after it, up to a factor: logarithms (L, B, S)."""
        evidence, onward = evidence.flip(0), self.transition.T
        ahead = torch.empty_like(evidence)
        ahead[0] = 1.0
        chance = _filter(ahead, evidence, onward)
        logs = ahead.log()
        careful = self._lossy(ahead, chance)
        if len(careful):
            law = torch.zeros_like(logs[0, careful])
            logs[:, careful], _ = _log_filter(law, evidence[:, careful].log(), onward.log())
        return logs.flip(0)

    def _lossy(self, laws: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
        """Numbers of the rows in which a product may have come out as zero, or all were zero."""
        if not self._ordinary:
            return torch.arange(laws.shape[1], device=laws.device)
        lossy = ((laws > 0) & (laws < _ORDINARY)).any(2) | (chance == 0)
        return torch.nonzero(lossy.any(0))[:, 0]

    def conditionals(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        evidence = self._evidence(tokens)
        states, _ = self._forward(evidence)
        states += self._backward(evidence)
        rows, positions = torch.nonzero(reveal, as_tuple=True)
        return _log_product(_log_normalised(states[positions, rows]), self.emission.log())

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        numbers = uniforms(n, self.length, generator)
        states = _walk(self._log_initial.exp(), self.transition, numbers)
        numbers = uniforms(n, self.length, generator)
        return pick(self.emission[states.flatten()], numbers.flatten()).reshape(n, self.length)

    def log_mass(self, tokens: torch.Tensor) -> torch.Tensor:
        _, log_chance = self._forward(self._evidence(tokens))
        return log_chance.sum(0)
