"""python -m manualnst.pictures.samples [FOLDER]: draw the sample pictures anew into a folder."""

import sys
from pathlib import Path

from ...errors import InputError
from .draw import DRAWINGS, save


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print("usage: python -m manualnst.pictures.samples [FOLDER]", file=sys.stderr)
        return 2
    folder = Path(arguments[0] if arguments else ".")
    try:
        for name in DRAWINGS:
            print(save(name, folder))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
