"""SAM's encoder, and the two convolutions that keep one patch in sixteen of it. See ``specs/towers/sam.py``.

Names are those of the published weights.
"""

from itertools import product
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.nn.transformer import resize_table
from saccade.specs.towers.sam import SamSpec

Map = Float[Tensor, "views rows cols width"]
Planes = Float[Tensor, "views channels high wide"]


class SamAttention(nn.Module):
    """Every place of a square sees every other; how far apart two lie along either axis adds to their score.

    A query's bias against a key is the sum of one number for the key's row and one for its column, each the product of
    the query with a learned vector for that distance. A table that was made for another square is stretched linearly.
    """

    def __init__(self, spec: SamSpec, places: int) -> None:
        super().__init__()
        self.spec = spec
        self.qkv = nn.Linear(spec.width, 3 * spec.width)
        self.proj = nn.Linear(spec.width, spec.width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * places - 1, spec.head))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * places - 1, spec.head))

    def forward(self, x: Map) -> Map:
        """Same shape in and out."""
        views, rows, cols, _ = x.shape
        heads = self.qkv(x).view(views, rows * cols, 3, self.spec.heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each: views heads tokens head_width
        placed = query.unflatten(2, (rows, cols))
        down = torch.einsum("vhrcd,rkd->vhrck", placed, _distances(self.rel_pos_h, rows)).contiguous()
        across = torch.einsum("vhrcd,ckd->vhrck", placed, _distances(self.rel_pos_w, cols)).contiguous()
        return self.proj(self._mixed(query, key, value, down, across).view(x.shape))

    def _mixed(self, query: Tensor, key: Tensor, value: Tensor, down: Tensor, across: Tensor) -> Tensor:
        """Some heads after the other, their bias in the same memory, unless a backward pass will ask for all of it."""
        views, heads, tokens, width = query.shape
        most = self.spec.together(tokens, views)
        if most == views * heads or torch.is_grad_enabled():
            bias = (down[..., None] + across[..., None, :]).view(views, heads, tokens, tokens)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
            return mixed.transpose(1, 2).flatten(2)
        mixed = query.new_empty(views, tokens, heads, width)
        shape = (max(1, most // heads), min(heads, most))
        room = query.new_empty(shape[0] * shape[1] * tokens**2)
        for first, head in product(range(0, views, shape[0]), range(0, heads, shape[1])):
            part = (slice(first, first + shape[0]), slice(head, head + shape[1]))
            bias = room[: query[part].shape[:2].numel() * tokens**2].view(*down[part].shape, -1)
            torch.add(down[part][..., None], across[part][..., None, :], out=bias)
            bias = bias.view(*bias.shape[:2], tokens, tokens)
            made = F.scaled_dot_product_attention(query[part], key[part], value[part], attn_mask=bias)
            mixed[part[0], :, part[1]] = made.transpose(1, 2)
        return mixed.flatten(2)


class SamFeedForward(nn.Module):
    """Two matrices around an exact GELU; some tokens after the other, unless a backward pass will ask for all of it."""

    def __init__(self, spec: SamSpec) -> None:
        super().__init__()
        self.spec = spec
        self.lin1 = nn.Linear(spec.width, spec.middle)
        self.lin2 = nn.Linear(spec.middle, spec.width)

    def forward(self, x: Map) -> Map:
        """Same shape in and out."""
        tokens = x.flatten(0, -2)
        parts = self.spec.parts(len(tokens))
        if parts == 1 or torch.is_grad_enabled():
            return self._fed(x)
        made = torch.empty_like(tokens)
        for part, place in zip(tokens.chunk(parts), made.chunk(parts), strict=True):
            place.copy_(self._fed(part))
        return made.view(x.shape)

    def _fed(self, x: Tensor) -> Tensor:
        return self.lin2(F.gelu(self.lin1(x)))


class SamLayer(nn.Module):
    """Norm, attention, norm, feed-forward, each pair added to its input; attention in windows unless ``full``.

    Windows reach beyond the map's lower and right edge; zeros stand there, behind the norm, and are looked at.
    """

    def __init__(self, spec: SamSpec, *, full: bool) -> None:
        super().__init__()
        self.window = None if full else spec.window
        self.norm1 = nn.LayerNorm(spec.width, eps=spec.eps)
        self.attn = SamAttention(spec, spec.places if full else spec.window)
        self.norm2 = nn.LayerNorm(spec.width, eps=spec.eps)
        self.mlp = SamFeedForward(spec)

    def forward(self, x: Map) -> Map:
        """Same shape in and out."""
        normed = self.norm1(x)
        x = x + (self.attn(normed) if self.window is None else self._windowed(normed, self.window))
        return x + self.mlp(self.norm2(x))

    def _windowed(self, x: Map, side: int) -> Map:
        views, rows, cols, width = x.shape
        filled = F.pad(x, (0, 0, 0, -cols % side, 0, -rows % side))
        down, across = filled.shape[1] // side, filled.shape[2] // side
        cut = filled.view(views, down, side, across, side, width).transpose(2, 3)
        seen = self.attn(cut.reshape(-1, side, side, width)).view(views, down, across, side, side, width)
        return seen.transpose(2, 3).reshape(filled.shape)[:, :rows, :cols]


class PatchEmbed(nn.Module):
    """Pixels to patches."""

    def __init__(self, spec: SamSpec) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, spec.width, spec.patch, stride=spec.patch)

    def forward(self, pixels: Float[Tensor, "views 3 height width_"]) -> Map:
        """Channels last."""
        return self.proj(pixels).permute(0, 2, 3, 1)


class ChannelNorm(nn.Module):
    """A layer norm over the channels of planes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, planes: Planes) -> Planes:
        """Same shape in and out."""
        last = planes.permute(0, 2, 3, 1)
        return F.layer_norm(last, (last.shape[-1],), self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


@final
class Sam(nn.Module):
    """``spec`` fixes every size; views of other sides than the tables' interpolate positions."""

    def __init__(self, spec: SamSpec) -> None:
        super().__init__()
        self.spec = spec
        self.patch_embed = PatchEmbed(spec)
        self.pos_embed = nn.Parameter(torch.zeros(1, spec.places, spec.places, spec.width))
        self.blocks = nn.ModuleList(SamLayer(spec, full=layer in spec.full) for layer in range(spec.depth))
        self.neck = nn.Sequential(
            nn.Conv2d(spec.width, spec.neck, 1, bias=False),
            ChannelNorm(spec.neck),
            nn.Conv2d(spec.neck, spec.neck, 3, padding=1, bias=False),
            ChannelNorm(spec.neck),
        )
        one, two = spec.channels
        self.net_2 = nn.Conv2d(spec.neck, one, 3, stride=2, padding=1, bias=False)
        self.net_3 = nn.Conv2d(one, two, 3, stride=2, padding=1, bias=False)

    def forward(self, pixels: Float[Tensor, "views 3 height width_"]) -> Planes:
        """The last map, a place for every ``spec.reduction`` pixels a side."""
        return self.net_3(self.net_2(self.encode(pixels)))

    def encode(self, pixels: Float[Tensor, "views 3 height width_"]) -> Planes:
        """The map behind the neck: SAM's own, a place a patch."""
        x = self.patch_embed(pixels)
        x = x + resize_table(self.pos_embed[0], *x.shape[1:3], antialias=True)
        for block in self.blocks:
            x = cast(Tensor, block(x))
        return self.neck(x.permute(0, 3, 1, 2))


def _distances(table: Float[Tensor, "distances width"], side: int) -> Float[Tensor, "side side width"]:
    """The learned vector for every pair of places along an axis: a query's place, then a key's."""
    if len(table) != 2 * side - 1:
        table = F.interpolate(table.T[None], size=2 * side - 1, mode="linear")[0].T
    place = torch.arange(side, device=table.device)
    return table[place[:, None] - place + side - 1]
