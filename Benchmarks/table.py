"""The results as tables in the terminal."""

import itertools

from rich.table import Table

import goals
import stats
from labels import allocator, is_floor, is_ours, label

COLUMNS = ("", "ns an element", "quarter to quarter", "of the floor", "times ours")
ERRORS = ("binary, gamma 2, alpha 1/4, logits from -20 to 20", "largest error of the gradient, ULP")
GOALS = ("goal", "measured", "wanted", "best C peer")


def floor_of(rows, contender):
    """The floor that belongs to a contender: of the same buffers where it has its own, else the plain one."""
    options = contender.partition("/")[2]
    return rows.get(f"floor/{options}") or rows.get("floor") or rows.get("floor:builtin")


def ours_of(rows):
    """What the others are compared with: the fastest that is ours and has no options of its own."""
    plain = [row for name, row in rows.items() if is_ours(name) and "/" not in name]
    return min(plain, key=lambda row: row["median"], default=None)


def lines(record):
    """The rows of one case, fastest first: (style, cells)."""
    rows, ours = record["contenders"], ours_of(record["contenders"])
    for name, row in sorted(rows.items(), key=lambda item: item[1]["median"]):
        floor = floor_of(rows, name)
        if not floor:
            continue  # a figure without its floor is not shown
        share = "" if is_floor(name) else f"{stats.ratio(floor, row):.2f}"
        times = f"{stats.ratio(row, ours):.2f}" if ours and not is_floor(name) else ""
        style = "bold" if is_ours(name) else "dim" if is_floor(name) else ""
        yield style, (label(name), number(row["median"]), f"{number(row['q1'])} - {number(row['q3'])}", share, times)


def number(x):
    return f"{x:.3f}" if x < 10 else f"{x:.1f}" if x < 1000 else f"{x:,.0f}"


def table_of(suite, records):
    table = Table(*COLUMNS, title=suite, title_justify="left", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for record in records:
        table.add_row(f"[cyan]{record['title']}{allocator(record)}[/]")
        for style, cells in lines(record):
            table.add_row(f"  {cells[0]}", *cells[1:], style=style)
        for name, why in record.get("left_out", {}).items():
            table.add_row(f"  [dim]{label(name)}: {why}[/]")
        table.add_section()
    return table


def show(console, result):
    for suite, records in itertools.groupby(result["records"], key=lambda record: record["suite"]):
        console.print(table_of(suite, list(records)))
    if result["disassembly"]:
        console.print(disassembly(result["disassembly"]))
    console.print(exactness(result["errors"]))
    console.print(promises(result["records"]))


def disassembly(rows):
    columns = ("kernels", "registers", "hot loops", "with calls", "with traps", "instructions (median)")
    columns += ("spills (median, most)", "executed for 16 elements")
    table = Table(*columns, title="hot loops in the disassembly", title_justify="left", pad_edge=False)
    for row in rows:
        counts = (row["hot_loops"], row["with_calls"], row["with_traps"], row["median_instructions"])
        spills = f"{row['median_spills']}, {row['most_spills']}"
        table.add_row(row["isa"], row["registers"], *map(str, counts), spills, str(row["executed_per_16"] or ""))
    return table


def exactness(errors):
    table = Table(*ERRORS, title="how exact", title_justify="left", pad_edge=False)
    for name, ulp in errors.items():
        table.add_row(label(name), f"{ulp:.1f}", style="bold" if is_ours(name) else "")
    return table


def promises(records):
    table = Table(*GOALS, "", title="what is promised", title_justify="left", pad_edge=False)
    for verdict in goals.verdicts(records):
        table.add_row(*verdict.cells, "[green]met[/]" if verdict.met else "[red]missed[/]")
    return table
