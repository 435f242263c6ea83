"""What one visitor has, who is here, and work done for a page in the background."""
