"""Exact-match accuracy of a model on questions with one right answer.

One forward pass over prompt and answer decides a question: greedy decoding gives the whole answer if
and only if the most likely token is the right one at every answer position and EOS follows.
"""

import random

import torch

from generate import BOS, EOS, NOISE_TOKENS, TASKS, corpus, evaluation

BATCH = 50


def plain_questions():
    """The held-out questions, each alone: BOS, then the prompt."""
    return {
        task: [([BOS, *q["prompt"].encode()], q["answer"]) for q in questions]
        for task, questions in evaluation().items()
    }


def bootstrap_questions(seed=13):
    """The corpus prompts as the network gives them: 16 random bytes, then 48 packed tokens."""
    rng, tasks = random.Random(seed), {task: [] for task in TASKS}
    for task, tokens, answer in corpus():
        tasks[task].append(([rng.randrange(256) for _ in range(NOISE_TOKENS)] + tokens, answer))
    return tasks


def right(model, questions):
    """How many of the questions greedy decoding answers exactly."""
    count = 0
    for start in range(0, len(questions), BATCH):
        part = [(prompt, [*answer.encode(), EOS]) for prompt, answer in questions[start : start + BATCH]]
        longest = max(len(prompt) + len(answer) for prompt, answer in part) - 1
        rows = [(prompt + answer[:-1]) for prompt, answer in part]
        tokens = torch.tensor([row + [EOS] * (longest - len(row)) for row in rows])
        best = model(tokens).argmax(-1).tolist()
        for guess, (prompt, answer) in zip(best, part):
            count += guess[len(prompt) - 1 : len(prompt) - 1 + len(answer)] == answer
    return count


@torch.no_grad()
def accuracy(model, tasks):
    """{task: {"right": n, "of": n}} for the questions of every task."""
    return {task: {"right": right(model, questions), "of": len(questions)} for task, questions in tasks.items()}


def line(result):
    """A result in one line."""
    return " ".join(f"{task} {score['right']}/{score['of']}" for task, score in result.items())
