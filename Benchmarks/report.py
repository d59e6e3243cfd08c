"""A result as Markdown: what was promised and measured, where others are faster, and every table.

    python Benchmarks/report.py build/bench/result.json Benchmarks/results/2026-11-23    # .md, .json, -speed.png, -ratios.png
"""

import itertools
import json
import pathlib
import shutil
import sys

import goals
import stats
import table
from labels import allocator, is_floor, is_ours, label


def losses(records):
    """(case, contender, how many times faster than ours): in one run."""
    for record in records:
        ours = table.ours_of(record["contenders"])
        for name, row in record["contenders"].items():
            times = stats.ratio(ours, row) if ours and not is_floor(name) and not is_ours(name) else 0
            if times > 1:
                yield record["title"] + allocator(record), label(name), times


def rows_of(cells):
    return "| " + " | ".join(cells) + " |"


def table_of(header, body):
    return "\n".join([rows_of(header), rows_of(["---"] * len(header)), *map(rows_of, body)])


def machine_text(machine):
    cpu = machine["cpu"]
    caches = ", ".join(f"{name} {size}" for name, size in cpu["caches"].items())
    compilers = ", ".join(filter(None, machine["compilers"].values()))
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    library = machine["library"]
    return (
        f"{cpu['model']} (family/model {cpu['family_model']}), {cpu['cpus']} CPUs, {cpu['isa']}"
        f"{', a virtual machine' if cpu['virtual'] else ''}; {caches}; {machine['memory_gib']} GiB; Linux {machine['kernel']}; "
        f"{machine['libc']}. {compilers}. {packages}. libfocalloss {library['version']}, {library['isa']} of "
        f"{library['available'].replace(',', ', ')}. Load average at the start: {machine['load_average'][0]}."
    )


def markdown(result, name):
    records = result["records"]
    verdicts = list(goals.verdicts(records))
    met = sum(verdict.met for verdict in verdicts)
    text = [
        f"# Benchmark of {result['date']}",
        machine_text(result["machine"]),
        *filter(None, [result.get("note")]),  # what was not measured in the same run, say
        "Nanoseconds an element (logit), medians of interleaved runs; see [how it is measured](../README.md). \"Of the floor\" is "
        "the floor's time over the contender's: 1 is as fast as memory allows.",
        f"![nanoseconds an element against N]({name}-speed.png)",
        f"![how many times as long others take]({name}-ratios.png)",
        f"## What is promised: {met} of {len(verdicts)} met",
        table_of(
            (*table.GOALS, ""), [(*v.cells, "" if v.met else "**missed**") for v in verdicts]
        ),
        "## Where others are faster",
        table_of(("case", "who", "times faster"), [(case, who, f"{times:.2f}") for case, who, times in losses(records)]),
    ]
    text += ["## How exact", table_of(table.ERRORS, [(label(name), f"{ulp:.1f}") for name, ulp in result["errors"].items()])]
    if result["disassembly"]:
        text += ["## The hot loops", disassembly(result["disassembly"])]
    for suite, cases in itertools.groupby(records, key=lambda record: record["suite"]):
        text.append(f"## {suite}")
        body = []
        for record in cases:
            body.append((f"**{record['title']}{allocator(record)}**", "", "", "", ""))
            body += [cells for _, cells in table.lines(record)]
        text.append(table_of(("", *table.COLUMNS[1:]), body))
    return "\n\n".join(text) + "\n"


def disassembly(rows):
    header = ("kernels", "registers", "hot loops", "with a call", "with a trap", "median instructions", "median, most spills",
              "executed for 16 elements")
    body = [
        (row["isa"], row["registers"], *(str(row[key]) for key in ("hot_loops", "with_calls", "with_traps", "median_instructions")),
         f"{row['median_spills']}, {row['most_spills']}", str(row["executed_per_16"] or ""))
        for row in rows
    ]
    return table_of(header, body)


def main():
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    result = json.loads(source.read_text())
    target.with_suffix(".md").write_text(markdown(result, target.name))
    shutil.copy(source, target.with_suffix(".json"))
    for picture in ("speed", "ratios"):
        shutil.copy(source.with_name(f"{picture}.png"), f"{target}-{picture}.png")


if __name__ == "__main__":
    main()
