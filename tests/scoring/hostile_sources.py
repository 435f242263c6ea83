"""Sources made to lose rows, to take memory or to end a call: ``python -m tests.scoring.hostile_sources [NAME ...]``.

Prints for each what it is, how many rows were answered, how many say why not, the exit status of ``gallop predict
--out`` and the peak of its memory. Each call is a process of its own whose memory is bounded: no machine is in danger.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from benchmarks.serve.processes import resident
from tests import tiny

MOST_MEMORY = 8 * 2**30
"""Bytes of address space that a call may have; an ordinary one takes about half of it, and little of that in memory."""
SECONDS = 600
CLASSES = "red,green"


@dataclass(frozen=True)
class Hostile:
    """A source.

    Attributes:
        what: what is wrong with it.
        rows: photos that it gives, and rows that say why there is none; the sentence of a source that ends counts.
        says: what these say.
    """

    what: str
    build: Callable[[Path], Path]
    rows: tuple[int, int]
    says: str = ""


HOSTILE: dict[str, Hostile] = {}


def hostile(what: str, *rows: int, says: str = "") -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    """Register a function that builds a source in an empty folder and returns its path."""

    def register(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
        HOSTILE[build.__name__] = Hostile(what, build, (rows[0], rows[1]), says)
        return build

    return register


def png(seed: int) -> bytes:
    """Return a small photo."""
    stream = io.BytesIO()
    tiny.picture(seed).save(stream, "PNG")
    return stream.getvalue()


@hostile("nothing is wrong: a folder of five photos", 5, 0)
def plain_folder(at: Path) -> Path:
    return tiny.write_folder(at / "photos", {"red": 5})


# Archives -----------------------------------------------------------------------------------------------------------


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return the header of a member of an archive."""
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    return made.tobuf(tarfile.GNU_FORMAT)


def photos_in_tar(count: int = 5) -> list[bytes]:
    """Return the members of an archive, each a whole number of blocks."""
    found = []
    for seed in range(count):
        data = png(seed)
        found.append(member(f"{seed}.png", len(data)) + data + bytes(-len(data) % 512))
    return found


END = bytes(1024)


def tar(at: Path, *parts: bytes) -> Path:
    (at / "photos.tar").write_bytes(b"".join(parts))
    return at / "photos.tar"


@hostile("a tar cut at the third of five headers", 2, 1, says="damaged or truncated")
def tar_cut_at_header(at: Path) -> Path:
    return tar(at, *photos_in_tar()[:2])


@hostile("a tar cut inside the third of five headers", 2, 1, says="damaged or truncated")
def tar_cut_in_header(at: Path) -> Path:
    return tar(at, *photos_in_tar()[:2], photos_in_tar()[2][:100])


@hostile("a tar with a byte flipped in the third of five headers", 2, 1, says="damaged or truncated")
def tar_flipped(at: Path) -> Path:
    first, second, third, *others = photos_in_tar()
    return tar(at, first, second, bytes([third[0] ^ 1]), third[1:], *others, END)


@hostile("a tar with two blocks of zeros before the third of five members", 2, 1, says="there is data after its end")
def tar_zeros(at: Path) -> Path:
    members = photos_in_tar()
    return tar(at, *members[:2], END, *members[2:], END)


@hostile("a tar with one block of zeros before the third of five members", 2, 1, says="damaged or truncated")
def tar_one_zero_block(at: Path) -> Path:
    members = photos_in_tar()
    return tar(at, *members[:2], bytes(512), *members[2:], END)


