"""How Ovis2 and Ovis2.5 are set: tiles, or bounds on pixels."""

from saccade.architectures.settings.bounds import resize_of, sample_of
from saccade.architectures.settings.lines import (
    AUTHORS,
    CONVERTED,
    REMOTE,
    Advice,
    Serve,
    SettingsRequest,
    foreign,
    loaded,
)


def _ovis2_vllm(asked: SettingsRequest) -> Serve | str:
    return foreign(asked, "AIDC-AI") or Serve(processor=asked.named({"max_tiles": "max_partition"}), flags=REMOTE)


def _ovis25_transformers(asked: SettingsRequest) -> str:
    spec = resize_of(asked)
    bounds = f"min_pixels={spec.low}, max_pixels={spec.high}"
    if not asked.video:
        return f"model.chat(prompt=prompt, images=images, {bounds})  # {AUTHORS}"
    return f"model.chat(prompt=prompt, videos=[frames], {bounds})  # {sample_of(asked).count} frames; {AUTHORS}"


def _ovis25_vllm(asked: SettingsRequest) -> Serve | str:
    spec = resize_of(asked)
    if (spec.low, spec.high) == (448**2, 1792**2):
        frames = {"num_frames": sample_of(asked).count} if asked.video else {}
        return Serve(frames=frames, flags=("--trust-remote-code",))
    return (
        f"vLLM keeps {asked.system.name}'s pixels between {448**2} and {1792**2} and has no flag; shrink "
        f"{'frames' if asked.video else 'pictures'} to at most {spec.high} pixels before you send them"
    )


OVIS2 = Advice(
    transformers=lambda asked: loaded(asked, asked.named({"max_tiles": "max_patches"}), note=CONVERTED),
    vllm=_ovis2_vllm,
)


OVIS25 = Advice(transformers=_ovis25_transformers, vllm=_ovis25_vllm)
