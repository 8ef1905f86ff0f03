"""Makes bleu.json: scores and tokenisations by sacrebleu, to check Couplet's own BLEU against.

Usage: python make_bleu_fixtures.py SMALL_PARALLEL_ENJA > bleu.json
where SMALL_PARALLEL_ENJA is a copy of github.com/odashi/small_parallel_enja (train.en, train.ja, plain or .gz, and
dev.en, dev.ja). Its text comes from the Tanaka Corpus (CC BY 2.0 FR, distributed by Tatoeba).

The hypotheses are a real, if poor, system's: every English word becomes the Japanese word it goes with best in the
training pairs (Dice coefficient), so that there are matches of every order. The other corpora are small edge cases.
"""

import gzip
import itertools
import json
import os
import random
import sys
from collections import Counter

import sacrebleu
from sacrebleu.metrics.bleu import BLEU, _get_tokenizer


def read(folder, name):
    path = os.path.join(folder, name)
    with gzip.open(path + ".gz", "rt", encoding="utf8") if os.path.exists(path + ".gz") else open(path, encoding="utf8") as file:
        return [line.rstrip("\n") for line in file]


def word_by_word(folder, count):
    english, japanese, together = Counter(), Counter(), Counter()
    for source, target in zip(read(folder, "train.en"), read(folder, "train.ja")):
        a, b = set(source.split()), set(target.split())
        english.update(a)
        japanese.update(b)
        together.update(itertools.product(a, b))
    best = {}
    for (a, b), n in together.items():
        score = 2 * n / (english[a] + japanese[b])
        if score > best.get(a, (0, ""))[0]:
            best[a] = (score, b)
    hypotheses = [" ".join(best[w][1] for w in line.split() if w in best) for line in read(folder, "dev.en")[:count]]
    return hypotheses, [read(folder, "dev.ja")[:count]]


def shaken(lines, seed):
    """The lines with some words dropped, doubled, swapped or capitalised."""
    generator = random.Random(seed)
    result = []
    for line in lines:
        words = []
        for word in line.split(" "):
            chance = generator.random()
            words += [] if chance < 0.08 else [word, word] if chance < 0.12 else [word.upper()] if chance < 0.2 else [word]
        if len(words) > 2 and generator.random() < 0.4:
            i = generator.randrange(len(words) - 1)
            words[i], words[i + 1] = words[i + 1], words[i]
        result.append(" ".join(words))
    return result


PUNCTUATION = [
    'He said: "It costs $1,234.56 (about 5% more)," and left.',
    "Don't you know the well-known 3-year-old's e-mail, bob@example.com?",
    "Version 2.0.1, released on 2019-11-05; see http://example.org/a_b?c=d&e=f#g.",
    "AT&amp;T &lt;b&gt;bold&lt;/b&gt; &quot;quoted&quot; &amp;amp; <skipped> done ...",
    "A 10-12 m wide, 1.5-2 m deep hole{s} [sic] ~50% `code` ^2 | a\\b * c + d = e!",
    "Prices: .5, 5., 5.a, a.5, ,5 5, --- 3-",
    "Él llegó a las 10:30 h. — «¿Qué?» …dijo; “nada”, respondió ella.",
    "Straße, İstanbul, ΣΑΣ and ﬁne: ½ + ¼ = ¾ (naïve café).",
]
CHINESE = [
    "2019年11月5日,他在北京说:“你好,world!”价格是3.14元。",
    "我们使用ＢＬＥＵ评测机器翻译，tokenize后再比较（见图1）。",
    "𠀀𠀁是扩展B区的字,〇也是字 ⁂ ☃ ✂ €5.",
    "日本語のカタカナとひらがな、ﾊﾝｶｸ too.",
]
SPACES = [
    "non\u00a0breaking ideographic\u3000space tab\there  two spaces ",
    "unit\u001fseparator next\u0085line zero\u200bwidth bom\ufeffinside line\u2028separator",
    "",
    "   ",
    "e\u0301 versus é and 👩‍👩‍👧 family 🇭🇺",
]
SCRIPTS = "az AZ 09 .,-'\"&;:!?()[]{}<>/\\|@#$%^*_+=~` éßñ αβΩ жЯ 中文字 かな カナ 한국 🙂𠀀 \u2002\u2a00\u2f90"


