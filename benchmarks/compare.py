"""The same as ``iqa-zoo compare``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
