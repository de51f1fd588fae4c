"""The project's own weights file: what goes in comes out, and nothing else gets in."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from weights_files import assert_same_layers, random_weights, write_keras, write_pytorch

from manualnst.errors import InputError
from manualnst.network.vgg import Preprocessing, Weights
from manualnst.weights import load_weights, save_weights, store
from manualnst.weights.store import load_recommended


@pytest.fixture
def weights():
    return random_weights()


@pytest.fixture
def file(tmp_path, weights):
    path = tmp_path / "weights.h5"
    save_weights(weights, path)
    return path


def test_what_is_saved_is_loaded(file, weights):
    loaded = load_weights(file)
    assert loaded.architecture == "vgg19"
    assert loaded.preprocessing == weights.preprocessing
    assert loaded.provenance == weights.provenance
    assert loaded.fingerprint() == weights.fingerprint()
    assert_same_layers(loaded.layers, weights.layers)


def test_what_is_recommended_is_loaded_and_of_no_matter_to_the_fingerprint(tmp_path, file, weights):
    assert load_weights(file).recommended == load_recommended(file) == {}
    recommending = replace(weights, recommended={"style_layers": {"relu1_1": 2.0}, "steps": 7})
    save_weights(recommending, tmp_path / "recommending.h5")
    loaded = load_weights(tmp_path / "recommending.h5")
    assert loaded.recommended == recommending.recommended
    assert loaded.recommended == load_recommended(tmp_path / "recommending.h5")
    assert loaded.fingerprint() == weights.fingerprint()


def test_older_files_recommend_nothing(file):
    with h5py.File(file, "r+") as opened:
        del opened.attrs["recommended"]
    assert load_weights(file).recommended == load_recommended(file) == {}


def test_what_is_recommended_is_read_without_the_filters(file, monkeypatch):
    monkeypatch.setattr(store, "read_array", None)
    assert load_recommended(file) == {}


def test_a_network_may_end_early(tmp_path):
    weights = random_weights("vgg16")
    layers = dict(list(weights.layers.items())[:3])
    save_weights(Weights("vgg16", layers, weights.preprocessing), tmp_path / "short.h5")
    assert_same_layers(load_weights(tmp_path / "short.h5").layers, layers)


def test_half_precision_is_half_the_size_and_loads_as_single(tmp_path):
    weights = random_weights(widths=(16, 16, 16, 16, 16))
    whole, half = tmp_path / "whole.h5", tmp_path / "half.h5"
    save_weights(weights, whole)
    save_weights(weights, half, np.float16)
    numbers = sum(w.size + b.size for w, b in weights.layers.values())
    assert whole.stat().st_size - half.stat().st_size >= 2 * numbers
    rounded = {
        name: tuple(array.astype(np.float16).astype(np.float32) for array in arrays)
        for name, arrays in weights.layers.items()
    }
    assert_same_layers(load_weights(half).layers, rounded)


def test_numbers_beyond_half_precision_are_refused(tmp_path, weights):
    weights.layers["conv2_1"][0][0, 0, 0, 0] = 1e5
    with pytest.raises(InputError, match="conv2_1.*infinite"):
        save_weights(weights, tmp_path / "half.h5", np.float16)
    assert not (tmp_path / "half.h5").exists()


def test_other_precisions_are_refused(tmp_path, weights):
    with pytest.raises(InputError, match="float16 or float32, not int32"):
        save_weights(weights, tmp_path / "w.h5", np.int32)


def test_the_same_weights_make_the_same_bytes(tmp_path, weights, file):
    save_weights(weights, tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == file.read_bytes()


def test_integers_in_the_preprocessing_do_not_change_the_fingerprint():
    layers = random_weights().layers
    whole = Weights("vgg19", layers, Preprocessing("RGB", 255, (1, 2, 3)))
    real = Weights("vgg19", layers, Preprocessing("RGB", 255.0, (1.0, 2.0, 3.0)))
    assert whole.fingerprint() == real.fingerprint()


def change_array(edit):
    def damage(file):
        data = file["layers/conv2_1/w"][()]
        del file["layers/conv2_1/w"]
        edit(file, data)

    return damage


def put(data_of):
    def edit(file, data):
        file["layers/conv2_1/w"] = data_of(data)

    return change_array(edit)


def create(**options):
    def edit(file, data):
        file.create_dataset("layers/conv2_1/w", data=data, **options)

    return change_array(edit)


def attribute(name, value):
    def damage(file):
        file.attrs[name] = value

    return damage


def remove(path):
    def damage(file):
        del file[path]

    return damage


def one_number_changed(file):
    file["layers/conv5_4/b"][0] += 1


def one_nan(file):
    file["layers/conv5_4/b"][0] = np.nan


def extra_layer(file):
    file["layers/conv5_5/w"] = np.zeros((3, 3, 2, 2), np.float32)


def array_for_a_layer(file):
    del file["layers/conv1_1"]
    file["layers/conv1_1"] = np.zeros(3)


def group_for_an_array(file, data):
    file.create_group("layers/conv2_1/w")


def soft_link(file, data):
    file["elsewhere"] = data
    file["layers/conv2_1/w"] = h5py.SoftLink("/elsewhere")


def soft_link_to_a_group(file):
    file.move("layers", "elsewhere")
    file["layers"] = h5py.SoftLink("/elsewhere")


def external_link(file, data):
    with h5py.File(file.filename + ".other", "w") as other:
        other["w"] = data
    file["layers/conv2_1/w"] = h5py.ExternalLink(file.filename + ".other", "w")


def external_storage(file, data):
    stored = [(file.filename + ".raw", 0, data.nbytes)]
    file.create_dataset("layers/conv2_1/w", data=data, external=stored)


def virtual(file, data):
    file["elsewhere"] = data
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    layout[:] = h5py.VirtualSource(file["elsewhere"])
    file.create_virtual_dataset("layers/conv2_1/w", layout)


def declared_only(shape):
    def edit(file, data):
        file.create_dataset("layers/conv2_1/w", shape, np.float32)

    return change_array(edit)


def objects(file, data):
    file.create_dataset("layers/conv2_1/w", data=np.array(["a"], object), dtype=h5py.string_dtype())


DAMAGES = {
    "version": (attribute("version", 2), "version 2"),
    "version missing": (lambda file: file.attrs.pop("version"), "'version' is missing"),
    "version text": (attribute("version", np.bytes_(b"1")), "unexpected type"),
    "architecture": (attribute("architecture", np.bytes_(b"vgg11")), "unknown architecture"),
    "other architecture": (attribute("architecture", np.bytes_(b"vgg16")), "'conv3_4'"),
    "text of variable length": (attribute("architecture", "vgg19"), "unexpected type"),
    "text not UTF-8": (attribute("architecture", np.bytes_(b"\xff")), "damaged"),
    "channels": (attribute("channels", np.bytes_(b"GBR")), "channels"),
    "mean of two": (attribute("mean", [1.0, 2.0]), "shape"),
    "mean NaN": (attribute("mean", [1.0, 2.0, np.nan]), "not usable"),
    "std zero": (attribute("std", [1.0, 0.0, 1.0]), "not usable"),
    "range as array": (attribute("range", [1.0]), "shape"),
    "provenance": (attribute("provenance", np.bytes_(b"{")), "damaged"),
    "provenance list": (attribute("provenance", np.bytes_(b"[]")), "JSON object"),
    "provenance deep": (attribute("provenance", np.bytes_(b"[" * 50000)), "damaged"),
    "provenance number": (attribute("provenance", np.bytes_(b'{"a": 1}')), "JSON object"),
    "recommended": (attribute("recommended", np.bytes_(b"{")), "damaged"),
    "recommended list": (attribute("recommended", np.bytes_(b"[1]")), "not a JSON object"),
    "recommended deep": (attribute("recommended", np.bytes_(b"[" * 50000)), "damaged"),
    "recommended number": (attribute("recommended", 7), "unexpected type"),
    "preprocessing": (attribute("mean", [9.0, 2.0, 3.0]), "does not match its SHA-256"),
    "hash": (attribute("sha256", np.bytes_(b"0" * 64)), "does not match its SHA-256"),
    "one number": (one_number_changed, "does not match its SHA-256"),
    "NaN": (one_nan, "NaN"),
    "no layers": (remove("layers"), "'layers' is missing"),
    "gap": (remove("layers/conv1_2"), "conv1_2 is missing"),
    "last layer missing": (remove("layers/conv5_4"), "does not match its SHA-256"),
    "array missing": (remove("layers/conv3_3/b"), "'conv3_3/b' is missing"),
    "extra layer": (extra_layer, "'conv5_5' does not belong"),
    "array for a layer": (array_for_a_layer, "'conv1_1/w' is missing"),
    "group for an array": (change_array(group_for_an_array), "not an array"),
    "shape": (put(lambda w: w[:, :, :, :-1]), "shape"),
    "transposed": (put(np.transpose), "shape"),
    "scalar": (put(lambda w: w[0, 0, 0, 0]), "shape"),
    "nothing": (put(lambda w: h5py.Empty("f")), "not an array"),
    "integers": (put(lambda w: w.astype(np.int32)), "floating-point"),
    "complex": (put(lambda w: w.astype(complex)), "floating-point"),
    "objects": (change_array(objects), "floating-point"),
    "soft link": (change_array(soft_link), "link"),
    "soft link to a group": (soft_link_to_a_group, "link"),
    "external link": (change_array(external_link), "link"),
    "external storage": (change_array(external_storage), "outside the file"),
    "virtual": (change_array(virtual), "stored outside"),
    "compressed": (create(compression="gzip"), "compressed"),
    "chunked": (create(chunks=True), "chunked"),
    "stored nowhere": (declared_only((3, 3, 2, 3)), "stores nothing"),
    "huge": (declared_only((3, 3, 1 << 20, 1 << 20)), "too large"),
    "many axes": (declared_only((1,) * 20), "too large"),
}


@pytest.mark.parametrize("damage, message", DAMAGES.values(), ids=DAMAGES)
def test_what_is_not_whole_and_plain_is_refused(file, damage, message):
    with h5py.File(file, "r+") as opened:
        damage(opened)
    with pytest.raises(InputError) as caught:
        load_weights(file)
    assert_names_file(caught, file, message)


def assert_names_file(caught, file, message):
    line = str(caught.value)
    assert line.startswith(f"{file}: ")
    assert message in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    "content, message",
    {
        "empty": (b"", "not a weights file"),
        "junk": (b"junk" * 100, "not a weights file"),
        "signature only": (b"\x89HDF\r\n\x1a\n", "damaged"),
        "other HDF5": (None, "neither this program's weights nor Keras's"),
        "MATLAB 7.3": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64", "save it in MATLAB with -v7"),
    }.values(),
)
def test_what_is_something_else_is_refused(tmp_path, content, message):
    path = tmp_path / "file.h5"
    if content is None:
        h5py.File(path, "w").close()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_weights(path)
    assert_names_file(caught, path, message)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load_weights(tmp_path / "none.h5")
    with pytest.raises(InputError, match="it is a folder"):
        load_weights(tmp_path)


def test_a_file_that_may_not_be_read_is_told(file, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=f"cannot read {file}: Permission denied"):
        load_weights(file)


def test_public_formats_are_to_be_converted(tmp_path, weights):
    keras, pytorch = tmp_path / "keras.h5", tmp_path / "file.pth"
    write_keras(keras, weights.layers)
    write_pytorch(pytorch, {}, zipped=True)
    for path, kind in ((keras, "Keras"), (pytorch, "PyTorch")):
        with pytest.raises(InputError) as caught:
            load_weights(path)
        assert_names_file(caught, path, f"looks like a {kind} file; convert it first with: ")
        assert f"weights convert {path}" in str(caught.value)


def test_a_failed_save_leaves_the_old_file(file, weights, tmp_path):
    before = file.read_bytes()
    weights.layers["conv1_1"][1][0] = np.inf
    with pytest.raises(InputError):
        save_weights(weights, file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["weights.h5"]
