"""The Potts model on a tree."""

from math import exp, log

import numpy as np
import torch

from dlm_core._check import integer, number
from dlm_core.targets.base import EstimatedTarget

__all__ = ["TreePotts"]


class TreePotts(EstimatedTarget):
    r"""The Potts model on a tree; the Ising model for ``alphabet_size=2``.

    :math:`p(x) \propto \exp\bigl(\sum_{i} \beta\, 1[x_i = x_{\mathrm{parent}(i)}]\bigr)`. Every
    token is uniform; a child repeats its parent with probability
    :math:`e^\beta / (e^\beta + q - 1)`, and otherwise takes one of the other symbols.

    The predictor is belief propagation, exact on a tree: :math:`O(B L q^2)` time, with a loop
    over the levels of the tree, in logarithms.

    Parameters
    ----------
    parents : array_like of int, shape (L,)
        ``parents[i] < i`` is the parent of node ``i``; ``parents[0]`` is -1.
    alphabet_size : int
        ``q >= 1``.
    coupling : float
        :math:`\beta`; negative for an antiferromagnet. At most 100 in absolute value.

    Raises
    ------
    TypeError, ValueError
        If the parents are not such a vector, or a number is out of range.
    """

    def __init__(self, parents, alphabet_size, coupling):
        parents = np.asarray(parents)
        if parents.dtype.kind not in "iu" or parents.ndim != 1 or parents.size == 0:
            raise ValueError(f"parents must be a vector of integers, got {parents!r}")
        nodes = np.arange(parents.size)
        wrong = np.flatnonzero((parents >= nodes) | (parents < np.minimum(nodes - 1, 0)))
        if wrong.size:
            i = wrong[0]
            raise ValueError(
                f"parents must be -1 for node 0 and in [0, i-1] for node i, got {parents[i]} at {i}"
            )
        super().__init__(parents.size, alphabet_size)
        self.coupling = number("coupling", coupling)
        if abs(self.coupling) > 100:
            raise ValueError(f"coupling must lie in [-100, 100], got {self.coupling}")
        depth = np.zeros(parents.size, dtype=np.int64)
        for node in nodes[1:]:
            depth[node] = depth[parents[node]] + 1
        self.register_buffer("parents", torch.from_numpy(parents.astype(np.int64)))
        self.register_buffer("by_level", torch.from_numpy(np.argsort(depth, kind="stable")))
        self.level_sizes = np.bincount(depth).tolist()

    @classmethod
    def regular(cls, depth, branching, alphabet_size, coupling):
        """The model on the tree in which every node above the last level has equally many children.

        Parameters
        ----------
        depth : int
            Number of levels below the root, at least 0.
        branching : int
            Children of a node, at least 1.
        alphabet_size, coupling
            As above.
        """
        depth, branching = integer("depth", depth, 0), integer("branching", branching, 1)
        nodes = np.arange(sum(branching**level for level in range(depth + 1)))
        return cls((nodes - 1) // branching, alphabet_size, coupling)

    def _levels(self):
        """The nodes of each level below the root, from the top."""
        return self.by_level.split(self.level_sizes)[1:]

    @property
    def _odds(self):
        """Chances that a child repeats its parent, and that it takes one given other symbol."""
        stay = exp(self.coupling)
        total = stay + self.alphabet_size - 1
        return stay / total, 1 / total

    def _through_edge(self, log_weights):
        """Send log-weights (..., q) across an edge: the log-message, up to a constant."""
        repeat, other = self._odds
        edge = log_weights.new_full((self.alphabet_size,) * 2, other).fill_diagonal_(repeat)
        weights = (log_weights - log_weights.amax(-1, keepdim=True)).exp_()
        return (weights @ edge).log_()

    def _conditionals(self, tokens, reveal):
        symbols = torch.arange(self.alphabet_size, device=tokens.device)
        excluded = (tokens[:, :, None] != symbols) & (tokens != self.mask_id)[:, :, None]
        beliefs = torch.zeros(excluded.shape, dtype=torch.float64, device=tokens.device)
        beliefs.masked_fill_(excluded, -torch.inf)
        messages = torch.zeros_like(beliefs)
        for nodes in reversed(self._levels()):
            messages[:, nodes] = self._through_edge(beliefs[:, nodes])
            beliefs.index_add_(1, self.parents[nodes], messages[:, nodes])
        for nodes in self._levels():
            others = beliefs[:, self.parents[nodes]] - messages[:, nodes]
            beliefs[:, nodes] += self._through_edge(others)
        return beliefs[reveal].log_softmax(1)

    def sample(self, n, generator):
        uniforms = self._uniforms(n, generator)
        others = self._uniforms(n, generator)
        # a child that does not repeat its parent moves on by 1, ..., q - 1 symbols
        shift = 1 + (others * (self.alphabet_size - 1)).long()
        shift[uniforms < self._odds[0]] = 0
        tokens = shift
        tokens[:, 0] = (others[:, 0] * self.alphabet_size).long()
        for nodes in self._levels():
            tokens[:, nodes] += tokens[:, self.parents[nodes]]
        return tokens % self.alphabet_size

    def log_prob(self, tokens):
        tokens = self._checked(tokens, highest=self.alphabet_size - 1)
        repeat, other = self._odds
        equal = (tokens[:, 1:] == tokens[:, self.parents[1:]]).sum(1).double()
        edges = self.length - 1
        return equal * log(repeat) + (edges - equal) * log(other) - log(self.alphabet_size)
