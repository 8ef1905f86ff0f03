"""Writes ops/*.json: single operations with an upstream gradient, forward and backward by PyTorch in float64.

Sequences are time-major ([T,B,H]), as in the kernels. The fields are documented in test/setup/golden.ts.
"""

import pathlib

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fixture_io import Seeds, save_json, written
from make_seq2seq_fixtures import make_optimizer
from philox import KNOWN_ANSWERS, philox4x32_10
from seq2seq_model import PADDING, Attention, Config

FOLDER = pathlib.Path(__file__).parent / "ops"


def drawn(seeds, shape, scale):
    """A hash tensor as (description, leaf that collects a gradient)."""
    description, values = seeds.draw(shape, scale)
    return description, values.requires_grad_()


def step_mask(steps, lengths):
    """[T,B,1], one at real positions."""
    return (torch.arange(steps)[:, None] < torch.tensor(lengths)).double()[..., None]


# --- recurrence ---


def recurrent_case(index, cell, activation, reverse):
    """One direction of a bidirectional PyTorch module: the other one's outputs are simply not used."""
    T, B, I, H = 5, 4, 3, 7
    lengths = [3, 5, 1, 4]
    seeds = Seeds(200_000 + 100 * index)
    options = {"nonlinearity": activation} if cell == "rnn" else {}
    module = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](I, H, bidirectional=True, **options).double()
    direction, suffix = int(reverse), "_reverse" if reverse else ""

    fixture = {
        "name": f"{cell if cell != 'rnn' else 'rnn-' + activation}-{'reverse' if reverse else 'forward'}",
        "cell": cell,
        "activation": activation,
        "reverse": reverse,
        "lengths": lengths,
    }
    fixture["input"], inputs = drawn(seeds, [T, B, I], 1.5)
    states = ["h", "c"] if cell == "lstm" else ["h"]
    fixture["initial"], initial = {}, {}
    for state in states:
        fixture["initial"][state], initial[state] = drawn(seeds, [B, H], 0.9)
    weights = {"weightIh": "weight_ih_l0", "weightHh": "weight_hh_l0", "biasIh": "bias_ih_l0", "biasHh": "bias_hh_l0"}
    weights = {ours: getattr(module, theirs + suffix) for ours, theirs in weights.items()}
    for ours, parameter in weights.items():
        fixture[ours], values = seeds.draw(parameter.shape, 0.5 if ours.startswith("bias") else 0.8)
        with torch.no_grad():
            parameter.copy_(values)

    # [2,B,H] with our direction's state in its place.
    both = [torch.stack([initial[s], torch.zeros(B, H).double()][:: -1 if reverse else 1]) for s in states]
    packed = pack_padded_sequence(inputs, torch.tensor(lengths), enforce_sorted=False)
    packed_output, final = module(packed, tuple(both) if cell == "lstm" else both[0])
    padded, _ = pad_packed_sequence(packed_output, total_length=T)
    output = padded[..., direction * H : (direction + 1) * H]
    final = {s: f[direction] for s, f in zip(states, final if cell == "lstm" else [final])}

    _, upstream_output = seeds.draw([T, B, H], 1.0)
    upstream_output = upstream_output * step_mask(T, lengths)
    upstream_final = {s: seeds.draw([B, H], 1.0) for s in states}
    objective = (output * upstream_output).sum() + sum((final[s] * upstream_final[s][1]).sum() for s in states)
    objective.backward()

    fixture["output"] = written(output)
    fixture["final"] = {s: written(final[s]) for s in states}
    fixture["upstream"] = {
        "output": written(upstream_output, exact=True),
        "final": {s: upstream_final[s][0] for s in states},
    }
    fixture["gradients"] = {
        "input": written(inputs.grad),
        "initial": {s: written(initial[s].grad) for s in states},
        **{ours: written(parameter.grad) for ours, parameter in weights.items()},
    }
    return fixture


def recurrent_cases():
    kinds = [("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu")]
    pairs = [(kind, reverse) for kind in kinds for reverse in [False, True]]
    return [recurrent_case(i, *kind, reverse) for i, (kind, reverse) in enumerate(pairs)]


# --- attention ---


