#!/usr/bin/env python3
"""The share of outputs that have as many characters as their source.

    cut -f1 dev.tsv | npx couplet translate RUN | python3 same_length.py dev.tsv
"""

import sys
from pathlib import Path


def main():
    sources = [line.split("\t")[0] for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    outputs = sys.stdin.read().splitlines()
    if len(outputs) != len(sources):
        sys.exit(f"{len(sources)} sources, but {len(outputs)} outputs")
    # <unk> stands for one character.
    lengths = [len(output.replace("<unk>", "?")) for output in outputs]
    for length in sorted({len(source) for source in sources}):
        of = [made for made, source in zip(lengths, sources) if len(source) == length]
        print(f"sources of {length}: {of.count(length)} of {len(of)} outputs have {length} characters")
    same = sum(made == len(source) for made, source in zip(lengths, sources))
    print(f"all: {100 * same / len(sources):.1f} %")


main()
