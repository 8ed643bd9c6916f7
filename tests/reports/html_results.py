"""Small made-up results and images for the tests of the HTML report."""

import numpy as np
from PIL import Image

from iqa_zoo.data.loading import DataSource
from iqa_zoo.reports.html.study import assemble_study_page
from iqa_zoo.studies.compare.report import make_sentences, make_tables
from iqa_zoo.studies.page import make_study_page
from iqa_zoo.studies.results import StudyResult


def metrics(srocc):
    return dict(srocc=srocc, plcc=srocc, plcc_logistic4=srocc, krocc=srocc / 2, rmse=9.0, seconds=1.0)


def spread(value):
    return dict(median=value, q1=value - 0.01, q3=value + 0.01)


def made_up(names, *, label="MOS", models=("lifeiqa", "deiqt"), seed=0, splits=("s1", "s2")):
    """Results as a comparison keeps them, of models whose predictions are the labels with noise."""
    rng = np.random.default_rng(seed)
    mos = dict(zip(names, rng.uniform(0, 100, len(names)).round(2).tolist(), strict=True))
    budget = dict(params=3_000_000, active_params=2_500_000, macs=4_000_000_000, moved={"head.hidden": [64, 32]})
    budget["decoder"] = dict(params=2_760_000, active_params=2_250_000, macs=33_500_000)
    config = {"dim": 24, "head": {"type": "moe"}}
    trained = [*models, "ridge_baseline"]
    runs = [
        {
            "model": model,
            "split": split,
            "seed": number,
            "epoch": 3,
            **metrics(0.8 - 0.05 * place),
            "predictions": {name: round(float(value + rng.normal(0, 8 + 4 * place)), 4) for name, value in mos.items()},
        }
        for number, split in enumerate(splits)
        for place, model in enumerate(trained)
    ]
    return {
        "study": "compare",
        "schema": 3,
        "command": ["iqa-zoo compare", *models, "--data", "table"],
        "versions": {"iqa_zoo": "0.1.0", "torch": "2.9.0"},
        "source": "0123456789ab",
        "threads": 1,
        "protocol": "frozen",
        "baseline": "ridge_baseline",
        "baseline_reads": ["stage 3", "stage 4"],
        "margin": 0.01,
        "compared": list(models),
        "backbone": "nss",
        "weights": "no weights to load",
        "match": "params",
        "target": "deiqt's decoder",
        "matched": [dict(model=model, config=config, hash="abc123", budget=budget) for model in trained],
        "published": [dict(model=models[0], backbone="swin", hash="d", budget=budget, published=(0.896, 0.919))],
        "published_on": "livec",
        "data": dict(
            name="table", images=len(names), contents=len(names), label=label, higher_is_better=True, mos=mos
        ),
        "selection": "validation",
        "parts": dict(train=8, validation=2, test=len(names)),
        "splits": list(splits),
        "recipe": dict(epochs=12, batch_size=64, lr=0.001, precision="float32"),
        "crops": 4,
        "runs": runs,
        "summary": {
            model: {key: spread(value) if key != "seconds" else value for key, value in metrics(0.812).items()}
            for model in trained
        },
        "differences": [
            dict(first=models[0], second=models[-1], mean=0.01, low=-0.02, high=0.04, p=0.3, wins=1, splits=6, count=6,
                 margin=0.01, pairs=1, verdict="undecided", needed="about 12 splits", why="")
        ],
        "seconds": 12.0,
    }  # fmt: skip


def page_without_images(results, figures=None):
    return assemble_study_page(results, make_tables(results), make_sentences(results), figures or {}, {})


def page_with_images(results, root, data="table"):
    return make_study_page(StudyResult(results), [DataSource(data, root)], None)


def photo_folder(root, names, *, damaged=()):
    """Images of these names with labels.csv; those in ``damaged`` are no images."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in names:
        if name in damaged:
            (root / name).write_bytes(b"this is no image")
        else:
            Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(root / name)
    (root / "labels.csv").write_text("image,mos\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names)))
    return root
