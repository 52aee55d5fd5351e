"""The embedded family's recipe: a vision stage, a language stage, then each connector aligned by itself.

vision    the tower learns from dense labels; its read-outs are thrown away
language  the tower is frozen, its features cached; the language model learns to answer through the
          pixel-shuffle connector, which keeps everything at a quarter of the tokens
mix       every connector joins in turn, so that the language model reads grids, pooled tokens and queries alike
align     tower and language model are frozen; each connector goes on alone, all on the same budget
thin      the baseline trained for dropping: a copy of the full-token reader goes on, its language model
          too, on smaller pictures and random parts of its tokens
flamingo  latents and the gated blocks between the frozen language model's layers; half of the steps are
          episodes of several pictures, in ``flamingo-single`` none is
match     BLIP-2's first stage: the Q-Former learns from captions, no language model takes part
blip2     BLIP-2's second stage: the Q-Former goes on before the frozen language model, without its words
look      the foveated reader's connector: where to look for a question, and to answer from there
alone     connectors that took no turn in the mix: each from nothing, on a longer budget, all on the same

Every stage has its own checkpoint in the run's folder; a run that was stopped goes on where it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from saccade.backends.embedded.family import LATENTS, family
from saccade.core.errors import SaccadeError, unknown
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.connectors.perceiver_connector import PerceiverConnectorSpec
from saccade.specs.connectors.region_tokens import RegionsSpec
from saccade.training.loop import Schedule

THIN = "llava-thin"
SINGLE = "flamingo-single"
"""Flamingo that never saw more than one picture in a prompt."""
STAGES: Mapping[str, str] = {
    "flamingo": "flamingo", SINGLE: "flamingo", "blip2": "blip2",
    **{f"perceiver-{latents}": "alone" for latents in LATENTS}, "llava-uhd-144": "alone", "llava-uhd-v2": "alone",
    "deepseek-16": "alone", "object-centric": "alone", "foveated": "look",
}  # fmt: skip
"""Readers with a stage of their own instead of ``align``."""
FROZEN: Mapping[str, tuple[str, ...]] = {
    "vision": ("connector", "language"),
    "language": ("tower",),
    "mix": ("tower",),
    "align": ("tower", "language"),
    "thin": ("tower",),
    "flamingo": ("tower", "language"),
    "match": ("tower",),
    "blip2": ("tower", "language"),
    "look": ("tower", "language"),
    "alone": ("tower", "language"),
}
"""What is frozen when. In the stages of one reader, that reader's own parts are what learns."""


@dataclass(frozen=True, kw_only=True)
class FamilyRecipe:
    """Schedules of the stages, and how many pictures' features are kept for framed readers and for those that see more
    pixels: sliced, tiled and foveated ones.

    ``turns`` lists the readers of the mix stage in the order in which they take its steps. ``start`` is ``nothing``, or
    ``shipped``: the tower and the language model that ship are taken as they are, the first three stages left out, and
    shipped readers that are not among ``readers`` are handed on.
    """

    seed: int = 0
    vision: Schedule
    language: Schedule
    mix: Schedule
    align: Schedule
    thin: Schedule
    flamingo: Schedule
    match: Schedule
    blip2: Schedule
    look: Schedule
    alone: Schedule
    framed: int
    sliced: int
    turns: tuple[str, ...]
    readers: tuple[str, ...] = field(default_factory=lambda: (*family(), THIN))
    start: Literal["nothing", "shipped"] = "nothing"

    def __post_init__(self) -> None:
        for name in (*self.turns, *self.readers):
            if name not in family() and name != THIN:
                raise unknown("embedded reader", name, (*family(), THIN))
        if min(self.framed, self.sliced) < 1:
            raise SaccadeError(f"features of at least 1 picture are needed, got {self.framed} and {self.sliced}")


def notes(recipe: FamilyRecipe) -> dict[str, tuple[str, str, int]]:
    """Fidelity, how it was trained, and seed, for each reader's card."""
    paths = family()
    own = PerceiverConnectorSpec | FovealSpec | RegionsSpec
    survey = {name for name, path in paths.items() if isinstance(path.connector, own)}
    return {
        name: ("survey" if name in survey else "faithful", _told(recipe, name), recipe.seed) for name in recipe.readers
    }


def _told(recipe: FamilyRecipe, name: str) -> str:
    if name == THIN:
        return (
            f"connector and language model trained on, {_long(recipe.thin)}, with smaller pictures and random token "
            "dropout"
        )
    if STAGES.get(name) == "flamingo":
        half = "each with one picture a prompt" if name == SINGLE else "half of them episodes of up to 9 pictures"
        return f"latents and gated blocks trained around the frozen language model, {_long(recipe.flamingo)}, {half}"
    if STAGES.get(name) == "blip2":
        return (
            f"Q-Former trained on captions without a language model, {_long(recipe.match)}, then before the frozen "
            f"language model, {_long(recipe.blip2)}"
        )
    if STAGES.get(name) == "look":
        return (
            f"connector trained from nothing before the frozen language model, {_long(recipe.look)}, told where the "
            "evidence is"
        )
    if STAGES.get(name) == "alone":
        return f"connector trained from nothing before the frozen language model, {_long(recipe.alone)}"
    return f"connector aligned on the frozen tower and language model, {_long(recipe.align)}"


def _long(schedule: Schedule) -> str:
    return f"{schedule.steps} steps of {schedule.batch} pictures"
