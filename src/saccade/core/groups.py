"""Groups of tokens; apart from the ledger, which needs NumPy, so that planning does without."""

from collections.abc import Sequence
from typing import Any

Groups = Sequence[Any]
"""For each new token the indices of the old tokens it is made of (a whole-number array each)."""
