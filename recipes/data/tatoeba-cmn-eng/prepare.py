#!/usr/bin/env python3
"""Makes train.tsv.gz, dev.tsv and test.tsv (English, Chinese, attribution) beside this script.

    python3 prepare.py FILE           # manythings.org/anki's cmn.txt (three columns), plain or .gz

The split: a pair's place is SHA-256 of its English side (as written here), as a number, modulo 100: 0 and 1 are dev, 2
and 3 test, all others training. So all Chinese renderings of an English sentence are on one side. The English is lower-cased
and cut into words and signs (an apostrophe stays in its word); of the Chinese, spaces are taken away. Pairs that are equal
after that are kept once.
"""

import gzip
import hashlib
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent


def read(path):
    data = Path(path).read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")


def part_of(english):
    place = int.from_bytes(hashlib.sha256(english.encode("utf-8")).digest(), "big") % 100
    return "dev" if place < 2 else "test" if place < 4 else "train"


def main():
    parts = {"train": {}, "dev": {}, "test": {}}
    for line in read(sys.argv[1]).splitlines():
        english, chinese, attribution = line.split("\t")
        english = " ".join(re.findall(r"\w+(?:'\w+)*|[^\w\s]", english.lower().replace("’", "'")))
        chinese = "".join(chinese.split())
        parts[part_of(english)].setdefault((english, chinese), attribution)
    for name, pairs in parts.items():
        text = "".join(f"{en}\t{zh}\t{who}\n" for (en, zh), who in pairs.items()).encode("utf-8")
        if name == "train":
            (HERE / "train.tsv.gz").write_bytes(gzip.compress(text, 9, mtime=0))
        else:
            (HERE / f"{name}.tsv").write_bytes(text)
        print(f"{name}: {len(pairs)} pairs of {len({en for en, _ in pairs})} English sentences")


main()
