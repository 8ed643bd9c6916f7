import pytest

from iqa_zoo.data.table_images import NearMisses


@pytest.fixture
def near(tmp_path, draw):
    draw(tmp_path / "t", "a.jpg", "In/b.png")
    draw(tmp_path, "above.png")
    return NearMisses(tmp_path / "t")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("A.jpg", "a.jpg"),
        ("./A.jpg", "a.jpg"),
        (r".\in\B.PNG", "In/b.png"),
        ("../ABOVE.png", "../above.png"),
        (r"..\above.png", "../above.png"),
    ],
)
def test_files_under_a_name_in_other_letters(near, name, found):
    assert near.find(name) == [near.folder / found]


@pytest.mark.parametrize("name", ["c.jpg", "in", "In/a.jpg", "", "/", "..", "a.jpg/b.png", r"C:\a.jpg"])
def test_nothing_like_it(near, name):
    assert near.find(name) == []


def test_absolute_paths(near):
    file = near.folder / "a.jpg"
    assert near.find(str(file).upper().replace(str(near.folder).upper(), str(near.folder))) == [file]
