"""What every unmasking schedule answers."""

import inspect
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from functools import cache, cached_property
from threading import Lock
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from dlm_core._check import (
    MOST_POSITIONS,
    count,
    frozen,
    instance,
    integer,
    integer_array,
    numpy_generator,
    real_array,
    shape,
    shown,
    table_fits,
)
from dlm_core._types import FloatArray, IntArray, Measure, Rng
from dlm_core.information.profile import InformationProfile, exact_profile
from dlm_core.schedules.spread import Spread

__all__ = ["Schedule", "residuals", "measure_weights"]

_MEASURES: dict[str, Callable[[IntArray, int], npt.NDArray[Any]]] = {
    "tc": lambda j, length: length - j,
    "dtc": lambda j, length: j,
    "sum": lambda j, length: np.full(j.shape, length),
    "min": lambda j, length: np.minimum(j, length - j),
    "product": lambda j, length: j * (length - j) / length,
}
# Measures as figures and tables call the schedules that are made for them.
MEASURE_LABELS = {"tc": "TC", "dtc": "DTC", "sum": "sum", "min": "both", "product": "product"}
# A residual is below 2^31, so that no quotient by a weight in this range overflows.
_LEAST_WEIGHT, _LARGEST_WEIGHT = 1e-295, 1e295


def measure_weights(measure: Measure, length: int) -> FloatArray:
    r"""The weights :math:`r_j` of a guarantee :math:`E\,KL \le c \sum_j r_j \Delta_j`.

    Parameters
    ----------
    measure : {"tc", "dtc", "sum", "min", "product"} or array_like, shape (length - 1,)
        Which aggregate of the distribution the guarantee speaks of: total correlation
        (:math:`r_j = L - j`), dual total correlation (:math:`j`), their sum (:math:`L`), their
        minimum (:math:`\min(j, L-j)`), :math:`TC \cdot DTC / (TC + DTC)` (:math:`j(L-j)/L`), or
        any positive weights from 1e-295 to 1e295.
    length : int
        The sequence length ``L``.

    Returns
    -------
    ndarray, shape (length - 1,)
        Entry ``j - 1`` is :math:`r_j`.

    Raises
    ------
    TypeError, ValueError
        If the measure is unknown, or an array of the wrong shape or with an entry out of range.
    """
    length = integer("length", length, 1, MOST_POSITIONS)
    if isinstance(measure, str):
        name = _measure_name(measure)
        table_fits(f"the measure of length {length}", 8 * length)
        return np.asarray(_MEASURES[name](np.arange(1, length), length), dtype=np.float64)
    weights = real_array("measure", measure, ndim=1)
    if weights.shape != (length - 1,):
        raise ValueError(f"measure must have shape ({length - 1},), got {weights.shape}")
    wrong = np.flatnonzero((weights < _LEAST_WEIGHT) | (weights > _LARGEST_WEIGHT))
    if wrong.size:
        rule = f"lie in [{_LEAST_WEIGHT}, {_LARGEST_WEIGHT}]"
        if weights[wrong[0]] <= 0:
            rule = "be positive"
        raise ValueError(f"measure must {rule}, got {weights[wrong[0]]} at j={wrong[0] + 1}")
    return weights


def _measure_name(measure: str) -> str:
    """The name of a measure, as a plain string."""
    if measure not in _MEASURES:
        raise ValueError(f"measure must be one of {sorted(_MEASURES)} or an array, got {measure!r}")
    return str(measure)


