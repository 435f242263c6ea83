"""A project saved as one file, and opened again: in goes a visitor's session, out come a button and an uploader."""
