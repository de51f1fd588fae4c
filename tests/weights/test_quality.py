"""The measure of quality: its statistics against brute force, and a whole small run."""

import json
import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from proofs import small_weights

from manualnst.backends import get_backend
from manualnst.errors import InputError
from manualnst.network.network import Network
from manualnst.pictures.images import load_picture
from manualnst.pictures.saving import save_picture
from manualnst.runs.settings import Settings
from manualnst.weights import load_weights, save_weights

sys.path.append(str(Path(__file__).parents[2]))  # the root, in which `weights` lies
from weights.calibrated import sample_pictures
from weights.quality import __main__ as command
from weights.quality import cells, distances, drawings, networks, report, synthesis

SHAPE = (96, 88, 3)


def noise(seed, shape=SHAPE):
    return np.random.default_rng(seed).random(shape)


def stripes(width, shape=SHAPE):
    """Of the same kind everywhere, with a little noise."""
    x = np.arange(shape[1])[None, :, None]
    return 0.5 + 0.3 * np.sin(2 * np.pi * x / width) + 0.05 * (noise(5, shape) - 0.5)


def blurred(picture, times):
    for _ in range(times):
        for axis in (0, 1):
            picture = (picture + np.roll(picture, 1, axis) + np.roll(picture, -1, axis)) / 3
    return picture


# The Wasserstein distance


def least_transport(a, b):
    """The mean distance that the points have to be carried, by trying every assignment."""
    return min(np.mean(np.abs(np.array(order) - b)) for order in permutations(a))


def test_in_one_dimension_it_is_the_least_transport():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(6), 3 * rng.standard_normal(6)
    found = distances.sliced_wasserstein(a[:, None], b[:, None])
    assert found == pytest.approx(least_transport(a, b))


def test_sliced_it_is_the_mean_over_directions(monkeypatch):
    monkeypatch.setattr(distances, "_DIRECTIONS", 5)
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 5, 3))
    directions = np.random.RandomState(0).standard_normal((3, 5))
    directions /= np.linalg.norm(directions, axis=0)
    expected = np.mean([least_transport(a @ d, b @ d) for d in directions.T])
    assert distances.sliced_wasserstein(a, b) == pytest.approx(expected)
    assert distances.spread(b) == pytest.approx(np.mean([np.std(b @ d) for d in directions.T]))


def test_the_order_of_the_points_does_not_matter_and_their_unit_is_the_distance_s():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 50, 4))
    found = distances.sliced_wasserstein(a, b)
    assert distances.sliced_wasserstein(rng.permutation(a), b) == pytest.approx(found)
    assert distances.sliced_wasserstein(7 * a, 7 * b) == pytest.approx(7 * found)
    assert distances.spread(7 * a) == pytest.approx(7 * distances.spread(a))


def test_one_point_in_the_place_of_a_normal_cloud_is_at_0_8_spreads():
    cloud = np.random.default_rng(3).standard_normal((20000, 3))
    found = distances.sliced_wasserstein(np.zeros_like(cloud), cloud) / distances.spread(cloud)
    assert found == pytest.approx(np.sqrt(2 / np.pi), abs=0.01)


# Of pictures


def test_the_same_picture_is_at_no_distance():
    picture = noise(0)
    assert distances.texture_distances(picture, picture) == dict.fromkeys(distances.STATISTICS, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        lambda picture, much: np.clip(picture + much * (noise(9) - 0.5), 0, 1),
        lambda picture, much: blurred(picture, round(4 * much)),
        lambda picture, much: picture * [1 - 0.5 * much, 1, 1],
        lambda picture, much: stripes(8 + round(8 * much)),
    ],
    ids=["noise", "blur", "tint", "wider"],
)
def test_a_larger_change_is_at_a_larger_distance(changed):
    original = stripes(8)
    found = [
        np.mean(list(distances.texture_distances(changed(original, much), original).values()))
        for much in (0, 0.25, 0.5, 1)
    ]
    assert found[0] == 0
    assert all(np.diff(found) > 0), found


def test_grain_in_a_smooth_picture_is_not_beyond_all_measure():
    smooth = np.linspace(0, 1, 96)[:, None, None] * np.ones(SHAPE)
    found = distances.texture_distances(smooth + 0.02 * (noise(2) - 0.5), smooth)
    assert 0 < found["low"] < found["fine"] < 0.5
    flat = np.full(SHAPE, 0.5)
    assert distances.texture_distances(flat, flat) == dict.fromkeys(distances.STATISTICS, 0)
    assert distances.texture_distances(flat + 1 / 255, flat)["colour"] == pytest.approx(
        1 / 255 / distances._LEAST_SPREAD, rel=0.6
    )


