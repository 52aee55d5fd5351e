"""Retrievers: a reader whose every position becomes a vector of the page's index, with no head over words.

Source: ColPali, arXiv:2407.01449; the transformers classes.
"""

from collections.abc import Callable
from dataclasses import replace

from saccade.specs.markers import MarkedSequence
from saccade.specs.path import PathSpec
from saccade.specs.system import Checkpoint


def vectors(made: Checkpoint, build: Callable[[Checkpoint], PathSpec], beside: int) -> PathSpec:
    """The path that ``build`` makes of the inner model; its fixed prompt adds ``beside`` vectors to the tokens."""
    config = made.config.sub("vlm_config") if made.config.has("vlm_config") else made.config
    path = build(replace(made, config=config))
    assert path.language is not None
    width = made.config.positive("embedding_dim", default=128)
    spoken = replace(path.language, tied=False, vocabulary=width, head_bias=True, every=True, cached=False)
    return replace(path, language=spoken, sequence=MarkedSequence(whole=beside))
