"""Where a model looked: a weight for each place of the picture."""

from dataclasses import dataclass

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.size import Size


@dataclass(frozen=True, slots=True, eq=False)
class AttentionMap:
    """``weights`` (n) of ``boxes`` (n × 4: left, top, right, bottom in source pixels of a picture of ``size``).

    What stands for padding has no area. Places may overlap, where several views show them.
    """

    size: Size
    boxes: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.weights), 4):
            raise SaccadeError(f"{len(self.weights)} weights need as many boxes, got an array of {self.boxes.shape}")

    def drawn(self, rows: int, cols: int) -> np.ndarray:
        """The weight of each cell of a grid over the picture: the mean over its area of what covers it, 0 where
        nothing does. Weights that are no finite numbers count as 0.
        """
        weights = np.where(np.isfinite(self.weights), self.weights, 0.0)
        across = _shares(self.boxes[:, [0, 2]] * (cols / self.size.width), cols)
        down = _shares(self.boxes[:, [1, 3]] * (rows / self.size.height), rows)
        covered = np.einsum("nr,nc->rc", down, across)
        summed = np.einsum("n,nr,nc->rc", weights, down, across)
        return np.divide(summed, covered, out=np.zeros_like(summed), where=covered > 0)

    def over(self, other: "AttentionMap", floor: float = 1e-6) -> "AttentionMap":
        """Relative to ``other``: what both share, such as a liking for borders, cancels."""
        if not np.array_equal(self.boxes, other.boxes):
            raise SaccadeError("two maps of different places cannot be compared; watch the same sight")
        return AttentionMap(self.size, self.boxes, self.weights / (other.weights + floor))


def _shares(ends: np.ndarray, cells: int) -> np.ndarray:
    """How much of each unit cell lies between each pair of ends: n × cells."""
    edges = np.arange(cells)
    low, high = ends[:, :1], ends[:, 1:]
    return np.clip(np.minimum(high, edges + 1) - np.maximum(low, edges), 0.0, None)
