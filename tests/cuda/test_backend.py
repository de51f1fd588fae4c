"""The cuda backend in its place: network, objective and runs, on a card made of a processor."""

import gc
import subprocess
import sys
import weakref
from types import FunctionType

import numpy as np
import pytest
from host_card import HostCupy
from proofs import assert_close, small_weights

import manualnst
from manualnst.api import prepare, restore
from manualnst.backends import PRECISIONS, get_backend, to_host
from manualnst.backends.cuda.backend import CudaBackend
from manualnst.backends.cuda.card import Card, open_card
from manualnst.errors import InputError
from manualnst.network.network import Network
from manualnst.objective.objective import Evaluation, LossSettings, Objective
from manualnst.optimizers import LBFGS, State
from manualnst.runs.settings import Settings
from manualnst.weights import save_weights

NUMPY = get_backend("numpy")
STYLE_LAYERS = ("pixels", "relu1_1", "relu2_1", "relu3_1")


@pytest.fixture
def card_is_there(cupy, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy


def pictures(dtype=np.float32):
    rng = np.random.default_rng(5)
    return [rng.random(shape).astype(dtype) for shape in ((18, 21, 3), (17, 26, 3), (18, 21, 3))]


def objective(backend, dtype=np.float32, pool="average", masks=None, **changes):
    weights = small_weights(last="conv3_2", widths=(6, 33, 40))
    network = Network(weights, backend=backend, pool=pool, dtype=dtype)
    content, style, _ = pictures(dtype)
    settings = dict(
        content_layers={"relu3_2": 1.0, "conv2_2": 1.0},
        style_layers=dict.fromkeys(STYLE_LAYERS, 1.0),
        content_weight=0.7,
        style_weight=1.3,
        tv_weight=0.1,
        normalisation="relative",
    )
    return Objective(network, content, style, LossSettings(**(settings | changes)), masks)


# The smallest of the losses, of a content that is nearly met, is a difference of like numbers.
LOSS = {"float32": 1e-5, "tf32x3": 1e-5, "tf32": 5e-3, "float16": 5e-3, "bfloat16": 4e-2}
GRADIENT = {"float32": 1e-5, "tf32x3": 1e-5, "tf32": 2e-2, "float16": 5e-2, "bfloat16": 0.2}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_evaluation_is_that_of_numpy(precision, cupy):
    backend, x = CudaBackend(Card(cupy), precision), pictures()[2]
    expected = objective(NUMPY, np.float64)(x.astype(np.float64))
    found = objective(backend)(backend.from_host(x))
    assert found.loss == pytest.approx(expected.loss, rel=LOSS[precision])
    assert found.terms.keys() == expected.terms.keys()
    assert_close(to_host(found.dL_dx), expected.dL_dx, GRADIENT[precision])


@pytest.mark.parametrize("normalisation", ["relative", "paper", "sum", "mean"])
@pytest.mark.parametrize("pool", ["average", "max"])
def test_in_double_precision_it_is_the_same(pool, normalisation, cupy):
    backend, x = CudaBackend(Card(cupy)), pictures(np.float64)[2]
    expected, found = (
        objective(b, np.float64, pool, normalisation=normalisation, in_greys=pool == "max")(
            b.from_host(x)
        )
        for b in (NUMPY, backend)
    )
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    for name, term in expected.terms.items():
        assert found.terms[name].value == pytest.approx(term.value, rel=1e-10), name
    assert_close(to_host(found.dL_dx), expected.dL_dx, 1e-11)


def test_an_evaluation_is_recorded_and_then_played(cupy):
    backend = CudaBackend(Card(cupy))
    evaluate, fresh = objective(backend), objective(backend)
    x, y = (backend.from_host(pictures()[n]) for n in (2, 0))
    evaluations = [evaluate(each) for each in (x, x, y, x)]
    assert cupy.cuda.launches == 3
    assert len({e.dL_dx.get().tobytes() for e in evaluations}) == 2
    for n in (1, 3):
        assert evaluations[n].loss == evaluations[0].loss
    plain = fresh(y)
    assert evaluations[2].loss == plain.loss
    assert evaluations[2].dL_dx.get().tobytes() == plain.dL_dx.get().tobytes()
    # Another scale, or another size, is another recording.
    evaluate.scale = 2.0
    doubled = [evaluate(x) for _ in range(2)]
    assert {e.loss for e in doubled} == {2 * evaluations[0].loss}


def test_a_recording_takes_its_memory_with_it(cupy):
    """Without waiting for a garbage collection: the next scale is larger, and wants it at once."""
    backend = CudaBackend(Card(cupy))
    evaluate, x = objective(backend), backend.from_host(pictures()[2])
    gc.collect()
    gc.disable()
    try:
        for scale in (1.0, 0.1, 0.2):
            evaluate.scale = scale
            recorded = []
            for _ in range(3):
                evaluate(x)
                recorded.append(evaluate.recorded)
            assert recorded == [False, True, True]
        pool, gone = weakref.ref(evaluate._computed._pool), weakref.ref(evaluate)
        del evaluate
        assert gone() is None and pool() is None
    finally:
        gc.enable()
    assert cupy.cuda.lost == 0
    # What is kept for all evaluations does not lie in memory that went with the first one.
    another = objective(backend)
    assert another(x).loss == another(x).loss


def test_where_a_recording_fails_it_goes_on_without(cupy, monkeypatch):
    backend, stream = CudaBackend(Card(cupy)), type(cupy.cuda.Stream(non_blocking=True))
    evaluate, x = objective(backend), backend.from_host(pictures()[2])

    def fail(self):
        self._cuda.capturing = None
        raise RuntimeError("cudaErrorStreamCaptureInvalidated")

    with monkeypatch.context() as patch:
        patch.setattr(stream, "end_capture", fail)
        assert len({evaluate(x).loss for _ in range(3)}) == 1
        assert not evaluate.recorded
    assert cupy.cuda.launches == cupy.cuda.lost == 0
    evaluate.scale = 2.0  # is tried again
    evaluate(x)
    evaluate(x)
    assert evaluate.recorded


def test_an_array_with_gaps_is_refused(cupy):
    x = cupy.asarray(pictures()[2])
    with pytest.raises(InputError, match="relu_forward_fast: an array .* in one piece"):
        CudaBackend(Card(cupy)).relu_forward(x[:, ::2])


def test_an_evaluation_waits_for_the_card_once(cupy):
    backend = CudaBackend(Card(cupy))
    evaluate, x = objective(backend), backend.from_host(pictures()[2])
    evaluate(x)
    evaluate(x)
    before = cupy.waits
    evaluate(x)
    assert cupy.waits == before + 1


@pytest.fixture
def small(tmp_path):
    """A run that a processor in the place of a card can do in seconds."""
    path = tmp_path / "small.h5"
    save_weights(small_weights(last="conv3_2", widths=(6, 9, 12)), path)
    layers = {"content_layers": {"relu3_2": 1.0}, "style_layers": dict.fromkeys(STYLE_LAYERS, 1.0)}
    return dict(size=24, steps=4, min_size=16, weights=str(path)) | layers


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "lbfgsb"])
def test_a_run_is_that_of_numpy(optimizer, card_is_there, small):
    runs = [
        manualnst.stylize(**small, optimizer=optimizer, backend=backend, precision="float32")
        for backend in ("numpy", "cuda")
    ]
    expected, found = (run.record["history"]["total"] for run in runs)
    # A line search makes much of the last bits.
    assert found == pytest.approx(expected, rel=3e-3)
    assert_close(runs[1].image, runs[0].image, 2e-2)
    assert "backend: cuda, a processor, matrix products in float32" in runs[1].record["notices"]
    assert card_is_there.cuda.launches > 0


