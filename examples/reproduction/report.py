"""One line of the report, and how it is printed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass

HEADS = ("system", "figure", "published", "skae", "plain Keras", "seconds")


@dataclass(frozen=True)
class Row:
    """One figure of one system.

    `published` is the figure of the tutorial, or what this project wants to reach; `seconds` are
    those of training, all seeds of skae's together and then Keras's.
    """

    system: str
    figure: str
    published: str
    skae: str
    keras: str = ""
    seconds: str = ""

    def cells(self) -> tuple[str, ...]:
        return self.system, self.figure, self.published, self.skae, self.keras, self.seconds


class Watch:
    """Seconds of training, skae's and Keras's."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str):
        start = time.perf_counter()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - start

    def __str__(self) -> str:
        return " / ".join(f"{seconds:.1f}" for seconds in self.spent.values())


def head(*, markdown: bool) -> str:
    """Return the head of the table."""
    if markdown:
        return f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}"
    return line(HEADS, markdown=False)


def line(cells: Iterable[str], *, markdown: bool) -> str:
    """Return one line of the table."""
    if markdown:
        return f"| {' | '.join(cells)} |"
    widths = (24, 47, 16, 25, 25, 15)
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def median_of(values: list[float]) -> str:
    """Return the median with the range of more than one value."""
    middle = sorted(values)[len(values) // 2]
    if len(values) == 1:
        return f"{middle:.4f}"
    return f"{middle:.4f} ({min(values):.4f}-{max(values):.4f})"
