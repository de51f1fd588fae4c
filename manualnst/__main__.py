"""Where the command line starts."""

import sys

from .blas import choose_kernels


def main() -> int:
    choose_kernels()  # before the command line loads NumPy

    from .cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
