"""Runs from the Python side: result, record, checkpoint, resume, preflight."""

import io
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from proofs import RECOMMENDED, small_weights

import manualnst
from manualnst.api import prepare, restore, settings_from
from manualnst.errors import InputError
from manualnst.losses import NORMALISATIONS
from manualnst.objective.terms import MASK_FORMS, STYLE_LOSSES
from manualnst.pictures import samples
from manualnst.pictures.colours import COLOURS
from manualnst.pictures.images import load_picture
from manualnst.pictures.resizing import resize
from manualnst.pictures.saving import save_picture
from manualnst.runs.checkpoint import load_checkpoint, save_checkpoint
from manualnst.runs.inputs import open_content, open_start, open_styles
from manualnst.runs.run import Run
from manualnst.runs.settings import Settings
from manualnst.system import machine
from manualnst.weights import BUILTIN, load_weights, save_weights
from manualnst.weights.catalogue import cached_path

SMALL = dict(size=40, steps=4)
LUMINANCE = np.outer([0.299, 0.587, 0.114], np.ones(3))  # colours @ this are their greys


def drawn_pictures():
    rng = np.random.default_rng(0)
    return rng.random((40, 33, 3)), rng.random((28, 36, 3))


@pytest.fixture
def pictures():
    return drawn_pictures()


def stopping_at(step):
    """A callback that acts as Ctrl-C does."""

    def callback(progress):
        if progress.step == step:
            raise KeyboardInterrupt

    return callback


def test_given_goes_before_recommended_and_that_before_the_defaults(recommending):
    weights = str(recommending)
    assert settings_from({"weights": weights}) == Settings(weights=weights, **RECOMMENDED)
    given = {"content_weight": 3.0, "style_layers": {"relu1_1": 1.0}, "seed": 5}
    expected = Settings(weights=weights, **RECOMMENDED | given)
    assert settings_from({"weights": recommending, **given}) == expected


def test_what_belongs_to_a_recommended_setting_goes_with_it(recommending):
    settings = settings_from({"weights": recommending, "steps": 3})
    assert (settings.steps, settings.first_steps) == (3, None)


def test_without_weights_the_default_ones_recommend(recommending):
    builtin = load_weights(BUILTIN).recommended
    assert settings_from({}) == Settings(**builtin)
    path = cached_path("vgg19")
    path.parent.mkdir(parents=True)
    recommending.rename(path)
    assert settings_from({}) == Settings(**RECOMMENDED)


@pytest.mark.parametrize("weights", [3, "", ["builtin"]])
def test_weights_that_are_no_name_are_refused(weights):
    with pytest.raises(InputError, match="weights is"):
        settings_from({"weights": weights})


def test_shorthands_that_are_recommended_count_as_recommended(pictures, tmp_path):
    recommended = {"style_layers": {"all": 1.0}, "content_weight": 0.7}
    save_weights(replace(small_weights(), recommended=recommended), tmp_path / "w.h5")
    settings = settings_from(SMALL | dict(weights=tmp_path / "w.h5"))
    run = prepare(*pictures, settings)
    again = prepare(*pictures, settings_from(run.settings.to_json()))
    for notices in (run.notices, again.notices):
        [line] = [str(each) for each in notices if each.topic == "settings"]
        assert line.startswith("settings: those recommended") and "others" not in line


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


@pytest.mark.slow
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
        **SMALL | dict(scales=1, optimizer="momentum", rate=0.01),
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
    stop = {2: manualnst.STOP}
    result = manualnst.stylize(*pictures, **SMALL, callback=lambda p: stop.get(p.step))
    assert result.stop_reason == "stopped by the callback"
    assert result.record["steps"] == 2


def test_nothing_else_that_a_callback_returns_ends_the_run(pictures):
    """As tqdm's update, which returns True."""
    result = manualnst.stylize(*pictures, **SMALL, callback=lambda p: True)
    assert result.record["steps"] == result.record["settings"]["steps"]


def test_pictures_may_be_whatever_people_have_them_as(pictures, tmp_path):
    content, style = pictures
    save_picture(tmp_path / "style.png", style)
    of_bytes = np.rint(content * 255).astype(np.uint8)
    same = of_bytes / np.float32(255)
    expected = manualnst.stylize(same, tmp_path / "style.png", **SMALL)
    save_picture(tmp_path / "content.png", same)
    data = (tmp_path / "content.png").read_bytes()
    for source in (Image.fromarray(of_bytes), of_bytes, data, bytearray(data), io.BytesIO(data)):
        with open(tmp_path / "style.png", "rb") as file:
            result = manualnst.stylize(source, file, **SMALL)
        assert np.array_equal(result.image, expected.image)
        assert result.record["style"]["name"] == str(tmp_path / "style.png")
        assert result.record["content"]["original_size"] == [same.shape[1], same.shape[0]]


