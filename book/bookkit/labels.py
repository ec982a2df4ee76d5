"""Schedules by the labels that they have in figures, tables and the points of experiments."""

from functools import partial

from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    Geometric,
    Minimax,
    ShiftedEqual,
    TCAdaptive,
)

__all__ = ["schedule"]

_KINDS = {
    "TC-adaptive": TCAdaptive,
    "DTC-adaptive": DTCAdaptive,
    "equal": Equal,
    "cosine": Cosine,
    "geometric": Geometric,
    "best deterministic": partial(BestDeterministic, measure="tc"),
    "minimax TC": partial(Minimax, measure="tc"),
    "minimax DTC": partial(Minimax, measure="dtc"),
    "minimax both": partial(Minimax, measure="min"),
    "minimax product": partial(Minimax, measure="product"),
    "minimax sum": partial(Minimax, measure="sum"),
    "shifted equal": ShiftedEqual,
}


def schedule(label, length, steps):
    """The schedule with this label, such as ``"minimax TC"``.

    Raises
    ------
    ValueError
        If no schedule has this label, or it has none of this length and number of steps.
    """
    if label not in _KINDS:
        raise ValueError(f"label must be one of {', '.join(_KINDS)}; got {label!r}")
    return _KINDS[label](length, steps)
