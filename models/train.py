"""Trains nacre-small: float first, then with the int8 rounding simulated, and exports as it goes.

    python3 train.py --minutes 60

Writes nacre-small/model.safetensors (now and then, and at the end), and build/float.pt and
build/training.json, from which report.py makes the report.
"""

import argparse
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
PEAK_RATE, WARM_UP, FLOOR = 3e-3, 100, 0.02


def options():
    parser = argparse.ArgumentParser(description="train nacre-small")
    parser.add_argument("--minutes", type=float, default=60, help="wall-clock time; 0 exports the untrained model")
    parser.add_argument("--batch", type=int, default=32, help="sequences a step")
    parser.add_argument("--quant-from", type=float, default=0.62, help="fraction of the time that trains in float")
    parser.add_argument("--export-every", type=float, default=8, help="minutes between exports")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default=os.path.join(HERE, "nacre-small"))
    parser.add_argument("--build", default=os.path.join(HERE, "build"))
    return parser.parse_args()


def optimiser(model):
    """AdamW; only matrices decay."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    gains = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.95))


def rate(step, done):
    """Warm-up, then a cosine over the fraction of the time that is done."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return PEAK_RATE * min(1.0, (step + 1) / WARM_UP) * (FLOOR + (1 - FLOOR) * cosine)


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


def save(model, args, figures):
    """Exports the model, keeps its float weights and the figures, and prints how good it is."""
    path = os.path.join(args.out, "model.safetensors")
    export.write(model, path)
    os.makedirs(args.build, exist_ok=True)
    torch.save(model.state_dict(), os.path.join(args.build, "float.pt"))
    with open(os.path.join(args.build, "training.json"), "w", encoding="utf-8") as out:
        json.dump(figures, out, indent=2)
    score = evaluate.accuracy(export.load(path), evaluate.plain_questions())
    print(f"exported at step {figures['steps']}: int8 {evaluate.line(score)}", flush=True)


def main():
    args = options()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model, rng = Model(), random.Random(args.seed)
    optim = optimiser(model)
    total, start, exported, step, smooth = args.minutes * 60, time.time(), 0.0, 0, None
    figures = {
        "parameters": sum(p.numel() for p in model.parameters()), "steps": 0, "quantisedSteps": 0,
        "seconds": 0, "sequencesPerStep": args.batch, "tokensPerSequence": CONFIG["maxSeqLen"],
        "seed": args.seed, "threads": args.threads, "torch": torch.__version__,
    }
    while (elapsed := time.time() - start) < total:
        model.quant = elapsed > args.quant_from * total
        for group in optim.param_groups:
            group["lr"] = rate(step, elapsed / total)
        loss = train_step(model, optim, rng, args.batch)
        smooth = loss if smooth is None else 0.98 * smooth + 0.02 * loss
        step += 1
        figures.update(steps=step, seconds=round(time.time() - start))
        figures["quantisedSteps"] += model.quant
        if step % 50 == 0:
            print(f"step {step} {elapsed:.0f} s loss {smooth:.4f}{' int8' if model.quant else ''}", flush=True)
        if elapsed - exported > args.export_every * 60:
            exported = elapsed
            save(model, args, figures)
    save(model, args, figures)


if __name__ == "__main__":
    main()
