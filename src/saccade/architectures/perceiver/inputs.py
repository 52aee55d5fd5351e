"""Inputs of a Perceiver as modules: anything to rows of channels. See ``architectures/perceiver/inputs_spec.py``."""

import math
from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.architectures.perceiver import fourier
from saccade.architectures.perceiver.inputs_spec import (
    ByteInputSpec,
    FourierSpec,
    InputSpec,
    MixedInputSpec,
    PatchInputSpec,
    PixelInputSpec,
    SoundInputSpec,
    StemInputSpec,
    TableInputSpec,
)
from saccade.core.errors import SaccadeError
from saccade.nn.perceiver import draw
from saccade.nn.transformer import resize_table

KINDS = ("sound", "image", "label")
"""What a clip has, in the order in which its tokens stand."""
Picture = Float[Tensor, "views channels height width"]


@final
class PixelInput(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: PixelInputSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, pixels: Picture) -> Float[Tensor, "views {pixels.shape[2]*pixels.shape[3]} {self.spec.width}"]:
        """A token a pixel in row order."""
        return placed(pixels.flatten(2).mT, tuple(pixels.shape[2:]), self.spec.places)


@final
class TableInput(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: TableInputSpec) -> None:
        super().__init__()
        self.spec = spec
        self.mix = nn.Conv2d(spec.channels, spec.features, 1)
        self.table = nn.Parameter(torch.empty(spec.side**2, spec.features))
        self.project = nn.Linear(spec.features, spec.features)
        nn.init.trunc_normal_(self.table, std=0.02, a=-0.04, b=0.04)
        draw(self.project)

    def forward(self, pixels: Picture) -> Float[Tensor, "views {pixels.shape[2]*pixels.shape[3]} {self.spec.width}"]:
        """A token a pixel in row order."""
        table = resize_table(self.table.unflatten(0, (self.spec.side, -1)), pixels.shape[2], pixels.shape[3])
        return beside(self.mix(pixels).flatten(2).mT, self.project(table.flatten(0, 1)))


