"""The objects of a device, and how a path reads and writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.codecs import Value, Values
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.instance import Effect, Instance, Refused

#: Instances that one object may have.
MAX_INSTANCES = 8


class Tree:
    """``makers``: the objects of which instances can be created, each with what makes one of a given id."""

    def __init__(self, instances: Iterable[Instance], makers: Mapping[int, Callable[[int], Instance]]) -> None:
        self._objects: dict[int, dict[int, Instance]] = {}
        for instance in instances:
            self._objects.setdefault(instance.object_id, {})[instance.path.ids[1]] = instance
        self._makers = makers

    def instances(self, path: Path) -> list[Instance]:
        """The instances that a path names or lies in. Raises Refused with 4.04 when there is none."""
        instances = self._objects.get(path.object if path.object is not None else -1)
        if instances is None:
            raise Refused(Code.NOT_FOUND)
        if path.instance is None:
            return list(instances.values())
        if path.instance not in instances:
            raise Refused(Code.NOT_FOUND)
        return [instances[path.instance]]

    def everything(self) -> Iterator[Instance]:
        for instances in self._objects.values():
            yield from instances.values()

    def read(self, path: Path) -> Values:
        """What there is to read. Raises Refused: 4.04, or 4.05 where nothing is readable."""
        instances = self.instances(path)
        if path.resource is None:
            values = [pair for instance in instances for pair in instance.readable()]
            if not values and instances:
                raise Refused(Code.METHOD_NOT_ALLOWED, "nothing here is readable")
            return values
        if not instances[0].resource(path.resource).readable:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} is not readable")
        values = [pair for pair in instances[0].values_of(path.resource) if path.contains(pair[0])]
        if not values:
            raise Refused(Code.NOT_FOUND)
        return values

    def read_all(self) -> Values:
        """Everything readable, for a composite operation on the root."""
        return [pair for instance in self.everything() for pair in instance.readable()]

    def write_many(self, values: Values, now: float) -> None:
        """Resources of any instances, all or none. Raises Refused: 4.04, 4.05, 4.00."""
        checked: list[tuple[Instance, int, Value]] = []
        for path, value in values:
            if path.resource is None:
                raise Refused(Code.BAD_REQUEST, f"{path} is no resource")
            (instance,) = self.instances(path)
            checked += [(instance, number, each) for number, each in _checked(instance, [(path, value)]).items()]
        for instance, number, each in checked:
            instance.write(number, each, now)

    def write(self, path: Path, values: Values, now: float, *, replace: bool) -> None:
        """All of the values or none. Raises Refused: 4.04, 4.05 for what is not writable, 4.00 for wrong values."""
        if path.instance is None:
            raise Refused(Code.METHOD_NOT_ALLOWED, "an object is not written as a whole")
        (instance,) = self.instances(path)
        checked = _checked(instance, values)
        if path.resource is None and replace:
            self._require_mandatory(instance, checked)
            instance.replace(checked, now)
        else:
            for number, value in checked.items():
                instance.write(number, value, now)

    def create(self, path: Path, instance_id: int | None, values: Values, now: float) -> Instance:
        """A new instance, with a free id where none is given; of the paths of values only the resource counts.

        Raises Refused: 4.05 where the object allows none.
        """
        instances = self._objects.get(path.ids[0])
        if instances is None:
            raise Refused(Code.NOT_FOUND)
        maker = self._makers.get(path.ids[0])
        if maker is None:
            raise Refused(Code.METHOD_NOT_ALLOWED, "no instance can be created here")
        if instance_id is None:
            instance_id = next(number for number in range(len(instances) + 1) if number not in instances)
        if instance_id in instances:
            raise Refused(Code.BAD_REQUEST, "this instance exists")
        if len(instances) >= MAX_INSTANCES:
            raise Refused(Code.BAD_REQUEST, f"there are {MAX_INSTANCES} instances, and no room for more")
        instance = maker(instance_id)
        inside = [(Path(*instance.path.ids, *value_path.ids[2:]), value) for value_path, value in values]
        for number, value in _checked(instance, inside).items():
            instance.write(number, value, now)
        instances[instance_id] = instance
        instance.changed.update(dict.fromkeys(instance.content))
        instance.effects.append(Effect.UPDATE)
        return instance

    def delete(self, path: Path) -> None:
        """Raises Refused: 4.04, or 4.05 for anything but an instance that could have been created."""
        (instance, *_) = self.instances(path)
        instances = self._objects[instance.object_id]
        if len(path.ids) != 2 or instance.object_id not in self._makers or len(instances) == 1:
            raise Refused(Code.METHOD_NOT_ALLOWED, "this cannot be deleted")
        del instances[instance.path.ids[1]]
        next(iter(instances.values())).effects.append(Effect.UPDATE)

    def links(self, version: str) -> list[Link]:
        """What the device tells of itself when it registers: instances, and in 1.1 the versions of objects."""
        links: list[Link] = []
        if version != "1.0":
            links.append(Link("/", (("rt", "oma.lwm2m"), ("ct", "110 112 11542"))))
        for number, instances in sorted(self._objects.items()):
            definition = next(iter(instances.values())).definition
            if version != "1.0" and definition.version != "1.0":
                links.append(Link(f"/{number}", (("ver", definition.version),)))
            links.extend(Link(str(instances[index].path)) for index in sorted(instances))
        return links

    def _require_mandatory(self, instance: Instance, values: Mapping[int, Value]) -> None:
        for number, resource in instance.definition.resources.items():
            if resource.mandatory and resource.writable and number in instance.content and number not in values:
                raise Refused(Code.BAD_REQUEST, f"{instance.path.child(number)} is missing: a replacement needs it")


def _checked(instance: Instance, values: Values) -> dict[int, Value]:
    checked: dict[int, Value] = {}
    for path, value in values:
        if path.resource is None or path.instance != instance.path.instance:
            raise Refused(Code.BAD_REQUEST, f"{path} is no resource of {instance.path}")
        resource = instance.resource(path.resource)
        if not resource.writable:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} is not writable")
        if path.resource_instance is not None:
            raise Refused(Code.BAD_REQUEST, f"{path} is a resource instance, and the resource has a single value")
        checked[path.resource] = instance.check(path.resource, value)
    return checked
