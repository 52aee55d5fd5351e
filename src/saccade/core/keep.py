"""Reading some of a picture's visual tokens and not others, without looking at what they hold."""

import zlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saccade.core.errors import SaccadeError


@dataclass(frozen=True, slots=True)
class Keep:
    """A ``share`` of each picture's tokens: by chance (``random``, another draw for each ``seed`` and picture) or as
    evenly spread over it as they go (``uniform``).
    """

    rule: Literal["random", "uniform"]
    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SaccadeError(f"tokens are kept by a share above 0 and up to 1, got {self.share}")

    def count(self, tokens: int) -> int:
        """How many of ``tokens`` are read: at least one."""
        return max(1, round(self.share * tokens)) if tokens else 0

    def chosen(self, cells: np.ndarray, key: Hashable) -> np.ndarray:
        """Numbers of the tokens that are read, rising; each token's cell (n × 4) says where it stands, ``key`` which
        picture it is. What stands for padding, and has no area, is read last of all.
        """
        kept = self.count(len(cells))
        seen = (cells[:, 2] > cells[:, 0]) & (cells[:, 3] > cells[:, 1])
        tokens, padding = np.flatnonzero(seen), np.flatnonzero(~seen)
        if kept >= len(tokens):
            return np.sort(np.concatenate([tokens, padding[: kept - len(tokens)]]))
        if self.rule == "uniform":
            return np.sort(tokens[_even(cells[tokens], kept)])
        rng = np.random.default_rng((self.seed, zlib.crc32(repr(key).encode())))
        return np.sort(rng.permutation(tokens)[:kept])


def _even(cells: np.ndarray, kept: int) -> np.ndarray:
    """The tokens nearest to ``kept`` points in rows that are as far apart as the points in them, each token once."""
    centers = (cells[:, :2] + cells[:, 2:]) / 2
    low, high = cells[:, :2].min(axis=0), cells[:, 2:].max(axis=0)
    wide, tall = np.maximum(high - low, 1e-9)
    rows = int(np.clip(round(np.sqrt(kept * tall / wide)), 1, kept))
    ends = np.floor(np.linspace(0, kept, rows + 1) + 1e-9).astype(int)
    chosen: list[int] = []
    free = np.ones(len(cells), dtype=bool)
    for row, here in enumerate(np.diff(ends)):
        for place in range(here):
            point = low + np.asarray((wide * (place + 0.5) / here, tall * (row + 0.5) / rows))
            far = np.where(free, ((centers - point) ** 2).sum(axis=1), np.inf)
            chosen.append(int(far.argmin()))
            free[chosen[-1]] = False
    return np.asarray(chosen)