def masked_softmax_case():
    lengths = [9, 1, 0, 4, 8, 2, 9]
    seeds = Seeds(210_000)
    _, scores = seeds.draw([7, 9], 4.0)
    # Rows far from zero and far apart: exp() must not overflow, nor all underflow.
    shifts = torch.tensor([0, 0, 0, 300, -300, 0, 0]).double()
    stretch = torch.tensor([1, 1, 1, 1, 1, 1, 50]).double()
    scores = (scores * stretch[:, None] + shifts[:, None]).float().double().requires_grad_()
    upstream_description, upstream = seeds.draw([7, 9], 1.0)
    # Row by row over the real columns only: no mask to get wrong. A row without any is zeros.
    rows = [F.pad(torch.softmax(row[:n], 0), (0, 9 - n)) for row, n in zip(scores, lengths)]
    output = torch.stack(rows)
    (output * upstream).sum().backward()
    return {
        "lengths": lengths,
        "input": written(scores, exact=True),
        "output": written(output),
        "upstream": upstream_description,
        "gradient": written(scores.grad),
    }


def attention_case(index, score):
    T, S, B = 3, 5, 4
    lengths = [5, 1, 3, 4]
    config = Config(score=score, encoderHidden=7 if score == "dot" else 5, bridge="linear")
    seeds = Seeds(220_000 + 100 * index)
    module = Attention(config).double()
    fixture = {"score": score, "lengths": lengths}
    fixture["queries"], queries = drawn(seeds, [T, B, config.decoderHidden], 1.0)
    fixture["memory"], memory = drawn(seeds, [S, B, config.encoderOutput], 1.0)
    fixture["parameters"] = {}
    for name, parameter in module.named_parameters():
        fixture["parameters"][name], values = seeds.draw(parameter.shape, 0.8)
        with torch.no_grad():
            parameter.copy_(values)

    # The module is batch-major.
    mask = torch.arange(S)[None] < torch.tensor(lengths)[:, None]
    queries_bt, memory_bs = queries.transpose(0, 1), memory.transpose(0, 1)
    scores = module.scores(queries_bt, memory_bs).transpose(0, 1)
    attentional, weights = module(queries_bt, memory_bs, mask)
    fixture["scores"] = written(scores)
    fixture["weights"] = written(weights.transpose(0, 1))
    fixture["context"] = written((weights @ memory_bs).transpose(0, 1))
    attentional = attentional.transpose(0, 1)
    fixture["attentional"] = written(attentional)

    for key, output in [("scoreBackward", scores), ("attentionBackward", attentional)]:
        for leaf in [queries, memory, *module.parameters()]:
            leaf.grad = None
        description, upstream = seeds.draw(output.shape, 1.0)
        (output * upstream).sum().backward(retain_graph=True)
        gradients = {n: written(p.grad) for n, p in module.named_parameters() if p.grad is not None}
        fixture[key] = {
            "upstream": description,
            "queries": written(queries.grad),
            "memory": written(memory.grad),
            "parameters": gradients,
        }
    return fixture


def pooling_case():
    T, B, H = 6, 4, 5
    lengths = [6, 1, 4, 3]
    seeds = Seeds(225_000)
    fixture = {"lengths": lengths}
    fixture["input"], inputs = drawn(seeds, [T, B, H], 1.0)
    # Row by row over the real steps only: no mask to get wrong.
    rows = [inputs[:length, row] for row, length in enumerate(lengths)]
    fixture["upstream"], upstream = seeds.draw([B, H], 1.0)
    for name, output in {
        "mean": torch.stack([row.mean(0) for row in rows]),
        "max": torch.stack([row.max(0).values for row in rows]),
    }.items():
        (gradient,) = torch.autograd.grad((output * upstream).sum(), inputs, retain_graph=True)
        fixture[name] = {"output": written(output), "gradient": written(gradient)}

    projection, query = nn.Linear(H, 3).double(), nn.Linear(3, 1, bias=False).double()
    parameters = {"weight": projection.weight, "bias": projection.bias, "v": query.weight}
    attention = {"parameters": {}}
    for name, parameter in parameters.items():
        attention["parameters"][name], values = seeds.draw(parameter.shape, 1.5)
        with torch.no_grad():
            parameter.copy_(values)
    weights = [torch.softmax(query(torch.tanh(projection(row)))[:, 0], 0) for row in rows]
    context = torch.stack([weight @ row for weight, row in zip(weights, rows)])
    alignments = torch.stack([F.pad(weight, (0, T - len(weight))) for weight in weights])
    attention["upstream"] = {}
    attention["upstream"]["context"], d_context = seeds.draw(context.shape, 1.0)
    attention["upstream"]["alignments"], d_alignments = seeds.draw(alignments.shape, 1.0)
    objective = (context * d_context).sum() + (alignments * d_alignments).sum()
    leaves = {"memory": inputs, **parameters}
    gradients = torch.autograd.grad(objective, list(leaves.values()))
    attention["context"], attention["alignments"] = written(context), written(alignments)
    attention["gradients"] = {name: written(gradient) for name, gradient in zip(leaves, gradients)}
    return {**fixture, "attention": attention}