def test_an_interrupted_run_goes_on_with_the_same_bits(card_is_there, tmp_path, small):
    options = small | {"backend": "cuda", "precision": "float32", "scales": 1}
    whole = manualnst.stylize(**options)
    path = tmp_path / "run.checkpoint"

    def stop(progress):
        assert isinstance(progress.picture, np.ndarray)
        return progress.step == 2

    run = prepare(None, None, Settings(**options))
    run.finish(stop)
    run.save(path)
    resumed = restore(path).finish()
    assert resumed.image.tobytes() == whole.image.tobytes()
    assert resumed.record["history"] == whole.record["history"]


def test_auto_takes_the_card_where_there_is_one_and_tells(card_is_there, small):
    run = prepare(None, None, Settings(**small, scales=1, backend="auto", precision="float32"))
    run.start()
    assert run.settings.backend == "cuda"
    assert ("backend", "cuda, a processor, matrix products in float32") in run.notices


def without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as if it were not installed


def test_without_cupy_auto_tells_what_it_takes_and_why(monkeypatch):
    without_cupy(monkeypatch)
    run = prepare(None, None, Settings(size=24, backend="auto"))
    assert run.settings.backend == "numpy"
    [line] = [str(each) for each in run.notices if each.topic == "backend"]
    assert "CuPy is not installed" in line


