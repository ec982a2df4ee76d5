"""Laws of unmasking sizes: each schedule is a law on compositions of L into K parts."""

from dlm_core.schedules.adaptive import DTCAdaptive, TCAdaptive
from dlm_core.schedules.base import Schedule, residuals, target_weights
from dlm_core.schedules.fixed import (
    BestDeterministic,
    Cosine,
    Equal,
    FixedSizes,
    Geometric,
    OptimalForProfile,
)
from dlm_core.schedules.minimax import Minimax, Systematic, to_systematic

__all__ = [
    "BestDeterministic",
    "Cosine",
    "DTCAdaptive",
    "Equal",
    "FixedSizes",
    "Geometric",
    "Minimax",
    "OptimalForProfile",
    "Schedule",
    "Systematic",
    "TCAdaptive",
    "residuals",
    "target_weights",
    "to_systematic",
]
