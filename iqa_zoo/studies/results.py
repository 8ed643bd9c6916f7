"""The result of a study: one dataclass, one writer, one reader, and the migration of what earlier versions kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import reading_values, without_nan
from iqa_zoo.outputs import make_folder, write_json
from iqa_zoo.registry import STUDIES
from iqa_zoo.reports.reflow import drop_empty
from iqa_zoo.stats.estimate import FEWEST_SPLITS, Estimate
from iqa_zoo.studies.views import write_views

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from iqa_zoo.reports.table import Table
    from iqa_zoo.studies.study import Study

RESULTS = "results.json"
SCHEMA = 3  # raise it when what is kept changes, and let migrate_values bring older results here


@dataclass(frozen=True)
class StudyResult:
    """What came out of a study. Tables, sentences, figures and the page are functions of it alone.

    Attributes:
        values: everything, as JSON holds it: ``study``, ``schema``, the conditions, ``runs`` (a record per training),
            ``differences`` and what only this study has. An undefined number is None.
    """

    values: dict[str, Any]

    @property
    def study(self) -> str:
        """The registered name of the study."""
        return str(self.values["study"])

    @property
    def schema(self) -> int:
        return int(self.values["schema"])

    @property
    def runs(self) -> list[dict[str, Any]]:
        """A record per training: model, split, seed, metrics, predictions; or its ``error``."""
        return list(self.values.get("runs", []))

    @property
    def differences(self) -> list[dict[str, Any]]:
        """A row per compared pair: mean SROCC difference, interval, wins, p values."""
        return list(self.values.get("differences", []))

    def verdict(self) -> str:
        """Return what the study found, a sentence per line."""
        return "\n".join(self.sentences())

    def sentences(self) -> list[str]:
        with reading_values(self.values):
            return _find(self).report.make_sentences(self.values)

    def tables(self) -> list[Table]:
        """Return the tables; each shows itself in a terminal or as Markdown."""
        with reading_values(self.values):
            return [drop_empty(table) for table in _find(self).report.make_tables(self.values)]

    def figures(self) -> Mapping[str, Figure]:
        """Return matplotlib figures by name; some studies have none."""
        with reading_values(self.values):
            return _find(self).report.make_figures(self.values)

    @property
    def columns(self) -> list[str]:
        """The keys of :meth:`to_records`."""
        return list(_find(self).columns)

    def to_records(self) -> list[dict[str, Any]]:
        """Return one flat row per training that succeeded, for a data frame."""
        columns = self.columns
        return [{key: run.get(key) for key in columns} for run in self.runs if "error" not in run]

    def save(self, folder: str | Path) -> Path:
        """Write the results, tables, rows and figures into a folder; return the folder.

        Raises:
            InputError: a file cannot be written.
        """
        write_values(self, Path(folder))
        write_views(self, Path(folder))
        return Path(folder)


def _find(result: StudyResult) -> Study:
    study: Study = STUDIES.get(result.study)()
    return study


def write_values(result: StudyResult, folder: Path) -> None:
    """Write ``results.json`` in a run folder.

    Raises:
        InputError: it cannot be written. A folder that was made for it is removed.
    """
    made = make_folder(folder)
    try:
        write_json(folder / RESULTS, result.values)
    except InputError:
        if made:
            folder.rmdir()
        raise


def load_result(folder: str | Path, study: str | None = None) -> StudyResult:
    """Read the result of a study from its run folder or JSON file. Results of earlier versions are migrated.

    Args:
        folder: a run folder, or a JSON file with the results.
        study: the study it must be of; any where left out.

    Raises:
        InputError: there are no results, the file is damaged, or they are of another study.
    """
    folder = Path(folder)
    file = folder / RESULTS if folder.is_dir() or folder.suffix != ".json" else folder
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} is not a run of a study: it holds no {RESULTS}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read ({error}); it is damaged") from error
    if not isinstance(values, dict):
        raise InputError(f"{file} is damaged: it holds no results, but a {type(values).__name__}")
    with reading_values(values, file):
        result = StudyResult(migrate_values(without_nan(values), file))
    if study is not None and result.study != study:
        title = _find(result).title
        command = f"iqa-zoo {result.study.replace('_', '-')} --from {folder}"
        raise InputError(f"{folder} holds {title} ({result.study}), not {study}; print it with {command}")
    return result


# Keys that only one study's results hold: those of schema 1 do not always name their study.
_KEYS = {
    "swap": {"rows", "refused", "analysis"},
    "cross_dataset": {"datasets", "rows", "leaks"},
    "scaling": {"backbones", "rows", "front"},
    "layer_probe": {"probed", "rows", "refused"},
    "data_efficiency": {"shares", "rows"},
    "tsne": {"levels", "by"},
    "ablate": {"base", "rows", "sensitivity"},
    "claims": {"claims", "of_claims", "rows"},
    "compare": {"compared", "matched"},
}
_RENAMED = {
    "yardstick": "baseline",
    "yardstick_lr": "baseline_lr",
    "yardstick_budget": "baseline_budget",
}  # schema 1 -> 2


def migrate_values(values: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return results in today's schema.

    Raises:
        InputError: they are of no study, or of a later schema.
    """
    schema = values.get("schema", 1)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise InputError(f"{file} has the schema {schema}, this version reads up to {SCHEMA}; upgrade iqa-zoo")
    if schema == 1:
        values = {_RENAMED.get(key, key): value for key, value in values.items()}
        values = {**values, "study": _guess_study(values)}
    if schema < SCHEMA:
        values = {**_add_verdicts(values), "schema": SCHEMA}
    study = values["study"]
    if study not in STUDIES.names() or not {*_KEYS.get(study, ()), "seconds"} <= values.keys():
        raise InputError(f"{file} does not hold the results of a study ({', '.join(STUDIES.names())})")
    return values