# --- embedding and loss ---


def embedding_case():
    ids = torch.tensor([[4, 2, 2], [0, 4, 1], [4, 12, 1], [3, 3, 1]])
    seeds = Seeds(230_000)
    weight_description, weight = drawn(seeds, [13, 5], 1.0)
    upstream_description, upstream = seeds.draw([*ids.shape, 5], 1.0)
    output = F.embedding(ids, weight)
    (gradient,) = torch.autograd.grad((output * upstream).sum(), weight)
    (without,) = torch.autograd.grad((F.embedding(ids, weight, padding_idx=PADDING) * upstream).sum(), weight)
    return {
        "ids": ids.tolist(),
        "paddingId": PADDING,
        "weight": weight_description,
        "output": written(output),
        "upstream": upstream_description,
        "gradient": written(gradient),
        "gradientWithoutPadding": written(without),
    }


def cross_entropy_case(index, name, vocabulary, smoothing, scale, weighted=False):
    """`scale` of the input: large ones make logits of ±100 and probabilities that underflow."""
    H = 7
    targets = torch.tensor([4, 1, 0, vocabulary - 1, 3, 4, 1, 2, 5])
    seeds = Seeds(240_000 + 100 * index)
    fixture = {"name": name, "paddingId": PADDING, "labelSmoothing": smoothing, "targets": targets.tolist()}
    fixture["input"], inputs = drawn(seeds, [len(targets), H], scale)
    fixture["weight"], weight = drawn(seeds, [vocabulary, H], 1.0)
    fixture["bias"], bias = drawn(seeds, [vocabulary], 0.5)
    logits = F.linear(inputs, weight, bias)
    logits.retain_grad()
    options = {"ignore_index": PADDING, "label_smoothing": smoothing}
    if weighted:
        # Of one target and of a class that is none the weight is 0.
        options["weight"] = (torch.arange(vocabulary) * 7 % 10).double() / 4
        fixture["classWeights"] = written(options["weight"], exact=True)
    total = F.cross_entropy(logits, targets, reduction="sum", **options)
    total.backward()
    fixture["logits"] = written(logits)
    fixture["rowLosses"] = written(F.cross_entropy(logits, targets, reduction="none", **options))
    fixture["sum"] = total.item()
    fixture["mean"] = F.cross_entropy(logits, targets, **options).item()
    leaves = {"logits": logits, "input": inputs, "weight": weight, "bias": bias}
    fixture["gradients"] = {key: written(leaf.grad) for key, leaf in leaves.items()}
    return fixture


def cross_entropy_cases():
    return [
        cross_entropy_case(0, "plain", 11, 0.0, 1.0),
        cross_entropy_case(1, "smoothing", 11, 0.1, 1.0),
        cross_entropy_case(2, "wide", 67, 0.0, 1.0),
        cross_entropy_case(3, "wide-smoothing", 67, 0.1, 1.0),
        cross_entropy_case(4, "large-logits", 13, 0.1, 60.0),
        cross_entropy_case(5, "class-weights", 11, 0.0, 1.0, weighted=True),
        cross_entropy_case(6, "class-weights-smoothing", 67, 0.1, 1.0, weighted=True),
    ]


# --- updates ---


