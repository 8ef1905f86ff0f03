"""PyTorch, spoken to by the line protocol of `protocol.mjs`: python3 bench/peers/pytorch.py [cuda|cpu]

On CUDA where there is a GPU, else on the CPU with all cores. Four ways to run the same work: `eager` and `compile`
(torch.compile), each in float32 throughout (TF32 off) or with TF32 products (`+tf32`, CUDA only).
"""
import json
import resource
import struct
import sys
import time

import torch
from torch import nn

from pytorch_model import Seq2Seq, mean_loss

DEVICE = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cuda" if torch.cuda.is_available() else "cpu")


def set_mode(mode):
    tf32 = mode.endswith("+tf32")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def maybe_compiled(function, mode):
    return torch.compile(function) if mode.startswith("compile") else function


def finish():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def read_weights(path):
    """The float32 tensors of a safetensors file by name."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        values = torch.frombuffer(data[first:last], dtype=torch.float32)
        tensors[name] = values.reshape(entry["shape"]).clone()
    return tensors


def prepare_training(task):
    sizes, model = task["sizes"], task["model"]
    network = Seq2Seq(
        model["layers"], sizes["E"], sizes["H"], sizes["V"], model["bidirectional"], model["score"], model["inputFeeding"]
    ).to(DEVICE)
    if task.get("weights"):
        network.load_state_dict(read_weights(task["weights"]))
    optimizer = torch.optim.Adam(network.parameters(), task["learningRate"], fused=DEVICE.type == "cuda")

    def ids(name, steps):
        return torch.tensor(task["batch"][name], device=DEVICE).reshape(steps, sizes["B"])

    source = ids("source", sizes["S"])
    target, wanted = ids("targetInput", sizes["T"]), ids("targetOutput", sizes["T"])
    forward = maybe_compiled(network, task["mode"])

    def step():
        loss = mean_loss(forward(source, target), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    return {"losses": [step().item() for _ in range(task["losses"])]}, step


def prepare_lstm(task):
    """One nn.LSTM layer over a sequence, forward, or forward and backward with the gradients of inputs and weights."""
    sizes, backward = task["sizes"], task["backward"]
    layer = nn.LSTM(sizes["E"], sizes["H"]).to(DEVICE)
    x = torch.randn(sizes["S"], sizes["B"], sizes["E"], device=DEVICE, requires_grad=backward)
    gradient = torch.randn(sizes["S"], sizes["B"], sizes["H"], device=DEVICE)
    forward = maybe_compiled(layer, task["mode"])

    def step():
        if not backward:
            with torch.no_grad():
                return forward(x)[0]
        layer.zero_grad(set_to_none=True)
        x.grad = None
        forward(x)[0].backward(gradient)

    return {}, step


def prepare_matmul(task):
    sizes = task["sizes"]
    a, b = torch.randn(sizes["M"], sizes["K"], device=DEVICE), torch.randn(sizes["K"], sizes["N"], device=DEVICE)
    product = maybe_compiled(torch.mm, task["mode"])
    return {}, lambda: product(a, b)


def prepare_softmax(task):
    x = torch.randn(task["sizes"]["rows"], task["sizes"]["columns"], device=DEVICE)
    softmax = maybe_compiled(lambda values: torch.softmax(values, -1), task["mode"])
    return {}, lambda: softmax(x)


PREPARE = {
    "train": prepare_training,
    "lstm": prepare_lstm,
    "matmul": prepare_matmul,
    "softmax": prepare_softmax,
}
prepared = None


def prepare(request):
    global prepared
    release(request)
    task = request["task"]
    set_mode(task["mode"])
    answer, prepared = PREPARE[task["kind"]](task)
    prepared()  # compiles
    finish()
    return answer


def turn(request):
    start, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(request["repeats"]):
        prepared()
    finish()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return {"ms": 1000 * seconds, "cpuMs": 1000 * (after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime)}


def release(_request):
    global prepared
    prepared = None
    torch._dynamo.reset()
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()
    return {}


def say(message):
    print(json.dumps(message), flush=True)


def main():
    on = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    modes = ["eager", "compile"] + (["eager+tf32", "compile+tf32"] if DEVICE.type == "cuda" else [])
    versions = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()} if DEVICE.type == "cuda" else {}
    say({"name": "PyTorch", "version": torch.__version__, "device": on, "modes": modes, **versions})
    answers = {"prepare": prepare, "turn": turn, "release": release}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            say(answers[request["do"]](request))
        except Exception as error:  # the runner decides what a failure means
            say({"error": f"{type(error).__name__}: {error}"})


main()