def test_a_start_may_be_whatever_people_have_it_as(pictures, tmp_path):
    start = pictures[1]
    save_picture(tmp_path / "start.png", start)
    expected = manualnst.stylize(*pictures, **SMALL, init=tmp_path / "start.png")
    of_bytes = np.rint(start * 255).astype(np.uint8)
    for source in (of_bytes, Image.fromarray(of_bytes), (tmp_path / "start.png").read_bytes()):
        result = manualnst.stylize(*pictures, **SMALL, init=source)
        assert np.array_equal(result.image, expected.image)
        assert result.record["start"]["used_size"] == expected.record["start"]["used_size"]
        assert result.record["settings"]["init"] == result.record["start"]["name"]
    with pytest.raises(InputError, match="cannot load a picture from a int"):
        manualnst.stylize(*pictures, **SMALL, init=3)


def test_an_open_file_may_be_both_pictures(pictures, tmp_path):
    save_picture(tmp_path / "a.png", pictures[0])
    with open(tmp_path / "a.png", "rb") as file:
        assert manualnst.stylize(file, file, **SMALL).record["steps"] >= 1


def test_an_open_file_that_is_none_of_a_picture_is_refused(pictures):
    for source in (io.StringIO("text"), io.BytesIO(b"no picture"), io.BytesIO(), b""):
        with pytest.raises(InputError, match="cannot read"):
            manualnst.stylize(source, pictures[1], **SMALL)


def test_a_result_as_pillow_and_as_bytes(pictures, tmp_path):
    result = manualnst.stylize(*pictures, **SMALL)
    result.save(tmp_path / "a.png")
    saved = np.asarray(Image.open(tmp_path / "a.png"))
    assert result.to_uint8().dtype == np.uint8
    assert np.array_equal(result.to_uint8(), saved)
    assert np.array_equal(np.asarray(result.pil), saved)


def test_an_interrupt_returns_the_best_picture_so_far(pictures):
    result = manualnst.stylize(*pictures, **SMALL, callback=stopping_at(2))
    assert result.interrupted
    assert result.stop_reason == "interrupted after 2 of 4 steps"


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "momentum"])
def test_resuming_is_exact(pictures, tmp_path, optimizer):
    settings = SMALL | dict(optimizer=optimizer, steps=7)
    whole = manualnst.stylize(*pictures, **settings)
    path = tmp_path / "checkpoint"
    run = prepare(*pictures, settings_from(settings))
    assert run.finish(stopping_at(3), path, checkpoint_every=1).interrupted
    resumed = manualnst.resume(path)
    assert np.array_equal(resumed.image, whole.image)
    assert resumed.record["history"] == whole.record["history"]
    assert resumed.record["evaluations"] == whole.record["evaluations"] >= 8
    different = {"seconds", "peak_memory_bytes", "notices"}
    assert all(resumed.record[k] == whole.record[k] for k in whole.record if k not in different)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_averages_are_kept_from_size_to_size_and_resume_exactly(pictures, tmp_path, optimizer):
    settings = SMALL | dict(optimizer=optimizer, steps=6, scales=3, min_size=24, averages="kept")
    whole = manualnst.stylize(*pictures, **settings)
    anew = manualnst.stylize(*pictures, **settings | dict(averages="anew"))
    first = whole.record["scales"][0]["evaluations"]
    ours, others = (result.record["history"]["total"] for result in (whole, anew))
    assert ours[: first + 1] == others[: first + 1] and ours[first + 1] != others[first + 1]
    for step in (2, 3, 4):  # with the last step of a size, and with the first of one
        path = tmp_path / f"checkpoint {step}"
        run = prepare(*pictures, settings_from(settings))
        assert run.finish(stopping_at(step), path, checkpoint_every=1).interrupted
        resumed = manualnst.resume(path)
        assert np.array_equal(resumed.image, whole.image)
        assert resumed.record["history"] == whole.record["history"]


def test_kept_averages_are_in_the_units_of_the_next_size():
    """With β₁ = 0 Adam's average is the last gradient: enlarged it must be about as large as the
    gradient there."""
    settings = dict(optimizer="adam", beta1=0.0, averages="kept", scales=2, min_size=80, steps=2)
    shallow = {"pixels": 1.0, "relu1_1": 1.0}  # deep layers take an enlarged picture for another
    run = prepare(
        "sample:harbour", "sample:waves", Settings(size=160, style_layers=shallow, **settings)
    )
    run.finish(lambda progress: manualnst.STOP)
    run._enlarge()
    run._measure()
    m = run._in_new_units(run.reached.state).arrays["m"]
    ratio = np.sqrt(np.mean(m**2) / np.mean(run._evaluate(run.reached.state.x).dL_dx ** 2))
    assert 0.3 < ratio < 1.2  # four times as much without the number of pixels


