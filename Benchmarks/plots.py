"""The two pictures: nanoseconds an element against N, and how many times slower the peers are."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import NullFormatter  # noqa: E402

import stats  # noqa: E402
from labels import is_floor, is_ours, label  # noqa: E402

OURS, FLOOR, C, TORCH, JAX, OTHER = "#d1495b", "#2f2f2f", "#30638e", "#e08e1b", "#2a9d6f", "#8d86a5"
COLOURS = {"avx": C, "libmvec": C, "sleef": C, "c_": C, "torch": TORCH, "kornia": TORCH, "monai": TORCH, "jax": JAX, "optax": JAX}
# One line a peer: which records feed it, in which dashes.
LINES = {
    "ours": "-",
    "avx2_4": "-",
    "avx512_4": "--",
    "libmvec_avx2": ":",
    "sleef_avx2": "-.",
    "torch_eager": "-",
    "torch_by_hand": "--",
    "jax_by_hand": "-",
    "numba": "-",
    "numpy": "--",
    "keras_tf": ":",
}


def colour(contender):
    if is_ours(contender):
        return OURS
    if is_floor(contender):
        return FLOOR
    return next((c for prefix, c in COLOURS.items() if contender.startswith(prefix)), OTHER)


def style():
    plt.rcParams.update({
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "figure.dpi": 130,
        "savefig.bbox": "tight",
    })


def series(records, threads):
    """{contender: [(n, row)]} of the binary loss, from both the C runs and the frameworks'."""
    found = {}
    for record in records:
        if record["suite"] not in ("size", "frameworks") or record["threads"] != threads:
            continue
        if record.get("allocator") == "glibc malloc":
            continue
        for name, row in record["contenders"].items():
            # In the frameworks' runs ours is called through Python: the C runs have the line.
            if record["suite"] == "frameworks" and name in ("ours", "floor"):
                continue
            found.setdefault(name, []).append((row["n"], row))
    return {name: sorted(points, key=lambda point: point[0]) for name, points in found.items()}


def speed(result, path):
    """Nanoseconds an element against N, one panel a thread count, one line a peer, the floor drawn in."""
    style()
    counts = sorted({record["threads"] for record in result["records"] if record["suite"] == "size"})
    if not counts:
        return
    figure, axes = plt.subplots(1, len(counts), figsize=(6.6 * len(counts), 5.6), sharey=True, squeeze=False)
    heights = []
    for axis, threads in zip(axes[0], counts):
        lines = series(result["records"], threads)
        ends = []
        for name, dashes in LINES.items():
            points = [(n, row) for n, row in lines.get(name, []) if n >= 1000]
            if not points:
                continue
            x, y = [n for n, _ in points], [row["median"] for _, row in points]
            marker = "o" if len(x) == 1 else None
            axis.plot(x, y, dashes, color=colour(name), marker=marker, lw=2.6 if is_ours(name) else 1.4, zorder=3)
            axis.fill_between(x, [r["q1"] for _, r in points], [r["q3"] for _, r in points], color=colour(name), alpha=0.13, lw=0)
            ends.append((y[-1], x[-1], name))
        floor = [(n, row) for n, row in lines.get("floor", []) if n >= 1000]
        if floor:
            x, y = [n for n, _ in floor], [row["median"] for _, row in floor]
            axis.fill_between(x, y, 1e-3, color=FLOOR, alpha=0.10, lw=0)
            axis.plot(x, y, color=FLOOR, lw=1)
            ends.append((y[-1], x[-1], "floor"))
        axis.set(xscale="log", yscale="log", xlabel="N, logits")
        axis.set_title(f"{threads} thread{'s' if threads > 1 else ''}")
        axis.grid(True, which="major", alpha=0.25, lw=0.6)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        write_ends(axis, ends)
        heights += [y for y, _, _ in ends]
    axes[0][0].set_ylim(0.08, max(heights, default=1) * 2)
    axes[0][0].set_ylabel("nanoseconds an element")
    figure.suptitle("Binary focal loss and gradient, float32, gamma 2", x=0.01, ha="left", fontsize=13)
    figure.text(0.01, -0.03, caption(result), fontsize=8, color="#555555")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def write_ends(axis, ends):
    """Names at the lines' ends, pushed apart so that none covers another."""
    axis.set_xlim(right=axis.get_xlim()[1] * 1.3)
    if not ends:
        return
    last = max(x for _, x, _ in ends)
    step, previous = 1.26, 0.0
    for y, _, name in sorted(ends):
        place = max(y, previous * step)
        previous = place
        weight = "bold" if is_ours(name) else "normal"
        axis.annotate(label(name), (last, y), (last * 1.9, place), fontsize=8.5, color=colour(name), weight=weight,
                      va="center", annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "color": colour(name), "lw": 0.5, "alpha": 0.6})


