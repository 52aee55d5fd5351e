"""How a LLaVA folder's JSON becomes a path of parts: what is read, what is refused with which cure."""

import json
from typing import Any

import pytest
from transformers import LlavaImageProcessorPil

from saccade.backends.store import load
from saccade.core.errors import SaccadeError
from saccade.specs.layouts.resize import PadSpec
from tests.architectures.llava.folders import checkpoint, edit, same

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "activation": ({"projector_hidden_act": "relu"}, "activation 'relu' and bias True; the mlp here has 'gelu'"),
    "bias": ({"multimodal_projector_bias": False}, "and bias False"),
    "siglip default": (
        {"siglip": True, "vision_feature_select_strategy": "default"},
        "siglip_vision_model has none, so a patch would be lost; set it to 'full'",
    ),
    "language": ({"text": {"model_type": "gpt_neox"}}, "is a 'gpt_neox'; composed LLaVAs have one of llama"),
    "crop": ({"image": {"size": {"shortest_edge": 32}, "crop_size": 28}}, "resizes to .*32.* and crops to 28×28"),
    "any size": ({"image": {"size": {"shortest_edge": 28}, "do_center_crop": False}}, "views here have one size"),
    "scale": ({"image": {"rescale_factor": 0.5}}, r"scales by 0\.5, here it is 1/255"),
    "filter": ({"image": {"resample": 0}}, "filter 0; known"),
    "no resize": ({"image": {"do_resize": False}}, "do_resize and do_rescale"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refuses_options_that_no_part_has(tmp_path, options, message):
    checkpoint(tmp_path, **options)
    with pytest.raises(SaccadeError, match=message):
        load(tmp_path)


def test_refuses_a_tokenizer_of_another_checkpoint(tmp_path):
    checkpoint(tmp_path)
    edit(tmp_path / "config.json", image_token_index=259)
    with pytest.raises(SaccadeError, match="reads <image> as id 260, the config says 259"):
        load(tmp_path)


def test_takes_the_chat_template_and_the_older_image_file(tmp_path):
    _, processor = checkpoint(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}Q: {% for c in m['content'] %}"
        "{{ '<image>' if c['type'] == 'image' else c['text'] }}{% endfor %}{% endfor %} A:"
    )
    (tmp_path / "processor_config.json").unlink()
    processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    (tmp_path / "preprocessor_config.json").write_text(processor.image_processor.to_json_string())
    spec = load(tmp_path).spec
    assert spec.template == "Q: <image>{question} A:"
    assert spec.mean == (0.1, 0.2, 0.3)


def test_takes_the_older_chat_file_and_every_end_of_an_answer(tmp_path):
    checkpoint(tmp_path)
    chat = "{% for m in messages %}{% for c in m['content'] %}{{ c['text'] or '<image>' }}{% endfor %}{% endfor %}!"
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": chat}))
    edit(tmp_path / "generation_config.json", eos_token_id=[257, 99])
    spec = load(tmp_path).spec
    assert spec.template == "<image>{question}!"
    assert spec.language.ends == (257, 99)


def test_without_an_image_file_the_tower_decides(tmp_path):
    model, processor = checkpoint(tmp_path, siglip=True)
    (tmp_path / "processor_config.json").unlink()
    same(tmp_path, model, processor)


def test_pads_where_the_processor_does(tmp_path):
    image = {"size": {"shortest_edge": 28}, "crop_size": 28, "do_pad": True}
    model, processor = checkpoint(tmp_path)
    processor.image_processor = LlavaImageProcessorPil(**image)
    processor.save_pretrained(tmp_path)
    assert isinstance(load(tmp_path).spec.views, PadSpec)
    same(tmp_path, model, processor)
