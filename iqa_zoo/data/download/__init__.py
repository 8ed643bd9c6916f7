"""Get releases from their authors: addresses and checksums as data, resumed downloads, safe unpacking."""
