"""Means and standard errors over a rig's cells, and who wins.

Cells of one zoo share it, so the zoo's and the held-out row's errors are over zoos; those of samples and baselines are
over all cells, which makes them somewhat too small where zoos differ more than generators do. Fewer than three cells may
agree by chance: there the mean's error is also that over networks, and other columns have none. Who wins is decided by
differences within each cell, as zoos differ by more.
"""

import math
import re

# How each figure of a row is reached, and how many digits it is shown with.
COLUMNS = {
    "mean": (("score", "mean"), 4),
    "median": (("score", "median"), 4),
    "dev": (("score", "deviation"), 4),
    "min": (("score", "min"), 4),
    "best": (("best_of",), 4),
    "overlap": (("overlap",), 3),
    "w/zoo": (("overlap_zoo",), 3),
    "novel": (("novelty",), 3),
    "disp": (("dispersion",), 3),
    "shift": (("displacement",), 2),
    "NP0.5": (("novel_and_performing", 0), 2),
    "NP1": (("novel_and_performing", 1), 2),
    "NP2": (("novel_and_performing", 2), 2),
    "NP4": (("novel_and_performing", 3), 2),
    "ens": (("ensemble", "accuracy"), 4),
    "nll": (("ensemble", "negative_log_likelihood"), 4),
    "ece": (("ensemble", "calibration_error"), 4),
}
# Columns whose differences are kept by zoo too.
APART = ("mean", "overlap", "disp")
SAMPLES = "samples"
# Of a generator that was also taught what its snapshots do, without any data.
DISTILLED = "distilled samples"
# Of one that was also taught by training images.
TAUGHT = "taught samples"
OURS = (SAMPLES, DISTILLED, TAUGHT)
# Of a generator taught as long from noise of the zoo's mean and deviations: what teaching gives without the zoo. It is no
# trivial baseline.
CONTROL = "taught on noise"
# Of one more run, longer than a member's, which gives an ensemble for the price of a network or a few. It saw the data.
ONE_RUN = "snapshots of one run"
# Of the published method, where PyTorch is there.
PUBLISHED = "published flow"
# Rows that are no baselines of ours, as data made them.
TRAINED = (CONTROL, ONE_RUN)
FULL_RANK = "Gaussian, all comp."
SWAG = "Gaussian, SWAG"
SOUPS = "soup of"
TARGETS = ("zoo", "held-out")
# What lies nearer to the zoo than this share of what unseen members show is no rival of a set that does not.
FAR = 0.9
# A set nearer to the zoo than this share of what unseen members show is a set of copies. This bound and the next two are
# those of the library's own verdicts too (src/evaluate/verdict.rs).
COPY = 0.5
# A set that spreads less has collapsed, one that spreads more has come apart; of the zoo's deviation.
DISPERSION = (0.95, 1.05)
# What error overlap may exceed the zoo's by.
OVERLAP = 0.01
# A set whose centre lies further from the zoo's, in the zoo's deviations, owes a part of its distance to that.
OFF_CENTRE = 0.3
# Differences below this many standard errors are called a tie.
STANDARD_ERRORS = 2


def value(row, path):
    for key in path:
        if row is None:
            return None
        row = row.get(key) if isinstance(row, dict) else row[key]
    return row


def common_name(name):
    """One name for a baseline whose choice differs from cell to cell."""
    for chosen, common in [("noise ", "tuned noise"), ("greedy soup", "greedy soup")]:
        if name.startswith(chosen):
            return common
    return name


def of_best_rates(cells):
    """One cell of several that differ in the rate of polish: each row at the rate that is best on selection."""
    rows = {}
    for cell in cells:
        for row in cell["rows"]:
            rows.setdefault(common_name(row["name"]), []).append(row)
    best = [max(of_rates, key=lambda row: row["selection"]["mean"]) for of_rates in rows.values()]
    return {**cells[0], "rows": best}


