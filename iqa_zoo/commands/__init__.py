"""The subcommands of ``iqa-zoo``, one module each; see :mod:`iqa_zoo.cli`."""
