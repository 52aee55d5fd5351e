"""Answers kept by content: what a model was asked once is not asked again, in whatever comparison.

Law     equal (model, picture, request) give the stored observation. The model is its fingerprint, the picture its
        pixels; a model without a fingerprint is always asked. Times are those of the first time.
Used by ``compare``: adding a model or a policy to a comparison costs that model or policy alone.
Loses   the oldest answers beyond ``LIMIT``. A server that changes its model under the same name is not noticed:
        ``--fresh`` asks it again.
Source  one SQLite file under ``$XDG_CACHE_HOME/saccade`` (``~/.cache/saccade`` where that is not set).
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import final

from saccade.core.backend import Backend, Description, Job, Seen, Weights
from saccade.core.cache_folder import cache_folder
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Request
from saccade.core.size import Size
from saccade.core.trace import Price
from saccade.core.trace_codec import request_json, seen_json, seen_of
from saccade.core.version import __version__

LIMIT = 2_000_000
"""Answers that are kept at most: about 1 GB."""
NAME = "answers.sqlite"


@final
class KeptAnswers:
    """The store; may be used by many threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = cache_folder() / NAME if path is None else path
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self._path, timeout=60, check_same_thread=False, isolation_level=None)
            self._base.execute("pragma journal_mode = wal")
            self._base.execute("pragma synchronous = normal")
            self._base.execute("create table if not exists answers (key blob primary key, value text) without rowid")
        except (OSError, sqlite3.Error) as error:
            raise SaccadeError(
                f"answers cannot be kept in {self._path} ({error}); set XDG_CACHE_HOME to a folder that can be "
                "written, delete the file, or ask everything anew with --fresh"
            ) from error
        self._lock = threading.Lock()

    def get(self, keys: Sequence[bytes]) -> list[Seen | None]:
        """What is stored under each key."""
        with self._lock:
            found = [self._base.execute("select value from answers where key = ?", (key,)).fetchone() for key in keys]
        return [None if row is None else seen_of(json.loads(row[0])) for row in found]

    def put(self, keys: Sequence[bytes], seen: Sequence[Seen]) -> None:
        """Store under each key."""
        rows = [(key, json.dumps(seen_json(one), separators=(",", ":"))) for key, one in zip(keys, seen, strict=True)]
        with self._lock:
            self._base.execute("begin immediate")
            self._base.executemany("insert or replace into answers values (?, ?)", rows)
            self._base.execute("commit")

    def close(self) -> None:
        """Drop what is too much, and let go of the file."""
        with self._lock:
            (count,) = self._base.execute("select count(*) from answers").fetchone()
            if count > LIMIT:
                self._base.execute(
                    "delete from answers where key in (select key from answers limit ?)", (count - LIMIT,)
                )
            self._base.close()


@final
class Remembering(Backend):
    """``model``, whose answers are kept in ``store`` under its fingerprint."""

    def __init__(self, model: Backend, store: KeptAnswers) -> None:
        self.model, self._store = model, store
        self._pictures: dict[Hashable, bytes] = {}

    def run(self, jobs: Sequence[Job]) -> list[Seen]:
        """See ``Backend``: only what is not stored is run."""
        keys = [self._key(job) for job in jobs]
        found = self._store.get(keys)
        missing = [number for number, one in enumerate(found) if one is None]
        if missing:
            start = perf_counter()
            made = self.model.run([jobs[number] for number in missing])
            share = (perf_counter() - start) / len(missing)
            made = [one if one.seconds is not None else replace(one, seconds=share) for one in made]
            self._store.put([keys[number] for number in missing], made)
            for number, one in zip(missing, made, strict=True):
                found[number] = one
        return [one for one in found if one is not None]

    def _key(self, job: Job) -> bytes:
        if job.key not in self._pictures:
            image = job.image
            told = f"{image.mode} {image.size}".encode()
            self._pictures[job.key] = hashlib.sha256(told + image.tobytes()).digest()
        asked = request_json(replace(job.request, reason="", model=""))
        made = hashlib.sha256(f"{_code()} {self.model.fingerprint} ".encode())
        made.update(self._pictures[job.key])
        made.update(asked.encode())
        return made.digest()

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
    def fidelity(self) -> str:
        """See ``Backend``."""
        return self.model.fidelity

    @property
    def provenance(self) -> str:
        """See ``Backend``."""
        return self.model.provenance

    def price(self, size: Size, request: Request) -> Price:
        """See ``Backend``."""
        return self.model.price(size, request)

    def counted(self, size: Size, request: Request, read: int | None) -> int | None:
        """See ``Backend``."""
        return self.model.counted(size, request, read)

    def begin(self) -> None:
        """See ``Backend``."""
        self.model.begin()

    def learn(self, size: Size, request: Request, visual_tokens: int) -> None:
        """See ``Backend``."""
        self.model.learn(size, request, visual_tokens)

    def describe(self, job: Job) -> Description | None:
        """See ``Backend``."""
        return self.model.describe(job)

    def bucket(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        return self.model.bucket(size, request)

    def same(self, size: Size, request: Request) -> Hashable:
        """See ``Backend``."""
        return self.model.same(size, request)


def remembered(model: Backend, store: KeptAnswers | None) -> Backend:
    """``model`` with its answers kept, where there is a store and the model has a fingerprint."""
    return model if store is None or model.fingerprint is None else Remembering(model, store)


@cache
def _code() -> str:
    """Equal for equal code: an edit of this package answers anew."""
    root = Path(__file__).parent.parent
    made = hashlib.sha256(__version__.encode())
    for path in sorted(root.rglob("*.py")):
        stat = path.stat()
        made.update(f"{path.relative_to(root)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return made.hexdigest()[:16]
