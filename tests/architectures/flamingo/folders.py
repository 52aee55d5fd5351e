"""Tiny OpenFlamingo folders as they lie on disk, and its formulas written out, picture by picture."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
)

from tests.parts import CLIP, shake

HEADS, HEAD, LATENTS = 8, 64, 5
_SMALL = {"vocab_size": 258, "max_position_embeddings": 256, "initializer_range": 0.3}
LANGUAGES: dict[str, dict[str, Any]] = {
    "llama": {
        **_SMALL, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "tie_word_embeddings": False, "bos_token_id": 256, "eos_token_id": 257,
    },
    "opt": {
        **_SMALL, "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 24, "num_hidden_layers": 4,
        "num_attention_heads": 4, "dropout": 0.0, "pad_token_id": 1, "eos_token_id": 257,
    },
    "gpt_neox": {
        **_SMALL, "vocab_size": 270, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4,
        "num_attention_heads": 2, "eos_token_id": 257,
    },
    "mpt": {
        "vocab_size": 270, "d_model": 16, "n_heads": 2, "n_layers": 4, "max_seq_len": 256, "initializer_range": 0.3,
        "expansion_ratio": 4,
    },
}  # fmt: skip
"""Vocabularies as long as the tokenizer's, or longer, as the published ones are."""
LAYERS = {
    "llama": "model.layers", "opt": "model.decoder.layers", "gpt_neox": "gpt_neox.layers", "mpt": "transformer.blocks",
}  # fmt: skip


def tokenizer(*, opening: bool, pad: bool) -> PreTrainedTokenizerFast:
    """Bytes, and no token for pictures."""
    names = ["<s>", "</s>"]
    vocabulary = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary |= {name: 256 + number for number, name in enumerate(names)}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    if opening:
        inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 256)])
    more = {"pad_token": "</s>"} if pad else {}
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", **more)


@dataclass(frozen=True)
class Made:
    """What stands behind a folder: the tower, the whole language model, and the trained weights by their names."""

    kind: str
    tower: CLIPVisionModel
    language: Any
    weights: dict[str, Tensor]
    tokenizer: PreTrainedTokenizerFast
    every: int

    @property
    def image(self) -> int:
        return self.tokenizer.convert_tokens_to_ids("<image>")

    def ids(self, text: str) -> Tensor:
        return torch.tensor(self.tokenizer(text)["input_ids"])

    @torch.no_grad()
    def logits(self, images: list[Image.Image], text: str, more: tuple[int, ...] = (), sees: str = "last") -> Tensor:
        """Scores over one prompt, and ``more`` ids behind it, by the formulas."""
        ids = torch.cat([self.ids(text), torch.tensor(more, dtype=torch.long)])
        media = [self.resampled(self.patches(image)) for image in images]
        calls = (ids == self.image).cumsum(0)  # the tag itself already sees its picture
        layers = self.language.get_submodule(LAYERS[self.kind])
        handles = []
        for number in range(self.every - 1, len(layers), self.every):

            def before(module: nn.Module, args: Any, kwargs: Any, number: int = number) -> Any:
                x = args[0] if args else kwargs.pop("hidden_states")
                return (self.gated(number, x[0], media, calls, sees)[None], *args[1:]), kwargs

            handles.append(layers[number].register_forward_pre_hook(before, with_kwargs=True))
        try:
            return self.language(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None]).logits[0]
        finally:
            for handle in handles:
                handle.remove()

    def patches(self, image: Image.Image) -> Tensor:
        """CLIP's last layer without the class token, before the norm above."""
        pixels = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size=28)(image, return_tensors="pt")
        return self.tower(**pixels, output_hidden_states=True).hidden_states[-1][0, 1:]

    def resampled(self, x: Tensor) -> Tensor:
        """Latents that read media and themselves, layer by layer."""
        if "perceiver.frame_embs" in self.weights:
            x = x + self.weights["perceiver.frame_embs"][0]
        z = self.weights["perceiver.latents"]
        for layer in range(2):
            at = f"perceiver.layers.{layer}."
            media, own = self.norm(f"{at}0.norm_media", x), self.norm(f"{at}0.norm_latents", z)
            query = self.matrix(f"{at}0.to_q", own)
            key, value = self.matrix(f"{at}0.to_kv", torch.cat([media, own])).chunk(2, dim=-1)
            z = z + self.matrix(f"{at}0.to_out", attend(query, [key] * len(query), [value] * len(query)))
            wide = F.gelu(self.matrix(f"{at}1.1", self.norm(f"{at}1.0", z)))
            z = z + self.matrix(f"{at}1.3", wide)
        return self.norm("perceiver.norm", z)

    def gated(self, number: int, x: Tensor, media: list[Tensor], calls: Tensor, sees: str) -> Tensor:
        """One block. A position that no picture stands before reads nothing, whatever it may see."""
        if not media:
            return x
        at = f"lang_encoder.{LAYERS[self.kind]}.{number}.gated_cross_attn_layer."
        read = torch.zeros_like(x)
        for place, called in enumerate(calls.tolist()):
            seen = media[:called] if sees == "all" else media[called - 1 : called] if called else []
            if not seen:
                continue
            key, value = self.matrix(f"{at}attn.to_kv", torch.cat(seen)).chunk(2, dim=-1)
            query = self.matrix(f"{at}attn.to_q", self.norm(f"{at}attn.norm", x[place]))
            read[place] = self.matrix(f"{at}attn.to_out", attend(query[None], [key], [value])[0])
        x = x + self.weights[f"{at}attn_gate"].tanh() * read
        wide = F.gelu(self.matrix(f"{at}ff.1", self.norm(f"{at}ff.0", x)))
        return x + self.weights[f"{at}ff_gate"].tanh() * self.matrix(f"{at}ff.3", wide)

    def norm(self, name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def matrix(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weights[f"{name}.weight"].T


def attend(queries: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    """Query by query and head by head."""
    rows = []
    for query, key, value in zip(queries, keys, values, strict=True):
        heads = [slice(head * HEAD, (head + 1) * HEAD) for head in range(HEADS)]
        rows.append(torch.cat([(key[:, at] @ query[at] / HEAD**0.5).softmax(0) @ value[:, at] for at in heads]))
    return torch.stack(rows)


def folder(
    place: Path, kind: str = "llama", *, every: int = 2, whole_clip: bool = False, pad: bool = False,
    frames: bool = False, **options: Any,
) -> Made:  # fmt: skip
    """A folder with ``tower/``, ``language/``, ``checkpoint.pt`` and ``saccade.json``; ``options`` go to the last."""
    tower = _tower(place / "tower", whole=whole_clip)
    words = tokenizer(opening=kind in ("llama", "opt"), pad=pad)
    language = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **LANGUAGES[kind])).eval()
    shake(language)
    language.save_pretrained(place / "language")
    words.save_pretrained(place / "language")
    words.add_tokens(["<|endofchunk|>", "<image>"], special_tokens=True)
    if not pad:
        words.add_special_tokens({"pad_token": "<PAD>"})
    language.resize_token_embeddings(len(words), mean_resizing=False)
    shake(language.get_input_embeddings())  # trained: no row is what it was
    weights = _resampler(16, frames=frames)
    for number in range(every - 1, 4, every):
        weights |= _block(f"lang_encoder.{LAYERS[kind]}.{number}.gated_cross_attn_layer.", 16, 16)
    tables = {name: tensor.clone() for name, tensor in language.state_dict().items() if _kept(name, kind)}
    weights |= {f"lang_encoder.{name}": tensor for name, tensor in tables.items()}
    made = Made(kind, tower, language, weights, words, every)
    torch.save(weights, place / "checkpoint.pt")
    pieces = {
        "schema": "saccade.pieces/1", "kind": "openflamingo", "checkpoint": "checkpoint.pt", "tower": "tower",
        "language": "language", **options,
    }  # fmt: skip
    (place / "saccade.json").write_text(json.dumps(pieces))
    return made


def _kept(name: str, kind: str) -> bool:
    """OpenFlamingo saves what is trained, and whatever is called an embedding; tied heads it does not name."""
    return "embed" in name or "wte" in name or (name == "lm_head.weight" and kind in ("llama", "gpt_neox"))


def _tower(place: Path, *, whole: bool) -> CLIPVisionModel:
    config = AutoConfig.for_model(**CLIP, hidden_act="quick_gelu")
    tower = CLIPVisionModel(config).eval()
    shake(tower)
    if not whole:
        tower.save_pretrained(place)
        return tower
    text = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "intermediate_size": 8, "vocab_size": 9}
    both = CLIPModel(CLIPConfig(vision_config=config.to_dict(), text_config=text, projection_dim=4))
    both.vision_model.load_state_dict(tower.state_dict())
    both.save_pretrained(place)
    return tower