def figure(values):
    """[mean, standard error, how many], of the values that are there; none of none. Below three there is no error."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    mean = sum(values) / len(values)
    if len(values) < 3:
        return [mean, None, len(values)]
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return [mean, math.sqrt(variance / len(values)), len(values)]


def table(cells):
    """Of one budget: {row: {column: figure}}, the targets and ours first."""
    found, differences, apart = {}, {}, {}
    for zoo_seed, generator_seed, cell in cells:
        ours = {row["name"]: row for row in cell["rows"] if row["name"] in OURS}
        for row in cell["rows"]:
            name = common_name(row["name"])
            key = zoo_seed if name in TARGETS else (zoo_seed, generator_seed)
            found.setdefault(name, {})[key] = row
            for mine, other in ours.items():
                for split in ("selection", "score"):
                    differences.setdefault((name, split, mine), []).append(difference(row[split], other[split]))
                for column in APART:
                    path = COLUMNS[column][0]
                    values = value(other, path), value(row, path)
                    zoos = apart.setdefault((name, mine, column), {})
                    errors = [it["score"]["standard_error"] for it in (other, row)] if column == "mean" else [0.0, 0.0]
                    if None not in (*values, *errors):
                        zoos.setdefault(zoo_seed, []).append((values[0] - values[1], *errors))
    names = sorted(found, key=lambda name: name not in (*TARGETS, *OURS, *TRAINED))
    return {
        name: {**columns(list(found[name].values())), **margins(name, differences), "apart": parted(name, apart)}
        for name in names
    }


def parted(name, apart):
    """{one of ours: {column: figure of what ours has more than a row}}, by zoo: generators of one share its row."""
    found = {}
    for (row, mine, column), zoos in apart.items():
        if row == name and zoos:
            mean, between, count = figure([sum(it[0] for it in of_zoo) / len(of_zoo) for of_zoo in zoos.values()])
            # Of our networks, of all generators of a zoo, and of the row's.
            within = [math.hypot(of_zoo[0][1] / math.sqrt(len(of_zoo)), of_zoo[0][2]) for of_zoo in zoos.values()]
            found.setdefault(mine, {})[column] = [mean, max(between or 0.0, math.hypot(*within) / count), count]
    return found


def difference(a, b):
    """[mean of `a` above that of `b`, its standard error over networks], of two rows' scores in one cell."""
    # A single network shows no error of its own: it may be as lucky as any one of the others.
    errors = [a["standard_error"] or b["deviation"], b["standard_error"] or a["deviation"]]
    return [a["mean"] - b["mean"], None if None in errors else math.hypot(*errors)]


def margins(name, differences):
    """{one of ours: [mean, standard error] by which a row scores above it}, cell by cell: `gain` on the selection images,
    `gap` on the test images."""
    return {
        key: {mine: paired(differences[name, split, mine]) for mine in OURS if (name, split, mine) in differences}
        for key, split in (("gain", "selection"), ("gap", "score"))
    }


def paired(differences):
    """Their mean, and the larger of the errors that cells and that their networks show; two cells may agree by chance."""
    mean, between, count = figure([mean for mean, _ in differences])
    within = [error for _, error in differences]
    if None in within:
        return [mean, between]
    return [mean, max(between or 0.0, math.hypot(*within) / count)]


def columns(rows):
    """{column: figure} of one row's cells."""
    found = {column: figure([value(row, path) for row in rows]) for column, (path, _) in COLUMNS.items()}
    within = [row["score"]["standard_error"] for row in rows]
    if None not in within:
        mean, between, count = found["mean"]
        found["mean"] = [mean, max(between or 0.0, math.hypot(*within) / count), count]
    return found


def budgets(made):
    """{budget: table} of a rig's cells."""
    tables = {}
    for _, _, budget, _ in made:
        tables.setdefault(budget, None)
    for budget in tables:
        tables[budget] = table([(z, g, cell) for z, g, of, cell in made if of == budget])
    return tables