def test_without_cupy_cuda_is_refused(monkeypatch):
    without_cupy(monkeypatch)
    with pytest.raises(InputError, match="CuPy is not installed; install manualnst with"):
        get_backend("cuda")


def test_without_a_driver_cuda_is_refused(cupy, monkeypatch):
    def fail():
        raise RuntimeError("cudaErrorInsufficientDriver: too old\nand more")

    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(cupy.cuda, "getDeviceCount", fail)
    with pytest.raises(InputError, match=r"no usable NVIDIA card .*too old\); nvidia-smi"):
        get_backend("cuda")
    monkeypatch.setattr(cupy.cuda, "getDeviceCount", lambda: 0)
    with pytest.raises(InputError, match="there is no NVIDIA card"):
        get_backend("cuda")


def test_an_old_card_computes_in_float32_and_refuses_the_rest(libraries):
    card = Card(HostCupy(libraries, capability=75))
    assert CudaBackend(card).precision == "float32"
    with pytest.raises(InputError, match=r"tf32: this card has compute capability 7\.5"):
        CudaBackend(card, "tf32")


def test_a_precision_is_for_a_card():
    with pytest.raises(InputError, match="precision tf32 is for the cuda backend"):
        manualnst.Settings(precision="tf32")
    with pytest.raises(InputError, match="unknown precision 'half'"):
        manualnst.Settings(precision="half", backend="cuda")


def test_nothing_loads_cupy_unasked():
    code = "import sys, manualnst, manualnst.cli; sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_functions_are_those_of_the_numpy_backend():
    own = {n for n in dir(CudaBackend) if isinstance(getattr(CudaBackend, n), FunctionType)}
    own = {name for name in own if name[0] != "_"} - {"from_host", "replayer"}
    of_numpy = {"fused_forward", "fused_backward"}
    assert own == {*vars(get_backend("naive"))} - {"name"} | of_numpy
    assert own <= {*vars(NUMPY)}


def quadratic(curvatures, lowest):
    """½ Σ c (x − lowest)², in plain arithmetic: of NumPy's arrays and of the card's."""

    def evaluate(x):
        away = x - lowest
        gradient = curvatures * away
        loss = np.sum(0.5 * gradient * away, dtype=np.float64)
        return Evaluation(float(loss), gradient, {})

    return evaluate


