"""How fast the exam is answered: questions a second, saccade against the plainest loops over transformers.

Run ``python benchmarks/answers.py``. One LLaVA-shaped checkpoint of the embedded family's size, with random
weights, is saved by ``transformers`` and loaded by both sides; both answer the same questions greedily, in float32,
on the same number of threads. Ratios are printed only when every generated token id is the same. Drawing the
pictures is left out, since it is the same work for everybody; preparing their pixels is not. Random weights hardly
ever end an answer, so nearly all have full length, where a trained reader stops after a few tokens.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import tyro
from PIL import Image
from transformers import (
    AutoConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    SiglipImageProcessorPil,
)
from transformers.utils import logging

from saccade.backends.embedded.family import IDS, LANGUAGE, SIDE, TEMPLATE, TOWER
from saccade.backends.store import load_reader
from saccade.evaluation.runner import PICTURES_AT_ONCE
from saccade.nn.hub import parse_config
from saccade.runtime.reader import Reader
from saccade.tasks.scenes import Scenes
from saccade.training.vocabulary import exam_tokenizer

MAX_TOKENS = 8
QUESTIONS_AT_ONCE = 16
"""Questions in one batch of the batched plain loop."""
CHAT = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}"
    "{% endfor %}{% endfor %}{{ '\n' if add_generation_prompt }}"
)
"""The embedded family's template as a chat template, so that it travels with the checkpoint."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A picture and what is asked about it."""

    name: str
    image: Image.Image
    questions: tuple[str, ...]


Tokens = list[list[int]]
"""Generated ids of every question in order, the end token included."""


