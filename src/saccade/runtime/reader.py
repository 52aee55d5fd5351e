"""The contract of every reader, and the composed one: a path of parts."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import cast, overload

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from saccade.connectors import build_connector
from saccade.core.answer import Answer, Heard
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.plan import Plan
from saccade.core.size import Size
from saccade.core.view import Layout
from saccade.fusion.cross import Cross
from saccade.language.build import build_language
from saccade.language.generate import Encoding, Reading, read
from saccade.language.prompt import PLACEHOLDER, Prompt, expand
from saccade.language.seq2seq import Seq2Seq
from saccade.runtime.about import About
from saccade.runtime.answering import PromptRow, answers
from saccade.runtime.batching import Joined, join
from saccade.runtime.encoded import (
    VIEWS_AT_ONCE,
    Encoded,
    Kept,
    Patches,
    Shot,
    ViewBatch,
    check_lists,
    in_order,
    numbered,
    pixels_of,
)
from saccade.runtime.modules import Choosing, Grouping, LearnedQueries, Prompted
from saccade.runtime.prompted import prompted
from saccade.specs.parts import ViewsSpec
from saccade.specs.reader import ReaderSpec
from saccade.towers import build_tower
from saccade.views.open import open_picture
from saccade.views.sample import normalise


class Reader(nn.Module):
    """picture → views → tower → connector → fusion → language → answer, from the parts that ``spec`` names."""

    def __init__(
        self, spec: ReaderSpec, tokenizer: PreTrainedTokenizerBase, instructor: PreTrainedTokenizerBase | None = None
    ) -> None:
        super().__init__()
        self.spec, self.about = spec, About()
        reads = spec.connector.reads_prompt
        if reads and instructor is None and not spec.connector.own_tokenizer:
            instructor = tokenizer
        self.tokenizer, self.instructor = tokenizer, instructor
        if reads and instructor is None:
            raise SaccadeError("a connector that reads the prompt needs a tokenizer of its own; pass it as instructor")
        self.tower = build_tower(spec.tower)
        self.connector = build_connector(spec.connector)
        self.language = build_language(spec.language)
        self.cross = None if spec.cross is None else Cross(spec.cross)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def seeing(self, views: ViewsSpec) -> "Reader":
        """The same weights, shared, looking at pictures in another way."""
        other = copy(self)
        other.spec = replace(self.spec, views=views)
        return other

    def layout(self, image: Image.Image) -> Layout:
        """How this picture is looked at."""
        return self.spec.views.layout(Size(*image.size))

    def plan(self, size: Size, question: str) -> Plan:
        """What one question about a picture of ``size`` costs; nothing is run."""
        return self.spec.plan(size, self.positions(question))

    def positions(self, question: str) -> int:
        """Positions that a question takes, its picture's apart."""
        return len(self.tokenizer(self.text(question))["input_ids"]) - 1

    def encode(self, images: Sequence[Image.Image]) -> list[Encoded]:
        """Visual tokens of each picture. Views of one size share a batch, whichever picture they are of.

        Gradients flow unless the caller switches them off.
        """
        return self.connected(self.patches(images))

    def patches(self, images: Sequence[Image.Image]) -> Patches:
        """Each picture's views through the tower, and no further."""
        pictures = [open_picture(image) for image in images]
        layouts = [self.layout(picture) for picture in pictures]
        pixels = [array for pair in zip(pictures, layouts, strict=True) for array in pixels_of(self.spec, *pair)]
        batches = []
        for numbers in _batches([view.size for layout in layouts for view in layout.views]):
            views = normalise([pixels[number] for number in numbers], self.spec.mean, self.spec.std)
            views = views.to(self.device, next(self.tower.parameters()).dtype)
            batches.append(ViewBatch(tuple(numbers), views, self.tower(views)))
        return Patches(tuple(layouts), tuple(batches))

    def connected(self, seen: Patches) -> list[Encoded]:
        """Visual tokens from what the tower of this reader, or an equal one, saw by the same way of viewing."""
        grids = [grid for layout in seen.layouts for grid in self.spec.grids(layout)]
        done: dict[int, tuple[Tensor, Groups]] = {}
        for batch in seen.batches:
            tokens, groups = self.connect(batch.patches, grids[batch.numbers[0]], batch.pixels)
            done |= dict(zip(batch.numbers, zip(tokens, groups, strict=True), strict=True))
        following = (done[number] for number in range(len(grids)))
        return [self._joined(layout, [next(following) for _ in layout.views]) for layout in seen.layouts]

    def _joined(self, layout: Layout, views: list[tuple[Tensor, Groups]]) -> Encoded:
        tokens, groups = zip(*views, strict=True)
        order, made = self.spec.order(layout), torch.cat(tokens)
        return Encoded(self.spec, layout, made if order is None else made[order], groups)

    def connect(
        self,
        patches: Float[Tensor, "views patches width"],
        grid: Grid,
        pixels: Float[Tensor, "views 3 height width_"],
    ) -> tuple[Float[Tensor, "views tokens out"], list[Groups]]:
        """Patches to tokens, with each view's groups; a connector that reads pixels is handed the views' ``pixels``.

        Of a connector that reads the prompt, patches come back as they are: its tokens are made with the prompt.
        """
        spec, part = self.spec.connector, self.connector
        if isinstance(part, Grouping):
            return part.grouped(patches, grid)
        groups = [spec.groups(grid)] * len(patches)
        if spec.reads_prompt:
            return patches, groups
        tokens = part(patches, grid, *((pixels,) if spec.reads_pixels else ()))
        made, told = tuple(tokens.shape), (len(patches), len(groups[0]), spec.width_out or tokens.shape[-1])
        if made != told:
            raise SaccadeError(
                f"{type(part).__name__} made {' × '.join(map(str, made))} (views × tokens × channels), its spec says "
                f"{' × '.join(map(str, told))}; make tokens() and width_out of {type(spec).__name__} say what is made"
            )
        return tokens, groups

    @torch.inference_mode()
    def watched(self, image: Image.Image) -> np.ndarray | None:
        """How much of the learned queries' attention each patch gets, views in reading order, 1 in all for a view.

        None where tokens are made of patches by their place, and nothing looks.
        """
        if not isinstance(self.connector, LearnedQueries):
            return None
        picture = open_picture(image)
        layout, dtype = self.layout(picture), next(self.tower.parameters()).dtype
        shares = []
        for view, grid in zip(pixels_of(self.spec, picture, layout), self.spec.grids(layout), strict=True):
            pixels = normalise([view], self.spec.mean, self.spec.std).to(self.device, dtype)
            guide = (pixels,) if self.spec.connector.reads_pixels else ()
            shares.append(self.connector.attention(self.tower(pixels), grid, *guide)[0].mean(dim=0))
        return torch.cat(shares).float().cpu().numpy()

    def prompt(self, text: str, encoded: Sequence[Encoded]) -> Prompt:
        """``text`` with literal placeholders, expanded for these pictures."""
        spec = self.spec
        spans = [spec.spans(picture.layout) for picture in encoded]
        reset = None if spec.cross is None else spec.cross.reset
        made = expand(
            self.tokenizer, text, spans, spec.image_id, front=spec.sequence.front, opening=spec.opening, reset=reset
        )
        return replace(made, instruction=text.replace(PLACEHOLDER, "")) if spec.connector.reads_prompt else made

    def prefill(
        self,
        prompts: Sequence[Prompt],
        encoded: Sequence[Sequence[Encoded]],
        keep: Sequence[Sequence[Kept]] | None = None,
    ) -> Reading:
        """Read one prompt with its pictures a row.

        ``keep`` names the visual tokens of each picture to read, in any order; the places of the others stay empty.
        Raises SaccadeError for numbers that no token has.
        """
        if keep is None:
            keep = [[torch.arange(picture.count) for picture in row] for row in encoded]
        kept = [
            [in_order(numbers, picture.count) for numbers, picture in zip(*pair, strict=True)]
            for pair in zip(keep, encoded, strict=True)
        ]
        tokens = [
            [picture[numbers] for picture, numbers in zip(*pair, strict=True)]
            for pair in zip(self._visual(prompts, encoded), kept, strict=True)
        ]
        places = [
            prompt.without(numbered(numbers, row)) for prompt, numbers, row in zip(prompts, kept, encoded, strict=True)
        ]
        following = torch.as_tensor([len(prompt.ids) for prompt in prompts], device=self.device)
        made = join(self.language, self.cross, prompts, places, tokens, self.device, self._learned)
        if isinstance(self.language, Seq2Seq):
            return Encoding.of(self.language, made.vectors, made.real)
        return read(self.language, made.vectors, made.real, made.positions, following, made.beside)

    @property
    def _learned(self) -> Tensor | None:
        """The vectors that stand in the sequence in no token's place."""
        return cast(Tensor, self.connector.vectors) if self.spec.connector.vectors else None

    def _visual(self, prompts: Sequence[Prompt], encoded: Sequence[Sequence[Encoded]]) -> list[list[Tensor]]:
        """Every row's visual tokens, a picture at a time; those that depend on the prompt are made here."""
        if self.instructor is None:
            return [[picture.tokens for picture in row] for row in encoded]
        return prompted(cast(Prompted, self.connector), self.instructor, prompts, encoded, self.device)

    @property
    def groups_vary(self) -> bool:
        """Whether the patches of a token depend on the picture or the question, and are not known from its size."""
        chooses = self.instructor is not None and isinstance(self.connector, Choosing)
        return chooses or isinstance(self.connector, Grouping)

    @torch.inference_mode()
    def looked(self, picture: Encoded, question: str) -> Encoded:
        """The same picture as it is seen for ``question``: where tokens come from may hang on it."""
        if self.instructor is None or not isinstance(self.connector, Choosing):
            return picture
        words = self.instructor([self.text(question).replace(PLACEHOLDER, "")], return_tensors="pt").to(self.device)
        (grid,) = self.spec.grids(picture.layout)
        groups, fixations = self.connector.chosen(picture.tokens[None], grid, words["input_ids"])
        return replace(picture, groups=tuple(groups), fixations=tuple(fixations[0].tolist()))

    @torch.inference_mode()
    def ask(
        self,
        encoded: Sequence[Encoded],
        questions: Sequence[Sequence[str]],
        *,
        keep: Sequence[Kept] | None = None,
        shots: Sequence[Sequence[Shot]] | None = None,
        max_tokens: int = 8,
        top: int = 0,
        heard: Heard | None = None,
    ) -> list[list[Answer]]:
        """Greedy answers to each picture's questions; each picture is read once for all of its own.

        ``top`` is how many alternatives are told for each token; ``heard`` counts the questions of all pictures.
        ``shots`` are examples for each picture, told before it in their order: the most like it last. A template that
        puts the question before the picture has it read once a question.
        """
        shots = [()] * len(encoded) if shots is None else shots
        check_lists(encoded, questions, keep, shots)
        rows = []
        for number, (picture, asked, told) in enumerate(zip(encoded, questions, shots, strict=True)):
            before = "".join(self.text(shot.question) + shot.answer + self.spec.closing for shot in told)
            pictures = [*(shot.encoded for shot in told), picture]
            kept = None
            if keep is not None:
                kept = [*(torch.arange(shot.encoded.count) for shot in told), keep[number]]
            rows += [PromptRow(pictures, before + self.text(question), kept) for question in asked]
        found = iter(answers(self, rows, max_tokens=max_tokens, top=top, heard=heard))
        return [[next(found) for _ in asked] for asked in questions]

    @overload
    def logits(self, images: Sequence[Image.Image], prompt: str, target: str = "") -> Tensor: ...

    @overload
    def logits(
        self, images: Sequence[Sequence[Image.Image]], prompt: Sequence[str], target: Sequence[str] | None = None
    ) -> list[Tensor]: ...

    @torch.inference_mode()
    def logits(
        self,
        images: Sequence[Image.Image] | Sequence[Sequence[Image.Image]],
        prompt: str | Sequence[str],
        target: str | Sequence[str] | None = None,
    ) -> Float[Tensor, "length vocabulary"] | list[Float[Tensor, "_ vocabulary"]]:
        """Scores at every position of the whole expanded prompt, float32; a list for a list of prompts.

        ``prompt`` holds one literal ``<image>`` a picture. With a ``target`` they go on over its tokens, which stand
        behind the prompt. An encoder-decoder scores no prompt: it gives the position that begins the answer and those
        of the target's tokens. Raises SaccadeError when pictures and placeholders do not match.
        """
        if isinstance(prompt, str):
            one = target if isinstance(target, str) else ""
            return self._logits([cast(Sequence[Image.Image], images)], [prompt], [one])[0]
        targets = [""] * len(prompt) if target is None else target
        return self._logits(cast(Sequence[Sequence[Image.Image]], images), prompt, targets)

    def _logits(
        self, images: Sequence[Sequence[Image.Image]], prompts: Sequence[str], targets: Sequence[str]
    ) -> list[Tensor]:
        pictures, expanded = self._seen(images, prompts)
        return [row.float() for row in self.scores(expanded, pictures, self._targets(prompts, targets))]

    def scores(
        self,
        prompts: Sequence[Prompt],
        encoded: Sequence[Sequence[Encoded]],
        targets: Sequence[Sequence[int]] | None = None,
    ) -> list[Float[Tensor, "_ vocabulary"]]:
        """As ``logits``, ``targets`` as ids, with gradients unless the caller switches them off."""
        if isinstance(self.language, Seq2Seq):
            return self._written(self.language, prompts, encoded, targets)
        if targets is not None:
            prompts = [prompt.then(ids) for prompt, ids in zip(prompts, targets, strict=True)]
        self.language.check(max(len(prompt.ids) for prompt in prompts))
        made = self._whole(prompts, encoded)
        before = None if made.beside is None else made.beside.before()
        scores = self.language(made.vectors, made.real, made.positions, before=before)
        return [row[-len(prompt.ids) :] for row, prompt in zip(scores, prompts, strict=True)]

    def _written(
        self,
        language: Seq2Seq,
        prompts: Sequence[Prompt],
        encoded: Sequence[Sequence[Encoded]],
        targets: Sequence[Sequence[int]] | None,
    ) -> list[Tensor]:
        """An encoder-decoder's scores of what follows its start, and each token of the targets."""
        rows = [[language.spec.start, *ids] for ids in ([[]] * len(prompts) if targets is None else targets)]
        language.check(max(len(prompt.ids) for prompt in prompts), max(map(len, rows)))
        made = self._whole(prompts, encoded)
        # On the right nothing follows a row's end, so whatever stands there changes nothing before it.
        ids = nn.utils.rnn.pad_sequence([torch.as_tensor(row) for row in rows], batch_first=True).to(self.device)
        scores = language(ids, language.encode(made.vectors, made.real), made.real)
        return [scores[index, : len(row)] for index, row in enumerate(rows)]

    def _whole(self, prompts: Sequence[Prompt], encoded: Sequence[Sequence[Encoded]]) -> Joined:
        """Everything, nothing dropped."""
        places = [range(len(prompt.ids)) for prompt in prompts]
        visual = self._visual(prompts, encoded)
        return join(self.language, self.cross, prompts, places, visual, self.device, self._learned)

    def loss(
        self, images: Sequence[Sequence[Image.Image]], prompts: Sequence[str], targets: Sequence[str]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy of the targets' tokens, each target behind its prompt; gradients flow.

        A target's end is learned where it is spelt in it. Raises SaccadeError for targets without tokens.
        """
        pictures, expanded = self._seen(images, prompts)
        ids = self._targets(prompts, targets)
        for text, target in zip(targets, ids, strict=True):
            if not target:
                raise SaccadeError(f"the target {text!r} has 0 tokens, there is nothing to learn; write some text")
        scores = self.scores(expanded, pictures, ids)
        told = [row[-len(target) - 1 : -1] for row, target in zip(scores, ids, strict=True)]
        right = torch.as_tensor([token for target in ids for token in target], device=self.device)
        return F.cross_entropy(torch.cat(told).float(), right)

    def _targets(self, prompts: Sequence[str], targets: Sequence[str]) -> list[tuple[int, ...]]:
        """Ids of the targets, nothing added to them."""
        if len(targets) != len(prompts):
            raise SaccadeError(f"{len(prompts)} prompts but {len(targets)} targets; give one each")
        return [tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else () for text in targets]

    def _seen(
        self, images: Sequence[Sequence[Image.Image]], prompts: Sequence[str]
    ) -> tuple[list[list[Encoded]], list[Prompt]]:
        """Every prompt's pictures encoded, and the prompts expanded for them."""
        if len(images) != len(prompts):
            raise SaccadeError(f"{len(prompts)} prompts but {len(images)} lists of pictures; give one list a prompt")
        encoded = iter(self.encode([image for row in images for image in row]))
        pictures = [[next(encoded) for _ in row] for row in images]
        return pictures, [self.prompt(text, row) for text, row in zip(prompts, pictures, strict=True)]

    def text(self, question: str) -> str:
        """``question`` in the template, a placeholder where the picture stands."""
        if PLACEHOLDER in question:
            raise SaccadeError(
                f"a question is plain text, the template places the picture; take {PLACEHOLDER} out of it"
            )
        return self.spec.template.replace("{question}", question)


def _batches(sizes: Sequence[Size]) -> Iterator[list[int]]:
    """Numbers of the views that go through the tower together: of one size, at most ``VIEWS_AT_ONCE``."""
    members: dict[Size, list[int]] = {}
    for index, size in enumerate(sizes):
        members.setdefault(size, []).append(index)
    for same in members.values():
        yield from (same[start : start + VIEWS_AT_ONCE] for start in range(0, len(same), VIEWS_AT_ONCE))
