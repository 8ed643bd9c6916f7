import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.data.image_folder import ImageFolder, list_folder, list_subfolders
from iqa_zoo.data.names import normalize_name
from iqa_zoo.errors import InputError


def test_one_folder_or_several(tmp_path, draw):
    draw(tmp_path, "A.PNG", "inner/b.png", "other/c.png")
    (tmp_path / "folder.png.d").mkdir()
    alone = ImageFolder(tmp_path)
    assert alone.find("a.png") == tmp_path / "A.PNG"
    assert alone.find("b.png") == tmp_path / "b.png"  # where it should be
    assert list_subfolders(tmp_path) == [tmp_path / "folder.png.d", tmp_path / "inner", tmp_path / "other"]
    deep = ImageFolder(tmp_path, *list_subfolders(tmp_path))
    assert deep.find("b.png") == tmp_path / "inner" / "b.png"
    draw(tmp_path, "other/b.png")
    with pytest.raises(InputError, match=r"b\.png may be .*inner/b\.png or .*other/b\.png; remove or rename all but"):
        ImageFolder(tmp_path, *list_subfolders(tmp_path)).find("b.png")


def test_an_exact_name_in_one_folder_counts_before_a_loose_one_in_another(tmp_path, draw):
    draw(tmp_path, "one/A.png", "two/a.png")
    assert ImageFolder(tmp_path / "one", tmp_path / "two").find("a.png") == tmp_path / "two" / "a.png"


def test_another_suffix_only_where_allowed(tmp_path, draw):
    draw(tmp_path, "a.png")
    assert ImageFolder(tmp_path).find("a.jpg") == tmp_path / "a.jpg"
    assert ImageFolder(tmp_path, any_suffix=True).find("a.jpg") == tmp_path / "a.png"


def test_a_folder_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"the folder .*gone cannot be read: No such file"):
        ImageFolder(tmp_path / "gone")
    with pytest.raises(InputError, match=r"the folder .*gone cannot be read: No such file"):
        list_folder(tmp_path / "gone")


@pytest.mark.slow
@given(st.lists(st.text("aAbB\u00e9\u00c9", min_size=1, max_size=2), unique=True), st.text("aAbB\u00e9", min_size=1))
def test_the_exact_name_or_the_only_loose_one_or_an_error(tmp_path_factory, stems, wanted):
    folder = tmp_path_factory.mktemp("images")
    for stem in stems:
        (folder / f"{stem}.png").touch()
    there = list_folder(folder)
    same = [name for name in there if normalize_name(name) == normalize_name(f"{wanted}.png")]
    if f"{wanted}.png" in there:
        assert ImageFolder(folder).find(f"{wanted}.png").name == f"{wanted}.png"
    elif len(same) > 1:
        with pytest.raises(InputError, match=" or "):
            ImageFolder(folder).find(f"{wanted}.png")
    else:
        assert ImageFolder(folder).find(f"{wanted}.png").name == (same[0] if same else f"{wanted}.png")
