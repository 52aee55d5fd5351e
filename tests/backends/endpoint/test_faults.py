"""Servers that misbehave: each fault is one clear error, or is coped with."""

import gzip
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from saccade.backends.endpoint import Endpoint
from saccade.backends.endpoint import transport as line
from saccade.core.answer import Answer
from saccade.core.backend import Job, JobResult
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, Conversation, Request, Tool, Turn, TurnResult, YesNo
from tests.backends.endpoint import fake as faking
from tests.backends.endpoint.fake import Fake, completion, pictures, reply, said
from tests.parts import picture

Make = Callable[..., Endpoint]
ALL = Cap.GENERATE | Cap.INSTRUCT | Cap.LOGPROBS | Cap.TOPK | Cap.MULTI_IMAGE
ASK = Ask(question="?", max_tokens=4)
IMAGE = picture(40, 30)


def one(endpoint: Endpoint, request: Request = ASK) -> JobResult:
    (seen,) = endpoint.run([Job("a", IMAGE, request)])
    return seen


def text(endpoint: Endpoint) -> str:
    found = one(endpoint).observation
    assert isinstance(found, Answer)
    return found.text


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a line would have slept; it does not."""
    slept: list[float] = []
    monkeypatch.setattr(line, "sleep", slept.append)
    return slept


def then(*answers: faking.Said) -> Callable[[dict[str, Any]], Any]:
    """These answers in turn, and then good ones."""
    following = iter(answers)
    return lambda body: next(following, None) or completion(body)


# What a server can do


def test_everything_is_found_in_three_calls(fake: Fake, endpoint: Make):
    assert endpoint().caps == ALL
    assert [len(pictures(body)) for body in fake.seen] == [1, 2, 0]
    assert [body["max_tokens"] for body in fake.seen] == [1, 1, 1]


def test_log_probabilities_that_are_left_out_silently(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply("Yes", {**body, "logprobs": False})
    made = endpoint()
    assert made.caps == ALL & ~(Cap.LOGPROBS | Cap.TOPK)
    assert one(made, YesNo(question="?")).observation == 1.0
    answer = one(made).observation
    assert isinstance(answer, Answer)
    assert (answer.logprobs, answer.top) == ((), ())
    assert all("logprobs" not in body for body in fake.seen[2:])


def test_log_probabilities_that_are_refused(fake: Fake, endpoint: Make):
    fake.behave = lambda body: (
        said({"detail": "logprobs are not supported"}, 400) if "logprobs" in body else completion(body)
    )
    made = endpoint()
    assert made.caps == ALL & ~(Cap.LOGPROBS | Cap.TOPK)
    assert text(made) == "red"


def test_fewer_alternatives_than_the_api_allows(fake: Fake, endpoint: Make):
    fake.behave = lambda body: (
        said({"error": "at most 5"}, 422) if body.get("top_logprobs", 0) > 5 else completion(body)
    )
    made = endpoint()
    assert made.caps == ALL
    one(made, YesNo(question="?"))
    assert fake.seen[-1]["top_logprobs"] == 5


def test_log_probabilities_without_alternatives(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply("red", {**body, "top_logprobs": 0})
    made = endpoint()
    assert made.caps == ALL & ~Cap.TOPK
    answer = one(made).observation
    assert isinstance(answer, Answer)
    assert len(answer.logprobs) == 1
    assert answer.top == ()


def test_several_pictures_that_are_refused(fake: Fake, endpoint: Make):
    def single(body: dict) -> Any:
        many = len(pictures(body)) > 1
        return said({"error": {"message": "At most 1 image(s) may be provided"}}, 400) if many else completion(body)

    fake.behave = single
    assert endpoint().caps == ALL & ~Cap.MULTI_IMAGE


def test_a_server_without_eyes_answers_no_questions_about_pictures(fake: Fake, endpoint: Make):
    fake.behave = lambda body: said({"error": "no images"}, 400) if pictures(body) else completion(body)
    made = endpoint()
    assert made.caps == Cap.INSTRUCT
    with pytest.raises(SaccadeError, match="needs GENERATE, which tiny has not"):
        one(made)


def test_a_server_that_refuses_everything_is_believed_in_its_own_words(fake: Fake, endpoint: Make):
    fake.behave = lambda body: said({"error": {"message": "temperature must be 1"}}, 400)
    with pytest.raises(SaccadeError, match=r"refused \(400: temperature must be 1\); what it says is what to change"):
        _ = endpoint().caps


@pytest.mark.parametrize("images", [1, 2])
def test_no_key_says_nothing_about_capabilities(fake: Fake, endpoint: Make, images: int):
    fake.behave = lambda body: said({"error": "no"}, 401) if len(pictures(body)) == images else completion(body)
    with pytest.raises(SaccadeError, match="401: no"):
        _ = endpoint().caps


def test_what_could_not_be_found_out_is_asked_again(fake: Fake, endpoint: Make):
    fake.behave = lambda body: said({}, 500)
    made = endpoint(tries=1)
    with pytest.raises(SaccadeError, match="failed"):
        _ = made.caps
    fake.behave = completion
    assert made.caps == ALL


# Faults that may pass


def test_asked_too_much_then_fine(fake: Fake, endpoint: Make, naps: list[float]):
    fake.behave = then(said({"error": "slow down"}, 429, Retry_After="7"), said({"error": "slow down"}, 429))
    assert text(endpoint(caps=ALL, pause=0.5)) == "red"
    assert naps == [7, 1.0]
    assert len(fake.seen) == 3


def test_a_date_to_come_back_at(fake: Fake, endpoint: Make, naps: list[float]):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    fake.behave = then(said({}, 503, Retry_After=soon), said({}, 503, Retry_After="whenever"))
    assert text(endpoint(caps=ALL, pause=0.25)) == "red"
    assert 17 < naps[0] <= 20
    assert naps[1] == 0.5


def test_a_time_that_is_over_is_not_waited_for(fake: Fake, endpoint: Make, naps: list[float]):
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=20), usegmt=True)
    fake.behave = then(said({}, 503, Retry_After=past), said({}, 503, Retry_After="-5"))
    assert text(endpoint(caps=ALL)) == "red"
    assert naps == [0, 0]


def test_as_long_as_patience_is_waited(fake: Fake, endpoint: Make, naps: list[float]):
    fake.behave = then(said({}, 429, Retry_After="7"))
    assert text(endpoint(caps=ALL, patience=7)) == "red"
    assert naps == [7]


def test_a_wait_that_is_too_long_is_not_waited(fake: Fake, endpoint: Make, naps: list[float]):
    fake.behave = lambda body: said({"error": "quota"}, 429, Retry_After="3600")
    expected = (
        r"is asked too much \(429: quota\), and asks to wait 3600 s, longer than patience=30; tried once. "
        "Come back later, or raise patience="
    )
    with pytest.raises(SaccadeError, match=expected):
        text(endpoint(caps=ALL))
    assert (len(fake.seen), naps) == (1, [])


def test_always_too_much(fake: Fake, endpoint: Make, naps: list[float]):
    fake.behave = lambda body: said({"error": "slow down"}, 429)
    with pytest.raises(SaccadeError, match=r"429: slow down\); tried 3 times in .* s. Ask less at once"):
        text(endpoint(caps=ALL))
    assert len(fake.seen) == 3


@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_always_failing(fake: Fake, endpoint: Make, naps: list[float], status: int):
    fake.behave = lambda body: said({"error": {"message": "out of memory"}}, status)
    expected = rf"failed \({status}: out of memory\); tried 4 times in .* s. Look into the server's log"
    with pytest.raises(SaccadeError, match=expected):
        text(endpoint(caps=ALL, tries=4, pause=0.5))
    assert len(fake.seen) == 4
    assert naps == [0.5, 1.0, 2.0]


def test_pauses_have_an_end(fake: Fake, endpoint: Make, naps: list[float]):
    fake.behave = lambda body: said({}, 500)
    with pytest.raises(SaccadeError, match="tried 6 times"):
        text(endpoint(caps=ALL, tries=6, pause=1, patience=5))
    assert naps == [1, 2, 4, 5, 5]


def test_no_answer_in_time(fake: Fake, endpoint: Make):
    def late(body: dict) -> dict:
        time.sleep(0.4)
        return completion(body)

    fake.behave = late
    with pytest.raises(SaccadeError, match=r"gave no answer within 0.1 s; tried 2 times in .* s. Raise timeout="):
        text(endpoint(caps=ALL, timeout=0.1, tries=2))


def test_a_reply_that_drips(fake: Fake, endpoint: Make):
    """Each byte comes in time, the whole does not."""
    fake.behave = lambda body: faking.Said(200, (b" " for _ in range(1000)), gap=0.05)
    start = time.monotonic()
    with pytest.raises(SaccadeError, match=r"gave no answer within 0.3 s; tried once"):
        text(endpoint(caps=ALL, timeout=0.3, tries=1))
    assert time.monotonic() - start < 2


def test_a_reply_without_end(fake: Fake, endpoint: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(line, "LARGEST", 1000)
    fake.behave = lambda body: faking.Said(200, (b" " * 600 for _ in range(3)))
    with pytest.raises(SaccadeError, match="more than 1000 bytes"):
        text(endpoint(caps=ALL))


def test_a_reply_that_breaks_off(fake: Fake, endpoint: Make):
    fake.behave = lambda body: faking.Said(200, (b'{"choices"',), {"Content-Length": "500"})
    with pytest.raises(SaccadeError, match=r"cannot be reached, or closed the connection .*; tried 3 times"):
        text(endpoint(caps=ALL))


def test_a_reply_that_is_packed_wrongly(fake: Fake, endpoint: Make):
    fake.behave = lambda body: faking.Said(200, (b"no gzip",), {"Content-Encoding": "gzip"})
    with pytest.raises(SaccadeError, match="cannot be reached, or closed the connection"):
        text(endpoint(caps=ALL, tries=1))


def test_a_reply_that_is_packed_well(fake: Fake, endpoint: Make):
    packed = gzip.compress(json.dumps(reply("blue", {})).encode())
    fake.behave = lambda body: faking.Said(200, (packed,), {"Content-Encoding": "gzip"})
    assert text(endpoint(caps=ALL)) == "blue"


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        Endpoint(f"http://127.0.0.1:{port}/v1", "tiny", caps=ALL, tries=2, pause=0.01) as made,
        pytest.raises(SaccadeError, match=r"or closed the connection \(.*efused.*\); tried 2 times .* Is the server"),
    ):
        text(made)


# Faults that stay


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 418, 422, 425])
def test_what_is_refused_is_not_tried_again(fake: Fake, endpoint: Make, naps: list[float], status: int):
    fake.behave = lambda body: said({"error": {"message": "so not"}}, status)
    with pytest.raises(SaccadeError, match=rf"refused \({status}: so not\); "):
        text(endpoint(caps=ALL))
    assert (len(fake.seen), naps) == (1, [])


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b'{"choices": [', b"", b"[" * 100_000])
def test_no_json(fake: Fake, endpoint: Make, body: bytes):
    fake.behave = lambda _: faking.Said(200, (body,))
    with pytest.raises(SaccadeError, match=r"tiny at http://127.* answered with what is no JSON: .*check that the URL"):
        text(endpoint(caps=ALL))
    assert len(fake.seen) == 1


LISTED = {"content": [{"token": "a", "logprob": None}]}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([1], "JSON that is no object"),
        ({"error": {"message": "broken"}}, "answered with an error: .*broken"),
        ({"choices": []}, "without choices"),
        ({"choices": None}, "without choices"),
        ({"choices": ["x"]}, "without choices"),
        ({"object": "x" * 500}, r"without choices: .{120} …; is it an OpenAI-compatible server\?"),
        ({"choices": [{}]}, "without a message"),
        ({"choices": [{"message": {"content": 3}}]}, "whose content is no text"),
        ({"choices": [{"message": {"tool_calls": [{"id": "x"}]}}]}, "whose tool_calls are none"),
        ({"choices": [{"message": {"tool_calls": ["x"]}}]}, "whose tool_calls are none"),
        ({"choices": [{"message": {"content": ""}, "logprobs": LISTED}]}, "whose logprobs are no log-probabilities"),
        (
            {"choices": [{"message": {"content": ""}, "logprobs": {"content": [{"logprob": float("nan")}]}}]},
            "whose logprobs are no log-probabilities",
        ),
        (
            {"choices": [{"message": {"content": ""}, "logprobs": {"content": [{"logprob": -(10**400)}]}}]},
            "whose logprobs are no log-probabilities",
        ),
    ],
)
def test_json_that_is_no_completion(fake: Fake, endpoint: Make, found: object, message: str):
    fake.behave = lambda body: said(found)
    with pytest.raises(SaccadeError, match=message):
        text(endpoint(caps=ALL))


def test_nothing_said(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply(None, body)
    assert text(endpoint(caps=ALL)) == ""


def test_nothing_said_within_the_limit(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply(None, body, finish_reason="length")
    with pytest.raises(SaccadeError, match="said nothing within max_tokens=4, as models do that think first; raise"):
        text(endpoint(caps=ALL))


def test_withheld(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply(None, body, finish_reason="content_filter")
    with pytest.raises(SaccadeError, match="a content filter withheld all it said"):
        text(endpoint(caps=ALL))


def test_an_answer_that_was_cut_off_is_what_was_asked_for(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply(" the red one is ", body, finish_reason="length")
    assert text(endpoint(caps=ALL)) == "the red one is"


def test_a_refusal_is_an_answer(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply(None, body, message={"content": None, "refusal": "I would rather not."})
    assert text(endpoint(caps=ALL)) == "I would rather not."


def test_a_call_that_was_cut_off(fake: Fake, endpoint: Make):
    calls = [{"id": "c", "function": {"name": "look", "arguments": '{"box": [1'}}]
    message = {"content": None, "tool_calls": calls}
    fake.behave = lambda body: reply(None, body, message=message, finish_reason="length")
    talk = Conversation(turns=(Turn("user", "?"),), tools=(Tool("look", "", "{}"),), max_tokens=16)
    with pytest.raises(SaccadeError, match="cut off after max_tokens=16 while it called look; raise max_tokens"):
        one(endpoint(caps=ALL, tools=True), talk)
    fake.behave = lambda body: reply(None, body, message=message)
    found = one(endpoint(caps=ALL, tools=True), talk).observation
    assert isinstance(found, TurnResult)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (None, (None, None)),
        ("many", (None, None)),
        ({}, (None, None)),
        ({"prompt_tokens": -1}, (None, None)),
        ({"prompt_tokens": True}, (None, None)),
        ({"prompt_tokens": 9.5}, (None, None)),
        ({"prompt_tokens": 9}, (None, 9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, (None, 9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"image_tokens": "4"}}, (None, 9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"image_tokens": 4}}, (4, 9)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "total_tokens": 10,
                "prompt_tokens_details": {"image_tokens": 0},
            },
            (0, 9),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "total_tokens": 99,
                "prompt_tokens_details": {"image_tokens": 4},
            },
            (None, None),
        ),
    ],
)
def test_counts_that_are_missing_or_wrong_are_not_believed(
    fake: Fake, endpoint: Make, usage: object, counted: tuple[int | None, int | None]
):
    fake.behave = lambda body: {**completion(body), "usage": usage}
    seen = one(endpoint(caps=ALL))
    assert (seen.visual_tokens, seen.tokens) == counted


def test_a_list_of_models_that_is_none(fake: Fake, endpoint: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fake, "answer", lambda *_: said({"data": "none"}))
    with pytest.raises(SaccadeError, match="lists no models; name one with model="):
        _ = endpoint(None).model
