"""Where the command line starts."""

import signal
import sys


def main() -> int:
    try:
        from .system.blas import choose_kernels

        choose_kernels()  # before the command line loads NumPy

        from .cli import main as run
    except KeyboardInterrupt:  # while all that is being loaded
        print("manualnst: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return run()


if __name__ == "__main__":
    sys.exit(main())