def test_the_contrast_of_both_does_not_matter():
    original, other = stripes(8), stripes(12)
    found = distances.texture_distances(other, original)
    paler = distances.texture_distances(0.3 + 0.4 * other, 0.3 + 0.4 * original)
    assert paler == pytest.approx(found)


def test_of_a_large_picture_all_parts_are_looked_at():
    original = stripes(8, (256, 256, 3))
    changed = original.copy()
    changed[-52:] = 0
    found = distances.texture_distances(changed, original)
    assert all(found[name] > 0.1 for name in distances.STATISTICS), found


def test_a_ramp_is_no_detail():
    ramp = np.linspace(0, 1, 97)[:, None, None] * np.ones((97, 88, 3))
    *details, _ = distances.laplacian_pyramid(ramp, 4)
    assert all(np.abs(level[4:-4]).max() < 1e-12 for level in details)


def test_where_the_patches_lie_does_not_matter():
    original = stripes(8)
    moved = np.roll(original, (20, 32), axis=(0, 1))
    at = distances.texture_distances(moved, original)
    of_others = distances.texture_distances(stripes(12), original)
    assert all(at[name] < 0.25 * of_others[name] for name in ("fine", "mid", "coarse")), at
    shuffled = np.random.default_rng(4).permutation(original.reshape(-1, 3)).reshape(SHAPE)
    assert distances.texture_distances(shuffled, original)["colour"] == pytest.approx(0, abs=1e-12)


def test_each_level_sees_what_is_of_its_size():
    original = 0.5 + 0.1 * blurred(noise(6), 1)
    fine = distances.texture_distances(original + 0.05 * (noise(7) - 0.5), original)
    shade = 0.1 * np.linspace(-1, 1, SHAPE[0])[:, None, None]
    low = distances.texture_distances(original + shade, original)
    assert fine["fine"] > 2 * fine["low"]
    assert low["low"] > 2 * low["fine"]


@pytest.mark.parametrize("shape", [(72, 72, 3), (73, 101, 3)])
def test_the_pyramid_adds_up_to_the_picture(shape):
    picture = noise(8, shape)
    *details, total = distances.laplacian_pyramid(picture, 4)
    for level in reversed(details):
        total = level + distances._doubled(total, level.shape)
    assert np.allclose(total, picture, atol=1e-14)
    *details, rest = distances.laplacian_pyramid(np.full(shape, 0.3), 4)
    assert all(np.allclose(level, 0) for level in details)
    assert np.allclose(rest, 0.3)


def test_a_picture_is_nearer_to_itself_than_others_are_and_the_more_so_the_larger():
    original = stripes(8)
    own = np.mean(list(distances.own_distances(original).values()))
    other = np.mean(list(distances.texture_distances(stripes(12), original).values()))
    large = np.mean(list(distances.own_distances(stripes(8, (256, 256, 3))).values()))
    assert 0 < large < own < other


def test_the_smallest_picture_can_be_measured():
    smallest = noise(1, (distances.SMALLEST, distances.SMALLEST, 3))
    assert all(value > 0 for value in distances.own_distances(smallest).values())


