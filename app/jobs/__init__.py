"""Work on threads of its own, one training at a time, in turn and cancellable."""
