from iqa_zoo.config import model_config


def test_differs_from_the_ridge_baseline_in_its_head_and_loss_alone() -> None:
    ours, ridge = model_config("pooled_mlp"), model_config("ridge_baseline")
    assert {key for key in ours if ours[key] != ridge[key]} == {"head", "losses"}
