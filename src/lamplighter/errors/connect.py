"""Device data: what can be wrong with a request for a device, and why a device's own request is refused."""

from __future__ import annotations

from lamplighter.errors import families as family


class DeviceNotConnected(family.BadRequest):
    """The device is known and has no registration."""

    message = "The device {device_id} is not registered."
    cause = "It has never registered, has deregistered, was suspended, or its registration lifetime has passed."
    remedy = "Wait for the device to register (a `registrations` notification tells it), then send the request again."
    word = "DEVICE_NOT_CONNECTED"


class ResourceNotFound(family.BadRequest):
    """The device has not registered this resource."""

    message = "The device {device_id} has not registered {path}."
    cause = "The path is mistyped, or the device's firmware has no such object, instance or resource."
    remedy = "Take the path from GET /v2/endpoints/{device_id}."
    word = "RESOURCE_NOT_FOUND"


class UriPathNotExisting(family.NotFound):
    """The URI of a device request names no path that a device could have."""

    message = "The URI {uri} names no object, instance or resource."
    cause = "The path is empty, too deep, or has other segments than the numbers of LwM2M."
    remedy = "Write a path such as /3/0/13, and take it from GET /v2/endpoints/{device_id}."
    word = "URI_PATH_DOES_NOT_EXISTS"


class DeviceRequestNotFound(family.NotFound):
    """No request to a device of this id is known."""

    message = "There is nothing to tell of a request {name}."
    cause = (
        "The id is mistyped or another account's, or the device has done what was asked, which is told by its async response "
        "alone, or it ended more than {days:g} days ago."
    )
    remedy = "Take the async-id that you gave, or the X-Request-ID of the answer 202."


class QueueIsFull(family.BadRequest):
    """As many requests as allowed wait for the device."""

    message = "{limit} requests already wait for the device {device_id}."
    cause = "The device sleeps or cannot be reached, and requests came faster than it answered them."
    remedy = "Wait for async responses of earlier requests before sending more."
    word = "QUEUE_IS_FULL"


class SubscriptionQueueFull(family.RateLimitExceeded):
    """As many requests as allowed wait for the device, and subscribing needs one more."""

    message = "{limit} requests already wait for the device {device_id}."
    cause = "Subscribing sends a request to the device, which sleeps or cannot be reached."
    remedy = "Wait for async responses of earlier requests, then subscribe again."


class RequestQueueFull(family.RateLimitExceeded):
    """As many requests as allowed wait for the device."""

    message = "{limit} requests already wait for the device {device_id}."
    cause = "The device sleeps or cannot be reached, and requests came faster than it answered them."
    remedy = "Wait for async responses of earlier requests, then send this one again."


class DeviceGone(family.Gone):
    """The device is known and has no registration."""

    message = "The device {device_id} is not registered any more."
    cause = "It has never registered, has deregistered, was suspended, or its registration lifetime has passed."
    remedy = "Wait for the device to register (a `registrations` notification tells it), then send the request again."


class NoResponseNotPossible(family.Conflict):
    """A device in queue mode is to be asked without an answer being wanted."""

    message = "The device {device_id} is in queue mode, and noResp=true is only for devices that always listen."
    cause = "A message that nobody acknowledges would be lost on a device that sleeps."
    remedy = "Send the request without noResp, and leave its async response unread."


class DeviceNotRegistered(family.NotFound):
    """The device has no registration, and so no resources."""

    message = "The device {device_id} is not registered."
    cause = "The ID is mistyped or another account's, or the device has deregistered or has not been heard of in time."
    remedy = "Look at the device's state with GET /v3/devices/{device_id}."


class ResourceNotRegistered(family.NotFound):
    """The device has not registered the resource that was to be subscribed to."""

    message = "The device {device_id} has not registered {path}."
    cause = "The path is mistyped, or the device's firmware has no such object, instance or resource."
    remedy = "Take the path from GET /v2/endpoints/{device_id}."


class SubscriptionNotFound(family.NotFound):
    """The caller has no such subscription."""

    message = "There is no subscription to {path} of the device {device_id}."
    cause = (
        "It was never made or was deleted, belongs to another application, or ended when the device registered anew."
    )
    remedy = "Subscribe with PUT /v2/subscriptions/{device_id}/<path>."


class EndpointNotOfCredential(family.AccessDenied):
    """A device calls itself by another name than its credential does."""

    message = "The device registers as {claimed}, and its credential is for {endpoint_name}."
    cause = "The endpoint name, account or device ID in the device's settings is not the one of its key or certificate."
    remedy = "Configure the device with the endpoint name of its credential."
    coap = "4.03"


class DeviceBlocked(family.AccessDenied):
    """A suspended device tries to register."""

    message = "The device {device_id} is suspended."
    cause = "An operator suspended it, or the system did because of its certificate."
    remedy = "Resume the device to let it connect."
    coap = "4.03"


class RegistrationOfAnother(family.AccessDenied):
    """A registration is touched by somebody else than who made it."""

    message = "The registration of the device {device_id} was made with another credential."
    cause = "A second device uses the endpoint name, or the device changed its credential without registering anew."
    remedy = "Let the device register with the credential it has now."
    coap = "4.03"


class RegistrationNotFound(family.NotFound):
    """A device refreshes or ends a registration that is not there."""

    message = "There is no registration at {location}."
    cause = "Its lifetime passed, the device was suspended or deleted, or the device remembers another server's answer."
    remedy = "The device registers anew by itself."
    coap = "4.04"


class ObjectDefinitionNotFound(family.NotFound):
    """No LwM2M object of this number is known."""

    message = "There is no definition of the LwM2M object {object_id}."
    cause = "The number is mistyped, or the object is its maker's own and was not loaded into this account."
    remedy = "Load the maker's OMA XML with POST /v3/lwm2m-objects."


class ObjectDefinitionExists(family.Duplicate):
    """The account has a definition of this LwM2M object already."""

    message = "The account has a definition of the LwM2M object {object_id} already, version {version}."
    cause = "An object has one definition in an account, whatever its version."
    remedy = "Delete the one that is there with DELETE /v3/lwm2m-objects/{object_id}, then load the new one."


class ObjectDefinitionLimitReached(family.AccountLimitExceeded):
    """The account has as many definitions of LwM2M objects as it may have."""

    message = "The account has {used} definitions of LwM2M objects, and lwm2m.object_definitions allows {maximum}."
    cause = "Every object that was loaded counts; those that the server knows by itself do not."
    remedy = "Delete definitions that are not needed, or have the limit raised."
