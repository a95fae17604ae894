"""Means and standard errors over a rig's cells, and who wins.

Cells of one zoo share it, so the zoo's and the held-out row's errors are over zoos; those of samples and baselines are
over all cells, which makes them somewhat too small where zoos differ more than generators do.
"""

import math

# How each figure of a row is reached, and how many digits it is shown with.
COLUMNS = {
    "mean": (("score", "mean"), 4),
    "median": (("score", "median"), 4),
    "dev": (("score", "deviation"), 4),
    "min": (("score", "min"), 4),
    "best": (("best_of",), 4),
    "overlap": (("overlap",), 3),
    "w/zoo": (("overlap_zoo",), 3),
    "novel": (("novelty",), 2),
    "disp": (("dispersion",), 2),
    "NP0.5": (("novel_and_performing", 0), 2),
    "NP1": (("novel_and_performing", 1), 2),
    "NP2": (("novel_and_performing", 2), 2),
    "NP4": (("novel_and_performing", 3), 2),
    "ens": (("ensemble", "accuracy"), 4),
    "nll": (("ensemble", "negative_log_likelihood"), 4),
    "ece": (("ensemble", "calibration_error"), 4),
}
SAMPLES = "samples"
# Of a generator that was trained by a behaviour loss too.
TAUGHT = "taught samples"
OURS = (SAMPLES, TAUGHT)
TARGETS = ("zoo", "held-out")
# A set nearer to the zoo than this share of what unseen members show is a set of copies, more or less.
FAR = 0.9
# Differences below this many standard errors are called a tie.
STANDARD_ERRORS = 2


def value(row, path):
    for key in path:
        if row is None:
            return None
        row = row.get(key) if isinstance(row, dict) else row[key]
    return row


def called(name):
    """One name for a baseline whose choice differs from cell to cell."""
    for chosen, common in [("noise ", "tuned noise"), ("greedy soup", "greedy soup")]:
        if name.startswith(chosen):
            return common
    return name