def _resampler(width: int, *, frames: bool) -> dict[str, Tensor]:
    inner, made = HEADS * HEAD, {"perceiver.latents": torch.randn(LATENTS, width)}
    if frames:
        made["perceiver.frame_embs"] = torch.randn(3, width)
    for layer in range(2):
        at = f"perceiver.layers.{layer}."
        made |= _norm(f"{at}0.norm_media", width) | _norm(f"{at}0.norm_latents", width) | _norm(f"{at}1.0", width)
        made[f"{at}0.to_q.weight"] = _matrix(inner, width)
        made[f"{at}0.to_kv.weight"] = _matrix(2 * inner, width)
        made[f"{at}0.to_out.weight"] = _matrix(width, inner)
        made[f"{at}1.1.weight"] = _matrix(4 * width, width)
        made[f"{at}1.3.weight"] = _matrix(width, 4 * width)
    return made | _norm("perceiver.norm", width)


def _block(at: str, width: int, source: int) -> dict[str, Tensor]:
    inner = HEADS * HEAD
    return {
        f"{at}attn_gate": torch.randn(1), f"{at}ff_gate": torch.randn(1),
        **_norm(f"{at}attn.norm", width), f"{at}attn.to_q.weight": _matrix(inner, width),
        f"{at}attn.to_kv.weight": _matrix(2 * inner, source), f"{at}attn.to_out.weight": _matrix(width, inner),
        **_norm(f"{at}ff.0", width), f"{at}ff.1.weight": _matrix(4 * width, width),
        f"{at}ff.3.weight": _matrix(width, 4 * width),
    }  # fmt: skip


def _norm(name: str, width: int) -> dict[str, Tensor]:
    return {f"{name}.weight": 1 + 0.3 * torch.randn(width), f"{name}.bias": 0.3 * torch.randn(width)}


def _matrix(rows: int, cols: int) -> Tensor:
    return torch.randn(rows, cols) / cols**0.5
