"""Backwards from limits: what is found fits, and the next larger does not."""

import pytest

from saccade.architectures import PRESETS
from saccade.architectures.catalogue import system
from saccade.core.errors import SaccadeError
from saccade.core.plan import Setting
from saccade.core.size import Size
from saccade.specs.laws.path import Media, Video
from saccade.specs.planner.device import device
from saccade.specs.planner.fit import Fit, FitLimits, Judge, fit, knobs, times_of

PAGE = Size(1700, 2200)


def found(
    name: str, limits: FitLimits, media: Media = PAGE, batch: int = 1, on: str | None = None, **options: object
) -> Fit:
    machine = None if on is None else device(on)
    return fit(system(name), [media], limits, text=64, setting=Setting(batch), device=machine, options=options)


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_found_fits_and_the_next_value_does_not(name: str):
    one, limits = system(name), FitLimits(tokens=500)
    made = found(name, limits)
    judge = Judge(system=one, limits=limits, device=None)
    if made.options:
        ((option, value),) = made.options.items()
        (knob,) = (knob for knob in knobs(one, [PAGE], {}) if knob.option == option)
        values = list(knob.values(one.checkpoint_with({}), [PAGE]))
        assert made.plan is not None
        assert not judge.short(made.plan)
        after = values[values.index(value) + 1 :][:1]
        assert all(judge.short(one.plan([PAGE], options={option: larger})) for larger in after)
    if made.keep is not None:
        whole = one.plan([PAGE]).visual_tokens
        assert made.kept is not None
        assert made.kept.visual_tokens == (whole if made.keep == 1 else 500)
    assert made.options is not None or made.keep is not None


@pytest.mark.parametrize("memory", [17.5e9, 18e9, 20e9, 40e9])
def test_memory_is_kept_within_and_used(memory: float):
    made = found("qwen2.5-vl-7b", FitLimits(memory=int(memory), context=32_768), media=Size(8000, 6000), batch=1)
    if made.memory is None:
        assert memory < system("qwen2.5-vl-7b").plan([PAGE]).param_bytes + 32_768 * 28 * 2 * 4 * 128 * 2 + 10**8
        assert "over 1" in made.short[0]
    else:
        assert made.memory <= memory
        assert made.plan is not None


def test_a_context_is_room_in_the_cache():
    tight, roomy = (found("qwen2.5-vl-7b", FitLimits(memory=80 * 10**9, context=n), batch=4) for n in (8192, 131_072))
    per = 2 * 28 * 4 * 128 * 2
    assert tight.memory is not None
    assert roomy.options is None  # the model was made for 128,000
    assert "made for 128,000" in roomy.short[0]
    long = found("qwen2.5-vl-7b", FitLimits(memory=80 * 10**9, context=65_536), batch=4)
    assert long.memory is not None
    assert long.memory - tight.memory == pytest.approx(4 * per * (65_536 - 8192), rel=0.02)


def test_time_needs_a_machine_and_is_kept_by_the_slow_end_of_the_band():
    with pytest.raises(SaccadeError, match="--calibrate"):
        found("qwen2.5-vl-7b", FitLimits(seconds=0.1))
    made = found("qwen2.5-vl-7b", FitLimits(seconds=0.1), on="h100")
    assert made.plan is not None
    assert times_of(made.plan, device("h100")).first_token.high <= 0.1
    assert made.options
    assert made.keep is None  # the tower alone takes longer than that at the picture's own size
    fixed = found("llava-1.5-7b", FitLimits(seconds=0.02), on="h100")
    assert fixed.options is None
    assert 0 < (fixed.keep or 0) < 1


def test_what_cannot_fit_says_by_how_much_even_at_the_smallest_setting():
    made = found("qwen2.5-vl-7b", FitLimits(memory=2 * 10**9, tokens=1))
    assert (made.options, made.keep) == (None, None)
    assert any("over 2.00 GB" in line for line in made.short)
    assert any("visual tokens over 1" in line for line in made.short)


def test_videos_turn_their_frames():
    made = found("qwen2.5-vl-7b", FitLimits(tokens=4000), media=Video(Size(1280, 720), 3000, 30.0))
    assert made.options is not None
    assert list(made.options) == ["max_frames"]
    assert made.plan is not None
    assert made.plan.visual_tokens <= 4000


def test_an_option_that_is_given_is_not_turned():
    made = found("idefics3-8b", FitLimits(tokens=400), split=True)
    assert made.options == {"longest_edge": 364}
    fixed = found("idefics3-8b", FitLimits(tokens=400), longest_edge=1456)
    assert fixed.options is None
    assert fixed.keep == pytest.approx(400 / fixed_tokens())


def fixed_tokens() -> int:
    return system("idefics3-8b").plan([PAGE], options={"longest_edge": 1456}).visual_tokens


@pytest.mark.parametrize("name", ["memory", "seconds", "tokens", "context"])
def test_limits_are_above_zero(name: str):
    with pytest.raises(SaccadeError, match=f"a limit on {name} is above 0, got 0"):
        FitLimits(**{name: 0})


def test_a_decoded_token_reads_the_experts_it_meets():
    plan = system("kimi-vl-a3b").plan([PAGE])
    times = times_of(plan, device("h100"))
    assert times.per_token is not None
    read = (plan.token.params - plan.idle_params) * 2 + plan.kv_bytes
    assert times.per_token.low == pytest.approx(
        read / (device("h100").bandwidth * device("h100").bandwidth_efficiency[1])
    )
    assert plan.idle_params > plan.token.params / 2
