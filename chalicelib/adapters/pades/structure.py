"""A visible seal's place in the structure tree (ISO 32000-1 §14.7, PDF/A-3 level A)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.pades.plain import (
    NotPlainError,
    dictionary,
    entries,
    number_in,
    reference_in,
    references_in,
)

if TYPE_CHECKING:
    from chalicelib.adapters.pades.plain import Entries, PlainPdf
    from chalicelib.adapters.pades.revision import Revision


def tag_widget(
    revision: Revision, plain: PlainPdf, catalog: Entries, widget: int, page: int, *, alt: bytes
) -> bytes:
    """Put a `Form` element for `widget` at the end of the document element; `alt` is the
    PDF string that is read out. Returns the entry that the widget needs. Raises
    NotPlainError if the tree is not as typst writes it."""
    root_number = reference_in(catalog, b"/StructTreeRoot")
    root = plain.entries_of(root_number)
    tops = references_in(root, b"/K")
    if len(tops) != 1:
        raise NotPlainError("structure tree")
    document = plain.entries_of(tops[0])
    key, element = number_in(root, b"/ParentTreeNextKey"), revision.next_number()
    document[b"/K"] = _longer(document.get(b"/K", b"[]"), b"%d 0 R" % element)
    revision.put(tops[0], dictionary(document))
    _register(root, key, element)
    revision.put(root_number, dictionary(root))
    revision.put(
        element,
        b"<</Type/StructElem/S/Form/P %d 0 R/Pg %d 0 R/Alt%b/K<</Type/OBJR/Obj %d 0 R/Pg %d 0 R>>>>"
        % (tops[0], page, alt, widget, page),
    )
    return b"/StructParent %d" % key


def _register(root: Entries, key: int, element: int) -> None:
    """Enter `element` in the parent tree (§14.7.4.4), whose one node typst writes inline."""
    tree = entries(root.get(b"/ParentTree", b""))
    if tree.keys() != {b"/Nums"}:
        raise NotPlainError("parent tree")
    tree[b"/Nums"] = _longer(tree[b"/Nums"], b"%d %d 0 R" % (key, element))
    root[b"/ParentTree"] = dictionary(tree)
    root[b"/ParentTreeNextKey"] = b"%d" % (key + 1)


def _longer(array: bytes, member: bytes) -> bytes:
    if not array.startswith(b"["):
        raise NotPlainError("array")
    return b"%b %b]" % (array[:-1], member)
