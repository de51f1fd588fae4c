"""Loss and gradients of the narrow network, and its optimiser, against PyTorch's."""

import numpy as np
import pytest
from proofs import assert_close
from test_layers import network_case, network_loss

from manualnst.optimizers.first_order import EPSILON
from weights.narrow import adam, network

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is only compared with")
NN = torch.nn.functional
EXACT = 1e-11  # of float64: sums in another order


def torch_loss(parameters, x, targets, energies):
    """The whole network and its loss, written with PyTorch's own layers."""
    x, loss = torch.tensor(x).permute(0, 3, 1, 2), 0.0
    for name in ("conv1_1", *targets):
        if network.starts_block(name):
            x = NN.avg_pool2d(x, 2)
        w = parameters[f"{name}.w"].permute(3, 2, 0, 1)
        x = torch.relu(NN.conv2d(x, w, parameters[f"{name}.b"], padding=1))
        if name in targets:
            t = torch.tensor(targets[name]).permute(0, 3, 1, 2)
            least = network.QUIET * energies[name] * t[0].numel()
            whole = (t**2).sum(dim=(1, 2, 3)).clamp(min=least)
            loss = loss + (((x - t) ** 2).sum(dim=(1, 2, 3)) / whole).mean()
    return loss


# The wider one is convolved by Winograd's algorithm.
@pytest.mark.parametrize("channels", [(4, 5, 6, 7, 3), (16, 17, 18, 19, 20)])
def test_loss_and_every_gradient(channels):
    parameters, x, *lesson = network_case(channels=channels)
    loss, passed = network_loss(parameters, x, *lesson)
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in parameters.items()}
    expected = torch_loss(leaves, x, *lesson)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for name, gradient in network.backward(parameters, *passed).items():
        assert_close(gradient, leaves[name].grad.numpy(), EXACT)


def test_adam():
    random = np.random.RandomState(0)
    ours = {"a.w": random.standard_normal((3, 4))}
    theirs = torch.tensor(ours["a.w"].copy(), requires_grad=True)
    optimiser = torch.optim.Adam([theirs], lr=0.01, betas=(adam.BETA1, adam.BETA2), eps=EPSILON)
    moments = adam.fresh_moments(ours)
    for number in range(1, 6):
        gradient = random.standard_normal((3, 4))
        adam.step(ours, {"a.w": gradient}, moments, number, {"a.w": 0.01})
        theirs.grad = torch.tensor(gradient)
        optimiser.step()
    assert_close(ours["a.w"], theirs.detach().numpy(), 1e-12)
