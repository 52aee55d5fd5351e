"""How the object-centric path is set: points of SAM's mask generation, and masks at most."""

from saccade.architectures.settings.lines import UNEVALUATED, UNSERVED, Advice, SettingsRequest


def _transformers(asked: SettingsRequest) -> str:
    given, processor = asked.options, asked.system.processor
    most, points = given.get("regions", processor.get("max_regions")), given.get("points", processor["points_per_side"])
    return (
        f"transformers 5.23 has no class for {asked.system.name}; its mask generation takes points_per_crop={points}, "
        f"and of the masks the best {most} are read"
    )


OBJECT_CENTRIC = Advice(transformers=_transformers, vllm=UNSERVED, lmms_eval=UNEVALUATED)
