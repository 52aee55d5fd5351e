"""Videos: what plays is counted, whatever the header says, and half a file is refused."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.views.video import first_frame, probe
from tests.views.files import DATA, corners, needs, noise, patched, sound, turned, video

TURN = Image.Transpose
# As a player shows it; the matrix sends x, y to ax + cy, bx + dy, with y downwards.
MATRICES = {
    (1, 0, 0, 1): None,
    (0, 1, -1, 0): TURN.ROTATE_270,  # clockwise by a quarter: a telephone held upright
    (-1, 0, 0, -1): TURN.ROTATE_180,
    (0, -1, 1, 0): TURN.ROTATE_90,
    (-1, 0, 0, 1): TURN.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): TURN.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): TURN.TRANSPOSE,
    (0, -1, -1, 0): TURN.TRANSVERSE,
    (0, 0.9999, -0.9999, 0.0001): TURN.ROTATE_270,
    (0, 0, 0, 0): None,
}
CONTAINERS = [
    ("mp4", "mpeg4"), ("mov", "mpeg4"), ("mkv", "mpeg4"), ("avi", "mpeg4"), ("webm", "libvpx"), ("webm", "libvpx-vp9"),
    ("flv", "flv"), ("wmv", "wmv2"), ("mpg", "mpeg2video"), ("ts", "mpeg2video"), ("mp4", "libx264"),
]  # fmt: skip


def played(path: Path) -> int:
    """Frames that come out when all are decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(container.streams.video[0]))


def about(path: Path) -> tuple[Size, int, float | None]:
    clip = probe(path)
    return clip.size, clip.frames, clip.fps


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
def test_every_container(tmp_path: Path, suffix: str, codec: str):
    path = video(tmp_path / f"a.{suffix}", 50, rate=25, codec=codec)
    assert about(path) == (Size(64, 32), 50, 25.0)
    assert played(path) == 50
    np.testing.assert_allclose(np.asarray(first_frame(path))[4, 4], (255, 0, 0), atol=40)