def sure(difference):
    """1 where a difference [mean, standard error] is above 0 by more than chance, -1 where below, else 0."""
    mean, error = difference
    return 0 if error is None else (mean > STANDARD_ERRORS * error) - (-mean > STANDARD_ERRORS * error)


def distance(rows):
    """What unseen members show."""
    return rows["held-out"]["novel"][0] if "held-out" in rows else 1.0


def verdicts(rows):
    """Sentences on one table: for each of ours the best baseline at any distance and at a new member's, and what its
    spread, place and errors say against its score. Of a control's table, what that shows."""
    if CONTROL in rows:
        return [controlled(rows), *doubts(TAUGHT, rows), *doubts(CONTROL, rows)]
    said = []
    for name in OURS:
        if name in rows:
            said += compared(name, rows) + doubts(name, rows)
    if TAUGHT not in rows and (soup := recommended(baselines(rows))):
        gain = rows[soup]["gain"][SAMPLES][0]
        said.append(f"Use the soup: {soup} scores {number(gain, 4)} above the samples on selection.")
    return said


def baselines(rows):
    """What needs no generator of ours, and no data."""
    return {name: row for name, row in rows.items() if name not in (*OURS, *TARGETS, *TRAINED)}


def best(rows, mine):
    """The name of the row that scores best on the test images: what chance there is in that choice is against us.

    One that is above ours for sure goes before a single lucky network, whose own error nobody knows.
    """
    gap = lambda name: rows[name]["gap"][mine]
    return max(rows, key=lambda name: (sure(gap(name)) > 0, gap(name)[0]))


def far(rows, name):
    """The baselines that lie as far from the zoo as ours does, or as new members do."""
    least = min(FAR * distance(rows), rows[name]["novel"][0])
    return {other: row for other, row in baselines(rows).items() if row["novel"][0] >= least}


def compared(name, rows):
    ours = rows[name]
    data = " (they learned from training images, the baselines from weights alone)" if name == TAUGHT else ""
    said = []
    for which, chosen in [
        ("at any distance", baselines(rows)),
        (f"as far from the zoo as {name} or new members", far(rows, name)),
    ]:
        if not chosen:
            said.append(f"No baseline is {which}.")
            continue
        other = best(chosen, name)
        row = chosen[other]
        mean, error = row["gap"][name]
        word = {1: "the baseline wins", 0: "a tie", -1: "we win"}[sure([mean, error])]
        said.append(
            f"Best baseline {which}: {other}, {shown(row, 'mean')} at distance {number(row['novel'][0], 2)}; "
            f"{name} {shown(ours, 'mean')} at {number(ours['novel'][0], 2)}: {word} ({with_error(-mean, error, 4, '+')}){data}."
        )
    return said


def doubts(name, rows):
    """What speaks against a set, whatever it scores."""
    ours, said = rows[name], []
    name = f"networks {name}" if name == CONTROL else name
    low, high = DISPERSION
    spread = ours["disp"][0]
    if ours["novel"][0] < COPY * distance(rows):
        said.append(f"The {name} lie so near to members that they count as copies, whatever they score.")
    if spread < low:
        said.append(f"The {name} have collapsed: they spread {number(spread, 2)} as far as the zoo, so their scores flatter them.")
    if spread > high:
        said.append(f"The {name} are scattered: they spread {number(spread, 2)} as far as the zoo.")
    own, zoo = ours["overlap"], rows["zoo"]["overlap"]
    if own and zoo and own[0] > zoo[0] + OVERLAP:
        said.append(f"The {name} are less diverse than the zoo: their errors overlap by {number(own[0], 3)}, members' by {number(zoo[0], 3)}.")
    off = math.sqrt(max(0.0, ours["shift"][0] ** 2 - spread**2))
    if off > OFF_CENTRE:
        said.append(
            f"The {name} lie about a centre of their own, {number(off, 2)} of a deviation off the zoo's, which adds to their distance."
        )
    return said


