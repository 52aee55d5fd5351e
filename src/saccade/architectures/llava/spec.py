"""LLaVA: one square view, every patch through an MLP.

Source: LLaVA-1.5, arXiv:2310.03744; the transformers class.
"""

from collections.abc import Sequence

from saccade.core.errors import SaccadeError
from saccade.specs.connectors.fold import FoldSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.language import language
from saccade.specs.hf_config.processor import one_view
from saccade.specs.laws.path import Media, PathSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.planner.system import Checkpoint, Family


def llava(made: Checkpoint) -> PathSpec:
    """One view, every patch through two matrices."""
    config = made.config
    vision = config.sub("vision_config", {"model_type": "clip_vision_model"})
    tower = _tower(vision, full=config.text("vision_feature_select_strategy", "default") == "full")
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "llama"), tied=config.flag("tie_word_embeddings"))
    layers = config.get("vision_feature_layer")
    chosen = len(layers) if isinstance(layers, Sequence) and not isinstance(layers, str) else 1
    widths = (spoken.width, spoken.width)
    connector = FoldSpec(
        width_in=tower.width * chosen, widths=widths, bias=config.flag("multimodal_projector_bias", True),
        extra=tower.extra,
    )  # fmt: skip
    return PathSpec(
        views=one_view(made.processor, crops=tower.class_tokens > 0),
        tower=tower,
        connector=connector,
        sequence=PlainSequence(),
        language=spoken,
    )


def _tower(vision: Fields, *, full: bool) -> towers.EncoderSpec:
    """CLIP, of which ``full`` keeps the class token, or SigLIP, which has none."""
    kind = vision.text("model_type")
    if kind == "clip_vision_model":
        return towers.clip(vision, keep_class=full)
    if kind != "siglip_vision_model":
        raise SaccadeError(f"LLaVA over a {kind} tower has no cost law here; over CLIP or SigLIP it has")
    if not full:
        raise SaccadeError(
            "vision_feature_select_strategy 'default' drops the class token, and SigLIP has none, so a patch would be "
            "lost; set it to 'full' in config.json"
        )
    return towers.siglip(vision, head=vision.flag("vision_use_head", True))


def _beyond(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    """What transformers runs of a tower beyond what is read."""
    del path, media
    told: list[str] = []
    if made.config.get("vision_feature_layer") == -2:
        told.append("transformers runs the tower's last layer too, although the second to last is read: it is counted")
    vision = made.config.sub("vision_config", {"model_type": "clip_vision_model"})
    if vision.text("model_type") == "siglip_vision_model" and vision.flag("vision_use_head", True):
        told.append("transformers runs SigLIP's pooling too, of which nothing is read: it is not counted")
    return told


LLAVA = Family(
    build=llava,
    kind="reader",
    summary="one square view, every CLIP patch through a two-layer MLP",
    stages="crop or pad → CLIP ViT → MLP → splice → Llama",
    fidelity="exact",
    source="LLaVA-1.5, arXiv:2310.03744",
    notes=_beyond,
)
