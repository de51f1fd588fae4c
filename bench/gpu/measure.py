"""What is to be known of the cuda backend, on a machine with an NVIDIA card, in one run.

    python bench/gpu/measure.py result.json

First that every kernel, and whole evaluations with every loss, agree with NumPy in float64; only
then times: of an evaluation against PyTorch's autograd on the same card in the same process, of
convolutions alone, of the other losses, of the optimiser, and of a run from the command line. Needs
CuPy; without PyTorch there is nothing to compare with.

Every part has a process of its own, as a kernel that reads where it must not, or never ends, is the
end of its process: the others still count, and of that one what it had found before. Parts are left
out, and told of, once SECONDS are over.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench"), str(ROOT / "tests"), str(ROOT / "tests/cuda")]

from manualnst.backends import PRECISIONS, get_backend, to_host  # noqa: E402
from manualnst.backends.cuda.backend import CudaBackend  # noqa: E402
from manualnst.backends.cuda.card import open_card  # noqa: E402
from manualnst.backends.cuda.launches import RUNGS  # noqa: E402
from manualnst.network.network import Network  # noqa: E402
from manualnst.objective.objective import Objective  # noqa: E402
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

    def try_case(case: str, name: str, backend: CudaBackend, dtype: str, limit: float, *numbers):
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
            backend = CudaBackend(card, "float32", rung)
            for case in CASES:
                try_case(case, f"{rung} {dtype}", backend, dtype, TOLERANCES[dtype])
    for precision in PRECISIONS[1:]:
        backend = CudaBackend(card, precision)
        for case in PRODUCTS:
            exactly = f"{precision} in whole numbers"
            try_case(case, exactly, backend, "float32", 1e-6, whole_numbers)
            try_case(case, precision, backend, "float32", np.inf)
    return {"largest error": largest, "wrong": wrong}


def evaluations_are_right(card) -> Iterator[tuple[str, Callable]]:
    """Of the full VGG-19, by precision, against NumPy in float64."""
    problem = make_problem(128, "vgg19")
    expected, x = on(get_backend("numpy"), problem.to("float64"))
    expected = expected(x)
    for precision in PRECISIONS:
        yield precision, lambda p=precision: evaluation_is_right(card, problem, p, expected)


def evaluation_is_right(card, problem, precision: str, expected) -> dict[str, Any]:
    evaluate, x = ours(card, problem, precision)
    for _ in range(3):  # plain, recorded, played
        evaluation = evaluate(x)
    gradient = to_host(evaluation.dL_dx)
    error = np.linalg.norm(gradient - expected.dL_dx) / np.linalg.norm(expected.dL_dx)
    return {
        "loss": abs(evaluation.loss / expected.loss - 1),
        "gradient": float(error),
        "right": bool(error <= LIMITS[precision]),
    }


def losses_are_right(card, problem) -> Iterator[tuple[str, Callable]]:
    """Each with its gradient, of one small problem in double precision."""
    for name in LOSSES:
        yield name, lambda n=name: loss_is_right(card, *with_loss(n, problem.to("float64")))


def loss_is_right(card, problem, masks) -> dict[str, Any]:
    expected, x = on(get_backend("numpy"), problem, masks)
    expected = expected(x)
    evaluate, x = on(CudaBackend(card), problem, masks)
    for _ in range(3):  # plain, recorded, played
        evaluation = evaluate(x)
    away = np.linalg.norm(to_host(evaluation.dL_dx) - expected.dL_dx)
    error = float(away / np.linalg.norm(expected.dL_dx))
    loss = abs(evaluation.loss / expected.loss - 1)
    return {"loss": loss, "gradient": error, "right": bool(max(loss, error) <= LOSSES_LIMIT)}


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
    return objective, backend.from_host(problem.x)


def ours(card, problem, precision: str):
    return on(CudaBackend(card, precision), problem)


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


def rates(cupy) -> Iterator[tuple[str, Callable]]:
    """What the card can do: bytes per second of a copy, operations per second of a product."""
    yield "copy, bytes per second", lambda: bytes_per_second(cupy)
    for name, tf32 in [("float32", False), ("tf32", True), ("float16", True), ("bfloat16", True)]:
        dtype = "float32" if name == "tf32" else name
        yield (
            f"{name} product, operations per second",
            lambda d=dtype, t=tf32: operations_per_second(cupy, d, t),
        )


def bytes_per_second(cupy) -> float:
    source = cupy.empty(1 << 28, np.float32)
    target = cupy.empty_like(source)
    seconds = in_turns(cupy, {"copy": lambda _: cupy.copyto(target, source)}, 5)
    return 2 * source.nbytes / seconds["copy"]["median"]


def operations_per_second(cupy, dtype: str, tf32: bool) -> float:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = tf32
    A, B = (torch.randn(8192, 8192, device="cuda", dtype=getattr(torch, dtype)) for _ in range(2))
    seconds = in_turns(cupy, {"product": lambda _: A @ B}, 3)
    return 2 * 8192**3 / seconds["product"]["median"]


def torch_sides(problem, precision: str) -> Iterator[tuple[str, Callable[[], Callable]]]:
    """PyTorch's evaluation, in the ways in which it may be fastest: each as a function that makes
    the call to be timed. A call returns its loss."""
    import torch

    from manualnst_bench import torch_objective as reference

    torch.compiler.reset()  # or it would compile for any size, having seen another one
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

        def plain(loss_of=objective, inputs=inputs):
            def evaluate(n):
                picture = inputs[n % 3].detach().requires_grad_()
                with torch.autocast("cuda", dtype=half, enabled=half is not None):
                    loss = loss_of(picture)
                torch.autograd.grad(loss, picture)
                return loss.item()

            return evaluate

        def captured(objective=objective, x=x):
            return _captured(torch, evaluate_only(torch, objective, half), x)

        def compiled(objective=objective, plain=plain):
            return plain(torch.compile(objective, dynamic=False))

        yield name, plain
        yield f"{name}-graph", captured
        yield f"{name}-compiled", compiled


def evaluate_only(torch, objective, half) -> Callable:
    def evaluate(picture):
        with torch.autocast("cuda", dtype=half, enabled=half is not None, cache_enabled=False):
            loss = objective(picture)
        return loss, torch.autograd.grad(loss, picture)[0]

    return evaluate


def _captured(torch, evaluate: Callable, x) -> Callable:
    """The same as a CUDA graph, which is spared to copy the picture in and the gradient out."""
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


def evaluations(card, cupy, size: int) -> Iterator[tuple[str, Callable]]:
    """By precision; PyTorch's float32 is compared with both of ours that have as many bits."""
    problem = make_problem(size, "vgg19")
    for precisions in (("tf32",), ("float32", "tf32x3"), ("bfloat16",), ("float16",)):
        yield " ".join(precisions), lambda p=precisions: evaluation(card, cupy, problem, p)


