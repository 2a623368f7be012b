"""Writes what botocore's model says of each Kinesis operation, for tests to compare a server with.

    dump_model.py FILE

    {operation: {"required": [..],
                 "members": {name: {"type", "min", "max", "pattern", "enum", "required"}},
                 "output": [..], "errors": [..]}}

A limit that the model does not have is absent here, too. Members of lists and structures are named
by their path: "Records.member.Data" is the Data of each of Records; a map's keys
and values are "Tags.key" and "Tags.value".
"""

import json
import sys

import botocore
import botocore.session


def rules(shape):
    """The constraints that the model puts on one shape."""
    found = {"type": shape.type_name}
    for name in ("min", "max", "pattern"):
        if name in shape.metadata:
            found[name] = shape.metadata[name]
    if getattr(shape, "enum", None):
        found["enum"] = list(shape.enum)
    return found


def walk(shape, path, members):
    """Adds the constraints of all that lies under `shape` to `members`, by path."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            here = f"{path}.{name}" if path else name
            members[here] = rules(member)
            members[here]["required"] = name in shape.required_members
            walk(member, here, members)
    elif shape.type_name == "list":
        members[f"{path}.member"] = rules(shape.member)
        walk(shape.member, f"{path}.member", members)
    elif shape.type_name == "map":
        members[f"{path}.key"] = rules(shape.key)
        members[f"{path}.value"] = rules(shape.value)


def main():
    model = botocore.session.get_session().get_service_model("kinesis")
    operations = {}
    for name in sorted(model.operation_names):
        operation = model.operation_model(name)
        members = {}
        required = []
        if operation.input_shape is not None:
            required = sorted(operation.input_shape.required_members)
            walk(operation.input_shape, "", members)
        operations[name] = {
            "required": required,
            "members": members,
            "output": sorted(operation.output_shape.members) if operation.output_shape else [],
            "errors": sorted(shape.name for shape in operation.error_shapes),
        }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(operations, file, indent=1, sort_keys=True)
    print(f"{len(operations)} operations of botocore {botocore.__version__} in {sys.argv[1]}")


if __name__ == "__main__":
    main()
