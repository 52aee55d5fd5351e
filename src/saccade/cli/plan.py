"""``saccade plan``: what will this image cost, will it fit, what do I set?"""

import json as text_json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from saccade.cli.arguments import Number, Whole
from saccade.cli.console import OUT, Reporter, bar, refuse, split
from saccade.cli.help import Help
from saccade.core.errors import SaccadeError, unknown
from saccade.core.interface.defaults import TEXT
from saccade.core.interface.progress import Progress
from saccade.core.units import DPI, read_bytes, read_count, read_seconds, read_size

if TYPE_CHECKING:
    import saccade.api.planning

ADVISED = 3
"""Settings to paste are printed for up to this many models."""


Size = Annotated[str, arg(metavar="WxH")]
Clip = Annotated[str, arg(metavar="frames=N,fps=N")]
Models = Annotated[str, arg(metavar="NAME,...")]
Memory = Annotated[str, arg(metavar="BYTES")]
Time = Annotated[str, arg(metavar="TIME")]
Count = Annotated[str, arg(metavar="N")]
Machine = Annotated[str, arg(metavar="NAME")]
NumberType = Annotated[str, arg(metavar="bfloat16|float16|float32")]
Attention = Annotated[str, arg(metavar="sdpa|eager")]
Sort = Annotated[str, arg(metavar="tokens|flops|memory|time|name")]
Drawing = Annotated[str, arg(metavar="PNG")]
Options = Annotated[UseAppendAction[tuple], arg(metavar="OPTION=VALUE")]  # pyright: ignore[reportMissingTypeArgument]
Files = Annotated[Positional[tuple], arg(metavar="FILE...", help_behavior_hint="")]  # pyright: ignore[reportMissingTypeArgument]

HELP = Help(
    usage="[OPTIONS] [FILE...]",
    arguments=("paths",),
    groups={
        "what is shown": ("size", "video", "dpi", "text"),
        "models": ("models", "set"),
        "limits": ("fit", "reserve", "within", "tokens", "context"),
        "how models run": ("batch", "dtype", "attention"),
        "machine": ("device", "calibrate"),
        "output": ("sort", "why", "show", "json"),
    },
    examples={
        "What an image of this size costs on every known model": "saccade plan --size 1024x768",
        "Which setting of one model fits into 24 GB with 32k positions": (
            "saccade plan photo.jpg --models qwen2.5-vl-7b --fit 24GB --context 32k"
        ),
        "Where each visual token of one model stands on the image": (
            "saccade plan photo.jpg --models gemma-3-4b --show out.png"
        ),
    },
)


# Texts are empty where nothing was given, and tuples are bare: for any other annotation tyro brings in typeguard, which
# takes as long as everything that is planned.
def plan(
    paths: Files,
    set: Options,
    size: Size = "",
    video: Clip = "",
    models: Models = "",
    fit: Memory = "",
    within: Time = "",
    tokens: Count = "",
    context: Count = "",
    reserve: Memory = "",
    device: Machine = "",
    batch: Whole = 1,
    dtype: NumberType = "bfloat16",
    attention: Attention = "sdpa",
    text: Whole = TEXT,
    sort: Sort = "tokens",
    dpi: Number = None,
    calibrate: bool = False,
    why: bool = False,
    show: Drawing = "",
    json: bool = False,
) -> None:
    """Tokens, FLOPs, memory and time of pictures, PDF pages and videos on every known model; no weights needed.

    Args:
        paths: Pictures, PDFs, videos, or folders of them. The pages of a PDF stand in one prompt.
        size: A picture of this size instead of a file, such as 1024x768.
        video: With --size, a video: frames=600,fps=30.
        models: Presets or checkpoint folders, separated by commas. Without it, every preset.
        set: A model's own option, such as max_pixels=1003520 (with --models).
        fit: Memory that weights, cache and activations must fit in, such as 24GB.
        within: Time to the first token, such as 300ms (with --device).
        tokens: Visual tokens at most, such as 512.
        context: Positions to keep room for, prompt and answer together, such as 32k.
        reserve: Memory for the runtime and others, taken from --fit, such as 1GB.
        device: A machine for times, such as h100, or here once it was measured with --calibrate.
        batch: Requests at once.
        dtype: Type of numbers.
        attention: sdpa (no score matrix) or eager (all of it).
        text: Positions of text in the prompt.
        sort: What the table is sorted by; time with --device.
        dpi: Pixels an inch at which PDF pages are drawn, 144 unless given.
        calibrate: Measure this machine first (a few seconds) and keep the result.
        why: Explain each count.
        show: Draw the views and token boxes of one model on the picture into this PNG.
        json: Print everything as JSON.
    """
    from saccade.api import planning
    from saccade.api.plan_record import record
    from saccade.core.plan import Setting

    files = tuple(Path(path) for path in paths)
    _check(fit=fit, reserve=reserve, sort=sort, times=bool(device) or calibrate, size=size, dpi=dpi)
    if calibrate and not files and not size:
        refuse(
            "is for planning; add a picture or --size, or leave it out",
            video=video, models=models, fit=fit, within=within, tokens=tokens, context=context, set=set, why=why,
            show=show, json=json,
        )  # fmt: skip
    on = _calibrated(device) if calibrate else device
    if calibrate and not files and not size:
        return
    with bar() as shown:
        progress = Reporter(shown)
        found = planning.survey(
            _documents(files, size, video, dpi, progress),
            models=split(models) if models else None,
            setting=Setting(batch, dtype, attention),
            text=text,
            options=_options(set),
            limits=_limits(fit, within, tokens, context, reserve),
            on=on or None,
            sort=sort,
            progress=progress,
        )
    drawn = _shown(found, files, Path(show), DPI if dpi is None else dpi) if show else None
    if json:
        OUT.out(text_json.dumps(record(found), indent=1, ensure_ascii=False), highlight=False)
    else:
        _tell(found, why)
    if drawn is not None and not json:
        OUT.print(f"wrote {drawn}", highlight=False, soft_wrap=True)
    if not found.fits:
        sys.exit(1)


