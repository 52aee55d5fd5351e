"""How LongVU is set: the rate of frames, in its authors' code."""

from saccade.architectures.settings.lines import UNEVALUATED, UNSERVED, Advice, SettingsRequest


def _transformers(asked: SettingsRequest) -> str:
    told = f"transformers 5.23 has no class for {asked.system.name}"
    if not asked.video:
        return f"{told}, and a picture's number of tokens depends on its shape alone"
    step = f"range(0, len(reader), round(reader.get_avg_fps() / {asked.options.get('sample_fps', 1.0)}))"
    return f"{told}; for its authors' code, take the frames {step}"


LONGVU = Advice(transformers=_transformers, vllm=UNSERVED, lmms_eval=UNEVALUATED)
