"""Published names of Q-Formers, transformers' and LAVIS': every weight, once, and nothing else."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from saccade.connectors.qformer import QFormer
from saccade.core.errors import SaccadeError
from saccade.runtime.matcher import Matcher
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.matcher import MatcherSpec
from saccade.weights.qformer import joined, rename, rename_matcher

SPEC = QFormerSpec(
    width_in=12, width_out=0, queries=4, depth=2, width=8, heads=2, middle=10, every=2, vocabulary=30, positions=9
)
BEFORE = replace(SPEC, width_out=6, vocabulary=0)
"""The same before a language model: a projection and no words."""
LAYER = "Qformer.bert.encoder.layer."


def lavis(spec: QFormerSpec = SPEC, *, heads: bool = True) -> dict[str, Tensor]:
    """A LAVIS state, each weight filled with numbers of its own: what BERT's class calls its parts."""
    wide, middle, shapes = spec.width, spec.middle, {"query_tokens": (1, spec.queries, spec.width)}

    def linear(name: str, out: int, into: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into), (out,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (wide,)

    norm("Qformer.bert.embeddings.LayerNorm")
    shapes["Qformer.bert.embeddings.word_embeddings.weight"] = (30, wide)
    shapes["Qformer.bert.embeddings.position_embeddings.weight"] = (9, wide)
    shapes["Qformer.bert.embeddings.position_ids"] = (1, 9)
    for number in range(spec.depth):
        for attention, source in (("attention", wide), ("crossattention", spec.width_in)):
            if attention == "crossattention" and number % spec.every:
                continue
            start = f"{LAYER}{number}.{attention}"
            linear(f"{start}.self.query", wide, wide)
            linear(f"{start}.self.key", wide, source)
            linear(f"{start}.self.value", wide, source)
            linear(f"{start}.output.dense", wide, wide)
            norm(f"{start}.output.LayerNorm")
        for kind in ("", "_query"):
            linear(f"{LAYER}{number}.intermediate{kind}.dense", middle, wide)
            linear(f"{LAYER}{number}.output{kind}.dense", wide, middle)
            norm(f"{LAYER}{number}.output{kind}.LayerNorm")
    if heads:
        linear("vision_proj", 6, wide)
        linear("text_proj", 6, wide)
        linear("itm_head", 2, wide)
        shapes["temp"] = ()
        linear("Qformer.cls.predictions.transform.dense", wide, wide)
        norm("Qformer.cls.predictions.transform.LayerNorm")
        shapes["Qformer.cls.predictions.bias"] = (30,)
        linear("Qformer.cls.predictions.decoder", 30, wide)
    return {
        name: index + torch.arange(float(torch.Size(shape).numel())).view(shape) / 1e4
        for index, (name, shape) in enumerate(shapes.items())
    }


def test_a_first_stage_of_lavis_fills_a_matcher():
    state = lavis()
    names = rename_matcher(state, SPEC)
    matcher = Matcher(MatcherSpec(qformer=SPEC, embed=6, cls=1, dec=29))
    matcher.load_state_dict(joined(state, names))
    asked = f"{LAYER}0.crossattention.self"
    assert matcher.qformer.look.weight[:8].equal(state[f"{asked}.key.weight"])
    assert matcher.qformer.look.weight[8:].equal(state[f"{asked}.value.weight"])
    layer = matcher.qformer.layers[1]
    assert layer.attention.qkv.bias.equal(
        torch.cat([state[f"{LAYER}1.attention.self.{part}.bias"] for part in ("query", "key", "value")])
    )
    assert layer.feed.widen.weight.equal(state[f"{LAYER}1.intermediate_query.dense.weight"])
    assert layer.feed_text.widen.weight.equal(state[f"{LAYER}1.intermediate.dense.weight"])
    assert layer.feed.narrow.weight.equal(state[f"{LAYER}1.output_query.dense.weight"])
    assert layer.feed_text.norm.bias.equal(state[f"{LAYER}1.output.LayerNorm.bias"])
    assert matcher.qformer.norm.weight.equal(state["Qformer.bert.embeddings.LayerNorm.weight"])
    assert matcher.word_head.dense.weight.equal(state["Qformer.cls.predictions.transform.dense.weight"])
    assert matcher.word_head.norm.bias.equal(state["Qformer.cls.predictions.transform.LayerNorm.bias"])
    assert matcher.word_head.bias.equal(state["Qformer.cls.predictions.bias"])
    assert matcher.image_head.weight.equal(state["vision_proj.weight"])
    assert matcher.text_head.bias.equal(state["text_proj.bias"])
    assert matcher.match_head.bias.equal(state["itm_head.bias"])
    assert matcher.temperature.equal(state["temp"])


def test_what_goes_nowhere_is_named():
    """The table once more, as an output matrix, and positions counted off; nothing else is left out."""
    state = lavis()
    used = {
        part
        for source in rename_matcher(state, SPEC).values()
        for part in ([source] if isinstance(source, str) else source)
    }
    assert set(state) - used == {
        "Qformer.bert.embeddings.position_ids",
        "Qformer.cls.predictions.decoder.weight",
        "Qformer.cls.predictions.decoder.bias",
    }


def test_a_second_stage_needs_no_words_and_no_heads():
    """Files of LAVIS keep both; a Q-Former before a language model has neither."""
    state = {**lavis(), "opt_proj.weight": torch.ones(6, 8), "opt_proj.bias": torch.zeros(6)}
    names = rename(state, BEFORE)
    QFormer(BEFORE).load_state_dict(joined(state, names))
    assert names["project.weight"] == "opt_proj.weight"
    for start in ("t5_proj", "llm_proj", "language_projection"):
        assert (
            rename({**lavis(heads=False), f"{start}.weight": torch.ones(6, 8)}, BEFORE)["project.weight"]
            == f"{start}.weight"
        )
    assert "project.weight" not in rename(state, SPEC)


def test_towers_and_language_models_are_somebody_elses():
    elsewhere = ["visual_encoder.blocks.0.norm1.weight", "ln_vision.bias", "opt_model.lm_head.weight", "llm_model.a",
                 "t5_model.shared.weight", "vision_model.x", "language_model.y", "model.vision_model.z"]  # fmt: skip
    assert rename([*lavis(), *elsewhere], SPEC) == rename(lavis(), SPEC)


def test_heads_belong_to_a_matcher_alone():
    found = rename(lavis(), SPEC)
    assert not any("head" in ours or ours == "temperature" for ours in found)
    with_heads = rename_matcher(lavis(), SPEC)
    assert {ours.removeprefix("qformer.") for ours in with_heads if ours.startswith("qformer.")} == set(found)


def test_refusals():
    state = lavis()
    with pytest.raises(
        SaccadeError, match=r"^2 weights have names of no Q-Former layout known here: Qformer.*, strange$"
    ):
        rename([*state, "strange", f"{LAYER}7.output.dense.bias"], SPEC)
    with pytest.raises(SaccadeError, match="1 weights have names of no Q-Former layout"):
        rename([*state, f"{LAYER}1.crossattention.self.key.bias"], SPEC)
    with pytest.raises(
        SaccadeError, match=r"qkv\.bias is made of 3 published weights, got 2; number 2 is missing beside"
    ):
        rename([name for name in state if name != f"{LAYER}1.attention.self.key.bias"], SPEC)
    with pytest.raises(
        SaccadeError, match=r"vision_proj\.bias and vision_projection\.bias are both the weight heads\.image"
    ):
        rename_matcher([*state, "vision_projection.bias"], SPEC)
