"""Work that has to be done outside of any thread, however long it takes and whatever dies."""

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class ErrandKind(StrEnum):
    """Each is also the name of the activity that does it."""

    FETCH = "fetch_attachment"
    WEBHOOK = "call_webhook"
    CUSTOMER = "carry_out_request"


class Errand(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: ErrandKind
    id: UUID
    """Of what it concerns: an attachment, a webhook's event, a request about a customer."""
