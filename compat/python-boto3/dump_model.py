"""Writes what botocore's model says of each Kinesis operation, for tests to compare with.

    dump_model.py FILE

    {operation: {"input": {path: {"type", "min", "max", "pattern", "enum", "required"}},
                 "output": [..], "errors": [..]}}

A rule that the model does not have is absent here, too. A path names a member in lists and structures:
"Records.member.Data" is the Data of each of Records; a map has "Tags.key" and "Tags.value".
"""

import json
import sys

import botocore
import botocore.session


def rules(shape, required):
    """The constraints that the model puts on one member."""
    found = {"type": shape.type_name}
    for name in ("min", "max", "pattern"):
        if name in shape.metadata:
            found[name] = shape.metadata[name]
    if getattr(shape, "enum", None):
        found["enum"] = list(shape.enum)
    if required:
        found["required"] = True
    return found


def walk(shape, path, members):
    """Adds the constraints of all that lies under `shape` to `members`, by path."""
    below = []
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            here = f"{path}.{name}" if path else name
            below.append((here, member, name in shape.required_members))
    elif shape.type_name == "list":
        below.append((f"{path}.member", shape.member, False))
    elif shape.type_name == "map":
        below += [(f"{path}.key", shape.key, False), (f"{path}.value", shape.value, False)]
    for here, member, required in below:
        members[here] = rules(member, required)
        walk(member, here, members)


def main():
    model = botocore.session.get_session().get_service_model("kinesis")
    operations = {}
    for name in sorted(model.operation_names):
        operation = model.operation_model(name)
        members = {}
        if operation.input_shape is not None:
            walk(operation.input_shape, "", members)
        operations[name] = {
            "input": members,
            "output": sorted(operation.output_shape.members) if operation.output_shape else [],
            "errors": sorted(shape.name for shape in operation.error_shapes),
        }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(operations, file, indent=1, sort_keys=True)
    print(f"{len(operations)} operations of botocore {botocore.__version__} in {sys.argv[1]}")


if __name__ == "__main__":
    main()
