"""Composed readers as policies drive them: our paths behind ``core.backend.Backend``."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from time import perf_counter
from typing import cast, final

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from saccade.backends.composed.encodings import Encodings
from saccade.backends.composed.flops import Counter
from saccade.backends.composed.views import ImageShape, ReaderViews
from saccade.backends.composed.vision_memo import VisionMemo
from saccade.backends.identity import LocalBackend, Origin, of_reader, settings_of
from saccade.compat.hf import cached_values
from saccade.core.answer import Answer, Heard
from saccade.core.attention_map import AttentionMap
from saccade.core.backend import Backend, Description, Job, JobResult, Observation
from saccade.core.box import Box
from saccade.core.caps import Cap, check
from saccade.core.errors import SaccadeError
from saccade.core.plan import Plan
from saccade.core.request import Ask, Request, Watch, YesNo, kept, needs, shown
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.core.trace import CostEstimate
from saccade.core.view import View
from saccade.language.generate import Prefix
from saccade.language.hub import Decoder, pad_left
from saccade.language.probe import probed
from saccade.language.prompt import PLACEHOLDER
from saccade.language.yes_no import chance_of_yes
from saccade.nn.values import alike
from saccade.runtime.answering import PrefilledRows, PromptRow, answered, begun
from saccade.runtime.encoded import Encoded, Kept
from saccade.runtime.reader import Reader
from saccade.runtime.regions import regions_of
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.laws.path import PathSpec
from saccade.specs.parts import ViewsSpec
from saccade.towers.regions import RegionTower
from saccade.views import image_region as sights

MEMO = 256 * 2**20
"""Bytes of visual tokens that are kept for the next request about the same sight."""
EVERYTHING = TokenSelection(rule="uniform", share=1.0)
"""All that stands on pixels."""
STEP = 64
"""Prompts whose pictures' tokens differ by less share a batch, in which the shorter ones are padded."""


def caps_of(reader: Reader) -> Cap:
    """What a reader's parts allow. Whether it was trained for several pictures, or instructions, they do not say."""
    spec = reader.spec
    caps = Cap.GENERATE | Cap.LOGPROBS | Cap.TOPK | Cap.ENCODE | Cap.KEEP | Cap.POSITIONS | Cap.FORK | Cap.RESIZE
    spliced = spec.cross is None and isinstance(reader.language, Decoder) and not spec.connector.reads_prompt
    # A learned query stands for no place, so attention to it says nothing of where.
    return caps | Cap.ATTN_LM | Cap.KV_READ if spliced and spec.connector.exact else caps


