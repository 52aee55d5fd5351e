"""Hosted models as policies drive them: models of ``transformers``, untouched, behind ``core.backend.Backend``."""

import json
import re
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast, final

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from saccade.backends.hosted import attention as watch
from saccade.backends.hosted import cached_values as values
from saccade.backends.hosted import token_selection as shorten
from saccade.backends.hosted.families import KINDS, PROVED
from saccade.backends.hosted.images import HostedImage, HostedVision
from saccade.backends.hosted.plain import generated
from saccade.backends.hosted.prompts import CALL, Prompts
from saccade.backends.hosted.resizing import ResolvedRegion
from saccade.backends.hosted.shared_prefix import HostedPrefix
from saccade.backends.hosted.token_selection import HostedPrompt
from saccade.backends.identity import LocalBackend, Origin
from saccade.compat.hf import is_spread
from saccade.core.answer import Answer
from saccade.core.attention_map import AttentionMap
from saccade.core.backend import Description, Job, JobResult, Observation
from saccade.core.box import Box
from saccade.core.caps import Cap, check
from saccade.core.errors import SaccadeError
from saccade.core.ledger import Ledger
from saccade.core.request import (
    Ask,
    Conversation,
    ImageRegion,
    Request,
    ToolCall,
    TurnResult,
    Watch,
    YesNo,
    kept,
    needs,
    shown,
)
from saccade.core.selection import with_area
from saccade.core.size import Size
from saccade.core.trace import CostEstimate
from saccade.core.view import View
from saccade.language.generate import answer
from saccade.language.hub import pad_left
from saccade.language.prompt import Prompt
from saccade.language.yes_no import chance_of_yes
from saccade.specs.laws.path import Views
from saccade.views import image_region as sights

MEMO = 256 * 2**20
"""Bytes of visual tokens that are kept for the next request about the same sight."""
STEP = 64
"""Prompts whose pictures' tokens differ by less share a batch, in which the shorter ones are padded."""
ASKS = Cap.GENERATE | Cap.LOGPROBS | Cap.TOPK | Cap.MULTI_IMAGE | Cap.INSTRUCT
"""What any model is taken for; whether it was trained for several pictures, or instructions, its class does not say."""


@dataclass(frozen=True, eq=False, slots=True)
class _Line:
    """One prompt of a job: its ``text``, the ``row`` that is read, and the words that are looked for, in a question."""

    text: str
    row: HostedPrompt
    question: str = ""
    words: str = ""


