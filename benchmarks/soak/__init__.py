"""What the app's memory does while somebody clicks thousands of times."""
