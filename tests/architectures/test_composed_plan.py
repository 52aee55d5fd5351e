"""Plan and loaded model agree in every field, or both costs are named with the reason."""

from collections.abc import Callable
from dataclasses import fields
from itertools import product
from pathlib import Path

import pytest

import saccade
from saccade.architectures import ARCHITECTURES, COMPOSITIONS, PRESETS
from saccade.architectures.catalogue import system
from saccade.architectures.composed_plan import composed_plan, differences
from saccade.core.plan import Plan, Setting
from saccade.core.size import Size
from saccade.runtime.reader import Reader
from saccade.specs.laws.path import Video
from tests.architectures.blip2 import folders as blip2
from tests.architectures.deepseek_ocr import folders as deepseek_ocr
from tests.architectures.idefics import folders as idefics
from tests.architectures.llava import folders as llava

STAGES = ("vision", "connector", "language")
SETTINGS = (Setting(), Setting(batch=3, dtype="float32", attention="eager"))
SIZES = (Size(800, 600), Size(336, 336), Size(1240, 1754))
COSTS = {*STAGES, "layouts", "token", "causal_flops", "idle_params", "peak", "setting", "why", "notes", "model"}
"""Fields that stages account for, and those that say where a plan comes from."""
COMPOSED = [name for one in ARCHITECTURES.values() for name in one.composed]


def counts(plan: Plan) -> dict[str, object]:
    """Everything that is no cost: tokens, positions, the cache."""
    return {field.name: getattr(plan, field.name) for field in fields(plan) if field.name not in COSTS}


def unlike(published: Plan, composed: Plan) -> set[str]:
    """Stages whose cost or peak differs, and "views" where other parts of the image are seen."""
    pairs = [(stage, getattr(published, stage), getattr(composed, stage)) for stage in STAGES]
    pairs += [(stage, getattr(published.peak, stage), getattr(composed.peak, stage)) for stage in STAGES]
    pairs += [("language", getattr(published, name), getattr(composed, name)) for name in ("token", "causal_flops")]
    pairs += [("language", published.idle_params, composed.idle_params)]
    pairs += [("views", [one.views for one in published.layouts], [one.views for one in composed.layouts])]
    return {stage for stage, ours, theirs in pairs if ours != theirs}


def test_every_composition_of_published_size_is_held_to_its_preset():
    pairs = {pair for one in ARCHITECTURES.values() for pair in one.composed.values()}
    assert len(COMPOSED) > 8
    assert set(COMPOSED) <= set(PRESETS)
    assert all(preset in COMPOSITIONS[name].presets for name, preset in pairs)


@pytest.mark.parametrize("name", COMPOSED)
def test_a_preset_and_its_composition_agree_or_say_why_not(name: str):
    model = system(name)
    (one,) = (held for held in ARCHITECTURES.values() if name in held.composed)
    for size, setting in product(SIZES, SETTINGS):
        published = model.plan([size], text=32, setting=setting)
        composed = composed_plan(model, [size], 32, setting)
        assert composed is not None
        assert counts(published) == counts(composed)
        assert unlike(published, composed) <= set(one.differs)
        assert {found.stage for found in differences(model, published, composed)} == unlike(published, composed)


def test_no_reason_is_given_for_what_agrees():
    for one in (held for held in ARCHITECTURES.values() if held.composed):
        found: set[str] = set()
        for name in one.composed:
            composed = composed_plan(system(name), [SIZES[0]], 32, Setting())
            assert composed is not None
            found |= unlike(system(name).plan([SIZES[0]], text=32, setting=Setting()), composed)
        assert found == set(one.differs), one.name


def test_what_has_no_composition_and_videos_have_no_second_cost():
    assert composed_plan(system("qwen3-vl-8b"), [Size(800, 600)], 32, Setting()) is None
    assert composed_plan(system("smolvlm-256m"), [Video(Size(64, 64), 8, 1.0)], 32, Setting()) is None


FOLDERS: dict[str, Callable[[Path], object]] = {
    "llava": llava.checkpoint,
    "idefics": idefics.checkpoint,
    "blip-2": blip2.checkpoint,
    "instructblip": lambda folder: blip2.checkpoint(folder, instructed=True),
    "deepseek_ocr2": lambda folder: deepseek_ocr.second(folder, "saved"),
}
"""Tiny folders of the types that are both planned and composed, as transformers writes them."""


def test_every_type_that_plans_and_loads_has_a_folder_here():
    both = {
        name for name, one in ARCHITECTURES.items() for held in one.loaders if name in held.types and not held.whole
    }
    assert both == set(FOLDERS)


@pytest.mark.parametrize("kind", FOLDERS)
def test_the_plan_of_a_folder_is_the_loaded_models_own(kind: str, tmp_path: Path):
    FOLDERS[kind](tmp_path)
    reader = saccade.load(tmp_path)
    assert isinstance(reader, Reader)
    for size in (Size(90, 60), Size(40, 40)):
        published = system(str(tmp_path)).plan([size], text=8, setting=Setting(dtype="float32"))
        composed = reader.spec.path.plan([size], 8, Setting(dtype="float32"))
        assert counts(published) == counts(composed)
        assert unlike(published, composed) <= set(ARCHITECTURES[kind].differs)
