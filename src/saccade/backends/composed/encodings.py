"""What a composed reader has encoded: visual tokens of pictures, remembered for the next request about them.

Law     a picture is encoded once; each run of a policy is charged for it once, whichever run came first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import final

from PIL import Image

from saccade.backends.composed.vision_memo import VisionMemo, rejoined
from saccade.runtime.encoded import VIEWS_AT_ONCE, Encoded
from saccade.runtime.reader import Reader


@final
class Encodings:
    """Up to ``limit`` bytes of visual tokens. Towers run through ``vision`` where one is given."""

    def __init__(self, limit: int) -> None:
        self.vision: VisionMemo | None = None
        self._limit, self._held = limit, 0
        self._known: OrderedDict[Hashable, tuple[Encoded, float]] = OrderedDict()
        self._charged: set[Hashable] = set()

    def begin(self) -> None:
        """Forget what was charged: another run of a policy begins."""
        self._charged.clear()

    def get(
        self, reader: Reader, images: Mapping[Hashable, Callable[[], Image.Image]]
    ) -> tuple[dict[Hashable, Encoded], float]:
        """The visual tokens of each of ``images`` (made where they are missing), and the seconds that were spent on
        them before and that this run was not yet charged for.
        """
        hits = {key: self._known[key] for key in images if key in self._known}
        spared = sum(seconds for key, (_, seconds) in hits.items() if key not in self._charged)
        missing = {key: make() for key, make in images.items() if key not in hits}
        if missing:
            fresh, more = self._encode(reader, missing)
            hits |= fresh
            spared += more
        self._charged.update(images)
        for key, entry in hits.items():
            self._held += 0 if key in self._known else entry[0].tokens.nbytes
            self._known[key] = entry
            self._known.move_to_end(key)
        while self._held > self._limit:
            self._held -= self._known.popitem(last=False)[1][0].tokens.nbytes
        return {key: encoded for key, (encoded, _) in hits.items()}, spared

    def _encode(
        self, reader: Reader, images: Mapping[Hashable, Image.Image]
    ) -> tuple[dict[Hashable, tuple[Encoded, float]], float]:
        start = time.perf_counter()
        if self.vision is None:
            made, before, spared = reader.encode(list(images.values())), [0.0] * len(images), 0.0
        else:
            viewed, spared = self.vision.viewed(reader, list(images), list(images.values()))
            made, before = reader.connected(rejoined(viewed, VIEWS_AT_ONCE)), [one.seconds for one in viewed]
            start += sum(before) - spared  # the tower's share is each picture's own
        share = (time.perf_counter() - start) / len(images)
        entries = [(one, share + tower) for one, tower in zip(made, before, strict=True)]
        return dict(zip(images, entries, strict=True)), spared
