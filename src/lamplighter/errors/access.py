"""Who is calling, and what they may: credentials, permissions, networks, quotas; accounts, users, groups, keys."""

from __future__ import annotations

from lamplighter.errors import families as family


class CredentialMissing(family.InvalidAuth):
    """The request has no usable Authorization header."""

    message = "The request carries no Authorization header, or an empty one."
    cause = "The header was not set, or a proxy or redirect dropped it."
    remedy = (
        "Send the header `Authorization: Bearer <access key>`; the first key of a new server is in its file admin-key."
    )


class CredentialSchemeUnknown(family.InvalidAuth):
    """The Authorization header uses another scheme than Bearer."""

    message = "The Authorization header must use the Bearer scheme."
    cause = "Basic or another scheme was sent, or the key without a scheme."
    remedy = "Send the header `Authorization: Bearer <access key>`."


class CredentialMalformed(family.InvalidAuth):
    """What follows Bearer has no shape of a credential."""

    message = "What follows Bearer is neither an access key, an API key nor a token."
    cause = "The key was cut, quoted, or copied with other text; keys begin with ak_, tokens with rt_."
    remedy = "Copy the whole key again and send it as it is."


class WrongPassword(family.InvalidAuth):
    """No user has this name and password."""

    message = "The user name or the password is not right."
    cause = "One of the two is mistyped, the user is not active, or belongs to another account."
    remedy = "Check both and the account, then log in again."


class LoginsTooFast(family.RateLimitExceeded):
    """Too many wrong passwords for one user."""

    message = "There were too many attempts to log in as this user."
    cause = "After some wrong passwords in a row each attempt has to wait longer than the one before."
    remedy = "Wait {retry_after:.0f} seconds, then log in with the right password."


class AccessKeyUnknown(family.InvalidAccesskey):
    """No access key is like this."""

    message = "No such access key exists."
    cause = (
        "The key was deleted, its application was deleted, it belongs to another server, or characters were changed."
    )
    remedy = "Check the key, or create a new one under an application."


class AccessKeyCut(family.InvalidAccesskey):
    """The access key has the wrong length."""

    message = "The access key has {length} characters, and a whole one has {expected}."
    cause = "It was cut or run together with other text while copying. Lists show keys without their secret part."
    remedy = "Copy the whole key from where it was created; if it is lost, create a new one."


class AccessKeyInactive(family.InvalidAccesskey):
    """The access key or its application is inactive."""

    message = "The access key is inactive."
    cause = "Its status, or that of its application, was set to INACTIVE."
    remedy = "Set the status of {what} to ACTIVE, or use another key."


class AccessKeyExpired(family.InvalidAccesskey):
    """The access key is past its expiration."""

    message = "The access key expired at {expiration}."
    cause = "Its expiration was set when it was created or changed."
    remedy = "Give it a later expiration, or create a new key."


class ApiKeyUnknown(family.InvalidApikey):
    """No API key is like this."""

    message = "No such API key exists."
    cause = "The key was deleted or its secret was reset, it belongs to another server, or characters were changed."
    remedy = "Check the key, or create a new one."


class ApiKeyCut(family.InvalidApikey):
    """The API key has the wrong length."""

    message = "The API key has {length} characters, and a whole one has {expected}."
    cause = "It was cut or run together with other text while copying. Lists show keys without their secret part."
    remedy = "Copy the whole key from where it was created; if it is lost, reset its secret."


class ApiKeyInactive(family.InvalidApikey):
    """The API key is inactive."""

    message = "The API key is inactive."
    cause = "Its status was set to INACTIVE."
    remedy = "Set its status to ACTIVE, or use another key."


class TokenUnknown(family.InvalidToken):
    """No session has this token."""

    message = "The user token is not valid."
    cause = "It was never given out by this server, the user logged out, or the session was ended."
    remedy = "Log in again at /auth/login for a new token."


