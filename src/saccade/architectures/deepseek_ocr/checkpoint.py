"""A DeepSeek-OCR or DeepSeek-OCR-2 folder, as its authors or ``transformers`` write it, composed from our parts.

The authors' ``config.json`` names few sizes of the towers; the others are read off the weights' shapes. An option that
no part here has is refused with what to change.
"""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

from transformers import AutoConfig, DeepseekOcr2Config

from saccade.architectures.deepseek_ocr import weights as deepseek
from saccade.architectures.deepseek_ocr.reader import deepseek_ocr
from saccade.core.errors import SaccadeError
from saccade.language.prompt import PLACEHOLDER
from saccade.nn.hub import config_text
from saccade.specs.connectors.linear import LinearSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.canvas import PagesSpec
from saccade.specs.towers.sam import SamSpec
from saccade.specs.towers.serial import CausalFlowSpec, ClipBodySpec, SerialSpec
from saccade.weights.checkpoint import ComposedCheckpoint, ends_of, id_of, tokenizer_of
from saccade.weights.files import listing, shapes, traced
from saccade.weights.images import processor_of

KINDS = ("deepseek_vl_v2", "DeepseekOCR", "deepseek_ocr2")
"""Types in ``config.json``: the authors' of either model, their class's own, and transformers' of the second."""
QUERIES = (144, 256)
"""Sets of queries that DeepSeek-OCR-2 has learned: for views of 768 and of 1024 px."""
HEAD, THETA = 64, 1e6
"""Channels of a head and base of the positions of Qwen2-0.5B, which the authors' JSON calls by name alone."""
WINDOW = 14
"""SAM's, where every layer looks at everything and none says so."""
_CLIP, _SAM, _FLOW = "clip-l-14-224", "sam_vit_b", "qwen2-0-5b"
_TEXT = (
    "vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "n_routed_experts", "n_shared_experts", "num_experts_per_tok",
    "n_group", "topk_group", "topk_method", "routed_scaling_factor", "max_position_embeddings", "rms_norm_eps",
    "hidden_act", "attention_bias", "bos_token_id",
)  # fmt: skip


def composed(folder: Path, config: dict[str, Any]) -> ComposedCheckpoint:
    """The folder's parts and where their weights lie. Raises SaccadeError with the cure for what no part here has."""
    tokenizer, files = tokenizer_of(folder), listing(folder)
    if config["model_type"] == "deepseek_ocr2":
        parsed = DeepseekOcr2Config.from_dict(config)
        tower, language = _parsed_tower(parsed), _parsed_language(parsed, folder)
        views, opening = _views(folder), None
    else:
        tower, language = _Published(folder, config).tower(), _language(config, folder)
        views = None
        if tokenizer.bos_token is None:
            raise SaccadeError("the tokenizer has no bos_token, with which every prompt starts here; give it one")
        opening = str(tokenizer.bos_token)
    image = id_of(tokenizer, PLACEHOLDER, language.vocabulary)
    spec = deepseek_ocr(tower=tower, language=language, image_id=image, views=views, opening=opening)
    assert isinstance(spec.connector, LinearSpec)
    return ComposedCheckpoint(spec, tokenizer, traced(deepseek.rename(files, spec.connector.vectors, language), files))


class _Published:
    """The authors' folder: a few sizes by JSON, the others by shapes."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.folder = folder
        self.shapes = {name: shape for file in set(listing(folder).values()) for name, shape in shapes(file).items()}
        self.widths: Mapping[str, Any] = config.get("vision_config", {}).get("width", {})
        projector = config.get("projector_config", {}).get("projector_type")
        if not isinstance(self.widths, Mapping) or _SAM not in self.widths or projector != "linear":
            raise SaccadeError(
                f"{folder} is of the type that DeepSeek-OCR shares with DeepSeek-VL2, and no DeepSeek-OCR: its vision "
                f"config names no {_SAM}, or its projector is {projector!r}; load it with its own code"
            )

    def tower(self) -> SerialSpec:
        """SAM, and CLIP or Qwen2 behind it."""
        if _CLIP in self.widths:
            return SerialSpec(sam=self._sam(), second=self._clip(self.widths[_CLIP]))
        if _FLOW in self.widths:
            return SerialSpec(sam=self._sam(), second=self._flow())
        raise SaccadeError(
            f"the second tower is {', '.join(sorted({*self.widths} - {_SAM})) or 'none'}; known are {_CLIP} and {_FLOW}"
        )

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a weight. Raises SaccadeError where there is none."""
        if name not in self.shapes:
            raise SaccadeError(f"{self.folder} lacks the weight {name}; get the whole folder again")
        return self.shapes[name]

    def depth(self, prefix: str) -> int:
        """Layers whose weights begin with ``prefix``."""
        return len({name.removeprefix(prefix).split(".")[0] for name in self.shapes if name.startswith(prefix)})

    def _sam(self) -> SamSpec:
        given, at = self.widths[_SAM], deepseek.SAM
        patch, places = self.shape(f"{at}patch_embed.proj.weight")[-1], self.shape(f"{at}pos_embed")[1]
        full, depth = tuple(given["global_attn_indexes"]), given["layers"]
        near = [layer for layer in range(depth) if layer not in full]
        window = (self.shape(f"{at}blocks.{near[0]}.attn.rel_pos_h")[0] + 1) // 2 if near else WINDOW
        return SamSpec(
            width=given["width"],
            depth=depth,
            heads=given["heads"],
            middle=self.shape(f"{at}blocks.0.mlp.lin1.weight")[0],
            patch=patch,
            side=places * patch,
            window=window,
            full=full,
            neck=self.shape(f"{at}neck.0.weight")[0],
            # The JSON of DeepSeek-OCR-2 names 1024 channels where its weights have 896.
            channels=(self.shape(f"{at}net_2.weight")[0], self.shape(f"{at}net_3.weight")[0]),
        )

    def _clip(self, given: Mapping[str, Any]) -> ClipBodySpec:
        at = deepseek.CLIP
        return ClipBodySpec(
            width=given["width"],
            depth=given["layers"],
            heads=given["heads"],
            middle=self.shape(f"{at}transformer.layers.0.mlp.fc1.weight")[0],
            places=isqrt(self.shape(f"{at}embeddings.position_embedding.weight")[0] - 1),
        )

    def _flow(self) -> CausalFlowSpec:
        at, width = f"{deepseek.FLOW}model.model.layers.", self.widths[_FLOW]["dim"]
        return CausalFlowSpec(
            width=width,
            depth=self.depth(at),
            heads=width // HEAD,
            pairs=self.shape(f"{at}0.self_attn.k_proj.weight")[0] // HEAD,
            middle=self.shape(f"{at}0.mlp.gate_proj.weight")[0],
            queries=QUERIES,
            theta=THETA,
        )


