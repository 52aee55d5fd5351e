"""What a reader saw, drawn over the picture: views as outlines, tokens as boxes, dropped places dimmed.

Everything stands in source pixels; the picture itself is in the page once and drawn by reference.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from saccade.core.box import Box
from saccade.core.ledger import Ledger
from saccade.core.size import Size
from saccade.core.view import Layout, Role
from saccade.evaluation.shown import ShownLook
from saccade.report.markup import leaf, number, tag

LONGEST = 512
"""Pictures are embedded with at most this longer side in pixels; outlines keep the source's coordinates."""

FAINT = 0.08
"""Share of the strongest attention below which a patch is not shaded."""


@dataclass(frozen=True, slots=True)
class OverlaySheet:
    """The views of one role: an overview and slices over one another could not be told apart."""

    role: Role
    views: tuple[int, ...]
    exact: tuple[int, ...]
    attended: tuple[int, ...]


def sheets(layout: Layout, ledger: Ledger) -> list[OverlaySheet]:
    """One sheet for each role in the layout; a token made of several roles' cells stands on each."""
    roles: list[Role] = ["whole", "slice"]
    found = []
    for role in roles:
        views = tuple(index for index, view in enumerate(layout.views) if view.role == role)
        if views:
            inside = np.isin(ledger.view, views)
            here = [token for token, group in enumerate(ledger.groups) if bool(inside[group].any())]
            exact = tuple(token for token in here if ledger.exact[token])
            found.append(OverlaySheet(role, views, exact, tuple(token for token in here if not ledger.exact[token])))
    return found


def resolution(layout: Layout, sheet: OverlaySheet) -> Size:
    """The size that the whole picture has at the scale of a sheet's views: what the tower could tell apart."""
    full, (x, y) = layout.size, layout.views[sheet.views[0]].scale
    seen = Size(max(1, round(full.width * min(x, 1))), max(1, round(full.height * min(y, 1))))
    # A difference that no page shows is not worth another copy of the picture.
    return full if min(x, y) > 0.9 or seen.long >= LONGEST else seen


def figure(seen: ShownLook, pictures: Mapping[Size, str], evidence: tuple[Box, ...]) -> str:
    """All sheets of one look, side by side; ``pictures`` holds the ids of the embedded picture by resolution."""
    drawn = [(sheet, pictures[resolution(seen.layout, sheet)]) for sheet in sheets(seen.layout, seen.ledger)]
    return tag("div", *(_sheet(seen, sheet, picture, evidence) for sheet, picture in drawn), class_="sheets")


def canvas(size: tuple[float, float], label: str, *inside: str, box: Box | None = None) -> str:
    """An SVG whose units are source pixels, showing ``box`` of a picture of ``size`` or all of it."""
    shown = box or Box(0, 0, *size)
    view = " ".join(map(number, (shown.left, shown.top, shown.width, shown.height)))
    return tag("svg", *inside, viewBox=view, role="img", aria_label=label, class_="canvas")


def marked(boxes: Iterable[Box], size: tuple[float, float]) -> str:
    """Outlines around the evidence, set off a little; evidence that is nearly the whole picture gets none."""
    area, margin = size[0] * size[1], 0.008 * max(size)
    parts = []
    for box in boxes:
        if box.area < 0.9 * area:
            parts.extend(rect(box.grow(margin), looks) for looks in ("halo", "evidence"))
    return "".join(parts)


def rect(box: Box, looks: str) -> str:
    """A box as a shape with a class."""
    return leaf("rect", x=box.left, y=box.top, width=box.width, height=box.height, class_=looks)


def _sheet(seen: ShownLook, sheet: OverlaySheet, picture: str, evidence: tuple[Box, ...]) -> str:
    size = (float(seen.layout.size.width), float(seen.layout.size.height))
    views = [seen.layout.views[index] for index in sheet.views]
    drawing = canvas(
        size,
        f"{seen.reader}: {len(sheet.exact) + len(sheet.attended)} tokens over {len(views)} views",
        leaf("use", href=f"#{picture}"),
        _dropped(seen.ledger, sheet),
        _watched(seen, sheet),
        tag("g", *(token_shape(seen.ledger, token, sheet) for token in sheet.exact), class_="tokens"),
        tag("g", *(rect(view.source, "under") + rect(view.source, "view") for view in views)),
        tag("g", *(rect(box, "under") + rect(box, "region") for box in seen.regions)) if seen.regions else "",
        marked(evidence, size),
        _path(seen.path, size),
    )
    return tag("figure", drawing, tag("figcaption", _caption(seen, sheet)), class_="sheet")


