"""The benchmark with the frameworks: all compute the same, or none is timed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from proofs import assert_close

from manualnst.backends import get_backend
from manualnst.cli import main
from manualnst.errors import InputError
from manualnst.weights import BUILTIN
from manualnst_bench import children, layers, operations, sides

EXACT = 1e-11


def silent(text):
    pass


@pytest.fixture(params=operations.SIDES)
def framework(request):
    library = request.param.partition("-")[0]
    pytest.importorskip(library, reason=f"{library} is not installed; it is only compared with")
    yield request.param
    if library == "jax":  # its precision is a setting of the whole process
        from manualnst_bench.jax_objective import use_doubles

        use_doubles(False)


@pytest.mark.parametrize("network", sides.NETWORKS)
def test_the_whole_evaluation_is_the_same(framework, network):
    problem = sides.make_problem(32, network).to("float64")
    loss, gradient = sides.our_evaluation(problem, get_backend("numpy"))()
    its_loss, its_gradient = sides.build(framework, problem)()
    assert its_gradient.dtype == np.float64
    assert_close(its_loss, loss, EXACT)
    assert_close(its_gradient, gradient, EXACT)


@pytest.mark.parametrize("layer", ["conv2_1", "relu2_1", "pool2", "gram3_1"])
def test_each_operation_is_the_same(framework, layer):
    weights = sides.find_network("builtin")
    [layer] = layers.layers_of(weights, 34, [layer])  # an odd edge at the second pooling
    arrays = layers.make_arrays(layer, weights, "float64")
    expected = operations.make_ready("numpy", layer.kind, arrays)
    ready = operations.make_ready(framework, layer.kind, arrays)
    for theirs, ours in zip(ready.results(), expected.results(), strict=True):
        assert_close(theirs, ours, EXACT)


def test_a_mistake_of_ours_is_noticed(framework, monkeypatch):
    """In both precisions, so that it is the framework's word against ours."""
    right = sides.our_evaluation

    def mistaken(problem, backend):
        evaluate = right(problem, backend)

        def evaluate_wrongly():
            loss, gradient = evaluate()
            return loss, gradient + 0.01 * gradient[::-1]

        return evaluate_wrongly

    monkeypatch.setattr(sides, "our_evaluation", mistaken)
    problem = sides.make_problem(32, "builtin")
    _, results, left_out = sides.prepare(["numpy", framework], problem, silent)
    assert not left_out
    with pytest.raises(InputError, match=f"^{framework} does not compute what manualnst does"):
        sides.check_agreement(results, problem, "float32", silent)


def test_whole_runs_against_torch(tmp_path, capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed; it is only compared with")
    path = tmp_path / "record.json"
    options = ["--runs", "--sides", "torch-channels-last", "--network", "builtin", "--threads", "1"]
    options += ["--sizes", "40", "--evaluations", "6", "--json", str(path)]
    assert main(["bench", *options]) == 0, capsys.readouterr().err
    [found] = json.loads(path.read_text())["runs"]
    assert found["evaluations"]["torch-channels-last"] == 6
    ours, theirs = found["losses"]["manualnst"], found["losses"]["torch-channels-last"]
    assert found["loss ratio"] == ours / theirs
    assert 0.5 < ours / theirs < 2


def test_a_painting_with_torch(tmp_path, capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed; it is only compared with")
    path = tmp_path / "record.json"
    options = ["--painting", "--sizes", "32", "--evaluations", "16", "--threads", "1"]
    options += ["--judge", str(BUILTIN), "--json", str(path)]
    assert main(["bench", *options]) == 0, capsys.readouterr().err
    [found] = json.loads(path.read_text())["paintings"]
    row, ours = found["rows"]["torch-channels-last"], found["rows"]["lbfgs, one size"]
    assert not found["left out"] and len(row) == 16
    assert 0.8 < row[-1]["style"] / ours[-1]["style"] < 1.25
    assert row[0]["seconds"] > 0


def test_the_torch_of_a_whole_run_does_without_us():
    pytest.importorskip("torch", reason="PyTorch is not installed; it is only compared with")
    program = "import sys, manualnst_bench.run_torch; assert 'manualnst' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, env=children.environment(1))
