"""How families are set that see pictures in their own shape: bounds on pixels or patches, rates of frames.

The bounds are read off the path that was planned, so that what is pasted is what was counted.
"""

from saccade.specs.frames import ChunkedVideoSpec, QwenVideoSpec, SameFramesSpec, SampleSpec
from saccade.specs.native import SmartResizeSpec
from saccade.specs.settings_lines import Advice, Asked, Evaluate, Known, Serve, assigned, loaded, says

AUTHORS = "the authors' code: transformers 5.23 has no class of its own"
CONVERTED = "for a checkpoint in transformers' own format"


def _resize(asked: Asked) -> SmartResizeSpec:
    """Bounds on a picture, or on a frame (on all frames together where they are shared)."""
    found = asked.path.views
    if asked.video and asked.path.video is not None:
        sampling = asked.path.video.sampling
        assert isinstance(sampling, QwenVideoSpec | SameFramesSpec)
        found = sampling.resize if isinstance(sampling, QwenVideoSpec) else sampling.views
    assert isinstance(found, SmartResizeSpec)
    return found


def _sample(asked: Asked) -> SampleSpec:
    assert asked.path.video is not None
    sampling = asked.path.video.sampling
    assert isinstance(sampling, QwenVideoSpec | SameFramesSpec | ChunkedVideoSpec)
    return sampling.sample


def _size(asked: Asked) -> Known:
    """Their two bounds, which count pixels although they are called edges; both must always be given."""
    spec = _resize(asked)
    return {"shortest_edge": spec.low, "longest_edge": spec.high}


def _whole_groups(sample: SampleSpec) -> int | None:
    """A number of frames that was asked for; an odd one would be rounded up where frames go in pairs."""
    return None if sample.count is None else sample.count // sample.together * sample.together


def _qwen_transformers(asked: Asked) -> str:
    # As an argument, `size` loses to min_pixels and max_pixels in a checkpoint's own JSON, and reaches videos too.
    if not asked.video:
        return assigned(asked, "image_processor", {"size": _size(asked)})
    sample = _sample(asked)
    count = _whole_groups(sample)
    told: dict[str, object] = {"size": _size(asked), "do_sample_frames": True}
    # Their rate has to go before a number is taken.
    told |= {"fps": sample.fps, "max_frames": sample.most} if count is None else {"fps": None, "num_frames": count}
    if "video_budget" in asked.options:
        told |= {"cap_pixels_per_frame": True, "max_video_tokens": asked.options["video_budget"]}
    return assigned(asked, "video_processor", told)


def _qwen_vllm(asked: Asked) -> Serve:
    told = {"size": _size(asked)}
    if not asked.video:
        # The same bounds would hold for videos, where they mean something else.
        return Serve(processor=told, limit={"image": asked.pictures, "video": 0})
    sample = _sample(asked)
    count = _whole_groups(sample)
    frames = {"fps": sample.fps, "num_frames": sample.most} if count is None else {"num_frames": count}
    note = "video_budget has no flag: lower max_pixels instead" if "video_budget" in asked.options else ""
    return Serve(processor=told, frames=frames, note=note)


def _pixels(spec: SmartResizeSpec) -> dict[str, object]:
    """lmms-eval has bounds of its own where none are given."""
    return {"min_pixels": spec.low, "max_pixels": spec.high}


def _qwen25_lmms_eval(asked: Asked) -> Evaluate:
    given = _pixels(_resize(asked))
    if not asked.video:
        return Evaluate(adapter="qwen2_5_vl", given=given)
    sample = _sample(asked)
    count = _whole_groups(sample)
    if count is None and "max_frames" not in asked.options:
        return Evaluate(adapter="qwen2_5_vl", given={**given, "fps": sample.fps})
    # Beside a rate, the adapter forgets the limit.
    most = sample.most if count is None else count
    note = "" if count is not None else f"{most} frames of any video that has them: rate and limit exclude each other"
    return Evaluate(adapter="qwen2_5_vl", given={**given, "max_num_frames": most}, note=note)


