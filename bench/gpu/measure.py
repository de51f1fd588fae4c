"""What is to be known of the cuda backend, on a machine with an NVIDIA card, in one run.

    python bench/gpu/measure.py result.json

First that every kernel, and whole evaluations with every loss, agree with NumPy in float64; only
then times: of an evaluation against PyTorch's autograd on the same card in the same process, of
convolutions alone, of the other losses, of the optimiser, and of a run from the command line. Needs
CuPy; without PyTorch there is nothing to compare with. The result is written after every part, so
that a run that is cut off keeps the others. Parts are left out, and told of, once SECONDS are over.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench"), str(ROOT / "tests"), str(ROOT / "tests/cuda")]

from manualnst.backends import PRECISIONS, from_host, get_backend, to_host  # noqa: E402
from manualnst.backends.cuda.card import open_card  # noqa: E402
from manualnst.backends.cuda_backend import RUNGS, Backend  # noqa: E402
from manualnst.network import Network  # noqa: E402
from manualnst.objective import Objective  # noqa: E402
from manualnst_bench import flops  # noqa: E402
from manualnst_bench.sides import make_problem  # noqa: E402

SECONDS = 400
ROUNDS, EVALUATIONS = 7, 10
SIZES = (512, 1024)
# Of an evaluation's gradient, in the Euclidean norm: what rounding may do to ReLUs near zero.
LIMITS = {"float32": 5e-3, "tf32x3": 5e-3, "tf32": 5e-2, "float16": 1e-1, "bfloat16": 3e-1}
# What a default run leaves out: as settings, and whether half of the picture is masked.
LOSSES: dict[str, tuple[dict[str, Any], bool]] = {
    **{
        name: ({"style_losses": {name: 1.0}}, False)
        for name in ("shifted", "chained", "moments", "wasserstein", "histogram", "patches")
    },
    **{tv: ({"tv": tv, "tv_weight": 1.0}, False) for tv in ("power", "smoothed", "nine-point")},
    **{form: ({"mask_form": form}, True) for form in ("guided", "product")},
}
LOSSES_LIMIT = 1e-8  # in double precision
# (side, channels, filters) of VGG-19 at 512 × 512
CONVOLUTIONS = [(512, 3, 64), (512, 64, 64), (256, 128, 128), (128, 256, 256), (64, 512, 512)]


def facts() -> dict[str, Any]:
    wanted = "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu"
    query = ["nvidia-smi", f"--query-gpu={wanted}", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        found = str(error)
    versions = {"numpy": np.__version__, "python": sys.version.split()[0]}
    for name in ("cupy", "torch"):
        try:
            versions[name] = __import__(name).__version__
        except ImportError:
            versions[name] = "not installed"
    return {"nvidia-smi": dict(zip(wanted.split(","), found.split(", "), strict=False))} | {
        "versions": versions
    }


# What is right


def kernels_are_right(card) -> dict[str, Any]:
    """Every case of the tests, on the card itself: the largest error of each rung and precision.

    In whole numbers the matrix units must be exact; what they round is only told.
    """
    from pairs import CASES, PRODUCTS, TOLERANCES, errors, whole_numbers

    largest: dict[str, float] = {}
    wrong: list[str] = []

    def try_case(case: str, name: str, backend: Backend, dtype: str, limit: float, *numbers):
        try:
            error = max(errors(case, backend, np.dtype(dtype), *numbers).values())
        except Exception as failure:  # the others still count
            wrong.append(f"{case}, {name}: {failure!r:.300}")
            return
        largest[name] = max(largest.get(name, 0.0), error)
        if error > limit:
            wrong.append(f"{case}, {name}: {error:.2g}")

    for rung in RUNGS:
        for dtype in ("float32", "float64"):
            backend = Backend(card, "float32", rung)
            for case in CASES:
                try_case(case, f"{rung} {dtype}", backend, dtype, TOLERANCES[dtype])
    for precision in PRECISIONS[1:]:
        backend = Backend(card, precision)
        for case in PRODUCTS:
            exactly = f"{precision} in whole numbers"
            try_case(case, exactly, backend, "float32", 1e-6, whole_numbers)
            try_case(case, precision, backend, "float32", np.inf)
    return {"largest error": largest, "wrong": wrong}


def evaluation_is_right(card) -> dict[str, Any]:
    """Of the full VGG-19, by precision, against NumPy in float64."""
    problem = make_problem(128, "vgg19")
    double = problem.to("float64")
    network = Network(double.weights, backend=get_backend("numpy"), dtype=np.float64)
    expected = Objective(network, double.content, double.style, double.losses)(double.x)
    found = {}
    for precision in PRECISIONS:
        evaluate, x = ours(card, problem, precision)
        for _ in range(3):  # plain, recorded, played
            evaluation = evaluate(x)
        gradient = to_host(evaluation.dL_dx)
        error = np.linalg.norm(gradient - expected.dL_dx) / np.linalg.norm(expected.dL_dx)
        found[precision] = {
            "loss": abs(evaluation.loss / expected.loss - 1),
            "gradient": float(error),
            "right": bool(error <= LIMITS[precision]),
        }
    return found


def losses_are_right(card, problem) -> dict[str, Any]:
    """Each with its gradient, of one small problem in double precision."""
    found = {}
    for name in LOSSES:
        changed, masks = with_loss(name, problem.to("float64"))
        expected, x = on(get_backend("numpy"), changed, masks)
        expected = expected(x)
        evaluate, x = on(Backend(card), changed, masks)
        try:
            for _ in range(3):  # plain, recorded, played
                evaluation = evaluate(x)
            away = np.linalg.norm(to_host(evaluation.dL_dx) - expected.dL_dx)
            error = float(away / np.linalg.norm(expected.dL_dx))
            loss = abs(evaluation.loss / expected.loss - 1)
            right = bool(max(loss, error) <= LOSSES_LIMIT)
            found[name] = {"loss": loss, "gradient": error, "right": right}
        except Exception as failure:  # the others still count
            found[name] = {"right": False, "failed": f"{failure!r:.300}"}
    return found


def with_loss(name: str, problem):
    """The problem with one of LOSSES, deep enough for it to be affordable, and its masks."""
    changes, masked = LOSSES[name]
    layers = problem.losses.style_layers
    if name == "patches":
        layers = dict(list(layers.items())[-2:])
    losses = replace(problem.losses, normalisation="relative", style_layers=layers, **changes)
    mask = np.zeros(problem.x.shape[:2], problem.x.dtype)
    mask[:, : mask.shape[1] // 2] = 1
    return problem._replace(losses=losses), [mask] if masked else None


def on(backend, problem, masks=None):
    """An objective, and where it is to be evaluated."""
    network = Network(problem.weights, backend=backend, dtype=problem.x.dtype)
    objective = Objective(network, problem.content, problem.style, problem.losses, masks)
    return objective, from_host(backend, problem.x)


def ours(card, problem, precision: str):
    return on(Backend(card, precision), problem)


# How long it takes


def seconds_of(cupy, call: Callable[[int], Any], repeats: int) -> float:
    """Of one call, by the card's own clock: the call gets a number, to rotate its inputs."""
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    for n in range(repeats):
        call(n)
    end.record()
    end.synchronize()
    return cupy.cuda.get_elapsed_time(begin, end) / 1e3 / repeats


