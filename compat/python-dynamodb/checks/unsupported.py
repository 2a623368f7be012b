"""What is not built says so."""

from harness import check, refused


@check
def what_is_not_built_says_so(world):
    for operation, arguments in (
        ("list_backups", {}), ("list_global_tables", {}), ("execute_statement", {"Statement": 'SELECT * FROM "t"'}),
        ("create_backup", {"TableName": "abc", "BackupName": "abc"}), ("list_exports", {}), ("list_imports", {}),
    ):
        refused("UnknownOperationException", getattr(world.client, operation), "not supported", **arguments)