class TokenCut(family.InvalidToken):
    """The token has the wrong length."""

    message = "The user token has {length} characters, and a whole one has {expected}."
    cause = "It was cut or run together with other text while copying."
    remedy = "Copy the whole token, or log in again at /auth/login."


class TokenExpired(family.InvalidToken):
    """The session was idle too long."""

    message = "The user token has expired."
    cause = "It was not used for longer than the account's idle time-out of {minutes:g} minutes."
    remedy = "Log in again at /auth/login for a new token."


class TokenUserInactive(family.InvalidToken):
    """The token's user may not log in any more."""

    message = "The user of this token is not active."
    cause = "The user was deactivated after logging in."
    remedy = "Ask an administrator of the account to activate the user."


class JwtNotTaken(family.InvalidToken):
    """A JWT was sent, and its application has no verification key for it."""

    message = "This JSON Web Token cannot be verified."
    cause = "No verification key of any application matches it."
    remedy = "Use an access key, or log in at /auth/login for a token."


class ApiKeyNeeded(family.AuthMismatch):
    """The path speaks of the calling API key, and the caller is not one."""

    message = "This path is about the calling API key, and the caller uses {kind}."
    cause = "/v3/api-keys/me describes the key that asks; another kind of credential has no such record."
    remedy = "Call it with an API key (ak_1…), or name a key by its ID."


class UserTokenNeeded(family.AuthMismatch):
    """The path speaks of the calling user, and the caller is not one."""

    message = "This path is about the logged-in user, and the caller uses {kind}."
    cause = "/v3/users/me and /auth/logout belong to a session; a key has no user behind it."
    remedy = "Log in at /auth/login and call it with that token."


class PermissionMissing(family.AccessDenied):
    """The caller's groups do not allow this operation."""

    message = "This needs the permission {permission}, which none of the caller's groups gives."
    cause = "The key or user is in groups without it; Developers, for example, may not manage accounts, users and keys."
    remedy = "Ask an administrator to add the caller to a group that allows it, such as Administrators."


class NetworkNotAllowed(family.AccessDenied):
    """The account allows calls from certain networks only."""

    message = "The account does not allow calls from {address}."
    cause = "Its administrators listed the networks that may call, and yours is not among them."
    remedy = "Call from an allowed network, or ask an administrator to add yours."


class UserTokenNotForChannels(family.AccessDenied):
    """Channels and pre-subscriptions belong to an application."""

    message = "Channels and pre-subscriptions belong to an application, and a user token has none."
    cause = "The request was made with a login token instead of a key."
    remedy = "Use an access key of the application that shall receive the notifications."


class RootAccountOnly(family.AccessDenied):
    """Only the root account may do this."""

    message = "Only administrators of the root account may {action}."
    cause = "The caller belongs to another account."
    remedy = "Ask the operator of this server."


class NetworkRestricted(family.AccessRestricted):
    """The operator blocks the caller's network."""

    message = "Access from {address} is blocked on this server."
    cause = "The operator listed the network in access.restricted_networks."
    remedy = "Call from elsewhere, or ask {contact}."


class CountryRestricted(family.AccessRestricted):
    """The operator blocks the caller's country."""

    message = "Access from {country} is blocked on this server."
    cause = "The operator listed the country in access.restricted_countries, for example to comply with export control."
    remedy = "If the address {address} is not there in truth, tell {contact}."


class OperationsQuotaReached(family.AccountLimitExceeded):
    """The account has made all the operations of this month."""

    message = "The account has made {used} of the {limit} operations that its tier allows in a month."
    cause = "Every authenticated call counts, failing ones too; the count starts anew each calendar month (UTC)."
    remedy = "Wait until {resets}, or have the account moved to a larger tier."


class ObjectLimitReached(family.AccountLimitExceeded):
    """The account has as many of these as it may have."""

    message = "The account has {used} of at most {limit} {kind}."
    cause = "The limit comes from the account's tier; it does not reset with time."
    remedy = "Delete {kind} that are not needed, or have the limit raised."


