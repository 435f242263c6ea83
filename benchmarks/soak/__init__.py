"""What the app's memory does while a visitor clicks thousands of times."""
