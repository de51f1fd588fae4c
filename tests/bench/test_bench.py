"""The benchmark: what it measures is left to it, but numbers have to hang together.

The frameworks have tests of their own, in test_bench_frameworks.py.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from manualnst.backends import get_backend
from manualnst.cli import main
from manualnst.errors import InputError
from manualnst.objective.objective import Evaluation
from manualnst.studies.judge import VARIABLE
from manualnst.weights import BUILTIN
from manualnst_bench import (
    breakdown,
    children,
    command,
    growth,
    layers,
    measure,
    memory,
    operations,
    optimizers,
    painting,
    runs,
    sides,
    startup,
    table,
    whole,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak")
IN_A_PROCESS_OF_ITS_OWN = children.run_child
TINY = ["--sizes", "16", "--network", "builtin", "--repeats", "2", "--threads", "1"]


def silent(text):
    pass


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(measure, "PAUSE", 0)


@pytest.fixture
def here(monkeypatch):
    """What is to run in a process of its own runs in this one, which is faster."""

    def run_here(target, threads, tell, **arguments):
        module, function = target.split(":")
        measuring = getattr(importlib.import_module(f"manualnst_bench.{module}"), function)
        arguments = json.loads(json.dumps(arguments))
        return json.loads(json.dumps(measuring(**arguments, tell=tell)))

    for module in (children, command, memory, optimizers, painting, runs):
        monkeypatch.setattr(module, "run_child", run_here)
    monkeypatch.setattr(whole, "MATMUL_SIZE", 64)


@pytest.fixture
def others(monkeypatch):
    """Our own evaluation under the names of frameworks, changed as the test likes."""
    changes = {}

    def build(name, problem):
        evaluate = sides.our_evaluation(problem, get_backend("numpy"))
        return changes.get(name, lambda evaluate: evaluate)(evaluate)

    monkeypatch.setattr(sides, "build", build)
    monkeypatch.setattr(sides, "why_absent", lambda name: None)
    return changes


def bench(capsys, *arguments):
    """What it prints, and the record that it writes."""
    assert main(["bench", *arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def recorded(capsys, tmp_path, *arguments):
    path = tmp_path / "record.json"
    printed = bench(capsys, *arguments, "--json", str(path))
    assert max(map(len, printed.splitlines()[:-1])) <= 100
    return json.loads(path.read_text()), printed


def refusal(capsys, *arguments):
    assert main(["bench", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("manualnst: ") and err.count("\n") == 1
    return err


def are_samples(samples, count):
    return len(samples) == count and all(0 < sample < 600 for sample in samples)


# The one way of timing


def test_all_take_turns_and_the_ratio_is_that_of_the_same_round():
    order, seconds = [], {"ours": [2, 4, 6], "slow": [9, 9, 9], "fast": [1, 4, 12]}

    def call(name):
        return lambda: order.append(name) or float(seconds[name][order.count(name) - 1])

    samples = measure.in_turns({name: call(name) for name in seconds}, 3, silent)
    assert samples == seconds
    assert order == ["ours", "slow", "fast"] * 3
    comparison = measure.compare(samples, "ours")
    assert comparison == {"to": "fast", "ratios": [2, 1, 0.5], "ratio": 1}
    assert measure.compare({"ours": [1.0]}, "ours") is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1.23e-4, "0.123 ms"),
        (0.0456, "45.6 ms"),
        (0.9999, "1 s"),
        (12.34, "12.3 s"),
        (100, "100 s"),
    ],
)
def test_times_in_words(seconds, words):
    assert table.as_time(seconds) == words


# The measurements


def check_frame(record, mode):
    """What records of all modes have in common; see bench/README.md."""
    assert record["format"] == "manualnst bench 1" and record["mode"] == mode
    assert isinstance(record["command"], str)
    machine = record["machine"]
    assert {"processor", "cores", "memory", "load", "versions", "blas", "commit"} <= set(machine)
    assert machine["versions"]["numpy"] == np.__version__
    assert all(set(blas) == {"library", "version", "kernel", "threads"} for blas in machine["blas"])
    assert set(record["options"]) == {
        *("threads", "sizes", "repeats", "network", "sides", "layers", "evaluations"),
        *("dtype", "backend", "judge"),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_whole_evaluation(here, others, capsys, tmp_path, dtype):
    plot = tmp_path / "plot.png"
    names = ["torch-nchw", "jax"]
    options = [*TINY, "--sides", *names, "--dtype", dtype, "--plot", str(plot)]
    record, printed = recorded(capsys, tmp_path, *options)
    check_frame(record, "whole")
    [found] = record["evaluations"]
    assert (found["size"], found["network"], found["dtype"]) == (16, "builtin", dtype)
    assert set(found["seconds"]) == set(found["errors"]) == {"numpy", *names}
    assert all(are_samples(samples, 2) for samples in found["seconds"].values())
    assert are_samples(found["matmul"]["seconds"], 2)
    comparison = found["comparison"]
    ours, best = found["seconds"]["numpy"], found["seconds"][comparison["to"]]
    assert comparison["ratios"] == pytest.approx(np.divide(ours, best))
    assert comparison["ratio"] == pytest.approx(np.median(comparison["ratios"]))
    assert all(are_samples(samples, 3) for samples in found["optimizers"].values())
    for errors in found["errors"].values():
        assert max(errors.values()) < (1e-12 if dtype == "float64" else 1e-3)
    assert f"numpy / {comparison['to']}: {comparison['ratio']:.2f}" in printed
    with Image.open(plot) as picture:
        assert picture.format == "PNG"


def test_the_flops_are_those_of_the_convolutions():
    problem = sides.make_problem(32, "builtin")
    total = whole.flops.evaluation(problem.weights, problem.losses.style_layers, 32)
    by_layer = layers.layers_of(problem.weights, 32, None)
    ways = [2 * row.count * row.gflop for row in by_layer if row.kind == "conv"]
    assert total == pytest.approx(sum(ways))
    w = problem.weights.layers["conv2_1"][0]
    [conv2_1] = layers.layers_of(problem.weights, 32, ["conv2_1"])
    assert conv2_1.gflop == pytest.approx(2 * 16 * 16 * w.size / 1e9)


@pytest.mark.parametrize("which", [0, 1], ids=["loss", "gradient"])
def test_what_computes_something_else_is_not_timed(here, others, capsys, monkeypatch, which):
    def wrong(evaluate):
        results = list(evaluate())
        results[which] = results[which] * 1.02
        return lambda: tuple(results)

    others["jax"] = wrong
    timed = []
    monkeypatch.setattr(whole, "in_turns", lambda *arguments: timed.append(arguments))
    assert "jax does not compute what manualnst does" in refusal(capsys, *TINY, "--sides", "jax")
    assert not timed


@pytest.mark.parametrize("network", sides.NETWORKS)
def test_each_loss_is_felt(network):
    """A mistake in any of them has to be larger than what is allowed."""
    problem = sides.make_problem(64, network)
    style_layers = problem.losses.style_layers
    without = {"content": {"content_weight": 0.0}}
    for layer in style_layers:
        left = {name: weight for name, weight in style_layers.items() if name != layer}
        share = sum(left.values()) / sum(style_layers.values())
        without[layer] = {"style_layers": left, "style_weight": share}
    whole = gradient_of(problem)
    for name, change in without.items():
        changed = problem._replace(losses=replace(problem.losses, **change))
        felt = np.linalg.norm(gradient_of(changed) - whole) / np.linalg.norm(whole)
        assert felt > 5 * sides.LIMITS["float32"][1], name


def gradient_of(problem):
    return sides.our_evaluation(problem, get_backend("numpy"))()[1]


def test_what_is_missing_or_fails_is_named(here, others, capsys, tmp_path, monkeypatch):
    def fail(evaluate):
        raise RuntimeError("no compiler\nand more")

    others["torch-nchw-compiled"] = fail
    absent = {"jax": "jax is not installed"}
    monkeypatch.setattr(sides, "why_absent", absent.get)
    names = ["torch-nchw", "torch-nchw-compiled", "jax"]
    record, printed = recorded(capsys, tmp_path, *TINY, "--sides", *names)
    [found] = record["evaluations"]
    assert found["left out"] == absent | {"torch-nchw-compiled": "RuntimeError: no compiler"}
    assert set(found["seconds"]) == {"numpy", "torch-nchw"}
    assert "  jax: left out; jax is not installed" in printed


def test_a_framework_that_is_not_there_is_known_to_be(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert sides.why_absent("torch-nchw") == "torch is not installed"
    assert sides.why_absent("jax") == "jax is not installed"


def test_without_frameworks_there_is_no_ratio(here, capsys, tmp_path):
    record, printed = recorded(capsys, tmp_path, *TINY, "--sides")
    assert record["evaluations"][0]["comparison"] is None
    assert " / " not in printed


def test_layer_by_layer(here, capsys, tmp_path):
    full = [*TINY, "--network", "vgg19"]  # in the built-in network no two are of one shape
    record, printed = recorded(capsys, tmp_path, *full, "--per-layer", "--sides")
    check_frame(record, "per-layer")
    [found] = record["sizes"]
    assert [layer["count"] for layer in found["layers"] if layer["name"] == "conv3_2"] == [3]
    assert sum(layer["count"] for layer in found["layers"]) == 13 + 13 + 4 + 5
    for layer in found["layers"]:
        for direction in layers.DIRECTIONS:
            assert are_samples(layer[direction]["seconds"]["numpy"], 2)
        assert (layer["gflop"] is not None) == (layer["kind"] in ("conv", "gram"))
    assert "conv3_2 ×3" in printed and "gram5_1" in printed


def test_chosen_layers(here, capsys, tmp_path):
    chosen = ["conv3_3", "pool1", "gram1_1"]
    record, _ = recorded(capsys, tmp_path, *TINY, "--sides", "--layers", *chosen)
    [found] = record["sizes"]
    assert [layer["name"] for layer in found["layers"]] == chosen
    assert "unknown; there are conv1_1" in refusal(capsys, *TINY, "--layers", "conv9_9")


def test_operations_that_differ_are_not_timed(here, capsys, monkeypatch):
    def wrong(side, kind, arrays):
        ready = operations.make_ready("numpy", kind, arrays)
        y, dL_dx = ready.results()
        return ready if side == "numpy" else ready._replace(results=lambda: (y, -dL_dx))

    monkeypatch.setattr(layers, "make_ready", wrong)
    monkeypatch.setattr(layers, "why_absent", lambda name: None)
    options = [*TINY, "--sides", "jax", "--layers", "conv1_2"]
    assert "conv1_2 backward: jax and numpy do not compute the same" in refusal(capsys, *options)


@linux
def test_memory(here, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "run_child", IN_A_PROCESS_OF_ITS_OWN)
    options = [*TINY[:4], "--memory", "--sides"]
    record, _ = recorded(capsys, tmp_path, *options)
    check_frame(record, "memory")
    [found] = record["memory"]
    # More than the maps that are kept for the losses, and less than all of the process.
    assert 16 * 16 * 4 < found["peaks"]["numpy"] < 2**28


def test_growth_until_memory_would_not_suffice(here, capsys, tmp_path, monkeypatch):
    def alone(name, size, network, repeats, options, tell):
        return {"peak": 100 * size**2, "seconds": [1e-6 * size**2] * repeats}

    monkeypatch.setattr(growth, "measure_alone", alone)
    monkeypatch.setattr(growth, "available_memory", lambda: 120 * 512**2)
    plot = tmp_path / "plot.png"
    record, printed = recorded(capsys, tmp_path, "--growth", "--plot", str(plot))
    check_frame(record, "growth")
    [found] = record["growth"]
    assert [row["size"] for row in found["rows"]] == [128, 256]
    assert found["slopes"] == pytest.approx({"seconds": 1, "peak": 1})
    assert "stopped: 512 × 512 would need about 26 MB, 31 MB are available" in printed
    with Image.open(plot) as picture:
        assert picture.format == "PNG"


def test_growth_measures_each_size(here, capsys, tmp_path):
    options = [*TINY, "--growth"]
    options[1:2] = ["16", "32"]
    record, _ = recorded(capsys, tmp_path, *options)
    [found] = record["growth"]
    assert [row["size"] for row in found["rows"]] == [16, 32]
    assert all(are_samples(row["seconds"], 2) for row in found["rows"])
    assert found["stopped"] is None


PAINTING = ["--painting", "--sizes", "32", "--evaluations", "16", "--threads", "1"]


@pytest.mark.slow
def test_a_painting_by_all_optimisers(here, capsys, tmp_path):
    options = [*PAINTING, "--sides", "--judge", str(BUILTIN)]
    record, printed = recorded(capsys, tmp_path, *options)
    check_frame(record, "painting")
    [found] = record["paintings"]
    assert found["photograph"]["content"] == 0 < found["photograph"]["style"]
    assert list(found["rows"]) == list(painting.VARIANTS)
    for row in found["rows"].values():
        seconds = [moment["seconds"] for moment in row]
        assert len(row) == painting.MOMENTS and seconds == sorted(seconds) and seconds[0] > 0
        assert row[-1]["style"] < found["photograph"]["style"] and row[-1]["content"] > 0
    assert "32 × 32, builtin: style and content distance after" in printed


def test_a_painting_needs_a_judge(capsys, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert f"give --judge WEIGHTS, or set {VARIABLE}" in refusal(capsys, *PAINTING)
    few = [*PAINTING, "--evaluations", "8", "--judge", str(BUILTIN)]
    assert "give --evaluations from 16" in refusal(capsys, *few)


def test_when_a_distance_is_reached():
    row = [{"seconds": n, "style": style} for n, style in enumerate([0.9, 0.5, 0.6, 0.4])]
    assert painting.seconds_to(row, 0.5) == 1
    assert painting.seconds_to(row, 0.45) == 3
    assert painting.seconds_to(row, 0.3) is None


def test_whole_runs(here, capsys, tmp_path):
    options = ["--runs", "--sizes", "32", "--network", "vgg19", "--evaluations", "4", "--sides"]
    record, _ = recorded(capsys, tmp_path, *options)
    check_frame(record, "runs")
    [found] = record["runs"]
    assert are_samples(found["seconds"]["manualnst"], 1)
    assert found["evaluations"]["manualnst"] in (4, 5)  # a step that needs two is finished
    assert 0 < found["losses"]["manualnst"] < 10


def test_startup(here, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(startup, "FRAMEWORKS", ())
    monkeypatch.setattr(startup, "RUN", [*startup.RUN, "--size", "32", "--steps", "2"])
    record, _ = recorded(capsys, tmp_path, "--startup", "--repeats", "1", "--threads", "1")
    check_frame(record, "startup")
    found = record["startup"]
    assert all(are_samples(samples, 1) for samples in found.values())
    assert {"python -c pass", "import manualnst", *startup.EVENTS.values()} <= set(found)


def test_optimizers(here, capsys, tmp_path, monkeypatch):
    problem = {"style": "mosaic", "size": 32}
    monkeypatch.setattr(optimizers, "PROBLEMS", (problem,))
    record, _ = recorded(capsys, tmp_path, "--optimizers", "--evaluations", "20")
    check_frame(record, "optimizers")
    [found] = record["problems"]
    assert found["problem"] == problem
    assert 0.5 < found["loss ratio"] < 1.1  # ours has an H for every octave, scipy's has one
    ours, scipys = (found["evaluation"] + found["own work"][name] for name in ("lbfgs", "lbfgsb"))
    assert min(found["own work"].values()) > 0
    assert found["time ratio"] == pytest.approx(ours / scipys)


def test_the_time_between_evaluations_is_the_optimisers():
    def evaluate(x):
        time.sleep(0.05)
        return Evaluation(float(np.sum(x**2)), 2 * x, {})

    watched = optimizers.Watched(evaluate)
    watched.minimise("adam", np.ones((2, 2, 3), np.float32), 3)
    assert len(watched.seconds) == len(watched.between) + 1 >= 3
    assert min(watched.seconds) >= 0.05 > statistics.median(watched.between)


# Our own time by function


def test_the_breakdown(here, capsys, tmp_path):
    record, printed = recorded(capsys, tmp_path, *TINY, "--breakdown")
    check_frame(record, "breakdown")
    [found] = record["breakdowns"]
    inside = sum(row["seconds"][0] for row in found["functions"])
    assert 0 < inside < found["seconds"][0]
    gflop = sum(row["gflop"] for row in found["functions"])
    problem = sides.make_problem(16, "builtin")
    expected = breakdown.flops.evaluation(problem.weights, problem.losses.style_layers, 16)
    # Forward at least: a backend may keep what it needs for the way back in a form of its own.
    assert expected / 2 <= gflop * 1.001 and gflop <= expected * 1.001


def test_any_backend_can_be_timed():
    w, b = np.zeros((3, 3, 2, 5)), np.zeros(5)
    fused = SimpleNamespace(
        conv_relu_pool=lambda x, *, filters: (np.zeros((2, 3, 5)), {"cache": filters}),
        prepare=lambda filters: [filters],
        forget=lambda: None,
        LIMIT=3,
    )
    timing = breakdown.TimedBackend(fused)
    assert timing.LIMIT == 3 and not hasattr(timing, "no_such_function")
    timing.conv_relu_pool(np.zeros((4, 6, 2)), filters=(w, b))
    timing.prepare(w)
    timing.forget()
    timing.prepare(SimpleNamespace(shape=(7, 8, 2)))  # a map that is no array
    rows = [breakdown._function(key, [calls]) for key, calls in timing.seconds.items()]
    assert [(row["in"], row["out"]) for row in rows] == [
        ((4, 6, 2), (2, 3, 5)),
        ((3, 3, 2, 5), (3, 3, 2, 5)),
        ((), ()),
        ((7, 8, 2), (7, 8, 2)),
    ]
    assert [row["gflop"] for row in rows] == pytest.approx([2 * 24 * w.size / 1e9, 0, 0, 0])


# Processes of their own


def test_threads_are_set_before_the_libraries_are_there():
    described = children.run_child("facts:describe", 1, silent)
    assert [blas["threads"] for blas in described["blas"]] == [1] * len(described["blas"])


def test_what_a_child_says_and_how_it_fails():
    told = []
    problem = {"name": "numpy", "size": 16, "dtype": "float32", "repeats": 0}
    with pytest.raises(InputError, match="nowhere"):
        children.run_child("memory:peak_and_seconds", 1, told.append, **problem, network="nowhere")
    assert told == ["preparing numpy"]
    with pytest.raises(children.ChildFailed, match="^TypeError: "):
        children.run_child("memory:peak_and_seconds", 1, silent)


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_a_child_that_is_killed(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho last words >&2\nkill -9 $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(children.ChildFailed, match="signal 9, .*: last words$"):
        children.run_child("facts:describe", 1, silent)


# What is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--startup", "--sizes", "64"], "--sizes means nothing"),
        (["--runs", "--dtype", "float64"], "--dtype means nothing"),
        (["--startup", "--plot", "plot.png"], "--plot is of what grows"),
        (["--sizes", "8"], "at least 16 pixels"),
        (["--sizes", "512", "--backend", "naive"], "--sizes up to 32"),
        (["--sides", "tensorflow"], "knows torch-nchw"),
        (["--per-layer", "--sides", "torch-nchw-compiled"], "knows torch-nchw"),
        (["--threads", "0"], "at least 1"),
        (["--repeats", "0"], "at least 1"),
        (["--plot", "plot.xyz"], ".png"),
        (["--json", "missing/record.json"], "does not exist"),
        (["--json", "taken.json"], "--overwrite"),
    ],
)
def test_bad_options_are_one_line(tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.json").touch()
    monkeypatch.setattr(command, "run_child", None)  # they are refused before anything is measured
    assert words in refusal(capsys, *options)


def test_without_its_package_the_command_says_so(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("manualnst_bench")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "manualnst_bench", None)
    assert "manualnst_bench, in bench/) is not installed" in refusal(capsys)


def test_the_command_line_does_not_load_it():
    program = "import sys, manualnst.cli; assert 'manualnst_bench' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
