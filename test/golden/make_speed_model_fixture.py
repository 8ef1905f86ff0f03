"""Writes speed-model.json: ten losses of a model of useful size, whose weights and ids come from the hash.

One-layer LSTM encoder and decoder, dot attention, no bridge, no input feeding, B 64, S = T = 20, E = H = 256, V 2000,
no padding, Adam 1e-3: the model whose training step is counted and timed. Computed in float64.
"""

import pathlib
from dataclasses import asdict

import torch

from fixture_io import Seeds, save_json
from hash_numbers import hash_ids
from make_seq2seq_fixtures import ADAM, build, deviation, train
from seq2seq_model import END, START, Config, Seq2Seq

B, LENGTH, WIDTH, VOCABULARY = 64, 20, 256, 2000


def main():
    torch.set_num_threads(2)
    config = Config(
        sourceVocabulary=VOCABULARY,
        targetVocabulary=VOCABULARY,
        sourceEmbedding=WIDTH,
        targetEmbedding=WIDTH,
        encoderHidden=WIDTH,
        decoderHidden=WIDTH,
        score="dot",
    )
    words = lambda seed: torch.from_numpy(hash_ids(seed, B * (LENGTH - 1), 4, VOCABULARY)).view(B, -1)  # noqa: E731
    start, end = torch.full((B, 1), START), torch.full((B, 1), END)
    lengths = torch.full((B,), LENGTH)
    source, target = words(300_000), words(300_001)
    batch = torch.cat([source, end], 1), lengths, torch.cat([start, target], 1), torch.cat([target, end], 1)

    seeds = Seeds(300_100)
    parameters = {n: seeds.draw(p.shape, 0.05)[0] for n, p in Seq2Seq(config).named_parameters()}
    options = {**ADAM, "learningRate": 0.001}
    training = train(build(config, parameters, torch.float64), batch, options)
    single = train(build(config, parameters, torch.float32), batch, options)
    print("losses", training["losses"])
    print(f"float32 deviates {deviation(torch.tensor(single['losses']), torch.tensor(training['losses'])):.1e}")
    fixture = {
        "config": asdict(config),
        "batch": {
            "rows": B,
            "sourceSeed": 300_000,
            "targetSeed": 300_001,
            "wordsPerRow": LENGTH - 1,
            "low": 4,
            "high": VOCABULARY,
        },
        "parameters": parameters,
        "training": training,
    }
    save_json(pathlib.Path(__file__).parent / "speed-model.json", fixture)


if __name__ == "__main__":
    main()
