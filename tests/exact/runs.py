"""How each architecture of `transformers` looks at a view and reads a sequence, stage by stage on the *meta* device.

Meta tensors have shapes and no values, so what depends on values is given from outside; none of it changes a shape:

* causal masks are given in full (four axes), for building them looks at positions;
* packed towers (Qwen, Kimi) get the indices that they would compute from the picture's grid, made on the CPU by the
  library's own helpers; the lengths of segments stay there, because the model turns them into a list.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import vision_utils
from transformers.models.kimi_k25 import modeling_kimi_k25

from saccade.compat.versions import installed, release

Pixels = tuple[int, int]
"""Width and height of a view, as fed to the tower."""
Look = Callable[[nn.Module, Pixels, int], object]
"""Tower and connector on one view, beside a question of so many positions."""
Read = Callable[[nn.Module, int, int, int], object]
"""The language model over a length, with so many views and positions of text."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One architecture: its class, which modules or weights make up vision and connector, how it looks and reads.

    What belongs to neither stage is language. ``connector`` wins where both hold a weight. ``answers`` names the
    decoder and the head that write one token after the other with an ordinary cache.
    """

    kind: str
    vision: tuple[str, ...]
    connector: tuple[str, ...] = ()
    look: Look
    read: Read
    answers: tuple[str, str] | None = None


def blank(*shape: int) -> Tensor:
    """Vectors, pixels: numbers that nobody looks at."""
    return torch.empty(shape, device="meta")


def ids(length: int) -> Tensor:
    """Token ids, or positions."""
    return torch.zeros(1, length, dtype=torch.long, device="meta")


def mask(length: int) -> Tensor:
    """Causal, in full."""
    return torch.ones(1, 1, length, length, dtype=torch.bool, device="meta").tril()


def picture(view: Pixels) -> Tensor:
    """One view as pixels."""
    return blank(1, 3, view[1], view[0])


def features(path: str) -> Look:
    """Models whose ``get_image_features`` runs on meta tensors as it is."""
    return lambda model, view, text: model.get_submodule(path).get_image_features(pixel_values=picture(view))


def chained(model: nn.Module, view: Pixels, text: int) -> object:
    """Idefics 2 and 3, SmolVLM: as their ``get_image_features``, which also sorts out pictures of nothing but zeros."""
    hidden = model.model.vision_model(picture(view)).last_hidden_state
    padding = [torch.ones(1, hidden.shape[1], dtype=torch.bool, device="meta")]
    return model.model.connector(hidden, *(padding if model.config.model_type == "idefics2" else ()))


def resampled(model: nn.Module, view: Pixels, text: int) -> object:
    """IDEFICS-1."""
    return model.model.perceiver_resampler(model.model.vision_model(picture(view)).last_hidden_state)


def queried(model: nn.Module, view: Pixels, text: int) -> object:
    """BLIP-2 and InstructBLIP, whose Q-Former reads the ``text`` of the question beside its queries."""
    image = model.vision_model(picture(view))[0]
    words = {"input_ids": ids(text)} if model.config.model_type == "instructblip" else {}
    seen = model.qformer(query_embeds=model.query_tokens, encoder_hidden_states=image, **words)[0]
    return model.language_projection(seen[:, : model.query_tokens.shape[1]])


def packed(path: str) -> Look:
    """Qwen's towers, which hold their mergers."""
    return lambda model, view, text: _packed(model.get_submodule(path), view)


def projected(model: nn.Module, view: Pixels, text: int) -> object:
    """Kimi K2.5."""
    return model.model.mm_projector(_packed(model.model.vision_tower, view).pooler_output)