def in_turns(cupy, calls: dict[str, Callable], repeats: int) -> dict[str, dict]:
    """All sides, round after round, once they are warm."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        seconds_of(cupy, call, 3)
    for _ in range(ROUNDS):
        for name, call in calls.items():
            samples[name].append(seconds_of(cupy, call, repeats))
    return {
        name: {"median": statistics.median(s), "min": min(s), "max": max(s)}
        for name, s in samples.items()
    }


def rates(cupy) -> dict[str, float]:
    """What the card can do: bytes per second of a copy, operations per second of a product."""
    source = cupy.empty(1 << 28, np.float32)
    target = cupy.empty_like(source)
    copying = in_turns(cupy, {"copy": lambda _: cupy.copyto(target, source)}, 5)["copy"]["median"]
    found = {"copy, bytes per second": 2 * source.nbytes / copying}
    import torch

    for name, dtype, tf32 in [
        ("float32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("float16", torch.float16, True),
        ("bfloat16", torch.bfloat16, True),
    ]:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        A, B = (torch.randn(8192, 8192, device="cuda", dtype=dtype) for _ in range(2))
        took = in_turns(cupy, {name: lambda _, A=A, B=B: A @ B}, 3)[name]["median"]
        found[f"{name} product, operations per second"] = 2 * 8192**3 / took
    return found


def torch_sides(problem, precision: str) -> Iterator[tuple[str, Callable]]:
    """PyTorch's evaluation, in the ways in which it may be fastest."""
    import torch

    from manualnst_bench import torch_objective as reference

    tf32 = precision not in ("float32", "tf32x3")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    half = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(precision)
    for name, layout in reference.MEMORY_FORMATS.items():
        vgg = reference.Vgg(problem.weights).to("cuda", memory_format=layout)
        content, style, x = (
            reference.to_tensor(picture, layout).cuda()
            for picture in (problem.content, problem.style, problem.x)
        )
        objective = reference.TorchObjective(vgg, content, style, problem.losses)
        inputs = [(x * share).contiguous(memory_format=layout) for share in (1.0, 0.99, 0.98)]
        for kind, loss_of in [("", objective), ("-compiled", torch.compile(objective))]:

            def evaluate(n, loss_of=loss_of, inputs=inputs):
                picture = inputs[n % 3].detach().requires_grad_()
                with torch.autocast("cuda", dtype=half, enabled=half is not None):
                    loss = loss_of(picture)
                torch.autograd.grad(loss, picture)
                return loss.item()

            yield f"{name}{kind}", evaluate
            if not kind:
                yield f"{name}-graph", _captured(torch, evaluate_only(torch, objective, half), x)


