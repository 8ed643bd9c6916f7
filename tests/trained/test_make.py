"""A model that was trained on cached features gives the same scores from pixels, and says how good it is."""

import numpy as np

from iqa_zoo.inference.load import load


def test_features_of_the_bank_and_pixels_give_the_same_scores(released, noise):
    folder, entry, bank, _ = released
    scorer = load("tiny.noise", "cpu", folder=folder)
    scores = np.array([float(scorer.score(path)) for path in noise.paths])
    decoder = scorer.model.model
    raw = [bank.take(np.arange(60), np.full(60, crop)) for crop in range(2)]
    print(scores[:5], entry.measured)
