"""What each rig should reach, beside what it reached: the tables at the head of the page's section.

The target is always the members' own: the held-out row, and where ten networks are judged together, of which held-out
members make five sets at most, the zoo's. Differences are plain ones unless a goal speaks of standard errors; those are
of differences within each zoo.
"""

from figures import (
    CONTROL,
    DISPERSION,
    DISTILLED,
    FULL_RANK,
    ONE_RUN,
    PUBLISHED,
    SAMPLES,
    SOUPS,
    SWAG,
    TAUGHT,
    best,
    far,
    number,
    recommended,
    shown,
    with_error,
)

STORED = "stored members"
# Ours, and what a budget is called for them: distilled samples learned what snapshots do and saw no data but what the
# budget gives them. Taught ones saw data in training, which no goal's budget has.
LEARNED = {DISTILLED: "{}, distilled", TAUGHT: "data in training, then {}"}
CALLED = {SAMPLES: "{}, untaught", **LEARNED}
# What figures are counted by, and whether a goal's budget is of it.
KINDS = {
    "untaught samples of one run's steps (T, small)": lambda budget: budget == "weights only",
    "untaught samples of S and I": lambda budget: budget.endswith(", untaught"),
    "distilled samples of S and I": lambda budget: budget.endswith(", distilled"),
    "taught samples of S and I: data in training, beyond every goal's budget": lambda budget: is_beyond(budget),
}
# What the goals call far enough from the zoo: in the zoo's own nearest distances, not in those of unseen members.
DISTANCE = 0.9
# Users' case 30, whose goal is the zoo's mean.
CASE = "i-cnn"


def goals(name, rig):
    """[budget, goal, figures, whether it is reached] of a rig's tables."""
    of_kind = {"T": of_one_run, "S": of_branches, "I": of_seeds}[rig["kind"]]
    if name == "small":
        of_kind = of_few
    if CONTROL in rig["rivals"]:
        of_kind = of_control
    return list(of_kind(name, rig))


def is_beyond(budget):
    """Whether data were seen that the budget of a goal has not."""
    return budget.startswith("data in training")


def of_few(_, rig):
    rows = rig["budgets"]["weights only"]
    soups = [row for row in rows if row.startswith(SOUPS)]
    soup = best({row: rows[row] for row in soups}, SAMPLES)
    level = rows[soup]["gap"][SAMPLES][0] <= 0
    said = recommended({row: rows[row] for row in soups}) is not None
    text = f"{shown(rows[SAMPLES], 'mean')} for {shown(rows[soup], 'mean')} of {soup}" + (", and it says so" if said else "")
    yield "weights only", "the soup's mean, or the report says to use the soup", text, level or said


def of_control(_, rig):
    """Only data makes a generator of the control's networks."""
    text, reached = won(rig["budgets"]["weights only"], TAUGHT, CONTROL)
    yield budget_of("weights only", TAUGHT), "the control, taught on noise, beaten by 3 errors", text, reached


def of_one_run(_, rig):
    rows = rig["budgets"]["weights only"]
    apart = rows["held-out"]["apart"][SAMPLES]
    for column, what in [("mean", "accuracy"), ("overlap", "overlap"), ("disp", "dispersion")]:
        mean, error, _ = apart[column]
        text = f"{beside(rows, SAMPLES, column)}, zoo by zoo {with_error(mean, error, 4, '+')}"
        yield "weights only", f"{what} of held-out, within 2 errors", text, abs(mean) <= 2 * error
    mean, error = rows[FULL_RANK]["gap"][SAMPLES]
    text = f"{shown(rows[SAMPLES], 'mean')} for {shown(rows[FULL_RANK], 'mean')}, cell by cell {with_error(-mean, error, 5, '+')}"
    yield "weights only", "not behind the full-rank Gaussian, within 2 errors", text, mean <= 2 * error


def of_branches(_, rig):
    budgets = rig["budgets"]
    rows = budgets["weights only"]
    for mine in ours(rows):
        budget = budget_of("weights only", mine)
        yield as_good(rows, mine, budget, 0.005)
        overlap, target = rows[mine]["overlap"][0], rows["held-out"]["overlap"][0]
        yield budget, "overlap within .02", beside(rows, mine, "overlap"), abs(overlap - target) <= 0.02
        yield spread(rows, mine)
    rows = budgets.get("polish 1%", {})
    for mine in learned(rows):
        budget = budget_of("polish 1%", mine)
        yield as_good(rows, mine, budget, 0.002)
        reached, target = rows[mine]["NP1"][0], rows["held-out"]["NP1"][0]
        yield budget, "half of held-out's N&P(1)", beside(rows, mine, "NP1"), reached >= target / 2
        reached, target = rows[mine]["ens"][0], rows["zoo"]["ens"][0]
        yield budget, "ten together within .3 pp", beside(rows, mine, "ens", "zoo"), reached >= target - 0.003
    yield from together(budgets)


def of_seeds(name, rig):
    budgets = rig["budgets"]
    rows = budgets["weights only"]
    for mine in ours(rows):
        if name == CASE:
            accuracy, target = rows[mine]["mean"][0], rows["zoo"]["mean"][0]
            text = f"{beside(rows, mine, 'mean', 'zoo')} (the case's own: about .89), at distance {shown(rows[mine], 'novel')}"
            reached = accuracy >= target - 0.005 and is_far(rows, mine)
            yield budget_of("weights only", mine), "the zoo's accuracy - .5 pp, no copies", text, reached
        yield spread(rows, mine)
        yield from beaten(rows, mine)
        if PUBLISHED in rig["rivals"]:
            yield rivalled(rows, mine)
    if name != CASE:
        rows = budgets.get("polish 1%", {})
        for mine in learned(rows):
            yield as_good(rows, mine, budget_of("polish 1%", mine), 0.02)
    rows = budgets.get("polish 10%", {})
    for mine in learned(rows):
        target = stored(budgets, "mean", max)
        text = f"{shown(rows[mine], 'mean')} for {shown(target, 'mean')}, at distance {shown(rows[mine], 'novel')}"
        reached = rows[mine]["mean"][0] >= target["mean"][0] and is_far(rows, mine)
        budget = budget_of("polish 10%", mine)
        yield budget, "accuracy of a stored member polished as long, or not at all, at distance .9", text, reached
    yield from together(budgets, asks_distance=True)


