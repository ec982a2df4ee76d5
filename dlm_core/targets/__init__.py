"""Distributions whose conditional marginals are exact: the ideal mask predictors."""

from dlm_core.targets.base import Target
from dlm_core.targets.chains import HiddenMarkov, MarkovChain
from dlm_core.targets.codes import ReedSolomon
from dlm_core.targets.tables import Product, Repetition, Tabular
from dlm_core.targets.trees import TreePotts

__all__ = [
    "HiddenMarkov",
    "MarkovChain",
    "Product",
    "ReedSolomon",
    "Repetition",
    "Tabular",
    "Target",
    "TreePotts",
]
