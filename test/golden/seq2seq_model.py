"""The encoder–decoder with Luong attention that the fixtures are made with: PyTorch's own modules, ours only the wiring.

Independent of the TypeScript on purpose: nn.LSTM/GRU/RNN with packed sequences for the encoder, the same modules for
the decoder (step by step where the attentional vector is fed back), nn.Linear and nn.Embedding for the rest, autograd
for the gradients and torch.optim for the updates. There is no dropout. Tensors are batch-major here.

    memory [B,S,D·He], final states      = encoder(source)                       packed: padding is never seen
    decoder's initial state of layer l   = bridge(encoder's final state of layer l, [forward; reverse] concatenated)
    h_t [B,Hd]                           = top layer of rnn([embedding(y_t); h̃_{t−1}])       h̃_{−1} = 0; plain
                                           embedding(y_t) without input feeding
    score(h_t, m_s), each masked by the source's length, softmax over s:
        dot      h_t · m_s
        general  h_t · (linear_in m_s)
        concat   v · tanh(linear_query h_t + linear_context m_s)
    context c_t                          = Σ_s attention_ts m_s
    h̃_t                                  = tanh(linear_out [c_t; h_t])           context first, no bias
    logits_t                             = output.weight h̃_t + output.bias       tied: output.weight = decoder.embedding
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

UNKNOWN, PADDING, START, END = 0, 1, 2, 3


@dataclass(frozen=True)
class Config:
    """Field names are those of the fixtures' JSON (`config`)."""

    cell: str = "lstm"  # lstm | gru | rnn
    activation: str = "tanh"  # of an rnn cell: tanh | relu
    bidirectional: bool = False
    layers: int = 1  # of the encoder and of the decoder
    sourceVocabulary: int = 13
    targetVocabulary: int = 11
    sourceEmbedding: int = 5
    targetEmbedding: int = 5
    encoderHidden: int = 7  # of one direction
    decoderHidden: int = 7
    score: str = "general"  # dot | general | concat
    bridge: str = "none"  # none | linear
    inputFeeding: bool = False
    tiedSoftmax: bool = False
    labelSmoothing: float = 0.0
    normalization: str = "tokens"  # of loss and gradients: tokens | sentences

    @property
    def encoderOutput(self):
        return self.encoderHidden * (2 if self.bidirectional else 1)


