"""Sweeps and batches from the Python side: what is shared, what is told, how many processes."""

import multiprocessing
import os

import numpy as np
import pytest
from proofs import RECOMMENDED, small_weights

import manualnst
from manualnst.api import prepare, settings_from
from manualnst.errors import InputError
from manualnst.network.network import Network
from manualnst.objective import targets
from manualnst.pictures.images import load_picture
from manualnst.pictures.saving import save_picture
from manualnst.runs import inputs, shared
from manualnst.runs.settings import Settings
from manualnst.studies.many import Listener, carry_out, processes, sweep_jobs
from manualnst.studies.many.jobs import batch_jobs
from manualnst.studies.many.series import _terms_of_the_best
from manualnst.studies.many.work import _Work
from manualnst.system import machine
from manualnst.weights import find_recommended, save_weights

LAYERS = dict(style_layers={"relu1_1": 1.0}, content_layers={"relu1_1": 1.0})
SMALL = dict(size=32, steps=2, **LAYERS)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return rng.random((32, 29, 3)), rng.random((24, 30, 3))


def test_a_sweep_gives_pictures_records_and_a_table(pictures, tmp_path):
    vary = {"content_weight": np.array([0.01, 1.0]), "pool": ("average", "max")}
    series = manualnst.sweep(*pictures, vary=vary, folder=tmp_path / "many", **SMALL)
    assert not series.interrupted and not series.failures
    assert [(row["content_weight"], row["pool"]) for row in series.table()] == [
        (weight, pool) for weight in ("0.01", "1") for pool in ("average", "max")
    ]
    alone = manualnst.stylize(*pictures, content_weight=0.01, pool="max", **SMALL)
    second = series.outcomes[1]
    assert np.abs(second.image - alone.image).max() < 0.51 / 255
    assert second.record["best_loss"] == alone.record["best_loss"]
    sheet = load_picture(tmp_path / "many" / "sheet.png").pixels
    assert np.abs(sheet - series.sheet()).max() < 0.51 / 255
    assert series._repr_png_().startswith(b"\x89PNG")


def test_networks_with_another_margin_are_others(pictures, tmp_path):
    series = manualnst.sweep(*pictures, vary={"margin": [0, 16]}, folder=tmp_path / "many", **SMALL)
    for margin, one in zip((0, 16), series.outcomes, strict=True):
        alone = manualnst.stylize(*pictures, margin=margin, **SMALL)
        assert one.record["best_loss"] == alone.record["best_loss"]


def test_a_start_that_is_the_minimum_is_a_picture_too(pictures, tmp_path):
    call = dict(vary={"style_strength": [0.0, 0.5]}, folder=tmp_path / "many", tv_weight=0.0)
    series = manualnst.sweep(*pictures, **call, **SMALL)
    assert not series.failures
    assert np.abs(series.outcomes[0].image - pictures[0]).max() < 0.51 / 255
    assert len(manualnst.sweep(*pictures, **call, **SMALL).finished) == 2


def test_what_is_the_same_is_made_once(pictures, tmp_path, monkeypatch):
    counts = dict.fromkeys(("picture", "weights", "network", "forward"), 0)

    def counting(name, function):
        def counted(*args, **options):
            counts[name] += 1
            return function(*args, **options)

        return counted

    monkeypatch.setattr(inputs, "load_source", counting("picture", inputs.load_source))
    monkeypatch.setattr(shared, "find_weights", counting("weights", shared.find_weights))
    monkeypatch.setattr(shared, "Network", counting("network", shared.Network))
    monkeypatch.setattr(Network, "forward", counting("forward", Network.forward))
    vary = {"content_weight": [0.01, 0.1, 1.0], "tv_weight": [0.0, 1.0]}
    series = manualnst.sweep(*pictures, vary=vary, folder=tmp_path / "many", **SMALL)
    evaluations = sum(outcome.record["evaluations"] for outcome in series.outcomes)
    assert counts["picture"] == 2 and counts["weights"] == counts["network"] == 1
    assert counts["forward"] - evaluations == 2  # and the targets of two pictures


