"""DACNN as a plugin of iqa_zoo. Its entry points stand in pyproject.toml; nothing needs to be imported here."""
