"""Miniatures of the official layouts: a few tiny images, and label files in the format of the release."""

from dataclasses import replace

import openpyxl
import pytest
from PIL import Image


@pytest.fixture
def draw():
    """Write a tiny image at each path, folders included."""

    def write(root, *names):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(path)

    return write


@pytest.fixture
def expect(monkeypatch):
    """Make a dataset module expect a miniature instead of the release."""

    def change(module, **counts):
        monkeypatch.setattr(module, "RELEASE", replace(module.RELEASE, **counts))

    return change


@pytest.fixture
def spreadsheet():
    """Write rows as a sheet of an .xlsx file, after a first sheet if it is not the first."""

    def write(path, rows, sheet="Sheet1", first=None):
        book = openpyxl.Workbook()
        page = book.active
        if first is not None:
            page.title = first
            page = book.create_sheet()
        page.title = sheet
        for row in rows:
            page.append(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        book.save(path)

    return write
