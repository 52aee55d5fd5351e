import base64
import dataclasses
import io
import itertools
import re
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.ledger import Ledger
from saccade.core.size import Size
from saccade.evaluation.shown import ShownImage, ShownLook
from saccade.report.html_report import render
from saccade.specs.groups import identity
from saccade.specs.layouts.slices import ArxivSliceSpec
from saccade.tasks.exam import Question
from tests.report.fakes import results, row, seen, shown, whole


@cache
def page() -> str:
    return render(results(), shown(2))


def tree(html: str) -> ElementTree.Element:
    """The page is well-formed XML: a tag that is not closed fails here."""
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>"))


def text(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


def cards(html: str) -> list[ElementTree.Element]:
    return tree(html).findall(".//article")


def one(look: ShownLook, question: Question | None = None, image: Image.Image | None = None) -> str:
    size = (look.layout.size.width, look.layout.size.height)
    asked = question or Question("What?", ("7",), "digit", "detail", (Box(10, 10, 20, 20),), 8.0)
    return render(results(row()), [ShownImage("mine", image or Image.new("RGB", size, "white"), asked, (look,))])


def test_it_needs_nothing_but_itself():
    html = page()
    assert not re.search(r"""(src|href)\s*=\s*["']?\s*(?!["']?(#|data:image/))""", html)
    assert not re.search(r"url\(|@import|http|<script|<link", html)


def test_every_row_appears_with_its_scores():
    body = tree(page()).findall(".//table")[0].findall("./tbody/tr")
    assert len(body) == len(results().rows)
    for line, found in zip(body, results().ranked, strict=True):
        cells = [text(cell) for cell in line]
        assert cells[0].startswith(found.reader)
        assert (found.budget is None) or cells[0].endswith(f"{found.policy} {found.budget}")
        assert found.detail is not None
        assert cells[3].startswith(f"{100 * found.detail.accuracy:.1f}")
        assert cells[-1] == found.fidelity
    heads = tree(page()).findall(".//table")[0].findall("./thead/tr/th")
    assert {len(line) for line in body} == {len(heads)}


def test_kinds_have_their_table():
    head, *body = tree(page()).findall(".//details//tr")
    assert [text(cell) for cell in head] == ["reader", "tokens", "digit", "code (resolvable)", "background"]
    assert len(body) == len(results().rows)
    bare = dataclasses.replace(row(), kinds={})
    assert "<details" not in render(results(bare), [])


def test_no_pictures_no_section():
    html = render(results(), [])
    assert "What each reader saw" not in html
    assert tree(html).findall(".//figure/svg")


def test_what_users_wrote_is_escaped():
    evil = '<script>alert("x")</script>&\x00'
    look = dataclasses.replace(seen(evil, whole(Size(64, 64)), [identity(256)]), answer=evil)
    question = Question(evil, (evil,), evil, "own", (), 0.0)
    found = results(
        dataclasses.replace(row(evil), trained=evil, policy=evil, kinds={evil: row().kinds["digit"]}), reference=evil
    )
    html = render(found, [ShownImage(evil, Image.new("RGB", (64, 64)), question, (look,))])
    assert "<script" not in html
    assert text(tree(html)).count('<script>alert("x")</script>&') >= 8


def test_other_scripts_stay_and_what_no_file_can_hold_is_replaced():
    look = dataclasses.replace(
        seen("llava", whole(Size(64, 64)), [identity(256)]), answer="日本\u3000👩\u200d🔬\x07\ud800"
    )
    html = one(look)
    assert "日本\u3000👩\u200d🔬\ufffd\ufffd" in text(cards(html)[0])
    html.encode("utf-8")


def test_each_token_box_appears():
    look = seen("llava", whole(Size(200, 120)), [identity(256)])
    shapes = cards(one(look))[0].findall(".//g[@class='tokens']/rect")
    assert len(shapes) == 256
    found = {tuple(round(float(shape.get(key, "")), 1) for key in ("x", "y", "width", "height")) for shape in shapes}
    boxes = [look.ledger.bounds(token) for token in range(256)]
    assert found == {
        (round(b.left, 1), round(b.top, 1), round(b.width, 1), round(b.height, 1)) for b in boxes if b is not None
    }


def test_tokens_of_a_ragged_merge_are_outlined_without_inner_edges():
    ell = [np.asarray([0, 1, 16]), *(np.asarray([place]) for place in range(256) if place not in (0, 1, 16))]
    look = seen("merge", whole(Size(256, 256)), [ell])
    (shape,) = cards(one(look))[0].findall(".//g[@class='tokens']/path")
    # Three cells have twelve edges; the two that they share count out twice.
    assert shape.get("d", "").count("M") == 12 - 4


def test_dropped_places_are_dimmed():
    kept = [np.asarray([place]) for place in range(100)]
    card = cards(one(seen("llava random 100", whole(Size(128, 128)), [kept])))[0]
    (dropped,) = card.findall(".//path[@class='dropped']")
    assert dropped.get("d", "").count("M") == 156
    assert len(card.findall(".//g[@class='tokens']/rect")) == 100
    assert not cards(one(seen("llava", whole(Size(128, 128)), [identity(256)])))[0].findall(".//path[@class='dropped']")


def test_overviews_and_slices_are_drawn_apart_and_attention_is_told():
    by_name = {text(card.findall("header/h4")[0]): card for card in cards(page())}
    uhd = by_name["llava-uhd"]
    captions = [text(caption) for caption in uhd.iter("figcaption")]
    assert len(captions) == 2
    assert all("by attention" in caption for caption in captions)
    assert not uhd.findall(".//g[@class='tokens']/*")
    idefics = by_name["idefics"].findall(".//figure")
    assert [len(figure.findall(".//g[@class='tokens']/*")) for figure in idefics] == [16, 64]
    assert [len(figure.findall(".//rect[@class='view']")) for figure in idefics] == [1, 4]
    assert not any("attention" in text(caption) for caption in by_name["llava"].iter("figcaption"))


def test_a_card_says_answer_verdict_tokens_and_slots():
    look = dataclasses.replace(
        seen("llava", whole(Size(64, 64)), [identity(256)], answer="42", right=False), slots=1300
    )
    told = text(cards(one(look))[0])
    for part in ("42", "wrong", "256 tokens", "1,300 slots"):
        assert part in told
    assert "no answer" in text(cards(one(dataclasses.replace(look, answer=" ")))[0])


def test_the_evidence_is_marked_unless_it_is_everything():
    look, size = seen("llava", whole(Size(200, 100)), [identity(256)]), Size(200, 100)
    small = Question("?", ("a",), "digit", "detail", (Box(20, 30, 40, 50),), 8.0)
    (mark,) = cards(one(look, small))[0].findall(".//rect[@class='evidence']")
    assert float(mark.get("x", "")) < 20
    assert float(mark.get("x", "")) + float(mark.get("width", "")) > 40
    gist = Question("?", ("a",), "layout", "gist", (Box.of(size),), 0.0)
    assert 'class="evidence"' not in one(look, gist)
    assert "whole picture." in one(look, gist)
    assert "not known" in one(look, Question("?", ("a",), "own", "own", (), 0.0))


def test_pictures_are_embedded_once_per_resolution_and_kept_small():
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 1400, 3), dtype=np.uint8))
    size = Size(1400, 900)
    looks = (
        seen("a", whole(size), [identity(256)]),
        seen("b", whole(size), [identity(256)]),
        seen("c", whole(size, 64), [identity(16)]),
        # Sharper than what is embedded: no copy of its own.
        seen("d", whole(size, 768), [identity(48 * 48)]),
    )
    html = render(results(row()), [ShownImage("photo", photo, Question("?", ("a",), "own", "own"), looks)])
    images = tree(html).findall(".//image")
    opened = []
    for image in images:
        assert (image.get("width"), image.get("height")) == ("1400", "900")
        opened.append(Image.open(io.BytesIO(base64.b64decode(image.get("href", "").split(",")[1]))).size)
    assert opened == [(512, 329), (256, 256), (64, 64)]
    ids = [image.get("id") for image in images]
    used = [use.get("href", "").removeprefix("#") for use in tree(html).findall(".//use")]
    assert used == [ids[0], ids[1], ids[1], ids[2], ids[0]]


