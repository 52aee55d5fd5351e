"""Foveated: a picture in sharp focus where the question looks, and coarser the further away.

Law     as many tokens as its budget, wherever it looks: all cells of the coarsest size, and three more for every cut.
Used by nobody before a language model; FoveaTer classifies pictures this way, one fixation after the other.
Loses   detail away from where it looks, so everything where the question is misread.
Source  FoveaTer, arXiv:2105.14173, for pooling that coarsens with eccentricity; budget, choice and training are ours.

Survey: the survey describes a foveated tokenizer for language models, which no paper that it cites is. This is one: the
words of the question choose a patch, around which patches stay by themselves. What FoveaTer does, several fixations and
a stop, is its own model (``research/fixations/model.py``).
"""

from collections.abc import Callable

from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD, clip, llama
from saccade.core.size import Size
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.cells import BudgetRule
from saccade.specs.layouts.resize import CLIP_MEAN_COLOUR, PadSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec

ASSUMPTIONS = (
    "cells are squares that halve towards the fixation; distance over size decides which are cut, until the budget is "
    "met, so that plans know the number of tokens before anything is seen",
    "one fixation a question, chosen from its words and the patches, and learned from where evidence was known to lie",
    "the tower sees everything: tokens are saved behind it, not in it",
)


def foveated(
    *,
    tower: HubTowerSpec,
    language: DecoderSpec,
    tokens: int,
    root: int,
    image_id: int,
    asked: int,
    heads: int,
    words: int,
    text: int = 16,
    template: str = "<image>{question}\n",
) -> ReaderSpec:
    """Picture → a padded square → ``tower`` → ``tokens`` cells around where the question looks → MLP → ``language``."""
    return ReaderSpec(
        views=PadSpec(size=Size(tower.side, tower.side), colour=CLIP_MEAN_COLOUR),
        tower=tower,
        connector=FovealSpec(
            width_in=tower.width,
            width_out=language.width,
            rule=BudgetRule(tokens=tokens, root=root),
            words=words,
            asked=asked,
            text=text,
            heads=heads,
        ),
        sequence=PlainSequence(),
        language=language,
        template=template,
        image_id=image_id,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )


def tiny() -> ReaderSpec:
    """10 of 16 patches' tokens from a 28 px view; bytes 0 to 255, then the end marker and the placeholder."""
    return foveated(
        tower=clip(side=28, patch=7, width=16, depth=3, heads=2),
        language=llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256),
        tokens=10,
        root=2,
        image_id=257,
        asked=8,
        heads=2,
        words=258,
    )


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny}
