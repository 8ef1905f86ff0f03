"""Writes models/*.json: taggers, classifiers, generators, seq2seq without attention and language models on one small
batch, with outputs, gradients and the losses of some updates; and language-model-stream.json, chunks of a stream.

Everything is computed in float64 from float32 weights. README.md says what the fields mean. Needs pytorch-crf==0.7.2
beside the others.
"""

import pathlib

import torch

from fixture_io import Seeds, hash_tensor, save_json, written
from hash_numbers import hash_ids
from task_models import END, IGNORED, MODELS, START, LanguageModel, Rows, names, word_loss

FOLDER = pathlib.Path(__file__).parent / "models"
STEPS = 4
# Of plain SGD with momentum: unlike Adam's, its updates show by what the loss is divided.
SGD = {"lr": 0.1, "momentum": 0.9}

SIZES = {"source": 13, "target": 11, "characters": 8}
LENGTHS = {"source": [4, 6, 1, 3], "target": [3, 1, 5, 4]}
CLASSES = 5


def encoder(**changes):
    section = {"hidden_size": 5, "bidirectional": False, "num_layers": 1, "residual": False, "initial_state": "zeros"}
    return {"embeddings": {"embedding_dim": 4}, **section, **changes}


def decoder(embedding=4, **changes):
    return {"embeddings": {"embedding_dim": embedding}, "hidden_size": 5, "num_layers": 1, "residual": False, **changes}


def model(kind, cell="lstm", **sections):
    return {"type": kind, "cell": cell, "nonlinearity": "tanh", **sections}


def tagger(cell="lstm", crf=False, characters=False, **changes):
    spelling = {"use": characters, "embedding_dim": 3, "hidden_size": 2}
    return model("tagger", cell, encoder=encoder(**changes), characters=spelling, crf=crf)


def classifier(pooling, cell="lstm", **changes):
    return model("classifier", cell, encoder=encoder(**changes), pooling=pooling)


def generator(use, cell="lstm", tied_softmax=False, **changes):
    given = {"embedding_dim": 3, "use": use}
    return model("generator", cell, input=given, decoder=decoder(**changes), tied_softmax=tied_softmax)


def seq2seq(context, use, cell="lstm", bridge="none", read=None, tied_softmax=False, **changes):
    section = {"attention": {"score": "none"}, "context": context, "context_use": use, "bridge": bridge}
    section = decoder(**{**section, **changes})
    return model("seq2seq", cell, encoder=encoder(**(read or {})), decoder=section, tied_softmax=tied_softmax)


def language_model(cell="lstm", tied_softmax=False, **changes):
    return model("language_model", cell, decoder=decoder(**changes), tied_softmax=tied_softmax)


# A bidirectional encoder of 3 units puts out 6; two layers of it.
BI = {"hidden_size": 3, "bidirectional": True}
TWO = {"num_layers": 2}
RESIDUAL = {**TWO, "residual": True}


def cases():
    """name → (model, what else is given)."""
    frames, smooth = {"frames": True}, {"labelSmoothing": 0.1}
    skewed = {"classWeights": [0.5, 2.0, 1.25, 0.0, 3.0]}
    return {
        "tagger-lstm-uni": (tagger(), {"ignored": True, **smooth}),
        "tagger-gru-bi": (tagger("gru", **BI), {}),
        "tagger-rnn-bi-residual-learned": (tagger("rnn", initial_state="learned", **BI, **RESIDUAL), {}),
        "tagger-lstm-bi-learned-frames": (tagger(initial_state="learned", **BI), frames),
        "tagger-lstm-bi-characters-crf": (tagger(characters=True, crf=True, **BI), {}),
        "tagger-gru-characters": (tagger("gru", characters=True), {"ignored": True}),
        "tagger-gru-residual-crf": (tagger("gru", crf=True, **RESIDUAL), {}),
        "classifier-lstm-bi-last-weights": (classifier("last", **BI, **TWO), skewed),
        "classifier-gru-mean": (classifier("mean", "gru"), smooth),
        "classifier-lstm-bi-max-frames": (classifier("max", **BI), frames),
        "classifier-rnn-attention-weights": (classifier("attention-pooled", "rnn"), {**skewed, **smooth}),
        "generator-lstm-class-every": (generator("every_step"), {}),
        "generator-gru-class-first-2layer": (generator("first_step", "gru", **RESIDUAL), smooth),
        "generator-lstm-frames-first": (generator("first_step"), frames),
        "generator-rnn-frames-every-tied": (generator("every_step", "rnn", embedding=5, tied_softmax=True), frames),
        "seq2seq-lstm-last-initial-2layer": (seq2seq("last", "initial_state", read=TWO, **TWO), {}),
        "seq2seq-gru-bi-last-both-bridge": (seq2seq("last", "both", "gru", "linear", read=BI), {}),
        "seq2seq-lstm-last-every": (seq2seq("last", "every_step", read=BI), smooth),
        "seq2seq-lstm-linear-initial": (seq2seq("linear", "initial_state"), {}),
        "seq2seq-gru-linear-both": (seq2seq("linear", "both", "gru", embedding=5, tied_softmax=True), {}),
        "seq2seq-lstm-mean-initial-bridge": (seq2seq("mean", "initial_state", bridge="linear", read=BI), {}),
        "seq2seq-rnn-mean-both-residual": (seq2seq("mean", "both", "rnn", hidden_size=6, read=BI, **RESIDUAL), {}),
        "seq2seq-gru-max-every": (seq2seq("max", "every_step", "gru", read=BI, **RESIDUAL), {}),
        "seq2seq-lstm-max-both-bridge": (seq2seq("max", "both", bridge="linear", **TWO), {}),
        "seq2seq-gru-attention-initial": (seq2seq("attention-pooled", "initial_state", "gru"), {}),
        "seq2seq-lstm-attention-every-frames": (seq2seq("attention-pooled", "every_step"), frames),
        "seq2seq-reset-before-last-initial": (seq2seq("last", "initial_state", "gru_reset_before"), {}),
        "seq2seq-reset-before-bi-mean-both": (
            seq2seq("mean", "both", "gru_reset_before", "linear", read={**BI, **TWO}),
            {},
        ),
        "language-model-lstm": (language_model(), smooth),
        "language-model-gru-tied-residual": (language_model("gru", embedding=5, tied_softmax=True, **RESIDUAL), {}),
    }


