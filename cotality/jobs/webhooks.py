"""Calls from other services, and calls to them.

Somebody calls you::

    receiver = Receiver(StripeSignature(secrets=[...]), store=enqueue)
    answer = receiver.answer(request.headers, request.get_data())

You call somebody::

    sender = WebhookSender("webhooks.db")
    sender.send(Message.of("user.updated", {...}), endpoint, attempt=1)
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._jobs.webhooks.endpoint_states import EndpointStates, FileStates
    from ._jobs.webhooks.messages import Endpoint, Message
    from ._jobs.webhooks.receiver import Answer, Event, Receiver
    from ._jobs.webhooks.sender import Delivered, WebhookSender
    from ._jobs.webhooks.signatures import (
        GithubSignature,
        Signature,
        StandardWebhook,
        StripeSignature,
    )
    from ._jobs.webhooks.transport import Response, Transport
    from ._jobs.webhooks.webhook_errors import (
        BlockedError,
        DeliveryError,
        MalformedWebhookError,
        SignatureError,
        TooLargeError,
        TooOldError,
        UnreachableError,
        WebhookError,
    )

__all__ = [
    "Answer",
    "BlockedError",
    "Delivered",
    "DeliveryError",
    "Endpoint",
    "EndpointStates",
    "Event",
    "FileStates",
    "GithubSignature",
    "MalformedWebhookError",
    "Message",
    "Receiver",
    "Response",
    "Signature",
    "SignatureError",
    "StandardWebhook",
    "StripeSignature",
    "TooLargeError",
    "TooOldError",
    "Transport",
    "UnreachableError",
    "WebhookError",
    "WebhookSender",
]

# In which module each of them is.
LATER = {
    "Answer": "receiver",
    "BlockedError": "webhook_errors",
    "Delivered": "sender",
    "DeliveryError": "webhook_errors",
    "Endpoint": "messages",
    "EndpointStates": "endpoint_states",
    "Event": "receiver",
    "FileStates": "endpoint_states",
    "GithubSignature": "signatures",
    "MalformedWebhookError": "webhook_errors",
    "Message": "messages",
    "Receiver": "receiver",
    "Response": "transport",
    "Signature": "signatures",
    "SignatureError": "webhook_errors",
    "StandardWebhook": "signatures",
    "StripeSignature": "signatures",
    "TooLargeError": "webhook_errors",
    "TooOldError": "webhook_errors",
    "Transport": "transport",
    "UnreachableError": "webhook_errors",
    "WebhookError": "webhook_errors",
    "WebhookSender": "sender",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.jobs._jobs.webhooks", LATER)
