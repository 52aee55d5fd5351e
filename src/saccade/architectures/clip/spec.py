"""CLIP: a vector of each image and a vector of each text.

Source: CLIP, arXiv:2103.00020; the transformers class.
"""

from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.hf_config.processor import one_view
from saccade.specs.language.language import LanguageSpec
from saccade.specs.laws.layer import plain
from saccade.specs.laws.path import PathSpec
from saccade.specs.layouts.markers import PlaceholderSequence
from saccade.specs.planner.system import Checkpoint, Family
from saccade.specs.towers.pooled import PooledSpec

TEXT: Json = {
    "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8,
    "vocab_size": 49_408, "max_position_embeddings": 77,
}  # fmt: skip


def clip(made: Checkpoint) -> PathSpec:
    """A vector a picture and a vector a text; the patches are what other systems take from its tower."""
    config = made.config
    tower = towers.clip(config.sub("vision_config"))
    joint = config.positive("projection_dim", default=512)
    return PathSpec(
        views=one_view(made.processor),
        tower=tower,
        # Beside its projection, the temperature.
        connector=PooledSpec(width_in=tower.width, width_out=joint, held=1),
        sequence=PlaceholderSequence(count=0),
        language=text_tower(config.sub("text_config", TEXT), joint),
    )


def text_tower(fields: Fields, joint: int) -> LanguageSpec:
    """The text encoder of ``fields``, whose output is projected to ``joint`` values."""
    width = fields.positive("hidden_size")
    layer = plain(width, fields.positive("num_attention_heads"), fields.positive("intermediate_size"))
    context = fields.positive("max_position_embeddings")
    return LanguageSpec(
        width=width,
        layers=((fields.positive("num_hidden_layers"), layer),),
        rows=fields.positive("vocab_size"),
        vocabulary=joint,
        context=context,
        held=context * width + 2 * width,
        cached=False,
    )


CLIP = Family(
    build=clip,
    kind="matcher",
    summary="one vector a picture, one a text, trained to agree",
    stages="crop → CLIP ViT → class token → projection; text tower beside it",
    fidelity="exact",
    source="CLIP, arXiv:2103.00020",
)
