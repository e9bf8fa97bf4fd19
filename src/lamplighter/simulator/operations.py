"""What a device answers to the operations of its server: OMA LwM2M Core 1.1 section 6.3 and 6.4, Transport section 6.4."""

from __future__ import annotations

import re

from lamplighter.coap.message import FormatError, Message, path_options
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs import CodecError, Values, decode, encode
from lamplighter.lwm2m.link import Link, format_links
from lamplighter.lwm2m.objects import Type, resource_at
from lamplighter.lwm2m.path import Path, PathError, path_of
from lamplighter.simulator import composite
from lamplighter.simulator.attributes import AttributeTable
from lamplighter.simulator.instance import Instance, Refused
from lamplighter.simulator.observation import Observation, Observations
from lamplighter.simulator.profile import Profile
from lamplighter.simulator.tree import Tree

_SINGLE = frozenset({ContentFormat.TEXT, ContentFormat.OCTET_STREAM})
_METHODS = frozenset({Code.GET, Code.POST, Code.PUT, Code.DELETE})
#: Arguments of Execute (section 6.3.5): ``0,1='text'``.
_ARGUMENTS = re.compile(r"[0-9](?:='[^'\"]*')?(?:,[0-9](?:='[^'\"]*')?)*", re.ASCII)


class Operations:
    """The requests of a server, answered from the tree. ``profile`` decides which content formats and operations there are."""

    def __init__(self, tree: Tree, attributes: AttributeTable, observations: Observations, profile: Profile) -> None:
        self._tree = tree
        self._attributes = attributes
        self._observations = observations
        self._profile = profile
        self._formats = profile.formats

    def answer(self, message: Message, now: float) -> Message:
        """The response to a request: always one."""
        try:
            return self._answer(message, now)
        except Refused as refused:
            return Message(refused.code, payload=str(refused).encode())
        except CodecError as error:
            return Message(Code.BAD_REQUEST, payload=str(error).encode())

    def state_of(self, observation: Observation) -> tuple[Values, Message]:
        """What an observation is told now. Raises Refused when what it watches is gone."""
        accept = observation.request.accept
        if observation.composite:
            return composite.read(self._tree, observation.paths, accept)
        return self.representation(observation.path, accept)

    def representation(self, path: Path, accept: int | None) -> tuple[Values, Message]:
        """The values of a path, and the answer that carries them. Raises Refused: 4.04, 4.05, 4.06."""
        values = self._tree.read(path)
        content_format = self._choose(path, values, accept)
        payload = encode(content_format, values, path)
        return values, Message(Code.CONTENT, payload=payload).add(Option.CONTENT_FORMAT, content_format)

    def _answer(self, message: Message, now: float) -> Message:
        if message.code in (Code.FETCH, Code.IPATCH):
            return self._answer_composite(message, now)
        if message.code not in _METHODS:
            raise Refused(Code.METHOD_NOT_ALLOWED)
        path = _path(message)
        for instance in self._tree.instances(path):
            instance.advance(now)
        match message.code:
            case Code.GET if message.accept == ContentFormat.LINK_FORMAT:
                return self._discover(path)
            case Code.GET:
                return self._read(path, message, now)
            case Code.PUT if not message.payload and message.option(Option.URI_QUERY) is not None:
                return self._write_attributes(path, message)
            case Code.PUT if len(path.ids) > 1:
                return self._write(path, message, now, replace=True)
            case Code.POST if len(path.ids) == 1:
                return self._create(path, message, now)
            case Code.POST if len(path.ids) == 2:
                return self._write(path, message, now, replace=False)
            case Code.POST if len(path.ids) == 3:
                return self._execute(path, message, now)
            case Code.DELETE:
                self._tree.delete(path)
                self._attributes.forget(path)
                self._observations.note(path, None, now)
                return Message(Code.DELETED)
        raise Refused(Code.METHOD_NOT_ALLOWED)

    def _answer_composite(self, message: Message, now: float) -> Message:
        if self._profile is not Profile.LWM2M_1_1:
            raise Refused(Code.METHOD_NOT_ALLOWED, "composite operations are not for this device")
        if message.option(Option.URI_PATH) is not None:
            raise Refused(Code.METHOD_NOT_ALLOWED, "a composite operation is on the root")
        for instance in self._tree.everything():
            instance.advance(now)
        if message.code == Code.IPATCH:
            return composite.write(self._tree, message, now)
        paths = composite.paths_of(message)
        values, response = composite.read(self._tree, paths, message.accept)
        if message.observe == 0:
            observation = Observation(paths, message.token, message, values, now, composite=True)
            self._observations.add(observation)
            response.add(Option.OBSERVE, observation.sequence)
        elif message.observe == 1 and (known := self._observations.of_token(message.token)) is not None:
            self._observations.remove(known)
        return response

    # Reading

    def _read(self, path: Path, message: Message, now: float) -> Message:
        values, response = self.representation(path, message.accept)
        known = self._observations.at(path)
        if message.observe == 0:
            if known is not None and known.automatic:
                raise Refused(Code.BAD_REQUEST, "this is told without being asked")
            # A token that observes twice begins anew, as RFC 7641 section 4.1 has it.
            observation = Observation((path,), message.token, message, values, now)
            self._observations.add(observation)
            response.add(Option.OBSERVE, observation.sequence)
        elif message.observe == 1 and known is not None and not known.automatic:
            self._observations.remove(known)
        return response

    def _choose(self, path: Path, values: Values, accept: int | None) -> int:
        """The content format of an answer. Raises Refused with 4.06 when the one asked for does not fit."""
        resource = resource_at(path)
        opaque = resource is not None and resource.type is Type.OPAQUE
        single = path.resource is not None and len(values) == 1 and values[0][0] == path
        if accept is None:
            if not single:
                return ContentFormat.LWM2M_TLV
            return ContentFormat.OCTET_STREAM if opaque else ContentFormat.TEXT
        if accept not in self._formats:
            raise Refused(Code.NOT_ACCEPTABLE, f"content format {accept} is not known here")
        if accept in _SINGLE and (not single or (accept == ContentFormat.OCTET_STREAM) != opaque):
            raise Refused(Code.NOT_ACCEPTABLE, f"content format {accept} does not fit {path}")
        return accept

    def _discover(self, path: Path) -> Message:
        """The path with its attributes, then what is below it. A resource also shows the periods it inherits."""
        instances = self._tree.instances(path)
        links: list[Link] = []
        if path.resource is not None:
            (instance,) = instances
            resource = instance.resource(path.resource)
            pairs = self._attributes.effective(path).pairs()
            pairs = tuple([pair for pair in pairs if pair[0] not in ("pmin", "pmax") or pair[1] != "0"])
            links.append(Link(str(path), _dimension(instance, resource.id) + pairs))
        else:
            if path.instance is None:
                version = instances[0].definition.version if instances else "1.0"
                ver = (("ver", version),) if version != "1.0" and self._profile.version != "1.0" else ()
                links.append(Link(str(path), ver + self._attributes.written(path).pairs()))
            for instance in instances:
                links.append(self._link(instance.path))
                for number in sorted({*instance.content, *instance.executable}):
                    link = self._link(instance.path.child(number))
                    links.append(Link(link.target, _dimension(instance, number) + link.attributes))
        body = format_links(links).encode()
        return Message(Code.CONTENT, payload=body).add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT)

    def _link(self, path: Path) -> Link:
        return Link(str(path), self._attributes.written(path).pairs())

    # Changing

    def _write(self, path: Path, message: Message, now: float, *, replace: bool) -> Message:
        values = self._decode(path, message)
        self._tree.write(path, values, now, replace=replace)
        return Message(Code.CHANGED)

    def _write_attributes(self, path: Path, message: Message) -> Message:
        if path.resource is not None:
            self._tree.instances(path)[0].resource(path.resource)
        try:
            self._attributes.write(path, message.uri_query())
        except FormatError as error:
            raise Refused(Code.BAD_REQUEST, str(error)) from None
        return Message(Code.CHANGED)

    def _create(self, path: Path, message: Message, now: float) -> Message:
        values = self._decode(path, message) if message.payload else []
        numbers = {value_path.instance for value_path, _ in values}
        if len(numbers) > 1:
            raise Refused(Code.BAD_REQUEST, "one instance at a time")
        # TLV without an instance around its resources leaves the choice of an id to the device (section 6.3.6).
        chosen = not message.payload or (
            message.content_format == ContentFormat.LWM2M_TLV and message.payload[0] >> 6 != 0
        )
        wanted = None if chosen or not numbers else numbers.pop()
        instance = self._tree.create(path, wanted, values, now)
        return Message(Code.CREATED, path_options(instance.path.segments(), Option.LOCATION_PATH))

    def _execute(self, path: Path, message: Message, now: float) -> Message:
        (instance,) = self._tree.instances(path)
        number = path.ids[2]
        if not instance.resource(number).executable:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} is not executable")
        if message.content_format not in (None, ContentFormat.TEXT):
            raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, "arguments are text")
        arguments = message.payload.decode("ascii", "replace")
        # The vendor's executions take any bytes: a manifest is one.
        if arguments and not self._profile.is_vendor and not _ARGUMENTS.fullmatch(arguments):
            raise Refused(Code.BAD_REQUEST, "arguments look like 0,1='text'")
        instance.execute(number, message.payload, now)
        return Message(Code.CHANGED)

    def _decode(self, path: Path, message: Message) -> Values:
        content_format = message.content_format
        if content_format is not None and content_format not in self._formats:
            raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, f"content format {content_format} is not known here")
        if (content_format or 0) in _SINGLE and path.resource is None:
            raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, "text and opaque are for a single resource")
        if path.resource is not None:
            # Before the body is looked at: a wrong value for what cannot be written is not the caller's real fault.
            self._require_writable(path)
        return decode(content_format, message.payload, path)

    def _require_writable(self, path: Path) -> None:
        instance: Instance = self._tree.instances(path)[0]
        assert path.resource is not None
        if not instance.resource(path.resource).writable:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} is not writable")


def _path(message: Message) -> Path:
    """Raises Refused with 4.04: what is no path of LwM2M leads nowhere."""
    try:
        segments = message.uri_path()
        if not all(segment.isascii() and segment.isdigit() and len(segment) <= 5 for segment in segments):
            raise Refused(Code.NOT_FOUND)
        return path_of(tuple(map(int, segments)))
    except (FormatError, PathError):
        raise Refused(Code.NOT_FOUND) from None


def _dimension(instance: Instance, number: int) -> tuple[tuple[str, str], ...]:
    content = instance.content.get(number)
    return (("dim", str(len(content))),) if isinstance(content, dict) else ()
