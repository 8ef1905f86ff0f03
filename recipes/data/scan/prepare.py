#!/usr/bin/env python3
"""Makes TSV files (command, actions) of SCAN's simple and length splits beside this script.

    python3 prepare.py FOLDER         # that holds tasks_{train,test}_{simple,length}.txt of github.com/brendenlake/SCAN,
                                      # plain or .gz, anywhere below it

SCAN has no development set: every twentieth line of a training file (lines 20, 40, …; their order is random) becomes
one, and is not trained on. The test files are whole.
"""

import gzip
import sys
from pathlib import Path

HERE = Path(__file__).parent


def read(folder, name):
    path = next(p for p in sorted(Path(folder).rglob(f"{name}*")) if p.name in (name, f"{name}.gz"))
    data = path.read_bytes()
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    pairs = []
    for line in text.decode().splitlines():
        command, actions = line.removeprefix("IN: ").split(" OUT: ")
        pairs.append(f"{command.strip()}\t{actions.strip()}\n")
    return pairs


def write(name, pairs):
    (HERE / f"{name}.tsv.gz").write_bytes(gzip.compress("".join(pairs).encode(), 9, mtime=0))
    print(f"{name}: {len(pairs)} pairs")


def main():
    for split in ("simple", "length"):
        pairs = read(sys.argv[1], f"tasks_train_{split}.txt")
        write(f"{split}_train", [pair for index, pair in enumerate(pairs) if index % 20 != 19])
        write(f"{split}_dev", pairs[19::20])
        write(f"{split}_test", read(sys.argv[1], f"tasks_test_{split}.txt"))


main()