def test_ids_are_unique():
    ids = [element.get("id") for element in tree(page()).iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(f'"#{key}"' in page() for key in ids)


def test_how_it_was_measured():
    told = text(tree(page()))
    for part in (
        results().recipe,
        "scenes/1 test 0:200",
        "torch 2.13.0",
        "2 threads",
        "6 tower pixels",
        "bootstrap",
        "saccade.compare/2",
    ):
        assert part in told
    for found in results().rows:
        assert told.count(found.trained) == 1


def test_light_and_dark_and_narrow():
    assert "prefers-color-scheme: dark" in page()
    assert "color-scheme: light dark" in page()
    assert "position: sticky" in page()
    assert "width=device-width" in page()


@pytest.mark.parametrize("content", [Box(0, 0, 256, 128), Box(0, 0, 128, 256)])
def test_padding_makes_no_boxes(content: Box):
    layout = whole(Size(128, 128))
    padded = dataclasses.replace(layout.views[0], content=content)
    layout = dataclasses.replace(layout, views=(padded,))
    card = cards(one(seen("llava", layout, [identity(256)])))[0]
    assert len(card.findall(".//g[@class='tokens']/rect")) == 128


def test_a_token_made_of_overview_and_slice_shows_its_part_on_each():
    layout = ArxivSliceSpec(side=64, patch=16).layout(Size(128, 128))
    counts = [view.grid(16).tokens for view in layout.views]
    look = seen("both", layout, [identity(count) for count in counts])
    merged = dataclasses.replace(look, ledger=look.ledger.merge([np.asarray([0, sum(counts) - 1])]))
    drawn = [figure.find(".//g[@class='tokens']/rect") for figure in cards(one(merged))[0].findall(".//figure")]
    found = [(shape.get("x"), shape.get("width")) for shape in drawn if shape is not None]
    assert found == [("96", "32"), ("0", "16")]


def test_an_empty_ledger_is_drawn_all_dropped():
    layout = whole(Size(128, 128))
    empty = Ledger.of(layout.size, layout.views, [view.grid(16) for view in layout.views]).keep([])
    look = ShownLook("nothing", "", False, layout, empty, 0, 0)
    (figure,) = cards(one(look))[0].findall(".//figure")
    assert "no tokens kept" in text(figure)
    assert len(figure.findall(".//path[@class='dropped']")) == 1


def test_a_look_at_another_picture_is_refused():
    look = seen("llava", whole(Size(64, 64)), [identity(256)])
    with pytest.raises(SaccadeError, match="64×64 px, but the picture is 65×64 px"):
        ShownImage("mine", Image.new("RGB", (65, 64)), Question("?", ("a",), "own", "own"), (look,))


def test_equal_input_gives_equal_pages():
    few = results(row(), row("pool", 16, 0.5, 0.9))
    assert render(few, shown(1)) == render(few, shown(1))


def test_sections_stand_in_order():
    heads = [text(head) for head in tree(page()).iter("h2")]
    assert heads == ["Accuracy against tokens", "All rows", "What each reader saw", "How it was measured"]
    assert all(a != b for a, b in itertools.pairwise(heads))


def test_what_queries_look_at_is_shaded_where_the_stylesheet_lets_it_be_seen():
    """Patches under a share of the strongest stay clear, and a rule of the page fills the others."""
    (one,) = shown(1)
    look = one.seen[0]
    shares = np.zeros(len(look.ledger.cells))
    shares[:3] = (0.5, 0.25, 0.01)
    page = render(results(), [dataclasses.replace(one, seen=(dataclasses.replace(look, watched=shares),))])
    (group,) = re.findall(r'<g class="watched">(.*?)</g>', page)
    assert re.findall(r'fill-opacity="([^"]+)"', group) == ["0.75", "0.38"]
    assert re.search(r"\.canvas \.watched rect \{ fill: #", page)
    assert "watched" not in render(results(), [one]).split("</style>")[1]


def test_fixations_and_regions_are_drawn_over_the_picture_in_their_order():
    (one_shown,) = shown(1)
    look = one_shown.seen[0]
    path = (Box(10, 10, 20, 20), Box(40, 60, 50, 70))
    looked = dataclasses.replace(look, path=path, regions=(Box(5, 6, 30, 40),))
    page = render(results(), [dataclasses.replace(one_shown, seen=(looked,))])
    body = page.split("</style>")[1]
    rings = re.findall(r'<circle cx="([^"]+)" cy="([^"]+)" r="[^"]+" class="fixation"', body)
    assert rings == [("15", "15"), ("45", "65")]
    assert '<path d="M15 15L45 65" class="fixation"/>' in body
    assert re.findall(r'class="step">(\d)</text>', body) == ["1", "2"]
    assert re.findall(r'<rect x="5" y="6" width="25" height="34" class="region"/>', body)
    assert "1 region, 2 fixations" in body
    for name in ("fixation", "region", "step"):
        assert f".canvas .{name} {{" in page
    alone = render(results(), [dataclasses.replace(one_shown, seen=(dataclasses.replace(look, path=path[:1]),))])
    assert "fixated where the ring is" in alone
    assert 'class="step"' not in alone
    assert 'class="fixation"' not in render(results(), [one_shown])
