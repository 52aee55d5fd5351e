"""How fast plans are made: 10,000 sizes on one model from Python, and the whole table from the command line.

    python benchmarks/plans.py

Prints, for each preset, microseconds a plan over random sizes (median of three rounds), beside the time that
transformers' own counter takes for the tokens alone where it has one that needs no pixels; then user seconds of the
whole table (median of five runs). Times are of this machine.
"""

import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import saccade
from saccade.architectures import PRESETS
from saccade.core.errors import SaccadeError

SIZES = 10_000
ROUNDS = 3


def sizes(count: int) -> list[tuple[int, int]]:
    """Pictures of 28 to 4,000 px a side."""
    drawn = random.Random(0)
    return [(drawn.randint(28, 4000), drawn.randint(28, 4000)) for _ in range(count)]


def seconds(run: Callable[[int, int], object], over: list[tuple[int, int]]) -> float:
    """The median round's CPU seconds over all sizes; refusals count."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for width, height in over:
            try:
                run(width, height)
            except SaccadeError:
                continue
        rounds.append(time.process_time() - started)
    return statistics.median(rounds)


def counter() -> Callable[[int, int], object]:
    """Transformers' token counter of Qwen2.5-VL's image processor."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil(min_pixels=3136, max_pixels=12_845_056)
    return lambda width, height: processor.get_number_of_image_patches(height, width) // 4


def table() -> float:
    """User seconds of ``saccade plan --size 1024x768``."""
    command = [sys.executable, "-m", "saccade.cli.main", "plan", "--size", "1024x768"]
    spent: list[float] = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        spent.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    return statistics.median(spent)


def main() -> None:
    """Print the figures."""
    whole = seconds(lambda width, height: saccade.plan("qwen2.5-vl-7b", width=width, height=height), sizes(SIZES))
    theirs = seconds(counter(), sizes(SIZES))
    print(f"qwen2.5-vl-7b, {SIZES:,} sizes: {whole:.2f} s for whole plans; transformers' counter alone {theirs:.2f} s")
    for name in PRESETS:
        some = sizes(SIZES // 20)
        spent = seconds(lambda width, height, name=name: saccade.plan(name, width=width, height=height), some)
        print(f"{name:<20} {1e6 * spent / len(some):7.0f} µs a plan")
    print(f"the whole table from the command line: {table():.2f} s of user time")


if __name__ == "__main__":
    main()
