"""The JSON interface: its scores are those of the package, and its description fits what it does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest

from iqa_zoo.explain.score_map import compute_score_map
from iqa_zoo.serve.limits import Limits
from iqa_zoo.serve.names import name_models
from iqa_zoo.serve.scoring import ScoringPool, load_models
from tests.serve.photos import draw_photo


@pytest.mark.slow
def test_scores_are_those_of_the_package(served):
    photos = [
        ("a.png", draw_photo(1)),
        ("b.jpg", draw_photo(2, (70, 90, 3), "JPEG")),
        ("c.gif", draw_photo(3, (20, 20, 3), "GIF")),
    ]
    response = served.post("/v1/score?model=whole&model=tiny.noise", *photos)
    assert response.status_code == 200
    answers = response.json()["photographs"]
    assert [each["name"] for each in answers] == ["a.png", "b.jpg", "c.gif"]
    assert [(each["height"], each["width"]) for each in answers] == [(40, 46), (70, 90), (20, 20)]
    for answer, (_, content) in zip(answers, photos, strict=True):
        assert [each["model"] for each in answer["scores"]] == ["whole", "tiny.noise"]
        for each in answer["scores"]:
            expected = served.scorers[each.pop("model")].score(content).to_dict()
            assert each == {key: expected[key] for key in each}
    assert answers[2]["scores"][1]["flags"][0] == "enlarged"


@pytest.mark.slow
def test_a_hundred_requests_at_once_are_all_answered_rightly(served):
    photos = {f"{index}.png": draw_photo(index) for index in range(100)}
    expected = {name: served.scorers["tiny.noise"].score(content).score for name, content in photos.items()}
    assert len(set(expected.values())) > 90

    def ask(photo):
        response = served.post("/v1/score", photo)
        (answer,) = response.json()["photographs"]
        return response.status_code, answer["name"], answer["scores"][0]["score"]

    with ThreadPoolExecutor(100) as pool:
        found = list(pool.map(ask, photos.items()))
    assert found == [(200, name, score) for name, score in expected.items()]


def test_a_photograph_that_cannot_be_scored_is_named_and_the_others_are_scored(served):
    response = served.post("/v1/score", ("a.png", b"no image"), ("b.png", draw_photo(1)))
    bad, good = response.json()["photographs"]
    assert response.status_code == 200
    assert bad["error"].startswith("a.png is not an image")
    assert bad["scores"] == []
    assert good["scores"][0]["score"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny.noise", "whole"])
def test_a_map_is_that_of_the_package(served, model):
    content = draw_photo(4, (150, 200, 3))
    answer = served.post(f"/v1/map?model={model}", ("a.png", content), field="photograph").json()
    expected = compute_score_map(served.scorers[model], content, most=served.limits.regions)
    assert answer["score"] == served.scorers[model].score(content).score
    assert [each["score"] for each in answer["regions"]] == [float(each) for each in expected.regions]
    assert len(answer["regions"]) <= served.limits.regions
    assert np.shape(answer["map"]) == (24, 32)
    assert answer["sentences"] == expected.describe()


def test_models_and_limits_say_what_is_loaded(served):
    models = served.get("/v1/models").json()
    assert [each["name"] for each in models] == ["tiny.noise", "whole"]
    assert models[0]["coverage"] == pytest.approx(0.9)
    assert models[1]["coverage"] is None
    assert "/" not in models[1]["signature"].split(";")[1]  # the path of a run stays private
    assert served.get("/v1/limits").json() == asdict(served.limits)


def test_a_model_that_is_not_loaded_is_refused_with_the_closest(served):
    response = served.post("/v1/score?model=tiny.nose", ("a.png", draw_photo(1)))
    assert response.status_code == 422
    assert "did you mean 'tiny.noise'?" in response.json()["error"]["message"]


def test_a_form_without_photographs_is_refused(served):
    response = served.post("/v1/score", ("a.png", draw_photo(1)), field="pictures")
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "form"
    assert "photographs" in response.json()["error"]["message"]


def test_the_description_names_every_path_and_its_errors(served):
    description = served.get("/openapi.json").json()
    assert set(description["paths"]) == {"/v1/health", "/v1/models", "/v1/limits", "/v1/score", "/v1/map"}
    for path in ("/v1/score", "/v1/map"):
        post = description["paths"][path]["post"]
        assert {"200", "408", "413", "422", "503"} <= set(post["responses"])
        assert "multipart/form-data" in post["requestBody"]["content"]
    score = description["components"]["schemas"]["ScoreAnswer"]["properties"]
    assert {"score", "low", "high", "word", "flags"} <= set(score)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/page/app.js", "/..%2f..%2fapp.py", "/v1/score"])
def test_nothing_else_is_served(served, path):
    response = served.get(path)
    assert response.status_code in (404, 405)
    assert response.json()["error"]["code"] == "request"


def test_a_model_that_takes_countless_crops_is_not_served(tiny, write_run, tmp_path):
    run = write_run(tmp_path / "run", tiny, test_crops=10**9)
    with pytest.raises(ValueError, match="mine takes 1000000000 crops of a photograph; a server takes at most 100"):
        load_models({"mine": run}, "cpu")


def test_a_long_name_of_no_model_is_shown_in_part(served):
    response = served.post("/v1/score", ("a.png", draw_photo(1)), params={"model": "<b>" * 3000})
    assert response.status_code == 422
    assert len(response.text) < 400


def test_two_models_need_two_names(whole_run):
    with pytest.raises(ValueError, match="two models are called 'whole'"):
        name_models([whole_run, whole_run])
    with pytest.raises(ValueError, match="at least one model"):
        ScoringPool({}, Limits())
