"""Tests of the generator and of the model file: python3 -m unittest, in this folder."""

import contextlib
import hashlib
import io
import json
import os
import random
import tempfile
import unittest
from argparse import Namespace
from unittest import mock

import numpy as np
import torch

import evaluate
import export
import generate
import train
from model import CONFIG, FakeQuant, Model


class Generator(unittest.TestCase):
    def test_corpus_prompts_have_their_exact_length_and_end_open(self):
        found = generate.corpus()
        self.assertEqual(len(found), generate.CORPUS_PROMPTS)
        for _, tokens, _ in found:
            self.assertEqual(len(tokens), generate.CORPUS_TOKENS)
            self.assertEqual(tokens[0], generate.BOS)
            self.assertEqual(tokens.count(generate.BOS), tokens.count(generate.EOS) + 1)
        self.assertEqual({task for task, _, _ in found}, set(generate.TASKS))

    def test_bootstrap_prompts_and_answers_fit_the_context(self):
        for _, tokens, answer in generate.corpus():
            self.assertLess(generate.NOISE_TOKENS + len(tokens) + len(answer), CONFIG["maxSeqLen"])

    def test_training_never_shows_a_held_out_prompt(self):
        prompts = {q["prompt"] for questions in generate.evaluation().values() for q in questions}
        self.assertTrue(all(generate.held_out(prompt) for prompt in prompts))
        rng = random.Random(3)
        for task in generate.TASKS:
            for _ in range(500):
                self.assertNotIn(generate.example(rng, task, False)[0], prompts)

    def test_every_answer_is_right(self):
        rng = random.Random(6)
        for task, make in generate.TASKS.items():
            for _ in range(200):
                prompt, answer = make(rng)
                if task.startswith("sum"):
                    self.assertEqual(int(answer), sum(int(part) for part in prompt[:-1].split("+")))
                elif task.startswith("product"):
                    a, b = prompt[:-1].split("*")
                    self.assertEqual(int(answer), int(a) * int(b))
                    self.assertEqual("x".join(sorted((str(len(a)), str(len(b))))), task[-3:])
                elif task.startswith("reverse"):
                    self.assertEqual(f"rev {answer[::-1]}:", prompt)
                elif task.startswith("sort"):
                    self.assertEqual(sorted(prompt[5:-1]), list(answer))
                elif task.startswith("count"):
                    self.assertEqual(prompt[11:-1].count(prompt[6]), int(answer))
                elif task == "json":
                    self.assertTrue(all(str(value) in prompt for value in json.loads(answer).values()))
                else:
                    name, colour, animal = prompt[6:-1].split()
                    self.assertTrue(answer.startswith(f"{name} had a {colour} {animal}. "))

    def test_the_long_tasks_continue_where_the_short_ones_end(self):
        rng = random.Random(7)
        for task in ("reverse", "sort", "count"):
            lengths = [
                {len(prompt.split()[-1]) - 1 for prompt, _ in (generate.TASKS[name](rng) for _ in range(500))}
                for name in (task, f"{task}-long")
            ]
            self.assertEqual(max(lengths[0]) + 1, min(lengths[1]))

    def test_every_task_is_trained(self):
        self.assertEqual(set(generate.SHARES), set(generate.TASKS))
        self.assertAlmostEqual(sum(generate.SHARES.values()), 1)

    def test_sequences_are_seeded_and_noise_has_no_weight(self):
        first = generate.training_sequence(random.Random(5), 129)
        self.assertEqual(first, generate.training_sequence(random.Random(5), 129))
        noisy = next(s for s in (generate.training_sequence(random.Random(i), 129) for i in range(99)) if s[0][0] < 256)
        self.assertEqual(noisy[1][: generate.NOISE_TOKENS], [0.0] * generate.NOISE_TOKENS)
        self.assertEqual(noisy[0][generate.NOISE_TOKENS], generate.BOS)


class File(unittest.TestCase):
    def test_round_trip_keeps_every_tensor(self):
        torch.manual_seed(4)
        model = Model()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            export.write(model, path)
            tensors, metadata = export.read(path)
            again = export.load(path)
        self.assertEqual(metadata, export.METADATA)
        for (name, wanted), (got, array) in zip(export.tensors_of(model).items(), tensors.items(), strict=True):
            self.assertEqual(name, got)
            np.testing.assert_array_equal(wanted, array)
        for name, array in export.tensors_of(again).items():
            if name.endswith(".q"):
                np.testing.assert_array_equal(tensors[name], array)

    def test_the_exported_rows_are_what_training_simulates(self):
        weight = torch.randn(20, 192)
        rows, scale = export.quantise(weight)
        np.testing.assert_array_equal(FakeQuant.apply(weight).numpy(), rows * scale[:, None])

    def test_a_zero_row_stays_zero(self):
        self.assertTrue(torch.equal(FakeQuant.apply(torch.zeros(2, 8)), torch.zeros(2, 8)))


class Training(unittest.TestCase):
    def test_the_rate_rises_to_its_peak_and_falls_to_the_floor(self):
        rates = [train.rate(step, 2000, 1e-3) for step in range(2000)]
        self.assertAlmostEqual(rates[0], 1e-3 / train.WARM_UP)
        self.assertAlmostEqual(max(rates), 1e-3, delta=1e-5)
        self.assertAlmostEqual(rates[-1], 1e-3 * train.FLOOR, delta=1e-7)
        top = rates.index(max(rates))
        self.assertEqual(rates[top:], sorted(rates[top:], reverse=True))

    def test_a_run_starts_from_the_given_file_and_a_further_one_from_its_export(self):
        with tempfile.TemporaryDirectory() as folder:
            start = os.path.join(folder, "start.safetensors")
            export.write(Model(), start)
            args = Namespace(build=folder, init=start, resume=False)
            model, init, before = train.first_model(args)
            with open(start, "rb") as source:
                self.assertEqual(init, hashlib.sha256(source.read()).hexdigest())
            self.assertEqual(before, [])
            with mock.patch.object(evaluate, "plain_questions", dict), contextlib.redirect_stdout(io.StringIO()):
                train.save(model, args, [{"steps": 3}])
            args.resume = True
            again, _, before = train.first_model(args)
        self.assertEqual(before, [{"steps": 3}])
        for name, weights in model.state_dict().items():
            self.assertTrue(torch.equal(weights, again.state_dict()[name]))

    def test_a_first_run_starts_from_random_weights(self):
        self.assertEqual(train.first_model(Namespace(resume=False, init=None))[1:], ("random", []))


class Evaluation(unittest.TestCase):
    def test_an_answer_is_right_only_whole_and_ended(self):
        follows = {ord("a"): ord("b"), ord("b"): ord("c"), ord("c"): generate.EOS}

        def chain(tokens):
            best = torch.tensor([[follows.get(token, 0) for token in row] for row in tokens.tolist()])
            return torch.nn.functional.one_hot(best, CONFIG["vocabSize"])

        prompt = [generate.BOS, ord("a")]
        for answer, wanted in (("bc", 1), ("b", 0), ("bb", 0), ("bca", 0)):
            self.assertEqual(evaluate.right(chain, [(prompt, answer)]), wanted)
        self.assertEqual(evaluate.right(chain, [(prompt, "bc"), (prompt, "b"), ([*prompt, ord("b")], "c")]), 2)


if __name__ == "__main__":
    unittest.main()
