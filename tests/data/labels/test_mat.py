import json

import numpy as np
import pytest
from scipy.io import savemat

from iqa_zoo.data.labels.mat import read_mat
from iqa_zoo.data.labels.mat_worker import main
from iqa_zoo.errors import InputError


@pytest.mark.slow
def test_variables_of_two_files_in_the_order_asked_for(tmp_path):
    first, second = tmp_path / "a b.mat", tmp_path / "second.mat"
    names = np.empty((1, 3), dtype=object)
    names[0] = ["x.bmp", "caf\u00e9.bmp", "3.bmp"]
    savemat(first, {"names": names, "flags": np.array([True, False, True])})
    savemat(second, {"scores": np.array([[0.1], [1 / 3], [-7]])})
    scores, flags, texts = read_mat((second, "scores"), (first, "Flags"), (first, "names"))
    assert [row.number("scores") for row in scores] == [0.1, 1 / 3, -7]
    assert [row.number("Flags") for row in flags] == [1, 0, 1]
    assert [row.text("names") for row in texts] == ["x.bmp", "caf\u00e9.bmp", "3.bmp"]
    assert texts[2].where == f"{first}, entry 3"
    with pytest.raises(InputError, match=r"second\.mat has no variable 'score'; did you mean 'scores'"):
        read_mat((first, "names"), (second, "score"))


def test_the_worker_prints_a_line_a_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("iqa_zoo.data.labels.mat_worker._limit_memory", lambda: None)
    values = {"one": 3, "row": np.arange(3), "square": np.ones((2, 2)), "struct": {"a": 1}, "empty": []}
    savemat(tmp_path / "a.mat", values)
    (tmp_path / "b.mat").write_bytes(b"no")
    main([str(tmp_path / name) for name in ("a.mat", "b.mat", "gone.mat")])
    good, bad, gone = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["variables"] == {
        "one": [3],
        "row": [0, 1, 2],
        "square": "a matrix of 2 x 2",
        "struct": "not a vector of text or numbers",
        "empty": [],
    }
    assert bad["error"]
    assert "No such file" in gone["error"]
