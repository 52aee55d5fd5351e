"""DeepSeek-OCR's towers: SAM's encoder, its map halved twice, and a second transformer over what is left.

See ``specs/towers/serial.py``.
"""

from typing import cast, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedModel

from saccade.nn.sam import Sam
from saccade.nn.transformer import resize_table
from saccade.specs.towers.serial import CausalFlowSpec, ClipBodySpec, SerialSpec

Tokens = Float[Tensor, "views tokens width"]
_SHARP = 1.702
"""How steep CLIP's GELU is: x · σ(1.702 x)."""


class ClipAttention(nn.Module):
    """Every token sees every other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tokens) -> Tokens:
        """Same shape in and out."""
        query, key, value = self.qkv_proj(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out_proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class ClipFeedForward(nn.Module):
    """Two matrices around the quick GELU."""

    def __init__(self, width: int, middle: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, middle), nn.Linear(middle, width)

    def forward(self, x: Tokens) -> Tokens:
        """Same shape in and out."""
        wide = self.fc1(x)
        return self.fc2(wide * torch.sigmoid(_SHARP * wide))


class ClipLayer(nn.Module):
    """Norm, attention, norm, feed-forward, each pair added to its input."""

    def __init__(self, spec: ClipBodySpec) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(spec.width, eps=spec.eps)
        self.self_attn = ClipAttention(spec.width, spec.heads)
        self.layer_norm2 = nn.LayerNorm(spec.width, eps=spec.eps)
        self.mlp = ClipFeedForward(spec.width, spec.middle)

    def forward(self, x: Tokens) -> Tokens:
        """Same shape in and out."""
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


@final
class ClipBody(nn.Module):
    """CLIP without its patches: a class token and positions, a norm, layers, no norm behind. See ``ClipBodySpec``."""

    def __init__(self, spec: ClipBodySpec) -> None:
        super().__init__()
        self.spec = spec
        self.class_embedding = nn.Parameter(torch.randn(spec.width))
        self.position_embedding = nn.Parameter(0.02 * torch.randn(1 + spec.places**2, spec.width))
        self.pre_layrnorm = nn.LayerNorm(spec.width, eps=spec.eps)
        self.layers = nn.ModuleList(ClipLayer(spec) for _ in range(spec.depth))

    def forward(self, tokens: Float[Tensor, "views rows cols width"]) -> Tokens:
        """Of a square of tokens, in row order, with the class token dropped."""
        views, rows, cols, width = tokens.shape
        lead, table = self.position_embedding[:1], self.position_embedding[1:]
        table = table.view(self.spec.places, self.spec.places, width)
        placed = tokens.flatten(1, 2) + resize_table(table, rows, cols, antialias=True).reshape(-1, width)
        x = torch.cat([(self.class_embedding + lead).expand(views, 1, width), placed], dim=1)
        x = self.pre_layrnorm(x)
        for layer in self.layers:
            x = cast(Tensor, layer(x))
        return x[:, 1:]


@final
class CausalFlow(nn.Module):
    """Learned queries that read all tokens and the queries before them. See ``CausalFlowSpec``.

    ``body`` is the ``transformers`` model, without the table of token embeddings, which nothing here looks up.
    """

    def __init__(self, spec: CausalFlowSpec) -> None:
        super().__init__()
        self.body = _body(spec)
        self.queries = nn.ParameterDict({str(many): torch.randn(many, spec.width) for many in spec.queries})

    def forward(self, tokens: Float[Tensor, "views rows cols width"]) -> Tokens:
        """As many queries as tokens."""
        read = tokens.flatten(1, 2)
        views, many, _ = read.shape
        queries = self.queries[str(many)].expand(views, -1, -1)
        seen = flow_mask(many, device=read.device)
        found = self.body(inputs_embeds=torch.cat([read, queries], dim=1), attention_mask=seen, use_cache=False)
        return found.last_hidden_state[:, many:]


@final
class SerialTower(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: SerialSpec) -> None:
        super().__init__()
        self.spec = spec
        self.sam = Sam(spec.sam)
        self.second = ClipBody(spec.second) if isinstance(spec.second, ClipBodySpec) else CausalFlow(spec.second)

    def forward(
        self, pixels: Float[Tensor, "views 3 height width_"]
    ) -> Float[Tensor, "views tokens {self.spec.width}"]:
        """Tokens in row order; behind CLIP's channels stand those that it was given."""
        tokens = self.sam(pixels).permute(0, 2, 3, 1)
        second = self.second(tokens)
        return torch.cat([second, tokens.flatten(1, 2)], dim=-1) if isinstance(self.second, ClipBody) else second


def flow_mask(tokens: int, device: torch.device) -> Bool[Tensor, "1 1 length length"]:
    """Who sees whom: tokens each other and no query, a query all tokens and the queries up to itself."""
    seen = torch.ones(2 * tokens, 2 * tokens, dtype=torch.bool, device=device).tril()
    seen[:tokens, :tokens] = True
    return seen[None, None]


def _body(spec: CausalFlowSpec) -> PreTrainedModel:
    config = AutoConfig.for_model(
        "qwen2",
        vocab_size=1,
        hidden_size=spec.width,
        intermediate_size=spec.middle,
        num_hidden_layers=spec.depth,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.pairs,
        rms_norm_eps=spec.eps,
        rope_parameters={"rope_type": "default", "rope_theta": spec.theta},
        max_position_embeddings=2 * max(spec.queries),
        pad_token_id=None,
    )
    body = AutoModel.from_config(config, dtype=torch.get_default_dtype(), attn_implementation="sdpa")
    body.set_input_embeddings(nn.Identity())
    return body