def evaluate_only(torch, objective, half) -> Callable:
    def evaluate(picture):
        with torch.autocast("cuda", dtype=half, enabled=half is not None, cache_enabled=False):
            loss = objective(picture)
        return loss, torch.autograd.grad(loss, picture)[0]

    return evaluate


def _captured(torch, evaluate: Callable, x) -> Callable:
    """The same as a CUDA graph."""
    picture = x.detach().clone().requires_grad_()
    apart = torch.cuda.Stream()
    apart.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(apart):
        for _ in range(3):
            evaluate(picture)
    torch.cuda.current_stream().wait_stream(apart)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss, _ = evaluate(picture)

    def replay(n):
        graph.replay()
        return loss.item()

    return replay


def evaluations(card, cupy, size: int, precision: str) -> dict[str, Any]:
    problem = make_problem(size, "vgg19")
    objective, x = ours(card, problem, precision)
    inputs = [x, x * np.float32(0.99), x * np.float32(0.98)]
    calls: dict[str, Callable] = {"manualnst": lambda n: objective(inputs[n % 3])}
    left_out = {}
    try:
        for name, call in torch_sides(problem, precision):
            try:
                call(0)
                calls[name] = call
            except Exception as error:  # such a side is left out, with its reason
                left_out[name] = f"{error!r:.200}"
    except ImportError as error:
        left_out["torch"] = str(error)
    seconds = in_turns(cupy, calls, EVALUATIONS)
    gflop = flops.evaluation(problem.weights, problem.losses.style_layers, size)
    others = {name: s["median"] for name, s in seconds.items() if name != "manualnst"}
    own = seconds["manualnst"]["median"]
    return {
        "size": size,
        "precision": precision,
        "seconds": seconds,
        "operations per second": gflop * 1e9 / own,
        "ratio to the fastest other": own / min(others.values()) if others else None,
        "left out": left_out,
    }


def further_losses(card, cupy) -> dict[str, dict]:
    """Seconds of an evaluation of the full VGG-19 with each, at 512 x 512."""
    problem, found = make_problem(512, "vgg19"), {}
    for name in LOSSES:
        evaluate, x = on(Backend(card), *with_loss(name, problem))
        calls = {name: lambda _, evaluate=evaluate, x=x: evaluate(x)}
        found |= in_turns(cupy, calls, 2)
        card.give_back()
    return found