def recurrent(config, input_size, hidden_size, bidirectional):
    options = {"num_layers": config.layers, "bidirectional": bidirectional, "batch_first": True}
    if config.cell == "rnn":
        return nn.RNN(input_size, hidden_size, nonlinearity=config.activation, **options)
    return {"lstm": nn.LSTM, "gru": nn.GRU}[config.cell](input_size, hidden_size, **options)


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embedding = nn.Embedding(config.sourceVocabulary, config.sourceEmbedding)
        self.rnn = recurrent(config, config.sourceEmbedding, config.encoderHidden, config.bidirectional)

    def forward(self, source, lengths):
        """source [B,S], lengths [B] → memory [B,S,D·He] (zeros at padding), list of final states [L,B,D·He]."""
        packed = pack_padded_sequence(self.embedding(source), lengths, batch_first=True, enforce_sorted=False)
        outputs, final = self.rnn(packed)
        memory, _ = pad_packed_sequence(outputs, batch_first=True, total_length=source.shape[1])
        directions = 2 if self.rnn.bidirectional else 1
        states = []
        for state in final if isinstance(final, tuple) else (final,):
            # PyTorch's [L·D, B, He], the direction fastest → [L, B, D·He], forward first.
            layers = state.unflatten(0, (-1, directions))
            states.append(layers.transpose(1, 2).flatten(2))
        return memory, states


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        query, context = config.decoderHidden, config.encoderOutput
        self.score = config.score
        if self.score == "general":
            self.linear_in = nn.Linear(context, query, bias=False)
        elif self.score == "concat":
            self.linear_query = nn.Linear(query, query, bias=False)
            self.linear_context = nn.Linear(context, query, bias=False)
            self.v = nn.Linear(query, 1, bias=False)
        else:
            assert self.score == "dot" and query == context
        self.linear_out = nn.Linear(context + query, query, bias=False)

    def scores(self, queries, memory):
        """queries [B,T,Hd], memory [B,S,D·He] → [B,T,S]."""
        if self.score == "concat":
            sums = self.linear_query(queries)[:, :, None] + self.linear_context(memory)[:, None]
            return self.v(torch.tanh(sums)).squeeze(-1)
        keys = self.linear_in(memory) if self.score == "general" else memory
        return queries @ keys.transpose(1, 2)

    def forward(self, queries, memory, mask):
        """mask [B,S] is true at real source positions → h̃ [B,T,Hd], attention [B,T,S]."""
        weights = torch.softmax(self.scores(queries, memory).masked_fill(~mask[:, None], -torch.inf), dim=-1)
        return torch.tanh(self.linear_out(torch.cat([weights @ memory, queries], dim=-1))), weights


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.feeding = config.inputFeeding
        self.embedding = nn.Embedding(config.targetVocabulary, config.targetEmbedding)
        inputs = config.targetEmbedding + (config.decoderHidden if self.feeding else 0)
        self.rnn = recurrent(config, inputs, config.decoderHidden, False)
        self.attention = Attention(config)
        self.output = nn.Linear(config.decoderHidden, config.targetVocabulary)
        if config.tiedSoftmax:
            assert config.targetEmbedding == config.decoderHidden
            self.output.weight = self.embedding.weight

    def forward(self, target_in, states, memory, mask):
        """→ logits [B,T,V], h̃ [B,T,Hd], attention [B,T,S]."""
        embedded = self.embedding(target_in)
        state = tuple(s.contiguous() for s in states) if len(states) == 2 else states[0].contiguous()
        if not self.feeding:
            queries, _ = self.rnn(embedded, state)
            attentional, weights = self.attention(queries, memory, mask)
            return self.output(attentional), attentional, weights
        fed = embedded.new_zeros(len(target_in), 1, self.rnn.hidden_size)
        steps = []
        for t in range(target_in.shape[1]):
            query, state = self.rnn(torch.cat([embedded[:, t : t + 1], fed], dim=-1), state)
            fed, weights = self.attention(query, memory, mask)
            steps.append((fed, weights))
        attentional, weights = (torch.cat(parts, dim=1) for parts in zip(*steps))
        return self.output(attentional), attentional, weights


class Bridge(nn.Module):
    """One linear map per kind of state, shared by the layers; no activation."""

    def __init__(self, config):
        super().__init__()
        self.h = nn.Linear(config.encoderOutput, config.decoderHidden)
        if config.cell == "lstm":
            self.c = nn.Linear(config.encoderOutput, config.decoderHidden)

    def forward(self, states):
        return [linear(state) for linear, state in zip(self.children(), states)]


class Seq2Seq(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        if config.bridge == "linear":
            self.bridge = Bridge(config)
        else:
            assert config.encoderOutput == config.decoderHidden
            self.bridge = None

    def forward(self, source, source_lengths, target_in):
        memory, final = self.encoder(source, source_lengths)
        mask = torch.arange(source.shape[1])[None] < source_lengths[:, None]
        initial = self.bridge(final) if self.bridge is not None else final
        logits, attentional, attention = self.decoder(target_in, initial, memory, mask)
        return {"logits": logits, "attentional": attentional, "attention": attention, "memory": memory, "final": final}


def loss_sum(config, logits, target_out):
    """The summed cross-entropy over the target's tokens; padding counts for nothing."""
    return F.cross_entropy(
        logits.flatten(0, 1),
        target_out.flatten(),
        ignore_index=PADDING,
        reduction="sum",
        label_smoothing=config.labelSmoothing,
    )


def normalized_loss(config, logits, target_out):
    """What is differentiated: the sum over tokens by their number, or by the number of sentences."""
    count = (target_out != PADDING).sum() if config.normalization == "tokens" else len(target_out)
    return loss_sum(config, logits, target_out) / count
