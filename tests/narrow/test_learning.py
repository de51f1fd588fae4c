"""The whole recipe in small: it learns, it is deterministic, it can be interrupted; the file."""

from dataclasses import replace

import numpy as np
import pytest
from proofs import assert_close, small_weights

from manualnst.backends import get_backend
from manualnst.errors import InputError
from manualnst.network.network import Network
from manualnst.network.vgg import Weights
from manualnst.pictures.saving import save_picture
from manualnst.runs.checkpoint import load_checkpoint, save_checkpoint
from manualnst.weights import load_weights, save_weights
from weights.narrow import __main__ as command
from weights.narrow import adam, network, train

pytestmark = pytest.mark.usefixtures("small_crops")

PLAN = train.Plan(
    first=(4, 4, 5, 6, 6),
    others=(3, 3, 4, 5, 5),
    fitted=8,
    unseen=8,
    batch=4,
    warm_up=2,
    cooling=0.5,
)
LEARN_BATCH = train.learn_batch  # that a test can interrupt


def teacher(seed=2) -> Weights:
    weights = small_weights(seed, architecture="vgg16")
    layers = {
        name: (w.astype(np.float32), np.abs(b).astype(np.float32))
        for name, (w, b) in weights.layers.items()
    }
    return replace(weights, layers=layers, provenance={"name": "tiny", "source": "drawn by lot"})


def some_pictures():
    return [np.random.RandomState(1).randint(0, 256, (50, 60, 3)).astype(np.uint8)]


def lessons(plan=PLAN, weights=None, pictures=None) -> train.Lessons:
    return train.Lessons(weights or teacher(), pictures or some_pictures(), plan)


def fitted(given=None) -> train.State:
    return train.fitted_state(given or lessons(), [].append)


def learned(batches, given=None, state=None, total=None) -> train.State:
    given = given or lessons()
    state = state or fitted(given)
    while state.batches < batches:
        train.learn_batch(given, state, total or batches)
    return state


def assert_same(one: train.State, other: train.State) -> None:
    for kind in ("parameters", "kept", "sizes", "moments"):
        arrays, others = getattr(one, kind), getattr(other, kind)
        assert list(arrays) == list(others)
        for name, value in arrays.items():
            np.testing.assert_array_equal(others[name], value, err_msg=name)
    for fact in ("errors", "batches", "total"):
        assert getattr(one, fact) == getattr(other, fact)


# Learning


def test_learning_lowers_the_error_on_crops_it_has_not_seen():
    given = lessons()
    state = fitted(given)
    before = sum(state.errors.values())
    after = sum(train.unseen_errors(given, learned(40, given, state)).values())
    assert after < 0.98 * before


def test_the_first_convolution_stays_the_teachers():
    state = learned(3)
    w, b = teacher().layers["conv1_1"]
    np.testing.assert_array_equal(state.parameters["conv1_1.w"], w[..., state.kept["conv1_1"]])
    np.testing.assert_array_equal(state.parameters["conv1_1.b"], b[state.kept["conv1_1"]])
    assert not any("conv1_1" in name for name in state.moments)


def test_same_seed_same_network_whatever_the_threads(monkeypatch):
    first, again = learned(3), learned(3)
    monkeypatch.setattr(
        "manualnst.system.threads.for_each",
        lambda function, items: [function(item) for item in reversed(list(items))],
    )
    assert_same(first, again)
    assert_same(first, learned(3))
    other = learned(3, lessons(replace(PLAN, seed=2)))
    assert not np.array_equal(other.parameters["conv2_1.w"], first.parameters["conv2_1.w"])


def test_gradient_of_a_batch_is_that_of_its_mean_loss(monkeypatch):
    """The step gets the mean over the parts: the gradient of all crops at once."""
    seen = {}
    monkeypatch.setattr(adam, "step", lambda _, gradients, *rest: seen.update(gradients))
    given = lessons()
    state = fitted(given)
    errors = train.learn_batch(given, state, 10)
    x = given.crops(range(PLAN.batch))
    inputs, maps = network.forward(state.parameters, given.widths, x)
    expected_errors, dL_dy = network.errors(maps, given.targets(x, state.kept), state.energies)
    expected = network.backward(state.parameters, inputs, maps, dL_dy)
    assert set(seen) == set(expected)
    for name, gradient in expected.items():
        assert_close(seen[name], gradient, 1e-4)
    for name, error in expected_errors.items():
        assert errors[name] == pytest.approx(error, rel=1e-4)


