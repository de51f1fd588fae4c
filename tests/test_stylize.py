"""Runs from the Python side: result, record, checkpoint, resume, preflight."""

import json
import os

import numpy as np
import pytest
from proofs import small_weights

import manualnst
from manualnst import machine, samples
from manualnst.checkpoint import load_checkpoint, save_checkpoint
from manualnst.errors import InputError
from manualnst.images import load_picture, save_picture
from manualnst.inputs import open_content, open_start, open_style
from manualnst.losses import NORMALISATIONS
from manualnst.run import Run
from manualnst.settings import Settings
from manualnst.stylize import prepare, restore
from manualnst.weights import save_weights
from manualnst.weights.catalogue import cached_path

SMALL = dict(size=40, steps=4)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return rng.random((40, 33, 3)), rng.random((28, 36, 3))


def stopping_at(step):
    """A callback that acts as Ctrl-C does."""

    def callback(progress):
        if progress.step == step:
            raise KeyboardInterrupt

    return callback


def test_the_samples_are_painted_without_any_argument():
    result = manualnst.stylize(**SMALL)
    assert result.image.shape == (28, 40, 3)
    assert result.image.dtype == np.float32
    assert 0 <= result.image.min() < result.image.max() <= 1
    assert result.record["content"]["name"] == "sample:harbour"
    assert not result.interrupted


def test_the_loss_falls_and_the_best_picture_is_returned(pictures):
    seen = []
    result = manualnst.stylize(
        *pictures, **SMALL, callback=lambda p: seen.append((p.loss, p.picture))
    )
    first = result.record["history"]["total"][0]
    best_loss, best_picture = min(seen, key=lambda pair: pair[0])
    assert best_loss < 0.9 * first
    assert np.array_equal(result.image, best_picture)
    assert result.record["best_loss"] == best_loss


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("optimizer", ["lbfgs", "lbfgsb"])
def test_lbfgs_does_not_give_up_early_in_single_precision(pictures, normalisation, optimizer):
    # Their first losses range from 1e-4 to 1e7; scipy's tolerances are absolute.
    settings = SMALL | dict(
        normalisation=normalisation, steps=12, content_weight=0.0, optimizer=optimizer
    )
    result = manualnst.stylize(*pictures, **settings)
    assert result.stop_reason == "all 12 steps are done"
    losses = result.record["history"]["total"]
    assert result.record["best_loss"] < 0.8 * losses[0]


def test_the_record_holds_what_a_repetition_needs(pictures):
    result = manualnst.stylize(*pictures, **SMALL, optimizer="adam", init="noise", seed=3)
    record = json.loads(json.dumps(result.record, allow_nan=False))
    again = manualnst.stylize(*pictures, **record["settings"])
    assert np.array_equal(again.image, result.image)
    assert record["settings"]["weights"] == "builtin"
    assert record["start"] == {"name": "noise", "seed": 3}
    assert len(record["history"]["total"]) == record["evaluations"] == 5
    terms = [values for name, values in record["history"].items() if name != "total"]
    assert np.allclose(np.sum(terms, axis=0), record["history"]["total"])
    assert {"numpy", "scipy", "manualnst"} <= set(record["versions"])
    assert record["stop_reason"] == "all 4 steps are done"
    assert len(record["weights"]["fingerprint"]) == 64


def test_the_best_picture_is_kept_when_later_ones_are_worse(pictures):
    # So large a rate that the loss jumps up and down.
    losses, seen = [], []
    result = manualnst.stylize(
        *pictures,
        **SMALL | dict(steps=6, optimizer="momentum", rate=0.3),
        callback=lambda p: (losses.append(p.loss), seen.append(p.picture))[2:],
    )
    assert losses[-1] > min(losses)
    assert np.array_equal(result.image, seen[losses.index(min(losses))])


def test_divergence_is_told_and_the_record_is_still_json(pictures):
    result = manualnst.stylize(*pictures, **SMALL, optimizer="momentum", rate=1e12, tv_weight=1e12)
    json.dumps(result.record, allow_nan=False)


def test_plain_values_are_made_of_numpys_and_of_paths(pictures, tmp_path):
    start = tmp_path / "start.png"
    save_picture(start, np.zeros((5, 5, 3), np.float32))
    result = manualnst.stylize(*pictures, size=np.int64(40), steps=np.int32(1), init=start)
    assert result.record["start"]["name"] == str(start)


def test_a_callback_can_end_the_run(pictures):
    result = manualnst.stylize(*pictures, **SMALL, callback=lambda p: p.step == 2)
    assert result.stop_reason == "stopped by the callback"
    assert result.record["steps"] == 2