def test_the_memory_of_lbfgs_on_the_card_is_that_of_numpy(card_is_there):
    rng = np.random.default_rng(3)
    shape = (7, 11, 3)
    curvatures = rng.uniform(0.1, 10, shape).astype(np.float64)
    lowest = rng.uniform(-0.3, 1.3, shape).astype(np.float64)  # some of it outside the box
    start = rng.uniform(0, 1, shape).astype(np.float64)
    paths = []
    for put in (np.asarray, card_is_there.asarray):
        path, evaluate = [], quadratic(put(curvatures), put(lowest))
        keep = lambda step, path=path: path.append(to_host(step.state.x))  # noqa: E731
        LBFGS().minimise(evaluate, State(put(start)), 14, keep)
        paths.append(path)
    assert len(paths[0]) == len(paths[1]) == 14  # more than the memory has places
    for expected, found in zip(*paths, strict=True):
        assert_close(found, expected, 1e-6)  # factors are float32 in NumPy
    best = np.clip(lowest, 0, 1)
    assert np.abs(paths[1][-1] - best).mean() < 0.05 * np.abs(start - best).mean()


@pytest.mark.parametrize("stop", [1, 7, 13, 16])
def test_lbfgs_goes_on_with_the_same_bits(stop, card_is_there):
    """Wherever in its ring the pairs lay before; in double precision, where every bit shows."""
    rng, put = np.random.default_rng(3), card_is_there.asarray
    curvatures, lowest, start = (
        put(rng.uniform(low, high, (9, 11, 3))) for low, high in ((0.1, 10), (-0.3, 1.3), (0, 1))
    )
    evaluate, states = quadratic(curvatures, lowest), []
    LBFGS().minimise(evaluate, State(start), 20, lambda step: states.append(copied(step.state)))
    resumed = []
    middle = states[stop - 1].where(put)
    LBFGS().minimise(evaluate, middle, 20, lambda step: resumed.append(copied(step.state)))
    assert len(states) == stop + len(resumed) == 20
    for expected, found in zip(states[stop:], resumed, strict=True):
        assert found.loss == expected.loss
        assert found.x.tobytes() == expected.x.tobytes()
        assert found.arrays.keys() == expected.arrays.keys()
        for name, array in expected.arrays.items():
            assert found.arrays[name].tobytes() == array.tobytes(), name


def copied(state):
    return state.where(to_host)


def test_a_step_of_lbfgs_waits_for_the_card_a_few_times(card_is_there):
    rng = np.random.default_rng(3)
    put = card_is_there.asarray
    evaluate = quadratic(put(rng.uniform(0.1, 10, (5, 6, 3))), put(rng.uniform(0, 1, (5, 6, 3))))
    waits = []
    keep = lambda step: waits.append(card_is_there.waits)  # noqa: E731
    LBFGS().minimise(evaluate, State(put(rng.uniform(0, 1, (5, 6, 3)))), 13, keep)
    assert np.median(np.diff(waits)) == 3  # with that for the loss


def masks(names):
    rows, columns = np.mgrid[:18, :21]
    drawn = {"left": np.clip((12 - columns) / 6, 0, 1), "below": (rows > 9) * 0.8}
    return [drawn[name].astype(np.float32) for name in names]


LOSSES = {
    "shifted": dict(style_losses={"shifted": 1.0}),
    "chained": dict(style_losses={"chained": 1.0, "gram": 0.5}),
    "moments": dict(style_losses={"moments": 1.0}),
    "wasserstein": dict(style_losses={"wasserstein": 1.0}),
    "histogram": dict(style_losses={"histogram": 1.0}),
    "patches": dict(style_losses={"patches": 1.0}),
    "power": dict(tv="power"),
    "smoothed": dict(tv="smoothed"),
    "nine-point": dict(tv="nine-point"),
    "guided": dict(mask_form="guided", masks=masks(["left"])),
    "product": dict(mask_form="product", masks=masks(["below"])),
}
LIBRARIES = ("wasserstein", "histogram")  # which cannot be recorded


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_that_of_numpy(loss, cupy):
    backend, x = CudaBackend(Card(cupy)), pictures(np.float64)[2]
    evaluate, expected = (objective(b, np.float64, **LOSSES[loss]) for b in (backend, NUMPY))
    expected = expected(x)
    for _ in range(3):  # plain, recorded, played
        found = evaluate(backend.from_host(x))
        assert found.loss == pytest.approx(expected.loss, rel=1e-10)
        assert found.terms.keys() == expected.terms.keys()
        for name, term in expected.terms.items():
            assert found.terms[name].value == pytest.approx(term.value, rel=1e-9), name
        assert_close(to_host(found.dL_dx), expected.dL_dx, 1e-9)
    assert cupy.cuda.launches == (0 if loss in LIBRARIES else 2)


