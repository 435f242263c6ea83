"""The page Export: what was taught, as files and code to take along."""
