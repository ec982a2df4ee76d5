"""A mixture of products: the simplest model of real data whose predictor is exact."""

import torch

from dlm_core._check import instance, integer
from dlm_core.predictor import pick, torch_generator
from dlm_core.targets import Target

__all__ = ["ProductMixture"]


class ProductMixture(Target):
    """Independent tokens in each of a few classes, and a class that is not shown.

    Parameters
    ----------
    weights : Tensor of float64, shape (C,)
        The chances of the classes, positive; they are divided by their sum.
    laws : Tensor of float64, shape (C, L, q)
        The law of each token in each class: positive, with sum one over the last axis.

    Raises
    ------
    TypeError, ValueError
        If an argument is no tensor, or no law.
    """

    def __init__(self, weights, laws):
        weights = instance("weights", weights, torch.Tensor).double()
        laws = instance("laws", laws, torch.Tensor).double()
        if laws.ndim != 3 or weights.shape != laws.shape[:1]:
            raise ValueError(
                "laws must have shape (C, L, q) and weights (C,), got "
                f"{tuple(laws.shape)} and {tuple(weights.shape)}"
            )
        if not (weights > 0).all() or not (laws > 0).all():
            raise ValueError("weights and laws must be positive")
        if (laws.sum(2) - 1).abs().max() > 1e-9:
            raise ValueError("laws must sum to one over the symbols")
        super().__init__(*laws.shape[1:])
        self.register_buffer("log_weights", (weights / weights.sum()).log())
        self.register_buffer("laws", laws)

    @classmethod
    def fit(cls, tokens, classes, generator, *, alphabet_size=2, rounds=40):
        """The mixture that expectation-maximisation finds from a random start.

        Every symbol is counted half a time more than it was seen, so that none is impossible.

        Parameters
        ----------
        tokens : Tensor of int64, shape (n, L)
            The data, symbols from 0 to ``alphabet_size - 1``.
        classes, alphabet_size, rounds : int
            How many classes, symbols, and rounds of the iteration.
        generator : torch.Generator or int
            Draws the start, on the device of ``tokens``; or a seed.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type or out of range.
        """
        tokens = instance("tokens", tokens, torch.Tensor)
        classes, rounds = integer("classes", classes, 1), integer("rounds", rounds, 1)
        generator = torch_generator("generator", generator, tokens.device)
        seen = torch.nn.functional.one_hot(tokens, alphabet_size).double()
        start = torch.rand(
            len(tokens), classes, generator=generator, dtype=torch.float64, device=tokens.device
        )
        share = (4 * start).softmax(1)
        for _ in range(rounds):
            size = share.sum(0)
            counts = torch.tensordot(share.T, seen, 1) + 0.5
            model = cls(size, counts / (size[:, None, None] + alphabet_size / 2))
            share = model._joint_with_class(tokens).softmax(1)
        return model

    def _joint_with_class(self, tokens):
        """Log-probability of each class with the revealed tokens, shape (n, C)."""
        logs = self.laws.log()
        shown = [(tokens == s).double() @ logs[..., s].T for s in range(self.alphabet_size)]
        return self.log_weights + sum(shown)

    def conditionals(self, tokens, reveal):
        rows, positions = torch.nonzero(reveal, as_tuple=True)
        classes = self._joint_with_class(tokens).softmax(1)
        laws = torch.stack(
            [
                (classes[rows] * self.laws[:, positions, s].T).sum(1)
                for s in range(self.alphabet_size)
            ],
            1,
        )
        return (laws / laws.sum(1, keepdim=True)).log()

    def draw(self, n, generator):
        numbers = torch.rand(
            n, 1 + self.length, generator=generator, dtype=torch.float64, device=self.device
        )
        drawn = pick(self.log_weights.exp()[None], numbers[:, 0])
        laws = self.laws[drawn].flatten(0, 1)
        return pick(laws, numbers[:, 1:].flatten()).reshape(n, self.length)

    def log_mass(self, tokens):
        return self._joint_with_class(tokens).logsumexp(1)
