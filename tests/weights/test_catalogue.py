"""Which weights are known, where they are kept, and which are used."""

import os
import re
from pathlib import Path

import pytest
from weights_files import random_weights

from manualnst.errors import InputError
from manualnst.network.vgg import BLOCKS
from manualnst.weights import BUILTIN, default_weights, find_weights, load_weights, save_weights
from manualnst.weights.catalogue import CATALOGUE, cache_folder, cached_path
from manualnst.weights.layouts import PREPROCESSINGS

HEX_DIGITS = {"md5": 32, "sha256": 64}


@pytest.mark.parametrize("public", CATALOGUE.values(), ids=CATALOGUE)
def test_entries_are_complete(public):
    assert re.fullmatch(r"https://[a-z.]+/\S+\.(h5|mat|pth)", public.url)
    assert public.architecture in BLOCKS
    assert public.name.startswith(public.architecture)
    assert public.preprocessing is None or public.preprocessing in PREPROCESSINGS
    kind, digits = public.digest
    assert re.fullmatch("[0-9a-f]+", digits)
    # PyTorch's files are named after the beginning of their SHA-256.
    named = re.search(r"-([0-9a-f]{8})\.pth", public.url)
    assert digits.startswith(named[1]) if named else len(digits) == HEX_DIGITS[kind]
    assert len(digits) in (8, HEX_DIGITS[kind])


def test_files_are_told_apart_by_name():
    assert len({public.filename for public in CATALOGUE.values()}) == len(CATALOGUE)


def test_a_mirror_has_all_files_in_one_folder(monkeypatch):
    public = CATALOGUE["vgg19"]
    monkeypatch.delenv("MANUALNST_MIRROR", raising=False)
    assert public.source == public.url
    monkeypatch.setenv("MANUALNST_MIRROR", "http://classroom:8000/files/")
    assert public.source == (
        "http://classroom:8000/files/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    )


@pytest.mark.parametrize(
    "platform, variables, expected",
    [
        ("linux", {}, "HOME/.cache/manualnst"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/manualnst"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "HOME/Library/Caches/manualnst"),
        ("win32", {}, "HOME/AppData/Local/manualnst"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/manualnst"),
        ("win32", {"LOCALAPPDATA": "/local", "MANUALNST_CACHE": "~/w"}, "HOME/w"),
        ("linux", {"MANUALNST_CACHE": "/here"}, "/here"),
    ],
)
def test_where_weights_are_kept(monkeypatch, platform, variables, expected):
    monkeypatch.setattr("sys.platform", platform)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "MANUALNST_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected.replace("HOME", str(Path.home())))


def test_without_a_name_the_built_in_network_is_used_until_vgg19_is_there():
    name, message = default_weights()
    assert name == "builtin"
    assert "weights get vgg19` fetches it (80 MB)" in message.text
    save(cached_path("vgg19"))
    name, message = default_weights()
    assert name == "vgg19"
    assert "from the cache" in message.text


def save(path):
    weights = random_weights()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(weights, path)
    return weights


def test_weights_by_name_and_by_path(tmp_path):
    assert find_weights("builtin").fingerprint() == load_weights(BUILTIN).fingerprint()
    weights = save(cached_path("vgg16"))
    assert find_weights("vgg16").fingerprint() == weights.fingerprint()
    weights = save(tmp_path / "mine.h5")
    assert find_weights(str(tmp_path / "mine.h5")).fingerprint() == weights.fingerprint()


def test_names_that_are_not_in_the_cache_are_to_be_fetched():
    with pytest.raises(InputError, match="weights get vgg16-caffe"):
        find_weights("vgg16-caffe")


def test_unknown_names_are_told():
    with pytest.raises(
        InputError, match="'vgg91': neither a file nor a known name .builtin, vgg19"
    ):
        find_weights("vgg91")


@pytest.mark.parametrize("folder", ["~no-such-user/weights", None])
def test_a_cache_that_is_nowhere_is_told(monkeypatch, folder):
    def no_home(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MANUALNST_CACHE")
    if folder:
        monkeypatch.setenv("MANUALNST_CACHE", folder)
    with pytest.raises(InputError, match="Could not determine home.*set MANUALNST_CACHE"):
        default_weights()


def test_a_cache_that_may_not_be_looked_into_is_as_good_as_none(monkeypatch):
    """Root may look everywhere, so the refusal is played."""
    save(cached_path("vgg19"))
    real = os.stat

    def stat(path, *arguments, **options):
        if str(path).startswith(str(cache_folder())):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr("os.stat", stat)
    assert default_weights()[0] == "builtin"
    with pytest.raises(InputError, match="not in the cache"):
        find_weights("vgg19")


def test_a_name_that_no_file_can_have_is_no_weights():
    with pytest.raises(InputError, match="neither a file nor a known name"):
        find_weights("a" * 5000)


def test_damaged_weights_in_the_cache_are_to_be_fetched_anew():
    save(cached_path("vgg19"))
    cached_path("vgg19").write_bytes(cached_path("vgg19").read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged.*weights get vgg19` fetches them anew"):
        find_weights("vgg19")