def test_an_interrupt_returns_the_best_picture_so_far(pictures):
    result = manualnst.stylize(*pictures, **SMALL, callback=stopping_at(2))
    assert result.interrupted
    assert result.stop_reason == "interrupted after 2 of 4 steps"


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "momentum"])
def test_resuming_is_exact(pictures, tmp_path, optimizer):
    settings = SMALL | dict(optimizer=optimizer, steps=7)
    whole = manualnst.stylize(*pictures, **settings)
    path = tmp_path / "checkpoint"
    run = prepare(*pictures, Settings(**settings))
    assert run.finish(stopping_at(3), path, checkpoint_every=1).interrupted
    resumed = manualnst.resume(path)
    assert np.array_equal(resumed.image, whole.image)
    assert resumed.record["history"] == whole.record["history"]
    assert resumed.record["evaluations"] == whole.record["evaluations"] >= 8
    different = {"seconds", "peak_memory_bytes", "notices"}
    assert all(resumed.record[k] == whole.record[k] for k in whole.record if k not in different)


def test_resuming_scipys_goes_on_and_says_that_its_memory_is_empty(pictures, tmp_path):
    path = tmp_path / "checkpoint"
    prepare(*pictures, Settings(**SMALL | dict(optimizer="lbfgsb"))).finish(
        stopping_at(3), path, checkpoint_every=1
    )
    facts, arrays = load_checkpoint(path)
    save_checkpoint(path, facts | {"seconds": 100}, arrays)
    run = restore(path, steps=6)
    assert run.done == 3
    assert any("empty memory" in notice for notice in run.notices)
    result = run.finish()
    assert result.record["steps"] == 6
    assert 100 < result.record["seconds"] < 200  # those of both parts
    assert result.record["best_loss"] < result.record["history"]["total"][2]


def test_the_checkpoint_is_written_every_so_many_steps(pictures, tmp_path):
    path = tmp_path / "checkpoint"
    run = prepare(*pictures, Settings(**SMALL))
    seen = []
    run.finish(lambda p: seen.append(path.exists()), path, checkpoint_every=3)
    assert seen == [False, False, True, True]
    assert load_checkpoint(path)[0]["iterations"] == 3


def test_alpha_is_carried_to_the_result(tmp_path):
    rgba = np.random.default_rng(0).random((40, 33, 4)).astype(np.float32)
    path = tmp_path / "checkpoint"
    result = manualnst.stylize(rgba, **SMALL, checkpoint=path)
    assert np.allclose(result.alpha, rgba[:, :, 3])
    result.save(tmp_path / "out.png")
    assert np.allclose(load_picture(tmp_path / "out.png").alpha, rgba[:, :, 3], atol=1 / 255)
    run = prepare(rgba, None, Settings(**SMALL))
    run.finish(stopping_at(2), path, 1)
    assert np.allclose(manualnst.resume(path).alpha, rgba[:, :, 3])


def test_a_result_shows_itself_in_a_notebook():
    result = manualnst.stylize(**SMALL | dict(steps=1))
    assert result._repr_png_().startswith(b"\x89PNG")
    assert result.loss_curve().shape[2] == 3


def test_starts(pictures):
    content, style = open_content(pictures[0], 40), open_style(pictures[1], 40)
    for init in ("content", "style", "noise", "sample:waves"):
        start = open_start(Settings(init=init, seed=5), content, style)
        assert start.pixels.shape == content.pixels.shape
        assert start.pixels.dtype == np.float32
        assert 0 <= start.pixels.min() <= start.pixels.max() <= 1
    noise = [open_start(Settings(init="noise", seed=s), content, style).pixels for s in (5, 5, 6)]
    assert np.array_equal(noise[0], noise[1])
    assert not np.array_equal(noise[0], noise[2])
    assert np.array_equal(
        open_start(Settings(init="content"), content, style).pixels, content.pixels
    )


def test_sizes_are_told(pictures):
    notices = prepare(None, pictures[1], Settings(**SMALL)).notices
    assert "content: sample:harbour, 640 × 448 → 40 × 28" in notices
    assert any(notice.startswith("style: ") and "36 × 28" in notice for notice in notices)


def test_the_default_weights_are_told_with_how_to_get_the_others():
    notices = prepare(None, None, Settings(**SMALL)).notices
    [line] = [notice for notice in notices if notice.startswith("weights: ")]
    assert "built-in" in line
    assert "python -m manualnst weights get vgg19" in line


def test_vgg19_is_the_default_once_it_is_in_the_cache():
    path = cached_path("vgg19")
    path.parent.mkdir(parents=True)
    save_weights(small_weights(last="conv5_4"), path)
    result = manualnst.stylize(**SMALL | dict(steps=1))
    assert result.record["settings"]["weights"] == "vgg19"


@pytest.mark.parametrize("pool", ["average", "max"])
def test_a_panorama_and_odd_sizes_work(pool):
    picture = np.random.default_rng(0).random((17, 170, 3))
    assert manualnst.stylize(picture, size=200, steps=2, pool=pool).image.shape == (17, 170, 3)


