#!/usr/bin/env python3
"""recipes/enzh.yaml in PyTorch: the same split, vocabularies, model, optimiser and measure, at any size.

    python3 recipes/reference/enzh_pytorch.py [--size 256] [--epochs 20] [--seed 1]

`--size` is E and H (half of it a direction in the encoder). Prints an epoch's training loss, and BLEU of characters
(sacrebleu, tokenize zh) of greedy outputs on dev; at the end that on test of the epoch with the best dev.
"""

import argparse
import gzip
import random
import time
from collections import Counter
from pathlib import Path

import sacrebleu
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

DATA = Path(__file__).parent.parent / "data" / "tatoeba-cmn-eng"
UNKNOWN, PAD, BEGIN, END = 0, 1, 2, 3
BATCH, DROPOUT, LONGEST = 64, 0.3, 50

options = argparse.ArgumentParser()
options.add_argument("--size", type=int, default=256)
options.add_argument("--epochs", type=int, default=20)
options.add_argument("--seed", type=int, default=1)
options = options.parse_args()
torch.set_num_threads(1)
torch.manual_seed(options.seed)
random.seed(options.seed)


def read(name):
    data = (DATA / name).read_bytes()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8")
    pairs = [line.split("\t")[:2] for line in text.splitlines()]
    return [(english.split(), list(chinese)) for english, chinese in pairs]


def vocabulary(sides):
    """What occurs at least twice."""
    counts = Counter(token for side in sides for token in side)
    kept = sorted(token for token, count in counts.items() if count >= 2)
    return {token: 4 + index for index, token in enumerate(kept)}


train, dev, test = read("train.tsv.gz"), read("dev.tsv"), read("test.tsv")
english = vocabulary(source for source, _ in train)
chinese = vocabulary(target for _, target in train)
characters = {index: token for token, index in chinese.items()} | {UNKNOWN: "<unk>"}


class Translator(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.source = nn.Embedding(len(english) + 4, size, padding_idx=PAD)
        self.target = nn.Embedding(len(chinese) + 4, size, padding_idx=PAD)
        self.encoder = nn.LSTM(size, size // 2, bidirectional=True)
        self.decoder = nn.LSTM(size, size)
        self.keys = nn.Linear(size, size, bias=False)
        self.combine = nn.Linear(2 * size, size, bias=False)
        self.output = nn.Linear(size, len(chinese) + 4)
        self.dropout = nn.Dropout(DROPOUT)

    def encode(self, ids, lengths):
        packed = pack_padded_sequence(self.dropout(self.source(ids)), lengths, enforce_sorted=False)
        memory, states = self.encoder(packed)
        memory, _ = pad_packed_sequence(memory)
        return memory, tuple(torch.cat([state[0], state[1]], -1)[None] for state in states)

    def decode(self, ids, states, memory, mask):
        output, states = self.decoder(self.dropout(self.target(ids)), states)
        scores = torch.einsum("tbh,sbh->bts", output, self.keys(memory)).masked_fill(~mask[:, None], -1e9)
        context = torch.einsum("bts,sbh->tbh", scores.softmax(-1), memory)
        attended = torch.tanh(self.combine(torch.cat([context, output], -1)))
        return self.output(self.dropout(attended)), states


def batch_of(pairs):
    sources = [torch.tensor([*(english.get(word, UNKNOWN) for word in source), END]) for source, _ in pairs]
    targets = [torch.tensor([BEGIN, *(chinese.get(c, UNKNOWN) for c in target), END]) for _, target in pairs]
    lengths = torch.tensor([len(source) for source in sources])
    source = pad_sequence(sources, padding_value=PAD)
    mask = torch.arange(len(source))[None] < lengths[:, None]
    return source, lengths, mask, pad_sequence(targets, padding_value=PAD)


@torch.no_grad()
def bleu(model, pairs):
    model.eval()
    outputs = []
    for start in range(0, len(pairs), 100):
        source, lengths, mask, _ = batch_of(pairs[start : start + 100])
        memory, states = model.encode(source, lengths)
        word = torch.full((1, len(lengths)), BEGIN)
        written, done = [""] * len(lengths), [False] * len(lengths)
        for _ in range(LONGEST):
            logits, states = model.decode(word, states, memory, mask)
            word = logits.argmax(-1)
            for row, token in enumerate(word[0].tolist()):
                done[row] = done[row] or token == END
                written[row] += "" if done[row] else characters.get(token, "")
            if all(done):
                break
        outputs += written
    model.train()
    return sacrebleu.corpus_bleu(outputs, [["".join(target) for _, target in pairs]], tokenize="zh").score


model = Translator(options.size)
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
start, best = time.time(), (-1.0, 0.0, 0)
for epoch in range(1, options.epochs + 1):
    rows = sorted(train, key=lambda pair: len(pair[1]) + random.random())  # batches of nearly equal lengths
    batches = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
    random.shuffle(batches)
    total = tokens = 0
    for pairs in batches:
        source, lengths, mask, target = batch_of(pairs)
        memory, states = model.encode(source, lengths)
        logits, _ = model.decode(target[:-1], states, memory, mask)
        loss = cross_entropy(logits.flatten(0, 1), target[1:].flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        count = int((target[1:] != PAD).sum())
        total, tokens = total + loss.item() * count, tokens + count
    score = bleu(model, dev)
    if score > best[0]:
        best = (score, bleu(model, test), epoch)
    print(
        f"epoch {epoch}  loss {total / tokens:.3f}  dev BLEU {score:.2f}  {time.time() - start:.0f} s", flush=True
    )
print(f"best dev BLEU {best[0]:.2f} in epoch {best[2]}: test BLEU {best[1]:.2f}")
