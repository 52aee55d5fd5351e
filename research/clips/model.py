"""Unified: one set of latents for picture, sound and text. See ``research/clips/spec.py``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from jaxtyping import Bool, Float, Int, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from research.clips.spec import UnifiedSpec
from saccade.core.errors import SaccadeError
from saccade.core.records.recipe import from_dict, to_dict
from saccade.nn.perceiver import Perceiver, PerceiverDecoder
from saccade.weights.files import contents, fill, require, traced

TYPES: dict[str, type] = {"unified": UnifiedSpec}


@final
@dataclass(frozen=True, slots=True)
class Clips:
    """A batch: pictures, sounds, texts as bytes with 0 behind their end, and which of the three are ``there``."""

    pictures: UInt8[Tensor, "batch side side 3"]
    sounds: Float[Tensor, "batch samples"]
    texts: Int[Tensor, "batch letters"]
    there: Bool[Tensor, "batch 3"]

    def only(self, *parts: int) -> "Clips":
        """The same with nothing there but these parts."""
        kept = torch.zeros_like(self.there)
        kept[:, list(parts)] = True
        return Clips(self.pictures, self.sounds, self.texts, self.there & kept)


@final
class Unified(nn.Module):
    """``spec`` fixes every size. What is not there has no influence at all."""

    def __init__(self, spec: UnifiedSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width
        self.picture = _into(3 * spec.patch**2, width)
        self.sound = _into(spec.frame, width)
        self.embed_letters = nn.Embedding(256, width)
        self.places = nn.Parameter(torch.randn(sum(spec.tokens), width) * 0.02)
        self.encoder = Perceiver(spec.encoder)
        self.decoder = PerceiverDecoder(spec.decoder)
        self.heads = nn.ModuleDict({"source": nn.Linear(width, spec.classes), "match": nn.Linear(width, 2)})

    def forward(self, clips: Clips) -> tuple[Float[Tensor, "batch classes"], Float[Tensor, "batch 2"]]:
        """Logits of every class, and that the parts do not belong together, and that they do."""
        which, whether = self.decoder(self.read(clips)).unbind(dim=1)
        return self.heads["source"](which), self.heads["match"](whether)

    def read(self, clips: Clips) -> Float[Tensor, "batch {self.spec.latents} {self.spec.width}"]:
        """The latents of each clip."""
        self._fits(clips)
        spec, batch = self.spec, len(clips.there)
        blocks = clips.pictures.unfold(1, spec.patch, spec.patch).unfold(2, spec.patch, spec.patch)
        picture = self.picture(blocks.flatten(3).flatten(1, 2) / 127.5 - 1)
        sound = self.sound(clips.sounds.unflatten(1, (-1, spec.frame)))
        inputs = torch.cat([picture, sound, self.embed_letters(clips.texts)], dim=1) + self.places
        there = torch.cat([one[:, None].expand(batch, n) for one, n in zip(clips.there.T, spec.tokens, strict=True)], 1)
        told = F.pad(clips.texts > 0, (there.shape[1] - spec.letters, 0), value=True)
        return self.encoder(inputs, there & told)

    def _fits(self, clips: Clips) -> None:
        """Raises SaccadeError for clips of other sizes."""
        spec = self.spec
        found = (clips.pictures.shape[1], clips.sounds.shape[1], clips.texts.shape[1])
        if found != (spec.side, spec.samples, spec.letters):
            raise SaccadeError(
                f"unified: pictures of {spec.side} pixels a side, {spec.samples} samples of sound and {spec.letters} "
                f"bytes of text, got {found[0]}, {found[1]} and {found[2]}; scale, cut or fill them up"
            )


def shipped() -> Unified:
    """The model of ``docs/clips.json``, which lies beside this file: trained by ``recipe.yaml``, ready to answer."""
    return load(Path(__file__).with_name("unified.safetensors"))


def save(model: Unified, file: Path) -> None:
    """Weights in half precision, and the spec beside them."""
    weights = {name: weight.to(torch.float16).contiguous() for name, weight in model.state_dict().items()}
    save_file(weights, file, metadata={"spec": json.dumps(to_dict(model.spec, TYPES))})


def load(file: Path) -> Unified:
    """What ``save`` wrote, in float32. Raises SaccadeError for another file, or a broken one."""
    held = contents(file)
    with safe_open(file, framework="pt") as opened:
        spec = (opened.metadata() or {}).get("spec")
    if spec is None:
        raise SaccadeError(f"{file} says no spec; name a file that python -m research clips wrote")
    made = Unified(from_dict(json.loads(spec), TYPES))
    require(set(held), set(made.state_dict()), file)
    fill(made, traced({name: name for name in held}, held))
    return made.eval()


def _into(channels: int, width: int) -> nn.Sequential:
    """Raw values to ``width`` channels by two matrices: one alone tells a wave's pitch, but not its form."""
    return nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width))
