"""What every target answers: samples, log-probabilities, a profile, and the exact predictor."""

from abc import ABC, abstractmethod

from dlm_core._check import NORMALISATION_TOLERANCE, integer, real_array
from dlm_core._torch import torch
from dlm_core.information.profile import InformationProfile
from dlm_core.predictor import estimate_profile

__all__ = ["EstimatedTarget", "Target"]

# Dense tables beyond this many words are refused: 8 MiB of float64.
_MOST_WORDS = 2**20


class Target(torch.nn.Module, ABC):
    r"""A distribution on token sequences that knows its own conditional marginals.

    Called as ``target(tokens, reveal)`` it is the ideal mask predictor: it returns
    :math:`\log p(x_i = \cdot \mid \text{revealed tokens})` for each position that is about to be
    revealed. Being a ``torch.nn.Module``, it moves to an accelerator with ``.to(device)``, and
    then takes tokens and generators of that device. Everything is float64.

    Attributes
    ----------
    length : int
        The number of positions ``L``.
    alphabet_size : int
        The number of symbols ``q``; tokens are ``0, ..., q - 1``.
    """

    def __init__(self, length, alphabet_size):
        super().__init__()
        self.length = integer("length", length, 1)
        self.alphabet_size = integer("alphabet_size", alphabet_size, 1)

    @property
    def mask_id(self):
        """int: the token that stands for "not revealed": ``alphabet_size``."""
        return self.alphabet_size

    @property
    def device(self):
        """torch.device: where the tables are, and where tokens have to be."""
        return next(self.buffers()).device

    def forward(self, tokens, reveal):
        """Exact conditional log-probabilities of the positions about to be revealed.

        Parameters
        ----------
        tokens : Tensor of int64, shape (B, L)
            Sequences with ``mask_id`` at masked places.
        reveal : Tensor of bool, shape (B, L)
            Which masked positions are asked for.

        Returns
        -------
        Tensor of float64, shape (reveal.sum(), alphabet_size)
            Log-probabilities in row-major order of ``reveal``. Given revealed tokens that have
            probability zero together there is no conditional law; the class says what it
            returns instead.

        Raises
        ------
        TypeError, ValueError
            If a shape, dtype, device or symbol is wrong, or a position asked for is not masked.
        """
        tokens = self._checked(tokens, highest=self.mask_id)
        if not isinstance(reveal, torch.Tensor) or reveal.dtype != torch.bool:
            kind = getattr(reveal, "dtype", type(reveal).__name__)
            raise TypeError(f"reveal must be a tensor of torch.bool, got {kind}")
        if reveal.shape != tokens.shape or reveal.device != tokens.device:
            raise ValueError(
                f"reveal must have the shape and device of tokens, {tuple(tokens.shape)} on "
                f"{tokens.device}, got {tuple(reveal.shape)} on {reveal.device}"
            )
        if (reveal & (tokens != self.mask_id)).any():
            row, position = torch.nonzero(reveal & (tokens != self.mask_id))[0].tolist()
            raise ValueError(
                f"reveal must ask for masked positions only, got row {row}, position {position}"
            )
        return self._conditionals(tokens, reveal)

    @abstractmethod
    def _conditionals(self, tokens, reveal):
        """Return what ``forward`` returns, for arguments that have been checked."""

    @abstractmethod
    def sample(self, n, generator):
        """Draw ``n`` independent sequences.

        Parameters
        ----------
        n : int
            How many, at least 0.
        generator : torch.Generator
            The only source of randomness, on the target's device.

        Returns
        -------
        Tensor of int64, shape (n, length)

        Raises
        ------
        TypeError, ValueError
            If ``n`` is no nonnegative integer, or ``generator`` no generator of this device.
        """

    @abstractmethod
    def log_prob(self, tokens):
        """Log-probability of each sequence, in nats.

        Parameters
        ----------
        tokens : Tensor of int64, shape (n, length)
            Sequences without masks.

        Returns
        -------
        Tensor of float64, shape (n,)
            Minus infinity where a sequence is impossible.

        Raises
        ------
        TypeError, ValueError
            If the shape, dtype, device or a symbol is wrong.
        """

    @abstractmethod
    def profile(self):
        """The information profile, in nats: an ``InformationProfile``."""

    def joint(self):
        """The dense joint table, for small cases.

        Returns
        -------
        ndarray, shape (alphabet_size,) * length

        Raises
        ------
        ValueError
            If there are more than 2**20 words.
        """
        if self.alphabet_size**self.length > _MOST_WORDS:
            raise ValueError(
                f"a dense table needs at most {_MOST_WORDS} words, "
                f"got {self.alphabet_size}**{self.length}"
            )
        symbols = torch.arange(self.alphabet_size, device=self.device)
        words = torch.cartesian_prod(*[symbols] * self.length).reshape(-1, self.length)
        shape = (self.alphabet_size,) * self.length
        return self.log_prob(words).exp().reshape(shape).cpu().numpy()

    def _checked(self, tokens, highest):
        """Return ``tokens`` if they are (n, L) int64 symbols from 0 to ``highest``."""
        if not isinstance(tokens, torch.Tensor) or tokens.dtype != torch.int64:
            kind = getattr(tokens, "dtype", type(tokens).__name__)
            raise TypeError(f"tokens must be a tensor of torch.int64, got {kind}")
        if tokens.ndim != 2 or tokens.shape[1] != self.length:
            raise ValueError(
                f"tokens must have shape (n, {self.length}), got {tuple(tokens.shape)}"
            )
        if tokens.device != self.device:
            raise ValueError(f"tokens must be on {self.device}, got {tokens.device}")
        if tokens.numel():
            low, high = (int(x) for x in torch.aminmax(tokens))
            if low < 0 or high > highest:
                raise ValueError(
                    f"tokens must lie in [0, {highest}], got {low if low < 0 else high}"
                )
        return tokens

    def _uniforms(self, n, generator, columns=None):
        """Draw uniform numbers of shape (n, columns), by default one per position."""
        n = integer("n", n, 0)
        if not isinstance(generator, torch.Generator):
            raise TypeError(
                "generator must be a torch.Generator such as torch.Generator().manual_seed(seed), "
                f"got {type(generator).__name__}"
            )
        if generator.device.type != self.device.type:
            raise ValueError(f"generator must be on {self.device}, got {generator.device}")
        shape = (n, self.length if columns is None else columns)
        return torch.rand(shape, generator=generator, dtype=torch.float64, device=self.device)


