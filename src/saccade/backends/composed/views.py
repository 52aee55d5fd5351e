"""How a composed reader is shown a request: the frame that it looks through, what is cut out of a picture, and which of
its tokens stand on pixels.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import final

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.request import ImageRegion, Request, shown
from saccade.core.size import Size
from saccade.core.view import Layout
from saccade.runtime.reader import Reader
from saccade.specs.layouts.resized import frame_within, is_framed, reframed, side_within
from saccade.specs.layouts.sequence import Span
from saccade.specs.parts import ViewsSpec
from saccade.specs.reader import ReaderSpec
from saccade.views.image_region import shown_size


def framed(spec: ReaderSpec, side: int) -> ReaderSpec:
    """``spec`` through a frame of at most ``side`` pixels, in whole patches; as it is where it has no one frame.

    Raises SaccadeError below one patch.
    """
    views, patch = spec.views, spec.tower.patch
    if not is_framed(views):
        return spec
    if side < patch:
        raise SaccadeError(f"a look of {side} px shows no whole patch of {patch} px; take at least {patch}")
    short = [min(length, side // patch * patch) for length in (views.size.width, views.size.height)]
    return replace(spec, views=reframed(views, Size(*short)))


@dataclass(frozen=True, slots=True)
class ImageShape:
    """A picture as its cost sees it: the sizes of its views, their patches, and what comes of them. Pictures of one
    shape cost alike, however large they are; ``layout`` is one of theirs.
    """

    sizes: tuple[Size, ...]
    grids: tuple[Grid, ...]
    spans: tuple[Span, ...]
    tokens: int
    layout: Layout = field(compare=False)


@final
class ReaderViews:
    """The ways in which one reader is shown pictures; what was worked out for a size is remembered."""

    def __init__(self, name: str, reader: Reader) -> None:
        self.name, self.reader = name, reader
        self.framed = is_framed(reader.spec.views)
        self._framed, self._seeing = lru_cache(4096)(self._frame), lru_cache(256)(reader.seeing)
        self._side, self.content = lru_cache(4096)(self._longest), lru_cache(4096)(self._content)
        self.shown, self.shape = lru_cache(4096)(self._shown), lru_cache(4096)(self._shape)

    def seeing(self, size: Size, request: Request) -> Reader:
        """The reader with the frame through which a request about a picture of ``size`` looks.

        Raises SaccadeError where sights want several.
        """
        if not self.framed:
            return self.reader
        frames = {self._framed(sight.side, sight.tokens, self.shown(sight, size)) for sight in shown(request)}
        if len(frames) > 1:
            told = ", ".join(str(views.size) for views in frames if is_framed(views))
            raise SaccadeError(f"{self.name} sees all pictures of one prompt in one frame, got {told}; give one")
        return self._seeing(next(iter(frames), self.reader.spec.views))

    def cut(self, sight: ImageRegion, size: Size) -> ImageRegion:
        """What is cut out of a picture of ``size``: a frame is made smaller instead of the cut."""
        if sight.tokens is None and (sight.side is None or not self.framed):
            return sight
        if self.framed:
            return replace(sight, side=None, tokens=None)
        whole = shown_size(replace(sight, tokens=None), size)
        return replace(sight, tokens=None, side=self._side(whole, sight.tokens))

    def _shown(self, sight: ImageRegion, size: Size) -> Size:
        """The size of what is cut out."""
        return shown_size(self.cut(sight, size), size)

    def _frame(self, side: int | None, tokens: int | None, picture: Size) -> ViewsSpec:
        spec = self.reader.spec
        if tokens is None:
            return spec.views if side is None else framed(spec, side).views
        return frame_within(spec.views, spec.tower.patch, picture, tokens, lambda views: self._tokens(views, picture))

    def _longest(self, picture: Size, tokens: int) -> int:
        return side_within(picture, tokens, lambda size: self._tokens(self.reader.spec.views, size))

    def _tokens(self, views: ViewsSpec, picture: Size) -> int:
        """Visual tokens of a picture seen through ``views``, those on padding too."""
        return sum(self.reader.spec.tokens(views.layout(picture)))

    def _shape(self, views: ViewsSpec, picture: Size) -> ImageShape:
        """A picture of this size seen through ``views``."""
        spec = self._seeing(views).spec
        layout = spec.views.layout(picture)
        sizes = tuple(view.size for view in layout.views)
        return ImageShape(sizes, tuple(spec.grids(layout)), spec.spans(layout), sum(spec.tokens(layout)), layout)

    def _content(self, views: ViewsSpec, picture: Size) -> int:
        """Visual tokens of a picture that stand on pixels, seen through ``views``; all where only the picture tells."""
        if self.reader.groups_vary:
            return self._tokens(views, picture)
        spec = self._seeing(views).spec
        return int(has_content(spec, spec.views.layout(picture)).sum())


def has_content(spec: ReaderSpec, layout: Layout) -> np.ndarray:
    """Whether each visual token stands on pixels of the picture: of those that carry a place, not padding."""
    groups = [spec.connector.groups(grid) for grid in spec.grids(layout)]
    ledger = spec.ledger(layout, groups)
    seen = (ledger.cells[:, 2] > ledger.cells[:, 0]) & (ledger.cells[:, 3] > ledger.cells[:, 1])
    return np.asarray([bool(seen[group].any()) for group in ledger.groups])
