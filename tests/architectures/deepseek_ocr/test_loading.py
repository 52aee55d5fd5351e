"""DeepSeek-OCR folders: OCR-2's logits equal transformers' in three layouts, v1's those of a transcription."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from saccade.backends.store import from_pretrained, load, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.runtime.encoded import pixels_of
from saccade.runtime.reader import Reader
from saccade.specs.layouts.canvas import PagesSpec
from saccade.views.sample import normalise
from tests.architectures.deepseek_ocr import small as deepseek
from tests.architectures.deepseek_ocr.folders import BEGIN, END, FIRST, IMAGE, first, scores, second, theirs
from tests.parts import close, counted, picture

VIEWS = PagesSpec(base=48, tile=32, most=6, even=True)
"""Of v1 in small: the whole makes 3 × 3 tokens, a tile 2 × 2."""


@pytest.mark.parametrize("layout", ["saved", "class", "authors"])
@torch.no_grad()
def test_logits_of_ocr_2_equal_those_of_transformers(tmp_path, layout):
    model, processor = second(tmp_path, layout)
    reader = load(tmp_path)
    assert isinstance(reader, Reader)
    small, large = picture(90, 33), picture(300, 150)
    prompts = [([small], "<image>\nFree OCR."), ([large, small], "<image>\nand<image>"), ([], "no picture")]
    if layout == "authors":  # they resize to sizes that their code knows, and say so nowhere in the folder
        reader = reader.seeing(PagesSpec(base=256, tile=192, most=6))
    for images, text in prompts:
        close(reader.logits(images, text), theirs(model, processor, images, text))


@torch.no_grad()
def test_answers_of_ocr_2_equal_greedy_generation(tmp_path):
    model, processor = second(tmp_path, "class")
    reader = load(tmp_path)
    image, question = picture(300, 150), "Free OCR."
    given = processor(images=[image], text=[reader.spec.template.replace("{question}", question)], return_tensors="pt")
    out = model.generate(**given, max_new_tokens=6, do_sample=False, eos_token_id=END, pad_token_id=258)
    ((answer,),) = reader.ask(reader.encode([image]), [[question]], max_tokens=6)
    assert list(answer.tokens) == out[0, given["input_ids"].shape[1] :].tolist()


@pytest.mark.parametrize("size", [(30, 20), (60, 40), (40, 130), (64, 64)], ids=str)
@torch.no_grad()
def test_logits_of_v1_equal_a_transcription(tmp_path, size):
    weights = first(tmp_path)
    reader = load(tmp_path).seeing(VIEWS)
    image = picture(*size)
    (encoded,) = reader.encode([image])
    views = [normalise([one], (0.5,) * 3, (0.5,) * 3)[0] for one in pixels_of(reader.spec, image, encoded.layout)]
    told = [deepseek.encoded(weights, view, heads=2, window=3, full=[1], clip_heads=4) for view in views]
    matrix, bias = weights["model.projector.layers.weight"], weights["model.projector.layers.bias"]
    projected = [one @ matrix.T + bias for one in told]
    grid = encoded.layout.slices
    woven = deepseek.woven(weights, projected, *((grid.rows, grid.cols) if grid else (0, 0)))
    table, text = weights["model.embed_tokens.weight"], reader.tokenizer("\nFree OCR.", add_special_tokens=False)
    vectors = torch.cat([table[[BEGIN]], woven, table[text["input_ids"]]])
    close(reader.logits([image], "<image>\nFree OCR."), scores(weights, vectors))


def test_the_plan_is_what_runs(tmp_path):
    for name, make in (("v1", first), ("v2", lambda folder: second(folder, "class"))):
        make(tmp_path / name)
        reader = load(tmp_path / name)
        reader = reader.seeing(VIEWS) if name == "v1" else reader
        size = (60, 40) if name == "v1" else (300, 150)
        plan = reader.plan(Size(*size), "What?")
        with torch.no_grad():
            (encoded,) = reader.encode([picture(*size)])
        prompt = reader.prompt(reader.spec.template.replace("{question}", "What?"), [encoded])
        assert plan.length == len(prompt.ids)
        assert plan.visual_tokens == encoded.count == len(encoded.ledger) == prompt.visual_tokens
        assert plan.slots == prompt.ids.count(IMAGE)
        made = counted(lambda reader=reader: Reader(reader.spec, reader.tokenizer), lambda _: None)
        assert made.params == plan.params


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_what_is_saved_is_what_is_loaded(tmp_path, name):
    if name == "v1":
        first(tmp_path / "theirs")
    else:
        second(tmp_path / "theirs", "class")
    reader = load(tmp_path / "theirs")
    reader = reader.seeing(VIEWS) if name == "v1" else reader
    save_pretrained(reader, tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again.spec == reader.spec
    assert all(tensor.equal(reader.state_dict()[key]) for key, tensor in again.state_dict().items())
    row = ([picture(60, 40)], "<image>\nFree OCR.")
    assert again.logits(*row).equal(reader.logits(*row))


def test_v1_reads_gundam_with_nine_tiles_unless_told(tmp_path):
    first(tmp_path)
    spec = load(tmp_path).spec
    assert spec.views == PagesSpec(base=1024, tile=640, most=9, even=True)
    assert (spec.opening, spec.image_id, spec.language.ends) == ("<s>", IMAGE, (END,))


LANGUAGE, VISION = FIRST["language_config"], FIRST["vision_config"]
CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "latent attention": ({"language_config": {**LANGUAGE, "use_mla": True}}, "use_mla True, DeepSeek-OCR's is False"),
    "no depth": ({"language_config": {}}, "needs a whole number 'num_hidden_layers', got None"),
    "a DeepSeek-VL2": ({"projector_config": {"projector_type": "downsample_mlp_gelu"}}, "shares with DeepSeek-VL2"),
    "another second tower": (
        {"vision_config": {"width": {"sam_vit_b": VISION["width"]["sam_vit_b"], "siglip": {}}}},
        "second tower is siglip; known are clip-l-14-224 and qwen2-0-5b",
    ),
    "more experts": ({"language_config": {**LANGUAGE, "n_routed_experts": 5}}, "of 5 experts by config.json, the files "
                     "lack 3 of their weights"),
    "fewer experts": ({"language_config": {**LANGUAGE, "n_routed_experts": 3}}, "lack 0 of their weights and have 3 "),
    "wider": ({"language_config": {**LANGUAGE, "moe_intermediate_size": 11}}, "the config does not belong"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), CONFIGS.values(), ids=list(CONFIGS))
def test_refuses_configs(tmp_path, changes, message):
    first(tmp_path, **changes)
    with pytest.raises(SaccadeError, match=message):
        load(tmp_path)


def test_refuses_weights_that_are_missing_or_left_over(tmp_path):
    held = first(tmp_path)
    file = tmp_path / "model.safetensors"
    for gone, message in (
        ("model.image_newline", "hold 1 of 2 vectors between views: model.view_seperator"),
        ("model.sam_model.blocks.2.attn.rel_pos_w", "lacks 1 of .*rel_pos_w"),
        ("model.sam_model.net_2.weight", "lacks the weight model.sam_model.net_2.weight"),
        ("model.layers.1.mlp.experts.3.up_proj.weight", "lack 1 of their weights and have 0 more: .*3.up_proj"),
        ("lm_head.weight", "lacks 1 of .*lm_head"),
    ):
        save_file({name: tensor for name, tensor in held.items() if name != gone}, file)
        with pytest.raises(SaccadeError, match=message):
            load(tmp_path)
    for more, message in (
        ("model.adapter.weight", "hold 1 weights of no DeepSeek-OCR layout known here: model.adapter.weight"),
        ("model.sam_model.extra", "has left-over 1 .*sam.extra"),
        ("model.multi_modal_projector.bias", "are both the weight connector.project.bias; remove one"),
    ):
        save_file({**held, more: torch.ones(1)}, file)
        with pytest.raises(SaccadeError, match=message):
            load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sam_config": {"hidden_act": "relu"}}, "sam_config: hidden_act is 'relu', here it is 'gelu'"),
        ({"sam_config": {"use_rel_pos": False}}, "sam_config: use_rel_pos is False"),
        ({"encoder_config": {"hidden_act": "gelu"}}, "encoder_config: hidden_act is 'gelu'"),
    ],
    ids=str,
)
def test_refuses_options_of_ocr_2(tmp_path, changes, message):
    second(tmp_path, "class")
    config = json.loads((tmp_path / "config.json").read_text())
    for place, fields in changes.items():
        config["vision_config"][place] |= fields
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SaccadeError, match=message):
        load(tmp_path)


def test_every_weight_of_theirs_is_somewhere_in_ours(tmp_path):
    weights = first(tmp_path)
    ours = sum(weight.numel() for weight in load(tmp_path).parameters())
    assert ours == sum(
        weight.numel() for name, weight in weights.items() if "vision_model.embeddings.patch" not in name
    )
    assert load_file(tmp_path / "model.safetensors").keys() == weights.keys()