def test_where_all_masks_are_black_nothing_moves(cupy):
    backend = CudaBackend(Card(cupy))
    settings = dict(mask_form="guided", masks=masks(["left"]), tv_weight=0.0)
    found = objective(backend, **settings)(backend.from_host(pictures()[2]))
    assert not to_host(found.dL_dx)[:, 12:].any()
    assert to_host(found.dL_dx)[:, :12].any()


def test_a_run_with_masks_is_that_of_numpy(card_is_there, small):
    mask = np.linspace(0, 1, 448 * 640, dtype=np.float32).reshape(448, 640)
    options = small | dict(steps=2, min_size=24, masks=mask, tv="smoothed", tv_weight=0.02)
    runs = [
        manualnst.stylize(**options, backend=backend, precision=precision)
        for backend, precision in (("numpy", None), ("cuda", "float32"))
    ]
    expected, found = (run.record["history"]["total"] for run in runs)
    # A line search makes much of the last bits.
    assert found == pytest.approx(expected, rel=3e-3)
    assert_close(runs[1].image, runs[0].image, 2e-2)


def test_a_step_takes_few_launches_outside_the_recording(card_is_there):
    backend = CudaBackend(open_card(), "float32")
    few = dict(content_layers={"relu2_1": 1.0}, style_layers={"relu1_1": 1.0})
    evaluate, x = objective(backend, **few), backend.from_host(pictures()[2])
    evaluate.scale = 1 / float(np.linalg.norm(to_host(evaluate(x).dL_dx)))
    launches, graphs = [], []

    def keep(step):
        launches.append(card_is_there.launches)
        graphs.append((step.state.evaluations, card_is_there.cuda.launches))

    LBFGS().minimise(evaluate, State(x), 9, keep)
    steps = np.diff(launches)[np.diff(graphs, axis=0)[:, 0] == 1]
    # What follows from the last picture: in four for the loops, and CuPy's own for the bands; the
    # picture brought into the graph, and the gradient out of it.
    assert steps[2:].tolist() == [4 + 31 + 2] * 6


def test_what_the_last_state_holds_is_never_written_to(card_is_there):
    rng = np.random.default_rng(3)
    put = card_is_there.asarray
    curvatures = put(np.exp(rng.normal(0, 2, (5, 6, 3))))
    smooth = quadratic(curvatures, put(rng.uniform(0.2, 0.8, (5, 6, 3))))
    latest, calls = [], 0

    def evaluate(x):
        nonlocal calls
        calls += 1
        if latest:
            state, copies = latest[-1]
            for name, array in state.arrays.items():
                assert to_host(array).tobytes() == copies[name], name
        evaluation = smooth(x)
        # At times no step helps: attempts, and then all that was learned is forgotten.
        return evaluation._replace(loss=np.inf) if 30 < calls < 55 else evaluation

    def keep(step):
        copies = {name: to_host(array).tobytes() for name, array in step.state.arrays.items()}
        latest.append((step.state, copies))

    LBFGS().minimise(evaluate, State(put(rng.uniform(0, 1, (5, 6, 3)))), 40, keep)
    assert calls > 60
    assert len(latest[-1][0].arrays) > 4
