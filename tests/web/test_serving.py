"""The server over real sockets: by OpenAI's client and by hand."""

import asyncio
import base64
import http.client
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from openai import APIStatusError, BadRequestError, OpenAI
from PIL import Image

from saccade.api.serving import ServerLimits, serving
from saccade.backends.embedded.family import embedded
from saccade.backends.request_queue import BusyError, QueuedQuestion, QueuedReply, RequestQueue
from saccade.core.answer import Answer
from saccade.runtime.reader import Reader
from saccade.tasks.scenes import Scene
from saccade.web.shapes import completion, stream
from tests.servers import Running, served

QUESTION = "What color is the background?"
BOUNDS = ServerLimits(body=100_000, seconds=0.3, pixels=40_000, max_tokens=20, room=2)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return embedded("llava")


@pytest.fixture
def client(ours: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=ours.url, api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def bounded() -> Iterator[Running]:
    """A server with narrow bounds."""
    with served(serving("pool-4", BOUNDS)) as running:
        yield running


def png(image: Image.Image) -> bytes:
    written = BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def body(picture: bytes, model: str = "llava", question: str = QUESTION, **changes: Any) -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": uri(picture)}}, {"type": "text", "text": question}]
    return {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 6, **changes}


def scene(number: int = 0) -> Image.Image:
    return Scene("test", number).image()


def expected(reader: Reader, image: Image.Image, question: str = QUESTION, max_tokens: int = 6, top: int = 0) -> Answer:
    with torch.inference_mode():
        ((answer,),) = reader.ask(reader.encode([image]), [[question]], max_tokens=max_tokens, top=top)
    return answer


@contextmanager
def wire(running: Running) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def raw(running: Running, data: bytes) -> bytes:
    """What comes back, as it comes."""
    with wire(running) as connection:
        connection.request("POST", "/v1/chat/completions", data, {"Content-Type": "application/json"})
        return connection.getresponse().read()


def post(running: Running, data: bytes, kind: str = "application/json") -> tuple[int, dict[str, Any], Any]:
    """By hand: status, body, headers."""
    with wire(running) as connection:
        connection.request("POST", "/v1/chat/completions", data, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers


# What is answered


def test_one_model_is_listed(client: OpenAI):
    (model,) = client.models.list().data
    assert (model.id, model.owned_by) == ("llava", "saccade")


@pytest.mark.parametrize("number", range(3))
def test_answers_are_the_readers(client: OpenAI, reader: Reader, number: int):
    image = scene(number)
    found = client.chat.completions.create(**body(png(image), logprobs=True, top_logprobs=3))
    answer = expected(reader, image, top=3)
    (choice,) = found.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", answer.text, "stop")
    assert choice.logprobs is not None
    places = choice.logprobs.content or []
    assert [place.logprob for place in places] == pytest.approx(answer.logprobs, abs=1e-5)
    assert [[one.token for one in place.top_logprobs] for place in places] == [
        [token for token, _ in place] for place in answer.top
    ]
    assert [one.logprob for place in places for one in place.top_logprobs] == pytest.approx(
        [chance for place in answer.top for _, chance in place], abs=1e-5
    )
    assert bytes(places[0].bytes or []).decode() == places[0].token
    usage = found.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.model_dump()["image_tokens"] == reader.encode([image])[0].count
    (encoded,) = reader.encode([image])
    length = len(reader.prompt(reader.spec.template.replace("{question}", QUESTION), [encoded]).ids)
    assert (usage.prompt_tokens, usage.completion_tokens) == (length, len(answer.tokens))
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_log_probabilities_only_where_they_are_asked_for(client: OpenAI):
    found = client.chat.completions.create(**body(png(scene())))
    assert found.choices[0].logprobs is None
    plain = client.chat.completions.create(**body(png(scene()), logprobs=True)).choices[0].logprobs
    assert plain is not None
    assert all(place.top_logprobs == [] for place in plain.content or [])


def test_an_answer_that_is_cut_off_says_so(client: OpenAI, reader: Reader):
    found = client.chat.completions.create(**body(png(scene()), max_tokens=1))
    assert found.choices[0].finish_reason == "length"
    assert found.choices[0].message.content == expected(reader, scene(), max_tokens=1).text


def test_a_stream_adds_up_to_the_same(client: OpenAI, reader: Reader):
    told = body(png(scene()), logprobs=True, top_logprobs=2, stream=True, stream_options={"include_usage": True})
    chunks = list(client.chat.completions.create(**told))
    whole = client.chat.completions.create(**body(png(scene()), logprobs=True, top_logprobs=2))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == whole.choices[0].message.content
    assert choices[0].delta.role == "assistant"
    assert whole.choices[0].logprobs is not None
    chances = [choice.logprobs.content for choice in choices if choice.logprobs]
    assert [place.model_dump() for places in chances for place in places] == [
        place.model_dump() for place in whole.choices[0].logprobs.content
    ]
    assert [len(places) for places in chances] == [1] * len(whole.choices[0].logprobs.content)
    assert [choice.finish_reason for choice in choices] == [None] * (1 + len(chances)) + ["stop"]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [whole.usage]
    assert len({chunk.id for chunk in chunks}) == 1
    told.pop("stream_options")
    assert not [chunk.usage for chunk in client.chat.completions.create(**told) if chunk.usage]


def test_a_stream_that_is_cut_off_says_so(client: OpenAI):
    chunks = client.chat.completions.create(**body(png(scene()), max_tokens=1, stream=True))
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices] == [None, None, "length"]


def told(text: str, *spelt: str, ended: bool = False) -> QueuedReply:
    """An answer so far."""
    tokens = tuple(range(1, len(spelt) + 1))
    return QueuedReply(Answer(text, tokens, (-0.5,) * len(spelt), ()), spelt, ended, 9, 4)


def streamed(*parts: QueuedReply | Exception, logprobs: bool = False) -> list[dict[str, Any]]:
    """The events of an answer that grows so."""

    async def grown() -> AsyncIterator[QueuedReply]:
        for part in parts:
            if isinstance(part, Exception):
                raise part
            yield part

    async def events() -> list[str]:
        return [event async for event in stream(grown(), "x", logprobs, False)]

    found = asyncio.run(events())
    return [json.loads(event.removeprefix("data: ")) for event in found if "[DONE]" not in event]


def pieces(found: list[dict[str, Any]]) -> list[str]:
    return [one["choices"][0]["delta"]["content"] for one in found[1:-1]]


def test_a_stream_tells_every_token_as_it_comes():
    whole = told("a red dog", "a", " red", " dog", "</s>", ended=True)
    found = streamed(told("a", "a"), told("a red", "a", " red"), told("a red dog", "a", " red", " dog"), whole, whole)
    assert pieces(found) == ["a", " red", " dog"]
    assert found[-1]["choices"][0]["finish_reason"] == "stop"


def test_half_a_character_is_told_once_it_is_whole():
    half, whole = told("caf\ufffd", "caf", "\ufffd"), told("café", "caf", "\ufffd", "\ufffd")
    found = streamed(told("caf", "caf"), half, whole, whole, logprobs=True)
    assert pieces(found) == ["caf", "", "é"]
    assert all(len(one["choices"][0]["logprobs"]["content"]) == 1 for one in found[1:-1])


def test_what_is_half_a_character_at_the_end_is_told_as_it_is():
    cut = told("caf\ufffd", "caf", "\ufffd")
    assert "".join(pieces(streamed(told("caf", "caf"), cut, cut))) == "caf\ufffd"


def test_a_stream_that_breaks_off_ends_with_an_error():
    found = streamed(told("a", "a"), RuntimeError("the reader failed"))
    assert [one["choices"][0]["delta"] for one in found[:-1]] == [
        {"role": "assistant", "content": ""}, {"content": "a"}
    ]  # fmt: skip
    assert found[-1]["error"]["message"] == "the reader failed"


def test_a_stream_is_refused_before_it_begins(client: OpenAI):
    with pytest.raises(BadRequestError, match="positions"):
        client.chat.completions.create(**body(png(scene()), question="x" * 19_999, stream=True))


def test_a_stream_keeps_its_place_until_it_is_answered(bounded: Running, monkeypatch: pytest.MonkeyPatch):
    gate, read = threading.Event(), RequestQueue._read

    def slowly(queue: RequestQueue, batch: Any) -> Any:
        for ticket in batch:
            if ticket.listener is not None:
                ticket.listener(told("", "a"))  # the stream has begun, and its handler is done
        assert gate.wait(30)
        return read(queue, batch)

    monkeypatch.setattr(RequestQueue, "_read", slowly)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(raw, bounded, sent(stream=True)) for _ in range(2)]
        time.sleep(0.2)
        status = post(bounded, sent())[0]
        gate.set()
        assert all(one.result().endswith(b"data: [DONE]\n\n") for one in waiting)
    assert status == 503
    assert post(bounded, sent())[0] == 200


