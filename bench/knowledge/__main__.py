"""`python -m bench.knowledge`: how often the right article is found, and answered from."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from assistant.sureness import SURE
from bench.knowledge.measure import Asked, Tally, ask_all
from bench.knowledge.questions import SETS, load

_THRESHOLDS = [step / 20 for step in range(8, 21, 2)]


def main(
    each: Annotated[bool, typer.Option("--each", help="Also print every question.")] = False,
) -> None:
    """Import the example articles into a database of their own, and ask the labelled questions."""
    for name, what in SETS.items():
        asked = asyncio.run(ask_all(load(name)))
        print(f"{len(asked)} questions {what}")
        if each:
            print(*(_line(one) for one in asked), sep="\n")
        _report(asked)
        print()


def _report(asked: Sequence[Asked]) -> None:
    answerable = [one for one in asked if one.question.answers]
    for within in (1, 3):
        hits = sum(one.hit(within) for one in answerable)
        print(f"right article among the first {within}: {_of(hits, len(answerable))}")
    print("coverage  right  wrong  handed over | no article answers: answered  handed over")
    for threshold in sorted({*_THRESHOLDS, SURE}):
        print(_row(Tally.of(asked, threshold)))


def _of(count: int, total: int) -> str:
    return f"{count} of {total} ({100 * count / total:.0f} %)"


def _row(tally: Tally) -> str:
    mark = "  <- SURE" if tally.threshold == SURE else ""
    return (
        f"{tally.threshold:8.2f}  {tally.right:5}  {tally.wrong:5}  {tally.handed_over:11} | "
        f"{tally.made_up:28}  {tally.left:11}{mark}"
    )


def _line(one: Asked) -> str:
    sign = "+" if one.hit(1) else "3" if one.hit(3) else "-" if one.question.answers else " "
    best: Sequence[str] = [
        f"{slug} {found.coverage:.2f}/{found.score:.2f}"
        for slug, found in zip(one.slugs[:3], one.found, strict=False)
    ]
    return f"{sign} {one.question.text}  ->  {', '.join(best) or 'nothing'}"


if __name__ == "__main__":
    typer.run(main)
