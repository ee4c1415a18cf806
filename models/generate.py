"""Generates the training data, the bootstrap corpus and the held-out questions of nacre-small.

Every example is a prompt with one checkable answer. Nothing here is copied from elsewhere: all text
comes from the small templates below and a seeded generator, so the data is as free as the code.

    python3 generate.py          writes nacre-small/corpus.json and nacre-small/eval.json
"""

import argparse
import hashlib
import json
import os
import random

BOS, EOS = 256, 257
CORPUS_PROMPTS, CORPUS_TOKENS = 512, 48
EVAL_PER_TASK = 100
NOISE_TOKENS = 16
ALPHABET = "abcdefghijklmnopqrstuvwxyz"

NAMES = "Ann Ben Cara Dan Eve Finn Gus Hana Ivan June Kofi Lena Max Nora Omar Pia Quin Rosa Sam Tess".split()
CITIES = "Oslo Lima Cairo Paris Quito Delhi Rome Bern Accra Seoul".split()
ANIMALS = {
    "cat": "hid", "dog": "ran off", "fox": "ran off", "owl": "flew off", "bee": "flew off",
    "cow": "got lost", "hen": "hid", "pig": "got lost", "ant": "got lost", "bat": "flew off",
}
COLOURS = {
    "red": "by the barn", "blue": "at the lake", "green": "in the grass",
    "gold": "on the hill", "grey": "by the road", "pink": "in the tree",
}


def word(rng, letters, shortest, longest):
    """A random word over `letters`."""
    return "".join(rng.choice(letters) for _ in range(rng.randint(shortest, longest)))


def number(rng):
    """A number of one or two digits; one digit more often than a uniform draw would give."""
    return rng.randrange(10) if rng.random() < 0.15 else rng.randrange(100)


def digits(rng, length):
    """A number of exactly `length` digits; of one digit, not 0."""
    return rng.randrange(10 ** (length - 1), 10**length)


def make_sum(rng):
    a, b = number(rng), number(rng)
    return f"{a}+{b}=", str(a + b)


def make_sum_long(rng):
    a, b = digits(rng, 3), digits(rng, 3)
    return f"{a}+{b}=", str(a + b)


def product(*lengths):
    """A task: the product of two numbers of these lengths, in either order."""

    def make(rng):
        a, b = (digits(rng, length) for length in rng.sample(lengths, 2))
        return f"{a}*{b}=", str(a * b)

    return make


def reverse(shortest, longest):
    """A task: words of these lengths, backwards."""

    def make(rng):
        text = word(rng, ALPHABET, shortest, longest)
        return f"rev {text}:", text[::-1]

    return make


def sort(shortest, longest):
    """A task: the letters of words of these lengths, in order."""

    def make(rng):
        text = word(rng, "abcdefgh", shortest, longest)
        return f"sort {text}:", "".join(sorted(text))

    return make


def count(shortest, longest):
    """A task: how often a letter is in words of these lengths."""

    def make(rng):
        letter, text = rng.choice("abc"), word(rng, "abcx", shortest, longest)
        return f"count {letter} in {text}:", str(text.count(letter))

    return make


def make_json(rng):
    name, city, age = rng.choice(NAMES), rng.choice(CITIES), rng.randrange(10, 90)
    sentence = rng.choice([
        f"{name} is {age} and lives in {city}",
        f"in {city} lives {name}, aged {age}",
        f"{name}, {age}, comes from {city}",
    ])
    return f"json {sentence}:", '{"name":"%s","age":%d,"city":"%s"}' % (name, age, city)


def make_story(rng):
    name, animal, colour = rng.choice(NAMES), rng.choice(list(ANIMALS)), rng.choice(list(COLOURS))
    text = f"{name} had a {colour} {animal}. It {ANIMALS[animal]}. {name} found it {COLOURS[colour]}."
    return f"story {name} {colour} {animal}:", text


