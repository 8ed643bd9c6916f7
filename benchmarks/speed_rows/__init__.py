"""What ``python benchmarks/speed.py`` measures: rows of one ratio each, and curves."""