def random_lines(count, seed):
    generator = random.Random(seed)
    return ["".join(generator.choice(SCRIPTS) for _ in range(generator.randrange(1, 40))) for _ in range(count)]


def corpora(folder):
    hypotheses, references = word_by_word(folder, 60)
    yield "word by word English to Japanese", hypotheses, references
    english = read(folder, "dev.en")[:40]
    yield "shaken English", shaken(english, 1), [english]
    yield "shaken punctuation", shaken(PUNCTUATION, 2), [PUNCTUATION]
    yield "shaken Chinese", ["".join(c for i, c in enumerate(s) if i % 7 != 3) for s in CHINESE], [CHINESE]
    yield "random characters", shaken(random_lines(30, 3), 4), [random_lines(30, 3)]
    yield "two references", shaken(PUNCTUATION, 5), [PUNCTUATION, shaken(PUNCTUATION, 6)]
    yield "two references of other lengths", ["a b c d", "a b c d e f"], [["a b c", "a b c d"], ["a b c d e", "x a b c d e f g"]]
    yield "identical", PUNCTUATION, [PUNCTUATION]
    yield "one empty hypothesis", ["", "the cat sat on the mat"], [["a dog barked", "the cat sat on a mat"]]
    yield "only empty hypotheses", ["", "  "], [["a dog barked", "the cat sat"]]
    yield "an empty reference", ["a b c d e", "x"], [["a b c d e", ""]]
    yield "no match at all", ["one two three four five"], [["six seven eight nine ten"]]
    yield "only single words match", ["b a d c f e"], [["a b c d e f"]]
    yield "no 4-gram matches", ["the cat sat on mats", "a big dog"], [["the cat sat in mats", "a big cat"]]
    yield "shorter than four words", ["hello", "good bye"], [["hello", "good bye"]]
    yield "clipped counts", ["the the the the the the the"], [["the cat is on the mat", ]]
    yield "far too short", ["the cat"], [["the cat is on the mat and looks at the dog"]]
    yield "spaces of all kinds", shaken(SPACES, 7), [SPACES]


def main():
    folder = sys.argv[1]
    cases = []
    for name, hypotheses, references in corpora(folder):
        scores = []
        settings = [dict(tokenize=t, lowercase=l) for t in ("none", "13a", "char", "zh") for l in (False, True)]
        settings += [dict(tokenize="13a", smooth_method=s) for s in ("none", "floor", "add-k")]
        settings += [dict(tokenize="13a", effective_order=True)]
        for setting in settings:
            metric = BLEU(force=True, **setting)
            score = metric.corpus_score(hypotheses, references)
            scores.append({
                "options": {
                    "tokenize": setting["tokenize"],
                    "lowercase": setting.get("lowercase", False),
                    "smooth": setting.get("smooth_method", "exp"),
                    "effectiveOrder": setting.get("effective_order", False),
                },
                "score": score.score,
                "precisions": score.precisions,
                "brevityPenalty": score.bp,
                "hypothesisLength": score.sys_len,
                "referenceLength": score.ref_len,
                "signature": str(metric.get_signature()).rsplit("|", 1)[0],
            })
        cases.append({"name": name, "hypotheses": hypotheses, "references": references, "scores": scores})
    lines = PUNCTUATION + CHINESE + SPACES + random_lines(40, 8)
    tokens = {t: [_get_tokenizer(t)()(line).split() for line in lines] for t in ("none", "13a", "char", "zh")}
    print(json.dumps({
        "source": f"sacrebleu {sacrebleu.__version__}; text in part from the Tanaka Corpus (CC BY 2.0 FR, Tatoeba)",
        "cases": cases,
        "tokenizations": {"lines": lines, "tokens": tokens},
    }, ensure_ascii=True, indent=0))


main()
