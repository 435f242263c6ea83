"""Cards, settings and the tasks that learn from them, with their progress."""