def evaluation(card, cupy, problem, precisions: Sequence[str]) -> dict[str, Any]:
    calls: dict[str, Callable] = {}
    losses, left_out = {}, {}
    recorded = {}
    for precision in precisions:
        objective, x = ours(card, problem, precision)
        inputs = [x, x * np.float32(0.99), x * np.float32(0.98)]
        calls[precision] = lambda n, o=objective, i=inputs: o(i[n % 3]).loss
        losses[precision] = calls[precision](0)
        calls[precision](1)  # the second call is the one that is recorded
        recorded[precision] = objective.recorded
    try:
        for name, make in torch_sides(problem, precisions[0]):
            try:
                call = make()
                losses[name] = call(0)
                calls[name] = call
            except Exception as error:  # such a side is left out, with its reason
                left_out[name] = f"{error!r:.200}"
    except ImportError as error:
        left_out["torch"] = str(error)
    seconds = in_turns(cupy, calls, EVALUATIONS)
    size = max(problem.x.shape)
    operations = flops.evaluation(problem.weights, problem.losses.style_layers, size) * 1e9
    medians = {name: s["median"] for name, s in seconds.items()}
    best = min((m for name, m in medians.items() if name not in precisions), default=None)
    return {
        "size": size,
        "losses": {name: repr(loss) for name, loss in losses.items()},  # JSON knows no infinity
        "recorded as a graph": recorded,
        "seconds": seconds,
        "operations per second": {name: operations / medians[name] for name in precisions},
        "ratio to the fastest other": {name: best and medians[name] / best for name in precisions},
        "left out": left_out,
    }


