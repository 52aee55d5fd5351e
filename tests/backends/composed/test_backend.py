"""Composed readers behind the contract of a backend, on the embedded family."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from saccade.backends.composed.backend import MEMO, ComposedBackend, _places, caps_of
from saccade.backends.composed.views import framed
from saccade.backends.embedded.family import embedded
from saccade.backends.open import open_model
from saccade.compat.hf import cache_argument
from saccade.core.answer import Answer
from saccade.core.backend import Job
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, Conversation, ImageRegion, Request, Turn, Watch, YesNo
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.language.hub import Decoder, pad_left
from saccade.nn.values import alike
from saccade.runtime.answering import PromptRow, begun
from saccade.tasks.scenes import Scenes
from saccade.views import image_region as sights

SCENES = list(Scenes("calibration", 6))
DETAIL = next(scene for scene in SCENES if scene.questions[0].scale == "detail")


@pytest.fixture(scope="module")
def llava() -> ComposedBackend:
    return open_model("llava")


def jobs(*requests: Request, scene=DETAIL) -> list[Job]:
    return [Job(scene.name, scene.image(), request) for request in requests]


def test_answers_are_the_readers_own(llava: ComposedBackend) -> None:
    texts = [question.text for question in DETAIL.questions]
    found = llava.run(jobs(*(Ask(question=text, top=3) for text in texts)))
    reader = llava.reader
    (said,) = reader.ask(reader.encode([DETAIL.image()]), [texts], top=3)
    assert [one.observation for one in found] == said
    for one, text in zip(found, texts, strict=True):
        price = llava.price(DETAIL.size, Ask(question=text))
        assert (
            (one.visual_tokens, one.tokens)
            == (price.visual_tokens, price.tokens)
            == (256, 256 + reader.positions(text))
        )


@pytest.mark.parametrize("name", ["llava", "flamingo", "blip2", "llava-uhd"])
def test_some_tokens_are_read_and_the_others_are_not(name: str) -> None:
    model, keep = open_model(name), TokenSelection(rule="uniform", share=0.25)
    texts = [question.text for question in DETAIL.questions]
    found = model.run(jobs(*(Ask(question=text, top=0, keep=keep) for text in texts)))
    encoded = model.reader.encode([DETAIL.image()])
    cells = [encoded[0].ledger.bounds(token) for token in range(encoded[0].count)]
    kept = keep.choose(np.asarray([(0.0,) * 4 if box is None else box.sides for box in cells]), DETAIL.name)
    (said,) = model.reader.ask(encoded, [texts], keep=[torch.from_numpy(kept)])
    for one, answer, text in zip(found, said, texts, strict=True):
        assert isinstance(one.observation, Answer)
        assert one.observation.text == answer.text
        np.testing.assert_allclose(one.observation.logprobs, answer.logprobs, atol=1e-5)
        price = model.price(DETAIL.size, Ask(question=text, keep=keep))
        assert (one.visual_tokens, one.tokens) == (price.visual_tokens, price.tokens)
        assert one.visual_tokens == len(kept) < encoded[0].count


def test_alternatives_begin_with_what_was_said(llava: ComposedBackend) -> None:
    (one,) = llava.run(jobs(Ask(question=DETAIL.questions[0].text, top=4)))
    assert isinstance(one.observation, Answer)
    for chosen, best in zip(one.observation.logprobs, one.observation.top, strict=True):
        assert len(best) == 4
        assert best[0][1] == pytest.approx(chosen)
        assert [value for _, value in best] == sorted((value for _, value in best), reverse=True)


def test_the_same_is_said_in_any_batch(llava: ComposedBackend) -> None:
    everything = [
        job for scene in SCENES for job in jobs(*(Ask(question=q.text) for q in scene.questions), scene=scene)
    ]
    together = [one.observation for one in llava.run(everything)]
    for place in (0, 7, len(everything) - 1):
        alone = llava.run([everything[place]])[0].observation
        assert isinstance(alone, Answer)
        assert alone.text == together[place].text
        assert alone.logprobs == pytest.approx(together[place].logprobs, abs=1e-5)


def test_a_crop_is_the_picture_cut_out_and_its_views_are_source_pixels(llava: ComposedBackend) -> None:
    scene = max(SCENES, key=lambda one: one.size.area)
    box = Box(20, 30, scene.size.width - 40, scene.size.height - 25)
    text = scene.questions[-1].text
    (one,) = llava.run(jobs(Ask(question=text, sights=(ImageRegion(box=box),)), scene=scene))
    crop = scene.image().crop(tuple(map(int, box.sides)))
    reader = llava.reader
    ((said,),) = reader.ask(reader.encode([crop]), [[text]])
    assert one.observation.text == said.text
    assert one.observation.logprobs == pytest.approx(said.logprobs, abs=1e-5)
    (view,) = one.views
    assert view.source == box


def test_a_shorter_side_is_a_smaller_frame(llava: ComposedBackend) -> None:
    text = DETAIL.questions[0].text
    look = Ask(question=text, sights=(ImageRegion(side=70),))
    (one,) = llava.run(jobs(look))
    assert one.visual_tokens == 64 == llava.price(DETAIL.size, look).visual_tokens
    assert llava.price(DETAIL.size, look).flops < llava.price(DETAIL.size, Ask(question=text)).flops / 3
    assert framed(llava.reader.spec, 500) == llava.reader.spec
    with pytest.raises(SaccadeError, match="5 px shows no whole patch of 8 px"):
        llava.price(DETAIL.size, Ask(question=text, sights=(ImageRegion(side=5),)))


def test_tiled_readers_see_a_smaller_picture() -> None:
    sliced = open_model("llava-uhd")
    scene = max(SCENES, key=lambda one: one.size.area)
    whole, small = (
        sliced.price(scene.size, Ask(question="What?", sights=(ImageRegion(side=side),))) for side in (None, 100)
    )
    assert small.visual_tokens < whole.visual_tokens


@pytest.mark.parametrize("name", ["llava", "llava-uhd", "llava-uhd-v2", "idefics", "flamingo"])
def test_pictures_of_one_shape_cost_what_each_would_alone(name: str) -> None:
    model, ask = open_model(name), Ask(question="What?")
    assert isinstance(model, ComposedBackend)
    for size in (Size(40, 30), Size(400, 300), Size(300, 400), Size(640, 90), Size(80, 60)):
        plan = model.reader.plan(size, "What?")
        price = model.price(size, ask)
        assert (price.visual_tokens, price.slots) == (plan.visual_tokens, plan.slots)
        assert (price.tokens, price.flops) == (plan.length, plan.flops)
        assert model.counted(size, ask, plan.visual_tokens) == plan.flops


@pytest.mark.parametrize("name", ["llava", "llava-uhd"])
def test_pictures_of_one_shape_differ_in_their_padding(name: str) -> None:
    model = open_model(name)
    ask = Ask(question="What?", keep=TokenSelection(rule="uniform", share=1.0))
    for size in (Size(400, 300), Size(640, 90), Size(90, 640), Size(128, 128)):
        (seen,) = model.run([Job(str(size), Image.new("RGB", (size.width, size.height), "red"), ask)])
        assert model.price(size, ask).visual_tokens == seen.visual_tokens


def test_pictures_are_encoded_once_and_the_memory_of_them_is_bounded(llava: ComposedBackend, monkeypatch) -> None:
    fresh = ComposedBackend("llava", llava.reader)
    counted: list[int] = []
    encode = fresh.reader.encode
    monkeypatch.setattr(fresh.reader, "encode", lambda images: counted.append(len(images)) or encode(images))
    texts = [question.text for question in DETAIL.questions]
    fresh.run(jobs(*(Ask(question=text) for text in texts)))
    fresh.run(jobs(Ask(question=texts[0]), Watch(questions=(texts[0],)))[:1])
    assert counted == [1]
    monkeypatch.setattr(fresh._encodings, "_limit", 3 * 256 * 128 * 4)
    for number in range(6):
        fresh.run([Job(number, DETAIL.image(), Ask(question=texts[0]))])
    assert len(fresh._encodings._known) == 3
    assert MEMO > 2**20


def test_what_was_asked_about_last_is_remembered(llava: ComposedBackend, monkeypatch) -> None:
    fresh = ComposedBackend("llava", llava.reader)
    monkeypatch.setattr(fresh._encodings, "_limit", 3 * 256 * 128 * 4)
    for number in (0, 1, 2, 0, 0, 0, 3):
        fresh.run([Job(number, DETAIL.image(), Ask(question="What?", max_tokens=1))])
    assert [key for key, *_ in fresh._encodings._known] == [2, 0, 3]


def test_a_mark_is_seen(llava: ComposedBackend) -> None:
    text, sight = DETAIL.questions[0].text, ImageRegion(mark=Box(10, 10, 60, 60))
    plain, marked = (
        one.observation for one in llava.run(jobs(*(Ask(question=text, sights=(s,)) for s in (ImageRegion(), sight))))
    )
    reader = llava.reader
    ((said,),) = reader.ask(reader.encode([sights.shown(DETAIL.image(), sight)]), [[text]])
    assert marked.logprobs == pytest.approx(said.logprobs, abs=1e-5)
    assert marked.logprobs != pytest.approx(plain.logprobs, abs=1e-5)


def test_only_what_is_read_alike_shares_a_batch(llava: ComposedBackend) -> None:
    able = ComposedBackend("llava", llava.reader, llava.caps | Cap.INSTRUCT)
    ask, watch = Ask(question="a?", sights=(ImageRegion(side=112),)), Watch(questions=("a?",))
    others = [
        replace(ask, max_tokens=2), replace(ask, top=1), replace(ask, sights=(ImageRegion(side=64),)),
        Ask(question="a?"), YesNo(question="a?"), watch, replace(watch, by="values"), replace(watch, layers=(0.0, 0.5)),
    ]  # fmt: skip
    buckets = [able.bucket(DETAIL.size, one) for one in (ask, *others)]
    assert len(set(buckets)) == len(buckets)
    assert able.bucket(DETAIL.size, replace(ask, question="another?", reason="why")) == buckets[0]


def test_pictures_in_several_frames_are_read_in_one_batch(llava: ComposedBackend) -> None:
    asks = [Ask(question="What color is the background?", sights=(ImageRegion(side=side),)) for side in (112, 120)]
    assert len({llava.bucket(DETAIL.size, ask) for ask in asks}) == 1
    together = llava.run([job for ask in asks for job in jobs(ask)])
    for ask, seen in zip(asks, together, strict=True):
        (alone,) = llava.run(jobs(ask))
        assert (alone.visual_tokens, alone.views) == (seen.visual_tokens, seen.views)
        assert alone.observation.text == seen.observation.text
        assert alone.observation.logprobs == pytest.approx(seen.observation.logprobs, abs=1e-4)
    assert together[0].visual_tokens != together[1].visual_tokens


def test_the_same_look_is_known_and_a_smaller_frame_is_another(llava: ComposedBackend) -> None:
    ask, small = Ask(question="?", reason="first"), Size(20, 20)
    assert llava.same(small, ask) == llava.same(small, replace(ask, reason="again"))
    assert llava.same(small, ask) != llava.same(small, replace(ask, sights=(ImageRegion(side=64),)))


def test_each_hears_how_likely_its_own_yes_is(llava: ComposedBackend, monkeypatch) -> None:
    # The embedded readers' tokenizer says neither yes nor no.
    monkeypatch.setattr(
        "saccade.backends.composed.backend.chance_of_yes", lambda _, scores: scores.sigmoid().mean(dim=1)
    )
    able = ComposedBackend("llava", llava.reader, llava.caps | Cap.INSTRUCT)
    asked = [job for scene in SCENES[:2] for job in jobs(YesNo(question="Is it?"), scene=scene)]
    together = [one.observation for one in able.run(asked)]
    assert together == pytest.approx([able.run([one])[0].observation for one in asked], abs=1e-6)
    assert together[0] != pytest.approx(together[1], abs=1e-6)


@pytest.mark.parametrize("by", ["attention", "values"])
@pytest.mark.parametrize("name", ["llava", "idefics"])
def test_maps_are_the_same_in_any_batch(name: str, by: str) -> None:
    """Of questions of several lengths, words in several places, and pictures of several numbers of tokens."""
    able = open_model(name)
    whole, strip = DETAIL.image(), DETAIL.image().crop((0, 0, 100, 40))
    asked = [
        Job("whole", whole, Watch(questions=("What kind of picture is this?",), targets=("picture",), by=by)),
        Job("strip", strip, Watch(questions=("What color is the background?",), targets=("color",), by=by)),
        Job("strip", strip, Watch(questions=("What?",), by=by)),
    ]
    for one, job in zip(able.run(asked), asked, strict=True):
        ((alone,),) = (seen.observation for seen in able.run([job]))
        assert one.observation[0].weights == pytest.approx(alone.weights, abs=1e-4)
        assert (one.observation[0].boxes == alone.boxes).all()


def test_each_question_of_a_watch_has_its_map_and_its_positions(llava: ComposedBackend) -> None:
    texts = tuple(question.text for question in DETAIL.questions)[:2]
    both, apart = Watch(questions=texts), [Watch(questions=(text,)) for text in texts]
    (one,), several = llava.run(jobs(both)), llava.run(jobs(*apart))
    for heat, alone in zip(one.observation, several, strict=True):
        assert heat.weights == pytest.approx(alone.observation[0].weights, abs=1e-6)
    price = llava.price(DETAIL.size, both)
    assert one.tokens == sum(alone.tokens for alone in several) == price.tokens
    plan = llava.reader.plan(DETAIL.size, texts[0])
    seen = plan.vision.flops + plan.connector.flops
    assert price.flops == sum(llava.price(DETAIL.size, alone).flops for alone in apart) - seen


def test_values_are_those_of_the_layers_that_are_meant(llava: ComposedBackend) -> None:
    question, reader = DETAIL.questions[0].text, llava.reader
    (seen,) = llava.run(jobs(Watch(questions=(question,), by="values", layers=(0.5, 1.0))))
    found = begun(reader, [PromptRow(reader.encode([DETAIL.image()]), reader.text(question))])
    found.reading.follow(*pad_left(found.tails))
    values = [layer.values[0] for layer in found.reading.cache.layers[2:4]]
    visual = torch.tensor([place for place, mark in enumerate(found.heads[0].visual) if mark])
    expected = alike(values, torch.tensor([values[0].shape[1] - 1]), visual)
    assert seen.observation[0].weights == pytest.approx(expected.detach().numpy(), abs=1e-6)


def test_a_map_of_a_crop_lies_in_it(llava: ComposedBackend) -> None:
    scene = max(SCENES, key=lambda one: one.size.area)
    box = Box(20, 30, scene.size.width - 40, scene.size.height - 25)
    (one,) = llava.run(jobs(Watch(questions=("What?",), sights=(ImageRegion(box=box),)), scene=scene))
    boxes = one.observation[0].boxes
    drawn = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    assert (*drawn[:, :2].min(axis=0), *drawn[:, 2:].max(axis=0)) == box.sides


def test_words_are_meant_where_they_stand_last(llava: ComposedBackend) -> None:
    def words(text: str, target: str) -> tuple[str, str]:
        tail = llava.reader.tokenizer(text, add_special_tokens=False)["input_ids"]
        found = _places(llava.reader, tail, target)
        return tuple(llava.reader.tokenizer.decode(tail[:place]) for place in (found.start, found.stop))

    assert words("What is the color, the color of it?", "color") == (
        "What is the color, the",
        "What is the color, the color",
    )
    assert words("What is it?", "What") == ("", "What")


def test_attention_is_that_of_the_language_model(llava: ComposedBackend) -> None:
    """Against scores of every layer that the model itself puts out when attention is eager."""
    question = DETAIL.questions[0].text
    reader = llava.reader
    (seen,) = llava.run(jobs(Watch(questions=(question,), layers=(0.25, 0.75))))
    (heat,) = seen.observation
    (picture,) = reader.encode([DETAIL.image()])
    found = begun(reader, [PromptRow([picture], reader.text(question))])
    model = reader.language.model
    ids, real = pad_left(found.tails)
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        out = model(
            inputs_embeds=reader.language.embed(ids), output_attentions=True,
            **cache_argument(model, found.reading.cache),
            attention_mask=torch.cat([found.reading.real, real], dim=1).long(),
        )  # fmt: skip
    finally:
        model.set_attn_implementation(before)
    layers = [out.attentions[layer][0, :, -1].mean(dim=0) for layer in (1, 2)]
    visual = torch.tensor([place for place, mark in enumerate(found.heads[0].visual) if mark])
    assert heat.weights == pytest.approx(torch.stack(layers).mean(dim=0)[visual].detach().numpy(), abs=1e-6)
    assert heat.size == DETAIL.size
    assert (heat.boxes[:, 2] <= DETAIL.size.width).all()


def test_words_in_the_question_are_found_and_others_refused(llava: ComposedBackend) -> None:
    scene = next(s for s in SCENES for q in s.questions if "beside the" in q.text)
    question = next(q for q in scene.questions if "beside the" in q.text)
    words = question.text.removesuffix("?").split(" the ")[-1]
    last, named = (
        llava.run(jobs(Watch(questions=(question.text,), targets=(target,), by=by), scene=scene))[0].observation[0]
        for target, by in (("", "attention"), (words, "attention"))
    )
    assert not np.allclose(last.weights, named.weights)
    values = llava.run(jobs(Watch(questions=(question.text,), targets=(words,), by="values"), scene=scene))
    (heat,) = values[0].observation
    assert 0 <= heat.weights.min() < heat.weights.max() <= 1
    with pytest.raises(SaccadeError, match="'blue elephant' are not in the question"):
        llava.run(jobs(Watch(questions=(question.text,), targets=("blue elephant",)), scene=scene))


def test_values_agree_in_all_layers_or_count_for_little() -> None:
    torch.manual_seed(0)
    one = torch.randn(2, 6, 4)
    one[:, 3] = one[:, 5]
    other = one.clone()
    other[:, 1] = other[:, 5]
    places, word = torch.arange(5), torch.tensor([5])
    assert alike([one, one], word, places).argmax() == 3
    agreed = alike([one, other], word, places)
    assert agreed.argmax() == 3
    assert agreed[3] == pytest.approx(1, abs=1e-5)
    assert agreed[1] < alike([other], word, places)[1]
    assert (alike([torch.ones(1, 6, 4)], word, places) == 1).all()


def test_capabilities_are_those_of_the_parts() -> None:
    assert caps_of(embedded("llava")) & Cap.ATTN_LM
    assert not caps_of(embedded("resampler-16")) & (Cap.ATTN_LM | Cap.KV_READ)
    assert not caps_of(embedded("flamingo")) & Cap.ATTN_LM
    assert open_model("flamingo").caps & Cap.MULTI_IMAGE
    assert not open_model("llava").caps & (Cap.MULTI_IMAGE | Cap.INSTRUCT)


@pytest.mark.parametrize(("request_", "missing"), [
    (YesNo(question="Is it?"), "INSTRUCT"),
    (Ask(question="?", sights=(ImageRegion(), ImageRegion())), "MULTI_IMAGE"),
    (Ask(question="?", sights=()), "INSTRUCT"),
    (Conversation(turns=(Turn("user", "hi", (ImageRegion(),)),)), "INSTRUCT"),
])  # fmt: skip
def test_what_it_cannot_do_is_refused_by_name(llava: ComposedBackend, request_: Request, missing: str) -> None:
    with pytest.raises(SaccadeError, match=f"needs .*{missing}"):
        llava.price(Size(100, 100), request_)


def test_several_pictures_stand_in_one_prompt(llava: ComposedBackend) -> None:
    able = ComposedBackend("llava", llava.reader, llava.caps | Cap.MULTI_IMAGE)
    two = Ask(question="What kind of picture is this?", sights=(ImageRegion(), ImageRegion(box=Box(0, 0, 60, 60))))
    (one,) = able.run(jobs(two))
    assert (one.visual_tokens, len(one.views)) == (512, 2)
    assert able.price(DETAIL.size, two).tokens == one.tokens
    with pytest.raises(SaccadeError, match="one frame, got 64×64, 32×32"):
        able.price(DETAIL.size, Ask(question="?", sights=(ImageRegion(side=64), ImageRegion(side=32))))


def test_names_open_what_they_name(tmp_path) -> None:
    from saccade.backends.store import save_pretrained

    assert open_model("llava").name == "llava"
    save_pretrained(embedded("pool-4"), tmp_path / "mine")
    mine = open_model(tmp_path / "mine")
    assert isinstance(mine, ComposedBackend)
    assert mine.caps == open_model("pool-4").caps
    with pytest.raises(SaccadeError, match="did you mean llava"):
        open_model("lava")
    assert isinstance(mine.reader.language, Decoder)
