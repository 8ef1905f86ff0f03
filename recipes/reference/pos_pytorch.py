# recipes/pos.yaml in PyTorch: the same data, configuration and measure (words seen once are unknown).
#   python recipes/reference/pos_pytorch.py [SEED]
import gzip
import os
import random
import sys
import time
from collections import Counter

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
torch.set_num_threads(2)
torch.manual_seed(seed)
random.seed(seed)
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'data', 'ud-english-ewt')


def load(name):
    opener = gzip.open if name.endswith('.gz') else open
    with opener(os.path.join(folder, name), 'rt', encoding='utf8') as file:
        return [tuple(side.split(' ') for side in line.rstrip('\n').split('\t')) for line in file if line.strip()]


train, dev, test = load('train.tsv.gz'), load('dev.tsv'), load('test.tsv')
counts = Counter(word for words, _ in train for word in words)
# 0 padding, 1 unknown; words seen once have a row in the table, but no id leads to it.
vocabulary = {word: i + 2 for i, (word, n) in enumerate(counts.items()) if n >= 2}
tags = {tag: i + 1 for i, tag in enumerate(sorted({tag for _, tags in train for tag in tags}))}  # 0 padding


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(counts) + 2, 128, padding_idx=0)
        self.lstm = nn.LSTM(128, 128, bidirectional=True, batch_first=True)
        self.output = nn.Linear(256, len(tags) + 1)
        self.dropout = nn.Dropout(0.4)

    def forward(self, words, lengths):
        embedded = self.dropout(self.embedding(words))
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.output(self.dropout(hidden))


def batch(examples):
    words = [torch.tensor([vocabulary.get(word, 1) for word in words]) for words, _ in examples]
    labels = [torch.tensor([tags.get(tag, 0) for tag in tags_]) for _, tags_ in examples]
    return pad_sequence(words, True), pad_sequence(labels, True), torch.tensor([len(words) for words, _ in examples])


def accuracy(model, examples):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for first in range(0, len(examples), 128):
            words, labels, lengths = batch(examples[first : first + 128])
            found = model(words, lengths).argmax(-1)
            right += ((found == labels) & (labels > 0)).sum().item()
            total += (labels > 0).sum().item()
    model.train()
    return 100 * right / total


model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), 2e-3)
start = time.time()
for epoch in range(1, 11):
    train.sort(key=lambda example: len(example[0]) + random.random() * 4)
    batches = [train[first : first + 32] for first in range(0, len(train), 32)]
    random.shuffle(batches)
    for examples in batches:
        words, labels, lengths = batch(examples)
        loss = F.cross_entropy(model(words, lengths).flatten(0, 1), labels.flatten(), ignore_index=0)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    scores = f'dev {accuracy(model, dev):.2f} test {accuracy(model, test):.2f}'
    print(f'seed {seed}, epoch {epoch}: {scores}, {time.time() - start:.0f} s', flush=True)
