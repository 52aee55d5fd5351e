"""Every name of ``transformers`` that saccade uses and that ``transformers`` does not promise to keep.

Private names (with a leading underscore), names in modules below the top level, keywords and attributes that changed
between versions. ``compat.hf`` and ``compat.processors`` alone spell them; ``tests/compat`` has a contract test for
each.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from saccade.compat.versions import LOWEST, NEWEST, installed, release
from saccade.core.errors import SaccadeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One name. ``purpose`` completes "saccade needs it …"; ``since`` and ``until`` (empty: not yet gone) are the first
    and the last of the tested versions that have it; ``instead`` says what stood in its place before, or stands there
    after.

    ``word`` is how code spells it. No other module may, unless it is empty: then the word means other things too.
    """

    purpose: str
    word: str
    since: str = LOWEST
    until: str = ""
    instead: str = ""

    @property
    def expected(self) -> bool:
        """Whether the installed version should have it."""
        found = release(installed())
        return release(self.since) <= found and (not self.until or found <= release(self.until))


NAMES: Mapping[str, Name] = {
    # How a model attends.
    "PreTrainedConfig._attn_implementation": Name(
        purpose="to learn how a model computes its attention, and which masks it takes", word="_attn_implementation"
    ),
    "PreTrainedConfig._attn_implementation_internal": Name(
        purpose="to put one config's attention back after a probe", word="_attn_implementation_internal",
        instead="the setter of _attn_implementation sets every part's too",
    ),
    "attention(s_aux=)": Name(purpose="to refuse attention with sinks in a probe", word="s_aux"),
    "attention(softcap=)": Name(purpose="to cap scores as the model does in a probe", word="",
        instead="nothing before 5.21: only eager attention was told of the cap"),
    "attention(position_bias=)": Name(purpose="to bias scores as the model does in a probe", word=""),
    "attention module.layer_idx": Name(purpose="to tell layers apart in a probe", word="layer_idx"),
    "attention module.is_causal": Name(purpose="to mask scores as the model does in a probe", word=""),
    # Building models.
    "PreTrainedModel._from_config": Name(
        purpose="to build models that no Auto class knows, without weights", word="_from_config"
    ),
    "transformers.initialization.no_init_weights": Name(
        purpose="to build models without drawing weights that a file is about to give", word="no_init_weights",
        instead="transformers.modeling_utils before version 5",
    ),
    "AutoModelForCausalLM: Unrecognized configuration": Name(
        purpose="to tell a type without a causal language model from other errors", word=""
    ),
    "PreTrainedModel.set_experts_implementation": Name(
        purpose="to count the FLOPs of mixtures of experts", word="set_experts_implementation"
    ),
    "PreTrainedConfig.to_dict: _name_or_path": Name(
        purpose="to leave out of a config where it came from", word="_name_or_path"
    ),
    "PerceiverConfig._label_trainable_num_channels": Name(
        purpose="to size the label queries of Perceiver's autoencoder", word="_label_trainable_num_channels"
    ),
    "T5Config.scale_decoder_outputs": Name(
        purpose="to run T5 models whose output table is not tied", word=""
    ),
    "vision model: final norm": Name(
        purpose="to read a tower's states without its final norm", word="post_layernorm",
        instead="CLIP's and SigLIP's stood under vision_model before version 5",
    ),
    # Running models.
    "forward(cache=)": Name(
        purpose="to hand language models their KV cache", word="past_key_values", since="5.24.0",
        instead="past_key_values up to 5.23; both are taken up to 5.39, the old one with a warning",
    ),
    "forward(past_key_values=)": Name(
        purpose="to hand language models their KV cache", word="past_key_values", until="5.23.0",
        instead="cache from 5.24 on",
    ),
    "forward(mm_encoder_outputs=)": Name(
        purpose="to have a hosted model read some visual tokens and not others", word="mm_encoder_outputs",
        instead="nothing before 5.18: towers could only be handed pixels",
    ),
    "get_image_features: deepstack_features": Name(
        purpose="to read the visual tokens of Qwen3-VL that enter deeper layers", word="deepstack_features"
    ),
    "get_rope_index(mm_token_type_ids=)": Name(
        purpose="to number the positions of Qwen's visual tokens", word="get_rope_index"
    ),
    "PreTrainedModel.hf_device_map": Name(
        purpose="to see whether a model lies on several devices", word="hf_device_map"
    ),
    "transformers.cache_utils.DynamicLayer": Name(
        purpose="to keep and to read the KV cache of a layer", word="cache_utils"
    ),
    "transformers.modeling_outputs": Name(
        purpose="to hand over and to return what the models' classes do", word="modeling_outputs"
    ),
    # Processors.
    "ProcessorMixin._merge_kwargs": Name(
        purpose="to learn how a processor calls its image processor", word="_merge_kwargs",
        instead="its first argument became optional in 5.23",
    ),
    "ProcessorMixin.replace_image_token": Name(
        purpose="to learn what a processor writes for an image", word="replace_image_token"
    ),
    "ProcessorMixin.check_argument_for_proper_class": Name(
        purpose="to make processors without the part that reads videos", word="check_argument_for_proper_class"
    ),
    "ProcessorMixin.get_attributes": Name(purpose="to know a processor's parts", word="get_attributes"),
    "ProcessorMixin.from_args_and_dict": Name(
        purpose="to make a processor from its parts and its settings", word="from_args_and_dict"
    ),
    "AutoImageProcessor(backend=)": Name(purpose="to prepare pixels with Pillow on every machine", word=""),
    "transformers.utils.logging": Name(purpose="to load models without progress bars", word=""),
}  # fmt: skip


def missing(name: str) -> SaccadeError:
    """The error for one of ``NAMES`` that the installed version lacks, or has in another form."""
    found = NAMES[name]
    before = f" (in its place: {found.instead})" if found.instead else ""
    return SaccadeError(
        f"transformers {installed()} has no {name} as saccade knows it, which it needs {found.purpose}{before}; it is "
        f"known to work from {found.since} to {found.until or NEWEST}, and saccade with {LOWEST} to {NEWEST}: install "
        "one of those"
    )
