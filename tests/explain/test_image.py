import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iqa_zoo.explain.crop import read_crop
from iqa_zoo.explain.image import assess_image, compute_attention, explain_image, summarize_image
from iqa_zoo.jsonio import to_json


def test_scores_are_those_of_the_forward_pass_to_the_last_bit(make, photo):
    scorer, crop = make(), read_crop(photo, 64)
    explanation = explain_image(scorer, crop, 2)
    assert explanation.crop_score == scorer.score_crops(crop.batch_BCHW).item()
    assert explanation.score_N.mean() == pytest.approx(explanation.crop_score, abs=1e-4)
    with torch.no_grad():
        score_BN = scorer.model.details(scorer.normalise(crop.batch_BCHW)).score_BN
    assert np.array_equal(explanation.score_N, score_BN[0].double().numpy() * 20 + 50)


def test_attention_and_routing_are_those_of_the_forward_pass(make, photo):
    scorer, crop = make(), read_crop(photo, 64)
    explanation = explain_image(scorer, crop, 2)
    with torch.no_grad():
        details = scorer.model.details(scorer.normalise(crop.batch_BCHW))
    assert list(explanation.attention) == ["interactions.1", "interactions.3"]
    for path, weights_NL in explanation.attention.items():
        assert np.array_equal(weights_NL, details.attention[path][0].double().numpy())
        assert np.allclose(weights_NL.sum(1), 1, atol=1e-5)
        assert weights_NL.shape == (6, explanation.grid.rows * explanation.grid.columns)
        assert np.allclose(explanation.by_head[path].mean(0), weights_NL, atol=1e-6)
    assert (explanation.grid.rows, explanation.grid.columns, explanation.grid.source) == (3, 3, "stage 3, pooled")
    assert np.array_equal(explanation.routing[0].choice_INK[0], details.routing[0].choice_TK.numpy())


def test_a_model_is_left_as_it_was(make, photo):
    scorer, crop = make(), read_crop(photo, 64)
    scorer.train()
    explanation = explain_image(scorer, crop, 2)
    assert scorer.training
    assert not scorer.model.queries._forward_hooks
    assert explain_image(scorer.eval(), crop, 2).score == explanation.score


def test_attention_at_another_moment_is_that_of_its_model(make, photo):
    now, then, crop = make(), make(noise=0.1), read_crop(photo, 64)
    seen, expected = compute_attention(then.model, now, crop), explain_image(then, crop, 2).attention
    assert list(seen) == list(expected)
    assert all(np.array_equal(seen[path], expected[path]) for path in seen)


def test_queries_that_begin_alike_are_told_from_those_that_become_alike(make, photo):
    crop = read_crop(photo, 64)

    def assess(alike):
        scorer = make({"queries": {"type": "learned", "num_queries": 6}}, noise=0.0)
        with torch.no_grad():
            for parameter in scorer.model.queries.parameters():
                parameter.normal_()
                if alike:
                    parameter.copy_(parameter[..., :1, :].expand_as(parameter))
            scorer.model.interactions[3].attn.out_proj.bias.fill_(100.0)  # outgrows what the queries differ in
        (observation,) = [each for each in assess_image(explain_image(scorer, crop, 2)) if each.kind == "similarity"]
        assert observation.warning
        return observation.text

    assert "are one vector from the beginning" in assess(True)
    assert "was 1.0000 before the first block" in assess(True)
    assert "have collapsed to one vector" in assess(False)


def kinds(explanation):
    return {observation.kind for observation in assess_image(explanation)}


def test_what_a_model_lacks_is_said_and_the_rest_is_there(make, photo):
    crop = read_crop(photo, 64)
    plain = {"head": {"type": "linear"}, "losses": [{"type": "l1"}]}
    explanation = explain_image(make({**plain, "interactions": [{"type": "query_gcn", "hidden": [8]}]}), crop, 2)
    assert {"no attention", "no experts"} <= kinds(explanation)
    assert (explanation.attention, explanation.grid, explanation.routing) == ({}, None, [])
    assert len(explanation.score_N) == 6
    scorer = make()
    scorer.model.memory = nn.Sequential(scorer.model.memory)  # which offers no token_grid
    explanation = explain_image(scorer, crop, 2)
    assert explanation.grid is None
    assert "no grid" in kinds(explanation)
    assert not {"no attention", "no experts", "no grid"} & kinds(explain_image(make(), crop, 2))


def test_numbers_are_json_and_complete(make, photo):
    scorer, crop = make(), read_crop(photo, 64)
    explanation = explain_image(scorer, crop, 2)
    then = {"start": compute_attention(make(noise=0.1).model, scorer, crop)}
    numbers = json.loads(to_json(summarize_image(Path("a.png"), explanation, then, assess_image(explanation))))
    assert np.shape(numbers["attention"]["interactions.3"]["by_head"]) == (4, 6, 9)
    moved = numbers["attention_in_training"]["start"]["interactions.1"]["distance"]
    assert len(moved) == 6
    assert all(0 < each < 1 for each in moved)
    assert np.allclose(np.sum(numbers["routing"][0]["weights"], 1), 1)
    assert np.shape(numbers["queries"]["cosine"]) == (6, 6)
