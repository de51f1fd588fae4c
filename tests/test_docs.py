"""The pages: their commands run, their links and the table of equations point at what is there."""

import hashlib
import inspect
import re
import runpy
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
from manualnst.pictures.saving import save_picture
from manualnst.weights import catalogue

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
README = PAGES["README.md"]
CONTRIBUTING = PAGES["docs/CONTRIBUTING.md"]
TABLE = (ROOT / "manualnst" / "derivations" / "README.md").read_text(encoding="utf-8")

# These need an environment to install into: .ci/run makes it.
IN_A_FRESH_ENVIRONMENT = ("python -m pip",)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", PAGES[page], re.DOTALL)


def commands(page):
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if not line.startswith(IN_A_FRESH_ENVIRONMENT)]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a photo, a painting and the package's own weights where the pages have them."""
    rng = np.random.default_rng(0)
    for name, shape in (("photo.jpg", (33, 40, 3)), ("painting.jpg", (30, 36, 3))):
        save_picture(tmp_path / name, rng.random(shape).astype(np.float32))
    for folder in ("manualnst", "docs"):
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


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_every_command_runs(page, desk, mirror, capsys):
    for command in PAINTED_BEFORE.get(page, []) + commands(page):
        if command.endswith("manualnst check"):  # tests/gradcheck/test_derivations.py runs that
            continue
        python, _, module, *arguments = shlex.split(command)
        assert (python, module) == ("python", "manualnst"), command
        assert main(arguments + shorter(arguments)) == 0, f"{command}: {capsys.readouterr().err}"
    assert WRITTEN.get(page, set()) <= {path.name for path in desk.iterdir()}


PAINTED_BEFORE = {"docs/many.md": ["python -m manualnst weights get vgg19"]}
WRITTEN = {
    "README.md": {"photo-painting.png", "larger.png", "way.webp", "harbour-waves.png"},
    "docs/using.md": {"loss.png", "again.png"},
}


def shorter(arguments):
    """The options that make of minutes seconds."""
    command, *_ = arguments
    if command == "bench":
        return ["--sizes", "16", "--network", "builtin", "--repeats", "1", "--sides"]
    if command == "compare-optimizers":
        return ["--size", "32", "--evaluations", "3"]
    if command == "reconstruct":
        return ["--size", "32", "--steps", "2"]
    if "sample:harbour" in arguments:
        return ["--size", "40", "--steps", "2"]
    if command == "run" and not {"--steps", "--repeat"} & {*arguments}:
        return ["--steps", "5"]
    return []


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_python_examples_run(page, desk, capsys):
    for example in blocks(page, "python"):
        exec(example, {})
    output = capsys.readouterr().out
    if page == "README.md":
        assert (desk / "photo-384.png").exists() and "100 steps" in output
    if page == "docs/checking.md":
        assert "PASS" in output


def test_the_first_commands_are_those_that_are_promised():
    first, second = blocks("README.md", "sh")[:2]
    assert first.strip().endswith("python -m manualnst run")
    assert second.strip().endswith("python -m pytest")


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_links_and_files_that_are_named_exist(page):
    folder = (ROOT / page).parent
    links = re.findall(r"\]\(([^)#]+)\)", PAGES[page])
    assert all((folder / link).exists() for link in links), links
    files = re.findall(r"`((?:docs|manualnst|tests|bench|weights)/[\w/.-]*)", PAGES[page])
    assert all((ROOT / file).exists() for file in files), files
    assert page == "README.md" or Path(page).name in README, "the README leads to every page"


def test_the_table_of_options_is_that_of_the_settings():
    made = runpy.run_path(str(ROOT / "docs" / "options.py"))["page"]()
    assert PAGES["docs/options.md"] == made, "run: python docs/options.py > docs/options.md"


# How to add something: the example of each kind, and what of the package knows of it.
EXAMPLES = {
    "A loss": r"shifted_style|'shifted'|\"shifted\":",
    "An option": r"tv_smoothing",
    "A command": r"compare_optimizers|\bcompare\.add_parser|compare-optimizers|studies\.comparison",
    "An operation": r"maxpool_(forward|backward)",
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_lists_of_what_a_change_touches_are_whole(kind):
    [section] = re.findall(rf"^## {kind}\n(.*?)(?=^## |\Z)", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    listed = {ROOT / path for path in re.findall(r"`((?:manualnst|tests|docs)/[\w/.-]+)`", section)}
    folders = tuple(f"{path}/" for path in listed if path.is_dir())
    sources = [path for path in (ROOT / "manualnst").rglob("*.*") if path.suffix in (".py", ".cu")]
    knowing = {path for path in sources if re.search(EXAMPLES[kind], path.read_text("utf-8"))}
    untold = {path for path in knowing - listed if not str(path).startswith(folders)}
    assert knowing and not untold, [str(path.relative_to(ROOT)) for path in untold]


def equations():
    rows = re.findall(r"^\| ([A-Z]\d) \|(.*)\|$", TABLE, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}


@pytest.mark.parametrize("name", equations())
def test_every_equation_is_derived_computed_and_tested(name):
    _, derivation, file, function, kernel, test = equations()[name]
    [chapter] = re.findall(r"\]\((.*)\)", derivation)
    for path in (f"manualnst/derivations/{chapter}", file):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert f"[{name}]" in text, f"{path} does not derive [{name}]"
    defined = re.compile(rf"^(def|class) {function}\b|^{function} = ", re.MULTILINE)
    assert defined.search((ROOT / file).read_text(encoding="utf-8"))
    assert kernel == "–" or all(hasattr(get_backend(backend), kernel) for backend in NAMES)
    assert (ROOT / test).exists()


def test_every_operation_and_loss_and_kernel_has_a_row():
    rows = equations().values()
    functions, kernels = {row[3] for row in rows}, {row[4] for row in rows}
    pairs = {name for name in vars(losses) if name.endswith(("_forward", "_backward"))}
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
