"""A pre-norm transformer block, and fixed sin-cos positions."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """LayerNorm → self-attention → LayerNorm → two-layer GELU network, each added to its input.

    Source: ViT, arXiv:2010.11929. Every position sees every other.
    """

    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width, eps=1e-6)
        self.widen = nn.Linear(width, mlp)
        self.narrow = nn.Linear(mlp, width)

    def forward(self, x: Float[Tensor, "views patches width"]) -> Float[Tensor, "views patches width"]:
        """Same shape in and out."""
        qkv = self.qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each: views heads patches head_width
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.widen(self.norm_mlp(x)), approximate="tanh"))


def sincos_2d(rows: int, cols: int, width: int, base: float = 10000.0) -> Float[Tensor, "rows cols width"]:
    """Fixed positions: the first half of the channels tells the column, the second the row, each [sin | cos].

    Source: MAE's table, arXiv:2111.06377, as LLaVA-UHD's resampler uses it.
    """
    frequency = base ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))

    def wave(length: int) -> Tensor:
        angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    across = wave(cols)[None].expand(rows, -1, -1)
    down = wave(rows)[:, None].expand(-1, cols, -1)
    return torch.cat([across, down], dim=-1).float()


def resize_table(
    table: Float[Tensor, "high wide width"], rows: int, cols: int, *, antialias: bool = False
) -> Float[Tensor, "{rows} {cols} width"]:
    """Positions for another grid by bicubic interpolation (corners not aligned), as ViTs do; ``antialias`` as SAM's."""
    if table.shape[:2] == (rows, cols):
        return table
    planes = table.permute(2, 0, 1)[None].float()  # halves are not implemented on the CPU
    made = F.interpolate(planes, size=(rows, cols), mode="bicubic", align_corners=False, antialias=antialias)
    return made[0].permute(1, 2, 0).to(table.dtype)
