"""The Potts model on a tree."""

from math import exp, log

import numpy as np
import numpy.typing as npt
import torch

from dlm_core._check import integer, integer_array, number, table_fits
from dlm_core._types import IntArray
from dlm_core.targets.base import Target, uniforms

__all__ = ["TreePotts"]

_MOST_NODES = 2**24


class TreePotts(Target):
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
        If the parents are not such a vector, there are more than 2**24, or a number is out of
        range.
    """

    parents: torch.Tensor
    _by_level: torch.Tensor

    def __init__(self, parents: npt.ArrayLike, alphabet_size: int, coupling: float) -> None:
        of_node = integer_array("parents", parents, ndim=1, at_least=-1)
        if of_node.size == 0:
            raise ValueError("parents must have at least one entry, that of the root: -1")
        nodes = np.arange(of_node.size)
        wrong = np.flatnonzero((of_node >= nodes) | ((of_node < 0) & (nodes > 0)))
        if wrong.size:
            i = wrong[0]
            raise ValueError(
                f"parents must be -1 for node 0 and in [0, i-1] for node i, got {of_node[i]} at {i}"
            )
        if of_node.size > _MOST_NODES:
            raise ValueError(f"parents must have at most 2**24 entries, got {of_node.size}")
        super().__init__(of_node.size, alphabet_size)
        self.coupling = number("coupling", coupling)
        if abs(self.coupling) > 100:
            raise ValueError(f"coupling must lie in [-100, 100], got {self.coupling}")
        size = self.alphabet_size
        table_fits(
            f"the beliefs and messages of {self.length} nodes over {size} symbols",
            8 * (2 * self.length * size + size**2),
        )
        depth = _depths(of_node)
        self._level_sizes = tuple(np.bincount(depth).tolist())
        self.register_buffer("parents", torch.from_numpy(of_node))
        self.register_buffer("_by_level", torch.from_numpy(np.argsort(depth, kind="stable")))

    @classmethod
    def regular(
        cls, depth: int, branching: int, alphabet_size: int, coupling: float
    ) -> "TreePotts":
        """The model on the tree in which every node above the last level has equally many children.

        Parameters
        ----------
        depth : int
            Number of levels below the root, at least 0.
        branching : int
            Children of a node, at least 1.
        alphabet_size, coupling
            As above.

        Raises
        ------
        TypeError, ValueError
            If an argument is no integer or out of range, or the tree has more than 2**24 nodes.
        """
        depth, branching = integer("depth", depth, 0), integer("branching", branching, 1)
        # 25 levels of two children or more are too many nodes already
        levels = range(min(depth, 24) + 1)
        count = depth + 1 if branching == 1 else sum(branching**level for level in levels)
        if count > _MOST_NODES:
            raise ValueError(
                "depth and branching must make a tree of at most 2**24 nodes, "
                f"got depth = {depth} and branching = {branching}"
            )
        nodes = np.arange(count)
        return cls((nodes - 1) // branching, alphabet_size, coupling)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, coupling={self.coupling}"

    def _levels(self) -> tuple[torch.Tensor, ...]:
        """The nodes of each level below the root, from the top."""
        return self._by_level.split(self._level_sizes)[1:]

    @property
    def _odds(self) -> tuple[float, float]:
        """Chances that a child repeats its parent, and that it takes one given other symbol."""
        stay = exp(self.coupling)
        total = stay + (self.alphabet_size - 1)
        return stay / total, 1 / total

    def _through_edge(self, log_weights: torch.Tensor) -> torch.Tensor:
        """Send log-weights (..., q) across an edge: the log-message, up to a constant."""
        repeat, other = self._odds
        edge = log_weights.new_full((self.alphabet_size,) * 2, other).fill_diagonal_(repeat)
        weights = (log_weights - log_weights.amax(-1, keepdim=True)).exp_()
        return (weights @ edge).log_()

    def conditionals(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
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

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        numbers = uniforms(n, self.length, generator)
        others = uniforms(n, self.length, generator)
        # a child that does not repeat its parent moves on by 1, ..., q - 1 symbols
        shift = 1 + (others * (self.alphabet_size - 1)).long()
        shift[numbers < self._odds[0]] = 0
        tokens = shift
        tokens[:, 0] = (others[:, 0] * self.alphabet_size).long()
        for nodes in self._levels():
            tokens[:, nodes] += tokens[:, self.parents[nodes]]
        return tokens % self.alphabet_size

    def log_mass(self, tokens: torch.Tensor) -> torch.Tensor:
        repeat, other = self._odds
        equal = (tokens[:, 1:] == tokens[:, self.parents[1:]]).sum(1).double()
        edges = self.length - 1
        return equal * log(repeat) + (edges - equal) * log(other) - log(self.alphabet_size)


def _depths(parents: IntArray) -> IntArray:
    """Return the distance of each node from the root, by doubling the steps up."""
    above = np.maximum(parents, 0)
    depth = (parents >= 0).astype(np.int64)
    while above.any():
        depth += depth[above]
        above = above[above]
    return depth
