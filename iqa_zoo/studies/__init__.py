"""Studies: questions about decoders and backbones that are answered by training them.

A study is a folder with ``study.py`` (what it computes) and ``report.py`` (what its results say).
"""