@final
class HostedBackend(LocalBackend):
    """``model`` with its ``processor`` under a ``name``; ``caps`` are all that is proved for its type unless given.

    See ``core.backend.Backend``. Of a type that is not in ``families.KINDS`` no more is asked than answers. Raises
    SaccadeError where its plan refuses its config.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: Any,  # noqa: ANN401 (the library's base class says nothing of what is taken here)
        *,
        name: str | None = None,
        caps: Cap | None = None,
        origin: Origin | None = None,
    ) -> None:
        super().__init__(model, partial(_settings, model, processor), origin)
        self.model, self.processor = model.eval(), processor
        self._name = type(model).__name__ if name is None else name
        self.eyes = HostedVision(model, processor) if model.config.model_type in KINDS else None
        self.prompts = Prompts(processor, model.config.image_token_id)
        self._caps = self._proved() if caps is None else caps
        text = model.config.get_text_config()
        self._windowed = "sliding_attention" in (getattr(text, "layer_types", None) or ())
        self._memo: OrderedDict[Hashable, HostedImage] = OrderedDict()
        self._held = 0

    @property
    def name(self) -> str:
        """See ``Backend``."""
        return self._name

    @property
    def caps(self) -> Cap:
        """See ``Backend``."""
        return self._caps

    def _proved(self) -> Cap:
        kind = self.model.config.model_type
        inside = (
            (PROVED["resizing"], Cap.RESIZE),
            (PROVED["token selection"], Cap.ENCODE | Cap.KEEP | Cap.POSITIONS),
            (PROVED["shared prefix"], Cap.FORK),
            (PROVED["attention"], Cap.ATTN_LM),
            (PROVED["cached values"], Cap.KV_READ),
        )
        caps = ASKS | (Cap.TOOLS if self.prompts.tools else Cap(0))
        # Maps of layers on several devices are not brought together.
        for families, more in inside[: 3 if is_spread(self.model) else None]:
            caps |= more if self.eyes is not None and kind in families else Cap(0)
        return caps

    def price(self, size: Size, request: Request) -> CostEstimate:
        """See ``Backend``. Every question of a ``Watch`` is counted as if the picture was read for it alone."""
        check("this request", needs(request), self.name, self.caps)
        if self.eyes is None or self.eyes.path.language is None:
            return CostEstimate(None, None, None, None)
        how = [self.eyes.shown(sight, size) for sight in shown(request)]
        sizes, path = [one.size for one in how], self.eyes.through(self._frame(how))
        layouts = [path.layout(one) for one in sizes]
        spelt = [self.eyes.spelt(layout) for layout in layouts]
        lengths = [len(self.prompts.prompt(text, spelt).ids) for text in self.prompts.texts(request)]
        if not sizes:
            language, (length,) = self.eyes.path.language, lengths
            held = language.kv_bytes(length, self.setting.number) + language.peak(
                [length], self.setting.number, eager=False
            )
            return CostEstimate(0, length, language.cost(length).flops, held)
        selection, slots = kept(request), path.plan(sizes, 0, self.setting).slots
        cells = [] if selection is None else [self.eyes.cells(layout) for layout in layouts]
        read = None if selection is None else sum(selection.count(len(one), with_area(one)) for one in cells)
        plans = [path.plan(sizes, max(0, length - slots), self.setting, keep=read) for length in lengths]
        flops = plans[0].vision.flops + plans[0].connector.flops + sum(plan.language.flops for plan in plans)
        held = max(plan.activation_bytes + plan.kv_bytes for plan in plans)
        taken = sum(plan.slots for plan in plans)
        return CostEstimate(plans[0].visual_tokens, sum(plan.length for plan in plans), flops, held, taken)

    def _frame(self, how: Sequence[ResolvedRegion]) -> Views | None:
        """The frame through which all pictures of a prompt are seen. Raises SaccadeError where there are several."""
        frames = {one.frame for one in how}
        if len(frames) > 1:
            raise SaccadeError(f"{self.name} sees all pictures of one prompt in one frame, got {len(frames)}; give one")
        return next(iter(frames), None)

    def describe(self, job: Job) -> Description | None:
        """See ``Backend``: of families whose plan knows where tokens lie."""
        if self.eyes is None or len(shown(job.request)) != 1:
            return None
        size, (sight,) = Size(*job.image.size), shown(job.request)
        how = self.eyes.shown(sight, size)
        path = self.eyes.through(how.frame)
        layout = path.layout(how.size)
        grids = [path.token_grid(view) for view in layout.views]
        views = tuple(sights.placed(how.sight, view, size) for view in layout.views)
        ledger = Ledger.of(size, views, [grid for grid in grids if grid is not None])
        selection = kept(job.request)
        if selection is not None:
            ledger = ledger.keep(selection.choose(self.eyes.cells(layout), job.key).tolist())
        return Description(replace(layout, size=size, views=views), ledger)

    def same(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        return sights.plain(request, size)

    def bucket(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        limits = ()
        if isinstance(request, Ask | Conversation):
            limits = (request.max_tokens, request.top if isinstance(request, Ask) else 0)
        how = (request.by, request.layers) if isinstance(request, Watch) else ()
        tokens = self.price(size, request).visual_tokens or 0
        return type(request).__name__, how, len(shown(request)), limits, tokens // STEP

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """See ``Backend``."""
        for job in jobs:
            check("this request", needs(job.request), self.name, self.caps)
        if self.eyes is None:
            return [self._plainly(job) for job in jobs]
        pictures = self._pictures(self.eyes, jobs)
        lines = [self._lines(job, seen) for job, seen in zip(jobs, pictures, strict=True)]
        found = iter(self._observed(jobs[0].request, [line for mine in lines for line in mine]))
        made = []
        for job, seen, mine in zip(jobs, pictures, lines, strict=True):
            size = Size(*job.image.size)
            views = tuple(
                sights.placed(self.eyes.shown(sight, size).sight, view, size)
                for sight, picture in zip(shown(job.request), seen, strict=True)
                for view in picture.views
            )
            told = _told(self.eyes, job, [next(found) for _ in mine], seen)
            visual = sum(map(len, mine[0].row.kept))
            made.append(JobResult(told, views, visual, sum(len(line.row.places) for line in mine)))
        return made

    def _lines(self, job: Job, seen: Sequence[HostedImage]) -> list[_Line]:
        spelt = [picture.spelt for picture in seen]
        texts = self.prompts.texts(job.request)
        keep = kept(job.request)
        read = None if keep is None else tuple(torch.from_numpy(keep.choose(one.cells, job.key)) for one in seen)
        rows = [HostedPrompt(self.prompts.prompt(text, spelt), tuple(seen), read) for text in texts]
        if not isinstance(job.request, Watch):
            return [_Line(*pair) for pair in zip(texts, rows, strict=True)]
        return [_Line(*one) for one in zip(texts, rows, job.request.questions, job.request.words, strict=True)]

    def begun(
        self, rows: Sequence[HostedPrompt]
    ) -> tuple[HostedPrefix, list[int], list[tuple[int, ...]], list[HostedPrompt]]:
        """Read what prompts share once: the sequences, which of them each row goes on from, with what, and the rows
        that were read.
        """
        known: dict[object, int] = {}
        heads: list[HostedPrompt] = []
        of, tails = [], []
        for row in rows:
            head, tail = _parted(row.prompt)
            kept = None if row.keep is None else tuple(map(id, row.keep))
            number = known.setdefault((tuple(map(id, row.pictures)), kept, head), len(known))
            if number == len(heads):
                heads.append(HostedPrompt(head, row.pictures, row.keep))
            of.append(number)
            tails.append(tail)
        return shorten.read(self.model, heads), of, tails, heads

    def _observed(self, request: Request, lines: Sequence[_Line]) -> list[Observation | Tensor]:
        """What came of each prompt: an answer, a number, or the weight of each visual token."""
        prefix, of, tails, heads = self.begun([line.row for line in lines])
        made: dict[int, Observation | Tensor] = {}
        for part in self._parts(tails):
            reading = prefix.take([of[number] for number in part])
            behind = [tails[number] for number in part]
            columns = [_columns(heads[of[number]], prefix.real.shape[1]) for number in part]
            found: Sequence[Observation | Tensor]
            match request:
                case Ask(max_tokens=longest, top=top):
                    found = self._answers(reading, behind, longest, top)
                case Conversation(max_tokens=longest, tools=tools):
                    found = [_said(one, bool(tools)) for one in self._answers(reading, behind, longest, 0)]
                case YesNo():
                    found = chance_of_yes(self.prompts.tokenizer, reading.follow(*pad_left(behind))).tolist()
                case Watch():
                    words = [self._words(lines[number], len(tails[number])) for number in part]
                    depth = request.depths(self.model.config.get_text_config().num_hidden_layers)
                    look = watch.attended if request.by == "attention" else values.valued
                    found = look(reading, behind, columns, words, depth)
                case _:
                    raise TypeError(f"no model knows of {type(request).__name__}")
            made |= dict(zip(part, found, strict=True))
        return [made[number] for number in range(len(lines))]

    def _answers(self, reading: HostedPrefix, tails: Sequence[tuple[int, ...]], longest: int, top: int) -> list[Any]:
        end, decode = self.prompts.ends(self.model), self.prompts.decode
        return answer(reading, tails, end=end, decode=decode, max_tokens=longest, top=top)

    def _parts(self, tails: Sequence[tuple[int, ...]]) -> list[list[int]]:
        """Rows that go on together. A window counts padding, so where there are windows, none may come in between."""
        parts: dict[int, list[int]] = {}
        for number, tail in enumerate(tails):
            parts.setdefault(len(tail) if self._windowed else 0, []).append(number)
        return list(parts.values())

    def _words(self, line: _Line, tail: int) -> range:
        """Where the words that are meant stand among the last ``tail`` tokens of a prompt."""
        if not line.words:
            return range(tail - 1, tail)
        spelt = [picture.spelt for picture in line.row.pictures]
        found = self.prompts.words(line.text, spelt, line.question, line.words)
        before = len(line.row.prompt.ids) - tail
        if found.start < before:
            raise SaccadeError(
                f"the words {line.words!r} stand before the picture, where they hold nothing of it; the chat template "
                "has to put questions behind pictures"
            )
        return range(found.start - before, found.stop - before)

    def _pictures(self, eyes: HostedVision, jobs: Sequence[Job]) -> list[list[HostedImage]]:
        """Every job's pictures, each sight of one encoded once and remembered."""
        wanted = [[(job.key, sight) for sight in shown(job.request)] for job in jobs]
        images = {key: job.image for job, keys in zip(jobs, wanted, strict=True) for key in keys}
        made = {key: self._memo[key] for key in images if key in self._memo}
        missing = [key for key in images if key not in made]
        if missing:
            how = [eyes.shown(key[1], Size(*images[key].size)) for key in missing]
            cut = [sights.shown(images[key], one.sight) for key, one in zip(missing, how, strict=True)]
            found = eyes.encode(cut, how)
            made |= dict(zip(missing, found, strict=True))
        self._remember(made)
        return [[made[key] for key in keys] for keys in wanted]

    def _remember(self, made: dict[tuple[Hashable, ImageRegion], HostedImage]) -> None:
        for key, picture in made.items():
            self._held += 0 if key in self._memo else picture.nbytes
            self._memo[key] = picture
            self._memo.move_to_end(key)
        while self._held > MEMO:
            _, gone = self._memo.popitem(last=False)
            self._held -= gone.nbytes

    def _plainly(self, job: Job) -> JobResult:
        """One request of a model of which nothing is known."""
        request, size = job.request, Size(*job.image.size)
        images = [sights.shown(job.image, sight) for sight in shown(request)]
        (text,) = self.prompts.texts(request)
        longest = request.max_tokens if isinstance(request, Ask | Conversation) else 1
        top = request.top if isinstance(request, Ask) else 0
        found, first, ids = generated(self.model, self.processor, self.prompts, text, images, longest, top)
        told: Observation = found
        if isinstance(request, YesNo):
            told = float(chance_of_yes(self.prompts.tokenizer, first))
        elif isinstance(request, Conversation):
            told = _said(found, bool(request.tools))
        views = tuple(View(sights.extent(one, size), sights.shown_size(one, size)) for one in shown(request))
        return JobResult(told, views, int((ids == self.prompts.visual).sum()), len(ids))