def optimizer_case(index, name, options, learning_rates):
    seeds = Seeds(250_000 + 1000 * index)
    shapes = {"a": [3, 5], "b": [7]}
    fixture = {"name": name, **options, "learningRate": learning_rates[0], "learningRates": learning_rates}
    fixture["initial"], parameters = {}, {}
    for key, shape in shapes.items():
        fixture["initial"][key], parameters[key] = drawn(seeds, shape, 0.5)
    optimizer = make_optimizer({**options, "learningRate": learning_rates[0]}, list(parameters.values()))
    fixture["steps"] = []
    for step, rate in enumerate(learning_rates):
        optimizer.param_groups[0]["lr"] = rate
        gradients = {}
        for key, parameter in parameters.items():
            gradients[key], parameter.grad = seeds.draw(parameter.shape, [1.0, 0.1, 0.01, 3.0, 1e-4][step % 5])
        optimizer.step()
        after = {key: written(parameter) for key, parameter in parameters.items()}
        fixture["steps"].append({"gradients": gradients, "parameters": after})
    return fixture


def optimizer_cases():
    constant, changing = [0.01] * 6, [0.02, 0.02, 0.01, 0.005, 0.0, 0.03]
    adam = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    return [
        optimizer_case(i, name, options, rates)
        for i, (name, options, rates) in enumerate(
            [
                ("sgd", {"optimizer": "sgd", "momentum": 0.0, "weightDecay": 0.0}, constant),
                ("sgd-momentum", {"optimizer": "sgd", "momentum": 0.9, "weightDecay": 0.0}, changing),
                ("sgd-momentum-decay", {"optimizer": "sgd", "momentum": 0.9, "weightDecay": 0.05}, constant),
                ("adam", {"optimizer": "adam", **adam, "weightDecay": 0.0}, constant),
                ("adam-changing-rate", {"optimizer": "adam", **adam, "weightDecay": 0.0}, changing),
                (
                    "adam-decay",
                    {"optimizer": "adam", "beta1": 0.8, "beta2": 0.98, "epsilon": 1e-6, "weightDecay": 0.05},
                    constant,
                ),
                ("adamw", {"optimizer": "adamw", **adam, "weightDecay": 0.05}, constant),
                ("adamw-changing-rate", {"optimizer": "adamw", **adam, "weightDecay": 0.05}, changing),
            ]
        )
    ]


def clip_case(index, name, scale, limit):
    seeds = Seeds(260_000 + 100 * index)
    descriptions, parameters = {}, {}
    for key, shape in {"a": [3, 5], "b": [7], "c": [1]}.items():
        descriptions[key], gradient = seeds.draw(shape, scale)
        parameters[key] = torch.zeros_like(gradient)
        parameters[key].grad = gradient
    norm = nn.utils.clip_grad_norm_(parameters.values(), limit)
    return {
        "name": name,
        "maxNorm": limit,
        "gradients": descriptions,
        "norm": norm.item(),
        "clipped": {key: written(parameter.grad) for key, parameter in parameters.items()},
    }


def clip_cases():
    return [
        clip_case(0, "clipped", 2.0, 1.0),
        clip_case(1, "below-the-limit", 0.1, 5.0),
        clip_case(2, "zero", 0.0, 1.0),
        clip_case(3, "huge", 1e6, 0.25),
    ]


def philox_cases():
    words = lambda values: [f"{value:08x}" for value in values]  # noqa: E731
    own = [
        ([1, 0, 0, 0], [0, 0]),
        ([0, 1, 0, 0], [0, 0]),
        ([0, 0, 1, 0], [0, 0]),
        ([0, 0, 0, 1], [0, 0]),
        ([0, 0, 0, 0], [1, 0]),
        ([0, 0, 0, 0], [0, 1]),
        ([2**32 - 1, 2, 3, 4], [0x12345678, 0x9ABCDEF0]),
    ]
    cases = [(counter, key) for counter, key, _ in KNOWN_ANSWERS] + own
    return [{"counter": words(c), "key": words(k), "output": words(philox4x32_10(c, k))} for c, k in cases]


def main():
    torch.set_num_threads(2)
    save_json(FOLDER / "recurrent.json", recurrent_cases())
    save_json(FOLDER / "masked-softmax.json", masked_softmax_case())
    save_json(FOLDER / "attention.json", [attention_case(i, score) for i, score in enumerate(["dot", "general", "concat"])])
    save_json(FOLDER / "pooling.json", pooling_case())
    save_json(FOLDER / "embedding.json", embedding_case())
    save_json(FOLDER / "cross-entropy.json", cross_entropy_cases())
    save_json(FOLDER / "optimizers.json", optimizer_cases())
    save_json(FOLDER / "clip.json", clip_cases())
    save_json(FOLDER / "philox.json", philox_cases())


if __name__ == "__main__":
    main()
