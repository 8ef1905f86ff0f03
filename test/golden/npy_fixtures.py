"""Arrays of NumPy for test/data/npy.test.ts, and the proof that NumPy reads the ones written here.

    pip install numpy
    python npy_fixtures.py            # writes npy/arrays.json
    python npy_fixtures.py --check    # reads npy/written-by-couplet.npy

Each file stands in the JSON as base64, beside its shape and its values in C order as float32.
"""

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

FOLDER = Path(__file__).parent / "npy"


def whole(shape, dtype):
    i = np.arange(int(np.prod(shape)))
    return np.asarray(((7 * i + 3) % 31 - 15).reshape(shape)).astype(dtype)


def saved(array, version=None):
    file = io.BytesIO()
    npy.write_array(file, array, version=version)
    return file.getvalue()


def arrays():
    for dtype in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]:
        yield dtype, saved(whole([5, 3], dtype))
    for dtype in [">f2", ">f4", ">f8", ">i2", ">u4", ">i8"]:
        yield dtype, saved(whole([2, 3], dtype))
    yield "extremes of f8", saved(np.array([1 / 3, -1e-46, 1e-40, 3.4028235677973366e38, 16777217.0]))
    yield "extremes of i8", saved(np.array([-(2**63), 2**63 - 1, 2**24 + 1]))
    yield "halves", saved(np.arange(0, 65536, 97, dtype=np.uint32).astype(np.uint16).view(np.float16))
    yield "not finite", saved(np.array([np.nan, np.inf, -np.inf, -0.0], np.float32))
    yield "a scalar", saved(np.array(2.5, np.float32))
    yield "one dimension", saved(whole([7], "f4"))
    yield "nothing in it", saved(whole([0, 4], "f4"))
    yield "Fortran order", saved(np.asfortranarray(whole([3, 4], "f4")))
    yield "Fortran order of four dimensions", saved(np.asfortranarray(whole([2, 3, 1, 5], "f8")))
    yield "version 2", saved(whole([3, 4], "f4"), (2, 0))
    yield "version 3", saved(whole([3, 4], "f4"), (3, 0))


def main():
    FOLDER.mkdir(exist_ok=True)
    cases = []
    for name, file in arrays():
        array = np.load(io.BytesIO(file))
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(array).astype(np.float32).reshape(-1)
        cases.append({"name": name, "shape": list(array.shape), "file": base64.b64encode(file).decode(),
                      "values": base64.b64encode(values.astype("<f4").tobytes()).decode()})
    record = saved(np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")]))
    objects = saved(np.array([{}], dtype=object))
    refused = {"records": record, "objects": objects, "complex": saved(np.array([1j])), "text": saved(np.array(["a"])),
               "dates": saved(np.array(["2020-01-01"], "datetime64[D]"))}
    (FOLDER / "arrays.json").write_text(json.dumps({
        "source": f"numpy {np.__version__}", "arrays": cases,
        "refused": {name: base64.b64encode(file).decode() for name, file in refused.items()},
    }, indent=0) + "\n")


def check():
    array = np.load(FOLDER / "written-by-couplet.npy", allow_pickle=False)
    expected = (whole([3, 5], np.float32) / 4).astype(np.float32)
    assert array.dtype == np.dtype("<f4") and array.shape == (3, 5) and array.flags.c_contiguous
    assert array.tobytes() == expected.tobytes()
    print(f"numpy {np.__version__} reads what couplet wrote:", array.shape, array.dtype)


check() if "--check" in sys.argv else main()