def _settings(model: PreTrainedModel, processor: Any) -> str:  # noqa: ANN401 (see above)
    """All that answers hang on beside the weights."""
    tokenizer = processor.tokenizer
    template = processor.chat_template or tokenizer.chat_template
    generation = None if model.generation_config is None else model.generation_config.to_json_string()
    parts = (model.config.to_json_string(), processor.image_processor.to_json_string(), template, generation)
    return json.dumps([*parts, sorted(tokenizer.get_vocab().items())])


def _parted(prompt: Prompt) -> tuple[Prompt, tuple[int, ...]]:
    """What is read before, and with what it goes on: behind the last picture, or at the last token without one."""
    if prompt.visual_tokens:
        return prompt.split()
    return Prompt(prompt.ids[:-1], prompt.visual[:-1]), prompt.ids[-1:]


def _columns(head: HostedPrompt, length: int) -> Tensor:
    """Where a head's visual tokens stand among ``length`` positions, to which it is padded on the left."""
    places = head.places
    marks = [number for number, place in enumerate(places) if head.prompt.visual[place]]
    return torch.tensor(marks, dtype=torch.long) + length - len(places)


def _told(
    eyes: HostedVision, job: Job, said: Sequence[Observation | Tensor], seen: Sequence[HostedImage]
) -> Observation:
    if not isinstance(job.request, Watch):
        (only,) = said
        return cast(Observation, only)
    (sight,), (picture,), size = job.request.sights, seen, Size(*job.image.size)
    shown_as = eyes.shown(sight, size).sight
    boxes = np.asarray([sights.source(shown_as, Box(*map(float, cell)), size).sides for cell in picture.cells])
    return tuple(AttentionMap(size, boxes, cast(Tensor, weights).double().cpu().numpy()) for weights in said)


def _said(found: Answer, tools: bool) -> TurnResult:
    """An answer, or the call in it."""
    text = found.text
    match = re.search(rf"{CALL}\s*(.*?)\s*(?:</tool_call>|$)", text, re.DOTALL) if tools else None
    if match is None:
        return TurnResult(found)
    try:
        call = json.loads(match[1])
        name, arguments = call["name"], json.dumps(call.get("arguments", {}))
    except (ValueError, TypeError, KeyError, AttributeError):
        return TurnResult(found)  # what is no call is an answer
    return TurnResult(replace(found, text=text[: match.start()].strip()), ToolCall(str(name), arguments))
