"""Paths to pictures, pages and videos: everything found, nothing skipped in silence."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.views.media import MediaFile, find, picture_of
from saccade.views.open import PIXEL_LIMIT, open_picture
from tests.views.files import DATA, corners, needs, page, pdf, turned, video


def picture(path: Path, width: int = 64, height: int = 32, **options: object) -> Path:
    corners(width, height).save(path, **options)
    return path


def sideways(path: Path) -> Path:
    """A picture that its EXIF block turns."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(path, exif=exif)


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    made = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")):
        made += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return made


def refused(message: str, *paths: Path) -> None:
    with pytest.raises(SaccadeError, match=message) as refusal:
        find(paths)
    assert "\n" not in str(refusal.value)


def test_one_of_each(tmp_path: Path):
    photo, scan = sideways(tmp_path / "photo.jpg"), pdf(tmp_path / "scan.pdf", page("0 0 72 36"), page("0 0 36 72"))
    film = turned(video(tmp_path / "film.mp4", 20, rate=10), 0, 1, -1, 0)
    assert find([scan, film, photo]) == [
        MediaFile(name=f"{scan}, page 1", size=Size(144, 72), path=scan, page=1),
        MediaFile(name=f"{scan}, page 2", size=Size(72, 144), path=scan, page=2),
        MediaFile(name=str(film), size=Size(32, 64), frames=20, fps=10.0, path=film),
        MediaFile(name=str(photo), size=Size(32, 64), path=photo),
    ]


def test_names_are_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    pdf(Path("in/scan.pdf"), page("0 0 9 9"))
    picture(Path("a.png"))
    assert [found.name for found in find([Path("a.png"), Path("in")])] == ["a.png", f"in{os.sep}scan.pdf, page 1"]


def test_content_decides_not_the_name(tmp_path: Path):
    scan = pdf(tmp_path / "scan.png", page("0 0 9 9"))
    film = video(tmp_path / "film.mp4").rename(tmp_path / "film.pdf")
    photo = picture(tmp_path / "photo.mp4", format="png")
    assert [(found.page, found.frames) for found in find([scan, film, photo])] == [(1, None), (None, 20), (None, None)]


def test_a_picture_that_pillow_alone_knows(tmp_path: Path):
    path = picture(tmp_path / "bitmap", format="bmp")  # no suffix, and two letters for a mark
    assert find([path]) == [MediaFile(name=str(path), size=Size(64, 32), path=path)]


@pytest.mark.parametrize("kind", ["gif", "png", "tiff", "webp"])
def test_first_frame_of_a_moving_picture(tmp_path: Path, kind: str):
    path = tmp_path / f"a.{kind}"
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    (found,) = find([path])
    assert (found.size, found.frames) == (Size(8, 6), None)
    assert picture_of(found).getpixel((0, 0))[0] > 200


def test_dpi(tmp_path: Path):
    path = pdf(tmp_path / "a.pdf", page("0 0 72 36.1"))
    assert find([path])[0].size == Size(144, 73)
    (found,) = find([path], dpi=100)
    assert found.size == Size(100, 51)
    assert picture_of(found, dpi=100).size == (100, 51)
    for call in (lambda: find([path], dpi=0), lambda: picture_of(found, dpi=-1)):
        with pytest.raises(SaccadeError, match=r"the dpi must be at least 1, got (0|-1); 144 is usual"):
            call()


def test_picture_of_each(tmp_path: Path):
    photo = sideways(tmp_path / "photo.png")
    corners(144, 72).save(tmp_path / "scan.pdf", save_all=True, append_images=[corners(36, 72)], resolution=72)
    film = turned(video(tmp_path / "film.mp4"), 0, 1, -1, 0)
    found = find([photo, tmp_path / "scan.pdf", film])
    assert len(found) == 4
    for thing in found:
        shown = picture_of(thing)
        assert (shown.mode, shown.size) == ("RGB", (thing.size.width, thing.size.height))
    turn = corners().transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(np.asarray(picture_of(found[0])), np.asarray(turn))
    np.testing.assert_allclose(np.asarray(picture_of(found[3]))[4, 4], np.asarray(turn)[4, 4], atol=40)


