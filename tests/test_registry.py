"""Names are found without import, belong to one owner, and are never importable paths."""

import inspect

import pytest
from torch import nn

import iqa_zoo
from iqa_zoo import registry
from iqa_zoo.errors import UnknownName
from iqa_zoo.registry import (
    HEADS,
    LOSSES,
    MODELS,
    REGISTRIES,
    RELEASED,
    SLOTS,
    Component,
    PartRegistry,
    list_components,
    registry_of,
)

BUILT_IN = [(r, name) for r in REGISTRIES.values() for name in r.built_in()]


def test_the_slots_in_the_order_in_which_data_flows():
    assert list(SLOTS) == ["backbone", "queries", "memory", "interactions", "head", "losses"]


@pytest.mark.parametrize(("slot", "name"), [(r.slot, name) for r, name in BUILT_IN])
def test_what_is_listed_from_source_is_what_is_registered(slot, name):
    part = REGISTRIES[slot].get(name)
    assert callable(part)
    first = inspect.cleandoc(part.__doc__).split("\n\n")[0].replace("\n", " ")
    assert REGISTRIES[slot].summary(name) == first
    assert first.endswith(".")
    assert REGISTRIES[slot].origin(name) == "iqa_zoo"


@pytest.mark.parametrize(("slot", "name"), [(r.slot, name) for r, name in BUILT_IN if r.slot in SLOTS])
def test_a_slot_is_a_folder_and_a_type_is_a_file_in_it(slot, name):
    assert SLOTS[slot].get(name).__module__ == f"iqa_zoo.{SLOTS[slot].folder}.{name}"


def test_list_components():
    everything = list_components()
    assert Component("head", "moe", "iqa_zoo", HEADS.summary("moe")) in everything
    assert {component.slot for component in everything} == set(SLOTS)
    assert [c.name for c in everything if c.slot == "losses"] == [c.name for c in list_components("losses")]
    slot, name, origin, summary = next(c for c in list_components("models") if c.name == "deiqt")
    assert (slot, origin) == ("models", "iqa_zoo")
    assert name in iqa_zoo.list_models()
    assert summary


def test_importers_of_released_checkpoints_are_registered_like_parts():
    assert registry_of("released") is RELEASED
    assert set(RELEASED.built_in()) == {"lifeiqa", "deiqt"}
    for name in RELEASED.built_in():
        assert RELEASED.get(name).__module__ == f"iqa_zoo.released.{name}"
        assert RELEASED.summary(name) == inspect.cleandoc(RELEASED.get(name).__doc__)


@pytest.mark.parametrize("name", ["head", "heads"])
def test_a_slot_goes_by_its_config_key_and_by_its_folder(name):
    assert registry_of(name) is HEADS


def test_an_unknown_slot_names_the_closest_and_all():
    with pytest.raises(
        UnknownName, match="unknown slot 'haeds'; did you mean 'head'\\? Known: backbone, datasets, head"
    ):
        list_components("haeds")


def test_list_models_takes_a_shell_pattern():
    assert set(iqa_zoo.list_models("lifeiqa_*")) >= {"lifeiqa_released", "lifeiqa_small", "lifeiqa_tiny"}
    assert "lifeiqa" not in iqa_zoo.list_models("lifeiqa_*")
    assert iqa_zoo.list_models("nothing*") == []
    assert iqa_zoo.list_models() == sorted(iqa_zoo.list_models())


def test_an_unknown_name_says_given_closest_and_all():
    with pytest.raises(UnknownName) as caught:
        LOSSES.get("smoothl1")
    message = str(caught.value)
    assert message.startswith("unknown loss 'smoothl1'; did you mean 'smooth_l1'? Known: ")
    assert message.endswith(", ".join(LOSSES.names()))


@pytest.mark.parametrize(
    "name",
    [
        "os.getcwd",
        "iqa_zoo.heads.moe.MoEHead",
        "iqa_zoo.moe",
        "iqa_zoo::moe",
        "scope::x",
        "mmengine.Config",
        "torch.nn.Linear",
        "heads.moe",
        "MoEHead",
        "post_posed",
        "",
    ],
)
def test_only_registered_names_are_found(name):
    with pytest.raises(UnknownName):
        HEADS.get(name)
    with pytest.raises(UnknownName):
        HEADS.build({"type": name})


@pytest.mark.parametrize("name", [None, 3, nn.Linear, ["moe"], {"type": "moe"}])
def test_a_part_is_named_by_a_string(name):
    with pytest.raises(UnknownName, match="expected the name of one head, a string, got"):
        HEADS.get(name)


def test_a_decorated_part_is_listed_with_its_module_and_used(scratch_registry, tiny):
    @iqa_zoo.register_loss("scratch_loss")
    class ScratchLoss(nn.Module):
        """Ten times the mean score.

        More words.
        """

        def forward(self, output, mos_B):
            return 10 * output.score_B.mean()

    assert ScratchLoss.__name__ == "ScratchLoss"
    listed = {component.name: component for component in list_components("losses")}
    assert listed["scratch_loss"] == Component("losses", "scratch_loss", __name__, "Ten times the mean score.")
    model = iqa_zoo.build_model({**tiny, "losses": [{"type": "scratch_loss", "weight": 2}]})
    assert type(model.losses["scratch_loss"]) is ScratchLoss


def test_a_duplicate_names_both_owners(scratch_registry):
    @iqa_zoo.register_head("scratch_head")
    class First(nn.Module):
        pass

    with pytest.raises(ValueError, match=r"'scratch_head' is taken by .*First; .*Second needs another name"):

        @iqa_zoo.register_head("scratch_head")
        class Second(nn.Module):
            pass

    assert HEADS.get("scratch_head") is First


def test_a_cell_may_be_run_twice(scratch_registry):
    def define():
        @iqa_zoo.register_head("scratch_head")
        class Again(nn.Module):
            pass

        return Again

    define()
    newer = define()
    assert HEADS.get("scratch_head") is newer


def test_a_built_in_name_cannot_be_taken():
    moe = HEADS.get("moe")
    with pytest.raises(ValueError, match=r"head 'moe' is taken by iqa_zoo\.heads\.moe; .*Mine needs another name"):

        @iqa_zoo.register_head("moe")
        class Mine(nn.Module):
            pass

    assert HEADS.get("moe") is moe


def test_a_decorator_without_a_name_says_how_to_write_it():
    with pytest.raises(ValueError, match=r"write @register_head\(NAME\)"):

        @iqa_zoo.register_head
        class Nameless(nn.Module):
            pass


def test_a_broken_file_breaks_only_its_own_name(tmp_path, monkeypatch):
    folder = tmp_path / "scratch_heads"
    folder.mkdir()
    (folder / "good.py").write_text('@register_head("good")\nclass Good:\n    """Good."""\n')
    (folder / "broken.py").write_text('@register_head("broken")\ndef (:\n')
    (folder / "helper.py").write_text("def (:\n")  # names no decorator, so it is no part
    (folder / "_private.py").write_text('@register_head("private")\nclass Private:\n    pass\n')
    monkeypatch.setattr(registry, "PACKAGE", tmp_path)
    scratch = PartRegistry("scratch", "scratch_heads", "register_head")
    assert scratch.names() == ["broken", "good"]
    assert scratch.summary("good") == "Good."
    assert scratch.summary("broken").startswith("cannot be read: invalid syntax")


def test_models_are_functions_that_give_fresh_dicts():
    for name in MODELS.built_in():
        assert MODELS.get(name)() == MODELS.get(name)()
        assert MODELS.get(name)() is not MODELS.get(name)()
