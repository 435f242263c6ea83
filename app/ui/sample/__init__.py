"""The sample project, offered on every page that is empty, and taken away on Teach."""
