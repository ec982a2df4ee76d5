"""Unmasking schedules for diffusion language models, and the exact error they make.

A schedule is a law on compositions of ``L`` into ``K`` parts; a distribution is a nonincreasing
entropy curve; the error of one on the other is an inner product.

Every public name can be imported from here; its module is loaded when it is first asked for, so
that schedules do not wait for torch.
"""

from importlib import import_module

__version__ = "0.2.0"

_MODULES = {
    "adapters": ["num_transfer_tokens"],
    "error": [
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
    ],
    "estimation": ["PredictorWarning", "estimate_profile"],
    "information": [
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
    ],
    "learning": ["MaskedTransformer", "Training", "masked_loss", "train"],
    "orders": ["PlannedOrder", "best_chain_order", "chain_order_kl", "tree_depth_order"],
    "planning": ["Alternative", "Plan", "plan"],
    "sampler": ["Generation", "generate", "log_likelihood"],
    "schedules": [
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
    ],
    "targets": [
        "HiddenMarkov",
        "MarkovChain",
        "Product",
        "ReedSolomon",
        "Repetition",
        "Tabular",
        "Target",
        "TreePotts",
    ],
}
# Modules whose names are not imported from here.
_BY_MODULE = ["exact", "predictor", "testing"]
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *_HOME]


def __getattr__(name):
    if name in _HOME:
        value = getattr(import_module(f"dlm_core.{_HOME[name]}"), name)
    elif name in _MODULES or name in _BY_MODULE:
        value = import_module(f"dlm_core.{name}")
    else:
        raise AttributeError(f"module 'dlm_core' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOME, *_MODULES, *_BY_MODULE})
