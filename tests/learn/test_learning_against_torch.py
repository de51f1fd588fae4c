"""Loss and gradient of the network that learns, and its optimiser, against PyTorch's."""

import numpy as np
import pytest
from proofs import assert_close
from test_layers import LAMBDA, SHAPE, network_case

from weights.learn import adam, network
from weights.learn.layers import EPSILON

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is only compared with")
NN = torch.nn.functional
EXACT = 1e-10  # of float64; ε and sums in another order


def torch_loss(parameters, x, labels):
    """The whole network, written with PyTorch's own layers: x (n, H, W, 3)."""
    x, labels = torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(labels)
    loss = 0.0
    for name in SHAPE.convolutions:
        if network.starts_block(name):
            x = NN.avg_pool2d(x, 2)
        z = NN.conv2d(x, parameters[f"{name}.w"].permute(3, 2, 0, 1).contiguous(), padding=1)
        gamma, beta = parameters[f"{name}.gamma"], parameters[f"{name}.beta"]
        normed = NN.batch_norm(z, None, None, None, None, training=True, eps=EPSILON)
        flat = normed.permute(1, 0, 2, 3).flatten(1)  # (C, M)
        R = flat @ flat.T / flat.shape[1]
        loss = loss + LAMBDA / len(R) * ((R - torch.diag(torch.diag(R))) ** 2).sum()
        x = torch.relu(normed * gamma[:, None, None] + beta[:, None, None])
        if name in SHAPE.heads:
            variance = x.var(dim=(2, 3), unbiased=False)
            f = torch.cat([x.mean(dim=(2, 3)), torch.sqrt(variance + EPSILON)], dim=1)
            scores = f @ parameters[f"{name}.head.w"] + parameters[f"{name}.head.b"]
            loss = loss + NN.cross_entropy(scores, labels)
    return loss


def test_loss_and_every_gradient():
    parameters, x, labels = network_case()
    outcome = network.forward(SHAPE, parameters, x, labels, LAMBDA)
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in parameters.items()}
    loss = torch_loss(leaves, x, labels)
    loss.backward()
    assert outcome.loss == pytest.approx(loss.item(), rel=1e-12)
    for name, gradient in network.backward(SHAPE, parameters, outcome).items():
        assert_close(gradient, leaves[name].grad.numpy(), EXACT)


def test_adam():
    random = np.random.RandomState(0)
    ours = {"a.w": random.standard_normal((3, 4))}
    theirs = torch.tensor(ours["a.w"].copy(), requires_grad=True)
    optimiser = torch.optim.AdamW(
        [theirs], lr=0.01, betas=(adam.BETA1, adam.BETA2), eps=adam.EPSILON, weight_decay=0.1
    )
    moments = adam.fresh_moments(ours)
    for number in range(1, 6):
        gradient = random.standard_normal((3, 4))
        adam.step(ours, {"a.w": gradient}, moments, number, {"a.w": 0.01}, 0.01 * 0.1)
        theirs.grad = torch.tensor(gradient)
        optimiser.step()
    assert_close(ours["a.w"], theirs.detach().numpy(), 1e-12)