def test_tokens_are_spelt_in_bytes():
    told = QueuedReply(Answer("é", (7,), (-0.5,), ()), ("é",), True, 9, 4)
    (place,) = completion(told, "x", True)["choices"][0]["logprobs"]["content"]
    assert place == {"token": "é", "logprob": -0.5, "bytes": [0xC3, 0xA9], "top_logprobs": []}


def test_a_stream_by_hand(ours: Running):
    with wire(ours) as connection:
        data = json.dumps(body(png(scene()), stream=True)).encode()
        connection.request("POST", "/v1/chat/completions", data, {"Content-Type": "application/json; charset=utf-8"})
        answer = connection.getresponse()
        assert (answer.headers.get("content-type") or "").startswith("text/event-stream")
        events = answer.read().decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    objects = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert {one["object"] for one in objects} == {"chat.completion.chunk"}


def test_many_at_once_get_their_own_answers(ours: Running, reader: Reader):
    """Two clients, each with questions about pictures of its own."""
    questions = [QUESTION, "What kind of picture is this?"]
    asked = [(number, question) for number in range(6) for question in questions]
    with OpenAI(base_url=ours.url, api_key="a") as one, OpenAI(base_url=ours.url, api_key="b") as other:

        def ask(job: tuple[int, tuple[int, str]]) -> str | None:
            index, (number, question) = job
            client = one if index % 2 else other
            told = body(png(scene(number)), question=question)
            return client.chat.completions.create(**told).choices[0].message.content

        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(ask, enumerate(asked)))
    assert found == [expected(reader, scene(number), question).text for number, question in asked]


