#!/usr/bin/env python3
"""Cuts char-rnn's tiny Shakespeare into train.txt.gz, dev.txt and test.txt beside this script.

    python3 prepare.py INPUT          # data/tinyshakespeare/input.txt of github.com/karpathy/char-rnn, plain or .gz

The text is cut where a line ends, at the last line end before 90 % and before 95 % of its characters, so that the three
files one after another are the text, byte for byte. Nothing else is changed: blank lines stay.
"""

import gzip
import sys
from pathlib import Path

HERE = Path(__file__).parent


def read(path):
    data = Path(path).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def main():
    text = read(sys.argv[1])
    first = text.rindex(b"\n", 0, len(text) * 90 // 100) + 1
    second = text.rindex(b"\n", 0, len(text) * 95 // 100) + 1
    (HERE / "train.txt.gz").write_bytes(gzip.compress(text[:first], 9, mtime=0))
    (HERE / "dev.txt").write_bytes(text[first:second])
    (HERE / "test.txt").write_bytes(text[second:])
    for name, part in (("train", text[:first]), ("dev", text[first:second]), ("test", text[second:])):
        lines = part.decode("ascii").splitlines()
        print(f"{name}: {len(part)} characters in {len(lines)} lines, {lines.count('')} of them blank")


main()
