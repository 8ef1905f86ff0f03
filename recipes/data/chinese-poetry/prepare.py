#!/usr/bin/env python3
"""Makes the Tang line pairs and the language model's lines beside this script.

    python3 prepare.py POEMS          # a TSV, plain or .gz, of title, author and text of the poems in 全唐诗/poet.tang.*.json
                                      # of github.com/chinese-poetry/chinese-poetry (paragraphs joined), in the files' order

A pair is two halves of a sentence on either side of its comma, both of 5 or both of 7 characters. The place of a pair is
SHA-256 of its first half, as a number, modulo 100: 98 is dev, 99 test, all others training. Of each part a sample is
taken, the pairs whose SHA-256 of both halves (joined by a tab) is smallest:

    train-10000.tsv, and its first 1,000 and 100 in that order (train-1000.tsv, train-100.tsv)
    dev.tsv 1,000      test.tsv 1,000
    lines.txt.gz       for the language model: second halves of training pairs, 80,000 of them, by SHA-256 of the
                       line; none is a second half of dev or test. lines-dev.txt: the second halves of dev.tsv.
    characters.txt     the 3,000 most frequent characters of train-10000.tsv and lines.txt (ties by code point), the
                       vocabulary of all models, so that a decoder can begin as the language model
"""

import gzip
import hashlib
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent


def read(path):
    data = Path(path).read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")


def digest(text):
    return hashlib.sha256(text.encode("utf-8")).digest()


def pairs_of(poems):
    for poem in poems.splitlines():
        for sentence in re.split("[。？！；]", poem.split("\t")[2]):
            halves = sentence.split("，")
            if len(halves) == 2 and len(halves[0]) == len(halves[1]) and len(halves[0]) in (5, 7):
                if all(re.fullmatch("[㐀-鿿豈-﫿\U00020000-\U0003ffff]+", half) for half in halves):
                    yield f"{halves[0]}\t{halves[1]}"


def write(name, lines):
    text = "".join(f"{line}\n" for line in lines).encode("utf-8")
    (HERE / name).write_bytes(gzip.compress(text, 9, mtime=0) if name.endswith(".gz") else text)
    print(f"{name}: {len(lines)} lines")


def main():
    parts = {"train": [], "dev": [], "test": []}
    for pair in dict.fromkeys(pairs_of(read(sys.argv[1]))):
        place = int.from_bytes(digest(pair.split("\t")[0]), "big") % 100
        parts[{98: "dev", 99: "test"}.get(place, "train")].append(pair)
    print({name: len(pairs) for name, pairs in parts.items()})
    second = lambda pairs: [pair.split("\t")[1] for pair in pairs]  # noqa: E731
    held_out = set(second(parts["dev"])) | set(second(parts["test"]))
    sample = {name: sorted(pairs, key=digest) for name, pairs in parts.items()}
    for count in (100, 1000, 10000):
        write(f"train-{count}.tsv", sample["train"][:count])
    write("dev.tsv", sample["dev"][:1000])
    write("test.tsv", sample["test"][:1000])
    lines = sorted({line for line in second(parts["train"]) if line not in held_out}, key=digest)[:80000]
    write("lines.txt.gz", lines)
    write("lines-dev.txt", second(sample["dev"][:1000]))
    seen = Counter("".join(sample["train"][:10000] + lines).replace("\t", ""))
    write("characters.txt", sorted(seen, key=lambda character: (-seen[character], character))[:3000])


main()
