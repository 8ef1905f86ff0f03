"""Model files for test/train/safetensors.test.ts, and the proof that Python reads the ones written here.

    pip install numpy torch safetensors
    python safetensors_fixtures.py            # writes safetensors/*.safetensors
    python safetensors_fixtures.py --check    # reads safetensors/written-by-couplet.safetensors

The values follow from a formula, so the test needs no second file: element i of a tensor is ((7 i + 3) mod 31 - 15) / 4
for floating point, (7 i + 3) mod 31 for whole numbers. All are exact in every type used.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file as save_torch

FOLDER = Path(__file__).parent / "safetensors"
NAMES = ["encoder.rnn.weight_ih_l0", "__proto__", "../../x", "", 'quote " back \\ slash', "名", "a\nb"]


def whole(shape, dtype):
    i = np.arange(int(np.prod(shape)))
    return np.asarray(((7 * i + 3) % 31).reshape(shape), dtype)


def real(shape, dtype=np.float32):
    return np.asarray((whole(shape, np.float64) - 15) / 4, dtype)


def write():
    FOLDER.mkdir(exist_ok=True)
    names = {name: real([k + 1, 3]) for k, name in enumerate(NAMES)}
    save_numpy(names, FOLDER / "names.safetensors", metadata={"format": "pt", "note": "ü", "__proto__": "x"})
    shapes = {"scalar": real([]), "empty": real([0, 5]), "deep": real([2, 1, 3, 2])}
    save_numpy(shapes, FOLDER / "shapes.safetensors")
    dtypes = {dtype: torch.from_numpy(real([5, 3])).to(getattr(torch, dtype)) for dtype in
              ["float16", "bfloat16", "float32", "float64"]}
    dtypes |= {dtype: torch.from_numpy(whole([5, 3], dtype)) for dtype in
               ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]}
    dtypes["bool"] = torch.tensor([True, False, True])
    save_torch(dtypes, FOLDER / "dtypes.safetensors")
    halves = torch.arange(0, 65536, 13, dtype=torch.int32).to(torch.int16).view(torch.float16)
    save_torch({"halves": halves, "as_float32": halves.float()}, FOLDER / "halves.safetensors")


def check():
    with safe_open(FOLDER / "written-by-couplet.safetensors", framework="np") as file:
        assert file.metadata() == {"format": "pt", "note": "ü", "__proto__": "x"}, file.metadata()
        expected = {name: real([k + 1, 3]) for k, name in enumerate(NAMES)}
        expected |= {"scalar": real([]), "empty": real([0, 5]), "f64": real([3], np.float64)}
        expected |= {dtype: whole([5], dtype) for dtype in ["uint8", "int32", "uint32", "int64", "uint64"]}
        assert set(file.keys()) == set(expected), file.keys()
        for name, values in expected.items():
            found = file.get_tensor(name)
            assert found.dtype == values.dtype and found.shape == values.shape, name
            assert found.tobytes() == values.tobytes(), name
    print("Python reads what couplet wrote:", len(expected), "tensors")


check() if "--check" in sys.argv else write()
