"""Composed readers as policies drive them: our paths behind ``core.backend.Backend``."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import cast, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from saccade.core.answer import Answer, Heard
from saccade.core.backend import Job, Observation, Seen
from saccade.core.box import Box
from saccade.core.caps import Cap, check
from saccade.core.errors import SaccadeError
from saccade.core.heat import Heat
from saccade.core.keep import Keep
from saccade.core.plan import Plan
from saccade.core.request import Ask, Request, Sight, Watch, YesNo, kept, needs, shown
from saccade.core.size import Size
from saccade.core.trace import Price
from saccade.language.generate import Prefix
from saccade.language.hub import Decoder, pad_left
from saccade.language.probe import probed
from saccade.language.prompt import PLACEHOLDER
from saccade.language.verdict import chance_of_yes
from saccade.models.asking import Begun, Row, answered, begun
from saccade.models.base import Reader
from saccade.models.encoded import Encoded, Kept
from saccade.models.identity import Local, Origin, of_reader, settings_of
from saccade.nn.values import alike
from saccade.specs.reader import ReaderSpec
from saccade.specs.resize import CropSpec, PadSpec, StretchSpec
from saccade.views import sight as sights

MEMO = 256 * 2**20
"""Bytes of visual tokens that are kept for the next request about the same sight."""
STEP = 64
"""Prompts whose pictures' tokens differ by less share a batch, in which the shorter ones are padded."""


def caps_of(reader: Reader) -> Cap:
    """What a reader's parts allow. Whether it was trained for several pictures, or instructions, they do not say."""
    spec = reader.spec
    caps = Cap.GENERATE | Cap.LOGPROBS | Cap.TOPK | Cap.ENCODE | Cap.KEEP | Cap.POSITIONS | Cap.FORK
    spliced = spec.cross is None and isinstance(reader.language, Decoder) and not spec.connector.reads_prompt
    # A learned query stands for no place, so attention to it says nothing of where.
    return caps | Cap.ATTN_LM | Cap.KV_READ if spliced and spec.connector.exact else caps


