"""What the pages are put together from: each module draws one part of a page."""
