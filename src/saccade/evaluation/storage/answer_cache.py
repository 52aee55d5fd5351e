"""Answers kept by content: what a model was asked once is not asked again, in whatever comparison.

Law     equal (model, picture, request) give the stored observation, requests that the model calls the same too. The
        model is its fingerprint, the picture its pixels (and its name where tokens are drawn at random, since the draw
        depends on it); a model without a fingerprint is always asked. Times are those of the first time.
        FLOPs that were counted for it, and what its request shows (for drawing), are stored as well.
Used by ``compare``: adding a model or a policy to a comparison costs that model or policy alone.
Loses   the oldest answers beyond ``LIMIT``. A server that changes its model under the same name is not noticed:
        ``--fresh`` asks it again.
Source  one SQLite file under ``$XDG_CACHE_HOME/saccade`` (``~/.cache/saccade`` where that is not set).
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import final

from saccade.core.answer import Answer
from saccade.core.backend import Backend, Description, Job, JobResult, Weights
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.records.cache_folder import cache_folder
from saccade.core.records.trace_codec import Json, description_json, description_of, request_json, seen_json, seen_of
from saccade.core.request import Request, kept
from saccade.core.size import Size
from saccade.core.trace import CostEstimate
from saccade.core.version import __version__
from saccade.core.view import View

LIMIT = 2_000_000
"""Answers that are kept at most: about 1 GB."""
NAME = "answers.sqlite"


@final
class KeptAnswers:
    """The store; may be used by many threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = cache_folder() / NAME if path is None else path
        self._lock = threading.Lock()
        with self._reporting():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self._path, timeout=60, check_same_thread=False, isolation_level=None)
            self._base.execute("pragma journal_mode = wal")
            self._base.execute("pragma synchronous = normal")
            # The key column is no rowid: rowids grow, so that the smallest ones are the oldest answers.
            self._base.execute("create table if not exists kept (key blob primary key, value text)")

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """One thread at a time; raises what goes wrong with the file as a SaccadeError."""
        with self._lock:
            try:
                yield
            except (OSError, sqlite3.Error, KeyError, TypeError, ValueError) as error:
                raise SaccadeError(
                    f"answers cannot be kept in {self._path} ({error}); set XDG_CACHE_HOME to a folder that can be "
                    "written, delete the file, or ask everything again with --fresh"
                ) from error

    def get(self, keys: Sequence[bytes]) -> list[JobResult | None]:
        """What is stored under each key."""
        with self._reporting():
            return [None if data is None else seen_of(data) for data in map(self._read, keys)]

    def put(self, keys: Sequence[bytes], seen: Sequence[JobResult]) -> None:
        """Store under each key."""
        self._write(keys, map(seen_json, seen))

    def described(self, key: bytes) -> Description | None:
        """The description that is stored under ``key``."""
        with self._reporting():
            data = self._read(key)
            return None if data is None else description_of(data)

    def describe(self, key: bytes, found: Description) -> None:
        """Store a description."""
        self._write([key], [description_json(found)])

    def _read(self, key: bytes) -> Json | None:
        row = self._base.execute("select value from kept where key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _write(self, keys: Sequence[bytes], data: Iterable[Json]) -> None:
        rows = [(key, json.dumps(one, separators=(",", ":"))) for key, one in zip(keys, data, strict=True)]
        with self._reporting(), self._base:
            self._base.execute("begin immediate")
            self._base.executemany("insert or replace into kept values (?, ?)", rows)

    def close(self) -> None:
        """Drop the oldest answers beyond ``LIMIT``, and let go of the file."""
        with self._reporting(), closing(self._base):
            (newest,) = self._base.execute("select coalesce(max(rowid), 0) from kept").fetchone()
            if newest > LIMIT:
                self._base.execute("delete from kept where rowid <= ?", (newest - LIMIT,))


@final
class CachingBackend(Backend):
    """``model``, whose answers are kept in ``store`` under its fingerprint."""

    def __init__(self, model: Backend, store: KeptAnswers) -> None:
        self.model, self._store = model, store
        self._under = f"{_code()} {model.fingerprint} ".encode()  # once: reading it takes a look at every weight
        self._pictures: dict[Hashable, bytes] = {}
        self._counts: dict[Hashable, int | None] = {}

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """See ``Backend``: only what is not stored is run."""
        keys = [self._key(job) for job in jobs]
        found = self._store.get(keys)
        missing = [number for number, one in enumerate(found) if one is None]
        if missing:
            start = perf_counter()
            made = self.model.run([jobs[number] for number in missing])
            share = (perf_counter() - start) / len(missing)
            made = [
                replace(
                    one,
                    seconds=share if one.seconds is None else one.seconds,
                    counted=self.model.counted(Size(*jobs[number].image.size), jobs[number].request, one.visual_tokens),
                )
                for number, one in zip(missing, made, strict=True)
            ]
            self._store.put([keys[number] for number in missing], made)
            for number, one in zip(missing, made, strict=True):
                found[number] = one
        seen = [one for one in found if one is not None]
        for job, one in zip(jobs, seen, strict=True):
            self._counts[Size(*job.image.size), job.request, one.visual_tokens] = one.counted
        return seen

    def _key(self, job: Job, what: str = "") -> bytes:
        if job.key not in self._pictures:
            image = job.image
            told = f"{image.mode} {image.size}".encode()
            self._pictures[job.key] = hashlib.sha256(told + image.tobytes()).digest()
        alike = self.model.same(Size(*job.image.size), job.request)
        request = alike if isinstance(alike, Request) else job.request
        asked = request_json(replace(request, reason="", model=""))
        selection = kept(job.request)
        drawn = repr(job.key) if selection is not None and selection.rule == "random" else ""
        made = hashlib.sha256(self._under)
        made.update(self._pictures[job.key])
        made.update(f"{what}{drawn} {asked}".encode("utf-8", "surrogatepass"))
        return made.digest()

    def close(self) -> None:
        """See ``Backend``: the model is closed, the store is its owner's."""
        self.model.close()

    @property
    def name(self) -> str:
        """See ``Backend``."""
        return self.model.name

    @property
    def caps(self) -> Cap:
        """See ``Backend``."""
        return self.model.caps

    @property
    def remote(self) -> bool:
        """See ``Backend``."""
        return self.model.remote

    @property
    def fingerprint(self) -> str | None:
        """See ``Backend``."""
        return self.model.fingerprint

    @property
    def weights(self) -> Weights | None:
        """See ``Backend``."""
        return self.model.weights

    @property
    def device(self) -> str:
        """See ``Backend``."""
        return self.model.device

    @property
    def dtype(self) -> str:
        """See ``Backend``."""
        return self.model.dtype

    @property
    def fidelity(self) -> str:
        """See ``Backend``."""
        return self.model.fidelity

    @property
    def provenance(self) -> str:
        """See ``Backend``."""
        return self.model.provenance

    def price(self, size: Size, request: Request) -> CostEstimate:
        """See ``Backend``."""
        return self.model.price(size, request)

    def views(self, size: Size) -> tuple[View, ...]:
        """See ``Backend``."""
        return self.model.views(size)

    def spelt(self, answer: Answer) -> tuple[str, ...]:
        """See ``Backend``."""
        return self.model.spelt(answer)

    def counted(self, size: Size, request: Request, read: int | None) -> int | None:
        """See ``Backend``."""
        known = size, request, read
        return self._counts[known] if known in self._counts else self.model.counted(size, request, read)

    def begin(self) -> None:
        """See ``Backend``."""
        self._counts.clear()
        self.model.begin()

    def learn(self, size: Size, request: Request, visual_tokens: int) -> None:
        """See ``Backend``."""
        self.model.learn(size, request, visual_tokens)

    def describe(self, job: Job) -> Description | None:
        """See ``Backend``."""
        key = self._key(job, "described ")
        found = self._store.described(key)
        if found is None and (found := self.model.describe(job)) is not None:
            self._store.describe(key, found)
        return found

    def bucket(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        return self.model.bucket(size, request)

    def same(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        return self.model.same(size, request)


def remembered(model: Backend, store: KeptAnswers | None) -> Backend:
    """``model`` with its answers kept, where there is a store and the model has a fingerprint."""
    return model if store is None or model.fingerprint is None else CachingBackend(model, store)


@cache
def _code() -> str:
    """Equal for equal code: an edit of this package answers anew."""
    root = Path(__file__).parents[2]
    made = hashlib.sha256(__version__.encode())
    for path in sorted(root.rglob("*.py")):
        stat = path.stat()
        made.update(f"{path.relative_to(root)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return made.hexdigest()[:16]