def _add_verdicts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Bring results of schema 2 to schema 3: the test sets of records by their name, and differences with a verdict."""
    found = dict(values)
    if "runs" in found:
        found["runs"] = [{"test_sets" if key == "elsewhere" else key: run[key] for key in run} for run in found["runs"]]
    for key in ("differences", "behind_first"):
        if key in found:
            found[key] = [_judge(row) for row in found[key]]
    if found.get("analysis"):
        splits = len(values["splits"])
        rows = {key: [_judge_effect(row, splits) for row in found["analysis"][key]] for key in ("main", "interactions")}
        found["analysis"] = {**found["analysis"], **rows}
    return found


def _judge(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a difference with the verdict of its interval; nothing was tested for equivalence then."""
    kept = {key: row[key] for key in row if key not in ("tie", "p_holm")}
    few = row["splits"] < FEWEST_SPLITS
    mean, low, high = (math.nan if row[key] is None else row[key] for key in ("mean", "low", "high"))
    return {
        **kept,
        "p": row.get("p_holm", row.get("p")),
        "why": row.get("why", ""),
        "margin": None,
        "pairs": 1,
        "verdict": "undecided" if few else Estimate(mean, low, high).verdict,
        "needed": f"at least {FEWEST_SPLITS} splits" if few else "",
    }


def _judge_effect(row: Mapping[str, Any], splits: int) -> dict[str, Any]:
    """Return a row of an effect of a part as the difference that it is, with the verdict of then."""
    judged = _judge({**{key: row[key] for key in row if key != "effect"}, "mean": row["effect"], "splits": splits})
    return {**judged, "verdict": "undecided"} if row["tie"] else judged


def _guess_study(values: Mapping[str, Any]) -> str | None:
    """Return the study of results of schema 1: the one that they name, or whose keys they hold, or whose script ran."""
    command = [*values.get("command", []), ""]
    named = values.get("study") or next((name for name, keys in _KEYS.items() if keys <= values.keys()), None)
    named = str(named or str(command[0]).removesuffix(".py"))
    return "layer_probe" if named == "probe_layers" else named
