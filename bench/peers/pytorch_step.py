"""The `small` training step in PyTorch on the CPU: LSTM encoder-decoder, dot attention, B 64, S = T = 20, E = H = 256,
V 2000, Adam. Prints the median of the steps' milliseconds. Usage: python bench/peers/pytorch_step.py [STEPS]"""
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

B, S, T, H, V = 64, 20, 20, 256, 2000
torch.manual_seed(1)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.source = nn.Embedding(V, H)
        self.target = nn.Embedding(V, H)
        self.encoder = nn.LSTM(H, H, batch_first=True)
        self.decoder = nn.LSTM(H, H, batch_first=True)
        self.attentional = nn.Linear(2 * H, H, bias=False)
        self.output = nn.Linear(H, V)

    def forward(self, source, target):
        memory, state = self.encoder(self.source(source))
        hidden, _ = self.decoder(self.target(target), state)
        weights = torch.softmax(hidden @ memory.transpose(1, 2), -1)
        return self.output(torch.tanh(self.attentional(torch.cat([weights @ memory, hidden], -1))))


model = Model()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
source, target, wanted = (torch.randint(4, V, (B, n)) for n in (S, T, T))
times = []
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20):
    start = time.perf_counter()
    loss = F.cross_entropy(model(source, target).reshape(-1, V), wanted.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    times.append(1000 * (time.perf_counter() - start))
print(f'PyTorch {torch.__version__}, {torch.get_num_threads()} threads: {statistics.median(times[2:]):.0f} ms a step')
