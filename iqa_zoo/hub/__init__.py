"""Trained models on a model hub: addresses, what is fetched and sent, cards."""
