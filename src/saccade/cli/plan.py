"""``saccade plan``: what will this image cost, will it fit, what do I set?"""

import json as text_json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from saccade.cli.console import OUT, Reporter, bar, split
from saccade.core.defaults import TEXT
from saccade.core.errors import SaccadeError, unknown
from saccade.core.progress import Progress
from saccade.core.units import DPI, read_bytes, read_count, read_seconds, read_size

if TYPE_CHECKING:
    import saccade.api.planning

ADVISED = 3
"""Settings to paste are printed for up to this many models."""


# Texts are empty where nothing was given, and tuples are bare: for any other annotation tyro brings in typeguard, which
# takes as long as everything that is planned.
def plan(
    paths: Positional[tuple],  # pyright: ignore[reportMissingTypeArgument]
    set: Annotated[UseAppendAction[tuple], arg(metavar="OPTION=VALUE")],  # pyright: ignore[reportMissingTypeArgument]
    size: str = "",
    video: str = "",
    models: str = "",
    fit: str = "",
    within: str = "",
    tokens: str = "",
    context: str = "",
    reserve: str = "",
    device: str = "",
    batch: int = 1,
    dtype: str = "bfloat16",
    attention: str = "sdpa",
    text: int = TEXT,
    sort: str = "tokens",
    dpi: int = DPI,
    calibrate: bool = False,
    why: bool = False,
    show: str = "",
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
        dtype: Type of numbers: bfloat16, float16 or float32.
        attention: sdpa (no score matrix) or eager (all of it).
        text: Positions of text in the prompt.
        sort: By tokens, flops, memory, time or name.
        dpi: Pixels an inch at which PDF pages are drawn.
        calibrate: Measure this machine first (a few seconds) and keep the result.
        why: Explain each count.
        show: Draw the views and token boxes of one model on the picture into this PNG.
        json: Print everything as JSON.
    """
    from saccade.api import planning
    from saccade.api.plan_record import record
    from saccade.core.plan import Setting

    on = _calibrated(device) if calibrate else device
    if calibrate and not paths and not size:
        return
    files = tuple(Path(path) for path in paths)
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
    drawn = _shown(found, files, Path(show), dpi) if show else None
    if json:
        OUT.out(text_json.dumps(record(found), indent=1, ensure_ascii=False), highlight=False)
    else:
        _tell(found, why)
    if drawn is not None and not json:
        OUT.print(f"wrote {drawn}", highlight=False, soft_wrap=True)
    if not found.fits:
        sys.exit(1)


def _tell(found: "saccade.api.planning.Planning", why: bool) -> None:
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
    paths: tuple[Path, ...], size: str, video: str, dpi: int, progress: Progress
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


def _limits(fit: str, within: str, tokens: str, context: str, reserve: str) -> "saccade.api.planning.Limits":
    from saccade.api import planning

    return planning.Limits(
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


def _shown(found: "saccade.api.planning.Planning", paths: tuple[Path, ...], target: Path, dpi: int) -> Path:
    from saccade.api.plan_picture import picture

    return picture(found, paths, target, dpi=dpi)
