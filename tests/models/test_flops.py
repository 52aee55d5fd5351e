"""What torch counts equals what the specs predict, for whole questions."""

import pytest

from saccade.core.size import Size
from saccade.models import READERS, build
from saccade.models.flops import Counter


@pytest.mark.parametrize("name", sorted(READERS))
@pytest.mark.parametrize("size", [Size(64, 64), Size(300, 170)], ids=str)
def test_counted_is_predicted(name: str, size: Size) -> None:
    reader = build(name)
    plan = reader.plan(size, "What digit is in the top left corner?")
    counted = Counter(reader).look([plan.layout], [plan.length - plan.slots])
    assert counted == plan.flops


def test_dropped_tokens_cost_the_language_model_less_and_nothing_else() -> None:
    reader = build("llava")
    plan = reader.plan(Size(64, 64), "What?")
    count = Counter(reader)
    less = count.look([plan.layout], [plan.length - plan.slots], dropped=2)
    expected = plan.flops - plan.language.flops + reader.spec.language.cost(plan.length - 2).flops
    assert less == expected
