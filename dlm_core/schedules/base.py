"""What every unmasking schedule answers."""

from abc import ABC, abstractmethod
from dataclasses import fields, replace

import numpy as np

from dlm_core._check import instance, integer, numpy_generator, real_array

__all__ = ["Schedule", "residuals", "measure_weights"]

_MEASURES = {
    "tc": lambda j, length: length - j,
    "dtc": lambda j, length: j,
    "min": lambda j, length: np.minimum(j, length - j),
    "product": lambda j, length: j * (length - j) / length,
}


def measure_weights(measure, length):
    r"""The weights :math:`r_j` of a guarantee :math:`E\,KL \le c \sum_j r_j \Delta_j`.

    Parameters
    ----------
    measure : {"tc", "dtc", "min", "product"} or array_like, shape (length - 1,)
        Which aggregate of the distribution the guarantee speaks of: total correlation
        (:math:`r_j = L - j`), dual total correlation (:math:`j`), their minimum
        (:math:`\min(j, L-j)`), :math:`TC \cdot DTC / (TC + DTC)` (:math:`j(L-j)/L`), or any
        positive weights.
    length : int
        The sequence length ``L``.

    Returns
    -------
    ndarray, shape (length - 1,)
        Entry ``j - 1`` is :math:`r_j`.

    Raises
    ------
    TypeError, ValueError
        If the measure is unknown, or an array of the wrong shape or with an entry that is not
        positive.
    """
    length = integer("length", length, 1)
    if isinstance(measure, str):
        if measure not in _MEASURES:
            raise ValueError(
                f"measure must be one of {sorted(_MEASURES)} or an array, got {measure!r}"
            )
        return np.asarray(_MEASURES[measure](np.arange(1, length), length), dtype=np.float64)
    weights = real_array("measure", measure, ndim=1)
    if weights.shape != (length - 1,):
        raise ValueError(f"measure must have shape ({length - 1},), got {weights.shape}")
    if weights.min(initial=1.0) <= 0:
        raise ValueError(
            f"measure must be positive, got {weights.min()} at j={weights.argmin() + 1}"
        )
    return weights


def residuals(sizes):
    """Residuals of drawn sizes: how far the current block still reaches beyond each position.

    Parameters
    ----------
    sizes : array_like of int, shape (n, K)
        Positive sizes, all rows with the same sum ``L``.

    Returns
    -------
    ndarray of int64, shape (n, L - 1)
        Entry ``j - 1`` is :math:`W_j`: 0 where a block starts at ``j``, else the next block
        boundary minus ``j``. Cost O(nL).

    Raises
    ------
    ValueError
        If the sizes are not positive integers, or rows have different sums.
    """
    sizes = np.asarray(sizes)
    if sizes.ndim != 2 or sizes.dtype.kind not in "iu" or sizes.min(initial=1) < 1:
        raise ValueError(f"sizes must be a table of positive integers, got {sizes!r}")
    if len(set(sizes.sum(axis=1).tolist())) > 1:
        raise ValueError(f"sizes must have rows of one sum, got {sizes!r}")
    ends = np.repeat(np.cumsum(sizes, axis=1).ravel(), sizes.ravel()).reshape(len(sizes), -1)
    return ends[:, :-1] - np.arange(1, ends.shape[1])


