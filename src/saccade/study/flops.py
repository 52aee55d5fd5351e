"""FLOPs as torch counts them, stage by stage, to stand beside what the specs predict.

Counted on the *meta* device, where attention is seen: on a CPU torch's counter takes fused attention
for nothing. Equal shapes are counted once.
"""

from collections.abc import Callable
from functools import cache
from typing import final

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from saccade.connectors import build_connector
from saccade.connectors.foveal import Foveal
from saccade.connectors.qformer import QFormer
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.fusion.cross import Cross, Insert, Sight
from saccade.language.hub import Decoder
from saccade.models.base import Reader
from saccade.specs.decoder import DecoderSpec
from saccade.specs.sequence import slots
from saccade.towers import build_tower


@final
class Counter:
    """Counts for one reader's spec."""

    def __init__(self, reader: Reader) -> None:
        self.spec, language = reader.spec, reader.spec.language
        if not isinstance(language, DecoderSpec):
            raise SaccadeError("FLOPs of encoder-decoders are not counted yet; compare readers with a causal model")
        with torch.device("meta"):
            # Without gradients: the counter would hang hooks on views of weights, which have no gradient to hang on.
            self.tower = build_tower(self.spec.tower).eval().requires_grad_(False)
            self.connector = build_connector(self.spec.connector).eval().requires_grad_(False)
            self.language = Decoder(language).eval().requires_grad_(False)
            self.cross = None if self.spec.cross is None else Cross(self.spec.cross).eval().requires_grad_(False)
        self.view = cache(self._view)
        self.length = cache(self._length)

    def question(self, layout: Layout, text: int, dropped: int = 0) -> int:
        """One question of ``text`` positions about one picture, ``dropped`` of its tokens left out."""
        views = sum(self.view(view.size) for view in layout.views)
        tokens, length = sum(self.spec.tokens(layout)), slots(self.spec.spans(layout)) + text
        if self.cross is not None:
            return views + self.length(length, tokens - dropped)
        return views + self.length(length - dropped, 0)

    def _view(self, size: Size) -> int:
        pixels = torch.empty(1, 3, size.height, size.width, device="meta")
        grid = self.spec.tower.grid(View(Box.of(size), size))
        patches = torch.empty(1, grid.tokens + self.spec.tower.extra, self.spec.tower.width, device="meta")
        return _count(self.tower, pixels) + _count(self._connect, patches, grid, pixels)

    def _connect(self, patches: Tensor, grid: Grid, pixels: Tensor) -> Tensor:
        """The connector; one that reads the prompt, with as many words of it as the spec counts."""
        if isinstance(self.connector, QFormer | Foveal) and self.connector.spec.instructed:
            words = torch.zeros(1, self.connector.spec.text, dtype=torch.long, device="meta")
            if isinstance(self.connector, QFormer):
                return self.connector.instructed(patches, words)
            self.connector.aim(patches, grid, words)  # where it says is not known here, and costs nothing more
        return self.connector(patches, grid, *((pixels,) if self.spec.guided else ()))

    def _length(self, length: int, crossed: int) -> int:
        vectors = torch.empty(1, length, self.spec.language.width, device="meta")
        # A mask in full: with less than that, transformers looks at positions' values, which meta tensors have not.
        seen = torch.ones(1, 1, length, length, dtype=torch.bool, device="meta").tril()
        places = torch.arange(length, device="meta")[None]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            before = None if self.cross is None else self._before(self.cross, crossed)
            self.language(vectors, seen, places, keep=1, before=before)
        return counter.get_total_flops()

    def _before(self, cross: Cross, tokens: int) -> Insert:
        """Blocks that see every token from every position: who is looked at costs nothing to know."""
        visual = torch.empty(1, tokens, cross.spec.source, device="meta")
        return cross.before([block.project(visual) for block in cross.each], Sight(None, None, None))


def _count(module: Callable[..., object], *inputs: object) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops()
