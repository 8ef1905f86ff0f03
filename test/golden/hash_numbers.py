"""Numbers from a 32-bit hash, bit for bit the same here and in test/setup/hash-numbers.ts.

A fixture names a seed instead of carrying the weights: element i of a tensor is a pure function of (seed, i).

    hash(seed, i)    = lowbias32(lowbias32(i) ^ lowbias32(seed + 0x9e3779b9))      all modulo 2^32
    top(seed, i)     = hash(seed, i) >> 8                                          24 bits
    uniform          = float32((top * 2^-23 - 1) * scale)                          in [-scale, scale)
    id               = low + floor(top * (high - low) / 2^24)                      in [low, high)

`top * 2^-23 - 1` is exact in float32 and float64; the product with `scale` is taken in float64 and rounded once more,
to float32. lowbias32 is the mixing function of Chris Wellons' hash-prospector. Elements are in C order.

Run as a script, it writes hash-sample.json, which test/setup/hash-numbers.test.ts compares with the other side.
"""

import numpy as np


def lowbias32(x):
    """Mixes every 32-bit integer of a uint32 array."""
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def hash_top24(seed, count):
    """The top 24 bits of hash(seed, i) for i in 0 … count − 1, as int64 [count]."""
    key = lowbias32(np.array([(seed + 0x9E3779B9) % 2**32], np.uint32))
    return (lowbias32(lowbias32(np.arange(count, dtype=np.uint32)) ^ key) >> np.uint32(8)).astype(np.int64)


def hash_uniform(seed, count, scale):
    """Uniform numbers in [−scale, scale), as float32 [count]."""
    return ((hash_top24(seed, count) * 2.0**-23 - 1.0) * float(scale)).astype(np.float32)


def hash_ids(seed, count, low, high):
    """Integers in [low, high), as int64 [count]."""
    return low + ((hash_top24(seed, count) * (high - low)) >> 24)


def main():
    import json
    import pathlib

    uniform = []
    for seed, count, scale in [(0, 9, 1.0), (1, 9, 0.05), (123456789, 9, 0.6), (2**32 - 1, 9, 1 / 3)]:
        bits = hash_uniform(seed, count, scale).view(np.uint32)
        uniform.append({"seed": seed, "count": count, "scale": scale, "bits": [f"{b:08x}" for b in bits]})
    # The end of a long array: an index beyond 16 bits, and a checksum over every element's bits.
    bits = hash_uniform(7, 300_001, 0.08).view(np.uint32).astype(np.uint64)
    weights = np.arange(1, len(bits) + 1, dtype=np.uint64)
    long = {
        "seed": 7,
        "count": len(bits),
        "scale": 0.08,
        "last": f"{int(bits[-1]):08x}",
        "checksum": f"{int((bits * weights).sum() % 2**32):08x}",
    }
    ids = []
    for seed, count, low, high in [(0, 12, 0, 5), (42, 12, 4, 2000), (99, 12, 1, 2)]:
        ids.append({"seed": seed, "count": count, "low": low, "high": high, "ids": hash_ids(seed, count, low, high).tolist()})
    sample = {"uniform": uniform, "long": long, "ids": ids}
    path = pathlib.Path(__file__).parent / "hash-sample.json"
    path.write_text(json.dumps(sample, indent=1) + "\n", encoding="utf8")
    print("wrote", path.name)


if __name__ == "__main__":
    main()
