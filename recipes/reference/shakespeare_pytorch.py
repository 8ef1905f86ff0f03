#!/usr/bin/env python3
"""recipes/shakespeare.yaml in PyTorch: the same text, split, stream layout, model, optimiser and number of updates.

    python3 recipes/reference/shakespeare_pytorch.py [--seed 1]

What is read before a character is the character before it, but <s> in place of a line's end and at the very start, as
Couplet does; the loss counts every character and line end once.
"""

import argparse
import gzip
import time
from pathlib import Path

import torch
from torch import nn

DATA = Path(__file__).parent.parent / "data" / "tinyshakespeare"


def read(name):
    data = (DATA / name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode()


class CharacterModel(nn.Module):
    def __init__(self, vocabulary, embedding, hidden, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.rnn = nn.LSTM(embedding, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, ids, state):
        states, state = self.rnn(self.embedding(ids), state)
        return self.output(self.dropout(states)), state


def layout(ids, rows):
    """Input and output [length, rows]; what is left over is not read."""
    end, begin = 0, 1
    before = torch.cat([torch.tensor([begin]), torch.where(ids[:-1] == end, begin, ids[:-1])])
    length = len(ids) // rows
    cut = lambda sequence: sequence[: rows * length].view(rows, length).t().contiguous()  # noqa: E731
    return cut(before), cut(ids)


def detach(state):
    return tuple(part.detach() for part in state)


@torch.no_grad()
def evaluate(model, ids, rows, bptt):
    model.eval()
    inputs, outputs = layout(ids, rows)
    total, state = 0.0, None
    for start in range(0, len(inputs), bptt):
        logits, state = model(inputs[start : start + bptt], state)
        total += nn.functional.cross_entropy(logits.flatten(0, 1), outputs[start : start + bptt].flatten(), reduction="sum").item()
    model.train()
    return total / outputs.numel()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--rate", type=float, default=0.004)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--bptt", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--decay-epoch", type=int, default=3)
    parser.add_argument("--decay", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    texts = {name: read(file) for name, file in (("train", "train.txt.gz"), ("dev", "dev.txt"), ("test", "test.txt"))}
    # 0 is the line's end, 1 <s>, which is read and never predicted; 2 and 3 are never seen, as Couplet's <unk> and <pad>.
    characters = ["\n", "<s>", "<unk>", "<pad>", *sorted(set(texts["train"]) - {"\n"})]
    index = {character: number for number, character in enumerate(characters)}
    ids = {name: torch.tensor([index.get(character, 2) for character in text]) for name, text in texts.items()}
    model = CharacterModel(len(characters), options.embedding, options.hidden, options.dropout)
    print(sum(parameter.numel() for parameter in model.parameters()), "parameters")
    optimizer = torch.optim.Adam(model.parameters(), lr=options.rate)
    inputs, outputs = layout(ids["train"], options.batch)
    started, updates = time.time(), 0
    for epoch in range(1, options.epochs + 1):
        if epoch >= options.decay_epoch:
            for group in optimizer.param_groups:
                group["lr"] *= options.decay
        state = None
        for start in range(0, len(inputs), options.bptt):
            logits, state = model(inputs[start : start + options.bptt], state and detach(state))
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), outputs[start : start + options.bptt].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5)
            optimizer.step()
            updates += 1
        dev = evaluate(model, ids["dev"], 8, options.bptt)
        print(f"epoch {epoch}  update {updates}  dev {dev:.4f} nats  {time.time() - started:.0f} s", flush=True)
    test = evaluate(model, ids["test"], 8, options.bptt)
    print(f"test {test:.4f} nats, {test / 0.6931472:.4f} bits a character")


main()
