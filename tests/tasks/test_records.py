"""Records of users' data: every refusal, with the line it is about."""

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.errors import SaccadeError
from saccade.tasks.records import FORMS
from saccade.tasks.values import seen
from tests.tasks.files import CSV_HEAD, GOOD, TURNS, refused, write

JSONL_FAULTS = {
    '{"image": "a.png", "question"': "not JSON: Expecting ':' delimiter at column 30; expected an object like {",
    "{} {}": "more text at column 3, behind the object; write one object a line",
    '{"image": "a.png", "image": "a.png"}': 'the key "image" stands twice in one object; keep one',
    '["a.png", "What?", "cat"]': 'found ["a.png", "What?", "cat"], expected an object with image, question',
    '{"image": "a.png", "question": "What?", "anwser": "cat"}': "unknown key 'anwser'; did you mean answer or answers?",
    '{"image": "a.png", "answer": "cat"}': "the key 'question' is missing; found image, answer",
    "{}": "the key 'image' is missing; found none",
    '{"image": "a.png", "question": "What?"}': "found neither answer nor answers, expected exactly one of the two",
    GOOD[:-1] + ', "answers": ["cat"]}': "found both answer and answers, expected exactly one",
    GOOD.replace('"cat"', "7"): 'answer is 7, expected text; put it in quotes: "7"',
    GOOD.replace('"cat"', "true"): "answer is true, expected text",
    GOOD.replace('"cat"', "null"): "answer is null, expected text",
    GOOD.replace('"cat"', '" "'): "answer is empty; fill it in",
    GOOD.replace('"cat"', '"."'): 'the answer "." is only full stops; write what is to be said',
    GOOD.replace('"answer": "cat"', '"answers": []'): "answers is [], expected a list of texts with at least one",
    GOOD.replace('"answer": "cat"', '"answers": "cat"'): 'answers is "cat", expected a list of texts',
    GOOD.replace('"answer": "cat"', '"answers": ["cat", ""]'): "an answer is empty",
    GOOD.replace('"a.png"', '["a.png"]'): 'image is ["a.png"], expected text',
    GOOD.replace("What?", ""): "question is empty; fill it in or leave the question out",
    GOOD.replace("a.png", "b.png"): 'there is no image file "b.png" in ',
    GOOD.replace("a.png", "sub"): 'there is no image file "sub" in ',
    GOOD.replace("a.png", "x" * 5000): "there is no image file ",
    GOOD.replace("a.png", "\\u0000"): "there is no image file ",
    GOOD[:-1] + ', "scale": "gits"}': "unknown scale 'gits'; did you mean gist?",
    GOOD[:-1] + ', "scale": 1}': "scale is 1, expected text",
    GOOD[:-1] + ', "metric": "exat"}': "unknown metric 'exat'; did you mean exact?",
    GOOD[:-1] + ', "metric": "nobody/kind"}': "metric 'nobody/kind' needs the package nobody, which is not installed",
    GOOD[:-1] + ', "metric": 3}': "metric is 3, expected text",
    GOOD[:-1]
    + ', "metric": "vqa"}': "the metric vqa takes the 10 answers that 10 people gave, equal ones repeated, got 1",
    GOOD[:-1] + ', "metric": "iou"}': "the metric iou compares boxes, and the question 'What?' has no evidence",
    GOOD[:-1] + ', "metric": "choice"}': "the metric choice takes answers that are a letter, got 'cat'",
    GOOD[:-1]
    + ', "metric": "choice", "choices": ["dog", "cow"]}': "the metric choice takes answers that are one of the 2",
    GOOD[:-1] + ', "choices": "cat"}': 'choices is "cat", expected a list of 2 texts or more',
    GOOD[:-1] + ', "choices": ["cat"]}': 'choices is ["cat"], expected a list of 2 texts or more',
    GOOD[:-1] + ', "choices": ["cat", 1]}': "a choice is 1, expected text",
    GOOD[:-1] + ', "choices": ["cat", "."]}': 'the choice "." is only full stops; write what it says',
    GOOD[:-1] + ', "choices": ["cat", "Cat."]}': 'the choice "Cat." stands twice; every choice needs a text of its own',
    GOOD[:-1] + ', "choices": ["b", "c"]}': 'the choice "b" is the letter of another choice; write the choices without',
    GOOD[:-1]
    + f', "choices": {json.dumps([str(n) for n in range(27)])}}}': "choices holds 27 texts, expected at most 26",
    GOOD[:-1] + ', "boxes": [1, 2, 3, 4]}': "boxes holds 1, expected [[left, top, right, bottom], ...] in pixels",
    GOOD[:-1] + ', "boxes": {"left": 1}}': 'boxes is {"left": 1}, expected [[left, top, right, bottom], ...] in pixels',
    GOOD[:-1] + ', "boxes": [[1, 2, 3]]}': "boxes holds [1, 2, 3], expected [[left, top, right, bottom]",
    GOOD[:-1] + ', "boxes": [[1, 2, 3, "4"]]}': 'boxes holds [1, 2, 3, "4"], expected',
    GOOD[:-1] + ', "boxes": [[0, 0, 1, true]]}': "boxes holds [0, 0, 1, true], expected",
    GOOD[:-1] + ', "boxes": [[0, 0, 1, NaN]]}': "boxes holds [0, 0, 1, NaN], expected",
    GOOD[:-1] + ', "boxes": [[0, 0, 1, 1e999]]}': "boxes holds [0, 0, 1, Infinity], expected",
    GOOD[:-1] + ', "boxes": [[5, 5, 5, 9]]}': "the box [5, 5, 5, 9] has no area; expected [left, top, right, bottom]",
    GOOD[:-1] + ', "boxes": [[5, 9, 8, 9]]}': "the box [5, 9, 8, 9] has no area",
    GOOD[:-1] + f', "boxes": [[0, 0, 1, {"9" * 400}]]}}': "boxes holds [0, 0, 1, 999999999",
    f'{{"image": {"9" * 5000}}}': "not JSON that can be read: Exceeds the limit",
    "[" * 100_000: "not JSON that can be read: maximum recursion depth exceeded",
}


