"""A corpus scored shard by shard: every row once, whatever is damaged and whenever it is killed."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from iqa_zoo.errors import InputError
from iqa_zoo.inference.corpus import score_corpus as module
from iqa_zoo.inference.corpus.items import read_items
from iqa_zoo.inference.corpus.parquet import choose_column
from iqa_zoo.inference.corpus.score_corpus import Model, find_parts_folder, score_corpus
from iqa_zoo.inference.corpus.shards import find_shards
from iqa_zoo.inference.load import load
from iqa_zoo.trained import names


def encode(seed: int, kind: str = "JPEG") -> bytes:
    noise = np.random.default_rng(seed).normal(128, 5 + seed, (40, 44, 3)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


@pytest.fixture
def model(released, monkeypatch):
    """``tiny.noise``, a named model."""
    monkeypatch.setattr(names, "FOLDER", released.folder)
    return Model("tiny.noise", "cpu")


@pytest.fixture
def corpus(tmp_path):
    """Two tar files, one compressed; an image that is cut, one that is none, labels beside them; and three image files."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    samples = {f"{i}.jpg": encode(i) for i in range(4)} | {f"{i}.json": b"{}" for i in range(4)}
    write_tar(folder / "2.tar", {**samples, "cut.jpg": encode(9)[:300], "none.png": b"text"})
    write_tar(folder / "10.tar.gz", {"a/b.png": encode(5, "PNG")}, "w:gz")
    for i in range(3):
        (folder / f"{i}.png").write_bytes(encode(20 + i, "PNG"))
    return folder


def read(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


@pytest.mark.slow
def test_every_image_is_a_row_with_the_score_it_has_alone(model, corpus, tmp_path):
    listing = find_shards([corpus], shard_size=2)
    assert [(each.kind, each.source.name, each.first) for each in listing.shards] == [
        ("images", "corpus", 0), ("images", "corpus", 2), ("tar", "2.tar", 0), ("tar", "10.tar.gz", 0),
    ]  # fmt: skip
    result = score_corpus(model, listing.shards, tmp_path / "s.parquet")
    assert (result.rows, result.errors, result.shards, result.kept, result.failed) == (10, 2, 4, 0, ())
    rows = read(tmp_path / "s.parquet")
    assert [(Path(row["source"]).name, row["row"], Path(row["image"]).name) for row in rows] == [
        *(("corpus", i, f"{i}.png") for i in range(3)),
        *(("2.tar", i, f"{i}.jpg") for i in range(4)), ("2.tar", 4, "cut.jpg"), ("2.tar", 5, "none.png"),
        ("10.tar.gz", 0, "b.png"),
    ]  # fmt: skip
    alone = load("tiny.noise", "cpu")
    given = [corpus / f"{i}.png" for i in range(3)] + [encode(i) for i in range(4)] + [encode(5, "PNG")]
    expected = [alone.score(each) for each in given]
    good = [row for row in rows if not row["error"]]
    for row, score in zip(good, expected, strict=True):
        values = score.to_dict()
        del values["path"]
        assert {key: row[key] for key in values} == values
    assert "truncated" in rows[7]["error"]
    assert "not an image" in rows[8]["error"]
    assert rows[7]["score"] is None
    metadata = pq.read_metadata(tmp_path / "s.parquet").metadata
    assert json.loads(metadata[b"iqa_zoo.scores"])["model"] == "tiny.noise"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "s.parquet"]


class Killed(BaseException):
    """Ends the work at any place, as a signal does."""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["write_part", "count_rows", "merge_parts", "_remove"])
