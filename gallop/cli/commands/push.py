"""``gallop push``: upload a trained model and its card to a repository on the Hugging Face Hub."""

from __future__ import annotations

from argparse import Namespace

from gallop.checkpoints.hub import HubAddress
from gallop.cli.console import Console
from gallop.cli.inputs import images_with_warnings, trained_model


def run(options: Namespace, console: Console) -> int:
    """Load the model, test it if ``--test`` is given, upload it, and show where it is."""
    address = HubAddress.read(options.repository, options.revision)  # refused before a model is loaded
    classifier = trained_model(options.model, options)
    test = None if options.test is None else images_with_warnings(options.test, console)
    console.progress(f"uploading {address}")
    commit = classifier.push_to_hub(
        address.repository,
        revision=address.revision,
        private=options.private,
        test=test,
        data_set=options.data_set,
        licence=options.licence,
        message=options.message,
    )
    console.result(
        {
            "model": options.model,
            "repository": address.repository,
            "revision": address.revision,
            "commit": commit,
        },
        lambda: [f"The model is now at {address}: {commit}"],
    )
    return 0
