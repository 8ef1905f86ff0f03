"""The models that make_model_fixtures.py runs: PyTorch's own modules, ours only the wiring.

Each is built from the `model` section of a Couplet configuration (every key that matters is given) and named as Couplet
names its parameters, but for the number of a layer, which `names` puts right. Independent of the TypeScript on purpose:
one nn.LSTM/GRU/RNN a layer on packed rows, nn.Linear, nn.Embedding, pytorch-crf's CRF, autograd. There is no dropout.
Tensors are batch-major, rows are padded by whatever `pad` says and no row is empty.

    encoder      rows of ids (or of frames) → memory [B,S,D·He], final states of each layer [B,D·He], forward first
                 residual: from the second layer on a layer's input is added to its output; its states are its own
                 learned initial states: one vector [D·He] a layer and state, the same for all rows
    context c    last: the top layer's last h; linear: W h + b of it; mean, max: over a row's own steps;
                 attention-pooled: Σ_s α_s m_s with α = softmax over s of query · tanh(W m_s + b)
    tagger       output memory_s; characters: a token's last states of both directions beside its embedding
    classifier   output c
    generator    decoder from zero states, the mapped class or vector beside the first word or beside each
    seq2seq      decoder without attention; the first states of layer l are: of context `last` the encoder's of layer l
                 (through the bridge, if there is one); of any other c itself as h and zeros as c, or each kind of state
                 a linear map of c, for all layers the same. every_step: c beside each word; then zeros at the start,
                 unless it is `both`
    decoder      logits = output of the top layer of the stack over [embedding; what is beside it]
"""

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torchcrf import CRF

PADDING, START, END = 1, 2, 3
IGNORED = -100  # a tag that is neither learnt nor scored


def names(model):
    """name → parameter, the layer's number where nn.LSTM has it: rnn.layers.1.weight_ih_l0 is rnn.weight_ih_l1."""
    return {re.sub(r"layers\.(\d+)\.(\w+?)_l0", r"\2_l\1", n): p for n, p in model.named_parameters()}


@dataclass
class Rows:
    """Rows of ids or of vectors, padded; [B,S] or [B,S,F], and lengths [B]."""

    values: torch.Tensor
    lengths: torch.Tensor

    @staticmethod
    def of(rows, value=PADDING):
        tensors = [row if isinstance(row, torch.Tensor) else torch.tensor(row) for row in rows]
        lengths = torch.tensor([len(row) for row in tensors])
        return Rows(pad_sequence(tensors, batch_first=True, padding_value=value), lengths)

    @property
    def mask(self):
        return torch.arange(self.values.shape[1])[None] < self.lengths[:, None]


class GruResetBefore(nn.Module):
    """One layer, PyTorch having none: r = σ(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in +
    W_hn (r ⊙ h) + b_hn), h' = (1 − z) n + z h (Cho et al. 2014). Weights and results as nn.GRU's."""

    def __init__(self, inputs, hidden, bidirectional):
        super().__init__()
        self.suffixes = ["", "_reverse"] if bidirectional else [""]
        for suffix in self.suffixes:
            for name, shape in [("weight_ih", [inputs]), ("weight_hh", [hidden]), ("bias_ih", []), ("bias_hh", [])]:
                self.register_parameter(f"{name}_l0{suffix}", nn.Parameter(torch.zeros(3 * hidden, *shape)))

    def forward(self, x, mask, initial):
        """x [B,S,I], mask [B,S], initial [D,B,H] → [B,S,D·H], [D,B,H]."""
        outputs, finals = [], []
        for suffix, h in zip(self.suffixes, initial):
            w_hh, b_hh = getattr(self, f"weight_hh_l0{suffix}"), getattr(self, f"bias_hh_l0{suffix}")
            (w_hr, w_hz, w_hn), (b_hr, b_hz, b_hn) = w_hh.chunk(3), b_hh.chunk(3)
            from_x = F.linear(x, getattr(self, f"weight_ih_l0{suffix}"), getattr(self, f"bias_ih_l0{suffix}"))
            steps = [None] * x.shape[1]
            for t in reversed(range(len(steps))) if suffix else range(len(steps)):
                x_r, x_z, x_n = from_x[:, t].chunk(3, dim=-1)
                r = torch.sigmoid(x_r + F.linear(h, w_hr, b_hr))
                z = torch.sigmoid(x_z + F.linear(h, w_hz, b_hz))
                n = torch.tanh(x_n + F.linear(r * h, w_hn, b_hn))
                h = torch.where(mask[:, t, None], (1 - z) * n + z * h, h)
                steps[t] = h * mask[:, t, None]
            outputs.append(torch.stack(steps, dim=1))
            finals.append(h)
        return torch.cat(outputs, dim=-1), torch.stack(finals)


