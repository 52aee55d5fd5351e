"""Opening pictures: files of every kind made here, and real odd files where they lie beside the repository."""

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.views.open import PIXEL_LIMIT, open_picture

DATA = Path(__file__).parents[3] / "shared" / "data"
ODD, PHOTOS = DATA / "odd-images", DATA / "photos"
needs_odd = pytest.mark.skipif(not ODD.is_dir(), reason="the odd images are not here")
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos are not here")

# Red over green on the left, blue over white on the right: every turn and mirror image of it differs.
CORNERS = np.array([[[255, 0, 0], [0, 0, 255]], [[0, 255, 0], [255, 255, 255]]], dtype=np.uint8)
# How a camera that was held in each of the eight ways stores an upright picture (EXIF 2.3, tag 274).
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),  # to be turned clockwise for viewing
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def upright() -> np.ndarray:
    return np.repeat(np.repeat(CORNERS, 2, axis=0), 3, axis=1)  # 4 high, 6 wide


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(np.ascontiguousarray(array)).save(path, **options)
    return path


def pixels(source: object, **options: int) -> np.ndarray:
    image = open_picture(source, **options)
    assert image.mode == "RGB"
    return np.asarray(image)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    made = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")):
        made += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return made


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_exif_says(tmp_path: Path, orientation: int, kind: str):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"turned.{kind}", STORED[orientation](upright()), exif=exif)
    np.testing.assert_array_equal(pixels(path), upright())
    # A second opening must not turn again.
    np.testing.assert_array_equal(pixels(open_picture(path)), upright())
    with Image.open(path) as image:
        np.testing.assert_array_equal(pixels(image), upright())


def test_unknown_orientation_and_broken_exif_leave_it_as_stored(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 99
    np.testing.assert_array_equal(pixels(save(tmp_path / "odd.png", upright(), exif=exif)), upright())
    broken = save(tmp_path / "broken.png", upright(), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f garbage")
    np.testing.assert_array_equal(pixels(broken), upright())


def test_all_three_kinds_of_source_agree(tmp_path: Path):
    path = save(tmp_path / "a.png", upright())
    for source in (path, str(path), path.read_bytes(), Image.fromarray(upright())):
        np.testing.assert_array_equal(pixels(source), upright())


def test_the_callers_picture_is_left_alone():
    mine = Image.fromarray(upright())
    mine.getexif()[0x0112] = 6
    ours = open_picture(mine)
    assert (ours.size, mine.size) == ((4, 6), (6, 4))
    ours.putpixel((0, 0), (9, 9, 9))
    np.testing.assert_array_equal(np.asarray(mine), upright())


def test_palette(tmp_path: Path):
    path = tmp_path / "p.png"
    Image.fromarray(upright()).quantize(4).save(path)
    np.testing.assert_array_equal(pixels(path), upright())


def test_palette_with_many_transparencies_makes_no_noise(tmp_path: Path):
    path = tmp_path / "p.png"
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(path, transparency=bytes([255, 0]))
    assert pixels(path).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_cmyk(tmp_path: Path):
    path = tmp_path / "c.tiff"
    Image.new("CMYK", (3, 2), (0, 255, 255, 0)).save(path)
    assert pixels(path).tolist() == [[[255, 0, 0]] * 3] * 2
    path = tmp_path / "c.jpg"
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(path, quality=95)
    np.testing.assert_allclose(pixels(path)[8, 8], (0, 255, 255), atol=3)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, kind: str):
    greys = np.array([[0, 128, 129, 257, 32768, 40000, 65535]], dtype=np.uint16)
    path = save(tmp_path / f"g.{kind}", greys)
    # 257 sixteen-bit steps are one of ours, to the nearest.
    assert pixels(path)[0, :, 0].tolist() == [0, 0, 1, 1, 128, 156, 255]


def test_sixteen_bits_kept_in_thirty_two(tmp_path: Path):
    path = tmp_path / "g.pgm"
    path.write_bytes(b"P5 3 1 65535\n" + np.array([0, 32768, 65535], dtype=">u2").tobytes())
    assert pixels(path)[0, :, 1].tolist() == [0, 128, 255]


def test_refuses_greys_without_a_known_white(tmp_path: Path):
    with pytest.raises(SaccadeError, match="greys from -1 to 70000, expected 0 to 65535; save it in 8 or 16"):
        open_picture(Image.fromarray(np.array([[-1, 70000]], dtype=np.int32)))
    path = save(tmp_path / "f.tiff", np.ones((2, 2), dtype=np.float32))
    with pytest.raises(SaccadeError, match=r"f\.tiff holds 32-bit fractions"):
        open_picture(path)


def test_transparency_lies_on_white(tmp_path: Path):
    la = np.array([[[0, 255], [0, 0], [0, 128]]], dtype=np.uint8)
    assert pixels(save(tmp_path / "la.png", la))[0, :, 0].tolist() == [0, 255, 127]
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    assert pixels(save(tmp_path / "rgba.png", rgba)).tolist() == [[[255, 0, 0], [255] * 3, [204] * 3]]
    path = tmp_path / "key.png"
    Image.fromarray(upright()).save(path, transparency=(255, 0, 0))
    assert pixels(path)[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "HSV", "YCbCr", "RGBX", "RGBa", "PA"])
