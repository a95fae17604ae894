"""A picture of what was measured: score against distance, as SVG."""

import math

from figures import OURS, TARGETS, TRAINED

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