@pytest.mark.parametrize("matrix", MATRICES)
def test_turned_as_the_track_says(tmp_path: Path, matrix: tuple[float, float, float, float]):
    path = turned(video(tmp_path / "a.mp4", 3), *matrix)
    turn = MATRICES[matrix]
    upright = corners() if turn is None else corners().transpose(turn)
    shown = first_frame(path)
    assert shown.mode == "RGB"
    assert shown.size == upright.size
    size = probe(path).size
    assert (size.width, size.height) == upright.size
    centres = np.ix_((upright.height // 4, upright.height * 3 // 4), (upright.width // 4, upright.width * 3 // 4))
    np.testing.assert_allclose(np.asarray(shown)[centres], np.asarray(upright)[centres], atol=40)


def test_slanted(tmp_path: Path):
    for matrix in ((0.7071, 0.7071, -0.7071, 0.7071), (0.94, 0.34, -0.34, 0.94), (1, 0, 1, 1), (1, 0, 0, 0)):
        path = turned(video(tmp_path / "a.mp4", 3), *matrix)
        for look in (probe, first_frame):
            with pytest.raises(SaccadeError, match=r"a\.mp4 is to be shown slanted, and only quarter turns are known"):
                look(path)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_better_of_several_and_its_frames_alone(tmp_path: Path, suffix: str):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(2)]
        images = corners(), noise()
        for stream, image in zip(streams, images, strict=True):
            stream.width, stream.height = image.size
            stream.pix_fmt = "yuv420p"
        streams[1].disposition = av.stream.Disposition.default
        for _ in range(20):
            for stream, image in zip(streams, images, strict=True):
                container.mux(stream.encode(av.VideoFrame.from_image(image)))
        for stream in streams:
            container.mux(stream.encode(None))
    assert about(path) == (Size(128, 96), 20, 10.0)
    assert first_frame(path).size == (128, 96)


def test_one_frame(tmp_path: Path):
    size, frames, _ = about(video(tmp_path / "a.mp4", 1))
    assert (size, frames) == (Size(64, 32), 1)
    assert about(video(tmp_path / "a.mkv", 1))[:2] == (Size(64, 32), 1)


def test_odd_sizes(tmp_path: Path):
    assert probe(video(tmp_path / "a.mkv", 3, codec="ffv1", image=corners(63, 31))).size == Size(63, 31)


@pytest.mark.parametrize("flags", ["frag_keyframe", "frag_keyframe+empty_moov"])
def test_fragments_are_counted_through(tmp_path: Path, flags: str):
    path = video(tmp_path / "a.mp4", 50, flags=flags)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames < 50  # a header that knows of the first fragment, or of none
    assert about(path) == (Size(64, 32), 50, 10.0)


def test_what_is_trimmed_away_does_not_count(tmp_path: Path):
    path = video(tmp_path / "a.mp4", 50, gop=10)
    # Edit list (ISO 14496-12 §8.6.6): two seconds, from 1.5 s on, in the film's milliseconds and the track's ticks.
    with av.open(str(path)) as container:
        ticks = container.streams.video[0].time_base.denominator * 3 // 2
    patched(path, b"elst", 8, struct.pack(">ii", 2000, ticks))
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 50
    assert probe(path).frames == played(path) == 20


def test_frames_that_are_only_referred_to_do_not_count(tmp_path: Path):
    whole, path = video(tmp_path / "whole.webm", 20, codec="libvpx"), tmp_path / "hidden.webm"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if not packet.size:
                continue
            body = bytes(packet)
            changed = av.Packet(bytes([body[0] & ~0x10]) + body[1:] if number % 4 == 3 else body)
            changed.pts, changed.dts, changed.time_base, changed.stream = packet.pts, packet.dts, packet.time_base, copy
            changed.is_keyframe = packet.is_keyframe
            target.mux(changed)
    assert probe(whole).frames == 20
    assert probe(path).frames == played(path) == 15


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_uneven_times_give_the_average_rate(tmp_path: Path, suffix: str):
    stamps = [0]
    for number in range(59):
        stamps.append(stamps[-1] + (33 if number % 2 else 300))
    fps = probe(video(tmp_path / f"a.{suffix}", 60, stamps=stamps)).fps
    assert fps == pytest.approx(59_000 / stamps[-1], rel=0.02)  # 6; the Matroska header says 1000


def test_a_rate_in_the_header_stays_exact(tmp_path: Path):
    # Matroska rounds times to milliseconds: from 33 to 34 ms apart, measured over two frames.
    path = video(tmp_path / "a.mkv", 2, rate=30)
    assert probe(path).fps == 30.0


@pytest.mark.parametrize(
    ("suffix", "codec", "flags"),
    [("mp4", "mpeg4", "faststart"), ("mp4", "libx264", "faststart"), ("mp4", "mpeg4", ""), ("mkv", "mpeg4", ""),
     ("mp4", "libx264", "frag_keyframe"), ("webm", "libvpx", ""), ("avi", "mpeg4", "")],
)  # fmt: skip
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7])
def test_cut_short(tmp_path: Path, suffix: str, codec: str, flags: str, part: float):
    path = video(tmp_path / f"cut.{suffix}", 150, rate=25, codec=codec, flags=flags, image=noise())
    whole = path.read_bytes()
    assert probe(path).frames == 150
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(SaccadeError, match=rf"cut\.{suffix} is (damaged or )?cut short.*; get the whole file again"):
        probe(path)


def test_cut_between_two_packets(tmp_path: Path):
    path = video(tmp_path / "cut.avi", 150, rate=25, image=noise())
    whole = path.read_bytes()
    starts = [place for place in range(len(whole)) if whole.startswith(b"00dc", place)]
    assert len(starts) > 150  # all frames, and the index of them
    for start in (starts[20], starts[60], starts[100]):
        path.write_bytes(whole[:start])
        with pytest.raises(SaccadeError, match=r"cut\.avi is cut short: it ends after \d+ frames"):
            probe(path)


def test_what_is_missing_is_told(tmp_path: Path):
    path = video(tmp_path / "a.mp4", 100, rate=25, flags="faststart", image=noise())
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(SaccadeError, match=r"a\.mp4 is cut short: 100 frames are promised and the last of them are"):
        probe(path)
    assert first_frame(path).size == (128, 96)
    path = video(tmp_path / "a.mkv", 100, rate=25, image=noise())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SaccadeError, match=r"a\.mkv is cut short: it ends after \d\d frames; get the whole file again"):
        probe(path)