def test_every_batch_has_crops_of_its_own(monkeypatch):
    numbers = []
    given = lessons()
    state = fitted(given)
    crops_of = given.crops
    monkeypatch.setattr(given, "crops", lambda chosen: numbers.extend(chosen) or crops_of(chosen))
    learned(3, given, state)
    assert sorted(numbers) == list(range(3 * PLAN.batch))


def test_steps_are_counted_from_one(monkeypatch):
    numbers = []
    monkeypatch.setattr(adam, "step", lambda p, g, m, number, rates: numbers.append(number))
    learned(3)
    assert numbers == [1, 2, 3]


# Rates


def test_rates_are_in_proportion_to_sizes_and_errors():
    state = train.State(
        {},
        {},
        sizes={
            "conv1_1": np.array([1, 10], np.float32),
            "conv1_2": np.array([2, 4, 8], np.float32),
            "conv2_1": np.array([5], np.float32),
        },
        errors={"conv1_2": 0.04, "conv2_1": 0.01},
        moments={},
    )
    rates = train._rates(0.5, state)
    # 0.5 of an error of √0.04 of a map, shared by the 9 · 2 numbers that it is a sum of.
    b = 0.5 * 0.2 / np.sqrt(18) * np.array([2, 4, 8])
    assert_close(rates["conv1_2.b"], b, 1e-6)
    assert_close(rates["conv1_2.w"], np.stack([b, b / 10]), 1e-6)
    assert_close(rates["conv2_1.w"], 0.5 * 0.1 / np.sqrt(27) * 5 / np.array([[2], [4], [8]]), 1e-6)


def test_a_channel_that_no_crop_wakes_is_no_reason_for_infinite_rates():
    given = lessons()
    state = fitted(given)
    state.sizes["conv1_1"][1] = 0
    before = state.parameters["conv1_2.w"].copy()
    learned(1, given, state, total=9)
    changed = state.parameters["conv1_2.w"] != before
    assert not changed[:, :, 1].any() and changed[:, :, 0].any()
    assert all(np.isfinite(value).all() for value in state.parameters.values())


def test_adam_by_hand():
    theta = {"a.w": np.array([2.0, -1.0]), "a.b": np.array([3.0])}
    moments = adam.fresh_moments(theta)
    rates = {"a.w": np.array([0.1, 0.3]), "a.b": 0.2}
    for number, share in enumerate((1, 3), 1):
        gradients = {"a.w": share * np.array([0.5, -2.0]), "a.b": np.array([0.1])}
        adam.step(theta, gradients, moments, number, rates)
    # The first step is the rate long, and so are all if the gradient stays. If it is three times
    # as long in the second step, the means are (0.09 + 0.3) / 0.19 and (0.0099 + 0.09) / 0.0199.
    second = (0.39 / 0.19) / np.sqrt(0.0999 / 0.0199)
    assert_close(theta["a.w"], [2 - 0.1 * (1 + second), -1 + 0.3 * (1 + second)], 1e-6)
    assert_close(theta["a.b"], [3 - 0.4], 1e-6)


def test_the_rate_rises_stays_and_falls_to_nothing():
    course = [adam.course(number, 100, 10, 0.5) for number in range(1, 101)]
    assert course[0] == pytest.approx(0.1) and course[9] == 1
    assert course[49] == 1 and course[74] == pytest.approx(0.5) and course[99] == pytest.approx(0)
    assert np.all(np.diff(course[49:]) < 0)
    # Until it falls it is that of a longer run.
    assert course[:50] == [adam.course(number, 200, 10, 0.5) for number in range(1, 51)]


@pytest.mark.parametrize("total", [2, 5, 6, 99, 100])
def test_the_rate_falls_where_it_first_depends_on_the_total(total):
    for number in range(1, total + 1):
        changed = adam.course(number, total, 10, 0.5) != adam.course(number, 2 * total, 10, 0.5)
        assert adam.falls(number, total, 0.5) == changed


def test_once_the_rate_falls_the_number_of_batches_stays(tmp_path):
    given = lessons()
    state = learned(3, given, total=6)
    train.check_total(given, state, 100)  # not yet
    assert state.total is None
    with pytest.raises(InputError, match="^--batches 5: 3 are learned .* give --batches 6 or more"):
        train.check_total(given, state, 5)
    learned(4, given, state, total=6)
    train.save_state(tmp_path / "checkpoint.npz", given, state)
    state = train.load_state(tmp_path / "checkpoint.npz", given)
    assert state.total == 6
    train.check_total(given, state, 6)
    for other in (3, 5, 12):
        with pytest.raises(InputError, match=f"^--batches {other}: .* give --batches 6, or an"):
            train.check_total(given, state, other)


