"""The policies by name: their defaults, and those that were tuned for the embedded readers.

The embedded readers follow no instructions and are 128 px wide, so what is asked of larger models in words is asked of
them in maps. Their settings were chosen on the exam's calibration split (docs/log.md), the test split knows nothing of
them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saccade.core.errors import SaccadeError, unknown
from saccade.core.records.recipe import from_dict, override, read, to_dict
from saccade.core.registry.kinds import KIND
from saccade.core.registry.plugins import Group, is_foreign, plugins
from saccade.core.selection import TokenSelection
from saccade.policies.base import Policy
from saccade.policies.boxes import WindowBoxes
from saccade.policies.calibration.calibrate import Isotonic, Logistic, Platt, UncalibratedScores
from saccade.policies.ladder import Ladder, Level, sides, survey
from saccade.policies.predicted_box import PredictedBox
from saccade.policies.refine import Refine
from saccade.policies.scales import Scales
from saccade.policies.single_look import SingleLook
from saccade.policies.tools import ToolLoop
from saccade.policies.zoom import AttentionZoom, Values
from saccade.policies.zoom_tree import ZoomTree

GROUP: Group = "saccade.policies"
"""The entry points under which other packages register policies."""

TYPES: dict[str, type] = {
    "once": SingleLook,
    "selection": TokenSelection,
    "ladder": Ladder,
    "level": Level,
    "zoom-attention": AttentionZoom,
    "zoom-values": Values,
    "zoom-tree": ZoomTree,
    "self-box": PredictedBox,
    "scales": Scales,
    "refine": Refine,
    "tools": ToolLoop,
    "windows": WindowBoxes,
    "raw": UncalibratedScores,
    "platt": Platt,
    "isotonic": Isotonic,
    "logistic": Logistic,
}
"""Everything that a policy's recipe is made of, by the name under which JSON and YAML call it."""

POLICIES: Mapping[str, Policy] = {
    "once": SingleLook(),
    "ladder": sides(336, 672, None, agree=True),
    "survey-ladder": survey(SingleLook(side=336), SingleLook(side=672), SingleLook()),
    "zoom-attention": AttentionZoom(),
    "zoom-values": Values(),
    "zoom-tree": ZoomTree(),
    "self-box": PredictedBox(),
    "scales": Scales(),
    "refine": Refine(),
    "tools": ToolLoop(),
}
"""For any model: thresholds are guesses until they are calibrated (``saccade compare --policies ladder``)."""

HALVES = WindowBoxes(shares=(0.5,), aspects=(1.0, 2.0, 0.5), peak=1.5, count=3)

ZOOM = AttentionZoom(words=True, relative=False, layers=(0.0, 0.25), rule=HALVES, margin=0.1)

EMBEDDED: Mapping[str, Policy] = {
    **POLICIES,
    "ladder": Ladder(
        levels=(Level(policy=SingleLook(side=64), model="llava-thin"), Level(policy=SingleLook()), Level(policy=ZOOM))
    ),
    "survey-ladder": survey(SingleLook(side=32), SingleLook(side=64), SingleLook()),
    "zoom-attention": ZOOM,
    "zoom-values": Values(rule=HALVES, margin=0.1),
    "scales": Scales(vote=True),
}
"""The same for the embedded readers."""


def policy(name: str, changes: tuple[str, ...] = (), *, embedded: bool = False) -> Policy:
    """The policy of that name, or the one in a YAML or JSON file, with ``changes`` as ``--set`` takes them.

    ``package/name`` is the policy that another package registers under the entry-point group ``saccade.policies``.
    """
    known = EMBEDDED if embedded else POLICIES
    if Path(name).suffix in (".yaml", ".yml", ".json"):
        if not Path(name).is_file():
            raise SaccadeError(f"there is no file {name}; write one, or name a policy: {', '.join(known)}")
        data: Any = read(Path(name).read_text(encoding="utf-8"))
        made = from_dict(data, TYPES, GROUP)
    elif name in known:
        made = known[name]
    elif is_foreign(name):
        made = from_dict({KIND: name}, TYPES, GROUP)
    else:
        raise unknown("policy", name, (*known, *plugins(GROUP)))
    if changes:
        made = from_dict(override(to_dict(made, TYPES, GROUP), changes), TYPES, GROUP)
    if not isinstance(made, Policy):
        raise SaccadeError(f"{name} holds a {type(made).__name__}, which is no policy; known: {', '.join(known)}")
    return made


def recipe_of(policy: Policy) -> dict[str, Any]:
    """``policy`` as data; one of a class that recipes have no name for is described by its class and its text."""
    try:
        return to_dict(policy, TYPES, GROUP)
    except SaccadeError:
        kind = type(policy)
        return {KIND: f"{kind.__module__}.{kind.__qualname__}", "text": repr(policy)}
