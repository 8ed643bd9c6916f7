"""What the generated pages of the documentation are made from."""
