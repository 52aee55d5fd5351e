"""Vision towers: views → patches.

Law     patches = (height / patch) × (width / patch), one more with the class token kept.
Used by LLaVA (CLIP, second to last layer, class token dropped), SmolVLM (SigLIP), BLIP-2 and InstructBLIP (EVA-CLIP
        after a norm, class token kept), IDEFICS and OpenFlamingo (CLIP's last layer before its norm, class token kept
        and dropped), and the embedded family.
Loses   what is smaller than about a patch; everything above the view's resolution is gone before.
Source  CLIP arXiv:2103.00020, SigLIP arXiv:2303.15343, DINOv2 arXiv:2304.07193, EVA-CLIP as in BLIP-2,
        arXiv:2301.12597; field names as in the ``config.json`` that transformers writes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from saccade.core.errors import SaccadeError, unknown
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs.laws import count
from saccade.specs.laws.layer import QUICK, AttentionSpec, FeedForwardSpec, LayerSpec
from saccade.specs.parts import TowerSpec
from saccade.specs.towers.encoder import EncoderSpec

CLASS_TOKENS = {
    "clip_vision_model": 1, "siglip_vision_model": 0, "dinov2": 1, "vit": 1, "blip_2_vision_model": 1,
    "instructblip_vision_model": 1,
}  # fmt: skip
"""Leading tokens that are no patch, per ``model_type`` with a cost law here."""


@dataclass(frozen=True, kw_only=True)
class HubTowerSpec(TowerSpec):
    """Any ``transformers`` vision backbone by its ``config`` (JSON text).

    ``layers`` index the hidden states as transformers does (0 embeddings, -1 the last layer before
    the final norm, -2 the one before); several are joined channel by channel. ``keep_class`` keeps
    the class token in front of the patches. ``final_norm`` asks for the last layer after the final norm;
    ``norm_eps`` is that norm's epsilon where it is not the config's (BLIP-2 was trained with 1e-5 there
    and 1e-6 elsewhere, and its config has one place for both).
    """

    config: str
    layers: tuple[int, ...] = (-1,)
    keep_class: bool = False
    final_norm: bool = False
    norm_eps: float | None = None

    def __post_init__(self) -> None:
        if self.model_type not in CLASS_TOKENS:
            raise unknown("vision tower", self.model_type, CLASS_TOKENS)
        if not self.layers or not all(-self.depth - 1 <= layer <= self.depth for layer in self.layers):
            raise SaccadeError(f"the tower has hidden states 0 to {self.depth}, got layers {list(self.layers)}")
        if self.final_norm and (set(self.states) != {self.depth} or self.model_type == "clip_vision_model"):
            raise SaccadeError(
                f"the final norm stands after layer {self.depth} and, in CLIP, after the class token alone; got layers "
                f"{list(self.layers)} of a {self.model_type}: set final_norm to false"
            )
        if self.norm_eps is not None and (not self.final_norm or self.norm_eps <= 0):
            raise SaccadeError(
                f"norm_eps {self.norm_eps} is a number above 0, and of the final norm; set final_norm, or leave it out"
            )
        if self.fields.get("use_swiglu_ffn"):
            raise SaccadeError(
                "towers with a SwiGLU feed-forward (DINOv2 giant) have no cost law here; take a smaller one"
            )
        if self.keep_class and not self.class_tokens:
            raise SaccadeError(f"{self.model_type} has no class token to keep; set keep_class to false")

    @cached_property
    def fields(self) -> dict[str, object]:
        """The parsed config."""
        parsed = json.loads(self.config)
        if not isinstance(parsed, dict):
            raise SaccadeError(f"a tower's config is a JSON object, got {type(parsed).__name__}")
        return parsed

    def _number(self, name: str) -> int:
        value = self.fields.get(name)
        if not isinstance(value, int):
            raise SaccadeError(f"the tower's config needs a whole number {name!r}, got {value!r}")
        return value

    @property
    def model_type(self) -> str:
        """As in the config."""
        return str(self.fields.get("model_type"))

    @property
    def inner(self) -> int:
        """Channels inside the tower."""
        return self._number("hidden_size")

    @property
    def width(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of a patch that comes out."""
        return self.inner * len(self.layers)

    @property
    def depth(self) -> int:
        """Layers in all."""
        return self._number("num_hidden_layers")

    @property
    def states(self) -> tuple[int, ...]:
        """The chosen hidden states, counted from 0."""
        return tuple(layer if layer >= 0 else self.depth + 1 + layer for layer in self.layers)

    @property
    def needed(self) -> int:
        """Layers that must run for them."""
        return max(self.states)

    @property
    def patch(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Pixels a side."""
        return self._number("patch_size")

    @property
    def side(self) -> int:
        """Pixels a side of the view that the position table was made for."""
        return self._number("image_size")

    @property
    def class_tokens(self) -> int:
        """Leading tokens inside the tower that are no patch."""
        return CLASS_TOKENS[self.model_type]

    @property
    def extra(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Tokens that a view puts out beside its patches."""
        return self.class_tokens if self.keep_class else 0

    def grid(self, view: View) -> Grid:
        """Patches of a view."""
        return view.grid(self.patch)

    @cached_property
    def encoder(self) -> EncoderSpec:
        """The layers that must run, and the weights of those alone."""
        kind, inner = self.model_type, self.inner
        clip, scales = kind == "clip_vision_model", 2 if kind == "dinov2" else 0
        bias = kind in ("clip_vision_model", "siglip_vision_model") or self.fields.get("qkv_bias") is not False
        heads = self._number("num_attention_heads")
        attention = AttentionSpec(
            width=inner, heads=heads, head=inner // heads, kv_heads=heads, bias=bias, bias_out=True
        )
        quick = self.fields.get("hidden_act", QUICK if clip else None) == QUICK
        feed = FeedForwardSpec(width=inner, middle=self._mlp, bias=True, quick=quick)
        places = (self.side // self.patch) ** 2 + 2 * self.class_tokens  # a class token has a place too
        # CLIP has a norm in front of its layers; the others may have one after them.
        norms = 2 * inner * (clip + self.final_norm)
        return EncoderSpec(
            patch=self.patch,
            layer=LayerSpec(attention=attention, feed=feed, norms=(4 + scales) * inner),
            depth=self.needed,
            stem_bias=not clip,
            class_tokens=self.class_tokens,
            held=places * inner + norms,
        )

    def cost(self, grid: Grid) -> Cost:
        """One view through the layers that must run, and the weights of those alone."""
        return self.encoder.cost(grid)

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment. Where several hidden states are joined, all are kept, chosen or not."""
        states = self.needed if len(set(self.states)) > 1 else 0
        kept = max(0, states - 2)  # two of them are among what a layer holds
        places = sum(grid.tokens + self.class_tokens for grid in grids)
        return self.encoder.peak(grids, number, eager=eager) + places * kept * self.inner * number

    @property
    def _mlp(self) -> int:
        if self.model_type == "dinov2":
            return self.inner * self._number("mlp_ratio")
        return self._number("intermediate_size")


@dataclass(frozen=True, kw_only=True, slots=True)
class StemTowerSpec(TowerSpec):
    """The embedded family's tower: a convolutional stem, then pre-norm transformer blocks, no class token.

    ``side`` is the view that its position table was made for; others interpolate it.
    A plain patch embedding learns to read print far more slowly at this size, so this tower has a
    stem that no ``transformers`` class has: measured in ``docs/log.md``.
    """

    width: int = 128
    depth: int = 4
    heads: int = 4
    mlp: int = 512
    side: int = 128

    def __post_init__(self) -> None:
        if self.width % self.heads or self.width % 4:
            raise SaccadeError(f"width {self.width} must be a multiple of 4 and of the {self.heads} heads")
        if self.side % self.patch:
            raise SaccadeError(f"side {self.side} is no multiple of the {self.patch} px patch")

    @property
    def patch(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Pixels a side: three strides of two."""
        return 8

    @property
    def quadratic(self) -> bool:
        """See ``TowerSpec``: convolutions go over every pixel alike, attention over all pairs of patches."""
        return True

    def grid(self, view: View) -> Grid:
        """Patches of a view."""
        return view.grid(self.patch)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        cells = grid.tokens
        stem = count.total(
            count.convolution(cells * 16, 3, 3, 32),
            count.convolution(cells * 4, 3, 32, 64),
            count.convolution(cells * 4, 3, 64, 64),
            count.convolution(cells * 4, 3, 64, 64),
            count.convolution(cells, 3, 64, self.width),
            count.convolution(cells, 3, self.width, self.width),
            count.convolution(cells, 3, self.width, self.width),
            *(count.norm(width) for width in (32, 64, 64, 64, self.width, self.width)),
        )
        block = count.total(
            *(count.linear(cells, self.width, self.width) for _ in range(4)),
            count.attention(cells, cells, self.width),
            count.linear(cells, self.width, self.mlp),
            count.linear(cells, self.mlp, self.width),
            count.norm(self.width),
            count.norm(self.width),
        )
        positions = count.weights((self.side // self.patch) ** 2 * self.width)
        return count.total(stem, positions, count.stack(block, self.depth), count.norm(self.width))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the stem's first maps, before and after their norm, or a block.

        A block's feed-forward stands beside the stem's patches, the block's input, the sum between its halves, and
        queries, keys, values and their mixture, which a block keeps to its end. Attention never holds its scores here.
        """
        del eager
        cells = sum(grid.tokens for grid in grids)
        return cells * (self.patch**2 * 3 + max(16 * 32 * 3, 7 * self.width + 2 * self.mlp)) * number
