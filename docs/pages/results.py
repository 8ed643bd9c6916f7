"""Pages of the measured results, from the records in benchmarks/results."""

from __future__ import annotations

import io
import re
import shlex
from functools import cache
from pathlib import Path

from iqa_zoo.studies.results import StudyResult, load_result
from pages.copies import ROOT

RESULTS = ROOT / "benchmarks" / "results"
# Record -> title of its page, and the question that it answers.
RECORDS = {
    "livec_box": ("Life-IQA against DEIQT", "Which decoder is better at the same size, and is either better than ridge regression?"),
    "livec_box_all": ("All decoders", "How do the plain transformer decoder, a perceptron and a linear layer compare?"),
    "livec_box_ablate": ("Ablation of Life-IQA", "Which parts of Life-IQA's decoder matter at the same number of parameters?"),
    "livec_box_claims": ("Claims of the Life-IQA paper", "Which claims of the paper hold on these data?"),
    "livec_box_data_efficiency": ("Data efficiency", "How do the decoders compare when they train on fewer images?"),
    "livec_box_tune": ("Tuning", "Does tuning the learning rate, weight decay, dropout and epochs change a verdict?"),
    "livec_scaling": ("Two backbones", "Does a second backbone lead to the same verdicts?"),
    "livec_layer_probe": ("Layer probe", "Which stage of a backbone predicts quality best?"),
}  # fmt: skip
OUTPUTS = ("--json", "--markdown", "--html", "--out", "--csv", "--jobs")


@cache
def load_record(name: str) -> StudyResult:
    return load_result(RESULTS / f"{name}.json")


def list_records() -> dict[str, str]:
    """Return a page for each record, and their list."""
    pages = {f"results/{name}.md": format_record(name) for name in RECORDS}
    pages["results/verdicts.md"] = (RESULTS / "verdicts.md").read_text(encoding="utf-8")
    pages["results/records.md"] = (RESULTS / "README.md").read_text(encoding="utf-8")
    rows = [f"| [{title}]({name}.md) | {question} |" for name, (title, question) in RECORDS.items()]
    index = [
        "# Results",
        "Every number on these pages is in a record in `benchmarks/results`, with the command that computed it, the versions, the "
        "splits and each prediction. `iqa-zoo STUDY --from FILE.json` prints a record again.",
        "\n".join(
            [
                "| record | question |",
                "| --- | --- |",
                *rows,
                "| [Simulation](verdicts.md) | How often are the verdicts right? |",
            ]
        ),
        "```{toctree}\n:hidden:\n\n" + "\n".join([*RECORDS, "verdicts", "records"]) + "\n```",
    ]
    return {**pages, "results/index.md": "\n\n".join(index) + "\n"}


def format_record(name: str) -> str:
    """Return the page of a record: its question, what it found, its figures, the command, and all tables."""
    title, question = RECORDS[name]
    result = load_record(name)
    figures = [f"![{title}: {figure}]({name}_{figure}.svg)" for figure in result.figures()]
    text = (RESULTS / f"{name}.md").read_text(encoding="utf-8")
    tables, _, _ = text.rpartition("\n\n")  # the sentences come first on this page
    parts = [
        f"# {title}",
        question,
        "## What it shows",
        "\n".join(f"- {sentence}" for sentence in result.sentences()),
        *figures,
        "## Command",
        f"```bash\n{format_command(result)}\n```",
        "## Tables",
        tables,
    ]
    return "\n\n".join(parts) + "\n"


def format_command(result: StudyResult) -> str:
    """Return the command of a record without the options that only say where output goes."""
    first, *words = result.values["command"]
    for i, word in enumerate(words):  # a study of several backbones keeps the file only
        if i and words[i - 1] == "--weights" and "=" not in word and "backbones" in result.values["spec"]:
            name = next(each for each in result.values["spec"]["backbones"] if word.startswith(each))
            words[i] = f"{name}={word}"
    shown = [word for i, word in enumerate(words) if word not in OUTPUTS and (i == 0 or words[i - 1] not in OUTPUTS)]
    return f"{first} {shlex.join(shown)}".strip()


def list_figures() -> dict[str, bytes]:
    """Return the figures of the records as SVG; the same bytes in every build."""
    import matplotlib as mpl

    mpl.use("agg")
    found = {}
    with mpl.rc_context({"svg.hashsalt": "iqa_zoo"}):
        for name in RECORDS:
            for figure, drawn in load_record(name).figures().items():
                file = io.BytesIO()
                drawn.savefig(file, format="svg", metadata={"Date": None}, bbox_inches="tight")
                found[f"results/{name}_{figure}.svg"] = file.getvalue()
    return found


def read_block(page: Path, mark: str) -> str:
    """Return what stands between ``<!-- mark -->`` and ``<!-- end -->`` on a page."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n(.*?)<!-- end -->", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{page} has no block {mark!r}"
    return found[1]
