"""How fast the generated exam is drawn on one core: pictures a second, questions included.

Run ``python benchmarks/scenes.py``. The time for the first glyphs of each face and height is left
out, since a run draws them once; what remains is Pillow's drawing and the search for free places.
"""

import time
from collections.abc import Iterable

from saccade.tasks.scenes import Scene

COUNT = 1000
WARM = 300


def pictures_per_second(scenes: Iterable[Scene]) -> float:
    """Draw every picture and write its questions, one after the other."""
    start, count = time.process_time(), 0
    for scene in scenes:
        scene.image()
        assert scene.questions
        count += 1
    return count / (time.process_time() - start)


def main() -> None:
    """Measure at 128 px on the longer side and at native sizes, 128 to 512 px."""
    for label, long_side in (("128 px", 128), ("native, 128 to 512 px", None)):
        pictures_per_second(Scene("train", index, long_side) for index in range(WARM))
        rate = pictures_per_second(Scene("train", WARM + index, long_side) for index in range(COUNT))
        print(f"{label}: {rate:.0f} pictures a second on one core ({COUNT} pictures)")


if __name__ == "__main__":
    main()