def test_an_interrupt_before_the_first_step_of_a_size_keeps_the_averages(pictures, tmp_path):
    settings = SMALL | dict(optimizer="adam", scales=2, min_size=24, averages="kept")
    whole = manualnst.stylize(*pictures, **settings)
    run = prepare(*pictures, settings_from(settings))
    run.start()
    run.finish(lambda progress: manualnst.STOP if progress.step == 2 else None)
    run._enlarge()
    run._measure()
    path = tmp_path / "checkpoint"
    run.save(path)
    assert np.array_equal(manualnst.resume(path).image, whole.image)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_an_average_is_the_result_and_resumes_exactly(pictures, tmp_path, optimizer):
    settings = SMALL | dict(optimizer=optimizer, steps=7, average=0.7, min_size=24, init="noise")
    if optimizer == "adam":
        settings |= dict(beta1=0.8, beta2=0.9)
    seen = []
    whole = manualnst.stylize(*pictures, **settings, callback=lambda p: seen.append(p.picture))
    assert np.array_equal(whole.image, seen[-1])
    of_the_average = prepare(*pictures, settings_from(settings | dict(scales=1)))
    of_the_average.start()
    own_loss = of_the_average._objective(whole.image).unscaled_loss
    assert whole.record["best_loss"] == own_loss == whole.record["history"]["total"][-1]
    assert whole.record["evaluations"] == len(whole.record["history"]["total"])
    plain = manualnst.stylize(*pictures, **settings | dict(average=0.0))
    assert not np.array_equal(whole.image, plain.image)
    for step in (1, 5):  # at either size
        path = tmp_path / f"checkpoint {step}"
        run = prepare(*pictures, settings_from(settings))
        assert run.finish(stopping_at(step), path, checkpoint_every=1).interrupted
        resumed = manualnst.resume(path)
        assert np.array_equal(resumed.image, whole.image)
        assert resumed.record["history"] == whole.record["history"]


def test_resuming_scipys_goes_on_and_says_that_its_memory_is_empty(pictures, tmp_path):
    path = tmp_path / "checkpoint"
    prepare(*pictures, settings_from(SMALL | dict(optimizer="lbfgsb"))).finish(
        stopping_at(3), path, checkpoint_every=1
    )
    facts, arrays = load_checkpoint(path)
    save_checkpoint(path, facts | {"seconds": 100}, arrays)
    run = restore(path, steps=6)
    assert run.done == 3
    assert any("empty memory" in notice.text for notice in run.notices)
    result = run.finish()
    assert result.record["steps"] == 6
    assert 100 < result.record["seconds"] < 200  # those of both parts
    assert result.record["best_loss"] < result.record["history"]["total"][2]


def test_the_checkpoint_is_written_every_so_many_steps(pictures, tmp_path):
    path = tmp_path / "checkpoint"
    run = prepare(*pictures, settings_from(SMALL))
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
    run = prepare(rgba, None, settings_from(SMALL))
    run.finish(stopping_at(2), path, 1)
    assert np.allclose(manualnst.resume(path).alpha, rgba[:, :, 3])


@pytest.mark.slow
def test_every_style_loss_can_be_had_and_resumes_exactly(pictures, tmp_path):
    layers = {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.0, "pixels": 0.5}
    losses = dict.fromkeys(STYLE_LOSSES, 1.0)
    settings = SMALL | dict(style_losses=losses, style_layers=layers, shift=0.5)
    whole = manualnst.stylize(*pictures, **settings)
    assert {"style relu1_1", "style chained relu2_1", "style histogram pixels"} <= set(
        whole.record["history"]
    )
    path = tmp_path / "checkpoint"
    run = prepare(*pictures, settings_from(settings))
    assert run.finish(stopping_at(2), path, checkpoint_every=1).interrupted
    resumed = manualnst.resume(path)
    assert np.array_equal(resumed.image, whole.image)
    assert resumed.record["settings"] == whole.record["settings"]
    again = manualnst.stylize(*pictures, **json.loads(json.dumps(whole.record["settings"])))
    assert np.array_equal(again.image, whole.image)


def test_all_layers_are_those_of_the_network(pictures):
    result = manualnst.stylize(*pictures, size=32, steps=1, style_layers={"geometric": 1.0})
    layers = result.record["settings"]["style_layers"]
    assert list(layers)[:2] == ["relu1_1", "relu1_2"] and list(layers)[-1] == "relu5_1"
    assert layers["relu1_2"] == 0.5 and len(layers) == 11  # to conv5_1


def test_patches_that_do_not_fit_are_refused_and_small_sizes_left_out(pictures):
    settings = dict(style_losses={"patches": 1.0}, style_layers={"relu3_1": 1.0}, size=40)
    run = prepare(*pictures, settings_from(settings | dict(steps=8, min_size=13)))
    # The style's 28 rows are a quarter at relu3_1: of 13 (9) there are 2, of 19 (13) there are 3.
    assert [scale.height for scale in run.scales] == [19, 28, 40]
    with pytest.raises(InputError, match=r"patches: a picture of .* at relu5_1, and it"):
        prepare(*pictures, settings_from(settings | dict(style_layers={"relu5_1": 1.0})))


def half_masks():
    left = np.zeros((40, 33))
    left[:, :12] = 1.0
    left[:, 12:16] = 0.5
    below = np.zeros((40, 33))
    below[20:] = 1.0
    return [left, below]


