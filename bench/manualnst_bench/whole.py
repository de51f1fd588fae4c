"""The whole evaluation, loss and picture gradient: manualnst against the frameworks."""

import statistics

import numpy as np

from . import flops, optimizers, table
from .children import for_each_picture
from .measure import Call, Tell, compare, in_turns, timed
from .options import Mode, Options
from .sides import FRAMEWORKS, check_agreement, make_problem, prepare

MATMUL_SIZE = 2048
MATMUL = "matmul"


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    found = []
    for result in for_each_picture("whole:compare_sides", options, tell, others=options.sides):
        found.append(result)
        for line in lines(result):
            say(line)
    return {"evaluations": found}


def compare_sides(
    size: int,
    network: str,
    dtype: str,
    backend: str,
    others: list[str],
    repeats: int,
    tell: Tell,
) -> dict:
    """Of one size."""
    problem = make_problem(size, network).to(dtype)
    sides, results, left_out = prepare([backend, *others], problem, tell)
    errors = check_agreement(results, problem, dtype, tell)
    calls = {name: timed(evaluate) for name, evaluate in sides.items()}
    seconds = in_turns(calls | {MATMUL: _matmul(dtype)}, repeats, tell)
    matmul_seconds = seconds.pop(MATMUL)
    return {
        "size": size,
        "network": network,
        "dtype": dtype,
        "ours": backend,
        "gflop": flops.evaluation(problem.weights, problem.losses.style_layers, size),
        "matmul": {"gflop": 2 * MATMUL_SIZE**3 / 1e9, "seconds": matmul_seconds},
        "seconds": seconds,
        "errors": errors,
        "left out": left_out,
        "comparison": compare(seconds, backend),
        "optimizers": optimizers.own_work((size, size, 3), 2 * repeats, tell),
    }


def _matmul(dtype: str) -> Call:
    """NumPy's product of two matrices: about what the processor can do."""
    rng = np.random.default_rng(0)
    A, B = (rng.random((MATMUL_SIZE, MATMUL_SIZE)).astype(dtype) for _ in range(2))
    out = np.empty_like(A)
    np.matmul(A, B, out=out)
    return timed(lambda: np.matmul(A, B, out=out))


def lines(result: dict) -> list[str]:
    matmul = result["matmul"]
    rate = matmul["gflop"] / statistics.median(matmul["seconds"])
    heading = (
        f"{table.square(result['size'])}, {result['network']}, {result['dtype']}: "
        f"{result['gflop']:.3g} GFLOP, in {len(matmul['seconds'])} rounds; "
        f"matmul has {rate:.0f} GFLOP/s"
    )
    columns = ["", "median", "min", "max", "GFLOP/s", "of matmul", "error: loss", "gradient"]
    rows = [_row(name, result, rate) for name in result["seconds"]]
    found = ["", heading, *table.table(columns, rows)]
    found += table.left_out(result)
    if result["comparison"]:
        found.append(table.as_ratio(result["comparison"], result["ours"]))
    return [*found, *_lines_of_optimizers(result)]


def _row(name: str, result: dict, rate: float) -> list[str]:
    seconds, errors = result["seconds"][name], result["errors"][name]
    gflops = result["gflop"] / statistics.median(seconds)
    return [
        name,
        *table.spread(seconds),
        f"{gflops:.0f}",
        f"{gflops / rate:.0%}",
        f"{errors['loss']:.0e}",
        f"{errors['gradient']:.0e}",
    ]


def _lines_of_optimizers(result: dict) -> list[str]:
    evaluation = statistics.median(result["seconds"][result["ours"]])
    found = []
    for name, samples in result["optimizers"].items():
        own = statistics.median(samples)
        found.append(f"{name} {table.as_time(own)} ({own / evaluation:.1%})")
    return [f"{table.INDENT}the optimiser's own work per evaluation: {', '.join(found)}"]


def plot(result: dict) -> dict:
    """For `draw_growth`: each side's seconds by pixels."""
    series: dict[str, list[tuple[float, float]]] = {}
    for evaluation in result["evaluations"]:
        for name, samples in evaluation["seconds"].items():
            point = (evaluation["size"] ** 2, statistics.median(samples))
            label = table.side_and_network(name, evaluation["network"])
            series.setdefault(label, []).append(point)
    return {"series": series, "title": "seconds of one evaluation"}


MODE = Mode(
    measure,
    heeds=frozenset({"sizes", "network", "dtype", "backend", "sides", "repeats", "plot"}),
    repeats=5,
    sizes=(256, 512),
    sides=FRAMEWORKS,
    all_sides=FRAMEWORKS,
    plot=plot,
)
