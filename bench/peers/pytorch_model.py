"""The training step of the five named configurations in PyTorch: `src/bench/configurations.ts` is ours, `tfjs-model.mjs`
TensorFlow.js's. PyTorch's own modules (nn.LSTM, which is cuDNN's on CUDA), attention over all target steps at once where
nothing is fed back, Adam, mean loss a token, no clipping. Tensors are time-major like ours.

    memory [S,B,M], final states = encoder(source)
    states of the decoder's layers = the encoder's, [forward; reverse] concatenated
    h_t [B,H]     = top layer of rnn([embedding(y_t); h̃_{t−1}]); plain embedding(y_t) without input feeding
    a_t [B,S]     = softmax_s(h_t · m_s) (dot) or softmax_s(h_t · W m_s) (general)
    h̃_t           = tanh(linear_out [Σ_s a_ts m_s; h_t])
    logits_t      = output h̃_t + bias
"""
import torch
from torch import nn
from torch.nn import functional as F


class Seq2Seq(nn.Module):
    def __init__(self, layers, embedding, hidden, vocabulary, bidirectional, score, input_feeding):
        super().__init__()
        directions = 2 if bidirectional else 1
        self.layers, self.feeding = layers, input_feeding
        self.encoder = nn.ModuleDict({
            "embedding": nn.Embedding(vocabulary, embedding),
            "rnn": nn.LSTM(embedding, hidden // directions, layers, bidirectional=bidirectional),
        })
        attention = {"linear_out": nn.Linear(2 * hidden, hidden, bias=False)}
        if score == "general":
            attention["linear_in"] = nn.Linear(hidden, hidden, bias=False)
        self.decoder = nn.ModuleDict({
            "embedding": nn.Embedding(vocabulary, embedding),
            "rnn": nn.LSTM(embedding + (hidden if input_feeding else 0), hidden, layers),
            "attention": nn.ModuleDict(attention),
            "output": nn.Linear(hidden, vocabulary),
        })

    def forward(self, source, target):
        memory, states = self.encoder["rnn"](self.encoder["embedding"](source))
        if self.encoder["rnn"].bidirectional:
            # [L·D, B, H/D], the direction fastest → [L, B, H]
            states = tuple(s.unflatten(0, (self.layers, 2)).transpose(1, 2).flatten(2).contiguous() for s in states)
        attention, rnn = self.decoder["attention"], self.decoder["rnn"]
        values = memory.transpose(0, 1)  # [B, S, M]
        keys = (attention["linear_in"](values) if "linear_in" in attention else values).transpose(1, 2)  # [B, H, S]
        words = self.decoder["embedding"](target)  # [T, B, E]

        def attend(queries):  # [B, n, H] → h̃ [B, n, H]
            context = torch.softmax(queries @ keys, -1) @ values
            return torch.tanh(attention["linear_out"](torch.cat([context, queries], -1)))

        if not self.feeding:
            queries, _ = rnn(words, states)
            return self.decoder["output"](attend(queries.transpose(0, 1))).transpose(0, 1)
        fed = words.new_zeros(words.shape[1], rnn.hidden_size)
        steps = []
        for word in words.unbind(0):
            query, states = rnn(torch.cat([word, fed], -1)[None], states)
            fed = attend(query.transpose(0, 1)).squeeze(1)
            steps.append(fed)
        return self.decoder["output"](torch.stack(steps))


def mean_loss(logits, wanted):
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())