@hostile("a tar.gz cut in the middle", 20, 1, says="ended before the end")
def gzip_cut(at: Path) -> Path:
    whole = gzipped(at, [*photos_in_tar(40), END]).read_bytes()
    (at / "photos.tar.gz").write_bytes(whole[: len(whole) // 2])
    return at / "photos.tar.gz"


@hostile("a tar.gz whose check sum is wrong", 5, 1, says="CRC check failed")
def gzip_check_sum(at: Path) -> Path:
    whole = gzipped(at, [*photos_in_tar(), END]).read_bytes()
    (at / "photos.tar.gz").write_bytes(whole[:-8] + bytes(8))
    return at / "photos.tar.gz"


@hostile("a tar in which a photo is a link to another", 1, 1, says="is a link or another special entry")
def tar_links(at: Path) -> Path:
    return tar(at, photos_in_tar()[0], member("again.png", 0, tarfile.LNKTYPE), END)


ZEROS = bytes(2**24)


def gzipped(at: Path, parts: Iterable[bytes]) -> Path:
    """Write parts into photos.tar.gz; ``ZEROS`` are compressed once however often they come."""
    squeeze, check, size, zeros = zlib.compressobj(6, wbits=-15), 0, 0, b""
    with (at / "photos.tar.gz").open("wb") as file:
        file.write(b"\x1f\x8b\x08" + bytes(6) + b"\xff")
        for part in parts:
            check, size = zlib.crc32(part, check), size + len(part)
            if part is ZEROS and zeros:
                file.write(zeros)
                continue
            data = squeeze.flush(zlib.Z_FULL_FLUSH) + squeeze.compress(part) + squeeze.flush(zlib.Z_FULL_FLUSH)
            zeros = data if part is ZEROS else zeros
            file.write(data)
        file.write(squeeze.flush() + check.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little"))
    return at / "photos.tar.gz"


def zeros(mega: int) -> list[bytes]:
    return [ZEROS] * (mega // 16)


@hostile("a tar.gz with a pax header of 2 GB", 1, 1, says="one of its headers is larger than 1 MB")
def tar_pax(at: Path) -> Path:
    header = member("header", 2**31, tarfile.XHDTYPE)
    return gzipped(at, [photos_in_tar()[0], header, *zeros(2048), photos_in_tar()[1], END])


@hostile("a tar.gz with a GNU long name of 2 GB", 1, 1, says="one of its headers is larger than 1 MB")
def tar_long_name(at: Path) -> Path:
    header = member("header", 2**31, tarfile.GNUTYPE_LONGNAME)
    return gzipped(at, [photos_in_tar()[0], header, *zeros(2048), photos_in_tar()[1], END])


@hostile(
    "a tar.gz with a sparse member whose map goes on for 1 GB", 1, 1, says="one of its headers is larger than 1 MB"
)
def tar_sparse(at: Path) -> Path:
    header = bytearray(member("x.png", 0, tarfile.GNUTYPE_SPARSE))
    header[482] = 1
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(header)[0]  # type: ignore[attr-defined]
    block = b"%011o%c" % (1, 0) * 42 + b"\1" + bytes(7)
    return gzipped(at, [photos_in_tar()[0], bytes(header), *[block * 2**15] * 64, END])


@hostile("a tar.gz with 30 photos of 19 MB, all zeros", 30, 0)
def tar_large_photos(at: Path) -> Path:
    size = 19 * 2**20
    data = ZEROS[: size - 2**24]
    return gzipped(at, [part for i in range(30) for part in (member(f"{i}.jpg", size), ZEROS, data)] + [END])


@hostile("a tar.gz with 4,000 photos whose names have 900 kB", 4000, 0)
def tar_long_names(at: Path) -> Path:
    size, data = 900 * 1024, png(0)
    name = b"x" * (size - 5) + b".png\0"
    parts = member("name", size, tarfile.GNUTYPE_LONGNAME), name, member("x", len(data)), data, bytes(-len(data) % 512)
    return gzipped(at, [b"".join(parts)] * 4000 + [END])


# Folders ------------------------------------------------------------------------------------------------------------


@hostile("a folder of five photos with a link to itself in it", 5, 1, says="cannot be followed")
def link_to_itself(at: Path) -> Path:
    folder = tiny.write_folder(at / "photos", {"red": 5})
    (folder / "red" / "x").symlink_to("x")
    return folder


@hostile("eight folders that link to each other", 16, 0)
def linked_folders(at: Path) -> Path:
    names = "abcdefgh"
    folder = tiny.write_folder(at / "photos", {})
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "0.png").write_bytes(png(0))
    for name in names:
        for other in names:
            (folder / name / f"to_{other}").symlink_to(folder / other)
    return folder


@hostile("1,500 folders in each other, a photo in the last", 1, 0)
def nested_folders(at: Path) -> Path:
    deepest = str(at / "photos")
    for _ in range(1500):
        os.mkdir(deepest)
        deepest += "/d"
    Path(os.path.dirname(deepest), "0.png").write_bytes(png(0))
    return at / "photos"


# Tables -------------------------------------------------------------------------------------------------------------


PLAIN: dict[str, Any] = {"use_dictionary": False, "write_statistics": False}


def table(at: Path, columns: dict[str, Any], **how: Any) -> Path:
    parquet.write_table(pa.table(columns), at / "t.parquet", compression="zstd", **how)
    return at / "t.parquet"


@hostile("a Parquet table with six cells of 256 MB", 0, 1, says="a page larger than 256 MB")
def parquet_cells(at: Path) -> Path:
    cell = pa.table({"image": [bytes(2**28)]})
    with parquet.ParquetWriter(at / "t.parquet", cell.schema, compression="zstd", **PLAIN) as writer:
        for _ in range(6):
            writer.write_table(cell)
    return at / "t.parquet"


@hostile("a Parquet table with three cells of 128 MB in a page", 0, 1, says="a page larger than 256 MB")
def parquet_page(at: Path) -> Path:
    return table(at, {"image": [bytes(2**27)] * 3}, **PLAIN)


@hostile("a Parquet table with a cell of 200 MB and a footer that says 1 kB", 1, 0)
def parquet_lying_footer(at: Path) -> Path:
    path = table(at, {"image": [bytes(200 * 2**20)]}, **PLAIN)
    groups = parquet.read_metadata(path).row_group(0)
    content = path.read_bytes()
    for true in (groups.column(0).total_uncompressed_size, groups.total_byte_size):
        content = content.replace(_number(true), _number(1024, len(_number(true))))
    path.write_bytes(content)
    assert parquet.read_metadata(path).row_group(0).column(0).total_uncompressed_size == 1024
    return path


def _number(value: int, width: int = 1) -> bytes:
    """A number as Thrift writes it into a footer, in at least so many bytes."""
    value, found = value * 2, bytearray()
    while value or len(found) < width:
        found.append(value & 127 | 128)
        value >>= 7
    found[-1] &= 127
    return bytes(found)


def parquet_dictionary_of(at: Path, rows: int) -> Path:
    cells = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([bytes(2**24)]))
    return table(at, {"image": cells}, write_statistics=False)


@hostile("a Parquet table with one cell of 16 MB for 10,240 rows", 10_240, 0)
def parquet_dictionary(at: Path) -> Path:
    return parquet_dictionary_of(at, 10_240)


@hostile("a Parquet table of 64 rows in which a cell is the one before it, of 16 MB, and one more byte", 64, 0)
def parquet_prefixes(at: Path) -> Path:
    rows = 64
    start = bytes(2**24)
    cells = pa.array([start + bytes(i) for i in range(rows)])
    encoding = {"image": "DELTA_BYTE_ARRAY"}
    return table(at, {"image": cells}, column_encoding=encoding, **PLAIN)


@hostile("a Parquet table with a key of 16 MB for 300 photos", 300, 0)
def parquet_keys(at: Path) -> Path:
    keys = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["k" * 2**24]))
    return table(at, {"image": pa.array([png(0)] * 300), "key": keys}, write_statistics=False)


