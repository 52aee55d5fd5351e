"""Settings for transformers, run: its own processors count what was planned.

Where a processor's video part needs torchvision, its methods are called on a stand-in that the line has told.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import transformers
from PIL import Image
from transformers.video_utils import VideoMetadata

from saccade.architectures.catalogue import system
from saccade.architectures.settings.settings import Settings, settings
from saccade.core.size import Size
from saccade.specs.laws.path import Video
from saccade.specs.planner.system import ModelSpec, Value
from tests.exact.borrowed import borrow, constants
from tests.exact.kinds import KINDS, Kind
from tests.exact.tokenizer import tokenizer

SIZES = ((640, 480), (1920, 1080), (300, 1200), (57, 83), (1000, 1500))
OCR2 = "deepseek-ocr-2"


def saved(one: ModelSpec, place: Path) -> Path:
    """A folder as released: the processor's JSON under the old name, what its class takes under the new one."""
    kind = KINDS[str(one.config["model_type"])]
    told = {key: value for key, value in one.processor.items() if key != "video"}
    told = {"image_processor_type": kind.pixels, **told, "processor_class": kind.processor}
    wanted = inspect.signature(getattr(transformers, kind.processor).__init__).parameters
    place.mkdir()
    tokenizer(kind.named, (*kind.more, kind.placeholder)).save_pretrained(place)
    (place / "preprocessor_config.json").write_text(json.dumps(told))
    named = {key: value for key, value in told.items() if key in (*wanted, "processor_class")}
    (place / "processor_config.json").write_text(json.dumps(named))
    return place


def silent(kind: Kind) -> Any:
    """Their class without its video part, which needs torchvision; AutoProcessor where there is none."""
    maker = getattr(transformers, kind.processor)
    if "video_processor" not in maker.get_attributes():
        return transformers.AutoProcessor

    def make(self: Any, image_processor: Any = None, tokenizer: Any = None, **more: Any):
        maker.__init__(self, image_processor=image_processor, tokenizer=tokenizer, video_processor=None, **more)

    parts = [part for part in maker.get_attributes() if part != "video_processor"]
    changed = {"get_attributes": classmethod(lambda _: parts), "check_argument_for_proper_class": lambda *_: None}
    return type(maker.__name__, (maker,), {**changed, "__init__": make})


def run(line: str, one: ModelSpec, place: Path) -> Callable[[tuple[int, int]], int]:
    """Placeholders of a picture's size, by the processor that the line makes."""
    kind = KINDS[str(one.config["model_type"])]
    scope: dict[str, Any] = {"AutoProcessor": silent(kind)}
    exec(line.replace(one.checkpoint, str(saved(one, place))), scope)
    processor = scope["processor"]
    paged = hasattr(processor, "process_images")  # writes the prompt itself

    def count(size: tuple[int, int]) -> int:
        words = {} if paged else {"text": [kind.prompt]}
        asked = processor.process_images if paged else processor
        made = asked(images=[Image.new("RGB", size)], return_tensors="pt", **words)
        return made["input_ids"][0].tolist().count(processor.tokenizer.convert_tokens_to_ids(kind.placeholder))

    return count


def planned(one: ModelSpec, options: Mapping[str, Value], size: tuple[int, int]) -> int:
    plan = one.plan([Size(*size)], options=options)
    return plan.slots if one.name == OCR2 else plan.visual_tokens  # its separator is written as a placeholder too


RUN: list[tuple[str, dict[str, Value]]] = [
    ("idefics2-8b", {}),
    ("idefics2-8b", {"split": False}),
    ("idefics2-8b", {"longest_edge": 490}),
    ("idefics3-8b", {}),
    ("idefics3-8b", {"longest_edge": 728}),
    ("idefics3-8b", {"split": False}),
    ("smolvlm-256m", {"longest_edge": 1024}),
    ("smolvlm-2.2b", {"longest_edge": 768}),
    ("smolvlm-2.2b", {"split": False}),
    (OCR2, {}),
    (OCR2, {"max_tiles": 4}),
    (OCR2, {"max_tiles": 1}),
    ("qwen2.5-vl-7b", {}),
    ("qwen2.5-vl-7b", {"max_pixels": 200_704}),
    ("qwen2.5-vl-7b", {"min_pixels": 401_408}),
    ("qwen2.5-vl-7b", {"min_pixels": 401_408, "max_pixels": 1_003_520}),
    ("qwen3-vl-8b", {"max_pixels": 1_048_576}),
    ("qwen3-vl-8b", {"min_pixels": 524_288}),
    ("colqwen2-v1.0", {"max_pixels": 200_704}),
    ("gemma-3-4b", {}),
    ("gemma-3-4b", {"pan_scan": True}),
    ("gemma-3-4b", {"pan_scan": True, "max_crops": 3}),
    ("gemma-3-4b", {"pan_scan": True, "max_crops": 1}),
    ("ovis2-8b", {}),
    ("ovis2-8b", {"max_tiles": 4}),
    ("ovis2-8b", {"max_tiles": 1}),
    ("internvl3-8b", {}),
    ("internvl3-8b", {"max_tiles": 4}),
    ("internvl3-8b", {"max_tiles": 1}),
]