def test_other_modes(mode: str):
    assert pixels(Image.new("RGB", (4, 4), "white").convert(mode)).tolist() == [[[255] * 3] * 4] * 4


def test_a_mode_without_a_way_to_rgb_is_refused():
    with pytest.raises(SaccadeError, match=r"the given picture is damaged .*conversion from La"):
        open_picture(Image.new("La", (2, 2)))


@pytest.mark.parametrize("kind", ["gif", "png", "tiff", "webp"])
def test_first_frame_or_page(tmp_path: Path, kind: str):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"many.{kind}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "webp" else {}))
    assert pixels(path).tolist() == [[[255, 0, 0]] * 8] * 8


@pytest.mark.parametrize(("kind", "part"), [("jpg", 0.6), ("png", 0.6), ("tiff", 0.6), ("webp", 0.6), ("gif", 0.6)])
def test_truncated(tmp_path: Path, kind: str, part: float):
    path = save(tmp_path / f"cut.{kind}", np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(SaccadeError, match=rf"cut\.{kind}.* (get the whole file again|save it as PNG)"):
        open_picture(path)


def test_a_flipped_byte_is_refused_or_read_and_nothing_else():
    stream = io.BytesIO()
    Image.fromarray(upright()).save(stream, "PNG")
    whole = stream.getvalue()
    refused = 0
    for place in range(len(whole)):
        broken = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        try:
            open_picture(broken)
        except SaccadeError:
            refused += 1
    assert refused > len(whole) // 2


def test_huge_headers_are_refused_before_unpacking(tmp_path: Path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(50_000, 50_000))
    with pytest.raises(SaccadeError, match=rf"bomb\.png has 2500000000 pixels, the limit is {PIXEL_LIMIT}; make it"):
        open_picture(path)
    # Between Pillow's warning and its error, where it would only have warned.
    path.write_bytes(png_header(20_000, 10_000))
    with pytest.raises(SaccadeError, match="has 200000000 pixels"):
        open_picture(path)


def test_the_limit_can_be_set(tmp_path: Path):
    path = save(tmp_path / "a.png", upright())
    for source in (path, path.read_bytes(), Image.fromarray(upright())):
        assert pixels(source, limit=24).shape == (4, 6, 3)
        with pytest.raises(SaccadeError, match=r"24 pixels, the limit is 23; make it smaller or pass a higher"):
            open_picture(source, limit=23)
    with pytest.raises(SaccadeError, match="pixel limit must be at least 1, got 0"):
        open_picture(path, limit=0)


def test_a_larger_limit_holds_against_pillows_own(tmp_path: Path):
    before = Image.MAX_IMAGE_PIXELS
    path = tmp_path / "large.png"
    path.write_bytes(png_header(20_000, 20_000))
    # Let through by the limit, it is found out as cut short: Pillow's limit of twice 89 Mpx no longer stops it.
    with pytest.raises(SaccadeError, match=r"damaged or cut short"):
        open_picture(path, limit=10**9)
    assert before == Image.MAX_IMAGE_PIXELS


def test_no_pixels(tmp_path: Path):
    path = tmp_path / "none.png"
    path.write_bytes(png_header(0, 0))
    with pytest.raises(SaccadeError, match=r"none\.png \(\d+ bytes\) is not a picture that can be read, or it has no"):
        open_picture(path)
    with pytest.raises(SaccadeError, match=r"the given picture has no pixels: 0×5"):
        open_picture(Image.new("RGB", (0, 5)))


def test_not_pictures(tmp_path: Path):
    path = tmp_path / "note.txt"
    for text in ("", "a shopping list"):
        path.write_text(text)
        with pytest.raises(SaccadeError, match=rf"note\.txt \({len(text)} bytes\) is not a picture .* save it as PNG"):
            open_picture(path)
    with pytest.raises(SaccadeError, match=r"the given run of bytes \(3 bytes\) is not a picture"):
        open_picture(b"abc")


def test_missing_and_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SaccadeError, match=r"gone\.png: there is no such file; check the path"):
        open_picture(tmp_path / "gone.png")
    with pytest.raises(SaccadeError, match=r"is a folder, not a picture; name a file in it"):
        open_picture(tmp_path)
    with pytest.raises(SaccadeError, match=r"cannot be read .*check its name"):
        open_picture("nul\0byte.png")
    path = save(tmp_path / "locked.png", upright())

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(self), mode)

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as a user whom no permission stops
    with pytest.raises(SaccadeError, match=r"locked\.png cannot be read \(.*Permission denied.* its permissions"):
        open_picture(path)


