"""Models of ``transformers``: what saccade needs of them beyond their public interface, one function for each name.

``compat.names`` lists the names, what each is for and since when it is there. A name that the installed version lacks
is refused with the versions that have it. Processors are in ``compat.processors``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache as remembered
from inspect import signature
from typing import Any, cast

import torch
import transformers
from jaxtyping import Int
from torch import Tensor, nn
from transformers import Cache, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer as DynamicLayer
from transformers.initialization import no_init_weights
from transformers.modeling_outputs import BaseModelOutput as BaseModelOutput
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.modeling_outputs import CausalLMOutputWithPast as CausalLMOutputWithPast

from saccade.compat.names import NAMES, missing
from saccade.core.errors import SaccadeError

with torch.device("cpu"):
    # Torch lists the functions that a device context redirects once, at its first use. ``from_pretrained`` may be that
    # first use, and replaces ``torch.linspace`` meanwhile: from then on no context would redirect it any more.
    torch.empty(0)

ORIGIN_KEY = "_name_or_path"
"""The key of a config's ``to_dict`` that says where it came from."""

FINAL_NORM: Mapping[str, str] = {
    "clip_vision_model": "post_layernorm",
    "siglip_vision_model": "post_layernorm",
    "dinov2": "layernorm",
    "vit": "layernorm",
    "blip_2_vision_model": "post_layernorm",
    "instructblip_vision_model": "post_layernorm",
}
"""``model_type`` of a vision model → the module after its last layer. CLIP applies it to the class token alone, for its
pooled output. CLIP's and SigLIP's stood under ``vision_model.`` before version 5.
"""


def have(owner: object, name: str) -> Any:  # noqa: ANN401 (whatever transformers holds under that name)
    """The attribute of ``owner`` that ``NAMES[name]`` spells. Raises SaccadeError where it is missing."""
    try:
        return getattr(owner, NAMES[name].word)
    except AttributeError as error:
        raise missing(name) from error


# How a model attends.


def attention_of(config: PreTrainedConfig) -> str | None:
    """The attention implementation of one config: "sdpa", "eager", or a registered name."""
    return have(config, "PreTrainedConfig._attn_implementation")


def restore_attention(config: PreTrainedConfig, implementation: str | None) -> None:
    """Set the attention implementation of this config alone.

    The setter of ``_attn_implementation`` overwrites those of the parts too.
    """
    have(config, "PreTrainedConfig._attn_implementation_internal")
    config._attn_implementation_internal = implementation


def has_sinks(keywords: Mapping[str, object]) -> bool:
    """Whether an attention function was handed sinks (GPT-OSS): logits beside those of the keys."""
    return keywords.get("s_aux") is not None


def layer_number(module: nn.Module) -> int | None:
    """The layer that an attention module stands in, from 0. None where it does not say."""
    return getattr(module, "layer_idx", None)


def hides_later(module: nn.Module) -> bool:
    """Whether an attention module hides later keys where it is handed no mask."""
    return getattr(module, "is_causal", True)


# Building models.


def built_from(class_name: str, config: PreTrainedConfig) -> PreTrainedModel:
    """A model with random weights of the default type, of a class that no Auto class knows."""
    make = have(getattr(transformers, class_name), "PreTrainedModel._from_config")
    return make(config, dtype=torch.get_default_dtype())


def without_random_init() -> AbstractContextManager[None]:
    """Within it, models are built without drawing weights. In ``transformers.modeling_utils`` before version 5."""
    return no_init_weights()


def has_no_causal_model(error: ValueError) -> bool:
    """Whether ``AutoModelForCausalLM`` says that it has no class for a config, by the text of its error."""
    return "Unrecognized configuration" in str(error)


def use_batched_experts(model: nn.Module) -> None:
    """Compute mixtures of experts one position at a time: grouped products cannot be counted in single precision."""
    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            have(part, "PreTrainedModel.set_experts_implementation")("batched_mm")


def label_channels(config: PreTrainedConfig) -> int:
    """Channels of the label queries of a Perceiver that codes video, sound and label."""
    return have(config, "PerceiverConfig._label_trainable_num_channels")


def scale_outputs(config: PreTrainedConfig, scaled: bool) -> None:
    """Whether T5 scales the states before its output table, as it was trained where the table is tied."""
    if not hasattr(config, "scale_decoder_outputs"):
        raise missing("T5Config.scale_decoder_outputs")
    config.scale_decoder_outputs = scaled


# Running models.


@remembered
def _cache_word(model: type[nn.Module]) -> str | None:
    taken = signature(model.forward).parameters
    return next((word for word in ("cache", "past_key_values") if word in taken), None)


def takes_cache(model: nn.Module) -> bool:
    """Whether ``model``'s ``forward`` takes a KV cache."""
    return _cache_word(type(model)) is not None


def cache_argument(model: nn.Module, cache: Cache | None) -> dict[str, Cache | None]:
    """The keyword under which ``model`` takes its KV cache.

    That is ``cache`` from 5.24 on, ``past_key_values`` before and in code of other packages that has not followed.
    """
    word = _cache_word(type(model))
    if word is None:
        raise SaccadeError(
            f"{type(model).__name__} takes no KV cache, so nothing can be read after a prompt; choose another model"
        )
    return {word: cache}


def cached_values(cache: Cache, layer: int) -> Tensor:
    """The cached values of a layer, batch × heads × positions × width. A layer with a window holds the last alone."""
    return cast(Tensor, cast(Any, cache.layers[layer]).values)


def image_argument(tokens: Tensor | Sequence[Tensor], deep: Sequence[Sequence[Tensor]]) -> dict[str, object]:
    """The keyword that hands a model the outputs of its vision side in place of pixels.

    ``tokens`` as the model's own ``get_image_features`` gives them; ``deep`` those that enter deeper layers, each a
    list of tensors. There is no such keyword before 5.18. From 5.24 on nothing but the outputs of ``transformers``
    will do, since models hand them on as part of their own.
    """
    outputs = BaseModelOutputWithPooling(pooler_output=cast(Any, tokens))
    cast(Any, outputs).deepstack_features = deep
    return {"mm_encoder_outputs": {"image": outputs}}


def deep_features(outputs: Mapping[str, Any]) -> Sequence[Tensor | Sequence[Tensor]]:
    """What ``get_image_features`` puts out for deeper layers (Qwen3-VL): nothing in most families."""
    return outputs.get("deepstack_features", ())


def rope_positions(
    model: PreTrainedModel, ids: Sequence[int], visual: Sequence[bool], grids: Int[Tensor, "images 3"] | None
) -> Int[Tensor, "3 length"]:
    """The positions (time, row, column) of a Qwen prompt, whose ``visual`` tokens are those of images of ``grids``."""
    count = have(cast(Any, model).model, "get_rope_index(mm_token_type_ids=)")
    types = torch.tensor([list(visual)]).int()
    found, _ = count(torch.tensor([list(ids)]), mm_token_type_ids=types, image_grid_thw=grids)
    return found[:, 0]


def is_spread(model: PreTrainedModel) -> bool:
    """Whether ``accelerate`` has put the layers of ``model`` on several devices."""
    return len(set((getattr(model, "hf_device_map", None) or {}).values())) > 1


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Without the progress bars of ``transformers``, which it draws for machines too."""
    bars = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()