# Checkpoints


def test_resumed_is_uninterrupted_bit_for_bit(tmp_path):
    whole = learned(6)
    given = lessons()
    train.save_state(tmp_path / "checkpoint.npz", given, learned(2, given, total=6))
    again = lessons()
    resumed = train.load_state(tmp_path / "checkpoint.npz", again)
    assert_same(whole, learned(6, again, resumed))


def test_checkpoint_of_another_plan_teacher_or_set_of_pictures_is_refused(tmp_path):
    path, given = tmp_path / "checkpoint.npz", lessons()
    train.save_state(path, given, fitted(given))
    train.load_state(path, lessons())
    others = {
        "plan": lessons(replace(PLAN, seed=2)),
        "teacher": lessons(weights=teacher(3)),
        "set of pictures": lessons(pictures=some_pictures() * 2),
    }
    for what, other in others.items():
        with pytest.raises(InputError, match=f"begun with another {what}; .* or another folder"):
            train.load_state(path, other)


@pytest.mark.parametrize("missing", ["errors", "conv2_1.w", "square.conv2_1.b", "sizes.conv1_1"])
def test_checkpoint_that_lacks_something_is_refused(missing, tmp_path):
    path, given = tmp_path / "checkpoint.npz", lessons()
    train.save_state(path, given, fitted(given))
    facts, arrays = load_checkpoint(path)
    (facts if missing in facts else arrays).pop(missing)
    save_checkpoint(path, facts, arrays)
    with pytest.raises(InputError, match=f"lacks '{missing}'; remove it"):
        train.load_state(path, given)


# The teacher


def test_the_plan_has_widths_by_block_to_the_last_layer():
    widths = PLAN.widths("vgg16")
    assert list(widths.items())[:4] == [
        ("conv1_1", 4),
        ("conv1_2", 3),
        ("conv2_1", 4),
        ("conv2_2", 3),
    ]
    assert list(widths)[-1] == "conv5_1" and widths["conv3_3"] == 4
    assert "conv3_4" in PLAN.widths("vgg19")


def test_a_teacher_that_is_too_narrow_or_too_short_is_refused():
    with pytest.raises(InputError, match="has 7 filters in conv4_1, but 9 of them are to be kept"):
        lessons(replace(PLAN, first=(4, 4, 5, 9, 6)))
    short = small_weights(2, last="conv4_1", architecture="vgg16")
    with pytest.raises(InputError, match="0 filters in conv4_2, .* that reaches conv5_1"):
        lessons(weights=short)


# The command


@pytest.fixture
def given(tmp_path, monkeypatch):
    """The arguments of a run on a teacher and pictures of files, by a tiny plan."""
    monkeypatch.setattr(train, "Plan", lambda seed: replace(PLAN, seed=seed))
    monkeypatch.setattr(command, "LOOK_EVERY", 2)
    (tmp_path / "pictures").mkdir()
    save_picture(tmp_path / "pictures" / "one.png", some_pictures()[0] / np.float32(255))
    save_weights(teacher(), tmp_path / "teacher.h5")

    def arguments(folder, *options):
        pictures = ["--pictures", tmp_path / "pictures"]
        given = ["run", tmp_path / "teacher.h5", tmp_path / folder, *pictures, *options]
        return [str(argument) for argument in given]

    return arguments


def refused(arguments, capsys) -> str:
    """The line that tells why."""
    assert command.main(arguments) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and not told.out
    return told.err


def interrupt_after(monkeypatch, batches):
    def interrupted(lessons, state, total):
        if state.batches == batches:
            raise KeyboardInterrupt
        return LEARN_BATCH(lessons, state, total)

    monkeypatch.setattr(command, "SAVE_EVERY", -1)
    monkeypatch.setattr(train, "learn_batch", interrupted)


