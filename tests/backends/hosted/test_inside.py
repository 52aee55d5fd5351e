"""What reaches inside hosted models against what says the same from outside: masks, fresh prefills, eager attention."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from saccade.backends.hosted import HostedBackend
from saccade.backends.hosted.families import KINDS
from saccade.backends.hosted.images import HostedImage
from saccade.backends.hosted.token_selection import HostedPrompt, read
from saccade.core.backend import Job
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, ImageRegion, Watch
from saccade.language.hub import pad_left
from tests.backends.hosted.families import FAMILIES, made
from tests.parts import picture

QUESTIONS = ("What is it?", "Where?")
SEEN = {"pixel_values", "pixel_attention_mask", "image_grid_thw", "mm_token_type_ids", "token_type_ids"}


@cache
def hosted(kind: str, **text: Any) -> HostedBackend:
    return HostedBackend(*made(kind, **text))


def inputs(host: HostedBackend, images: list[Any], question: str) -> dict[str, Tensor]:
    """What the library's own processor makes of a question about pictures."""
    (text,) = host.prompts.texts(Ask(question=question, sights=(ImageRegion(),) * len(images)))
    found = host.processor(text=[text], images=images or None, return_tensors="pt")
    return {name: found[name] for name in ("input_ids", "attention_mask", *SEEN) if name in found}


def row(host: HostedBackend, images: list[Any], question: str, keep: list[list[int]] | None = None) -> HostedPrompt:
    pictures = eyes(host, images)
    (text,) = host.prompts.texts(Ask(question=question, sights=(ImageRegion(),) * len(images)))
    kept = None if keep is None else tuple(torch.tensor(numbers, dtype=torch.long) for numbers in keep)
    return HostedPrompt(host.prompts.prompt(text, [one.spelt for one in pictures]), tuple(pictures), kept)


def eyes(host: HostedBackend, images: list[Any]) -> list[HostedImage]:
    assert host.eyes is not None
    return host.eyes.encode(images)


def split(one: HostedPrompt) -> tuple[HostedPrompt, tuple[int, ...]]:
    head, tail = one.prompt.split()
    return HostedPrompt(head, one.pictures, one.keep), tail


