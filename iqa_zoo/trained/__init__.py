"""Trained models with names: what each was trained on, how good it is, and what its scores mean."""
