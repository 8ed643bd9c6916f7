"""What to cite: BibTeX entries of models, data sets, backbones and methods, as data."""
