"""Questions put to a composed reader in one batch: what prompts share is read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from transformers import PreTrainedTokenizerBase

from saccade.core.answer import Answer, Heard
from saccade.language.generate import Reading, answer
from saccade.language.prompt import Prompt
from saccade.runtime.encoded import Encoded, Kept
from saccade.specs.language.seq2seq import Seq2SeqSpec
from saccade.specs.reader import ReaderSpec


@runtime_checkable
class AnsweringReader(Protocol):
    """What is taken of a reader here."""

    spec: ReaderSpec
    tokenizer: PreTrainedTokenizerBase

    def prompt(self, text: str, encoded: Sequence[Encoded]) -> Prompt:
        """Text with literal placeholders, expanded for these pictures."""
        ...

    def prefill(
        self,
        prompts: Sequence[Prompt],
        encoded: Sequence[Sequence[Encoded]],
        keep: Sequence[Sequence[Kept]] | None = None,
    ) -> Reading:
        """Read one prompt with its pictures a row."""
        ...


@dataclass(frozen=True, eq=False)
class PromptRow:
    """One prompt: its ``pictures`` in order, its ``text`` with a placeholder for each, and the tokens of each that are
    read, None for all of all.
    """

    pictures: Sequence[Encoded]
    text: str
    keep: Sequence[Kept] | None = None


@dataclass(frozen=True, eq=False)
class PrefilledRows:
    """Rows read as far as they share: a row of ``reading`` and a tail of ids for each, and row by row the ``heads``
    that were read.
    """

    reading: Reading
    tails: tuple[tuple[int, ...], ...]
    heads: tuple[Prompt, ...]

    @property
    def lengths(self) -> list[int]:
        """Positions of each row that are read before its answer."""
        return [len(head.ids) + len(tail) for head, tail in zip(self.heads, self.tails, strict=True)]


def begun(reader: AnsweringReader, rows: Sequence[PromptRow]) -> PrefilledRows:
    """Read every picture once for all rows that begin alike: the same pictures, kept alike, before the same words."""
    known: dict[object, int] = {}
    heads: list[Prompt] = []
    first: list[PromptRow] = []
    of, tails = [], []
    for row in rows:
        head, tail = _parted(reader.spec, reader.prompt(row.text, row.pictures))
        kept = None if row.keep is None else tuple(map(id, row.keep))
        number = known.setdefault((tuple(map(id, row.pictures)), kept, head), len(known))
        if number == len(heads):
            heads.append(head)
            first.append(row)
        of.append(number)
        tails.append(tail)
    reading = reader.prefill(heads, [row.pictures for row in first], _kept(first)).take(of)
    return PrefilledRows(reading, tuple(tails), tuple(heads[number] for number in of))


def answers(
    reader: AnsweringReader, rows: Sequence[PromptRow], *, max_tokens: int, top: int = 0, heard: Heard | None = None
) -> list[Answer]:
    """One greedy answer a row; see ``language.generate.answer``."""
    return answered(reader, begun(reader, rows), max_tokens=max_tokens, top=top, heard=heard) if rows else []


def answered(
    reader: AnsweringReader, found: PrefilledRows, *, max_tokens: int, top: int = 0, heard: Heard | None = None
) -> list[Answer]:
    """The same for rows that were begun, which are used up."""
    end = frozenset(reader.spec.language.ends)

    def decode(ids: list[int]) -> str:
        return str(reader.tokenizer.decode(ids)).strip()

    return answer(found.reading, found.tails, end=end, decode=decode, max_tokens=max_tokens, top=top, heard=heard)


def _kept(rows: Sequence[PromptRow]) -> list[Sequence[Kept]] | None:
    if all(row.keep is None for row in rows):
        return None
    return [[torch.arange(one.count) for one in row.pictures] if row.keep is None else row.keep for row in rows]


def _parted(spec: ReaderSpec, prompt: Prompt) -> tuple[Prompt, tuple[int, ...]]:
    """What is read before the answer begins, and what is read as its beginning."""
    if isinstance(spec.language, Seq2SeqSpec):
        return prompt, (spec.language.start,)
    return prompt.split()
