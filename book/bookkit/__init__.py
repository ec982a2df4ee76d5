"""The workshop of the book: checks of claims, experiments and their records, figures, pages."""

from bookkit.ledger import check
from bookkit.records import Recorded, load
from bookkit.sweeps import sweep

__all__ = ["Recorded", "check", "load", "sweep"]
