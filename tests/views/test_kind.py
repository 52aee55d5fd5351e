"""What a file is: its bytes come first, its name after, and nothing else is looked at."""

from pathlib import Path

import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.views.kind import FileKind, kind_of
from tests.views.files import DATA, needs, page, pdf, video


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "tiff", "webp", "avif", "jpeg2000"])
def test_pictures_by_their_bytes(tmp_path: Path, name: str):
    path = tmp_path / "misleading.pdf"
    Image.new("RGB", (8, 8)).save(path, format=name)
    assert kind_of(path) is FileKind.PICTURE


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mp4", "mpeg4"), ("mov", "mpeg4"), ("mkv", "mpeg4"), ("avi", "mpeg4"), ("webm", "libvpx"), ("flv", "flv"),
     ("wmv", "wmv2"), ("mpg", "mpeg2video"), ("ts", "mpeg2video"), ("m2ts", "mpeg2video"), ("y4m", "wrapped_avframe")],
)  # fmt: skip
def test_videos_by_their_bytes(tmp_path: Path, suffix: str, codec: str):
    path = video(tmp_path / f"a.{suffix}", 30, rate=25, codec=codec).rename(tmp_path / "misleading.png")
    assert kind_of(path) is FileKind.VIDEO


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypheic", FileKind.PICTURE),
        (b"\0\0\0\x18ftypqt  ", FileKind.VIDEO),
        (b"\0\0\1\0moov", FileKind.VIDEO),  # not an icon, which begins likewise
        (b"RIFF\0\0\0\0WEBP", FileKind.PICTURE),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"G" * 150, None),
        (b"G" + b"ood morning. " * 50, None),
        (b"GIF89a" + b"G" * 600, FileKind.PICTURE),
        (b"", None),
        (b"a shopping list", None),
        (b"BM of the month", None),
    ],
)
def test_heads(tmp_path: Path, head: bytes, kind: FileKind | None):
    path = tmp_path / "file"
    path.write_bytes(head)
    assert kind_of(path) is kind


def test_pdf_behind_some_rubbish(tmp_path: Path):
    path = pdf(tmp_path / "a.jpg", page("0 0 9 9"))
    assert kind_of(path) is FileKind.PDF
    path.write_bytes(b"\r\n" * 300 + path.read_bytes())
    assert kind_of(path) is FileKind.PDF


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.TGA", FileKind.PICTURE),
        ("a.Pdf", FileKind.PDF),
        ("a.mp4", FileKind.VIDEO),
        ("a.ts", None),
        ("a.txt", None),
        ("a", None),
    ],
)
def test_the_name_where_the_bytes_say_nothing(tmp_path: Path, name: str, kind: FileKind | None):
    (tmp_path / name).write_bytes(b"\0" * 2000)
    assert kind_of(tmp_path / name) is kind


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(self), mode)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SaccadeError, match=r"locked\.png cannot be read \(.*Permission denied.* its permissions"):
        kind_of(tmp_path / "locked.png")


@needs("video")
def test_real_files():
    for folder, kind in (("photos", FileKind.PICTURE), ("pdf", FileKind.PDF), ("video", FileKind.VIDEO)):
        kinds = {file.suffix: kind_of(file) for file in (DATA / folder).iterdir() if file.suffix}
        assert set(kinds.values()) == {kind}
        assert len(kinds) == 1