@hostile("a Parquet table whose cell is a list of 100 million empty texts", 0, 1, says="holds list<")
def parquet_list(at: Path) -> Path:
    count = 100_000_000
    cells = pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), pa.nulls(count, pa.string()))
    return table(at, {"image": cells}, write_statistics=False)


@hostile("a Parquet table with two columns of one name", 0, 1, says="more than one column called 'path'")
def parquet_twice(at: Path) -> Path:
    made = pa.Table.from_arrays([pa.array(["a.png"]), pa.array(["b.png"])], names=["path", "path"])
    parquet.write_table(made, at / "t.parquet")
    return at / "t.parquet"


def csv(at: Path, text: str, encoding: str = "utf-8") -> Path:
    for name in ("001", "2020-01-01", "Zürich.png", "a.png"):
        (at / name).write_bytes(png(0))
    (at / "t.csv").write_text(text, encoding)
    return at / "t.csv"


@hostile("a CSV table with two columns of one name", 0, 1, says="more than one column called 'path'")
def csv_twice(at: Path) -> Path:
    return csv(at, "path,path\na.png,a.png\n")


@hostile("a CSV table in UTF-16", 0, 1, says="save it as UTF-8")
def csv_utf16(at: Path) -> Path:
    return csv(at, "path\na.png\n", "utf-16")


@hostile("a CSV table in Latin-1", 0, 1, says="save it as UTF-8")
def csv_latin1(at: Path) -> Path:
    return csv(at, "path\na.png\nZürich.png\n", "latin-1")