@pytest.mark.slow
@pytest.mark.parametrize("mask_form", MASK_FORMS)
@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam", "init": "noise"}], ids=str)
def test_masks_keep_the_content_and_resume_exactly(pictures, tmp_path, mask_form, changes):
    content, styles = pictures[0], [pictures[1], "sample:waves"]
    settings = SMALL | dict(mask_form=mask_form, min_size=24, steps=6) | changes
    seen = []
    whole = manualnst.stylize(
        content, styles, masks=half_masks(), callback=lambda p: seen.append(p.picture), **settings
    )
    assert whole.record["scales"][0]["size"] == [20, 24]
    kept = np.max(half_masks(), axis=0) == 0
    assert np.array_equal(whole.image[kept], content[kept].astype(np.float32))
    assert np.array_equal(seen[-1][kept], content[kept].astype(np.float32))
    assert np.abs(whole.image - content)[half_masks()[0] == 1].max() > 0.05
    path = tmp_path / "checkpoint"
    run = prepare(content, styles, settings_from(settings), half_masks())
    assert run.finish(stopping_at(2), path, checkpoint_every=1).interrupted
    resumed = manualnst.resume(path)
    assert np.array_equal(resumed.image, whole.image)
    assert resumed.record["history"] == whole.record["history"]
    assert len(whole.record["mask 2"]["sha256"]) == 64
    assert whole.record["mask"]["used_size"] == [33, 40]


def test_masks_keep_the_colours_too():
    content = np.random.default_rng(0).random((40, 33, 3)).astype(np.float32)
    result = manualnst.stylize(content, masks=half_masks()[:1], **SMALL, colours="content")
    kept = half_masks()[0] == 0
    assert np.array_equal(result.image[kept], content[kept])
    assert not np.array_equal(result.image, content)


def test_masks_may_be_truth_values_and_transparent(pictures, tmp_path):
    white = half_masks()[1] > 0
    numbers = manualnst.stylize(*pictures, masks=half_masks()[1], **SMALL)
    truths = manualnst.stylize(*pictures, masks=white, **SMALL)
    assert np.array_equal(numbers.image, truths.image)
    seen_through = np.dstack([np.ones((40, 33, 3)), white])  # white, where it is there at all
    transparent = manualnst.stylize(*pictures, masks=seen_through, **SMALL)
    assert np.array_equal(numbers.image, transparent.image)


def test_a_mask_of_labels_is_told_of(pictures):
    labels = (half_masks()[1] > 0).astype(np.uint8)
    run = prepare(*pictures, settings_from(SMALL), [labels])
    assert any("almost black, 1 of 255" in notice.text for notice in run.notices)
    run = prepare(*pictures, settings_from(SMALL), half_masks()[:1])
    assert not any("almost black" in notice.text for notice in run.notices)


def test_an_alpha_counts_in_the_matching_of_colours(pictures):
    hidden = np.zeros((40, 33, 1))
    hidden[:, :10] = 1
    content = np.concatenate([pictures[0] * [1, 0.5, 0.2], hidden], axis=2)
    content[:, :10, :3] = 0.1
    pixels = [
        prepare(
            picture, pictures[1], settings_from(SMALL | dict(colours="match-symmetric"))
        )._pictures.styles[0]
        for picture in (content, content[:, :, :3])
    ]
    assert np.abs(pixels[0].pixels - pixels[1].pixels).max() > 0.1


def test_a_start_that_is_the_minimum_is_the_result(pictures):
    result = manualnst.stylize(*pictures, **SMALL, style_strength=0.0, tv_weight=0.0)
    assert np.array_equal(result.image, pictures[0].astype(np.float32))
    assert result.stop_reason.startswith("converged")


def test_a_mask_of_the_contents_shape_is_brought_to_its_size():
    content = np.random.default_rng(0).random((80, 60, 3))
    mask = np.zeros((240, 180, 3))
    mask[:120] = 1.0
    run = prepare(content, None, settings_from(SMALL), [mask])
    [fitted] = run._pictures.masks
    assert fitted.pixels.shape == (40, 30)
    assert (fitted.pixels[:19] == 1).all() and (fitted.pixels[21:] == 0).all()
    assert ("mask", "array (240, 180, 3), 180 × 240 → 30 × 40") in run.notices


@pytest.mark.parametrize(
    ("masks", "settings", "message"),
    [
        ([np.ones((40, 40))], {}, r"mask array .* is 40 × 40, the content 33 × 40"),
        ([np.ones((40, 33))] * 2, {}, "2 masks for 1 style"),
        ([], {}, "0 masks for 1 style"),
        ([np.zeros((40, 33))], {}, "black throughout"),
        (np.ones((40, 33)), {"style_losses": {"histogram": 1.0}}, "not for histogram"),
        (["missing.png"], {}, "missing.png"),
        ([np.pad([[1.0]], ((39, 0), (32, 0)))], {}, "nothing of its white reaches"),
    ],
)
def test_masks_that_do_not_fit_are_refused_before_the_start(pictures, masks, settings, message):
    with pytest.raises(InputError, match=message):
        prepare(pictures[0], pictures[1], settings_from(SMALL | settings), masks)


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["content", "match-symmetric", "match-histogram"])
def test_colours_and_several_styles_resume_exactly(pictures, tmp_path, colours):
    content = np.dstack([pictures[0], np.linspace(0, 1, 40 * 33).reshape(40, 33)])
    styles = [pictures[1], "sample:waves", "sample:mosaic"]
    settings = SMALL | dict(colours=colours, style_weights=[0.5, 0.2, 0.3], style_scale=0.8)
    whole = manualnst.stylize(content, styles, **settings)
    assert json.loads(json.dumps(whole.record["settings"])) == whole.record["settings"]
    path = tmp_path / "checkpoint"
    run = prepare(content, styles, settings_from(settings))
    assert run.finish(stopping_at(2), path, checkpoint_every=1).interrupted
    resumed = manualnst.resume(path)
    assert np.array_equal(resumed.image, whole.image)
    assert resumed.record["history"] == whole.record["history"]
    names = [whole.record[role]["name"] for role in ("style", "style 2", "style 3")]
    assert names[1:] == styles[1:]
    assert whole.record["style 2"]["used_size"] == [32, 32]
    assert {"style relu1_1", "style 2 relu1_1", "style 3 pixels"} <= set(whole.record["history"])
    assert len({str(values) for values in whole.record["history"].values()}) > 18  # none is another
    again = manualnst.stylize(content, styles, **whole.record["settings"])
    assert np.array_equal(again.image, whole.image)


