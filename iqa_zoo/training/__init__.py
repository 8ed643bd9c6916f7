"""Training rules, one of each, for models on frozen features and models trained end to end."""
