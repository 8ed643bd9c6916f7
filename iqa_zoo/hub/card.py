"""The card of a model on a hub: front matter that the hub reads (licence, data, metrics, results), then text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_hub import EvalResult, ModelCardData

from iqa_zoo.hub.manifest import FILE, HubFile
from iqa_zoo.inference.run import TrainedOn

TASK = "image-quality-assessment"
TAGS = [TASK, "blind-image-quality-assessment", "no-reference", "iqa"]
# Licences that the hub knows by these names, of those that weights and data come with; others are named beside "other".
LICENCES = ("afl-3.0", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0",
            "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-2.0",
            "gpl-3.0", "lgpl-3.0", "mit", "mpl-2.0", "openrail", "other", "unknown", "unlicense")  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A metric of a model, as the hub's results have it.

    Attributes:
        metric: the hub's name, for example ``spearmanr``.
        shown: ours, for example ``SROCC``.
        value: of the metric.
        part: which images it was measured on, in a phrase.
    """

    metric: str
    shown: str
    value: float
    part: str


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        data: what the model was trained on.
        licence: of the weights.
        data_licence: of the data.
        base_model: repository on the hub of the weights that the backbone started from; empty where there is none.
        results: on images that were not trained on.
        rows: facts for a table, by their name.
        text: more sections of Markdown.
    """

    data: TrainedOn
    licence: str
    data_licence: str
    base_model: str
    results: tuple[Result, ...]
    rows: tuple[tuple[str, str], ...]
    text: str = ""


def format_card(facts: CardFacts, repository: str, files: Sequence[HubFile]) -> str:
    """Format the card of a model as Markdown with YAML front matter.

    Args:
        facts: what it says.
        repository: ``user/name``.
        files: of the model.
    """
    low, high = facts.data.score_range
    better = "higher" if facts.data.higher_is_better else "lower"
    sections = [
        f"---\n{_make_front_matter(facts, repository)}\n---",
        f"# {repository.split('/')[-1]}",
        "A model of blind image quality assessment: it scores an image without a reference. A score is on the scale of the labels "
        f"that it was trained on: {facts.data.label} of {facts.data.name}, {low:g} to {high:g}, {better} is better.",
        f"```bash\npip install iqa-zoo\niqa-zoo score photo.jpg --run hf://{repository}\n```\n\n```python\nimport iqa_zoo\n\n"
        f'scorer = iqa_zoo.load("hf://{repository}")\nscorer.score("photo.jpg").score\n```',
        "The first use fetches the files, and later ones need no connection. `hf://user/name@COMMIT` always means the same files; the "
        "commit stands in every output. Nothing in them is code: weights are safetensors, the rest is JSON.",
        "## What it is",
        _format_rows([("", "value"), *facts.rows]),
        *_format_results(facts),
        "## Licences",
        f"- weights: {facts.licence}\n- training data ({facts.data.name}): {facts.data_licence}\n- code (iqa_zoo): Apache-2.0",
        *([facts.text] if facts.text else []),
        "## Files",
        _format_rows(
            [("file", "size", "SHA-256"), *((each.name, format_size(each.bytes), each.sha256[:12]) for each in files)]
        )
        + f"\n\n`{FILE}` names them with their whole hashes, which are checked when the model is loaded.",
    ]
    return "\n\n".join(sections) + "\n"


def _make_front_matter(facts: CardFacts, repository: str) -> str:
    name = facts.licence.split(" ")[0].lower()
    known = name in LICENCES
    results = [
        EvalResult(
            task_type=TASK,
            task_name="Blind image quality assessment",
            dataset_type=_make_slug(facts.data.name),
            dataset_name=f"{facts.data.name} ({facts.data.label})",
            dataset_split=each.part,
            metric_type=each.metric,
            metric_name=each.shown,
            metric_value=each.value,
        )
        for each in facts.results
    ]
    data = ModelCardData(
        license=name if known else "other",
        license_name=None if known else _make_slug(facts.licence),
        library_name="iqa_zoo",
        tags=TAGS,
        datasets=[_make_slug(facts.data.name)],
        metrics=list(dict.fromkeys(each.metric for each in facts.results)) or None,
        base_model=facts.base_model or None,
        model_name=repository.split("/")[-1] if results else None,
        eval_results=results or None,
    )
    return str(data.to_yaml()).strip()


def _format_results(facts: CardFacts) -> list[str]:
    if not facts.results:
        return ["No result is given: the training was not tested."]
    rows = [("metric", "value", "images"), *((each.shown, f"{each.value:.3f}", each.part) for each in facts.results)]
    return ["## Results", _format_rows(rows)]


def _format_rows(rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _make_slug(text: str) -> str:
    """Return a text as the hub takes a name: small letters, digits, hyphens."""
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-.") or "own-data"


def format_size(count: int) -> str:
    """Format a number of bytes.

    >>> [format_size(each) for each in (87, 29385, 1520164)]
    ['87 B', '29.4 kB', '1.52 MB']
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} B"
