"""What pictures, their pages or a video cost on any model: counted, without weights and without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from saccade.architectures import PRESETS
from saccade.architectures.catalogue import system
from saccade.architectures.settings.settings import Settings, settings
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import function, instance, listed, number, path, texts, whole
from saccade.core.interface.arguments import text as words
from saccade.core.interface.field_types import check_fields
from saccade.core.interface.progress import Progress as Progress
from saccade.core.plan import Plan, Setting
from saccade.core.size import Size
from saccade.core.units import DPI
from saccade.specs.laws.path import Media, Video
from saccade.specs.laws.roofline import Times
from saccade.specs.planner.device import Device, device
from saccade.specs.planner.fit import Fit, FitLimits, fit, times_of
from saccade.specs.planner.system import TEXT, ModelSpec

if TYPE_CHECKING:
    from saccade.architectures.composed_plan import StageDifference


def plan(
    name: str,
    *,
    width: int,
    height: int,
    frames: int | None = None,
    fps: float | None = None,
    batch: int = 1,
    dtype: str = "bfloat16",
    attention: str = "sdpa",
    text: int = TEXT,
    **options: object,
) -> Plan:
    """What one picture of ``width`` × ``height`` pixels costs on the model ``name``.

    ``name`` is a preset (``qwen2.5-vl-7b``) or a checkpoint folder, whose own JSON wins. With ``frames`` and ``fps`` it
    is a video. ``text`` counts the prompt's other positions. ``options`` are the model's own (``max_pixels``, ``mode``,
    ``pan_scan`` …). Raises SaccadeError where the model would refuse the picture.
    """
    whole("width", width, 1)
    whole("height", height, 1)
    whole("batch", batch, 1)
    whole("text", text, 0)
    if frames is not None:
        whole("frames", frames, 1)
    if fps is not None:
        number("fps", fps, above=True)
    setting = Setting(batch, words("dtype", dtype), words("attention", attention))
    return system(str(path("name", name))).plan(
        [media_of(width, height, frames, fps)], text=text, setting=setting, options=options
    )


def media_of(width: int, height: int, frames: int | None = None, fps: float | None = None) -> Media:
    """A picture's size, or a video's with its frames and rate."""
    size = Size(whole("width", width, 1), whole("height", height, 1))
    if frames is None and fps is None:
        return size
    if frames is None or fps is None:
        raise SaccadeError(f"a video needs both its frames and its fps, got frames {frames} and fps {fps}")
    return Video(size, whole("frames", frames, 1), number("fps", fps, above=True))


@dataclass(frozen=True, slots=True)
class Document:
    """What one prompt shows: a picture, the pages of a document together, or a video."""

    name: str
    media: tuple[Media, ...]

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.media:
            raise SaccadeError(f"the document {self.name!r} shows nothing; give at least one picture or video")

    @property
    def kind(self) -> Literal["picture", "pages", "video"]:
        """In one word."""
        if any(isinstance(one, Video) for one in self.media):
            return "video"
        return "picture" if len(self.media) == 1 else "pages"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a model does not take a document."""

    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedModel:
    """One model over all documents: a plan or a refusal each, times where a device is known, and how it would fit."""

    system: ModelSpec
    plans: tuple[Plan | Refused, ...]
    times: tuple[Times | None, ...]
    fit: Fit | None = None
    settings: Settings | None = None

    @property
    def good(self) -> list[Plan]:
        """The plans, refusals apart."""
        return [plan for plan in self.plans if isinstance(plan, Plan)]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanningResult:
    """Everything that was asked, and what came out: tables and JSON are drawn from it."""

    documents: tuple[Document, ...]
    setting: Setting
    text: int
    options: Mapping[str, object]
    limits: FitLimits
    device: Device | None
    rows: tuple[PlannedModel, ...]

    @property
    def fits(self) -> bool:
        """Whether any model keeps within the limits; true where nothing is limited."""
        return not self.limits.any or any(row.fit is not None and not row.fit.short for row in self.rows)


def documents_of(
    paths: Sequence[Path], *, dpi: int | None = None, progress: Progress | None = None
) -> tuple[Document, ...]:
    """What lies at ``paths``: pages of one PDF stand together in one prompt, everything else for itself.

    Pages are as large as at ``dpi``, 144 unless given. Raises SaccadeError where it is given and nothing is a PDF.
    """
    paths = [path("a path", one) for one in listed("paths", paths)]
    if dpi is not None:
        whole("dpi", dpi, 1)
    if progress is not None:
        function("progress", progress)
    from saccade.views.media import find

    everything = find(paths, dpi=DPI if dpi is None else dpi, progress=progress)
    if dpi is not None and all(found.page is None for found in everything):
        raise SaccadeError(f"dpi={dpi} is for the pages of PDFs, and {everything[0].path} is none; leave it out")
    made: dict[Path, Document] = {}
    for found in everything:
        if found.frames is not None and found.fps is None:
            raise SaccadeError(f"{found.name} does not tell its frames a second; give the video as --size and --video")
        media = media_of(found.size.width, found.size.height, found.frames, found.fps)
        before = made[found.path].media if found.path in made else ()
        made[found.path] = Document(str(found.path), (*before, media))
    return tuple(made.values())