class AccountNotFound(family.NotFound):
    """No such account can be seen by the caller."""

    message = "There is no account {account_id}."
    cause = "The ID is mistyped, or the account is not the caller's own nor one of its tenants."
    remedy = "Take the ID from GET /v3/accounts or GET /v3/accounts/me."


class ApplicationNotFound(family.NotFound):
    """The account has no such application."""

    message = "There is no application {application_id}."
    cause = "The ID is mistyped, the application was deleted, or it belongs to another account."
    remedy = "Take the ID from GET /v3/applications."


class AccessKeyNotFound(family.NotFound):
    """The account has no such access key."""

    message = "There is no access key {access_key_id}."
    cause = "The ID is mistyped, the key was deleted, or it belongs to another application or account."
    remedy = "Take the ID from GET /v3/access-keys."


class ApiKeyNotFound(family.NotFound):
    """The account has no such API key."""

    message = "There is no API key {apikey_id}."
    cause = "The ID is mistyped, the key was deleted, or it belongs to another account."
    remedy = "Take the ID from GET /v3/api-keys."


class GroupNotFound(family.NotFound):
    """The account has no such group."""

    message = "There is no group {group_id}."
    cause = "The ID is mistyped, the group was deleted, or it belongs to another account."
    remedy = "Take the ID from GET /v3/policy-groups."


class UserNotFound(family.NotFound):
    """The account has no such user."""

    message = "There is no user {user_id}."
    cause = "The ID is mistyped, the user was deleted, or belongs to another account."
    remedy = "Take the ID from GET /v3/users."


class KeptErrorNotFound(family.NotFound):
    """No kept error has this request ID."""

    message = "No error is kept under the request ID {request_id}."
    cause = "The request succeeded, is older than errors are kept, was made by another account, or the ID is mistyped."
    remedy = "Copy the 32 digits of request_id from the answer, and ask within {days:g} days."


class ApplicationNameTaken(family.Duplicate):
    """An application of the account has this name."""

    message = "The name {name} is already used by another application."
    cause = "Names of applications are unique in an account; letters that only look the same count as different."
    remedy = "Choose another name for the application."


class GroupNameTaken(family.Duplicate):
    """A group of the account has this name."""

    message = "The name {name} is already used by another group."
    cause = "Names of groups are unique in an account."
    remedy = "Choose another name for the group."


class UserNameTaken(family.Duplicate):
    """A user of the account has this user name."""

    message = "The user name {username} is already used by another user."
    cause = "User names are unique in an account."
    remedy = "Choose another user name."


class UserEmailTaken(family.Duplicate):
    """A user of the account has this e-mail address."""

    message = "The e-mail address {email} is already used by another user."
    cause = "E-mail addresses are unique in an account."
    remedy = "Use another address, or change the existing user."


class AccountAliasTaken(family.Duplicate):
    """Another account has this alias."""

    message = "The alias {alias} is already used by another account."
    cause = "Aliases name accounts at login and are unique on the server."
    remedy = "Choose another alias."


class AlreadyInGroup(family.Conflict):
    """A subject is already in the group."""

    message = "{subject} is already in the group {group_id}."
    cause = "It was added before, perhaps by a repeated request."
    remedy = "Nothing needs to be done; leave it out of the request to add the others."


class GroupInUse(family.Conflict):
    """The group cannot be deleted."""

    message = "The group {name} cannot be deleted."
    cause = "Administrators is what keeps an account manageable, so it stays."
    remedy = "Delete another group, or remove members from this one."


class UserStillActive(family.ValidationError):
    """An active user cannot be deleted."""

    message = "The user {user_id} is ACTIVE and cannot be deleted."
    cause = "The contract protects active users from deletion by mistake."
    remedy = "Set the user's status to INACTIVE first, then delete it."
