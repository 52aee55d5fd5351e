"""Generated pages: what is printed is what is told, whatever the amount."""

from itertools import pairwise

import numpy as np
import pytest

from research.compression.tasks import LEAST, LINES, MOST, SIDE, WORDS, Page, lexicon
from saccade.core.errors import SaccadeError

PAGES = [Page("test", index) for index in range(60)]


def test_equal_pages_are_drawn_equal_and_others_differ():
    assert np.array_equal(np.asarray(Page("test", 3).image()), np.asarray(PAGES[3].image()))
    texts = {page.text for page in (*PAGES, Page("train", 3), Page("calibration", 3))}
    assert len(texts) == len(PAGES) + 2


def test_the_amount_of_text_is_swept():
    counts = [len(page.text.split()) for page in PAGES]
    assert min(counts) == LEAST
    assert 0.8 * MOST <= max(counts) <= MOST
    assert np.quantile(counts, 0.3) < 9 < 20 < np.quantile(counts, 0.7)


def test_words_are_of_the_lexicon_and_the_first_are_the_most_frequent():
    words = [word for page in PAGES for word in page.text.split()]
    assert len(set(lexicon())) == WORDS
    assert set(words) <= set(lexicon())
    ranks = [lexicon().index(word) for word in words]
    assert np.median(ranks) < WORDS / 4


@pytest.mark.parametrize("page", PAGES[:20], ids=lambda page: page.name)
def test_ink_is_where_the_characters_are(page):
    pixels = np.asarray(page.image().convert("L")).astype(int)
    paper = np.median(np.concatenate([pixels[0], pixels[-1]]))
    dark = pixels < paper - 60
    covered = np.zeros_like(dark)
    for line in page.lines:
        for character, box in zip(line.text, line.characters, strict=True):
            if character == " ":
                continue
            at = np.s_[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
            covered[at] = True
            assert dark[at].mean() > 0.05, (character, box)
    assert not (dark & ~covered).any()


def test_lines_do_not_touch_each_other_nor_the_edge():
    for page in PAGES:
        boxes = [
            [box for box, one in zip(line.characters, line.text, strict=True) if one != " "] for line in page.lines
        ]
        for above, below in pairwise(boxes):
            assert max(box.bottom for box in above) <= min(box.top for box in below)
        assert all(0 <= box.left and box.right <= SIDE and box.bottom <= SIDE for line in boxes for box in line)
    assert max(len(page.lines) for page in PAGES) <= LINES


def test_a_page_that_was_forgotten_is_drawn_again_the_same():
    page = Page("test", 0)
    image = page.image()
    page.forget()
    assert np.array_equal(np.asarray(page.image()), np.asarray(image))
    assert page.text == " ".join(line.text for line in page.lines)


def test_refusals():
    with pytest.raises(SaccadeError, match="split 'tests'"):
        Page("tests", 0)
    with pytest.raises(SaccadeError, match="numbered from 0, got -1"):
        Page("test", -1)
