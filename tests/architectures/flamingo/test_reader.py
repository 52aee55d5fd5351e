"""What gated cross-attention promises of a whole reader."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from saccade.backends.random_init import from_spec, spec_of
from saccade.core.errors import SaccadeError
from saccade.runtime.encoded import Shot
from saccade.runtime.reader import Reader
from tests.parts import close, picture, shake

PROMPT = "see:<image>what is <image>this?"


def reader(**changes: object) -> Reader:
    spec = spec_of("flamingo")
    made = from_spec(replace(spec, cross=replace(spec.cross, **changes)))
    shake(made)
    return made


def images(*seeds: int) -> list:
    return [picture(40, 40, seed) for seed in seeds]


def scores(made: Reader, seeds: tuple[int, ...], prompt: str = PROMPT) -> Tensor:
    return made.logits(images(*seeds), prompt)


def plain(made: Reader, prompt: str) -> Tensor:
    """The language model alone."""
    with torch.inference_mode():
        return made.language.model(torch.tensor([made.tokenizer(prompt)["input_ids"]])).logits[0].float()


def test_closed_gates_leave_the_language_model_as_it_was_to_the_bit():
    made = reader()
    with torch.no_grad():
        for block in made.cross.each:
            block.gate_attention.zero_()
            block.gate_feed.zero_()
    assert scores(made, (1, 2)).equal(plain(made, PROMPT))


def test_text_alone_is_the_language_model_to_the_bit():
    made = reader()
    assert made.logits([], "no picture at all").equal(plain(made, "no picture at all"))
    together = made.logits([[], images(1, 2)], ["no picture at all", PROMPT])
    close(together[0], plain(made, "no picture at all"))


def test_text_before_the_first_picture_reads_none():
    made = reader()
    first, other = scores(made, (1, 2)), scores(made, (3, 4))
    assert first[:4].equal(other[:4])
    assert not torch.allclose(first[4], other[4])


@pytest.mark.parametrize("sees", ["last", "all"])
def test_a_later_picture_changes_only_what_follows_it(sees):
    made = reader(sees=sees)
    first, other = scores(made, (1, 2)), scores(made, (1, 3))
    place = PROMPT.replace("<image>", "#").rindex("#")
    close(first[:place], other[:place])
    assert (first[place:] - other[place:]).abs().amax(-1).gt(1e-4).all()


def test_which_pictures_are_in_sight():
    """Of an earlier picture, what follows the later one hears through the language model alone; or reads both."""
    first, both = reader(sees="last"), reader(sees="all")
    both.load_state_dict(first.state_dict())
    place = PROMPT.replace("<image>", "#").rindex("#")
    close(scores(first, (1, 2))[:place], scores(both, (1, 2))[:place])
    assert not torch.allclose(scores(first, (1, 2))[place:], scores(both, (1, 2))[place:], atol=1e-3)


@pytest.mark.parametrize("sees", ["last", "all"])
def test_answers_with_kept_keys_equal_reading_everything_anew(sees):
    made = reader(sees=sees)
    told, asked = made.encode(images(5, 6)), made.encode(images(1, 2))
    shots = [[Shot(told[0], "who?", "ab"), Shot(told[1], "how?", "c")], [Shot(told[1], "why?", "d")]]
    found = made.ask(asked, [["what?", "where is it?"], ["when?"]], shots=shots, max_tokens=5)
    for number, questions in enumerate([["what?", "where is it?"], ["when?"]]):
        for question, answer in zip(questions, found[number], strict=True):
            text = "".join(made.text(s.question) + s.answer + made.spec.closing for s in shots[number])
            prompt = made.prompt(text + made.text(question), [*(s.encoded for s in shots[number]), asked[number]])
            for token, chance in zip(answer.tokens, answer.logprobs, strict=True):
                with torch.inference_mode():
                    (row,) = made.scores([prompt], [[*(s.encoded for s in shots[number]), asked[number]]])
                best = row[-1].float().log_softmax(-1).max(-1)
                assert int(best.indices) == token
                assert float(best.values) == pytest.approx(chance, abs=2e-4)
                prompt = prompt.then((token,))


def test_examples_are_read_as_a_prompt_that_spells_them():
    made = reader()
    told, (asked,) = made.encode(images(5)), made.encode(images(1))
    (prompt,) = [made.prompt("<image>Question:a Short answer:b</s><image>Question:c Short answer:", [told[0], asked])]
    (answer,) = made.ask([asked], [["c"]], shots=[[Shot(told[0], "a", "b")]], max_tokens=1)[0]
    with torch.inference_mode():
        (row,) = made.scores([prompt], [[told[0], asked]])
    assert answer.tokens == (int(row[-1].argmax()),)


def test_dropped_tokens_are_not_read():
    made = reader()
    (asked,) = made.encode(images(1))
    changed = replace(asked, tokens=torch.cat([asked.tokens[:2], asked.tokens[2:] + 1]))
    keep = [torch.tensor([1, 0])]
    assert made.ask([asked], [["a"]], keep=keep) == made.ask([changed], [["a"]], keep=keep)
    assert made.ask([asked], [["a"]]) != made.ask([changed], [["a"]])


def test_loss_is_the_cross_entropy_of_the_targets():
    made = reader()
    rows, prompts, targets = [images(1, 2), images(3)], [PROMPT, "<image>b"], ["yes", "n"]
    found = made.loss(rows, prompts, targets)
    told = []
    for pictures, prompt, target in zip(rows, prompts, targets, strict=True):
        logits = made.logits(pictures, prompt + target).log_softmax(-1)
        ids = made.tokenizer(target)["input_ids"]
        told += [-logits[len(logits) - len(ids) - 1 + number, token] for number, token in enumerate(ids)]
    close(found, torch.stack(told).mean())
    assert found.requires_grad
    with pytest.raises(SaccadeError, match="the target '' has 0 tokens"):
        made.loss([images(1)], ["<image>"], [""])
    with pytest.raises(SaccadeError, match="1 prompts but 2 targets"):
        made.loss([images(1)], ["<image>"], ["a", "b"])


def test_unequal_lists_are_refused():
    made = reader()
    (asked,) = made.encode(images(1))
    with pytest.raises(SaccadeError, match="1 pictures but 1 lists of questions and 2 lists of shots; give one each"):
        made.ask([asked], [["a"]], shots=[[], []])


def test_pictures_are_either_called_or_spliced():
    flamingo, llava = spec_of("flamingo"), spec_of("llava")
    with pytest.raises(SaccadeError, match=r"pictures are called .CalledSequence. and nothing crosses to them"):
        replace(flamingo, cross=None)
    with pytest.raises(SaccadeError, match=r"PlainSequence splices pictures in"):
        replace(flamingo, sequence=llava.sequence)
    with pytest.raises(SaccadeError, match="is for 4 layers of 16 channels, the language model has 2 of"):
        replace(flamingo, language=llava.language)
    with pytest.raises(SaccadeError, match="puts out 16 channels, cross-attention reads 8"):
        replace(flamingo, cross=replace(flamingo.cross, source=8))
