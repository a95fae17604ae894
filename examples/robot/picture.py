"""Draws robot-bench's results as SVG: requested against realised speed. Usage: picture.py RESULTS.json PICTURE.svg"""

import json
import os
import sys

SIDE, GAP, TOP, LEFT = 210, 24, 40, 48
FASTEST = 6.0
COLOURS = {"samples": "#0b6e4f"}


def panel(x, points, name, colour):
    def place(target, realised):
        across = x + target / FASTEST * SIDE
        up = TOP + SIDE - min(max(realised, 0.0), FASTEST) / FASTEST * SIDE
        return f"{across:.1f}", f"{up:.1f}"

    yield f'<rect x="{x}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="#fff" stroke="#999"/>'
    yield f'<text x="{x + SIDE / 2}" y="{TOP - 10}" text-anchor="middle">{name}</text>'
    for speed in range(0, 7, 2):
        across, up = place(speed, speed)
        yield f'<text x="{across}" y="{TOP + SIDE + 16}" text-anchor="middle">{speed}</text>'
        if x == LEFT:
            yield f'<text x="{x - 6}" y="{float(up) + 4:.1f}" text-anchor="end">{speed}</text>'
    (x1, y1), (x2, y2) = place(0, 0), place(FASTEST, FASTEST)
    yield f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#bbb"/>'
    for target, realised, _ in points:
        across, up = place(target, realised)
        yield f'<circle cx="{across}" cy="{up}" r="1.8" fill="{colour}" fill-opacity="0.5"/>'


def picture(results):
    sets = [each for each in results["sets"] if not each["name"].startswith("trained")]
    width = LEFT + len(sets) * (SIDE + GAP)
    height = TOP + SIDE + 44
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    yield ' font-family="sans-serif" font-size="12" fill="#333">'
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    for i, each in enumerate(sets):
        colour = COLOURS.get(each["name"], "#5b6c8f")
        yield from panel(LEFT + i * (SIDE + GAP), each["points"], each["name"], colour)
    middle = LEFT + len(sets) * (SIDE + GAP) / 2
    yield f'<text x="{middle}" y="{height - 8}" text-anchor="middle">requested speed, m/s</text>'
    up = TOP + SIDE / 2
    yield f'<text transform="translate(16 {up}) rotate(-90)" text-anchor="middle">realised speed, m/s</text>'
    yield "</svg>"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    part = sys.argv[2] + ".part"
    with open(part, "w", encoding="utf-8") as file:
        file.write("\n".join(picture(results)) + "\n")
    os.replace(part, sys.argv[2])


main()
