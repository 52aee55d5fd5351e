"""What tests of users' data start from."""

import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    Image.new("RGB", (12, 40), "blue").save(tmp_path / "sub" / "b c.png")
    return tmp_path
