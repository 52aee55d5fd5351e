"""Settings that give the counts of a plan: a line to paste for transformers, vLLM and lmms-eval, family by family.

The lines for transformers are those of 5.23; a test runs those whose processor can be built without torchvision. The
lines for vLLM and lmms-eval follow their source as read (vLLM of May 2026, commit 239b5ff of a fork; lmms-eval of
August 2026, commit 75571cf); nothing here runs them. Where a target has no setting, a sentence says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from saccade.architectures import ARCHITECTURES
from saccade.architectures.settings.lines import SettingsRequest, evaluated, served, through_vllm
from saccade.specs.planner.system import ModelSpec, Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """For each target a line of Python or shell to paste, or a sentence that says why there is none."""

    transformers: str
    vllm: str
    lmms_eval: str


def settings(
    system: ModelSpec,
    options: Mapping[str, Value],
    *,
    context: int | None = None,
    pictures: int = 1,
    video: bool = False,
) -> Settings:
    """How to get the counts that ``system`` has under ``options``; what is not given stays the checkpoint's.

    ``context`` bounds a prompt and its answer, in positions; ``pictures`` are those of one prompt, or its videos where
    ``video``. Raises SaccadeError for options that the family does not have.
    """
    made, path = system.checkpoint_with(options), system.path(options)
    if video and path.video is None:
        unread = f"{system.name} reads no videos; give it frames as pictures"
        return Settings(transformers=unread, vllm=unread, lmms_eval=unread)
    asked = SettingsRequest(
        system=system, options=made.options, path=path, context=context, pictures=pictures, video=video
    )
    advice = next(one.advice for one in ARCHITECTURES.values() if one.family is system.family)
    assert advice is not None
    serve = advice.vllm(asked)
    evaluate = through_vllm(asked, serve) if advice.lmms_eval is None else advice.lmms_eval(asked)
    return Settings(
        transformers=advice.transformers(asked), vllm=served(asked, serve), lmms_eval=evaluated(asked, evaluate)
    )
