"""A memory of views that went through a tower, for models that share one.

Law     a tower runs once over every (weights, way of viewing, picture, region of it); whoever asks later gets the same
        patches, and is told how long they took, so that times do not depend on who came first.
Used by ``compare``, whose models share a few towers; a model that is asked alone needs none.
Loses   the oldest entries beyond ``limit`` bytes: they are computed again.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn

from saccade.core.view import Layout
from saccade.runtime.encoded import Patches, ViewBatch
from saccade.runtime.reader import Reader

LIMIT = 512 * 2**20
"""Bytes of patches and pixels, unless told otherwise."""


@dataclass(frozen=True, eq=False, slots=True)
class TowerOutput:
    """One picture through a tower: its ``layout``, each view's ``pixels`` as the tower takes them and its ``patches``,
    and the ``seconds`` that this took, as a share of its batch.
    """

    layout: Layout
    pixels: tuple[Tensor, ...]
    patches: tuple[Tensor, ...]
    seconds: float

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(one.nbytes for one in (*self.pixels, *self.patches))


class VisionMemo:
    """See the module docstring; one for all models of a comparison."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit, self._held = limit, 0
        self._known: OrderedDict[Hashable, TowerOutput] = OrderedDict()
        self._digests: dict[int, tuple[nn.Module, str]] = {}

    def viewed(
        self, reader: Reader, keys: Sequence[Hashable], images: Sequence[Image.Image]
    ) -> tuple[list[TowerOutput], float]:
        """Each of ``images`` through the reader's tower, and the seconds that were spent on them before this call.

        Equal ``keys`` name equal images.
        """
        spec = reader.spec
        sight = (self._digest(reader.tower), reader.device, spec.tower, spec.views, spec.mean, spec.std, spec.resample)
        wanted = [(sight, key) for key in keys]
        missing = {key: image for key, image in zip(wanted, images, strict=True) if key not in self._known}
        fresh = dict(zip(missing, _run(reader, list(missing.values())), strict=True)) if missing else {}
        found = [fresh.get(key) or self._known[key] for key in wanted]
        for key, one in zip(wanted, found, strict=True):
            self._held += 0 if key in self._known else one.nbytes
            self._known[key] = one
            self._known.move_to_end(key)
        while self._held > self._limit:
            self._held -= self._known.popitem(last=False)[1].nbytes
        return found, sum(one.seconds for key, one in zip(wanted, found, strict=True) if key not in missing)

    def _digest(self, module: nn.Module) -> str:
        """Equal for equal weights; computed once a module."""
        if id(module) not in self._digests:
            made = hashlib.sha256()
            for name, weight in module.state_dict().items():
                made.update(name.encode() + str(weight.dtype).encode())
                made.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
            self._digests[id(module)] = module, made.hexdigest()  # the module stays alive, and its id its own
        return self._digests[id(module)][1]


def rejoined(seen: Sequence[TowerOutput], at_once: int) -> Patches:
    """Pictures as ``Reader.patches`` gives them: views of one size in batches of up to ``at_once``."""
    views = [(one, place) for one in seen for place in range(len(one.patches))]
    sizes: dict[Hashable, list[int]] = {}
    for number, (one, place) in enumerate(views):
        sizes.setdefault(tuple(one.pixels[place].shape), []).append(number)
    batches = []
    for numbers in sizes.values():
        for start in range(0, len(numbers), at_once):
            part = numbers[start : start + at_once]
            taken = [views[number] for number in part]
            pixels = torch.stack([one.pixels[place] for one, place in taken])
            batches.append(ViewBatch(tuple(part), pixels, torch.stack([one.patches[place] for one, place in taken])))
    return Patches(tuple(one.layout for one in seen), tuple(batches))


def _run(reader: Reader, images: Sequence[Image.Image]) -> list[TowerOutput]:
    start = time.perf_counter()
    seen = reader.patches(images)
    seconds = (time.perf_counter() - start) / len(images)
    views: dict[int, tuple[Tensor, Tensor]] = {}
    for batch in seen.batches:
        views |= dict(zip(batch.numbers, zip(batch.pixels, batch.patches, strict=True), strict=True))
    made, first = [], 0
    for layout in seen.layouts:
        mine = [views[first + place] for place in range(len(layout.views))]
        first += len(mine)
        # Copies, so that dropping one picture from the memory frees its bytes.
        pixels = tuple(pixel.clone() for pixel, _ in mine)
        made.append(TowerOutput(layout, pixels, tuple(patch.clone() for _, patch in mine), seconds))
    return made
