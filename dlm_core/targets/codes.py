"""Reed-Solomon codes: the extremal distributions of every guarantee."""

from math import log

import numpy as np
import torch

from dlm_core._check import integer
from dlm_core._types import IntArray
from dlm_core.information.profile import InformationProfile
from dlm_core.targets.base import Target, uniforms

__all__ = ["ReedSolomon"]

_CHUNK = 2**22  # entries of a temporary: small enough to stay near the processor


def _powers_of_generator(field_bits: int) -> tuple[IntArray, int]:
    r"""Powers :math:`g^0, \dots, g^{q-2}` in GF(q), q = 2^field_bits, and the field's polynomial.

    Elements are polynomials over GF(2), written as bits; the modulus is the least primitive one
    and ``g`` is the polynomial ``z``, so that its powers run through all nonzero elements.
    """
    order = 2**field_bits - 1
    for modulus in range(2**field_bits + 1, 2 ** (field_bits + 1), 2):
        powers = [1]
        while len(powers) < order:
            following = powers[-1] << 1
            following ^= modulus if following > order else 0
            if following == 1:
                break
            powers.append(following)
        if len(powers) == order:
            return np.array(powers), modulus
    raise AssertionError("there is a primitive polynomial of every degree")


class ReedSolomon(Target):
    r"""A uniformly random codeword of a Reed-Solomon code over :math:`GF(2^b)`.

    The values of a random polynomial of degree below ``dimension`` at the points
    ``0, ..., length - 1`` of the field, whose elements are written as integers. Any ``dimension``
    symbols are uniform and determine the rest, so the predictor is uniform while fewer are
    revealed, and certain from then on.

    Given revealed tokens that no codeword has, the predictor follows the codeword through the
    first ``dimension`` of them, by position.

    An erased symbol is found by Lagrange interpolation in the logarithms of the field. With
    :math:`\ell_{rs}` the logarithm of the difference of points ``r`` and ``s``, and ``R`` the
    revealed set in use, the products over ``R`` are sums :math:`\sum_{s \in R} \ell_{rs}`, one
    matrix product for a whole batch: time :math:`O(B L^2)` in it, for any dimension, and then
    :math:`O(d)` for each symbol. The tables take :math:`8 L^2` bytes.

    Parameters
    ----------
    length, dimension : int
        ``1 <= dimension <= length <= 2**field_bits``.
    field_bits : int
        ``b``, from 1 to 12: the alphabet has ``2**b`` symbols.

    Attributes
    ----------
    modulus : int
        The primitive polynomial that defines the field, as bits.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer or out of range.
    """

    _antilog: torch.Tensor
    _log: torch.Tensor
    _differences: torch.Tensor
    _summed: torch.Tensor

    def __init__(self, length: int, dimension: int, field_bits: int) -> None:
        field_bits = integer("field_bits", field_bits, 1, 12)
        super().__init__(integer("length", length, 1, 2**field_bits), 2**field_bits)
        self.dimension = integer("dimension", dimension, 1, self.length)
        powers, self.modulus = _powers_of_generator(field_bits)
        logarithm = np.zeros(self.alphabet_size, dtype=np.int32)
        logarithm[powers] = np.arange(powers.size)
        points = np.arange(self.length)
        differences = logarithm[points[:, np.newaxis] ^ points]
        # log a - log b - log c of nonzero elements lies in (-2 order, order): no reduction needed
        self.register_buffer("_antilog", torch.from_numpy(np.tile(powers, 3).astype(np.int32)))
        self.register_buffer("_log", torch.from_numpy(logarithm))
        self.register_buffer("_differences", torch.from_numpy(differences))
        # sums of up to 2**12 logarithms below 2**12 are exact in float32
        self.register_buffer("_summed", torch.from_numpy(differences.astype(np.float32)))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dimension={self.dimension}"

    def interpolate(
        self,
        tokens: torch.Tensor,
        known: torch.Tensor,
        rows: torch.Tensor,
        positions: torch.Tensor,
    ) -> torch.Tensor:
        """The symbols of the codewords through given ones.

        Parameters
        ----------
        tokens : Tensor of int64, shape (B, L)
            Symbols; only the known ones count.
        known : Tensor of bool, shape (B, L)
            At least ``dimension`` for each row; the first ``dimension`` by position are used.
        rows, positions : Tensor of int64, shape (n,)
            Which symbols to find.

        Returns
        -------
        Tensor of int64, shape (n,)

        Raises
        ------
        ValueError
            If a row has fewer than ``dimension`` known symbols.
        """
        order = self.alphabet_size - 1
        used = known & (known.cumsum(1) <= self.dimension)
        if (used.sum(1) < self.dimension).any():
            fewest = int(used.sum(1).min())
            raise ValueError(f"known must hold {self.dimension} symbols a row, got {fewest}")
        # an accelerator may be set to round the factors of float32 products, but not of these
        summed = self._summed.double() if self._summed.is_cuda else self._summed
        # nor may autocast round them, on a CPU
        with torch.autocast(summed.device.type, enabled=False):
            products = ((used.to(summed.dtype) @ summed) % order).to(torch.int32)
        places = torch.nonzero(used, as_tuple=True)[1].reshape(len(tokens), self.dimension)
        values = tokens.gather(1, places)
        # each term of Lagrange's formula but for the factor of the wanted point
        terms = self._log[values] - products.gather(1, places)
        found = torch.empty_like(rows)
        for part in torch.arange(len(rows), device=rows.device).split(
            max(1, _CHUNK // self.dimension)
        ):
            row, position = rows[part], positions[part]
            distances = self._differences[position[:, None], places[row]]
            logarithms = terms[row] - distances + 2 * order
            summands = self._antilog[logarithms].masked_fill_(values[row] == 0, 0)
            total = _xor(summands)
            scaled = self._antilog[self._log[total] + products[row, position]]
            scaled = torch.where(total == 0, 0, scaled).long()
            found[part] = torch.where(used[row, position], tokens[row, position], scaled)
        return found

    def conditionals(self, tokens: torch.Tensor, reveal: torch.Tensor) -> torch.Tensor:
        known = tokens != self.mask_id
        rows, positions = torch.nonzero(reveal, as_tuple=True)
        determined = known.sum(1) >= self.dimension
        certain = determined[rows]
        uniform = torch.full(
            (1, self.alphabet_size),
            -log(self.alphabet_size),
            dtype=torch.float64,
            device=rows.device,
        )
        if not certain.any():
            return uniform.expand(len(rows), -1)
        place = determined.cumsum(0) - 1
        found = self.interpolate(
            tokens[determined], known[determined], place[rows[certain]], positions[certain]
        )
        laws = uniform.repeat(len(rows), 1)
        laws[certain] = -torch.inf
        laws[torch.nonzero(certain).squeeze(1), found] = 0.0
        return laws

    def _redundant(self, tokens: torch.Tensor) -> torch.Tensor:
        """The symbols that the first ``dimension`` of each row determine: (n, L - dimension)."""
        n, extra = len(tokens), self.length - self.dimension
        known = torch.zeros_like(tokens, dtype=torch.bool)
        known[:, : self.dimension] = True
        rows = torch.arange(n, device=tokens.device).repeat_interleave(extra)
        positions = torch.arange(self.dimension, self.length, device=tokens.device).repeat(n)
        return self.interpolate(tokens, known, rows, positions).reshape(n, extra)

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        tokens = (uniforms(n, self.length, generator) * self.alphabet_size).long()
        tokens[:, self.dimension :] = self._redundant(tokens)
        return tokens

    def log_mass(self, tokens: torch.Tensor) -> torch.Tensor:
        valid = (tokens[:, self.dimension :] == self._redundant(tokens)).all(1)
        return valid.double().log() - self.dimension * log(self.alphabet_size)

    def profile(self) -> InformationProfile:
        return InformationProfile.mds_code(self.length, self.dimension, self.alphabet_size)


def _xor(summands: torch.Tensor) -> torch.Tensor:
    """Exclusive or along the last axis, by halves."""
    while summands.shape[-1] > 1:
        half = summands.shape[-1] // 2
        rest = summands[..., 2 * half :]
        summands = torch.cat([summands[..., :half] ^ summands[..., half : 2 * half], rest], -1)
    return summands[..., 0]
