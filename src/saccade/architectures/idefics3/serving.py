"""How Idefics2, Idefics3 and SmolVLM are set: tiles, and the long side."""

from collections.abc import Mapping
from typing import cast

from saccade.architectures.settings.lines import (
    Advice,
    Evaluate,
    Known,
    Serve,
    SettingsRequest,
    assigned,
    loaded,
    says,
)


def _edges(asked: SettingsRequest) -> Known:
    """Idefics and SmolVLM. Every edge of `size` that the checkpoint has must be written again."""
    given = asked.named({"split": "do_image_splitting"})
    if "longest_edge" in asked.options:
        own = asked.system.processor.get("size")
        kept = cast(Known, own) if isinstance(own, Mapping) else {}
        given["size"] = {**kept, "longest_edge": asked.options["longest_edge"]}
    return given


def _idefics2_lmms_eval(asked: SettingsRequest) -> Evaluate:
    # The adapter shows pictures once unless told otherwise; the checkpoint cuts them.
    split = asked.options.get("split", asked.system.processor.get("do_image_splitting", False))
    note = "longest_edge has no argument; the number of tokens is the same" if "longest_edge" in asked.options else ""
    return Evaluate(adapter="idefics2", given={"do_image_splitting": bool(split)}, note=note)


def _smolvlm_transformers(asked: SettingsRequest) -> str:
    if not asked.video:
        return loaded(asked, _edges(asked))
    rates = asked.named({"sample_fps": "fps", "max_frames": "num_frames"})
    return assigned(asked, "video_processor", {"do_sample_frames": True, **rates})


def _smolvlm_vllm(asked: SettingsRequest) -> Serve | str:
    if asked.video:
        return f"vLLM reads no videos with {asked.system.name}; send frames as pictures, do_image_splitting off"
    return Serve(processor=_edges(asked))


IDEFICS2 = Advice(
    transformers=lambda asked: loaded(asked, _edges(asked)),
    vllm=says("vLLM does not support {name}; it does Idefics3"),
    lmms_eval=_idefics2_lmms_eval,
)


IDEFICS3 = Advice(
    transformers=lambda asked: loaded(asked, _edges(asked)), vllm=lambda asked: Serve(processor=_edges(asked))
)


SMOLVLM = Advice(transformers=_smolvlm_transformers, vllm=_smolvlm_vllm)
