"""What a schedule sees of a distribution: entropies, TC and DTC, the information profile."""

from dlm_core.information.band import ProfileBand
from dlm_core.information.estimate import Estimate
from dlm_core.information.estimated import EstimatedProfile, ProfilesByLength
from dlm_core.information.measures import dual_total_correlation, entropy, total_correlation
from dlm_core.information.profile import InformationProfile
from dlm_core.information.samples import (
    estimate_dual_total_correlation,
    estimate_total_correlation,
)

__all__ = [
    "Estimate",
    "EstimatedProfile",
    "InformationProfile",
    "ProfileBand",
    "ProfilesByLength",
    "dual_total_correlation",
    "entropy",
    "estimate_dual_total_correlation",
    "estimate_total_correlation",
    "total_correlation",
]