def ours(rows):
    """All of ours that were measured."""
    return [name for name in CALLED if name in rows]


def learned(rows):
    """Those of ours that learned what networks do: what is judged of more than weights alone."""
    return [name for name in LEARNED if name in rows]


def budget_of(budget, mine):
    """A budget, with what a generator had seen before."""
    return CALLED[mine].format(budget)


def beaten(rows, mine):
    """The best baseline at least as far from the zoo."""
    budget, goal = budget_of("weights only", mine), "best baseline beaten by 3 errors"
    others = {other: row for other, row in far(rows, mine).items() if other != PUBLISHED}
    if not others:
        yield budget, goal, "there is none as far from the zoo", True
        return
    yield budget, goal, *won(rows, mine, best(others, mine))


def rivalled(rows, mine):
    """The published flow, at whatever distance its networks lie: a harder goal than at the same."""
    result = ("not measured: that needs PyTorch (`make pytorch`)", False)
    if PUBLISHED in rows:
        result = won(rows, mine, PUBLISHED)
    return budget_of("weights only", mine), "published flow beaten by 3 errors", *result


def won(rows, mine, other):
    """Accuracies, and whether ours is above by 3 errors."""
    mean, error = rows[other]["gap"][mine]
    return f"{shown(rows[mine], 'mean')} for {shown(rows[other], 'mean')} of {other}", -mean > 3 * error


def stored(budgets, column, better):
    """Stored members after a polish of 10% or without one, as a polish may make them worse."""
    return better((budgets[budget][STORED] for budget in ("polish 10%", "weights only")), key=lambda row: row[column][0])


def spread(rows, mine):
    """Neither collapsed nor scattered."""
    low, high = DISPERSION
    goal = f"dispersion {number(low, 2)} to {number(high, 2)}"
    return budget_of("weights only", mine), goal, shown(rows[mine], "disp"), low <= rows[mine]["disp"][0] <= high


def as_good(rows, mine, budget, lost):
    """Accuracy of new members, far enough from the zoo."""
    accuracy, target = rows[mine]["mean"][0], rows["held-out"]["mean"][0]
    text = f"{beside(rows, mine, 'mean')}, at distance {shown(rows[mine], 'novel')}"
    goal = f"held-out's accuracy - {number(100 * lost, 1)} pp at distance {number(DISTANCE, 1)}"
    return budget, goal, text, accuracy >= target - lost and is_far(rows, mine)


def together(budgets, asks_distance=False):
    """Ten networks judged together; no copies after 10%, where that is asked."""
    rows = budgets["weights only"]
    others = {name: row for name, row in rows.items() if (name == SWAG or name.startswith(SOUPS)) and row["ens"]}
    other = max(others, key=lambda name: others[name]["ens"][0])
    for mine in learned(rows):
        budget = budget_of("weights only", mine)
        text = f"{ten(rows[mine])} for {ten(rows[other])} of {other}"
        reached = rows[mine]["ens"][0] > rows[other]["ens"][0]
        yield budget, "ten together better than SWAG and soups", text, reached
        text = f"{ten(rows[mine])} for {ten(rows[ONE_RUN])}"
        reached = rows[mine]["ens"][0] > rows[ONE_RUN]["ens"][0]
        yield budget, "ten together better than ten snapshots of one run", text, reached
    rows = budgets.get("polish 1%", {})
    for mine in learned(rows):
        budget = budget_of("polish 1%", mine)
        accuracy = rows[mine]["ens"][0] >= rows["zoo"]["ens"][0] - 0.001
        likelihood = rows[mine]["nll"][0] <= 1.01 * rows["zoo"]["nll"][0]
        yield budget, "ten together within .1 pp of ten members", beside(rows, mine, "ens", "zoo"), accuracy
        yield budget, "and within 1% of their log-likelihood", beside(rows, mine, "nll", "zoo"), likelihood
    rows = budgets.get("polish 10%", {})
    for mine in learned(rows):
        ours = rows[mine]
        accuracy, likelihood = stored(budgets, "ens", max), stored(budgets, "nll", min)
        text = f"{ten(ours)} for {shown(accuracy, 'ens')} (nll {shown(likelihood, 'nll')})"
        reached = ours["ens"][0] >= accuracy["ens"][0] and ours["nll"][0] <= likelihood["nll"][0]
        goal = "ten together no worse than stored members polished as long, or not at all"
        if asks_distance:
            goal += f", at distance {number(DISTANCE, 1)}"
            text += f", at distance {shown(ours, 'novel')}"
            reached = reached and is_far(rows, mine)
        yield budget_of("polish 10%", mine), goal, text, reached


def ten(row):
    """What ten networks are worth together."""
    return f"{shown(row, 'ens')} (nll {shown(row, 'nll')})"


def is_far(rows, mine):
    return rows[mine]["novel"][0] >= DISTANCE


def beside(rows, name, column, target="held-out"):
    return f"{shown(rows[name], column)} for {shown(rows[target], column)}"
