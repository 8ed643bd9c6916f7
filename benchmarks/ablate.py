"""The same as ``iqa-zoo ablate``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["ablate", *sys.argv[1:]]))
