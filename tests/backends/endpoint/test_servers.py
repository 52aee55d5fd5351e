"""Endpoints against servers that run: ours and that of transformers."""

from collections.abc import Iterator

import pytest
import torch
from PIL import Image
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from saccade.backends.embedded.family import embedded
from saccade.backends.endpoint import Endpoint
from saccade.compat.versions import installed, release
from saccade.core.answer import Answer
from saccade.core.backend import Job, JobResult
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, ImageRegion, Request, YesNo
from saccade.core.size import Size
from saccade.tasks.scenes import Scene
from saccade.views.image_region import shown
from tests.parts import picture
from tests.servers import Running

SIGHTS = [ImageRegion(), ImageRegion(side=64), ImageRegion(Box(20, 20, 100, 90)), ImageRegion(mark=Box(40, 40, 60, 60))]


def one(endpoint: Endpoint, image: Image.Image, request: Request) -> JobResult:
    (seen,) = endpoint.run([Job("a", image, request)])
    return seen


@pytest.fixture
def here(ours: Running) -> Iterator[Endpoint]:
    with Endpoint(ours.url) as made:
        yield made


@pytest.fixture
def there(theirs: Running) -> Iterator[Endpoint]:
    with Endpoint(theirs.url, theirs.model) as made:
        yield made


def test_what_ours_can_do_is_found_out(here: Endpoint):
    # It takes no words without a picture, and says how many visual tokens it read.
    assert here.caps == Cap.GENERATE | Cap.LOGPROBS | Cap.TOPK | Cap.RESIZE
    assert here.model == "llava"


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
def test_ours_answers_as_the_reader_does(here: Endpoint, sight: ImageRegion):
    reader = embedded("llava")
    image = Scene("test", 0).image()
    question = "What color is the background?"
    seen = one(here, image, Ask(question=question, sights=(sight,), max_tokens=6, top=3))
    with torch.inference_mode():
        encoded = reader.encode([shown(image, sight)])
        ((expected,),) = reader.ask(encoded, [[question]], max_tokens=6, top=3)
    answer = seen.observation
    assert isinstance(answer, Answer)
    assert answer.text == expected.text
    assert answer.logprobs == pytest.approx(expected.logprobs, abs=1e-5)
    assert [[token for token, _ in place] for place in answer.top] == [
        [token for token, _ in place] for place in expected.top
    ]
    assert seen.visual_tokens == encoded[0].count
    assert seen.tokens == reader.plan(Size(*shown(image, sight).size), question).length
    assert answer.tokens == ()


def test_what_theirs_can_do_is_found_out(there: Endpoint):
    """It leaves out log-probabilities without a word."""
    assert there.caps == Cap.GENERATE | Cap.INSTRUCT | Cap.MULTI_IMAGE


def test_their_list_of_models_names_the_one_it_was_started_with_from_5_24_on(theirs: Running):
    with Endpoint(theirs.url) as made:
        if release(installed()) < (5, 24):
            with pytest.raises(SaccadeError, match="serves 0 models: none that it lists"):
                _ = made.caps
        else:
            assert Cap.GENERATE in made.caps
            assert theirs.model in repr(made)


@pytest.mark.parametrize("sights", [(ImageRegion(),), (ImageRegion(side=30), ImageRegion(Box(5, 5, 25, 35)))], ids=len)
def test_theirs_answers_as_transformers_does(there: Endpoint, theirs: Running, sights: tuple[ImageRegion, ...]):
    image = picture(60, 40)
    seen = one(there, image, Ask(question="what is it?", sights=sights, max_tokens=6))
    assert theirs.folder is not None
    model = LlavaForConditionalGeneration.from_pretrained(theirs.folder)
    processor = LlavaProcessor.from_pretrained(theirs.folder, backend="pil")
    prompt = f"USER: {'<image>' * len(sights)}what is it? ASSISTANT:"
    inputs = processor(images=[shown(image, sight) for sight in sights], text=prompt, return_tensors="pt")
    with torch.inference_mode():
        made = model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    answer = seen.observation
    assert isinstance(answer, Answer)
    assert answer.text == processor.decode(made, skip_special_tokens=True).strip()
    assert (answer.logprobs, answer.top) == ((), ())
    assert (seen.visual_tokens, seen.tokens) == (None, inputs["input_ids"].shape[1])


def test_theirs_says_yes_or_no_in_words(there: Endpoint):
    assert one(there, picture(60, 40), YesNo(question="is it?")).observation in (0.0, 0.5, 1.0)


def test_theirs_refuses_another_model(theirs: Running):
    with Endpoint(theirs.url, "other") as made, pytest.raises(SaccadeError, match=r"refused .*Server is pinned to"):
        _ = made.caps