def _packed(tower: nn.Module, view: Pixels) -> object:
    config = tower.config
    patch, kimi = config.patch_size, config.model_type == "kimi_k25_vision"
    grid = torch.tensor([[1, view[1] // patch, view[0] // patch]])
    patches, merge = int(grid.prod()), 1 if kimi else config.spatial_merge_size
    given = {"position_ids": vision_utils.get_vision_position_ids(grid, merge)}
    segments: dict[str, object] = {}
    if config.model_type == "qwen2_5_vl_vision":
        given["window_index"], segments["cu_window_seqlens"] = vision_utils.get_vision_window_index(
            grid, merge, config.window_size, patch
        )
    if kimi or config.model_type == "qwen3_vl_vision":
        table = tower.patch_embed.pos_emb if kimi else tower
        given["interp_indices"], given["interp_weights"] = vision_utils.get_vision_interpolation_indices_and_weights(
            grid, table.num_grid_per_side, table.interpolation_mode, table.interpolation_align_corners, merge
        )
    if kimi:
        given["frame_index"] = torch.zeros(patches, dtype=torch.long)
        if release(installed()) >= (5, 24):  # before, an index on the CPU would do
            *merged, tokens = modeling_kimi_k25.get_vision_temporal_merge_index(grid, *config.merge_kernel_size)
            segments["temporal_merge_index"] = (*(one.to("meta") for one in merged), tokens)
    pixels = blank(patches, 3, patch, patch) if kimi else blank(patches, 3 * config.temporal_patch_size * patch**2)
    return tower(pixels, grid_thw=grid, **{name: given[name].to("meta") for name in given}, **segments)


def perceived(model: nn.Module, view: Pixels, text: int) -> object:
    """Perceiver IO, decoder and all."""
    return model(pixel_values=picture(view))


def prefill(decoder: str, head: str, *, every: bool = False) -> Read:
    """A decoder by its path over all positions, then its head at the last one, or at ``every`` one."""

    def run(model: nn.Module, length: int, views: int, text: int) -> object:
        hidden = through(model.get_submodule(decoder), length, attention_mask=mask(length), use_cache=False)
        return model.get_submodule(head)(hidden if every else hidden[:, -1:])

    return run


def through(decoder: nn.Module, length: int, **more: object) -> Tensor:
    """``length`` positions through a decoder."""
    vectors = blank(1, length, decoder.config.hidden_size)
    return decoder(inputs_embeds=vectors, position_ids=ids(length), **more).last_hidden_state


def crossed(model: nn.Module, length: int, views: int, text: int) -> object:
    """IDEFICS-1: gated layers read the latents of every view, which are one batch from 5.24 on."""
    perceiver, vision = model.config.perceiver_config, model.config.vision_config
    shape = views, perceiver.resampler_n_latents, vision.embed_dim
    return model(
        inputs_embeds=blank(1, length, model.config.hidden_size),
        attention_mask=mask(length),
        position_ids=ids(length),
        perceiver_embeddings=blank(*(shape if release(installed()) >= (5, 24) else (1, *shape))),
        image_attention_mask=torch.ones(1, length, views, device="meta"),
        use_cache=False,
        logits_to_keep=1,
    )


def captioned(model: nn.Module, length: int, views: int, text: int) -> object:
    """CLIP and ALIGN: ``text`` tokens through the text tower, one vector through its projection."""
    return model.get_text_features(input_ids=ids(text), attention_mask=mask(text)) if text else None


def silent(model: nn.Module, length: int, views: int, text: int) -> object:
    """A classifier."""
    return None


OURS = ("model.language_model", "lm_head")
THEIRS = ("language_model.model", "language_model.lm_head")
CHAIN = ("model.text_model", "lm_head")
PROJECTED = {
    "vision": ("model.vision_tower",),
    "connector": ("model.multi_modal_projector",),
    "look": features("model"),
    "read": prefill(*OURS),
    "answers": OURS,
}
QUERIED = {
    "vision": ("vision_model",),
    "connector": ("qformer", "query_tokens", "language_projection"),
    "look": queried,
    "read": prefill(*THEIRS),
    "answers": THEIRS,
}
CHAINED = {
    "vision": ("model.vision_model",),
    "connector": ("model.connector",),
    "look": chained,
    "read": prefill(*CHAIN),
    "answers": CHAIN,
}
MERGED = {
    "vision": ("model.visual",),
    "connector": ("model.visual.merger", "model.visual.deepstack_merger_list"),
    "look": packed("model.visual"),
    "read": prefill(*OURS),
    "answers": OURS,
}
TABLE = ("model.vision_tower.head_linear", "model.vision_tower.head_norm", "model.visual_embeddings_table")
PARTS = {
    "llava": Parts(kind="LlavaForConditionalGeneration", **PROJECTED),
    "gemma3": Parts(kind="Gemma3ForConditionalGeneration", **PROJECTED),
    "paligemma": Parts(kind="PaliGemmaForConditionalGeneration", **PROJECTED),
    "internvl": Parts(kind="InternVLForConditionalGeneration", **PROJECTED),
    "ovis2": Parts(kind="Ovis2ForConditionalGeneration", **{**PROJECTED, "connector": TABLE}),
    "deepseek_ocr2": Parts(
        kind="DeepseekOcr2ForConditionalGeneration",
        **{**PROJECTED, "connector": ("model.multi_modal_projector", "model.view_separator")},
    ),
    "kimi_k25": Parts(
        kind="Kimi_K25ForConditionalGeneration",
        **{**PROJECTED, "connector": ("model.mm_projector",), "look": projected},
    ),
    "blip-2": Parts(kind="Blip2ForConditionalGeneration", **QUERIED),
    "instructblip": Parts(kind="InstructBlipForConditionalGeneration", **QUERIED),
    "idefics": Parts(
        kind="IdeficsForVisionText2Text",
        vision=("model.vision_model",),
        connector=("model.perceiver_resampler",),
        look=resampled,
        read=crossed,
    ),
    "idefics2": Parts(kind="Idefics2ForConditionalGeneration", **CHAINED),
    "idefics3": Parts(kind="Idefics3ForConditionalGeneration", **CHAINED),
    "smolvlm": Parts(kind="SmolVLMForConditionalGeneration", **CHAINED),
    "qwen2_5_vl": Parts(kind="Qwen2_5_VLForConditionalGeneration", **MERGED),
    "qwen3_vl": Parts(kind="Qwen3VLForConditionalGeneration", **MERGED),
    "colpali": Parts(
        kind="ColPaliForRetrieval",
        vision=("vlm.vision_tower",),
        connector=("vlm.multi_modal_projector",),
        look=features("vlm"),
        read=prefill("vlm.language_model", "embedding_proj_layer", every=True),
    ),
    "colqwen2": Parts(
        kind="ColQwen2ForRetrieval",
        vision=("vlm.visual",),
        connector=("vlm.visual.merger",),
        look=packed("vlm.visual"),
        read=prefill("vlm.language_model", "embedding_proj_layer", every=True),
    ),
    "clip": Parts(
        kind="CLIPModel",
        vision=("vision_model",),
        connector=("visual_projection", "logit_scale"),
        look=features(""),
        read=captioned,
    ),
    "align": Parts(
        kind="AlignModel", vision=("vision_model",), connector=("temperature",), look=features(""), read=captioned
    ),
    "perceiver": Parts(
        kind="PerceiverForImageClassificationFourier",
        vision=("perceiver",),
        connector=("perceiver.decoder",),
        look=perceived,
        read=silent,
    ),
}
"""By the ``model_type`` of a preset's config."""
