"""A folder with two pictures, and what it takes to put a data file beside them."""

from pathlib import Path

import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.evaluation.metrics.marking import Marking
from saccade.tasks.data import read

GOOD = '{"image": "a.png", "question": "What?", "answer": "cat"}'
TURNS = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "cat"}]
CHECK = Marking().check
CSV_HEAD = "image,question,answer,scale"


def never(path: Path) -> Image.Image:
    raise AssertionError(f"{path} was opened while the data was read")


def write(folder: Path, name: str, text: str | bytes) -> Path:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def refused(path: Path) -> str:
    """The whole message."""
    with pytest.raises(SaccadeError) as caught:
        read(path, never, CHECK)
    return str(caught.value)
