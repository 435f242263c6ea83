"""What others see of the service: its addresses, the shapes of its answers, and a page that describes both."""
