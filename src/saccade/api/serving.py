"""Serving as functions: any model behind a request queue, and the bounds of what it is asked."""

from dataclasses import dataclass

from saccade.backends.open import open_model
from saccade.backends.placement import AUTO
from saccade.backends.request_queue import BusyError as BusyError
from saccade.backends.request_queue import QueuedQuestion as QueuedQuestion
from saccade.backends.request_queue import QueuedReply as QueuedReply
from saccade.backends.request_queue import RequestQueue as RequestQueue
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import instance, text
from saccade.core.interface.field_types import check_fields
from saccade.views.open import open_picture as open_picture


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerLimits:
    """What is taken from strangers at most: bytes of a body and seconds until it is there, pixels of an image,
    characters of a question, tokens of an answer, and questions at once, so many of them in a batch.
    """

    body: int = 32 * 2**20
    seconds: float = 30
    pixels: int = 4096 * 4096
    characters: int = 20_000
    max_tokens: int = 1024
    room: int = 32
    batch: int = 8

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("body", "seconds", "pixels", "characters", "max_tokens", "room", "batch"):
            if getattr(self, name) <= 0:
                raise SaccadeError(f"{name} of Limits is above 0, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Serving:
    """A model under the ``name`` that clients ask for it by."""

    name: str
    queue: RequestQueue
    limits: ServerLimits

    @property
    def logprobs(self) -> bool:
        """Whether it reports log-probabilities."""
        return Cap.LOGPROBS in self.queue.backend.caps

    @property
    def alternatives(self) -> bool:
        """Whether it reports those of other tokens too."""
        return Cap.TOPK in self.queue.backend.caps


def serving(
    model: object,
    limits: ServerLimits | None = None,
    *,
    device: str = AUTO,
    dtype: str = AUTO,
    revision: str | None = None,
    name: str | None = None,
) -> Serving:
    """``model`` behind a request queue.

    Args:
        model: A name, folder, Hub id or URL, or an object, as ``open_model`` takes them.
        limits: Bounds of what is asked.
        device: Where it runs: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        dtype: Its type of numbers: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        revision: The branch, tag or commit of a Hub id.
        name: What clients call it, instead of its own name.

    Raises SaccadeError for what cannot be opened, or answers no questions.
    """
    if name is not None:
        text("name", name)
    bounds = ServerLimits() if limits is None else limits
    instance("limits", bounds, ServerLimits, "saccade.api.serving.ServerLimits")
    backend = open_model(model, revision=revision, device=device, dtype=dtype)
    return Serving(name or backend.name, RequestQueue(backend, bounds.room, bounds.batch), bounds)
