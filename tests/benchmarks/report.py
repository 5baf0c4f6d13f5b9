"""Tables and the plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from rich.table import Table

from .measures import KINDS, MEASURES, SIZES
from .results import OURS, Key, Missing, Results, overlap, speed
from .subjects import SUBJECTS, Ideal, Limit, PrefetchGenerator

NONE = "—"


def tables(results: Results, measures: Sequence[str]) -> Iterator[Table]:
    """The tables of these measures."""
    for measure in measures:
        yield from TABLES[measure](results)


def handoff(results: Results) -> Iterator[Table]:
    """Thousand batches a second, and how many times that of prefetch_generator and the limit."""

    def figure(case: str, name: str) -> str:
        rate = 1e-3 / results.median("handoff", case, name)
        words = [f"{rate:.0f}" if rate >= 1 else f"{rate:.3f}"]
        for other in (PrefetchGenerator.NAME, Limit.NAME):
            try:
                ratio = speed(results, int(case), name, other)
            except Missing:
                words.append(NONE)
            else:
                words.append(f"{ratio:.2f}" if ratio >= 0.005 else "<0.01")
        return " · ".join(words)

    yield _table(
        results,
        "handoff",
        "Hand-off, thousand batches/s · times prefetch_generator · times the limit",
        {f"buffer {case}": case for case in MEASURES["handoff"].cases},
        lambda column, name: figure(column.split()[1], name),
    )


def overlaps(results: Results) -> Iterator[Table]:
    """Wall time over the ideal, which is shown in milliseconds a batch."""

    def figure(case: str, name: str) -> str:
        if name == Ideal.NAME:
            return f"{1e3 * results.median('overlap', case, name):.2f} ms"
        return f"{overlap(results, case, name):.3f}"

    yield _table(
        results,
        "overlap",
        "Overlap: wall time over the ideal (source ms, consumer ms)",
        {case: case for case in MEASURES["overlap"].cases},
        figure,
        caption="The ideal: both sides at once, nothing handed over. numpy has two processors.",
    )


def interferences(results: Results) -> Iterator[Table]:
    """Milliseconds of a step in Python, and of a step with all, and their ratios."""

    def figure(kind: str, column: str, name: str) -> str:
        mode, part, *over = column.split()
        key = "interference", f"{kind} {mode} {part}", name
        if over:
            other = over[1]
            return f"{results.ratio(key, ('interference', f'{kind} {other} {part}', name)):.2f}"
        return f"{1e3 * results.median(*key):.2f}"

    for kind in KINDS:
        columns = [
            *(f"{mode} step" for mode in ("null", "free", "gated")),
            "gated step / null",
            *(f"{mode} wall" for mode in ("null", "free", "gated")),
            "free wall / gated",
        ]
        yield _table(
            results,
            "interference",
            f"Interference, ms: a step in Python of 2 ms; wall time with 2 ms native work ({kind})",
            dict.fromkeys(columns, kind),
            lambda column, name, kind=kind: figure(kind, column, name),
            caption="null: a source that costs nothing, else 2 ms of Python a batch; "
            "free: the gate is always open; gated: around the native work.",
        )


def stops(results: Results) -> Iterator[Table]:
    """Milliseconds of a stop and of a restart."""

    def figure(part: str, name: str) -> str:
        milliseconds = 1e3 * results.median("stop", part, name)
        new = part == "restart" and "restart" not in SUBJECTS[name].CAN
        return f"{milliseconds:.3f}" + (" (a new one)" if new else "")

    yield _table(
        results,
        "stop",
        "Stop with a full buffer of 16 and an idle worker, and restart, ms",
        {"stop": "stop", "restart": "restart"},
        figure,
        caption="A restart lasts until the source is asked for a new batch. Others have no stop.",
    )


def _table(
    results: Results,
    measure: str,
    title: str,
    columns: dict[str, str],
    figure: Callable[[str, str], str],
    *,
    caption: str = "",
) -> Table:
    """A row for each subject; columns are given with the case that they were measured in."""
    table = Table(title=title, caption=caption)
    table.add_column("subject", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    known = {key.subject for key in (*results.values, *results.words)}
    for name, subject in SUBJECTS.items():
        if name in known and any(MEASURES[measure].asks(subject, c) for c in columns.values()):
            row = [
                _cell(results, Key(measure, case, name), partial(figure, column, name))
                for column, case in columns.items()
            ]
            table.add_row(name, *row, style="bold" if name == OURS else None)
    return table


def _cell(results: Results, key: Key, figure: Callable[[], str]) -> str:
    """A figure, or the word for why there is none: a dash where nothing was asked."""
    try:
        return figure()
    except Missing:
        return results.words.get(key, NONE).partition(":")[0]  # `main` prints the rest


TABLES: dict[str, Callable[[Results], Iterator[Table]]] = {
    "handoff": handoff,
    "overlap": overlaps,
    "interference": interferences,
    "stop": stops,
}


def plot(results: Results, file: str) -> None:
    """Draw the hand-off against the size of the buffer. The suffix of the file says its format."""
    import matplotlib as mpl  # noqa: PLC0415  # slow to import, and seldom wanted

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")

    for name in SUBJECTS:
        keys = {size: Key("handoff", str(size), name) for size in SIZES}
        known = [(size, key) for size, key in keys.items() if key in results.values]
        points = [(size, 1e-3 / results.median(*key)) for size, key in known]
        if points:
            style: dict[str, Any] = {"linewidth": 3 if name == OURS else 1}
            if name == Limit.NAME:
                style = {"color": "black", "linestyle": "--"}
            axes.plot(*zip(*points, strict=True), label=name, marker=".", **style)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="buffer size",
        ylabel="thousand batches a second",
        title="Hand-off, null source and null consumer",
    )
    axes.set_xticks(SIZES, labels=[str(size) for size in SIZES])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", ncols=2)
    figure.savefig(file)
    plt.close(figure)