@pytest.mark.parametrize("kind", FAMILIES)
@torch.no_grad()
def test_prompts_and_scores_are_the_processors_and_the_models_own(kind):
    host = hosted(kind)
    for images in ([picture(50, 34)], [picture(20, 61), picture(90, 30, 1)]):
        theirs = inputs(host, images, QUESTIONS[0])
        ours = row(host, images, QUESTIONS[0])
        assert list(ours.prompt.ids) == theirs["input_ids"][0].tolist()
        expected = host.model(**theirs).logits[0, -1]
        head, tail = split(ours)
        found = read(host.model, [head]).follow(*pad_left([tail]))[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", FAMILIES)
@torch.no_grad()
def test_pictures_of_one_batch_are_those_of_one_each(kind):
    host, images = hosted(kind), [picture(50, 34), picture(20, 61), picture(90, 30, 1)]
    for together, image in zip(eyes(host, images), images, strict=True):
        (alone,) = eyes(host, [image])
        for ours, theirs in zip((together.tokens, *together.deep), (alone.tokens, *alone.deep), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
        assert (together.spelt, together.views) == (alone.spelt, alone.views)


def test_the_opening_stands_once():
    model, processor = made("llava")
    opening = processor.tokenizer.convert_tokens_to_ids("<s>")
    processor.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", opening)]
    )
    for template in (processor.chat_template, "<s>" + processor.chat_template):
        processor.chat_template = template
        host = HostedBackend(model, processor)
        assert row(host, [picture(50, 34)], "What?").prompt.ids.count(opening) == 1
        assert row(host, [picture(50, 34)], "What?").prompt.ids[0] == opening


def masked(host: HostedBackend, one: HostedPrompt, theirs: dict[str, Tensor], written: list[int]) -> Tensor:
    """Scores behind the whole prompt and what was written, with what is dropped hidden in every layer, from outside:
    everything is read anew.
    """
    length = len(one.prompt.ids)
    ids = torch.cat([theirs["input_ids"], torch.tensor([written], dtype=torch.long)], dim=1)
    total = ids.shape[1]
    dropped = sorted(set(range(length)) - set(one.places))
    seen = torch.ones(total, total, dtype=torch.bool).tril()
    if KINDS[kind_of(host)].blocks:
        block = torch.zeros(total, dtype=torch.bool)
        block[:length] = torch.tensor(one.prompt.visual)
        runs = torch.cumsum(torch.cat([torch.zeros(1), (block[1:] != block[:-1]).float()]), dim=0)
        seen |= (runs[:, None] == runs) & block[:, None] & block
    seen[:, dropped] = False
    seen |= torch.eye(total, dtype=torch.bool)  # rows that see nothing would be no numbers
    added = torch.zeros(1, 1, total, total).masked_fill(~seen, torch.finfo(torch.float32).min)
    mask: Any = added
    if "layer_types" in vars(host.model.config.get_text_config()) and KINDS[kind_of(host)].blocks:
        mask = {"full_attention": added, "sliding_attention": added}
    told = {name: value for name, value in theirs.items() if name in SEEN - {"token_type_ids", "mm_token_type_ids"}}
    if KINDS[kind_of(host)].axes == 3:
        types = torch.cat([theirs["mm_token_type_ids"], torch.zeros(1, len(written), dtype=torch.int)], dim=1)
        told["position_ids"], _ = host.model.model.get_rope_index(
            ids, mm_token_type_ids=types, image_grid_thw=theirs["image_grid_thw"]
        )
    else:
        told["position_ids"] = torch.arange(total)[None]
    return host.model(input_ids=ids, attention_mask=mask, **told).logits[0, -1]


def kind_of(host: HostedBackend) -> str:
    return str(host.model.config.model_type)


@pytest.mark.parametrize("kind", FAMILIES)
@torch.no_grad()
def test_dropped_equals_masked_at_prefill_and_while_an_answer_is_written(kind):
    host, images = hosted(kind), [picture(50, 34), picture(40, 40, 1)]
    whole = row(host, images, QUESTIONS[0])
    keep = [[number for number in range(one.count) if number % 3 != 1] for one in whole.pictures]
    short = row(host, images, QUESTIONS[0], keep)
    theirs = inputs(host, images, QUESTIONS[0])
    head, tail = split(short)
    other, behind = split(row(host, images[:1], QUESTIONS[1], [[0, 2, 3]]))  # so that rows are padded
    reading = read(host.model, [other, head])
    scores = reading.follow(*pad_left([behind, tail]))
    alone = read(host.model, [other]).follow(*pad_left([behind]))[0]
    torch.testing.assert_close(scores[0], alone, rtol=0, atol=1e-4)
    written: list[int] = []
    for _ in range(6):
        expected = masked(host, short, theirs, written)
        torch.testing.assert_close(scores[1], expected, rtol=0, atol=1e-4)
        written.append(int(expected.argmax()))
        step = torch.tensor([[int(scores[0].argmax())], [written[-1]]])
        scores = reading.follow(step, torch.ones_like(step, dtype=torch.bool))
    unlike = masked(host, whole, theirs, [])
    assert float((unlike - masked(host, short, theirs, [])).abs().max()) > 1e-2  # dropping does something


@pytest.mark.parametrize("kind", FAMILIES)
@torch.no_grad()
def test_keeping_all_changes_nothing_and_order_does_not_matter(kind):
    host, images = hosted(kind), [picture(50, 34)]
    plain, tail = split(row(host, images, QUESTIONS[0]))
    count = plain.pictures[0].count
    scores = read(host.model, [plain]).follow(*pad_left([tail]))
    kept, _ = split(row(host, images, QUESTIONS[0], [list(range(count))]))
    assert torch.equal(read(host.model, [kept]).follow(*pad_left([tail])), scores)
    one, _ = split(row(host, images, QUESTIONS[0], [[1, 3, 5, 8]]))
    two, _ = split(row(host, images, QUESTIONS[0], [[8, 5, 1, 3]]))
    assert torch.equal(*(read(host.model, [each]).follow(*pad_left([tail])) for each in (one, two)))


@torch.no_grad()
def test_a_window_reaches_further_where_tokens_are_dropped():
    host, images = hosted("gemma3", sliding_window=12), [picture(50, 34)]
    short = row(host, images, QUESTIONS[0], [[0, 5, 10, 15]])
    theirs = inputs(host, images, QUESTIONS[0])
    head, tail = split(short)
    found = read(host.model, [head]).follow(*pad_left([tail]))[0]
    ids, length = theirs["input_ids"], len(short.prompt.ids)
    dropped = sorted(set(range(length)) - set(short.places))
    block = torch.tensor(short.prompt.visual)
    seen = torch.ones(length, length, dtype=torch.bool).tril() | (block[:, None] & block)
    near = (torch.arange(length)[:, None] - torch.arange(length)).abs() < 12
    masks = {}
    for name, allowed in (("full_attention", seen), ("sliding_attention", seen & near)):
        allowed = allowed.clone()
        allowed[:, dropped] = False
        allowed |= torch.eye(length, dtype=torch.bool)
        masks[name] = torch.zeros(1, 1, length, length).masked_fill(~allowed, torch.finfo(torch.float32).min)
    expected = host.model(input_ids=ids, attention_mask=masks, pixel_values=theirs["pixel_values"]).logits[0, -1]
    assert float((found - expected).abs().max()) > 1e-2


@pytest.mark.parametrize("kind", [*FAMILIES, "windowed"])
@torch.no_grad()
def test_two_questions_over_one_prefill_equal_two_prefills(kind):
    host = hosted("gemma3", sliding_window=12) if kind == "windowed" else hosted(kind)
    image = picture(50, 34)
    rows = [row(host, [image], question) for question in QUESTIONS]
    heads, tails = zip(*map(split, rows), strict=True)
    assert heads[0].prompt == heads[1].prompt
    prefix = read(host.model, heads[:1])
    for question, tail in zip(QUESTIONS, tails, strict=True):
        reading = prefix.take([0])
        scores = reading.follow(*pad_left([tail]))[0]
        fresh = host.model(**inputs(host, [image], question)).logits[0, -1]
        torch.testing.assert_close(scores, fresh, rtol=0, atol=1e-4)
        torch.testing.assert_close(scores, read(host.model, heads[:1]).follow(*pad_left([tail]))[0], rtol=0, atol=1e-5)


def words_in(host: HostedBackend, ids: list[int], words: str) -> list[int]:
    """The tokens that spell the last occurrence of ``words``; the last one where none are meant."""
    if not words:
        return [len(ids) - 1]
    spelt = [host.prompts.tokenizer.decode([token]) for token in ids]
    start = "".join(spelt).rfind(words)
    ends = np.cumsum([len(piece) for piece in spelt])
    return [
        number
        for number, (end, piece) in enumerate(zip(ends, spelt, strict=True))
        if end > start and end - len(piece) < start + len(words)
    ]


ASKED = ("Where is the fox now?", "And here?")
TARGETS = ("the fox", "")


@pytest.mark.parametrize("kind", [*FAMILIES, "windowed"])
@torch.no_grad()
def test_weights_are_those_of_eager_attention(kind):
    host = hosted("gemma3", sliding_window=12) if kind == "windowed" else hosted(kind)
    image = picture(50, 34)
    for layers, targets in ((None, ()), ((0.6, 1.0), TARGETS)):
        asked = Watch(questions=ASKED, targets=targets, layers=layers)
        (seen,) = host.run([Job("a", image, asked)])
        assert list(asked.depths(5)) == ([3, 4] if layers else [1, 2, 3])
        host.model.set_attn_implementation("eager")
        for question, words, heat in zip(ASKED, asked.words, seen.observation, strict=True):
            theirs = inputs(host, [image], question)
            ids = theirs["input_ids"][0]
            shown = host.model(**theirs, output_attentions=True).attentions
            rows, visual = words_in(host, ids.tolist(), words), ids == host.prompts.visual
            chosen = [shown[layer][0][:, rows][:, :, visual].mean(dim=(0, 1)) for layer in asked.depths(len(shown))]
            np.testing.assert_allclose(heat.weights, torch.stack(chosen).mean(dim=0).numpy(), atol=2e-6)
        host.model.set_attn_implementation("sdpa")


@pytest.mark.parametrize("kind", FAMILIES)
@torch.no_grad()
def test_values_are_those_that_the_layers_project(kind):
    host, image = hosted(kind), picture(50, 34)
    asked = Watch(questions=ASKED, by="values", targets=TARGETS)
    (seen,) = host.run([Job("a", image, asked)])
    for question, words, heat in zip(ASKED, TARGETS, seen.observation, strict=True):
        np.testing.assert_allclose(heat.weights, likeness(host, image, question, words, (2, 3, 4)), atol=1e-4)


def likeness(host: HostedBackend, image: Any, question: str, words: str, layers: tuple[int, ...]) -> np.ndarray:
    """The law, slowly, from what the layers' own projections put out."""
    held: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _, __, out: held.append(out[0].unflatten(-1, (2, 8)).transpose(0, 1)))
        for name, module in host.model.named_modules()
        if name.endswith("v_proj") and ("language_model" in name or "text_model" in name)
    ]
    theirs = inputs(host, [image], question)
    host.model(**theirs)
    for hook in hooks:
        hook.remove()
    ids = theirs["input_ids"][0]
    visual, rows = ids == host.prompts.visual, words_in(host, ids.tolist(), words)
    product = torch.ones(int(visual.sum()))
    for layer in layers:
        values = held[layer]
        found = torch.stack([torch.cosine_similarity(values[:, visual], values[:, row, None], dim=-1) for row in rows])
        mean = found.mean(dim=(0, 1))
        product *= ((mean - mean.min()) / (mean.max() - mean.min())).clamp_min(1e-6)
    return product.pow(1 / len(layers)).numpy()


