"""Writes ops/updates.json: thirty updates with clipping by PyTorch in float64, moments included.

Each step draws a gradient for three parameters, clips the norm over all of them and lets the optimiser step at that
step's learning rate. `norms` are those before clipping; `after` has parameters and moments behind steps 1, 10 and 30.

And ops/update-groups.json: the same for groups of parameters with learning rates of their own, one frozen for the first
two of four epochs, one for ever. A frozen parameter has no gradient, which is what `requires_grad = False` comes to: the
norm leaves it out, and the optimiser makes its state at its first step. `after` has the moments of what has any.
"""

import fnmatch
import pathlib

import torch
from torch import nn

from fixture_io import Seeds, save_json, written

FOLDER = pathlib.Path(__file__).parent / "ops"
SHAPES = {"a": [13, 9], "b": [7], "c": [1]}
STEPS, KEPT = 30, (1, 10, 30)


def case(index, name, max_norm, make, **options):
    seeds = Seeds(270_000 + 1000 * index)
    fixture = {"name": name, "maxNorm": max_norm, **options, "initial": {}}
    parameters = {}
    for key, shape in SHAPES.items():
        fixture["initial"][key], values = seeds.draw(shape, 0.5)
        parameters[key] = nn.Parameter(values)
    optimizer = make(list(parameters.values()))
    fixture["learningRates"], fixture["gradients"], fixture["norms"], fixture["after"] = [], [], [], {}
    for step in range(1, STEPS + 1):
        rate = [0.02, 0.02, 0.01, 0.005, 0.03][step // 7]
        optimizer.param_groups[0]["lr"] = rate
        gradients = {}
        for key, parameter in parameters.items():
            gradients[key], parameter.grad = seeds.draw(parameter.shape, [1.0, 0.1, 0.01, 3.0, 1e-4][step % 5])
        norm = nn.utils.clip_grad_norm_(parameters.values(), max_norm if max_norm > 0 else float("inf"))
        optimizer.step()
        fixture["learningRates"].append(rate)
        fixture["gradients"].append(gradients)
        fixture["norms"].append(norm.item())
        if step in KEPT:
            fixture["after"][str(step)] = kept(parameters, optimizer)
    return fixture


def kept(parameters, optimizer):
    moments = {}
    for key, parameter in parameters.items():
        for moment, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape and moment != "step":
                moments.setdefault(moment, {})[key] = written(value)
    return {"parameters": {key: written(value) for key, value in parameters.items()}, "moments": moments}


GROUPED_SHAPES = {
    "encoder.weight": [13, 9],
    "encoder.bias": [7],
    "decoder.weight": [11, 5],
    "decoder.bias": [3],
    "output.weight": [6, 3],
}
GROUPS = [
    {"pattern": "encoder.weight", "lr": 0.5, "frozen_epochs": 2},
    {"pattern": "*.bias", "lr": 3.0},
    {"pattern": "output.*", "frozen_epochs": "always"},
]
EPOCHS, EPOCH_STEPS = 4, 4


def grouped_case(index, name, max_norm, make, **options):
    seeds = Seeds(290_000 + 1000 * index)
    fixture = {"name": name, "maxNorm": max_norm, **options, "initial": {}}
    parameters = {}
    for key, shape in GROUPED_SHAPES.items():
        fixture["initial"][key], values = seeds.draw(shape, 0.5)
        parameters[key] = nn.Parameter(values)
    owner = {key: next((g for g in GROUPS if fnmatch.fnmatchcase(key, g["pattern"])), {}) for key in parameters}
    optimizer = make([{"params": [parameter]} for parameter in parameters.values()])
    fixture["learningRates"], fixture["gradients"], fixture["norms"], fixture["after"] = [], [], [], {}
    for step in range(EPOCHS * EPOCH_STEPS):
        epoch = 1 + step // EPOCH_STEPS
        rate = [0.02, 0.01, 0.03, 0.005][step % 4]
        gradients = {}
        for (key, parameter), group in zip(parameters.items(), optimizer.param_groups):
            group["lr"] = rate * owner[key].get("lr", 1.0)
            gradients[key], gradient = seeds.draw(parameter.shape, [1.0, 0.1, 3.0][step % 3])
            frozen = owner[key].get("frozen_epochs", 0)
            parameter.grad = None if frozen == "always" or epoch <= frozen else gradient
        norm = nn.utils.clip_grad_norm_(parameters.values(), max_norm if max_norm > 0 else float("inf"))
        optimizer.step()
        fixture["learningRates"].append(rate)
        fixture["gradients"].append(gradients)
        fixture["norms"].append(norm.item())
        if (step + 1) % EPOCH_STEPS in (0, 1):
            fixture["after"][str(step + 1)] = kept(parameters, optimizer)
    return fixture


def sgd(momentum, decay, nesterov):
    options = {"momentum": momentum, "nesterov": nesterov, "weight_decay": decay}
    return dict(make=lambda p: torch.optim.SGD(p, lr=1.0, **options), optimizer="sgd", momentum=momentum,
                nesterov=nesterov, weightDecay=decay)  # fmt: skip


def adam(kind, betas, epsilon, decay):
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind]
    return dict(make=lambda p: make(p, lr=1.0, betas=betas, eps=epsilon, weight_decay=decay), optimizer=kind,
                beta1=betas[0], beta2=betas[1], epsilon=epsilon, weightDecay=decay)  # fmt: skip


def main():
    cases = [
        ("sgd-clipped", 2.0, sgd(0.0, 0.0, False)),
        ("sgd-momentum-decay", 0.0, sgd(0.9, 0.05, False)),
        ("sgd-nesterov-clipped", 1.0, sgd(0.8, 0.02, True)),
        ("adam", 0.0, adam("adam", (0.9, 0.999), 1e-8, 0.0)),
        ("adam-decay-clipped", 1.5, adam("adam", (0.8, 0.98), 1e-6, 0.05)),
        ("adamw-clipped", 5.0, adam("adamw", (0.9, 0.98), 1e-8, 0.1)),
    ]
    fixtures = [case(i, name, limit, **options) for i, (name, limit, options) in enumerate(cases)]
    save_json(FOLDER / "updates.json", fixtures)
    grouped = [
        ("sgd-momentum-decay-clipped", 2.0, sgd(0.9, 0.05, False)),
        ("adam-decay", 0.0, adam("adam", (0.8, 0.98), 1e-6, 0.05)),
        ("adamw-clipped", 1.5, adam("adamw", (0.9, 0.999), 1e-8, 0.1)),
    ]
    cases = [grouped_case(i, name, limit, **options) for i, (name, limit, options) in enumerate(grouped)]
    save_json(FOLDER / "update-groups.json", {"groups": GROUPS, "epochSteps": EPOCH_STEPS, "cases": cases})


if __name__ == "__main__":
    main()