@pytest.mark.slow
def test_matched_colours_make_a_difference_from_one_another(pictures):
    images = [manualnst.stylize(*pictures, **SMALL, colours=choice).image for choice in COLOURS]
    for n, image in enumerate(images):
        assert not any(np.array_equal(image, other) for other in images[:n])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("init", "optimizer"),
    [("content", "lbfgs"), ("noise", "adam"), ("style", "lbfgsb"), ("sample:waves", "momentum")],
)
def test_the_result_keeps_the_chrominance_of_the_content(init, optimizer):
    content = 0.4 + 0.2 * np.random.default_rng(0).random((40, 33, 3)).astype(np.float32)
    seen = []
    options = SMALL | dict(init=init, optimizer=optimizer, colours="content")
    result = manualnst.stylize(content, **options, callback=lambda p: seen.append(p.picture))
    for image in (result.image, *seen):
        inside = np.all((image > 0) & (image < 1), axis=2)  # else it was clipped
        assert inside.mean() > 0.3
        kept = (image - image @ LUMINANCE - (content - content @ LUMINANCE))[inside]
        assert np.abs(kept).max() < 1e-6
    assert np.abs(result.image @ LUMINANCE - content @ LUMINANCE)[inside].max() > 0.01


def test_the_picture_painted_in_luminance_stays_grey(tmp_path):
    path = tmp_path / "checkpoint"
    run = prepare(None, None, settings_from(SMALL | dict(colours="content", init="noise")))
    run.finish(stopping_at(3), path, checkpoint_every=1)
    _, arrays = load_checkpoint(path)
    for name in ("x", "best", "content", "style"):
        assert np.array_equal(arrays[name], np.repeat(arrays[name][:, :, :1], 3, axis=2)), name
    assert np.ptp(arrays["colours"], axis=2).max() > 0.1
    assert any("keeps its colours" in notice.text for notice in run.notices)


def test_styles_are_told_each_and_matched_each():
    styles = ["sample:mosaic", "sample:waves"]
    run = prepare(None, styles, Settings(size=64, style_scale=[1.0, 0.5], colours="match-pca"))
    told = "\n".join(map(str, run.notices))
    assert "style: sample:mosaic" in told and "→ 64 × " in told
    assert "style 2: sample:waves" in told and "→ 32 × " in told
    assert "style: mean and covariance of its colours have been matched" in told
    assert "style 2: mean and covariance of its colours have been matched" in told


def test_styles_may_be_numpys_and_tuples(pictures):
    styles = (pictures[1], pictures[0])
    options = dict(style_weights=np.array([2, 1]), style_scale=(1, np.float32(0.75)))
    result = manualnst.stylize(pictures[0], styles, **SMALL, **options)
    json.dumps(result.record)
    assert result.record["settings"]["style_weights"] == [2, 1]


@pytest.mark.parametrize(
    ("styles", "settings", "message"),
    [
        ([], {}, "no style picture"),
        (["sample:waves"], {"style_weights": [1.0, 2.0]}, "2 numbers for 1 style"),
        (["sample:waves"] * 2, {"style_scale": [1.0] * 3}, "3 numbers for 2 style"),
        (["sample:waves", "missing.jpg"], {}, "missing.jpg"),
    ],
)
def test_styles_that_do_not_fit_are_refused_before_the_start(styles, settings, message):
    with pytest.raises(InputError, match=message):
        prepare(None, styles, settings_from(SMALL | settings))


def test_the_size_that_fits_counts_every_style_at_its_scale(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 150_000_000)

    def fitting(styles, scale):
        with pytest.raises(InputError) as error:
            prepare(None, styles, Settings(size=600, style_scale=scale))
        size = int(str(error.value).split("--size ")[1].split()[0])
        prepare(None, styles, Settings(size=size, style_scale=scale))
        return size

    styles = ["sample:waves", "sample:mosaic"]
    assert fitting(styles, 1.0) <= fitting(styles, 0.5)


def test_a_result_shows_itself_in_a_notebook():
    result = manualnst.stylize(**SMALL | dict(steps=1))
    assert result._repr_png_().startswith(b"\x89PNG")
    assert result.loss_curve().shape[2] == 3