def figure(values, within=None):
    """[mean, standard error, how many], of the values that are there; none of none. One value's error is `within`."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    mean = sum(values) / len(values)
    if len(values) == 1:
        return [mean, within, 1]
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return [mean, math.sqrt(variance / len(values)), len(values)]


def table(cells):
    """Of one budget: {row: {column: figure}}, the targets and ours first."""
    found, gains = {}, {}
    for zoo_seed, generator_seed, cell in cells:
        samples = next(row for row in cell["rows"] if row["name"] == SAMPLES)
        for row in cell["rows"]:
            key = zoo_seed if row["name"] in TARGETS else (zoo_seed, generator_seed)
            found.setdefault(called(row["name"]), {})[key] = row
            gains.setdefault(called(row["name"]), []).append(gain(row, samples))
    names = sorted(found, key=lambda name: name not in (*TARGETS, *OURS))
    return {name: {**figures(list(found[name].values())), "gain": paired(gains[name])} for name in names}


def gain(row, samples):
    """[mean selection score above the samples' of the same cell, its error over networks]; None without such scores."""
    ours, theirs = samples.get("selection"), row.get("selection")
    if not ours or not theirs:
        return None
    # A single network shows no error of its own: it may be as lucky as any one of the samples.
    errors = [ours["standard_error"], theirs["standard_error"] or ours["deviation"]]
    return [theirs["mean"] - ours["mean"], None if None in errors else math.hypot(*errors)]


def paired(gains):
    """The figure of some cells' gains; none unless all have one."""
    if None in gains:
        return None
    return figure([mean for mean, _ in gains], gains[0][1])


def figures(rows):
    found = {column: figure([value(row, path) for row in rows]) for column, (path, _) in COLUMNS.items()}
    # One cell says over networks what several say over cells.
    found["mean"] = figure([row["score"]["mean"] for row in rows], rows[0]["score"]["standard_error"])
    return found


def budgets(made):
    """{budget: table} of a rig's cells."""
    tables = {}
    for _, _, budget, _ in made:
        tables.setdefault(budget, None)
    for budget in tables:
        tables[budget] = table([(z, g, cell) for z, g, of, cell in made if of == budget])
    return tables


def ahead(a, b, column="mean"):
    """1 where row `a` is above row `b` by more than chance, -1 where below, else 0."""
    (a, a_error, _), (b, b_error, _) = a[column], b[column]
    error = math.hypot(a_error or 0.0, b_error or 0.0)
    return (a - b > STANDARD_ERRORS * error) - (b - a > STANDARD_ERRORS * error)


def distance(rows):
    """What unseen members show."""
    return rows["held-out"]["novel"][0] if "held-out" in rows else 1.0


def verdicts(rows):
    """Sentences on one table: for each of ours the best baseline at any distance and at a new member's."""
    baselines = {name: row for name, row in rows.items() if name not in (*OURS, *TARGETS)}
    said = []
    for name in OURS:
        if name in rows:
            said += compared(name, rows, baselines)
    if TAUGHT not in rows and (soup := recommended(baselines)):
        said.append(f"Use the soup: {soup} scores {baselines[soup]['gain'][0]:.4f} above the samples on selection.")
    return said


def compared(name, rows, baselines):
    ours = rows[name]
    far = min(FAR * distance(rows), ours["novel"][0])
    said = []
    for which, chosen in [
        ("at any distance", baselines),
        (f"as far from the zoo as {name} or new members", {n: r for n, r in baselines.items() if r["novel"][0] >= far}),
    ]:
        if not chosen:
            said.append(f"No baseline is {which}.")
            continue
        best_name = max(chosen, key=lambda name: chosen[name]["mean"][0])
        best = chosen[best_name]
        gap = ours["mean"][0] - best["mean"][0]
        word = {1: "we win", 0: "a tie", -1: "the baseline wins"}[ahead(ours, best)]
        said.append(
            f"Best baseline {which}: {best_name}, {shown(best, 'mean')} at distance {best['novel'][0]:.2f}; "
            f"{name} {shown(ours, 'mean')} at {ours['novel'][0]:.2f}: {word} ({gap:+.4f})."
        )
    if ours["novel"][0] < 0.5 * distance(rows):
        said.append(f"The {name} lie so near to members that they count as copies, whatever they score.")
    return said


def recommended(baselines):
    """The soup that is above the samples on the selection images by most, of those by more than chance; or None.

    The greedy soup chose its members on these images, so they flatter it.
    """
    soups = {name: row["gain"][:2] for name, row in baselines.items() if name.startswith("soup of") and row.get("gain")}
    sure = {name: mean for name, (mean, error) in soups.items() if error is not None and mean > STANDARD_ERRORS * error}
    return max(sure, key=sure.get, default=None)


def shown(row, column):
    figures, digits = row.get(column), COLUMNS[column][1]
    if figures is None:
        return "-"
    mean, error, _ = figures
    text = f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if error is not None else "")
    return text.replace("0.", ".") if 0 <= mean < 1 else text


def cost(made):
    """From how many networks on a generator, taught where one is, is cheaper than training them: zoo, training, sampling."""
    seconds = [cell["seconds"] for _, _, budget, cell in made if budget == "weights only"]
    members = [cell["generator"]["snapshots"] for _, _, budget, cell in made if budget == "weights only"]
    mean = lambda values: sum(values) / len(values)
    zoo, training = mean([s["zoo"] for s in seconds]), mean([s.get("teaching", s["training"]) for s in seconds])
    member = zoo / mean(members)
    sample = mean([s["sampling"] / s["samples"] for s in seconds])
    saved = member - sample
    return {
        "zoo_seconds": zoo,
        "training_seconds": training,
        "seconds_a_member": member,
        "seconds_a_sample": sample,
        "cheaper_from": math.ceil((zoo + training) / saved) if saved > 0 else None,
    }
