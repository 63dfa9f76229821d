"""The Chalice app: every blueprint of `chalicelib/handlers`, and nothing else."""

from chalice.app import Chalice

from chalicelib.handlers import (
    access_log,
    audits,
    authorizer,
    batches,
    catalogue,
    closing,
    documents,
    exchange,
    inbox,
    letters,
    logs,
    previews,
    queues,
    receipts,
    registers,
    renewals,
    rulings,
    schedules,
    service,
    verification,
    verifying,
)

app = Chalice(app_name="tra")
app.api.binary_types.extend((registers.PDF, documents.PNG))  # the gateway hands them on as bytes

for room in (
    authorizer,
    documents,
    letters,
    inbox,
    batches,
    rulings,
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
