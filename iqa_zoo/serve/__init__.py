"""A web page and a JSON interface that score photographs. Needs the extra ``serve``."""
