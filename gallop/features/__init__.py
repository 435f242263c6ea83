"""Photos in, features out: views of each, encoded once and kept in memory or on disk."""