def ratios(result, path):
    """How many times as long the others take, with all threads: binary at 16 million, and softmax."""
    style()
    panels = [panel for panel in (binary_panel(result), softmax_panel(result)) if panel]
    if not panels:
        return
    tallest = max(len(rows) for _, rows in panels)
    figure, axes = plt.subplots(1, len(panels), figsize=(7.2 * len(panels), 1.2 + 0.34 * tallest), squeeze=False)
    for axis, (title, rows) in zip(axes[0], panels):
        ordered = sorted(rows.items(), key=lambda item: -stats.ratio(item[1], rows["ours"]))
        names = [name for name, _ in ordered]
        values = [stats.ratio(row, rows["ours"]) for _, row in ordered]
        ours = rows["ours"]["median"]
        errors = [[(row["median"] - row["q1"]) / ours for _, row in ordered],
                  [(row["q3"] - row["median"]) / ours for _, row in ordered]]
        axis.barh(range(len(names)), values, color=[colour(name) for name in names], height=0.68,
                  xerr=errors, error_kw={"lw": 0.9, "ecolor": "#444444"})
        axis.set_yticks(range(len(names)), [label(name) for name in names])
        for tick, name in zip(axis.get_yticklabels(), names):
            tick.set_fontweight("bold" if is_ours(name) else "normal")
        for i, (value, high) in enumerate(zip(values, errors[1])):
            axis.text((value + high) * 1.06, i, f"{value:.2g}x" if value < 9.95 else f"{value:.0f}x", va="center", fontsize=8.5)
        axis.set(xscale="log", title=title, xlabel="time, libfocalloss = 1")
        axis.set_xlim(right=max(v + e for v, e in zip(values, errors[1])) * 1.6)
        axis.axvline(1, color=OURS, lw=0.9, zorder=0)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
    figure.text(0.01, -0.03, caption(result), fontsize=8, color="#555555")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def fair(result, suite, wanted):
    """The record of a suite with the most threads and, where there is one, the allocator that recycles."""
    records = [r for r in result["records"] if r["suite"] == suite and wanted(r) and "ours" in r["contenders"]]
    return max(records, key=lambda r: (r["threads"], r.get("allocator") != "glibc malloc"), default=None)


def binary_panel(result):
    record = fair(result, "frameworks", lambda r: next(iter(r["contenders"].values()))["n"] == 1 << 24)
    return record and (record["title"], record["contenders"])


def softmax_panel(result):
    record = fair(result, "frameworks-softmax", lambda r: "10k x 1000" in r["title"])
    return record and (record["title"], record["contenders"])


def caption(result):
    machine = result["machine"]
    cpu = machine["cpu"]
    return (f"{result['date']}. {cpu['model']}, {cpu['cpus']} CPUs, {cpu['isa']}, L3 {cpu['caches'].get('L3', '?')}, virtual machine. "
            "Medians of interleaved runs; bands and bars: quarter to quarter. Frameworks with a recycling allocator (tcmalloc).")
