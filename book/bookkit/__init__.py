"""The workshop of the book: checks of claims, experiments and their records, figures, pages.

Each public name is loaded when it is first asked for: an experiment reads only what it uses.
"""

from importlib import import_module

_HOME = {
    "Recorded": "records",
    "check": "ledger",
    "load": "records",
    "schedule": "labels",
    "select": "records",
    "sweep": "sweeps",
}

__all__ = [*_HOME]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'bookkit' has no attribute {name!r}")
    value = getattr(import_module(f"bookkit.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOME})
