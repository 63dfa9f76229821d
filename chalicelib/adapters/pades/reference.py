"""The reference way: the same seal through pyHanko, for files that the fast way refuses.

About a hundred times slower. Tests hold the two against each other; what comes out is the
same seal, written differently.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from asn1crypto import cms, crl, ocsp, x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp, SignatureObject
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

from chalicelib.adapters.coroutines import result_of
from chalicelib.adapters.pades.appearance import drawing_for
from chalicelib.adapters.pades.order import (
    SEAL_FIELD,
    TIMESTAMP_FIELD,
    WrittenSeal,
    dss_values,
    target_page,
)
from chalicelib.domain.errors import SealError
from chalicelib.domain.seals import SealLevel

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyhanko.sign.signers.pdf_byterange import PdfSignedData

    from chalicelib.adapters.pades.appearance import Drawing
    from chalicelib.adapters.pades.order import SealOrder
    from chalicelib.adapters.trust import SigningKey, Timestamper, TimestampToken

# pyHanko reads objects when they are used, so a damaged file may show anywhere.
_OF_DAMAGED_FILES = (LookupError, TypeError, ValueError, AttributeError)
_HEX = 2  # digits of a byte
_ROOM_FOR_CMS = 2_048  # bytes beside certificates and token: attributes and signature


def write_seal(pdf: bytes, order: SealOrder) -> WrittenSeal:
    """`pdf` and the revisions that the policy's level asks for.
    Raises SealError, TimestampError, UnavailableError."""
    try:
        return _written(pdf, order)
    except (PdfError, SigningError, *_OF_DAMAGED_FILES) as error:
        raise SealError(
            f"The file cannot be sealed: {type(error).__name__}.", "ไม่สามารถประทับตราไฟล์นี้ได้"
        ) from error


def _written(pdf: bytes, order: SealOrder) -> WrittenSeal:
    _refuse_sealed(pdf)
    level, algorithm = order.policy.level, order.usable.key.algorithm.digest
    stamps = _Stamps(order.timestamper)
    # 1. The seal.
    pdf = _sealed(pdf, order, stamps if level.stamped else None)
    stamp = stamps.last
    # 2. What a validator will ask for.
    if stamp is not None and level.has_validation_data:
        pdf = _with_security_store(pdf, order, stamp)
    # 3. A time-stamp over all of that.
    document_stamp = None
    if level is SealLevel.B_LTA:
        pdf = _timestamped(pdf, order, stamps, algorithm)
        document_stamp = stamps.last
    return WrittenSeal(pdf=pdf, signature_stamp=stamp, document_stamp=document_stamp)


def _refuse_sealed(pdf: bytes) -> None:
    reader = PdfFileReader(BytesIO(pdf))
    if reader.encrypted or list(reader.embedded_signatures):
        raise SealError(
            "The file cannot be sealed: it is encrypted, or sealed already.",
            "ไม่สามารถประทับตราไฟล์นี้ได้: ไฟล์ถูกเข้ารหัสหรือมีตราประทับแล้ว",
        )


# -- the revisions -----------------------------------------------------------


def _sealed(pdf: bytes, order: SealOrder, stamps: _Stamps | None) -> bytes:
    writer = _PdfAWriter(BytesIO(pdf))
    writer.register_extension(ESIC_EXTENSION_1)
    drawing, usable = drawing_for(order), order.usable
    room = sum(map(len, (usable.certificate, *usable.issuers))) + _ROOM_FOR_CMS
    placeholder = SignatureObject(
        timestamp=order.at,
        subfilter=SigSeedSubFilter.PADES,
        bytes_reserved=_HEX * (room + order.timestamper.room),
    )

    def sign(digest: bytes) -> cms.ContentInfo:
        signing = _KeySigner(order).async_sign(
            digest, usable.key.algorithm.digest, use_pades=True, timestamper=stamps
        )
        return result_of(signing)

    def dress(field: generic.IndirectObject) -> None:
        if drawing is not None:
            field.get_object()[pdf_name("/AP")] = _appearance(writer, drawing)
            _tag(writer, field, drawing)

    page = _page_index(writer, order)
    spec = SigFieldSpec(SEAL_FIELD, on_page=page, box=_box(drawing))
    return _embedded(writer, spec, placeholder, usable.key.algorithm.digest, dress=dress, sign=sign)


def _with_security_store(pdf: bytes, order: SealOrder, stamp: TimestampToken) -> bytes:
    writer = _PdfAWriter(BytesIO(pdf))
    certificates, responses, lists = dss_values(order, stamp)
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        None,
        certs=[x509.Certificate.load(der) for der in certificates],
        ocsps=[ocsp.OCSPResponse.load(der) for der in responses],
        crls=[crl.CertificateList.load(der) for der in lists],
    )
    return _output(writer)


def _timestamped(pdf: bytes, order: SealOrder, stamps: _Stamps, algorithm: str) -> bytes:
    writer = _PdfAWriter(BytesIO(pdf))
    placeholder = DocumentTimestamp(bytes_reserved=_HEX * order.timestamper.room)

    def stamp(digest: bytes) -> cms.ContentInfo:
        return result_of(stamps.async_timestamp(digest, algorithm))

    def dress(_field: generic.IndirectObject) -> None:
        """Of no size, so of no appearance."""

    spec = SigFieldSpec(TIMESTAMP_FIELD, on_page=_page_index(writer, order))
    return _embedded(writer, spec, placeholder, algorithm, dress=dress, sign=stamp)


def _embedded(
    writer: IncrementalPdfFileWriter,
    spec: SigFieldSpec,
    placeholder: PdfSignedData,
    algorithm: str,
    *,
    dress: Callable[[generic.IndirectObject], None],
    sign: Callable[[bytes], cms.ContentInfo],
) -> bytes:
    """One signature of any kind, by pyHanko's steps: field, dictionary, digest, contents."""
    steps = PdfCMSEmbedder(spec).write_cms(spec.sig_field_name, writer)
    dress(next(steps))
    steps.send(SigObjSetup(sig_placeholder=placeholder))
    prepared, output = steps.send(SigIOSetup(md_algorithm=algorithm))
    steps.send(sign(prepared.document_digest))
    written: bytes = output.getvalue()
    return written