def convolutions(card, cupy) -> list[dict]:
    """Each rung's and precision's convolution with its ReLU, alone: operations per second."""
    found = []
    backends = {precision: Backend(card, precision) for precision in PRECISIONS}
    backends["tiled"] = Backend(card, "float32", "tiled")
    for side, C, K in CONVOLUTIONS:
        rng = np.random.default_rng(0)
        shapes = [(side, side, C), (3, 3, C, K), (K,)]
        arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]
        for array in arrays:
            array.flags.writeable = False  # filters are laid out once
        calls = {}
        for name, backend in backends.items():
            given = [*(from_host(backend, array) for array in arrays), False]
            arrived = backend.fused_forward(*given)
            calls[f"{name} forward"] = lambda _, a=given, f=backend.fused_forward: f(*a)
            calls[f"{name} backward"] = lambda _, a=arrived, f=backend.fused_backward: f(*a)
        operations = 2 * 9 * side**2 * C * K
        seconds = in_turns(cupy, calls, 20)
        rate = {name: operations / s["median"] for name, s in seconds.items()}
        found.append({"shape": [side, C, K], "operations per second": rate})
    return found


def optimiser(card, cupy) -> dict[str, Any]:
    """Its share of a step at 512 x 512."""
    from manualnst.optimizers import LBFGS, State

    objective, x = ours(card, make_problem(512, "vgg19"), "tf32")
    objective.scale = 1 / float(np.sqrt(np.mean(np.square(objective(x).dL_dx))))
    spent, moments = [0.0], []

    def evaluate(x):
        began = time.perf_counter()
        evaluation = objective(x)
        spent[0] += time.perf_counter() - began
        return evaluation

    def on_step(_):
        cupy.cuda.get_current_stream().synchronize()
        moments.append((time.perf_counter(), spent[0]))

    LBFGS().minimise(evaluate, State(x), 60, on_step)
    (first, spent_first), (last, spent_last) = moments[20], moments[-1]
    return {
        "seconds a step": (last - first) / (len(moments) - 21),
        "share of the optimiser": 1 - (spent_last - spent_first) / (last - first),
    }


def run_from_the_command_line() -> dict[str, Any]:
    """500 steps at 512 with the built-in network, the process's start included: twice, as the first
    compiles the kernels."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "manualnst", "run", "--backend", "cuda", "--quiet"]
        command += ["--size", "512", "--steps", "500", "--overwrite", "-o", f"{folder}/out.png"]
        for _ in range(2):
            began = time.perf_counter()
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                return {"failed": done.stderr[-2000:]}
            seconds.append(time.perf_counter() - began)
    return {"seconds": seconds}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path)
    result_path = parser.parse_args().result
    began = time.monotonic()
    card = open_card()
    cupy = card.cupy
    result: dict[str, Any] = {"facts": facts()}
    parts: dict[str, Callable] = {
        "kernels": lambda: kernels_are_right(card),
        "evaluation": lambda: evaluation_is_right(card),
        "losses": lambda: losses_are_right(card, make_problem(64, "vgg19")),
        "run": run_from_the_command_line,
        "rates": lambda: rates(cupy),
        "convolutions": lambda: convolutions(card, cupy),
        "optimiser": lambda: optimiser(card, cupy),
        "further losses": lambda: further_losses(card, cupy),
    }
    for size in SIZES:
        for precision in ("tf32", "tf32x3", "float32", "bfloat16", "float16"):
            parts[f"evaluation {size} {precision}"] = lambda s=size, p=precision: evaluations(
                card, cupy, s, p
            )
    for name, part in parts.items():
        if time.monotonic() - began > SECONDS:
            result[name] = "left out: no time was left"
            continue
        try:
            result[name] = part()
        except Exception as error:  # the other parts still count
            result[name] = {"failed": f"{error!r:.1000}"}
        print(name, json.dumps(result[name], indent=1), flush=True)
        result_path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    result["facts afterwards"] = facts()["nvidia-smi"]
    result_path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
