"""A classifier as a model on the Hugging Face Hub, written and read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typing_extensions import Self

from gallop.backbones import Backbone
from gallop.backbones.weights.on_disk import known_elsewhere
from gallop.checkpoints.hub import CARD_FILE, HubAddress, upload_model
from gallop.checkpoints.in_memory import checkpoint_bytes
from gallop.data import labelled_photos
from gallop.errors import warn_caller
from gallop.estimator.saved import SavedModel
from gallop.evaluation.intervals import Share


class ModelOnHub(SavedModel):
    """``push_to_hub`` and ``from_hub``."""

    def push_to_hub(
        self,
        repository: str,
        *,
        revision: str | None = None,
        private: bool = False,
        test: Any = None,
        labels: Sequence[str] | None = None,
        data_set: str = "",
        licence: str | None = None,
        message: str = "A model of gallop's",
    ) -> str:
        """Write the checkpoint and a model card into a repository of the Hub, in one commit. Returns its address.

        The card says what the classifier knows, how it was taught and what it cannot do, and tells the Hub its library,
        task, tower, data set, accuracy and licence. No photo leaves this machine. A token is that of
        ``hf auth login`` or of ``HF_TOKEN``.

        Args:
            repository: USER/NAME; it is made where there is none.
            revision: a branch, which is made where there is none; None is the main one.
            private: make a private repository. One that everybody sees is refused.
            test: photos that were kept for testing, as ``score`` takes them, with their ``labels``: the accuracy on
                them goes into the card. None is made up.
            data_set: what the photos are called, such as the name of a data set on the Hub.
            licence: of what was learned, as the Hub writes them, such as "mit"; the tower's own is in the card.
            message: of the commit.

        Raises:
            HubError: no network, no right to write there, or a repository that others see and should not.
            DataError: test photos that cannot be used.

        >>> clf.push_to_hub("user/flowers", test="photos/test", licence="mit")  # doctest: +SKIP
        'https://huggingface.co/user/flowers/commit/8d4c...'
        """
        from gallop.export.model_card import hub_card

        model, address = self._fitted(), HubAddress.read(repository, revision)
        tested = None if test is None else self._tested(test, labels)
        if not known_elsewhere(model.backbone.name):
            warn_caller(
                f"The tower {model.backbone.name!r} has a name of this machine, which goes to the Hub as well; others "
                "must have its weights, and say where: GalLoPClassifier.from_hub(..., backbone=...)."
            )
        card = hub_card(self, address, tested=tested, data_set=data_set, licence=licence)
        files = checkpoint_bytes(self._checkpoint(), model.prompts, model.head) | {CARD_FILE: card.encode()}
        return upload_model(files, address, private=private, message=message)

    @classmethod
    def from_hub(
        cls,
        repository: str,
        *,
        revision: str | None = None,
        backbone: str | Backbone | None = None,
        device: str = "auto",
    ) -> Self:
        """Return a classifier from a repository of the Hub, as ``load(f"hf://{repository}@{revision}")`` does.

        Only a checkpoint's two files are fetched, once: what is in the cache of the Hub's client is used without a
        network. They are JSON and safetensors, and are checked as those of any folder.

        Raises:
            HubError: no such model, none that may be read, or no network and nothing in the cache.
            CheckpointError, BackboneError: as ``load``.

        >>> GalLoPClassifier.from_hub("user/flowers").predict("photo.jpg")  # doctest: +SKIP
        """
        return cls.load(str(HubAddress.read(repository, revision)), backbone=backbone, device=device)

    def _tested(self, test: Any, labels: Sequence[str] | None) -> Share:
        photos, names = labelled_photos(test, labels, split="test")
        return Share(round(self.score(photos, names) * len(names)), len(names))
