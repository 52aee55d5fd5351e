"""A model behind an OpenAI-compatible server."""

import os
import threading
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, final

from saccade.backends.endpoint import messages as wire
from saccade.backends.endpoint import yes_no as verdict
from saccade.backends.endpoint.budget import Budget
from saccade.backends.endpoint.reply import ServerReply, parsed, read
from saccade.backends.endpoint.server_probe import LIMIT, ServerProbe, found
from saccade.backends.endpoint.transport import RefusedError, Transport
from saccade.core.answer import Answer
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.box import Box
from saccade.core.caps import Cap, check
from saccade.core.errors import SaccadeError, unknown
from saccade.core.interface.arguments import instance, text
from saccade.core.request import WHOLE, Ask, Conversation, ImageRegion, Request, TurnResult, YesNo, needs, shown
from saccade.core.size import Size
from saccade.core.trace import CostEstimate
from saccade.core.view import View
from saccade.specs.planner.system import ModelSpec
from saccade.views.image_region import extent, plain, shown_size

WORDS = 8
"""Tokens that yes or no may take in words, where a server tells no probabilities."""


@final
class Endpoint(Backend):
    """``model`` at ``url``, by default the one that is served there; see ``core.backend.Backend``. Results call it
    ``name``.

    The key is ``key`` or the environment's OPENAI_API_KEY; servers that want none get none. ``timeout``, ``tries``,
    ``pause`` and ``patience`` as in ``line.Line``. ``caps`` are found out on first use unless given; that a model calls
    functions is believed where ``tools`` says so. Answers are greedy. May be used by many threads.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        key: str | None = None,
        timeout: float = 60,
        tries: int = 3,
        *,
        pause: float = 0.5,
        patience: float = 30,
        caps: Cap | None = None,
        tools: bool = False,
        name: str | None = None,
    ) -> None:
        for what, value in (("model", model), ("key", key), ("name", name)):
            if value is not None:
                text(what, value)
        instance("tools", tools, bool, "True or False")
        if caps is not None:
            instance("caps", caps, Cap, "a saccade.core.caps.Cap")
        self._line = Transport(url, key or os.environ.get("OPENAI_API_KEY"), timeout, tries, pause, patience)
        self._name = name or model or self._line.shown
        self._model, self._tools = model, Cap.TOOLS if tools else Cap(0)
        self._found = None if caps is None else ServerProbe(caps, LIMIT if Cap.TOPK in caps else 0)
        self._limit = "max_tokens"
        self._lock = threading.Lock()
        self._visual: dict[Hashable, int] = {}
        self._budget = Budget()

    def __repr__(self) -> str:
        return f"Endpoint({self._line.shown!r}, model={self._model!r})"

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    @property
    def name(self) -> str:
        """See ``Backend``."""
        return self._name

    @property
    def remote(self) -> bool:
        """See ``Backend``."""
        return True

    @property
    def fingerprint(self) -> str:
        """See ``Backend``: the server, without what is secret in its URL, and the model there."""
        return f"endpoint {self._line.shown} {self.model} {self._budget.twin}".rstrip()

    @property
    def provenance(self) -> str:
        """See ``Backend``."""
        return f"{self._name} at {self._line.shown}"

    @property
    def caps(self) -> Cap:
        """What it can do: asks the server the first time."""
        return self._known.caps | self._tools | (Cap.RESIZE if self._budget.planned else Cap(0))

    def plan_as(self, twin: ModelSpec) -> None:
        """Take the plan of ``twin`` for how many visual tokens an image takes there, where the server does not say."""
        self._budget.plan_as(twin)

    def learn(self, size: Size, request: Request, visual_tokens: int) -> None:
        """See ``Backend``."""
        if shown(request) == (WHOLE,):
            self._budget.learn(size, visual_tokens)

    @property
    def model(self) -> str:
        """The model's name there: asks the server the first time, where none was given."""
        with self._lock:
            return self._chosen()

    def price(self, size: Size, request: Request) -> CostEstimate:
        """Nobody knows what a server computes; visual tokens are those of the twin's plan, or without one known once
        it has told them of equal sights.
        """
        self._check(request)
        planned = self._planned(size, request)
        return CostEstimate(self._visual.get((size, shown(request))) if planned is None else planned, None, None, None)

    def _planned(self, size: Size, request: Request) -> int | None:
        """Visual tokens by the twin's plan."""
        if not self._budget.planned:
            return None
        sights = [self._budget.resolved(sight, size) for sight in shown(request)]
        return sum(self._budget.tokens(shown_size(sight, size)) or 0 for sight in sights)

    def same(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        return plain(self._resolved(request, size), size)

    def bucket(self, size: Size, request: Request) -> Hashable:
        """All alike: each is a call of its own."""
        return ()

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """One call a job, one after the other."""
        return [self._one(job) for job in jobs]

    def _one(self, job: Job) -> JobResult:
        asked, size = job.request, Size(*job.image.size)
        self._check(asked)
        request = self._resolved(asked, size)
        job = replace(job, request=request)
        observation: Answer | float | TurnResult
        match request:
            case Ask():
                messages = wire.asked(job.image, request.sights, request.question)
                reply = self._send(messages, request.max_tokens, self._alternatives(request.top))
                observation = self._answer(reply, request.max_tokens)
            case YesNo():
                observation, reply = self._verdict(job, request)
            case Conversation():
                observation, reply = self._said(job, request)
            case _:
                raise TypeError(f"no endpoint knows of {type(request).__name__}")
        visual = self._planned(size, request) if reply.visual_tokens is None else reply.visual_tokens
        if visual is not None:
            self._visual[size, shown(asked)] = visual
            self.learn(size, asked, visual)
        views = tuple(_view(sight, size) for sight in shown(request))
        return JobResult(observation, views, visual, reply.tokens)

    def _resolved(self, request: Request, size: Size) -> Request:
        """A request whose pictures have the sizes that their budgets come to."""
        if isinstance(request, Conversation):
            turns = tuple(
                replace(turn, sights=tuple(self._budget.resolved(sight, size) for sight in turn.sights))
                for turn in request.turns
            )
            return replace(request, turns=turns)
        return replace(request, sights=tuple(self._budget.resolved(sight, size) for sight in request.sights))

    def _verdict(self, job: Job, request: YesNo) -> tuple[float, ServerReply]:
        messages = wire.asked(job.image, request.sights, request.question)
        if Cap.LOGPROBS in self._known.caps:
            reply = self._send(messages, 1, self._alternatives(LIMIT))
            if reply.logprobs:
                chosen = (reply.text or "", reply.logprobs[0])
                return verdict.of_alternatives(reply.top[0] if reply.top and reply.top[0] else (chosen,)), reply
        reply = self._send(messages, WORDS, None)
        return verdict.of_text(self._answer(reply, WORDS).text), reply

    def _said(self, job: Job, request: Conversation) -> tuple[TurnResult, ServerReply]:
        messages = wire.conversation(job.image, request.turns)
        told: dict[str, Any] = {"tools": wire.functions(request.tools)} if request.tools else {}
        reply = self._send(messages, request.max_tokens, self._alternatives(0), **told)
        if reply.call is not None and reply.finish == "length":
            raise SaccadeError(
                f"{self._who} was cut off after max_tokens={request.max_tokens} while it called {reply.call.name}; "
                "raise max_tokens"
            )
        answer = self._answer(
            reply if reply.call is None else replace(reply, text=reply.text or ""), request.max_tokens
        )
        return TurnResult(answer, reply.call), reply

    def _answer(self, reply: ServerReply, max_tokens: int) -> Answer:
        if reply.text is None and reply.finish == "length":
            raise SaccadeError(
                f"{self._who} said nothing within max_tokens={max_tokens}, as models do that think first; raise "
                "max_tokens, or take a model that answers at once"
            )
        if reply.text is None and reply.finish == "content_filter":
            raise SaccadeError(f"{self._who} may not answer: a content filter withheld all it said; ask otherwise")
        return Answer((reply.text or "").strip(), (), reply.logprobs, reply.top)

    def _alternatives(self, wanted: int) -> int | None:
        """How many to ask for: as many as are wanted and the server lists, None where it tells no log-probabilities."""
        if Cap.LOGPROBS not in self._known.caps:
            return None
        return min(wanted, self._known.most) if Cap.TOPK in self._known.caps else 0

    def _check(self, request: Request) -> None:
        check(f"{type(request).__name__} as it is asked", needs(request), self.name, self.caps)

    @property
    def _known(self) -> ServerProbe:
        with self._lock:
            if self._found is None:
                self._found = found(lambda messages, most, top: self._sent(self._chosen(), messages, most, top))
            return self._found

    @property
    def _who(self) -> str:
        return f"{self._model} at {self._line.shown}"

    def _chosen(self) -> str:
        """The model, chosen where none was named; under the lock."""
        if self._model is None:
            names = self._names()
            if len(names) != 1:
                listed = ", ".join(names) or "none that it lists"
                raise SaccadeError(f"{self._line.shown} serves {len(names)} models: {listed}; name one with model=")
            self._model = names[0]
        return self._model

    def _names(self) -> list[str]:
        listed = parsed(self._line.models(), self._line.shown).get("data")
        if not isinstance(listed, list):
            raise SaccadeError(f"{self._line.shown} lists no models; name one with model=")
        return sorted(str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one)

    def _send(self, messages: list[wire.Message], most: int, alternatives: int | None, **others: object) -> ServerReply:
        return self._sent(self.model, messages, most, alternatives, **others)

    def _sent(
        self, model: str, messages: list[wire.Message], most: int, alternatives: int | None, **others: object
    ) -> ServerReply:
        """One call: at most ``most`` tokens, ``alternatives`` as in ``found.Send``."""
        body = {"model": model, "messages": messages, "temperature": 0, **others}
        if alternatives is not None:
            body["logprobs"] = True
            body |= {"top_logprobs": alternatives} if alternatives else {}
        limit = self._limit
        try:
            return read(self._line.complete({**body, limit: most}), f"{model} at {self._line.shown}")
        except RefusedError as error:
            if error.status == 404:
                self._missing(model, error)
            # Newer models of the API's first server know the limit by its newer name only.
            if limit != "max_tokens" or "max_completion_tokens" not in str(error):
                raise
        self._limit = "max_completion_tokens"
        return read(self._line.complete({**body, self._limit: most}), f"{model} at {self._line.shown}")

    def _missing(self, model: str, error: RefusedError) -> None:
        """Raises with the names that there are, where the model's is none of them."""
        try:
            names = self._names()
        except SaccadeError:
            return
        if names and model not in names:
            raise unknown(f"model at {self._line.shown}", model, names) from error


def _view(sight: ImageRegion, size: Size) -> View:
    part = extent(sight, size)
    return View(part, shown_size(sight, size), "whole" if part == Box.of(size) else "slice")
