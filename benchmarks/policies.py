"""The policy loop against a Python loop, and against no loop at all: 64 questions to the embedded reader.

Run ``python benchmarks/policies.py``. Three ways to the same answers, in turn, in one run: one question at a time; the
scheduler with a policy of one look; the reader asked directly for everything at once. Pictures are drawn beforehand.
Two figures follow: how much faster the scheduler is than the loop, and what it adds to asking directly.
"""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

import torch
import tyro

from saccade.backends.embedded.family import embedded
from saccade.backends.open import open_model
from saccade.core.backend import Backend
from saccade.policies.base import Sample
from saccade.policies.scheduler import Scheduler
from saccade.policies.single_look import SingleLook
from saccade.runtime.reader import Reader
from saccade.tasks.exam import BenchmarkImage
from saccade.tasks.scenes import Scenes

QUESTIONS = 64


def main(repeats: int = 5) -> None:
    """Time all three, in turn.

    Args:
        repeats: How often each way is timed.
    """
    torch.set_num_threads(2)
    pictures = {picture.name: picture for picture in Scenes("test", 24)}
    asked = [(picture, question.text) for picture in pictures.values() for question in picture.questions][:QUESTIONS]
    for picture, _ in asked:
        picture.image()
    reader = embedded("llava")
    ways: dict[str, Callable[[], list[str]]] = {
        "one at a time": lambda: [reader.ask(reader.encode([one.image()]), [[text]])[0][0].text for one, text in asked],
        "scheduler": lambda: _scheduled(open_model(reader, name="llava"), asked),
        "asked directly": lambda: _direct(reader, asked),
    }
    answers = {name: way() for name, way in ways.items()}
    assert len({tuple(said) for said in answers.values()}) == 1, "all three say the same"
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = perf_counter()
            way()
            times[name].append(perf_counter() - start)
    for name, taken in times.items():
        print(f"{name:<15} {1000 * median(taken):8.0f} ms   (from {1000 * min(taken):.0f} to {1000 * max(taken):.0f})")
    loop, scheduled, direct = (median(times[name]) for name in ways)
    print(f"scheduler against one at a time: {loop / scheduled:.2f}× as fast")
    print(f"scheduler against asking directly: {scheduled / direct - 1:+.1%} time")


def _scheduled(model: Backend, asked: Sequence[tuple[BenchmarkImage, str]]) -> list[str]:
    samples = [Sample(picture, text, picture.name) for picture, text in asked]
    return [one.outcome.answer.text for one in Scheduler({"llava": model}).run(SingleLook(), samples)]


def _direct(reader: Reader, asked: Sequence[tuple[BenchmarkImage, str]]) -> list[str]:
    by: dict[str, tuple[BenchmarkImage, list[str]]] = {}
    for picture, text in asked:
        by.setdefault(picture.name, (picture, []))[1].append(text)
    encoded = reader.encode([picture.image() for picture, _ in by.values()])
    return [answer.text for row in reader.ask(encoded, [texts for _, texts in by.values()]) for answer in row]


if __name__ == "__main__":
    tyro.cli(main)
