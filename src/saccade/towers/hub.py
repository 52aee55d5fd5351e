"""Any vision backbone of ``transformers``, one or several of its layers, class token kept or dropped."""

from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from saccade.compat.hf import FINAL_NORM, built_from
from saccade.nn.hub import parse_config
from saccade.specs.towers.vit import HubTowerSpec

CLASSES = {"blip_2_vision_model": "Blip2VisionModel", "instructblip_vision_model": "InstructBlipVisionModel"}
"""Backbones that ``AutoModel`` does not know. By name, so that nothing of them is imported where none is built."""


@final
class HubTower(nn.Module):
    """See ``HubTowerSpec``. ``backbone`` is the ``transformers`` model up to the deepest layer asked for.

    What stands above (more layers, heads, the final norm unless asked for) would be thrown away, so it is not there.
    """

    def __init__(self, spec: HubTowerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = _backbone(spec)

    def forward(
        self, pixels: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches {self.spec.width}"]:
        """Patches in row order, kept class tokens first; sizes other than the trained one interpolate positions."""
        states = self._states(pixels)
        chosen = torch.cat([states[index] for index in self.spec.states], dim=-1)
        return chosen[:, self.spec.class_tokens - self.spec.extra :]

    def _states(self, pixels: Tensor) -> dict[int, Tensor]:
        """The chosen hidden states by number; the deepest is the backbone's own output."""
        spec = self.spec
        options: dict[str, bool] = {}
        if spec.model_type != "dinov2" and pixels.shape[-2:] != (spec.side, spec.side):
            options["interpolate_pos_encoding"] = True  # dinov2 does without being asked
        if set(spec.states) == {spec.needed}:
            return {spec.needed: self.backbone(pixels, **options).last_hidden_state}
        found = self.backbone(pixels, output_hidden_states=True, **options)
        return {**dict(enumerate(found.hidden_states)), spec.needed: found.last_hidden_state}


def _backbone(spec: HubTowerSpec) -> PreTrainedModel:
    config = parse_config(spec.config)
    config.num_hidden_layers = spec.needed
    if spec.model_type == "siglip_vision_model":
        config.vision_use_head = False
    if spec.model_type == "dinov2":
        config.use_mask_token = False
    backbone = _built(config, spec.model_type)
    if not spec.final_norm:
        backbone.set_submodule(FINAL_NORM[spec.model_type], nn.Identity())
    elif spec.norm_eps is not None:
        cast(nn.LayerNorm, backbone.get_submodule(FINAL_NORM[spec.model_type])).eps = spec.norm_eps
    return backbone


def _built(config: PreTrainedConfig, model_type: str) -> PreTrainedModel:
    if model_type in CLASSES:
        return built_from(CLASSES[model_type], config)
    options = {"add_pooling_layer": False} if model_type == "vit" else {}
    return AutoModel.from_config(config, dtype=torch.get_default_dtype(), **options)
