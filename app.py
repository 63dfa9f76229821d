"""The Chalice app: every blueprint of `chalicelib/handlers`, and nothing else."""

from chalice.app import Chalice

from chalicelib.handlers import (
    access_log,
    approvals,
    audits,
    authorizer,
    batches,
    catalogue,
    closing,
    documents,
    exchange,
    factors,
    inbox,
    letters,
    logs,
    officers,
    previews,
    proxies,
    queues,
    readers,
    receipts,
    registers,
    rendering,
    renewals,
    rulings,
    schedules,
    service,
    verification,
    verifying,
)

app = Chalice(app_name="tra")
app.api.binary_types.extend((rendering.PDF, documents.PNG))  # the gateway hands them on as bytes

for room in (
    authorizer,
    documents,
    approvals,
    letters,
    inbox,
    readers,
    batches,
    rulings,
    officers,
    proxies,
    factors,
    catalogue,
    verification,
    registers,
    logs,
    closing,
    service,
    previews,
    verifying,
    queues,
    exchange,
    receipts,
    schedules,
    renewals,
    audits,
    access_log,
):
    app.register_blueprint(room.blueprint)
