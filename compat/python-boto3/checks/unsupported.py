"""Channel operations: refused for now, by an error that says so."""

from botocore.exceptions import ClientError
from harness import check, equal, true


def valid_input(shape, depth=0):
    """The smallest input that a shape of botocore's model allows."""
    if shape.type_name == "structure":
        return {
            name: valid_input(member, depth + 1)
            for name, member in shape.members.items()
            if name in shape.required_members
        }
    if shape.type_name == "list":
        return [valid_input(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {}
    if shape.type_name == "string":
        if shape.enum:
            return shape.enum[0]
        if "ARN" in shape.name.upper():
            return "arn:aws:kinesis:us-east-1:123456789012:channel/c"
        return "x" * max(1, shape.metadata.get("min", 1))
    if shape.type_name in ("integer", "long"):
        return shape.metadata.get("min", 1)
    return False


@check
def channel_operations_say_that_they_are_not_supported(world):
    model = world.kinesis.meta.service_model
    names = [n for n in model.operation_names if "Channel" in n]
    equal(len(names), 5, "channel operations in the model")
    methods = {operation: method for method, operation in world.kinesis.meta.method_to_api_mapping.items()}
    for name in names:
        arguments = valid_input(model.operation_model(name).input_shape)
        try:
            answer = getattr(world.kinesis, methods[name])(**arguments)
        except ClientError as error:
            message = error.response["Error"].get("Message", "")
            true("not supported" in message, f"{name} says it is not supported, saw {error}")
            true(name in message, f"the error names {name}, saw {error}")
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            true(400 <= status < 600, f"an error status, saw {status}")
        else:
            raise AssertionError(f"expected an error from {name}, but it was answered: {answer}")
