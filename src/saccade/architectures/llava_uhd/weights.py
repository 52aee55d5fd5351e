"""LLaVA-UHD checkpoints as their authors write them: published weight names to ours, strictly.

``model.vision_tower.vision_tower.`` is a CLIP tower, ``model.mm_projector.`` the connector, and the rest a causal model
under the names of its own class. Inside the connector ours are theirs; of the pyramid, ``upsampler.upsampler.`` is the
pyramid itself and ``upsampler.model.`` a copy of the tower that it was trained beside.
"""

import re
from collections.abc import Iterable

from saccade.architectures.llava.weights import layer_of
from saccade.specs.connectors.hiwin import LEVELS, HiwinSpec
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.towers.vit import HubTowerSpec
from saccade.weights import causal, clip
from saccade.weights.files import Published

TOWER, CONNECTOR = "model.vision_tower.vision_tower.", "model.mm_projector."
# A row's end where token maps are stitched to one, which no released model does.
_ELSEWHERE = re.compile(r"model\.image_newline$")
_COPY = re.compile(r"upsampler\.model\.")


def rename(
    published: Iterable[str], spec: WindowsSpec | HiwinSpec, tower: HubTowerSpec, model_type: str
) -> dict[str, Published]:
    """Our name → published name, for every published weight that a reader of these parts has.

    Dropped by name, and nothing else: what stands above the tower's deepest layer in use, tables that are not learned,
    the end of a row, the pyramid's copy of the tower, and in the second version a table of queries, a matrix, and
    levels outside ``feature_scale_mask`` that nothing reads. Raises SaccadeError for two names of one weight.
    """
    names = [name for name in published if not _ELSEWHERE.match(name)]
    spoken = (name for name in names if not name.startswith((TOWER, CONNECTOR)))
    made = {ours: name for ours, name in clip.tower(names, TOWER).items() if layer_of(ours) < tower.needed}
    unread = _unread(spec)
    for name in names:
        inner = name.removeprefix(CONNECTOR)
        if name.startswith(CONNECTOR) and not (_COPY.match(inner) or unread.match(inner)):
            made[f"connector.{inner.replace('upsampler.upsampler.', 'upsampler.', 1)}"] = name
    return made | causal.rename(spoken, model_type)


def _unread(spec: WindowsSpec | HiwinSpec) -> re.Pattern[str]:
    """What the published connector holds and never uses."""
    if isinstance(spec, WindowsSpec):
        return re.compile(r"(?!)")
    levels = "|".join(str(level) for level in LEVELS if level not in spec.levels) or r"(?!)"
    return re.compile(rf"query$|kv_proj\.weight$|features?_({levels})x_(embedding$|projector\.)")
