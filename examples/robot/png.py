"""Writes a binary PPM as PNG. Usage: png.py PICTURE.ppm PICTURE.png"""

import os
import struct
import sys
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        kind, columns, rows, most = file.readline().split() + file.readline().split() + file.readline().split()
        pixels = file.read()
    columns, rows = int(columns), int(rows)
    if (kind, most) != (b"P6", b"255") or len(pixels) != 3 * columns * rows:
        sys.exit(f"png.py: {sys.argv[1]} is no whole PPM of 8 bits: run robot-frames again")
    # Each row follows the number of its filter; 0 is none.
    lines = b"".join(b"\0" + pixels[3 * columns * y : 3 * columns * (y + 1)] for y in range(rows))
    part = sys.argv[2] + ".part"
    with open(part, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)))
        file.write(chunk(b"IDAT", zlib.compress(lines, 9)))
        file.write(chunk(b"IEND", b""))
    os.replace(part, sys.argv[2])


main()
