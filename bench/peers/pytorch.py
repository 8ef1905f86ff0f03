"""PyTorch, spoken to by the line protocol of `protocol.mjs`: python3 bench/peers/pytorch.py MODE

On CUDA where there is a GPU, else on the CPU with all cores. Modes: `eager` and `compile` (torch.compile), each in
float32 throughout or with TF32 products (`eager+tf32`, `compile+tf32`; CUDA only).
"""
import json
import resource
import struct
import sys
import time

import torch
from torch import nn

from pytorch_model import Seq2Seq, mean_loss

MODE = sys.argv[1] if len(sys.argv) > 1 else "eager"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LOSS_TOLERANCE = 1e-2 if MODE.endswith("+tf32") else 1e-4  # TF32 has 10 bits of mantissa


torch.backends.cuda.matmul.allow_tf32 = MODE.endswith("+tf32")
torch.backends.cudnn.allow_tf32 = MODE.endswith("+tf32")


def maybe_compiled(function):
    return torch.compile(function) if MODE.startswith("compile") else function


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
    """A `TrainingTask` of `src/bench/bench.ts`."""
    model = task["configuration"]
    sizes = model["sizes"]
    network = Seq2Seq(
        model["layers"], sizes["E"], sizes["H"], sizes["V"], model["bidirectional"], model["score"], model["inputFeeding"]
    ).to(DEVICE)
    network.load_state_dict(read_weights(task["weights"]))
    optimizer = torch.optim.Adam(network.parameters(), task["learningRate"], fused=DEVICE.type == "cuda")

    def ids(name, steps):
        return torch.tensor(task["batch"][name], device=DEVICE).reshape(steps, sizes["B"])

    source = ids("source", sizes["S"])
    target, wanted = ids("targetInput", sizes["T"]), ids("targetOutput", sizes["T"])
    forward = maybe_compiled(network)

    def step():
        loss = mean_loss(forward(source, target), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step().item() for _ in range(task["losses"])]
    return {"losses": losses, "lossTolerance": LOSS_TOLERANCE}, step


def prepare_lstm(sizes, backward):
    """One nn.LSTM layer over a sequence, forward, or backward alone (gradients of inputs and weights)."""
    layer = nn.LSTM(sizes["I"], sizes["H"]).to(DEVICE)
    x = torch.randn(sizes["T"], sizes["B"], sizes["I"], device=DEVICE, requires_grad=backward)
    gradient = torch.randn(sizes["T"], sizes["B"], sizes["H"], device=DEVICE)
    forward = maybe_compiled(layer)
    if not backward:

        def step():
            with torch.no_grad():
                return forward(x)[0]

        return step
    y = forward(x)[0]
    return lambda: torch.autograd.grad(y, [x, *layer.parameters()], gradient, retain_graph=True)


def prepare_matmul(sizes, transpose_a, transpose_b):
    """[M, K] · [K, N]; a transposed operand is stored the other way round."""
    M, N, K = sizes["M"], sizes["N"], sizes["K"]
    a = torch.randn(K, M, device=DEVICE).T if transpose_a else torch.randn(M, K, device=DEVICE)
    b = torch.randn(N, K, device=DEVICE).T if transpose_b else torch.randn(K, N, device=DEVICE)
    product = maybe_compiled(torch.mm)
    return lambda: product(a, b)


def prepare_softmax(sizes):
    x = torch.randn(sizes["R"], sizes["N"], device=DEVICE)
    softmax = maybe_compiled(lambda values: torch.softmax(values, -1))
    return lambda: softmax(x)


# By the titles of our benches.
WORKS = {
    "matmul NN": lambda sizes: prepare_matmul(sizes, False, False),
    "matmul NT": lambda sizes: prepare_matmul(sizes, False, True),
    "matmul TN": lambda sizes: prepare_matmul(sizes, True, False),
    "softmax, forward": prepare_softmax,
    "lstm layer, forward": lambda sizes: prepare_lstm(sizes, False),
    "lstm layer, backward": lambda sizes: prepare_lstm(sizes, True),
}
prepared = None


def prepare(request):
    global prepared
    release()
    task, answer = request["task"], {}
    if "training" in task:
        answer, prepared = prepare_training(task["training"])
    elif task["title"] in WORKS:
        prepared = WORKS[task["title"]](task["sizes"])
    else:
        return {"absent": True}
    for _ in range(2):
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


def release():
    global prepared
    prepared = None
    torch._dynamo.reset()
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()


def say(message):
    print(json.dumps(message), flush=True)


def main():
    on = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    modes = ["eager", "compile"] + (["eager+tf32", "compile+tf32"] if DEVICE.type == "cuda" else [])
    versions = [torch.__version__]
    if DEVICE.type == "cuda":
        versions += [f"CUDA {torch.version.cuda}", f"cuDNN {torch.backends.cudnn.version()}"]
    say({"name": f"PyTorch {MODE}", "version": ", ".join(versions), "device": on, "modes": modes})
    # It makes no WebGPU calls.
    answers = {"prepare": prepare, "turn": turn, "count": lambda _: {}}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            say(answers[request["do"]](request))
        except Exception as error:  # the runner decides what a failure means
            say({"error": f"{type(error).__name__}: {error}"})


main()
