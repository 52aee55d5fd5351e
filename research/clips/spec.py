"""Unified: a picture, a sound and a text read by one set of latents, which answer for all three.

Law     latents, whatever of the three is there; FLOPs grow with what is there only where it is read.
Used by the survey's future direction "unified attention for vision, audio and text"; the bottleneck is Perceiver's.
Loses   what the latents did not keep; which part a thing was in, unless a question needs it.
Source  ours, built on Perceiver IO, arXiv:2107.14795.
"""

from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class UnifiedSpec:
    """A square picture of ``side`` pixels in ``patch``es, a sound of ``samples`` in ``frame``s, a text of up to
    ``letters`` bytes, each mapped to ``width`` channels with learned places.

    Two queries read the latents: one tells which of ``classes`` it is, one whether all that is there belongs together.
    """

    side: int = 32
    patch: int = 4
    samples: int = 1024
    frame: int = 64
    letters: int = 32
    width: int = 64
    latents: int = 16
    heads: int = 4
    rounds: int = 2
    layers: int = 2
    classes: int = 12

    def __post_init__(self) -> None:
        for whole, part in (("side", "patch"), ("samples", "frame")):
            if getattr(self, part) < 1 or getattr(self, whole) < 1 or getattr(self, whole) % getattr(self, part):
                raise SaccadeError(
                    f"unified: {whole} is a multiple of {part}, got {getattr(self, whole)} and {getattr(self, part)}"
                )
        if self.letters < 1 or self.classes < 2:
            raise SaccadeError(f"unified: 1 letter and 2 classes or more, got {self.letters} and {self.classes}")

    @property
    def tokens(self) -> tuple[int, int, int]:
        """Inputs that the picture, the sound and a text of full length come to."""
        return (self.side // self.patch) ** 2, self.samples // self.frame, self.letters

    @property
    def encoder(self) -> PerceiverSpec:
        """Latents that read anew before each round, every time with weights of their own."""
        return PerceiverSpec(
            latents=self.latents,
            read=AttendSpec(width=self.width, source=self.width, heads=self.heads),
            layer=AttendSpec(width=self.width, heads=self.heads, widen=2),
            blocks=self.rounds,
            layers=self.layers,
            every=1,
            share="none",
            share_reads="none",
        )

    @property
    def decoder(self) -> DecodeSpec:
        """The two queries."""
        block = AttendSpec(width=self.width, source=self.width, heads=self.heads, widen=2)
        return DecodeSpec(latents=self.latents, block=block, queries=2)

    def cost(self) -> Cost:
        """One clip of which everything is there."""
        width, (patches, frames, letters) = self.width, self.tokens
        return count.total(
            count.linear(patches, 3 * self.patch**2, width),
            count.linear(patches, width, width),
            count.linear(frames, self.frame, width),
            count.linear(frames, width, width),
            count.weights(256 * width + (patches + frames + letters) * width),
            self.encoder.cost(sum(self.tokens)),
            self.decoder.cost(),
            count.linear(1, width, self.classes),
            count.linear(1, width, 2),
        )
