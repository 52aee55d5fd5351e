"""ColPali and ColQwen2: every position becomes a vector of the page's index, with no head over words.

Source: ColPali, arXiv:2407.01449; the transformers classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from saccade.architectures.gemma.spec import paligemma
from saccade.architectures.qwen_vl.spec import PIXELS, PIXELS_KNOB, qwen2_vl
from saccade.specs.laws.path import Media, PathSpec
from saccade.specs.layouts.markers import MarkedSequence
from saccade.specs.planner.system import Checkpoint, Family


def vectors(made: Checkpoint, build: Callable[[Checkpoint], PathSpec], beside: int) -> PathSpec:
    """The path that ``build`` makes of the inner model; its fixed prompt adds ``beside`` vectors to the tokens."""
    config = made.config.sub("vlm_config") if made.config.has("vlm_config") else made.config
    path = build(replace(made, config=config))
    assert path.language is not None
    width = made.config.positive("embedding_dim", default=128)
    spoken = replace(path.language, tied=False, vocabulary=width, head_bias=True, every=True, cached=False)
    return replace(path, language=spoken, sequence=MarkedSequence(whole=beside))


def colpali(made: Checkpoint) -> PathSpec:
    """PaliGemma's path; six positions of the page's prompt are stored as vectors too."""
    return vectors(made, paligemma, 6)


def _prompted(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del made, path, media
    return ["positions are the stored vectors: 1,024 visual tokens and 6 of the page's fixed prompt"]


def colqwen2(made: Checkpoint) -> PathSpec:
    """Qwen2-VL's path; the two markers and nine more positions of the page's prompt are stored as vectors too."""
    return vectors(made, qwen2_vl, 11)


def _queried(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del made, path, media
    return ["positions are the stored vectors: visual tokens and 11 of the page's fixed prompt (unverified)"]


COLPALI = Family(
    build=colpali,
    kind="retriever",
    summary="PaliGemma whose every position becomes a vector of the page's index",
    stages="stretch → SigLIP → linear → splice → Gemma → 128-d vectors",
    fidelity="exact",
    source="ColPali, arXiv:2407.01449",
    notes=_prompted,
)


COLQWEN2 = Family(
    build=colqwen2,
    kind="retriever",
    summary="Qwen2-VL whose every position becomes a vector of the page's index",
    stages="native shape → ViT → 2×2 merger → splice → Qwen2 → 128-d vectors",
    fidelity="exact",
    source="ColPali, arXiv:2407.01449",
    options=PIXELS,
    knobs=(PIXELS_KNOB,),
    notes=_queried,
)
