"""Mask predictors: what one is, and how it is asked.

A mask predictor is called as ``(tokens (B, L) int64, reveal (B, L) bool)`` and returns
log-probabilities of shape ``(reveal.sum(), V)``, row-major; ``mask_id`` is the token that stands
for "not revealed". Any function will do. ``MaskPredictor`` is the one place where a predictor is
asked and what it returns is checked, and ``Laws`` the one place where that is read.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain
from numbers import Integral
from types import MethodType
from typing import Any, TypeAlias

import numpy as np

from dlm_core._check import integer, shown, with_library
from dlm_core._laws import Laws, pick
from dlm_core._torch import torch

__all__ = ["Laws", "MaskPredictor", "pick", "torch_generator"]

Predictor: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# How far from 1 the sum of probabilities may be, from four bytes a number on and below.
_ROUNDING, _ROUNDING_OF_HALF = 1e-5, 0.01


class MaskPredictor:
    """A mask predictor, bound to its mask for the calls of one run.

    The predictor is shown copies, so that it may write into its arguments, and rows in which
    something is asked for; no gradient is recorded. What it returns is checked at each call.

    Parameters
    ----------
    predictor : callable
        A mask predictor. Its answers may lack a constant of their own in each row, as logits do.
    mask_id : int, optional
        The mask's token; by default the predictor's attribute ``mask_id``.
    training : bool
        That it is being trained, and may be in training mode.

    Attributes
    ----------
    mask_id : int
        The mask's token.
    columns : int or None
        The number ``V`` of symbols that the predictor speaks of, known from the first call on.

    Raises
    ------
    TypeError
        If the predictor cannot be called, or there is no ``mask_id``.
    ValueError
        If ``mask_id`` is negative or not the predictor's own, or the predictor is a
        ``torch.nn.Module``, a method of one or a ``functools.partial`` of these, with a part in
        training mode.
    """

    def __init__(
        self, predictor: Predictor, mask_id: int | None = None, *, training: bool = False
    ) -> None:
        if not callable(predictor):
            raise TypeError(
                "predictor must be callable as (tokens, reveal) and have a mask_id, "
                f"got {shown(predictor)} of type {type(predictor).__name__}"
            )
        module = () if training else _unwrapped(predictor)
        if isinstance(module, torch.nn.Module) and any(m.training for m in module.modules()):
            raise ValueError(
                "predictor must not be in training mode, in which dropout and batch statistics "
                f"make its answers random: call predictor.eval() first ({type(module).__name__} "
                "or a part of it)"
            )
        self.mask_id = _agreed_mask(predictor, mask_id)
        self.columns: int | None = None
        self._predictor = predictor
        declared = _scalar(getattr(predictor, "alphabet_size", None))
        # a predictor need not have that attribute, nor mean by it what is meant here
        counts = isinstance(declared, Integral) and not isinstance(declared, bool | np.timedelta64)
        self._declared: int | None = int(declared) if counts else None

    @property
    def device(self) -> torch.device:
        """torch.device: its own, else that of its first parameter or buffer, else the CPU.

        Raises
        ------
        TypeError, ValueError
            If that is no device that can compute in float64.
        """
        device = getattr(self._predictor, "device", None)
        module = _unwrapped(self._predictor)
        if device is None and isinstance(module, torch.nn.Module):
            tensor = next(chain(module.parameters(), module.buffers()), None)
            device = None if tensor is None else tensor.device
        return checked_device("predictor.device", "cpu" if device is None else device)

    def laws(
        self, tokens: torch.Tensor, places: torch.Tensor, rows: torch.Tensor | None = None
    ) -> Laws:
        """Ask for the laws of the tokens to be revealed.

        Apart from the first call, which learns ``V``, it waits for an accelerator once: to look at
        what the predictor returned.

        Parameters
        ----------
        tokens : Tensor of int64, shape (B, L)
            Sequences with ``mask_id`` at masked places.
        places : Tensor of int64, shape (m,)
            Which masked positions are asked for, at least one: increasing indices into the
            entries of ``tokens``, row by row.
        rows : Tensor of int64, optional
            The rows in which these are, if those are not all of them.

        Returns
        -------
        Laws
            Of the ``m`` positions, without the mask; what the predictor returned is not copied.

        Raises
        ------
        ValueError
            If the predictor returns something else than rows of log-probabilities; or if the
            first call, before which ``V`` may be unknown, ends in an ``IndexError`` where tokens
            are given: most likely one is beyond the predictor's table of symbols. Probabilities
            in place of their logarithms are known as such in the first call, too.
        """
        reveal = table_of(places, tokens.shape)
        copies = (tokens.clone(), reveal) if rows is None else (tokens[rows], reveal[rows])
        first = self.columns is None
        try:
            with torch.no_grad():
                logs = self._predictor(*copies)
        except IndexError as error:
            if first:
                hidden = ~table_of(places, tokens.shape).any(1, keepdim=True)
                self._blame_symbols(tokens.masked_fill(hidden, self.mask_id), error)
            raise
        self._check_form(logs, len(places), tokens.device)
        # torch does not compute with numbers of one byte
        logs = logs.detach().float() if logs.dtype.itemsize == 1 else logs.detach()
        laws = Laws(logs, self.mask_id)
        _check_numbers(laws)
        if first:
            _check_logarithms(logs)
        return laws

    def logs(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        """What the predictor returns, its form checked, with the gradients that are recorded.

        Parameters
        ----------
        tokens : Tensor of int64, shape (B, L)
            Sequences with ``mask_id`` at masked places; shown as they are.
        reveal : Tensor of bool, shape (B, L)
            Which masked positions are asked for.

        Returns
        -------
        Tensor of any floating point, shape (reveal.sum(), V)

        Raises
        ------
        ValueError
            If it is something else.
        """
        logs = self._predictor(tokens, reveal)
        self._check_form(logs, int(reveal.sum()), tokens.device)
        return logs

    def check_symbols(self, tokens: torch.Tensor, name: str = "tokens") -> None:
        """Raise ``ValueError`` if an entry is neither the mask nor a symbol, as far as is known."""
        wrong = tokens.lt(0)
        size = self._declared if self.columns is None else self.columns
        if size is not None:
            wrong |= tokens.ge(size) & tokens.ne(self.mask_id)
        if wrong.any():
            allowed = ">= 0" if size is None else f"in [0, {size - 1}]"
            raise ValueError(
                f"{name} must hold symbols {allowed} (or the mask, {self.mask_id}), "
                f"got {first_wrong(wrong, tokens)}"
            )

    def check_complete(self, tokens: torch.Tensor, name: str = "tokens") -> None:
        """Raise ``ValueError`` if an entry is the mask."""
        masked = tokens.eq(self.mask_id)
        if masked.any():
            raise ValueError(
                f"{name} must have no mask, got mask_id = {self.mask_id} among them: "
                f"{first_wrong(masked, tokens)}"
            )

    def _blame_symbols(self, shown_tokens: torch.Tensor, error: IndexError) -> None:
        """Raise ``ValueError`` that names the largest symbol shown, if there is one."""
        symbols = shown_tokens.masked_fill(shown_tokens.eq(self.mask_id), -1)
        largest = symbols.max()
        if largest >= 0:
            raise ValueError(
                "tokens must hold symbols that the predictor knows: it raises IndexError "
                f"({error}), and the largest symbol is {first_wrong(symbols.eq(largest), symbols)}"
            ) from error

    def _check_form(self, logs: object, rows: int, device: torch.device) -> None:
        rule = "predictor must return log-probabilities"
        if not isinstance(logs, torch.Tensor) or logs.ndim != 2 or len(logs) != rows:
            got = tuple(logs.shape) if isinstance(logs, torch.Tensor) else type(logs).__name__
            raise ValueError(f"{rule} as a torch.Tensor of shape ({rows}, V), got {got}")
        if logs.shape[1] == 0:
            raise ValueError(f"{rule} of shape ({rows}, V), got {tuple(logs.shape)}: no symbol")
        if not logs.is_floating_point():
            raise ValueError(f"{rule} in floating point, got {logs.dtype}")
        if logs.device != device:
            raise ValueError(f"{rule} on {device}, where the tokens are, got them on {logs.device}")
        if self.columns not in (None, logs.shape[1]):
            raise ValueError(
                f"{rule} of as many symbols V in each call, got {logs.shape[1]} after "
                f"{self.columns}"
            )
        self.columns = logs.shape[1]


def _scalar(value: Any) -> Any:
    """Return the entry of a tensor or an array without axes, else ``value`` itself."""
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0:
        return value.item()
    return value


def _unwrapped(predictor: object) -> object:
    """Return the object whose method or partial application ``predictor`` is, else itself."""
    while True:
        if isinstance(predictor, partial):
            predictor = predictor.func
        elif isinstance(predictor, MethodType):
            predictor = predictor.__self__
        else:
            return predictor


def _agreed_mask(predictor: Predictor, mask_id: int | None) -> int:
    """Return the mask's token, from the predictor's attribute or given beside it."""
    own, mask_id = _scalar(getattr(predictor, "mask_id", None)), _scalar(mask_id)
    if own is None and mask_id is None:
        raise TypeError(
            "predictor must be callable and have a mask_id, "
            f"got {type(predictor).__name__} without: set predictor.mask_id = 126336, or give "
            "the argument mask_id=126336 (or whatever token is its mask)"
        )
    if own is None:
        return integer("mask_id", mask_id, 0)
    own = integer("predictor.mask_id", own, 0)
    if mask_id is not None and integer("mask_id", mask_id, 0) != own:
        raise ValueError(f"mask_id must be predictor.mask_id, {own}, got {mask_id}")
    return own


def _check_numbers(laws: Laws) -> None:
    # false for NaN, too
    fits = laws.largest.abs() < torch.inf
    if not fits.all():
        row = int(fits.logical_not().nonzero()[0])
        raise ValueError(
            "predictor must return log-probabilities below infinity, some finite in each row, "
            "got NaN, infinity or a row without a possible symbol "
            f"(the largest entry of row {row} is {float(laws.largest[row])})"
        )


def _check_logarithms(logs: torch.Tensor) -> None:
    """Raise ``ValueError`` if all rows are probabilities, as those of logits hardly ever are."""
    rounding = _ROUNDING if logs.dtype.itemsize >= 4 else _ROUNDING_OF_HALF
    # the first row tells nearly always
    for rows in (logs[:1], logs):
        off = rows.sum(1, dtype=torch.float64) - 1
        if rows.shape[1] < 2 or rows.lt(0).any() or not off.abs().lt(rounding).all():
            return
    raise ValueError(
        "predictor must return log-probabilities (or logits), got probabilities: no entry is "
        "negative and every row sums to one. Return their logarithms"
    )


def check_rows(tokens: torch.Tensor, name: str = "tokens") -> None:
    """Raise ``TypeError`` unless ``tokens``, of that name, is a tensor of int64 with two axes.

    ``ValueError`` if it is on a device without float64.
    """
    if not isinstance(tokens, torch.Tensor):
        raise TypeError(
            f"{name} must be of type Tensor, got {shown(tokens)} of type {type(tokens).__name__}: "
            f"torch.as_tensor({name}) makes a torch.Tensor of an array or a list"
        )
    if tokens.dtype != torch.int64 or tokens.ndim != 2:
        raise TypeError(
            f"{name} must be a tensor of torch.int64 with shape (n, L), got {tokens.dtype} "
            f"and shape {tuple(tokens.shape)}"
        )
    checked_device(f"the device of {name}", tokens.device)


def checked_device(name: str, value: torch.device | str) -> torch.device:
    """Return ``value`` as a device, after trying that float64 can be computed there.

    Raises
    ------
    TypeError
        If it is neither a ``torch.device`` nor a string.
    ValueError
        If torch does not know it, this machine does not have it, or it has no float64.
    """
    if not isinstance(value, torch.device | str):
        raise TypeError(
            f'{name} must be a torch.device or a string such as "cpu" or "cuda", got '
            f"{shown(value)} of type {type(value).__name__}"
        )
    try:
        device = torch.device(value)
        if device.type == "mps":
            raise TypeError("MPS has no float64, in which tokens are drawn: use the CPU")
        torch.zeros((), dtype=torch.float64, device=device).item()
    # what torch raises differs from device to device
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{name} must be one on which this machine computes in float64, got {str(value)!r}: "
            f"{reason}"
        ) from None
    return device


def torch_generator(
    name: str, value: torch.Generator | int, device: torch.device, stream: int | None = None
) -> torch.Generator:
    """Return the ``torch.Generator`` on ``device`` that ``value`` is or seeds.

    With a ``stream``, a seed gives other numbers than the same seed without: what orders sequences
    must not depend on what drew them, and both are likely to be seeded by 0.

    Raises
    ------
    TypeError
        If it is neither a ``torch.Generator`` nor an integer; a generator of numpy is named.
    ValueError
        If it is a generator of another device, or a negative integer.
    """
    if isinstance(value, torch.Generator):
        if value.device.type != device.type:
            raise ValueError(f"{name} must be on {device}, got one on {value.device}")
        return value
    # numpy counts a time difference among its signed integers
    if isinstance(value, Integral) and not isinstance(value, bool | np.timedelta64):
        seed = integer(name, value, 0)
        if stream is not None:
            seed = int(np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0] >> 1)
        return torch.Generator(device).manual_seed(seed)
    raise TypeError(
        f"{name} must be a torch.Generator such as torch.Generator().manual_seed(seed), or a seed "
        f"as an int, got {with_library(value)}"
    )


def places_of(table: torch.Tensor) -> torch.Tensor:
    """Where a table of bool is true: indices into its entries, row by row."""
    return torch.nonzero(table.flatten()).squeeze(1)


def table_of(places: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The table of bool of this shape that is true at these places alone."""
    entries = torch.zeros(shape.numel(), dtype=torch.bool, device=places.device)
    return entries.index_fill_(0, places, True).view(shape)


def first_wrong(wrong: torch.Tensor, tokens: torch.Tensor) -> str:
    """Say what the first wrong entry is, and where."""
    row, position = torch.nonzero(wrong)[0].tolist()
    return f"{int(tokens[row, position])} at row {row}, position {position}"