def test_a_picture_in_the_words_of_a_camera(client: OpenAI, reader: Reader):
    """Turned by its EXIF, as everywhere."""
    image, written = scene(), BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(written, "PNG", exif=exif)
    found = client.chat.completions.create(**body(written.getvalue(), logprobs=True)).choices[0]
    answer = expected(reader, image)
    assert found.message.content == answer.text
    assert found.logprobs is not None
    assert [place.logprob for place in found.logprobs.content or []] == pytest.approx(answer.logprobs, abs=1e-5)


# What is refused


def small(question: str = QUESTION, **changes: Any) -> dict[str, Any]:
    return {**body(png(Image.new("RGB", (20, 20), "red")), "pool-4", question), **changes}


def sent(**changes: Any) -> bytes:
    return json.dumps(small(**changes)).encode()


def picture(data: bytes) -> bytes:
    return json.dumps(body(data, "pool-4")).encode()


def header(width: int, height: int) -> bytes:
    """The beginning of a PNG that claims this size."""
    told = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + told
        + struct.pack(">I", zlib.crc32(told))
        + b"\0\0\0\4IDAT"
        + b"\0" * 50
    )


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (b"{", 400, "the body is no JSON"),
        (sent(model="pool-16"), 404, "unknown model 'pool-16'; did you mean pool-4?"),
        (sent(max_tokens=21), 400, "max_tokens is a whole number from 1 to 20, got 21"),
        (sent(temperature=1), 400, "answers are greedy"),
        (sent(**{"\ud800": 1}), 400, r"unknown parameter '\ud800'"),
        (sent(messages=[{"role": "\ud800", "content": "x"}]), 400, "one turn of the user, got ?"),
        (sent(question="what is <image>?"), 400, "a question is plain text"),
        (sent(question="x" * 19_999), 400, "positions"),
        (picture(b"GIF89a no"), 400, "is not a picture that can be read"),
        (picture(png(Image.effect_noise((90, 90), 90))[:3000]), 400, "is damaged or cut short"),
        (picture(png(Image.new("RGB", (201, 200)))), 400, "40200 pixels, the limit is 40000"),
        (picture(header(60_000, 60_000)), 400, "3600000000 pixels, the limit is 40000"),
        (b" " * 100_001, 413, "a body has at most 100000 bytes"),
        (b" " * 350_000, 413, "a body has at most 100000 bytes"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_bounds(bounded: Running, data: bytes, status: int, message: str):
    found, said, _ = post(bounded, data)
    assert (found, said["error"]["type"]) == (status, "invalid_request_error")
    assert message in said["error"]["message"]


def test_within_the_bounds(bounded: Running):
    status, said, _ = post(bounded, picture(png(Image.new("RGB", (200, 200)))))
    assert (status, said["object"]) == (200, "chat.completion")


def test_a_body_may_be_as_long_as_the_bound(bounded: Running):
    assert post(bounded, sent().ljust(100_000))[0] == 200


def test_a_body_far_beyond_the_bound_is_not_waited_for(bounded: Running):
    with wire(bounded) as connection:
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "1000000")
        connection.endheaders(b" " * 500_000)
        assert connection.getresponse().status == 413


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json ; charset=utf-8"])
def test_a_type_is_spelt_in_any_case(bounded: Running, kind: str):
    assert post(bounded, sent(), kind)[0] == 200


