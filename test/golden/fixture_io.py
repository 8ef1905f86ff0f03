"""How a fixture writes a tensor, and the JSON writer that keeps the files small and readable in a diff.

A tensor is either drawn from the hash generator (`seed`, `scale`: float32 values, exact on both sides) or written out
(`data`), always flat in C order with its `shape`. Losses keep all digits.
"""

import json
import math

import numpy as np
import torch

from hash_numbers import hash_uniform


class Seeds:
    """Hands out a fresh seed for every tensor of a fixture, counting up from `first`."""

    def __init__(self, first):
        self.next = first

    def draw(self, shape, scale):
        """A hash tensor's description and its float64 values (which are float32 numbers exactly)."""
        description = {"shape": list(shape), "seed": self.next, "scale": scale}
        self.next += 1
        return description, hash_tensor(description)


def hash_tensor(description, dtype=torch.float64):
    """The values of a {shape, seed, scale} description."""
    shape = description["shape"]
    values = hash_uniform(description["seed"], math.prod(shape), description["scale"])
    return torch.from_numpy(values.reshape(shape)).to(dtype)


def written(tensor, exact=False):
    """The {shape, data} description of a tensor: a result to ten significant digits, an input exactly."""
    values = tensor.detach().to(torch.float64).numpy()
    assert np.isfinite(values).all(), "a fixture may not hold NaN or infinity"
    return {"shape": list(values.shape), "data": [_short(v, exact) for v in values.reshape(-1).tolist()]}


def _short(value, exact):
    if not exact:
        value = float(f"{value:.10g}")
    return int(value) if value == int(value) else value


def save_json(path, value):
    """Writes JSON with one line for every object or list that holds no object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_format(value, 0) + "\n", encoding="utf8")
    print(f"wrote {path.name} ({path.stat().st_size / 1024:.1f} KiB)")


def _holds_object(value):
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return any(isinstance(child, dict) or _holds_object(child) for child in children)


def _format(value, depth):
    if not _holds_object(value):
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(key)}: {_format(child, depth + 1)}" for key, child in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"
    rows = [pad + _format(child, depth + 1) for child in value]
    return "[\n" + ",\n".join(rows) + "\n" + " " * depth + "]"
