import numpy as np
import pytest
import torch

from iqa_zoo.explain.routing import ExpertRouting, assess_routing, collect_routing


def routing(choice_INK, experts, gate=None):
    choice_INK = np.asarray(choice_INK)
    weight_INE = np.zeros((*choice_INK.shape[:2], experts))
    gate = [1 / choice_INK.shape[2]] * choice_INK.shape[2] if gate is None else gate
    for k, weight in enumerate(gate):
        np.put_along_axis(weight_INE, choice_INK[:, :, k : k + 1], weight, axis=2)
    return ExpertRouting("head", choice_INK, weight_INE)


def healthy():
    """Every pair of four experts equally often."""
    pairs = [(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)]
    return routing([[pairs[(i + n) % 6] for n in range(6)] for i in range(4)], 4)


def warnings(found):
    return [str(observation) for observation in assess_routing(found) if observation.warning]


def test_healthy_routing_gives_no_warning():
    found = healthy()
    assert warnings(found) == []
    assert found.load_E.tolist() == [0.25] * 4
    assert found.find_most_common_set()[1] == pytest.approx(1 / 6)
    assert found.compute_agreement() == 0


def test_a_dead_expert_is_reported():
    found = routing([[(0, 1), (0, 3)], [(1, 3), (3, 0)]], 4)
    assert warnings(found) == ["warning: head: expert 3 is dead: none of 4 queries is sent to it"]
    assert found.to_dict()["dead"] == [3]


def test_one_expert_dominates():
    found = routing([[(0, 1), (0, 2), (0, 3), (0, 1)]], 4, gate=(0.93, 0.07))
    assert warnings(found) == [
        "warning: head: expert 1 dominates with 93.0% of the gate weight (degenerate from 90% on)"
    ]


def test_the_same_pair_for_all_in_either_order():
    found = routing([[(0, 3), (3, 0)], [(0, 3), (0, 3)]], 4)
    assert warnings(found)[-1] == (
        "warning: head: routing is constant: 100.0% of 4 queries are sent to experts 1 and 4 (degenerate from 95% on)"
    )
    assert found.compute_agreement() == 1


def test_every_expert_for_every_query_is_a_design_and_no_warning():
    assert warnings(routing([[(0, 1), (1, 0)]], 2)) == []
    assert warnings(routing([[(0,), (0,)]], 1)) == []


def test_are_those_of_the_forward_pass(make):
    model = make({"interactions": [{"type": "moe_feed_forward", "num_experts": 3, "top_k": 1, "hidden": 8}]}).model
    image_BCHW = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = [model.details(image_BCHW), model.details(image_BCHW[:1])]
    inside, head = collect_routing(model, outputs)
    assert (inside.path, inside.top_k, inside.num_experts) == ("interactions.0", 1, 3)
    assert (head.path, head.top_k, head.num_experts) == ("head", 2, 4)
    assert head.choice_INK.shape == (3, 6, 2)
    assert np.array_equal(head.choice_INK[2], outputs[1].routing[1].choice_TK.numpy())
    assert np.allclose(head.weight_INE.sum(2), 1)
    assert head.load_E.sum() == pytest.approx(1)


def test_a_model_without_experts_has_none(make):
    model = make({"head": {"type": "linear"}, "losses": [{"type": "l1"}]}).model
    with torch.no_grad():
        assert collect_routing(model, [model.details(torch.randn(1, 3, 64, 64))]) == []
