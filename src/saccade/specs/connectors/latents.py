"""Latents: learned vectors read patches, and each other, in several layers; a fixed number of tokens comes out.

Law     tokens = latents, whatever the view and however many frames.
Used by Flamingo, OpenFlamingo and IDEFICS (64, read by gated cross-attention); Idefics2 (64 a view, in the sequence).
Loses   what no latent asks for; a latent is no place, so its ledger entry is *by attention*.
Source  Flamingo, arXiv:2204.14198; details as in OpenFlamingo's code and transformers' IdeficsPerceiverResampler and
        Idefics2Connector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.laws.layer import AttentionSpec, FeedForwardSpec, softmax_bytes
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentsSpec(ConnectorSpec):
    """``latents`` through ``depth`` layers: attention over patches and latents together, then a feed-forward.

    ``heads`` of ``head`` channels share ``kv_heads`` (None: each has its own); with ``qk_norm`` queries and keys are
    normalised head by head. The feed-forward is ``middle`` wide, and a product of two where it is ``gated``; "relu2" is
    the squared ReLU of Flamingo's paper. ``norm`` is that of all norms, with ``eps``. ``extra`` counts the class token
    among the patches. ``front`` is the middle of Idefics2's projection from ``width_in`` to ``width_out``, 0 for none.
    ``frames`` and ``pictures`` are rows of tables that tell frames and pictures apart, 0 for none.
    """

    width_in: int
    width_out: int
    latents: int = 64
    depth: int = 6
    heads: int = 8
    head: int = 64
    kv_heads: int | None = None
    middle: int
    act: Literal["gelu", "relu", "relu2", "silu"] = "gelu"
    gated: bool = False
    norm: Literal["layer", "rms"] = "layer"
    eps: float = 1e-5
    qk_norm: bool = False
    extra: int = 0
    front: int = 0
    frames: int = 0
    pictures: int = 0

    def __post_init__(self) -> None:
        for name in ("width_in", "width_out", "latents", "depth", "heads", "head", "middle"):
            if getattr(self, name) < 1:
                raise SaccadeError(f"latents: {name} is 1 or more, got {getattr(self, name)}")
        for name in ("extra", "front", "frames", "pictures"):
            if getattr(self, name) < 0:
                raise SaccadeError(f"latents: {name} is 0 (none) or more, got {getattr(self, name)}")
        if self.kv_heads is not None and (self.kv_heads < 1 or self.heads % self.kv_heads):
            raise SaccadeError(
                f"latents: {self.heads} heads cannot share {self.kv_heads} of keys and values evenly; "
                "take a divisor of the heads"
            )
        if not self.front and self.width_in != self.width_out:
            raise SaccadeError(
                f"latents: without a front the latents have the patches' width, got width_in {self.width_in} and "
                f"width_out {self.width_out}; make them equal, or set front to the middle width of a projection"
            )

    @property
    def shared(self) -> int:
        """Heads of keys and values."""
        return self.heads if self.kv_heads is None else self.kv_heads

    @property
    def attention(self) -> AttentionSpec:
        """One layer's."""
        return AttentionSpec(width=self.width_out, heads=self.heads, head=self.head, kv_heads=self.shared)

    @property
    def feed(self) -> FeedForwardSpec:
        """One layer's."""
        return FeedForwardSpec(width=self.width_out, middle=self.middle, gated=self.gated)

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.latents

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        patches = grid.tokens + self.extra
        keys, shift = patches + self.latents, self.norm == "layer"
        norm = count.norm(self.width_out, bias=shift)
        heads = count.norm(self.head, bias=shift) if self.qk_norm else Cost()
        layer = count.total(
            self.attention.project(self.latents, keys),
            self.attention.mix(self.latents * keys),
            self.feed.cost(self.latents),
            *(norm, norm, norm, heads, heads),
        )
        tables = (self.latents + self.frames + self.pictures) * self.width_out
        return count.total(self._fronted(patches), count.stack(layer, self.depth), norm, count.weights(tables))

    def _fronted(self, patches: int) -> Cost:
        """Three matrices from the tower's width over a middle to the latents' width."""
        if not self.front:
            return Cost()
        up = count.linear(patches, self.width_in, self.front, bias=False)
        return count.total(up, up, count.linear(patches, self.front, self.width_out, bias=False))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the front's middle; keys and values of one layer; or its feed-forward.

        In the first layer of several views, keys and then values are held a second time while latents are put to them;
        with ``qk_norm`` so are keys.
        """
        patches = sum(grid.tokens + self.extra for grid in grids)
        latents = len(grids) * self.latents
        keys, width = patches + latents, self.width_out
        scores = self.heads * self.latents * keys if eager else 0
        half = self.attention.cached // 2
        made = keys * (width + 2 * half + (half if len(grids) > 1 else 0))
        normed = keys * 3 * half + latents * 2 * self.attention.inner if self.qk_norm else 0
        read = max(made, normed) * number + softmax_bytes(scores, number)
        fed = latents * (3 * width + self.feed.live) * number
        held = patches * (width + (self.width_in if self.front else 0)) * number
        front = patches * (3 * self.front + self.width_in) * number if self.front else 0
        return max(front, held + read, held + fed)