# Networks


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A file of a small network."""
    path = tmp_path_factory.mktemp("networks") / "learned.h5"
    save_weights(small_weights(widths=(3, 4, 5, 6, 7)), path)
    return str(path)


def test_random_networks_have_the_widths_of_the_first_file(learned):
    found = networks.find_networks(["random:1", learned, "random:2", "builtin"])
    assert [network.name for network in found] == ["random:1", learned, "random:2", "builtin"]
    assert networks.widths_of(found[0].weights) == networks.widths_by_block((3, 4, 5, 6, 7))
    again = networks.find_networks(["random:1", learned])[0]
    assert again.weights.fingerprint() == found[0].weights.fingerprint()
    assert found[0].weights.fingerprint() != found[2].weights.fingerprint()


def test_without_a_file_random_networks_have_the_widths_of_the_built_in_one():
    builtin, random = networks.find_networks(["builtin", "random:0"])
    assert networks.widths_of(random.weights) == networks.widths_of(builtin.weights)


def test_random_networks_are_calibrated():
    weights = networks.random_network(networks.widths_by_block((4, 5, 6, 7, 8)), 0)
    assert list(weights.layers)[-1] == "conv5_1"
    network = Network(weights, backend=get_backend("numpy"))
    for depth in synthesis.DEPTHS:
        maps = [
            network.forward(picture, [depth])[0][depth].reshape(-1, 4 + int(depth[4]) - 1)
            for picture in sample_pictures(128)
        ]
        activations = np.concatenate(maps)
        assert np.allclose(activations.mean(axis=0), 1, atol=1e-3)
        assert np.all(np.mean(activations > 0, axis=0) > 0.1)


def test_a_short_network_has_widths_for_all_blocks():
    widths = networks.widths_of(small_weights(last="conv3_1"))
    assert widths == networks.widths_by_block((4, 5, 6, 6, 6))


@pytest.mark.parametrize("name", ["random:", "random:x", "random:-1", "random:4294967296", "no.h5"])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(InputError, match=name):
        networks.find_networks([name])


def test_a_network_is_named_once():
    with pytest.raises(InputError, match="twice"):
        networks.find_networks(["builtin", "builtin"])


# Synthesis


def test_a_texture_is_nearer_to_its_original_than_the_noise_it_began_as():
    original = np.clip(1.5 * blurred(noise(3), 3) - 0.25, 0, 1).astype(np.float32)
    weights = networks.random_network(networks.widths_by_block([8] * 5), 0)
    made = synthesis.synthesise(weights, original, synthesis.TEXTURE, 20, seed=0)
    assert made.shape == original.shape and made.dtype == np.float32
    assert made.min() >= 0 and made.max() <= 1
    at, of_noise = (
        np.mean(list(distances.texture_distances(picture, original).values()))
        for picture in (made, noise(0))
    )
    assert at < 0.2 * of_noise
    again = synthesis.synthesise(weights, original, synthesis.TEXTURE, 20, seed=0)
    assert np.array_equal(made, again)


def test_steps_are_those_of_each_size_and_the_seed_counts(monkeypatch):
    asked = []

    def prepared(content, style, settings, **others):
        asked.append(settings)
        raise InputError("enough")

    monkeypatch.setattr(synthesis, "prepare", prepared)
    for seed in (1, 2):
        with pytest.raises(InputError):
            synthesis.synthesise(small_weights(), noise(0), synthesis.TEXTURE, 20, seed)
    assert [(each.steps, each.scales, each.seed) for each in asked] == [(60, 3, 1), (60, 3, 2)]


def test_what_decides_a_cell_is_in_its_name(tmp_path):
    def path(widths=(4, 5, 6, 7, 8), noise_of=0, steps=2, seed=0, **recommended):
        kept = cells.Cells(tmp_path, steps, seed, print)
        weights = replace(small_weights(widths=widths), recommended=recommended)
        network = networks.Named("a", weights)
        return kept._path(synthesis.TEXTURE, network, cells.Original("x", noise(noise_of)))

    others = [
        path(widths=(3, 4, 5, 6, 7)),
        path(noise_of=1),
        path(steps=3),
        path(seed=1),
        path(style_layers={"relu2_1": 1.0}),
    ]
    assert len({path(), *others}) == 6 and path() == path()
    long = cells.Cells(tmp_path, 1, 0, print)._path(
        synthesis.TEXTURE,
        networks.Named("n" * 300, small_weights()),
        cells.Original("p" * 300, noise(0)),
    )
    assert len(long.name) < 200


def test_what_is_asked_of_a_texture_and_of_a_reconstruction():
    texture, relu3_1 = (
        Settings(**synthesis.asked(what, small_weights())).losses
        for what in (synthesis.TEXTURE, "relu3_1")
    )
    assert texture.content_weight == texture.tv_weight == relu3_1.style_weight == 0
    assert "pixels" in texture.style_layers
    assert relu3_1.content_layers == {"relu3_1": 1.0}
    own = {"style_layers": {"relu2_1": 1.0}, "content_weight": 3.0, "tv_weight": 2.0}
    of_its_own = synthesis.asked(synthesis.TEXTURE, replace(small_weights(), recommended=own))
    assert of_its_own["style_layers"] == own["style_layers"]
    assert (of_its_own["content_weight"], of_its_own["tv_weight"]) == (0, 0)


# The whole


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, picture in {"striped": stripes(8), "noisy": noise(1)}.items():
        save_picture(folder / f"{name}.png", picture)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def measure(pictures, learned, tmp_path):
    """The command, on two small pictures."""
    output = tmp_path / "found"
    options = ["--size", "80", "--steps", "2", "--rebuilt", "1", "--output", str(output)]

    def run(*more):
        arguments = ["measure", str(pictures), "--networks", learned, "random:0", *options, *more]
        return command.main(arguments), output

    return run


def test_a_whole_run(measure, learned, capsys):
    code, output = measure()
    assert code == 0
    printed = capsys.readouterr().out
    assert "striped" in printed and "random:0" in printed and "with depth" in printed
    result = json.loads((output / "quality.json").read_text())
    assert set(result["textures"]) == {"striped", "noisy"}
    assert list(result["textures"]["noisy"]) == [report.ITSELF, learned, "random:0"]
    assert result["means"][learned]["ratio"] == 1
    assert result["means"]["random:0"].keys() == {*distances.STATISTICS, "mean", "ratio"}
    assert result["copied"]["striped"].keys() == {learned, "random:0"}
    assert all(-1 < copy < 0.9 for of in result["copied"].values() for copy in of.values())
    assert list(result["reconstructions"]) == ["noisy"]
    assert set(result["reconstructions"]["noisy"]["random:0"]) == set(synthesis.DEPTHS)
    assert set(result["networks"]) == {learned, "random:0"}
    sheet = load_picture(output / "textures.png").pixels
    assert sheet.shape[1] > 3 * 73  # three pictures, 88 × 96 at 80, and their labels


@pytest.mark.slow
def test_nothing_is_made_twice(measure, monkeypatch, capsys):
    _, output = measure()
    first = (output / "quality.json").read_text()

    def never(*arguments):
        raise AssertionError("made again")

    monkeypatch.setattr(cells, "synthesise", never)
    assert measure()[0] == 0
    assert (output / "quality.json").read_text() == first
    with pytest.raises(AssertionError, match="made again"):
        measure("--seed", "1")


def test_an_interrupted_run_goes_on(measure, monkeypatch, capsys):
    made = []
    synthesise = cells.synthesise

    def interrupted_once(*arguments):
        made.append(arguments)
        if len(made) == 3:
            raise KeyboardInterrupt
        return synthesise(*arguments)

    monkeypatch.setattr(cells, "synthesise", interrupted_once)
    assert measure()[0] == 130
    assert "goes on" in capsys.readouterr().err
    assert measure()[0] == 0
    assert len(made) == 1 + 4 + 10  # two textures of each network, five depths of each


def test_the_ratio_counts_every_picture_alike():
    def row(distance):
        return dict.fromkeys(distances.STATISTICS, distance)

    found = {
        "easy": {report.ITSELF: row(0.1), "a": row(0.2), "b": row(0.1)},
        "hard": {report.ITSELF: row(0.1), "a": row(2.0), "b": row(4.0)},
    }
    table = report.means(found)
    assert table["b"]["ratio"] == pytest.approx(1)  # half of one, twice the other
    assert table["b"]["mean"] == pytest.approx(2.05)
    assert table["a"]["ratio"] == 1


def test_a_network_is_signed_with_its_measure_and_no_other(tmp_path, capsys):
    path, result = tmp_path / "small.h5", tmp_path / "quality.json"
    small = small_weights()
    save_weights(small, path, dtype=np.float16)
    fingerprint = load_weights(path).fingerprint()
    row = dict.fromkeys(distances.STATISTICS, 0.25)
    found = {"picture": {report.ITSELF: row, "small": row}}
    known = {
        "format": "manualnst quality 1",
        "networks": {"small": {"fingerprint": fingerprint}},
        "textures": found,
        "means": report.means(found),
        "pictures": {"picture": {"size": [96, 88], "sha256": "0"}},
        "steps": 2,
    }
    result.write_text(json.dumps(known))
    assert command.main(["sign", str(path), str(result)]) == 0
    signed = load_weights(path)
    assert signed.fingerprint() == fingerprint
    assert signed.provenance == small.provenance | {
        "quality": "texture distance 0.250 (itself 0.250), mean of 1 at 96 pixels, 2 steps a size: "
        "picture"
    }
    known["networks"]["small"]["fingerprint"] = "another"
    for text in (json.dumps(known), "[]", "{", '{"format": "manualnst quality 1"}'):
        result.write_text(text)
        assert command.main(["sign", str(path), str(result)]) == 2
    assert load_weights(path).provenance == signed.provenance


def test_what_cannot_be_measured_is_refused_in_one_line(measure, pictures, tmp_path, capsys):
    def refused(*arguments):
        assert command.main(["measure", *map(str, arguments)]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        return message

    (tmp_path / "empty").mkdir()
    assert "no pictures" in refused(tmp_path / "empty")
    assert "at least 72" in refused(pictures, "--size", 64)
    assert "two pictures are called noisy" in refused(pictures, pictures / "noisy.png")
    assert "cannot read" in refused(tmp_path / "missing.png")
    assert "--steps" in refused(pictures, "--steps", 0)
    in_the_way = pictures / "notes.txt"
    assert "cannot make the folder" in refused(pictures, "--output", in_the_way, "--size", 80)


# The drawings


@pytest.mark.slow
def test_the_drawings_are_pictures_and_all_different(tmp_path, capsys):
    assert command.main(["draw", str(tmp_path)]) == 0
    drawn = {path.stem: load_picture(path).pixels for path in tmp_path.iterdir()}
    assert set(drawn) == set(drawings.DRAWINGS) and len(drawn) >= 7
    for name, picture in drawn.items():
        assert picture.shape == (drawings.SIZE, drawings.SIZE, 3), name
        assert picture.std() > 0.1, name
    for name in ("cloth", "knots", "pixels", "splatter"):
        again = np.round(255 * drawings.draw(name)) / 255
        assert np.array_equal(np.round(255 * drawn[name]), np.round(255 * again)), name
