"""Requests as they arrive at a server, and what is made of its answers."""

import base64
import json
import math
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from saccade.backends.endpoint import Endpoint
from saccade.core.answer import Answer
from saccade.core.backend import Backend, Job
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import (
    WHOLE,
    Ask,
    Conversation,
    ImageRegion,
    Request,
    Tool,
    ToolCall,
    Turn,
    TurnResult,
    Watch,
    YesNo,
)
from saccade.core.size import Size
from saccade.core.view import View
from saccade.views.image_region import shown
from tests.backends.endpoint.fake import Fake, completion, pictures, reply, said
from tests.parts import picture

Make = Callable[..., Endpoint]
ALL = Cap.GENERATE | Cap.INSTRUCT | Cap.LOGPROBS | Cap.TOPK | Cap.MULTI_IMAGE
IMAGE = picture(90, 60)
LOOK = Tool("look", "Shows a part.", json.dumps({"type": "object", "properties": {"box": {"type": "array"}}}))


def one(endpoint: Backend, request: Request):
    (seen,) = endpoint.run([Job("a", IMAGE, request)])
    return seen


def open_model(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    with Image.open(BytesIO(base64.b64decode(data))) as found:
        return np.asarray(found.convert("RGB"))


def test_asks_greedily_with_pictures_as_the_sights_show_them(fake: Fake, endpoint: Make):
    sights = (ImageRegion(side=30), ImageRegion(Box(10, 5, 50, 45), mark=Box(20, 10, 30, 20)))
    made = endpoint(caps=ALL)
    seen = one(made, Ask(question="which colour?", sights=sights, max_tokens=7, top=2))
    (body,) = fake.seen
    (message,) = body["messages"]
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["image_url", "image_url", "text"]
    assert message["content"][-1]["text"] == "which colour?"
    for uri, sight in zip(pictures(body), sights, strict=True):
        np.testing.assert_array_equal(open_model(uri), np.asarray(shown(IMAGE, sight)))
    assert {name: body[name] for name in body if name != "messages"} == {
        "model": "tiny",
        "temperature": 0,
        "max_tokens": 7,
        "logprobs": True,
        "top_logprobs": 2,
    }
    answer = seen.observation
    assert isinstance(answer, Answer)
    assert (answer.text, answer.tokens) == ("red", ())
    assert answer.logprobs == pytest.approx((math.log(0.5),))
    assert [[token for token, _ in place] for place in answer.top] == [["red", "blue"]]
    assert answer.top[0][1][1] == pytest.approx(math.log(0.25))
    assert seen.views == (View(Box(0, 0, 90, 60), Size(30, 20)), View(Box(10, 5, 50, 45), Size(40, 40), "slice"))
    assert (seen.visual_tokens, seen.tokens) == (None, 40)


def test_a_text_question_is_plain_text(fake: Fake, endpoint: Make):
    one(endpoint(caps=ALL), Ask(question="what is red?", sights=()))
    assert fake.seen[0]["messages"] == [{"role": "user", "content": "what is red?"}]


def test_alternatives_are_clipped_to_what_the_api_lists(fake: Fake, endpoint: Make):
    one(endpoint(caps=ALL), Ask(question="?", top=50))
    one(endpoint(caps=ALL), Ask(question="?", top=0))
    assert fake.seen[0]["top_logprobs"] == 20
    assert fake.seen[1]["logprobs"] is True
    assert "top_logprobs" not in fake.seen[1]


def test_alternatives_come_with_the_likeliest_first_and_minus_infinity_is_a_number(fake: Fake, endpoint: Make):
    def mixed(body: dict) -> dict:
        made = reply("red", body)
        place = made["choices"][0]["logprobs"]["content"][0]
        place["top_logprobs"] = [{"token": "a", "logprob": -math.inf}, {"token": "b", "logprob": 1e-7}]
        return made

    fake.behave = mixed
    answer = one(endpoint(caps=ALL), Ask(question="?")).observation
    assert isinstance(answer, Answer)
    assert answer.top == ((("b", 0.0), ("a", -9999.0)),)


def test_several_jobs_in_their_order(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply(body["messages"][0]["content"][-1]["text"].upper(), body)
    jobs = [Job(number, IMAGE, Ask(question=word)) for number, word in enumerate("abc")]
    found = [seen.observation for seen in endpoint(caps=ALL).run(jobs)]
    assert [answer.text for answer in found if isinstance(answer, Answer)] == ["A", "B", "C"]


def test_many_threads_share_one(fake: Fake, endpoint: Make):
    def behave(body):
        said = body["messages"][0]["content"]
        return reply((said if isinstance(said, str) else said[-1]["text"]).upper(), body)

    fake.behave = behave
    made = endpoint(None)
    words = [f"word {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda word: one(made, Ask(question=word)).observation.text, words))
    assert found == [word.upper() for word in words]
    assert len(fake.seen) == len(words) + 3  # what it can do was found out once, in three calls


@pytest.mark.parametrize("word", ["Yes", "yes", " YES", "▁Yes", "Ġyes"])
def test_yes_in_any_spelling(fake: Fake, endpoint: Make, word: str):
    fake.behave = lambda body: reply(word, body, {word: 0.6, "No": 0.2})
    seen = one(endpoint(caps=ALL), YesNo(question="is it red?"))
    assert seen.observation == pytest.approx(0.75)
    assert fake.seen[0]["max_tokens"] == 1
    assert fake.seen[0]["top_logprobs"] == 20


@pytest.mark.parametrize(
    ("text", "chance"),
    [
        ("Yes.", 1.0),
        ("yes, it is", 1.0),
        ("**No**", 0.0),
        ("no", 0.0),
        ("Nothing", 0.5),
        ("It is. Yes", 0.5),
        ("", 0.5),
    ],
)
def test_yes_and_no_in_words_where_there_are_no_probabilities(fake: Fake, endpoint: Make, text: str, chance: float):
    fake.behave = lambda body: reply(text, body)
    assert one(endpoint(caps=Cap.GENERATE | Cap.INSTRUCT), YesNo(question="?")).observation == chance
    assert "logprobs" not in fake.seen[0]


def test_yes_by_its_own_probability_where_no_others_are_listed(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply("Yes", body, {"Yes": 0.9})
    caps = Cap.GENERATE | Cap.INSTRUCT | Cap.LOGPROBS
    assert one(endpoint(caps=caps), YesNo(question="?")).observation == pytest.approx(0.9 / 0.95)
    assert "top_logprobs" not in fake.seen[0]


def test_yes_by_its_own_probability_where_the_first_place_lists_none(fake: Fake, endpoint: Make):
    def late(body: dict) -> dict:
        made = reply("Yes", body, {"Yes": 0.9})
        places = made["choices"][0]["logprobs"]["content"]
        places[:] = [{**places[0], "top_logprobs": []}, {**places[0], "top_logprobs": [{"token": "No", "logprob": -1}]}]
        return made

    fake.behave = late
    assert one(endpoint(caps=ALL), YesNo(question="?")).observation == pytest.approx(0.9 / 0.95)


def test_yes_in_words_where_probabilities_were_promised_and_are_missing(fake: Fake, endpoint: Make):
    fake.behave = lambda body: reply("No, never.", {**body, "logprobs": False})
    assert one(endpoint(caps=ALL), YesNo(question="?")).observation == 0.0
    assert [(body["max_tokens"], "logprobs" in body) for body in fake.seen] == [(1, True), (8, False)]


def test_a_conversation_with_calls(fake: Fake, endpoint: Make):
    call = ToolCall("look", '{"box": [0, 0, 9, 9]}', "c1")
    turns = (
        Turn("system", "You look closely."),
        Turn("user", "what is it?", (WHOLE,)),
        Turn("assistant", "", call=call),
        Turn("tool", "here", (ImageRegion(side=20),), call=call),
        Turn("assistant", "", call=ToolCall("look", "{}")),
        Turn("tool", "again", (ImageRegion(side=10),)),
    )
    asking = [{"id": "c2", "type": "function", "function": {"name": "look", "arguments": '{"box": [1, 2, 3, 4]}'}}]
    message = {"role": "assistant", "content": None, "tool_calls": asking}
    fake.behave = lambda body: reply("", body, message=message, finish_reason="tool_calls")
    seen = one(endpoint(caps=ALL, tools=True), Conversation(turns=turns, tools=(LOOK,), max_tokens=99))
    (body,) = fake.seen
    assert [message["role"] for message in body["messages"]] == [
        "system", "user", "assistant", "tool", "user", "assistant", "tool", "user",
    ]  # fmt: skip
    assert body["messages"][2]["tool_calls"][0]["id"] == body["messages"][3]["tool_call_id"] == "c1"
    assert body["messages"][5]["tool_calls"][0]["id"] == body["messages"][6]["tool_call_id"] != ""
    assert [open_model(uri).shape[1] for uri in pictures(body)] == [90, 20, 10]
    assert body["max_tokens"] == 99
    (function,) = body["tools"]
    assert function["type"] == "function"
    assert (function["function"]["name"], function["function"]["description"]) == ("look", "Shows a part.")
    assert function["function"]["parameters"]["properties"] == {"box": {"type": "array"}}
    assert isinstance(seen.observation, TurnResult)
    assert seen.observation.call == ToolCall("look", '{"box": [1, 2, 3, 4]}', "c2")
    assert seen.observation.answer.text == ""
    assert len(seen.views) == 3


def test_pictures_of_tools_wait_for_the_other_answers(fake: Fake, endpoint: Make):
    call = ToolCall("look", "{}", "c1")
    turns = (
        Turn("user", "?"),
        Turn("assistant", "", call=call),
        Turn("tool", "a", (WHOLE,), call=call),
        Turn("tool", "b", (WHOLE,), call=call),
    )
    one(endpoint(caps=ALL, tools=True), Conversation(turns=turns))
    assert [message["role"] for message in fake.seen[0]["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert len(pictures(fake.seen[0])) == 2


def test_answers_go_to_their_own_calls(fake: Fake, endpoint: Make):
    first, second = ToolCall("look", "{}", "c1"), ToolCall("look", "{}", "c2")
    turns = (
        Turn("user", "?"),
        Turn("assistant", "", call=first),
        Turn("assistant", "", call=second),
        Turn("tool", "a", call=first),
        Turn("tool", "b", call=second),
    )
    one(endpoint(caps=ALL, tools=True), Conversation(turns=turns))
    answered = [(message["tool_call_id"], message["content"]) for message in fake.seen[0]["messages"][3:]]
    assert answered == [("c1", "a"), ("c2", "b")]


def test_calls_without_ids_are_told_apart_and_words_beside_them_kept(fake: Fake, endpoint: Make):
    call = ToolCall("look", "{}")
    said = [turn for word in "ab" for turn in (Turn("assistant", word, call=call), Turn("tool", "here"))]
    one(endpoint(caps=ALL, tools=True), Conversation(turns=(Turn("user", "?"), *said)))
    messages = fake.seen[0]["messages"]
    assert [messages[place]["content"] for place in (1, 3)] == ["a", "b"]
    called = [messages[place]["tool_calls"][0]["id"] for place in (1, 3)]
    assert [messages[place]["tool_call_id"] for place in (2, 4)] == called
    assert len(set(called)) == 2


def test_a_call_without_arguments_has_none(fake: Fake, endpoint: Make):
    message = {"content": None, "tool_calls": [{"id": "c", "function": {"name": "look"}}]}
    fake.behave = lambda body: reply(None, body, message=message)
    found = one(endpoint(caps=ALL, tools=True), Conversation(turns=(Turn("user", "?"),), tools=(LOOK,))).observation
    assert isinstance(found, TurnResult)
    assert found.call == ToolCall("look", "{}", "c")


def test_a_conversation_ends_in_words(fake: Fake, endpoint: Make):
    found = one(endpoint(caps=ALL), Conversation(turns=(Turn("user", "?", (WHOLE,)),))).observation
    assert isinstance(found, TurnResult)
    assert (found.answer.text, found.call) == ("red", None)
    assert "tools" not in fake.seen[0]


def test_arguments_that_come_as_an_object_are_spelt_out(fake: Fake, endpoint: Make):
    calls = [{"function": {"name": "look", "arguments": {"box": [1]}}}, {"function": {"name": "other"}}]
    fake.behave = lambda body: reply("", body, message={"content": "so", "tool_calls": calls})
    found = one(endpoint(caps=ALL, tools=True), Conversation(turns=(Turn("user", "?"),), tools=(LOOK,))).observation
    assert isinstance(found, TurnResult)
    assert (found.answer.text, found.call) == ("so", ToolCall("look", '{"box": [1]}', ""))


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ((Turn("assistant", "see", (WHOLE,)),), "turn 0 is the assistant's and shows 1 sights"),
        ((Turn("user", "?"), Turn("tool", "here")), "turn 1 is a tool's, but nobody called"),
    ],
)
def test_a_conversation_that_the_api_has_no_place_for(endpoint: Make, turns: tuple[Turn, ...], message: str):
    with pytest.raises(SaccadeError, match=message):
        one(endpoint(caps=ALL, tools=True), Conversation(turns=turns))


@pytest.mark.parametrize(("parameters", "message"), [("{", "are no JSON"), ("[1]", "give a JSON schema's object")])
def test_a_tool_whose_parameters_are_no_schema(endpoint: Make, parameters: str, message: str):
    with pytest.raises(SaccadeError, match=f"'look' .*{message}"):
        one(
            endpoint(caps=ALL, tools=True),
            Conversation(turns=(Turn("user", "?"),), tools=(Tool("look", "", parameters),)),
        )


def test_what_a_server_cannot_do_is_refused_before_anything_is_sent(fake: Fake, endpoint: Make):
    made = endpoint(caps=Cap.GENERATE | Cap.INSTRUCT)
    with pytest.raises(SaccadeError, match="Watch as it is asked needs ATTN_LM, which tiny has not"):
        one(made, Watch(questions=("?",)))
    with pytest.raises(SaccadeError, match="needs KV_READ"):
        made.price(Size(9, 9), Watch(questions=("?",), by="values"))
    with pytest.raises(SaccadeError, match="needs MULTI_IMAGE"):
        one(made, Ask(question="?", sights=(WHOLE, WHOLE)))
    with pytest.raises(SaccadeError, match="needs TOOLS"):
        one(made, Conversation(turns=(Turn("user", "?"),), tools=(LOOK,)))
    assert fake.seen == []


def test_tools_are_believed_where_they_are_told(endpoint: Make):
    assert Cap.TOOLS in endpoint(tools=True).caps
    assert Cap.TOOLS in endpoint(caps=ALL | Cap.TOOLS).caps
    assert Cap.TOOLS not in endpoint().caps


def test_tokens_are_what_the_server_counted(fake: Fake, endpoint: Make):
    usage = {"prompt_tokens": 40, "completion_tokens": 1, "prompt_tokens_details": {"image_tokens": 25}}
    fake.behave = lambda body: {**completion(body), "usage": usage}
    made, request = endpoint(caps=ALL), Ask(question="a?")
    assert made.price(Size(90, 60), request).visual_tokens is None
    seen = one(made, request)
    assert (seen.visual_tokens, seen.tokens) == (25, 40)
    price = made.price(Size(90, 60), Ask(question="another?"))
    assert (price.visual_tokens, price.tokens, price.flops, price.bytes) == (25, None, None, None)
    assert made.price(Size(90, 61), request).visual_tokens is None
    assert made.price(Size(90, 60), Ask(question="a?", sights=(ImageRegion(side=9),))).visual_tokens is None


def test_the_only_model_is_taken(fake: Fake, endpoint: Make):
    made = endpoint(None)
    assert made.model == "tiny"
    assert made.name == fake.url
    one(made, Ask(question="?"))
    assert {body["model"] for body in fake.seen} == {"tiny"}


def test_one_of_several_models_has_to_be_named(fake: Fake, endpoint: Make):
    fake.models = ["small", "large"]
    with pytest.raises(SaccadeError, match="serves 2 models: large, small; name one with model="):
        _ = endpoint(None).caps
    fake.models = []
    with pytest.raises(SaccadeError, match="serves 0 models: none that it lists"):
        _ = endpoint(None).model


def test_an_unknown_model_gets_near_matches(fake: Fake, endpoint: Make):
    fake.models = ["small", "large"]
    fake.behave = lambda body: said({"error": {"message": "no such model"}}, 404)
    with pytest.raises(SaccadeError, match=r"unknown model at http://127.* 'smal'; did you mean small\?"):
        one(endpoint("smal", caps=ALL), Ask(question="?"))
    with pytest.raises(SaccadeError, match=r"refused \(404: no such model\); check the URL and model="):
        one(endpoint("small", caps=ALL), Ask(question="?"))


def test_the_newer_name_of_the_limit_is_learned(fake: Fake, endpoint: Make):
    def newer(body: dict):
        if "max_tokens" in body:
            return said({"error": {"message": "'max_tokens' is not supported, use 'max_completion_tokens'"}}, 400)
        return completion(body)

    fake.behave = newer
    made = endpoint(caps=ALL)
    one(made, Ask(question="?", max_tokens=3))
    one(made, Ask(question="?", max_tokens=3))
    assert ["max_tokens" in body for body in fake.seen] == [True, False, False]
    assert fake.seen[-1]["max_completion_tokens"] == 3


def test_the_key_is_sent_and_never_shown(fake: Fake, endpoint: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    fake.behave = lambda body: said({"error": {"message": "bad key sk-secret"}}, 401)
    made = endpoint(caps=ALL, key="sk-secret")
    with pytest.raises(SaccadeError, match=r"401: bad key …\); pass key= or set OPENAI_API_KEY") as raised:
        one(made, Ask(question="?"))
    assert "secret" not in str(raised.value) + repr(made)
    fake.behave = completion
    one(endpoint(caps=ALL), Ask(question="?"))
    monkeypatch.delenv("OPENAI_API_KEY")
    one(endpoint(caps=ALL), Ask(question="?"))
    assert [headers["authorization"] for headers in fake.headers] == [
        "Bearer sk-secret", "Bearer sk-environment", "Bearer none",
    ]  # fmt: skip


def test_no_part_of_the_key_is_shown_where_words_are_cut_off(fake: Fake, endpoint: Make):
    fake.behave = lambda body: said({"error": {"message": "x" * 290 + "sk-secret-of-many-letters"}}, 401)
    with pytest.raises(SaccadeError, match="x…") as raised:
        one(endpoint(caps=ALL, key="sk-secret-of-many-letters"), Ask(question="?"))
    assert "sk-" not in str(raised.value)


def test_a_box_around_everything_is_the_whole(endpoint: Make):
    (view,) = one(endpoint(caps=ALL), Ask(question="?", sights=(ImageRegion(Box(0, 0, 90, 60)),))).views
    assert view == View(Box(0, 0, 90, 60), Size(90, 60), "whole")


def test_a_password_in_the_url_is_not_shown():
    with Endpoint("http://me:hush@localhost:9/v1/") as made:
        assert made.name == "http://localhost:9/v1"
        assert "hush" not in repr(made)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "localhost:8000"}, "a URL such as http://localhost:8000/v1, got 'localhost:8000'"),
        ({"url": "ftp://x/v1"}, "a URL such as"),
        ({"url": "http://x", "tries": 0}, "tried at least once, for some time; got tries=0"),
        ({"url": "http://x", "timeout": 0}, "timeout=0"),
        ({"url": "http://x", "pause": -1}, "pause=-1"),
    ],
)
def test_refuses_what_is_no_endpoint(options: dict, message: str):
    with pytest.raises(SaccadeError, match=message):
        Endpoint(**options)


def test_a_host_alone_means_its_v1():
    with Endpoint("http://localhost:9") as made:
        assert made.name == "http://localhost:9/v1"


def test_it_keeps_the_contract(endpoint: Make):
    made = endpoint(caps=ALL)
    assert made.remote is True
    assert made.bucket(Size(1, 1), Ask(question="a")) == made.bucket(Size(2, 2), YesNo(question="b"))


def test_without_the_client_it_says_what_to_install():
    code = "import sys; sys.modules['openai'] = None; import saccade.backends.endpoint"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "SaccadeError: models behind servers need openai" in done.stderr
    assert "pip install 'saccade[api]'" in done.stderr
