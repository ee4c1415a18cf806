"""Trains nacre-small: float first, then with the int8 rounding simulated, and exports as it goes.

    python3 train.py --steps 12000

Writes build/model.safetensors, build/float.pt and build/training.json, now and then and at the end.
The published file is a copy of the first; report.py makes the report from the other two. With
--resume a further run, with a learning rate of its own, starts where the last export ended.
"""

import argparse
import hashlib
import json
import math
import os
import random
import time

import torch
import torch.nn.functional as F

import evaluate
import export
from generate import training_sequence
from model import CONFIG, Model

HERE = os.path.dirname(os.path.abspath(__file__))
WARM_UP, FLOOR = 100, 0.02


def options():
    parser = argparse.ArgumentParser(description="train nacre-small")
    parser.add_argument("--steps", type=int, default=12000, help="0 exports the model it starts from")
    parser.add_argument("--init", help="a model file to start from; random weights without it")
    parser.add_argument("--resume", action="store_true", help="start from build/float.pt and list the runs before")
    parser.add_argument("--rate", type=float, default=3e-3, help="the highest learning rate")
    parser.add_argument("--batch", type=int, default=32, help="sequences a step")
    parser.add_argument("--quant-from", type=float, default=0.7, help="fraction of the steps that trains in float")
    parser.add_argument("--export-every", type=int, default=1000, help="steps between exports")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--build", default=os.path.join(HERE, "build"))
    return parser.parse_args()


def load_float(path):
    """A model with the float weights of a run."""
    model = Model()
    model.load_state_dict(torch.load(path))
    return model


def first_model(args):
    """The model to start from, what the report calls it, and the figures of the runs before."""
    if args.resume:
        with open(os.path.join(args.build, "training.json"), encoding="utf-8") as source:
            runs = json.load(source)
        return load_float(os.path.join(args.build, "float.pt")), "the run before", runs
    if args.init is None:
        return Model(), "random", []
    with open(args.init, "rb") as source:
        return export.load(args.init), hashlib.sha256(source.read()).hexdigest(), []


def optimiser(model):
    """AdamW; only matrices decay."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    gains = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95))


def rate(step, steps, peak):
    """The learning rate of a step: warm-up, then a cosine over all steps."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return peak * min(1.0, (step + 1) / WARM_UP) * (FLOOR + (1 - FLOOR) * cosine)


def batch(rng, size):
    """Inputs, targets and the targets' loss weights."""
    rows = [training_sequence(rng, CONFIG["maxSeqLen"] + 1) for _ in range(size)]
    tokens = torch.tensor([row[0] for row in rows])
    weights = torch.tensor([row[1] for row in rows])
    return tokens[:, :-1], tokens[:, 1:], weights[:, 1:]


def train_step(model, optim, rng, size):
    """One step of gradient descent; returns the loss."""
    inputs, targets, weights = batch(rng, size)
    logits = model(inputs)
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    loss = (losses * weights.flatten()).sum() / weights.sum()
    optim.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optim.step()
    return loss.item()


def save(model, args, runs):
    """Exports the model, keeps its float weights and the figures of all runs, and prints how good it is."""
    path = os.path.join(args.build, "model.safetensors")
    export.write(model, path)
    torch.save(model.state_dict(), os.path.join(args.build, "float.pt"))
    with open(os.path.join(args.build, "training.json"), "w", encoding="utf-8") as out:
        json.dump(runs, out, indent=2)
    score = evaluate.accuracy(export.load(path), evaluate.plain_questions())
    print(f"exported at step {runs[-1]['steps']}: int8 {evaluate.line(score)}", flush=True)


def main():
    args = options()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model, init, before = first_model(args)
    rng, optim, smooth = random.Random(args.seed), optimiser(model), None
    figures = {
        "init": init, "plannedSteps": args.steps, "steps": 0, "quantisedSteps": 0, "cpuSeconds": 0,
        "highestRate": args.rate, "sequencesPerStep": args.batch, "tokensPerSequence": CONFIG["maxSeqLen"],
        "seed": args.seed, "threads": args.threads, "torch": torch.__version__,
    }
    for step in range(args.steps):
        model.quant = step >= args.quant_from * args.steps
        for group in optim.param_groups:
            group["lr"] = rate(step, args.steps, args.rate)
        loss = train_step(model, optim, rng, args.batch)
        smooth = loss if smooth is None else 0.98 * smooth + 0.02 * loss
        done = step + 1
        figures.update(steps=done, cpuSeconds=round(time.process_time()))
        figures["quantisedSteps"] += model.quant
        if done % 50 == 0:
            kind = "int8" if model.quant else "float"
            print(f"step {done} {time.process_time():.0f} s loss {smooth:.4f} {kind}", flush=True)
        if done % args.export_every == 0 and done < args.steps:
            save(model, args, [*before, figures])
    save(model, args, [*before, figures])


if __name__ == "__main__":
    main()