def further_losses(card, cupy) -> Iterator[tuple[str, Callable]]:
    """Seconds of an evaluation of the full VGG-19 with each, at 512 x 512."""
    problem = make_problem(512, "vgg19")

    def seconds_with(name: str) -> dict:
        evaluate, x = on(CudaBackend(card), *with_loss(name, problem))
        return in_turns(cupy, {name: lambda _: evaluate(x)}, 2)[name]

    for name in LOSSES:
        yield name, lambda n=name: seconds_with(n)


def convolutions(card, cupy) -> list[dict]:
    """Each rung's and precision's convolution with its ReLU, alone: operations per second."""
    found = []
    backends = {precision: CudaBackend(card, precision) for precision in PRECISIONS}
    backends["tiled"] = CudaBackend(card, "float32", "tiled")
    for side, C, K in CONVOLUTIONS:
        rng = np.random.default_rng(0)
        shapes = [(side, side, C), (3, 3, C, K), (K,)]
        arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]
        for array in arrays:
            array.flags.writeable = False  # filters are laid out once
        calls = {}
        for name, backend in backends.items():
            given = [*(backend.from_host(array) for array in arrays), False]
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


# Part by part. A part gives names and functions, one after the other, of what is to be found.

PARTS: dict[str, Callable[[Any], Iterator[tuple[str, Callable]]]] = {
    "kernels": lambda card: iter([("all", lambda: kernels_are_right(card))]),
    "evaluations are right": evaluations_are_right,
    "losses are right": lambda card: losses_are_right(card, make_problem(64, "vgg19")),
    "run": lambda card: iter([("500 steps at 512", run_from_the_command_line)]),
    "rates": lambda card: rates(card.cupy),
    "evaluation 512": lambda card: evaluations(card, card.cupy, 512),
    "evaluation 1024": lambda card: evaluations(card, card.cupy, 1024),
    "optimiser": lambda card: iter([("at 512", lambda: optimiser(card, card.cupy))]),
    "convolutions": lambda card: iter([("all", lambda: convolutions(card, card.cupy))]),
    "further losses": lambda card: further_losses(card, card.cupy),
}


def find(part: str, path: Path) -> None:
    """One part, written as far as it has come after each of its items."""
    found: dict[str, Any] = {}
    card = open_card()
    for name, function in PARTS[part](card):
        try:
            found[name] = function()
            json.dumps(found[name], allow_nan=False)
        except Exception as error:  # the others still count
            found[name] = {"failed": f"{error!r:.1000}"}
        card.give_back()
        print(f"{part}, {name}: {json.dumps(found[name], indent=1)}", flush=True)
        path.write_text(json.dumps(found), encoding="utf-8")


def found_apart(part: str, seconds: float) -> dict[str, Any]:
    """What `find` has found, in a process of its own, within this time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.json"
        try:
            code = subprocess.run(
                [sys.executable, str(HERE), str(path), "--part", part], timeout=seconds
            ).returncode
            ended = {"ended": f"with exit code {code}"} if code else {}
        except subprocess.TimeoutExpired:
            ended = {"ended": f"cut off after {seconds:.0f} s"}
        return (json.loads(path.read_text("utf-8")) if path.exists() else {}) | ended


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--part", choices=PARTS, help="this one alone")
    args = parser.parse_args()
    if args.part:
        find(args.part, args.result)
        return 0
    began = time.monotonic()
    result: dict[str, Any] = {"facts": facts()}
    for part in PARTS:
        left = SECONDS - (time.monotonic() - began)
        result[part] = found_apart(part, left) if left > 0 else "left out: no time was left"
        args.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    result["facts afterwards"] = facts()["nvidia-smi"]
    args.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
