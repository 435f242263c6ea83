"""The words of ``gallop app``, which the app itself has too."""

from gallop.cli.app_arguments import add_app

__all__ = ["add_app"]
