"""Makes metrics.json: entity scores by seqeval and conlleval.pl, and scores of classes by scikit-learn.

    pip install seqeval scikit-learn
    python make_metric_fixtures.py CONLLEVAL_PL > metrics.json

where CONLLEVAL_PL is the CoNLL shared tasks' perl script (version 2004-01-26, distributed with the CoNLL-2000 data). Tags
are random: mostly what a tagger writes, with a share of tags that break every scheme. conlleval.pl is asked only about B, I
and O, since its E is that of an older scheme.
"""

import importlib.metadata
import json
import random
import re
import subprocess
import sys
import warnings

from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix
from sklearn.metrics import accuracy_score as class_accuracy
from sklearn.metrics import precision_recall_fscore_support as class_scores

warnings.filterwarnings("ignore")
TYPES = ["PER", "LOC", "a-b"]


def spans(generator, length):
    """Entities side by side and apart: (start, end, type)."""
    result, at = [], 0
    while at < length:
        size = min(generator.choice([1, 1, 2, 3]), length - at)
        if generator.random() < 0.5:
            result.append((at, at + size, generator.choice(TYPES)))
        at += size
    return result


def tags_of(scheme, length, entities):
    tags = ["O"] * length
    for index, (start, end, kind) in enumerate(entities):
        touches = index > 0 and entities[index - 1][1] == start and entities[index - 1][2] == kind
        for at in range(start, end):
            place = "I"
            if scheme == "IOB2" and at == start or scheme == "IOB1" and at == start and touches:
                place = "B"
            if scheme == "IOBES":
                place = "S" if end - start == 1 else "B" if at == start else "E" if at == end - 1 else "I"
            tags[at] = f"{place}-{kind}"
    return tags


def shaken(generator, scheme, tags, share):
    places = "BIES" if scheme == "IOBES" else "BI"
    everything = ["O"] + [f"{place}-{kind}" for place in places for kind in TYPES]
    return [generator.choice(everything) if generator.random() < share else tag for tag in tags]


def corpus(scheme, seed, share, sentences=12):
    generator = random.Random(seed)
    references, predictions = [], []
    for _ in range(sentences):
        length = generator.randrange(1, 14)
        right = tags_of(scheme, length, spans(generator, length))
        # References are shaken a little too: annotated data breaks its own scheme.
        references.append(shaken(generator, scheme, right, share / 4))
        predictions.append(shaken(generator, scheme, right, share))
    return references, predictions


def conlleval(script, references, predictions):
    sentences = ["".join(f"w {r} {p}\n" for r, p in zip(*pair)) for pair in zip(references, predictions)]
    output = subprocess.run(["perl", script], input="\n".join(sentences), text=True, capture_output=True, check=True).stdout
    totals = re.search(r"processed (\d+) tokens with (\d+) phrases; found: (\d+) phrases; correct: (\d+)", output)
    tokens, phrases, found, correct = map(int, totals.groups())
    rates = re.search(r"accuracy: +([\d.]+)%;.*precision: +([\d.]+)%; recall: +([\d.]+)%; FB1: +([\d.]+)", output)
    accuracy, precision, recall, f1 = map(float, rates.groups())
    types = re.findall(r"^ +(\S+): .*precision: +([\d.]+)%; recall: +([\d.]+)%; FB1: +([\d.]+) +(\d+)$", output, re.M)
    return {
        "tokens": tokens, "references": phrases, "predicted": found, "correct": correct,
        "accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1,
        "types": [{"type": t, "precision": float(p), "recall": float(r), "f1": float(f), "predicted": int(n)}
                  for t, p, r, f, n in types],
    }


def seqeval(references, predictions):
    precision, recall, f1, support = precision_recall_fscore_support(references, predictions, average=None)
    types = sorted({kind for tags in references + predictions for kind, _, _ in get_entities(tags)})
    return {
        "accuracy": accuracy_score(references, predictions),
        "precision": precision_score(references, predictions),
        "recall": recall_score(references, predictions),
        "f1": f1_score(references, predictions),
        "types": [{"type": t, "precision": float(p), "recall": float(r), "f1": float(f), "references": int(s)}
                  for t, p, r, f, s in zip(types, precision, recall, f1, support)],
        # Last tokens are included, as seqeval counts.
        "entities": [[[kind, start, end] for kind, start, end in get_entities(tags)] for tags in predictions],
    }


def entity_cases(script):
    cases = [(f"{scheme}, {share:.0%} shaken", scheme, *corpus(scheme, seed, share))
             for seed, (scheme, share) in enumerate(
                 [(s, share) for s in ("IOB1", "IOB2", "IOBES") for share in (0.1, 0.4, 1.0)])]
    cases.append(("nothing found", "IOB2", [["B-PER", "I-PER", "O"]], [["O", "O", "O"]]))
    cases.append(("nothing there", "IOB2", [["O", "O"]], [["O", "I-LOC"]]))
    cases.append(("nothing at all", "IOB2", [["O", "O"], ["O"]], [["O", "O"], ["O"]]))
    cases.append(("all right", "IOB2", [["B-PER", "B-PER"], ["I-LOC", "O", "I-LOC"]], [["B-PER", "B-PER"], ["I-LOC", "O", "I-LOC"]]))
    # An entity never goes on over the end of a sentence.
    cases.append(("at the borders of sentences", "IOB1", [["O", "I-PER"], ["I-PER", "O"]], [["O", "I-PER"], ["I-PER", "I-PER"]]))
    return [{"name": name, "references": references, "predictions": predictions,
             "seqeval": seqeval(references, predictions),
             "conlleval": None if scheme == "IOBES" else conlleval(script, references, predictions)}
            for name, scheme, references, predictions in cases]


def class_cases():
    generator = random.Random(7)
    names = ["b", "a", "Zürich", "\U00020000", "\uffee", "South Korea"]
    weights = [8, 5, 3, 1, 1, 2]
    references = generator.choices(names, weights, k=150)
    predictions = [r if generator.random() < 0.6 else generator.choices(names, weights)[0] for r in references]
    corpora = [
        ("six classes", references, predictions),
        ("a class that is never predicted", ["a", "a", "b", "c"], ["a", "b", "b", "b"]),
        ("a class that is only predicted", ["a", "a", "b"], ["a", "d", "b"]),
        ("all wrong", ["a", "b"], ["b", "a"]),
        ("one example", ["a"], ["a"]),
    ]
    for name, right, predicted in corpora:
        labels = sorted(set(right) | set(predicted))
        precision, recall, f1, support = class_scores(right, predicted, labels=labels, zero_division=0)
        macro = class_scores(right, predicted, average="macro", zero_division=0)
        yield {
            "name": name, "references": right, "predictions": predicted,
            "accuracy": class_accuracy(right, predicted),
            "macro": [float(value) for value in macro[:3]],
            "classes": [{"name": n, "precision": float(p), "recall": float(r), "f1": float(f), "references": int(s)}
                        for n, p, r, f, s in zip(labels, precision, recall, f1, support)],
            "confusion": confusion_matrix(right, predicted, labels=labels).tolist(),
        }


versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("seqeval", "scikit-learn"))
one_a_line = lambda cases: "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]"
print(f'{{"source": {json.dumps(f"{versions}, conlleval.pl 2004-01-26")},')
print(f'"entities": {one_a_line(entity_cases(sys.argv[1]))},')
print(f'"classification": {one_a_line(class_cases())}}}')
