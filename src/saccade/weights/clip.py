"""CLIP vision towers by themselves or inside a checkpoint: published weight names to ours."""

import re
from collections.abc import Iterable

from saccade.weights.files import Published

# Not learned: counted off when the module is made, though older files hold them.
_COUNTED = re.compile(r"position_ids$")
# Above the last layer, where nobody here looks.
_ABOVE = re.compile(r"post_layernorm\.")


def tower(published: Iterable[str], prefix: str = "") -> dict[str, Published]:
    """Our name → published name of what stands under ``prefix``, with or without ``vision_model.`` inside it.

    Dropped by name: the norm above the last layer, and the table of positions that is not learned.
    """
    made: dict[str, Published] = {}
    for name in published:
        if not name.startswith(prefix):
            continue
        inner = name.removeprefix(prefix).removeprefix("vision_model.")
        if not _COUNTED.search(inner) and not _ABOVE.match(inner):
            made[f"tower.backbone.{inner}"] = name
    return made


def part_of_clip(name: str) -> bool:
    """Whether the weight belongs to the other half of CLIP: its text tower, its projections, its temperature."""
    return bool(re.match(r"text_model\.|text_projection\.|visual_projection\.|logit_scale$", name))
