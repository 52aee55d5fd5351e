"""What a gate does to a frozen language model before anything was trained: Flamingo's, and the survey's.

Flamingo adds what it read, x + tanh(a) · read, with a = 0 at the start. The survey writes α·x + tanh(β) · read instead
and speaks of careful initialisation. Here untrained blocks of either form stand before every layer of the language
model that ships, which answers the exam through ``llava`` as it always does: right answers, and how far its scores are
from those without blocks (Kullback-Leibler, in nats a token).

    python benchmarks/gates.py [--pictures 40]
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from saccade.backends.embedded.family import LANGUAGE, WIDTH, embedded
from saccade.evaluation.statistics.intervals import clustered
from saccade.fusion.cross import Cross, Insert
from saccade.language.layer_hooks import inserted, layers_of
from saccade.runtime.reader import Reader
from saccade.specs.language.cross import CrossSpec
from saccade.tasks.exam import is_right
from saccade.tasks.scenes import Scene, Scenes

SCALES = (1.0, 0.99, 0.9, 0.5, 0.1, 0.0)
PUBLISHED = CrossSpec(width=WIDTH, source=WIDTH, depth=LANGUAGE.depth, heads=4, head=32, middle=4 * WIDTH)
SURVEY = CrossSpec(width=WIDTH, source=WIDTH, depth=LANGUAGE.depth, heads=4, head=32, middle=4 * WIDTH, form="survey")


def blocks(spec: CrossSpec, scale: float) -> Insert:
    """Untrained blocks over 64 random tokens, gates closed; ``scale`` is the survey's α."""
    torch.manual_seed(0)
    cross = Cross(spec)
    if spec.form == "survey":
        for block in cross.each:
            torch.nn.init.constant_(block.scale, scale)
    looking = torch.zeros(1, 1, dtype=torch.long)
    crossing = cross([[torch.randn(64, WIDTH)]], looking)
    assert crossing is not None
    return crossing.before()


@contextmanager
def gated(reader: Reader, spec: CrossSpec | None, scale: float) -> Iterator[None]:
    """The reader's language model with blocks before its layers, or as it is."""
    if spec is None:
        yield
        return
    with torch.no_grad():
        before = blocks(spec, scale)
    layers = layers_of(reader.language.model, LANGUAGE.depth)
    with inserted(layers, before):
        yield


def measure(reader: Reader, scenes: Sequence[Scene]) -> tuple[list[bool], list[str], list[Tensor]]:
    """Whether each answer is right, of which picture, and log-probabilities at every position of a prompt."""
    with torch.inference_mode():
        encoded = reader.encode([scene.image() for scene in scenes])
    said = reader.ask(encoded, [[question.text for question in scene.questions] for scene in scenes])
    right = [
        is_right(answer.text, question.answers)
        for scene, answers in zip(scenes, said, strict=True)
        for answer, question in zip(answers, scene.questions, strict=True)
    ]
    names = [scene.name for scene in scenes for _ in scene.questions]
    prompt = reader.spec.template.replace("{question}", "What kind of picture is this?")
    scores = [reader.logits([scene.image()], prompt).log_softmax(-1) for scene in scenes]
    return right, names, scores


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=40)
    pictures = parser.parse_args().pictures
    reader, scenes = embedded("llava"), list(Scenes("test", pictures))
    rows: list[tuple[str, CrossSpec | None, float]] = [("no blocks", None, 1.0), ("x + tanh(0) · read", PUBLISHED, 1.0)]
    rows += [(f"{scale:g} · x + tanh(0) · read", SURVEY, scale) for scale in SCALES]
    table = Table("gate", "right, %", "95 % interval", "nats a token", title=f"{pictures} pictures")
    plain: list[Tensor] = []
    for name, spec, scale in rows:
        with gated(reader, spec, scale):
            right, names, scores = measure(reader, scenes)
        plain = plain or scores
        found = clustered(torch.tensor(right).numpy(), names)
        nats = [float((a.exp() * (a - b)).sum(-1).mean()) for a, b in zip(plain, scores, strict=True)]
        ends = "–" if found.ends is None else f"{100 * found.ends[0]:.1f} to {100 * found.ends[1]:.1f}"
        table.add_row(name, f"{100 * found.mean:.1f}", ends, f"{sum(nats) / len(nats):.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
