import pytest

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.core.units import (
    bytes_told,
    read_bytes,
    read_count,
    read_seconds,
    read_size,
    scaled,
    seconds_told,
    significant,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [("24GB", 24 * 10**9), ("24 GiB", 24 * 2**30), ("1.5gb", 15 * 10**8), ("512MiB", 2**29), ("1,000 b", 1000)],
)
def test_memory(text: str, size: int):
    assert read_bytes(text, "--fit") == size


@pytest.mark.parametrize(("text", "seconds"), [("300ms", 0.3), ("2s", 2), (".5 min", 30), ("10us", 1e-5)])
def test_times(text: str, seconds: float):
    assert read_seconds(text, "--within") == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "count"), [("512", 512), ("32k", 32_768), ("1.5k", 1536), ("1M", 2**20)])
def test_counts(text: str, count: int):
    assert read_count(text, "--context") == count


@pytest.mark.parametrize("text", ["1024x768", "1024 × 768", "1024X768", "1024*768"])
def test_sizes(text: str):
    assert read_size(text, "--size") == Size(1024, 768)


@pytest.mark.parametrize("text", ["banana", "", "24", "-1GB", "0GB", "24 parsecs", "1e9GB", "nanGB"])
def test_refuses_what_is_no_memory(text: str):
    with pytest.raises(SaccadeError, match="--fit takes an amount of memory above 0"):
        read_bytes(text, "--fit")


@pytest.mark.parametrize("text", ["fast", "300", "-3ms", "0s"])
def test_refuses_what_is_no_time(text: str):
    with pytest.raises(SaccadeError, match="--within takes a time above 0"):
        read_seconds(text, "--within")


@pytest.mark.parametrize("text", ["-1", "0", "1.5", "many", "0.0001k"])
def test_refuses_what_is_no_count(text: str):
    with pytest.raises(SaccadeError, match="--tokens takes a whole number of at least 1"):
        read_count(text, "--tokens")


@pytest.mark.parametrize(
    ("text", "said"), [("1024", "takes width x height"), ("0x10", "got 0x10"), ("10x-1", "got 10x-1")]
)
def test_refuses_what_is_no_size(text: str, said: str):
    with pytest.raises(SaccadeError, match=said):
        read_size(text, "--size")


def test_told():
    assert [scaled(value) for value in (999, 1.24e12, 5.3e8, 2e15)] == ["999", "1.24 T", "530 M", "2.00 P"]
    assert [bytes_told(value) for value in (21.33e9, 8.4e8, 5e5)] == ["21.3 GB", "840 MB", "0.500 MB"]
    assert seconds_told(0.034, 0.071) == "34 to 71 ms"
    assert seconds_told(1.21, 3.4) == "1.2 to 3.4 s"
    assert significant(0) == "0"
