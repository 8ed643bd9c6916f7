"""The same as ``iqa-zoo data-efficiency``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["data-efficiency", *sys.argv[1:]]))
