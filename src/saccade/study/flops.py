"""FLOPs as torch counts them, stage by stage, to stand beside what the specs predict.

Counted on the *meta* device, where attention is seen: on a CPU torch's counter takes fused attention
for nothing. Equal shapes are counted once.
"""

from functools import cache
from typing import final

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from saccade.connectors import build_connector
from saccade.core.box import Box
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.language.hub import Decoder
from saccade.models.base import Reader
from saccade.specs.sequence import slots
from saccade.towers import build_tower


@final
class Counter:
    """Counts for one reader's spec."""

    def __init__(self, reader: Reader) -> None:
        self.spec = reader.spec
        with torch.device("meta"):
            self.tower = build_tower(self.spec.tower).eval()
            self.connector = build_connector(self.spec.connector).eval()
            self.language = Decoder(self.spec.language).eval()
        self.view = cache(self._view)
        self.length = cache(self._length)

    def question(self, layout: Layout, text: int, dropped: int = 0) -> int:
        """One question of ``text`` positions about one picture, ``dropped`` of its tokens left out."""
        views = sum(self.view(view.size) for view in layout.views)
        return views + self.length(slots(self.spec.spans(layout)) + text - dropped)

    def _view(self, size: Size) -> int:
        pixels = torch.empty(1, 3, size.height, size.width, device="meta")
        grid = self.spec.tower.grid(View(Box.of(size), size))
        return _count(self.tower, pixels) + _count(
            self.connector,
            torch.empty(1, grid.tokens + self.spec.tower.extra, self.spec.tower.width, device="meta"),
            grid,
        )

    def _length(self, length: int) -> int:
        vectors = torch.empty(1, length, self.spec.language.width, device="meta")
        # A mask in full: with less than that, transformers looks at positions' values, which meta tensors have not.
        seen = torch.ones(1, 1, length, length, dtype=torch.bool, device="meta").tril()
        places = torch.arange(length, device="meta")[None]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.language(vectors, seen, places, keep=1)
        return counter.get_total_flops()


def _count(module: nn.Module, *inputs: object) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops()
