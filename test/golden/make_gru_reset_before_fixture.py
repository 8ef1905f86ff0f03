"""Writes ops/gru-reset-before.json: the GRU with the reset before the recurrent product, forward and backward.

PyTorch has no such module, so it is spelt out in single tensor operations, gate by gate and row by row over each row's own
steps, as in Cho et al. 2014 (and as in Keras with reset_after=False and ONNX with linear_before_reset=0):

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)        h' = (1 - z) * n + z * h

and autograd does the rest, in float64. Weights are laid out as nn.GRU's. The fields are recurrent.json's.
"""

import pathlib

import torch

from fixture_io import Seeds, save_json, written
from make_op_fixtures import drawn, step_mask

FOLDER = pathlib.Path(__file__).parent / "ops"
STEPS, BATCH, INPUT, HIDDEN = 5, 4, 3, 7
LENGTHS = [3, 5, 1, 4]


def step(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    """x [I], h [H]: the next h."""
    w_ir, w_iz, w_in = weight_ih.split(HIDDEN)
    w_hr, w_hz, w_hn = weight_hh.split(HIDDEN)
    b_ir, b_iz, b_in = bias_ih.split(HIDDEN)
    b_hr, b_hz, b_hn = bias_hh.split(HIDDEN)
    r = torch.sigmoid(w_ir @ x + b_ir + w_hr @ h + b_hr)
    z = torch.sigmoid(w_iz @ x + b_iz + w_hz @ h + b_hz)
    n = torch.tanh(w_in @ x + b_in + w_hn @ (r * h) + b_hn)
    return (1 - z) * n + z * h


def case(index, reverse):
    seeds = Seeds(280_000 + 100 * index)
    fixture = {
        "name": f"gru-reset-before-{'reverse' if reverse else 'forward'}",
        "cell": "gru_reset_before",
        "activation": "tanh",
        "reverse": reverse,
        "lengths": LENGTHS,
    }
    fixture["input"], inputs = drawn(seeds, [STEPS, BATCH, INPUT], 1.5)
    description, initial = drawn(seeds, [BATCH, HIDDEN], 0.9)
    fixture["initial"] = {"h": description}
    shapes = {
        "weightIh": ([3 * HIDDEN, INPUT], 0.8),
        "weightHh": ([3 * HIDDEN, HIDDEN], 0.8),
        "biasIh": ([3 * HIDDEN], 0.5),
        "biasHh": ([3 * HIDDEN], 0.5),
    }
    weights = {}
    for name, (shape, scale) in shapes.items():
        fixture[name], weights[name] = drawn(seeds, shape, scale)

    zeros = torch.zeros(HIDDEN).double()
    rows, last = [], []
    for b, length in enumerate(LENGTHS):
        h, row = initial[b], [zeros] * STEPS
        for t in reversed(range(length)) if reverse else range(length):
            row[t] = h = step(inputs[t, b], h, *weights.values())
        rows.append(torch.stack(row))
        last.append(h)
    output, final = torch.stack(rows, dim=1), torch.stack(last)

    upstream_output = seeds.draw([STEPS, BATCH, HIDDEN], 1.0)[1] * step_mask(STEPS, LENGTHS)
    final_description, upstream_final = seeds.draw([BATCH, HIDDEN], 1.0)
    ((output * upstream_output).sum() + (final * upstream_final).sum()).backward()

    fixture["output"] = written(output)
    fixture["final"] = {"h": written(final)}
    fixture["upstream"] = {"output": written(upstream_output, exact=True), "final": {"h": final_description}}
    fixture["gradients"] = {
        "input": written(inputs.grad),
        "initial": {"h": written(initial.grad)},
        **{name: written(leaf.grad) for name, leaf in weights.items()},
    }
    return fixture


if __name__ == "__main__":
    torch.set_num_threads(2)
    save_json(FOLDER / "gru-reset-before.json", [case(0, False), case(1, True)])
