"""The cheapest setting within a stated loss, in sentences: what to set, what is lost, and what is saved."""

from saccade.core.errors import SaccadeError
from saccade.evaluation.results import WHOLE_POLICY, Change, Cheapest, Results, Row
from saccade.report import formatting as words


def sentences(results: Results) -> list[str]:
    """A sentence for each model of ``results.cheapest``."""
    return [_sentence(results, one) for one in results.cheapest]


def cost(results: Results, row: Row) -> str:
    """What the prompts of a thousand questions cost, in the user's currency; a dash where nobody knows."""
    found = results.cost(row)
    return words.NONE if found is None else words.significant(found)


def _sentence(results: Results, one: Cheapest) -> str:
    loss = f"{100 * one.loss:g} {'point' if one.loss == 0.01 else 'points'}"
    if not one.saves:
        return (
            f"{one.reader}: no budget saves anything within {loss}; none of the {one.among} cheaper rows keeps that "
            f"close to the whole images, which take {words.tokens(one.visual_tokens)} {_tokens(_whole(results, one))}"
        )
    row = _chosen(results, one)
    return (
        f"{one.reader}: cheapest within {loss} is {_setting(one)}, {words.tokens(row.visual_tokens)} {_tokens(row)} a "
        f"question: {_difference(one)} against whole images, {_proof(results, one, loss)}; "
        f"{_saving(results, row, _whole(results, one))}"
    )


def _tokens(row: Row) -> str:
    """What was counted: whole prompts where a server does not tell the tokens of images apart."""
    return "prompt tokens" if row.tokens == row.visual_tokens else "visual tokens"


def _setting(one: Cheapest) -> str:
    return one.policy if one.budget is None else f"{one.policy} to {one.budget}"


def _difference(one: Cheapest) -> str:
    change = Change(one.difference, one.ci95)
    told = f"{words.signed(one.difference)} points"
    return told if one.ci95 is None else f"{told} (95 % interval {words.ends(change)})"


def _proof(results: Results, one: Cheapest, loss: str) -> str:
    chosen = f" (chosen by its mean from {one.among} rows, which is a little optimistic)" if one.among > 1 else ""
    if one.proved:
        return f"proved{chosen}"
    return f"not proved with {results.exam.questions:,} questions, the loss may exceed {loss}; ask more{chosen}"


def _saving(results: Results, row: Row, whole: Row) -> str:
    """Tokens saved against whole images, and money where a price was named."""
    saved = 1 - row.visual_tokens / whole.visual_tokens
    told = f"saves {saved:.0%} of {words.tokens(whole.visual_tokens)} {_tokens(row)}"
    before, after = results.cost(whole), results.cost(row)
    if before is None or after is None:
        return told
    return f"{told}, and {words.significant(before - after)} of {words.significant(before)} per 1,000 questions"


def _whole(results: Results, one: Cheapest) -> Row:
    return _row(results, one, (WHOLE_POLICY, None))


def _chosen(results: Results, one: Cheapest) -> Row:
    return _row(results, one, (one.policy, one.budget))


def _row(results: Results, one: Cheapest, setting: tuple[str, int | None]) -> Row:
    """The row of a model at a setting; several that share one differ in their tokens."""
    rows = [row for row in results.rows if row.reader == one.reader and (row.policy, row.budget) == setting]
    if not rows:
        raise SaccadeError(f"the results name a cheapest setting of {one.reader}, and hold no row of it; compare again")
    return min(rows, key=lambda row: abs(row.visual_tokens - one.visual_tokens))
