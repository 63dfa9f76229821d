"""The Chalice app: every blueprint of `chalicelib/handlers`, and nothing else."""

from chalice.app import Chalice

from chalicelib.handlers import (
    authorizer,
    catalogue,
    documents,
    previews,
    queues,
    schedules,
    service,
    verification,
)

app = Chalice(app_name="tra")

for room in (
    authorizer,
    documents,
    catalogue,
    verification,
    service,
    previews,
    queues,
    schedules,
):
    app.register_blueprint(room.blueprint)
