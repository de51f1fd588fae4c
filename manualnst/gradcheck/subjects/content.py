"""[E2], and the ways to get it wrong."""

import numpy as np

from ... import losses
from .subject import Mistake, Problem, Subject, numbers


def _draw(rng, shape) -> Problem:
    H, W, N, _ = shape
    return Problem(
        {"F": numbers(rng, H, W, N), "P": numbers(rng, H, W, N)}, {"N": N, "H": H, "W": W}
    )


def _forward(problem: Problem, F, normalisation, backend):
    P = problem.arguments["P"].astype(F.dtype)
    return losses.content_forward(F, P, normalisation, backend=backend)


def _subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    def own(problem, backend):
        _, cache = _forward(problem, problem.arguments["F"], normalisation, backend)
        return losses.content_backward(1.0, cache, backend=backend)

    return Subject(
        name="content_backward",
        identifier=identifier,
        formula=formula,
        gives="dL_dF",
        describe="L = ½ Σ (F − P)². F and P (H, W, N) → dL_dF (H, W, N)",
        draw=_draw,
        variable=lambda problem: problem.arguments["F"],
        loss=lambda problem, F, backend: _forward(problem, F, normalisation, backend)[0],
        own=own,
        right=lambda F, P: F - P,
        summands=lambda problem: problem.arguments["F"].size if normalisation != "paper" else 1,
        **known,
    )


_MISTAKES = (
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0. That condition of the paper's [E2] is the derivative of the ReLU "
        "that made F, and is applied there ([R2]), not in the loss",
        lambda F, P: (F - P) * (F > 0),
    ),
    Mistake(
        "zero where F ≥ 0",
        "it is zero where F > 0: a known misprint of [E2]; even with the ReLU's condition it "
        "would be zero where F < 0",
        lambda F, P: (F - P) * (F < 0),
    ),
    Mistake(
        "masked where P > 0",
        "it is zero where P < 0: the target masks nothing",
        lambda F, P: (F - P) * (P > 0),
    ),
    Mistake(
        "masked where F > P",
        "it is zero where F < P: a difference of either sign counts",
        lambda F, P: np.maximum(F - P, 0),
    ),
    Mistake(
        "square not differentiated",
        "it is (F − P)²: the loss's summand; its derivative is F − P",
        lambda F, P: (F - P) ** 2,
    ),
    Mistake(
        "absolute difference",
        "it is |F − P|: the sign is lost",
        lambda F, P: np.abs(F - P),
    ),
    Mistake(
        "sign only",
        "it is the sign of F − P: the derivative of Σ |F − P|, not of ½ Σ (F − P)²",
        lambda F, P: np.sign(F - P),
    ),
    Mistake(
        "divided by the norm",
        "it is (F − P)/‖F − P‖: the derivative of the norm, not of half its square",
        lambda F, P: (F - P) / np.linalg.norm(F - P),
    ),
    Mistake(
        "relative to the target's energy",
        "it is (F − P)/ΣP²: another normalisation ([V3] without its 2) than [E1]",
        lambda F, P: (F - P) / np.sum(P**2),
    ),
    Mistake(
        "ReLU applied to both",
        "it is max(F, 0) − max(P, 0): F and P are the maps themselves, no ReLU follows",
        lambda F, P: np.maximum(F, 0) - np.maximum(P, 0),
    ),
    Mistake(
        "averaged over the channels",
        "every channel has the same values, the mean over the channels: sum nothing here",
        lambda F, P: np.broadcast_to(np.mean(F - P, axis=2, keepdims=True), F.shape).copy(),
    ),
    Mistake(
        "whole numbers",
        "the gradient is cut down to whole numbers (an array of integers?)",
        lambda F, P: np.trunc(F - P),
    ),
    Mistake(
        "mean of the target",
        "every position is compared with the target's mean, not with its own",
        lambda F, P: F - P.mean(axis=(0, 1)),
    ),
    Mistake(
        "positions reversed",
        "the picture is upside down or mirrored in one of F and P",
        lambda F, P: F - P[::-1, ::-1],
    ),
)

_HINTS = {
    "2": "the ½ of [E1] was dropped, or the 2 of the square was not cancelled by it",
    "1/2": "the square's derivative brings a 2 that cancels the ½ of [E1]",
    "-1": "it is F − P, not P − F",
    "1/(M·N)": "[E1] is a sum over all entries, not their mean",
    "2/(M·N)": "that is the gradient of the mean squared error; [E1] is half the sum",
}

CONTENT = _subject(
    "paper",
    "E2",
    "dL_dF = F − P",
    parts=lambda F, P: {"F": F, "−P": -P},
    mistakes=_MISTAKES,
    hints=_HINTS,
)
NORMALISED_CONTENT = (
    _subject("sum", "V1", "dL_dF = 2 (F − P)"),
    _subject("mean", "V2", "dL_dF = 2 (F − P)/(NM)"),
    _subject("mse", "V4", "dL_dF = 2 (F − P)/(NM)"),
    _subject("relative", "V3", "dL_dF = 2 (F − P)/ΣP²"),
)