def _path(path: tuple[Box, ...], size: tuple[float, float]) -> str:
    """A ring around each fixated place, joined in their order, numbered where there are several."""
    if not path:
        return ""
    radius, centers = 0.03 * max(size), [box.center for box in path]
    way = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in centers)
    rings = [leaf("circle", cx=x, cy=y, r=radius, class_=looks) for x, y in centers for looks in ("halo", "fixation")]
    numbers = [
        tag("text", str(place), x=x + 1.2 * radius, y=y - 0.6 * radius, font_size=1.6 * radius, class_="step")
        for place, (x, y) in enumerate(centers, start=1)
    ]
    several = [leaf("path", d=way, class_="fixation"), *numbers] if len(path) > 1 else []
    return tag("g", *rings, *several)


def _caption(seen: ShownLook, sheet: OverlaySheet) -> str:
    grid = seen.layout.slices
    size = seen.layout.views[sheet.views[0]].size
    slices = f"{grid} slices" if grid is not None else f"{len(sheet.views)} slices"
    where = f"whole picture at {size} px" if sheet.role == "whole" else f"{slices} at {size} px"
    counts = [f"{len(sheet.exact)} tokens"] if sheet.exact else []
    if sheet.attended:
        shaded = ", shaded where they look" if seen.watched is not None else ""
        counts.append(f"{len(sheet.attended)} tokens by attention{shaded}")
    if seen.regions:
        counts.append(f"{len(seen.regions)} region{'s' if len(seen.regions) > 1 else ''}")
    if seen.path:
        counts.append("fixated where the ring is" if len(seen.path) == 1 else f"{len(seen.path)} fixations")
    # Where each token of a model comes from is not always known.
    unplaced = f"{seen.visual_tokens:,} tokens" if len(seen.ledger.cells) == 0 else "no tokens kept"
    return f"{where}: {', '.join(counts) or unplaced}"


def token_shape(ledger: Ledger, token: int, sheet: OverlaySheet) -> str:
    """A token's cells on a sheet as one shape: a box, or the outline of cells that do not fill one."""
    cells = ledger.cells[ledger.groups[token]]
    cells = cells[np.isin(ledger.view[ledger.groups[token]], sheet.views)]
    cells = cells[(cells[:, 2] > cells[:, 0]) & (cells[:, 3] > cells[:, 1])]
    if len(cells) == 0:
        return ""
    low, high = cells[:, :2].min(axis=0), cells[:, 2:].max(axis=0)
    bounds = Box(*map(float, (*low, *high)))
    covered = float(np.prod(cells[:, 2:] - cells[:, :2], axis=1).sum())
    if abs(covered - bounds.area) <= 1e-3 * bounds.area:
        # Plain text rather than ``leaf``: a page holds thousands of these.
        sides = (bounds.left, bounds.top, bounds.width, bounds.height)
        x, y, width, height = map(number, sides)
        return f'<rect x="{x}" y="{y}" width="{width}" height="{height}"/>'
    return f'<path d="{_outline(cells)}"/>'


def _watched(seen: ShownLook, sheet: OverlaySheet) -> str:
    """Patches shaded by how much the learned queries look at them; what hardly anyone looks at stays clear."""
    if seen.watched is None:
        return ""
    inside = np.isin(seen.ledger.view, sheet.views)
    strength = np.where(inside, seen.watched, 0.0)
    strength = strength / max(float(strength.max()), 1e-12)
    shades = []
    for (left, top, right, bottom), share in zip(seen.ledger.cells.tolist(), strength.tolist(), strict=True):
        if share >= FAINT and right > left and bottom > top:
            sides = map(number, (left, top, right - left, bottom - top))
            x, y, width, height = sides
            opacity = number(0.75 * share)
            shades.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill-opacity="{opacity}"/>')
    return tag("g", *shades, class_="watched")


def _outline(cells: np.ndarray) -> str:
    """The edges that no two of the cells share."""
    edges: set[tuple[float, float, float, float]] = set()
    for left, top, right, bottom in np.round(cells, 3).tolist():
        sides = (
            (left, top, right, top),
            (left, bottom, right, bottom),
            (left, top, left, bottom),
            (right, top, right, bottom),
        )
        edges ^= set(sides)
    return "".join(f"M{number(x)} {number(y)}L{number(u)} {number(v)}" for x, y, u, v in sorted(edges))


def _dropped(ledger: Ledger, sheet: OverlaySheet) -> str:
    """One dimming shape over all cells of the sheet's views that no token holds."""
    held = np.zeros(len(ledger.cells), dtype=bool)
    if ledger.groups:
        held[np.concatenate(ledger.groups)] = True
    cells = ledger.cells[~held & np.isin(ledger.view, sheet.views)]
    path = "".join(
        f"M{number(left)} {number(top)}H{number(right)}V{number(bottom)}H{number(left)}z"
        for left, top, right, bottom in cells.tolist()
    )
    return leaf("path", d=path, class_="dropped") if path else ""
