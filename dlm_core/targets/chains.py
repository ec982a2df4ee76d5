"""Markov chains, seen directly or through noise."""

import numpy as np
import torch

from dlm_core._check import probabilities as checked_probabilities
from dlm_core._check import stochastic
from dlm_core.information.profile import InformationProfile
from dlm_core.predictor import pick
from dlm_core.targets.base import EstimatedTarget, Target

__all__ = ["HiddenMarkov", "MarkovChain"]


def _stationary(transition):
    """Return the stationary law of a transition matrix; refuse one that has several."""
    size = len(transition)
    equations = np.vstack([transition.T - np.eye(size), np.ones(size)])
    law, _, rank, _ = np.linalg.lstsq(equations, np.eye(1, size + 1, size)[0], rcond=1e-12)
    if rank < size:
        raise ValueError("initial must be given: transition has more than one stationary law")
    law = np.maximum(law, 0.0)
    return law / law.sum()


def _chain(transition, initial):
    """Return the checked transition matrix and initial law as tensors."""
    transition = torch.from_numpy(stochastic("transition", transition))
    if transition.shape[0] != transition.shape[1]:
        raise ValueError(f"transition must be square, got shape {tuple(transition.shape)}")
    if initial is None:
        initial = _stationary(transition.numpy())
    initial = checked_probabilities("initial", initial, ndim=1)
    if initial.size != len(transition):
        raise ValueError(
            f"initial must have {len(transition)} entries as transition has rows, "
            f"got {initial.size}"
        )
    return transition, torch.from_numpy(initial)


def _walk(initial, transition, uniforms):
    """Run the chain with the given uniform numbers, shape (n, L)."""
    states = torch.empty(uniforms.shape, dtype=torch.int64, device=uniforms.device)
    law = initial.expand(len(uniforms), -1)
    for t in range(uniforms.shape[1]):
        states[:, t] = pick(law, uniforms[:, t])
        law = transition[states[:, t]]
    return states


class MarkovChain(Target):
    r"""A homogeneous Markov chain.

    Only the nearest revealed neighbours ``l < i < r`` matter:
    :math:`p(x_i \mid \cdot) \propto P^{i-l}[x_l, x_i]\, P^{r-i}[x_i, x_r]`. The powers of the
    transition matrix are tabulated once, in :math:`O(L q^3)` time and :math:`L q^2` memory; a
    prediction is then O(q) for each position, with no loop.

    Given revealed tokens that cannot occur together the predictor returns the uniform law.

    Parameters
    ----------
    length : int
        ``L >= 1``.
    transition : array_like, shape (q, q)
        Rows of transition probabilities.
    initial : array_like, shape (q,), optional
        Law of the first token; the stationary one by default.

    Raises
    ------
    TypeError, ValueError
        If a row is no law, the shapes differ, or the default does not exist.
    """

    def __init__(self, length, transition, initial=None):
        transition, initial = _chain(transition, initial)
        super().__init__(length, len(transition))
        powers = torch.empty(self.length, *transition.shape, dtype=torch.float64)
        powers[0] = torch.eye(len(transition))
        for gap in range(1, self.length):
            powers[gap] = powers[gap - 1] @ transition
        self.register_buffer("powers", powers)
        self.register_buffer("transition", transition)
        self.register_buffer("marginals", initial @ powers)

    def _conditionals(self, tokens, reveal):
        known = tokens != self.mask_id
        place = torch.arange(self.length, device=tokens.device)
        before = torch.where(known, place, -1).cummax(1).values
        after = torch.where(known, place, self.length).flip(1).cummin(1).values.flip(1)
        rows, i = torch.nonzero(reveal, as_tuple=True)
        left, right = before[rows, i], after[rows, i]
        law = self.marginals[i]
        inside = left >= 0
        seen = tokens[rows[inside], left[inside]]
        law[inside] = self.powers[(i - left)[inside], seen]
        inside = right < self.length
        seen = tokens[rows[inside], right[inside]]
        law[inside] *= self.powers[(right - i)[inside], :, seen]
        return _normalised(law).log_()

    def sample(self, n, generator):
        return _walk(self.marginals[0], self.transition, self._uniforms(n, generator))

    def log_prob(self, tokens):
        tokens = self._checked(tokens, highest=self.alphabet_size - 1)
        steps = self.transition.log()[tokens[:, :-1], tokens[:, 1:]]
        return self.marginals[0].log()[tokens[:, 0]] + steps.sum(1)

    def profile(self):
        r"""The exact information profile, in :math:`O(L q^2 + L^2)` time.

        The entropy of the tokens on a set of positions is that of the first of them plus
        :math:`H(X_r \mid X_l)` for each pair of neighbours ``l < r`` in the set. In a random set
        of ``t`` positions, two that are ``g`` apart are neighbours with probability
        :math:`\binom{L-1-g}{t-2} / \binom{L}{t}`, and position ``i`` is the first with
        probability :math:`\binom{L-1-i}{t-1} / \binom{L}{t}`.
        """
        length = self.length
        singles = torch.special.entr(self.marginals).sum(1).cpu().numpy()
        by_state = torch.special.entr(self.powers).sum(2)
        # over all pairs with a gap g, the total of H(X_{l+g} | X_l), from the states before them
        before = self.marginals.cumsum(0).flip(0)
        pairs = (before * by_state).sum(1).cpu().numpy()[1:]
        size = np.arange(1, length + 1)[:, np.newaxis]
        gap = np.arange(1, length)
        first = _running_product(
            size[:, 0] / length, 1 - (size - 1) / np.maximum(length - gap, 1), upto=length
        )
        neighbours = _running_product(
            size[:, 0] * (size[:, 0] - 1) / max(length * (length - 1), 1),
            1 - (size - 2) / np.maximum(length - 1 - gap, 1),
            upto=length - 1,
        )
        curve = first @ singles + neighbours @ pairs
        return InformationProfile(np.diff(curve, prepend=0.0))


