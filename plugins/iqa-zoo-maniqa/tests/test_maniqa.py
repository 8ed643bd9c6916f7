"""MANIQA: origin, gradients, and its parts by hand; the released function is tested in test_second_implementation.py."""

import pytest
import torch
from iqa_zoo_maniqa.models import maniqa
from iqa_zoo_maniqa.scale_swin import ScaleSwin
from iqa_zoo_maniqa.transposed_attention import TransposedAttention
from iqa_zoo_maniqa.windows import Windows

import iqa_zoo
from iqa_zoo.errors import PartError


@pytest.mark.parametrize(("slot", "name"), [("models", "maniqa"), ("interactions", "scale_swin")])
def test_is_listed_with_its_origin(slot, name):
    assert {p.name: p.origin for p in iqa_zoo.list_components(slot)}[name] == "iqa-zoo-maniqa 0.1.0"


def test_every_trainable_parameter_gets_a_gradient_and_batch_does_not_matter():
    torch.manual_seed(0)
    model = iqa_zoo.build_model("maniqa", overrides=maniqa.examples[0])
    size = model.backbone.spec.image_size
    image_BCHW = torch.randn(3, 3, size, size)
    torch.nn.init.constant_(model.head.score[3].bias, 1.0)  # away from the ReLU's zero
    model.loss(image_BCHW, torch.tensor([1.0, 2.0, 3.0]))["total"].backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(image_BCHW)[:1], model(image_BCHW[:1]))


def test_the_layout_of_the_released_code_mixes_channels():
    torch.manual_seed(0)
    block = TransposedAttention(num_queries=4).eval()
    queries_BND = torch.randn(2, 4, 6)
    channels = queries_BND.mT
    weights = (block.query(channels) @ block.key(channels).mT / 2).softmax(-1)
    mixed = weights @ block.value(channels)
    torch.testing.assert_close(block(queries_BND), queries_BND + mixed.mT)
    block.layout = "released"
    torch.testing.assert_close(block(queries_BND), queries_BND + mixed.mT.reshape(2, 6, 4).mT)


@pytest.mark.parametrize(
    "windows", [Windows(8, 8, 4, 2), Windows(8, 8, 4, 0), Windows(5, 7, 4, 2), Windows(1, 1, 4, 0)]
)
def test_windows_come_back_and_cells_that_a_shift_brought_together_are_apart(windows):
    cells = torch.arange(float(windows.rows * windows.columns)).reshape(1, -1, 1) + 1
    parts = windows.split(cells)
    torch.testing.assert_close(windows.join(parts), cells)
    apart = windows.apart()
    for w, part in enumerate(parts[..., 0].long().tolist()):
        for i, a in enumerate(part):
            for j, b in enumerate(part):
                if a and b:
                    (y, x), (v, u) = (divmod(cell - 1, windows.columns) for cell in (a, b))
                    far = max(abs(y - v), abs(x - u)) >= windows.size
                    assert (apart is not None and apart[w, i, j].item()) == far
                elif a or b:
                    assert apart[w, i, j]


def test_heads_that_do_not_divide():
    with pytest.raises(PartError, match="num_heads=4 does not divide dim=6; the nearest that does is 3"):
        ScaleSwin(dim=6, num_queries=4)
