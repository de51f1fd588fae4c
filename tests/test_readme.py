"""The README's commands run, and its table of equations points at what is there."""

import hashlib
import inspect
import re
import shlex
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest
from proofs import small_weights

from manualnst import __version__, losses, ops
from manualnst.backends import NAMES, get_backend
from manualnst.cli import main
from manualnst.gradcheck.subjects import SUBJECTS
from manualnst.pictures.images import save_picture
from manualnst.weights import catalogue

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

# These need an environment to install into: .ci/run makes it.
IN_A_FRESH_ENVIRONMENT = ("python -m pip",)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if not line.startswith(IN_A_FRESH_ENVIRONMENT)]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a photo, a painting and the package's own weights where the README has them."""
    rng = np.random.default_rng(0)
    for name, shape in (("photo.jpg", (33, 40, 3)), ("painting.jpg", (30, 36, 3))):
        save_picture(tmp_path / name, rng.random(shape).astype(np.float32))
    for folder in ("manualnst", "gallery"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A server with a small file in the place of the public VGG-19."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    entry = catalogue.CATALOGUE["vgg19"]
    path = folder / entry.filename
    write_keras_file(path)
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    small = replace(entry, size=path.stat().st_size, digest=("md5", digest))
    monkeypatch.setitem(catalogue.CATALOGUE, "vgg19", small)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MANUALNST_MIRROR", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    server.server_close()


def write_keras_file(path):
    with h5py.File(path, "w") as file:
        layers = small_weights(last="conv5_4").layers
        names = [f"block{name[4]}_conv{name[6]}" for name in layers]
        file.attrs["layer_names"] = np.array(names, dtype="S")
        for name, (w, b) in zip(names, layers.values(), strict=True):
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([f"{name}_W_1:0", f"{name}_b_1:0"], dtype="S")
            group[f"{name}_W_1:0"], group[f"{name}_b_1:0"] = w, b


def test_every_command_runs(desk, mirror, capsys):
    assert len(commands()) >= 8
    for command in commands():
        if command.endswith("manualnst check"):  # tests/gradcheck/test_derivations.py runs that
            continue
        python, _, module, *arguments = shlex.split(command)
        assert (python, module) == ("python", "manualnst"), command
        if "sample:harbour" in arguments:  # minutes at the default size
            arguments += ["--size", "40", "--steps", "2"]
        elif arguments[0] == "run" and not {"--steps", "--repeat"} & {*arguments}:
            arguments += ["--steps", "5"]
        if "reconstruct" in arguments:
            arguments += ["--size", "32", "--steps", "2"]
        if "compare-optimizers" in arguments:
            arguments += ["--size", "32", "--evaluations", "3"]
        if "bench" in arguments:
            arguments += ["--sizes", "16", "--network", "builtin", "--repeats", "1", "--sides"]
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
    assert {"photo-painting.png", "larger.png", "loss.png", "again.png"} <= {
        path.name for path in desk.iterdir()
    }


def test_the_python_examples_run(desk, capsys):
    for example in blocks("python"):
        exec(example, {})
    assert (desk / "photo-384.png").exists()
    output = capsys.readouterr().out
    assert "100 steps" in output and "PASS" in output


def test_the_first_commands_are_those_that_are_promised():
    first, second = blocks("sh")[:2]
    assert first.strip().endswith("python -m manualnst run")
    assert second.strip().endswith("python -m pytest")


def equations():
    rows = re.findall(r"^\| ([A-Z]\d) \|(.*)\|$", README, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}


@pytest.mark.parametrize("name", equations())
def test_every_equation_is_derived_computed_and_tested(name):
    _, derivation, file, function, kernel, test = equations()[name]
    [chapter] = re.findall(r"\]\((.*)\)", derivation)
    for path in (chapter, file):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert f"[{name}]" in text, f"{path} does not derive [{name}]"
    defined = re.compile(rf"^(def|class) {function}\b|^{function} = ", re.MULTILINE)
    assert defined.search((ROOT / file).read_text(encoding="utf-8"))
    assert kernel == "–" or all(hasattr(get_backend(backend), kernel) for backend in NAMES)
    assert (ROOT / test).exists()


def test_every_operation_and_loss_and_kernel_has_a_row():
    rows = equations().values()
    functions, kernels = {row[3] for row in rows}, {row[4] for row in rows}
    pairs = {name for name in losses.__all__ if name.endswith(("_forward", "_backward"))}
    chained = {name for name in ops.__all__ if name.startswith("fused")}  # no equation of their own
    assert {*ops.__all__, *pairs} - chained <= functions
    oracle = get_backend("naive")
    names = {n for n, f in inspect.getmembers(oracle, inspect.isfunction) if not n.startswith("_")}
    assert names <= kernels


def test_every_derivative_of_the_table_is_checked():
    checked = {subject.identifier for subject in SUBJECTS}
    derivatives = {name for name, row in equations().items() if row[3].find("_backward") >= 0}
    assert derivatives | {"E7", "V1", "V2", "V3", "V4"} <= checked


def test_every_equation_of_the_code_is_in_the_table():
    package = (ROOT / "manualnst").rglob("*.py")
    named = {e for path in package for e in re.findall(r"\[([A-Z]\d)\]", path.read_text("utf-8"))}
    assert named == set(equations())


def test_the_changelog_knows_this_version():
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_pictures_of_the_readme_exist():
    pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", README)
    assert pictures
    assert all((ROOT / picture).exists() for picture in pictures)
