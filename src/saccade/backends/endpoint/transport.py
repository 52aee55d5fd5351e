"""The line to a server: one call at a time a thread, tried again where that may help, and no longer than agreed.

Tried again: no connection, no answer in time, 408, 429 and 5xx, after pauses that double, or that the server asks for.
Not tried again: what the server refuses, and answers that are not understood. The ``openai`` client's own retries are
off, so that one place counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic, sleep
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit, urlunsplit

from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import LARGEST as LARGEST_NUMBER
from saccade.core.interface.arguments import instance, number, whole

try:
    import httpx2
    from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAI
except ImportError as error:
    raise SaccadeError(f"models behind servers need openai ({error}): pip install 'saccade[api]'") from error

LARGEST = 64 * 2**20
"""Bytes of a reply at most: no completion is as long."""
_SHOWN = 300
_CURES = {
    401: "pass key= or set OPENAI_API_KEY",
    403: "pass the key of an account that may, with key= or OPENAI_API_KEY",
    404: "check the URL and model=",
    413: "show smaller pictures, such as ImageRegion(side=1024)",
}


class RefusedError(SaccadeError):
    """The server understood, and will not: its ``status`` is one of 4xx."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a try failed, what the user can do, and the seconds that the server asks to wait."""

    why: str
    cure: str
    after: float | None = None


class _FailedError(Exception):
    """A try failed, and another may not."""

    def __init__(self, fault: _Fault) -> None:
        super().__init__(fault.why)
        self.fault = fault


class Transport:
    """Calls to the API at ``url``; a path of "/v1" is put there where it has none.

    A try ends after ``timeout`` seconds; there are ``tries`` of them, ``pause`` seconds and then twice as many apart,
    or as long as the server asks, but never more than ``patience``.
    """

    def __init__(self, url: str, key: str | None, timeout: float, tries: int, pause: float, patience: float) -> None:
        whole("tries", tries, 0)
        for name, value in (("timeout", timeout), ("pause", pause), ("patience", patience)):
            number(name, value, -LARGEST_NUMBER)
        for name, value in (("url", url), *(() if key is None else (("key", key),))):
            instance(name, value, str, "text")
        if tries < 1 or timeout <= 0 or pause < 0 or patience < 0:
            raise SaccadeError(
                f"an endpoint is tried at least once, for some time; got tries={tries}, timeout={timeout}, "
                f"pause={pause}, patience={patience}"
            )
        parts = _parts(url)
        address = urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1"))
        named = parts.netloc.rpartition("@")[2]
        self.shown = urlunsplit(urlsplit(address)._replace(netloc=named, query="", fragment=""))  # nothing secret
        self._key, self._timeout, self._tries, self._pause, self._patience = key, timeout, tries, pause, patience
        self._client = OpenAI(base_url=address, api_key=key or "none", timeout=timeout, max_retries=0)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def complete(self, body: dict[str, Any]) -> bytes:
        """A chat completion, as JSON."""
        return self._tried(lambda: self._client.chat.completions.with_streaming_response.create(**body))

    def models(self) -> bytes:
        """The models that are served, as JSON."""
        return self._tried(lambda: self._client.models.with_streaming_response.list())

    def _tried(self, call: Callable[[], Any]) -> bytes:
        start, number = monotonic(), 0
        while True:
            number += 1
            try:
                return self._once(call)
            except _FailedError as failed:
                fault = failed.fault
            if fault.after is not None and fault.after > self._patience:
                why = f"{fault.why}, and asks to wait {fault.after:g} s, longer than patience={self._patience:g}"
                fault = _Fault(why, "come back later, or raise patience=")
                break
            if number == self._tries:
                break
            wait = self._pause * 2 ** (number - 1) if fault.after is None else fault.after
            sleep(min(wait, self._patience))
        times = "once" if number == 1 else f"{number} times in {monotonic() - start:.1f} s"
        raise SaccadeError(f"{self.shown} {fault.why}; tried {times}. {fault.cure[0].upper()}{fault.cure[1:]}")

    def _once(self, call: Callable[[], Any]) -> bytes:
        try:
            return self._read(call)
        except (APITimeoutError, httpx2.TimeoutException) as error:
            cure = "raise timeout=, or ask for fewer tokens of smaller pictures"
            raise _FailedError(_Fault(f"gave no answer within {self._timeout:g} s", cure)) from error
        except (APIConnectionError, httpx2.HTTPError) as error:
            why = f"cannot be reached, or closed the connection ({self._hidden(str(error.__cause__ or error))})"
            raise _FailedError(_Fault(why, "is the server running, and the URL right?")) from error
        except APIStatusError as error:
            self._refused(error)

    def _read(self, call: Callable[[], Any]) -> bytes:
        """The body, however slowly it drips: the client's own timeout begins anew with each piece."""
        deadline = monotonic() + self._timeout
        body = bytearray()
        with call() as response:
            for piece in response.iter_bytes():
                body += piece
                if monotonic() > deadline:
                    raise httpx2.ReadTimeout("a reply that does not end")
                if len(body) > LARGEST:
                    raise SaccadeError(f"{self.shown} answered with more than {LARGEST} bytes; is it the right URL?")
        return bytes(body)

    def _refused(self, error: APIStatusError) -> NoReturn:
        """Raises what the status means; not from ``error``, whose words may hold the key."""
        status, said = error.status_code, self._hidden(_message(error))
        if status == 429:
            after = _seconds(error.response.headers.get("retry-after"))
            cure = "ask less at once, or raise tries= or patience="
            raise _FailedError(_Fault(f"is asked too much ({status}: {said})", cure, after)) from None
        if status == 408 or status >= 500:
            after = _seconds(error.response.headers.get("retry-after"))
            raise _FailedError(_Fault(f"failed ({status}: {said})", "look into the server's log", after)) from None
        cure = _CURES.get(status, "what it says is what to change")
        raise RefusedError(f"{self.shown} refused ({status}: {said}); {cure}", status) from None

    def _hidden(self, text: str) -> str:
        """A server's words without the key, should it repeat it, and not too many of them."""
        text = text.replace(self._key, "…") if self._key else text
        return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"


def _message(error: APIStatusError) -> str:
    body: Any = error.body
    for name in ("message", "detail"):
        if isinstance(body, dict) and body.get(name):
            body = body[name]
    return str(body) if body else error.response.reason_phrase


def _seconds(header: str | None) -> float | None:
    """A Retry-After: seconds, or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _parts(url: str) -> SplitResult:
    """The parts of an API's URL. Raises SaccadeError for what is none."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # a port that is no number, or half of an IPv6 address
        pass
    raise SaccadeError(f"an endpoint has a URL such as http://localhost:8000/v1, got {url!r}")