@pytest.mark.parametrize("line", JSONL_FAULTS, ids=list(JSONL_FAULTS.values()))
def test_a_bad_jsonl_line_is_named(folder, line):
    path = write(folder, "mine.jsonl", f"{GOOD}\n\n{line}\n{GOOD}\n")
    assert refused(path).startswith(f"{path} line 3: {JSONL_FAULTS[line]}")


def test_the_first_bad_line_is_named_and_the_others_counted(folder):
    bad = GOOD.replace("a.png", "gone.png")
    message = refused(write(folder, "mine.jsonl", "\n".join([GOOD, bad, GOOD, "{", bad])))
    assert re.search(r'mine\.jsonl line 2: there is no image file "gone\.png".* \(and 2 more bad records\)$', message)
    assert "more" not in refused(write(folder, "mine.jsonl", bad))
    assert refused(write(folder, "mine.jsonl", f"{bad}\n{bad}")).endswith(" (and 1 more bad record)")


def entry(**changes: object) -> dict[str, object]:
    return {"image": "a.png", "conversations": TURNS} | changes


LLAVA_FAULTS: list[tuple[object, str]] = [
    ("a.png", 'found "a.png", expected an object with image, conversations'),
    ({"conversations": TURNS}, "the key 'image' is missing; found conversations"),
    (entry(imgae="a.png"), "unknown key 'imgae'; did you mean image?"),
    (entry(image=["a.png"]), 'image is ["a.png"], expected text'),
    (entry(image="gone.png"), 'there is no image file "gone.png" in '),
    (entry(conversations="What?"), 'conversations is "What?", expected a list of human and gpt turns in pairs'),
    (entry(conversations=[]), "conversations is 0 turns, expected a list of human and gpt turns in pairs"),
    (entry(conversations=TURNS[:1]), "conversations is 1 turns, expected"),
    (entry(conversations=TURNS[::-1]), 'turn 1 is from "gpt", expected "human"; human and gpt take turns'),
    (entry(conversations=TURNS[:1] * 2), 'turn 2 is from "human", expected "gpt"'),
    (entry(conversations=[{"from": "human", "text": "What?"}, TURNS[1]]), "unknown key 'text'; known: from, value"),
    (entry(conversations=[TURNS[0], {"from": "gpt", "value": 3}]), "the value of turn 2 is 3, expected text"),
    (entry(conversations=[TURNS[0], {"from": "gpt", "value": ""}]), "the value of turn 2 is empty"),
    (entry(conversations=[{"from": "human", "value": "<image>\n"}, TURNS[1]]), "question is empty; fill it in"),
    (entry(conversations=TURNS * 2), "the turns hold 2 <image> marks for 1 image; keep the one in the first"),
    (entry(scale="fine"), "unknown scale 'fine'; "),
]


