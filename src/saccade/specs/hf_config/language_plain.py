"""How the language models from before Llama write their numbers: as many keys as queries, two matrices feed forward.

Law     none of its own, as in ``dialects``, which lists them.
Source  OPT, arXiv:2205.01068; MPT (ALiBi, arXiv:2108.12409); GPT-NeoX, arXiv:2204.06745; GPT-J; BLOOM,
        arXiv:2211.05100; each as in transformers 5.23.
"""

from dataclasses import replace

from saccade.core.errors import SaccadeError
from saccade.specs.hf_config.fields import Fields
from saccade.specs.language.language import LanguageSpec
from saccade.specs.laws.layer import AttentionSpec, FeedForwardSpec, LayerSpec

BLOOM_CONTEXT = 2048
"""What every published BLOOM was trained on; its slopes go on for ever and its config need not say."""


def opt(fields: Fields, tied: bool) -> LanguageSpec:
    """Learned positions (two more than its context); the norm behind is missing where norms follow their halves."""
    width, context = fields.positive("hidden_size"), fields.positive("max_position_embeddings")
    if fields.number("word_embed_proj_dim", default=width) != width:
        raise SaccadeError(f"{fields.place}: OPT with projected embeddings (350m) has no cost law here; take another")
    bias = fields.flag("enable_bias", True)
    norm = 2 * width if fields.flag("layer_norm_elementwise_affine", True) else 0
    behind = norm if fields.flag("do_layer_norm_before", True) and not fields.flag("_remove_final_layer_norm") else 0
    layer = _layer(width, fields.positive("num_attention_heads"), fields.positive("ffn_dim"), bias=bias, norms=2 * norm)
    runs = (fields.positive("num_hidden_layers"), layer)
    return _model(fields, tied, runs, context=context, held=behind + (context + 2) * width)


def mpt(fields: Fields, tied: bool) -> LanguageSpec:
    """No shifts anywhere, positions by slope (ALiBi), norms without shift."""
    width = fields.positive("d_model")
    middle = width * fields.positive("expansion_ratio")
    layer = _layer(width, fields.positive("n_heads"), middle, bias=False, norms=2 * width)
    return _model(
        fields, tied, (fields.positive("n_layers"), layer), context=fields.positive("max_seq_len"), held=width
    )


def gpt_neox(fields: Fields, tied: bool) -> LanguageSpec:
    """GPT-NeoX, Pythia, RedPajama: both halves of a layer beside each other, each with its norm."""
    width = fields.positive("hidden_size")
    heads, middle = fields.positive("num_attention_heads"), fields.positive("intermediate_size")
    layer = _layer(width, heads, middle, bias=fields.flag("attention_bias", True), bias_feed=True, norms=4 * width)
    context = fields.positive("max_position_embeddings")
    return _model(fields, tied, (fields.positive("num_hidden_layers"), layer), context=context, held=2 * width)


def gptj(fields: Fields, tied: bool) -> LanguageSpec:
    """GPT-J: both halves of a layer behind one norm, and a shift on the head."""
    width = fields.positive("n_embd")
    middle = fields.positive("n_inner", default=4 * width)
    layer = _layer(width, fields.positive("n_head"), middle, bias=False, bias_feed=True, norms=2 * width)
    runs = (fields.positive("n_layer"), layer)
    model = _model(fields, tied, runs, context=fields.positive("n_positions"), held=2 * width)
    return replace(model, head_bias=True)


def bloom(fields: Fields, tied: bool) -> LanguageSpec:
    """BLOOM: a norm behind the embeddings too, positions by slope (ALiBi)."""
    width = fields.positive("n_embed", "hidden_size")
    layer = _layer(width, fields.positive("n_head"), 4 * width, bias=True, norms=4 * width)
    context = fields.positive("seq_length", default=BLOOM_CONTEXT)
    return _model(fields, tied, (fields.positive("n_layer"), layer), context=context, held=4 * width)


def _layer(width: int, heads: int, middle: int, *, bias: bool, norms: int, bias_feed: bool | None = None) -> LayerSpec:
    """``bias`` on all matrices, on the feed-forward's as ``bias_feed`` says where it differs."""
    attention = AttentionSpec(width=width, heads=heads, head=width // heads, kv_heads=heads, bias=bias, bias_out=bias)
    feed = FeedForwardSpec(width=width, middle=middle, bias=bias if bias_feed is None else bias_feed)
    return LayerSpec(attention=attention, feed=feed, norms=norms)


def _model(fields: Fields, tied: bool, runs: tuple[int, LayerSpec], *, context: int, held: int) -> LanguageSpec:
    rows = fields.positive("vocab_size")
    return LanguageSpec(
        width=runs[1].width, layers=(runs,), rows=rows, vocabulary=rows, context=context, tied=tied, held=held
    )
