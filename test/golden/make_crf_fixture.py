"""Writes ops/crf.json: loss, gradients and best tags of a linear-chain CRF by pytorch-crf 0.7.2, in float64.

Needs that package beside the others: pip install pytorch-crf==0.7.2. Sequences are time-major ([T,B,C]).
"""

import pathlib

import torch
from torchcrf import CRF

from fixture_io import Seeds, save_json, written
from make_op_fixtures import drawn, step_mask

FOLDER = pathlib.Path(__file__).parent / "ops"


def crf_case(index, steps, tags, lengths):
    seeds = Seeds(270_000 + 100 * index)
    fixture = {"lengths": lengths}
    fixture["emissions"], emissions = drawn(seeds, [steps, len(lengths), tags], 2.0)
    module = CRF(tags).double()
    parameters = {
        "transitions": module.transitions,
        "start": module.start_transitions,
        "end": module.end_transitions,
    }
    for name, parameter in parameters.items():
        fixture[name], values = seeds.draw(parameter.shape, 1.5)
        with torch.no_grad():
            parameter.copy_(values)
    generator = torch.Generator().manual_seed(index)
    labels = torch.randint(tags, (steps, len(lengths)), generator=generator)
    mask = step_mask(steps, lengths)[..., 0].bool()
    loss = -module(emissions, labels, mask=mask, reduction="sum")
    loss.backward()
    fixture["tags"] = labels.tolist()
    fixture["loss"] = loss.item()
    fixture["decoded"] = module.decode(emissions, mask=mask)
    fixture["gradients"] = {
        "emissions": written(emissions.grad),
        **{name: written(parameter.grad) for name, parameter in parameters.items()},
    }
    return fixture


if __name__ == "__main__":
    cases = [crf_case(0, 5, 4, [5, 1, 3, 4]), crf_case(1, 9, 7, [7, 9])]
    save_json(FOLDER / "crf.json", cases)
