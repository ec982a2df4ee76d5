"""Names for types that signatures repeat."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
# What a guarantee speaks of: a name, or positive weights of shape (L - 1,).
Measure: TypeAlias = str | npt.ArrayLike
# What numpy.random.default_rng takes, except None.
Rng: TypeAlias = np.random.Generator | np.random.BitGenerator | np.random.SeedSequence | int
