"""``load`` of LLaVA-UHD folders of both versions: logits equal formulas that share nothing with saccade."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from saccade.architectures.llava.reader import clip_large
from saccade.architectures.llava_uhd.reader import TEMPLATE
from saccade.architectures.llava_uhd.reader_v2 import CHATML
from saccade.backends.store import from_pretrained, load, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs.connectors.hiwin import HiwinSpec
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.layouts.slices import EccvSliceSpec
from tests.architectures.llava.folders import edit
from tests.architectures.llava_uhd.folders import checkpoint
from tests.parts import close, picture

PROMPT = "USER: <image>\nwhat is it? ASSISTANT:"
TWO = "<image> and then <image>, which is larger?"
TOLERANCE = 1e-4
"""The house's, for the pyramid of the second version; the first is held to 1e-5."""


@pytest.mark.parametrize("size", [(56, 56), (100, 60), (90, 200)], ids=str)
def test_the_first_version(tmp_path, size):
    made = checkpoint(tmp_path)
    close(load(tmp_path).logits([picture(*size)], PROMPT), made.logits([picture(*size)], PROMPT))


@pytest.mark.parametrize(
    "options", [{"mask": 7}, {"mask": 5}, {"mask": 2, "kind": "qwen2"}, {}], ids=["7", "5", "2 qwen2", "default"]
)
def test_the_second_version(tmp_path, options):
    made = checkpoint(tmp_path, version=2, **options)
    reader = load(tmp_path)
    close(reader.logits([picture(70, 50)], PROMPT), made.logits([picture(70, 50)], PROMPT), TOLERANCE)
    assert reader.spec.template == (CHATML if options.get("kind") else TEMPLATE)


@pytest.mark.parametrize("version", [1, 2])
def test_two_pictures_of_unequal_slices_alone_and_in_a_batch(tmp_path, version):
    made = checkpoint(tmp_path, version=version, **({"mask": 3} if version == 2 else {}))
    reader, images = load(tmp_path), [picture(120, 45), picture(40, 40)]
    counts = [len(reader.layout(image).views) for image in images]
    assert counts == [4, 1]
    expected = made.logits(images, TWO)
    close(reader.logits(images, TWO), expected, TOLERANCE)
    both = reader.logits([images, [images[1]]], [TWO, PROMPT])
    close(both[0], expected, TOLERANCE)
    close(both[1], made.logits([images[1]], PROMPT), TOLERANCE)


def test_nine_slices_as_in_the_released_evaluation(tmp_path):
    made, image = checkpoint(tmp_path), picture(200, 200)
    reader = load(tmp_path)
    assert reader.spec.views == EccvSliceSpec(side=56, patch=7, max_slices=7)
    more = reader.seeing(replace(reader.spec.views, max_slices=9))
    assert [len(one.layout(image).views) for one in (reader, more)] == [7, 10]
    assert more.plan(Size(200, 200), "what?").visual_tokens == 1440
    close(more.logits([image], PROMPT), made.logits([image], PROMPT, max_slices=9))


@pytest.mark.parametrize(
    ("named", "options", "expected"),
    [
        ("adapt_spatial_resampler", {}, WindowsSpec(width_in=16, width_out=256, heads=2)),
        ("adapt_spatial_resampler_v1", {}, WindowsSpec(width_in=16, width_out=256, heads=2)),
        ("uhd_v1_query64", {"queries": 64}, WindowsSpec(width_in=16, width_out=256, heads=2, queries=64)),
        ("adapt_spatial_resampler_v2", {"version": 2}, HiwinSpec(width_in=16, width_out=256, heads=2)),
        (
            "adapt_spatial_resampler",
            {"version": 2, "mask": 5, "feature_mode": "featup_muti_res"},
            HiwinSpec(width_in=16, width_out=256, heads=2, levels=(1, 4)),
        ),
        (
            "adapt_spatial_resampler_v2_64",
            {"version": 2, "mask": 1, "queries": 64},
            HiwinSpec(width_in=16, width_out=256, heads=2, levels=(1,), queries=64),
        ),
        (
            "adapt_spatial_resampler_v2_256",
            {"version": 2, "mask": 3, "queries": 256},
            HiwinSpec(width_in=16, width_out=256, heads=2, levels=(1, 2), queries=256),
        ),
    ],
    ids=str,
)
def test_the_projector_s_name_says_which_part_it_is(tmp_path, named, options, expected):
    checkpoint(tmp_path, mm_projector_type=named, **options)
    reader = load(tmp_path)
    assert reader.spec.connector == expected
    assert (reader.spec.sequence.comma, reader.spec.sequence.newline) == (29_892, 13)


