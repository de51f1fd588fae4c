"""The terms of the loss at every evaluation, as columns that go into records and curves."""

from collections.abc import Callable

from ..objective.objective import Evaluation


class History:
    """{"total": […], "content relu4_2": […], …}, unscaled; terms are weighted by their weight."""

    def __init__(self, columns: dict[str, list[float]] | None = None):
        self.columns = {name: list(values) for name, values in (columns or {}).items()}

    def append(self, evaluation: Evaluation) -> None:
        row = {"total": evaluation.unscaled_loss}
        row |= {name: term.weighted for name, term in evaluation.terms.items()}
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)

    def first(self, count: int) -> dict[str, list[float]]:
        """The columns, cut to so many evaluations: without those of a step cut off half-way."""
        return {name: values[:count] for name, values in self.columns.items()}

    def recording(self, evaluate: Callable) -> Callable:
        """`evaluate`, with every result appended here."""

        def evaluate_and_append(x):
            evaluation = evaluate(x)
            self.append(evaluation)
            return evaluation

        return evaluate_and_append
