"""Pictures of the running app: those of README and documentation, of its first moment, and of all its pages."""
