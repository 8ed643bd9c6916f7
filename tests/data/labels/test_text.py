import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.data.labels.text import read_text
from iqa_zoo.errors import InputError


@pytest.mark.slow
@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\ufeff")), st.data())
def test_text_with_a_byte_order_mark_or_in_utf8_comes_back(tmp_path_factory, text, data):
    path = tmp_path_factory.mktemp("text") / "t"
    path.write_bytes(text.encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))))
    if path.read_bytes()[:4] not in (b"PK\x03\x04",):
        assert read_text(path) == text


def test_other_encodings_are_refused_with_the_line(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(b"one\r\ntwo\r\ncaf\xe9")
    with pytest.raises(InputError, match="line 3: byte 0xe9 is not UTF-8; the file may be Windows-1252 or Latin-1"):
        read_text(path)
    path.write_bytes(b"\xfe\xff\xd8\x00\x00")
    with pytest.raises(InputError, match="is damaged: its byte order mark says utf-16, and it is not"):
        read_text(path)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="is a spreadsheet or an archive, not a text file"):
        read_text(path)
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        read_text(tmp_path / "gone")
