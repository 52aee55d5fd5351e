"""One model's views and token boxes, drawn on the picture that was planned."""

from collections.abc import Sequence
from pathlib import Path

from saccade.api.planning import PlannedModel, PlanningResult, Refused
from saccade.api.png import png_path, write_png
from saccade.core.errors import SaccadeError
from saccade.core.plan import Plan
from saccade.core.units import DPI, scaled
from saccade.report.images.draw import DrawnView, draw
from saccade.views.media import find, picture_of


def picture(planning: PlanningResult, paths: Sequence[Path], target: Path, *, dpi: int = DPI) -> Path:
    """Draw the first model over the first picture, page or frame into ``target``, a PNG; the file.

    Raises SaccadeError where several models were planned, where there is no picture to draw on, and where ``target``
    cannot be written.
    """
    if len(planning.rows) != 1:
        raise SaccadeError(f"--show draws one model, {len(planning.rows)} were planned; name it with --models")
    if not paths:
        raise SaccadeError("--show draws on a picture; give its path instead of --size")
    path = png_path(target)
    (row,) = planning.rows
    plan = row.plans[0]
    if isinstance(plan, Refused):
        raise SaccadeError(f"{row.system.name} refuses {planning.documents[0].name}: {plan.why}")
    shown = find(paths[:1], dpi=dpi)[0]
    made = draw(
        picture_of(shown, dpi=dpi),
        _drawn(row, plan, planning),
        title=_title(row, plan, shown.name),
        lines=(plan.why[0], *plan.notes),
    )
    return write_png(made, path)


def _drawn(row: PlannedModel, plan: Plan, planning: PlanningResult) -> list[DrawnView]:
    path = row.system.path(planning.options)
    return [DrawnView(view=view, tokens=path.token_grid(view)) for view in plan.layout.views]


def _title(row: PlannedModel, plan: Plan, name: str) -> str:
    pages = f" over {len(plan.layouts)} pages" if len(plan.layouts) > 1 else ""
    cost = f"{plan.visual_tokens:,} visual tokens{pages}, {scaled(plan.flops)}FLOPs"
    return f"{row.system.name} on {Path(name).name}: {cost}"
