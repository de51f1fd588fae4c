"""PyTorch's containers and pickles: honest ones are read, hostile ones refused and never run."""

import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from weights_files import (
    ORDERED_DICT,
    REBUILD,
    assert_same_layers,
    dictionary,
    number,
    pickle_tensors,
    random_layers,
    run_container,
    storage,
    tensor,
    text,
    torchvision_tensors,
    tuple_of,
    write_pytorch,
    zip_container,
)

from manualnst.errors import InputError
from manualnst.weights import convert

CONTAINERS = {"run": run_container, "zip": zip_container}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.pth"


@pytest.fixture(params=CONTAINERS)
def container(request):
    return CONTAINERS[request.param]


def refused(path, content, message=None):
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        convert(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


# With PyTorch itself


@pytest.mark.parametrize("zipped", [False, True])
def test_files_that_pytorch_wrote(path, zipped):
    torch = pytest.importorskip("torch")
    layers = random_layers()
    state = torch.nn.Module().state_dict()  # an OrderedDict with _metadata
    for key, array in torchvision_tensors(layers).items():
        state[key] = torch.tensor(array)
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    assert_same_layers(convert(path).layers, layers)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions_that_pytorch_wrote(path, zipped, dtype):
    torch = pytest.importorskip("torch")
    layers = random_layers()
    state = {
        key: torch.tensor(array).to(getattr(torch, dtype))
        for key, array in torchvision_tensors(layers).items()
    }
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    found = convert(path).layers["conv3_2"][1]
    np.testing.assert_array_equal(found, state["features.12.bias"].float().numpy())


def test_views_that_pytorch_wrote(path):
    torch = pytest.importorskip("torch")
    layers = random_layers()
    tensors = torchvision_tensors(layers)
    w = tensors["features.5.weight"]
    whole = torch.zeros(5, *w.shape)  # the filters lie in it at an offset, channels last
    whole[3] = torch.tensor(w)
    state = {key: torch.tensor(array) for key, array in tensors.items()}
    state["features.5.weight"] = whole.contiguous(memory_format=torch.preserve_format)[3]
    state["features.7.weight"] = state["features.7.weight"][:].contiguous(
        memory_format=torch.channels_last
    )
    torch.save(state, path)
    assert_same_layers(convert(path).layers, layers)


@pytest.mark.parametrize("zipped", [False, True])
def test_the_files_of_these_tests_are_pytorchs(path, zipped):
    torch = pytest.importorskip("torch")
    tensors = torchvision_tensors(random_layers())
    write_pytorch(path, tensors, zipped=zipped)
    loaded = torch.load(path, weights_only=True)
    assert list(loaded) == list(tensors)
    for key, array in tensors.items():
        np.testing.assert_array_equal(loaded[key].numpy(), array)


# Honest oddities


def with_one_changed(changed: bytes, more: dict[str, bytes], container, layers=None):
    """torchvision's file, the pickle of conv1_1's biases (2,) replaced, storages added."""
    _, storages = pickle_tensors(torchvision_tensors(layers or random_layers()), view=False)
    entries = {}
    for i, (key, array) in enumerate(torchvision_tensors(layers or random_layers()).items()):
        strides = [n // array.itemsize for n in array.strides]
        entries[key] = tensor(storage(str(i), array.size), 0, array.shape, strides)
    entries["features.0.bias"] = changed
    del storages["1"]  # what it had before
    return container(dictionary(entries), storages | more)


def test_windows_on_a_storage(path, container):
    layers = random_layers()
    numbers = np.arange(24, dtype=np.float32)
    layers["conv1_1"][1][:] = [5, 12]  # offset 5, stride 7
    content = with_one_changed(
        tensor(storage("s", 24), 5, (2,), (7,)), {"s": numbers.tobytes()}, container, layers
    )
    path.write_bytes(content)
    assert_same_layers(convert(path).layers, layers)


def test_pickles_of_python_2(path):
    """There, an OrderedDict is made of a list of lists, and texts are byte strings."""
    tensors = torchvision_tensors(random_layers())
    entries, storages = [], {}
    for i, (key, array) in enumerate(tensors.items()):
        strides = [n // array.itemsize for n in array.strides]
        short = b"U" + bytes([len(key)]) + key.encode()
        pair = b"](" + short + tensor(storage(str(i), array.size), 0, array.shape, strides) + b"e"
        entries.append(pair)
        storages[str(i)] = array.tobytes()
    content = b"\x80\x02ccollections\nOrderedDict\n](" + b"".join(entries) + b"e\x85R."
    path.write_bytes(run_container(content, storages))
    assert_same_layers(convert(path).layers, random_layers())


# Windows that reach beyond what is there

EIGHT = {"s": bytes(32)}  # a storage of eight numbers


WINDOWS = {
    "beyond the end": (7, (2,), (1,), "reaches beyond its storage"),
    "stride beyond the end": (0, (2,), (8,), "reaches beyond its storage"),
    "offset beyond the end": (8, (1,), (1,), "reaches beyond its storage"),
    "huge offset": (2**62, (2,), (1,), "reaches beyond its storage"),
    "enormous offset": (2**70, (2,), (1,), "reaches beyond its storage"),
    "huge stride": (0, (2,), (2**62,), "reaches beyond its storage"),
    "overflowing stride": (0, (2,), (2**64,), "reaches beyond its storage"),
    "negative offset": (-1, (2,), (1,), "declares shape"),
    "negative stride": (4, (2,), (-1,), "declares shape"),
    "negative shape": (0, (-2,), (1,), "declares shape"),
    "stride 0": (0, (2,), (0,), "reaches beyond its storage"),
    "huge shape": (0, (2**40,), (0,), "too large"),
    "empty": (0, (0,), (1,), "reaches beyond its storage"),
    "too few strides": (0, (2,), (), "declares shape"),
    "too many axes": (0, (2, 1), (1, 1), "declares shape"),
    "no axes": (0, (), (), "declares shape"),
}


@pytest.mark.parametrize("offset, shape, strides, message", WINDOWS.values(), ids=WINDOWS)
def test_windows_beyond_a_storage_are_refused(path, container, offset, shape, strides, message):
    changed = tensor(storage("s", 8), offset, shape, strides)
    refused(path, with_one_changed(changed, EIGHT, container), message)


STORAGES = {
    "more than there is": (storage("s", 9), "not whole|has 32 bytes, not 36"),
    "huge": (storage("s", 2**62), "not whole|has 32 bytes"),
    "less than there is": (storage("s", 7), "not whole|over 28 bytes"),
    "another type": (storage("s", 8, "DoubleStorage"), "not whole|has 32 bytes, not 64"),
    "negative": (storage("s", -8), "names a storage in a way"),
    "true for a count": (
        tuple_of(text("storage"), b"ctorch\nFloatStorage\n", text("s"), b"N", b"\x88") + b"Q",
        "names a storage in a way",
    ),
    "unknown key": (storage("t", 8), "damaged|no tensor uses"),
    "key up the tree": (storage("../data.pkl", 8), "damaged|no tensor uses"),
    "two ways": (storage("0", 8), "in two ways"),
    "integers": (storage("s", 8, "LongStorage"), "'torch LongStorage'"),
    "a view": (storage("s", 8, "FloatStorage", tuple_of(number(0))), "in a way"),
    "no tuple": (text("s") + b"Q", "in a way"),
    "no storage": (text("s"), "calls 'torch._utils _rebuild_tensor_v2' in a way"),
}


@pytest.mark.parametrize("stored, message", STORAGES.values(), ids=STORAGES)
def test_storages_that_are_not_as_stated_are_refused(path, container, stored, message):
    refused(path, with_one_changed(tensor(stored, 0, (2,), (1,)), EIGHT, container), message)


@pytest.mark.parametrize("key", [text("t"), number(1), b")" + b"\x85" * 100_000])
def test_keys_of_nothing_are_refused(path, key):
    content = run_container(*pickle_tensors({}, view=True))
    refused(path, content.replace(b"](e.", b"](" + key + b"e."), "a storage that no tensor uses")


def test_a_storage_that_is_listed_but_not_there_is_refused(path):
    content = with_one_changed(tensor(storage("s", 8), 0, (2,), (1,)), EIGHT, run_container)
    refused(path, content[:-1], "'s' is not whole")


def test_other_containers_are_refused(path):
    pickled, storages = pickle_tensors({}, view=False)
    run = run_container(pickled, storages)
    refused(path, run.replace(b"M\xe9\x03.", b"M\xe8\x03."), "version 1001")
    refused(path, run.replace(b"\x88u.", b"\x89u."), "not little-endian")
    refused(path, zip_container(pickled, storages, byteorder=b"big"), "not little-endian")
    refused(path, zip_container(b"\x80\x02].", {}), "a list, not a state dictionary")
    refused(path, zip_container(pickled, {}), "not named as those of a known VGG: none")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "text")
    refused(path, path.read_bytes(), "0 files data.pkl")


def test_compressed_archives_are_refused(path):
    """So nothing can inflate to gigabytes, not even what would be as large as it should."""
    pickled, storages = pickle_tensors(torchvision_tensors(random_layers()), view=False)
    content = zip_container(pickled, storages, compression=zipfile.ZIP_DEFLATED)
    refused(path, content, "in the archive is compressed")


# Hostile pickles


class Command:
    """What pickle makes of it runs a command when it is loaded with Python's own machine."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_python_itself_would_run_the_command(tmp_path):
    """Lest the next test prove nothing."""
    pickle.loads(pickle.dumps(Command(tmp_path / "ran"), protocol=2))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("nested", [False, True])
def test_commands_are_refused_and_not_run(path, tmp_path, container, protocol, nested):
    marker = tmp_path / "ran"
    command = Command(marker)
    content = pickle.dumps({"a": [(command,)]} if nested else command, protocol=protocol)
    refused(path, container(content, {}), "nothing was run")
    assert not marker.exists()


SYSTEM = b"cos\nsystem\n"
TOUCH = b"(" + text("touch ran") + b"t"

HOSTILE = {
    "GLOBAL and REDUCE": SYSTEM + TOUCH + b"R",
    "INST": b"(" + text("touch ran") + b"ios\nsystem\n",
    "OBJ": b"(" + SYSTEM + text("touch ran") + b"o",
    "NEWOBJ": SYSTEM + TOUCH + b"\x81",
    "NEWOBJ_EX": SYSTEM + TOUCH + b"}\x92",
    "STACK_GLOBAL": text("os") + text("system") + b"\x93" + TOUCH + b"R",
    "builtins eval": b"cbuiltins\neval\n(" + text("1/0") + b"tR",
    "nested name": b"cos\npath.os.system\n" + TOUCH + b"R",
    "torch.load": b"ctorch\nload\n(" + text("ran") + b"tR",
    "name of a method": b"ccollections\nOrderedDict.fromkeys\n" + TOUCH + b"R",
    "EXT1": b"\x82\x01",
    "next buffer": b"\x97",
    "protocol 0 persistent name": b"Pstorage\n",
    "calling a class of storages": b"ctorch\nFloatStorage\n)R",
    "calling a dictionary": ORDERED_DICT + b")R",
    "calling text": text("os.system") + TOUCH + b"R",
    "rebuilding nothing": REBUILD + b")R",
    "rebuilding with wrong types": REBUILD
    + tuple_of(storage("s", 8), text("0"), tuple_of(number(2)), tuple_of(number(1)))
    + b"R",
    "rebuilding with a float": REBUILD
    + tuple_of(storage("s", 8), number(0), tuple_of(b"G" + bytes(8)), tuple_of(number(1)))
    + b"R",
    "OrderedDict of a number": b"ccollections\nOrderedDict\n" + number(5) + b"\x85R",
    "OrderedDict of wrong pairs": b"ccollections\nOrderedDict\n](](Nee\x85R",
    "a number as key": b"}" + number(1) + b"Ns",
    "deep tuples as key": b"})" + b"\x85" * 100_000 + b"Ns",
    "odd number of items": b"}(" + text("a") + b"u",
    "items for a list": b"](" + text("a") + b"Nu",
    "elements for a dictionary": b"}(Ne",
    "element for a tuple": b")Na",
    "nothing to pop": b"R",
    "tuple of nothing": b"\x87",
    "no mark": b"t",
    "nothing to keep": b"q\x00",
    "nothing kept": b"h\x07",
    "a place in a huge memory": b"r\xff\xff\xff\xff",
    "a text of gigabytes": b"X\xff\xff\xff\xffabc",
    "a number of gigabytes": b"\x8b\xff\xff\xff\x7f",
    "bytes of exabytes": b"\x8e" + struct.pack("<Q", 2**62),
    "a frame of exabytes": b"\x95" + struct.pack("<Q", 2**62),
    "no opcode": b"\xff",
    "deep lists": b"]" * 100_000 + b"a" * 99_999,
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_hostile_programs_are_refused(path, tmp_path, monkeypatch, container, program):
    marker = tmp_path / "ran"
    monkeypatch.chdir(tmp_path)
    refused(path, container(b"\x80\x02" + program + b".", {"s": bytes(32)}))
    assert not marker.exists()


TELLING = {
    "a number as key": (b"}" + number(1) + b"Ns", "a int where it should have a str"),
    # The hash of a tuple of tuples of tuples … overruns the interpreter's own stack.
    "a tuple as key": (b"}))\x86Ns", "a tuple where it should have a str"),
    "a text as offset": (
        REBUILD + tuple_of(storage("s", 8), text("0"), tuple_of(), tuple_of()) + b"R",
        "calls 'torch._utils _rebuild_tensor_v2' in a way",
    ),
    "true as offset": (
        REBUILD + tuple_of(storage("s", 8), b"\x88", tuple_of(), tuple_of()) + b"R",
        "calls 'torch._utils _rebuild_tensor_v2' in a way",
    ),
    "a text as shape": (
        REBUILD + tuple_of(storage("s", 8), number(0), tuple_of(text("2")), tuple_of()) + b"R",
        "calls 'torch._utils _rebuild_tensor_v2' in a way",
    ),
}


@pytest.mark.parametrize("program, message", TELLING.values(), ids=TELLING)
def test_the_reason_for_a_refusal(path, container, program, message):
    refused(path, container(b"\x80\x02" + program + b".", EIGHT), message)


def test_attributes_are_not_set(path, container):
    """BUILD, by which a pickle can change what it names, does nothing."""
    build = b"}" + text("name") + text("torch FloatStorage") + b"sb"
    changed = tensor(storage("s", 8), 0, (2,), (1,)) + build
    path.write_bytes(with_one_changed(changed, EIGHT, container))
    np.testing.assert_array_equal(convert(path).layers["conv1_1"][1], [0, 0])


def test_memory_of_a_pickle_is_no_list(path):
    """A place far out in the memory costs nothing (Python's own machine fills up to it)."""
    pickled, storages = pickle_tensors(torchvision_tensors(random_layers()), view=False)
    far = pickled[:2] + b"Nr\xff\xff\xff\xff0" + pickled[2:]
    refused(path, zip_container(far, storages), "instruction POP")
    far = pickled[:2] + b"]r\xff\xff\xff\xffj\xff\xff\xff\xffa" + pickled[2:]
    path.write_bytes(zip_container(far, storages))
    assert_same_layers(convert(path).layers, random_layers())
