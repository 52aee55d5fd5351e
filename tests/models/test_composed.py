"""Composed readers behind the contract of a backend, on the embedded family."""

import numpy as np
import pytest
import torch

from saccade.core.answer import Answer
from saccade.core.backend import Job
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.keep import Keep
from saccade.core.request import Ask, Request, Sight, Talk, Turn, Watch, YesNo
from saccade.core.size import Size
from saccade.language.hub import Decoder, pad_left
from saccade.models.asking import Row, begun
from saccade.models.bench import embedded_model, opened
from saccade.models.composed import MEMO, Composed, caps_of, framed
from saccade.models.embedded import embedded
from saccade.nn.values import alike
from saccade.tasks.scenes import Scenes

SCENES = list(Scenes("calibration", 6))
DETAIL = next(scene for scene in SCENES if scene.questions[0].scale == "detail")


@pytest.fixture(scope="module")
def llava() -> Composed:
    return embedded_model("llava")


def jobs(*requests: Request, scene=DETAIL) -> list[Job]:
    return [Job(scene.name, scene.image(), request) for request in requests]


def test_answers_are_the_readers_own(llava: Composed) -> None:
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
    model, keep = embedded_model(name), Keep("uniform", 0.25)
    texts = [question.text for question in DETAIL.questions]
    found = model.run(jobs(*(Ask(question=text, top=0, keep=keep) for text in texts)))
    encoded = model.reader.encode([DETAIL.image()])
    cells = [encoded[0].ledger.bounds(token) for token in range(encoded[0].count)]
    kept = keep.chosen(np.asarray([(0.0,) * 4 if box is None else box.sides for box in cells]), DETAIL.name)
    (said,) = model.reader.ask(encoded, [texts], keep=[torch.from_numpy(kept)])
    for one, answer, text in zip(found, said, texts, strict=True):
        assert isinstance(one.observation, Answer)
        assert one.observation.text == answer.text
        np.testing.assert_allclose(one.observation.logprobs, answer.logprobs, atol=1e-5)
        price = model.price(DETAIL.size, Ask(question=text, keep=keep))
        assert (one.visual_tokens, one.tokens) == (price.visual_tokens, price.tokens)
        assert one.visual_tokens == len(kept) < encoded[0].count


def test_alternatives_begin_with_what_was_said(llava: Composed) -> None:
    (one,) = llava.run(jobs(Ask(question=DETAIL.questions[0].text, top=4)))
    assert isinstance(one.observation, Answer)
    for chosen, best in zip(one.observation.logprobs, one.observation.top, strict=True):
        assert len(best) == 4
        assert best[0][1] == pytest.approx(chosen)
        assert [value for _, value in best] == sorted((value for _, value in best), reverse=True)


def test_the_same_is_said_in_any_batch(llava: Composed) -> None:
    everything = [
        job for scene in SCENES for job in jobs(*(Ask(question=q.text) for q in scene.questions), scene=scene)
    ]
    together = [one.observation for one in llava.run(everything)]
    for place in (0, 7, len(everything) - 1):
        alone = llava.run([everything[place]])[0].observation
        assert isinstance(alone, Answer)
        assert alone.text == together[place].text
        assert alone.logprobs == pytest.approx(together[place].logprobs, abs=1e-5)


def test_a_crop_is_the_picture_cut_out_and_its_views_are_source_pixels(llava: Composed) -> None:
    scene = max(SCENES, key=lambda one: one.size.area)
    box = Box(20, 30, scene.size.width - 40, scene.size.height - 25)
    text = scene.questions[-1].text
    (one,) = llava.run(jobs(Ask(question=text, sights=(Sight(box=box),)), scene=scene))
    crop = scene.image().crop(tuple(map(int, box.sides)))
    reader = llava.reader
    ((said,),) = reader.ask(reader.encode([crop]), [[text]])
    assert one.observation.text == said.text
    assert one.observation.logprobs == pytest.approx(said.logprobs, abs=1e-5)
    (view,) = one.views
    assert view.source == box


def test_a_shorter_side_is_a_smaller_frame(llava: Composed) -> None:
    text = DETAIL.questions[0].text
    look = Ask(question=text, sights=(Sight(side=70),))
    (one,) = llava.run(jobs(look))
    assert one.visual_tokens == 64 == llava.price(DETAIL.size, look).visual_tokens
    assert llava.price(DETAIL.size, look).flops < llava.price(DETAIL.size, Ask(question=text)).flops / 3
    assert framed(llava.reader.spec, 500) == llava.reader.spec
    with pytest.raises(SaccadeError, match="5 px shows no whole patch of 8 px"):
        llava.price(DETAIL.size, Ask(question=text, sights=(Sight(side=5),)))


