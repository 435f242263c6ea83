"""The page Export: what was seen and taught, as files and as code."""
