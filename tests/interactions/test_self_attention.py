import torch
from torch import nn

from iqa_zoo.interactions.cross_attention import CrossAttention
from iqa_zoo.interactions.feed_forward import FeedForward
from iqa_zoo.interactions.self_attention import SelfAttention


def test_three_blocks_are_one_decoder_layer_of_torch():
    torch.manual_seed(0)
    layer = nn.TransformerDecoderLayer(384, 6, 1536, 0.0, "gelu", batch_first=True, norm_first=True)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.05)
    blocks = [SelfAttention(dim=384), CrossAttention(dim=384), FeedForward(dim=384)]
    blocks[0].load_state_dict(prefixed(layer, {"self_attn": "attn", "norm1": "norm"}))
    blocks[1].load_state_dict(prefixed(layer, {"multihead_attn": "attn", "norm2": "norm"}))
    blocks[2].load_state_dict(prefixed(layer, {"linear1": "fc1", "linear2": "fc2", "norm3": "norm"}))
    assert (
        sum(p.numel() for b in blocks for p in b.parameters())
        == sum(p.numel() for p in layer.parameters())
        == 2_366_592
    )
    queries_BND, memory_BLD = torch.randn(3, 6, 384), torch.randn(3, 49, 384)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            answer_BND = queries_BND
            for block in blocks:
                answer_BND = block.train(grad)(answer_BND, memory_BLD)
            assert torch.allclose(answer_BND, layer.train(grad)(queries_BND, memory_BLD), atol=1e-5)


def prefixed(layer, names):
    state = layer.state_dict()
    return {
        f"{ours}.{key.removeprefix(theirs + '.')}": value
        for theirs, ours in names.items()
        for key, value in state.items()
        if key.startswith(theirs + ".")
    }


def test_one_query_attends_to_itself():
    block = SelfAttention(dim=12, num_heads=3)
    queries_B1D = torch.randn(2, 1, 12)
    normed = nn.functional.layer_norm(queries_B1D, (12,))
    value = normed @ block.attn.in_proj_weight[24:].T + block.attn.in_proj_bias[24:]
    expected = queries_B1D + value @ block.attn.out_proj.weight.T + block.attn.out_proj.bias
    assert torch.allclose(block(queries_B1D, None), expected, atol=1e-6)


def test_without_norm():
    block = SelfAttention(dim=12, num_heads=3, norm=False)
    queries_BND = torch.randn(2, 4, 12)
    assert torch.allclose(
        block(queries_BND, None), queries_BND + block.attn(queries_BND, queries_BND, queries_BND)[0], atol=1e-6
    )
