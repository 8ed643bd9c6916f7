"""Configs are plain dicts: loaded, overridden, checked whole, resolved, hashed and dumped; nothing is guessed."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import iqa_zoo
from iqa_zoo.config import check_config, dump_config, load_config, model_config, part_parameters, resolve_config
from iqa_zoo.config_file import parse_value
from iqa_zoo.config_hash import config_hash
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.errors import ConfigError, UnknownName
from iqa_zoo.registry import SLOTS


@pytest.mark.parametrize("name", iqa_zoo.list_models())
def test_every_model_s_config_is_complete_plain_and_without_problems(name):
    cfg = model_config(name)
    assert json.loads(json.dumps(cfg)) == cfg
    assert set(cfg) == {"dim", *SLOTS}
    assert check_config(cfg) == []


def test_model_config_is_a_fresh_copy_without_shared_blocks():
    cfg = model_config("lifeiqa")
    before = copy.deepcopy(cfg)
    cfg["interactions"][0]["hidden"][0] = 7
    cfg["backbone"]["stages"].append(1)
    assert cfg["interactions"][2] == before["interactions"][2]
    assert model_config("lifeiqa") == before


def test_an_unknown_model_names_the_closest_and_all():
    with pytest.raises(UnknownName) as caught:
        model_config("liefiqa")
    assert str(caught.value).startswith("unknown model 'liefiqa'; did you mean 'lifeiqa'? Known: ")
    with pytest.raises(UnknownName, match=r"did you mean 'lifeiqa'.* or give a \.yaml or \.json file"):
        load_config("liefiqa")


def test_a_model_function_that_gives_no_dict_is_named(scratch_registry):
    @iqa_zoo.register_model("scratch_model")
    def scratch_model():
        """Nothing."""

    with pytest.raises(ConfigError, match=r"the model 'scratch_model' of .*:\n  - expected a dict, got None"):
        model_config("scratch_model")


# Overrides


def test_a_block_repeated_in_a_list_is_edited_alone(tiny):
    tiny["interactions"] = [tiny["interactions"][1]] * 4
    cfg = apply_overrides(tiny, {"interactions.1.num_heads": 2})
    assert [block["num_heads"] for block in cfg["interactions"]] == [4, 2, 4, 4]
    assert tiny["interactions"][1]["num_heads"] == 4


def test_overrides_reach_defaults_items_every_item_and_whole_slots(tiny):
    cfg = apply_overrides(
        tiny,
        {
            "dim": 64,
            "head.gamma": 0.5,
            "interactions.0.adjacency": "released",
            "interactions.*.num_heads": 8,
            "losses.2": {"type": "mse"},
            "memory": {"type": "tokens"},
        },
    )
    assert cfg["dim"] == 64
    assert cfg["head"] == {**tiny["head"], "gamma": 0.5}
    assert cfg["interactions"][0] == {**tiny["interactions"][0], "adjacency": "released"}  # it has no num_heads
    assert cfg["interactions"][1] == {"type": "cross_attention", "num_heads": 8}
    assert cfg["losses"][2] == {"type": "mse"}
    assert cfg["memory"] == {"type": "tokens"}
    assert check_config(cfg) == []


def test_an_override_s_value_is_copied(tiny):
    hidden = [4, 4]
    cfg = apply_overrides(tiny, {"interactions.0.hidden": hidden})
    hidden.append(1)
    assert cfg["interactions"][0]["hidden"] == [4, 4]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("haed.top_k", "unknown key 'haed'; did you mean 'head'? Known: backbone, dim, head"),
        ("head.num_expert", "unknown key 'num_expert'; did you mean 'num_experts'? Known: activation, dropout"),
        ("head.dim", "unknown key 'dim'"),
        ("head.gamma.x", "unknown key 'gamma.x'; did you mean 'gamma'?"),
        ("interactions.7.num_heads", "'interactions' has the items 0 to 1 (or *), not '7'"),
        ("interactions.-1.num_heads", "'interactions' has the items 0 to 1 (or *), not '-1'"),
        ("interactions.²", "'interactions' has the items 0 to 1 (or *), not '²'"),
        ("interactions.num_heads", "'interactions' has the items 0 to 1 (or *), not 'num_heads'"),
        ("interactions.*.num_haeds", "no part of 'interactions' has this key; did you mean 'num_heads'?"),
        ("dim.x", "'dim' is 32 and has no keys; replace it as a whole"),
        ("", "unknown key ''"),
    ],
)
def test_an_override_that_leads_nowhere_says_the_closest(tiny, path, problem):
    before = copy.deepcopy(tiny)
    with pytest.raises(ConfigError) as caught:
        apply_overrides(tiny, {path: 1})
    assert str(caught.value).startswith(f"1 problem in the overrides:\n  - {path}: {problem}")
    assert tiny == before


def test_all_bad_overrides_are_listed(tiny):
    with pytest.raises(ConfigError) as caught:
        apply_overrides(tiny, {"haed.top_k": 1, "dim": 64, "memory.gird": 2})
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["haed.top_k", "memory.gird"]


@pytest.mark.parametrize(
    ("edit", "path", "problem"),
    [
        ({"memory": None}, "memory.grid", "'memory' is None and has no keys; replace it as a whole"),
        ({"interactions": []}, "interactions.0.num_heads", "'interactions' is empty; replace it as a whole"),
        ({"interactions": 5}, "interactions.0.num_heads", "'interactions' is 5, not a list of parts"),
        ({"losses": {"type": "l1"}}, "losses.0.weight", "'losses' is {'type': 'l1'}, not a list of parts"),
    ],
)
def test_an_override_into_what_is_not_there(tiny, edit, path, problem):
    with pytest.raises(ConfigError) as caught:
        apply_overrides({**tiny, **edit}, {path: 1})
    assert caught.value.problems[0].startswith(f"{path}: {problem}")


def _read(cfg, path):
    for key in path.split("."):
        cfg = cfg[int(key)] if isinstance(cfg, list) else cfg[key]
    return cfg


def _leaves(value, path=()):
    if isinstance(value, dict):
        return {leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))}
    if isinstance(value, list):
        return {leaf for i, item in enumerate(value) for leaf in _leaves(item, (*path, i))}
    return {(path, str(value))}


KEYS = ["dim", *SLOTS, "type", "num_heads", "hidden", "top_k", "weight", "stages", "gamma", "name", "0", "1", "3", "-1"]
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8))


@pytest.mark.slow
@given(path=st.lists(st.sampled_from(KEYS) | st.text(max_size=3), min_size=1, max_size=4).map(".".join), value=SCALARS)
def test_an_override_sets_its_path_and_nothing_else_or_is_refused(path, value):
    cfg = model_config("lifeiqa")
    try:
        changed = apply_overrides(cfg, {path: value})
    except ConfigError:
        return
    assert _read(changed, path) == value
    keys = tuple(int(key) if key.isdecimal() else key for key in path.split("."))
    elsewhere = {leaf for leaf in _leaves(cfg) ^ _leaves(changed) if leaf[0][: len(keys)] != keys}
    assert not elsewhere


# Checking

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_every_problem_is_listed_with_its_config_path(tiny):
    tiny["backbone"]["nmae"] = "resnet18"
    tiny["queries"]["type"] = "guide"
    tiny["interactions"][1]["num_heads"] = "four"
    tiny["interactions"].append({"num_heads": 2})
    tiny["head"] = "moe"
    tiny["losses"][1]["probabilities"] = "routers"
    tiny["optimizer"] = {"lr": 1}
    tiny["dim"] = -3
    assert check_config(tiny) == [
        "optimizer: unknown key 'optimizer'. Known: backbone, dim, head, interactions, losses, memory, queries",
        "dim: expected int from 1 to 16777216 or None, got -3; None is the backbone's own width",
        "backbone.nmae: unknown key 'nmae'; did you mean 'name'? "
        "Known: final_norm, image_size, model_args, name, stage_blocks, stages (of 'timm_features')",
        "queries.type: unknown query 'guide'; did you mean 'guided'? Known: " + ", ".join(SLOTS["queries"].names()),
        "interactions.1.num_heads: expected int from 1 to 4096, got 'four'",
        "interactions.2: no 'type'. Known: " + ", ".join(SLOTS["interactions"].names()),
        "head: expected dict(type=NAME, ...), got 'moe'",
        "losses.1.probabilities: expected one of 'router', 'selected', got 'routers'; did you mean 'router'?",
    ]


def _nodes(value, path=()):
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _nodes(item, (*path, key))


@pytest.mark.slow
@given(data=st.data())
def test_whatever_stands_anywhere_is_checked_and_not_stumbled_over(data):
    cfg = resolve_config(model_config("lifeiqa"))
    cfg["interactions"] = cfg["interactions"][:2]
    if data.draw(st.booleans()):
        cfg["backbone"] = {"type": "multi_backbone", "branches": [cfg["backbone"], {"type": "nss"}]}
    *above, key = data.draw(st.sampled_from([path for path in _nodes(cfg) if path]))
    holder = cfg
    for step in above:
        holder = holder[step]
    holder[key] = data.draw(
        VALUES | st.integers(10**400) | st.sampled_from(["moe", "l1", "tokens"]).map(lambda t: {"type": t})
    )
    problems = check_config(cfg)
    assert all(isinstance(problem, str) for problem in problems)
    if problems:
        with pytest.raises(ConfigError):
            resolve_config(cfg)
    else:
        assert check_config(resolve_config(cfg)) == []
        assert config_hash(cfg) == config_hash(resolve_config(cfg))


def test_missing_slots_and_required_keys_are_problems(tiny):
    del tiny["queries"], tiny["backbone"]["name"]
    assert check_config(tiny) == [
        "queries: is missing",
        "backbone.name: is required by 'timm_features' and missing",
    ]


@pytest.mark.parametrize("slot", ["backbone", "queries", "head"])
def test_a_needed_slot_is_not_none(tiny, slot):
    tiny[slot] = None
    assert check_config(tiny) == [f"{slot}: expected dict(type=NAME, ...), got None"]


@pytest.mark.parametrize(
    ("slot", "key"), [("queries", "features"), ("head", "dim"), ("memory", "dim"), ("backbone", "pretrained")]
)
def test_what_is_handed_down_is_refused_in_a_part(tiny, slot, key):
    tiny[slot][key] = 384
    assert check_config(tiny) == [f"{slot}.{key}: is handed down to every part and not written here; leave it out"]


def test_a_list_slot_holds_a_list_and_a_loss_stands_once(tiny):
    tiny["interactions"] = {"type": "self_attention"}
    tiny["losses"].append({"type": "l1"})
    assert check_config(tiny) == [
        "interactions: expected a list of parts, got {'type': 'self_attention'}",
        "losses: 'l1' is given twice",
    ]


@pytest.mark.parametrize(
    "name",
    ["os.getcwd", "iqa_zoo.heads.moe.MoEHead", "mmengine.Config", "scope::x", "torch.nn.Linear", 3, None, ["moe"]],
)
def test_a_type_outside_the_registry_is_a_problem(tiny, name):
    tiny["head"] = {"type": name}
    (problem,) = check_config(tiny)
    assert problem.startswith("head.type: ")
    assert repr(name) in problem


@pytest.mark.parametrize("dim", [0, -1, 2**24 + 1, 2.5, "384", True])
def test_dim_is_a_positive_int_or_none(tiny, dim):
    assert check_config({**tiny, "dim": dim}) == [
        f"dim: expected int from 1 to 16777216 or None, got {dim!r}; None is the backbone's own width"
    ]
    assert check_config({**tiny, "dim": None}) == []


class _Typed(nn.Module):
    """Takes one value of every kind."""

    def __init__(
        self,
        *,
        dim: int,
        whole: int = 1,
        real: float = 1.0,
        flag: bool = True,
        text: str = "",
        maybe: int | None = None,
        kind: Literal["a", "b"] = "a",
        widths: Sequence[int] = (),
        pair: tuple[int, int] = (1, 2),
        many: tuple[float, ...] = (),
        nested: list[list[int]] | None = None,
        options: Mapping[str, Any] | None = None,
        anything: Any = None,
        plain=None,
    ):
        super().__init__()


GOOD = {
    "whole": [0, -1],
    "real": [1, 2.5],
    "flag": [False],
    "text": ["x", ""],
    "maybe": [None, 3],
    "kind": ["a", "b"],
    "widths": [[], [1, 2], (3,)],
    "pair": [[3, 4]],
    "many": [[], [1, 2.5]],
    "nested": [None, [[1], []]],
    "options": [None, {"a": [1]}],
    "anything": [1, "x", {}],
    "plain": [1, "x", {}],
}
BAD = {
    "whole": [True, 1.0, "1", None, [1]],
    "real": [True, "1.0", None, float("nan"), float("inf")],
    "flag": [1, 0, "true", None],
    "text": [1, None, ["x"]],
    "maybe": ["3", 3.0, False],
    "kind": ["c", None, 1, ["a"]],
    "widths": ["12", 3, [1.5], [True], None, {"a": 1}],
    "pair": [[1], [1, 2, 3], [1, "2"], 1],
    "many": [["1"], 1.0],
    "nested": [[1], [["x"]]],
    "options": [[], "x", 1],
}


@pytest.fixture
def typed(scratch_registry, tiny):
    iqa_zoo.register_head("scratch_typed")(_Typed)
    return lambda key, value: check_config({**tiny, "head": {"type": "scratch_typed", key: value}, "losses": []})


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in GOOD.items() for value in values])
def test_a_value_of_the_annotated_type_is_accepted(typed, key, value):
    assert typed(key, value) == []


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_a_value_of_another_type_is_a_problem(typed, key, value):
    (problem,) = typed(key, value)
    assert problem.startswith(f"head.{key}: expected ")
    assert f"got {value!r}" in problem


def test_an_annotation_that_only_type_checkers_can_resolve_does_not_stop_the_check(scratch_registry, tiny):
    @iqa_zoo.register_head("scratch_head")
    class Scratch(nn.Module):
        def __init__(self, *, dim: int, width: "OnlyForTypeCheckers" = 1):  # noqa: F821
            super().__init__()

    assert check_config({**tiny, "head": {"type": "scratch_head", "width": 2}, "losses": []}) == []
    (problem,) = check_config({**tiny, "head": {"type": "scratch_head", "wdith": 2}, "losses": []})
    assert "did you mean 'width'?" in problem


def test_part_parameters_are_the_config_keys():
    assert list(part_parameters("queries", "guided")) == ["num_queries", "stage"]
    assert part_parameters("losses", "l1")["weight"].default == 1.0


# Resolving and hashing


def test_resolving_writes_every_default_out_and_is_idempotent(tiny):
    before = copy.deepcopy(tiny)
    resolved = resolve_config(tiny)
    assert resolved["interactions"][1] == {"type": "cross_attention", "num_heads": 4, "dropout": 0.0, "norm": True}
    assert resolved["losses"][0] == {"type": "l1", "weight": 1.0}
    assert resolved["backbone"]["final_norm"] is True
    assert resolve_config(resolved) == resolved
    assert json.loads(json.dumps(resolved)) == resolved
    assert tiny == before


def test_resolving_fills_slots_left_out():
    cfg = {
        "backbone": {"type": "timm_features", "name": "test_resnet"},
        "queries": {"type": "global_vector"},
        "head": {"type": "linear"},
    }
    resolved = resolve_config(cfg)
    assert list(resolved) == ["dim", *SLOTS]
    assert (resolved["dim"], resolved["memory"], resolved["interactions"], resolved["losses"]) == (None, None, [], [])
    resolved["interactions"].append(1)
    assert resolve_config(cfg)["interactions"] == []


# Files


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".json", ".JSON"])
def test_a_dumped_config_loads_as_it_was(tmp_path, ending, tiny):
    path = tmp_path / f"mine{ending}"
    text = dump_config(tiny, path)
    assert path.read_text(encoding="utf-8") == text
    assert load_config(path) == load_config(str(path)) == tiny


def test_a_yaml_file_is_plain_yaml(tiny):
    text = dump_config(tiny)
    assert yaml.safe_load(text) == tiny
    assert text.startswith("dim: 32\nbackbone:\n  type: timm_features\n")
    repeated = {**tiny, "interactions": [tiny["interactions"][0]] * 3}
    assert "&" not in dump_config(repeated)
    assert "*" not in dump_config(repeated)


@pytest.mark.slow
@given(value=VALUES)
def test_any_plain_value_survives_yaml_and_json(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("round_trip")
    for ending in (".yaml", ".json"):
        dump_config({"value": value}, folder / f"x{ending}")
        assert load_config(folder / f"x{ending}") == {"value": value}


@pytest.mark.parametrize("text", ["1e4", "-2E-3", ".5e1", "None", "null", "1.0", "true", "~", "[", "a: b"])
def test_a_string_that_looks_like_something_else_stays_a_string(tmp_path, text):
    dump_config({"value": text}, tmp_path / "x.yaml")
    assert load_config(tmp_path / "x.yaml") == {"value": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("0.5", 0.5),
        ("1e-4", 1e-4),
        ("-1E3", -1000.0),
        ("null", None),
        ("None", None),
        ("true", True),
        ("moe", "moe"),
        ("'8'", "8"),
        ("[2, 3]", [2, 3]),
        ("{type: ffn, hidden: 64}", {"type": "ffn", "hidden": 64}),
        ("", None),
    ],
)
def test_values_written_as_text(text, value):
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.yaml", "dim: [1", "not valid YAML or JSON"),
        ("x.json", '{"dim": 1,}', "not valid JSON"),
        ("x.yaml", "- 1\n- 2\n", "expected a mapping of names to values, got list"),
        ("x.yaml", "", "expected a mapping of names to values, got NoneType"),
        ("x.json", "3", "expected a mapping of names to values, got int"),
        ("x.yaml", "dim: 1\nhead: {}\ndim: 2\n", "the key 'dim' is given twice"),
        ("x.yaml", "x: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("x.yaml", b"\xff\xfe\x00", "not a text file in UTF-8"),
    ],
)
def test_a_file_that_holds_no_config_is_named(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"1 problem in {path}:\n  - ")
    assert problem in str(caught.value)


def test_a_file_that_is_not_there_names_the_closest(tmp_path):
    (tmp_path / "mine.yaml").write_text("dim: 1")
    with pytest.raises(ConfigError, match=r"there is no such file; did you mean 'mine\.yaml'"):
        load_config(tmp_path / "mien.yaml")
    with pytest.raises(ConfigError, match="there is no such file"):
        load_config(tmp_path / "no" / "folder.yaml")


@pytest.mark.parametrize("cfg", [None, 3, ["deiqt"]])
def test_what_is_no_config_at_all(cfg):
    with pytest.raises(ConfigError, match=f"expected a zoo name, a dict or a path, got {type(cfg).__name__}"):
        load_config(cfg)