def test_too_little_memory_is_told_with_the_size_that_fits(monkeypatch):
    run = prepare(None, None, Settings(size=512))
    [line] = [notice for notice in run.notices if notice.startswith("memory: ")]
    assert "MB" in line or "GB" in line
    monkeypatch.setattr(machine, "available_memory", lambda: 260_000_000)
    with pytest.raises(InputError, match=r"not enough memory.*--size (\d+) fits") as error:
        prepare(None, None, Settings(size=512))
    fitting = int(str(error.value).split("--size ")[1].split()[0])
    assert 64 < fitting < 512
    prepare(None, None, Settings(size=fitting))
    monkeypatch.setattr(machine, "available_memory", lambda: 1000)
    with pytest.raises(InputError, match="no size fits"):
        prepare(None, None, Settings(size=512))


def test_the_time_is_told_before_the_first_step():
    run = prepare(None, None, Settings(**SMALL))
    run.start()
    assert any(notice.startswith("time: about") for notice in run.notices)


# Checkpoints of strangers


@pytest.fixture
def checkpoint(tmp_path, pictures):
    path = tmp_path / "good.checkpoint"
    settings = Settings(**SMALL, optimizer="adam")
    prepare(*pictures, settings).finish(stopping_at(2), path, checkpoint_every=1)
    return path


def test_a_damaged_checkpoint_is_refused(checkpoint, tmp_path):
    whole = checkpoint.read_bytes()
    damaged = tmp_path / "damaged"
    rng = np.random.default_rng(0)
    for length in [0, 1, 100, *rng.integers(0, len(whole), 20)]:
        damaged.write_bytes(whole[:length])
        with pytest.raises(InputError):
            restore(damaged)
    for position in rng.integers(0, len(whole), 60):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << rng.integers(8)
        damaged.write_bytes(flipped)
        try:
            run = restore(damaged)
        except InputError:
            continue
        assert isinstance(run, Run)


@pytest.mark.parametrize(
    "change",
    [
        lambda facts, arrays: facts.pop("settings"),
        lambda facts, arrays: facts.update(settings={"size": "big"}),
        lambda facts, arrays: facts.update(iterations="three"),
        lambda facts, arrays: facts.update(scale=None),
        lambda facts, arrays: facts.update(scale=0),
        lambda facts, arrays: facts.update(scale=10**400),
        lambda facts, arrays: facts["settings"].update(content_weight=10**400),
        lambda facts, arrays: facts.update(history=[1, 2]),
        lambda facts, arrays: facts.update(history="total"),
        lambda facts, arrays: facts.update(history=None),
        lambda facts, arrays: facts["history"].update(total=["a", "b", "c"]),
        lambda facts, arrays: facts["history"].update(total=[1.0]),
        lambda facts, arrays: facts["history"].update(total=[float("nan")] * 3),
        lambda facts, arrays: facts["history"].pop("total"),
        lambda facts, arrays: arrays.pop("state.m"),
        lambda facts, arrays: arrays.update({"state.v": -arrays["state.v"] - 1}),
        lambda facts, arrays: arrays.update(content=arrays["content"].ravel()),
        lambda facts, arrays: arrays.update(style=arrays["style"][:0]),
        lambda facts, arrays: facts["facts"].update(weights={}),
        lambda facts, arrays: facts["facts"].pop("content"),
        lambda facts, arrays: facts["facts"].update(style={"name": 3}),
        lambda facts, arrays: arrays.pop("best"),
        lambda facts, arrays: arrays.update(x=arrays["x"][:5]),
        lambda facts, arrays: arrays.update(x=arrays["x"].astype(np.float64)),
        lambda facts, arrays: arrays.update(x=np.full_like(arrays["x"], np.nan)),
        lambda facts, arrays: arrays.update(alpha=np.zeros((2, 2), np.float32)),
        lambda facts, arrays: arrays.update({"state.m": np.zeros(3, np.float32)}),
    ],
)
def test_an_inconsistent_checkpoint_is_refused(checkpoint, change):
    facts, arrays = load_checkpoint(checkpoint)
    change(facts, arrays)
    save_checkpoint(checkpoint, facts, arrays)
    with pytest.raises(InputError) as error:
        restore(checkpoint)
    assert "\n" not in str(error.value)


def test_a_compressed_or_pickled_checkpoint_is_refused(tmp_path):
    bomb = tmp_path / "bomb"
    save_checkpoint(bomb, {}, {"x": np.zeros(1000)})
    load_checkpoint(bomb)  # so far it is a good one
    with np.load(bomb) as file, open(tmp_path / "compressed", "wb") as compressed:
        np.savez_compressed(compressed, **file)
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "compressed")

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was run"),)

    with open(tmp_path / "hostile", "wb") as file:
        np.savez(file, json=np.array([Hostile()], dtype=object))
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "hostile")
    assert not (tmp_path / "was run").exists()


def test_unknown_samples_are_told():
    with pytest.raises(InputError, match=", ".join(samples.STYLES)):
        manualnst.stylize("sample:nothing")


def test_lbfgs_gets_as_low_as_scipys_with_as_many_evaluations(pictures):
    def best_of_thirty(optimizer):
        settings = SMALL | dict(optimizer=optimizer, steps=30)
        return min(manualnst.stylize(*pictures, **settings).record["history"]["total"][:30])

    assert best_of_thirty("lbfgs") <= 1.01 * best_of_thirty("lbfgsb")
