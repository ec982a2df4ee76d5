"""The expected error of a schedule on a distribution: exact, guaranteed, and measured."""

from dlm_core.error.blocks import allocate_steps, block_kl, chain_block_profiles
from dlm_core.error.bounds import (
    both_upper_bound,
    dtc_lower_bound,
    dtc_upper_bound,
    small_alphabet_lower_bound,
    tc_lower_bound,
    tc_upper_bound,
)
from dlm_core.error.certified import CertifiedCost, certify
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
from dlm_core.error.price import (
    paired_passes_for,
    passes_for,
    shifted_equal_price,
    shifted_equal_tail,
    tc_adaptive_nll,
)
from dlm_core.error.worst import worst_kl, worst_profile

__all__ = [
    "Bound",
    "Certificate",
    "CertifiedCost",
    "Comparison",
    "ErrorCurve",
    "Steps",
    "allocate_steps",
    "block_kl",
    "both_upper_bound",
    "certificate",
    "certify",
    "chain_block_profiles",
    "compare",
    "dtc_lower_bound",
    "dtc_upper_bound",
    "error_curve",
    "expected_kl",
    "expected_kl_by_enumeration",
    "mixture_kl",
    "monte_carlo_kl",
    "paired_passes_for",
    "passes_for",
    "price_weights",
    "shifted_equal_price",
    "shifted_equal_tail",
    "small_alphabet_lower_bound",
    "steps_for",
    "tc_adaptive_nll",
    "tc_lower_bound",
    "tc_upper_bound",
    "worst_kl",
    "worst_profile",
]
