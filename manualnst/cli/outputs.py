"""The files that a run may write, and the promise that none of them replaces another silently."""

import glob
import itertools
import os
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..pictures.samples import CONTENT, STYLES
from ..pictures.saving import check_output_suffix
from ..runs.inputs import SAMPLE_PREFIX
from ..runs.result import Result
from ..system.files import check_file, check_writable_folder

CHECKPOINT_SUFFIX = ".checkpoint"


@dataclass(frozen=True)
class Outputs:
    picture: Path
    checkpoint: Path
    curve: Path | None = None
    resumed: bool = False

    @property
    def record(self) -> Path:
        return self.picture.with_suffix(".json")

    @property
    def pictures(self) -> list[Path]:
        return [path for path in (self.picture, self.partial, self.curve) if path]

    @property
    def partial(self) -> Path:
        """The best picture of an interrupted run."""
        return self.picture.with_stem(self.picture.stem + ".partial")

    def at_step(self, step: int) -> Path:
        return self.picture.with_stem(f"{self.picture.stem}.step-{step:05d}")

    def check(self) -> None:
        """Refuse, before any work is done, what could not be written at its end."""
        for picture in filter(None, (self.picture, self.curve)):
            check_output_suffix(picture)
            check_writable_folder(picture)
        if self.curve and self.curve.resolve() in (self.picture.resolve(), self.partial.resolve()):
            raise InputError(f"--curve {self.curve} is the run's own picture; give another name")

    @property
    def continues(self) -> bool:
        """Is it a run that was resumed under its own name?"""
        return self.resumed and self.checkpoint == _checkpoint_of(self.picture)

    def refuse_existing(self, ended: bool = False) -> None:
        """Without --overwrite. Only a run resumed under its own name may find its traces; one that
        had `ended`, even its result (`free` looks whether it is that)."""
        results = [self.curve] if ended and self.continues else self._results()
        if not self.continues:
            unfinished = _checkpoint_of(self.picture)
            if os.path.exists(unfinished):
                raise InputError(
                    f"{unfinished} is of an unfinished run; go on with --resume={unfinished}, "
                    "or give --overwrite to begin anew"
                )
            stem = glob.escape(self.picture.stem)
            results += [self.partial, *self.picture.parent.glob(f"{stem}.step-*")]
        for path in results:
            if path is not None and os.path.exists(path):
                raise InputError(f"{path} exists; give another name, or --overwrite to replace it")

    def _results(self) -> list[Path | None]:
        return [self.picture, self.record, self.curve]

    def free(self, result: Result) -> "Outputs":
        """These, with the picture's name numbered if by now it is taken, by another picture than
        this, which a run that was killed at its end has left."""
        if self.continues and result.is_in(self.picture):
            return self
        return replace(self, picture=_first_free(self.picture, own=self.checkpoint))

    def elsewhere(self) -> "Outputs":
        """In a new folder of the system's, for when there is no writing where they should go."""
        folder = Path(tempfile.mkdtemp(prefix="manualnst-"))
        return replace(self, picture=folder / self.picture.name, curve=None)


def new_outputs(output: str | None, content: str | None, styles: list[str], curve) -> Outputs:
    """The outputs of a new run: without a name, CONTENT-STYLE.png, numbered if that exists; a name
    without a suffix gets .png."""
    if output and not Path(output).suffix and Path(output).name:
        output += ".png"
    picture = Path(output) if output else _first_free(Path(default_stem(content, styles) + ".png"))
    return Outputs(picture, _checkpoint_of(picture), Path(curve) if curve else None)


def default_stem(content: str | None, styles: list[str]) -> str:
    """CONTENT-STYLE: what is named after its pictures."""
    return "-".join(map(stem, [content or CONTENT, *(styles or STYLES[:1])]))


def resumed_outputs(checkpoint: str, output: str | None, curve) -> Outputs:
    """The outputs of a resumed run: unless named, the picture is what the checkpoint is named
    after."""
    check_file(checkpoint)
    if not zipfile.is_zipfile(checkpoint):
        beside = f"{checkpoint}{CHECKPOINT_SUFFIX}"
        hint = f"; its is {beside}" if os.path.exists(beside) else ""
        raise InputError(f"--resume {checkpoint}: it is not a checkpoint{hint}")
    if not output and not checkpoint.endswith(CHECKPOINT_SUFFIX):
        raise InputError("give -o: the name of the checkpoint does not tell that of the picture")
    picture = Path(output or checkpoint.removesuffix(CHECKPOINT_SUFFIX))
    return Outputs(picture, Path(checkpoint), Path(curve) if curve else None, resumed=True)


def refuse_existing(path: str, overwrite: bool) -> None:
    """The suffix of a file that is named for a single output."""
    check_writable_folder(path)
    if Path(path).exists() and not overwrite:
        raise InputError(f"{path} exists; give another name, or --overwrite to replace it")


def _checkpoint_of(picture: Path) -> Path:
    if not picture.name:
        raise InputError(f"cannot write {picture}: it is a folder; give a file name")
    return picture.with_name(picture.name + CHECKPOINT_SUFFIX)


def stem(name: str) -> str:
    """The stem of a picture that was given by path or as a sample."""
    return Path(name.removeprefix(SAMPLE_PREFIX)).stem


def _first_free(picture: Path, own: Path | None = None) -> Path:
    """`picture`, numbered if there is a file of that name that is not the run's `own`."""
    numbered = (picture.with_stem(f"{picture.stem}-{n}") for n in itertools.count(2))
    return next(path for path in itertools.chain([picture], numbered) if _is_free(path, own))


def _is_free(picture: Path, own: Path | None) -> bool:
    taken = (picture, picture.with_suffix(".json"), _checkpoint_of(picture))
    return not any(os.path.exists(path) for path in taken if path != own)
