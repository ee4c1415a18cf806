"""Tests of the generator and of the model file: python3 -m unittest, in this folder."""

import os
import random
import tempfile
import unittest

import numpy as np
import torch

import evaluate
import export
import generate
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
