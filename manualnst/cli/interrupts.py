"""Ctrl-C, SIGTERM and a closed terminal, all as one KeyboardInterrupt."""

import signal


class Interrupts:
    """While entered, the first signal raises KeyboardInterrupt; later ones are ignored.

    A second Ctrl-C would otherwise hit the saving that the first one asked for. A signal that is
    ignored already, as SIGHUP is under nohup, stays so.
    """

    def __init__(self):
        self._received: int | None = None
        self._holding = False
        self._before = {}

    def __enter__(self) -> "Interrupts":
        names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
        for signum in [getattr(signal, name) for name in names if hasattr(signal, name)]:
            before = signal.getsignal(signum)
            if before not in (signal.SIG_IGN, None):
                self._before[signum] = before
                signal.signal(signum, self._handle)
        return self

    def __exit__(self, *exception) -> None:
        for signum, before in self._before.items():
            # Once interrupted the process is about to end, and may do so in peace.
            signal.signal(signum, signal.SIG_IGN if self._received else before)

    def hold(self) -> None:
        """From now on ignore them all: results are being written."""
        self._holding = True

    @property
    def exit_code(self) -> int:
        """What shells expect of a process that a signal has ended."""
        return 128 + (self._received or signal.SIGINT)

    def _handle(self, signum, frame) -> None:
        if self._received is None and not self._holding:
            self._received = signum
            raise KeyboardInterrupt
