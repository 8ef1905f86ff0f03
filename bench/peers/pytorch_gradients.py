"""Gradient norm against lag at initialisation in PyTorch: what `couplet experiment gradients` is held against.

    python bench/peers/pytorch_gradients.py

The same layers, sizes and means (64 units, 32 inputs, 16 rows, 5 draws), other random numbers.
"""
import torch

HIDDEN, INPUTS, ROWS, STEPS, DRAWS = 64, 32, 16, 101, 5

torch.manual_seed(0)
for label, make, forget_bias in [
    ("vanilla RNN (tanh)", torch.nn.RNN, None),
    ("LSTM", torch.nn.LSTM, None),
    ("LSTM, forget bias 1", torch.nn.LSTM, 1.0),
    ("GRU", torch.nn.GRU, None),
]:
    logs = []
    for _ in range(DRAWS):
        layer = make(INPUTS, HIDDEN)
        if forget_bias is not None:
            with torch.no_grad():
                layer.bias_ih_l0[HIDDEN : 2 * HIDDEN] = forget_bias
                layer.bias_hh_l0[HIDDEN : 2 * HIDDEN] = 0
        x = torch.randn(STEPS, ROWS, INPUTS, requires_grad=True)
        last = layer(x)[0][-1]
        direction = torch.randn_like(last)
        (last * direction / direction.norm(dim=1, keepdim=True)).sum().backward()
        # By lag; squares in float64, since those of small gradients are no float32.
        norms = x.grad.double().norm(dim=2).log().mean(1).flip(0)
        logs.append(norms - norms[0])
    relative = torch.stack(logs).mean(0).exp()
    print(label, "  ".join(f"k={k} {relative[k]:.1e}" for k in (1, 2, 5, 10, 20, 50, 100)))