class Stack(nn.Module):
    """Layers on top of each other; `section` is an encoder's or a decoder's."""

    def __init__(self, model, section, inputs):
        super().__init__()
        self.cell, self.residual = model["cell"], section.get("residual", False)
        self.hidden, bidirectional = section["hidden_size"], section.get("bidirectional", False)
        self.directions = 2 if bidirectional else 1
        options = {"bidirectional": bidirectional, "batch_first": True}
        if self.cell == "rnn":
            options["nonlinearity"] = model["nonlinearity"]
        self.layers = nn.ModuleList()
        for _ in range(section["num_layers"]):
            if self.cell == "gru_reset_before":
                self.layers.append(GruResetBefore(inputs, self.hidden, bidirectional))
            else:
                kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[self.cell]
                self.layers.append(kind(inputs, self.hidden, **options))
            inputs = self.hidden * self.directions

    @property
    def states(self):
        return "hc" if self.cell == "lstm" else "h"

    def forward(self, x, lengths, initial=None):
        """x [B,S,I], initial: by layer and state [B,D·H] → [B,S,D·H], and the same of the last steps."""
        mask = torch.arange(x.shape[1])[None] < lengths[:, None]
        finals = []
        for number, layer in enumerate(self.layers):
            zeros = x.new_zeros(len(x), self.directions * self.hidden)
            given = initial[number] if initial is not None else [zeros] * len(self.states)
            # [B,D·H] ↔ PyTorch's [D,B,H].
            first = [state.unflatten(1, (self.directions, -1)).transpose(0, 1).contiguous() for state in given]
            if self.cell == "gru_reset_before":
                output, last = layer(x, mask, first[0])
            else:
                packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
                output, last = layer(packed, tuple(first) if len(first) == 2 else first[0])
                output, _ = pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
            last = last if isinstance(last, tuple) else (last,)
            finals.append([state.transpose(0, 1).flatten(1) for state in last])
            x = output + x if self.residual and number > 0 else output
        return x, finals


class Encoder(nn.Module):
    def __init__(self, model, size, frames, beside=0):
        super().__init__()
        section = model["encoder"]
        inputs = size if frames else section["embeddings"]["embedding_dim"]
        self.embedding = None if frames else nn.Embedding(size, inputs)
        self.rnn = Stack(model, section, inputs + beside)
        self.initial = nn.ParameterDict()
        if section["initial_state"] == "learned":
            for layer in range(section["num_layers"]):
                for state in self.rnn.states:
                    size = self.rnn.directions * self.rnn.hidden
                    self.initial[f"{state}_l{layer}"] = nn.Parameter(torch.zeros(size))

    def forward(self, source, beside=None):
        x = source.values if self.embedding is None else self.embedding(source.values)
        if beside is not None:
            x = torch.cat([x, beside], dim=-1)
        initial = None
        if len(self.initial):
            repeated = {name: row.expand(len(x), -1) for name, row in self.initial.items()}
            initial = [[repeated[f"{s}_l{k}"] for s in self.rnn.states] for k in range(len(self.rnn.layers))]
        return self.rnn(x, source.lengths, initial)


def output_size(section):
    return section["hidden_size"] * (2 if section["bidirectional"] else 1)


