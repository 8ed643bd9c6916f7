import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from iqa_zoo.budgets import count_macs
from iqa_zoo.build import build_model
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import ConfigError, PartError
from iqa_zoo.heads.linear import LinearHead
from iqa_zoo.queries.bilinear import BilinearQuery
from iqa_zoo.testing.released import fill

SPEC = FeatureSpec({4: StageInfo(3, 32), 14: StageInfo(2, 32)}, 3, 3, 64)


def features(*sizes, batch=2, seed=0):
    torch.manual_seed(seed)
    sizes = sizes or ((4, 5), (4, 5))
    return Features({4: torch.randn(batch, 3, *sizes[0]), 14: torch.randn(batch, 2, *sizes[1])}, None, None)


def test_by_hand():
    query, given = BilinearQuery(dim=6, features=SPEC, stages=(4, 14)), features()
    assert not list(query.parameters())
    expected_6 = torch.zeros(6)
    for i in range(3):
        for j in range(2):
            mean = (given.maps[4][0, i] * given.maps[14][0, j]).mean()
            expected_6[2 * i + j] = mean.sign() * (mean.abs() + 1e-8).sqrt()
    answer_BND = query(given)
    assert answer_BND.shape == (2, 1, 6)
    torch.testing.assert_close(answer_BND[0, 0], expected_6 / expected_6.norm())
    torch.testing.assert_close(answer_BND.norm(dim=2), torch.ones(2, 1))


def test_it_knows_no_position_and_no_scale():
    query, given = BilinearQuery(dim=6, features=SPEC, stages=(4, 14)), features()
    flipped = {stage: 3 * value.flip(2, 3) for stage, value in given.maps.items()}
    torch.testing.assert_close(query(Features(flipped, None, None)), query(given))
    moved = {**given.maps, 14: given.maps[14].flip(2, 3)}  # what goes together matters
    assert (query(Features(moved, None, None)) - query(given)).abs().max() > 0.1


def test_one_stage_with_itself_is_symmetric():
    query_BCC = BilinearQuery(dim=9, features=SPEC)(features()).view(2, 3, 3)
    torch.testing.assert_close(query_BCC, query_BCC.mT)


def test_a_map_of_another_size_is_brought_to_the_first():
    given = features((8, 6), (4, 3))
    query = BilinearQuery(dim=6, features=SPEC, stages=(4, 14))
    larger = F.interpolate(given.maps[14], (8, 6), mode="bilinear", align_corners=True)
    torch.testing.assert_close(query(given), query(Features({**given.maps, 14: larger}, None, None)))


def test_empty_maps_have_a_finite_gradient():
    query = BilinearQuery(dim=8, features=SPEC, stages=(4, 14))
    maps = {stage: torch.zeros_like(value).requires_grad_() for stage, value in features().maps.items()}
    query(Features(maps, None, None)).sum().backward()
    assert all(value.grad.isfinite().all() for value in maps.values())


@pytest.mark.parametrize("dim", [6, 8])
def test_macs_by_hand_and_as_torch_counts(dim):
    query, given = BilinearQuery(dim=dim, features=SPEC, stages=(4, 14)), features(batch=1)

    class OnMaps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.query = query

        def forward(self, first, second):
            return self.query(Features({4: first, 14: second}, None, None))

    expected = 3 * 2 * 20 + (6 * dim if dim != 6 else 0)
    assert count_macs(OnMaps(), *given.maps.values()) == expected
    with FlopCounterMode(display=False) as counter:
        query(given)
    assert counter.get_total_flops() == 2 * expected


# DBCNN in the authors' code (DBCNN-PyTorch 16c3156): seeded weights under its names, the score of a seeded image.
SCORE = -0.029420919716358185
IMAGE = (1, 3, 256, 320)
VGG16 = (64, 64, None, 128, 128, None, 256, 256, 256, None, 512, 512, 512, None, 512, 512, 512)  # None: pooling
S_CNN = ((48, 1), (48, 2), (64, 1), (64, 2), (64, 1), (64, 2), (128, 1), (128, 1), (128, 2))  # channels, stride


def filled_networks(image_BCHW):
    """Both networks of DBCNN on plain tensors."""

    def conv(name, x, width, stride=1):
        weight = fill(f"{name}.weight", (width, x.shape[1], 3, 3))
        return F.conv2d(x, weight, fill(f"{name}.bias", (width,)), stride, padding=1)

    x, place = image_BCHW, 0
    for width in VGG16:
        if width is None:
            x, place = F.max_pool2d(x, 2), place + 1
        else:
            x, place = conv(f"features1.{place}", x, width).relu(), place + 2
    y = image_BCHW
    for i, (width, stride) in enumerate(S_CNN):
        y, at = conv(f"features2.{3 * i}", y, width, stride), f"features2.{3 * i + 1}"
        mean, var, scale, shift = (
            fill(f"{at}.{key}", (width,)) for key in ("running_mean", "running_var", "weight", "bias")
        )
        y = F.batch_norm(y, mean, var, scale, shift).relu()
    return x, y


@pytest.mark.slow
def test_score_of_the_authors_dbcnn():
    image_BCHW = torch.from_numpy(np.random.RandomState(0).standard_normal(IMAGE).astype(np.float32))
    spec = FeatureSpec({4: StageInfo(512, 16), 14: StageInfo(128, 16)}, 512, 512, 224)
    query, head = BilinearQuery(dim=65536, features=spec, stages=(4, 14)), LinearHead(dim=65536)
    head.fc.load_state_dict({"weight": fill("fc.weight", (1, 65536)), "bias": fill("fc.bias", (1,))})
    with torch.no_grad():
        vgg_BCHW, s_cnn_BCHW = filled_networks(image_BCHW)
        score_B = head(query(Features({4: vgg_BCHW, 14: s_cnn_BCHW}, None, None))).score_B
    assert abs(score_B.item() - SCORE) < 1e-5 * abs(SCORE)


@pytest.mark.parametrize("stages", [(), (4,), (4, 14, 4)])
def test_two_stages_are_needed(stages):
    with pytest.raises(PartError, match=rf"is {len(stages)} stages; give two"):
        BilinearQuery(dim=6, features=SPEC, stages=stages)


def test_in_a_model_of_two_backbones():
    network = {"type": "timm_features", "name": "test_resnet", "image_size": 64}
    cfg = {
        "dim": 48,
        "backbone": {"type": "multi_backbone", "branches": [network, network], "stages": (4, 14), "freeze": True},
        "queries": {"type": "bilinear", "stages": (4, 14)},
        "head": {"type": "linear"},
    }
    model = build_model(cfg).eval()
    assert model(torch.randn(2, 3, 64, 96)).isfinite().all()
    with pytest.raises(ConfigError, match=r"queries: needs stage 13, and backbone\.stages asks for 4, 14"):
        build_model({**cfg, "queries": {"type": "bilinear", "stages": (4, 13)}})