def words_of(seed, count, vocabulary):
    """Words, <unk> among them."""
    return [0 if i == 3 else i for i in hash_ids(seed, count, 3, vocabulary).tolist()]


def spell(seed):
    """The characters of a token, one to five."""
    return hash_ids(seed, 1 + seed % 5, 4, SIZES["characters"]).tolist()


def make_batch(index, config, given, seeds):
    """(what the fixture says, what PyTorch reads): rows without padding, as they are in a data set."""
    kind, size = config["type"], SIZES["source"]
    lengths = LENGTHS["source"] if kind in ("tagger", "classifier", "seq2seq") else [1] * 4
    if kind == "language_model":
        source, values = [[] for _ in lengths], None
    elif given.get("frames"):
        source, values = zip(*[seeds.draw([length, size], 1.5) for length in lengths])
    else:
        low = 4 if kind != "generator" else 0
        source = [hash_ids(10 * index + b, length, low, size).tolist() for b, length in enumerate(lengths)]
        if kind == "seq2seq":
            source = [[*row[:-1], END] for row in source]
        values = source
    batch = {"source": list(source)}
    if config.get("characters", {}).get("use"):
        at = 1000 * index
        batch["characters"] = [[spell(at + 10 * b + s) for s in range(n)] for b, n in enumerate(lengths)]
    if kind == "classifier":
        # All different: of rows of one class the weights would cancel.
        target = [[(index + 2 * b) % CLASSES] for b in range(len(lengths))]
    elif kind == "tagger":
        target = [hash_ids(5000 + 10 * index + b, n, 0, CLASSES).tolist() for b, n in enumerate(lengths)]
        if given.get("ignored"):
            target[1][2] = target[3][0] = IGNORED
    else:
        target = [words_of(7000 + 10 * index + b, n - 1, SIZES["target"]) + [END] for b, n in enumerate(LENGTHS["target"])]
    batch["target"] = target
    if "classWeights" in given:
        batch["classWeights"] = given["classWeights"]
    return batch, {**batch, "source": values}


def scale_of(name):
    """Large enough that gates saturate here and there and every path matters to the loss."""
    if "bias" in name:
        return 0.4
    return 1.5 if "embedding" in name or "context" in name or "crf" in name else 1.1


def build(config, sizes, given, descriptions):
    result = MODELS[config["type"]](config, sizes, given.get("frames", False)).double()
    with torch.no_grad():
        for name, parameter in names(result).items():
            parameter.copy_(hash_tensor(descriptions[name]))
    return result


def describe(seeds, unset):
    return {name: seeds.draw(parameter.shape, scale_of(name))[0] for name, parameter in names(unset).items()}


def check_rows_alone(result, batch, smoothing, total):
    """Padding, packing and masks must not matter: the losses of the rows by themselves add up to the batch's."""
    keys = [key for key in ("source", "target", "characters") if batch.get(key) is not None]
    rows = [{**batch, **{key: batch[key][b : b + 1] for key in keys}} for b in range(len(batch["target"]))]
    kept = [row for row in rows if not ("classWeights" in row and row["classWeights"][row["target"][0][0]] == 0)]
    alone = sum(result(row, smoothing)[1] for row in kept)
    if smoothing and "classWeights" in batch:
        return  # a row of weight 0 still has the smoothing's share, which has no mean of its own
    torch.testing.assert_close(alone, total, rtol=1e-12, atol=1e-12)


