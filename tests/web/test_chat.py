"""Bodies: what is understood, and what is refused by name."""

import base64
import json
from typing import Any

import pytest

from saccade.api.serving import ServerLimits
from saccade.web.chat import Chat, read
from saccade.web.refusal import RefusalError

LIMITS = ServerLimits(characters=50, max_tokens=100)
URI = "data:image/png;base64," + base64.b64encode(b"picture").decode()
IMAGE = {"type": "image_url", "image_url": {"url": URI}}
TEXT = {"type": "text", "text": "which colour?"}


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


BODY: dict[str, Any] = {"model": "llava", "messages": user(IMAGE, TEXT)}


def chat(**changes: Any) -> Chat:
    return read(json.dumps({**BODY, **changes}).encode(), "llava", LIMITS)


def test_the_least_that_is_understood():
    assert chat() == Chat(b"picture", "which colour?", 64, False, 0, False, False)


def test_everything_that_is_understood():
    found = chat(
        messages=user(TEXT, {**IMAGE, "image_url": {"url": URI, "detail": "auto"}}, {"type": "text", "text": "say"}),
        max_tokens=9, logprobs=True, top_logprobs=20, stream=True, stream_options={"include_usage": True},
        temperature=0.0, top_p=1, n=1, seed=3, user="me", presence_penalty=0, frequency_penalty=None,
    )  # fmt: skip
    assert found == Chat(b"picture", "which colour?\nsay", 9, True, 20, True, True)


def test_what_a_uri_is_spelt_with_and_a_question_of_full_length():
    shouted = "DATA:Image/PNG;base64," + URI.partition(",")[2]
    found = chat(
        messages=user({"type": "image_url", "image_url": {"url": shouted}}, {"type": "text", "text": "x" * 50})
    )
    assert (found.picture, found.text) == (b"picture", "x" * 50)


def test_either_name_of_the_limit():
    assert chat(max_completion_tokens=7).max_tokens == 7
    assert chat(max_tokens=7).max_tokens == 7
    assert chat(max_tokens=7, max_completion_tokens=7).max_tokens == 7
    assert chat(max_tokens=100).max_tokens == 100
    assert read(json.dumps(BODY).encode(), "llava", ServerLimits(max_tokens=5)).max_tokens == 5


def uri(text: str) -> dict[str, Any]:
    return {"messages": user({"type": "image_url", "image_url": {"url": text}}, TEXT)}


@pytest.mark.parametrize(
    ("changes", "message", "param"),
    [
        ({"temprature": 0}, "unknown parameter 'temprature'; did you mean temperature", "temprature"),
        ({"tools": []}, "unknown parameter 'tools'", "tools"),
        ({"temperature": 0.7}, "answers are greedy: temperature is 0, got 0.7; leave it out", "temperature"),
        ({"n": 2}, "n is 1, got 2", "n"),
        ({"n": True}, "n is 1, got True", "n"),
        ({"temperature": False}, "temperature is 0, got False", "temperature"),
        ({"top_p": 0.5}, "top_p is 1, got 0.5", "top_p"),
        ({"max_tokens": 0}, "max_tokens is a whole number from 1 to 100, got 0", "max_tokens"),
        ({"max_tokens": 101}, "from 1 to 100, got 101", "max_tokens"),
        ({"max_tokens": 2.5}, "got 2.5", "max_tokens"),
        ({"max_tokens": True}, "got True", "max_tokens"),
        ({"max_completion_tokens": "9"}, "max_completion_tokens is a whole number", "max_completion_tokens"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens=4 and max_tokens=3", "max_tokens"),
        ({"logprobs": 1}, "logprobs is true or false, got 1", "logprobs"),
        ({"stream": "yes"}, "stream is true or false", "stream"),
        ({"top_logprobs": 3}, "top_logprobs=3 needs logprobs=true", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "from 0 to 20, got 21", "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "beside stream=true", "stream_options"),
        ({"stream": True, "stream_options": {"other": True}}, "beside stream=true", "stream_options"),
        (
            {"stream": True, "stream_options": {"include_usage": True, "other": 1}},
            "beside stream=true",
            "stream_options",
        ),
        ({"messages": []}, "one turn of the user, got none", "messages"),
        ({"messages": "hi"}, "one turn of the user, got none", "messages"),
        ({"messages": [{"role": "system", "content": "x"}, *user(IMAGE)]}, "got system, user", "messages"),
        ({"messages": ["hi"]}, r"got \?", "messages"),
        ({"messages": [{"role": "user", "content": "no picture"}]}, "reads 1 picture a question, got 0", "messages"),
        ({"messages": user(IMAGE, IMAGE, TEXT)}, "reads 1 picture a question, got 2; send 1", "messages"),
        ({"messages": user({"type": "input_audio"})}, "text and image_url parts, got .*input_audio", "messages"),
        ({"messages": user({"type": "text", "text": 3})}, "text and image_url parts", "messages"),
        ({"messages": [{"role": "user"}]}, "text and image_url parts", "messages"),
        (
            {"messages": user({"type": "image_url", "image_url": {"url": URI, "detail": "high"}})},
            "got detail='high'; the model has one way of looking",
            "messages",
        ),
        (
            uri("https://example.org/cat.png"),
            "a data URI .* got 'https://example.org/cat.png'; nothing is fet",
            "messages",
        ),
        (uri("http://127.0.0.1/cat.png"), "nothing is fetched", "messages"),
        (uri("file:///etc/passwd"), "nothing is fetched", "messages"),
        (uri("/etc/passwd"), "nothing is fetched", "messages"),
        (uri("data:text/html;base64,AAAA"), "a data URI", "messages"),
        (uri("data:image/png,AAAA"), "a data URI", "messages"),
        (uri("data:image/png;base64"), "a data URI", "messages"),
        (uri("data:image/png;base64,@@@"), "no base64", "messages"),
        (uri("data:image/png;base64,AAA"), "no base64", "messages"),
        (uri("data:image/png;base64,é"), "no base64", "messages"),
        ({"messages": user(IMAGE, {"type": "text", "text": "x" * 51})}, "at most 50 characters, got 51", "messages"),
        ({"messages": user(IMAGE, {"type": "text", "text": "\ud800"})}, "half a character is none", "messages"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str, param: str):
    with pytest.raises(RefusalError, match=message) as raised:
        chat(**changes)
    assert (raised.value.status, raised.value.param) == (400, param)


@pytest.mark.parametrize("model", ["lava", None, 3])
def test_refuses_another_model(model: object):
    with pytest.raises(RefusalError, match="unknown model") as raised:
        chat(model=model)
    assert (raised.value.status, raised.value.code) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "no JSON"),
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1]", "send a JSON object"),
    ],
)
def test_refuses_what_is_no_object(body: bytes, message: str):
    with pytest.raises(RefusalError, match=message):
        read(body, "llava", LIMITS)
