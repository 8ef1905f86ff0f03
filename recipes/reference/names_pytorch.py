# recipes/names.yaml in PyTorch: the same split, configuration and measures.
#   python recipes/reference/names_pytorch.py [SEED] [balanced]
import os
import random
import sys
import time
from collections import Counter

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
balanced = 'balanced' in sys.argv
torch.set_num_threads(1)
torch.manual_seed(seed)
random.seed(seed)
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'data', 'names')


def load(part):
    with open(os.path.join(folder, f'{part}.tsv'), encoding='utf8') as file:
        return [line.rstrip('\n').split('\t') for line in file]


train, dev, test = load('train'), load('dev'), load('test')
characters = {c: i + 2 for i, c in enumerate(sorted({c for name, _ in train for c in name}))}  # 0 padding, 1 unknown
counts = Counter(nationality for _, nationality in train)
classes = {nationality: i for i, nationality in enumerate(sorted(counts))}
weights = torch.tensor([len(train) / (len(counts) * counts[c]) for c in sorted(counts)]) if balanced else None


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(characters) + 2, 64, padding_idx=0)
        self.lstm = nn.LSTM(64, 64, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.output = nn.Linear(128, len(classes))

    def forward(self, names, lengths):
        packed = pack_padded_sequence(self.embedding(names), lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)
        return self.output(self.dropout(torch.cat([h[0], h[1]], 1)))


def batch(examples):
    names = [torch.tensor([characters.get(c, 1) for c in name]) for name, _ in examples]
    labels = torch.tensor([classes[nationality] for _, nationality in examples])
    return pad_sequence(names, True), torch.tensor([len(name) for name in names]), labels


def scores(model, examples):
    """Accuracy and macro-F1, the mean of the classes' F1."""
    model.eval()
    with torch.no_grad():
        names, lengths, labels = batch(examples)
        found = model(names, lengths).argmax(1)
    model.train()
    right = [((found == c) & (labels == c)).sum().item() for c in range(len(classes))]
    said = [(found == c).sum().item() for c in range(len(classes))]
    true = [(labels == c).sum().item() for c in range(len(classes))]
    f1 = [2 * r / (s + t) if s + t else 0.0 for r, s, t in zip(right, said, true)]
    return 100 * sum(right) / len(examples), 100 * sum(f1) / len(f1)


model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), 2e-3)
best, start = None, time.time()
for epoch in range(1, 13):
    random.shuffle(train)
    for first in range(0, len(train), 64):
        names, lengths, labels = batch(train[first : first + 64])
        loss = F.cross_entropy(model(names, lengths), labels, weight=weights)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    (accuracy, f1), held_out = scores(model, dev), scores(model, test)
    print(f'epoch {epoch}: dev accuracy {accuracy:.2f} macro-F1 {f1:.2f}, {time.time() - start:.0f} s', flush=True)
    chosen = f1 if balanced else accuracy
    if best is None or chosen > best[0]:
        best = (chosen, epoch, held_out)
_, epoch, (accuracy, f1) = best
print(f'seed {seed}: test accuracy {accuracy:.2f} macro-F1 {f1:.2f} of epoch {epoch}, the best on dev')
