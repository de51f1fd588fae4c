"""Every public layout, converted: the right filters, in the right order, for the right pixels."""

import hashlib

import h5py
import numpy as np
import pytest
import scipy.io
from weights_files import (
    FEATURES,
    assert_same_layers,
    normalised_tensors,
    pytorch_tensors,
    random_layers,
    random_weights,
    torchvision_tensors,
    write_keras,
    write_matconvnet,
    write_pytorch,
)

from manualnst.errors import InputError
from manualnst.network.vgg import convolution_names
from manualnst.weights import convert, load_weights, save_weights
from manualnst.weights.catalogue import CATALOGUE, PublicFile
from manualnst.weights.layouts import PREPROCESSINGS

ARCHITECTURES = ("vgg16", "vgg19")
SWAP = [[0, 0, 255], [0, 255, 0], [255, 0, 0]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("style", ["first", "new", "model"])
def test_keras(path, style, architecture):
    layers = random_layers(architecture)
    write_keras(path, layers, style=style)
    weights = convert(path)
    assert weights.architecture == architecture
    assert weights.preprocessing == PREPROCESSINGS["caffe-bgr"]
    assert_same_layers(weights.layers, layers)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("one_cell", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_matconvnet(path, one_cell, compressed, architecture):
    layers = random_layers(architecture)
    write_matconvnet(path, layers, architecture, one_cell=one_cell, compressed=compressed)
    weights = convert(path)
    assert weights.architecture == architecture
    assert weights.preprocessing == PREPROCESSINGS["caffe-rgb"]
    assert_same_layers(weights.layers, layers)


def test_matconvnet_as_scipy_reads_it(path):
    write_matconvnet(path, random_layers())
    read = scipy.io.loadmat(path)["layers"]
    filters = read[0, 0]["weights"][0, 0][0, 0]  # of conv1_1
    np.testing.assert_array_equal(convert(path).layers["conv1_1"][0], filters)


def test_matlab_stores_whole_numbers_as_small_integers(path):
    layers = random_layers()
    layers["conv1_1"][1][:] = [-3, 2]
    # scipy keeps the type, so the integers are made here: a double array holding int8 values.
    write_matconvnet(path, layers, compressed=False)
    stored = layers["conv1_1"][1].tobytes()
    packed = b"\x01\x00\x02\x00\xfd\x02\x00\x00"  # an element in its tag: 2 bytes of type 1
    content = path.read_bytes()
    element = b"\x07\x00\x00\x00\x08\x00\x00\x00" + stored
    assert content.count(element) == 1
    # The second half becomes what the matrix holds besides, which is passed over.
    path.write_bytes(content.replace(element, packed + bytes(8)))
    assert_same_layers(convert(path).layers, layers)


def test_keras_and_matconvnet_files_compute_the_same(tmp_path):
    """The one differs from the other by the order of conv1_1's channels, and by nothing else."""
    layers = random_layers()
    write_keras(tmp_path / "k", layers)
    w, b = layers["conv1_1"]
    write_matconvnet(tmp_path / "m", layers | {"conv1_1": (w[:, :, ::-1], b)})
    pixels = np.random.default_rng(1).random((3, 3, 3))  # RGB in [0, 1]
    answers = [first_response(convert(tmp_path / name), pixels) for name in "km"]
    np.testing.assert_allclose(*answers, rtol=1e-5)
    # A transposition, or a forgotten reversal, would be seen.
    assert not np.allclose(answers[0], first_response(convert(tmp_path / "k"), pixels[..., ::-1]))
    turned = pixels.transpose(1, 0, 2)
    assert not np.allclose(answers[0], first_response(convert(tmp_path / "k"), turned))


def first_response(weights, pixels):
    """conv1_1 at the one place where its filters lie on 3 × 3 pixels as a whole."""
    prepared = weights.preprocessing
    ordered = pixels if prepared.channels == "RGB" else pixels[..., ::-1]
    z = (prepared.range * ordered - prepared.mean) / prepared.std  # (3, 3, 3)
    w, b = weights.layers["conv1_1"]
    return np.einsum("ijc,ijck->k", z, w) + b


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_torchvision(path, architecture, zipped):
    layers = random_layers(architecture)
    write_pytorch(path, torchvision_tensors(layers, architecture), zipped=zipped)
    weights = convert(path)
    assert weights.architecture == architecture
    assert weights.preprocessing == PREPROCESSINGS["imagenet-rgb"]
    assert "assumed" in weights.provenance["preprocessing"]
    assert_same_layers(weights.layers, layers)


def test_torchvisions_and_caffes_files_are_told_apart_on_request(path):
    write_pytorch(path, torchvision_tensors(random_layers()), zipped=True)
    weights = convert(path, preprocessing="caffe-bgr")
    assert weights.preprocessing == PREPROCESSINGS["caffe-bgr"]
    assert weights.provenance["preprocessing"] == "caffe-bgr, as asked for"


def test_torchvisions_and_caffes_files_are_told_apart_by_their_hash(path, monkeypatch):
    write_pytorch(path, torchvision_tensors(random_layers()), zipped=False)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = PublicFile("known", "vgg19", "", None, ("sha256", sha256[:8]), "caffe-bgr", "")
    monkeypatch.setitem(CATALOGUE, "known", known)
    weights = convert(path)
    assert weights.preprocessing == PREPROCESSINGS["caffe-bgr"]
    assert "the file is known" in weights.provenance["preprocessing"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gatys(path, architecture):
    layers = random_layers(architecture)
    write_pytorch(path, pytorch_tensors(layers, list(layers)), zipped=False)
    weights = convert(path)
    assert weights.architecture == architecture
    assert weights.preprocessing == PREPROCESSINGS["caffe-bgr"]
    assert_same_layers(weights.layers, layers)


def test_the_extra_convolution_becomes_preprocessing(path):
    layers = random_layers()
    tensors = normalised_tensors(layers, SWAP, [-103.939, -116.779, -123.68])
    write_pytorch(path, tensors, zipped=False)
    weights = convert(path)
    assert_same_layers(weights.layers, layers)
    assert weights.preprocessing.channels == "BGR"
    assert weights.preprocessing.range == 255
    assert weights.preprocessing.std == (1, 1, 1)
    np.testing.assert_allclose(weights.preprocessing.mean, [103.939, 116.779, 123.68], rtol=1e-6)
    assert "reflection padding" in weights.provenance["deviation"]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_the_extra_convolution_and_the_preprocessing_compute_the_same(path, order):
    matrix = np.zeros((3, 3))
    matrix[[0, 1, 2], order] = [2, 5, 3]
    bias = np.array([-1, 0.5, 2])
    layers = random_layers()
    write_pytorch(path, normalised_tensors(layers, matrix, bias), zipped=True)
    pixels = np.random.default_rng(2).random((3, 3, 3))
    w, b = layers["conv1_1"]
    expected = np.einsum("ijc,ijck->k", pixels @ matrix.T + bias, w) + b
    np.testing.assert_allclose(first_response(convert(path), pixels), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "matrix",
    {
        "a mixture": [[1, 1, 0], [0, 1, 0], [0, 0, 1]],
        "another order": [[0, 1, 0], [1, 0, 0], [0, 0, 1]],
        "a negative scale": [[-1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "a channel lost": [[0, 0, 0], [0, 1, 0], [0, 0, 1]],
        "not a number": [[np.nan, 0, 0], [0, 1, 0], [0, 0, 1]],
    }.values(),
)
def test_an_extra_convolution_that_does_more_is_refused(path, matrix):
    write_pytorch(path, normalised_tensors(random_layers(), matrix, [0, 0, 0]), zipped=True)
    with pytest.raises(InputError, match="first convolution does more"):
        convert(path)


def test_what_the_file_states_is_not_overridden(path):
    write_pytorch(path, normalised_tensors(random_layers(), SWAP, [0, 0, 0]), zipped=True)
    with pytest.raises(InputError, match="give no --preprocessing"):
        convert(path, preprocessing="caffe-bgr")


@pytest.mark.parametrize("missing", ["0.weight", "0.bias"])
def test_padded_layers_without_the_extra_convolution_are_refused(path, missing):
    tensors = normalised_tensors(random_layers(), SWAP, [0, 0, 0])
    del tensors[missing]
    write_pytorch(path, tensors, zipped=True)
    with pytest.raises(InputError, match=f"'{missing}' is missing"):
        convert(path)


def test_a_network_may_end_early(path):
    layers = random_layers()
    short = dict(list(layers.items())[:9])  # to conv4_1
    names = [f"features.{i}" for i in FEATURES["vgg19"][:9]]
    write_pytorch(path, pytorch_tensors(short, names), zipped=True)
    weights = convert(path)
    assert weights.architecture == "vgg19"
    assert_same_layers(weights.layers, short)


def test_where_both_architectures_fit_one_is_asked_for(path):
    short = dict(list(random_layers().items())[:7])  # to conv3_3, where the two part
    write_keras(path, short)
    with pytest.raises(InputError, match="vgg16 and vgg19; give --architecture"):
        convert(path)
    assert convert(path, architecture="vgg16").architecture == "vgg16"
    assert convert(path, architecture="vgg19").architecture == "vgg19"


def test_the_wrong_architecture_is_refused(path):
    write_keras(path, random_layers("vgg16"))
    with pytest.raises(InputError, match="those of vgg16, not of vgg19"):
        convert(path, architecture="vgg19")
    with pytest.raises(InputError, match="unknown architecture 'vgg11'"):
        convert(path, architecture="vgg11")


def test_an_unknown_preprocessing_is_refused(path):
    write_keras(path, random_layers())
    with pytest.raises(InputError, match="unknown preprocessing 'rgb'; known: caffe-bgr"):
        convert(path, preprocessing="rgb")


def test_provenance_tells_where_the_weights_come_from(tmp_path):
    path = tmp_path / "Größe\n.h5"
    write_keras(path, random_layers())
    provenance = convert(path).provenance
    assert provenance["file"] == r"Gr\xf6\xdfe\n.h5"
    assert provenance["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert provenance["format"] == "Keras"
    assert provenance["preprocessing"] == "caffe-bgr, by the format"
    assert "manualnst" in provenance["converted"]


def test_converted_weights_can_be_saved_and_loaded(tmp_path, path):
    write_matconvnet(path, random_layers())
    weights = convert(path)
    save_weights(weights, tmp_path / "own.h5")
    loaded = load_weights(tmp_path / "own.h5")
    assert loaded.fingerprint() == weights.fingerprint()
    assert loaded.provenance == weights.provenance


def test_own_files_need_no_conversion(path):
    save_weights(random_weights(), path)
    with pytest.raises(InputError, match="already a weights file"):
        convert(path)


# Keras files that are not what they should be


def keras_with(path, edit):
    write_keras(path, random_layers())
    with h5py.File(path, "r+") as file:
        edit(file)


def missing_layer(file):
    del file["block3_conv2"]


def missing_array(file):
    del file["block3_conv2/block3_conv2_b_1:0"]


def three_arrays(file):
    file["block3_conv2/more"] = np.zeros(3)


def two_biases(file):
    name = "block3_conv2/block3_conv2_W_1:0"
    del file[name]
    file[name] = np.zeros(4, np.float32)


def circle(file):
    group = file["block3_conv2"]
    group.clear()
    group["a"] = group["b"] = group


def link_to_another_file(file):
    file.move("block3_conv2", "elsewhere")
    file["block3_conv2"] = h5py.ExternalLink("other.h5", "x")


def gzip_bomb(file):
    name = "block3_conv2/block3_conv2_W_1:0"
    del file[name]
    file.create_dataset(name, (3, 3, 1024, 1024), np.float32, compression="gzip", chunks=True)


def array_for_a_layer(file):
    del file["block3_conv2"]
    file["block3_conv2"] = np.zeros(3)


@pytest.mark.parametrize(
    "edit, message",
    [
        (missing_layer, "convolutions are not those of a VGG"),
        (missing_array, "does not hold filters and biases"),
        (three_arrays, "more than filters and biases"),
        (two_biases, "does not hold filters and biases"),
        (circle, "more than filters and biases"),
        (link_to_another_file, "link"),
        (gzip_bomb, "compressed"),
        (array_for_a_layer, "not a group"),
    ],
)
def test_odd_keras_files_are_refused(path, edit, message):
    keras_with(path, edit)
    with pytest.raises(InputError, match=message) as caught:
        convert(path)
    assert str(caught.value).startswith(f"{path}: ")


# MATLAB files that are not what they should be


@pytest.mark.parametrize(
    "contents, message",
    [
        ({"net": 1.0}, "'layers' is missing"),
        ({"layers": 1.0}, "not a cell array"),
        ({"layers": {"name": "conv1_1"}}, "not a cell array"),
        ({"layers": np.array([["conv1_1", "relu1_1"]], object)}, "not one struct"),
        ({"layers": np.zeros((1, 1001), object)}, "up to 1000 cells"),
        ({"layers": np.array([[{"name": "conv1_1"}]], object)}, "no filters and biases"),
        ({"layers": np.array([[{"name": "pool1"}]], object)}, "not those of a VGG: none"),
    ],
)
def test_odd_matlab_files_are_refused(path, contents, message):
    with open(path, "wb") as file:
        scipy.io.savemat(file, contents)
    with pytest.raises(InputError, match=message) as caught:
        convert(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_large_arrays_in_matlab_files_are_not_read(path):
    """Filters that compress to nothing are passed over, not inflated into memory."""
    layers = random_layers()
    layers["conv1_1"] = (np.zeros((3, 3, 3, 400_000), np.float32), layers["conv1_1"][1])
    write_matconvnet(path, layers, compressed=True)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="'conv1_1' has no filters and biases that a VGG could"):
        convert(path)


def resize_element(content, at, size):
    return content[: at + 4] + size.to_bytes(4, "little") + content[at + 8 :]


def test_elements_of_matlab_files_stay_within_bounds(path):
    write_matconvnet(path, random_layers(), compressed=False)
    content = path.read_bytes()
    name = content.index(b"layers") - 8
    path.write_bytes(resize_element(content, name, 2**31))
    with pytest.raises(InputError, match="declares 2147483648 bytes where 4096 is the most"):
        convert(path)
    first_layer = name + 16
    path.write_bytes(resize_element(content, first_layer, 64))
    with pytest.raises(InputError, match="larger than what it lies in"):
        convert(path)


def test_big_endian_matlab_files_are_refused(path):
    write_matconvnet(path, random_layers())
    content = bytearray(path.read_bytes())
    content[124:128] = b"\x01\x00MI"
    path.write_bytes(content)
    with pytest.raises(InputError, match="little-endian"):
        convert(path)


def test_all_layers_are_named_in_order():
    assert list(random_layers("vgg16")) == convolution_names("vgg16")