def test_folder(tmp_path: Path):
    for name in ("b.png", "a.jpg", "C.gif"):
        picture(tmp_path / name)
    pdf(tmp_path / "d.pdf", page("0 0 9 9"), page("0 0 9 9"))
    video(tmp_path / "e.mkv", 3)
    (tmp_path / "notes.txt").write_text("not to be looked at")
    (tmp_path / ".hidden.png").write_bytes(b"left by some system")
    (tmp_path / "deeper").mkdir()
    picture(tmp_path / "deeper" / "z.png")
    names = [found.name.removeprefix(str(tmp_path) + os.sep) for found in find([tmp_path])]
    assert names == ["C.gif", "a.jpg", "b.png", "d.pdf, page 1", "d.pdf, page 2", "e.mkv"]
    assert len(find([tmp_path, tmp_path / "deeper", tmp_path / "b.png"])) == 8


def test_progress_counts_files(tmp_path: Path):
    for number in range(3):
        picture(tmp_path / f"{number}.png")
    scan = pdf(tmp_path.with_suffix(".pdf"), page("0 0 9 9"), page("0 0 9 9"))
    told: list[tuple[str, int, int]] = []
    find([tmp_path, scan], progress=lambda *news: told.append(news))
    assert told == [("reading files", done, 4) for done in (1, 2, 3, 4)]


def test_a_damaged_file_in_a_folder_is_named(tmp_path: Path):
    picture(tmp_path / "a.png")
    path = picture(tmp_path / "b.jpg", 640, 480)
    path.write_bytes(path.read_bytes()[:2000])
    picture(tmp_path / "c.png")
    refused(r"b\.jpg is damaged or cut short \(.*\); get the whole file again", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b.jpg", r"b\.jpg \(0 bytes\) is not a picture"),
        ("b.pdf", r"b\.pdf is cut short"),
        ("b.mp4", r"b\.mp4 is damaged"),
    ],
)
def test_an_empty_file_of_a_known_name_in_a_folder_is_named(tmp_path: Path, name: str, message: str):
    picture(tmp_path / "a.png")
    (tmp_path / name).write_bytes(b"")
    refused(message, tmp_path)


def test_a_folder_of_nothing_to_look_at(tmp_path: Path):
    refused(r" holds no picture, PDF or video among its 0 files; folders in it are not searched: name them", tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "inner").mkdir()
    picture(tmp_path / "inner" / "a.png")
    refused(r" holds no picture, PDF or video among its 1 files; folders in it", tmp_path)


def test_pictures_that_are_refused(tmp_path: Path):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(50_000, 40_000))
    refused(rf"bomb\.png has 2000000000 pixels, the limit is {PIXEL_LIMIT}; make it smaller", path)
    path.write_bytes(bomb(0, 0))
    refused(r"bomb\.png \(\d+ bytes\) is not a picture that can be read, or it has no pixels; save it as", path)
    path = picture(tmp_path / "cut.jpg", 640, 480)
    path.write_bytes(path.read_bytes()[:-500])
    refused(r"cut\.jpg is damaged or cut short", path)


