"""Published names of BLIP-2 and InstructBLIP to ours: every one, once, and nothing else."""

import json

import pytest

from saccade.architectures.blip2 import weights as blip2
from saccade.core.errors import SaccadeError
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.language.seq2seq import Seq2SeqSpec
from tests.architectures.blip2.folders import LANGUAGES

SPEC = QFormerSpec(width_in=16, width_out=16, queries=5, depth=1, width=8, heads=2, middle=12)
OPT = DecoderSpec(config=json.dumps(LANGUAGES["opt"]))
T5 = Seq2SeqSpec(config=json.dumps(LANGUAGES["t5"]))
LAYER = "qformer.encoder.layer.0."


def test_each_part_goes_to_its_place():
    names = blip2.rename(
        [
            "query_tokens",
            "language_projection.weight",
            *(f"{LAYER}crossattention.attention.{name}.weight" for name in ("value", "query", "key")),
            "vision_model.post_layernorm.bias",
            "vision_model.encoder.layers.0.self_attn.qkv.bias",
            "language_model.model.decoder.embed_tokens.weight",
            "language_model.lm_head.weight",
        ],
        SPEC,
        OPT,
    )
    assert names == {
        "connector.queries": "query_tokens",
        "connector.project.weight": "language_projection.weight",
        "connector.layers.0.cross.query.weight": f"{LAYER}crossattention.attention.query.weight",
        "connector.look.weight": tuple(f"{LAYER}crossattention.attention.{name}.weight" for name in ("key", "value")),
        "tower.backbone.post_layernorm.bias": "vision_model.post_layernorm.bias",
        "tower.backbone.encoder.layers.0.self_attn.qkv.bias": "vision_model.encoder.layers.0.self_attn.qkv.bias",
        "language.model.model.decoder.embed_tokens.weight": "language_model.model.decoder.embed_tokens.weight",
        "language.model.lm_head.weight": "language_model.lm_head.weight",
    }


def test_a_t5_keeps_its_own_names():
    assert blip2.rename(["language_model.shared.weight", "language_model.lm_head.weight"], SPEC, T5) == {
        "language.model.shared.weight": "language_model.shared.weight",
        "language.model.lm_head.weight": "language_model.lm_head.weight",
    }


def test_what_is_counted_not_learned_is_passed_over():
    counted = ["vision_model.embeddings.position_ids", "qformer.embeddings.position_ids"]
    older = ["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"]
    llama = DecoderSpec(config=json.dumps(LANGUAGES["llama"]))
    assert blip2.rename([*counted, *older, "query_tokens"], SPEC, llama) == {"connector.queries": "query_tokens"}


def test_refuses_names_of_no_known_layout():
    with pytest.raises(SaccadeError, match=r"1 weights have names of no Q-Former layout known here: adapter\.weight"):
        blip2.rename(["query_tokens", "adapter.weight"], SPEC, OPT)
    with pytest.raises(SaccadeError, match=r"lm_head\.weight and .* are both the weight language\.model\.lm_head"):
        blip2.rename(["language_model.lm_head.weight", "language_model.embed_out.weight"], SPEC, OPT)