def _running_product(start, ratios, upto):
    """Return ``start`` times the running products of nonnegative ratios, with ``upto`` columns."""
    factors = np.concatenate([start[:, np.newaxis], np.maximum(ratios, 0.0)], axis=1)
    return np.cumprod(factors[:, :upto], axis=1)


class HiddenMarkov(EstimatedTarget):
    r"""A hidden Markov model: a Markov chain of states, each seen through its emission law.

    The predictor runs the forward and the backward recursion, a masked token carrying no
    evidence: :math:`O(B L S^2)` time with a loop over positions, each step of it for the whole
    batch.

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

    def __init__(self, length, transition, emission, initial=None):
        transition, initial = _chain(transition, initial)
        emission = torch.from_numpy(stochastic("emission", emission))
        if len(emission) != len(transition):
            raise ValueError(
                f"emission must have one row for each of the {len(transition)} states, "
                f"got {len(emission)}"
            )
        super().__init__(length, emission.shape[1])
        self.register_buffer("initial", initial)
        self.register_buffer("transition", transition)
        self.register_buffer("emission", emission)

    def _evidence(self, tokens):
        """Likelihood of each state: shape (L, B, S), ones where the token is masked."""
        unseen = torch.ones_like(self.emission[:, :1])
        return torch.cat([self.emission, unseen], 1).T[tokens.T]

    def _forward(self, evidence):
        """Law of each state given the tokens before it, and the chance of each token then."""
        predictive = torch.empty_like(evidence)
        chance = evidence.new_empty(evidence.shape[:2])
        law = self.initial.expand(evidence.shape[1], -1)
        for t, seen in enumerate(evidence):
            predictive[t] = law
            weighted = law * seen
            chance[t] = weighted.sum(1)
            law = _normalised(weighted) @ self.transition
        return predictive, chance

    def _conditionals(self, tokens, reveal):
        evidence = self._evidence(tokens)
        states, _ = self._forward(evidence)
        ahead = torch.ones_like(evidence[0])
        for t in range(self.length - 1, -1, -1):
            states[t] *= ahead
            ahead = _normalised(ahead * evidence[t]) @ self.transition.T
        rows, positions = torch.nonzero(reveal, as_tuple=True)
        return (_normalised(states[positions, rows]) @ self.emission).log_()

    def sample(self, n, generator):
        states = _walk(self.initial, self.transition, self._uniforms(n, generator))
        uniforms = self._uniforms(n, generator)
        return pick(self.emission[states.flatten()], uniforms.flatten()).reshape(n, self.length)

    def log_prob(self, tokens):
        tokens = self._checked(tokens, highest=self.alphabet_size - 1)
        _, chance = self._forward(self._evidence(tokens))
        return chance.log().sum(0)


def _normalised(weights):
    """Return rows divided by their sums; uniform rows where the sum is zero."""
    total = weights.sum(-1, keepdim=True)
    return torch.where(total > 0, weights / total, 1 / weights.shape[-1])
