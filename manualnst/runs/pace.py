"""How long what is left will take, by what was seen to be done."""

_STEPS = 3  # of a size that tell its pace


class Pace:
    """Seconds by work: of the size at hand after its first steps, until then of the one before."""

    def __init__(self, left: float, rate: float | None = None):
        """`left` is the work to be done; `rate`, in seconds by work, may be foretold."""
        self._rate = rate
        self._began = (0.0, left)  # seconds and the work that was left then

    def begin(self, seconds: float, left: float) -> None:
        """Another size."""
        self._began = (seconds, left)

    def left(self, seconds: float, left: float, steps: int) -> float:
        """In seconds: `steps` are done at this size, and so much work is left."""
        began, left_then = self._began
        if self._rate is None or steps >= _STEPS:
            self._rate = (seconds - began) / (left_then - left)
        return self._rate * left
