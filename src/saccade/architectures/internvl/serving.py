"""How InternVL is set: tiles, and frames."""

from saccade.architectures.internvl.spec import FRAMES
from saccade.architectures.settings.lines import (
    Advice,
    Evaluate,
    Serve,
    SettingsRequest,
    assigned,
    loaded,
)


def _tiles(asked: SettingsRequest) -> dict[str, object]:
    given = asked.named({"max_tiles": "max_patches"})
    # Their processor cuts even where the checkpoint's JSON says that it should not.
    return {"crop_to_patches": False} if asked.system.processor.get("crop_to_patches") is False else given


def _frames(asked: SettingsRequest) -> int:
    count = asked.options.get("num_frames", FRAMES)
    assert isinstance(count, int)
    return count


def _transformers(asked: SettingsRequest) -> str:
    if not asked.video:
        return loaded(asked, _tiles(asked))
    return assigned(asked, "video_processor", {"do_sample_frames": True, "num_frames": _frames(asked)})


def _vllm(asked: SettingsRequest) -> Serve:
    if asked.video:
        return Serve(frames={"num_frames": _frames(asked)})
    return Serve(processor=_tiles(asked))


def _lmms_eval(asked: SettingsRequest) -> Evaluate | str:
    if asked.video:
        return Evaluate(adapter="internvl_hf", given={"num_frames": _frames(asked)})
    if asked.system.processor.get("crop_to_patches") is False:
        return Evaluate(adapter="internvl_hf", given={"min_patches": 1, "max_patches": 1})
    most = asked.options.get("max_tiles", asked.system.processor.get("max_patches", 12))
    return Evaluate(adapter="internvl_hf", given={"min_patches": 1, "max_patches": most})


INTERNVL = Advice(transformers=_transformers, vllm=_vllm, lmms_eval=_lmms_eval)
