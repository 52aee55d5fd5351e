"""FLOPs as torch counts them, stage by stage, to stand beside what the specs predict.

Counted on the *meta* device, where attention is seen: on a CPU torch's counter takes fused attention
for nothing. Equal shapes are counted once.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from saccade.compat.hf import use_batched_experts
from saccade.connectors import build_connector
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.fusion.cross import Cross, Insert, VisibleKeys
from saccade.language.hub import Decoder
from saccade.runtime.modules import Choosing, Prompted
from saccade.runtime.reader import Reader
from saccade.specs.language.cross import CrossSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.sequence import slots
from saccade.specs.parts import ConnectorSpec, TowerSpec
from saccade.towers import build_tower

Part = TypeVar("Part", bound=nn.Module)
SAME_SHAPE = frozenset({F.layer_norm, F.group_norm, F.gelu, F.relu, F.silu})
"""Functions that give back the shape of their first argument, and count nothing."""


@final
class Counter:
    """Counts for one reader's spec. What readers share is counted once for all of them."""

    def __init__(self, reader: Reader) -> None:
        self.spec, language = reader.spec, reader.spec.language
        if not isinstance(language, DecoderSpec):
            raise SaccadeError("FLOPs of encoder-decoders are not counted yet; compare readers with a causal model")
        self.language: DecoderSpec = language
        self.view = cache(self._view)

    def look(self, layouts: Sequence[Layout], texts: Sequence[int], dropped: int = 0) -> int:
        """Pictures that are seen once and read with each text of so many positions, ``dropped`` of all their tokens
        left out.
        """
        seen = sum(self.view(view.size) for layout in layouts for view in layout.views)
        tokens = sum(sum(self.spec.tokens(layout)) for layout in layouts)
        taken = sum(slots(self.spec.spans(layout)) for layout in layouts)
        if self.spec.cross is not None:
            law, length = _law(self.language, self.spec.cross, tokens - dropped), taken
        else:
            law, length = _law(self.language), taken - dropped
        return seen + sum(law.at(length + text) for text in texts)

    def _view(self, size: Size) -> int:
        tower, connector = self.spec.tower, self.spec.connector
        grid = tower.grid(View(Box.of(size), size))
        pixels = size if connector.reads_pixels else None
        return _seen(tower, size) + _joined(connector, grid, tower.extra, pixels)


@cache
def _joined(spec: ConnectorSpec, grid: Grid, extra: int, pixels: Size | None) -> int:
    """A connector over the patches of one view, ``extra`` tokens in front of them."""
    patches = torch.empty(1, grid.tokens + extra, spec.width_in, device="meta")
    return _count(_connect, spec, patches, grid, *(() if pixels is None else (_pixels(pixels),)))


def _connect(spec: ConnectorSpec, patches: Tensor, grid: Grid, *pixels: Tensor) -> Tensor:
    """The connector; one that reads the prompt, with as many words of it as the spec counts."""
    connector = _connector(spec)
    if not spec.reads_prompt:
        return connector(patches, grid, *pixels)
    words = torch.zeros(1, spec.text, dtype=torch.long, device="meta")
    if isinstance(connector, Choosing):
        return connector.counted(patches, grid, words)
    of = torch.zeros(1, dtype=torch.long, device="meta")
    return cast(Prompted, connector).prompted(patches, grid, words, torch.ones_like(words, dtype=torch.bool), of)


@cache
def _connector(spec: ConnectorSpec) -> nn.Module:
    return _hollow(lambda: build_connector(spec))


def _hollow(build: Callable[[], Part]) -> Part:
    """A part without weights. Without gradients too: the counter would hang hooks on views of weights, which have no
    gradient to hang on.
    """
    with torch.device("meta"):
        return build().eval().requires_grad_(False)


@cache
def _tower(spec: TowerSpec) -> nn.Module:
    return _hollow(lambda: build_tower(spec))


@cache
def _decoder(spec: DecoderSpec) -> Decoder:
    made = _hollow(lambda: Decoder(spec))
    if spec.fields.get("n_routed_experts"):
        use_batched_experts(made)
    return made


