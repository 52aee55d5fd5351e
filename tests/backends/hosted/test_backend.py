"""Hosted models behind the contract of a backend: answers, places, prices, refusals."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from saccade.backends.hosted import HostedBackend
from saccade.backends.hosted.backend import _said
from saccade.backends.hosted.families import PROVED
from saccade.backends.hosted.token_selection import HostedPrompt
from saccade.core.backend import Backend, Job
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import WHOLE, Ask, Conversation, ImageRegion, Tool, ToolCall, Turn, Watch, YesNo
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from tests.backends.hosted.families import FAMILIES, made
from tests.backends.hosted.test_inside import hosted, inputs
from tests.parts import picture

CROP = ImageRegion(box=Box(10, 5, 60, 47))
SMALL = ImageRegion(side=30)


def job(request, seed=0, size=(70, 52)):
    return Job((seed, size), picture(*size, seed), request)


def same(one, other):
    """Equal answers, whose chances may differ by rounding."""
    assert (one.text, one.tokens) == (other.text, other.tokens)
    np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
    assert [[name for name, _ in place[:2]] for place in one.top] == [[n for n, _ in place[:2]] for place in other.top]


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("rule", ["random", "uniform"])
def test_some_tokens_are_read_where_they_stood(kind, rule):
    """What dropping them equals is held in ``test_inside``; here it is that the right ones are dropped."""
    host, keep = hosted(kind), TokenSelection(rule=rule, share=0.5)
    asks = [Ask(question=text, max_tokens=4, keep=keep) for text in ("What is it?", "Where?")]
    found = host.run([job(ask) for ask in asks])
    (image,) = host.eyes.encode([picture(70, 52)])
    kept = torch.from_numpy(keep.choose(image.cells, (0, (70, 52))))
    for seen, ask in zip(found, asks, strict=True):
        row = HostedPrompt(host.prompts.prompt(host.prompts.texts(ask)[0], [image.spelt]), (image,), (kept,))
        with torch.inference_mode():
            prefix, of, tails, _ = host.begun([row])
            (alone,) = host._answers(prefix.take(of), tails, 4, 5)
        same(seen.observation, alone)
        price = host.price(Size(70, 52), ask)
        assert (seen.visual_tokens, seen.tokens) == (price.visual_tokens, price.tokens)
        assert seen.visual_tokens == len(kept) < image.count


@pytest.mark.parametrize("kind", FAMILIES)
def test_answers_are_those_of_generate(kind):
    host: Backend = hosted(kind)
    assert isinstance(host, HostedBackend)
    (seen,) = host.run([job(Ask(question="What is it?", max_tokens=6, top=3))])
    theirs = inputs(host, [picture(70, 52)], "What is it?")
    out = host.model.generate(
        **theirs, max_new_tokens=6, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    length = theirs["input_ids"].shape[1]
    said = seen.observation
    assert list(said.tokens) == out.sequences[0, length:].tolist()
    chances = torch.cat(out.logits).log_softmax(dim=-1)
    np.testing.assert_allclose(said.logprobs, chances.max(dim=-1).values, atol=1e-4)
    for place, row in zip(said.top, chances, strict=True):
        np.testing.assert_allclose([value for _, value in place], row.topk(3).values, atol=1e-4)
        assert place[0][0] == host.prompts.decode([int(row.argmax())])
    assert (seen.visual_tokens, seen.tokens) == (
        int((theirs["input_ids"] == host.prompts.visual).sum()),
        theirs["input_ids"].shape[1],
    )


@pytest.mark.parametrize("kind", [*FAMILIES, "windowed"])
def test_answers_do_not_depend_on_their_batch(kind):
    host = hosted("gemma3", sliding_window=12) if kind == "windowed" else hosted(kind)
    asked = [Ask(question=text, max_tokens=5) for text in ("What is it?", "Where?", "How many of them are red?")]
    jobs = [job(one, seed) for seed, one in enumerate([*asked, asked[0]])] + [job(asked[1]), job(asked[1], 9, (30, 80))]
    alone = [host.run([one])[0] for one in jobs]
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1], [4, 0]):
        host._memo.clear()
        for number, found in zip(order, host.run([jobs[number] for number in order]), strict=True):
            same(found.observation, alone[number].observation)
            assert found.views == alone[number].views


@pytest.mark.parametrize("by", ["attention", "values"])
@pytest.mark.parametrize("kind", ["qwen3_vl", "internvl", "windowed"])
def test_maps_do_not_depend_on_their_batch(kind, by):
    host = hosted("gemma3", sliding_window=40) if kind == "windowed" else hosted(kind)
    asked = [
        Watch(questions=("Where?", "Where is the fox?"), by=by, targets=("", "fox")),
        Watch(questions=("It?",), by=by),
    ]
    jobs = [job(asked[0]), job(asked[1], 1, (30, 80)), job(asked[0], 2, (20, 20))]
    alone = [host.run([one])[0].observation for one in jobs]
    for found, expected in zip(host.run(jobs), alone, strict=True):
        for ours, theirs in zip(found.observation, expected, strict=True):
            np.testing.assert_allclose(ours.weights, theirs.weights, atol=1e-4)
            assert np.array_equal(ours.boxes, theirs.boxes)


@pytest.mark.parametrize("kind", FAMILIES)
def test_several_sights_and_none(kind):
    host = hosted(kind)
    both = Ask(question="Which?", sights=(WHOLE, replace(CROP, mark=Box(20, 10, 30, 20))), max_tokens=4)
    (seen,) = host.run([job(both)])
    whole, crop = host.run([job(replace(both, sights=(sight,))) for sight in both.sights])
    assert seen.visual_tokens == (whole.visual_tokens or 0) + (crop.visual_tokens or 0)
    assert seen.views == whole.views + crop.views
    for view in crop.views:
        inside = view.source.intersect(Box(10, 5, 60, 47))
        assert inside is not None
        assert inside.sides == pytest.approx(view.source.sides)
    (text,) = host.run([job(Ask(question="What is a fox?", sights=(), max_tokens=4))])
    theirs = inputs(host, [], "What is a fox?")
    out = host.model.generate(**theirs, max_new_tokens=4, do_sample=False)
    assert list(text.observation.tokens) == out[0, theirs["input_ids"].shape[1] :].tolist()
    assert (text.visual_tokens, text.tokens, text.views) == (0, theirs["input_ids"].shape[1], ())


@pytest.mark.parametrize("kind", FAMILIES)
@torch.no_grad()
def test_yes_or_no(kind):
    host = hosted(kind)
    asked = [job(YesNo(question=text)) for text in ("Is it red?", "Is it?")]
    found = host.run(asked)
    for one, text in zip(found, ("Is it red?", "Is it?"), strict=True):
        theirs = inputs(host, [picture(70, 52)], text)
        chances = host.model(**theirs).logits[0, -1].softmax(dim=-1)
        ids = host.prompts.tokenizer.convert_tokens_to_ids
        yes = sum(float(chances[ids(word)]) for word in ("yes", "Yes", " yes"))
        no = sum(float(chances[ids(word)]) for word in ("no", "No", " no"))
        assert one.observation == pytest.approx(yes / (yes + no), abs=1e-5)


@pytest.mark.parametrize("kind", FAMILIES)
def test_places_are_where_the_tokens_look(kind):
    """What is painted into a token's box changes that token more than any other of its view."""
    host, size = HostedBackend(*made(kind)), Size(192, 128)
    with torch.no_grad():  # a tower that mixes its patches less, so that each token is mostly its own
        for name, weight in host.model.named_parameters():
            if "attn" in name or "attention" in name:
                weight.mul_(0.3)
    plain = picture(192, 128)
    (seen,) = host.run([Job("a", plain, Watch(questions=("?",)))])
    heat = seen.observation[0]
    assert host.eyes is not None
    (before,) = host.eyes.encode([plain])
    grids = [host.eyes.path.token_grid(view) for view in before.views]
    bounds = np.cumsum([0, *(grid.tokens for grid in grids)])
    assert bounds[-1] == len(heat.weights) == before.count == seen.visual_tokens
    assert heat.size == size
    right = tried = 0
    for first, last in pairwise(bounds):
        for token in {first + 1, (first + last) // 2} if len(bounds) > 2 else {first, first + 1, last // 2, last - 1}:
            left, top, width, height = (round(float(side)) for side in heat.boxes[token])
            painted = plain.copy()
            patch = np.asarray(plain)[top:height, left:width]
            painted.paste(Image.fromarray(255 - patch), (left, top))
            (after,) = host.eyes.encode([painted])
            moved = (after.tokens - before.tokens)[first:last].norm(dim=-1)
            tried += 1
            right += int(moved.argmax()) == token - first
    assert right == tried


def test_places_of_a_part_lie_in_it():
    host = hosted("smolvlm")
    sight = ImageRegion(box=Box(40, 20, 140, 100), side=60)
    (seen,) = host.run([Job("a", picture(192, 128), Watch(questions=("?", "!"), sights=(sight,)))])
    for heat in seen.observation:
        assert heat.boxes[:, :2].min(axis=0).tolist() == pytest.approx([40, 20])
        assert heat.boxes[:, 2:].max(axis=0).tolist() == pytest.approx([140, 100])
        assert heat.weights.min() >= 0
    assert not np.array_equal(*(heat.weights for heat in seen.observation))


@pytest.mark.parametrize("kind", FAMILIES)
def test_predicts_what_is_read(kind):
    host = hosted(kind)
    requests = [
        Ask(question="What is it?"),
        Ask(question="Which one of them?", sights=(WHOLE, CROP)),
        Ask(question="Why?", sights=()),
        YesNo(question="Is it?", sights=(SMALL,)),
        Watch(questions=("Where?", "Where is the fox?")),
        Conversation(turns=(Turn("system", "Be brief."), Turn("user", "Look.", (CROP,))), max_tokens=2),
    ]
    for size, some in (((70, 52), requests), ((31, 90), requests[:2]), ((200, 60), requests[:1])):
        for request in some:
            price = host.price(Size(*size), request)
            (seen,) = host.run([job(request, size=size)])
            assert (price.visual_tokens, price.tokens) == (seen.visual_tokens, seen.tokens)
            assert price.flops is not None
            assert price.flops > 0
            assert price.bytes is not None
            assert price.bytes > 0
            hash(host.bucket(Size(*size), request))
    assert host.bucket(Size(70, 52), requests[0]) != host.bucket(Size(70, 52), requests[3])


TOOL = Tool("zoom", "Look closer.", json.dumps({"type": "object", "properties": {"box": {"type": "array"}}}))


def test_conversations_are_written_by_the_template():
    host = hosted("qwen2_5_vl")
    turns = (
        Turn("user", "What is small?", (SMALL,)),
        Turn("assistant", "I look.", call=ToolCall("zoom", '{"box": [1, 2, 3, 4]}', "1")),
        Turn("tool", "Here.", (CROP,), call=ToolCall("zoom", "", "1")),
    )
    asked = Conversation(turns=turns, tools=(TOOL,), max_tokens=3)
    (text,) = host.prompts.texts(asked)
    place = "<|vision_start|><|image_pad|><|vision_end|>"
    assert text == (
        'tools\n{"type": "function", "function": {"name": "zoom", "description": "Look closer.", "parameters": '
        '{"type": "object", "properties": {"box": {"type": "array"}}}}}\n<tool_call> as JSON </tool_call>\n'
        f"user: {place}What is small?"
        'assistant: I look.<tool_call>{"name": "zoom", "arguments": {"box": [1, 2, 3, 4]}}</tool_call>'
        f"tool: {place}Here.assistant: "
    )
    (seen,) = host.run([job(asked)])
    assert len(seen.observation.answer.tokens) == 3
    assert seen.observation.call is None
    (alone,) = host.run([job(Ask(question="Hm", sights=(SMALL,)))])
    assert (seen.visual_tokens or 0) > (alone.visual_tokens or 0)


def test_calls_are_understood():
    host = hosted("llava")
    (seen,) = host.run([job(Ask(question="?"))])
    said = seen.observation
    called = replace(said, text='I zoom.\n<tool_call>\n{"name": "zoom", "arguments": {"box": [1, 2]}}\n</tool_call>')
    found = _said(called, tools=True)
    assert found.call == ToolCall("zoom", '{"box": [1, 2]}')
    assert found.answer.text == "I zoom."
    assert _said(called, tools=False).call is None
    for text in (
        "<tool_call>{nonsense}</tool_call>",
        "<tool_call>[1]</tool_call>",
        '<tool_call>{"box": 1}</tool_call>',
    ):
        broken = replace(said, text=text)
        assert _said(broken, tools=True).call is None
        assert _said(broken, tools=True).answer is broken


def test_pictures_are_remembered_by_their_key():
    host = HostedBackend(*made("llava"))
    assert host.eyes is not None
    calls = []
    encode = host.eyes.encode
    host.eyes.encode = lambda images, how: calls.append(len(images)) or encode(images, how)  # type: ignore[method-assign]
    asked = Ask(question="?", max_tokens=1)
    host.run([job(asked), job(asked), job(replace(asked, sights=(CROP,)))])
    host.run([job(asked), job(asked, 1)])
    assert calls == [2, 1]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # its processor's own
def test_a_family_that_nobody_proved_answers_and_no_more():
    model, processor = made("paligemma")
    host = HostedBackend(model, processor)
    assert host.caps == Cap.GENERATE | Cap.LOGPROBS | Cap.TOPK | Cap.MULTI_IMAGE | Cap.INSTRUCT | Cap.TOOLS
    (seen,) = host.run([job(Ask(question="What?", max_tokens=4, top=2, sights=(CROP,)))])
    assert len(seen.observation.tokens) == len(seen.observation.logprobs) == len(seen.observation.top) == 4
    assert seen.visual_tokens == 16
    assert seen.views[0].source == CROP.box
    assert [place[0][1] for place in seen.observation.top] == list(seen.observation.logprobs)
    (chance,) = host.run([job(YesNo(question="Is it?"))])
    assert 0 < chance.observation < 1
    assert host.price(Size(70, 52), Ask(question="?")).tokens is None
    with pytest.raises(SaccadeError, match=r"needs ATTN_LM, which PaliGemma"):
        host.run([job(Watch(questions=("?",)))])


def test_mechanisms_name_the_families_that_they_are_proved_for(monkeypatch):
    host = HostedBackend(*made("llava"), caps=Cap.ATTN_LM | Cap.KV_READ)
    for mechanism, words, by in (
        ("attention", "watching attention", "attention"),
        ("cached values", "cached values", "values"),
    ):
        monkeypatch.setitem(cast(Any, PROVED), mechanism, ("gemma3",))
        with pytest.raises(SaccadeError, match=rf"{words} is not proved for models of type 'llava'; it is for gemma3"):
            host.run([job(Watch(questions=("?",), by=by))])
    assert HostedBackend(host.model, host.processor).caps & (Cap.ATTN_LM | Cap.KV_READ) == Cap(0)


def test_refuses():
    host = HostedBackend(*made("llava"))
    with pytest.raises(SaccadeError, match=r"2 places for 1 pictures; show as many .* keep <image> out"):
        host.run([job(Ask(question="What is <image>?"))])
    with pytest.raises(SaccadeError, match=r"the words 'cat' are not in the question 'Where\?'"):
        host.run([job(Watch(questions=("Where?",), by="values", targets=("cat",)))])
    with pytest.raises(SaccadeError, match=r"takes \d+ positions and its answer up to 4999 more, .* made for 4096"):
        host.run([job(Ask(question="?", max_tokens=5000))])
    host.processor.num_additional_image_tokens = 3
    with pytest.raises(SaccadeError, match=r"writes 18 visual tokens where Llava\w+ makes 16"):
        host.run([job(Ask(question="?"), 1)])
    model, processor = made("qwen2_5_vl")
    processor.chat_template = None
    with pytest.raises(SaccadeError, match=r"Qwen2_5_VLProcessor has no chat template"):
        HostedBackend(model, processor)
    broken = HostedBackend(*made("llava"))
    with torch.no_grad():
        broken.model.lm_head.weight[3] = float("nan")
    with pytest.raises(SaccadeError, match=r"scores that are no numbers; run it in float32 or bfloat16"):
        broken.run([job(Ask(question="?"))])


def test_refuses_a_law_that_the_checkpoint_does_not_follow(monkeypatch):
    host = HostedBackend(*made("llava"))
    cells = type(host.eyes).cells
    monkeypatch.setattr(type(host.eyes), "cells", lambda self, layout: cells(self, layout)[:-1])
    with pytest.raises(
        SaccadeError, match=r"writes 16 visual tokens for a picture of 70×52, the plan of llava counts 15"
    ):
        host.run([job(Ask(question="?"))])


def test_frames_and_crops_reach_the_model():
    host = hosted("llava")
    asked = Ask(question="?", max_tokens=2)
    marked = replace(asked, sights=(ImageRegion(mark=Box(20, 10, 40, 30)),))
    one, two, three = host.run([job(asked), job(marked), job(replace(asked, sights=(CROP,)))])
    chances = [found.observation.logprobs for found in (one, two, three)]
    assert len({round(row[0], 5) for row in chances}) == 3
    cut = picture(70, 52).crop((10, 5, 60, 47))
    (alone,) = host.run([Job("cut", cut, asked)])
    np.testing.assert_allclose(alone.observation.logprobs, three.observation.logprobs, atol=1e-5)
