"""How a classified file leaves: as bytes, never by a link, and nobody keeps it on the way (A13)."""

from __future__ import annotations

import base64

from chalice.app import Response

from chalicelib.domain.access import Action, Resource
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.errors import ForbiddenError
from chalicelib.handlers.models import AskFile, ClassifiedFile, parse
from chalicelib.handlers.operations import Call
from chalicelib.handlers.rendering import PDF, as_json
from chalicelib.services.reading_copy import Reader, reading_copy, sealed_bytes


def reader_of(call: Call) -> Reader:
    """Whose copy it is."""
    agency = call.house.directory.agency(call.caller.agency_id)
    return Reader(call.caller.called, agency.name_th if agency else call.caller.agency_id)


def classified_file(call: Call, document_id: str, file: ArchivedFile, thing: Resource) -> Response:
    """A reading copy; with `form=sealed` the sealed bytes, which the cleared registrar of secrets
    needs to verify them. The caller may read `thing` already. Raises ForbiddenError,
    InvalidRequestError, ReadingTooLargeError, RenderError, UnavailableError."""
    room = call.house.reading_room
    if parse(AskFile, call.query).form == "sealed":
        _demand_registrar(call, thing)
        call.note(Action.OPEN_SECRET, thing)  # more than reading: the log tells it apart
        return pdf_answer(call, document_id, sealed_bytes(file, room=room), form="sealed")
    copy = reading_copy(file, reader_of(call), room=room)
    return pdf_answer(call, document_id, copy, form="reading")


def _demand_registrar(call: Call, thing: Resource) -> None:
    if not call.may(thing, Action.OPEN_SECRET):
        raise ForbiddenError(
            "role_missing",
            "Only the cleared registrar of secrets gets the sealed file itself; without `form` you "
            "get a reading copy.",
            "เฉพาะนายทะเบียนข้อมูลข่าวสารลับเท่านั้นที่ขอไฟล์ต้นฉบับที่ประทับตราได้ หากไม่ระบุ form จะได้สำเนาสำหรับอ่าน",
        )


def pdf_answer(call: Call, document_id: str, pdf: bytes, *, form: str) -> Response:
    """application/pdf if Accept names it first: only then the gateway hands bytes on."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if call.names_first(PDF):
        disposition = f'inline; filename="{document_id}.pdf"'
        return Response(
            pdf,
            headers={
                **headers,
                "Content-Type": PDF,
                "Content-Disposition": disposition,
                "X-Content-Type-Options": "nosniff",
            },
        )
    view = ClassifiedFile(
        document_id=document_id, form=form, pdf_base64=base64.b64encode(pdf).decode()
    )
    return as_json(view, headers=headers)
