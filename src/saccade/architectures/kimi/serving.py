"""How Kimi-VL and Kimi K2.5 are set: bounds on patches."""

from saccade.architectures.settings.lines import AUTHORS, CONVERTED, Advice, Serve, SettingsRequest, loaded


def _vl_transformers(asked: SettingsRequest) -> str:
    limit = asked.named({"max_patches": "in_token_limit"})
    return loaded(asked, {"trust_remote_code": True, **limit}, note=AUTHORS)


def _vl_vllm(asked: SettingsRequest) -> Serve:
    return Serve(processor=asked.named({"max_patches": "in_token_limit"}), flags=("--trust-remote-code",))


def _k25_transformers(asked: SettingsRequest) -> str:
    given = asked.named({"max_patches": "max_patches", "sample_fps": "fps"})
    return loaded(asked, given, note=f"{CONVERTED}; needs torchvision")


def _k25_vllm(asked: SettingsRequest) -> Serve | str:
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


KIMI_VL = Advice(transformers=_vl_transformers, vllm=_vl_vllm)


KIMI_K25 = Advice(transformers=_k25_transformers, vllm=_k25_vllm)