def test_targets_of_other_pictures_layers_and_networks_are_others(pictures):
    content, _ = pictures
    picture = content.astype(np.float32)
    common = shared.Shared()
    asked = [targets.Asked(targets.map_itself, ("relu1_1",))]

    def measured(pool="average", picture=picture, asked=asked, seed=0):
        network = common.network(networks[seed], "numpy", pool=pool)
        return targets.measured(network, picture, asked, common.targets)

    networks = [small_weights(seed) for seed in range(2)]
    first = measured()
    assert measured()[0] is first[0]
    assert measured(picture=picture.copy())[0] is first[0]
    assert not np.array_equal(measured(picture=1 - picture)[0], first[0])
    other = [targets.Asked(targets.map_itself, ("relu1_2",))]
    assert measured(asked=other)[0].shape == first[0].shape
    assert not np.array_equal(measured(asked=other)[0], first[0])
    assert not np.array_equal(measured(seed=1)[0], first[0])
    assert np.array_equal(measured()[0], first[0])
    assert measured(pool="max")[0] is not first[0]


def test_a_callback_can_end_it_and_the_same_call_goes_on(pictures, tmp_path):
    moments = []

    def callback(moment):
        moments.append(moment)
        is_enough = moment.picture == "seed=2" and moment.picture_step == 2
        return manualnst.STOP if is_enough else None

    many = dict(vary={"seed": [1, 2]}, folder=tmp_path / "many", **SMALL | dict(steps=4))
    series = manualnst.sweep(*pictures, callback=callback, init="noise", **many)
    assert series.interrupted
    assert [outcome.record is not None for outcome in series.outcomes] == [True, False]
    assert moments[-1].share == pytest.approx(0.75) and moments[-1].step == 1
    assert (tmp_path / "many" / "seed=2.png.checkpoint").exists()
    moments.clear()
    series = manualnst.sweep(*pictures, init="noise", callback=moments.append, **many)
    assert [(moment.picture, moment.picture_step) for moment in moments] == [
        ("seed=2", 3),
        ("seed=2", 4),
    ]
    assert series.outcomes[1].record["steps"] == 4 and not series.interrupted


def test_the_table_has_what_was_varied_and_what_came_of_it(pictures, tmp_path):
    vary = {"steps": [2, 3]}
    settings = {name: value for name, value in SMALL.items() if name not in vary}
    series = manualnst.sweep(*pictures, vary=vary, folder=tmp_path / "many", **settings)
    assert [(row["steps"], row["steps done"]) for row in series.table()] == [("2", 2), ("3", 3)]


@pytest.mark.parametrize("was_there", [False, True])
def test_a_callback_cannot_begin_another_in_the_same_folder(pictures, tmp_path, was_there):
    pytest.importorskip("fcntl")
    call = dict(vary={"seed": [1]}, folder=tmp_path / "many", **SMALL)
    if was_there:
        call["folder"].mkdir()

    def callback(moment):
        with pytest.raises(InputError, match="another command is painting in"):
            manualnst.sweep(*pictures, **call)

    assert manualnst.sweep(*pictures, callback=callback, **call).finished
    assert manualnst.sweep(*pictures, **call).finished


def test_a_batch_keeps_its_failures(pictures, tmp_path):
    content, style = pictures
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    series = manualnst.batch([content, broken], style, folder=tmp_path / "many", **SMALL)
    [failure] = series.failures
    assert failure.job.name == "broken-array 1" and "cannot read" in failure.failure
    assert [outcome.record is None for outcome in series.outcomes] == [False, True]
    assert series.sheet().shape[2] == 3


