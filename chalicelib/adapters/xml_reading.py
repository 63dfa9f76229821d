"""Reading XML that may be hostile, and telling what can be signed of it.

Nothing is fetched, no entity is followed, no DTD is accepted (it can change what a
document says without changing how it looks), and size bounds time and memory.
"""

from __future__ import annotations

from lxml import etree

from chalicelib.domain.errors import XmlRefusedError

LARGEST = 4 * 1024 * 1024  # bytes
_XML_NAMESPACE = "{http://www.w3.org/XML/1998/namespace}"


def read_xml(data: bytes) -> etree._ElementTree:
    """The document in `data` (UTF-8). Raises XmlRefusedError; its text quotes nothing."""
    if len(data) > LARGEST:
        raise _refused(f"it is larger than {LARGEST} bytes", "มีขนาดใหญ่เกินกำหนด")
    try:
        tree = etree.ElementTree(etree.fromstring(data, _parser()))
    except etree.XMLSyntaxError as error:
        raise _refused(f"it is not well-formed ({_name(error)})", "ไม่เป็น XML ที่ถูกต้อง") from None
    if (tree.docinfo.encoding or "UTF-8").upper() != "UTF-8":
        raise _refused("it is not in UTF-8", "ไม่ได้เข้ารหัสแบบ UTF-8")
    if tree.docinfo.doctype or next(tree.iter(etree.Entity), None) is not None:
        raise _refused("it has a DTD or entities", "มี DTD หรือ entity")
    return tree


def refuse_ambiguous(tree: etree._ElementTree) -> None:
    """Raise XmlRefusedError for what validators canonicalise differently (Canonical XML
    1.0 §2.4): a signature over it would hold for some of them only."""
    root = tree.getroot()
    if any(str(name).startswith(_XML_NAMESPACE) for name in root.attrib):
        raise _refused("its root has an attribute xml:…", "ราก (root) มีแอตทริบิวต์ xml:…")
    outside = [*root.itersiblings(preceding=True), *root.itersiblings()]
    if any(node.tag is etree.ProcessingInstruction for node in outside):
        raise _refused(
            "a processing instruction lies outside its root", "มีคำสั่งประมวลผลนอกราก (root)"
        )


def canonical(node: etree._ElementTree | etree._Element) -> bytes:
    """Canonical XML 1.0 without comments; of an element, as part of its document, with
    all namespaces in scope. Raises XmlRefusedError for namespaces that are not URIs."""
    try:
        form: bytes = etree.tostring(node, method="c14n", with_comments=False)
    except etree.LxmlError:
        raise _refused("a namespace in it is not an absolute URI", "มี namespace ที่ไม่ถูกต้อง") from None
    return form


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)


def _name(error: etree.XMLSyntaxError) -> str:
    """libxml2's name of the fault; its message would quote the document."""
    last = error.error_log.last_error
    return last.type_name if last is not None else "unknown"


def _refused(why: str, why_th: str) -> XmlRefusedError:
    return XmlRefusedError(f"The XML cannot be used: {why}.", f"ใช้ XML นี้ไม่ได้: {why_th}")
