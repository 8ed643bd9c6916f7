"""Scores of images by a trained model. Needs neither mmengine nor OpenCV nor matplotlib nor scikit-learn, and no network."""
