"""What a device says over DTLS, in a consumer of Kafka and a subscriber of MQTT: through a whole server."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.outbound.librdkafka import cluster, reading
from tests.outbound.mosquitto import mosquitto, subscribed
from tests.outbound.receivers import LOOPBACK
from tests.roles.serving import Serving, settings_for
from tests.roles.simulated import simulated

CHANNELS = "/v2/notification/channels"


async def test_what_a_device_says_arrives_in_a_kafka_consumer_and_an_mqtt_subscriber(
    tmp_path: Path, database_url: str
) -> None:
    settings = settings_for(database_url, outbound={"allowed_networks": LOOPBACK})
    serving = Serving(tmp_path / "data", settings)
    await serving.start()
    try:
        with cluster() as servers, mosquitto(tmp_path) as broker:
            async with reading(servers, "lamps") as reader, subscribed(broker) as subscriber:
                kafka = {"servers": [f"{host}:{port}" for host, port in servers], "topic": "lamps", "tls": False}
                mqtt = {"url": f"mqtt://127.0.0.1:{broker.port}", "topic": "lamps/{endpoint_name}/{kind}/{path}"}
                for body in ({"type": "kafka", "kafka": kafka}, {"type": "mqtt", "mqtt": mqtt}):
                    answer = await serving.call("PUT", f"{CHANNELS}/{body['type']}", json=body)
                    assert answer.status_code == 201, answer.text
                async with simulated(serving, 1) as (device,):
                    answer = await serving.call("PUT", f"/v2/subscriptions/{device}//3303/0/5700")
                    assert answer.status_code == 202, answer.text
                    record, message = None, None
                    while record is None or dict(record.headers())["kind"] != b"notifications":
                        (record,) = await reader.read(1)
                    while message is None or "/notifications/" not in message["topic"]:
                        message = await subscriber.next()
    finally:
        await serving.close()
    assert record.key() == device.encode()
    assert message["topic"].startswith("lamps/") and message["topic"].endswith("/notifications/3303/0/5700")
    for value in (json.loads(record.value()), json.loads(message["payload"])):
        assert (value["ep"], value["path"]) == (device, "/3303/0/5700")
        assert 0 < float(base64.b64decode(value["payload"])) < 50
