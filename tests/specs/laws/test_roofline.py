import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.errors import SaccadeError
from saccade.specs.laws.roofline import StageWork, TimeRange, time_of, times
from saccade.specs.planner.device import Device, device, devices

ROUND = Device(
    name="round",
    title="Round numbers",
    memory=10**9,
    bandwidth=1000.0,
    peak={"float32": 100.0, "float16": 200.0},
    efficiency=(0.25, 0.5),
    bandwidth_efficiency=(0.4, 0.8),
    source="made up",
    provenance="measured",
)
NOTHING = StageWork(flops=0, weight_bytes=0)


def test_arithmetic_alone():
    # 100 FLOPs at half of 100 FLOP/s, and at a quarter.
    assert time_of(100, 0, ROUND, "float32") == TimeRange(2.0, 4.0)
    assert time_of(100, 0, ROUND, "float16") == TimeRange(1.0, 2.0)


def test_traffic_alone():
    assert time_of(0, 1600, ROUND, "float32") == TimeRange(2.0, 4.0)
    assert time_of(0, 1600, ROUND, "float16") == TimeRange(2.0, 4.0)


def test_the_longer_of_the_two_counts_at_each_end():
    # Arithmetic 2 to 4 s; traffic 1 to 2 s, then 3 to 6 s.
    assert time_of(100, 800, ROUND, "float32") == TimeRange(2.0, 4.0)
    assert time_of(100, 2400, ROUND, "float32") == TimeRange(3.0, 6.0)
    # Each end has its own bottleneck: traffic leads when everything is fast, arithmetic when little of it is reached.
    lopsided = dataclasses.replace(ROUND, efficiency=(0.1, 1.0))
    assert time_of(100, 1600, lopsided, "float32") == TimeRange(2.0, 10.0)


def test_the_ridge_of_a_real_device():
    # Weights of a 7B model in half precision, applied once: 2 FLOPs and 2 bytes each, far below 300 FLOPs a byte.
    h100, params = device("h100"), 7 * 10**9
    one = time_of(2 * params, 2 * params, h100, "bfloat16")
    assert one.low == pytest.approx(2 * params / (3.35e12 * 0.867))
    assert one == time_of(0, 2 * params, h100, "bfloat16")
    many = time_of(2 * params * 4096, 2 * params, h100, "bfloat16")
    assert many.low == pytest.approx(2 * params * 4096 / (989e12 * 0.8033))


@given(
    st.sampled_from(sorted(devices())),
    st.integers(0, 10**18),
    st.integers(0, 10**15),
    st.integers(0, 10**18),
    st.integers(0, 10**15),
)
def test_more_work_never_takes_less(name: str, flops: int, moved: int, more: int, further: int):
    made = device(name)
    less, greater = (
        time_of(flops, moved, made, "float16"),
        time_of(flops + more, moved + further, made, "float16"),
    )
    assert less.low <= greater.low
    assert less.high <= greater.high
    assert less.low <= less.high


def test_a_type_that_the_device_lacks_is_refused():
    with pytest.raises(SaccadeError, match="has no fast bfloat16; set dtype to float16 or float32"):
        time_of(1, 1, ROUND, "bfloat16")


def test_a_batch_multiplies_arithmetic_and_caches_and_not_weights():
    one = StageWork(flops=10, weight_bytes=30, other_bytes=7)
    assert one.bytes_moved == 37
    assert one.batched(4) == StageWork(flops=40, weight_bytes=30, other_bytes=28)
    assert one.batched(1) == one


def test_stages_add_and_every_field_is_its_own_stage():
    made = times(
        vision=StageWork(flops=100, weight_bytes=0),
        connector=StageWork(flops=0, weight_bytes=800),
        language=StageWork(flops=300, weight_bytes=100, other_bytes=60),
        token=StageWork(flops=1, weight_bytes=800, other_bytes=800),
        device=ROUND,
        dtype="float32",
        batch=6,
    )
    assert made.encode == TimeRange(2.0 + 1.0, 4.0 + 2.0)
    assert made.first_token == TimeRange(3.0 + 6.0, 6.0 + 12.0)
    assert made.per_token == TimeRange(2.0, 4.0)
    # The slowest token gives the fewest a second, of all six requests together.
    assert made.tokens_per_second == TimeRange(1.5, 3.0)


def test_decoding_several_requests_costs_little_more_than_one():
    # 13 GB of weights, 0.25 GB of cache a request.
    one = StageWork(flops=13 * 10**9, weight_bytes=13 * 10**9, other_bytes=25 * 10**7)

    def speed(batch: int) -> float:
        made = times(
            vision=NOTHING,
            connector=NOTHING,
            language=NOTHING,
            token=one.batched(batch),
            device=device("a100-80"),
            dtype="float16",
            batch=batch,
        )
        assert made.tokens_per_second is not None
        return made.tokens_per_second.high

    assert 7 < speed(8) / speed(1) < 8


def test_what_generates_nothing_has_no_tokens():
    some = StageWork(flops=5, weight_bytes=5)
    made = times(vision=some, connector=NOTHING, language=NOTHING, token=NOTHING, device=ROUND, dtype="float32")
    assert made.per_token is None
    assert made.tokens_per_second is None
    assert made.first_token == made.encode


def test_refusals():
    with pytest.raises(SaccadeError, match="a band is 0 ≤ low ≤ high, got 2 to 1"):
        TimeRange(2, 1)
    with pytest.raises(SaccadeError, match="got -1 to 1"):
        TimeRange(-1, 1)
    with pytest.raises(SaccadeError, match="got -1 FLOPs, 0 and 0 bytes"):
        StageWork(flops=-1, weight_bytes=0)
    with pytest.raises(SaccadeError, match="got 0 FLOPs, 0 and -2 bytes"):
        StageWork(flops=0, weight_bytes=0, other_bytes=-2)
    with pytest.raises(SaccadeError, match="at least 1 request, got 0"):
        NOTHING.batched(0)
    with pytest.raises(SaccadeError, match="at least 1 request, got 0"):
        times(
            vision=NOTHING, connector=NOTHING, language=NOTHING, token=NOTHING, device=ROUND, dtype="float32", batch=0
        )
