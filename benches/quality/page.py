"""Tables of what was measured, put between the markers of docs/benchmarks.md."""

from figures import COLUMNS, CONTROL, OURS, best, far, shown, verdicts
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
        return f"{'Both' if len(gates) == 2 else f'All {len(gates)}'} generators pass the library's gates."
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
