"""The librarian: every action that a library request may ask for, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from foleyd.daemon import marks
from foleyd.daemon.library import Library, Removed
from foleyd.daemon.marks import Mark
from foleyd.engines.catalog import in_words
from foleyd.errors import BadRequest
from foleyd.messages import ClipInfo, LibraryReply, LibraryRequest

Action = Callable[[Library, LibraryRequest, Sequence[bytes]], LibraryReply]


def _list(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    found, total = library.search(
        asked.text,
        tags=[marks.tag(tag) for tag in asked.tags],
        rating=asked.rating,
        favourites=asked.favourites,
        set_id=asked.set_id,
        limit=asked.limit,
        offset=asked.offset,
    )
    return LibraryReply(clips=tuple(found), total=total)


def _show(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    clips = _clips(library, _named(library, asked))
    sets = tuple(library.gathered(one) for one in asked.clips if one in library.marks.sets)
    return LibraryReply(clips=clips, total=len(clips), sets=sets)


def _sets(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    newest_first = tuple(library.marks.sets.values())[::-1]
    return LibraryReply(
        sets=newest_first[asked.offset : asked.offset + asked.limit], total=len(library.marks.sets)
    )


def _tag(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    new = _tags(asked)

    def change(mark: Mark) -> Mark:
        tags = tuple(dict.fromkeys((*mark.tags, *new)))
        if len(tags) > marks.MOST_TAGS:
            raise BadRequest(f"A clip has at most {marks.MOST_TAGS} tags: take some away with 'untag' first.")
        return msgspec.structs.replace(mark, tags=tags)

    return _marked(library, asked, change)


def _untag(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    gone = _tags(asked)
    return _marked(
        library,
        asked,
        lambda mark: msgspec.structs.replace(mark, tags=tuple(tag for tag in mark.tags if tag not in gone)),
    )


def _rate(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    if asked.rating is None or not 0 <= asked.rating <= 5:
        raise BadRequest("rating is missing: give 1 to 5, or 0 to take it away.")
    rating = asked.rating
    return _marked(library, asked, lambda mark: msgspec.structs.replace(mark, rating=rating))


def _favourite(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    on = asked.action == "favourite"
    return _marked(library, asked, lambda mark: msgspec.structs.replace(mark, favourite=on))


def _rename(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    if len(asked.clips) != 1:
        raise BadRequest("rename takes one clip, or one Set, at a time.")
    name = marks.name(asked.name)
    [one] = asked.clips
    if one not in library.marks.sets:
        return _marked(library, asked, lambda mark: msgspec.structs.replace(mark, name=name))
    gathered = msgspec.structs.replace(library.gathered(one), name=name)
    library.regather(gathered)
    return LibraryReply(sets=(gathered,), clips=_clips(library, gathered.clips), changed=1)


def _delete(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    clips = _named(library, asked)
    for one in asked.clips:
        if one in library.marks.sets:
            # who names a Set means all of it: it does not protect its clips from that
            library.regather(msgspec.structs.replace(library.gathered(one), clips=()))
    return _removed(library, library.delete(clips, force=asked.force))


def _hold(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    name, clips = _hold_name(asked), _named(library, asked)
    changed = library.hold(name, dict.fromkeys((*library.marks.holds.get(name, ()), *clips)))
    return _holding(library, name, clips, changed)


def _release(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    name = _hold_name(asked)
    if name not in library.marks.holds:
        raise BadRequest(f"Nothing is held by '{name}': 'foleyd library holds' shows the holds.")
    # a clip may be gone and its hold still there: what is no clip's id any more is released as it was written
    known = [one for one in asked.clips if one in library.marks.holds[name]]
    clips = {*known, *library.resolve(one for one in asked.clips if one not in known)}
    left = [one for one in library.marks.holds[name] if one not in clips] if asked.clips else []
    gone = [one for one in library.marks.holds[name] if one not in left]
    return _holding(library, name, gone, library.hold(name, left))


def _holds(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    holds = dict(library.marks.holds)
    if asked.name:
        holds = {name: clips for name, clips in holds.items() if name == asked.name}
    return LibraryReply(holds=holds, total=len(holds))


def _import(library: Library, asked: LibraryRequest, buffers: Sequence[bytes]) -> LibraryReply:
    if not buffers or len(buffers) != len(asked.buffers):
        raise BadRequest(
            f"import describes {len(asked.buffers)} files and brings {len(buffers)}: send one buffer a file."
        )
    added, refused = [], []
    for about, data in zip(asked.buffers, buffers, strict=True):
        try:
            if about.format != "file":
                raise BadRequest(f"{about.id or 'a buffer'} has format '{about.format:.20}': send a file.")
            added.append(library.take_in(data, about.id))
        except BadRequest as error:
            refused.append(error)
    if not added:
        raise refused[0]
    notes = (note for one in added for note in one.notes)
    return LibraryReply(
        clips=tuple(one.clip for one in added),
        total=len(added),
        changed=sum(one.new for one in added),
        bytes=library.usage().bytes,
        notes=(*notes, *map(str, refused)),
    )


def _rebuild(library: Library, _: LibraryRequest, __: Sequence[bytes]) -> LibraryReply:
    count = library.rebuild()
    return LibraryReply(total=count, changed=count, bytes=library.usage().bytes, notes=library.notes)


def _prune(library: Library, asked: LibraryRequest, _: Sequence[bytes]) -> LibraryReply:
    if asked.keep_bytes is None:
        raise BadRequest("keep_bytes is missing: say down to how many bytes to prune.")
    return _removed(library, library.prune(asked.keep_bytes))


def _usage(library: Library, _: LibraryRequest, __: Sequence[bytes]) -> LibraryReply:
    usage = library.usage()
    said = f"{usage.takes} takes among it; {in_words(usage.free)} are free on the disk of {library.root}."
    return LibraryReply(total=usage.clips, bytes=usage.bytes, notes=(said,))


ACTIONS: Mapping[str, Action] = {
    "list": _list,
    "search": _list,
    "show": _show,
    "sets": _sets,
    "tag": _tag,
    "untag": _untag,
    "rate": _rate,
    "favourite": _favourite,
    "unfavourite": _favourite,
    "rename": _rename,
    "delete": _delete,
    "hold": _hold,
    "release": _release,
    "holds": _holds,
    "import": _import,
    "rebuild": _rebuild,
    "prune": _prune,
    "usage": _usage,
}
"""What does each action of :class:`foleyd.messages.LibraryRequest`."""


def _named(library: Library, asked: LibraryRequest) -> list[str]:
    """The clips that a request is about."""
    if not asked.clips:
        raise BadRequest(f"{asked.action} needs clips: name at least one by its id, or a Set.")
    return library.resolve(asked.clips)


def _tags(asked: LibraryRequest) -> list[str]:
    if not asked.tags:
        raise BadRequest(f"{asked.action} needs tags: name at least one.")
    return [marks.tag(tag) for tag in asked.tags]


def _hold_name(asked: LibraryRequest) -> str:
    name = marks.name(asked.name)
    if not name:
        raise BadRequest(f"{asked.action} needs a name: say which show or session holds the clips.")
    return name


def _clips(library: Library, ids: Sequence[str]) -> tuple[ClipInfo, ...]:
    return tuple(info for one in ids if (info := library.clip(one)) is not None)


def _marked(library: Library, asked: LibraryRequest, change: Callable[[Mark], Mark]) -> LibraryReply:
    ids = _named(library, asked)
    changed = library.mark(ids, change)
    clips = _clips(library, ids)
    return LibraryReply(clips=clips, total=len(clips), changed=changed)


def _holding(library: Library, name: str, ids: Sequence[str], changed: int) -> LibraryReply:
    clips = _clips(library, ids)
    left = {name: library.marks.holds.get(name, ())}
    return LibraryReply(clips=clips, total=len(clips), holds=left, changed=changed)


def _removed(library: Library, removed: Removed) -> LibraryReply:
    usage = library.usage()
    return LibraryReply(
        total=usage.clips,
        changed=removed.clips,
        bytes=usage.bytes,
        freed=removed.freed,
        notes=removed.notes,
    )