@final
class ComposedBackend(LocalBackend):
    """``reader`` under a ``name``; ``caps`` are all that its parts allow unless given. See ``core.backend.Backend``."""

    def __init__(self, name: str, reader: Reader, caps: Cap | None = None, origin: Origin | None = None) -> None:
        super().__init__(reader, partial(settings_of, reader), origin or of_reader(reader))
        self._name, self.reader = name, reader
        self._caps = caps_of(reader) if caps is None else caps
        self._viewing = ReaderViews(name, reader)
        self._encodings = Encodings(MEMO)
        self._plan, self._count = lru_cache(8192)(self._planned), lru_cache(8192)(self._torch_flops)
        self._positions, self._price = lru_cache(8192)(reader.positions), lru_cache(256)(self._priced)
        self._reading, self._path = lru_cache(8192)(self._read), lru_cache(256)(self._seen_through)

    def share(self, vision: VisionMemo) -> None:
        """Run the tower through a memory that other models use too."""
        self._encodings.vision = vision

    @property
    def name(self) -> str:
        """See ``Backend``."""
        return self._name

    @property
    def caps(self) -> Cap:
        """See ``Backend``."""
        return self._caps

    def price(self, size: Size, request: Request) -> CostEstimate:
        """See ``Backend``. Every question of a ``Watch`` is counted as if the picture was read for it alone.

        Where the patches of a token depend on the picture (``Reader.groups_vary``), which tokens stand on padding is
        known once it was read: the price of a selection is then an upper bound.
        """
        return self._price(size, request)

    def _priced(self, size: Size, request: Request) -> CostEstimate:
        check("this request", needs(request), self.name, self.caps)
        pictures, texts = self._reads(size, request)
        views = self._viewing.seeing(size, request).spec.views
        shapes = tuple(self._viewing.shape(views, one) for one in pictures)
        read = self._reading(views, pictures, kept(request), _resized(request))
        plans = [self._plan(views, shapes, text, read) for text in texts]
        seen = plans[0]
        flops = sum(plan.language.flops for plan in plans) + seen.vision.flops + seen.connector.flops
        held = max(plan.activation_bytes + plan.kv_bytes for plan in plans)
        slots = sum(plan.slots for plan in plans)
        return CostEstimate(seen.visual_tokens, sum(plan.length for plan in plans), flops, held, slots)

    def views(self, size: Size) -> tuple[View, ...]:
        """See ``Backend``."""
        return self.reader.spec.views.layout(size).views

    def counted(self, size: Size, request: Request, read: int | None) -> int | None:
        """See ``Backend``: torch's count on the *meta* device, the look on its own; None for encoder-decoders."""
        if read is None or not isinstance(self.reader.spec.language, DecoderSpec):
            return None
        views = self._viewing.seeing(size, request).spec.views
        pictures, texts = self._reads(size, request)
        return self._count(tuple(self._viewing.shape(views, one) for one in pictures), texts, read)

    def _torch_flops(self, shapes: tuple[ImageShape, ...], texts: tuple[int, ...], read: int) -> int:
        whole = sum(shape.tokens for shape in shapes)
        return self._counter.look([shape.layout for shape in shapes], texts, whole - read)

    @cached_property
    def _counter(self) -> Counter:
        return Counter(self.reader)

    def _reads(self, size: Size, request: Request) -> tuple[tuple[Size, ...], tuple[int, ...]]:
        """The sizes of the pictures that are shown, and positions of text, a number for each question."""
        pictures = tuple(self._viewing.shown(sight, size) for sight in shown(request))
        return pictures, tuple(map(self._positions, _texts(request)))

    def begin(self) -> None:
        """See ``Backend``."""
        self._encodings.begin()

    def describe(self, job: Job) -> Description | None:
        """See ``Backend``."""
        if not isinstance(job.request, Ask) or len(job.request.sights) != 1:
            return None
        size, (sight,) = Size(*job.image.size), job.request.sights
        reader = self._viewing.seeing(size, job.request)
        image = sights.shown(job.image, self._viewing.cut(sight, size))
        ((picture,),), _ = self._encoded([job])
        picture = reader.looked(picture, job.request.question)
        (chosen,) = _kept(reader, [job], [[picture]])
        ledger = picture.ledger if chosen is None else picture.ledger.keep(chosen[0].tolist())
        regions = regions_of(reader, image) if isinstance(reader.tower, RegionTower) else ()
        boxes = tuple(region.box for region in regions)
        return Description(picture.layout, ledger, reader.watched(image), picture.path, boxes)

    def same(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``. A frame of another side shows another picture, however small that is."""
        return replace(request, reason="") if self._viewing.framed else sights.plain(request, size)

    def bucket(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        limits = (request.max_tokens, request.top) if isinstance(request, Ask) else ()
        how = (request.by, request.layers) if isinstance(request, Watch) else ()
        tokens = self.price(size, request).visual_tokens or 0
        return type(request).__name__, how, len(shown(request)), limits, tokens // STEP

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """See ``Backend``."""
        return self.stream(jobs)

    def spelt(self, answer: Answer) -> tuple[str, ...]:
        """See ``Backend``."""
        return tuple(str(self.reader.tokenizer.decode([token])) for token in answer.tokens)

    @torch.inference_mode()
    def stream(self, jobs: Sequence[Job], heard: Heard | None = None) -> list[JobResult]:
        """See ``Backend``. Answers to ``Ask`` grow token by token."""
        start = perf_counter()
        encoded, spared = self._encoded(jobs)
        keeps = _kept(self.reader, jobs, encoded)
        rows, of = [], []
        for number, (job, pictures, keep) in enumerate(zip(jobs, encoded, keeps, strict=True)):
            for text in _texts(job.request):
                several = PLACEHOLDER * len(pictures)
                rows.append(PromptRow(pictures, self.reader.text(text).replace(PLACEHOLDER, several), keep))
                of.append(number)
        found = begun(self.reader, rows)
        lengths = found.lengths
        said = self._observed(jobs, rows, found, heard)
        seconds = (perf_counter() - start + spared) / len(jobs)
        made = []
        for number, (job, pictures, keep) in enumerate(zip(jobs, encoded, keeps, strict=True)):
            mine = [row for row, job_number in enumerate(of) if job_number == number]
            size = Size(*job.image.size)
            views = tuple(
                sights.placed(self._viewing.cut(sight, size), view, size)
                for sight, picture in zip(shown(job.request), pictures, strict=True)
                for view in picture.layout.views
            )
            observation = self._told(job, [said[row] for row in mine], pictures)
            whole = sum(picture.count for picture in pictures)
            tokens = whole if keep is None else sum(map(len, keep))
            gone = 0 if self.reader.spec.cross is not None else whole - tokens
            made.append(JobResult(observation, views, tokens, sum(lengths[row] - gone for row in mine), seconds))
        return made

    def _observed(
        self, jobs: Sequence[Job], rows: Sequence[PromptRow], found: PrefilledRows, heard: Heard | None
    ) -> list[Observation | Tensor]:
        """What came of each row: an answer, a number, or the weight of each visual token."""
        match jobs[0].request:
            case Ask(max_tokens=longest, top=top):
                return [*answered(self.reader, found, max_tokens=longest, top=top, heard=heard)]
            case YesNo():
                scores = found.reading.follow(*pad_left(found.tails))
                return [*map(float, chance_of_yes(self.reader.tokenizer, scores))]
            case Watch() as request:
                layers = request.depths(cast(Decoder, self.reader.language).spec.depth)
                words = [word for job in jobs for word in cast(Watch, job.request).words]
                places = [_places(self.reader, tail, word) for tail, word in zip(found.tails, words, strict=True)]
                return [*(self._attended if request.by == "attention" else self._valued)(found, places, layers)]
            case _:
                raise SaccadeError(f"composed readers hold no conversations, got {type(jobs[0].request).__name__}")

    def _told(self, job: Job, said: Sequence[Observation | Tensor], pictures: Sequence[Encoded]) -> Observation:
        if not isinstance(job.request, Watch):
            (only,) = said
            return cast(Observation, only)
        (sight,), (picture,) = job.request.sights, pictures
        size = Size(*job.image.size)
        cut = self._viewing.cut(sight, size)
        boxes = np.asarray([sights.source(cut, Box(*cell), size).sides for cell in picture.cells.tolist()])
        return tuple(AttentionMap(size, boxes, cast(Tensor, weights).double().cpu().numpy()) for weights in said)

    def _attended(self, found: PrefilledRows, places: Sequence[range], layers: range) -> list[Float[Tensor, " tokens"]]:
        """How much each row's words, at ``places`` of its tail, attend to each visual token."""
        before = cast(Prefix, found.reading).real.shape[1]
        ids, real = pad_left(found.tails)
        with probed(cast(Decoder, self.reader.language).model, layers=layers, rows=ids.shape[1]) as probe:
            found.reading.follow(ids, real)
        maps = torch.stack([layer.mean(dim=1) for layer in probe.maps.values()]).mean(dim=0)  # batch rows keys
        return [
            maps[row, [ids.shape[1] - len(tail) + place for place in at]].mean(dim=0)[_columns(head.visual, before)]
            for row, (tail, at, head) in enumerate(zip(found.tails, places, found.heads, strict=True))
        ]

    def _valued(self, found: PrefilledRows, places: Sequence[range], layers: range) -> list[Float[Tensor, " tokens"]]:
        """How alike each visual token's cached values are to those of each row's words."""
        prefix = cast(Prefix, found.reading)
        before = prefix.real.shape[1]
        prefix.follow(*pad_left(found.tails))
        values = [cached_values(prefix.cache, layer) for layer in layers]
        total = values[0].shape[2]
        return [
            alike(
                [layer[row] for layer in values],
                torch.tensor([total - len(tail) + place for place in at]),
                _columns(head.visual, before),
            )
            for row, (tail, at, head) in enumerate(zip(found.tails, places, found.heads, strict=True))
        ]

    def _encoded(self, jobs: Sequence[Job]) -> tuple[list[list[Encoded]], float]:
        """Every job's pictures, each sight of one encoded once and remembered; seconds that others spent on them."""
        wanted: list[list[Hashable]] = []
        frames: dict[ViewsSpec, tuple[Reader, dict[Hashable, Callable[[], Image.Image]]]] = {}
        for job in jobs:
            size = Size(*job.image.size)
            reader = self._viewing.seeing(size, job.request)
            views = reader.spec.views
            _, images = frames.setdefault(views, (reader, {}))
            mine = []
            for sight in shown(job.request):
                cut = self._viewing.cut(sight, size)
                key = job.key, views if self._viewing.framed else None, cut
                images[key] = partial(sights.shown, job.image, cut)
                mine.append(key)
            wanted.append(mine)
        made: dict[Hashable, Encoded] = {}
        spared = 0.0
        for reader, images in frames.values():  # pictures in several frames are encoded apart, and read together
            found, more = self._encodings.get(reader, images)
            made |= found
            spared += more
        return [[made[key] for key in keys] for keys in wanted], spared

    def _planned(self, views: ViewsSpec, shapes: tuple[ImageShape, ...], text: int, read: int | None) -> Plan:
        return self._path(views).plan([shape.layout.size for shape in shapes], text, self.setting, keep=read)

    def _seen_through(self, views: ViewsSpec) -> PathSpec:
        return replace(self.reader.spec, views=views).path

    def _read(
        self, views: ViewsSpec, pictures: tuple[Size, ...], selection: TokenSelection | None, resized: bool
    ) -> int | None:
        """How many visual tokens of all pictures are read, None for all of them."""
        if selection is None and not resized:
            return None
        contents = [self._viewing.content(views, one) for one in pictures]
        totals = [self._viewing.shape(views, one).tokens for one in pictures]
        return sum(
            content if selection is None else selection.count(total, content)
            for total, content in zip(totals, contents, strict=True)
        )


def share_towers(models: Iterable[Backend]) -> None:
    """Let composed readers among ``models`` run equal towers over equal views once."""
    vision = VisionMemo()
    for model in models:
        if isinstance(model, ComposedBackend):
            model.share(vision)


def _resized(request: Request) -> bool:
    """Whether a picture is shown within a budget, so that no token of it is spent on padding."""
    return any(sight.tokens is not None for sight in shown(request))


def _kept(reader: Reader, jobs: Sequence[Job], encoded: Sequence[Sequence[Encoded]]) -> list[list[Kept] | None]:
    """The tokens of each job's pictures that are read, None for all; equal choices are one object, and so read once."""
    known: dict[Hashable, Kept] = {}

    def chosen(selection: TokenSelection, job: Job, picture: Encoded) -> Kept:
        (question, *_) = _texts(job.request)
        named = selection, job.key, id(picture), question if reader.groups_vary else None
        if named not in known:
            known[named] = torch.from_numpy(selection.choose(reader.looked(picture, question).cells, job.key))
        return known[named]

    made: list[list[Kept] | None] = []
    for job, pictures in zip(jobs, encoded, strict=True):
        selection = kept(job.request) or (EVERYTHING if _resized(job.request) else None)
        made.append(None if selection is None else [chosen(selection, job, picture) for picture in pictures])
    return made


def _texts(request: Request) -> tuple[str, ...]:
    """What a request asks, one prompt each."""
    match request:
        case Ask(question=question) | YesNo(question=question):
            return (question,)
        case Watch(questions=questions):
            return questions
        case _:
            raise SaccadeError(f"composed readers hold no conversations, got {type(request).__name__}; ask a question")


def _columns(visual: Sequence[bool], length: int) -> Tensor:
    """Where a row's visual tokens stand among ``length`` positions, to which it is padded on the left."""
    return torch.tensor([length - len(visual) + place for place, mark in enumerate(visual) if mark])


def _places(reader: Reader, tail: Sequence[int], words: str) -> range:
    """Where ``words`` stand in ``tail`` for the last time; its last position where none are meant."""
    if not words:
        return range(len(tail) - 1, len(tail))
    for text in (f" {words}", words):
        ids = list(reader.tokenizer(text, add_special_tokens=False)["input_ids"])
        for start in range(len(tail) - len(ids), -1, -1):
            if list(tail[start : start + len(ids)]) == ids:
                return range(start, start + len(ids))
    raise SaccadeError(f"the words {words!r} are not in the question as it is spelt in tokens; name words that are")
