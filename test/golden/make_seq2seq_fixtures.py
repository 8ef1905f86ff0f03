"""Writes seq2seq/*.json: whole models on one small padded batch, with logits, gradients and ten losses of training.

Everything is computed in float64 from float32 weights. README.md says what the fields mean.
"""

import pathlib
from dataclasses import asdict, replace

import torch

from fixture_io import Seeds, hash_tensor, save_json, written
from hash_numbers import hash_ids
from seq2seq_model import END, PADDING, START, UNKNOWN, Config, Seq2Seq, loss_sum, normalized_loss

HERE = pathlib.Path(__file__).parent
STEPS = 10

ADAM = {"optimizer": "adam", "learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0}
ADAMW = {**ADAM, "optimizer": "adamw", "weightDecay": 0.01}
SGD = {"optimizer": "sgd", "learningRate": 0.1, "momentum": 0.9, "weightDecay": 0.01}

# Padded shapes and lengths (with </s>, and of the target with <s> or </s>, not both). Rows are unsorted, one source is
# nothing but </s>, and two of the batches are padded beyond their longest row, as a length bucket is.
BATCHES = [
    {"S": 6, "T": 7, "source": [4, 6, 1, 5], "target": [7, 3, 5, 1]},
    {"S": 5, "T": 6, "source": [1, 5, 3], "target": [4, 6, 2]},
    {"S": 6, "T": 6, "source": [5, 1, 4, 2], "target": [2, 5, 3, 5]},
    {"S": 5, "T": 5, "source": [3, 4, 1], "target": [1, 2, 4]},
]


def cases():
    """name → (config, extra trainings). Each cell, direction and input feeding; then every other option."""
    uni, bi = Config(), Config(bidirectional=True, encoderHidden=3, decoderHidden=6)
    named = {}
    for cell, activation, label in [
        ("lstm", "tanh", "lstm"),
        ("gru", "tanh", "gru"),
        ("rnn", "tanh", "rnn-tanh"),
        ("rnn", "relu", "rnn-relu"),
    ]:
        for direction, base in [("uni", uni), ("bi", bi)]:
            for feeding in [False, True]:
                config = replace(base, cell=cell, activation=activation, inputFeeding=feeding)
                named[f"{label}-{direction}{'-feed' if feeding else ''}"] = (config, [])

    two = {"layers": 2}
    wide = {"bridge": "linear", "decoderHidden": 7}  # from bi's 6 to an odd 7
    for name, config in {
        "lstm-bi-2layer": replace(bi, **two),
        "lstm-bi-2layer-feed": replace(bi, **two, inputFeeding=True),
        "gru-uni-2layer": replace(uni, **two, cell="gru"),
        "gru-uni-2layer-feed": replace(uni, **two, cell="gru", inputFeeding=True),
        "lstm-uni-dot": replace(uni, score="dot"),
        "gru-bi-dot-feed": replace(bi, cell="gru", score="dot", inputFeeding=True),
        "lstm-bi-concat": replace(bi, score="concat"),
        "lstm-uni-concat-feed": replace(uni, score="concat", inputFeeding=True),
        "lstm-bi-bridge": replace(bi, **wide),
        "lstm-uni-bridge-feed": replace(uni, bridge="linear", encoderHidden=5, inputFeeding=True),
        "gru-bi-bridge-concat": replace(bi, **wide, cell="gru", score="concat"),
        "rnn-tanh-uni-bridge": replace(uni, bridge="linear", encoderHidden=5, cell="rnn"),
        "lstm-bi-tied": replace(bi, tiedSoftmax=True, targetEmbedding=6),
        "gru-uni-tied-feed": replace(uni, cell="gru", tiedSoftmax=True, targetEmbedding=7, inputFeeding=True),
        "lstm-uni-smoothing": replace(uni, labelSmoothing=0.1),
        "gru-bi-sentences": replace(bi, cell="gru", normalization="sentences"),
        "lstm-bi-everything": replace(
            bi,
            **wide,
            **two,
            targetEmbedding=7,
            sourceEmbedding=6,
            score="concat",
            inputFeeding=True,
            tiedSoftmax=True,
            labelSmoothing=0.1,
            normalization="sentences",
        ),
    }.items():
        named[name] = (config, [])

    # Sums over a sentence make the gradients large enough that a norm of 1 clips.
    clip = {"maxGradientNorm": 1.0}
    named["lstm-bi"][1].extend([SGD, ADAMW])
    named["lstm-bi-tied"][1].append(SGD)
    named["gru-bi-sentences"][1].append({**ADAM, **clip})
    named["lstm-bi-everything"][1].extend([{**SGD, "weightDecay": 0, **clip}, {**ADAMW, "weightDecay": 0.1, **clip}])
    return named


def scale_of(name, config):
    """Large enough that attention is sharp and every path matters to the loss; a relu must not run away."""
    relu = config.activation == "relu"
    if ".bias" in name:
        return 0.4
    if ".rnn." in name:
        return 0.5 if relu else 1.1
    if ".attention." in name and ".linear_out." not in name:
        return 0.9 if relu else 1.8
    return 1.2


def make_batch(index, config):
    """Ids from the hash; rows end with </s> on the source's and the output's side; <unk> may occur."""
    spec = BATCHES[(index + index // 4) % len(BATCHES)]
    rows = len(spec["source"])
    source = torch.full((rows, spec["S"]), PADDING)
    target_in, target_out = torch.full((2, rows, spec["T"]), PADDING)
    for b, (s, t) in enumerate(zip(spec["source"], spec["target"])):
        words = words_of(10 * index + b, s - 1, config.sourceVocabulary)
        source[b, :s] = torch.cat([words, torch.tensor([END])])
        words = words_of(1000 + 10 * index + b, t - 1, config.targetVocabulary)
        target_in[b, :t] = torch.cat([torch.tensor([START]), words])
        target_out[b, :t] = torch.cat([words, torch.tensor([END])])
    return source, torch.tensor(spec["source"]), target_in, target_out


def words_of(seed, count, vocabulary):
    ids = torch.from_numpy(hash_ids(seed, count, 3, vocabulary))
    return torch.where(ids == 3, UNKNOWN, ids)


def make_optimizer(options, parameters):
    shared = {"lr": options["learningRate"], "weight_decay": options["weightDecay"]}
    if options["optimizer"] == "sgd":
        return torch.optim.SGD(parameters, momentum=options["momentum"], **shared)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[options["optimizer"]]
    return kind(parameters, betas=(options["beta1"], options["beta2"]), eps=options["epsilon"], **shared)


def train(model, batch, options):
    """Ten steps on one batch. losses[k] and gradientNorms[k] (before clipping) belong to the weights after k updates."""
    source, lengths, target_in, target_out = batch
    optimizer = make_optimizer(options, model.parameters())
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = normalized_loss(model.config, model(source, lengths, target_in)["logits"], target_out)
        loss.backward()
        limit = options.get("maxGradientNorm", float("inf"))
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())
    return {**options, "losses": losses, "gradientNorms": norms}


def build(config, descriptions, dtype):
    model = Seq2Seq(config).to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(hash_tensor(descriptions[name], dtype))
    return model


def check_rows_alone(model, batch, result):
    """Padding, packing and masks must not matter: each row by itself, unpadded, gives the same numbers."""
    source, lengths, target_in, target_out = batch
    for b in range(len(source)):
        s, t = lengths[b], (target_out[b] != PADDING).sum()
        alone = model(source[b : b + 1, :s], lengths[b : b + 1], target_in[b : b + 1, :t])
        for key, whole in [("logits", result["logits"][b, :t]), ("attention", result["attention"][b, :t, :s])]:
            torch.testing.assert_close(alone[key][0], whole, rtol=1e-12, atol=1e-12)
        for state, whole in zip(alone["final"], result["final"]):
            torch.testing.assert_close(state[:, 0], whole[:, b], rtol=1e-12, atol=1e-12)


def deviation(actual, expected):
    """The largest error of a float32 tensor relative to the largest magnitude of the float64 one."""
    return ((actual.double() - expected).abs().max() / expected.abs().max().clamp_min(1e-30)).item()


def main():
    torch.set_num_threads(2)
    folder = HERE / "seq2seq"
    for stale in folder.glob("*.json"):
        stale.unlink()
    worst = {"logits": 0.0, "gradients": 0.0, "losses": 0.0}
    for index, (name, (config, extra)) in enumerate(cases().items()):
        batch = source, lengths, target_in, target_out = make_batch(index, config)
        valid = target_out != PADDING

        seeds = Seeds(100_000 + 100 * index)
        parameters = {}
        for parameter_name, parameter in Seq2Seq(config).named_parameters():
            parameters[parameter_name], _ = seeds.draw(parameter.shape, scale_of(parameter_name, config))

        results = {}
        for dtype in [torch.float64, torch.float32]:
            model = build(config, parameters, dtype)
            result = model(source, lengths, target_in)
            loss = normalized_loss(config, result["logits"], target_out)
            loss.backward()
            gradients = {n: p.grad.clone() for n, p in model.named_parameters()}
            trainings = [train(build(config, parameters, dtype), batch, options) for options in [ADAM, *extra]]
            results[dtype] = (model, result, loss, gradients, trainings)
        model, result, loss, gradients, trainings = results[torch.float64]
        check_rows_alone(model, batch, result)
        for training in trainings:
            limit = training.get("maxGradientNorm")
            clipped = sum(norm > limit for norm in training["gradientNorms"]) if limit else 0
            assert limit is None or clipped >= 3, (name, training["gradientNorms"])
        for training in trainings[1:]:
            # An option that changes nothing would be tested by nothing.
            change = abs(training["losses"][-1] / trainings[0]["losses"][-1] - 1)
            print(f"  {name}: {training['optimizer']} ends {change:.1e} away from plain adam")
            assert change > 1e-4
        # How far PyTorch's own float32 is from this, over all fixtures: what a tolerance may be measured against.
        _, result32, _, gradients32, trainings32 = results[torch.float32]
        worst["logits"] = max(worst["logits"], deviation(result32["logits"][valid], result["logits"][valid]))
        for n, gradient in gradients.items():
            worst["gradients"] = max(worst["gradients"], deviation(gradients32[n], gradient))
        for a, b in zip(trainings32, trainings):
            worst["losses"] = max(worst["losses"], deviation(torch.tensor(a["losses"]), torch.tensor(b["losses"])))

        total = loss_sum(config, result["logits"], target_out).item()
        blank = (~valid)[..., None]
        fixture = {
            "name": name,
            "config": asdict(config),
            "batch": {
                "source": source.tolist(),
                "sourceLengths": lengths.tolist(),
                "targetIn": target_in.tolist(),
                "targetOut": target_out.tolist(),
                "targetLengths": valid.sum(1).tolist(),
            },
            "parameters": parameters,
            "loss": {
                "sum": total,
                "perToken": total / valid.sum().item(),
                "perSentence": total / len(source),
                "normalized": loss.item(),
            },
            "memory": written(result["memory"]),
            "finalStates": {k: written(state) for k, state in zip("hc", result["final"])},
            "attention": written(result["attention"].masked_fill(blank, 0)),
            "attentional": written(result["attentional"].masked_fill(blank, 0)),
            "logits": written(result["logits"].masked_fill(blank, 0)),
            "gradients": {n: written(gradient) for n, gradient in gradients.items()},
            "trainings": trainings,
        }
        save_json(folder / f"{name}.json", fixture)
    print("largest deviation of PyTorch's float32:", {k: f"{v:.1e}" for k, v in worst.items()})


if __name__ == "__main__":
    main()
