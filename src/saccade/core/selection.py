"""Token selection: which of a picture's visual tokens are read, the others being dropped.

Law     an exact number of tokens, or a share of all; never one that stands on padding, so that a picture whose content
        covers fewer tokens than the budget is read with fewer.
Used by the random and uniform baselines of every backend; the request carries it (``core.request.Ask``).
Loses   what the dropped tokens carry: neither rule looks at what a token holds.
"""

import zlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields

DIGITS = 6
"""Decimal places of a cell's relative coordinates that count, so that equal layouts computed in two ways tie alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSelection:
    """``tokens`` of each picture, or a ``share`` of them (one of the two): ``random`` draws anew for each ``seed`` and
    picture; ``uniform`` takes rows and columns by the shape of the content.
    """

    rule: Literal["random", "uniform"]
    tokens: int | None = None
    share: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.tokens is None) == (self.share is None):
            raise SaccadeError(f"a selection takes tokens or a share, one of the two; got {self.tokens}, {self.share}")
        if self.tokens is not None and self.tokens < 1:
            raise SaccadeError(f"a selection keeps at least 1 token, got {self.tokens}")
        if self.share is not None and not 0 < self.share <= 1:
            raise SaccadeError(f"a selection keeps a share above 0 and up to 1, got {self.share}")
        if self.seed < 0:
            raise SaccadeError(f"a seed is at least 0, got {self.seed}")

    def count(self, tokens: int, content: int | None = None) -> int:
        """How many of ``tokens`` are read, of which ``content`` stand on pixels of the picture (all unless given)."""
        if not tokens:
            return 0
        wanted = self.tokens if self.share is None else max(1, round(self.share * tokens))
        return min(wanted or 0, tokens if content is None else content)

    def choose(self, cells: np.ndarray, key: Hashable) -> np.ndarray:
        """Ascending numbers of the tokens that are read.

        ``cells`` (tokens × 4: left, top, right, bottom) say which pixels each token carries; one without area stands on
        padding and is never read. ``key`` names the picture.
        """
        content = np.flatnonzero(_has_area(cells))
        kept = self.count(len(cells), len(content))
        if kept == len(content):
            return content
        if self.rule == "uniform":
            return np.sort(content[_even(cells[content], kept)])
        rng = np.random.default_rng((self.seed, zlib.crc32(repr(key).encode())))
        return np.sort(rng.permutation(content)[:kept])


def with_area(cells: np.ndarray) -> int:
    """How many tokens stand on pixels of the picture, not on padding."""
    return int(_has_area(cells).sum())


def _has_area(cells: np.ndarray) -> np.ndarray:
    return (cells[:, 2] > cells[:, 0]) & (cells[:, 3] > cells[:, 1])


def _even(cells: np.ndarray, kept: int) -> np.ndarray:
    """The tokens nearest to ``kept`` points that lie in rows as far apart as the points in them, each token once."""
    low, high = cells[:, :2].min(axis=0), cells[:, 2:].max(axis=0)
    wide, tall = np.maximum(high - low, 1e-9)
    # One unit along both axes, so that distances are those in the picture; rounded, so that equal ones are equal.
    unit = max(wide, tall)
    centers = np.round(((cells[:, :2] + cells[:, 2:]) / 2 - low) / unit, DIGITS)
    rows = int(np.clip(round(np.sqrt(kept * tall / wide)), 1, kept))
    ends = np.floor(np.linspace(0, kept, rows + 1) + 1e-9).astype(int)
    chosen: list[int] = []
    free = np.ones(len(cells), dtype=bool)
    for row, here in enumerate(np.diff(ends)):
        for place in range(here):
            point = np.asarray((wide * (place + 0.5) / here, tall * (row + 0.5) / rows)) / unit
            far = np.where(free, np.round(((centers - point) ** 2).sum(axis=1), 2 * DIGITS - 2), np.inf)
            chosen.append(int(far.argmin()))
            free[chosen[-1]] = False
    return np.asarray(chosen)