def residuals(sizes: npt.ArrayLike) -> IntArray:
    """Residuals of drawn sizes: how far the current block still reaches beyond each position.

    Parameters
    ----------
    sizes : array_like of int, shape (n, K)
        Positive sizes, at least one row and column, all rows with the same sum ``L``.

    Returns
    -------
    ndarray of int64, shape (n, L - 1)
        Entry ``j - 1`` is :math:`W_j`: 0 where a block starts at ``j``, else the next block
        boundary minus ``j``. Cost O(nL).

    Raises
    ------
    TypeError
        If the sizes are no integers.
    ValueError
        If they are not positive, no table with rows of one length, or rows have different sums.
    """
    table = integer_array("sizes", sizes, ndim=2, at_least=1, at_most=MOST_POSITIONS)
    if table.size == 0:
        raise ValueError(f"sizes must have at least one row and one column, got {table.shape}")
    sums = table.sum(axis=1)
    other = np.flatnonzero(sums != sums[0])
    if other.size:
        raise ValueError(
            f"sizes must have rows of one sum, got {sums[0]} in row 0 and {sums[other[0]]} "
            f"in row {other[0]}"
        )
    n, length = len(table), int(sums[0])
    table_fits(f"residuals of {n} draws of length {length}", 8 * n * length)
    ends = np.repeat(np.cumsum(table, axis=1).ravel(), table.ravel()).reshape(len(table), -1)
    return ends[:, :-1] - np.arange(1, ends.shape[1])


class BySteps:
    """Nats for every number of steps: what the schedules of one kind make or promise.

    Parameters
    ----------
    values : ndarray, shape (L,)
        Entry ``K - 1`` is what ``K`` steps come to; the last is 0. A subclass that does not have
        them all at hand gives the three members itself.
    """

    def __init__(self, values: FloatArray) -> None:
        self._values = frozen(values)

    @property
    def values(self) -> FloatArray:
        """ndarray, shape (L,): entry ``K - 1`` is what ``K`` steps come to."""
        return self._values

    def at(self, steps: int) -> float:
        """What so many steps come to."""
        return float(self.values[steps - 1])

    def least(self, target: float) -> int:
        """The least number of steps that comes to ``target`` or less, which is nonnegative."""
        return 1 + int(np.argmax(self.values <= target))