class Context(nn.Module):
    def __init__(self, kind, size):
        super().__init__()
        self.kind = kind
        if kind == "linear":
            self.linear = nn.Linear(size, size)
        if kind == "attention-pooled":
            self.attention = nn.Linear(size, size)
            self.query = nn.Parameter(torch.zeros(size))

    def forward(self, memory, mask, final):
        """→ context [B,M], weights [B,S] or None."""
        last, mask = final[-1][0], mask[..., None]
        if self.kind in ("last", "linear"):
            return (last if self.kind == "last" else self.linear(last)), None
        if self.kind == "mean":
            return (memory * mask).sum(1) / mask.sum(1), None
        if self.kind == "max":
            return memory.masked_fill(~mask, -torch.inf).amax(1), None
        scores = torch.tanh(self.attention(memory)) @ self.query
        weights = torch.softmax(scores.masked_fill(~mask[..., 0], -torch.inf), dim=1)
        return (weights[..., None] * memory).sum(1), weights


class Characters(nn.Module):
    def __init__(self, model, size):
        super().__init__()
        section = model["characters"]
        self.embedding = nn.Embedding(size, section["embedding_dim"])
        self.rnn = Stack(model, {**section, "num_layers": 1, "bidirectional": True}, section["embedding_dim"])

    def forward(self, spellings):
        """For each row the characters of each of its tokens → [B,S,2·Hc], zeros at padding."""
        words = Rows.of([word for row in spellings for word in row])
        _, [[h, *_]] = self.rnn(self.embedding(words.values), words.lengths)
        return pad_sequence(list(h.split([len(row) for row in spellings])), batch_first=True)


class Tagger(nn.Module):
    def __init__(self, model, sizes, frames):
        super().__init__()
        beside = 0
        if model["characters"]["use"]:
            self.characters = Characters(model, sizes["characters"])
            beside = 2 * model["characters"]["hidden_size"]
        self.encoder = Encoder(model, sizes["source"], frames, beside)
        self.output = nn.Linear(output_size(model["encoder"]), sizes["target"])
        self.crf = CRF(sizes["target"], batch_first=True) if model["crf"] else None

    def forward(self, batch, smoothing=0.0):
        source, tags = Rows.of(batch["source"]), Rows.of(batch["target"], IGNORED)
        characters = self.characters(batch["characters"]) if "characters" in batch else None
        hidden, _ = self.encoder(source, characters)
        scores = self.output(hidden)
        outputs = {"hidden": hidden, "probabilities": torch.softmax(scores, -1)}
        count = (tags.values != IGNORED).sum()
        if self.crf is None:
            return outputs, word_loss(scores, tags.values, IGNORED, smoothing), count
        outputs["tags"] = self.crf.decode(scores, source.mask)
        return outputs, -self.crf(scores, tags.values.clamp_min(0), source.mask, reduction="sum"), count


class Classifier(nn.Module):
    def __init__(self, model, sizes, frames):
        super().__init__()
        self.encoder = Encoder(model, sizes["source"], frames)
        size = output_size(model["encoder"])
        self.context = Context(model["pooling"], size)
        self.output = nn.Linear(size, sizes["target"])

    def forward(self, batch, smoothing=0.0):
        source = Rows.of(batch["source"])
        memory, final = self.encoder(source)
        context, weights = self.context(memory, source.mask, final)
        scores = self.output(context)
        outputs = {"context": context, "probabilities": torch.softmax(scores, -1)}
        if weights is not None:
            outputs["alignments"] = weights
        labels = torch.tensor(batch["target"]).squeeze(1)
        classes = batch.get("classWeights")
        weight = None if classes is None else torch.tensor(classes, dtype=scores.dtype)
        count = len(labels) if weight is None else weight[labels].sum()
        # CrossEntropyLoss's own mean: over the rows, or over their weights.
        mean = nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)(scores, labels)
        return outputs, mean * count, count