def test_starts(pictures):
    settings = Settings(size=40)
    content = open_content(pictures[0], settings)
    [style] = open_styles(pictures[1], settings, content)
    for init in ("content", "style", "noise", "sample:waves"):
        start = open_start(Settings(init=init, seed=5), content, style, 25, 30)
        assert start.pixels.shape == (25, 30, 3)
        assert start.pixels.dtype == np.float32
        assert 0 <= start.pixels.min() <= start.pixels.max() <= 1
    noise = [
        open_start(Settings(init="noise", seed=s), content, style, 9, 8).pixels for s in (5, 5, 6)
    ]
    assert np.array_equal(noise[0], noise[1])
    assert not np.array_equal(noise[0], noise[2])
    assert np.array_equal(
        open_start(Settings(init="content"), content, style, 40, 33).pixels, content.pixels
    )


def test_sizes_are_told(pictures):
    notices = prepare(None, pictures[1], settings_from(SMALL)).notices
    assert ("content", "sample:harbour, 640 × 448 → 40 × 28") in notices
    assert any(each.topic == "style" and "36 × 28" in each.text for each in notices)


def test_the_default_weights_are_told_with_how_to_get_the_others():
    notices = prepare(None, None, settings_from(SMALL)).notices
    [line] = [str(notice) for notice in notices if notice.topic == "weights"]
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
    [line] = [str(notice) for notice in run.notices if notice.topic == "memory"]
    assert "MB" in line or "GB" in line
    monkeypatch.setattr(machine, "available_memory", lambda: 200_000_000)
    with pytest.raises(InputError, match=r"not enough memory.*--size (\d+) fits") as error:
        prepare(None, None, Settings(size=512))
    fitting = int(str(error.value).split("--size ")[1].split()[0])
    assert 64 < fitting < 512
    prepare(None, None, Settings(size=fitting))
    monkeypatch.setattr(machine, "available_memory", lambda: 1000)
    with pytest.raises(InputError, match="no size fits"):
        prepare(None, None, Settings(size=512))


def test_the_time_is_told_before_the_first_step():
    run = prepare(None, None, settings_from(SMALL))
    run.start()
    assert any(notice.topic == "time" and notice.text.startswith("about") for notice in run.notices)


