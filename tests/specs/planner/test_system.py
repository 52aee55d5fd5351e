"""Presets, checkpoint folders and options."""

import json
from pathlib import Path

import pytest
from transformers import AutoConfig
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import saccade
from saccade.architectures import FAMILIES, PRESETS
from saccade.architectures.catalogue import folder, provenance, system
from saccade.core.errors import SaccadeError
from saccade.core.plan import Setting
from saccade.core.size import Size
from saccade.specs.laws.path import Video

SIZE = Size(640, 480)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_keeps_the_contract(name: str):
    one = system(name)
    found = one.plan([SIZE, Size(300, 900)], setting=Setting(batch=2))
    single = one.plan([SIZE])
    assert one.family in FAMILIES.values()
    assert found.model == name
    assert found.visual_tokens <= max(found.slots, found.visual_tokens)
    assert found.visual_tokens > single.visual_tokens > 0
    assert found.length == found.slots + 64
    assert found.params == single.params
    assert found.vision.flops > 2 * single.vision.flops
    assert len(found.why) == 2
    assert all(view.source.area > 0 for view in found.views)
    assert found.peak.vision > single.peak.vision > 0
    if one.family.kind == "reader":
        assert found.kv_bytes > 0
        assert 0 < found.token.flops < found.language.flops
        assert 0 <= found.idle_params < found.token.params
        assert found.causal_flops < found.language.flops
        assert one.plan([SIZE], setting=Setting(dtype="float32")).kv_bytes == 2 * single.kv_bytes


@pytest.mark.parametrize("name", PRESETS)
def test_every_knob_turns(name: str):
    one = system(name)
    for knob in one.family.knobs:
        values = knob.values(one.checkpoint_with({}), [Size(2000, 1500)])
        assert len(values) > 1
        media = [Video(SIZE, 300, 30.0)] if knob.option in ("max_frames", "num_frames") else [Size(2000, 1500)]
        few, many = (one.plan(media, options={knob.option: value}).visual_tokens for value in (values[0], values[-1]))
        assert few < many


@pytest.mark.parametrize("name", [name for name in PRESETS if system(name).path().video is not None])
def test_videos_cost_more_when_they_are_longer(name: str):
    short, long = (saccade.plan(name, width=640, height=480, frames=frames, fps=30) for frames in (90, 900))
    assert short.visual_tokens <= long.visual_tokens
    assert short.layout.times <= long.layout.times


def test_a_model_without_videos_says_so():
    with pytest.raises(SaccadeError, match="reads no videos"):
        saccade.plan("llava-1.5-7b", width=640, height=480, frames=30, fps=30)


def test_a_checkpoint_s_own_json_wins(tmp_path: Path):
    preset = system("qwen2.5-vl-7b")
    config = {**preset.config, "text_config": {**preset.config["text_config"], "num_hidden_layers": 3}}  # type: ignore[dict-item]
    AutoConfig.for_model(**config).save_pretrained(tmp_path)
    Qwen2VLImageProcessorPil(min_pixels=784, max_pixels=784 * 100).save_pretrained(tmp_path)
    own = saccade.plan(str(tmp_path), width=1920, height=1080)
    assert own.visual_tokens <= 100 < saccade.plan("qwen2.5-vl-7b", width=1920, height=1080).visual_tokens
    assert own.language.params < saccade.plan("qwen2.5-vl-7b", width=1920, height=1080).language.params


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "config.json: there is no such file"),
        ({"config.json": {"model_type": "lava"}}, "unknown model type of .*'lava'; did you mean llava"),
        ({"config.json": {"model_type": "llava"}}, "neither preprocessor_config.json nor processor_config.json"),
        ({"config.json": [1]}, "holds list, expected a JSON object"),
    ],
)
def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, files: dict[str, object], said: str):
    for name, data in files.items():
        (tmp_path / name).write_text(json.dumps(data))
    with pytest.raises(SaccadeError, match=said):
        folder(tmp_path)


def test_damaged_json_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(SaccadeError, match=r"config.json cannot be read as JSON"):
        folder(tmp_path)


