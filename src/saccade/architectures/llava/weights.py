"""LLaVA checkpoints: published weight names to ours, strictly.

Three layouts occur on disk. What ``transformers`` writes and wrote: ``vision_tower.``, ``multi_modal_projector.`` and
``language_model.model.``, with or without ``vision_model.`` inside the tower. And the names of its classes since
4.52: ``model.vision_tower.``, ``model.language_model.`` and ``lm_head.``.
"""

import re
from collections.abc import Iterable

from saccade.core.errors import SaccadeError
from saccade.specs.towers.vit import HubTowerSpec

_PREFIXES = (
    (r"(model\.)?vision_tower\.(vision_model\.)?", "tower.backbone."),
    (r"(model\.)?multi_modal_projector\.", "connector.project."),
    (r"(language_model\.)?lm_head\.", "language.model.lm_head."),
    (r"language_model\.model\.|model\.language_model\.", "language.model.model."),
)
_LAYER = re.compile(r"tower\.backbone\.(?:encoder\.)?layers?\.(\d+)\.")
# Not learned: counted off when the module is made, though older files hold them.
_COUNTED = re.compile(r"position_ids$|rotary_emb\.inv_freq$")
# Above the layer that LLaVA reads, so not built here: final norms and pooling heads.
_ABOVE = re.compile(
    r"tower\.backbone\.(post_layernorm|layernorm|head|pooler)\.|tower\.backbone\.embeddings\.mask_token$"
)


def rename(published: Iterable[str], tower: HubTowerSpec) -> dict[str, str]:
    """Our name → published name, for every published weight that a reader with this ``tower`` has.

    Dropped by name, and nothing else: what stands above the tower's deepest layer in use, and tables that are not
    learned. Raises SaccadeError for names of no known layout and for two names of one weight.
    """
    made: dict[str, str] = {}
    strange = []
    for name in published:
        ours = _ours(name)
        if ours is None:
            strange.append(name)
            continue
        if _COUNTED.search(ours) or _ABOVE.match(ours) or layer_of(ours) >= tower.needed:
            continue
        if ours in made:
            raise SaccadeError(f"{made[ours]} and {name} are both the weight {ours}; remove one of them")
        made[ours] = name
    if strange:
        shown = ", ".join(sorted(strange)[:8])
        raise SaccadeError(f"{len(strange)} weights have names of no LLaVA layout known here: {shown}")
    return made


def _ours(name: str) -> str | None:
    for pattern, prefix in _PREFIXES:
        found = re.match(pattern, name)
        if found:
            return prefix + name[found.end() :]
    return None


def layer_of(ours: str) -> int:
    """The number of the tower's layer that the weight is in; -1 for weights below all layers."""
    found = _LAYER.match(ours)
    return int(found[1]) if found else -1
