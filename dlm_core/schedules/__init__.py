"""Laws of unmasking sizes: each schedule is a law on compositions of L into K parts."""

from dlm_core.schedules.adaptive import DTCAdaptive, TCAdaptive
from dlm_core.schedules.base import Schedule, measure_weights, residuals
from dlm_core.schedules.fixed import Cosine, Equal, FixedSizes, Geometric
from dlm_core.schedules.minimax import Minimax
from dlm_core.schedules.optimal import BestDeterministic, OptimalForProfile
from dlm_core.schedules.robust import Robust
from dlm_core.schedules.spread import Spread
from dlm_core.schedules.systematic import ShiftedEqual, Systematic, to_systematic

__all__ = [
    "BestDeterministic",
    "Cosine",
    "DTCAdaptive",
    "Equal",
    "FixedSizes",
    "Geometric",
    "Minimax",
    "OptimalForProfile",
    "Robust",
    "Schedule",
    "ShiftedEqual",
    "Spread",
    "Systematic",
    "TCAdaptive",
    "measure_weights",
    "residuals",
    "to_systematic",
]