def test_unknown_names_get_near_matches():
    with pytest.raises(SaccadeError, match=r"unknown model 'qwen2.5-vl'; did you mean qwen2.5-vl-7b"):
        system("qwen2.5-vl")
    with pytest.raises(SaccadeError, match="no/where is no folder"):
        system("no/where")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("qwen2.5-vl-7b", {"max_pixel": 3}, "did you mean max_pixels"),
        ("qwen2.5-vl-7b", {"max_pixels": "many"}, "max_pixels takes a whole number, got 'many'"),
        ("qwen2.5-vl-7b", {"max_pixels": 0}, "above 0, got 0"),
        ("qwen2.5-vl-7b", {"max_pixels": True}, "takes a whole number, got True"),
        ("gemma-3-4b", {"pan_scan": 3}, "takes true or false, got 3"),
        ("deepseek-ocr", {"mode": "huge"}, "unknown value of option mode 'huge'"),
        ("llava-1.5-7b", {"mode": "tiny"}, "takes no options"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, object], said: str):
    with pytest.raises(SaccadeError, match=said):
        saccade.plan(name, width=640, height=480, **options)


def test_options_are_read_from_text():
    def tokens(**options: object) -> int:
        return saccade.plan("gemma-3-4b", width=1920, height=1080, **options).visual_tokens

    assert tokens(pan_scan="on") == tokens(pan_scan=True) == 3 * tokens(pan_scan="off")


def test_transformers_own_wrong_counts_stand_beside_ours():
    (crops, *_) = saccade.plan("gemma-3-4b", width=1920, height=1080, pan_scan=True).notes
    assert "says 256" in crops
    assert "768" in crops
    (single, *_) = saccade.plan("deepseek-ocr-2", width=640, height=480, crop=False).notes
    assert "257" in single
    assert "145" in single


def test_a_prompt_beyond_the_context_is_noted():
    notes = saccade.plan("llava-1.5-7b", width=640, height=480, text=4000).notes
    assert any("4,576 positions exceed the context of 4,096" in note for note in notes)


def test_only_values_that_were_used_are_called_unverified():
    (note,) = (note for note in saccade.plan("kimi-vl-a3b", width=640, height=480).notes if "unverified" in note)
    assert "attention_bias" in note
    assert "image_mean" not in note


def test_the_longest_prefix_names_the_provenance():
    kinds = {"config": "released", "config.vision_config": "code"}
    assert provenance("config.vision_config.depth", kinds) == "code"
    assert provenance("config.depth", kinds) == "released"
    assert provenance("processor.size", kinds) == "unverified"


@pytest.mark.parametrize(
    ("setting", "said"),
    [({"batch": 0}, "batch is at least 1"), ({"dtype": "int3"}, "bfloat16"), ({"attention": "flash"}, "sdpa")],
)
def test_wrong_settings_are_refused(setting: dict[str, object], said: str):
    with pytest.raises(SaccadeError, match=said):
        saccade.plan("llava-1.5-7b", width=640, height=480, **setting)  # type: ignore[arg-type]


def test_half_a_video_is_refused():
    with pytest.raises(SaccadeError, match="both its frames and its fps"):
        saccade.plan("qwen2.5-vl-7b", width=640, height=480, frames=30)


def test_eager_attention_holds_its_scores():
    eager, sdpa = (
        saccade.plan("llava-1.5-7b", width=640, height=480, attention=kind).peak for kind in ("eager", "sdpa")
    )
    assert eager.language - sdpa.language >= 32 * 640**2 * 2
    assert eager.vision > sdpa.vision


def test_dropping_tokens_shortens_the_sequence_alone():
    path = system("llava-uhd-144").path()
    whole, half = (path.plan([SIZE], 10, keep=kept) for kept in (None, 360))
    assert (whole.slots - half.slots, half.visual_tokens) == (360, 360)
    assert whole.vision == half.vision
    assert half.kv_bytes < whole.kv_bytes
    with pytest.raises(SaccadeError, match="720 visual tokens to keep from, got 721"):
        path.plan([SIZE], 10, keep=721)
