"""Writes what botocore's model says of a service's operations, for the test that holds the service to it.

    model.py .../botocore/data/dynamodb src/dynamodb/testdata/model.json
"""

import glob
import gzip
import json
import pathlib
import sys


def rules(shape, required):
    """The constraints that the model puts on one member."""
    found = {"type": shape["type"]}
    found |= {name: shape[name] for name in ("min", "max", "pattern", "enum") if name in shape}
    if required:
        found["required"] = True
    return found


def walk(shapes, shape, path, members):
    """Adds the constraints of all that lies under `shape` to `members`, by path."""
    below = []
    if shape["type"] == "structure":
        needed = shape.get("required", [])
        for name, member in shape["members"].items():
            here = f"{path}.{name}" if path else name
            below.append((here, member["shape"], name in needed))
    elif shape["type"] == "list":
        below.append((f"{path}.member", shape["member"]["shape"], False))
    elif shape["type"] == "map":
        below += [(f"{path}.{part}", shape[part]["shape"], False) for part in ("key", "value")]
    for here, name, required in below:
        members[here] = rules(shapes[name], required)
        # A value may hold values; what values must be like is no constraint of the model.
        if name != "AttributeValue":
            walk(shapes, shapes[name], here, members)


def main():
    [file] = glob.glob(f"{sys.argv[1]}/*/service-2.json.gz")
    with gzip.open(file) as compressed:
        model = json.load(compressed)
    shapes = model["shapes"]
    lines = []
    for name, operation in sorted(model["operations"].items()):
        members = {}
        if "input" in operation:
            walk(shapes, shapes[operation["input"]["shape"]], "", members)
        output = shapes[operation["output"]["shape"]]["members"] if "output" in operation else []
        told = {
            "input": members,
            "output": sorted(output),
            "errors": sorted(error["shape"] for error in operation.get("errors", [])),
        }
        # One operation a line: a new model shows as the operations that changed.
        lines.append(f"{json.dumps(name)}: {json.dumps(told, separators=(',', ':'))}")
    pathlib.Path(sys.argv[2]).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
