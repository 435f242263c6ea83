"""The process itself: threads, the machine, files and strangers' addresses; nothing here knows the method."""