def _check(*, fit: str, reserve: str, sort: str, times: bool, size: str, dpi: int | None) -> None:
    """Raises SaccadeError for options that would have no effect without another one."""
    if reserve and not fit:
        raise SaccadeError("--reserve is taken from the memory of --fit; add --fit, such as --fit 24GB")
    if sort == "time" and not times:
        raise SaccadeError("--sort time needs a machine: name one with --device, or measure this one: --calibrate")
    if size:
        refuse(f"is for the pages of PDFs, and --size {size} is an image; leave it out", dpi=dpi)


def _tell(found: "saccade.api.planning.PlanningResult", why: bool) -> None:
    from saccade.api.plan_table import advice, explained, footers, tables

    for table in tables(found):
        OUT.print(table, highlight=False)
    if why:
        for line in explained(found):
            OUT.print(line, soft_wrap=True)
        OUT.print()
    if found.limits.any:
        if len(found.rows) <= ADVISED:
            for line in advice(found):
                OUT.print(line, soft_wrap=True)
            OUT.print()
        else:
            OUT.print(f"name up to {ADVISED} models with --models for settings to paste", style="dim")
        if not found.fits:
            OUT.print("nothing fits", style="red")
    for line in footers(found):
        OUT.print(line, style="dim", highlight=False, markup=False)


def _documents(
    paths: tuple[Path, ...], size: str, video: str, dpi: int | None, progress: Progress
) -> tuple["saccade.api.planning.Document", ...]:
    from saccade.api import planning

    if not size:
        if video:
            raise SaccadeError("--video says how long a video is; say how large with --size, such as 1280x720")
        if not paths:
            raise SaccadeError("name a picture, a PDF, a video or a folder, or give --size 1024x768")
        return planning.documents_of(paths, dpi=dpi, progress=progress)
    if paths:
        raise SaccadeError(f"give paths or --size, not both; got {paths[0]} and --size {size}")
    given = read_size(size, "--size")
    frames, fps = _clip(video) if video else (None, None)
    return (planning.Document(str(given), (planning.media_of(given.width, given.height, frames, fps),)),)


def _clip(text: str) -> tuple[int, float]:
    """``frames=600,fps=30``."""
    pairs = [part.partition("=") for part in split(text)]
    given = {name.strip(): value.strip() for name, _, value in pairs}
    for name in given:
        if name not in ("frames", "fps"):
            raise unknown("part of --video", name, ("frames", "fps"))
    try:
        return int(given["frames"]), float(given["fps"])
    except (KeyError, ValueError) as error:
        raise SaccadeError(f"--video takes frames=600,fps=30, got {text!r}") from error


def _options(changes: Iterable[str]) -> dict[str, object]:
    options: dict[str, object] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name:
            raise SaccadeError(f"--set takes option=value such as max_pixels=1003520, got {change!r}")
        options[name] = value
    return options


def _limits(fit: str, within: str, tokens: str, context: str, reserve: str) -> "saccade.api.planning.FitLimits":
    from saccade.api import planning

    return planning.FitLimits(
        memory=read_bytes(fit, "--fit") if fit else None,
        seconds=read_seconds(within, "--within") if within else None,
        tokens=read_count(tokens, "--tokens") if tokens else None,
        context=read_count(context, "--context") if context else None,
        reserve=read_bytes(reserve, "--reserve") if reserve else 0,
    )


def _calibrated(device: str) -> str:
    """Measure this machine and keep what was found."""
    if device not in ("", "here"):
        raise SaccadeError(f"--calibrate measures this machine, --device says {device}; drop one of the two")
    from saccade.api import machine

    with bar() as shown:
        task = shown.add_task("measuring this machine", total=None)
        found, path = machine.calibrate(lambda what: shown.update(task, description=f"measuring {what}"))
    for line in machine.told(found):
        OUT.print(line, highlight=False)
    OUT.print(f"wrote {path}", highlight=False, soft_wrap=True)
    return found.name


def _shown(found: "saccade.api.planning.PlanningResult", paths: tuple[Path, ...], target: Path, dpi: int) -> Path:
    from saccade.api.plan_picture import picture

    return picture(found, paths, target, dpi=dpi)
