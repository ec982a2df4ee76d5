"""What every target answers: samples, log-probabilities, a profile, and the exact predictor."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import log
from typing import Any, Self

from dlm_core._check import MOST_POSITIONS, integer, table_fits
from dlm_core._torch import torch
from dlm_core._types import FloatArray
from dlm_core.estimation import estimate_profile
from dlm_core.information.estimated import EstimatedProfile
from dlm_core.information.profile import InformationProfile
from dlm_core.predictor import checked_device, pick, torch_generator

__all__ = ["Target"]

# Dense tables beyond this many words are refused: 8 MiB of float64.
_MOST_WORDS = 2**20
# Symbols, so that the product of two of them fits into int64.
MOST_SYMBOLS = 2**31 - 1


def uniforms(n: int, columns: int, generator: torch.Generator) -> torch.Tensor:
    """Draw float64 numbers in [0, 1) of shape (n, columns), where the generator is."""
    return torch.rand(
        (n, columns), generator=generator, dtype=torch.float64, device=generator.device
    )


class Target(torch.nn.Module, ABC):
    r"""A distribution on token sequences that knows its own conditional marginals.

    Called as ``target(tokens, reveal)`` it is the ideal mask predictor: it returns
    :math:`\log p(x_i = \cdot \mid \text{revealed tokens})` for each position that is about to be
    revealed. Everything is float64. Being a ``torch.nn.Module``, it moves to an accelerator with
    ``.to(device)``, and then takes tokens and generators of that device; an Apple GPU (``"mps"``)
    has no float64 and is refused, and so is another precision. Apart from that a target is
    immutable, and always in evaluation mode. Tables beyond 4 GiB are refused before any work.

    A target of your own needs ``__init__`` and ``conditionals``::

        class Constant(Target):
            "One word, always."

            def __init__(self, word, alphabet_size):
                super().__init__(len(word), alphabet_size)
                self.register_buffer("word", torch.tensor(word))

            def conditionals(self, tokens, reveal):
                certain = torch.nn.functional.one_hot(self.word, self.alphabet_size)
                return certain.double().log().expand(len(tokens), -1, -1)[reveal]

    From these follow samples and log-probabilities, token by token, and the profile of a small
    case. Where there is a faster way, override ``draw``, ``log_mass`` and ``profile``. Their
    arguments are checked before they are called. Tensors given to ``register_buffer`` move with
    the target. ``dlm_core.testing.check_target`` holds a target to all that is said here.

    Parameters
    ----------
    length, alphabet_size : int
        From 1 to 2**31 - 1.

    Attributes
    ----------
    length : int
        The number of positions ``L``.
    alphabet_size : int
        The number of symbols ``q``; tokens are ``0, ..., q - 1``.
    """

    length: int
    alphabet_size: int
    _place: torch.Tensor

    def __init__(self, length: int, alphabet_size: int) -> None:
        super().__init__()
        self.length = integer("length", length, 1, MOST_POSITIONS)
        self.alphabet_size = integer("alphabet_size", alphabet_size, 1, MOST_SYMBOLS)
        # knows the device where a class has no tables
        self.register_buffer("_place", torch.empty(0, device="cpu"))
        self.train(False)

    @property
    def mask_id(self) -> int:
        """int: the token that stands for "not revealed": ``alphabet_size``."""
        return self.alphabet_size

    @property
    def device(self) -> torch.device:
        """torch.device: where the tables are, and where tokens have to be."""
        return self._place.device

    def forward(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
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
        return self.conditionals(tokens, reveal)

    @abstractmethod
    def conditionals(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        """Return what ``forward`` returns, for arguments that have been checked.

        The one method that a class has to have; callers use ``target(tokens, reveal)``. It must
        not write into its arguments, and each row of the result may depend only on its row of
        ``tokens``. Where the revealed tokens are impossible, it still returns normalised rows.

        Parameters
        ----------
        tokens, reveal : Tensor, shape (B, L)
            Of int64 and bool, on the target's device; ``B`` may be zero.

        Returns
        -------
        Tensor of float64, shape (reveal.sum(), alphabet_size)
        """

    def sample(self, n: int, generator: torch.Generator | int) -> torch.Tensor:
        """Draw ``n`` independent sequences.

        Parameters
        ----------
        n : int
            How many, at least 0.
        generator : torch.Generator or int
            The only source of randomness: a generator on the target's device, or a seed.

        Returns
        -------
        Tensor of int64, shape (n, length)

        Raises
        ------
        TypeError, ValueError
            If ``n`` is no nonnegative integer, its sequences take more than 4 GiB, or
            ``generator`` is no seed and no generator of this device.
        """
        n = integer("n", n, 0)
        generator = torch_generator("generator", generator, self.device)
        table_fits(f"n = {n} sequences of length {self.length}", 8 * n * self.length)
        return self.draw(n, generator)

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return what ``sample`` returns, for arguments that have been checked.

        This one draws token after token from ``conditionals``, in ``length`` calls.

        Parameters
        ----------
        n : int
            At least 0.
        generator : torch.Generator
            On the target's device.

        Returns
        -------
        Tensor of int64, shape (n, length)
        """
        numbers = uniforms(n, self.length, generator)
        tokens = torch.full(numbers.shape, self.mask_id, dtype=torch.int64, device=self.device)
        for position in range(self.length):
            laws = self.conditionals(tokens, self._only(position, tokens)).exp()
            tokens[:, position] = pick(laws, numbers[:, position])
        return tokens

    def log_prob(self, tokens: torch.Tensor) -> torch.Tensor:
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
        return self.log_mass(self._checked(tokens, highest=self.alphabet_size - 1))

    def log_mass(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what ``log_prob`` returns, for arguments that have been checked.

        This one adds up the conditional log-probabilities of token after token, in ``length``
        calls of ``conditionals``.

        Parameters
        ----------
        tokens : Tensor of int64, shape (n, length)
            On the target's device, without masks; ``n`` may be zero.

        Returns
        -------
        Tensor of float64, shape (n,)
        """
        total = torch.zeros(len(tokens), dtype=torch.float64, device=self.device)
        seen = torch.full_like(tokens, self.mask_id)
        for position in range(self.length):
            laws = self.conditionals(seen, self._only(position, seen))
            total += laws.gather(1, tokens[:, position, None]).squeeze(1)
            seen[:, position] = tokens[:, position]
        return total

    def profile(self) -> InformationProfile:
        """The exact information profile, in nats.

        This one is that of the joint table, for small cases: ``(alphabet_size + 1)**length`` at
        most 2**20.

        Raises
        ------
        ValueError
            If the case is larger: ``estimated_profile`` has no such limit.
        """
        if not _power_is_at_most(self.alphabet_size + 1, self.length, _MOST_WORDS):
            raise ValueError(
                f"{type(self).__name__}.profile() is exact and needs (alphabet_size + 1)**length "
                f"<= 2**20, got {self.alphabet_size + 1}**{self.length}: use "
                "target.estimated_profile(draws, generator), which is "
                "estimate_profile(target, target.sample(draws, generator), generator, perfect=True)"
            )
        return InformationProfile.from_joint(self.joint())

    def estimated_profile(self, draws: int, generator: torch.Generator | int) -> EstimatedProfile:
        """The information profile by sampling: ``estimate_profile`` on sequences of the target.

        Parameters
        ----------
        draws : int
            How many sequences, at least 2.
        generator : torch.Generator or int
            On the target's device, or a seed.

        Returns
        -------
        EstimatedProfile
            Whatever the size of the case. Cost: ``2 draws L`` sequences through the predictor.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type or out of range.
        """
        draws = integer("draws", draws, 2)
        generator = torch_generator("generator", generator, self.device)
        found = estimate_profile(self, self.sample(draws, generator), generator, perfect=True)
        assert isinstance(found, EstimatedProfile)  # all rows have one length
        return found

    def joint(self) -> FloatArray:
        """The dense joint table, for small cases.

        Returns
        -------
        ndarray, shape (alphabet_size,) * length

        Raises
        ------
        ValueError
            If there are more than 2**20 words.
        """
        if not _power_is_at_most(self.alphabet_size, self.length, _MOST_WORDS):
            raise ValueError(
                f"a dense table needs at most {_MOST_WORDS} words, "
                f"got {self.alphabet_size}**{self.length}"
            )
        symbols = torch.arange(self.alphabet_size, device=self.device)
        words = torch.cartesian_prod(*[symbols] * self.length).reshape(-1, self.length)
        shape = (self.alphabet_size,) * self.length
        table: FloatArray = self.log_prob(words).exp().reshape(shape).detach().cpu().numpy()
        return table

    def extra_repr(self) -> str:
        return f"length={self.length}, alphabet_size={self.alphabet_size}"

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, also as part of a model that trains: nothing is learned here."""
        return super().train(False)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to another device; refuse one without float64, and any other precision."""
        for value in (*args, *kwargs.values()):
            place = getattr(value, "device", value)
            if isinstance(place, str | torch.device):
                checked_device(f"the device of {type(self).__name__}", place)
        return super().to(*args, **kwargs)

    def register_buffer(
        self, name: str, tensor: torch.Tensor | None, persistent: bool = False
    ) -> None:
        """Add a tensor that moves with the target, once; it is no part of ``state_dict``."""
        self._refuse_change(name)
        super().register_buffer(name, tensor, persistent)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        # half(), float(), to(dtype) and the like, also of a model around the target, come by here
        kind = fn(torch.zeros(1, dtype=torch.float64, device=self.device)).dtype
        if kind != torch.float64:
            raise TypeError(
                f"{type(self).__name__} computes in float64 and cannot become {kind}: convert "
                "what it returns instead; of a model around it, the parts before it may be "
                "converted already"
            )
        return super()._apply(lambda tensor: fn(tensor).to(tensor.dtype), recurse)

    def _refuse_change(self, name: str) -> None:
        own = vars(self)
        taken = name in own.get("_buffers", ())
        # torch keeps accounts of its own under private names
        if not name.startswith("_"):
            of_class = getattr(type(self), name, None)
            taken |= callable(of_class) or isinstance(of_class, property) or name in own
            taken |= any(name in own.get(kind, ()) for kind in ("_parameters", "_modules"))
        if taken:
            raise AttributeError(
                f"{type(self).__name__} is immutable, its {name} cannot be changed: make a new one"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "training":
            self._refuse_change(name)
        super().__setattr__(name, value)
        if isinstance(value, torch.nn.Module):
            value.eval()

    def add_module(self, name: str, module: torch.nn.Module | None) -> None:
        """Add a part, which stays in evaluation mode."""
        super().add_module(name, module)
        if module is not None:
            module.eval()

    def __delattr__(self, name: str) -> None:
        self._refuse_change(name)
        super().__delattr__(name)

    def _only(self, position: int, tokens: torch.Tensor) -> torch.Tensor:
        """A mask of the shape of ``tokens`` that is true at one position."""
        return (torch.arange(self.length, device=self.device) == position).expand(tokens.shape)

    def _checked(self, tokens: torch.Tensor, highest: int) -> torch.Tensor:
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


def _power_is_at_most(base: int, exponent: int, bound: int) -> bool:
    """Whether ``base**exponent <= bound``, without a power of a million digits."""
    return exponent * log(base) <= log(bound) + 1 and base**exponent <= bound