def test_damaged(tmp_path: Path):
    path = video(tmp_path / "a.mp4", 30, rate=25, flags="faststart", image=noise())
    whole = path.read_bytes()
    start = whole.index(b"mdat") + 4
    path.write_bytes(whole[:start] + bytes(len(whole) - start))
    for look in (probe, first_frame):
        with pytest.raises(SaccadeError, match=r"a\.mp4 is damaged or cut short \(Invalid data .*\); get the whole"):
            look(path)
    path.write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    with pytest.raises(SaccadeError, match=r"a\.mp4 is damaged or cut short \(Invalid data"):
        probe(path)


def test_no_frame(tmp_path: Path):
    path = video(tmp_path / "a.mkv", 100, rate=25, image=noise())
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\x1f\x43\xb6\x75") + 500])  # into the first cluster
    with pytest.raises(SaccadeError, match=r"a\.mkv is cut short: it holds not one whole frame; get the whole file"):
        probe(path)


def test_unknown_packing(tmp_path: Path):
    path = patched(video(tmp_path / "a.mp4", codec="libx264"), b"stsd", 12, b"zzzz")
    with pytest.raises(SaccadeError, match=r"a\.mp4 is packed in a way that FFmpeg does not know; encode it as H\.264"):
        probe(path)


def test_sound_alone(tmp_path: Path):
    with pytest.raises(SaccadeError, match=r"a\.mp4 holds no moving picture, only audio; give a file with one"):
        probe(sound(tmp_path / "a.mp4"))
    with pytest.raises(SaccadeError, match=r"a\.mp4 holds no moving picture, only audio and cover; give"):
        probe(sound(tmp_path / "a.mp4", cover=corners()))
    path = tmp_path / "b.mp4"
    path.write_bytes(b"\0\0\0\x08free\0\0\0\x08moov")
    with pytest.raises(SaccadeError, match=r"b\.mp4 holds no moving picture, only nothing; give"):
        probe(path)


def test_too_large(tmp_path: Path):
    path = video(tmp_path / "a.mp4", 3)
    assert probe(path, limit=64 * 32).size == Size(64, 32)
    for look in (probe, first_frame):
        with pytest.raises(SaccadeError, match=r"a\.mp4 has 64×32 = 2048 pixels in a frame, the limit is 2047; make"):
            look(path, limit=2047)


def test_gone(tmp_path: Path):
    with pytest.raises(SaccadeError, match=r"gone\.mp4 cannot be read \(.*No such file.*\); check its name"):
        probe(tmp_path / "gone.mp4")


def test_no_file_leads_to_another(tmp_path: Path):
    video(tmp_path / "inner.ts", 30, rate=25, codec="mpeg2video")
    path = tmp_path / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile 'inner.ts'\n")
    with pytest.raises(SaccadeError, match=r"list\.mp4 is damaged or cut short"):
        probe(path)


def test_names_that_mean_something_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = video(tmp_path / "made.mp4", 3)
    for name in ("concat:x.mp4", "a%03d.mp4", "é ü.mp4"):
        Path(name).write_bytes(made.read_bytes())
        assert probe(Path(name)).frames == 3


def test_names_in_no_known_alphabet_inside(tmp_path: Path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "QQQQ"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_image(corners())) + stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"QQQQ", b"\xff\xfe\xc3\x28"))
    assert probe(path).frames == 1


REAL = {
    "bt709_full_range.mp4": (Size(1280, 720), 30, 30.0),
    "h264_10bits.mp4": (Size(200, 200), 30, 30.0),
    "h265_10bits.mp4": (Size(200, 200), 30, 30.0),
    "h265_video.mp4": (Size(128, 128), 10, 10.0),
    "nasa_13013.mp4": (Size(480, 270), 390, 30000 / 1001),  # the better of its two
}


@needs("video")
def test_real_files():
    found = {path.name: about(path) for path in sorted((DATA / "video").glob("*.mp4"))}
    assert found == REAL
    for name, (size, _, _) in REAL.items():
        assert first_frame(DATA / "video" / name).size == (size.width, size.height)
