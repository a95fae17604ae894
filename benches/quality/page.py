"""Tables and pictures of what was measured, put between the markers of docs/benchmarks.md."""

import math

from figures import COLUMNS, CONTROL, OURS, TARGETS, TRAINED, best, far, shown, verdicts
from goals import KINDS, goals, is_beyond

BEGIN = "<!-- quality: begin, written by make bench-quality -->"
END = "<!-- quality: end -->"
SHOWN = ["mean", "median", "dev", "min", "best", "overlap", "w/zoo", "novel", "disp", "shift", "NP0.5", "NP1", "NP2", "NP4", "ens", "nll", "ece"]


def markdown(results):
    """The section of all rigs."""
    parts = ["### Weights alone, in short\n", summary(results), "### Goals\n", goals_of(results)]
    for name, rig in results.items():
        parts.append(f"### {name}: {rig['about']}, kind {rig['kind']} (`make bench-quality RIG={name}`)\n")
        parts.append(f"{made_of(rig)}\n")
        parts.append(f"![Accuracy against distance](images/quality-{name}.svg)\n")
        for budget, rows in rig["budgets"].items():
            parts.append(f"**{budget[0].upper()}{budget[1:]}**\n")
            parts.append(table(rows))
            parts.append("\n".join(f"- {verdict}" for verdict in verdicts(rows)) + "\n")
        parts += [said + "\n" for said in closing(rig)]
    return "\n".join(parts)


def summary(results):
    """Ours beside new members and the best baseline that lies as far from the zoo."""
    columns = ["mean", "novel", "disp", "overlap", "ens"]
    titles = ["accuracy", "distance", "spread", "overlap of errors", "ten together"]
    lines = [f"| rig | networks | {' | '.join(titles)} | best baseline from as far |", "| --- | --- |" + " ---: |" * 5 + " --- |"]
    for name, rig in results.items():
        rows = rig["budgets"]["weights only"]
        if CONTROL in rows:
            continue
        lines.append(f"| **{name}** | new members | {' | '.join(shown(rows['held-out'], column) for column in columns)} | |")
        for mine in OURS:
            if mine in rows:
                rivals = far(rows, mine)
                other = best(rivals, mine) if rivals else None
                rival = f"{shown(rivals[other], 'mean')}, {other}" if other else "none"
                lines.append(f"| | {mine} | {' | '.join(shown(rows[mine], column) for column in columns)} | {rival} |")
    return "\n".join(lines) + "\n"


def goals_of(results):
    """Every goal beside what was measured: how many are reached, those by their own budget, those with data beyond it."""
    judged = [(name, *goal) for name, rig in results.items() for goal in goals(name, rig)]
    counted = ["| of | goals | reached |", "| --- | ---: | ---: |"]
    for kind, is_of in KINDS.items():
        reached = [is_reached for _, budget, *_, is_reached in judged if is_of(budget)]
        if reached:
            counted.append(f"| {kind} | {len(reached)} | {sum(reached)} |")
    within, beyond = ([goal for goal in judged if is_beyond(goal[1]) == which] for which in (False, True))
    parts = ["\n".join(counted) + "\n"]
    if within:
        parts.append(measured(within))
    if beyond:
        parts += ["**The same goals where the generator saw training images**, which no goal's budget has:\n", measured(beyond)]
    return "\n".join(parts)


def measured(judged):
    lines = ["| rig | budget | goal | measured | |", "| --- | --- | --- | --- | --- |"]
    for name, budget, goal, text, is_reached in judged:
        lines.append(f"| {name} | {budget} | {goal} | {text} | {'reached' if is_reached else '**missed**'} |")
    return "\n".join(lines) + "\n"


