"""Writes enja-losses.json: the first 100 training losses of the English → Japanese model, from hash weights.

    python make_enja_losses.py [DATA]      DATA: folder with train.en and train.ja, plain or .gz

One-layer LSTM encoder (128 a direction) and decoder (256), general attention, no bridge, no input feeding, E 256,
vocabularies of 4,000, no dropout; loss = mean over target tokens, Adam 1e-3, gradient norm clipped to 5.

- Lines are split at single spaces; source rows get </s> at the end, targets <s> in front and </s> behind.
- A vocabulary is <unk> 0, <pad> 1, <s> 2, </s> 3 and the 3,996 most frequent words of its side of the whole training
  file, more frequent first, ties by code points. Other words are <unk>. Its checksum is in the JSON: SHA-256 of the
  words in order of id, joined by line feeds, in UTF-8.
- Batch k (from 0) is lines 64k … 64k+63 in file order. Nothing is shuffled, sorted or left out.
- Weights: hash numbers, uniform ±0.08, seeds in the JSON.
"""

import gzip
import hashlib
import os
import pathlib
import sys
import time
from collections import Counter
from dataclasses import asdict

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from fixture_io import Seeds, save_json
from make_seq2seq_fixtures import ADAM, build, make_optimizer
from seq2seq_model import END, PADDING, START, UNKNOWN, Config, Seq2Seq, normalized_loss

ROWS, STEPS, SIZE = 64, 100, 4000
SPECIALS = ["<unk>", "<pad>", "<s>", "</s>"]


def read_lines(path):
    compressed = path.with_name(path.name + ".gz")
    data = gzip.decompress(compressed.read_bytes()) if compressed.exists() else path.read_bytes()
    return [line.split(" ") for line in data.decode("utf8").removesuffix("\n").split("\n")]


def make_vocabulary(lines):
    counts = Counter(word for line in lines for word in line)
    assert not any(special in counts for special in SPECIALS)
    return SPECIALS + sorted(counts, key=lambda word: (-counts[word], word))[: SIZE - len(SPECIALS)]


def make_batches(source, target, source_words, target_words):
    """The tensors of batch 0, 1, … as source, lengths, target_in, target_out."""
    source_ids, target_ids = ({word: i for i, word in enumerate(words)} for words in (source_words, target_words))
    batches = []
    for k in range(STEPS):
        rows = slice(ROWS * k, ROWS * (k + 1))
        sources = [torch.tensor([source_ids.get(w, UNKNOWN) for w in line] + [END]) for line in source[rows]]
        targets = [[target_ids.get(w, UNKNOWN) for w in line] for line in target[rows]]
        pad = lambda ids: pad_sequence(ids, batch_first=True, padding_value=PADDING)  # noqa: E731
        target_in = pad([torch.tensor([START, *ids]) for ids in targets])
        target_out = pad([torch.tensor([*ids, END]) for ids in targets])
        batches.append((pad(sources), torch.tensor([len(ids) for ids in sources]), target_in, target_out))
    return batches


def train(model, batches, options):
    optimizer = make_optimizer(options, model.parameters())
    losses, norms, started = [], [], time.time()
    for step, (source, lengths, target_in, target_out) in enumerate(batches):
        optimizer.zero_grad()
        loss = normalized_loss(model.config, model(source, lengths, target_in)["logits"], target_out)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), options["maxGradientNorm"])
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())
        if step % 20 == 19:
            print(f"step {step + 1}: loss {losses[-1]:.4f}, {time.time() - started:.0f} s", flush=True)
    return losses, norms


def unpadded(ids):
    return ids[ids != PADDING].tolist()


def describe(words):
    checksum = hashlib.sha256("\n".join(words).encode("utf8")).hexdigest()
    return {"size": len(words), "sha256": checksum, "last": words[-3:]}


def main():
    os.nice(5)
    torch.set_num_threads(2)
    here = pathlib.Path(__file__).parent
    default = here.parents[1] / ".." / "shared" / "data" / "small-parallel-enja"
    data = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    source, target = read_lines(data / "train.en"), read_lines(data / "train.ja")
    assert len(source) == len(target)
    source_words, target_words = make_vocabulary(source), make_vocabulary(target)
    batches = make_batches(source, target, source_words, target_words)

    config = Config(
        bidirectional=True,
        sourceVocabulary=SIZE,
        targetVocabulary=SIZE,
        sourceEmbedding=256,
        targetEmbedding=256,
        encoderHidden=128,
        decoderHidden=256,
        score="general",
    )
    seeds = Seeds(400_000)
    parameters = {n: seeds.draw(p.shape, 0.08)[0] for n, p in Seq2Seq(config).named_parameters()}
    options = {**ADAM, "learningRate": 0.001, "maxGradientNorm": 5.0}
    losses, norms = train(build(config, parameters, torch.float32), batches, options)
    losses64, _ = train(build(config, parameters, torch.float64), batches, options)
    away = [abs(a / b - 1) for a, b in zip(losses, losses64)]
    print(f"float32 is at most {max(away[:20]):.1e} from float64 in the first 20 steps, {max(away):.1e} in all")
    fixture = {
        "config": asdict(config),
        "rowsPerBatch": ROWS,
        "vocabularies": {"source": describe(source_words), "target": describe(target_words)},
        "firstRow": {key: unpadded(batches[0][part][0]) for key, part in [("source", 0), ("targetOut", 3)]},
        "sourceTokens": [lengths.sum().item() for _, lengths, _, _ in batches],
        "targetTokens": [(target_out != PADDING).sum().item() for *_, target_out in batches],
        "parameters": parameters,
        "training": {**options, "losses": losses, "lossesFloat64": losses64, "gradientNorms": norms},
    }
    save_json(here / "enja-losses.json", fixture)


if __name__ == "__main__":
    main()