def survey(
    documents: Sequence[Document],
    *,
    models: Sequence[str] | None = None,
    setting: Setting | None = None,
    text: int = TEXT,
    options: Mapping[str, object] | None = None,
    limits: FitLimits | None = None,
    on: str | None = None,
    sort: str = "tokens",
    progress: Progress | None = None,
) -> PlanningResult:
    """Every model (all presets unless named) over every document, and the largest setting within ``limits``.

    ``on`` names a device, or ``here`` for a stored calibration. Models that read no videos are left out where all
    documents are videos, unless they were named.
    """
    for document in listed("documents", documents):
        instance("a document", document, Document, "a saccade.api.planning.Document, as documents_of gives them")
    if not documents:
        raise SaccadeError("there is nothing to plan: name a picture, a PDF, a video or a folder, or give --size")
    setting, limits = Setting() if setting is None else setting, FitLimits() if limits is None else limits
    options = {} if options is None else options
    instance("setting", setting, Setting, "a saccade.core.plan.Setting")
    instance("limits", limits, FitLimits, "saccade.specs.planner.fit.FitLimits")
    instance("options", options, Mapping, "a mapping of names to values")
    whole("text", text, 0)
    if progress is not None:
        function("progress", progress)
    if words("sort", sort) not in SORTS:
        raise SaccadeError(f"unknown order {sort!r}; sort by one of: {', '.join(SORTS)}")
    machine = None if on is None else _machine(words("on", on))
    names = list(dict.fromkeys(PRESETS if models is None else texts("models", models)))
    if not names:
        raise SaccadeError(f"no models to plan; name some of: {', '.join(PRESETS)}")
    if models is None and options:
        raise SaccadeError(f"options belong to models: name one with --models to set {', '.join(options)}")
    rows: list[PlannedModel] = []
    for done, name in enumerate(names, 1):
        one = system(name)
        filmed = all(document.kind == "video" for document in documents)
        if models is None and filmed and one.path(options).video is None:
            continue
        rows.append(_row(one, documents, setting, text, options, limits, machine))
        if progress is not None:
            progress("planning", done, len(names))
    _taken(rows, documents)
    return PlanningResult(
        documents=tuple(documents),
        setting=setting,
        text=text,
        options=options,
        limits=limits,
        device=machine,
        rows=tuple(sorted(rows, key=lambda row: _rank(row, sort))),
    )


def composed_differences(
    planning: PlanningResult, row: PlannedModel, document: Document, found: Plan
) -> "list[StageDifference]":
    """Where the composition that saccade loads this checkpoint as costs otherwise than the published code.

    Empty where none is known, and under options, which compositions do not take.
    """
    from saccade.architectures.composed_plan import composed_plan, differences

    if planning.options:
        return []
    composed = composed_plan(row.system, document.media, planning.text, planning.setting)
    return [] if composed is None else list(differences(row.system, found, composed))


def _taken(rows: Sequence[PlannedModel], documents: Sequence[Document]) -> None:
    """Raises where no model takes anything: there is nothing to show."""
    if any(row.good for row in rows):
        return
    if not rows:
        raise SaccadeError(f"no model here reads {documents[0].name}; name one with --models to see why")
    (why, *_) = (found.why for found in rows[0].plans if isinstance(found, Refused))
    others = f" (so do {len(rows) - 1} others)" if len(rows) > 1 else ""
    raise SaccadeError(f"{rows[0].system.name} refuses {documents[0].name}{others}: {why}")


SORTS = ("tokens", "flops", "memory", "time", "name")
"""What a table can be sorted by; models that refuse everything stand last."""


def _rank(row: PlannedModel, sort: str) -> tuple[float, str]:
    good = row.good
    if not good:
        return (float("inf"), row.system.name)
    amounts = {
        "tokens": sum(one.visual_tokens for one in good) / len(good),
        "flops": sum(one.flops for one in good) / len(good),
        "memory": max(one.memory_bytes for one in good),
        "time": sum(found.first_token.high for found in row.times if found is not None),
        "name": 0,
    }
    return (amounts[sort], row.system.name)


def _row(
    one: ModelSpec,
    documents: Sequence[Document],
    setting: Setting,
    text: int,
    options: Mapping[str, object],
    limits: FitLimits,
    machine: Device | None,
) -> PlannedModel:
    plans: list[Plan | Refused] = []
    one.checkpoint_with(options)  # a wrong option is the caller's fault; only a picture's is the model's
    for document in documents:
        try:
            plans.append(one.plan(document.media, text=text, setting=setting, options=options))
        except SaccadeError as error:
            plans.append(Refused(str(error)))
    times = [times_of(found, machine) if machine and isinstance(found, Plan) else None for found in plans]
    largest = _largest(plans)
    if not limits.any or largest is None:
        return PlannedModel(system=one, plans=tuple(plans), times=tuple(times))
    media = documents[largest].media
    found = fit(one, media, limits, text=text, setting=setting, device=machine, options=options)
    advice = None
    if found.options is not None:
        chosen = {**one.checkpoint_with(options).options, **found.options}
        filmed = documents[largest].kind == "video"
        advice = settings(one, chosen, context=limits.context, pictures=len(media), video=filmed)
    return PlannedModel(system=one, plans=tuple(plans), times=tuple(times), fit=found, settings=advice)


def _largest(plans: Sequence[Plan | Refused]) -> int | None:
    """The document that costs most: what fits it fits all."""
    good = [(found.slots, found.flops, -place) for place, found in enumerate(plans) if isinstance(found, Plan)]
    return -max(good)[2] if good else None


def _machine(name: str) -> Device:
    """A device by name, or this machine as it was measured."""
    if name != "here":
        return device(name)
    from saccade.specs.planner.calibration import stored

    found = stored()
    if found is None:
        raise SaccadeError("this machine has not been measured yet; run: saccade plan --calibrate")
    return found
