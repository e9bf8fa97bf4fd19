"""The devices that this process has: which talks through which session, also those behind a gateway's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lamplighter.services.connect.device import AttachedDevice
from lamplighter.services.connect.mediated import MediatedDevice
from lamplighter.services.connect.mediated_peer import MediatedPeer
from lamplighter.services.connect.peer import Peer
from lamplighter.services.connect.registering import Registered


class Attached:
    """In memory only, and of one event loop.

    :param make: a device that was not here yet
    """

    def __init__(self, make: Callable[[], AttachedDevice]) -> None:
        self._make = make
        self.devices: dict[tuple[str, str], AttachedDevice] = {}
        """By account and device id."""
        self.by_peer: dict[Peer, AttachedDevice] = {}
        self._behind: dict[Peer, dict[str, AttachedDevice]] = {}  # by the gateway's session and their own ids

    def attach(
        self, registered: Registered, peer: Peer, *, anew: bool, observed: Mapping[str, bytes] | None = None
    ) -> None:
        """The device talks through that session now, and through no other.

        :param anew: see ``AttachedDevice.attach``
        :param observed: the session was stored, with these observations (tokens by path)
        """
        device = self._device(registered)
        other = self.by_peer.get(peer)
        if other is not None and other is not device:
            other.detach()
        if anew:
            for each in self._behind.pop(peer, {}).values():
                each.leave()  # their tokens may be another's from now on
        old = device.peer
        if observed is None:
            device.attach(registered, peer, anew=anew)
        else:
            device.resume(registered, peer, observed)
        self.by_peer[peer] = device
        if old is not None and old is not peer:
            self.by_peer.pop(old, None)
            old.close()

    def attach_behind(self, gateway: Peer, devices: Iterable[MediatedDevice], *, anew: bool) -> None:
        """These talk through the session of the gateway that they are behind."""
        for name, registered, observed in devices:
            device = self._device(registered)
            peer = device.peer
            if not isinstance(peer, MediatedPeer) or peer.gateway is not gateway:
                peer = MediatedPeer(gateway, name)
            if observed is None:
                device.attach(registered, peer, anew=anew)
            else:
                device.resume(registered, peer, observed)
            self._behind.setdefault(gateway, {})[registered.device_id] = device

    def contacted(self, peer: Peer) -> None:
        """The device was heard of, and with it those behind it."""
        device = self.by_peer.get(peer)
        if device is not None:
            device.contact()
        for behind in self._behind.get(peer, {}).values():
            behind.contact()

    def observer(self, peer: Peer, token: bytes) -> AttachedDevice | None:
        """Whose notifications with that token are; a token of nobody's is the device's own."""
        device = self.by_peer.get(peer)
        if device is None or device.observations.observes(token):
            return device
        behind = self._behind.get(peer, {}).values()
        return next((each for each in behind if each.observations.observes(token)), device)

    def disconnected(self, peer: Peer) -> None:
        """The session ended."""
        device = self.by_peer.pop(peer, None)
        if device is not None and device.peer is peer:
            device.detach()
        for behind in self._behind.pop(peer, {}).values():
            if isinstance(behind.peer, MediatedPeer) and behind.peer.gateway is peer:
                behind.detach()

    def drop(self, account_id: str, device_id: str, *, close: bool) -> None:
        """The device is here no more; ``close`` its session too."""
        device = self.devices.pop((account_id, device_id))
        peer = device.peer
        if peer is None:
            return
        device.leave()
        if isinstance(peer, MediatedPeer):
            self._behind.get(peer.gateway, {}).pop(device_id, None)
        self.by_peer.pop(peer, None)
        if close:
            peer.close()

    def _device(self, registered: Registered) -> AttachedDevice:
        key = (registered.account_id, registered.device_id)
        device = self.devices.get(key)
        if device is None:
            device = self.devices[key] = self._make()
        return device
