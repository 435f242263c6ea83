"""The process itself: threads, the machine, files opened and written; nothing here knows the method."""
