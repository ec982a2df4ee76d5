"""What the extra ``sampler`` brings; the modules that need it import it from here.

Without the extra they all fail with the one message that says how to get it.
"""

try:
    import torch
    from tqdm import tqdm
except ModuleNotFoundError as error:
    if error.name not in ("torch", "tqdm"):
        raise
    message = f"{error.name} is not installed: pip install dlm-core[sampler] brings it"
    raise ModuleNotFoundError(message, name=error.name) from None

__all__ = ["torch", "tqdm"]
