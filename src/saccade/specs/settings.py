"""Settings that give the counts of a plan: a line to paste for transformers, vLLM and lmms-eval, family by family.

The lines for transformers are those of 5.23; a test runs those whose processor can be built without torchvision. The
lines for vLLM and lmms-eval follow their source as read (vLLM of May 2026, commit 239b5ff of a fork; lmms-eval of
August 2026, commit 75571cf); nothing here runs them. Where a target has no setting, a sentence says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from saccade.specs import settings_native as native
from saccade.specs import settings_tiles as tiles
from saccade.specs.families import FAMILIES
from saccade.specs.settings_lines import (
    Advice,
    Asked,
    Serve,
    evaluated,
    evaluates,
    says,
    served,
    serves,
    through_vllm,
)
from saccade.specs.system import System, Value

_FIXED = says("transformers has nothing to set: the number of tokens of {name} is the same for every picture")
_CLASSLESS = says("transformers 5.23 has no class for {name}, and its number of tokens is the same for every picture")
_UNSERVED = says("vLLM does not support {name}")
_UNEVALUATED = says("lmms-eval has no adapter for {name}")
_WORDLESS = says("lmms-eval judges written answers, and {name} writes none")
_ALONE = serves(Serve(most=1))
_POOLING = serves(Serve(flags=("--runner", "pooling")))


def _uhd(asked: Asked) -> str:
    most = asked.options.get("max_slices", asked.system.processor.get("max_slice_nums"))
    return f"transformers 5.23 has no class for {asked.system.name}; its authors' slicing takes max_slice_nums={most}"


def _longvu(asked: Asked) -> str:
    said = f"transformers 5.23 has no class for {asked.system.name}"
    if not asked.video:
        return f"{said}, and a picture's number of tokens depends on its shape alone"
    step = f"range(0, len(reader), round(reader.get_avg_fps() / {asked.options.get('sample_fps', 1.0)}))"
    return f"{said}; for its authors' code, take the frames {step}"


def _objects(asked: Asked) -> str:
    given, processor = asked.options, asked.system.processor
    most, points = given.get("regions", processor.get("max_regions")), given.get("points", processor["points_per_side"])
    return (
        f"transformers 5.23 has no class for {asked.system.name}; its mask generation takes points_per_crop={points}, "
        f"and of the masks the best {most} are read"
    )


_UHD = Advice(transformers=_uhd, vllm=_UNSERVED, lmms_eval=_UNEVALUATED)

ADVICE: dict[str, Advice] = {
    "llava": Advice(transformers=_FIXED, vllm=serves(Serve()), lmms_eval=evaluates("llava_hf")),
    "llava_uhd": _UHD,
    "llava_uhd_v2": _UHD,
    "blip-2": Advice(transformers=_FIXED, vllm=_ALONE),
    "instructblip": Advice(transformers=_FIXED, vllm=_UNSERVED, lmms_eval=evaluates("instructblip")),
    "open_flamingo": Advice(transformers=_CLASSLESS, vllm=_UNSERVED, lmms_eval=_UNEVALUATED),
    "idefics": Advice(transformers=_FIXED, vllm=_UNSERVED, lmms_eval=_UNEVALUATED),
    "idefics2": tiles.IDEFICS2,
    "idefics3": tiles.IDEFICS3,
    "smolvlm": tiles.SMOLVLM,
    "deepseek_ocr": tiles.DEEPSEEK_OCR,
    "deepseek_ocr2": tiles.DEEPSEEK_OCR2,
    "qwen2_vl": native.QWEN2,
    "qwen2_5_vl": native.QWEN25,
    "qwen3_vl": native.QWEN3,
    "gemma3": tiles.GEMMA3,
    "paligemma": Advice(transformers=_FIXED, vllm=_ALONE),
    "kimi_vl": native.KIMI_VL,
    "kimi_k25": native.KIMI_K25,
    "ovis2": tiles.OVIS2,
    "ovis2_5": native.OVIS25,
    "internvl": tiles.INTERNVL,
    "longvu": Advice(transformers=_longvu, vllm=_UNSERVED, lmms_eval=_UNEVALUATED),
    "colpali": Advice(transformers=_FIXED, vllm=_POOLING, lmms_eval=_WORDLESS),
    "colqwen2": native.COLQWEN2,
    "clip": Advice(transformers=_FIXED, vllm=_POOLING, lmms_eval=_WORDLESS),
    "align": Advice(transformers=_FIXED, vllm=_UNSERVED, lmms_eval=_WORDLESS),
    "perceiver": Advice(transformers=_FIXED, vllm=_UNSERVED, lmms_eval=_WORDLESS),
    "object_centric": Advice(transformers=_objects, vllm=_UNSERVED, lmms_eval=_UNEVALUATED),
}
"""By ``model_type``, as ``FAMILIES``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """For each target a line of Python or shell to paste, or a sentence that says why there is none."""

    transformers: str
    vllm: str
    lmms_eval: str


def settings(
    system: System, options: Mapping[str, Value], *, context: int | None = None, pictures: int = 1, video: bool = False
) -> Settings:
    """How to get the counts that ``system`` has under ``options``; what is not given stays the checkpoint's.

    ``context`` bounds a prompt and its answer, in positions; ``pictures`` are those of one prompt, or its videos where
    ``video``. Raises SaccadeError for options that the family does not have.
    """
    made, path = system.checkpoint_with(options), system.path(options)
    if video and path.video is None:
        unread = f"{system.name} reads no videos; give it frames as pictures"
        return Settings(transformers=unread, vllm=unread, lmms_eval=unread)
    asked = Asked(system=system, options=made.options, path=path, context=context, pictures=pictures, video=video)
    advice = ADVICE[next(kind for kind, family in FAMILIES.items() if family is system.family)]
    serve = advice.vllm(asked)
    evaluate = through_vllm(asked, serve) if advice.lmms_eval is None else advice.lmms_eval(asked)
    return Settings(
        transformers=advice.transformers(asked), vllm=served(asked, serve), lmms_eval=evaluated(asked, evaluate)
    )
