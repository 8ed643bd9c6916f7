"""Modules that several parts share. They are no parts: nothing here is registered."""