def test_nothing_is_fetched(bounded: Running):
    """A picture's place is named that would tell if anybody came."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        told = small()
        told["messages"][0]["content"][0]["image_url"]["url"] = f"http://127.0.0.1:{trap.getsockname()[1]}/cat.png"
        status, said, _ = post(bounded, json.dumps(told).encode())
        with pytest.raises(TimeoutError):
            trap.accept()
    assert (status, said["error"]["param"], said["error"]["code"]) == (400, "messages", "invalid_image_url")
    assert "nothing is fetched" in said["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "", "multipart/form-data"])
def test_a_page_elsewhere_cannot_ask(bounded: Running, kind: str):
    """Browsers send such types without asking whether they may."""
    status, said, _ = post(bounded, sent(), kind)
    assert status == 415
    assert "application/json" in said["error"]["message"]


def test_a_body_that_does_not_come(bounded: Running):
    with wire(bounded) as connection:
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b'{"model"')
        answer = connection.getresponse()
        assert answer.status == 408
        assert "within 0.3 s" in json.loads(answer.read())["error"]["message"]


def test_no_room(bounded: Running):
    """Two who say that they will ask are as many as there is room for."""
    with wire(bounded) as first, wire(bounded) as second:
        for connection in (first, second):
            connection.putrequest("POST", "/v1/chat/completions")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", "1000")
            connection.endheaders(b"{")
        time.sleep(0.1)
        status, said, headers = post(bounded, sent())
        assert (status, headers["Retry-After"]) == (503, "1")
        assert said["error"] | {"message": ""} == {"message": "", "type": "server_error", "param": None, "code": "busy"}
        assert [connection.getresponse().status for connection in (first, second)] == [408, 408]
    assert post(bounded, sent())[0] == 200


def test_no_room_beside_those_who_wait_for_answers(bounded: Running, monkeypatch: pytest.MonkeyPatch):
    gate, read = threading.Event(), RequestQueue._read

    def slowly(queue: RequestQueue, questions: Any) -> Any:
        assert gate.wait(30)
        return read(queue, questions)

    monkeypatch.setattr(RequestQueue, "_read", slowly)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(post, bounded, sent()) for _ in range(2)]
        time.sleep(0.2)
        status = post(bounded, b"{")[0]
        gate.set()
        assert [one.result()[0] for one in waiting] == [200, 200]
    assert status == 503


def test_a_method_that_is_not_there_hears_which_is(bounded: Running):
    with wire(bounded) as connection:
        connection.request("GET", "/v1/chat/completions")
        assert connection.getresponse().headers["Allow"] == "POST"


def test_the_queue_closes_with_the_server():
    made = serving("pool-4")
    with served(made):
        pass
    with pytest.raises(BusyError, match="closing"), made.queue.place():
        made.queue.ask(QueuedQuestion(scene(), QUESTION, 1))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/v1/chat/completions", 405), ("POST", "/v1/embeddings", 404), ("GET", "/docs", 404)],
)
def test_other_places(bounded: Running, method: str, path: str, status: int):
    with wire(bounded) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status == status
        assert "there are /v1/chat/completions and /v1/models" in json.loads(answer.read())["error"]["message"]


def test_the_client_understands_errors(client: OpenAI):
    with pytest.raises(APIStatusError) as raised:
        client.chat.completions.create(**body(b"no picture"))
    assert raised.value.status_code == 400
    assert "is not a picture" in raised.value.message


def test_a_reader_that_breaks_is_the_servers_fault(
    bounded: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with monkeypatch.context() as patched:
        patched.setattr(RequestQueue, "_read", lambda *_: 1 / 0)
        status, said, _ = post(bounded, sent())
    assert (status, said["error"]["type"]) == (500, "server_error")
    assert "ZeroDivisionError" in caplog.text
    assert "division" not in said["error"]["message"]
    assert post(bounded, sent())[0] == 200


def test_it_stops_with_what_it_began(monkeypatch: pytest.MonkeyPatch):
    """The server is told to stop while it answers: the answer still comes."""
    gate, begun, read = threading.Event(), threading.Event(), RequestQueue._read

    def slowly(queue: RequestQueue, questions: Any) -> Any:
        begun.set()
        assert gate.wait(30)
        return read(queue, questions)

    monkeypatch.setattr(RequestQueue, "_read", slowly)
    with ThreadPoolExecutor(1) as pool:
        with served(serving("pool-4")) as running:
            waiting = pool.submit(post, running, sent())
            assert begun.wait(30)
            threading.Timer(0.3, gate.set).start()
        assert waiting.result()[0] == 200
