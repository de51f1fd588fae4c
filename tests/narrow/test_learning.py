"""The whole recipe in small: it learns, it is deterministic, it can be interrupted; the file."""

import numpy as np
import pytest
from proofs import assert_close

from manualnst import samples
from manualnst.backends import get_backend
from manualnst.checkpoint import load_checkpoint, save_checkpoint
from manualnst.errors import InputError
from manualnst.network import Network
from manualnst.vgg import Weights
from manualnst.weights import load_weights
from weights.learn import __main__ as command
from weights.learn import adam, data, fold, network, pictures, sheet, train
from weights.learn.layers import EPSILON

PLAN = train.Plan(
    recipes=24,
    pictures=8,
    widths=(16, 16, 24, 24, 24),
    last="conv3_2",
    side=32,
    batch=32,
    rate=4e-3,
    warm_up=10,
)
TINY = train.Plan(
    recipes=4, pictures=3, widths=(3, 4, 5, 6, 7), side=16, batch=4, warm_up=2, cooling=0.5
)
LEARN_BATCH = train.learn_batch  # that a test can interrupt


@pytest.fixture(scope="module")
def drawn():
    return np.stack([pictures.draw_recipe(1, n, 12) for n in range(PLAN.recipes)])


def learned(plan, all_pictures, batches, state=None, total=None):
    state = state or train.fresh_state(plan)
    while state.batches < batches:
        train.learn_batch(plan, all_pictures[:, : plan.pictures], state, total or batches)
    return state


def test_it_learns_to_name_pictures_it_has_not_seen(drawn):
    state = learned(PLAN, drawn, 130)
    shares = train.unseen(PLAN, state.parameters, drawn[:, PLAN.pictures :])
    assert min(shares.values()) > 8 / PLAN.recipes  # eight times as often as by chance


def test_same_seed_same_network_whatever_the_threads(drawn, monkeypatch):
    first = learned(TINY, drawn, 3).parameters
    again = learned(TINY, drawn, 3).parameters
    monkeypatch.setattr(
        train.threads, "for_each", lambda function, items: [function(i) for i in reversed(items)]
    )
    serial = learned(TINY, drawn, 3).parameters
    for name, value in first.items():
        np.testing.assert_array_equal(again[name], value)
        np.testing.assert_array_equal(serial[name], value)
    other = learned(train.dataclasses.replace(TINY, seed=2), drawn, 3).parameters
    assert not np.array_equal(other["conv1_1.w"], first["conv1_1.w"])


def test_resumed_is_uninterrupted_bit_for_bit(drawn, tmp_path):
    whole = learned(TINY, drawn, 6)
    state = learned(TINY, drawn, 2, total=6)
    train.save_state(tmp_path / "checkpoint.npz", TINY, state)
    resumed = learned(TINY, drawn, 6, train.load_state(tmp_path / "checkpoint.npz", TINY))
    for kind in ("parameters", "moments"):
        for name, value in getattr(whole, kind).items():
            np.testing.assert_array_equal(getattr(resumed, kind)[name], value, err_msg=name)


def test_checkpoint_of_other_settings_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    train.save_state(path, TINY, train.fresh_state(TINY))
    with pytest.raises(InputError, match="other settings"):
        train.load_state(path, PLAN)


def test_checkpoint_of_other_pictures_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    train.save_state(path, TINY, train.fresh_state(TINY))
    train.load_state(path, TINY)
    monkeypatch.setattr(data, "code_hash", lambda: "changed")
    with pytest.raises(InputError, match="other code has drawn; give another folder"):
        train.load_state(path, TINY)


def test_checkpoint_that_does_not_say_of_what_pictures_is_refused(tmp_path):
    """As the first ones were; nor do they say where their rate began to fall."""
    path = tmp_path / "checkpoint.npz"
    train.save_state(path, TINY, train.fresh_state(TINY))
    facts, arrays = load_checkpoint(path)
    del facts["pictures"]
    save_checkpoint(path, facts, arrays)
    with pytest.raises(InputError, match="other code has drawn"):
        train.load_state(path, TINY)


