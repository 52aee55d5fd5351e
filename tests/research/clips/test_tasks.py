"""Generated clips: the same again, three parts of one source or two, and each of them readable where it is clear."""

from collections import Counter

import numpy as np
import pytest

from research.clips import tasks as clips
from research.clips.tasks import LETTERS, LOST, NAMES, PARTS, SAMPLES, SIDE, clip
from saccade.core.errors import SaccadeError


def test_a_clip_is_the_same_again_and_others_differ():
    first, again, other, test = clip("train", 5), clip("train", 5), clip("train", 6), clip("test", 5)
    assert (first.picture == again.picture).all()
    assert (first.sound == again.sound).all()
    assert (first.text, first.source, first.odd) == (again.text, again.source, again.odd)
    assert not (first.picture == other.picture).all()
    assert not (first.picture == test.picture).all()


def test_sizes_and_shares():
    made = [clip("train", index) for index in range(600)]
    assert {one.picture.shape for one in made} == {(SIDE, SIDE, 3)}
    assert {one.sound.shape for one in made} == {(SAMPLES,)}
    assert max(len(one.text) for one in made) <= LETTERS
    sources, odd = Counter(one.source for one in made), Counter(one.odd for one in made)
    assert set(sources) == set(range(len(NAMES)))
    assert min(sources.values()) > 25
    assert odd[None] == pytest.approx(300, abs=50)
    assert min(odd[part] for part in PARTS) > 70


@pytest.fixture
def clear(monkeypatch):
    """Clips that come through whole."""
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Clear(seed))


class Clear(np.random.Generator):
    """A generator whose draws between 0 and 1 are all 0, which spoils nothing, and whose noise is none."""

    def __init__(self, seed: list[int]) -> None:
        super().__init__(np.random.PCG64(seed))

    def random(self) -> float:
        return 0.0

    def normal(self, mean: float, width: float, size: object) -> np.ndarray:
        return np.zeros(size)


def test_what_is_odd_is_of_another_source_and_the_rest_of_one(clear):
    """Where all is clear each part tells its source."""
    seen = set()
    for index in range(60):
        made = clip("train", index)
        named = NAMES.index(made.text.split()[1])
        shown, heard = looks(made.picture), hears(made.sound)
        found = dict(zip(PARTS, (shown, heard, named), strict=True))
        odd = [part for part in PARTS if found[part] != made.source]
        assert odd == ([] if made.odd is None else [made.odd])
        seen.add(made.odd)
    assert seen == set(PARTS)  # the draw that spares half of the clips is spoilt with the others


def looks(picture: np.ndarray) -> int:
    """The source by colour and by how much of its box the shape fills."""
    lit = (picture.astype(int) != 128).any(axis=-1)
    rows, cols = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    box = lit[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    corners = [box[0, 0], box[0, -1], box[-1, 0], box[-1, -1]]
    shape = 1 if box.mean() > 0.97 else 2 if corners[2] and corners[3] else 0 if box.mean() > 0.65 else 3
    colour = int(np.argmin([np.abs(picture[lit].mean(axis=0) - one).sum() for one in clips.COLOURS]))
    return 4 * colour + shape


def hears(sound: np.ndarray) -> int:
    """The source by how often the wave crosses zero upwards, and by how its values are spread."""
    crossings = int(((sound[:-1] < 0) & (sound[1:] >= 0)).sum())
    pitch = int(np.argmin([abs(np.log(crossings * clips.RATE / SAMPLES / one)) for one in clips.PITCHES]))
    loud = float(np.square(sound).mean())
    wave = int(np.argmin([abs(loud - power) for power in (1 / 2, 1, 1 / 3)]))
    return 4 * wave + pitch


def test_letters_are_lost_and_spaces_are_not():
    made = [clip("train", index).text for index in range(200)]
    lost = [sum(letter == LOST for letter in text) / sum(letter != " " for letter in text) for text in made]
    assert np.mean(lost) == pytest.approx(0.5, abs=0.06)
    assert min(lost) < 0.05
    assert max(lost) > 0.95
    assert all(text.startswith(("a ", "_ ")) and text.count(" ") in (2, 3) for text in made)


def test_refusals():
    with pytest.raises(SaccadeError, match="unknown split 'dev'; known: calibration, test, train"):
        clip("dev", 0)
    with pytest.raises(SaccadeError, match="clips are numbered from 0, got -1"):
        clip("train", -1)
