"""Enrollment: claims of devices, files of many of them, and what is reported of each row."""

from __future__ import annotations

from lamplighter.errors import families as family


class EnrollmentNotFound(family.NotFound):
    """The account has no such claim of a device."""

    message = "There is no device enrollment {enrollment_id}."
    cause = "The ID is mistyped, the enrollment was deleted, it expired before its device came, or it belongs to another account."
    remedy = "List the enrollments of the account and take the ID from there, or claim the device again."


class IdentityClaimed(family.Duplicate):
    """The device is claimed already."""

    message = "The enrollment identity {identity} is claimed already, by this account or by another."
    cause = "The first account that claims a device has it until the claim is deleted or expires."
    remedy = (
        "If it is yours, it is in the list of your enrollments; otherwise ask the device's former owner to delete the "
        "enrollment and reset the device."
    )


class IdentityMalformed(family.ValidationError):
    """A row of the file has no enrollment identity."""

    message = "The enrollment identity {fault}."
    cause = "The row was mistyped or cut, or its columns stand in another order: the first one is the identity."
    remedy = (
        "Write A- and the SHA-256 fingerprint of the device's certificate: 32 pairs of hex digits joined by colons."
    )


class IdentityNotClaimed(family.NotFound):
    """A row of a bulk delete names a device that the account has not claimed."""

    message = "The enrollment identity {identity} is not claimed by this account."
    cause = "It never was, its claim was deleted or expired, or another account has it."
    remedy = "Nothing needs to be done if it should be gone; otherwise compare it with the list of your enrollments."


class EnrollmentFileEmpty(family.BadRequest):
    """The file names no device."""

    message = "The file has no enrollment identity."
    cause = "It is empty, has only blank lines, or only one line: the first line is the header, whatever it holds."
    remedy = "Put a header into the first line, and one enrollment identity into each line below it."


class EnrollmentFileNotText(family.BadRequest):
    """The file is not UTF-8."""

    message = "The file is not UTF-8: byte {position} cannot be decoded."
    cause = "It was saved in another encoding, as UTF-16 by a spreadsheet for instance, or is no CSV file at all."
    remedy = "Save it as CSV in UTF-8 and upload it again; nothing was changed."


class EnrollmentFileTooLarge(family.PayloadTooLarge):
    """The file is larger than a bulk job takes."""

    message = "The file has {size} bytes, and at most {limit} are taken at once."
    cause = "A bulk job is bounded so that one account does not keep all others waiting."
    remedy = "Divide the file, and upload its parts one after the other."


class EnrollmentRowsTooMany(family.BadRequest):
    """The file names more devices than a bulk job takes."""

    message = "The file has more than {limit} enrollment identities."
    cause = "A bulk job is bounded so that one account does not keep all others waiting."
    remedy = "Divide the file, and upload its parts one after the other; nothing was changed."


class BulkEnrollmentNotFound(family.NotFound):
    """The account has no such bulk job."""

    message = "There is no bulk enrollment {kind} {bulk_id}."
    cause = "The ID is mistyped, it is of the other kind of job, of another account, or was kept for long enough."
    remedy = "Take the ID from the answer that created it; deletes and uploads have paths of their own."


class BulkReportNotReady(family.NotFound):
    """The report of a bulk job is asked for before the job is completed."""

    message = "The reports of the bulk enrollment {kind} {bulk_id} are not ready: {processed} of {total} rows are done."
    cause = "Reports can be read once the job's status is completed; full_report_file is null until then."
    remedy = "Read the job until its status is completed, then its reports."


class EnrollmentDenialNotFound(family.NotFound):
    """The account has no such record of a refused device."""

    message = "There is no enrollment denial {denial_id}."
    cause = "The ID is mistyped, belongs to another account, or newer denials have taken its place."
    remedy = "List the denials of a trusted certificate and take the ID from there."
