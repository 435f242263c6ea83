"""Models on the Hugging Face Hub: an address in, a checkpoint folder out; a checkpoint's files, the other way.

Of a repository no other files are downloaded than a checkpoint's two, which are JSON and safetensors, into the cache of
the hub's client, and a commit writes all files of a model at once. Tokens are the client's: ``hf auth login``, or
``HF_TOKEN``. The client is loaded when it is needed, and so is torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from gallop.errors import HubError, first_line
from gallop.wording import printable, quoted, shortened

HUB = "hf://"
"""How the address of a model on the Hub begins."""
CARD_FILE = "README.md"
LIBRARY = "gallop"
"""The library of a model in its card on the Hub, and the client's name in requests to the Hub."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_ANSWER = frozenset(
    # Kinds of the hub's client, and of the two libraries that it makes requests with: httpx (2) and requests.
    ("LocalEntryNotFoundError", "OfflineModeIsEnabled", "TransportError", "ConnectionError", "Timeout", "ProxyError")
)


@dataclass(frozen=True)
class HubAddress:
    """A model on the Hub.

    Attributes:
        repository: USER/NAME.
        revision: a branch, a tag or a commit; None is the main branch.
    """

    repository: str
    revision: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.repository):
            raise HubError(
                f"{quoted(self.repository)} is not a valid name of a repository on the Hub. Use USER/NAME, as in "
                f"{HUB}user/flowers."
            )

    @staticmethod
    def read(text: str, revision: str | None = None) -> HubAddress:
        """Return the address of ``USER/NAME``, with or without ``hf://`` before it and ``@REVISION`` behind it.

        Args:
            revision: where the text names none.

        Raises:
            HubError: it is not an address.
        """
        repository, at, named = text.removeprefix(HUB).strip("/").partition("@")
        if at and not named:
            raise HubError(f"{quoted(text)} has no revision after the @. Add one, or remove the @.")
        return HubAddress(repository, named or revision)

    def __str__(self) -> str:
        return f"{HUB}{self.repository}" + (f"@{self.revision}" if self.revision else "")

    @property
    def page(self) -> str:
        """Return its address for a browser."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{self.repository}"


def model_folder(name: str | PathLike[str]) -> Path:
    """Return the folder of a model: the given one, or the downloaded copy of a model on the Hub.

    Raises:
        HubError: no such model, no permission to read it, or no network and nothing in the cache.
    """
    text = fspath(name)
    if not text.startswith(HUB):
        return Path(text)
    address = HubAddress.read(text)
    from huggingface_hub import snapshot_download

    from gallop.checkpoints.folder import SETTINGS, TENSORS

    with _quietly(address, writes=False):
        folder = snapshot_download(
            address.repository, revision=address.revision, allow_patterns=[SETTINGS, TENSORS], **_asker()
        )
    if not (Path(folder) / SETTINGS).exists():
        raise HubError(f"{address} does not contain a gallop model: {SETTINGS} is missing.")
    return Path(folder)


def upload_model(files: Mapping[str, bytes], address: HubAddress, *, private: bool, message: str) -> str:
    """Write the files of a model into a repository in one commit. Returns the commit's address.

    Args:
        files: content by name.
        address: the repository is created where there is none, and so is the branch that is its revision.
        private: create a private one. A public one that exists is refused.
        message: of the commit.

    Raises:
        HubError: no network, no permission to write there, or a repository that is public and should not be.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    hub = HfApi(**_asker())
    with _quietly(address, writes=True):
        hub.create_repo(address.repository, private=private or None, exist_ok=True)
        if private and not hub.repo_info(address.repository).private:
            raise HubError(
                f"{address.repository} already exists and is public. Make it private on {address.page}, choose "
                "another name, or do not request a private repository. Nothing was uploaded."
            )
        if address.revision is not None:
            hub.create_branch(address.repository, branch=address.revision, exist_ok=True)
        done = hub.create_commit(
            address.repository,
            [CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message=message,
            revision=address.revision,
        )
    return str(done.commit_url)


def _asker() -> dict[str, Any]:
    from gallop import __version__

    return {"library_name": LIBRARY, "library_version": __version__}


@contextmanager
def _quietly(address: HubAddress, *, writes: bool) -> Iterator[None]:
    """Use the hub's client without its progress bars and log lines, and with sentences for its exceptions."""
    from huggingface_hub import utils

    client: Any = utils  # which has no types for these
    silent, level = client.are_progress_bars_disabled(), client.logging.get_verbosity()
    client.disable_progress_bars()
    client.logging.set_verbosity_error()
    try:
        yield
    except HubError:
        raise
    except Exception as error:  # the client's kinds, and those of its HTTP library
        raise hub_problem(address, error, writes=writes) from error
    finally:
        client.logging.set_verbosity(level)
        if not silent:
            client.enable_progress_bars()


def hub_problem(address: HubAddress, error: BaseException, *, writes: bool) -> HubError:
    """Return why a repository could not be read, or written, as a sentence with the way out."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if kinds & {"GatedRepoError"}:
        return HubError(
            f"Access to {address} is restricted. Request access on {address.page}, log in with `hf auth login` or set "
            "HF_TOKEN to your token, and start again."
        )
    if kinds & {"RevisionNotFoundError"}:
        return HubError(
            f"{address.repository} has no revision {quoted(address.revision or 'main')}. See {address.page}."
        )
    if writes and status in (401, 403, 404):
        return HubError(
            f"You do not have permission to write to {address.repository} on the Hub. Use a token with write access: "
            "log in with `hf auth login`, or set HF_TOKEN. The name before the slash must be yours. Nothing was "
            "written."
        )
    if kinds & {"RepositoryNotFoundError"} or status in (401, 403):
        return HubError(
            f"There is no model {address} on the Hub, or it is private and you are not logged in. Check the name. For "
            "a private model, log in with `hf auth login` or set HF_TOKEN to your token."
        )
    if kinds & _NO_ANSWER:
        state = "Nothing was written" if writes else "It is not in this machine's cache either"
        return HubError(
            f"The Hub did not answer for {address} ({_reason(error)}). {state}. Try again with a network, or use the "
            "folder of a model."
        )
    did = "written to" if writes else "read from"
    return HubError(f"{address} could not be {did} the Hub ({_reason(error)}). See {address.page}, or try again.")


def _reason(error: BaseException) -> str:
    """The kind of an error, and the first line of its message."""
    line = next((line for line in map(str.strip, str(error).splitlines()) if line), "")
    return shortened(printable(f"{type(error).__name__}: {line.rstrip('.')}" if line else first_line(error)), 200)
