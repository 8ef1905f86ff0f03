#!/usr/bin/env python3
"""recipes/tang-lm.yaml and recipes/tang.yaml in PyTorch: the same data, models, optimiser and numbers of updates.

    python3 recipes/reference/tang_pytorch.py [--pairs 10000] [--seed 1] [--updates 800] [--every 100]

Trains the language model (once; its weights are kept in a file), then the encoder–decoder from drawn weights and from
the language model, and prints for both the perplexity on dev and the share of greedy outputs as long as their source.
From the language model, the decoder stays as it is for the first `--frozen` updates, but for the columns that read the
context, which start at zero.
"""

import argparse
import gzip
import random
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

DATA = Path(__file__).parent.parent / "data" / "chinese-poetry"
PAD, BEGIN, END, UNKNOWN = 0, 1, 2, 3
EMBEDDING, HIDDEN = 64, 128
characters = (DATA / "characters.txt").read_text(encoding="utf-8").split()
number = {character: 4 + index for index, character in enumerate(characters)}


def read(name):
    data = (DATA / name).read_bytes()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8")
    return [[[*(number.get(c, UNKNOWN) for c in side), END] for side in line.split("\t")] for line in text.splitlines()]


def pad(rows):
    return pad_sequence([torch.tensor(row) for row in rows], padding_value=PAD)


class Decoder(nn.Module):
    """A language model where `context` is 0, and otherwise a decoder that reads a context at every step."""

    def __init__(self, context):
        super().__init__()
        size = len(characters) + 4
        self.embedding = nn.Embedding(size, EMBEDDING, padding_idx=PAD)
        self.rnn = nn.LSTM(EMBEDDING + context, HIDDEN)
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(HIDDEN, size)

    def forward(self, ids, state=None, context=None):
        inputs = self.embedding(ids)
        if context is not None:
            inputs = torch.cat([inputs, context.expand(len(ids), -1, -1)], -1)
        states, state = self.rnn(inputs, state)
        return self.output(self.dropout(states)), state

    def start_from(self, model):
        with torch.no_grad():
            for name, values in model.state_dict().items():
                own = self.get_parameter(name)
                if name == "rnn.weight_ih_l0":
                    own.zero_()[:, :EMBEDDING] = values
                else:
                    own.copy_(values)


class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(characters) + 4, EMBEDDING, padding_idx=PAD)
        self.encoder = nn.LSTM(EMBEDDING, HIDDEN // 2, bidirectional=True)
        self.decoder = Decoder(HIDDEN)

    def encode(self, source):
        lengths = (source != PAD).sum(0)
        _, (h, _) = self.encoder(pack_padded_sequence(self.embedding(source), lengths, enforce_sorted=False))
        return torch.cat([h[0], h[1]], -1)[None]


def loss_of(model, batch, reduction="mean"):
    target = pad([sides[-1] for sides in batch])
    inputs = torch.cat([torch.full_like(target[:1], BEGIN), target[:-1]])
    inputs = inputs.masked_fill(inputs == END, PAD)
    if isinstance(model, Seq2Seq):
        logits, _ = model.decoder(inputs, None, model.encode(pad([sides[0] for sides in batch])))
    else:
        logits, _ = model(inputs)
    return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD, reduction=reduction)


@torch.no_grad()
def perplexity(model, rows):
    model.eval()
    total = sum(loss_of(model, rows[i : i + 100], "sum").item() for i in range(0, len(rows), 100))
    model.train()
    return torch.tensor(total / sum(len(sides[-1]) for sides in rows)).exp().item()


@torch.no_grad()
def same_length(model, rows):
    model.eval()
    context = model.encode(pad([sides[0] for sides in rows]))
    ids, state, written = torch.full((1, len(rows)), BEGIN), None, []
    for _ in range(16):
        logits, state = model.decoder(ids, state, context)
        ids = logits.argmax(-1)
        written.append(ids[0])
    model.train()
    lengths = [row.index(END) if END in row else 16 for row in torch.stack(written, 1).tolist()]
    return sum(length == len(sides[0]) - 1 for length, sides in zip(lengths, rows)) / len(rows)


def train(model, rows, dev, order, batch, updates, every, rate=0.002, decay_from=None, frozen=0):
    """Returns the lowest dev perplexity and its update, with the weights of that update in the model."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    best, left = (float("inf"), 0, None), []
    for update in range(1, updates + 1):
        if not left:
            shuffled = order.sample(rows, len(rows))
            left = [shuffled[i : i + batch] for i in range(0, len(rows), batch)]
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.5 if decay_from and update > decay_from else 1)
        loss = loss_of(model, left.pop())
        optimizer.zero_grad()
        loss.backward()
        if update <= frozen:
            for name, parameter in model.decoder.named_parameters():
                if name == "rnn.weight_ih_l0":
                    parameter.grad[:, :EMBEDDING] = 0
                else:
                    parameter.grad = None
        nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
        if update % every == 0:
            ppl = perplexity(model, dev)
            print(f"  update {update}  dev perplexity {ppl:.2f}", flush=True)
            if ppl < best[0]:
                best = ppl, update, {name: values.clone() for name, values in model.state_dict().items()}
    model.load_state_dict(best[2])
    return best[:2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=10000, choices=(100, 1000, 10000))
    parser.add_argument("--updates", type=int, default=800)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--frozen", type=int, default=200)
    parser.add_argument("--lm-batch", type=int, default=128)
    parser.add_argument("--language-model", default=str(Path(tempfile.gettempdir()) / "tang-lm.pt"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    order = random.Random(options.seed)
    language_model = Decoder(0)
    kept = Path(options.language_model)
    if kept.exists():
        language_model.load_state_dict(torch.load(kept))
    else:
        lines = read("lines.txt.gz")
        steps, started = -(-len(lines) // options.lm_batch), time.time()
        best = train(language_model, lines, read("lines-dev.txt"), order, options.lm_batch, steps, steps // 5)
        print(f"language model: dev perplexity {best[0]:.2f} at update {best[1]}, {time.time() - started:.0f} s")
        torch.save(language_model.state_dict(), kept)
    rows, dev = read(f"train-{options.pairs}.tsv"), read("dev.tsv")
    for pretrained in (False, True):
        torch.manual_seed(options.seed)
        order = random.Random(options.seed)
        model, started = Seq2Seq(), time.time()
        if pretrained:
            model.decoder.start_from(language_model)
        best = train(model, rows, dev, order, 50, options.updates, options.every, frozen=options.frozen if pretrained else 0)
        print(
            f"{options.pairs} pairs, decoder {'from the language model' if pretrained else 'drawn'}: dev perplexity {best[0]:.2f} "
            f"at update {best[1]}, length of the source {100 * same_length(model, dev):.1f} %, {time.time() - started:.0f} s",
            flush=True,
        )


main()