def test_tiled_readers_see_a_smaller_picture() -> None:
    sliced = embedded_model("llava-uhd")
    scene = max(SCENES, key=lambda one: one.size.area)
    whole, small = (sliced.price(scene.size, Ask(question="What?", sights=(Sight(side=side),))) for side in (None, 100))
    assert small.visual_tokens < whole.visual_tokens


def test_pictures_are_encoded_once_and_the_memory_of_them_is_bounded(llava: Composed, monkeypatch) -> None:
    fresh = Composed("llava", llava.reader)
    counted: list[int] = []
    encode = fresh.reader.encode
    monkeypatch.setattr(fresh.reader, "encode", lambda images: counted.append(len(images)) or encode(images))
    texts = [question.text for question in DETAIL.questions]
    fresh.run(jobs(*(Ask(question=text) for text in texts)))
    fresh.run(jobs(Ask(question=texts[0]), Watch(questions=(texts[0],)))[:1])
    assert counted == [1]
    monkeypatch.setattr("saccade.models.composed.MEMO", 3 * 256 * 128 * 4)
    for number in range(6):
        fresh.run([Job(number, DETAIL.image(), Ask(question=texts[0]))])
    assert len(fresh._memo) == 3
    assert MEMO > 2**20


def test_attention_is_that_of_the_language_model(llava: Composed) -> None:
    """Against scores of every layer that the model itself puts out when attention is eager."""
    question = DETAIL.questions[0].text
    reader = llava.reader
    (seen,) = llava.run(jobs(Watch(questions=(question,), layers=(0.25, 0.75))))
    (heat,) = seen.observation
    (picture,) = reader.encode([DETAIL.image()])
    found = begun(reader, [Row([picture], reader.text(question))])
    model = reader.language.model
    ids, real = pad_left(found.tails)
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        out = model(
            inputs_embeds=reader.language.embed(ids), past_key_values=found.reading.cache, output_attentions=True,
            attention_mask=torch.cat([found.reading.real, real], dim=1).long(),
        )  # fmt: skip
    finally:
        model.set_attn_implementation(before)
    layers = [out.attentions[layer][0, :, -1].mean(dim=0) for layer in (1, 2)]
    visual = torch.tensor([place for place, mark in enumerate(found.heads[0].visual) if mark])
    assert heat.weights == pytest.approx(torch.stack(layers).mean(dim=0)[visual].detach().numpy(), abs=1e-6)
    assert heat.size == DETAIL.size
    assert (heat.boxes[:, 2] <= DETAIL.size.width).all()


def test_words_in_the_question_are_found_and_others_refused(llava: Composed) -> None:
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
    assert embedded_model("flamingo").caps & Cap.MULTI_IMAGE
    assert not embedded_model("llava").caps & (Cap.MULTI_IMAGE | Cap.INSTRUCT)


@pytest.mark.parametrize(("request_", "missing"), [
    (YesNo(question="Is it?"), "INSTRUCT"),
    (Ask(question="?", sights=(Sight(), Sight())), "MULTI_IMAGE"),
    (Ask(question="?", sights=()), "INSTRUCT"),
    (Talk(turns=(Turn("user", "hi", (Sight(),)),)), "INSTRUCT"),
])  # fmt: skip
def test_what_it_cannot_do_is_refused_by_name(llava: Composed, request_: Request, missing: str) -> None:
    with pytest.raises(SaccadeError, match=f"needs .*{missing}"):
        llava.price(Size(100, 100), request_)


def test_several_pictures_stand_in_one_prompt(llava: Composed) -> None:
    able = Composed("llava", llava.reader, llava.caps | Cap.MULTI_IMAGE)
    two = Ask(question="What kind of picture is this?", sights=(Sight(), Sight(box=Box(0, 0, 60, 60))))
    (one,) = able.run(jobs(two))
    assert (one.visual_tokens, len(one.views)) == (512, 2)
    assert able.price(DETAIL.size, two).tokens == one.tokens
    with pytest.raises(SaccadeError, match="one frame, got sides"):
        able.price(DETAIL.size, Ask(question="?", sights=(Sight(side=64), Sight(side=32))))


def test_names_open_what_they_name(tmp_path) -> None:
    from saccade.models.store import save_pretrained

    assert opened("llava").name == "llava"
    save_pretrained(embedded("pool-4"), tmp_path / "mine")
    mine = opened(str(tmp_path / "mine"))
    assert isinstance(mine, Composed)
    assert mine.caps & Cap.INSTRUCT
    with pytest.raises(SaccadeError, match="did you mean llava"):
        opened("lava")
    assert isinstance(mine.reader.language, Decoder)
