"""The reader's own promises: dropped tokens, shared prefixes, batches of views, and what is refused."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Tensor

from saccade.backends.random_init import from_spec, spec_of
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.runtime import reader as base
from saccade.runtime.encoded import Encoded
from saccade.runtime.reader import Reader
from saccade.specs.connectors.merge import MergeSpec
from saccade.specs.layouts.resize import StretchSpec
from tests.parts import close, picture, shake

QUESTION = "What is it?"
TEMPLATES = ["<image>{question}\n", "Q: {question} <image> A:", "USER: <image>\n{question} ASSISTANT:"]


def reader(name: str = "llava", **changes: object) -> Reader:
    made = from_spec(replace(spec_of(name), **changes))
    shake(made)
    return made


def encode(made: Reader, *sizes: tuple[int, int]) -> list[Encoded]:
    with torch.no_grad():
        return made.encode([picture(*size) for size in sizes])


def masked(
    made: Reader, encoded: Encoded, question: str, kept: list[int], tokens: int
) -> tuple[list[int], list[Tensor]]:
    """The full sequence with dropped tokens in place but hidden from every other position; read anew every step."""
    prompt = made.prompt(made.spec.template.replace("{question}", question), [encoded])
    visual = [place for place, mark in enumerate(prompt.visual) if mark]
    hidden = {place for number, place in enumerate(visual) if number not in kept}
    chosen: list[int] = []
    scores: list[Tensor] = []
    for _ in range(tokens):
        vectors = made.language.embed(torch.tensor([[*prompt.ids, *chosen]]))
        vectors[0, visual] = encoded.tokens
        length = vectors.shape[1]
        sees = torch.ones(length, length).tril().bool()
        for place in hidden:
            sees[:, place] = False
            sees[place, place] = True  # a row that sees nothing has no softmax; nobody looks at it
        scores.append(made.language(vectors, sees[None, None], torch.arange(length)[None], None, 1)[0, -1])
        chosen.append(int(scores[-1].argmax()))
    return chosen, scores


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", ["llava", "llava-uhd", "idefics"])
@torch.no_grad()
def test_dropping_tokens_equals_hiding_them(name, template):
    made = reader(name, template=template)
    encoded = encode(made, (90, 41), (28, 28))
    for share in (0.0, 0.3, 0.9):
        kept = [torch.randperm(len(one.tokens))[: int(share * len(one.tokens))] for one in encoded]
        found = made.ask(encoded, [[QUESTION, "how many?"]] * 2, keep=kept, max_tokens=3)
        for one, numbers, answers in zip(encoded, kept, found, strict=True):
            for question, answer in zip([QUESTION, "how many?"], answers, strict=True):
                chosen, scores = masked(made, one, question, numbers.tolist(), 3)
                chances = [float(score.log_softmax(-1).max()) for score in scores]
                assert list(answer.logprobs) == pytest.approx(chances, abs=2e-4)
                assert list(answer.tokens) == chosen


@torch.no_grad()
def test_keeping_all_is_keeping_none_back():
    made = reader()
    encoded = encode(made, (40, 40))
    everything = [torch.randperm(16)]
    assert made.ask(encoded, [[QUESTION]], keep=everything) == made.ask(encoded, [[QUESTION]])


@torch.no_grad()
def test_the_template_may_put_the_question_first():
    """Then nothing is shared between questions, and each is still answered as if it stood alone."""
    made = reader(template=TEMPLATES[1])
    encoded = encode(made, (40, 40), (28, 90))
    questions = [["a", "bb", "a"], ["ccc"]]
    found = made.ask(encoded, questions, max_tokens=3)
    for one, asked, answers in zip(encoded, questions, found, strict=True):
        assert [answer.tokens for answer in answers] == [
            made.ask([one], [[question]], max_tokens=3)[0][0].tokens for question in asked
        ]


@torch.no_grad()
def test_views_share_batches_by_size_and_come_back_in_order(monkeypatch):
    made = reader("llava-uhd")
    sizes = [(90, 41), (28, 28), (41, 90), (90, 41)]
    together = encode(made, *sizes)
    monkeypatch.setattr(base, "VIEWS_AT_ONCE", 1)
    for ours, size in zip(together, sizes, strict=True):
        (alone,) = encode(made, size)
        close(ours.tokens, alone.tokens)
        assert ours.layout == alone.layout


@torch.no_grad()
def test_seeing_otherwise_shares_the_weights():
    made = reader()
    other = made.seeing(StretchSpec(size=Size(14, 14)))
    (small,) = other.encode([picture(40, 30)])
    assert (len(small.tokens), len(encode(made, (40, 30))[0].tokens)) == (4, 16)
    assert all(ours is theirs for ours, theirs in zip(other.parameters(), made.parameters(), strict=True))


@torch.no_grad()
def test_merging_tells_the_ledger_what_it_merged():
    made = reader(connector=MergeSpec(width_in=16, width_out=16, budget=5))
    first, other = encode(made, (40, 40), (90, 41))
    for encoded in (first, other):
        assert len(encoded.ledger) == len(encoded.tokens) == 5
        cells = sorted(int(cell) for group in encoded.ledger.groups for cell in group)
        assert cells == list(range(16))
    assert [group.tolist() for group in first.ledger.groups] != [group.tolist() for group in other.ledger.groups]


def test_pictures_are_opened_as_users_expect():
    made = reader()
    see_through = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    white = Image.new("RGB", (40, 30), "white")
    close(made.encode([see_through])[0].tokens, made.encode([white])[0].tokens)


def test_nothing_to_ask_gives_nothing():
    made = reader()
    assert made.encode([]) == []
    assert made.ask([], []) == []
    assert made.ask(encode(made, (28, 28)), [[]]) == [[]]


def test_refuses_what_does_not_fit():
    made = reader()
    encoded = encode(made, (28, 28))
    with pytest.raises(SaccadeError, match="1 pictures but 2 lists of questions; give one each"):
        made.ask(encoded, [["a"], ["b"]])
    with pytest.raises(SaccadeError, match="1 pictures but 1 lists of questions and 2 lists of kept tokens"):
        made.ask(encoded, [["a"]], keep=[torch.arange(2)] * 2)
    with pytest.raises(SaccadeError, match="keep names token 16, the picture has 0 to 15"):
        made.ask(encoded, [["a"]], keep=[torch.tensor([3, 16])])
    with pytest.raises(SaccadeError, match="keep names token -1, the picture has 0 to 15"):
        made.ask(encoded, [["a"]], keep=[torch.tensor([3, -1])])
    with pytest.raises(SaccadeError, match="take <image> out of it"):
        made.ask(encoded, [["an <image>?"]])
    with pytest.raises(SaccadeError, match="2 prompts but 1 lists of pictures"):
        made.logits([[picture(28, 28)]], ["<image>", "<image>"])
    with pytest.raises(SaccadeError, match="holds 2 <image> placeholders but 1 pictures were given"):
        made.logits([picture(28, 28)], "<image><image>")
    with pytest.raises(SaccadeError, match="takes 1216 positions, but the language model was made for 1024"):
        made.logits([picture(28, 28)], "<image>" + "a" * 1200)
    with pytest.raises(SaccadeError, match="takes 1227 positions and its answer up to 7 more"):
        made.ask(encoded, [["a" * 1193]])


def test_plans_before_anything_is_run():
    plan = reader().plan(Size(40, 30), QUESTION)
    assert (plan.visual_tokens, plan.length) == (16, 16 + len("USER: \nWhat is it? ASSISTANT:"))


@pytest.mark.parametrize("name", ["llava-uhd", "llava-uhd-144", "llava-uhd-v2", "flamingo"])
def test_where_queries_look_is_a_share_of_each_view(name):
    """Only patches that a token comes from can matter: the picture's part that is looked at most moves with it."""
    made = reader(name)
    image = picture(90, 41)
    shares = made.watched(image)
    (encoded,) = encode(made, (90, 41))
    assert shares.shape == (len(encoded.ledger.cells),)
    for view in range(len(encoded.layout.views)):
        assert shares[encoded.ledger.view == view].sum() == pytest.approx(1, abs=1e-5)
    assert shares.min() >= 0
    assert shares.std() > 0


def test_tokens_of_a_place_have_no_attention_to_show():
    assert reader("llava").watched(picture(40, 40)) is None
