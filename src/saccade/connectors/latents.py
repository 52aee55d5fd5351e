"""Latents: learned vectors read patches, and each other, in several layers. See ``specs/connectors/latents.py``."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.nn.activations import ACTIVATIONS, norm
from saccade.specs.connectors.latents import LatentsSpec


@final
class Latents(nn.Module):
    """``spec`` fixes every size.

    Latents are drawn apart from each other: trained from equal ones, as Idefics2's class makes them, they would stay
    equal for ever. Tables of times have OpenFlamingo's shapes.
    """

    def __init__(self, spec: LatentsSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width_out
        self.front = SwiGlu(spec.width_in, spec.front, width) if spec.front else None
        self.latents = nn.Parameter(torch.randn(spec.latents, width))
        self.frames = nn.Parameter(torch.randn(spec.frames, width)) if spec.frames else None
        self.pictures = nn.Parameter(torch.randn(spec.pictures, 1, width)) if spec.pictures else None
        self.layers = nn.ModuleList(LatentLayer(spec) for _ in range(spec.depth))
        self.norm = norm(spec.norm, width, spec.eps)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens+self.spec.extra} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.latents} {self.spec.width_out}"]:
        """Patches, in any order, to one token a latent; each view is a still, the first picture of its sequence."""
        return self.resample(patches[:, None], numbers=[0] * len(patches))

    def resample(
        self,
        features: Float[Tensor, "media frames patches {self.spec.width_in}"],
        real: Bool[Tensor, "media frames patches"] | None = None,
        numbers: Sequence[int] | None = None,
    ) -> Float[Tensor, "media {self.spec.latents} {self.spec.width_out}"]:
        """All frames of each medium to one set of tokens, padding unread where ``real`` is false.

        ``numbers`` say which picture of its sequence each medium is, counted from 0; None counts through. More frames
        than the table has rows are placed between them. A medium without real features has its latents alone.
        """
        media = self._media(features, real, numbers)
        seen = None if real is None else self._seen(real)
        z = self.latents[None]
        for layer in self.layers:
            z = layer(z, media, seen)
        return self.norm(z)

    def attention(
        self, patches: Float[Tensor, "views {grid.tokens+self.spec.extra} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.latents} {grid.tokens}"]:
        """How much each latent looks at each patch: mean over layers and heads, 1 in all for each latent.

        Looks at other latents and at a class token are left out.
        """
        media = self._media(patches[:, None], None, [0] * len(patches))
        z, total = self.latents[None], media.new_zeros(())
        for layer in self.layers:
            assert isinstance(layer, LatentLayer)
            total = total + layer.look(z, media)
            z = layer(z, media, None)
        first = self.spec.extra
        shares = total[..., first : first + grid.tokens]
        return shares / shares.sum(-1, keepdim=True).clamp_min(torch.finfo(shares.dtype).tiny)

    def _media(
        self,
        features: Float[Tensor, "media frames patches width_in"],
        real: Bool[Tensor, "media frames patches"] | None,
        numbers: Sequence[int] | None,
    ) -> Float[Tensor, "media keys width"]:
        """Features as the layers read them: projected, told apart in time, frames one after another."""
        if real is not None:
            # What is masked counts for nothing in attention, but nothing times infinity is not a number.
            features = features.masked_fill(~real[..., None], 0)
        x = features if self.front is None else self.front(features)
        if self.frames is not None:
            x = x + stretched(self.frames, x.shape[1])[:, None]
        if self.pictures is not None:
            x = x + self.pictures[self._numbers(len(x), numbers)][:, None]
        return x.flatten(1, 2)

    def _numbers(self, media: int, numbers: Sequence[int] | None) -> list[int]:
        numbers = range(media) if numbers is None else numbers
        if len(numbers) != media:
            raise SaccadeError(f"latents: {media} pictures but {len(numbers)} numbers; give one each")
        if media and not 0 <= min(numbers) <= max(numbers) < self.spec.pictures:
            strange = min(numbers) if min(numbers) < 0 else max(numbers)
            raise SaccadeError(
                f"latents: the table of pictures has rows 0 to {self.spec.pictures - 1}, got picture {strange}; "
                "show fewer pictures, or train with a larger table"
            )
        return list(numbers)

    def _seen(self, real: Bool[Tensor, "media frames patches"]) -> Bool[Tensor, "media 1 1 keys"]:
        """Which keys may be looked at; latents always, so no row is without one."""
        return F.pad(real.flatten(1), (0, self.spec.latents), value=True)[:, None, None]


class LatentLayer(nn.Module):
    """z + attention over media and latents, then + feed-forward; media are normed anew by every layer's own norm."""

    def __init__(self, spec: LatentsSpec) -> None:
        super().__init__()
        self.spec = spec
        width, inner = spec.width_out, spec.heads * spec.head
        self.norm_media = norm(spec.norm, width, spec.eps)
        self.norm_latents = norm(spec.norm, width, spec.eps)
        self.norm_q = norm(spec.norm, spec.head, spec.eps) if spec.qk_norm else None
        self.norm_k = norm(spec.norm, spec.head, spec.eps) if spec.qk_norm else None
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * spec.shared * spec.head, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)
        self.norm_feed = norm(spec.norm, width, spec.eps)
        self.gate = nn.Linear(width, spec.middle, bias=False) if spec.gated else None
        self.up = nn.Linear(width, spec.middle, bias=False)
        self.down = nn.Linear(spec.middle, width, bias=False)

    def forward(
        self,
        z: Float[Tensor, "rows latents width"],
        media: Float[Tensor, "media keys width"],
        seen: Bool[Tensor, "media 1 1 all"] | None,
    ) -> Float[Tensor, "media latents width"]:
        """``z`` is one row in the first layer, where all media start from the same latents."""
        z = z + self._read(z, media, seen)
        return z + self._feed(self.norm_feed(z))

    def _read(
        self,
        z: Float[Tensor, "rows latents width"],
        media: Float[Tensor, "media keys width"],
        seen: Bool[Tensor, "media 1 1 all"] | None,
    ) -> Float[Tensor, "media latents width"]:
        query, key, value = self._heads(z, media)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        mixed = mixed.unflatten(2, (-1, z.shape[1])).permute(0, 3, 1, 2, 4)  # media latents shared group head
        return self.to_out(mixed.flatten(2))

    def look(
        self, z: Float[Tensor, "rows latents width"], media: Float[Tensor, "media keys width"]
    ) -> Float[Tensor, "media latents all"]:
        """Attention's weights, mean over heads."""
        query, key, _ = self._heads(z, media)
        weights = (query @ key.transpose(-1, -2) * self.spec.head**-0.5).softmax(dim=-1)
        return weights.unflatten(2, (-1, z.shape[1])).mean(dim=(1, 2))

    def _heads(
        self, z: Float[Tensor, "rows latents width"], media: Float[Tensor, "media keys width"]
    ) -> tuple[
        Float[Tensor, "media shared queries head"],
        Float[Tensor, "media shared all head"],
        Float[Tensor, "media shared all head"],
    ]:
        """Queries, keys and values by head; queries that share keys stand below each other, so none is repeated."""
        own = self.norm_latents(z)
        key, value = (kv.unflatten(-1, (self.spec.shared, -1)).transpose(1, 2) for kv in self._keys(own, media))
        query = self.to_q(own).unflatten(-1, (self.spec.shared, -1, self.spec.head))
        query = query.permute(0, 2, 3, 1, 4).flatten(2, 3)  # rows shared group-latents head
        if self.norm_q is not None and self.norm_k is not None:
            query, key = self.norm_q(query), self.norm_k(key)
        return query.expand(len(media), -1, -1, -1), key, value

    def _keys(
        self, own: Float[Tensor, "rows latents width"], media: Float[Tensor, "media keys width"]
    ) -> list[Float[Tensor, "media all inner"]]:
        """Keys and values of media and latents, as two products: faster on a CPU than one of twice the width."""
        halves = self.to_kv.weight.chunk(2)
        if len(own) == len(media):
            joined = torch.cat([self.norm_media(media), own], dim=1)
            return [F.linear(joined, half) for half in halves]
        # The first layer: all media have the same latents, which go through the matrices once.
        normed = self.norm_media(media)
        lone = (F.linear(own, half).expand(len(media), -1, -1) for half in halves)
        return [torch.cat([F.linear(normed, half), kv], dim=1) for half, kv in zip(halves, lone, strict=True)]

    def _feed(self, x: Float[Tensor, "media latents width"]) -> Float[Tensor, "media latents width"]:
        act = ACTIVATIONS[self.spec.act]
        return self.down(act(self.up(x)) if self.gate is None else act(self.gate(x)) * self.up(x))


class SwiGlu(nn.Module):
    """Three matrices, gated by SiLU: Idefics2's projection from the tower's width to the language model's."""

    def __init__(self, width_in: int, middle: int, width_out: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width_in, middle, bias=False)
        self.up = nn.Linear(width_in, middle, bias=False)
        self.down = nn.Linear(middle, width_out, bias=False)

    def forward(self, x: Float[Tensor, "*places width_in"]) -> Float[Tensor, "*places width_out"]:
        """Feature by feature."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


def stretched(table: Float[Tensor, "rows width"], frames: int) -> Float[Tensor, "{frames} width"]:
    """The first ``frames`` rows; for more frames than rows, places at even steps from the first row to the last.

    Source: Flamingo, arXiv:2204.14198, trained on 8 frames and shown 30.
    """
    if frames <= len(table):
        return table[:frames]
    return F.interpolate(table.T[None], size=frames, mode="linear", align_corners=True)[0].T