def test_a_picture_that_is_damaged_by_now_does_not_cost_the_sheet(pictures, tmp_path):
    vary = {"seed": [1, 2]}
    series = manualnst.sweep(*pictures, vary=vary, folder=tmp_path / "many", **SMALL)
    whole = series.sheet()
    series.outcomes[0].path.write_bytes(b"no picture")
    assert series.sheet().shape[2] == 3 and not np.array_equal(series.sheet(), whole)


def test_a_folder_stands_for_its_pictures_in_order(tmp_path):
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    jobs = batch_jobs([tmp_path], ["sample:waves", "sample:mosaic"], {})
    assert [job.name for job in jobs] == ["a-waves", "b-waves", "a-mosaic", "b-mosaic"]


def test_presets_may_be_varied_and_say_what_is_not_given():
    given = dict(weights="builtin", steps=7)
    jobs = sweep_jobs(None, None, {"preset": ["crowsonkb", "keras-adam"]}, given)
    assert [job.name for job in jobs] == ["preset=crowsonkb", "preset=keras-adam"]
    assert [job.settings for job in jobs] == [
        settings_from({"preset": name, **given}) for name in ("crowsonkb", "keras-adam")
    ]


def test_networks_that_are_varied_have_their_own_settings(recommending, tmp_path, monkeypatch):
    bare = tmp_path / "bare.h5"
    save_weights(small_weights(), bare)
    asked = []

    def counted(name):
        asked.append(name)
        return find_recommended(name)

    monkeypatch.setattr("manualnst.studies.many.jobs.find_recommended", counted)
    vary = {"seed": [1, 2], "weights": [str(recommending), str(bare)]}
    jobs = sweep_jobs(None, None, vary, {"tv_weight": 3.0})
    given = RECOMMENDED | {"tv_weight": 3.0}
    assert [job.settings for job in jobs] == [
        settings
        for seed in (1, 2)
        for settings in (
            Settings(seed=seed, weights=str(recommending), **given),
            Settings(seed=seed, weights=str(bare), tv_weight=3.0),
        )
    ]
    assert asked == [str(recommending), str(bare)]


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ({"steps": 5}, r"steps is varied by 5; give a list"),
        ({"pool": "max"}, r"pool is varied by 'max'; give a list"),
        ({"content_layers": {"relu1_1": 1.0}}, r"content_layers is varied by \{.*; give a list"),
        ([1, 2], r"vary is \[1, 2\]; give options with values"),
    ],
)
def test_what_is_varied_must_be_lists(vary, told, tmp_path):
    with pytest.raises(InputError, match=told):
        manualnst.sweep(vary=vary, folder=tmp_path / "many")


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (None, "no content picture"),
        ([], "no content picture"),
        ([None], "a content is None; give a path"),
        (3, "a content is 3; give a path"),
    ],
)
def test_pictures_of_a_batch_must_be_pictures(sources, told, tmp_path):
    with pytest.raises(InputError, match=told):
        manualnst.batch(sources, "sample:waves", folder=tmp_path / "many")
    with pytest.raises(InputError, match=told.replace("content", "style")):
        manualnst.batch("sample:waves", sources, folder=tmp_path / "many")


def half_masked(path):
    """A mask of which the lower half is black."""
    save_picture(path, np.concatenate([np.ones((16, 29, 3)), np.zeros((16, 29, 3))]))
    return path


def test_a_sweep_keeps_to_masks(pictures, tmp_path):
    mask, folder = half_masked(tmp_path / "mask.png"), tmp_path / "many"
    call = dict(vary={"seed": [1, 2]}, folder=folder, masks=mask, **SMALL)
    series = manualnst.sweep(*pictures, **call)
    alone = manualnst.stylize(*pictures, masks=mask, seed=1, **SMALL)
    assert np.abs(series.outcomes[0].image - alone.image).max() < 0.51 / 255
    assert np.abs(series.outcomes[0].image - pictures[0])[16:].max() < 0.51 / 255
    assert manualnst.sweep(*pictures, **call).finished  # the same call is of the same run
    with pytest.raises(InputError, match="another number of masks"):
        manualnst.sweep(*pictures, **call | dict(masks=None))