@hostile("a CSV table of a file named 001", 1, 0)
def csv_numbers(at: Path) -> Path:
    return csv(at, "path\n001\n")


@hostile("a CSV table of a file named 2020-01-01", 1, 0)
def csv_dates(at: Path) -> Path:
    return csv(at, "path\n2020-01-01\n")


@hostile("a CSV table with a line of 100 MB", 0, 1, says="more than 1,048,576 characters")
def csv_long_line(at: Path) -> Path:
    return csv(at, "path\na.png\n" + "x" * 100 * 2**20 + "\na.png\n")


@hostile("a CSV table with 100 MB in quotation marks that never close", 0, 1, says="field")
def csv_open_quote(at: Path) -> Path:
    return csv(at, 'path\na.png\n"' + "x\n" * 50 * 2**20)


@hostile("a CSV table with a million columns", 0, 1, says="more than 1,048,576 characters")
def csv_wide(at: Path) -> Path:
    return csv(at, "path" + ",c" * 10**6 + "\na.png" + "," * 10**6 + "\n")


@hostile("a list with a line of 100 MB between two photos", 2, 1, says="more than 65,536 characters")
def list_long_line(at: Path) -> Path:
    (at / "a.png").write_bytes(png(0))
    (at / "list.txt").write_text("a.png\n" + "x" * 100 * 2**20 + "\na.png\n")
    return at / "list.txt"


SLOW = {"tar_pax", "tar_sparse", "tar_long_names", "nested_folders"} | {
    *("parquet_cells", "parquet_dictionary", "parquet_prefixes", "parquet_list")
}
"""Those that take long to build or to go through, and are like others."""
CHEAP = [name for name in HOSTILE if name not in SLOW]


# Answers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a call did: rows with and without an answer, exit status, the last line it said, peak in bytes, seconds."""

    answered: int
    errors: int
    status: int | str
    said: str
    peak: int
    seconds: float


_CALL = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({most},) * 2)
from gallop.cli import main
from gallop.runtime.machine import largest_resident
try:
    status = main(sys.argv[1:])
finally:
    sys.stdout.flush()
    print(largest_resident(), file=sys.__stdout__)
sys.exit(status)
"""


def answer(source: Path, out: Path, backbone: Path) -> Outcome:
    """Call ``gallop predict`` in a process of its own, whose memory is bounded."""
    options = ("--backbone", backbone, "--classes", CLASSES, "--device", "cpu", "--out", out)
    command = [sys.executable, "-c", _CALL.format(most=MOST_MEMORY), "predict", source, *options]
    began = time.monotonic()
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as call:
        try:
            printed, said = call.communicate(timeout=SECONDS)
            status: int | str = call.returncode
        except subprocess.TimeoutExpired:
            printed, said, status = f"{resident(call.pid, 'VmHWM') * 2**20:.0f}", f"stopped after {SECONDS} s", "-"
            call.kill()
    last = (printed.split() or ["0"])[-1]
    errors: Sequence[str | None] = []
    if out.is_dir() and any(out.glob("*.parquet")):
        errors = parquet.read_table(out, columns=["error"])["error"].to_pylist()
    wrong = sum(error is not None for error in errors)
    peak = int(last) if last.isdigit() else 0
    return Outcome(len(errors) - wrong, wrong, status, (said.splitlines() or [""])[-1], peak, time.monotonic() - began)


def main(names: Sequence[str]) -> None:
    """Print a row for each of these sources, or for all."""
    print(f"{'source':24} {'answered':>8} {'errors':>6} {'status':>6} {'peak MB':>7} {'seconds':>7}  what it is")
    with tempfile.TemporaryDirectory() as folder:
        backbone = tiny.backbone_folder(Path(folder))
        for name in names or HOSTILE:
            room = Path(tempfile.mkdtemp(dir=folder))
            made = HOSTILE[name].build(room)
            found = answer(made, room / "out", backbone)
            subprocess.run(["rm", "-rf", room], check=True)  # at any depth
            counts = f"{found.answered:>8} {found.errors:>6} {found.status:>6} {found.peak / 1e6:>7.0f}"
            print(f"{name:24} {counts} {found.seconds:>7.1f}  {HOSTILE[name].what}", flush=True)
            if os.environ.get("SAID"):
                print(f"{'':24} {found.said[:300]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