def _output(writer: IncrementalPdfFileWriter) -> bytes:
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


class _PdfAWriter(IncrementalPdfFileWriter):
    """Writes a revision that keeps the file PDF/A-3 (ISO 19005-3)."""

    def _update_meta(self) -> None:
        """Nothing: pyHanko would rewrite the XMP and lose its PDF/A part (§6.6.4)."""

    def _write_header(self, stream: BinaryIO) -> None:
        # typst's last line has no end, and §6.1.9 wants one before an object number.
        super()._write_header(stream)  # type: ignore[no-untyped-call]  # pyHanko gives it no types
        stream.write(b"\n")


# -- keys and time-stamps ----------------------------------------------------


class _KeySigner(Signer):
    """pyHanko's CMS builder over a key that is elsewhere."""

    def __init__(self, order: SealOrder) -> None:
        issuers = SimpleCertificateStore()
        issuers.register_multiple(x509.Certificate.load(der) for der in order.usable.issuers)
        super().__init__(
            signing_cert=x509.Certificate.load(order.usable.certificate),
            cert_registry=issuers,
            embed_roots=False,
        )
        self._key: SigningKey = order.usable.key

    async def async_sign_raw(
        self,
        data: bytes,
        digest_algorithm: str,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - pyHanko's signature
    ) -> bytes:
        if dry_run or digest_algorithm != self._key.algorithm.digest:
            raise SigningError("seals are made with the key's own digest and never tried out")
        return self._key.sign_digest(hashlib.new(digest_algorithm, data).digest())


class _Stamps(TimeStamper):
    """Our time-stamps as pyHanko asks for them; remembers the last one."""

    def __init__(self, timestamper: Timestamper) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # pyHanko gives it no types
        self._timestamper = timestamper
        self.last: TimestampToken | None = None

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        self.last = self._timestamper.stamp(message_digest, md_algorithm)
        token: cms.ContentInfo = cms.ContentInfo.load(self.last.der)
        return token


# -- the widget --------------------------------------------------------------


def _page_index(writer: IncrementalPdfFileWriter, order: SealOrder) -> int:
    appearance = order.policy.appearance
    count = int(writer.root["/Pages"]["/Count"])
    return target_page(appearance.page if appearance else 1, count)


def _box(drawing: Drawing | None) -> Any:
    if drawing is None:
        return None
    return tuple(generic.FloatObject(edge) for edge in drawing.rectangle.decode().split())


def _appearance(writer: IncrementalPdfFileWriter, drawing: Drawing) -> generic.DictionaryObject:
    """The drawing's page as form XObject."""
    page = PdfFileReader(BytesIO(drawing.page)).root["/Pages"]["/Kids"][0]
    box = [generic.FloatObject(edge) for edge in drawing.box.decode().split()]
    entries = {
        "/Type": pdf_name("/XObject"),
        "/Subtype": pdf_name("/Form"),
        "/BBox": generic.ArrayObject(box),
        "/Resources": writer.import_object(page["/Resources"]),
    }
    form = generic.StreamObject(
        dict_data={pdf_name(name): value for name, value in entries.items()},
        stream_data=page["/Contents"].data,
    )
    return generic.DictionaryObject({pdf_name("/N"): writer.add_object(form)})


def _tag(
    writer: IncrementalPdfFileWriter, reference: generic.IndirectObject, drawing: Drawing
) -> None:
    """A `Form` element for the widget at the end of a tagged file's structure tree."""
    says = generic.TextStringObject(bytes.fromhex(drawing.alt[5:-1].decode()).decode("utf-16-be"))
    field = reference.get_object()
    field[pdf_name("/TU")] = says
    if "/StructTreeRoot" not in writer.root:
        return
    root = writer.root["/StructTreeRoot"]
    if "/ParentTree" not in root or "/Nums" not in root["/ParentTree"]:
        return
    key = generic.NumberObject(int(root["/ParentTreeNextKey"]))
    top = root["/K"][0] if isinstance(root["/K"], generic.ArrayObject) else root["/K"]
    page = field.raw_get("/P")
    target = {"/Type": pdf_name("/OBJR"), "/Obj": reference, "/Pg": page}
    element = {
        "/Type": pdf_name("/StructElem"),
        "/S": pdf_name("/Form"),
        "/P": top.container_ref,
        "/Pg": page,
        "/Alt": says,
        "/K": _dictionary(target),
    }
    tagged = writer.add_object(_dictionary(element))
    top["/K"].append(tagged)
    writer.update_container(top["/K"])
    root["/ParentTree"]["/Nums"] += [key, tagged]
    root[pdf_name("/ParentTreeNextKey")] = generic.NumberObject(key + 1)
    writer.update_container(root["/ParentTree"])
    writer.update_container(root)
    field[pdf_name("/StructParent")] = key


def _dictionary(entries: dict[str, Any]) -> generic.DictionaryObject:
    def referred(value: Any) -> Any:
        if isinstance(value, generic.Reference):
            return generic.IndirectObject(value.idnum, value.generation, value.pdf)
        return value

    return generic.DictionaryObject(
        {pdf_name(name): referred(value) for name, value in entries.items()}
    )