# Checkpoints of strangers


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Good checkpoints, to be copied: of one style, and of two."""
    folder = tmp_path_factory.mktemp("kept")
    one = settings_from(SMALL | dict(optimizer="adam"))
    two = settings_from(SMALL | dict(style_weights=[0.7, 0.3], colours="content"))
    content, style = drawn_pictures()
    runs = {"one": prepare(content, style, one), "two": prepare(None, [content, style], two)}
    for name, run in runs.items():
        run.finish(stopping_at(2), folder / name, checkpoint_every=1)
    return folder


@pytest.fixture
def checkpoint(tmp_path, kept):
    return Path(shutil.copy(kept / "one", tmp_path / "good.checkpoint"))


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


def test_a_size_of_one_step_is_resumed(tmp_path, pictures):
    settings = settings_from(SMALL | dict(min_size=24, first_steps=1))
    prepare(*pictures, settings).finish(stopping_at(2), tmp_path / "kept", checkpoint_every=1)
    run = restore(tmp_path / "kept")
    assert [scale.steps for scale in run.scales][0] == 1 and run.done == 2


def test_what_is_no_file_is_no_checkpoint(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opened for reading, it would block for ever
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="cannot read"):
            load_checkpoint(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda facts, arrays: facts.pop("settings"),
        lambda facts, arrays: facts.update(settings={"size": "big"}),
        lambda facts, arrays: facts.update(iterations="three"),
        lambda facts, arrays: facts.update(unit=None),
        lambda facts, arrays: facts.update(unit=0),
        lambda facts, arrays: facts.update(unit=10**400),
        lambda facts, arrays: facts.update(best_loss="low"),
        lambda facts, arrays: facts.update(steps=[1, 3]),
        lambda facts, arrays: facts.update(steps=[0]),
        lambda facts, arrays: facts.update(steps=4),
        lambda facts, arrays: facts.update(passed=[[[1, 1], 0, 0, 1.0, 1.0]]),
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


@pytest.mark.parametrize(
    "change",
    [
        lambda facts, arrays: arrays.pop("colours"),
        lambda facts, arrays: arrays.pop("style 2"),
        lambda facts, arrays: arrays.update(colours=arrays["colours"] + 1),
        lambda facts, arrays: arrays.update(colours=arrays["colours"][:3]),
        lambda facts, arrays: facts["facts"].pop("style"),
        lambda facts, arrays: facts["facts"].pop("style 2"),
        lambda facts, arrays: facts["facts"].update({"style 3": {"name": "x"}}),
        lambda facts, arrays: facts["facts"].update({"style 2": {"name": 3}}),
        lambda facts, arrays: facts["settings"].update(style_weights=[1.0] * 3),
        lambda facts, arrays: facts["settings"].update(style_scale=[1.0, 1.0, 1.0]),
        lambda facts, arrays: facts["settings"].update(colours="sepia"),
    ],
)
def test_an_inconsistent_checkpoint_of_two_styles_is_refused(tmp_path, kept, change):
    path = Path(shutil.copy(kept / "two", tmp_path / "checkpoint"))
    facts, arrays = load_checkpoint(path)
    restore(path)
    change(facts, arrays)
    save_checkpoint(path, facts, arrays)
    with pytest.raises(InputError) as error:
        restore(path)
    assert "\n" not in str(error.value)


def test_checkpoints_from_before_there_were_several_styles_still_read(checkpoint):
    facts, arrays = load_checkpoint(checkpoint)
    for name in ("style_weights", "style_scale", "colours"):
        del facts["settings"][name]
    save_checkpoint(checkpoint, facts, arrays)
    assert restore(checkpoint).finish().record["steps"] == 4


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


@pytest.mark.slow
def test_lbfgs_gets_as_low_as_scipys_with_as_many_evaluations(pictures):
    def best_of_thirty(optimizer):
        settings = SMALL | dict(optimizer=optimizer, steps=30)
        return min(manualnst.stylize(*pictures, **settings).record["history"]["total"][:30])

    assert best_of_thirty("lbfgs") <= 1.01 * best_of_thirty("lbfgsb")


# Coarse to fine

COARSE = dict(size=40, scales=3, min_size=20, steps=9)


@pytest.fixture
def large_enough():
    """For the network, at half their size too."""
    rng = np.random.default_rng(1)
    return rng.random((40, 33, 3)), rng.random((35, 36, 3))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "momentum"])
@pytest.mark.parametrize("stop", [2, 3, 5, 8])
def test_resuming_at_any_scale_is_exact(large_enough, tmp_path, optimizer, stop):
    settings = COARSE | dict(optimizer=optimizer)
    whole = manualnst.stylize(*large_enough, **settings)
    path = tmp_path / "checkpoint"
    run = prepare(*large_enough, settings_from(settings))
    assert run.finish(stopping_at(stop), path, checkpoint_every=1).interrupted
    assert restore(path).done == stop
    resumed = manualnst.resume(path)
    assert np.array_equal(resumed.image, whole.image)
    for key in ("history", "scales", "evaluations", "steps", "best_loss", "stop_reason"):
        assert resumed.record[key] == whole.record[key]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("where", ["_measure", "_evaluate"])
def test_a_checkpoint_between_two_scales_goes_on_as_well(large_enough, tmp_path, where, optimizer):
    settings = settings_from(COARSE | dict(optimizer=optimizer))
    whole = prepare(*large_enough, settings).finish()
    run = prepare(*large_enough, settings)
    method, path = getattr(run, where), tmp_path / "checkpoint"

    def interrupted_at_the_second(*args):
        if run.reached.number == 1:
            raise KeyboardInterrupt
        return method(*args)

    setattr(run, where, interrupted_at_the_second)
    assert run.finish().stop_reason == (
        "interrupted after 3 of 9 steps, at 23 × 28; enlarged to 33 × 40"
    )
    run.save(path)
    assert np.array_equal(manualnst.resume(path).image, whole.image)


def test_the_record_tells_every_scale(large_enough):
    seen = []
    result = manualnst.stylize(*large_enough, **COARSE, callback=seen.append)
    scales = result.record["scales"]
    assert [scale["size"] for scale in scales] == [[16, 20], [23, 28], [33, 40]]
    assert [scale["steps"] for scale in scales] == [3, 3, 3]
    assert sum(scale["evaluations"] for scale in scales) == result.record["evaluations"]
    assert len(result.record["history"]["total"]) == result.record["evaluations"]
    assert result.record["best_loss"] == scales[-1]["best_loss"] == min(p.loss for p in seen[-3:])
    assert [p.size for p in seen] == [(16, 20)] * 3 + [(23, 28)] * 3 + [(33, 40)] * 3
    assert all(p.picture.shape[:2] == p.size[::-1] for p in seen)
    shares = [p.share for p in seen]
    assert shares == sorted(shares) and shares[-1] == 1 and seen[-1].seconds_left == 0
    assert shares[2] < 0.3  # a third of the steps, but the small ones
    assert result.loss_curve().shape[2] == 3


def test_each_scale_begins_with_the_enlarged_best_of_the_one_before(large_enough):
    seen = {}

    def remember(progress):
        seen.setdefault(progress.size, []).append((progress.loss, progress.picture))

    run = prepare(*large_enough, settings_from(COARSE | dict(optimizer="momentum", rate=0.01)))
    enlarge, starts = run._enlarge, []

    def watched():
        enlarge()
        starts.append(run.reached.state.x)

    run._enlarge = watched
    run.finish(remember)
    for start, (_, losses_and_pictures) in zip(starts, seen.items(), strict=False):
        best = min(losses_and_pictures, key=lambda pair: pair[0])[1]
        assert np.array_equal(start, resize(best, *start.shape[:2]))


@pytest.mark.parametrize("stop", ["callback", "interrupt"])
def test_what_stops_at_an_earlier_scale_is_enlarged_and_says_so(large_enough, stop):
    rgba = np.dstack([large_enough[0], np.full((40, 33), 0.5)])
    stops = {2: manualnst.STOP}
    callback = stopping_at(2) if stop == "interrupt" else lambda p: stops.get(p.step)
    result = manualnst.stylize(rgba, large_enough[1], **COARSE, callback=callback)
    assert result.image.shape == (40, 33, 3)
    assert result.alpha.shape == (40, 33)
    assert 0 <= result.image.min() <= result.image.max() <= 1
    assert result.stop_reason.endswith(", at 16 × 20; enlarged to 33 × 40")
    assert len(result.record["scales"]) == 1


def test_a_scale_that_converges_goes_over_to_the_next():
    # Without a style the content picture is the optimum of every size.
    grey = np.full((40, 33, 3), 0.5)
    result = manualnst.stylize(grey, grey, **COARSE, tv_weight=0.0)
    assert result.stop_reason.startswith("converged")
    assert len(result.record["scales"]) == 3
    assert np.allclose(result.image, 0.5, atol=1e-5)


def test_the_smallest_scale_is_one_that_the_network_can_take(large_enough):
    settings = COARSE | dict(min_size=2, scales=None, steps=20)
    run = prepare(*large_enough, settings_from(settings))
    assert 16 <= min(min(*s.of(40, 33), *s.of(35, 36)) for s in run.scales) < 20
    shallow = dict(content_layers={"relu1_1": 1}, style_layers={"relu1_1": 1})
    assert prepare(*large_enough, settings_from(settings | shallow)).scales[0].height == 2


def test_steps_added_on_resuming_go_to_the_last_scale(large_enough, tmp_path):
    path = tmp_path / "checkpoint"
    run = prepare(*large_enough, settings_from(COARSE))
    run.finish(stopping_at(5), path, checkpoint_every=1)
    longer = restore(path, steps=20)
    assert [scale.steps for scale in longer.scales] == [3, 3, 14]
    longer.save(path)
    assert [scale.steps for scale in restore(path).scales] == [3, 3, 14]
    assert manualnst.resume(path).record["steps"] == 20
    with pytest.raises(InputError, match="before the last take 6"):
        restore(path, steps=6)


def test_one_scale_is_the_plain_optimisation(large_enough):
    settings = dict(size=40, min_size=20, steps=4)
    one = manualnst.stylize(*large_enough, **settings, scales=1)
    assert [scale["steps"] for scale in one.record["scales"]] == [4]
    assert np.array_equal(one.image, manualnst.stylize(*large_enough, size=40, steps=4).image)
    assert len(manualnst.stylize(*large_enough, **settings).record["scales"]) == 3


def test_a_checkpoint_of_the_first_scales_is_checked_too(large_enough, tmp_path):
    path = tmp_path / "checkpoint"
    prepare(*large_enough, settings_from(COARSE)).finish(stopping_at(6), path, checkpoint_every=1)
    facts, arrays = load_checkpoint(path)
    assert len(facts["passed"]) == 1
    for change in [
        {"passed": []},
        {"iterations": -1},
        {"passed": facts["passed"] * 3},
        {"passed": [3]},
        {"passed": [[[16, 20], 10**6, 3, 1.0, 1.0]]},
        {"passed": [[[16, 20], 3, -1, 1.0, 1.0]]},
        {"passed": [[[16, 20], "x", 3, 1.0, 1.0]]},
        {"passed": [[[16, 20], 3, 3, 1.0, "low"]]},
        {"steps": [9]},
        {"steps": [3, 3, "x"]},
    ]:
        save_checkpoint(path, facts | change, arrays)
        with pytest.raises(InputError):
            restore(path)


def test_a_loss_that_rises_is_told_and_the_best_picture_kept(large_enough):
    content, _ = large_enough
    options = dict(size=40, scales=1, steps=3, optimizer="adam", rate=1e6)
    result = manualnst.stylize(*large_enough, **options)
    losses = result.record["history"]["total"]
    assert min(losses) == losses[0] == result.record["best_loss"]
    assert np.abs(result.image - content).max() < 1e-6
    [told] = [notice for notice in result.record["notices"] if "the loss rose" in notice]
    assert f"from {losses[0]:.4g} to {losses[-1]:.4g}" in told and "--rate" in told


def test_a_loss_that_falls_is_not_told_to_have_risen(large_enough):
    result = manualnst.stylize(*large_enough, size=40, scales=1, steps=3)
    assert not any("rose" in notice for notice in result.record["notices"])


def test_a_size_that_does_is_named_where_a_picture_was_made_too_small():
    rng = np.random.default_rng(0)
    wide = rng.random((24, 800, 3), dtype=np.float32)
    with pytest.raises(InputError, match=r"with --size (\d+) these pictures") as caught:
        prepare(wide, wide, settings_from({"size": 128}))
    size = int(re.search(r"--size (\d+)", str(caught.value))[1])
    prepare(wide, wide, settings_from({"size": size}))
    with pytest.raises(InputError):
        prepare(wide, wide, settings_from({"size": size - 1}))
    with pytest.raises(InputError, match="shallower layers$"):
        prepare(wide[:8], wide, settings_from({"size": 128}))