def test_what_is_killed_anywhere_ends_as_what_never_was(model, corpus, tmp_path, monkeypatch, place):
    shards = find_shards([corpus], shard_size=2).shards
    whole, output = tmp_path / "whole.parquet", tmp_path / "s.parquet"
    score_corpus(model, shards, whole)
    real, calls = getattr(module, place), []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == min(3, 1 if place != "write_part" else 3):
            if place == "write_part":  # in the middle of the part
                rows = iter(arguments[1])
                real(arguments[0], stop_after(rows), arguments[2])
            raise Killed
        return real(*arguments)

    def stop_after(rows):
        yield next(rows)
        raise Killed

    monkeypatch.setattr(module, place, dies)
    with pytest.raises(Killed):
        score_corpus(model, shards, output)
    monkeypatch.setattr(module, place, real)
    parts = find_parts_folder(output)
    (parts / ".part-0000003.parquet-1-2.partial").write_bytes(b"half")  # a process without time to clean up
    done = len(list(parts.glob("part-*")))
    assert done == (2 if place == "write_part" else 4)
    scored = []
    monkeypatch.setattr(
        module, "_write_shard", lambda *given, real=module._write_shard: scored.append(1) or real(*given)
    )
    result = score_corpus(model, shards, output)
    assert (result.kept, len(scored)) == (done, 4 - done)
    assert read(output) == read(whole)
    assert not parts.exists()


@pytest.mark.slow
def test_a_folder_of_parts_goes_on_with_the_same_images_and_model_only(model, corpus, tmp_path):
    shards = find_shards([corpus]).shards
    output = tmp_path / "parts"
    first = score_corpus(model, shards, output)
    assert (first.kept, len(list(output.glob("part-*.parquet")))) == (0, 3)
    again = score_corpus(model, shards, output)
    assert (again.kept, again.rows) == (3, first.rows)
    assert read(output) == [row for part in sorted(output.glob("part-*")) for row in read(part)]
    with pytest.raises(InputError, match=r"scores\.crops: 2 there, 3 asked for(.|\n)*give another output"):
        score_corpus(Model("tiny.noise", "cpu", 3), shards, output)
    write_tar(corpus / "2.tar", {"0.jpg": encode(0)})
    with pytest.raises(InputError, match="images: 3 shards there, 3 now; 1 of those there changed"):
        score_corpus(model, find_shards([corpus]).shards, output)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(InputError, match=r"holds other files \(mine.txt\)"):
        score_corpus(model, shards, tmp_path / "other")
    with module._holding(output), pytest.raises(InputError, match="another process writes to"):
        score_corpus(model, shards, output)


def test_a_damaged_tar_file_keeps_what_was_before_the_damage(tmp_path):
    whole = write_tar(tmp_path / "a.tar", {f"{i}.jpg": encode(i) for i in range(4)}).read_bytes()
    second = whole.index(b"2.jpg")  # the header of the third image
    cases = {
        "cut in an image": (whole[: second + 700], 2),
        "cut at a header": (whole[:second], 2),
        "a damaged header": (whole[:second] + b"\xff" * 512 + whole[second + 512 :], 2),
        "no tar at all": (b"text" * 500, 0),
        "empty": (b"", 0),
        "whole": (whole, 4),
    }
    for what, (content, good) in cases.items():
        (tmp_path / "a.tar").write_bytes(content)
        (shard,) = find_shards([tmp_path / "a.tar"]).shards
        items = list(read_items(shard))
        assert [item.image for item in items if item.image] == [encode(i) for i in range(good)], what
        problems = [item.error for item in items if item.error]
        assert [f"is damaged or cut after {good} images" in each for each in problems] == [True] * (what != "whole"), (
            what
        )
        assert [item.row for item in items] == list(range(len(items)))


