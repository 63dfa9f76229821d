"""weasyprint's documented way to a page (its "First Steps": one FontConfiguration, parsed
stylesheets), with a QR code by segno, tagged PDF/A-3a with the data attached, in .venv-peers.

The room holds requests.json (data as typst gets it, attachments as text), the licence as
HTML and CSS, and plan.json; weasyprint.pdf is left there, for pyHanko to seal.
"""

import json
import sys
import time
from html import escape
from pathlib import Path
from statistics import median
from string import Template
from typing import Any

import segno
from weasyprint import (  # type: ignore[import-not-found]  # it lives in .venv-peers
    CSS,
    HTML,
    Attachment,
)
from weasyprint.text.fonts import (  # type: ignore[import-not-found]  # as above
    FontConfiguration,
)

ROOM = Path(sys.argv[1])
_QR_MASK = 3  # as ours: choosing among eight costs more than drawing


def main() -> None:
    plan = json.loads((ROOM / "plan.json").read_text())
    requests = json.loads((ROOM / "requests.json").read_text())
    page = Template((ROOM / "licence.html").read_text())
    fonts = FontConfiguration()
    style = CSS(filename=ROOM / "licence.css", font_config=fonts)

    def make(n: int) -> bytes:
        request = requests[n % len(requests)]
        html = HTML(string=page.substitute(words(request["data"])), base_url=str(ROOM))
        attachment = Attachment(
            string=request["attachment"],
            name="content.json",
            description="Machine-readable content",
            relationship="Data",
        )
        pdf: bytes = html.write_pdf(
            stylesheets=[style], font_config=fonts, pdf_variant="pdf/a-3a", attachments=[attachment]
        )
        return pdf

    for n in range(plan["warm"]):
        make(n)
    samples = []
    for turn in range(plan["rounds"]):
        each = []
        for n in range(plan["times"]):
            started = time.process_time()
            pdf = make(1 + turn * plan["times"] + n)
            each.append((time.process_time() - started) * 1000)
        samples.append(median(each))
    (ROOM / "weasyprint.pdf").write_bytes(pdf)
    print(json.dumps({"ms": samples}))


def words(data: dict[str, Any]) -> dict[str, str]:
    """What stands in the page."""
    display, agency = data["display"], data["agency"]
    particulars = [
        ("ผู้รับใบอนุญาต", display["holder"]["name"]),
        ("เลขทะเบียนนิติบุคคล", display["holder"].get("registration_no")),
        ("สถานประกอบการ", display.get("premises")),
    ]
    rows = "".join(
        f"<tr><td>{thai(n)}</td><td>{escape(item['name'])}</td>"
        f"<td>{escape(item['quantity'])} {escape(item.get('unit', ''))}</td></tr>"
        for n, item in enumerate(display["items"], start=1)
    )
    code = segno.make(data["verify_url"], error="m", micro=False, mask=_QR_MASK)
    return {
        "number": escape(data["number"]),
        "agency": escape(agency["name_th"]),
        "title": escape(display["title_th"]),
        "legal_basis": escape(display["legal_basis"]),
        "particulars": "".join(
            f"<dt>{label}</dt><dd>{escape(value)}</dd>" for label, value in particulars if value
        ),
        "rows": rows,
        "conditions": "".join(f"<li>{escape(text)}</li>" for text in display["conditions"]),
        "fee": escape(display["fee_thb"]),
        "fee_text": escape(display["fee_thb_text"]),
        "qr": code.svg_data_uri(border=0),
        "verify_url": escape(data["verify_url"]),
        "verify_url_display": escape(data["verify_url_display"]),
        "date": escape(data["date"]),
        "position": escape(data["signatory"]["position"]),
    }


def thai(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙"))


main()
