"""Video, sound and a label through a Perceiver IO and back. See ``architectures/perceiver/autoencode_spec.py``."""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from saccade.architectures.perceiver import fourier
from saccade.architectures.perceiver.autoencode_spec import AutoencodeSpec
from saccade.architectures.perceiver.inputs import KINDS, beside
from saccade.architectures.perceiver.io import PerceiverIO
from saccade.core.errors import SaccadeError
from saccade.nn.perceiver import draw


@final
class Autoencoder(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: AutoencodeSpec) -> None:
        super().__init__()
        self.spec = spec
        self.io = PerceiverIO(spec.io)
        self.label = nn.Parameter(0.02 * torch.randn(1, spec.label))
        self.padding = nn.ParameterDict({
            kind: 0.02 * torch.randn(1, spec.width - width) for kind, width in zip(KINDS, spec.widths, strict=True)
        })  # fmt: skip
        sizes = dict(zip(KINDS, (spec.inputs.sound.samples, spec.colours, spec.inputs.label), strict=True))
        self.heads = nn.ModuleDict({kind: nn.Linear(spec.io.decoder.width, size) for kind, size in sizes.items()})
        for head in self.heads.values():
            assert isinstance(head, nn.Linear)
            draw(head)

    def forward(
        self,
        clips: Mapping[str, Float[Tensor, "clips ..."]],
        points: Mapping[str, Int[Tensor, " points"]] | None = None,
        *,
        chunk: int | None = None,
    ) -> dict[str, Float[Tensor, "clips ..."]]:
        """``sound`` samples, ``image`` pixels × colours and the ``label``'s scores that ``clips`` come back as.

        ``points`` names runs of ``sound`` and pixels of ``image`` by number in row order, all where one is left out.
        """
        return self.decode(self.encode(clips), points, chunk=chunk)

    def encode(self, clips: Mapping[str, Float[Tensor, "clips ..."]]) -> Float[Tensor, "clips latents width"]:
        """Latents of clips; for what they hold see ``models.perceiver_inputs.MixedInput``."""
        return self.io.encode(clips)

    def decode(
        self,
        z: Float[Tensor, "clips latents width"],
        points: Mapping[str, Int[Tensor, " points"]] | None = None,
        *,
        chunk: int | None = None,
    ) -> dict[str, Float[Tensor, "clips ..."]]:
        """What latents say of ``points``.

        All places are told as single points are, since that is how the published code puts a whole clip together.
        """
        asked = self._points(points or {}, z.device)
        queries = self._queries(asked)
        pieces = self.io.decode(z, torch.cat(queries)[None], chunk=chunk).split([len(one) for one in queries], dim=1)
        made = {kind: self.heads[kind](piece) for kind, piece in zip(KINDS, pieces, strict=True)}
        return {"sound": made["sound"].flatten(1), "image": made["image"], "label": made["label"][:, 0]}

    def _points(self, points: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """Every kind's points. Raises SaccadeError for kinds that have none and numbers beyond the last."""
        found: dict[str, Tensor] = {}
        if set(points) - {"sound", "image"}:
            raise SaccadeError(f"perceiver: points are of sound and image, got {', '.join(sorted(points))}")
        for kind, number in zip(("sound", "image"), self.spec.outputs[:2], strict=True):
            if kind not in points:
                found[kind] = torch.arange(number, device=device)
                continue
            found[kind] = points[kind]
            if len(found[kind]) and not 0 <= int(found[kind].min()) <= int(found[kind].max()) < number:
                raise SaccadeError(
                    f"perceiver: {kind} has points 0 to {number - 1}, got {int(found[kind].min())} to "
                    f"{int(found[kind].max())}"
                )
        return found

    def _queries(self, points: Mapping[str, Tensor]) -> list[Float[Tensor, "points width"]]:
        spec, like = self.spec, self.label
        sound = fourier.of_points(points["sound"], (spec.runs,), spec.sound).to(like)
        image = fourier.of_points(points["image"], spec.shape, spec.image).to(like)
        parts = zip(KINDS, (sound, image, self.label), strict=True)
        return [beside(part[None], self.padding[kind])[0] for kind, part in parts]
