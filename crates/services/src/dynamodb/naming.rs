//! Names and ARNs of tables.

use aws::Caller;

use super::error::DynamoError;
use super::limits::NAME_LENGTH;
use super::records::TableName;

/// Whether a table or an index can have this name.
pub(super) fn is_name(name: &str) -> bool {
    NAME_LENGTH.contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// The caller's table of that name.
pub(super) fn own(caller: &Caller, name: &str) -> TableName {
    TableName {
        account: caller.account.clone(),
        region: caller.region.clone(),
        name: name.to_owned(),
    }
}

/// The table that a request names, by name or ARN.
///
/// # Errors
/// [`DynamoError::Validation`] for what can be neither; another account's is not found.
pub(super) fn table(caller: &Caller, text: &str) -> Result<TableName, DynamoError> {
    if text.starts_with("arn:") {
        return of_arn(caller, text);
    }
    if !is_name(text) {
        return Err(DynamoError::validation(
            "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the \
             characters a-z, A-Z, 0-9, '_', '-', and '.'",
        ));
    }
    Ok(own(caller, text))
}

/// The table of an ARN. One of another account or region is none that the caller can see: nothing enforces policies yet.
///
/// # Errors
/// [`DynamoError::Validation`]; [`DynamoError::ResourceNotFound`].
pub(super) fn of_arn(caller: &Caller, arn: &str) -> Result<TableName, DynamoError> {
    let name = arn
        .splitn(6, ':')
        .nth(5)
        .and_then(|resource| resource.strip_prefix("table/"))
        .map(|rest| rest.split('/').next().unwrap_or_default());
    let Some(name) = name.filter(|name| is_name(name)) else {
        return Err(DynamoError::validation(format!(
            "Invalid ResourceArn: {arn}"
        )));
    };
    let found = own(caller, name);
    if arn.starts_with(&found.arn().to_string()) {
        return Ok(found);
    }
    Err(DynamoError::ResourceNotFound(format!(
        "Requested resource not found: ResourcArn: {arn} not found"
    )))
}
