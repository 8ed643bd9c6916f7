import torch

from iqa_zoo.layers.activations import activation_layer


def test_by_hand():
    x = torch.tensor([-1.0, 0.0, 2.0])
    assert activation_layer("relu")(x).tolist() == [0, 0, 2]
    assert torch.allclose(activation_layer("gelu")(x), torch.tensor([-0.158655, 0.0, 1.954500]), atol=1e-5)


def test_a_fresh_one_each_time():
    assert activation_layer("relu") is not activation_layer("relu")