def _pixels(size: Size) -> Tensor:
    return torch.empty(1, 3, size.height, size.width, device="meta")


@cache
def _seen(tower: TowerSpec, size: Size) -> int:
    """A tower over one view."""
    if not tower.quadratic:
        return _count(_tower(tower), _pixels(size))
    return _over(tower).at(tower.grid(View(Box.of(size), size)).tokens)


@cache
def _over(tower: TowerSpec) -> "Quadratic":
    """A tower over any number of patches, counted in two rows of them."""
    side = tower.patch
    return Quadratic(lambda patches: _count(_tower(tower), _pixels(Size(patches // 2 * side, 2 * side))))


@final
class Quadratic:
    """Torch's count of a model over any length: a polynomial of second degree in it, so three counts fix it and a
    fourth holds it to that. A causal model's is one for as many tokens beside the sequence; a tower's counts patches.
    """

    LENGTHS = (8, 16, 32, 64)

    def __init__(self, count: Callable[[int], int]) -> None:
        *fixed, last = self.LENGTHS
        self._known = {length: count(length) for length in self.LENGTHS}
        self._coefficients = _solved([(length, self._known[length]) for length in fixed])
        if self.at(last) != self._known[last]:
            raise SaccadeError(
                f"torch counts {self._known[last]} FLOPs over {last} positions, {self.at(last)} follow from those over "
                f"{', '.join(map(str, fixed))}; this model's cost has another law, and is not counted yet"
            )

    def at(self, length: int) -> int:
        """FLOPs over ``length`` positions."""
        constant, linear, square = self._coefficients
        return int(constant + linear * length + square * length**2)


def _solved(points: Sequence[tuple[int, int]]) -> tuple[Fraction, Fraction, Fraction]:
    """The coefficients of the polynomial of second degree through three points, by Newton's divided differences."""
    (a, first), (b, second), (c, third) = points
    slope, further = Fraction(second - first, b - a), Fraction(third - second, c - b)
    square = (further - slope) / (c - a)
    linear = slope - square * (a + b)
    return first - linear * a - square * a**2, linear, square


@cache
def _law(language: DecoderSpec, crossing: CrossSpec | None = None, crossed: int = 0) -> Quadratic:
    """A language model whose positions see ``crossed`` tokens beside them where they cross."""
    return Quadratic(lambda length: _read(language, crossing, length, crossed))


def _read(language: DecoderSpec, crossing: CrossSpec | None, length: int, crossed: int) -> int:
    """A language model over ``length`` positions, which see ``crossed`` tokens beside them where they cross."""
    vectors = torch.empty(1, length, language.width, device="meta")
    # A mask in full: with less than that, transformers looks at positions' values, which meta tensors have not.
    seen = torch.ones(1, 1, length, length, dtype=torch.bool, device="meta").tril()
    places = torch.arange(length, device="meta")[None]
    decoder, cross = _decoder(language), None if crossing is None else _hollow(lambda: Cross(crossing))
    with torch.no_grad(), FlopCounterMode(display=False) as counter, _Shaped():
        before = None if cross is None else _before(cross, crossed)
        decoder(vectors, seen, places, keep=1, before=before)
    return counter.get_total_flops()


def _before(cross: Cross, tokens: int) -> Insert:
    """Blocks that see every token from every position: who is looked at costs nothing to know."""
    visual = torch.empty(1, tokens, cross.spec.source, device="meta")
    return cross.before([block.project(visual) for block in cross.each], VisibleKeys(None, None, None))


@final
class _Shaped(TorchFunctionMode):
    """Norms, activations and resampling count nothing, and torch takes long to say of meta tensors what shape comes of
    them: it is said here.
    """

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        told = kwargs or {}
        if func in SAME_SHAPE and args:
            return torch.empty_like(args[0])
        size = told.get("size")
        if func is F.interpolate and isinstance(size, tuple):
            return args[0].new_empty(*args[0].shape[:2], *size)
        return func(*args, **told)


def _count(module: Callable[..., object], *inputs: object) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter, _Shaped():
        module(*inputs)
    return counter.get_total_flops()