class Schedule(ABC):
    r"""A law on compositions of ``length`` into ``steps`` positive sizes.

    Iteration ``k`` reveals the next :math:`s_k` positions of a uniformly random order; the law of
    the sizes never looks at content. A distribution meets a schedule only in the inner product
    :math:`\sum_j \Delta_j\, E[W_j]` (see ``dlm_core.error.expected_kl``).

    Schedules are immutable; tables are computed once, when first needed.

    Attributes
    ----------
    length, steps : int
        The sequence length ``L`` and the number of iterations ``K``, ``1 <= K <= L``.
    """

    length: int
    steps: int

    _kinds = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            Schedule._kinds[cls.__name__] = cls

    def _check_shape(self):
        """Validate ``length`` and ``steps`` of a schedule that is given by the two alone."""
        object.__setattr__(self, "length", integer("length", self.length, 1))
        object.__setattr__(self, "steps", integer("steps", self.steps, 1, self.length))

    @abstractmethod
    def sample(self, n, rng):
        """Draw ``n`` independent schedules.

        Parameters
        ----------
        n : int
            How many, at least 0.
        rng : numpy.random.Generator
            The only source of randomness.

        Returns
        -------
        ndarray of int64, shape (n, steps)
            Positive sizes; each row sums to ``length``.

        Raises
        ------
        TypeError, ValueError
            If ``n`` is no nonnegative integer or ``rng`` no Generator.
        """

    def resized(self, length):
        """The schedule of the same kind for another length, with at most that many steps.

        Parameters
        ----------
        length : int
            At least 1.

        Returns
        -------
        Schedule

        Raises
        ------
        TypeError, ValueError
            If ``length`` is no positive integer, or the kind is not given by its length, its
            steps and the name of a measure.
        """
        length = integer("length", length, 1)
        if length == self.length:
            return self
        names = {f.name for f in fields(self)}
        if not {"length", "steps"} <= names or not isinstance(getattr(self, "measure", ""), str):
            raise ValueError(
                f"{type(self).__name__} is for length {self.length} alone, got length {length}"
            )
        return replace(self, length=length, steps=min(self.steps, length))

    def sample_rows(self, lengths, rng):
        """Draw one schedule for each row of a batch whose rows differ in length.

        For a batch with masks ``mask_index`` the table ``sample_rows(mask_index.sum(1), rng)`` says
        how many tokens each row reveals in each iteration: what samplers in wide use call the
        number of tokens to transfer.

        What row ``i`` gets depends on ``i``, on ``lengths[i]`` and on ``len(lengths)``, but not on
        the other lengths. Every distinct length is drawn by its own ``resized`` schedule.

        Parameters
        ----------
        lengths : array_like of int, shape (n,)
            How many tokens are to be revealed in each row: 0 to ``length``.
        rng : numpy.random.Generator
            The only source of randomness.

        Returns
        -------
        ndarray of int64, shape (n, steps)
            Row ``i`` sums to ``lengths[i]``: up to ``steps`` positive sizes, then zeros.

        Raises
        ------
        TypeError, ValueError
            If a length is out of range, or differs from ``length`` where the kind of schedule
            allows no other.
        """
        lengths, rng = self._checked_lengths(lengths), numpy_generator("rng", rng)
        seed = int(rng.integers(2**63))
        sizes = np.zeros((lengths.size, self.steps), dtype=np.int64)
        for length in np.unique(lengths[lengths > 0]).tolist():
            resized = self.resized(length)
            drawn = resized.sample(lengths.size, np.random.default_rng([seed, length]))
            rows = lengths == length
            sizes[rows, : resized.steps] = drawn[rows]
        return sizes

    def _checked_lengths(self, lengths):
        lengths = np.asarray(lengths)
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
            raise TypeError(f"lengths must be a vector of integers, got {lengths!r}")
        wrong = np.flatnonzero((lengths < 0) | (lengths > self.length))
        if wrong.size:
            raise ValueError(
                f"lengths must lie in [0, {self.length}], got {lengths[wrong[0]]} in row {wrong[0]}"
            )
        return lengths.astype(np.int64)

    @abstractmethod
    def law(self):
        """Every composition that can be drawn, with its probability, for small cases.

        Returns
        -------
        dict
            From sizes, a tuple of ``steps`` ints, to a positive probability; sums to one up to
            rounding.

        Raises
        ------
        ValueError
            If there are more than 2**16 compositions.
        """

    @property
    @abstractmethod
    def start_probabilities(self):
        """ndarray, shape (length,): entry ``t`` is :math:`u_t`, the chance a block starts at t."""

    @property
    @abstractmethod
    def residual(self):
        """ndarray, shape (length - 1,): entry ``j - 1`` is :math:`E[W_j]`, exact."""

    @property
    @abstractmethod
    def mean_sizes(self):
        """ndarray, shape (steps,): the expected size of each iteration."""

    def coefficient(self, measure):
        r"""The least ``c`` with :math:`E\,KL \le c \sum_j r_j \Delta_j` for every distribution.

        Parameters
        ----------
        measure : {"tc", "dtc", "min", "product"} or array_like, shape (length - 1,)
            The weights :math:`r_j`; see ``measure_weights``.

        Returns
        -------
        float
            :math:`\max_j E[W_j] / r_j`; 0 for a single position.

        Raises
        ------
        TypeError, ValueError
            If the measure is unknown or of the wrong shape.
        """
        return float((self.residual / measure_weights(measure, self.length)).max(initial=0.0))

    def to_dict(self):
        """A plain dictionary that ``Schedule.from_dict`` turns back into this schedule."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}
        return {"schedule": type(self).__name__, **plain}

    @staticmethod
    def from_dict(d):
        """The schedule that ``to_dict`` described.

        Raises
        ------
        ValueError
            If the kind of schedule is unknown.
        TypeError
            If ``d`` is no dictionary, or arguments of the constructor are missing or superfluous.
        """
        arguments = dict(instance("d", d, dict))
        kind = arguments.pop("schedule", None)
        if not isinstance(kind, str) or kind not in Schedule._kinds:
            raise ValueError(f"schedule must be one of {sorted(Schedule._kinds)}, got {kind!r}")
        return Schedule._kinds[kind](**arguments)
