"""`manualnst weights …`, as it is typed."""

import hashlib
import re
import shlex
from dataclasses import replace

import pytest
from PIL import Image
from weights_files import (
    random_layers,
    random_weights,
    torchvision_tensors,
    write_keras,
    write_pytorch,
)

from manualnst.cli import main
from manualnst.cli.weights import _download_report
from manualnst.weights import catalogue, load_weights, save_weights
from manualnst.weights.catalogue import CATALOGUE, PublicFile, cached_path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def type_in(capsys):
    def run(line):
        code = main(["weights", *shlex.split(line)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def keras(here):
    write_keras(here / "keras.h5", random_layers())


def test_list(type_in):
    cached_path("vgg16").parent.mkdir(parents=True)
    cached_path("vgg16").touch()
    code, out, err = type_in("list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0 and not err
    assert list(lines) == ["NAME", "builtin", *CATALOGUE]
    assert "built in" in lines["builtin"]
    assert "80 MB" in lines["vgg19"] and "cached" not in lines["vgg19"]
    assert "cached" in lines["vgg16"]
    assert " ? " in lines["vgg19-caffe"]


def test_convert(type_in, keras):
    code, out, err = type_in("convert keras.h5 -o own.h5")
    weights = load_weights("own.h5")
    assert code == 0 and not err
    assert "own.h5: vgg19, conv1_1 to conv5_4" in out
    assert "BGR from 0 to 255, mean 103.939 116.779 123.68, std 1 1 1" in out
    assert f"fingerprint: {weights.fingerprint()}" in out


def test_convert_says_what_it_assumed(type_in, here):
    write_pytorch(here / "x.pth", torchvision_tensors(random_layers("vgg16"), "vgg16"), zipped=True)
    code, out, _ = type_in("convert x.pth -o own.h5")
    assert code == 0
    assert "preprocessing: imagenet-rgb, assumed" in out
    code, out, _ = type_in(
        "convert x.pth -o own.h5 --overwrite --preprocessing caffe-bgr --architecture vgg16"
    )
    assert code == 0
    assert "preprocessing: caffe-bgr, as asked for" in out
    assert load_weights("own.h5").preprocessing.channels == "BGR"


def test_convert_refuses_in_one_line(type_in, keras, here):
    (here / "junk").write_bytes(b"junk")
    for line, message in {
        "convert none.h5 -o own.h5": "No such file",
        "convert junk -o own.h5": "not a weights file",
        "convert keras.h5 -o nowhere/own.h5": "the folder",
        "convert keras.h5 -o own.h5 --preprocessing rgb": "unknown preprocessing 'rgb'",
        "convert keras.h5 -o own.h5 --architecture vgg11": "unknown architecture 'vgg11'",
    }.items():
        code, out, err = type_in(line)
        assert (code, out) == (2, "")
        assert err.startswith("manualnst: ") and message in err and err.count("\n") == 1


def test_outputs_are_replaced_only_on_request(type_in, keras, here):
    (here / "own.h5").write_bytes(b"precious")
    code, _, err = type_in("convert keras.h5 -o own.h5")
    assert code == 2 and "own.h5 exists; --overwrite replaces it" in err
    assert (here / "own.h5").read_bytes() == b"precious"
    assert type_in("convert keras.h5 -o own.h5 --overwrite")[0] == 0
    load_weights("own.h5")


def test_verify(type_in, here):
    weights = random_weights()
    save_weights(weights, here / "own.h5")
    code, out, err = type_in("verify own.h5 builtin")
    assert code == 0 and not err
    assert out.count("OK") == 2
    assert weights.fingerprint() in out
    assert "BGR from 0 to 255, mean 1.5 2.5 3.5, std 0.1 0.2 0.3" in out
    # Free text out of a file does not steer the terminal.
    assert "remark: Zürich, ?[31mred?\n" in out


def test_what_is_recommended_is_shown_checked_and_kept(type_in, here):
    picture = Image.new("RGB", (40, 33), "olive")
    picture.save(here / "p.png")
    few = {"content_weight": 0.7, "style_layers": {"relu1_1": 2.0}}
    save_weights(replace(random_weights(), recommended=few), here / "own.h5")
    for line in ("verify own.h5", "normalise own.h5 p.png -o normalised.h5"):
        code, out, _ = type_in(line)
        assert code == 0
        assert "  recommended: content weight 0.7; style layers relu1_1:2\n" in out
    assert load_weights("normalised.h5").recommended == few
    save_weights(replace(random_weights(), recommended={"\x1b": 1}), here / "odd.h5")
    for line in ("verify odd.h5", "normalise odd.h5 p.png -o none.h5"):
        code, out, err = type_in(line)
        assert (code, out) == (2, "")
        assert err.startswith("manualnst: odd.h5: recommended settings: '") and err.count("\n") == 1
    assert not (here / "none.h5").exists()


def test_verify_goes_on_after_a_refusal(type_in, keras, here):
    save_weights(random_weights(), here / "own.h5")
    (here / "cut.h5").write_bytes((here / "own.h5").read_bytes()[:-200])
    code, out, err = type_in("verify cut.h5 keras.h5 own.h5")
    assert code == 2
    assert [line.split(":")[1] for line in err.splitlines()] == [" cut.h5", " keras.h5"]
    assert "convert it first" in err
    assert out.count("OK") == 1


@pytest.fixture
def tiny(here, keras, monkeypatch):
    """A catalogue with one more file, whose download has come as far as it can."""
    data = (here / "keras.h5").read_bytes()
    digest = ("md5", hashlib.md5(data).hexdigest())
    url = "https://example.org/tiny_file.h5"
    public = PublicFile("tiny", "vgg19", url, len(data), digest, "caffe-bgr", "")
    monkeypatch.setitem(CATALOGUE, "tiny", public)
    catalogue.cache_folder().mkdir(parents=True)
    (catalogue.cache_folder() / "tiny_file.h5.part").write_bytes(data)
    return public


def test_get(type_in, tiny):
    code, out, err = type_in("get tiny")
    assert code == 0
    assert out == f"tiny: {cached_path('tiny')}\n"
    assert err == "tiny: fetching https://example.org/tiny_file.h5\n"
    code, out, _ = type_in("get tiny")
    assert code == 0 and "in the cache already" in out


def test_get_fetches_on_request_what_is_in_the_cache(type_in, tiny):
    cached_path("tiny").write_bytes(b"precious")
    assert type_in("get tiny --overwrite")[0] == 0
    assert load_weights(cached_path("tiny")).provenance["name"] == "tiny"


def test_get_replaces_what_is_damaged_in_the_cache(type_in, tiny):
    save_weights(random_weights(), cached_path("tiny"))
    cached_path("tiny").write_bytes(cached_path("tiny").read_bytes()[:-200])
    code, out, err = type_in("get tiny")
    assert code == 0 and out == f"tiny: {cached_path('tiny')}\n"
    assert "damaged" in err.splitlines()[0] and err.splitlines()[0].endswith("; fetching it anew")
    assert load_weights(cached_path("tiny")).provenance["name"] == "tiny"


def test_get_does_without_standard_error(type_in, tiny, monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert main(["weights", "get", "tiny"]) == 0
    assert load_weights(cached_path("tiny")).provenance["name"] == "tiny"


def test_get_knows_its_names_before_it_begins(type_in, tiny):
    code, _, err = type_in("get tiny vgg91")
    assert code == 2 and "unknown weights 'vgg91'; known: vgg19" in err
    assert not cached_path("tiny").exists()


def test_normalise(type_in, here):
    save_weights(random_weights("vgg16"), here / "own.h5")
    pictures = " ".join(_sample_pictures())
    code, out, err = type_in(f"normalise own.h5 -o new.h5 {pictures}")
    assert code == 0, err
    assert load_weights("new.h5").fingerprint() != load_weights("own.h5").fingerprint()
    assert load_weights("new.h5").fingerprint() in out


def test_normalise_takes_samples_and_makes_pictures_smaller(type_in, here, monkeypatch):
    monkeypatch.setattr("manualnst.cli.weights._NORMALISE_SIZE", 32)
    save_weights(random_weights("vgg16"), here / "own.h5")
    code, _, err = type_in("normalise own.h5 -o new.h5 sample:harbour")
    assert code == 0
    assert re.fullmatch(r"sample:harbour: \d+ × \d+ → 32 × \d+\n", err)


def _sample_pictures():
    Image.effect_noise((24, 20), 60).convert("RGB").save("a.png")
    return ["a.png", "a.png"]


class Terminal:
    def __init__(self, terminal):
        self.terminal, self.text, self.encoding = terminal, "", "utf-8"

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("total", [80_000_000, None])
def test_downloads_show_a_bar_on_a_terminal_and_few_lines_elsewhere(total):
    for stream in (Terminal(True), Terminal(False)):
        report = _download_report("tiny", stream)
        for done in range(0, 80_000_001, 50_000):
            report(done, total)
        if stream.terminal:
            assert "\n" not in stream.text
            assert stream.text.count("\r") <= 101
        else:
            assert 1 <= len(stream.text.splitlines()) <= 11
            assert "\r" not in stream.text
        assert ("80 MB of 80 MB" in stream.text) == (total is not None)
