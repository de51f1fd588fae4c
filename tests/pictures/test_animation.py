"""Animations: their frames, sizes and times; and what becomes of the frames."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from manualnst import Animation, InputError, stylize
from manualnst.pictures.animation import LONGEST, check_frames, usual_interval


def progress(step, side, level):
    return SimpleNamespace(step=step, picture=np.full((side, side, 3), level, np.float32))


def frames_of(path):
    """Times and pixels."""
    with Image.open(path) as image:
        pixels_first = ((np.asarray(f.convert("RGB")), f) for f in ImageSequence.Iterator(image))
        return [(frame.info["duration"], pixels) for pixels, frame in pixels_first]


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_frames_have_one_size_their_colours_and_times(tmp_path, suffix):
    animation = Animation(tmp_path / f"a.{suffix}", every=2)
    levels = np.linspace(0.1, 0.9, 5)
    for step, level in enumerate(levels, start=1):
        animation(progress(step, 20 if step < 4 else 40, level))
    assert sorted(path.name for path in animation.folder.iterdir()) == [
        "000001.png",
        "000002.png",
        "000004.png",
    ]
    last = np.full((40, 40, 3), (1.0, 0.2, 0.0), np.float32)
    assert animation.save(last) == 4
    assert not animation.folder.exists()
    frames = frames_of(animation.path)
    assert [time for time, _ in frames] == [100, 100, 100, 2500]
    assert {frame.shape for _, frame in frames} == {(40, 40, 3)}
    for (_, frame), colour in zip(
        frames, [levels[0], levels[1], levels[3], last[0, 0]], strict=True
    ):
        assert np.abs(frame.mean(axis=(0, 1)) / 255 - colour).max() < 0.03
    with Image.open(animation.path) as image:
        assert image.info["loop"] == 0


def test_a_gif_has_good_colours(tmp_path):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 120)[:, None] * np.ones(160)
    picture = np.dstack([ramp, 1 - ramp, 0.5 + 0.2 * rng.standard_normal((120, 160))])
    picture = np.clip(picture, 0, 1).astype(np.float32)
    animation = Animation(tmp_path / "a.gif", every=1)
    animation(SimpleNamespace(step=1, picture=1 - picture))
    animation.save(picture)
    for (_, frame), true in zip(frames_of(animation.path), (1 - picture, picture), strict=True):
        assert np.sqrt(np.mean((frame / 255 - true) ** 2)) < 0.05


def test_large_pictures_make_smaller_frames(tmp_path):
    animation = Animation(tmp_path / "a.webp", every=1)
    animation(progress(1, 2 * LONGEST, 0.5))
    with Image.open(animation.folder / "000001.png") as frame:
        assert frame.size == (LONGEST, LONGEST)
    animation.save(np.zeros((2 * LONGEST, LONGEST, 3), np.float32))
    assert frames_of(animation.path)[-1][1].shape == (LONGEST, LONGEST // 2, 3)


def test_a_run_in_python(tmp_path):
    animation = Animation(tmp_path / "a.webp", every=3)
    options = {"size": 32, "min_size": 16, "scales": 2, "style_layers": {"relu1_1": 1.0}}
    result = stylize(callback=animation, steps=6, content_layers={"relu2_1": 1.0}, **options)
    assert animation.save(result.image) == 3  # after steps 1, 3 and 6: that is the result
    frames = frames_of(animation.path)
    assert [time for time, _ in frames] == [100, 100, 2600]
    assert frames[0][1].shape == result.image.shape


def test_frames_of_another_run_are_not_mixed_with_new_ones(tmp_path):
    first = Animation(tmp_path / "a.gif", every=1)
    first(progress(1, 20, 0.5))
    with pytest.raises(InputError, match="frames of another run"):
        Animation(tmp_path / "a.gif", every=1)
    second = Animation(tmp_path / "a.gif", every=1, go_on=True)
    second(progress(2, 20, 0.7))
    (second.folder / "notes.txt").write_text("precious")
    assert second.save(np.zeros((20, 20, 3), np.float32)) == 3
    assert [path.name for path in second.folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("name", "every"), [("a.mp4", 1), ("a", 1), ("a.gif", 0), ("no/a.gif", 1)])
def test_what_cannot_be_made_is_refused(tmp_path, name, every):
    with pytest.raises(InputError):
        Animation(tmp_path / name, every)
    assert not list(tmp_path.iterdir())


def test_how_many_frames():
    assert [usual_interval(steps) for steps in (1, 40, 300)] == [1, 1, 8]
    check_frames(3000, 10)
    with pytest.raises(InputError, match="--save-every 7 or more"):
        check_frames(3000, 1)
