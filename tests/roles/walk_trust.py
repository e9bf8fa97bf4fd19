"""The walk through what lets devices in: keys, certificates, claims, issuers, access tokens."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lamplighter.services.enrollment.service import identity_of
from tests.dtls.pki import authority
from tests.roles.serving import Serving
from tests.roles.walk import Walk


async def walk_credentials(walk: Walk) -> None:
    name = "lamp-of-the-walk-01"
    await walk.do("uploadPreSharedKey", body={"endpoint_name": name, "secret_hex": "ab" * 16})
    await walk.do("listPreSharedKeys", query="limit=2")
    await walk.do("getPreSharedKey", name)
    await walk.do("deletePreSharedKey", name)
    certificate = await walk.do("createDeveloperCertificate", body={"name": "Walk", "description": "For a walk"})
    await walk.do("getDeveloperCertificate", certificate["id"])
    await walk.do("getAllServerCredentials")
    await walk.do("getBootstrapServerCredentials")
    await walk.do("getL2M2MServerCredentials")


async def walk_enrollment(walk: Walk, serving: Serving) -> None:
    identities = [identity_of(b"a certificate"), identity_of(b"another")]
    claim = await walk.do("createDeviceEnrollment", body={"enrollment_identity": identities[0]})
    await walk.do("getDeviceEnrollments", query="include=total_count&order=DESC")
    await walk.do("getDeviceEnrollment", claim["id"])
    await walk.do("deleteDeviceEnrollment", claim["id"])
    files = {"enrollment_identities": ("identities.csv", "\n".join(["identity", *identities]), "text/csv")}
    for create, get in (
        ("createBulkDeviceEnrollment", "getBulkDeviceEnrollment"),
        ("deleteBulkDeviceEnrollment", "getBulkDeviceEnrollmentDelete"),
    ):
        job = await walk.do(create, files=files)
        while job["status"] != "completed":
            job = await walk.do(get, job["id"])
        assert (job["total_count"], job["errors_count"]) == (2, 0)
    account, certificate = claim["account_id"], "c" * 32
    await serving.process.enrollment.denied({account: certificate}, "lamp", "It is not claimed.")
    query = f"trusted_certificate_id__eq={certificate}"
    (denial,) = (await walk.do("listEnrollmentDenialAttempts", query=query))["data"]
    await walk.do("getEnrollmentDenialAttempt", denial["id"])


async def walk_certificates(walk: Walk) -> None:
    """In the own account or a tenant."""
    pem = authority("Walk").certificate.public_bytes(Encoding.PEM).decode()
    made = await walk.do("addCertificate", body={"name": "Makers", "certificate": pem, "service": "bootstrap"})
    await walk.do("getAllCertificates", query="include=total_count&order=DESC&valid__eq=true")
    await walk.do("getCertificate", made["id"])
    await walk.do("updateCertificate", made["id"], body={"status": "INACTIVE", "description": "For a walk"})
    await walk.do("deleteCertificate", made["id"])


async def walk_issuers(walk: Walk) -> None:
    body: dict[str, Any] = {
        "issuer_type": "CFSSL_AUTH",
        "name": "Walk",
        "issuer_attributes": {"host_url": "https://localhost:1"},
        "issuer_credentials": {"hmac_hex_key": "ab" * 16},
    }
    issuer = (await walk.do("createCertificateIssuer", body=body))["id"]
    await walk.do("getCertificateIssuers")
    await walk.do("getCertificateIssuer", issuer)
    await walk.do("updateCertificateIssuer", issuer, body={"description": "For a walk"})
    await walk.do("verifyCertificateIssuer", issuer, status=(200, 424))
    chosen = {"certificate_issuer_id": issuer}
    made = await walk.do("createCertificateIssuerConfig", body={"reference": "customer.dlms", **chosen})
    await walk.do("getCertificateIssuerConfigs", query="reference__eq=customer.dlms")
    await walk.do("getCertificateIssuerConfigByID", made["id"])
    await walk.do("updateCertificateIssuerConfigByID", made["id"], body={"certificate_issuer_id": None})
    await walk.do("deleteCertificateIssuerConfigByID", made["id"])
    await walk.do("updateCertificateIssuerConfig", body=chosen)
    await walk.do("getCertificateIssuerConfig")
    await walk.do("updateCertificateIssuerConfig", body={"certificate_issuer_id": None})
    await walk.do("deleteCertificateIssuer", issuer)
    await walk.do("getCertificateEnrollments")


async def walk_secure_access(walk: Walk) -> None:
    anchor = (await walk.do("createTrustAnchor", body={"description": "For a walk"}))["id"]
    await walk.do("getTrustAnchors")
    await walk.do("updateTrustAnchor", anchor, body={"description": "Walked"})
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    asked = {
        "grant_type": "client_credentials",
        "aud": ["ep:lamp"],
        "scope": "switch",
        "cnf": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    }
    await walk.do("createAceAuthToken", body=asked)
    await walk.do("deleteTrustAnchor", anchor)