def test_an_entry_of_many_lines_is_found_by_its_first(folder):
    path = write(folder, "llava.json", json.dumps([entry(), entry(), entry(image="b.png")], indent=1))
    assert refused(path).startswith(f"{path} line 28 (entry 3): there is no image file")
    assert path.read_text().splitlines()[27:29] == [" {", '  "image": "b.png",']


@pytest.mark.parametrize(("bad", "message"), LLAVA_FAULTS, ids=[message for _, message in LLAVA_FAULTS])
def test_a_bad_llava_entry_is_named(folder, bad, message):
    text = "[\n" + ",\n\n".join(json.dumps(value) for value in (entry(), bad, entry())) + "\n]"
    path = write(folder, "llava.json", text)
    assert refused(path).startswith(f"{path} line 4 (entry 2): {message}")


E1 = json.dumps(entry())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD, "line 1: expected '[', a list of LLaVA entries; name a file of one object a line .jsonl"),
        ("", "line 1: expected '['"),
        (f'[\n{E1},\n\n{{"image":', "line 4 (entry 2): not JSON: Expecting value at column 10 of line 4; expected an"),
        (f"[\n{E1},\n]", "line 3 (entry 2): not JSON: Expecting value at column 1 of line 3"),
        (f"[{E1}\n{E1}]", "line 1: expected ',' or ']' behind entry 1"),
        (f"[\n{json.dumps(entry(), indent=1)}", "line 14: expected ',' or ']' behind entry 1; the list is broken"),
        (f"[{E1}]\n\n[{E1}]", "line 3: more text behind the ']' that ends the list"),
        ("[]\n]", "line 1: more text behind"),
        ('[\n{"image": "a.png", "image": "b.png"}]', 'line 2 (entry 1): the key "image" stands twice'),
    ],
)
def test_a_broken_llava_list_is_named(folder, text, message):
    path = write(folder, "llava.json", text)
    assert refused(path).startswith(f"{path} {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,question,anser\n", "line 1: unknown column 'anser'; did you mean answer or answers?; the first line"),
        ("\nimage;question;answer\n", "line 2: unknown column 'image;question;answer'; "),
        ("question,answer\n", "line 1: the column 'image' is missing; found question, answer; the first line names"),
        ("image,question\n", "line 1: the columns are image, question; expected each once, and either answer or"),
        ("image,question,answer,answers\n", "line 1: the columns are image, question, answer, answers; expected each"),
        ("image,question,answer,image\n", "line 1: the columns are image, question, answer, image; expected each once"),
        (f"{CSV_HEAD}\na.png,What?,cat\n", "line 2: found 3 cells, expected 4; quote a cell that holds a comma"),
        (f'{CSV_HEAD}\na.png,"Wh\n\nat?",cat,\n\nb.png,What?,cat,\n', 'line 6: there is no image file "b.png" in '),
        (f"{CSV_HEAD}\na.png,,cat,\n", "line 2: question is empty"),
        (f'{CSV_HEAD}\na.png,"\n\n",cat,\n', "line 2: question is empty"),
        (f"{CSV_HEAD}\n,What?,cat,\n", "line 2: image is empty"),
        (f"{CSV_HEAD}\na.png,What?,,\n", "line 2: answer is empty"),
        (f"{CSV_HEAD}\na.png,What?,cat,detial\n", "line 2: unknown scale 'detial'; did you mean detail?"),
        (f'{CSV_HEAD}\na.png,"What?"x,cat,\n', "line 2: not CSV: "),
        (f'{CSV_HEAD}\na.png,What?,cat,\n\na.png,"What?,cat,\na.png,What?,cat,\n', "line 4: not CSV: "),
        ("image,question,answers\na.png,What?,cat||dog\n", "line 2: an answer is empty"),
    ],
)
def test_a_bad_csv_line_is_named(folder, text, message):
    path = write(folder, "table.csv", text)
    assert refused(folder).startswith(f"{path} {message}")


def test_what_an_error_shows_is_short_and_can_be_printed():
    assert seen("ça") == '"ça"'
    assert len(seen("x" * 999)) == 60
    assert seen("\ud800") == '"\\ud800"'


@given(st.sampled_from(sorted(FORMS)), st.text(alphabet='[]{},:"|\n\r aimge\x00\ufeff0<>\\', max_size=60))
def test_no_text_makes_a_form_fail_in_another_way(form, text):
    frame = ""
    try:
        for place, rows in FORMS[form](text):
            assert re.fullmatch(r"line \d+( \(entry \d+\))?", place)
            with suppress(SaccadeError):
                rows()
    except SaccadeError as error:
        frame = str(error)
    assert re.match(r"$|line \d+", frame)