def test_a_closed_picture_is_refused(tmp_path: Path):
    with Image.open(save(tmp_path / "a.png", upright())) as image:
        pass
    with pytest.raises(SaccadeError, match=r"a\.png is damaged"):
        open_picture(image)


def test_threads_do_not_disturb_each_other_or_the_process(tmp_path: Path):
    path = save(tmp_path / "a.png", upright())
    before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(pixels(path, limit=24))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert before == Image.MAX_IMAGE_PIXELS
    assert warnings.filters == filters


@needs_photos
def test_real_photos_stand_upright():
    photos = [pixels(PHOTOS / f"Landscape_{turn}.jpg").astype(int) for turn in (1, 3, 6, 8)]
    for photo in photos[1:]:
        assert photo.shape == photos[0].shape
        assert np.abs(photo - photos[0]).mean() < 8  # the same scene, packed anew


REFUSED = {
    "LICENSE": "not a picture",
    "broken.png": "not a picture",
    "decompression_bomb.gif": "4364696535 pixels, the limit is",
    "decompression_bomb.ico": "4294836225 pixels, the limit is",
    "truncated_image.png": "cut short",
    "truncated_jpeg.jpg": "cut short",
    "zero_width.gif": "no pixels",
}


@needs_odd
def test_real_odd_files():
    for path in sorted(ODD.iterdir()):
        if path.name in REFUSED:
            with pytest.raises(SaccadeError, match=rf"{path.name}.*{REFUSED[path.name]}"):
                open_picture(path)
        else:
            assert pixels(path).ndim == 3, path


@needs_odd
def test_real_sixteen_bits():
    eight = pixels(ODD / "hopper_gray.jpg")[..., 0].astype(int)
    assert np.abs(pixels(ODD / "hopper_16bit.pgm")[..., 0].astype(int) - eight).mean() < 3
    with Image.open(ODD / "16bit.cropped.tif") as image:  # a dark one: clipped to 8 bits it would be all white
        greys = np.asarray(image) / 257
    np.testing.assert_allclose(pixels(ODD / "16bit.cropped.tif")[..., 0], greys, atol=0.5)
