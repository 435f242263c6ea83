"""Content hashes of photo files, remembered by the files' bytes: a photo is decoded for its hash once on a machine.

A draw orders the photos of a class by the content of their pixels, so that it depends on no name and no packing. To
draw a few shots from a folder, every training would decode all of its photos; to read their bytes takes far less.
"""

from __future__ import annotations

import hashlib
import platform
import zlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import PIL
from PIL import features

from gallop import images
from gallop.backbones import Backbone
from gallop.data import ContentHash, content_hash
from gallop.features.cache import Cache, FeatureCache
from gallop.features.encoding import BATCH, encode_centres
from gallop.images import DEFAULT_LIMITS, Photo, load_image
from gallop.runtime.reading import read_bytes
from gallop.runtime.writing import append_quickly

CONTENTS_BYTES = 32 * 2**20
"""Size of a file of hashes, some 290,000 photos; any more are decoded each time."""

_LIBRARIES = ("jpg", "libjpeg_turbo", "zlib", "zlib_ng", "libtiff", "webp", "littlecms2")


class KnownContents:
    """Content hashes of the files that this machine has decoded before.

    A line is the hash of a file's bytes, that of its content, and a checksum over both: one that is damaged, or was cut
    off because the disk was full, is ignored. There is a file for each decoder, since another version of
    Pillow, of one of its libraries or of ``gallop.images`` may make other pixels of the same bytes.

    Args:
        folder: that of the feature cache; ``contents`` in it is made when the first photo is remembered.
        decoded: called with each photo that had to be decoded, for callers that need its pixels too.
    """

    def __init__(self, folder: Path, decoded: Callable[[Photo], object] = lambda photo: None) -> None:
        self._decoded = decoded
        self._path = folder / "contents" / f"{decoder()}.txt"
        self._room = CONTENTS_BYTES

    def sha256(self, path: Path) -> str:
        """Return ``content_hash`` of a file, which is decoded only if the same bytes were never decoded before.

        Raises:
            ImageError: it is not a readable picture.
        """
        try:
            data = read_bytes(path, DEFAULT_LIMITS.max_bytes)
        except OSError:
            return content_hash(path)  # raises an error that says what is wrong
        key = hashlib.sha256(data).hexdigest()[:40]
        if key not in self._known:
            photo = load_image(data, name=path.name)
            self._known[key] = photo.sha256
            self._write(key, self._known[key])
            self._decoded(photo)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[str, str]:
        try:
            data = read_bytes(self._path, CONTENTS_BYTES)
        except FileNotFoundError:
            return {}
        except OSError:
            self._room = 0
            return {}
        self._room -= len(data)
        lines = (line.split() for line in data.decode("ascii", "replace").splitlines())
        return {words[0]: words[1] for words in lines if len(words) == 3 and words[2] == _checksum(*words[:2])}

    def _write(self, key: str, content: str) -> None:
        line = f"\n{key} {content} {_checksum(key, content)}".encode()  # what was cut off before it stays alone
        self._room -= len(line)
        if self._room < 0:
            return
        try:
            append_quickly(self._path, line)
        except OSError:  # reading continues without a warning: the feature cache on the same disk gives one
            self._room = 0


class EncodedContents:
    """``KnownContents`` of photos whose features are needed next: each one that has to be decoded is encoded as well.

    So photos that are new to this machine are decoded once. ``encode_centres`` takes their features from the cache;
    once that is full, it decodes and encodes the others itself.

    Attributes:
        sha256: as ``KnownContents.sha256``.
    """

    def __init__(self, backbone: Backbone, cache: FeatureCache) -> None:
        self._backbone, self._cache = backbone, cache
        self.sha256: ContentHash = KnownContents(cache.root, self._take).sha256
        self._waiting: list[Photo] = []

    def _take(self, photo: Photo) -> None:
        if not self._cache.full:
            self._waiting.append(photo)
        if len(self._waiting) == BATCH:
            self.finish()

    def finish(self) -> None:
        """Encode the photos that are waiting for a full batch."""
        waiting, self._waiting = self._waiting, []
        for _ in encode_centres(self._backbone, waiting, self._cache, [photo.sha256 for photo in waiting]):
            pass


def _checksum(key: str, content: str) -> str:
    return f"{zlib.crc32(f'{key} {content}'.encode()):08x}"


def decoder() -> str:
    """Return a short hash of all that decides which pixels a file is decoded to: code, libraries and processor."""
    digest = hashlib.sha256(f"{PIL.__version__}|{platform.machine()}".encode())
    for library in _LIBRARIES:
        digest.update(f"|{library} {features.version(library)}".encode())
    for module in sorted(Path(images.__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:16]


def contents_beside(cache: Cache | None) -> ContentHash:
    """Return what computes content hashes of files, remembered beside a cache on disk if there is one."""
    return KnownContents(cache.root).sha256 if isinstance(cache, FeatureCache) else content_hash
