"""The decoder in PyTorch: float, or with the network's int8 rounding simulated on every operand.

The simulation rounds exactly where the network does (weights per output row, activations per row,
q per head, k and v per position and KV head, attention output per KV group). Its gradient is the
straight-through one, so the same code trains the quantised model and measures it.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

CONFIG = {
    "name": "nacre-small", "dModel": 192, "nLayers": 4, "nHeads": 6, "nKvHeads": 3, "headDim": 32,
    "ffnDim": 512, "vocabSize": 260, "maxSeqLen": 128, "normEps": 1e-5,
}
D, LAYERS, HEADS = CONFIG["dModel"], CONFIG["nLayers"], CONFIG["nHeads"]
KV, HD, FFN = CONFIG["nKvHeads"], CONFIG["headDim"], CONFIG["ffnDim"]
GROUP = HEADS // KV
LEVELS = 63


def row_scale(x):
    """The scale of each row: amax / 63."""
    return x.abs().amax(-1, keepdim=True) / LEVELS


class FakeQuant(torch.autograd.Function):
    """Rounds each row to 127 levels; the gradient passes straight through."""

    @staticmethod
    def forward(_, x):
        scale = row_scale(x)
        return x.div(scale.clamp_min(1e-30)).round_().mul_(scale)

    @staticmethod
    def backward(_, grad):
        return grad


def rope_tables():
    """The cosines and sines, [maxSeqLen, headDim / 2], computed in binary64 and stored as binary32."""
    frequency = 10000.0 ** (-torch.arange(0, HD, 2, dtype=torch.float64) / HD)
    angle = torch.outer(torch.arange(CONFIG["maxSeqLen"], dtype=torch.float64), frequency)
    return angle.cos().float(), angle.sin().float()


class Norm(nn.Module):
    """RMSNorm."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(D))

    def forward(self, x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + CONFIG["normEps"]) * self.gain


class Layer(nn.Module):
    """Attention and SwiGLU, with the fused weights of the file: qkv, o, gateUp, down."""

    def __init__(self):
        super().__init__()
        self.attn_norm, self.ffn_norm = Norm(), Norm()
        self.qkv = nn.Parameter(torch.randn(D + 2 * KV * HD, D) * 0.02)
        self.o = nn.Parameter(torch.randn(D, D) * 0.02)
        self.gate_up = nn.Parameter(torch.randn(2 * FFN, D) * 0.02)
        self.down = nn.Parameter(torch.randn(D, FFN) * 0.02)


class Model(nn.Module):
    """The whole decoder. `quant` switches the int8 simulation on."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Parameter(torch.randn(CONFIG["vocabSize"], D) * 0.02)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.final_norm = Norm()
        self.quant = False
        cos, sin = rope_tables()
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def q(self, x):
        """Rounds rows along the last dimension when the simulation is on."""
        return FakeQuant.apply(x) if self.quant else x

    def rotate(self, x):
        """Rotary positions on interleaved pairs; x is [batch, time, heads, headDim]."""
        time = x.shape[1]
        cos, sin = self.cos[:time, None], self.sin[:time, None]
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)

    def attention(self, layer, x, mask):
        """The attention output before the o-projection, rounded per KV group."""
        batch, time, _ = x.shape
        qkv = F.linear(self.q(x), self.q(layer.qkv)).view(batch, time, HEADS + 2 * KV, HD)
        turned = self.q(self.rotate(qkv[:, :, : HEADS + KV]))
        query = turned[:, :, :HEADS].reshape(batch, time, KV, GROUP, HD).permute(0, 2, 3, 1, 4)
        key = turned[:, :, HEADS:].permute(0, 2, 3, 1)
        value = self.q(qkv[:, :, HEADS + KV :]).transpose(1, 2)
        score = query.reshape(batch, KV, GROUP * time, HD) @ key / math.sqrt(HD)
        weight = (score.view(batch, KV, GROUP, time, time) + mask).softmax(-1)
        mixed = weight.view(batch, KV, GROUP * time, time) @ value
        mixed = mixed.view(batch, KV, GROUP, time, HD).permute(0, 3, 1, 2, 4)
        return self.q(mixed.reshape(batch, time, KV, GROUP * HD)).flatten(2)

    def forward(self, tokens):
        time = tokens.shape[1]
        mask = torch.full((time, time), -1e9).triu(1)
        table = self.q(self.embed)
        x = F.embedding(tokens, table)
        for layer in self.layers:
            mixed = self.attention(layer, layer.attn_norm(x), mask)
            x = x + F.linear(mixed, self.q(layer.o))
            gate, up = F.linear(self.q(layer.ffn_norm(x)), self.q(layer.gate_up)).chunk(2, -1)
            x = x + F.linear(self.q(F.silu(gate) * up), self.q(layer.down))
        return F.linear(self.q(self.final_norm(x)), table)