def test_the_same_styles_and_one_less_are_another_run(pictures, tmp_path):
    content, style = pictures
    call = dict(vary={"seed": [1]}, folder=tmp_path / "many", **SMALL)
    manualnst.sweep(content, [style, style[::-1]], **call)
    with pytest.raises(InputError, match="another number of style pictures"):
        manualnst.sweep(content, [style], **call)


def test_the_terms_in_the_table_are_those_of_the_last_size():
    history = {"total": [3.0, 2.0, 4.0, 2.0], "style": [1.0, 1.5, 3.0, 0.5]}
    record = {"history": history, "best_loss": 2.0}
    assert _terms_of_the_best(record | {"scales": [{"evaluations": 2}] * 2}) == {"style": 0.5}
    assert _terms_of_the_best(record | {"scales": [{"evaluations": 4}]}) == {"style": 1.5}


def test_processes_divide_the_threads(monkeypatch, tmp_path):
    class Seen(Exception):
        pass

    def process(folder, threads_each):
        raise Seen(threads_each)

    monkeypatch.setattr(processes, "_Process", process)
    for available, count, each in ((8, 3, 2), (2, 2, 1), (1, 4, 1)):
        monkeypatch.setattr(processes.threads, "count", lambda n=available: n)
        with pytest.raises(Seen) as seen:
            processes.paint_in_processes([None] * 4, tmp_path, count, None)
        assert seen.value.args == (each,)


def test_a_process_keeps_to_its_threads(monkeypatch, tmp_path):
    limits = []
    monkeypatch.setattr(processes.threads, "limit", limits.append)
    monkeypatch.setattr(processes.signal, "signal", lambda *arguments: None)
    ours, theirs = multiprocessing.Pipe()
    ours.close()  # so that there is no job
    processes._work(theirs, tmp_path, 3)
    assert limits == [3]


def test_a_batch_takes_a_mask_for_each_content_or_one_for_all(pictures, tmp_path):
    contents = [pictures[0], np.ascontiguousarray(pictures[0][::-1])]
    masks = [half_masked(tmp_path / "mask.png"), np.ones((32, 29, 3))]
    series = manualnst.batch(contents, pictures[1], folder=tmp_path / "many", masks=masks, **SMALL)
    still = [
        np.abs(outcome.image - content)[16:].max() < 0.51 / 255
        for outcome, content in zip(series.outcomes, contents, strict=True)
    ]
    assert still == [True, False]
    jobs = batch_jobs(contents, ["sample:waves"], {}, masks[:1])
    assert [job.masks for job in jobs] == [masks[:1]] * 2
    with pytest.raises(InputError, match="2 masks for 1 contents"):
        batch_jobs(contents[:1], ["sample:waves"], {}, masks)


def test_names_of_files_are_safe_short_and_their_own():
    values = [{"relu1_1": 2.0}, {"relu1_1": 2.0, "relu2_1": 1e-9}, {"conv1_1": 3.0}]
    values.append({f"relu{b}_{i}": 0.5 for b in range(1, 6) for i in range(1, 3)})
    jobs = sweep_jobs(None, None, {"style_layers": values}, {})
    names = [job.name for job in jobs]
    assert len(set(names)) == 4
    assert not set('<>:"/\\|?*') & set("".join(names))
    assert max(map(len, names)) <= 120
    few = sweep_jobs(None, None, {"style_layers": values[1:2]}, {})
    assert few[0].name == names[1]  # also among others


def test_every_pair_has_its_own_name_whatever_joins(tmp_path):
    names = ["a", "a-b", "a-", "a--b", "b", "b-c", "-c", "c", "c--c"]
    paths = {name: tmp_path / f"{name}.png" for name in names}
    jobs = batch_jobs(list(paths.values()), list(paths.values()), {})
    of_pairs = {tuple(job.labels.values()): job.name for job in jobs}
    assert len(set(of_pairs.values())) == len(of_pairs) == len(names) ** 2
    assert of_pairs["c", "a-b"] == "a-b-c" and of_pairs["b-c", "a"] == "a--b-c"
    for pair, name in of_pairs.items():  # also alone
        [job] = batch_jobs([paths[pair[1]]], [paths[pair[0]]], {})
        assert job.name == name