TASKS = {
    "sum": make_sum, "reverse": reverse(3, 7), "sort": sort(3, 7),
    "count": count(3, 9), "json": make_json, "story": make_story,
    "sum-long": make_sum_long, "product-1x2": product(1, 2), "product-1x3": product(1, 3),
    "product-2x2": product(2, 2), "reverse-long": reverse(8, 12), "sort-long": sort(8, 12),
    "count-long": count(10, 16),
}
# Shares of the training examples: numbers are learnt last and are the shortest, so they get the most.
SHARES = {
    "sum": 0.09, "reverse": 0.05, "sort": 0.05, "count": 0.05, "json": 0.04, "story": 0.03,
    "sum-long": 0.14, "product-1x2": 0.08, "product-1x3": 0.11,
    "product-2x2": 0.14, "reverse-long": 0.07, "sort-long": 0.07,
    "count-long": 0.08,
}


def held_out(prompt):
    """True for the tenth of all prompts that is never trained on; a stable function of the text."""
    return int.from_bytes(hashlib.blake2b(prompt.encode(), digest_size=8).digest(), "big") % 10 == 0


def example(rng, task, from_held_out):
    """One (prompt, answer) of a task from the wanted side of the split."""
    while True:
        prompt, answer = TASKS[task](rng)
        if held_out(prompt) == from_held_out:
            return prompt, answer


def encode(prompt, answer):
    """The tokens of a worked example."""
    return [BOS, *prompt.encode(), *answer.encode(), EOS]


def training_sequence(rng, length):
    """`length` tokens of packed training examples, and the loss weight of each as a target."""
    tokens, weights = [], []
    if rng.random() < 0.2:
        tokens = [rng.randrange(256) for _ in range(NOISE_TOKENS)]
        weights = [0.0] * NOISE_TOKENS
    names, shares = list(SHARES), list(SHARES.values())
    while len(tokens) < length:
        prompt, answer = example(rng, rng.choices(names, shares)[0], False)
        tokens += encode(prompt, answer)
        weights += [0.1] * (1 + len(prompt)) + [1.0] * (len(answer) + 1)
    return tokens[:length], weights[:length]


def fill(rng, room):
    """Worked examples that take exactly `room` tokens, or None when this draw does not fit."""
    shortest = len(encode("1+1=", "2"))
    tokens = []
    for _ in range(200):
        if room == 0:
            return tokens
        piece = encode(*example(rng, rng.choice(list(TASKS)), False))
        rest = room - len(piece)
        if rest == 0 or rest >= shortest:
            tokens, room = tokens + piece, rest
    return None


def corpus(seed=11):
    """The bootstrap corpus: (task, tokens, answer), each ending with a held-out open question."""
    rng, found, seen = random.Random(seed), [], set()
    names = list(TASKS)
    while len(found) < CORPUS_PROMPTS:
        task = names[len(found) % len(names)]
        prompt, answer = example(rng, task, True)
        question = [BOS, *prompt.encode()]
        before = fill(rng, CORPUS_TOKENS - len(question))
        if before is None or tuple(before + question) in seen:
            continue
        seen.add(tuple(before + question))
        found.append((task, before + question, answer))
    return found


def evaluation(seed=12):
    """The held-out questions: at most EVAL_PER_TASK distinct ones for each task."""
    rng, tasks = random.Random(seed), {}
    for task in TASKS:
        questions = {}
        for _ in range(100 * EVAL_PER_TASK):
            if len(questions) == EVAL_PER_TASK:
                break
            prompt, answer = example(rng, task, True)
            questions[prompt] = answer
        tasks[task] = [{"prompt": p, "answer": a} for p, a in questions.items()]
    return tasks


def write(path, text):
    """Writes a file whole or not at all."""
    with open(path + ".tmp", "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(path + ".tmp", path)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="write corpus.json and eval.json")
    parser.add_argument("--out", default=os.path.join(here, "nacre-small"))
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)
    rows = ",\n".join(json.dumps(tokens, separators=(",", ":")) for _, tokens, _ in corpus())
    write(os.path.join(out, "corpus.json"), '{"promptTokens":%d,"prompts":[\n%s\n]}\n' % (CORPUS_TOKENS, rows))
    tasks = ",\n".join(
        '"%s":[\n%s\n]' % (task, ",\n".join(json.dumps(q, separators=(",", ":")) for q in questions))
        for task, questions in evaluation().items()
    )
    write(os.path.join(out, "eval.json"), '{"tasks":{\n%s\n}}\n' % tasks)


if __name__ == "__main__":
    main()