def controlled(rows):
    """What the zoo's directions are worth to teaching."""
    row, ours = rows[CONTROL], rows[TAUGHT]
    mean, error = row["gap"][TAUGHT]
    word = {1: "the control is above", 0: "no difference that can be seen", -1: "the zoo's directions help"}
    errors = "" if error is None else " over networks of one training of each"
    return (
        f"Control, {CONTROL} of the zoo's mean and deviations, from the same data: {shown(row, 'mean')} at distance "
        f"{number(row['novel'][0], 2)}, dispersion {number(row['disp'][0], 2)}, N&P(1) {shown(row, 'NP1')} for {shown(ours, 'NP1')}: "
        f"{word[sure([mean, error])]} ({with_error(-mean, error, 4, '+')}{errors})."
    )


def recommended(baselines):
    """The soup that is above the samples on the selection images by most, of those by more than chance; or None.

    The greedy soup chose its members on these images, so they flatter it.
    """
    gains = {name: row["gain"][SAMPLES] for name, row in baselines.items() if name.startswith(SOUPS)}
    better = {name: gain[0] for name, gain in gains.items() if sure(gain) > 0}
    return max(better, key=better.get, default=None)


def number(value, digits, sign=""):
    """As tables have it: .9 for 0.9, and no sign of what rounds to nothing; with `sign` as of a format."""
    value = round(value, digits) or 0.0
    return re.sub(r"^([+-]?)0\.", r"\1.", f"{value:{sign}.{digits}f}")


def with_error(value, error, digits, sign=""):
    return number(value, digits, sign) + ("" if error is None else f" ± {number(error, digits)}")


def shown(row, column):
    figure, digits = row.get(column), COLUMNS[column][1]
    return "-" if figure is None else with_error(*figure[:2], digits)


def cost(made, is_taught):
    """What a rig's zoo and generators take, and from how many networks on a generator of each kind is cheaper than training
    them: zoo, alignment, its training, sampling. Room is told in networks' files: those of zoo and generator."""
    cells = [cell for _, _, budget, cell in made if budget == "weights only"]
    seconds = [cell["seconds"] for cell in cells]
    mean = lambda values: sum(values) / len(values)
    average = lambda key: mean([s[key] for s in seconds])
    # A taught generator's training is a part of its teaching.
    kinds = {"untaught": "training"}
    if is_taught:
        kinds |= {"distilled": "distilling", "taught by data": "teaching"}
    training = {kind: average(key) for kind, key in kinds.items()}
    held = max(s[key] for s in seconds for key in s if key.endswith("_bytes"))
    snapshots = mean([cell["generator"]["snapshots"] for cell in cells])
    # Those that are held out were made with the zoo, and are no part of its price.
    held_out = mean([row["score"]["n"] for cell in cells for row in cell["rows"] if row["name"] == "held-out"])
    member = average("zoo") / (snapshots + held_out)
    zoo, alignment = member * snapshots, mean([cell["alignment"] for cell in cells])
    sample = mean([s["sampling"] / s["samples"] for s in seconds])
    zoo_bytes, generator_bytes = (mean([cell["bytes"][of] for cell in cells]) for of in ("zoo", "generator"))
    saved = member - sample
    return {
        "zoo_seconds": zoo,
        "alignment_seconds": alignment,
        "training_seconds": training,
        "training_bytes": held,
        "seconds_a_member": member,
        "seconds_a_sample": sample,
        "zoo_bytes": zoo_bytes,
        "generator_bytes": generator_bytes,
        "room": math.ceil((zoo_bytes + generator_bytes) / (zoo_bytes / snapshots)),
        "cheaper_from": {
            kind: math.ceil((zoo + alignment + took) / saved) if saved > 0 else None for kind, took in training.items()
        },
    }
