"""Bridges to the samplers and models that people use; each needs the package that it bridges to."""

from dlm_core.adapters.loops import num_transfer_tokens

__all__ = ["num_transfer_tokens"]
