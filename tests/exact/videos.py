"""What transformers counts for a video, from the number of its frames: no frame is made.

Their video processors need torchvision, so their methods are called one by one on a stand-in that holds the preset's
numbers over those of their class. Which frames are taken is their ``sample_frames``; the text around frames (times,
"Frame 3:", the word "video") is no slot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from transformers.models.smolvlm import processing_smolvlm
from transformers.video_utils import VideoMetadata, default_sample_indices_fn

from tests.exact.borrowed import borrow, constants
from tests.exact.processors import preset, theirs
from tests.exact.reader import refusals
from tests.exact.sizes import Size

QWEN2 = "models/qwen2_vl/video_processing_qwen2_vl.py"
QWEN3 = "models/qwen3_vl/video_processing_qwen3_vl.py"
SMOL = "models/smolvlm/video_processing_smolvlm.py"
KIMI = "models/kimi_k25/video_processing_kimi_k25.py"
INTERN = "models/internvl/video_processing_internvl.py"


@dataclass(frozen=True, slots=True)
class Clip:
    """``frames`` are those that are looked at."""

    frames: int
    visual_tokens: int
    slots: int


def video(name: str, size: Size, frames: int, fps: float) -> Clip:
    """A video of ``frames`` frames of ``size`` pixels, ``fps`` of them in a second."""
    with refusals():
        return VIDEOS[preset(name)["config"]["model_type"]](name, size, _film(frames, fps))


def _film(frames: int, fps: float) -> VideoMetadata:
    return VideoMetadata(total_num_frames=frames, fps=fps, duration=frames / fps)


def _machine(file: str, kind: str, settings: dict[str, Any]) -> SimpleNamespace:
    """A stand-in for their video processor."""
    return SimpleNamespace(**{"num_frames": None, "fps": None, **constants(file, kind), **settings})


def _slots(name: str, prompt: str, placeholder: str) -> tuple[int, int]:
    """Placeholders, and placeholders with markers; each is one id, and no line break is one here."""
    held = prompt.count(placeholder)
    return held, held + sum(prompt.count(marker) for marker in theirs(name).kind.markers if marker.strip())


def _qwen2(name: str, size: Size, film: VideoMetadata) -> Clip:
    told = preset(name)["processor"]["video"]
    told = {**told, "size": {"shortest_edge": told["min_pixels"], "longest_edge": told["max_pixels"]}}
    machine = _machine(QWEN2, "Qwen2VLVideoProcessor", told)
    taken = len(borrow(QWEN2, "Qwen2VLVideoProcessor.sample_frames")(machine, film))
    patches = borrow(QWEN2, "Qwen2VLVideoProcessor.get_num_of_video_patches")(machine, taken, size[1], size[0], {})
    grid = np.array([[1, patches, 1]])
    processor = theirs(name).processor
    with patch.object(processor, "video_processor", machine, create=True):
        text = processor.replace_video_token({"video_grid_thw": grid}, 0)
    return Clip(taken, *_slots(name, f"<|vision_start|>{text}<|vision_end|>", "<|video_pad|>"))


def _qwen3(name: str, size: Size, film: VideoMetadata) -> Clip:
    machine = _machine(QWEN3, "Qwen3VLVideoProcessor", preset(name)["processor"]["video"])
    film.frames_indices = borrow(QWEN3, "Qwen3VLVideoProcessor.sample_frames")(machine, film)
    taken = len(film.frames_indices)
    patches = borrow(QWEN3, "Qwen3VLVideoProcessor.get_num_of_video_patches")(machine, taken, size[1], size[0])
    steps = -(-taken // machine.temporal_patch_size)
    processor = theirs(name).processor
    with patch.object(processor, "video_processor", machine, create=True):
        grid = np.array([[steps, patches // steps, 1]])
        text = processor.replace_video_token({"video_grid_thw": grid, "video_metadata": [film]}, 0)
    return Clip(taken, *_slots(name, text, "<|video_pad|>"))


def _smolvlm(name: str, size: Size, film: VideoMetadata) -> Clip:
    told = preset(name)["processor"]
    machine = _machine(SMOL, "SmolVLMVideoProcessor", {})
    sampled = told["video_sampling"]
    film.frames_indices = borrow(SMOL, "SmolVLMVideoProcessor.sample_frames")(
        machine, film, num_frames=sampled["max_frames"], fps=sampled["fps"]
    )
    taken = len(film.frames_indices)
    side = told["max_image_size"]["longest_edge"]  # every frame is squeezed into one tile, whatever its size
    words = SimpleNamespace(
        image_seq_len=told["image_seq_len"], image_token="<image>",
        fake_image_token="<fake_token_around_image>", global_image_token="<global-img>",
    )  # fmt: skip
    made = {"pixel_values": np.broadcast_to(np.uint8(0), (1, taken, 3, side, side)), "video_metadata": [film]}
    with patch.object(processing_smolvlm, "num2words", str):
        text = processing_smolvlm.SmolVLMProcessor.replace_video_token(words, made, 0)
    return Clip(taken, *_slots(name, text, "<image>"))


def _kimi(name: str, size: Size, film: VideoMetadata) -> Clip:
    told = preset(name)["processor"]
    told_video = told["video"]
    settings = {
        "size": dict.fromkeys(("max_height", "max_width"), told_video["patch_limit_on_one_side"]),
        "patch_size": told["patch_size"],
        "merge_size": told["merge_size"],
        "max_patches": told_video["in_patch_limit_each_frame"],
        "temporal_patch_size": told_video["temporal_merge_kernel_size"],
    }
    machine = _machine(KIMI, "Kimi_K25VideoProcessor", settings)
    film.frames_indices = default_sample_indices_fn(film, fps=told_video["sample_fps"])
    taken = len(film.frames_indices)
    patches = borrow(KIMI, "Kimi_K25VideoProcessor.get_num_of_video_patches")(machine, taken, size[1], size[0])
    chunks = -(-taken // machine.temporal_patch_size)
    made = {
        "num_chunks_per_video": [chunks],
        "video_grid_thw": np.array([[1, patches // taken, 1]] * chunks),
        "video_metadata": [film],
    }
    processor = theirs(name).processor
    with patch.object(processor, "video_processor", machine, create=True):
        text = processor.replace_video_token(made, 0)
    return Clip(taken, *_slots(name, text, "<|kimi_k25_video_placeholder|>"))


def _internvl(name: str, size: Size, film: VideoMetadata) -> Clip:
    told = preset(name)["processor"]
    machine = _machine(INTERN, "InternVLVideoProcessor", told["video"])
    asked = {"num_frames": machine.num_frames, "fps": None if machine.num_frames else machine.fps}
    taken = len(borrow(INTERN, "InternVLVideoProcessor.sample_frames")(machine, film, **asked))
    text = theirs(name).processor.replace_video_token({"pixel_values_videos": [np.empty((taken, 0))]}, 0)
    return Clip(taken, *_slots(name, text, "<IMG_CONTEXT>"))


VIDEOS: dict[str, Callable[[str, Size, VideoMetadata], Clip]] = {
    "qwen2_5_vl": _qwen2,
    "qwen3_vl": _qwen3,
    "smolvlm": _smolvlm,
    "kimi_k25": _kimi,
    "internvl": _internvl,
}
"""By ``model_type`` of a preset's config."""
