"""What a published model costs as saccade composes it, beside what it costs as published.

A plan counts what the published code runs. A composition of saccade's parts gives the same numbers and may do less for
them; where it costs otherwise, both costs are named, with the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from saccade.architectures import ARCHITECTURES, COMPOSITIONS
from saccade.architectures.architecture import Architecture, Stage
from saccade.core.plan import Plan, Setting
from saccade.core.size import Size
from saccade.specs.laws.path import Media, PathSpec
from saccade.specs.planner.system import ModelSpec

STAGES: tuple[Stage, ...] = ("vision", "connector", "language")
"""Stages that cost."""


@dataclass(frozen=True, slots=True)
class StageDifference:
    """One stage as published and as composed: FLOPs, parameters and bytes at the peak of each, and why they differ.

    The stage ``views`` costs nothing: other parts of the image are seen.
    """

    stage: Stage
    why: str
    flops: tuple[int, int] = (0, 0)
    params: tuple[int, int] = (0, 0)
    peak: tuple[int, int] = (0, 0)


def composed_plan(model: ModelSpec, media: Sequence[Media], text: int, setting: Setting) -> Plan | None:
    """The plan of the composition that the published ``model`` is loaded as, under its own settings.

    None where no composition of its size is known, and for media that compositions do not read (videos).
    """
    one = _composes(model.name)
    if one is None or not all(isinstance(shown, Size) for shown in media):
        return None
    return _path(*one.composed[model.name]).plan(media, text, setting)


@cache
def _path(name: str, preset: str) -> PathSpec:
    return COMPOSITIONS[name].presets[preset]().path


def differences(model: ModelSpec, published: Plan, composed: Plan) -> Iterator[StageDifference]:
    """The stages in which the two plans of ``model`` do not agree."""
    one = _composes(model.name)
    assert one is not None
    if [layout.views for layout in published.layouts] != [layout.views for layout in composed.layouts]:
        yield StageDifference("views", one.differs["views"])
    for stage in STAGES:
        costs = getattr(published, stage), getattr(composed, stage)
        peaks = getattr(published.peak, stage), getattr(composed.peak, stage)
        if costs[0] != costs[1] or peaks[0] != peaks[1]:
            yield StageDifference(
                stage,
                one.differs[stage],
                flops=(costs[0].flops, costs[1].flops),
                params=(costs[0].params, costs[1].params),
                peak=peaks,
            )


def _composes(name: str) -> Architecture | None:
    """The architecture that a composition of the published model ``name`` is known for."""
    return next((one for one in ARCHITECTURES.values() if name in one.composed), None)
