import torch

from iqa_zoo.interactions.positioned_self_attention import PositionedSelfAttention
from iqa_zoo.interactions.self_attention import SelfAttention


def test_positions_go_to_queries_and_keys_alone():
    torch.manual_seed(0)
    block = PositionedSelfAttention(dim=8, num_queries=6, num_heads=2, norm=False)
    x = torch.randn(2, 6, 8)
    w_q, w_k, w_v = (w.unflatten(0, (2, 4)) for w in block.attn.in_proj_weight.chunk(3))
    placed = x + block.position_ND
    q, k, v = (torch.einsum("bnc,hdc->bhnd", y, w) for y, w in ((placed, w_q), (placed, w_k), (x, w_v)))
    mixed = ((q @ k.mT / 2).softmax(-1) @ v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(block(x, None), x + mixed @ block.attn.out_proj.weight.T)


def test_without_positions_it_is_self_attention_and_with_them_order_counts():
    torch.manual_seed(0)
    block, plain = PositionedSelfAttention(dim=8, num_queries=4, num_heads=2), SelfAttention(dim=8, num_heads=2)
    plain.load_state_dict(block.state_dict())  # positions are no part of it
    x, order = torch.randn(2, 4, 8), torch.tensor([2, 0, 3, 1])
    assert not torch.allclose(block(x[:, order], None), block(x, None)[:, order], atol=1e-4)
    block.position_ND.zero_()
    torch.testing.assert_close(block(x, None), plain(x, None))