@torch.no_grad()
def test_values_that_a_window_let_go_of_are_left_out():
    host, image = hosted("gemma3", sliding_window=12), picture(50, 34)
    (seen,) = host.run([Job("a", image, Watch(questions=ASKED[:1], by="values", targets=TARGETS[:1]))])
    # Of five layers the second and the fourth see everything.
    np.testing.assert_allclose(
        seen.observation[0].weights, likeness(host, image, *ASKED[:1], "the fox", (3,)), atol=1e-4
    )
    # A window that has let go of what stands before the picture, and of no more.
    visual = row(host, [image], ASKED[0]).prompt.visual
    held = hosted("gemma3", sliding_window=len(visual) - visual.index(True) + 1)
    (seen,) = held.run([Job("a", image, Watch(questions=ASKED[:1], by="values", targets=TARGETS[:1]))])
    expected = likeness(held, image, *ASKED[:1], "the fox", (2, 3, 4))
    np.testing.assert_allclose(seen.observation[0].weights, expected, atol=1e-4)
    with pytest.raises(SaccadeError, match=r"none of the layers \[4\] still holds the picture's values"):
        host.run([Job("a", image, Watch(questions=ASKED[:1], by="values", layers=(0.8, 1.0)))])


def test_refuses_tokens_that_a_picture_has_not():
    host = hosted("llava")
    head, _ = split(row(host, [picture(30, 30)], "?", [[0, 16]]))
    with pytest.raises(SaccadeError, match=r"keep names token 16, the picture has 0 to 15"):
        read(host.model, [head])
