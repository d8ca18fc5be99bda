"""What lies in a tree of images and is not read, each in a sentence for the person who trains."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from ltbench.api import is_image

# What cameras and programs write as well, and nothing here can read.
PHOTOGRAPHS = frozenset(
    """
    heic heics heif heifs hif avif avifs jxl jp2 j2k jpf jpx jxr psd psb xcf svg svgz eps ai
    tga dds exr hdr pfm ico icns pcx qoi ras sgi xbm xpm dib fits fit dcm raw dng cr2 cr3
    crw nef nrw arw srf sr2 srw orf rw2 raf pef x3f 3fr fff erf kdc dcr mef mos mrw rwl iiq
    """.split()  # noqa: SIM905
)
# What Synology, QNAP, Windows, macOS and ext4 leave beside what people put there.
SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@sharesnap"),
        *("@recycle", "@recently-snapshot", "@__thumb", "~snapshot"),
        *("$recycle.bin", "recycler", "system volume information", "found.000"),
        *("__macosx", "network trash folder", "temporary items", "lost+found"),
    }
)
NAMED = 5  # folders that a sentence names


def is_system_folder(place: Sequence[str]) -> bool:
    """Return whether a folder, as names below the root, is one that systems make."""
    return bool(place) and place[-1].lower() in SYSTEM_FOLDERS


def left_out(folders: Iterable[tuple[Sequence[str], Sequence[str]]]) -> list[str]:
    """Return one sentence per name of folders that systems make."""
    found: dict[str, list[str]] = defaultdict(list)
    for place, _ in folders:
        if is_system_folder(place):
            found[place[-1]].append("/".join(place))
    return [
        f"'{places[0]}' is left out: systems make such folders"
        if len(places) == 1
        else f"{len(places)} folders '{name}' are left out ('{places[0]}'): systems make them"
        for name, places in sorted(found.items())
    ]


def unread_photographs(names: Iterable[str], *, asked_for: bool = False) -> list[str]:
    """Return one sentence per kind of photograph that cannot be read.

    Args:
        names: of files, in order; hidden ones are passed over.
        asked_for: they stand in a list, and will be tried.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        suffix = _suffix(name)
        if suffix[1:] in PHOTOGRAPHS and not is_image(name):
            found[suffix].append(name)
    lines = []
    for suffix, paths in sorted(found.items()):
        end = f"{len(paths)} files end" if len(paths) > 1 else "1 file ends"
        are = "are" if len(paths) > 1 else "is"
        fate = "" if asked_for else f", and {are} passed over"
        lines.append(
            f"{end} in {suffix}, which cannot be read{fate} ({min(paths)}): convert to JPEG or PNG"
        )
    return lines


def without_images(
    folders: Sequence[tuple[tuple[str, ...], Sequence[str]]], full: Collection[tuple[str, ...]]
) -> list[str]:
    """Return a sentence on the folders that hold neither images nor folders: they are no class.

    Args:
        folders: as names below the root, with the names of their files that are no images.
        full: folders that hold images.
    """
    above = {place[:-1] for place in (*full, *(place for place, _ in folders))}
    found = []
    for place, names in folders:
        lowest = place and place not in above and not is_system_folder(place)
        if lowest and place not in full:
            kinds = Counter(_suffix(name) or "without a suffix" for name in names).most_common(3)
            held = ", ".join(f"{count} {kind}" for kind, count in kinds) or "empty"
            found.append(f"'{'/'.join(place)}' ({held})")
    if not found:
        return []
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    named = ", ".join(found[:NAMED]) + more
    if len(found) == 1:
        return [f"1 folder holds no image that can be read, and is no class: {named}"]
    return [f"{len(found)} folders hold no image that can be read, and are no classes: {named}"]


def _suffix(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[1].lower()
