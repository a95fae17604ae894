"""Draws docs/images/speed.svg and scale.svg from docs/results/sampling.json and scale.json, where they are, and
puts their tables into docs/benchmarks.md, between the comments that begin and end each."""

import json
import math
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "docs"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 250, 56, 10, 30, 40
COLOURS = ["#1f5fa8", "#c2571a", "#3d8a4e", "#777777", "#8a4fa3", "#a88a1f"]


def powers(values):
    """Powers of ten around positive numbers."""
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def name(power):
    units = {0: "1", 1: "10", 2: "100", 3: "1k", 4: "10k", 5: "100k", 6: "1M", 7: "10M", 8: "100M", 9: "1G", 10: "10G"}
    return units.get(power, f"1e{power}")


def panel(at, title, axes, lines, x_range, y_range):
    """One plot with logarithmic axes; `lines` are a label with its points each, in the order of the colours."""
    (x0, x1), (y0, y1) = x_range, y_range
    x = lambda v: at + LEFT + (math.log10(v) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
    y = lambda v: HEIGHT - BOTTOM - (math.log10(v) - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
    parts = [f'<text x="{at + WIDTH / 2}" y="16" text-anchor="middle" font-weight="bold">{title}</text>']
    for power in range(x0, x1 + 1):
        parts.append(f'<path d="M{x(10**power):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(10**power):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{name(power)}</text>')
    for power in range(y0, y1 + 1):
        parts.append(f'<path d="M{at + LEFT} {y(10.0**power):.1f}H{at + WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{at + LEFT - 4}" y="{y(10.0**power) + 4:.1f}" text-anchor="end">{name(power)}</text>')
    parts.append(f'<text x="{at + WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{axes}</text>')
    for colour, (_, points) in zip(COLOURS, lines):
        if points:
            path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in points)
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"/>' for a, b in points]
    return parts


def write(file, parts, panels, labels):
    """The panels with a legend below them, of as many columns as the longest label leaves room for."""
    columns = max(1, panels * WIDTH // (40 + 6 * max(map(len, labels))))
    for i, (colour, label) in enumerate(zip(COLOURS, labels)):
        x, y = 20 + i % columns * (panels * WIDTH - 20) / columns, HEIGHT + 12 + i // columns * 16
        parts.append(f'<path d="M{x:.0f} {y - 4}h18" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 24:.0f}" y="{y}">{label}</text>')
    height = HEIGHT + 8 + 16 * math.ceil(len(labels) / columns)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {panels * WIDTH} {height}"'
    style = 'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([f"{head} {style}"] + parts + ["</svg>\n"]))
    print(file)


def spanned(points):
    xs, ys = zip(*points)
    return powers(xs), powers(ys)


def speed(result):
    threads = max(row["threads"] for row in result["rows"])
    rows = [row for row in result["rows"] if row["threads"] == threads]
    figures = {
        "libpdiff": lambda row: row["median_ms"],
        "PyTorch, batched": lambda row: row["pytorch"]["batched"]["median_ms"],
        "PyTorch, compiled": lambda row: row["pytorch"]["compiled"]["median_ms"],
        "the machine's limit of decoding": lambda row: row["limit_ms"],
    }

    def points(figure, batch):
        found = []
        for row in rows:
            try:
                found += [(row["parameters"], figure(row))] * (row["batch"] == batch)
            except KeyError:
                pass
        return found

    batches = sorted({row["batch"] for row in rows})
    lines = {batch: [(label, points(figure, batch)) for label, figure in figures.items()] for batch in batches}
    ranges = spanned([point for of_batch in lines.values() for _, line in of_batch for point in line])
    parts = []
    for i, batch in enumerate(batches):
        title = f"batch {batch:,}: ms, {threads} threads"
        parts += panel(i * WIDTH, title, "parameters", lines[batch], *ranges)
    write(ROOT / "images/speed.svg", parts, len(batches), figures)


def scale(result):
    seconds = [("collect", "seconds"), ("train", "statistics_seconds"), ("train", "seconds"), ("sample", "median_seconds")]
    memory = [("train", "peak_bytes"), ("sample", "file_bytes")]

    def lines(figures):
        exponent = lambda figure: result["exponents"].get(" ".join(figure))
        label = lambda figure: f"{figure[0]}, {figure[1].split('_')[0]} (power {exponent(figure):.2f})"
        return [(label(f), [(row["parameters"], row[f[0]][f[1]]) for row in result["rows"]]) for f in figures]

    both = lines(seconds), [("", [])] * len(seconds) + lines(memory)
    parts = []
    for i, (title, of_panel) in enumerate(zip(("seconds", "bytes"), both)):
        ranges = spanned([point for _, line in of_panel for point in line])
        parts += panel(i * WIDTH, title, "parameters", of_panel, *ranges)
    labels = [label for of_panel in both for label, line in of_panel if line]
    write(ROOT / "images/scale.svg", parts, 2, labels)


def share(row):
    return f"{100 * row['limit_ms'] / row['median_ms']:.0f}%"


def megabytes(figures):
    """The most that a call held beyond what its process had before; a dash where it was not counted."""
    return f"{figures['peak_bytes'] / 1e6:,.0f}" if "peak_bytes" in figures else "-"


def speed_table(result):
    yield "| parameters | batch | threads | libpdiff, ms | fastest to slowest | PyTorch, batched | PyTorch, compiled | limit | share | peak, MB | PyTorch's |"
    yield "| --- " * 11 + "|"
    for row in result["rows"]:
        theirs = row.get("pytorch", {})
        between = lambda figures: f"{figures['fastest_ms']:.2f} to {figures['slowest_ms']:.2f}"
        median = lambda name: f"{theirs[name]['median_ms']:.2f} ({between(theirs[name])})" if name in theirs else "-"
        spread = between(row)
        cells = [f"{row['parameters']:,}", f"{row['batch']:,}", row["threads"], f"{row['median_ms']:.2f}", spread]
        cells += [median("batched"), median("compiled"), f"{row['limit_ms']:.2f}", share(row)]
        cells += [megabytes(row), megabytes(theirs.get("batched", {}))]
        yield f"| {' | '.join(map(str, cells))} |"


def goals_table(result):
    """What was asked for, beside what was measured; a dash where the run had no PyTorch."""
    rows = {(row["parameters"], row["batch"], row["threads"]): row for row in result["rows"]}
    published, job = result.get("published", {}), result.get("whole_job", {})
    many = rows[26506, 1024, 2]
    yield "| two cores | goal | here | the published code's way in PyTorch |"
    yield "| --- | --- | --- | --- |"
    one, theirs = rows[2048, 1, 1]["median_ms"], published.get("one_network_seconds")
    yield f"| one network of 2,048 parameters, one thread | 1 ms | {one:.2f} ms | {f'{1e3 * theirs:,.0f} ms' if theirs else '-'} |"
    yield f"| 1,024 networks of 26,506 parameters | 1 s | {many['median_ms'] / 1e3:.2f} s | - |"
    here, theirs = job.get("seconds"), published.get("whole_job_seconds")
    here = f"{here:.1f} s ({job['fastest_seconds']:.1f} to {job['slowest_seconds']:.1f})" if here else "-"
    theirs = f"{theirs / 60:.0f} minutes" if theirs else "-"
    yield f"| 300 snapshots of 2,048 parameters, 200 networks as files | 12 s | {here} | {theirs} |"
    shares = [f"{share(row)} of {parameters:,}" for (parameters, *case), row in rows.items() if case == [1024, 2]]
    yield f"| sampling 1,024 networks, share of the limit by their parameters | 50% | {', '.join(shares)} | - |"
    if stream := result.get("streamed"):
        callback, files = stream["callback_seconds"]["median"], stream["file_seconds"]["median"]
        held = f"{stream['peak_bytes'] / 1e6:.0f} MB held"
        yield f"| 10,000 networks of 26,506 parameters to a callback, to files | bounded memory | {callback:.2f} s, {files:.2f} s, {held} | - |"
    yield "| 10,000 networks of 26,506 parameters on one H200 | 0.1 s | not measured: no GPU was at hand (`make gpu-check`) | - |"
    if "paper_engine" in result:
        pytorch = result["paper_engine"]["pytorch"]
        over = lambda of, names: ", ".join(f"{name} {result['paper_engine'][of][name] / pytorch[name]:.2f}" for name in names)
        ratios = over("libpdiff", pytorch)
        if "libpdiff_bf16" in result["paper_engine"]:
            ratios += f"; trained in bfloat16: {over('libpdiff_bf16', ('autoencoder', 'diffusion'))}"
        yield f"| paper engine over the same in PyTorch, seconds a step | 1.0 | {ratios} | 1 |"
    first = result.get("first_network", {})
    for name, label in (("libpdiff", "small library"), ("pytorch", "PyTorch")):
        if name in first:
            figures = first[name]
            disk, peak = figures["disk_bytes"] / 1e6, figures["peak_kb"] / 1e3
            yield f"| process start to the first network, {label} of {disk:,.1f} MB, {peak:,.1f} MB of memory | | {figures['median_ms']:.1f} ms | |"


def crates_table(result):
    """The decoder's product alone by two crates, beside all of sampling here; one thread."""
    yield "| parameters | batch | all of sampling here, ms | product by gemm | product by matrixmultiply |"
    yield "| --- " * 5 + "|"
    ours = {(row["parameters"], row["batch"]): row["median_ms"] for row in result["rows"] if row["threads"] == 1}
    for row in result["crates"]:
        case = row["parameters"], row["batch"]
        cells = [f"{case[0]:,}", f"{case[1]:,}", *(f"{ms:.2f}" for ms in (ours[case], row["gemm_ms"], row["matrixmultiply_ms"]))]
        yield f"| {' | '.join(cells)} |"


def scale_table(result):
    yield "![Seconds and bytes by the number of parameters](images/scale.svg)"
    yield ""
    yield (
        "| parameters | collect, s | statistics, s | training, s | its peak memory, GB | generator, GB | open, s | "
        "first network, s | later ones | sampling's peak memory, GB |"
    )
    yield "| --- " * 10 + "|"
    for row in result["rows"]:
        collect, train, sample = row["collect"], row["train"], row["sample"]
        cells = [f"{row['parameters']:,}", f"{collect['seconds']:.1f}", f"{train['statistics_seconds']:.1f}"]
        cells += [f"{train['seconds']:.1f}", f"{train['peak_bytes'] / 1e9:.2f}", f"{sample['file_bytes'] / 1e9:.2f}"]
        cells += [f"{sample[name]:.2f}" for name in ("open_seconds", "first_seconds", "median_seconds")]
        cells.append(f"{sample['peak_bytes'] / 1e9:.2f}")
        yield f"| {' | '.join(cells)} |"
    powers = [f"{name} {value:.2f}" for name, value in result["exponents"].items()]
    yield ""
    said = f"Powers of the number of parameters at which costs grow: {', '.join(powers)}."
    yield from textwrap.wrap(said, 120, break_on_hyphens=False)


# What an evaluation says of a set of networks, and the digits of each on the page.
FIGURES = [("mean", 4), ("standard_error", 4), ("overlap", 3), ("overlap_zoo", 3), ("novelty", 2), ("dispersion", 2)]


def number(value, digits):
    """As the tables of sets have it: without a leading zero; a dash for none."""
    if value is None:
        return "-"
    return f"{value:.{digits}f}".replace("0.", ".", value < 1)


def put(name, lines):
    """Replaces what stands between `<!-- NAME -->` and `<!-- end -->` on the page."""
    page = ROOT / "benchmarks.md"
    text = page.read_text()
    begin = f"<!-- {name} -->\n"
    before, rest = text.split(begin)
    _, after = rest.split("<!-- end -->\n", 1)
    page.write_text(before + begin + "\n".join(lines) + "\n<!-- end -->\n" + after)


def main():
    for file, draw, table in (("sampling", speed, speed_table), ("scale", scale, scale_table)):
        path = ROOT / "results" / f"{file}.json"
        if path.exists():
            result = json.loads(path.read_text())
            draw(result)
            put(file, table(result))
            if file == "sampling":
                put("goals", goals_table(result))
                put("crates", crates_table(result))


if __name__ == "__main__":
    main()
