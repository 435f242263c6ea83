"""What is taken away: what was seen and taught, as files and as code."""
