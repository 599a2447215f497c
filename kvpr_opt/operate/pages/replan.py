"""The page for a trade-off: what each budget gains, before and after, the steps, the proof."""

from __future__ import annotations

from collections.abc import Iterator

from kvpr_opt.certificates.explain_relocation import explain_relocation
from kvpr_opt.drawing.pieces import explained, facts, section
from kvpr_opt.drawing.rows import amount, counted, gap_text
from kvpr_opt.drawing.sheet import document
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.html import Html, element
from kvpr_opt.integrations.result_page.wording import exactly, foot
from kvpr_opt.operate.pages.before_after import before_and_after
from kvpr_opt.operate.pages.steps import drawn_steps
from kvpr_opt.operate.pages.style import STYLE
from kvpr_opt.operate.pages.trade_off import (
    COUNTED_IN,
    drawn_trade_off,
    trade_off_table,
)
from kvpr_opt.operate.replan import Replan, ReplanRow


def replan_page(made: Replan, chosen: ReplanRow | None, why: str = "") -> str:
    """The page, as a complete HTML file.

    Parameters
    ----------
    made
        The trade-off.
    chosen
        The row to show in full; ``None`` for none.
    why
        Why it was chosen, in a few words.
    """
    instance = made.instance
    title = (
        f"Moving {counted(len(instance.models), 'model')} on {counted(len(instance.gpus), 'GPU')}"
    )
    content = [element("h1", title), facts(_answer(made, chosen, why))]
    drawn = drawn_trade_off(made, chosen)
    table = trade_off_table(made, chosen)
    content.append(section("What each budget buys", [table] if drawn is None else [drawn, table]))
    if chosen is not None and chosen.placement is not None:
        both = before_and_after(instance, made.home, chosen.placement.gpu_of)
        content.append(section("Before and after", [both]))
        content.append(section("Step by step", _steps(made, chosen)))
        content.append(section("What is proved of it", _proof(chosen)))
    return document(title, STYLE, *content, foot(instance))


def _answer(made: Replan, chosen: ReplanRow | None, why: str) -> Iterator[tuple[str, str]]:
    if made.current is not None:
        yield "highest KVPR now", exactly(made.current.max_kvpr)
    else:
        yield "highest KVPR now", f"none: {made.current_fault}"
    if chosen is None or chosen.placement is None:
        yield "chosen", why or "no row"
    else:
        assert chosen.cost is not None
        yield "after the moves", exactly(chosen.max_kvpr)
        yield COUNTED_IN[made.cost], amount(chosen.cost) + (f", {why}" if why else "")
        yield "how sure", chosen.certainty
    yield "without a budget", exactly(made.best_known)
    yield "no placement is below", exactly(made.optimum.lower_bound)


def _steps(made: Replan, chosen: ReplanRow) -> Iterator[Html]:
    try:
        plan = made.plan(chosen)
    except InvalidPlacementError as error:
        yield element("p", f"There is no order of steps: {error}.")
        return
    yield from drawn_steps(made.instance, made.home, plan)


def _proof(row: ReplanRow) -> Iterator[Html]:
    said = f"No placement that costs at most {amount(row.budget)} is below"
    if row.proved:
        yield element("p", f"{said} {exactly(row.lower_bound)}: this one is as low as can be.")
    else:
        yield element("p", f"{said} {exactly(row.lower_bound)}; the gap is {gap_text(row.gap)}.")
    if not row.certified:
        yield element("p", "That rests on the word of a solver, or on a proof not checked.")
    if row.certificate is not None:
        yield from explained(
            explain_relocation(row.certificate.data),
            "The claim with its proof is in this page: ",
            {"row.json": row.certificate.to_json()},
            "kvpr-opt verify FLEET row.json",
        )