def test_gradient_of_a_batch_is_that_of_its_mean_loss(drawn, monkeypatch):
    """The step gets the sum over the parts, each of 1/parts of its loss."""
    seen = {}
    monkeypatch.setattr(adam, "step", lambda p, gradients, *rest: seen.update(gradients))
    state = train.fresh_state(TINY)
    train.learn_batch(TINY, drawn[:, :3], state, 10)
    indices = data.chosen(TINY.seed, 12, TINY.batch, 0)
    expected = {}
    for part in range(TINY.parts):
        own = np.sort(indices[part :: TINY.parts])
        random = train.Random([TINY.seed, 3, 0, part])
        x = train.network_input(data.augmented(drawn[:, :3], own, TINY.side, random))
        outcome = network.forward(TINY.shape, state.parameters, x, own // 3, TINY.decorrelation)
        for name, g in network.backward(TINY.shape, state.parameters, outcome).items():
            expected[name] = expected.get(name, 0) + g / TINY.parts
    for name, gradient in seen.items():
        assert_close(gradient, expected[name], 1e-5)


# Adam and the rate's course


def test_steps_are_counted_from_one(drawn, monkeypatch):
    numbers = []
    monkeypatch.setattr(adam, "step", lambda p, g, m, number, *rest: numbers.append(number))
    learned(TINY, drawn, 3)
    assert numbers == [1, 2, 3]


def test_adam_by_hand():
    theta = {"a.w": np.array([2.0, -1.0]), "a.b": np.array([3.0])}
    moments = adam.fresh_moments(theta)
    gradients = [{"a.w": np.array([0.5, -2.0]), "a.b": np.array([0.1])} for _ in range(2)]
    rates = {"a.w": 0.1, "a.b": 0.2}
    for number, gradient in enumerate(gradients, 1):
        adam.step(theta, gradient, moments, number, rates, 0.01)
    # A constant gradient: every step is the rate long. Filters shrink by a hundredth before each.
    assert_close(theta["a.w"], [(2 * 0.99 - 0.1) * 0.99 - 0.1, (-0.99 + 0.1) * 0.99 + 0.1], 1e-6)
    assert_close(theta["a.b"], [3 - 0.4], 1e-6)


def test_the_rate_rises_stays_and_falls_to_nothing():
    course = [adam.course(number, 100, 10, 0.5) for number in range(1, 101)]
    assert course[0] == pytest.approx(0.1) and course[9] == 1
    assert course[49] == 1 and course[74] == pytest.approx(0.5) and course[99] == pytest.approx(0)
    assert np.all(np.diff(course[49:]) < 0)
    # Until it falls it is that of a longer run.
    assert course[:50] == [adam.course(number, 200, 10, 0.5) for number in range(1, 51)]


def test_minutes_become_batches_by_the_speed_so_far():
    state = train.State({}, {}, batches=10, seconds=60)
    assert train.planned(TINY, state, 10) == 100
    state.seconds = 600  # it became slower, but what was learned is the first half of 20
    assert train.planned(TINY, state, 10) == 20
    state.total = 100  # the rate is falling already
    assert train.planned(TINY, state, 10) == 100
    assert train.planned(TINY, train.fresh_state(TINY), 1e-9) == 2  # of 1 nothing is learned


@pytest.mark.parametrize("total", [2, 5, 6, 99, 100])
def test_the_rate_falls_where_it_first_depends_on_the_total(total):
    for number in range(1, total + 1):
        changed = adam.course(number, total, 10, 0.5) != adam.course(number, 2 * total, 10, 0.5)
        assert adam.falls(number, total, 0.5) == changed


def test_once_the_rate_falls_the_number_of_batches_stays(drawn, tmp_path):
    state = learned(TINY, drawn, 3, total=6)
    train.check_total(TINY, state, 100)  # not yet
    assert state.total is None
    with pytest.raises(InputError, match="^--batches 5: 3 are learned .* give --batches 6 or more"):
        train.check_total(TINY, state, 5)
    learned(TINY, drawn, 4, state, total=6)
    train.save_state(tmp_path / "checkpoint.npz", TINY, state)
    state = train.load_state(tmp_path / "checkpoint.npz", TINY)
    assert state.total == 6
    train.check_total(TINY, state, 6)
    for other in (3, 5, 12):
        with pytest.raises(InputError, match=f"^--batches {other}: .* give --batches 6, or an"):
            train.check_total(TINY, state, other)


# Folding


def test_folded_network_computes_what_was_learned(drawn):
    state = learned(TINY, drawn, 4)
    crops = [train.network_input(data.augmented(drawn, range(6), 16, train.Random(1)))]
    averages = fold.mean_statistics(TINY, state.parameters, crops)
    weights = fold.folded(TINY, state.parameters, averages, {})
    assert isinstance(weights, Weights)
    # Of one batch with these very statistics both must agree, layer by layer.
    outcome = network.forward(TINY.shape, state.parameters, crops[0], np.zeros(6, int), 0.0)
    picture = data.augmented(drawn, range(6), 16, train.Random(1))[2]
    names = {name.replace("conv", "relu"): name for name in TINY.shape.convolutions}
    features, _ = Network(weights, backend=get_backend("numpy")).forward(picture, names)
    for relu, conv in names.items():
        _, (_, y, *_) = outcome.caches[conv]
        assert_close(features[relu], y[2], 1e-4)


def test_statistics_of_several_batches_are_those_of_all_together():
    parameters = train.fresh_state(TINY).parameters
    random = np.random.RandomState(1)
    crops = [random.standard_normal((2, 16, 16, 3)).astype(np.float32) + k for k in range(3)]
    mean, sigma = fold.mean_statistics(TINY, parameters, crops)["conv1_1"]
    together = network.statistics(TINY.shape, parameters, np.concatenate(crops))
    _, expected_mean, expected_sigma = next(iter(together))
    assert_close(mean, expected_mean, 1e-5)
    assert_close(sigma, expected_sigma, 1e-5)
    assert sigma.min() ** 2 > EPSILON


def log_of(folder):
    lines = (folder / "log.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines]


def test_the_log_has_every_batch_once_though_learning_was_killed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "LOG_EVERY", 1)
    pause_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        command.learn(TINY, tmp_path, batches=5, minutes=None, workers=1)
    with open(tmp_path / "log.tsv", "a") as log:
        log.write("3\tlearned after the checkpoint\n")
    pause_after(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        command.learn(TINY, tmp_path, batches=5, minutes=None, workers=1)
    header, *lines = log_of(tmp_path)
    assert header[:3] == ["batch", "seconds", "loss"] and header[-1] == "conv5_1"
    assert [line[0] for line in lines] == ["1", "2", "3", "4"]
    assert {len(line) for line in lines} == {len(header)}


def test_the_commit_is_noted_once_for_as_long_as_it_stays():
    state = train.State({}, {})
    train.note_commit(state)
    train.note_commit(state)
    assert len(state.commits) == 1 and state.commits[0]


def pause_after(monkeypatch, batches):
    """Ctrl-C after so many batches; there is a checkpoint after each."""

    def interrupted(plan, all_pictures, state, total):
        if state.batches == batches:
            raise KeyboardInterrupt
        return LEARN_BATCH(plan, all_pictures, state, total)

    monkeypatch.setattr(command, "SAVE_EVERY", -1)
    monkeypatch.setattr(train, "learn_batch", interrupted)


def test_scale_is_that_of_samples_and_recipes(drawn, monkeypatch):
    seen = []
    monkeypatch.setattr(
        fold, "normalise_filters", lambda weights, shown, **_: seen.extend(shown) or weights
    )
    fold.to_weights(TINY, train.fresh_state(TINY), drawn, {})
    assert len(seen) == 1 + len(samples.STYLES) + len(drawn)
    np.testing.assert_array_equal(np.stack(seen[-len(drawn) :]), np.float32(drawn[:, 0]) / 255)


def test_what_is_tested_with_was_not_learned_from(tmp_path, monkeypatch):
    learned_from, tested = [], []

    def learn_batch(plan, all_pictures, state, total):
        learned_from.append(all_pictures)
        return LEARN_BATCH(plan, all_pictures, state, total)

    def unseen(plan, parameters, held_out):
        tested.append(held_out)
        return dict.fromkeys(plan.shape.heads, 0.0)

    monkeypatch.setattr(train, "learn_batch", learn_batch)
    monkeypatch.setattr(train, "unseen", unseen)
    command.learn(TINY, tmp_path, batches=2, minutes=None, workers=1)
    every = data.drawn(tmp_path, 1, 4, 4, print, workers=1)
    np.testing.assert_array_equal(learned_from, [every[:, :3]] * 2)
    np.testing.assert_array_equal(tested, [every[:, 3:]])


def test_the_command_draws_learns_goes_on_and_writes(tmp_path, capsys, monkeypatch):
    pause_after(monkeypatch, 2)
    monkeypatch.setattr(train, "_git", lambda *arguments: arguments[0])  # a name, and changes
    with pytest.raises(KeyboardInterrupt):
        command.learn(TINY, tmp_path, batches=3, minutes=None, workers=1)
    monkeypatch.undo()
    monkeypatch.setattr(train, "_git", lambda *arguments: "")  # no git
    assert not (tmp_path / "learned.h5").exists()
    with pytest.raises(InputError, match="--batches 12: .* give --batches 3, or"):
        command.learn(TINY, tmp_path, batches=12, minutes=None, workers=1)
    command.learn(TINY, tmp_path, batches=3, minutes=None, workers=1)
    assert "batch 3 of 3" in capsys.readouterr().out
    state = train.load_state(tmp_path / "checkpoint.npz", TINY)
    whole = learned(TINY, data.drawn(tmp_path, 1, 4, 4, print, workers=1), 3)
    for name, value in whole.parameters.items():
        np.testing.assert_array_equal(state.parameters[name], value, err_msg=name)
    weights = load_weights(tmp_path / "learned.h5")
    assert list(weights.layers) == TINY.shape.convolutions
    assert weights.provenance["batches"] == "3"
    assert weights.provenance["commit"] == "rev-parse + changes, then unknown"
    assert "above 20" in weights.provenance["normalised"]
    network_of_it = Network(weights, backend=get_backend("numpy"))
    pixels = np.random.RandomState(1).uniform(size=(48, 40, 3)).astype(np.float32)
    features, _ = network_of_it.forward(pixels, ["relu5_1"])
    assert features["relu5_1"].shape == (3, 2, 7)


def refused(arguments, capsys) -> str:
    """The line that tells why."""
    assert command.main([str(argument) for argument in arguments]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and not told.out
    return told.err


def test_places_that_cannot_be_written_to_are_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refused(["sheet", tmp_path / "missing" / "sheet.png"], capsys)
    refused(["run", tmp_path / "file", "--batches", 2], capsys)


def test_ctrl_c_tells_how_it_goes_on(tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "drawn", interrupted)
    monkeypatch.setattr(sheet, "contact_sheet", interrupted)
    for arguments, told in (
        (["run", str(tmp_path), "--batches", "2"], "stopped before the first checkpoint; the same"),
        (["sheet", str(tmp_path / "sheet.png")], "stopped\n"),
    ):
        assert command.main(arguments) == 130
        assert told in capsys.readouterr().err
    train.save_state(tmp_path / "checkpoint.npz", train.Plan(), train.fresh_state(train.Plan()))
    assert command.main(["run", str(tmp_path), "--batches", "2"]) == 130
    assert "goes on from the last checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["learned.h5", "log.tsv", "checkpoint.npz"])
def test_a_folder_where_a_file_should_be_is_refused_before_anything_is_drawn(
    name, tmp_path, capsys
):
    (tmp_path / name).mkdir()
    assert "it is a folder" in refused(["run", tmp_path, "--batches", 2], capsys)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "options",
    [
        *("--batches 0", "--batches 1", "--batches -5", f"--batches {10**400}"),
        *("--minutes 0", "--minutes -1", "--minutes nan", "--minutes inf", "--minutes 1e300"),
        *("--batches 2 --seed -1", f"--batches 2 --seed {2**32}"),
        *("--batches 2 --threads -2", "--batches 2 --threads 0"),
    ],
)
def test_impossible_options_are_refused(options, tmp_path, capsys):
    told = refused(["run", tmp_path / "new", *options.split()], capsys)
    assert told.startswith(" ".join(options.split()[-2:])[:12])
    assert "give a number from" in told
    assert not (tmp_path / "new").exists()


def test_impossible_seed_of_a_sheet_is_refused(tmp_path, capsys):
    refused(["sheet", tmp_path / "sheet.png", "--seed", -1], capsys)