class Decoder(nn.Module):
    def __init__(self, model, size, beside):
        super().__init__()
        section = model["decoder"]
        inputs = section["embeddings"]["embedding_dim"]
        self.embedding = nn.Embedding(size, inputs)
        self.rnn = Stack(model, section, inputs + beside)
        self.output = nn.Linear(section["hidden_size"], size)
        if model["tied_softmax"]:
            self.output.weight = self.embedding.weight

    def forward(self, words, initial=None, context=None, first_step=False):
        """words: what is read; context [B,C] → h [B,T,H], logits [B,T,V], final states."""
        x = self.embedding(words.values)
        if context is not None:
            beside = context[:, None].repeat(1, x.shape[1], 1)
            if first_step:
                beside[:, 1:] = 0
            x = torch.cat([x, beside], dim=-1)
        h, final = self.rnn(x, words.lengths, initial)
        return h, self.output(h), final

    def outputs(self, batch, **start):
        """The words of the batch's targets, each beginning with <s>: outputs, summed loss, number of words."""
        target = Rows.of(batch["target"])
        words = Rows.of([[START, *row[:-1]] for row in batch["target"]])
        h, logits, _ = self(words, **start)
        real = target.mask[..., None]
        outputs = {"output": h, "logits": logits * real}
        return outputs, word_loss(logits, target.values, PADDING, batch["smoothing"]), target.mask.sum()


class Generator(nn.Module):
    def __init__(self, model, sizes, frames):
        super().__init__()
        size = model["input"]["embedding_dim"]
        self.first_step = model["input"]["use"] == "first_step"
        maps = {"linear": nn.Linear(sizes["source"], size)} if frames else {"embedding": nn.Embedding(sizes["source"], size)}
        self.input = nn.ModuleDict(maps)
        self.decoder = Decoder(model, sizes["target"], size)

    def forward(self, batch, smoothing=0.0):
        [mapping] = self.input.values()
        context = mapping(Rows.of(batch["source"]).values.squeeze(1))
        return self.decoder.outputs({**batch, "smoothing": smoothing}, context=context, first_step=self.first_step)


class Seq2Seq(nn.Module):
    def __init__(self, model, sizes, frames):
        super().__init__()
        section, size = model["decoder"], output_size(model["encoder"])
        assert section["attention"]["score"] == "none"
        self.use, self.layers = section["context_use"], section["num_layers"]
        self.encoder = Encoder(model, sizes["source"], frames)
        self.context = Context(section["context"], size)
        self.decoder = Decoder(model, sizes["target"], 0 if self.use == "initial_state" else size)
        self.bridge = None
        if section["bridge"] == "linear":
            maps = {state: nn.Linear(size, section["hidden_size"]) for state in self.encoder.rnn.states}
            self.bridge = nn.ModuleDict(maps)

    def forward(self, batch, smoothing=0.0):
        source = Rows.of(batch["source"])
        memory, final = self.encoder(source)
        context, _ = self.context(memory, source.mask, final)
        initial = None
        if self.use != "every_step":
            initial = final
            if self.context.kind != "last":
                states = self.encoder.rnn.states
                rest = [context if self.bridge is not None else torch.zeros_like(context)] * (len(states) - 1)
                initial = [[context, *rest]] * self.layers
            if self.bridge is not None:
                initial = [[f(s) for f, s in zip(self.bridge.values(), states)] for states in initial]
        beside = None if self.use == "initial_state" else context
        return self.decoder.outputs({**batch, "smoothing": smoothing}, initial=initial, context=beside)


class LanguageModel(nn.Module):
    def __init__(self, model, sizes, frames):
        super().__init__()
        assert not frames
        self.decoder = Decoder(model, sizes["target"], 0)

    def forward(self, batch, smoothing=0.0):
        return self.decoder.outputs({**batch, "smoothing": smoothing})


def word_loss(logits, targets, ignored, smoothing):
    """Summed over the targets that count."""
    options = {"ignore_index": ignored, "reduction": "sum", "label_smoothing": smoothing}
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), **options)


MODELS = {
    "tagger": Tagger,
    "classifier": Classifier,
    "generator": Generator,
    "seq2seq": Seq2Seq,
    "language_model": LanguageModel,
}
