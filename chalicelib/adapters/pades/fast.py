"""The fast way: a seal as bytes appended to a file that typst wrote.

Up to three revisions, as EN 319 142-1 §6.3 has them by level: the seal with its
signature time-stamp; the document security store (B-LT); the document time-stamp
(B-LTA). Nothing is parsed but the few objects touched, nothing hashed twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.adapters.pades.appearance import drawing_for
from chalicelib.adapters.pades.cms import template_for
from chalicelib.adapters.pades.order import (
    SEAL_FIELD,
    TIMESTAMP_FIELD,
    WrittenSeal,
    dss_values,
    target_page,
)
from chalicelib.adapters.pades.plain import PlainPdf, dictionary
from chalicelib.adapters.pades.revision import Revision, SigningRevision, Tail
from chalicelib.adapters.pades.structure import tag_widget
from chalicelib.domain.errors import TimestampError
from chalicelib.domain.seals import SealLevel

if TYPE_CHECKING:
    from chalicelib.adapters.pades.order import SealOrder
    from chalicelib.adapters.pades.plain import Entries
    from chalicelib.adapters.pades.revision import Gapped
    from chalicelib.adapters.trust import TimestampToken

# Hidden from nobody, printed, and not to be moved (ISO 32000-1 §12.5.3; PDF/A §6.3.2).
_PRINT_AND_LOCKED = 132
# Which extensions to ISO 32000-1 the file makes use of (EN 319 142-1 §5.6).
_EXTENSIONS = b"<</ESIC<</BaseVersion/1.7/ExtensionLevel 1>>>>"
_SEAL = b"/Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/M(D:%b)"
_TIMESTAMP = b"/Type/DocTimeStamp/Filter/Adobe.PPKLite/SubFilter/ETSI.RFC3161"


def write_seal(pdf: bytes, order: SealOrder) -> WrittenSeal:
    """`pdf` and the revisions that the policy's level asks for.

    Raises NotPlainError before anything is signed if the file is not as typst writes it;
    SealError, TimestampError, UnavailableError.
    """
    return _Writing(PlainPdf(pdf), order).write()


@dataclass(frozen=True, slots=True)
class _Widget:
    """A signature field. Numbers are those of objects; `more` are further entries."""

    number: int
    name: str
    signature: int
    rectangle: bytes = b"0 0 0 0"
    more: bytes = b""


class _Writing:
    """One file on its way: the objects that several revisions touch, and where it ends."""

    def __init__(self, plain: PlainPdf, order: SealOrder) -> None:
        self._order = order
        self._level = order.policy.level
        self._template = template_for(order.usable)
        self._plain = plain
        self._catalog = plain.catalog()
        self._page_number = _target_page(plain, self._catalog, order)
        self._page = plain.page(self._page_number)
        self._drawing = drawing_for(order)
        self._fields: list[int] = []
        self._form = 0
        self._tail = Tail(
            length=len(plain.pdf),
            size=plain.size,
            table_at=plain.table_at,
            root=plain.root,
            info=plain.info,
            first_id=plain.first_id,
            ends_with_newline=plain.pdf.endswith(b"\n"),
        )
        self._parts = [plain.pdf]
        self._hash = hashlib.new(order.usable.key.algorithm.digest)
        self._hashed_parts = 0

    def write(self) -> WrittenSeal:
        # 1. The seal, and the time it was made.
        stamp = self._seal()
        # 2. What a validator will ask for.
        if stamp is not None and self._level.has_validation_data:
            self._parts.append(self._security_store(stamp))
        # 3. A time-stamp over all of that.
        document_stamp = self._timestamp() if self._level is SealLevel.B_LTA else None
        return WrittenSeal(
            pdf=b"".join(self._parts), signature_stamp=stamp, document_stamp=document_stamp
        )

    def _hash_so_far(self) -> hashlib._Hash:
        """A hash of all that was written, to go on with. Nothing is hashed twice: the
        document time-stamp goes on where the seal stopped."""
        for part in self._parts[self._hashed_parts :]:
            self._hash.update(part)
        self._hashed_parts = len(self._parts)
        return self._hash.copy()

    # -- the seal

    def _seal(self) -> TimestampToken | None:
        """Append the seal's revision; its time-stamp, unless the level has none."""
        order, key = self._order, self._order.usable.key
        revision = self._seal_revision()
        digest = self._digest_around(revision)
        attributes = self._template.signed_attributes(digest)
        signature = key.sign_digest(hashlib.new(key.algorithm.digest, attributes).digest())
        stamp = None
        if self._level.stamped:
            hashed = hashlib.new(key.algorithm.digest, signature).digest()
            stamp = order.timestamper.stamp(hashed, key.algorithm.digest)
        der = self._template.content_info(digest, signature, None if stamp is None else stamp.der)
        self._fill(revision, der)
        return stamp

    def _seal_revision(self) -> Gapped:
        revision = SigningRevision(self._tail)
        field, signature = revision.next_number(), revision.next_number()
        self._form = revision.next_number()
        at = self._order.at.strftime("%Y%m%d%H%M%SZ").encode()
        token_room = self._order.timestamper.room if self._level.stamped else None
        revision.put_signature(signature, _SEAL % at, self._template.room(token_room))
        self._put_field(revision, self._seal_widget(revision, field, signature))
        self._catalog |= {b"/AcroForm": b"%d 0 R" % self._form, b"/Extensions": _EXTENSIONS}
        revision.put(self._tail.root, dictionary(self._catalog))
        return revision.close_around_gap(self._hash_so_far().digest() + at)

    def _seal_widget(self, revision: Revision, field: int, signature: int) -> _Widget:
        """A widget of no size needs no appearance (ISO 19005-3 §6.3.3)."""
        drawing = self._drawing
        if drawing is None:
            return _Widget(field, SEAL_FIELD, signature)
        entry = tag_widget(
            revision, self._plain, self._catalog, field, self._page_number, alt=drawing.alt
        )
        more = b"/AP<</N %d 0 R>>/TU%b%b" % (drawing.put(revision), drawing.alt, entry)
        return _Widget(field, SEAL_FIELD, signature, drawing.rectangle, more)

    def _put_field(self, revision: Revision, widget: _Widget) -> None:
        """A signature field that is its own widget, and its places in form and page."""
        revision.put(
            widget.number,
            b"<</Type/Annot/Subtype/Widget/FT/Sig/T(%b)/V %d 0 R/F %d/Rect[%b]/P %d 0 R"
            b"%b>>"
            % (
                widget.name.encode(),
                widget.signature,
                _PRINT_AND_LOCKED,
                widget.rectangle,
                self._page_number,
                widget.more,
            ),
        )
        self._fields.append(widget.number)
        listed = b" ".join([b"%d 0 R" % field for field in self._fields])
        # SigFlags: there are signatures, and only appending leaves them valid (§12.7.2).
        revision.put(self._form, b"<</Fields[%b]/SigFlags 3>>" % listed)
        self._page[b"/Annots"] = b"[%b]" % listed
        revision.put(self._page_number, dictionary(self._page))

    # -- what comes behind it

    def _security_store(self, stamp: TimestampToken) -> bytes:
        revision = Revision(self._tail)
        store = revision.next_number()
        kinds = zip((b"/Certs", b"/OCSPs", b"/CRLs"), dss_values(self._order, stamp), strict=True)
        content: Entries = {b"/Type": b"/DSS"}
        for name, values in kinds:
            numbers = []
            for value in values:
                numbers.append(revision.next_number())
                revision.put_stream(numbers[-1], value)
            if numbers:
                content[name] = b"[%b]" % b" ".join([b"%d 0 R" % number for number in numbers])
        revision.put(store, dictionary(content))
        self._catalog[b"/DSS"] = b"%d 0 R" % store
        revision.put(self._tail.root, dictionary(self._catalog))
        written, self._tail = revision.close(self._hash_so_far().digest())
        return written

    def _timestamp(self) -> TimestampToken:
        """Append a document time-stamp (§5.4.3) over everything."""
        revision = SigningRevision(self._tail)
        field, signature = revision.next_number(), revision.next_number()
        revision.put_signature(signature, _TIMESTAMP, self._order.timestamper.room)
        self._put_field(revision, _Widget(field, TIMESTAMP_FIELD, signature))
        gapped = revision.close_around_gap(self._hash_so_far().digest())
        digest = self._digest_around(gapped)
        stamp = self._order.timestamper.stamp(digest, self._hash.name)
        self._fill(gapped, stamp.der)
        return stamp

    # -- gaps

    def _digest_around(self, revision: Gapped) -> bytes:
        covered = self._hash_so_far()
        covered.update(revision.before)
        covered.update(revision.after)
        return covered.digest()

    def _fill(self, revision: Gapped, der: bytes) -> None:
        try:
            contents = revision.contents(der)
        except ValueError as error:
            raise TimestampError(
                "The time-stamp is larger than the authorities' tokens may be.",
                "ข้อมูลประทับรับรองเวลามีขนาดใหญ่กว่าที่กำหนด",
            ) from error
        self._parts += (revision.before, contents, revision.after)
        self._tail = revision.tail


def _target_page(plain: PlainPdf, catalog: Entries, order: SealOrder) -> int:
    """The page that carries the widgets: the one of the appearance, or the first."""
    pages = plain.pages(catalog)
    appearance = order.policy.appearance
    return pages[target_page(appearance.page if appearance else 1, len(pages))]