def test_paths_that_lead_nowhere(tmp_path: Path):
    refused(r"gone\.png: there is no such file or folder; check the path \(now in ", tmp_path / "gone.png")
    refused("there is no such file or folder", Path("nul\0byte.png"))
    refused("cannot be read .*name too long.*; check its name and its permissions", tmp_path / ("x" * 5000))
    with pytest.raises(SaccadeError, match="no path was given, at least one is needed: a picture, a PDF, a video or"):
        find([])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_neither_file_nor_folder(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(r"pipe\.png is neither a file nor a folder; name one of these", tmp_path / "pipe.png")
    refused("among its 0 files", tmp_path)


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    path = picture(tmp_path / "locked.png")
    with monkeypatch.context() as patch:  # the tests may run as a user whom no permission stops
        patch.setattr(Path, "open", refuse)
        refused(r"locked\.png cannot be read \(.*Permission denied.* its permissions", path)
    monkeypatch.setattr(Path, "iterdir", refuse)
    refused(r" cannot be read \(.*Permission denied.* its permissions", tmp_path)


def test_of_no_kind(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("a shopping list")
    refused(r"notes\.txt \(15 bytes\) is no picture, PDF or video that can be read; give a PNG, JPEG, WebP, PDF", path)


def test_pages_and_videos_that_are_refused(tmp_path: Path):
    refused("poster.pdf, page 1, has .* pixels at 144 dpi", pdf(tmp_path / "poster.pdf", page("0 0 14400 14400")))
    path = tmp_path / "cut.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom" + bytes(50))
    refused(r"cut\.mp4 is damaged or cut short", path)


def run(code: str, *arguments: object) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_importing_it_is_light():
    heavy = ("torch", "torchvision", "transformers", "numpy", "av", "pypdfium2")
    code = "import sys, saccade.views.media; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    assert run(code, *heavy) == ""


def test_pictures_need_neither_of_the_extras(tmp_path: Path):
    code = """if True:
        import sys
        from pathlib import Path
        sys.modules["av"] = sys.modules["pypdfium2"] = None
        from saccade.views.media import find
        for path in map(Path, sys.argv[1:]):
            try:
                print(find([path])[0].size)
            except ValueError as error:
                print(error)
    """
    files = picture(tmp_path / "a.png"), pdf(tmp_path / "a.pdf", page("0 0 9 9")), video(tmp_path / "a.mp4")
    size, pages, frames = run(code, *files).splitlines()
    assert size == "64×32"
    assert pages.startswith("reading PDF files needs pypdfium2 (")
    assert frames.startswith("reading video files needs av (")
    assert pages.endswith("): pip install 'saccade[media]'")
    assert frames.endswith("): pip install 'saccade[media]'")


def test_damaged_files_print_nothing(tmp_path: Path):
    code = """if True:
        import sys
        from pathlib import Path
        from saccade.views.media import find
        for path in map(Path, sys.argv[1:]):
            try:
                find([path])
            except ValueError:
                print("refused")
    """
    film = video(tmp_path / "a.mp4", 100, flags="faststart")
    film.write_bytes(film.read_bytes()[:-2000])
    text = tmp_path / "a.mkv"
    text.write_text("not a film at all")
    assert run(code, film, text, pdf(tmp_path / "a.pdf", page("0 0 9 9"), "null")).split() == ["refused"] * 3


@needs("photos")
def test_real_photos():
    found = find([DATA / "photos"])
    assert [thing.size for thing in found] == [Size(1800, 1200)] * 4
    assert picture_of(found[2]).size == (1800, 1200)


@needs("odd-images")
def test_real_odd_files():
    refused(r"broken\.png \(80 bytes\) is not a picture", DATA / "odd-images")
    for path in sorted((DATA / "odd-images").iterdir()):
        try:
            size = open_picture(path).size
        except SaccadeError:
            refused(path.name, path)
        else:
            assert find([path]) == [MediaFile(name=str(path), size=Size(*size), path=path)]


@needs("pdf")
def test_real_pages():
    refused("005-libreoffice-writer-password.*is locked by a password", DATA / "pdf")
    found = find([path for path in sorted((DATA / "pdf").glob("*.pdf")) if "password" not in path.name])
    assert len(found) == 46


@needs("video")
def test_real_videos():
    assert [(thing.frames, thing.page) for thing in find([DATA / "video"])] == [
        (30, None), (30, None), (30, None), (10, None), (390, None)
    ]  # fmt: skip
