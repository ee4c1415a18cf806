"""Writes and reads the model file: the safetensors container, by hand, with int8 weights.

Layout, names and order are described in README.md; nothing but numpy and the standard library.
"""

import json
import os
import struct

import numpy as np
import torch

from model import CONFIG, LAYERS, LEVELS, Model

METADATA = {
    "format": "nacre-model-1",
    **{key: str(CONFIG[key]) for key in CONFIG},
    "tiedHead": "true", "bosToken": "256", "eosToken": "257",
    "tokenizer": "byte", "scheme": "int8-row63",
}
DTYPES = {"I8": np.dtype("int8"), "F32": np.dtype("<f4")}


def quantise(weight):
    """int8 rows and their binary32 scales: scale = amax / 63, value = round half even (w / scale)."""
    rows = weight.detach().cpu().numpy().astype("<f4")
    scale = np.abs(rows).max(axis=1) / np.float32(LEVELS)
    safe = np.where(scale == 0, np.float32(1), scale)
    return np.rint(rows / safe[:, None]).clip(-LEVELS, LEVELS).astype("int8"), scale.astype("<f4")


def plain(tensor):
    """A tensor that stays binary32."""
    return tensor.detach().cpu().numpy().astype("<f4")


def tensors_of(model):
    """Every tensor of the file, in the file's order."""
    out = {}
    out["embed.q"], out["embed.scale"] = quantise(model.embed)
    for index, layer in enumerate(model.layers):
        at = f"layers.{index}."
        out[at + "attnNorm"] = plain(layer.attn_norm.gain)
        out[at + "qkv.q"], out[at + "qkv.scale"] = quantise(layer.qkv)
        out[at + "o.q"], out[at + "o.scale"] = quantise(layer.o)
        out[at + "ffnNorm"] = plain(layer.ffn_norm.gain)
        out[at + "gateUp.q"], out[at + "gateUp.scale"] = quantise(layer.gate_up)
        out[at + "down.q"], out[at + "down.scale"] = quantise(layer.down)
    out["finalNorm"] = plain(model.final_norm.gain)
    out["rope.cos"], out["rope.sin"] = plain(model.cos), plain(model.sin)
    return out


def write(model, path):
    """Writes the model file, whole or not at all."""
    header, offset, tensors = {"__metadata__": METADATA}, 0, tensors_of(model)
    for name, array in tensors.items():
        dtype = "I8" if array.dtype == np.int8 else "F32"
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path + ".tmp", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            out.write(array.tobytes())
    os.replace(path + ".tmp", path)


def read(path):
    """The tensors of a model file as numpy arrays, and its metadata."""
    with open(path, "rb") as source:
        blob = source.read()
    start = 8 + struct.unpack("<Q", blob[:8])[0]
    header = json.loads(blob[8:start])
    metadata, tensors = header.pop("__metadata__"), {}
    for name, entry in header.items():
        low, high = entry["data_offsets"]
        flat = np.frombuffer(blob[start + low : start + high], DTYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata


def load(path):
    """A Model whose weights are exactly what the file holds, with the int8 simulation on."""
    tensors, _ = read(path)
    model = Model()

    def put(parameter, name, scaled):
        array = tensors[name + ".q"] * tensors[name + ".scale"][:, None] if scaled else tensors[name]
        parameter.data.copy_(torch.from_numpy(np.array(array)))

    put(model.embed, "embed", True)
    for index in range(LAYERS):
        layer, at = model.layers[index], f"layers.{index}."
        put(layer.attn_norm.gain, at + "attnNorm", False)
        put(layer.ffn_norm.gain, at + "ffnNorm", False)
        for parameter, name in ((layer.qkv, "qkv"), (layer.o, "o"), (layer.gate_up, "gateUp"), (layer.down, "down")):
            put(parameter, at + name, True)
    put(model.final_norm.gain, "finalNorm", False)
    model.quant = True
    return model
