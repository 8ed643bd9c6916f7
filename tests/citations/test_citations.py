"""What to cite: every name has its entry, every entry is whole, and results name what they rest on."""

import re
from pathlib import Path

import pytest

from iqa_zoo.cards import read_cards
from iqa_zoo.citations import collect
from iqa_zoo.citations.collect import Citations, cite_names, cite_results
from iqa_zoo.citations.entries import FOLDER, find_model_keys, load_entries, load_sources
from iqa_zoo.cli import main
from iqa_zoo.registry import DATASETS

RECORDS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
OWN = {"demo", "table"}  # data sets without a publication


def test_every_key_that_is_named_has_an_entry():
    known = load_sources()
    named = {key for part in (known.datasets, known.backbones, known.methods) for keys in part.values() for key in keys}
    named |= {key for card in read_cards() for key in card.get("cite", [])}
    assert named <= load_entries().keys()


def test_what_was_not_compared_with_public_records_is_named():
    own = re.findall(r"^@\w+\{(\w+),", (FOLDER / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert load_sources().checked == own
    some = Citations("these rest", [own[0], "unknown2020"])
    assert "pages): all." in cite_names(["deiqt"]).bibtex()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "select_entries", lambda keys: [])
        assert "pages): all but unknown2020." in some.bibtex()
        assert "pages): none." in Citations("this rests", ["unknown2020"]).bibtex()


def test_every_data_set_with_a_publication_has_one():
    built_in = {name for name in DATASETS.names() if DATASETS.origin(name) == "iqa_zoo"}
    assert built_in - OWN == load_sources().datasets.keys()


@pytest.mark.slow
def test_every_card_of_a_model_names_what_to_cite():
    assert all(find_model_keys(model) for card in read_cards() for model in card["models"])


@pytest.mark.parametrize("entry", load_entries().values(), ids=list(load_entries()))
def test_an_entry_is_whole(entry):
    fields = dict(re.findall(r"^\s+(\w+) = \{(.*)\},?$", entry, re.MULTILINE))
    assert {"author", "title", "year"} <= fields.keys()
    assert re.fullmatch(r"(19|20)\d\d", fields["year"])
    assert entry.count("{") == entry.count("}")
    assert all(line.endswith(",") for line in entry.splitlines()[1:-2])
    assert entry.isascii()


def test_a_model_rests_on_its_backbone(capsys):
    assert main(["cite", "lifeiqa", "livec"]) == 0
    shown = re.findall(r"^@\w+\{(\w+),", capsys.readouterr().out, re.MULTILINE)
    assert shown == ["tang2025lifeiqa", "liu2021swin", "wightman2019timm", "ghadiyaram2016livec"]


def test_results_rest_on_models_data_backbone_weights_and_statistics(tmp_path):
    file = tmp_path / "references.bib"
    assert main(["cite", "--from", str(RECORDS / "livec_box.json"), "-o", str(file)]) == 0
    keys = set(re.findall(r"^@\w+\{(\w+),", file.read_text(), re.MULTILINE))
    assert {"tang2025lifeiqa", "qin2023deiqt", "hoerl1970ridge", "ghadiyaram2016livec", "tan2019efficientnet"} <= keys
    assert {"deng2009imagenet", "nadeau2003inference", "krasula2016accuracy"} <= keys


def test_what_has_no_reference_is_named():
    values = {"study": "compare", "compared": ["mine"], "baseline": "ridge_baseline", "data": {"name": "table"}}
    found = cite_results(values)
    assert found.unknown == ["mine", "table"]
    assert "% No reference is known here for: mine, table." in found.bibtex()
    assert "nadeau2003inference" not in found.keys  # nothing was compared


def test_an_unknown_name_is_refused_with_the_closest(capsys):
    assert main(["cite", "lifeiq"]) == 2
    assert "did you mean 'lifeiqa'?" in capsys.readouterr().err
    assert main(["cite"]) == 2
    assert "--from RUN" in capsys.readouterr().err


def test_an_entry_is_given_once():
    assert cite_names(["lifeiqa", "vanilla_decoder"]).keys.count("tang2025lifeiqa") == 1