def framed(spec: ReaderSpec, side: int) -> ReaderSpec:
    """``spec`` looking at a frame of at most ``side`` pixels, in whole patches; as it is where it has no one frame.

    Raises SaccadeError below one patch.
    """
    views, patch = spec.views, spec.tower.patch
    if not isinstance(views, CropSpec | PadSpec | StretchSpec):
        return spec
    if side < patch:
        raise SaccadeError(f"a look of {side} px shows no whole patch of {patch} px; take at least {patch}")
    short = [min(length, side // patch * patch) for length in (views.size.width, views.size.height)]
    return replace(spec, views=replace(views, size=Size(*short)))


@final
class Composed(Local):
    """``reader`` under a ``name``; ``caps`` are all that its parts allow unless given. See ``core.backend.Backend``."""

    def __init__(self, name: str, reader: Reader, caps: Cap | None = None, origin: Origin | None = None) -> None:
        super().__init__(reader, partial(settings_of, reader), origin or of_reader(reader))
        self._name, self.reader = name, reader
        self._caps = caps_of(reader) if caps is None else caps
        self._framed = isinstance(reader.spec.views, CropSpec | PadSpec | StretchSpec)
        self._memo: OrderedDict[Hashable, Encoded] = OrderedDict()
        self._held = 0
        self._reader, self._plan = lru_cache(64)(self._seeing), lru_cache(4096)(self._planned)
        self._positions = lru_cache(4096)(reader.positions)

    @property
    def name(self) -> str:
        """See ``Backend``."""
        return self._name

    @property
    def caps(self) -> Cap:
        """See ``Backend``."""
        return self._caps

    def price(self, size: Size, request: Request) -> Price:
        """See ``Backend``. Every question of a ``Watch`` is counted as if the picture was read for it alone."""
        check("this request", needs(request), self.name, self.caps)
        pictures, texts = self.reads(size, request)
        side, keep = self._side(request), kept(request)
        plans = [self._plan(pictures, side, text, keep) for text in texts]
        seen = plans[0]
        read = sum(plan.language.flops for plan in plans) + seen.vision.flops + seen.connector.flops
        held = max(plan.activation_bytes + plan.kv_bytes for plan in plans)
        return Price(seen.visual_tokens, sum(plan.length for plan in plans), read, held)

    def reads(self, size: Size, request: Request) -> tuple[tuple[Size, ...], tuple[int, ...]]:
        """What is read about a picture of ``size``: the sizes of the pictures that are shown, and positions of text, a
        number for each question.
        """
        pictures = tuple(sights.shown_size(self._cut(sight), size) for sight in shown(request))
        return pictures, tuple(map(self._positions, _texts(request)))

    def seeing(self, request: Request) -> Reader:
        """The reader with the frame that a request looks through."""
        return self._reader(self._side(request))

    def same(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``. A frame of another side shows another picture, however small that is."""
        return replace(request, reason="") if self._framed else sights.plain(request, size)

    def bucket(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        limits = (request.max_tokens, request.top) if isinstance(request, Ask) else ()
        how = (request.by, request.layers) if isinstance(request, Watch) else ()
        tokens = self.price(size, request).visual_tokens or 0
        return type(request).__name__, how, self._side(request), len(shown(request)), limits, tokens // STEP

    def run(self, jobs: Sequence[Job]) -> list[Seen]:
        """See ``Backend``."""
        return self.stream(jobs)

    def spelt(self, answer: Answer) -> tuple[str, ...]:
        """See ``Backend``."""
        return tuple(str(self.reader.tokenizer.decode([token])) for token in answer.tokens)

    @torch.inference_mode()
    def stream(self, jobs: Sequence[Job], heard: Heard | None = None) -> list[Seen]:
        """See ``Backend``. Answers to ``Ask`` grow token by token."""
        encoded = self._encoded(jobs)
        keeps = _kept(jobs, encoded)
        rows, of = [], []
        for number, (job, pictures, keep) in enumerate(zip(jobs, encoded, keeps, strict=True)):
            for text in _texts(job.request):
                several = PLACEHOLDER * len(pictures)
                rows.append(Row(pictures, self.reader.text(text).replace(PLACEHOLDER, several), keep))
                of.append(number)
        found = begun(self.reader, rows)
        lengths = found.lengths
        said = self._observed(jobs, rows, found, heard)
        made = []
        for number, (job, pictures, keep) in enumerate(zip(jobs, encoded, keeps, strict=True)):
            mine = [row for row, job_number in enumerate(of) if job_number == number]
            size = Size(*job.image.size)
            views = tuple(
                sights.placed(self._cut(sight), view, size)
                for sight, picture in zip(shown(job.request), pictures, strict=True)
                for view in picture.layout.views
            )
            observation = self._told(job, [said[row] for row in mine], pictures)
            whole = sum(picture.count for picture in pictures)
            tokens = whole if keep is None else sum(map(len, keep))
            gone = 0 if self.reader.spec.cross is not None else whole - tokens
            made.append(Seen(observation, views, tokens, sum(lengths[row] - gone for row in mine)))
        return made

    def _observed(
        self, jobs: Sequence[Job], rows: Sequence[Row], found: Begun, heard: Heard | None
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
        cut = self._cut(sight)
        boxes = np.asarray([sights.source(cut, Box(*cell), size).sides for cell in _cells(picture).tolist()])
        return tuple(Heat(size, boxes, cast(Tensor, weights).double().cpu().numpy()) for weights in said)

    def _attended(self, found: Begun, places: Sequence[range], layers: range) -> list[Float[Tensor, " tokens"]]:
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

    def _valued(self, found: Begun, places: Sequence[range], layers: range) -> list[Float[Tensor, " tokens"]]:
        """How alike each visual token's cached values are to those of each row's words."""
        prefix = cast(Prefix, found.reading)
        before = prefix.real.shape[1]
        prefix.follow(*pad_left(found.tails))
        values = [cast(Tensor, cast(DynamicLayer, prefix.cache.layers[layer]).values) for layer in layers]
        total = values[0].shape[2]
        return [
            alike(
                [layer[row] for layer in values],
                torch.tensor([total - len(tail) + place for place in at]),
                _columns(head.visual, before),
            )
            for row, (tail, at, head) in enumerate(zip(found.tails, places, found.heads, strict=True))
        ]

    def _encoded(self, jobs: Sequence[Job]) -> list[list[Encoded]]:
        """Every job's pictures, each sight of one encoded once and remembered."""
        wanted = [[(job.key, sight) for sight in shown(job.request)] for job in jobs]
        images = {key: job.image for job, keys in zip(jobs, wanted, strict=True) for key in keys}
        made = {key: self._memo[key] for key in images if key in self._memo}
        missing = [key for key in images if key not in made]
        if missing:
            reader = self.seeing(jobs[0].request)
            found = reader.encode([sights.shown(images[key], self._cut(key[1])) for key in missing])
            made |= dict(zip(missing, found, strict=True))
        self._remember(made)
        return [[made[key] for key in keys] for keys in wanted]

    def _remember(self, made: dict[tuple[Hashable, Sight], Encoded]) -> None:
        for key, picture in made.items():
            if key not in self._memo:
                self._held += picture.tokens.nbytes
            self._memo[key] = picture
            self._memo.move_to_end(key)
        while self._held > MEMO:
            _, gone = self._memo.popitem(last=False)
            self._held -= gone.tokens.nbytes

    def _cut(self, sight: Sight) -> Sight:
        """What is cut out of the picture; a frame is then made smaller instead of the cut."""
        return replace(sight, side=None) if self._framed else sight

    def _side(self, request: Request) -> int | None:
        """The frame's side. Raises SaccadeError where sights want several."""
        if not self._framed:
            return None
        sides = {sight.side for sight in shown(request)}
        if len(sides) > 1:
            raise SaccadeError(
                f"{self.name} sees all pictures of one prompt in one frame, got sides {', '.join(map(str, sides))}; "
                "give one"
            )
        return next(iter(sides), None)

    def _seeing(self, side: int | None) -> Reader:
        return self.reader if side is None else self.reader.seeing(framed(self.reader.spec, side).views)

    def _planned(self, pictures: tuple[Size, ...], side: int | None, text: int, keep: Keep | None = None) -> Plan:
        path = self._reader(side).spec.path
        read = None if keep is None else sum(keep.count(path.plan([one], 0).visual_tokens) for one in pictures)
        return path.plan(pictures, text, self.setting, keep=read)


def _kept(jobs: Sequence[Job], encoded: Sequence[Sequence[Encoded]]) -> list[list[Kept] | None]:
    """The tokens of each job's pictures that are read, None for all; equal choices are one object, and so read once."""
    known: dict[Hashable, Kept] = {}

    def chosen(keep: Keep, key: Hashable, picture: Encoded) -> Kept:
        named = keep, key, id(picture)
        if named not in known:
            known[named] = torch.from_numpy(keep.chosen(_cells(picture), key))
        return known[named]

    return [
        None if (keep := kept(job.request)) is None else [chosen(keep, job.key, picture) for picture in pictures]
        for job, pictures in zip(jobs, encoded, strict=True)
    ]


def _cells(picture: Encoded) -> np.ndarray:
    """Where each token stands in what was shown; nowhere, with no area, where it stands for padding."""
    bounds = (picture.ledger.bounds(token) for token in range(picture.count))
    return np.asarray([(0.0,) * 4 if box is None else box.sides for box in bounds]).reshape(-1, 4)


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
