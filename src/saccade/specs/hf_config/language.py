"""How each language model writes its numbers in ``config.json``: model type → ``LanguageSpec``.

Law     none of its own; a dialect only reads. What a file leaves out means its class's default (``DEFAULTS``, held to
        the installed transformers by a test).
Source  the ``configuration_*.py`` and ``modeling_*.py`` of each type in transformers 5.23.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from saccade.core.errors import SaccadeError, unknown
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.hf_config.language_plain import bloom, gpt_neox, gptj, mpt, opt
from saccade.specs.language.language import LanguageSpec
from saccade.specs.laws.layer import AttentionSpec, ExpertsSpec, FeedForwardSpec, LatentAttentionSpec, LayerSpec

_LLAMA: Json = {
    "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "vocab_size": 32_000, "max_position_embeddings": 2048,
}  # fmt: skip
_QWEN2: Json = {
    "hidden_size": 4096, "intermediate_size": 22_016, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 32, "vocab_size": 151_936, "max_position_embeddings": 32_768,
}  # fmt: skip
_QWEN2_VL: Json = {
    "hidden_size": 8192, "intermediate_size": 29_568, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "vocab_size": 152_064, "max_position_embeddings": 32_768,
}  # fmt: skip

DEFAULTS: dict[str, Json] = {
    "llama": _LLAMA,
    "mistral": {
        **_LLAMA, "intermediate_size": 14_336, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
        "sliding_window": 4096,
    },
    "qwen2": _QWEN2,
    "qwen3": {**_QWEN2, "head_dim": 128},
    "qwen2_vl_text": _QWEN2_VL,
    "qwen2_5_vl_text": _QWEN2_VL,
    "qwen3_vl_text": {**_QWEN2, "head_dim": 128, "max_position_embeddings": 128_000},
    "gemma": {
        "hidden_size": 3072, "intermediate_size": 24_576, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 16, "head_dim": 256, "vocab_size": 256_000, "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
    "gemma3_text": {
        "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262_208, "max_position_embeddings": 131_072,
        "sliding_window": 4096, "tie_word_embeddings": True,
    },
    "opt": {
        "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
        "vocab_size": 50_272, "max_position_embeddings": 2048, "tie_word_embeddings": True,
    },
    "mpt": {
        "d_model": 2048, "n_layers": 24, "n_heads": 16, "expansion_ratio": 4, "vocab_size": 50_368,
        "max_seq_len": 2048, "tie_word_embeddings": True,
    },
    "gpt_neox": {
        "hidden_size": 6144, "intermediate_size": 24_576, "num_hidden_layers": 44, "num_attention_heads": 64,
        "vocab_size": 50_432, "max_position_embeddings": 2048,
    },
    "gptj": {"n_embd": 4096, "n_layer": 28, "n_head": 16, "vocab_size": 50_400, "n_positions": 2048},
    "bloom": {"hidden_size": 64, "n_layer": 2, "n_head": 8, "vocab_size": 250_880, "tie_word_embeddings": True},
    "deepseek_ocr2_text": {
        **_LLAMA, "vocab_size": 102_400, "num_key_value_heads": 32, "moe_intermediate_size": 1407,
        "n_routed_experts": 64, "n_shared_experts": 2,
    },
    "deepseek_v3": {
        "hidden_size": 7168, "intermediate_size": 18_432, "num_hidden_layers": 61, "num_attention_heads": 128,
        "vocab_size": 129_280, "max_position_embeddings": 4096, "kv_lora_rank": 512, "q_lora_rank": 1536,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "moe_intermediate_size": 2048,
        "n_routed_experts": 256, "num_experts_per_tok": 8, "n_shared_experts": 1, "first_k_dense_replace": 3,
    },
}  # fmt: skip
"""What a class means by silence, per model type."""


def language(fields: Fields, model_type: str, *, tied: bool | None = None) -> LanguageSpec:
    """The numbers of a language model of ``model_type``. ``tied`` overrides what its own config says of the head."""
    if model_type not in DIALECTS:
        raise unknown("language model with a cost law", model_type, DIALECTS)
    known = fields.like(DEFAULTS[model_type])
    return DIALECTS[model_type](known, known.flag("tie_word_embeddings") if tied is None else tied)


def _llama(fields: Fields, tied: bool) -> LanguageSpec:
    bias = fields.flag("attention_bias")
    return _gated(fields, tied, bias=bias, bias_out=bias, bias_feed=fields.flag("mlp_bias"))


def _mistral(fields: Fields, tied: bool) -> LanguageSpec:
    window = fields.number("sliding_window", default=0) or None
    return _gated(fields, tied, windows=[window] * fields.positive("num_hidden_layers"))


def _qwen2(fields: Fields, tied: bool) -> LanguageSpec:
    return _gated(fields, tied, bias=True, windows=_qwen_windows(fields))


def _qwen3(fields: Fields, tied: bool) -> LanguageSpec:
    bias = fields.flag("attention_bias")
    return _gated(fields, tied, bias=bias, bias_out=bias, norms=2 * _head(fields), windows=_qwen_windows(fields))


def _gemma(fields: Fields, tied: bool) -> LanguageSpec:
    bias = fields.flag("attention_bias")
    return _gated(fields, tied, bias=bias, bias_out=bias)


def _gemma3(fields: Fields, tied: bool) -> LanguageSpec:
    """Two norms around each half, norms on queries and keys, and a window in all layers but every sixth."""
    bias, depth = fields.flag("attention_bias"), fields.positive("num_hidden_layers")
    window = fields.positive("sliding_window")
    given = fields.items("layer_types")
    every = fields.number("sliding_window_pattern", default=6)
    far = [kind == "full_attention" for kind in given] if given else [(at + 1) % every == 0 for at in range(depth)]
    extra = 2 * fields.positive("hidden_size") + 2 * _head(fields)
    windows = [None if full else window for full in far]
    return _gated(fields, tied, bias=bias, bias_out=bias, norms=extra, windows=windows)


def _deepseek_ocr(fields: Fields, tied: bool) -> LanguageSpec:
    """Llama's attention; the first layer's feed-forward is dense, the others route to experts."""
    width, depth = fields.positive("hidden_size"), fields.positive("num_hidden_layers")
    bias = fields.flag("attention_bias")
    attention = _attention(fields, bias=bias, bias_out=bias)
    given = fields.items("mlp_layer_types")
    dense = sum(kind == "dense" for kind in given) if given else fields.number("first_k_dense_replace", default=1)
    return _experts(fields, tied, attention, 2 * width, dense, depth)


def _deepseek_v3(fields: Fields, tied: bool) -> LanguageSpec:
    """Latent attention and routed experts after the first dense layers."""
    attention = LatentAttentionSpec(
        width=fields.positive("hidden_size"),
        heads=fields.positive("num_attention_heads"),
        head=fields.positive("qk_nope_head_dim"),
        rotary=fields.positive("qk_rope_head_dim"),
        value=fields.positive("v_head_dim"),
        latent=fields.positive("kv_lora_rank"),
        # Here null is a value: queries without a bottleneck.
        query=None if "q_lora_rank" in fields.data and fields.data["q_lora_rank"] is None
        else fields.positive("q_lora_rank"),
        bias=fields.flag("attention_bias"),
    )  # fmt: skip
    dense, depth = fields.number("first_k_dense_replace"), fields.positive("num_hidden_layers")
    return _experts(fields, tied, attention, 2 * attention.width, dense, depth)


DIALECTS: Mapping[str, Callable[[Fields, bool], LanguageSpec]] = {
    "llama": _llama,
    "mistral": _mistral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen2_vl_text": _qwen2,
    "qwen2_5_vl_text": _qwen2,
    "qwen3_vl_text": _qwen3,
    "gemma": _gemma,
    "gemma3_text": _gemma3,
    "opt": opt,
    "mpt": mpt,
    "gpt_neox": gpt_neox,
    "gptj": gptj,
    "bloom": bloom,
    "deepseek_ocr2_text": _deepseek_ocr,
    "deepseek_v3": _deepseek_v3,
}
"""Model types with a cost law here."""


def _head(fields: Fields) -> int:
    """Channels of a head: a share of the width where neither the file nor the class says otherwise."""
    return fields.positive("head_dim", default=fields.positive("hidden_size") // fields.positive("num_attention_heads"))


def _attention(fields: Fields, *, bias: bool, bias_out: bool, window: int | None = None) -> AttentionSpec:
    heads = fields.positive("num_attention_heads")
    return AttentionSpec(
        width=fields.positive("hidden_size"),
        heads=heads,
        head=_head(fields),
        kv_heads=fields.positive("num_key_value_heads", default=heads),
        bias=bias,
        bias_out=bias_out,
        window=window,
    )


def _gated(
    fields: Fields,
    tied: bool,
    *,
    bias: bool = False,
    bias_out: bool = False,
    bias_feed: bool = False,
    norms: int = 0,
    windows: Sequence[int | None] | None = None,
) -> LanguageSpec:
    """Llama and its kin: rotary positions, norms without shift, a gated feed-forward; ``norms`` beyond the two."""
    width, depth = fields.positive("hidden_size"), fields.positive("num_hidden_layers")
    feed = FeedForwardSpec(width=width, middle=fields.positive("intermediate_size"), gated=True, bias=bias_feed)
    spans = [None] * depth if windows is None else list(windows)
    if len(spans) != depth:
        raise SaccadeError(f"{fields.place} names the kinds of {len(spans)} layers but has {depth}")

    def layer(window: int | None) -> LayerSpec:
        attention = _attention(fields, bias=bias, bias_out=bias_out, window=window)
        return LayerSpec(attention=attention, feed=feed, norms=2 * width + norms)

    ordered = sorted(spans, key=lambda span: (span is None, span))
    runs = [(len(list(equal)), layer(window)) for window, equal in groupby(ordered)]
    return _model(fields, tied, tuple(runs))


def _experts(
    fields: Fields, tied: bool, attention: AttentionSpec | LatentAttentionSpec, norms: int, dense: int, depth: int
) -> LanguageSpec:
    width, middle = attention.width, fields.positive("moe_intermediate_size")
    first = FeedForwardSpec(width=width, middle=fields.positive("intermediate_size"), gated=True)
    routed = ExpertsSpec(
        width=width,
        middle=middle,
        experts=fields.positive("n_routed_experts"),
        active=fields.positive("num_experts_per_tok"),
        shared=middle * fields.number("n_shared_experts", default=0),
    )
    layers = (
        (dense, LayerSpec(attention=attention, feed=first, norms=norms)),
        (depth - dense, LayerSpec(attention=attention, feed=routed, norms=norms)),
    )
    return _model(fields, tied, tuple(run for run in layers if run[0]))


def _model(fields: Fields, tied: bool, layers: tuple[tuple[int, LayerSpec], ...]) -> LanguageSpec:
    return LanguageSpec(
        width=fields.positive("hidden_size"),
        layers=layers,
        rows=fields.positive("vocab_size"),
        vocabulary=fields.positive("vocab_size"),
        context=fields.positive("max_position_embeddings"),
        tied=tied,
        held=fields.positive("hidden_size"),
    )


def _qwen_windows(fields: Fields) -> list[int | None]:
    """Qwen2 and 3 use a window only where the switch is on, and only above ``max_window_layers``."""
    depth = fields.positive("num_hidden_layers")
    window = fields.number("sliding_window", default=0) or None
    if not fields.flag("use_sliding_window") or window is None:
        return [None] * depth
    given = fields.items("layer_types")
    if given:
        return [window if kind == "sliding_attention" else None for kind in given]
    first = fields.number("max_window_layers", default=28)
    return [window if layer >= first else None for layer in range(depth)]
