"""Counts of what a computation does, which no clock disturbs."""

import sys
from functools import wraps
from types import FunctionType, ModuleType
from unittest.mock import patch

import numpy as np

from dlm_core._check import instance

__all__ = ["operations"]


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
