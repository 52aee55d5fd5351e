"""Placeholder while the real one is written."""

from collections.abc import Mapping
from dataclasses import dataclass

from saccade.specs.system import System, Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Lines to paste."""

    transformers: str
    vllm: str
    lmms_eval: str


def settings(
    system: System, options: Mapping[str, Value], *, context: int | None = None, pictures: int = 1, video: bool = False
) -> Settings:
    """Lines to paste."""
    del context, pictures, video
    return Settings(transformers=f"{system.name} {dict(options)}", vllm="", lmms_eval="")