def train(result, batch, smoothing):
    """SGD on one batch: losses[k] belongs to the weights after k updates."""
    optimizer = torch.optim.SGD(result.parameters(), **SGD)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        _, total, count = result(batch, smoothing)
        (total / count).backward()
        optimizer.step()
        losses.append((total / count).item())
    return losses


def make_fixture(index, name, config, given):
    seeds = Seeds(500_000 + 100 * index)
    sizes = {**SIZES, "target": CLASSES if config["type"] in ("tagger", "classifier") else SIZES["target"]}
    said, batch = make_batch(index, config, given, seeds)
    descriptions = describe(seeds, MODELS[config["type"]](config, sizes, given.get("frames", False)))
    smoothing = given.get("labelSmoothing", 0.0)
    result = build(config, sizes, given, descriptions)
    outputs, total, count = result(batch, smoothing)
    check_rows_alone(result, batch, smoothing, total)
    (total / count).backward()
    gradients = {n: p.grad for n, p in names(result).items()}
    for n, gradient in gradients.items():
        # A parameter that does nothing would be tested by nothing.
        assert gradient.abs().max() > 1e-5, (name, n, gradient.abs().max())
    return {
        "name": name,
        "model": config,
        "sizes": sizes,
        "frames": given.get("frames", False),
        "labelSmoothing": smoothing,
        "batch": said,
        "parameters": descriptions,
        "loss": {"sum": total.item(), "count": float(count)},
        "outputs": {n: written(v) if isinstance(v, torch.Tensor) else v for n, v in outputs.items()},
        "gradients": {n: written(gradient) for n, gradient in gradients.items()},
        "training": {
            "learningRate": SGD["lr"],
            "momentum": SGD["momentum"],
            "losses": train(build(config, sizes, given, descriptions), batch, smoothing),
        },
    }


def stream_fixture():
    """Truncated back-propagation through time: chunks of `bptt` steps of parallel streams, each from the states that the
    one before it left (detached), an update after each; twice over the whole stream. And the loss of every token given
    all before it."""
    rows, bptt, epochs = 3, 4, 2
    seeds = Seeds(590_000)
    config = language_model(embedding=5, tied_softmax=True, **RESIDUAL)
    descriptions = describe(seeds, LanguageModel(config, SIZES, False))
    lines = [words_of(9000 + i, n, SIZES["target"]) + [END] for i, n in enumerate([4, 1, 7, 0, 5, 3, 6, 2, 4])]
    stream = sum(lines, [])
    length = len(stream) // rows
    outputs = torch.tensor(stream)
    # Read is the token before, <s> in place of </s> and at the very start.
    before = torch.cat([torch.tensor([END]), outputs[:-1]])
    inputs = torch.where(before == END, START, before)
    side_by_side = [ids[: rows * length].reshape(rows, length) for ids in (inputs, outputs)]
    result = build(config, SIZES, {}, descriptions)
    optimizer = torch.optim.SGD(result.parameters(), **SGD)
    updates = []
    for _ in range(epochs):
        states = None
        for start in range(0, length, bptt):
            read, target = (ids[:, start : start + bptt] for ids in side_by_side)
            optimizer.zero_grad()
            _, logits, states = result.decoder(Rows.of(list(read)), states)
            states = [[state.detach() for state in layer] for layer in states]
            total = word_loss(logits, target, IGNORED, 0.0)
            (total / target.numel()).backward()
            optimizer.step()
            weights = {name: written(parameter) for name, parameter in names(result).items()}
            updates.append({"loss": total.item(), "tokens": target.numel(), "parameters": weights})
    _, logits, _ = result.decoder(Rows.of(inputs[None]))
    assert length % bptt != 0 and len(stream) % rows != 0, "a padded chunk, and words that are left over"
    return {
        "model": config,
        "sizes": SIZES,
        "lines": lines,
        "rows": rows,
        "bptt": bptt,
        "learningRate": SGD["lr"],
        "momentum": SGD["momentum"],
        "parameters": descriptions,
        "updates": updates,
        "finalLoss": word_loss(logits, outputs[None], IGNORED, 0.0).item(),
    }


def main():
    torch.set_num_threads(2)
    for stale in FOLDER.glob("*.json"):
        stale.unlink()
    for index, (name, (config, given)) in enumerate(cases().items()):
        save_json(FOLDER / f"{name}.json", make_fixture(index, name, config, given))
    save_json(FOLDER.parent / "language-model-stream.json", stream_fixture())


if __name__ == "__main__":
    main()
