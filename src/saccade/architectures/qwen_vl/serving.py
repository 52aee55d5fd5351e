"""How Qwen2-VL, Qwen2.5-VL and Qwen3-VL are set: bounds on pixels, rates of frames."""

from saccade.architectures.settings.bounds import pixels, resize_of, sample_of, size, whole_groups
from saccade.architectures.settings.lines import Advice, Evaluate, Serve, SettingsRequest, assigned


def in_transformers(asked: SettingsRequest) -> str:
    """The processor of transformers with the planned bounds."""
    # As an argument, `size` loses to min_pixels and max_pixels in a checkpoint's own JSON, and reaches videos too.
    if not asked.video:
        return assigned(asked, "image_processor", {"size": size(asked)})
    sample = sample_of(asked)
    count = whole_groups(sample)
    told: dict[str, object] = {"size": size(asked), "do_sample_frames": True}
    # Their rate has to go before a number is taken.
    told |= {"fps": sample.fps, "max_frames": sample.most} if count is None else {"fps": None, "num_frames": count}
    if "video_budget" in asked.options:
        told |= {"cap_pixels_per_frame": True, "max_video_tokens": asked.options["video_budget"]}
    return assigned(asked, "video_processor", told)


def _vllm(asked: SettingsRequest) -> Serve:
    told = {"size": size(asked)}
    if not asked.video:
        # The same bounds would hold for videos, where they mean something else.
        return Serve(processor=told, limit={"image": asked.pictures, "video": 0})
    sample = sample_of(asked)
    count = whole_groups(sample)
    frames = {"fps": sample.fps, "num_frames": sample.most} if count is None else {"num_frames": count}
    note = "video_budget has no flag: lower max_pixels instead" if "video_budget" in asked.options else ""
    return Serve(processor=told, frames=frames, note=note)


def _qwen25_lmms_eval(asked: SettingsRequest) -> Evaluate:
    given = pixels(resize_of(asked))
    if not asked.video:
        return Evaluate(adapter="qwen2_5_vl", given=given)
    sample = sample_of(asked)
    count = whole_groups(sample)
    if count is None and "max_frames" not in asked.options:
        return Evaluate(adapter="qwen2_5_vl", given={**given, "fps": sample.fps})
    # Beside a rate, the adapter forgets the limit.
    most = sample.most if count is None else count
    note = "" if count is not None else f"{most} frames of any video that has them: rate and limit exclude each other"
    return Evaluate(adapter="qwen2_5_vl", given={**given, "max_num_frames": most}, note=note)


def _qwen3_lmms_eval(asked: SettingsRequest) -> Evaluate:
    spec = resize_of(asked)
    if not asked.video:
        return Evaluate(adapter="qwen3_vl", given=pixels(spec))
    sample = sample_of(asked)
    if sample.count is not None:
        each: dict[str, object] = {
            name: bound // sample.count for name, bound in (("min_pixels", spec.low), ("max_pixels", spec.high))
        }
        return Evaluate(adapter="qwen3_vl", given={**each, "max_num_frames": sample.count})
    # Its client counts a pair of frames once.
    shared = {"total_pixels": spec.high // 2, "fps": sample.fps, "max_num_frames": sample.most}
    return Evaluate(adapter="qwen3_vl", given={"min_pixels": spec.low, **shared})


QWEN2 = Advice(
    transformers=in_transformers,
    vllm=_vllm,
    lmms_eval=lambda asked: Evaluate(adapter="qwen2_vl", given=pixels(resize_of(asked))),
)


QWEN25 = Advice(transformers=in_transformers, vllm=_vllm, lmms_eval=_qwen25_lmms_eval)


QWEN3 = Advice(transformers=in_transformers, vllm=_vllm, lmms_eval=_qwen3_lmms_eval)
