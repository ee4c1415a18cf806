"""Measures the trained model and writes the figures down: nacre-small/report.json and README.md.

    python3 report.py            after train.py, on the same machine

The int8 column runs what model.safetensors holds; the float column runs the same training's float
weights without any rounding. The tables of README.md between the two markers are replaced.
"""

import argparse
import hashlib
import json
import os
import platform

import evaluate
import export
from generate import TASKS, write
from train import load_float

HERE = os.path.dirname(os.path.abspath(__file__))
BEGIN, END = "<!-- report.py begin -->", "<!-- report.py end -->"
FILES = ("model.safetensors", "corpus.json", "eval.json")


def file_facts(out):
    """Size and SHA-256 of every published file."""
    facts = {}
    for name in FILES:
        with open(os.path.join(out, name), "rb") as source:
            blob = source.read()
        facts[name] = {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}
    return facts


def percent(score):
    return f"{100 * score['right'] / score['of']:.1f} % of {score['of']}"


def markdown(report):
    """The report as Markdown tables."""
    columns = ("heldOut", "bootstrap")
    lines = [
        "| task | held out, float | held out, int8 | bootstrap shape, float | bootstrap shape, int8 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        cells = [percent(report["accuracy"][column][kind][task]) for column in columns for kind in ("float", "int8")]
        lines.append(f"| {task} | {' | '.join(cells)} |")
    runs = report["training"]
    lines += ["", f"{report['parameters']} parameters, trained on {report['machine']}."]
    lines += ["", f"| training | {' | '.join(f'run {index + 1}' for index in range(len(runs)))} |"]
    lines += ["| --- |" + " --- |" * len(runs)]
    lines += [f"| {key} | {' | '.join(str(run[key]) for run in runs)} |" for key in runs[0]]
    lines += ["", "| file | bytes | SHA-256 |", "| --- | --- | --- |"]
    lines += [f"| {name} | {fact['bytes']} | `{fact['sha256']}` |" for name, fact in report["files"].items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="write report.json and the tables of README.md")
    parser.add_argument("--out", default=os.path.join(HERE, "nacre-small"))
    parser.add_argument("--build", default=os.path.join(HERE, "build"))
    parser.add_argument("--readme", default=os.path.join(HERE, "README.md"))
    args = parser.parse_args()
    models = {
        "float": load_float(os.path.join(args.build, "float.pt")),
        "int8": export.load(os.path.join(args.out, "model.safetensors")),
    }
    sets = {"heldOut": evaluate.plain_questions(), "bootstrap": evaluate.bootstrap_questions()}
    with open(os.path.join(args.build, "training.json"), encoding="utf-8") as source:
        training = json.load(source)
    report = {
        "model": export.METADATA["name"],
        "parameters": sum(p.numel() for p in models["int8"].parameters()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "accuracy": {
            name: {kind: evaluate.accuracy(model, questions) for kind, model in models.items()}
            for name, questions in sets.items()
        },
        "training": training,
        "files": file_facts(args.out),
    }
    write(os.path.join(args.out, "report.json"), json.dumps(report, indent=2) + "\n")
    with open(args.readme, encoding="utf-8") as source:
        text = source.read()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    tables = markdown(report)
    write(args.readme, f"{before}{BEGIN}\n{tables}\n{END}{after}")
    print(tables)


if __name__ == "__main__":
    main()