class EstimatedTarget(Target):
    """A target whose profile has no closed form."""

    def profile(self, draws=32, generator=None):
        """The information profile: exact for a small case, else by ``estimate_profile``.

        Small is a case with ``(alphabet_size + 1)**length <= 2**20``.

        Parameters
        ----------
        draws : int
            How many sequences, at least 2.
        generator : torch.Generator, optional
            On the target's device; by default one with seed 0.

        Returns
        -------
        InformationProfile
            An ``EstimatedProfile`` where it is estimated.
        """
        draws = integer("draws", draws, 2)
        if (self.alphabet_size + 1) ** self.length <= _MOST_WORDS:
            return InformationProfile.from_joint(self.joint())
        if generator is None:
            generator = torch.Generator(self.device).manual_seed(0)
        tokens = self.sample(draws, generator)
        return estimate_profile(self, tokens, generator, perfect=True)


def stochastic(name, value, columns=None):
    """Return a float64 tensor of rows of probabilities; refuse anything else.

    Raises
    ------
    TypeError, ValueError
        If it is not a table of finite, nonnegative numbers whose rows sum to one within 1e-9.
    """
    table = real_array(name, value)
    if table.ndim != 2 or table.size == 0 or (columns is not None and table.shape[1] != columns):
        rule = "rows of probabilities" if columns is None else f"rows of {columns} probabilities"
        raise ValueError(f"{name} must be a table with {rule}, got shape {table.shape}")
    if table.min() < 0:
        raise ValueError(f"{name} must be nonnegative, got {table.min()}")
    sums = table.sum(axis=1)
    worst = int(abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > NORMALISATION_TOLERANCE:
        raise ValueError(f"{name} must have rows that sum to 1, row {worst} sums to {sums[worst]}")
    return torch.from_numpy(table)
