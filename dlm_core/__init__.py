"""Unmasking schedules for diffusion language models, and the exact error they make.

A schedule is a law on compositions of ``L`` into ``K`` parts; a distribution is a nonincreasing
entropy curve; the error of one on the other is an inner product.
"""

from dlm_core.profile import InformationProfile

__all__ = ["InformationProfile"]
__version__ = "0.1.0"