class Schedule(ABC):
    r"""A law on compositions of ``length`` into ``steps`` positive sizes.

    Iteration ``k`` reveals the next :math:`s_k` positions of a uniformly random order; the law of
    the sizes never looks at content. A distribution meets a schedule only in the inner product
    :math:`\sum_j \Delta_j\, E[W_j]` (see ``dlm_core.error.expected_kl``).

    Schedules are immutable; tables are computed once, when first needed. A schedule *is* its
    kind and the arguments of its constructor: by these it is printed, compared, copied, pickled
    and written to a dictionary, and no table travels with it.

    A kind of one's own derives from this class, keeps each argument of its constructor as an
    attribute of the same name, and gives the abstract members. As no attribute of a schedule can be
    assigned, it is a frozen dataclass with ``eq=False`` and ``repr=False``, or its constructor uses
    ``object.__setattr__``. It is then known by its name; of two classes with one name the
    second is refused, unless it stands at the same place of the same module, as when a cell of a
    notebook runs again. ``dlm_core.testing.check_schedule`` holds it to what is said here.

    Attributes
    ----------
    length, steps : int
        The sequence length ``L`` and the number of iterations ``K``, ``1 <= K <= L``.
    label : str
        The name in figures and tables; of a class, that of its schedules for any measure. The
        name of the class unless it gives another.
    improves : {"always", "own measure", "own profile", "no"}
        Whether a further step never hurts: no :math:`E[W_j]` grows; the coefficient for the
        measure that it is made for does not; the error on the profile that it is made for does
        not; or nothing of the kind is known.
    """

    length: int
    steps: int
    label: ClassVar[str]
    improves: ClassVar[Literal["always", "own measure", "own profile", "no"]] = "no"

    _kinds: ClassVar[dict[str, type["Schedule"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "label" not in cls.__dict__:
            cls.label = cls.__name__
        if inspect.isabstract(cls):
            return
        known = Schedule._kinds.get(cls.__name__)
        if known is not None and _place(known) != _place(cls):
            raise TypeError(
                f"a kind of schedule is known by its name, and {cls.__name__} is already "
                f"{_place(known)}: give {_place(cls)} another name"
            )
        Schedule._kinds[cls.__name__] = cls

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be assigned")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be deleted")

    @staticmethod
    def named(name: str) -> type["Schedule"]:
        """The kind of schedule with this name.

        Parameters
        ----------
        name : str
            The name of a class, or its label in figures; capitals, hyphens, spaces and
            underscores do not matter: ``"TCAdaptive"``, ``"TC-adaptive"``, ``"tcadaptive"``.

        Returns
        -------
        type

        Raises
        ------
        ValueError
            If there is none; lists the names.
        """
        if isinstance(name, str):
            if name in Schedule._kinds:
                return Schedule._kinds[name]
            for kind in Schedule._kinds.values():
                # the label of a class may be a property of its schedules
                names = [x for x in (kind.__name__, kind.label) if isinstance(x, str)]
                if _plain_name(name) in map(_plain_name, names):
                    return kind
        names = sorted(name for name in Schedule._kinds if not name.startswith("_"))
        raise ValueError(
            f"schedule must be the name of a kind, one of {', '.join(names)}, got {shown(name)}"
        )

    @classmethod
    def for_shape(
        cls, length: int, steps: int, *, measure: Measure | None = None, profile: Any = None
    ) -> Self:
        """The schedule of this kind for a length and a number of steps.

        Parameters
        ----------
        length, steps : int
            ``L >= 1`` and ``1 <= K <= L``.
        measure : str or array_like, optional
            What a kind that is made for a measure is made for; others do not look at it.
        profile : InformationProfile, optional
            What a kind that is made for a profile is made for; others do not look at it.

        Returns
        -------
        Schedule

        Raises
        ------
        TypeError
            If an argument is of another type.
        ValueError
            If one is out of range, a measure or profile is needed and missing, or this kind is
            given by something else.
        """
        if inspect.isabstract(cls):
            raise TypeError(
                f"{cls.__name__} is abstract: ask a kind of schedule, such as Equal.for_shape"
            )
        try:
            inspect.signature(cls).bind(length=length, steps=steps)
        except TypeError:
            raise ValueError(
                f"{cls.__name__} is given by its {' and '.join(_parameters(cls))}: it cannot be "
                "made from a length and a number of steps alone"
            ) from None
        return cls(length=length, steps=steps)  # type: ignore[call-arg]

    def _check_shape(self) -> None:
        """Validate ``length`` and ``steps`` of a schedule that is given by the two alone."""
        length, steps = shape(self.length, self.steps)
        object.__setattr__(self, "length", length)
        object.__setattr__(self, "steps", steps)

    @abstractmethod
    def sample(self, n: int, rng: Rng) -> IntArray:
        """Draw ``n`` independent schedules.

        Parameters
        ----------
        n : int
            How many, at least 0.
        rng : numpy.random.Generator or int
            The only source of randomness, or a seed for one.

        Returns
        -------
        ndarray of int64, shape (n, steps)
            Positive sizes, C-contiguous; each row sums to ``length``.

        Raises
        ------
        TypeError, ValueError
            If ``n`` is no nonnegative integer or ``rng`` neither a Generator nor a seed.
        """

    def resized(self, length: int) -> "Schedule":
        """The schedule of the same kind for another length, with ``min(steps, length)`` steps.

        What it is for: a sequence of which all but ``length`` tokens are known is filled in by
        it. Each kind says in its docstring what it keeps; unless it does, it keeps all arguments
        of its constructor beside the length and the steps.

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
            If ``length`` is no positive integer, or the kind has no rule for it.
        """
        length = integer("length", length, 1, MOST_POSITIONS)
        return self if length == self.length else self._resized(length)

    def _resized(self, length: int) -> "Schedule":
        given = self._arguments()
        if not {"length", "steps"} <= set(given):
            raise ValueError(
                f"{type(self).__name__} is for length {self.length} alone, got length {length}"
            )
        return type(self)(**{**given, "length": length, "steps": min(self.steps, length)})

    def sample_rows(self, lengths: npt.ArrayLike, rng: Rng) -> IntArray:
        """Draw one schedule for each row of a batch whose rows differ in length.

        For a batch with masks ``mask_index`` the table ``sample_rows(mask_index.sum(1), rng)`` says
        how many tokens each row reveals in each iteration: what samplers in wide use call the
        number of tokens to transfer.

        What row ``i`` gets depends on ``i``, on ``lengths[i]`` and on ``len(lengths)``, but not on
        the other lengths. Every distinct length is drawn by its own ``resized`` schedule.

        Parameters
        ----------
        lengths : array_like of int, shape (n,)
            How many tokens are to be revealed in each row: 0 to ``length``. A torch tensor may be
            on any device.
        rng : numpy.random.Generator or int
            The only source of randomness, or a seed for one.

        Returns
        -------
        ndarray of int64, shape (n, steps)
            Row ``i`` sums to ``lengths[i]``: up to ``steps`` positive sizes, then zeros.

        Raises
        ------
        TypeError, ValueError
            If a length is out of range, or the kind of schedule has no rule for it.
        """
        rows, rng = self._checked_lengths(lengths), numpy_generator("rng", rng)
        count("the number of lengths", rows.size, 0, self.steps)
        return self._sizes_of_rows(rows, int(rng.integers(2**63)))

    def _sizes_of_rows(self, lengths: IntArray, seed: int) -> IntArray:
        """What ``sample_rows`` returns for lengths that are checked."""
        sizes = np.zeros((lengths.size, self.steps), dtype=np.int64)
        order = np.flatnonzero(lengths)
        order = order[np.argsort(lengths[order], kind="stable")]
        for rows in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
            if rows.size:  # of no length at all, there is one part, and it is empty
                length = int(lengths[rows[0]])
                made = self._remembered(length)
                sizes[rows, : made.steps] = made._draw_rows(rows, lengths.size, [seed, length])
        return sizes

    def _remembered(self, length: int) -> "Schedule":
        """``resized(length)``, for kinds that gain by it from a store of earlier ones."""
        return self.resized(length)

    def _draw_rows(self, rows: IntArray, n: int, seed: list[int]) -> IntArray:
        """The given rows of ``n`` draws."""
        return self.sample(n, np.random.default_rng(seed))[rows]

    def _checked_lengths(self, lengths: npt.ArrayLike) -> IntArray:
        return integer_array("lengths", lengths, ndim=1, at_least=0, at_most=self.length)

    @abstractmethod
    def law(self) -> dict[tuple[int, ...], float]:
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
    def start_probabilities(self) -> FloatArray:
        """ndarray, shape (length,): entry ``t`` is :math:`u_t`, the chance a block starts at t."""

    @property
    @abstractmethod
    def residual(self) -> FloatArray:
        """ndarray, shape (length - 1,): entry ``j - 1`` is :math:`E[W_j]`, exact."""

    @property
    @abstractmethod
    def mean_sizes(self) -> FloatArray:
        """ndarray, shape (steps,): the expected size of each iteration."""

    def coefficient(self, measure: Measure) -> float:
        r"""The least ``c`` with :math:`E\,KL \le c \sum_j r_j \Delta_j` for every distribution.

        Parameters
        ----------
        measure : {"tc", "dtc", "sum", "min", "product"} or array_like, shape (length - 1,)
            The weights :math:`r_j`; see ``measure_weights``.

        Returns
        -------
        float
            :math:`\max_j E[W_j] / r_j`; 0 for a single position.

        Raises
        ------
        TypeError, ValueError
            If the measure is unknown, of the wrong shape or out of range.
        """
        return float((self.residual / measure_weights(measure, self.length)).max(initial=0.0))

    def spread(self, profile: InformationProfile) -> Spread:
        r"""The loss of one run on a distribution: :math:`D = \sum_j \Delta_j W_j`, given the sizes.

        Its mean is ``expected_kl``. The exact law is known of fixed sizes, where it is one value,
        of kinds with one uniform phase, by a sweep over the phase in O(L log L), and of a kind
        whose law can be listed. Of the two adaptive kinds the mean and the variance are known, by
        a recursion of O(KL) in time.

        Parameters
        ----------
        profile : InformationProfile
            The distribution, of the same length; exact, not fitted to an estimate.

        Returns
        -------
        Spread

        Raises
        ------
        TypeError
            If ``profile`` is of another type.
        ValueError
            If the lengths differ, the profile was ``fitted`` to an estimate, or the kind has no
            short way to the spread and more than 2**16 compositions.

        Examples
        --------
        >>> from dlm_core.schedules import ShiftedEqual
        >>> loss = ShiftedEqual(5, 3).spread(InformationProfile([1.0, 0.5, 0.3, 0.2, 0.2]))
        >>> print(loss)
        0.4 nats a run, standard deviation 0.2
        >>> [values.round(12).tolist() for values in loss.law]
        [[0.2, 0.6], [0.5, 0.5]]
        """
        if exact_profile("profile", profile).fitted:
            raise ValueError(
                "profile must be exact, got one fitted to an estimate: "
                "InformationProfile(profile.conditional_entropy) takes the fit for the truth"
            )
        if profile.length != self.length:
            raise ValueError(
                f"profile must have the length of the schedule, {self.length}, got {profile.length}"
            )
        return self._spread(profile.increments)

    def _spread(self, increments: FloatArray) -> Spread:
        try:
            law = self.law()
        except ValueError as error:
            raise ValueError(
                f"profile meets a kind, {type(self).__name__}, that has no short way to the spread "
                f"of its loss, and whose law cannot be listed: {error}"
            ) from None
        losses = residuals(np.array(list(law))) @ increments
        return Spread.of_law(losses, np.array(list(law.values())))

    @classmethod
    def _errors_by_steps(cls, profile: Any) -> BySteps | None:
        """The errors on a profile, of schedules made for it; None without a short way to them.

        A short way is shorter than to make one schedule after the other. It is not inherited: a
        class that derives from a kind may have another law.
        """
        return None

    @classmethod
    def _bounds_by_steps(
        cls, length: int, measure: str, nats: float, made_for: Measure
    ) -> BySteps | None:
        """The coefficients for a measure times ``nats``; None without a short way to them.

        The schedules are those that ``for_shape`` makes for the measure ``made_for``.
        """
        return None

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary that ``Schedule.from_dict`` turns back into this schedule."""
        given = {name: _plain(value) for name, value in self._arguments().items()}
        return {"schedule": type(self).__name__, **given}

    @staticmethod
    def from_dict(d: dict[str, Any]) -> "Schedule":
        """The schedule that ``to_dict`` described.

        Raises
        ------
        ValueError
            If the kind of schedule is unknown.
        TypeError
            If ``d`` is no dictionary, or arguments of the constructor are missing or superfluous.
        """
        arguments = dict(instance("d", d, dict))
        try:
            kind = Schedule.named(arguments.pop("schedule", ""))
        except ValueError as error:
            raise ValueError(f"d must name its kind: {error}") from None
        try:
            inspect.signature(kind).bind(**arguments)
        except TypeError as error:
            raise TypeError(
                f"d must give {' and '.join(_parameters(kind))} of {kind.__name__}: {error}"
            ) from None
        return kind(**arguments)

    def _arguments(self) -> dict[str, Any]:
        """What the constructor was given, by name."""
        given = {}
        for name in _parameters(type(self)):
            try:
                given[name] = getattr(self, name)
            except AttributeError:
                raise TypeError(
                    f"{type(self).__name__} must keep its argument {name!r} as an attribute of "
                    "that name"
                ) from None
        return given

    def _key(self) -> tuple[Any, ...]:
        return tuple(_hashable(value) for value in self._arguments().values())

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or self._key() == other._key()

    @cached_property
    def _hash(self) -> int:
        return hash((type(self), self._key()))

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={short(x)}" for name, x in self._arguments().items())
        return f"{type(self).__name__}({given})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (type(self), self._arguments())


class _Store:
    """Schedules for other lengths, by the schedule that they were made from.

    The least recently used are dropped beyond 2^20 positions in all, about 100 MB.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[Schedule, int], Schedule] = OrderedDict()
        self._positions = 0
        self._lock = Lock()

    def resized(self, schedule: Schedule, length: int) -> Schedule:
        key = schedule, length
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = schedule.resized(length)
        with self._lock:
            if self._made.setdefault(key, made) is made:
                self._positions += length
            while self._positions > _MOST_STORED:
                self._positions -= self._made.popitem(last=False)[0][1]
        return made


_MOST_STORED = 2**20
_store = _Store()


class Remembering(Schedule):
    """A kind whose tables are small but slow to make: those of other lengths are kept.

    ``sample_rows`` needs a schedule for each distinct length at each call. Equal schedules share
    the store.
    """

    def _remembered(self, length: int) -> Schedule:
        return self if length == self.length else _store.resized(self, length)


class ForMeasure(Remembering):
    """A kind that is made for a measure: its third argument, a name or positive weights."""

    measure: Measure

    def _check_measure(self) -> None:
        """Validate length, steps and measure; weights are made where none are given by a name."""
        self._check_shape()
        if isinstance(self.measure, str):
            object.__setattr__(self, "measure", _measure_name(self.measure))
        else:
            weights = measure_weights(self.measure, self.length)
            object.__setattr__(self, "measure", frozen(weights))

    @property
    def measure_label(self) -> str:
        """str: the measure as figures and tables call it."""
        return MEASURE_LABELS[self.measure] if isinstance(self.measure, str) else "own weights"

    @classmethod
    def for_shape(
        cls, length: int, steps: int, *, measure: Measure | None = None, profile: Any = None
    ) -> Self:
        if measure is None:
            raise ValueError(f"{cls.__name__} is made for a measure, such as 'tc': give measure")
        return cls(length, steps, measure)  # type: ignore[call-arg]

    def _resized(self, length: int) -> Schedule:
        measure = self.measure
        if not isinstance(measure, str):
            if length > self.length:
                raise ValueError(
                    f"{type(self).__name__} has weights for the length {self.length}, and none "
                    f"for the length {length}"
                )
            measure = np.asarray(measure)[self.length - length :]
        return type(self)(length, min(self.steps, length), measure)  # type: ignore[call-arg]


def _make(kind: type[Schedule], arguments: dict[str, Any]) -> Schedule:
    return kind(**arguments)


@cache
def _parameters(kind: type[Schedule]) -> tuple[str, ...]:
    """The names of the constructor's arguments."""
    found = inspect.signature(kind).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in found):
        raise TypeError(f"{kind.__name__} must name each argument of its constructor")
    return tuple(p.name for p in found)


def _place(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _plain_name(name: str) -> str:
    return name.casefold().translate({ord(sign): None for sign in "-_ "})


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return [_plain(x) for x in value] if isinstance(value, list | tuple) else value


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        # adding zero makes one of the two zeros
        return value.shape, value.dtype.str, (value + 0).tobytes()
    return tuple(_hashable(x) for x in value) if isinstance(value, list | tuple) else value


def short(value: Any) -> str:
    """``repr(value)``, of a long array its beginning and its end."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size <= 8:
        return repr(value.tolist())
    return f"[{', '.join(f'{x:.6g}' for x in value[:3])}, ..., {value[-1]:.6g}]"