def make(folder: Path, seed: int) -> LlavaProcessor:
    """Save the checkpoint and its processor; the processor.

    The vision tower is SigLIP's, since it has no class token: as many tokens as the embedded readers have patches.
    """
    vision = AutoConfig.for_model(
        "siglip_vision_model",
        hidden_size=TOWER.width,
        intermediate_size=TOWER.mlp,
        num_hidden_layers=TOWER.depth,
        num_attention_heads=TOWER.heads,
        image_size=SIDE,
        patch_size=TOWER.patch,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=parse_config(LANGUAGE.config),
        image_token_index=IDS["image"],
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(config)
    _sharpen(model)
    model.save_pretrained(folder)
    processor = LlavaProcessor(
        SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        exam_tokenizer(),
        patch_size=TOWER.patch,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHAT,
    )
    processor.save_pretrained(folder)
    return processor


@torch.no_grad()
def _sharpen(model: LlavaForConditionalGeneration) -> None:
    """Let attention single out places and blocks outweigh the residual: as drawn, every question gets one answer."""
    for name, weight in model.named_parameters():
        if "language_model" in name and "_proj" in name:
            weight.mul_(3)
        elif "q_norm" in name:
            weight.mul_(4)


def plain(model: Any, processor: Any, exam: Sequence[Asked], at_once: int) -> Tokens:  # noqa: ANN401
    """The plain loop: every question with its picture through the processor, then ``generate``."""
    pairs = [(one.image, TEMPLATE.replace("{question}", question)) for one in exam for question in one.questions]
    found: Tokens = []
    for start in range(0, len(pairs), at_once):
        images, prompts = zip(*pairs[start : start + at_once], strict=True)
        inputs = processor(images=list(images), text=list(prompts), padding=True, return_tensors="pt")
        out = model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
        found += [_ended(row) for row in out[:, inputs["input_ids"].shape[1] :].tolist()]
    return found


def ours(reader: Reader, exam: Sequence[Asked]) -> Tokens:
    """As ``saccade compare`` does it: some pictures at once, each with all of its questions."""
    found: Tokens = []
    for start in range(0, len(exam), PICTURES_AT_ONCE):
        batch = exam[start : start + PICTURES_AT_ONCE]
        with torch.inference_mode():
            encoded = reader.encode([one.image for one in batch])
        answers = reader.ask(encoded, [one.questions for one in batch], max_tokens=MAX_TOKENS)
        found += [list(answer.tokens) for row in answers for answer in row]
    return found


def _ended(row: list[int]) -> list[int]:
    """Up to the first end token; ``generate`` fills the rest of a batch's row with padding."""
    ends = [place for place, token in enumerate(row) if token in LANGUAGE.ends]
    return row[: ends[0] + 1] if ends else row


def differ(exam: Sequence[Asked], tokens: Mapping[str, Tokens]) -> str | None:
    """Where answers first differ from the first way's, in words; None where all are equal."""
    names = iter([(one.name, question) for one in exam for question in one.questions])
    (first, reference), *others = tokens.items()
    for number, (picture, question) in enumerate(names):
        for other, theirs in others:
            if theirs[number] != reference[number]:
                return f"{picture}, {question!r}: {first} gives {reference[number]}, {other} {theirs[number]}"
    return None


def race(exam: Sequence[Asked], ways: Mapping[str, Callable[[Sequence[Asked]], Tokens]], repeats: int) -> None:
    """Every way in turn, once to warm up and to compare the answers, then timed; prints the table."""
    tokens = {name: way(exam) for name, way in ways.items()}
    if (difference := differ(exam, tokens)) is not None:
        sys.exit(f"answers differ, so there is no ratio to tell: {difference}")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way(exam)
            seconds[name].append(time.perf_counter() - start)
    count = sum(len(one.questions) for one in exam)
    answers = next(iter(tokens.values()))
    kinds, length = len({tuple(row) for row in answers}), sum(map(len, answers)) / count
    print(f"{len(exam)} pictures, {count} questions; equal answers, {kinds} different ones, {length:.1f} tokens each")
    rates = {name: count / median(runs) for name, runs in seconds.items()}
    for name, rate in rates.items():
        spread = ", ".join(f"{count / run:.1f}" for run in sorted(seconds[name], reverse=True))
        print(f"  {name:<28}{rate:8.1f} questions/s  ({spread})")
    *theirs, mine = rates
    for name in reversed(theirs):
        print(f"  {mine} / {name}: {rates[mine] / rates[name]:.2f}")


def _thinned(exam: Sequence[Asked]) -> Iterator[Asked]:
    """One question a picture, another place in its list each time."""
    for number, one in enumerate(exam):
        yield Asked(one.name, one.image, (one.questions[number % len(one.questions)],))


def main(pictures: int = 40, repeats: int = 3, threads: int = 2, seed: int = 0) -> None:
    """Answer the generated exam in three ways.

    Args:
        pictures: Pictures of the exam's test split, each with all of its questions.
        repeats: Timed runs of each way, after one to warm up; the median counts.
        threads: Threads of torch.
        seed: Of the random weights.
    """
    torch.set_num_threads(threads)
    logging.disable_progress_bar()
    scenes = [(scene.name, scene.image(), scene.questions) for scene in Scenes("test", pictures)]
    exam = [Asked(name, image, tuple(question.text for question in asked)) for name, image, asked in scenes]
    with tempfile.TemporaryDirectory() as folder:
        processor = make(Path(folder), seed)
        reader = load_reader(folder)
        model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(reader, Reader)
    assert reader.spec.template == TEMPLATE
    ways: dict[str, Callable[[Sequence[Asked]], Tokens]] = {
        "transformers, one at a time": lambda exam: plain(model, processor, exam, 1),
        f"transformers, batches of {QUESTIONS_AT_ONCE}": lambda exam: plain(model, processor, exam, QUESTIONS_AT_ONCE),
        "saccade": lambda exam: ours(reader, exam),
    }
    print(f"{threads} threads, float32, greedy, at most {MAX_TOKENS} tokens; median of {repeats} runs (in brackets)")
    print("\nThe exam, all questions of each picture")
    race(exam, ways, repeats)
    print("  the gain: saccade encodes and reads a picture once for all of its questions, the loops once for each")
    print("\nOne question a picture: nothing is shared")
    race(list(_thinned(exam)), ways, repeats)


if __name__ == "__main__":
    tyro.cli(main)
