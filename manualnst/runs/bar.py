"""A run in a notebook or a script that shows how far it is: by tqdm's bar where that is installed,
else by a line at every tenth of the way.
"""

import sys
from typing import Any

from .progress import Callback, Progress
from .result import Result
from .run import Run


def in_notebook() -> bool:
    """Where nobody sees what a terminal would."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def finish(run: Run, callback: Callback | None, progress: bool | None, **options: Any) -> Result:
    """`run.finish`; seen if `progress` is True, or in a notebook if it is None."""
    if not (in_notebook() if progress is None else progress):
        return run.finish(callback, **options)
    run.start()
    bar = _bar(run.settings.steps, run.done)
    for notice in run.notices:
        bar.write(str(notice))

    def show(step: Progress) -> Any:
        bar.update(step)
        return callback(step) if callback is not None else None

    try:
        result = run.finish(show, **options)
    finally:
        bar.close()
    for warning in run.warnings:
        bar.write(warning)
    return result


def _bar(steps: int, done: int) -> "_Lines | _Tqdm":
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Lines()
    return _Tqdm(tqdm(total=steps, initial=done, unit="step"))


def _words(step: Progress) -> str:
    return "loss {:.4g}, {} × {}".format(step.loss, *step.size)


class _Lines:
    def __init__(self):
        self._tenths = 0

    def write(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def update(self, step: Progress) -> None:
        if int(10 * step.share) > self._tenths:
            self._tenths = int(10 * step.share)
            self.write(f"step {step.step}: {_words(step)}, {step.seconds_left:.0f} s left")

    def close(self) -> None:
        pass


class _Tqdm:
    def __init__(self, bar: Any):
        self._bar = bar

    def write(self, text: str) -> None:
        self._bar.write(text, file=sys.stderr)

    def update(self, step: Progress) -> None:
        self._bar.set_postfix_str(_words(step), refresh=False)
        self._bar.update(step.step - self._bar.n)

    def close(self) -> None:
        self._bar.close()
