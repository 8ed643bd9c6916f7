"""What label tables and split files call the parts of a split."""

PART_BY_WORD = {  # a word in lower case -> the part
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
