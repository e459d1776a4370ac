"""Unchanged parts of a network aren't computed again: what runs, what it saves, and that the numbers stay."""

from __future__ import annotations

import time
from pathlib import Path

import onnx
import pytest
from onnx import helper

from tcscope.model.sensitivity import Calibration
from tcscope.sensitivity.answer import sensitivity_of
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.data import random_samples
from tcscope.sensitivity.network import load
from tests.support import naive
from tests.support.towers import network, tower, weight


def bench_of(folder: Path, model: onnx.ModelProto, samples: int) -> Bench:
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    found = load(path)
    return Bench(found, random_samples(found, {}, samples, 0), Settings(Calibration.MINMAX, jobs=1))


def test_only_what_a_layers_error_reaches_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN two branches that meet, and a second output that only the first layer reaches
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "/stem"),
        helper.make_node("MatMul", ["a", "w"], ["b"], "/left"),
        helper.make_node("MatMul", ["a", "w"], ["c"], "/right"),
        helper.make_node("MatMul", ["a", "w"], ["aux"], "/side"),
        helper.make_node("Add", ["b", "c"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["y"], "/head"),
    ]
    model = network(nodes, [weight("w", 5, 5)], {"x": ["N", 5]}, {"y": None, "aux": None})
    bench = bench_of(tmp_path, model, 3)
    ran: list[str] = []
    real = bench.machine._run

    def counted(at: int, *args: object) -> object:
        layer = bench.machine.segments[at].layer
        ran.append(layer.name if layer is not None else "")
        return real(at, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.machine, "_run", counted)
    (values,) = bench.references()
    for name, expected in (
        ("/stem", ["/stem", "/left", "/right", "/side", "/head"]),
        ("/left", ["/left", "/side", "/head"]),  # the sum stands in the piece of /side
        ("/right", ["/right", "/side", "/head"]),
        ("/side", ["/side", "/head"]),
        ("/head", ["/head"]),
    ):
        ran.clear()
        changed = bench.machine.changed(values, [name], to_int8=True)
        assert ran == expected
        assert "y" in changed
    # THEN the answer is that of the whole network
    for layer in sensitivity_of(bench).layers:
        new = naive.run(naive.quantized(model, {layer.name: bench.clips}), bench.samples.arrays)
        noise = [
            float(((one - values[n]) ** 2).sum() / (values[n] ** 2).sum())
            for n, one in zip(("y", "aux"), new, strict=True)
        ]
        assert layer.loss == pytest.approx(sum(noise) / 2, rel=1e-3, abs=1e-9)


def test_of_a_chain_each_layer_runs_itself_and_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(tmp_path, tower(50, size=16, width=4), 2)
    ran: list[int] = []
    real = bench.machine._run

    def counted(at: int, *args: object) -> object:
        ran.append(at)
        return real(at, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.machine, "_run", counted)
    sensitivity_of(bench)
    alone = sum(range(1, 51))  # where the whole network for each layer were 50 * 50
    assert len(ran) == alone + 50  # and once all of them in INT8


def test_a_tower_of_fifty_layers_takes_less_than_running_it_whole_for_each(tmp_path: Path) -> None:
    model = tower(50, size=64)
    began = time.perf_counter()
    bench = bench_of(tmp_path, model, 4)
    found = sensitivity_of(bench)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    (base,) = naive.run(model, bench.samples.arrays)
    expected = []
    for name in bench.names():
        (new,) = naive.run(naive.quantized(model, {name: bench.clips}), bench.samples.arrays)
        expected.append(float(((new - base) ** 2).sum() / (base**2).sum()))
    plain = time.perf_counter() - began
    assert [layer.loss for layer in found.layers] == pytest.approx(expected, rel=1e-3)
    assert ours < plain  # how much: tests/bench/measure_sensitivity.py
