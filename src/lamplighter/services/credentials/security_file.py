"""The C source that a device of the vendor's client is compiled with (contract: security_file_content).

Its names are those that the client's factory-configurator looks up (wire facts section 6); tools parse it by simple patterns,
so it holds one include, and nothing but assignments.
"""

from __future__ import annotations


def security_file(
    endpoint_name: str, account_id: str, bootstrap_uri: str, certificate: bytes, server_ca: bytes, key: bytes
) -> str:
    """The whole file. Certificates and key are DER, each at most 1,024 bytes."""
    guard = "__MBED_CLOUD_DEV_CREDENTIALS_H__"
    texts = (
        ("BOOTSTRAP_ENDPOINT_NAME", endpoint_name),
        ("ACCOUNT_ID", account_id),
        ("BOOTSTRAP_SERVER_URI", f"{bootstrap_uri}?aid={account_id}"),
        ("MANUFACTURER", "dev_manufacturer"),
        ("MODEL_NUMBER", "dev_model_num"),
        ("SERIAL_NUMBER", "0"),
        ("DEVICE_TYPE", "dev_device_type"),
        ("HARDWARE_VERSION", "dev_hardware_version"),
    )
    blobs = (
        ("BOOTSTRAP_DEVICE_CERTIFICATE", certificate),
        ("BOOTSTRAP_SERVER_ROOT_CA_CERTIFICATE", server_ca),
        ("BOOTSTRAP_DEVICE_PRIVATE_KEY", key),
    )
    lines = [f"#ifndef {guard}", f"#define {guard}", "", "#include <inttypes.h>", ""]
    lines += [f'const char MBED_CLOUD_DEV_{name}[] = "{value}";' for name, value in texts]
    for name, value in blobs:
        lines += ["", f"const uint8_t MBED_CLOUD_DEV_{name}[] = {_bytes(value)};"]
    lines += ["", "const uint32_t MBED_CLOUD_DEV_MEMORY_TOTAL_KB = 0;"]
    lines += [f"const uint32_t MBED_CLOUD_DEV_{name}_SIZE = sizeof(MBED_CLOUD_DEV_{name});" for name, _ in blobs]
    return "\n".join([*lines, "", f"#endif //{guard}", ""])


def _bytes(value: bytes) -> str:
    numbers = [f"0x{byte:02x}" for byte in value]
    rows = [", ".join(numbers[at : at + 12]) for at in range(0, len(numbers), 12)]
    return "{ " + ",\n  ".join(rows) + " }"
