"""The structure that docs/architecture.md draws, held against the imports."""

import ast
import re
from pathlib import Path

import pytest

import manualnst

PACKAGE = Path(manualnst.__file__).parent
ROOT = PACKAGE.parent

# From what asks to what is asked; a part may import only from parts below its own line. The
# figure there shows the same names.
LAYERS = [
    ["__main__"],
    ["cli"],
    ["__init__"],
    ["web"],
    ["studies"],
    ["gradcheck"],
    ["api"],
    ["runs"],
    ["optimizers"],
    ["objective"],
    ["losses"],
    ["weights"],
    ["network"],
    ["ops"],
    ["backends"],
    ["pictures"],
    ["system"],
    ["errors", "version"],
]
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
LIBRARIES = {
    "PIL": {"pictures"},
    "h5py": {"weights"},
    "scipy": {"backends", "optimizers", "weights", "pictures"},
    "urllib": {"weights", "web"},
    "manualnst_bench": {"cli"},
    "starlette": {"web"},
    "uvicorn": {"cli"},
}
FRAMEWORKS = {"torch", "torchvision", "jax", "tensorflow", "keras", "autograd"}


def part_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path):
    """(own parts, foreign libraries) that a module imports."""
    own, foreign = set(), set()
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            foreign.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            target = [step for step in base if step]
            own |= {target[0]} if target else {alias.name for alias in node.names}
    return own, foreign


def test_every_part_has_its_place():
    assert {part_of(path) for path in modules()} == set(RANK)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    part = part_of(path)
    own, foreign = imports_of(path)
    own = {name if name in RANK else "__init__" for name in own} - {part}
    backwards = {name for name in own if RANK[name] <= RANK[part]}
    assert not backwards, f"{part} must not import {backwards}"
    assert not foreign & FRAMEWORKS
    for library, allowed in LIBRARIES.items():
        assert library not in foreign or part in allowed, f"{part} must not import {library}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_command_lines_print(path):
    allowed = part_of(path) == "cli" or path.name == "__main__.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prints = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "print"]
    assert allowed or not prints


def test_the_figure_names_every_part():
    figure = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
    names = set(re.findall(r"[a-z_]+", figure))
    assert set(RANK) - {"__init__", "__main__", "errors", "version"} <= names
    rooms = {path.parent for path in modules()} - {PACKAGE}
    told = ("runs", "objective", "network", "pictures", "system")
    inside = {path.stem for path in modules() if path.parent.name in told}
    assert {room.name for room in rooms if room.parent == PACKAGE} - {"derivations"} <= names
    assert inside - {"__init__"} <= names


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules_imported_by(path: Path) -> set[str]:
    """Of the package, when it is loaded: not what a function or a type checker asks for later."""
    known, package = {module_name(each) for each in modules()}, path.parent.relative_to(ROOT).parts
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *filter(None, [node.module])]
            names = {".".join([*base, alias.name]) for alias in node.names} & known
            found |= names or {".".join(base)}
    return found


def test_no_module_imports_itself_by_others():
    graph = {module_name(path): modules_imported_by(path) for path in modules()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


LONGEST_FILE, LONGEST_FUNCTION = 400, 60
IN_ONE_PIECE = {"child.py"}  # it runs alone, where no other file of the package is at hand


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE or path.name in IN_ONE_PIECE
    functions = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef))
    too_long = {f.name for f in functions if f.end_lineno - f.lineno >= LONGEST_FUNCTION}
    assert not too_long
