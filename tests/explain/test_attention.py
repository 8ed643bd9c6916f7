import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.explain.attention import assess_attention, compute_attention_distance, compute_effective_tokens


def drawn(seed, tokens, sharpness):
    logits_NL = sharpness * np.random.default_rng(seed).normal(size=(3, tokens))
    weights_NL = np.exp(logits_NL - logits_NL.max(1, keepdims=True))
    return weights_NL / weights_NL.sum(1, keepdims=True)


@given(st.integers(0, 99), st.integers(1, 30), st.floats(0, 500))
def test_width_lies_between_one_token_and_all(seed, tokens, sharpness):
    width_N = compute_effective_tokens(drawn(seed, tokens, sharpness))
    assert (width_N >= 1 - 1e-9).all()
    assert (width_N <= tokens + 1e-9).all()


@given(st.integers(0, 99), st.integers(1, 30))
def test_distance_is_symmetric_and_between_0_and_1(seed, tokens):
    one, other = drawn(seed, tokens, 3.0), drawn(seed + 100, tokens, 3.0)
    apart_N = compute_attention_distance(one, other)
    assert np.array_equal(apart_N, compute_attention_distance(other, one))
    assert ((apart_N >= 0) & (apart_N <= 1)).all()
    assert (compute_attention_distance(one, one) == 0).all()


def test_even_attention_is_warned_of_and_peaked_is_not():
    even, peaked = assess_attention({"interactions.1": np.full((2, 9), 1 / 9), "interactions.3": drawn(0, 9, 3.0)})
    assert even.warning
    assert "interactions.1: a query attends to 9.00 to 9.00 of 9 tokens" in even.text
    assert not peaked.warning
    assert not assess_attention({"interactions.1": np.ones((2, 1))})[0].warning  # one token: nothing to choose from