@pytest.mark.parametrize(("name", "options"), RUN, ids=[f"{name} {options}" for name, options in RUN])
def test_transformers_counts_as_planned(name: str, options: dict[str, Value], tmp_path: Path):
    one = system(name)
    count = run(settings(one, options).transformers, one, tmp_path / "model")
    assert {size: count(size) for size in SIZES} == {size: planned(one, options, size) for size in SIZES}


@pytest.mark.parametrize("name", ["qwen2.5-vl-7b", "colqwen2-v1.0"])
@pytest.mark.parametrize("gone", [("size",), ("min_pixels", "max_pixels")], ids=["old names", "new names"])
def test_bounds_hold_whatever_the_checkpoint_calls_them(name: str, gone: tuple[str, ...], tmp_path: Path):
    """`size` as an argument of from_pretrained would be lost where the JSON has the old names."""
    known = system(name)
    one = replace(known, processor={key: value for key, value in known.processor.items() if key not in gone})
    options: dict[str, Value] = {"max_pixels": 200_704}
    count = run(settings(one, options).transformers, one, tmp_path / "model")
    assert {size: count(size) for size in SIZES} == {size: planned(one, options, size) for size in SIZES}


def test_checkpoints_that_do_not_cut(tmp_path: Path):
    known = system("internvl3-8b")
    one = replace(known, processor={**known.processor, "crop_to_patches": False})
    found = settings(one, {"max_tiles": 4})
    assert run(found.transformers, one, tmp_path / "model")((1920, 1080)) == 256
    assert """--mm-processor-kwargs '{"crop_to_patches": false}'""" in found.vllm
    assert "min_patches=1,max_patches=1 " in found.lmms_eval


QWEN2 = ("models/qwen2_vl/video_processing_qwen2_vl.py", "Qwen2VLVideoProcessor")
QWEN3 = ("models/qwen3_vl/video_processing_qwen3_vl.py", "Qwen3VLVideoProcessor")
SMOL = ("models/smolvlm/video_processing_smolvlm.py", "SmolVLMVideoProcessor")
INTERN = ("models/internvl/video_processing_internvl.py", "InternVLVideoProcessor")


def filmed(found: Settings, file: str, kind: str, own: Mapping[str, Any]) -> SimpleNamespace:
    """What the line tells a stand-in for their video processor, which needs torchvision."""
    machine = SimpleNamespace(**{"num_frames": None, "fps": None, **constants(file, kind), **own})
    parts = SimpleNamespace(video_processor=machine, image_processor=SimpleNamespace())
    scope = {"AutoProcessor": SimpleNamespace(from_pretrained=lambda _, **given: parts)}
    exec(found.transformers, dict(scope))
    assert vars(parts.image_processor) == {}
    assert machine.do_sample_frames
    return machine


@pytest.mark.parametrize(
    ("name", "options", "home"),
    [
        ("qwen2.5-vl-7b", {}, QWEN2),
        ("qwen2.5-vl-7b", {"max_pixels": 200_704, "sample_fps": 1.0, "max_frames": 32}, QWEN2),
        ("qwen2.5-vl-7b", {"num_frames": 17}, QWEN2),
        ("qwen3-vl-8b", {}, QWEN3),
        ("qwen3-vl-8b", {"max_pixels": 2_097_152, "sample_fps": 1.0, "max_frames": 32}, QWEN3),
        ("qwen3-vl-8b", {"num_frames": 16}, QWEN3),
        ("smolvlm-2.2b", {}, SMOL),
        ("smolvlm-2.2b", {"sample_fps": 0.5, "max_frames": 20}, SMOL),
        ("internvl3-8b", {}, INTERN),
        ("internvl3-8b", {"num_frames": 24}, INTERN),
    ],
)
def test_transformers_videos_as_planned(name: str, options: Mapping[str, Value], home: tuple[str, str]):
    one, (file, kind) = system(name), home
    own: dict[str, Any] = {}
    if name == "qwen3-vl-8b":
        own = dict(one.processor["video"])
    if name == "smolvlm-2.2b":
        own = {"num_frames": 64, "fps": 1}  # from its video_sampling
    machine = filmed(settings(one, options, video=True), file, kind, own)
    asked = {"num_frames": machine.num_frames, "fps": machine.fps}
    for width, height, frames, fps in ((640, 480, 600, 30.0), (1280, 720, 3000, 24.0), (320, 200, 40, 25.0)):
        film = VideoMetadata(total_num_frames=frames, fps=fps, duration=frames / fps)
        taken = len(borrow(file, f"{kind}.sample_frames")(machine, film, **asked))
        if home in (QWEN2, QWEN3):
            patches = borrow(file, f"{kind}.get_num_of_video_patches")
            seen = patches(machine, taken, height, width, *([{}] if home is QWEN2 else [])) // machine.merge_size**2
        else:
            seen = taken * one.plan([Size(64, 64)], options=_one_view(one)).visual_tokens
        plan = one.plan([Video(size=Size(width, height), frames=frames, fps=fps)], options=options)
        assert seen == plan.visual_tokens


def _one_view(one: ModelSpec) -> dict[str, Value]:
    return {"split": False} if "split" in {option.name for option in one.family.options} else {"max_tiles": 1}


def test_video_budget_is_asked_for():
    machine = filmed(settings(system("qwen2.5-vl-7b"), {"video_budget": 9000}, video=True), *QWEN2, {})
    assert (machine.cap_pixels_per_frame, machine.max_video_tokens) == (True, 9000)