def test_the_command_fits_learns_goes_on_and_writes(given, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "TELL_EVERY", 0)
    interrupt_after(monkeypatch, 2)
    assert command.main(given("a", "--batches", "3")) == 130
    told = capsys.readouterr()
    assert "stopped; the same command goes on from the last checkpoint" in told.err
    assert "fitting: conv5_1" in told.out and "least squares: errors by layer 0." in told.out
    assert "unseen crops after 2: errors" in told.out
    assert not (tmp_path / "a" / "narrow.h5").exists()
    monkeypatch.setattr(train, "learn_batch", LEARN_BATCH)
    assert "give --batches 3, or" in refused(given("a", "--batches", "12"), capsys)
    assert "another plan" in refused(given("a", "--batches", "3", "--seed", "2"), capsys)
    assert command.main(given("a", "--batches", "3")) == 0
    told = capsys.readouterr().out
    assert "batch 3 of 3" in told and "batch 2" not in told and "fitting" not in told
    assert f"written: {tmp_path / 'a' / 'narrow.h5'}" in told
    assert command.main(given("b", "--batches", "3")) == 0
    resumed, whole = (load_weights(tmp_path / folder / "narrow.h5") for folder in "ab")
    assert resumed.fingerprint() == whole.fingerprint()


def test_the_file_that_is_written(given, tmp_path):
    assert command.main(given("a", "--batches", "2", "--seed", "5")) == 0
    weights = load_weights(tmp_path / "a" / "narrow.h5")
    assert weights.architecture == "vgg16" and weights.preprocessing == teacher().preprocessing
    widths = {name: len(b) for name, (_, b) in weights.layers.items()}
    assert widths == PLAN.widths("vgg16")
    provenance = weights.provenance
    assert provenance["name"] == "narrow" and provenance["seed"] == "5"
    assert "2 batches of 4 crops" in provenance["recipe"]
    assert provenance["teacher: fingerprint"] == teacher().fingerprint()
    assert provenance["teacher: source"] == "drawn by lot"
    pixels = np.random.RandomState(1).uniform(size=(48, 40, 3)).astype(np.float32)
    features, _ = Network(weights, backend=get_backend("numpy")).forward(pixels, ["relu5_1"])
    assert features["relu5_1"].shape == (3, 2, 6)


def test_without_batches_it_is_the_least_squares(given, tmp_path):
    assert command.main(given("a", "--batches", "0")) == 0
    state = train.load_state(tmp_path / "a" / "checkpoint.npz", lessons())
    assert state.batches == 0 and not any(moment.any() for moment in state.moments.values())
    weights = load_weights(tmp_path / "a" / "narrow.h5")
    for name, (w, _) in weights.layers.items():
        np.testing.assert_array_equal(w, state.parameters[f"{name}.w"].astype(np.float16))


def test_ctrl_c_stops_a_sheet_too(tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.sheet, "contact_sheet", interrupted)
    assert command.main(["sheet", str(tmp_path / "sheet.png")]) == 130
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        *(["--batches", "-1"], ["--batches", "1000001"]),
        *(["--batches", "2", "--seed", "-1"], ["--batches", "2", "--seed", str(2**32)]),
        *(["--batches", "2", "--threads", "0"], ["--batches", "2", "--threads", "1001"]),
    ],
    ids=" ".join,
)
def test_impossible_options_are_refused(options, given, tmp_path, capsys):
    told = refused(given("new", *options), capsys)
    assert told.startswith(" ".join(options[-2:]) + " is not possible; give a number from")
    assert not (tmp_path / "new").exists()


def test_impossible_seed_of_a_sheet_is_refused(tmp_path, capsys):
    told = refused(["sheet", str(tmp_path / "sheet.png"), "--seed", "-1"], capsys)
    assert told.startswith("--seed -1 is not possible; give a number from 0")


@pytest.mark.parametrize("name", ["narrow.h5", "checkpoint.npz"])
def test_a_folder_where_a_file_should_be_is_refused_before_anything_is_done(
    name, given, tmp_path, capsys
):
    (tmp_path / "new" / name).mkdir(parents=True)
    assert "it is a folder" in refused(given("new", "--batches", "2"), capsys)
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_places_that_cannot_be_written_to_are_refused(given, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot make the folder" in refused(given("file", "--batches", "2"), capsys)
    told = refused(["sheet", str(tmp_path / "missing" / "sheet.png")], capsys)
    assert "does not exist; create it first" in told


def test_threads_are_limited_where_asked_for(given, monkeypatch):
    limits = []
    monkeypatch.setattr("manualnst.system.threads.limit", limits.append)
    assert command.main(given("a", "--batches", "0", "--threads", "1")) == 0
    assert limits == [1]
