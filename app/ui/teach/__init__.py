"""The page Teach: cards of photos, settings, the training as it goes."""