def table(rows):
    columns = [column for column in SHOWN if any(row[column] for row in rows.values())]
    lines = [f"| set | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for name, row in rows.items():
        bold = "**" if name in OURS else ""
        lines.append(f"| {bold}{name}{bold} | {' | '.join(shown(row, column) for column in columns)} |")
    return "\n".join(lines) + "\n"


def made_of(rig):
    """Which zoos, generators and images the figures are of, and where they were made."""
    zoos, generators = (" and ".join(map(str, rig[of])) for of in ("zoo_seeds", "generator_seeds"))
    first, last = rig["images"]
    seeds = f"Zoos of seed {zoos}, generators of seed {generators}"
    return f"{seeds}, test images {first:,} to {last:,}; made on {rig['machine']}."


def warned(gates):
    """What the library's own gates say of the generators that are judged; {generator: [verdicts of those that failed]}."""
    failed = [f"{generator} ({'; '.join(verdicts)})" for generator, verdicts in gates.items() if verdicts]
    if not failed:
        return f"All {len(gates)} generators pass the library's gates."
    fail = "fails" if len(failed) == 1 else "fail"
    return f"{len(failed)} of {len(gates)} generators {fail} the library's gates: {', '.join(failed)}."


def closing(rig):
    """What stands below a rig's tables."""
    gates = warned(rig["gates"])
    return [gates, price(rig["cost"])] if rig["cost"] else [gates]


def price(cost):
    each = lambda values, unit: ", ".join(f"{kind} {value:,.0f}{unit}" for kind, value in values.items())
    aligned = f" and {cost['alignment_seconds']:.0f} s to align" if cost["alignment_seconds"] else ""
    begin = (
        f"A member takes {cost['seconds_a_member']:.3g} s to train and a sample {cost['seconds_a_sample']:.2g} s. The zoo "
        f"took {cost['zoo_seconds']:.0f} s{aligned}, a generator {each(cost['training_seconds'], ' s')}, with "
        f"{cost['training_bytes'] / 1e9:.2f} GB of memory at its most. The zoo takes {cost['zoo_bytes'] / 1e6:.1f} MB and a "
        f"generator {cost['generator_bytes'] / 1e6:.1f} MB, together as much as {cost['room']:,} stored networks. "
    )
    # A sample costs the same whatever its generator learned: either all pay or none does.
    if None in cost["cheaper_from"].values():
        return begin + "A generator is never cheaper than training."
    return begin + f"Zoo included, a generator is cheaper than training from so many networks on: {each(cost['cheaper_from'], '')}."


def inserted(page, section):
    """The page with the section between its markers. Fails without them."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise SystemExit(f"docs/benchmarks.md: has no lines {BEGIN} and {END}; put them where the tables go")
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{section}\n{END}{rest.split(END)[1]}"


# Of sets that are no baselines.
COLOURS = {"#c22": OURS, "#161": TARGETS, "#a70": TRAINED}
WIDTH, HEIGHT, LEFT, TOP, LEGEND = 420, 300, 60, 20, 240
# Where a dot's number goes, as seen from the dot: the first place that nothing else has.
BESIDE = [(6, -3), (-6, -3), (6, 4), (-6, 4), (6, 12), (-6, 12), (6, -12), (-6, -12), (6, 22), (-6, 22)]


def picture(rows):
    """Mean score against nearest distance, one dot for each set, as SVG."""
    dots = {name: (row["novel"][0], row["mean"][0]) for name, row in rows.items()}
    axes = [ticks([dot[axis] for dot in dots.values()]) for axis in (0, 1)]

    def place(dot):
        x, y = ((dot[axis] - marks[0]) / (marks[-1] - marks[0]) for axis, (marks, _) in enumerate(axes))
        return LEFT + x * WIDTH, TOP + (1 - y) * HEIGHT

    total = LEFT + WIDTH + LEGEND, TOP + max(HEIGHT + 50, 16 * (len(dots) + 1))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{total[0]}" height="{total[1]}" fill="#fff"/>',
    ]
    (across, x_digits), (up, y_digits) = axes
    for at in across:
        x, y = place((at, up[0]))
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{at:.{x_digits}f}</text>')
    for at in up:
        x, y = place((across[0], at))
        out.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{LEFT + WIDTH}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{at:.{y_digits}f}</text>')
    middle = LEFT + WIDTH / 2
    out.append(f'<text x="{middle}" y="{TOP + HEIGHT + 38}" text-anchor="middle">nearest distance to the zoo</text>')
    out.append(f'<text x="{LEFT}" y="{TOP - 6}">mean accuracy</text>')
    numbered = [(str(number), name, place(dot)) for number, (name, dot) in enumerate(dots.items())]
    taken = [dot for *_, dot in numbered]
    # The first ones, which the picture is about, choose the places of their numbers first and lie over the others.
    labels = [label(number, dot, taken) for number, _, dot in numbered]
    for (number, name, (x, y)), (label_x, label_y, anchor) in reversed([*zip(numbered, labels)]):
        colour = next((colour for colour, names in COLOURS.items() if name in names), "#468")
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" stroke="#fff"/>')
        out.append(f'<text x="{label_x:.1f}" y="{label_y:.1f}" text-anchor="{anchor}" fill="{colour}">{number}</text>')
        row = TOP + 12 + 16 * int(number)
        out.append(f'<text x="{LEFT + WIDTH + 16}" y="{row}" fill="{colour}">{number} {name}</text>')
    return "\n".join(out) + "\n</svg>\n"


# A dot's number is so high and has so much between its digits' starts; nothing else is to lie so near to its middle, beyond
# its own half width.
DIGIT, ROOM = (7, 8), (7, 11)


def label(number, dot, taken):
    """Where a dot's number begins or ends, and which of the two; what it covers is added to the places that are taken. Where
    all places are crowded, the least so."""
    width, height = DIGIT[0] * len(number), DIGIT[1]

    def middle(beside):
        return dot[0] + beside[0] + (width if beside[0] > 0 else -width) / 2, dot[1] + beside[1] - height / 2

    def crowd(beside):
        at = middle(beside)
        near = [abs(at[0] - x) < width / 2 + ROOM[0] and abs(at[1] - y) < ROOM[1] for x, y in taken if (x, y) != dot]
        # Left of the frame are the axis' own numbers.
        return len(taken) if at[0] < LEFT else sum(near)

    chosen = min(BESIDE, key=crowd)
    taken.append(middle(chosen))
    return dot[0] + chosen[0], dot[1] + chosen[1], "start" if chosen[0] > 0 else "end"


def ticks(values):
    """Round numbers, six steps at most, from the last below all values to the first above, and their digits."""
    low, high = min(values), max(values)
    least = (high - low or abs(high) or 1.0) / 5
    power = math.floor(math.log10(least))
    # Of 1, 2 and 5 times a power of ten, the first that is no less.
    power, step = next((p, k * 10.0**p) for p in (power, power + 1) for k in (1, 2, 5) if k * 10.0**p >= least)
    # A value that is round itself is an end, whatever it was rounded to.
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [k * step for k in range(first, max(last, first + 1) + 1)], max(0, -power)
