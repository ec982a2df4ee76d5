"""Counts of what a computation does, which no clock disturbs."""

import sys
from functools import wraps
from types import FunctionType, ModuleType
from unittest.mock import patch

import numpy as np

from dlm_core._check import instance

__all__ = ["Float64Entries", "operations"]


class Float64Entries:
    """Counts the entries of the float64 tensors that operations of torch produce.

    A context manager; what is computed inside is counted, but for what predictors do that were
    wrapped by ``outside``.

    Attributes
    ----------
    entries : int
        How many.
    """

    def __init__(self):
        # torch takes seconds to import, and most who count need none
        from torch import Tensor, float64
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.utils._pytree import tree_leaves

        counter = self

        class Counting(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                result = function(*args, **(kwargs or {}))
                made = (x for x in tree_leaves(result) if isinstance(x, Tensor))
                if counter._counts:
                    counter.entries += sum(x.numel() for x in made if x.dtype == float64)
                return result

        self.entries, self._counts, self._mode = 0, True, Counting()

    def __enter__(self):
        self._mode.__enter__()
        return self

    def __exit__(self, *error):
        self._mode.__exit__(*error)

    def outside(self, predictor):
        """The same predictor, whose own operations are not counted."""

        @wraps(predictor)
        def silent(*arguments):
            self._counts = False
            try:
                return predictor(*arguments)
            finally:
                self._counts = True

        return silent


def operations(module, run):
    """How many operations the code of one module takes: lines of Python, and entries of arrays.

    Every line of the module that is executed counts one, and every call that it makes of a function
    of numpy counts the entries of all arrays that go in and come out. Arithmetic of whole arrays by
    operators, and what a generator of random numbers does, is one line each.

    Parameters
    ----------
    module : module
        With numpy under the name ``np``.
    run : function
        Without arguments; what it returns is dropped.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If an argument is of another type.
    """
    instance("module", module, ModuleType)
    instance("run", run, FunctionType)
    counted = [0]

    def trace(frame, event, _):
        if frame.f_code.co_filename != module.__file__:
            return None
        counted[0] += event == "line"
        return trace

    before = sys.gettrace()
    with patch.object(module, "np", _Numpy(counted)):
        sys.settrace(trace)
        try:
            run()
        finally:
            sys.settrace(before)
    return counted[0]


class _Numpy:
    """Numpy, but that its functions count the entries of what they are given and give."""

    def __init__(self, counted):
        self._counted = counted

    def __getattr__(self, name):
        function = getattr(np, name)
        if isinstance(function, type) or not callable(function):
            return function

        @wraps(function)
        def counting(*arguments, **options):
            result = function(*arguments, **options)
            arrays = (*arguments, *options.values(), result)
            self._counted[0] += sum(a.size for a in arrays if isinstance(a, np.ndarray))
            return result

        return counting
