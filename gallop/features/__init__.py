"""Photos in, features out: views of each, encoded once and stored in memory or on disk."""
