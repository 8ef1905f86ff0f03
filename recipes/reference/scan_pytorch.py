#!/usr/bin/env python3
"""recipes/scan.yaml in PyTorch: the same data, model, optimiser and number of updates.

    python3 recipes/reference/scan_pytorch.py [--seed 1] [--no-attention] [--split length]

An encoder of two directions, whose last states (side by side) start the decoder; Luong's attention with the general score,
no input feeding. Exact match is of greedy output, in per cent.
"""

import argparse
import gzip
import random
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

DATA = Path(__file__).parent.parent / "data" / "scan"
PAD, BEGIN, END = 0, 1, 2


def read(name):
    pairs = []
    for line in gzip.open(DATA / f"{name}.tsv.gz", "rt", encoding="utf-8"):
        source, target = line.rstrip("\n").split("\t")
        pairs.append((source.split(), target.split()))
    return pairs


class Seq2Seq(nn.Module):
    def __init__(self, sources, targets, embedding, hidden, dropout, attention):
        super().__init__()
        self.source = nn.Embedding(sources, embedding, padding_idx=PAD)
        self.target = nn.Embedding(targets, embedding, padding_idx=PAD)
        self.encoder = nn.LSTM(embedding, hidden // 2, bidirectional=True)
        self.decoder = nn.LSTM(embedding, hidden)
        self.score = nn.Linear(hidden, hidden, bias=False) if attention else None
        self.combine = nn.Linear(2 * hidden, hidden, bias=False) if attention else None
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, targets)

    def encode(self, source):
        lengths = (source != PAD).sum(0).cpu()
        packed = pack_padded_sequence(self.dropout(self.source(source)), lengths, enforce_sorted=False)
        memory, states = self.encoder(packed)
        memory, _ = pad_packed_sequence(memory, total_length=len(source))
        return memory, tuple(torch.cat([state[0], state[1]], 1)[None] for state in states)

    def decode(self, ids, state, memory, source):
        states, state = self.decoder(self.dropout(self.target(ids)), state)
        if self.score is not None:
            scores = torch.einsum("tbh,sbh->tbs", states, self.score(memory))
            scores = scores.masked_fill((source == PAD).t()[None], float("-inf"))
            context = torch.einsum("tbs,sbh->tbh", scores.softmax(-1), memory)
            states = torch.tanh(self.combine(torch.cat([context, states], -1)))
        return self.output(self.dropout(states)), state


@torch.no_grad()
def exact_match(model, pairs, limit, batch=200):
    model.eval()
    right = 0
    for start in range(0, len(pairs), batch):
        source, target = tensors(pairs[start : start + batch])
        memory, state = model.encode(source)
        ids = torch.full((1, source.shape[1]), BEGIN)
        rows = []
        for _ in range(limit):
            logits, state = model.decode(ids, state, memory, source)
            ids = logits.argmax(-1)
            rows.append(ids[0])
        written = torch.stack(rows, 1).tolist()
        for output, (_, reference) in zip(written, pairs[start : start + batch]):
            right += (output[: output.index(END)] if END in output else output) == reference[:-1]
    model.train()
    return 100 * right / len(pairs)


def tensors(pairs):
    pad = lambda rows: pad_sequence([torch.tensor(row) for row in rows], padding_value=PAD)  # noqa: E731
    return pad([source for source, _ in pairs]), pad([target for _, target in pairs])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", default="simple")
    parser.add_argument("--no-attention", action="store_true")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--rate", type=float, default=0.002)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--decay-epoch", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    order = random.Random(options.seed)
    train, dev, test = (read(f"{options.split}_{part}") for part in ("train", "dev", "test"))
    number = lambda side: {token: 3 + index for index, token in enumerate(sorted({t for pair in train for t in pair[side]}))}  # noqa: E731
    sources, targets = number(0), number(1)
    encode = lambda pairs: [([*map(sources.get, s), END], [*map(targets.get, t), END]) for s, t in pairs]  # noqa: E731
    train, dev, test = encode(train), encode(dev), encode(test)
    model = Seq2Seq(len(sources) + 3, len(targets) + 3, options.embedding, options.hidden, options.dropout, not options.no_attention)
    print(sum(parameter.numel() for parameter in model.parameters()), "parameters")
    optimizer = torch.optim.Adam(model.parameters(), lr=options.rate)
    started, updates = time.time(), 0
    for epoch in range(1, options.epochs + 1):
        if epoch >= options.decay_epoch:
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
        shuffled = order.sample(train, len(train))
        # Ten batches' worth of random pairs are sorted by length, to pad less.
        pool = 10 * options.batch
        batches = []
        for start in range(0, len(shuffled), pool):
            near = sorted(shuffled[start : start + pool], key=lambda pair: len(pair[1]))
            batches += [near[i : i + options.batch] for i in range(0, len(near), options.batch)]
        order.shuffle(batches)
        for batch in batches:
            source, target = tensors(batch)
            inputs = torch.cat([torch.full_like(target[:1], BEGIN), target[:-1]])
            inputs = inputs.masked_fill(inputs == END, PAD)
            memory, state = model.encode(source)
            logits, _ = model.decode(inputs, state, memory, source)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5)
            optimizer.step()
            updates += 1
        print(f"epoch {epoch}  update {updates}  loss {loss.item():.4f}  dev exact match {exact_match(model, dev, 50):.2f} %  {time.time() - started:.0f} s", flush=True)
    print(f"test exact match {exact_match(model, test, 50):.2f} %")


main()