def _qwen3_lmms_eval(asked: Asked) -> Evaluate:
    spec = _resize(asked)
    if not asked.video:
        return Evaluate(adapter="qwen3_vl", given=_pixels(spec))
    sample = _sample(asked)
    if sample.count is not None:
        each: dict[str, object] = {
            name: bound // sample.count for name, bound in (("min_pixels", spec.low), ("max_pixels", spec.high))
        }
        return Evaluate(adapter="qwen3_vl", given={**each, "max_num_frames": sample.count})
    # Its client counts a pair of frames once.
    shared = {"total_pixels": spec.high // 2, "fps": sample.fps, "max_num_frames": sample.most}
    return Evaluate(adapter="qwen3_vl", given={"min_pixels": spec.low, **shared})


def _kimi_vl_transformers(asked: Asked) -> str:
    limit = asked.named({"max_patches": "in_token_limit"})
    return loaded(asked, {"trust_remote_code": True, **limit}, note=AUTHORS)


def _kimi_vl_vllm(asked: Asked) -> Serve:
    return Serve(processor=asked.named({"max_patches": "in_token_limit"}), flags=("--trust-remote-code",))


def _kimi_k25_transformers(asked: Asked) -> str:
    given = asked.named({"max_patches": "max_patches", "sample_fps": "fps"})
    return loaded(asked, given, note=f"{CONVERTED}; needs torchvision")


def _kimi_k25_vllm(asked: Asked) -> Serve | str:
    if not asked.options:
        # A chunk is a picture, or up to four frames of a video of any length.
        limit = {} if asked.video else {"vision_chunk": asked.pictures}
        return Serve(limit=limit, flags=("--trust-remote-code",))
    patches = "in_patch_limit_each_frame" if asked.video else "in_patch_limit"
    told = asked.named({"max_patches": patches, "sample_fps": "sample_fps"})
    return (
        f"vLLM takes this of {asked.system.name} from the checkpoint and has no flag; in a copy of it, set "
        f"{' and '.join(f'{name} to {value}' for name, value in told.items())} under media_proc_cfg in "
        "preprocessor_config.json"
    )


def _ovis25_transformers(asked: Asked) -> str:
    spec = _resize(asked)
    bounds = f"min_pixels={spec.low}, max_pixels={spec.high}"
    if not asked.video:
        return f"model.chat(prompt=prompt, images=images, {bounds})  # {AUTHORS}"
    return f"model.chat(prompt=prompt, videos=[frames], {bounds})  # {_sample(asked).count} frames; {AUTHORS}"


def _ovis25_vllm(asked: Asked) -> Serve | str:
    spec = _resize(asked)
    if (spec.low, spec.high) == (448**2, 1792**2):
        frames = {"num_frames": _sample(asked).count} if asked.video else {}
        return Serve(frames=frames, flags=("--trust-remote-code",))
    return (
        f"vLLM keeps {asked.system.name}'s pixels between {448**2} and {1792**2} and has no flag; shrink "
        f"{'frames' if asked.video else 'pictures'} to at most {spec.high} pixels before you send them"
    )


QWEN2 = Advice(
    transformers=_qwen_transformers,
    vllm=_qwen_vllm,
    lmms_eval=lambda asked: Evaluate(adapter="qwen2_vl", given=_pixels(_resize(asked))),
)
QWEN25 = Advice(transformers=_qwen_transformers, vllm=_qwen_vllm, lmms_eval=_qwen25_lmms_eval)
QWEN3 = Advice(transformers=_qwen_transformers, vllm=_qwen_vllm, lmms_eval=_qwen3_lmms_eval)
COLQWEN2 = Advice(
    transformers=_qwen_transformers,
    vllm=says("vLLM does not support {name}; it does ColPali"),
    lmms_eval=says("lmms-eval judges written answers, and {name} writes none"),
)
KIMI_VL = Advice(transformers=_kimi_vl_transformers, vllm=_kimi_vl_vllm)
KIMI_K25 = Advice(transformers=_kimi_k25_transformers, vllm=_kimi_k25_vllm)
OVIS25 = Advice(transformers=_ovis25_transformers, vllm=_ovis25_vllm)