def _language(config: Mapping[str, Any], folder: Path) -> DecoderSpec:
    """The authors' fields as those of transformers' class for the same layers."""
    given: Mapping[str, Any] = config.get("language_config", {})
    known = {
        "use_mla": False, "norm_topk_prob": False, "scoring_func": "softmax", "moe_layer_freq": 1, "rope_scaling": None
    }  # fmt: skip
    for name, value in known.items():
        if given.get(name, value) != value:
            raise SaccadeError(
                f"language_config has {name} {given[name]!r}, DeepSeek-OCR's is {value!r}; load this one with its own "
                "code"
            )
    depth, dense = given.get("num_hidden_layers"), given.get("first_k_dense_replace", 1)
    if not isinstance(depth, int):
        raise SaccadeError(f"language_config needs a whole number 'num_hidden_layers', got {depth!r}")
    text = AutoConfig.for_model(
        "deepseek_ocr2_text",
        **{name: given[name] for name in _TEXT if given.get(name) is not None},
        mlp_layer_types=["dense"] * dense + ["sparse"] * (depth - dense),
        rope_parameters={"rope_type": "default", "rope_theta": given.get("rope_theta", 10_000.0)},
        tie_word_embeddings=bool(given.get("tie_word_embeddings", False)),
        eos_token_id=ends_of(folder, given.get("eos_token_id", 1)),
    )
    return DecoderSpec(config=config_text(text))


def _parsed_language(config: DeepseekOcr2Config, folder: Path) -> DecoderSpec:
    text: Any = config.text_config
    text.tie_word_embeddings = bool(config.tie_word_embeddings)
    text.eos_token_id = ends_of(folder, text.eos_token_id)
    return DecoderSpec(config=config_text(text))


def _parsed_tower(config: DeepseekOcr2Config) -> SerialSpec:
    vision: Any = config.vision_config
    sam, flow = vision.sam_config, vision.encoder_config
    rope = flow.rope_parameters
    for name, found, known in (
        ("sam_config: hidden_act", sam.hidden_act, "gelu"),
        ("sam_config: use_abs_pos", sam.use_abs_pos, True),
        ("sam_config: use_rel_pos", sam.use_rel_pos, True),
        ("sam_config: qkv_bias", sam.qkv_bias, True),
        ("sam_config: num_channels", sam.num_channels, 3),
        ("encoder_config: hidden_act", flow.hidden_act, "silu"),
        ("encoder_config: sliding_window", flow.sliding_window, None),
        ("encoder_config: rope_type", rope.get("rope_type", "default"), "default"),
    ):
        if found != known:
            raise SaccadeError(f"{name} is {found!r}, here it is {known!r}; load this one with transformers itself")
    return SerialSpec(
        sam=SamSpec(
            width=sam.hidden_size,
            depth=sam.num_hidden_layers,
            heads=sam.num_attention_heads,
            middle=sam.mlp_dim,
            patch=sam.patch_size,
            side=sam.image_size,
            window=sam.window_size,
            full=tuple(sam.global_attn_indexes),
            neck=sam.output_channels,
            channels=tuple(sam.downsample_channels),
            eps=sam.layer_norm_eps,
        ),
        second=CausalFlowSpec(
            width=flow.hidden_size,
            depth=flow.num_hidden_layers,
            heads=flow.num_attention_heads,
            pairs=flow.num_key_value_heads,
            middle=flow.intermediate_size,
            queries=QUERIES,
            theta=rope["rope_theta"],
            eps=flow.rms_norm_eps,
        ),
    )


def _views(folder: Path) -> PagesSpec:
    """What transformers' image processor does; its class's defaults where the folder is silent."""
    given = {key: value for key, value in processor_of(folder).items() if value is not None}
    plain = {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 3}
    even = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    for name, value in {**plain, **even}.items():
        if given.get(name, value) != value:
            raise SaccadeError(f"the image processor has {name} {given[name]!r}, here it is {value!r}; set it so")
    tile, base = given.get("tile_size", 768), given.get("size", {"height": 1024})["height"]
    red, green, blue = given.get("background_color", (127, 127, 127))
    if not given.get("crop_to_patches", True):
        return PagesSpec(base=tile, colour=(red, green, blue))
    least, most = given.get("min_patches", 2), given.get("max_patches", 6)
    return PagesSpec(base=base, tile=tile, least=least, most=most, colour=(red, green, blue))
