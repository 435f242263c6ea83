"""One photo's answer and its maps, on every page that shows them."""