def test_the_known_tower_needs_no_folder(tmp_path):
    checkpoint(tmp_path)
    edit(tmp_path / "config.json", mm_vision_tower="openai/clip-vit-large-patch14-336")
    with pytest.raises(SaccadeError, match="lacks"):  # this checkpoint's tower is another
        load(tmp_path)
    assert json.loads(clip_large().config)["num_hidden_layers"] == 24


def test_a_tower_as_a_whole_clip_s_config(tmp_path):
    made = checkpoint(tmp_path)
    file = tmp_path / "tower" / "config.json"
    file.write_text(json.dumps({"model_type": "clip", "vision_config": json.loads(file.read_text())}))
    image = picture(56, 56)
    close(load(tmp_path).logits([image], PROMPT), made.logits([image], PROMPT))


@pytest.mark.parametrize("version", [1, 2])
def test_saved_again_and_loaded_the_reader_is_the_same(tmp_path, version):
    checkpoint(tmp_path / "theirs", version=version)
    reader = load(tmp_path / "theirs")
    save_pretrained(reader, tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again.spec == reader.spec
    images = [picture(90, 60)]
    assert again.logits(images, PROMPT).equal(reader.logits(images, PROMPT))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mm_projector_type": "mlp2x_gelu"}, r"is 'mlp2x_gelu', here are adapt_spatial_resampler.*llava-hf"),
        ({"feature_mode": "other"}, r"feature_mode is 'other', known are uhd_v1, featup_muti_res"),
        ({"mm_projector_type": "adapt_spatial_resampler_v2", "feature_scale_mask": 15}, r"up to 4, got \(1, 2, 4, 8\)"),
        ({"mm_projector_type": "adapt_spatial_resampler_v2", "feature_scale_mask": 0}, r"at least one, got 0"),
        ({"mm_vision_select_feature": "cls_patch"}, r"is 'cls_patch'; windows tile patches alone: set it to 'patch'"),
        ({"mm_vision_tower": "google/siglip"}, r"is 'google/siglip': neither openai/clip-.* put the tower's config"),
        ({"mm_use_im_start_end": True}, r"puts markers around pictures, LLaVA-UHD has none; set it to false"),
        ({"model_type": "llava_mistral"}, r"a model of type 'llava_mistral'; supported are .*llava_llama, llava_qwen"),
    ],
    ids=str,
)
def test_refuses_what_no_part_here_has(tmp_path, changes, message):
    checkpoint(tmp_path)
    edit(tmp_path / "config.json", **changes)
    with pytest.raises(SaccadeError, match=message):
        load(tmp_path)


def test_refuses_another_tower(tmp_path):
    checkpoint(tmp_path)
    edit(tmp_path / "tower" / "config.json", model_type="siglip_vision_model")
    with pytest.raises(SaccadeError, match="tower is a 'siglip_vision_model', LLaVA-UHD's tower is a 'clip_vision"):
        load(tmp_path)


def resave(folder: Path, **changes: torch.Tensor | None) -> None:
    """Weights added, replaced, or left out where they are None; dots are written as two underscores."""
    held = load_file(folder / "model.safetensors")
    for name, tensor in changes.items():
        held.pop(name.replace("__", "."), None)
        if tensor is not None:
            held[name.replace("__", ".")] = tensor
    save_file(held, folder / "model.safetensors")


def test_refuses_weights_that_do_not_fit(tmp_path):
    checkpoint(tmp_path, version=2, mask=5)
    load(tmp_path)
    file = tmp_path / "model.safetensors"
    whole = file.read_bytes()
    for changes, message in (
        ({"model__mm_projector__query_3": None}, r"lacks 1 of \d+ weights: connector\.query_3"),
        ({"model__mm_projector__features_4x_projector__bias": None}, r"lacks 1 .*: connector\.features_4x_projector"),
        (
            {"model__mm_projector__upsampler__upsampler__up3__range_temp": torch.tensor(1.0)},
            r"left-over 1 .*up3\.range",
        ),
        ({"model__mm_projector__query_5": torch.ones(1)}, r"left-over 1 of \d+ weights: connector\.query_5"),
        ({"model__vision_resampler__x": torch.ones(1)}, r"left-over 1 of \d+ weights: language\.model.*resampler\.x"),
        (
            {"model__mm_projector__query_1": torch.ones(4, 256)},
            r"is \[4, 256\], but connector\.query_1 .* \[144, 256\]",
        ),
    ):
        resave(tmp_path, **changes)
        with pytest.raises(SaccadeError, match=message):
            load(tmp_path)
        file.write_bytes(whole)


def test_a_first_version_does_not_take_a_second_s_weights(tmp_path):
    checkpoint(tmp_path, version=2, mm_projector_type="adapt_spatial_resampler")
    with pytest.raises(SaccadeError, match=r"has left-over \d+ of \d+ weights: connector\.cat_proj"):
        load(tmp_path)
