"""A whole process: `python -m manualnst_bench.run_ours FOLDER EVALUATIONS`, of a folder by `runs`.

Leaves the best picture there, and prints how many evaluations it took.
"""

import json
import sys
from pathlib import Path

import numpy as np

import manualnst


def main(folder: Path, evaluations: int) -> None:
    settings = json.loads((folder / "problem.json").read_text())["settings"]
    result = manualnst.stylize(
        folder / "content.png",
        folder / "style.png",
        callback=lambda p: manualnst.STOP if p.evaluations >= evaluations else None,
        steps=evaluations,
        scales=1,
        margin=0,  # the other side has none
        **settings,
    )
    np.save(folder / "manualnst.npy", result.image)
    print(result.record["evaluations"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
