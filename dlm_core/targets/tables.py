"""Targets given by a list of words, by independent tokens, or by one token written many times."""

import numpy as np
import numpy.typing as npt
import torch

from dlm_core._check import integer, sparse_law, stochastic, table_fits
from dlm_core._check import probabilities as checked_probabilities
from dlm_core.information.profile import InformationProfile
from dlm_core.predictor import pick
from dlm_core.targets.base import MOST_SYMBOLS, Target, uniforms

__all__ = ["Product", "Repetition", "Tabular"]

# Entries of one temporary array: 128 MiB of float64.
_CHUNK = 2**24


class Tabular(Target):
    """A distribution given by its support: ``N`` words and their probabilities.

    Given revealed tokens that no word has, the predictor conditions on the words that agree with
    the most of them: the limit of small, uniform noise on every token.

    Parameters
    ----------
    support : array_like of int, shape (N, L)
        Distinct words.
    probabilities : array_like, shape (N,), optional
        Positive, with sum one; equal by default.
    alphabet_size : int, optional
        One more than the largest symbol by default.

    Raises
    ------
    TypeError, ValueError
        If the words are no distinct rows of nonnegative integers, or the probabilities do not
        fit them.
    """

    support: torch.Tensor
    probabilities: torch.Tensor

    def __init__(
        self,
        support: npt.ArrayLike,
        probabilities: npt.ArrayLike | None = None,
        alphabet_size: int | None = None,
    ) -> None:
        rows, masses = sparse_law(support, probabilities)
        if masses.min() == 0:
            raise ValueError(f"probabilities must be positive, got 0 in row {masses.argmin()}")
        largest = int(rows.max())
        if largest >= MOST_SYMBOLS:
            raise ValueError(
                f"support must hold symbols below 2**31 - 1, got {largest}: number the symbols by "
                "numpy.unique(support, return_inverse=True)[1]"
            )
        size = largest + 1 if alphabet_size is None else alphabet_size
        size = integer("alphabet_size", size, largest + 1, MOST_SYMBOLS)
        super().__init__(rows.shape[1], size)
        self.register_buffer("support", torch.from_numpy(rows))
        self.register_buffer("probabilities", torch.from_numpy(masses))

    @classmethod
    def from_joint(cls, p: npt.ArrayLike) -> "Tabular":
        """The same from a dense joint table, one axis per position.

        Axes may have different sizes; the alphabet is that of the largest.

        Raises
        ------
        TypeError, ValueError
            If ``p`` is not a table of probabilities.
        """
        table = checked_probabilities("p", p)
        support = np.argwhere(table > 0)
        return cls(support, table[table > 0], alphabet_size=max(table.shape))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, words={len(self.support)}"

    def conditionals(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        """Time O(B N L), in parts of rows."""
        rows = reveal.sum(1)
        table_fits("the prediction", 8 * int(rows.sum()) * self.alphabet_size)
        marginals = self.probabilities.new_zeros(int(rows.sum()), self.alphabet_size)
        at_once = max(1, _CHUNK // self.support.numel())
        start = 0
        for part, asked in zip(tokens.split(at_once), reveal.split(at_once), strict=True):
            stop = start + int(asked.sum())
            self._add_weights(part, asked, marginals[start:stop])
            start = stop
        return marginals.log_()

    def _add_weights(
        self, tokens: torch.Tensor, reveal: torch.Tensor, marginals: torch.Tensor
    ) -> None:
        """Add to ``marginals``, in place, the posterior weight of each word at its symbols."""
        agreements = (tokens[:, None, :] == self.support).sum(2, dtype=torch.int32)
        nearest = agreements == agreements.amax(1, keepdim=True)
        weights = nearest * self.probabilities
        weights /= weights.sum(1, keepdim=True)
        rows, positions = torch.nonzero(reveal, as_tuple=True)
        words = self.support.T.contiguous()
        columns = (marginals, rows, positions)
        at_once = max(1, _CHUNK // len(self.support))
        for laws, row, position in zip(*(c.split(at_once) for c in columns), strict=True):
            laws.scatter_add_(1, words[position], weights[row])

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        numbers = uniforms(n, 1, generator).squeeze(1)
        return self.support[pick(self.probabilities[None], numbers)]

    def log_mass(self, tokens: torch.Tensor) -> torch.Tensor:
        # equal rows have one number, so that no table of all pairs is needed
        numbers = torch.cat([self.support, tokens]).unique(dim=0, return_inverse=True)[1]
        chances = self.probabilities.new_zeros(len(numbers))
        chances[numbers[: len(self.support)]] = self.probabilities
        return chances[numbers[len(self.support) :]].log()

    def profile(self) -> InformationProfile:
        """The information profile, by ``InformationProfile.from_support``.

        Raises
        ------
        ValueError
            If there are too many subsets of positions to enumerate.
        """
        return InformationProfile.from_support(
            self.support.cpu().numpy(), self.probabilities.cpu().numpy()
        )


class Product(Target):
    """Independent tokens.

    Parameters
    ----------
    probabilities : array_like, shape (L, q)
        The law of each token; rows sum to one.

    Raises
    ------
    TypeError, ValueError
        If the rows are no probabilities.
    """

    probabilities: torch.Tensor

    def __init__(self, probabilities: npt.ArrayLike) -> None:
        table = stochastic("probabilities", probabilities)
        super().__init__(*table.shape)
        self.register_buffer("probabilities", torch.from_numpy(table))

    def conditionals(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        table_fits("the prediction", 8 * int(reveal.sum()) * self.alphabet_size)
        return self.probabilities.log()[torch.nonzero(reveal, as_tuple=True)[1]]

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        numbers = uniforms(n, self.length, generator)
        rows = self.probabilities.cumsum(1)
        rows = rows / rows[:, -1:]
        return torch.searchsorted(rows, numbers.T.contiguous(), right=True).T.contiguous()

    def log_mass(self, tokens: torch.Tensor) -> torch.Tensor:
        return (
            self.probabilities.log()
            .expand(len(tokens), -1, -1)
            .gather(2, tokens[:, :, None])
            .sum((1, 2))
        )

    def profile(self) -> InformationProfile:
        return InformationProfile.product(torch.special.entr(self.probabilities).sum(1).cpu())


class Repetition(Target):
    """One token, written ``length`` times.

    Given revealed tokens that differ, the predictor conditions on the symbols that occur most
    often among them.

    Parameters
    ----------
    length : int
        ``L >= 1``.
    probabilities : array_like, shape (q,)
        The law of the token.

    Raises
    ------
    TypeError, ValueError
        If ``length`` is no positive integer or ``probabilities`` no probabilities.
    """

    probabilities: torch.Tensor

    def __init__(self, length: int, probabilities: npt.ArrayLike) -> None:
        table = checked_probabilities("probabilities", probabilities, ndim=1)
        super().__init__(length, table.size)
        self.register_buffer("probabilities", torch.from_numpy(table))

    def conditionals(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        rows = max(len(tokens), int(reveal.sum()))
        table_fits("the prediction", 8 * rows * self.alphabet_size)
        counts = tokens.new_zeros(len(tokens), self.alphabet_size + 1)
        counts.scatter_add_(1, tokens, torch.ones_like(tokens))
        counts = counts[:, :-1].masked_fill(self.probabilities == 0, -1)
        weights = (counts == counts.amax(1, keepdim=True)) * self.probabilities
        law = (weights / weights.sum(1, keepdim=True)).log()
        return law[torch.nonzero(reveal, as_tuple=True)[0]]

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        numbers = uniforms(n, 1, generator).squeeze(1)
        symbols = pick(self.probabilities[None], numbers)
        return symbols[:, None].repeat(1, self.length)

    def log_mass(self, tokens: torch.Tensor) -> torch.Tensor:
        constant = (tokens == tokens[:, :1]).all(1)
        chance = self.probabilities.log()[tokens[:, 0]]
        return chance.masked_fill(~constant, -torch.inf)

    def profile(self) -> InformationProfile:
        table_fits(f"the profile of length {self.length}", 8 * self.length)
        entropy = torch.special.entr(self.probabilities).sum().item()
        return InformationProfile.repetition(self.length, entropy)