def test_names_that_look_alike_cost_no_picture(pictures, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "a-b.png", "c.png", "b-c.png")]
    for path, picture in zip(paths, pictures * 2, strict=True):
        save_picture(path, picture)
    folder = tmp_path / "many"
    series = manualnst.batch(paths[:2], paths[2:], folder=folder, **SMALL)
    assert len(series.finished) == len({outcome.path for outcome in series.outcomes}) == 4
    job = series.outcomes[0].job
    with pytest.raises(AssertionError, match="one name"):
        carry_out([job, job], folder, 1, False, Listener())


def test_names_are_short_in_bytes_and_of_any_letters(pictures, tmp_path):
    names = ["画" * 60, "画" * 61, os.fsdecode(b"\xff")]
    contents = [tmp_path / f"{name}.png" for name in names]
    for path in contents:
        save_picture(path, pictures[0])
    style = tmp_path / ("風" * 60 + ".png")
    save_picture(style, pictures[1])
    series = manualnst.batch(contents, style, folder=tmp_path / "many", **SMALL)
    assert len({outcome.path for outcome in series.finished}) == 3
    assert max(len(os.fsencode(f"{o.job.name}.png.checkpoint")) for o in series.outcomes) <= 143


@pytest.mark.parametrize(("available", "processes"), [(10**12, 3), (10**3, 1), (None, 3)])
def test_memory_limits_the_processes(pictures, tmp_path, monkeypatch, available, processes):
    jobs = sweep_jobs(*pictures[:1], [pictures[1]], {"seed": [1, 2, 3, 4]}, SMALL)
    told = []

    class Telling(Listener):
        def message(self, text):
            told.append(text)

    work = _Work(jobs, tmp_path, 3, False, Telling(), True)
    for job in jobs:
        work._look_over(job)
    monkeypatch.setattr(machine, "available_memory", lambda: available)
    assert work._that_memory_allows(jobs, 3) == processes
    assert any("does not suffice for 3" in line for line in told) == (processes == 1)


def test_a_job_without_memory_is_a_failure_of_its_own(pictures, tmp_path, monkeypatch):
    from manualnst.studies.many import work

    def paint(job, *rest):
        raise MemoryError

    monkeypatch.setattr(work, "paint", paint)
    series = manualnst.batch(*pictures, folder=tmp_path / "many", **SMALL)
    assert "out of memory" in series.failures[0].failure


def test_the_folder_must_be_one(pictures, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(InputError, match="folder"):
            carry_out(batch_jobs(*([p] for p in pictures), SMALL), folder, 1, False, Listener())


@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
def test_both_architectures_run_to_their_ends(pictures, tmp_path, architecture):
    last = {"vgg16": "conv5_3", "vgg19": "conv5_4"}[architecture]
    path = tmp_path / f"{architecture}.h5"
    save_weights(small_weights(last=last, architecture=architecture), path)
    layers = {last.replace("conv", "relu"): 1.0, "relu3_3": 1.0}
    settings = dict(weights=str(path), size=32, steps=2, style_layers=layers)
    for pool in ("average", "max"):
        result = manualnst.stylize(*pictures, **settings, pool=pool)
        assert result.record["weights"]["architecture"] == architecture
        assert result.record["best_loss"] < result.record["history"]["total"][0]
    run = prepare(*pictures, Settings(**settings))
    assert run.memory > 32 << 20
    if architecture == "vgg16":
        with pytest.raises(InputError, match="unknown layer 'relu5_4'"):
            manualnst.stylize(*pictures, **settings | dict(style_layers={"relu5_4": 1.0}))
