"""The expected error of a schedule on a distribution: exact, guaranteed, and measured."""

from dlm_core.error.bounds import (
    both_upper_bound,
    dtc_lower_bound,
    dtc_upper_bound,
    tc_lower_bound,
    tc_upper_bound,
)
from dlm_core.error.guarantee import (
    Bound,
    Certificate,
    Comparison,
    ErrorCurve,
    Steps,
    certificate,
    compare,
    error_curve,
    steps_for,
)
from dlm_core.error.law import expected_kl, expected_kl_by_enumeration, price_weights
from dlm_core.error.measured import mixture_kl, monte_carlo_kl
from dlm_core.error.worst import worst_kl, worst_profile

__all__ = [
    "Bound",
    "Certificate",
    "Comparison",
    "ErrorCurve",
    "Steps",
    "both_upper_bound",
    "certificate",
    "compare",
    "dtc_lower_bound",
    "dtc_upper_bound",
    "error_curve",
    "expected_kl",
    "expected_kl_by_enumeration",
    "mixture_kl",
    "monte_carlo_kl",
    "price_weights",
    "steps_for",
    "tc_lower_bound",
    "tc_upper_bound",
    "worst_kl",
    "worst_profile",
]
