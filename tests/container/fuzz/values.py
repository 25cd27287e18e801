"""Odd values of JSON, odd numbers, odd names, and good bytes made bad."""

import json
import math
import os
from random import Random
from typing import Any

# What Python's own JSON writes and reads, and standards don't know, is among them.
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400,
    0.0, -0.0, 0.5, 1e-320, 3.5e38, 1e308, math.nan, math.inf, -math.inf,
    "", " ", "0", "-1", "1e3", "auto", "true", "nan", "inf", "0x10", "1_0", "\u0663", "\ud800", "\udcff",
    "\x00", "a\nb",
    "../..", "%s%n", "{0}", "\u202e", "\U0001f600" * 3, "x" * 300, "x" * 5000, "[" * 2000,
    [], [0], [[]], ["msd"], {}, {"a": 1}, {"features": [1]},
)  # fmt: skip
ODD_NUMBERS = (
    0.0, -0.0, 1.0, -1.0, 1e-45, 1e-38, 1e5, 16777217.0, 1e13, 1e18, -1e18, 1e20, 9.969209968386869e36, 1e38, -1e38,
    3.4028234e38, -3.4028234e38, 3.5e38, 1e308, -1e308, 1.7e308, 5e-324, math.nan, math.inf, -math.inf,
)  # fmt: skip
# Far from all ordinary ones, and finite as float32.
FAR_NUMBERS = (1e5, 1e13, 1e18, -1e18, 1e20, 9.969209968386869e36, 1e38, -1e38, 3.4028234e38)
# As Python names files whose names are no UTF-8.
ODD_NAMES = tuple(map(os.fsdecode, (
    b"\xff", b"\xff\xfe.pbr", b"part-\xc3\x28", "\u00e9.pbr".encode(), "\u202etxt.csv".encode(), "\U0001f600".encode(),
    b"a" * 255, b"\xff" * 255, b"new\nline.pbr", b" ", b"  lead", b"trail ", b"tab\t", b"\r", b"\x1b[31m", b"\x01",
    b"..pbr", b"...", b"-rf", b"%s%d%n", b"{0}", b"$(id)", b"'", b'"', b"a;b", b"*", b"?", b"~", b"&", b"|", b"\\",
    b".hidden", b".amazon.manifest", b"x.manifest", b"manifest", b"_SUCCESS", b"_committed_1", b"_metadata", b"a.csv",
    b"a.csv.metadata", b"a.parquet", b"a.csv.gz", b"CON", b"train", b"model", b"model_", b"model_algo-1",
    b"kmeans.json", b"model_\xff", b"checkpoint-algo-1-000000000001", b"core", b"lost+found", b"$folder$",
    b"part_$folder$",
)))  # fmt: skip


def number(rng: Random) -> float:
    """Draw a number: an odd one, or one of any size."""
    if rng.random() < 0.7:
        return rng.choice(ODD_NUMBERS)
    return rng.choice((-1.0, 1.0)) * math.pow(10.0, rng.uniform(-320, 308))


def mutated(rng: Random, value: Any) -> Any:
    """Return a copy of a JSON value in which one value, at any depth, is replaced, removed or added."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        match rng.random():
            case chance if chance < 0.15:
                return {key: item for key, item in value.items() if key != name}
            case chance if chance < 0.25:
                return {**value, str(rng.choice(ODD_VALUES))[:40]: rng.choice(ODD_VALUES)}
            case chance if chance < 0.3:
                return {(rng.choice((" ", "", "\ud800")) + key if key == name else key): value[key] for key in value}
        return {**value, name: mutated(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        match rng.random():
            case chance if chance < 0.15:
                return value[:at] + value[at + 1 :]
            case chance if chance < 0.3:
                return value[:at] + value[at : at + 1] + value[at:]
        return [*value[:at], mutated(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.4:
        return rng.choice((value + 1, value - 1, -value, value * 1000, value * 0 + 0.5, str(value)))
    if isinstance(value, str) and rng.random() < 0.3:
        return rng.choice((value.upper(), value + " ", f'"{value}"', value[:-1], value * 2, [value], {value: value}))
    return rng.choice(ODD_VALUES)


def damaged(rng: Random, data: bytes) -> bytes:
    """Return bytes of which some are lost, flipped, doubled or replaced, as by a truncated upload or a broken disk."""
    at, length = rng.randrange(len(data) + 1), min(len(data), int(2 ** rng.uniform(0, 12)))
    match rng.randrange(8):
        case 0:
            return data[:at]
        case 1:
            return data[: -rng.randrange(1, 20)]
        case 2:
            return data[:at] + data[at + length :]
        case 3:
            return data[: at + length] + data[at:]
        case 4:
            return data[:at] + rng.randbytes(length) + data[at + length :]
        case 5:
            return data[:at] + bytes(length) + data[at + length :]
        case 6:
            return data + rng.randbytes(length)
    flipped = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        if flipped:
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def encoded(rng: Random, value: Any) -> bytes:
    """Write JSON: mostly well, now and then in another encoding, or damaged."""
    text = json.dumps(value)
    match rng.random():
        case chance if chance < 0.7:
            return text.encode()
        case chance if chance < 0.8:
            return text.encode(rng.choice(("utf-16", "utf-8-sig", "utf-32", "latin-1")))
        case chance if chance < 0.85:
            return rng.choice((b"", b"null", b"[]", b"\xff", b"{}" * 2, b"[" * 100_000, b'{"a":' * 100_000))
    return damaged(rng, text.encode())
