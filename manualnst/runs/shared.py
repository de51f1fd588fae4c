"""What the runs of one process have in common, made once: pictures, weights, network, targets."""

from typing import Any, NamedTuple

from ..backends import get_backend
from ..network.network import Network
from ..network.vgg import Weights
from ..system.memo import Memo
from ..weights import find_weights

_KEPT_BYTES = 256 << 20  # of pictures, and as much of targets


class _Made(NamedTuple):
    weights: Weights
    backend: tuple[str, str | None]  # and its precision
    options: dict[str, Any]
    network: Network


class Shared:
    """Weights and a network are large: of each only the last is kept, so that runs which have the
    same should follow each other."""

    def __init__(self):
        self.pictures = Memo(_KEPT_BYTES)  # opened, at the size at which they are used
        self.targets = Memo(_KEPT_BYTES)  # measured by the network at hand
        self._name: str | None = None
        self._weights: Weights | None = None
        self._facts: dict[str, Any] = {}
        self._made: _Made | None = None

    def weights(self, name: str) -> Weights:
        """By name or path."""
        if self._name != name:
            self._name = self._weights = self._made = None  # before there are two
            self._weights = find_weights(name)
            self._facts = _facts_of(self._weights)
            self._name = name
        return self._weights

    def facts_of(self, weights: Weights) -> dict[str, Any]:
        """For record and checkpoint."""
        return self._facts if weights is self._weights else _facts_of(weights)

    def network(
        self, weights: Weights, name: str, precision: str | None = None, **options: Any
    ) -> Network:
        """On the backend of this name."""
        made, backend = self._made, (name, precision)
        if made is None or made.weights is not weights or made[1:3] != (backend, options):
            self._made = made = None
            self.targets = Memo(_KEPT_BYTES)
            network = Network(weights, backend=get_backend(*backend), **options)
            self._made = _Made(weights, backend, options, network)
        return self._made.network


def _facts_of(weights: Weights) -> dict[str, Any]:
    return {
        "architecture": weights.architecture,
        "fingerprint": weights.fingerprint(),
        "provenance": weights.provenance,
    }
