"""Colours in Perfetto's UI, which takes none from a trace: it hashes each slice's correlation id to one.

So slices of one unit and precision share a correlation id, and with it a colour, whatever the hash is. That the hues
are those of the other outputs (INT8 green, FP16 orange, FP32 red, FP8 blue; bright on Tensor Cores, pale on CUDA cores)
needs a number behind the words, which is looked for with the hash that the UI has had since 2019: FNV-1a, then hue and
lightness from the remainders (https://github.com/google/perfetto: ui/src/base/hash.ts, ui/src/components/colorizer.ts).
"""

from __future__ import annotations

from functools import cache

_HUES = {  # degrees in HSLuv: 12 is red, 40 orange, 127 green, 255 blue
    "fp64": 345,
    "fp32": 12,
    "tf32": 305,
    "bf16": 58,
    "fp16": 38,
    "fp8": 255,
    "fp6": 265,
    "fp4": 275,
    "int8": 127,
    "int4": 145,
    "int1": 155,
    "mixed": 85,
    "unknown": 190,
    "memcpy": 330,
    "memset": 320,
    "graph": 285,
    "layer": 225,
    "range": 210,
}
_LIGHTNESS = {"tensor_core": 50, "cuda_core": 70, "unknown": 77}  # in percent; the UI's are from 40 to 79
_ELSEWHERE = 75
_NEAR = 3  # degrees, and percent, from what is wished


@cache
def correlation_id(word: str) -> str:
    """The correlation id of slices of this colour word (`tensor_core int8`): the word and a number."""
    unit, _, what = word.rpartition(" ")
    hue, lightness = _HUES.get(what, _HUES["unknown"]), _LIGHTNESS.get(unit, _ELSEWHERE)
    number = 0
    while True:
        found = f"{word} #{number}"
        off = abs(_hash(found, 360) - hue)
        if min(off, 360 - off) <= _NEAR and abs(_hash(found + "x", 40) + 40 - lightness) <= _NEAR:
            return found
        number += 1


def _hash(text: str, modulus: int) -> int:
    """The UI's hash of a text: FNV-1a as JavaScript computes it, the product rounded to a double."""
    value = 0x811C9DC5 & 0xFFFFFFF
    for letter in text:
        value = int(float(value ^ ord(letter)) * 16777619.0) & 0xFFFFFFFF
        value -= (value & 0x80000000) << 1  # a signed 32-bit integer
    return abs(value) % modulus
