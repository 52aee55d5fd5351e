"""Rows and columns of patches or tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saccade.core.errors import SaccadeError


@dataclass(frozen=True, slots=True)
class Grid:
    """``rows`` × ``cols`` places in row order, at least one."""

    rows: int
    cols: int

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise SaccadeError(f"a grid needs at least 1×1 places, got {self.rows}×{self.cols}")

    @property
    def tokens(self) -> int:
        """How many places."""
        return self.rows * self.cols

    def __str__(self) -> str:
        return f"{self.rows}×{self.cols}"


Groups = Sequence[Any]
"""For each new token the indices of the old tokens it is made of (a whole-number array each).

Apart from the ledger, which needs NumPy, so that planning does without.
"""
