"""The same as ``iqa-zoo tsne``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["tsne", *sys.argv[1:]]))