@final
class StemInput(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: StemInputSpec) -> None:
        super().__init__()
        self.spec = spec
        self.conv = nn.Conv2d(spec.channels, spec.features, 7, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(spec.features)

    def forward(self, pixels: Picture) -> Float[Tensor, "views tokens {self.spec.width}"]:
        """A token a 4 × 4 pixels in row order."""
        rows, cols = (self.spec.halved(side) for side in pixels.shape[2:])
        x = F.relu(self.norm(self.conv(_same(pixels, 7) if self.spec.same else F.pad(pixels, (3, 3, 3, 3)))))
        assert x.shape[2:] == (rows, cols)
        x = F.max_pool2d(_same(x, 3, -math.inf) if self.spec.same else x, 3, stride=2)
        return placed(x.flatten(2).mT, tuple(x.shape[2:]), self.spec.places)


@final
class PatchInput(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: PatchInputSpec) -> None:
        super().__init__()
        self.spec = spec
        self.project = nn.Linear(spec.flat, spec.features) if spec.features else nn.Identity()
        if isinstance(self.project, nn.Linear):
            draw(self.project)

    def forward(
        self, clips: Float[Tensor, "clips frames {self.spec.channels} height width"]
    ) -> Float[Tensor, "clips tokens {self.spec.width}"]:
        """A token a block: steps, rows, columns in this order, and so are a block's own numbers, colour last."""
        spec, (frames, _, rows, cols) = self.spec, clips.shape[1:]
        shape = spec.shape(frames, rows, cols)
        blocks = clips.unflatten(1, (-1, spec.frames)).unflatten(4, (-1, spec.side)).unflatten(6, (-1, spec.side))
        blocks = blocks.permute(0, 1, 4, 6, 2, 5, 7, 3)  # clips steps rows cols frame row col channel
        return placed(self.project(blocks.flatten(4).flatten(1, 3)), shape, spec.places)


@final
class SoundInput(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: SoundInputSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, samples: Float[Tensor, "clips samples"]) -> Float[Tensor, "clips tokens {self.spec.width}"]:
        """A token a run of samples."""
        tokens = self.spec.tokens(samples.shape[1])
        return placed(samples.unflatten(1, (tokens, -1)), (tokens,), self.spec.places)


@final
class ByteInput(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: ByteInputSpec) -> None:
        super().__init__()
        self.spec = spec
        self.words = nn.Embedding(spec.vocabulary, spec.width)
        self.places = nn.Embedding(spec.positions, spec.width)
        for table in (self.words, self.places):
            nn.init.trunc_normal_(table.weight, std=0.02, a=-0.04, b=0.04)

    def forward(self, ids: Int[Tensor, "texts length"]) -> Float[Tensor, "texts length {self.spec.width}"]:
        """A token an id. Raises SaccadeError where a text is too long."""
        if ids.shape[1] > self.spec.positions:
            raise SaccadeError(
                f"perceiver: a text holds {self.spec.positions} ids at most, got {ids.shape[1]}; cut it into pieces"
            )
        return self.words(ids) + self.places.weight[: ids.shape[1]]


@final
class MixedInput(nn.Module):
    """``spec`` fixes every size; kinds stand in the order of their names in the released code."""

    def __init__(self, spec: MixedInputSpec) -> None:
        super().__init__()
        self.spec = spec
        self.sound, self.image = SoundInput(spec.sound), PatchInput(spec.image)
        kinds = dict(zip(KINDS, spec.widths, strict=True))
        self.padding = nn.ParameterDict(
            {kind: 0.02 * torch.randn(1, spec.width - width) for kind, width in kinds.items()}
        )
        self.mask = nn.ParameterDict({kind: 0.02 * torch.randn(1, spec.width) for kind in kinds})

    def forward(
        self, clips: Mapping[str, Float[Tensor, "clips ..."]], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "clips tokens {self.spec.width}"]:
        """``sound`` samples, ``image`` frames, and the ``label`` as one row of scores a clip.

        What is hidden by chance is drawn by ``generator``. Raises SaccadeError for kinds that are missing or unknown.
        """
        spec = self.spec
        always = {kind for kind, chance in zip(KINDS, spec.hidden, strict=True) if chance == 1}
        if set(clips) - set(KINDS) or {"sound", "image"} - set(clips) or {"label"} - set(clips) - always:
            raise SaccadeError(
                f"perceiver: a clip has {', '.join(KINDS)}, of which a label that is always hidden may be left "
                f"out, got {', '.join(sorted(clips))}"
            )
        found = {"sound": self.sound(clips["sound"]), "image": self.image(clips["image"])}
        views = len(found["sound"])
        unseen = self.mask["label"].new_zeros(views, spec.label)
        found["label"] = clips.get("label", unseen)[:, None]
        whole = [
            _hidden(beside(found[kind], self.padding[kind]), self.mask[kind], chance, generator)
            for kind, chance in zip(KINDS, spec.hidden, strict=True)
        ]
        return torch.cat(whole, dim=1)


def build_input(spec: InputSpec) -> nn.Module:
    """The module of an input's spec, randomly initialised."""
    match spec:
        case PixelInputSpec():
            return PixelInput(spec)
        case TableInputSpec():
            return TableInput(spec)
        case StemInputSpec():
            return StemInput(spec)
        case PatchInputSpec():
            return PatchInput(spec)
        case ByteInputSpec():
            return ByteInput(spec)
        case MixedInputSpec():
            return MixedInput(spec)


def placed(
    tokens: Float[Tensor, "views tokens channels"], shape: tuple[int, ...], spec: FourierSpec
) -> Float[Tensor, "views tokens wide"]:
    """Tokens of a ``shape`` in row order, with Fourier features of their places behind their channels."""
    return beside(tokens, fourier.of_grid(shape, spec, tokens.dtype, tokens.device))


def beside(
    tokens: Float[Tensor, "views tokens channels"], more: Float[Tensor, "#tokens more"]
) -> Float[Tensor, "views tokens wide"]:
    """Tokens with what is the same in all views behind their channels."""
    return torch.cat([tokens, more.expand(len(tokens), tokens.shape[1], -1)], dim=-1)


def _same(x: Tensor, kernel: int, value: float = 0.0) -> Tensor:
    """Padded for a stride of 2 so that half as many come out, rounded up; the odd one at the right and below."""
    down, across = (max((-(-side // 2) - 1) * 2 + kernel - side, 0) for side in x.shape[2:])
    return F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2), value=value)


def _hidden(tokens: Tensor, mask: Tensor, chance: float, generator: torch.Generator | None) -> Tensor:
    if chance == 0:
        return tokens
    if chance == 1:
        return mask.expand(tokens.shape)
    drawn = torch.rand(tokens.shape[:2], generator=generator, device=tokens.device) < chance
    return torch.where(drawn[..., None], mask, tokens)