@pytest.mark.slow
def test_parquet_of_bytes_structs_and_paths(model, tmp_path):
    (tmp_path / "1.png").write_bytes(encode(1, "PNG"))
    content = [encode(i) for i in range(3)]
    tables = {
        "bytes": {"jpg": [content[0], None, content[2]], "__key__": ["a", "b", "c"], "caption": ["x", "y", "z"]},
        "struct": {
            "image": [{"bytes": each, "path": f"{i}.jpg"} for i, each in enumerate(content)],
            "label": [1, 2, 3],
        },
        "paths": {"path": ["1.png", "missing.png", str(tmp_path / "1.png")], "n": [1, 2, 3]},
    }
    found = {}
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet", row_group_size=2)
        shards = find_shards([tmp_path / f"{name}.parquet"]).shards
        assert [(each.row_group, each.first) for each in shards] == [(0, 0), (1, 2)]
        score_corpus(model, shards, tmp_path / f"{name}_scores.parquet")
        found[name] = read(tmp_path / f"{name}_scores.parquet")
        assert [row["row"] for row in found[name]] == [0, 1, 2]
    alone = load("tiny.noise", "cpu")
    assert [row["score"] for row in found["struct"]] == [alone.score(each).score for each in content]
    assert [row["image"] for row in found["struct"]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [row["image"] for row in found["bytes"]] == ["a", "b", "c"]
    assert found["bytes"][1]["error"] == "the row holds no image (null)"
    assert found["bytes"][2]["score"] == found["struct"][2]["score"]
    first, missing, last = found["paths"]
    assert first["score"] == last["score"] == alone.score(tmp_path / "1.png").score
    assert "missing.png does not exist" in missing["error"]


def test_the_column_of_images_is_found_or_named():
    schema = pa.schema([("a", pa.binary()), ("b", pa.binary()), ("path", pa.string()), ("n", pa.int64())])
    with pytest.raises(
        InputError, match=r"several columns of bytes \(a, b\); give --column NAME, one of a, b, path, n"
    ):
        choose_column(schema, None, Path("x.parquet"))
    assert choose_column(schema, "path", Path("x.parquet")) == "path"
    assert choose_column(schema.remove(0), None, Path("x.parquet")) == "b"
    with pytest.raises(InputError, match="has no column 'pth'; did you mean 'path'\\? Known: a, b, path, n"):
        choose_column(schema, "pth", Path("x.parquet"))
    with pytest.raises(InputError, match="column 'n' is int64; give one of bytes or of paths"):
        choose_column(schema, "n", Path("x.parquet"))


@pytest.mark.slow
def test_a_disk_that_fails_costs_its_shard_until_the_next_run(model, corpus, tmp_path, monkeypatch):
    shards = find_shards([corpus]).shards

    def fails(shard):
        if shard.source.name == "2.tar":
            raise OSError(5, "Input/output error")
        return read_items(shard)

    output = tmp_path / "s.parquet"
    with monkeypatch.context() as broken:
        broken.setattr(module, "read_items", fails)
        result = score_corpus(model, shards, output)
    assert result.failed == (f"{corpus / '2.tar'}: OSError: [Errno 5] Input/output error",)
    assert not output.exists()
    again = score_corpus(model, shards, output)
    assert (again.kept, again.rows, again.failed) == (2, 10, ())
    with monkeypatch.context() as broken:
        broken.setattr(module, "read_items", fails)
        broken.setattr(module, "MOST_FAILURES", 1)
        with pytest.raises(InputError, match="shards that failed in a row: 1, the last with: .*2.tar: OSError"):
            score_corpus(model, shards, tmp_path / "t.parquet")


@pytest.mark.slow
def test_no_shard_holds_more_images_than_are_scored_at_once(model, tmp_path, monkeypatch):
    """Items that are read and not yet yielded do not grow with the shard."""
    write_tar(tmp_path / "a.tar", {f"{i}.png": encode(1, "PNG") for i in range(120)})
    (shard,) = find_shards([tmp_path / "a.tar"]).shards
    read_so_far, most = 0, 0

    def count():
        nonlocal read_so_far
        for item in read_items(shard):
            read_so_far += 1
            yield item

    for done, _ in enumerate(module.score_items(model.load(), count()), start=1):
        most = max(most, read_so_far - done)
    assert done == 120
    assert most <= 2 * 8 + 3


@pytest.mark.slow
def test_ray_gives_the_same_rows(corpus, tmp_path):
    pytest.importorskip("ray")
    model = Model("mlp_lite0.livec", "cpu")  # other processes find only what comes with the package
    shards = find_shards([corpus]).shards
    score_corpus(model, shards, tmp_path / "one.parquet")
    result = score_corpus(model, shards, tmp_path / "ray.parquet", ray="local")
    assert (result.rows, result.errors, result.failed) == (10, 2, ())
    assert read(tmp_path / "ray.parquet") == read(tmp_path / "one.parquet")
