//! Asking before something is lost.

use std::io::{self, IsTerminal as _, Write as _};

use crate::Failure;

/// Asks on a terminal whether to do `what` to `name`, whose `content` is lost; scripts must say so beforehand, by --yes.
pub(super) fn is_sure(what: &str, name: &str, content: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "to {what} {name} loses its {content}: give --yes to confirm"
        )));
    }
    write!(
        io::stderr(),
        "To {what} {name} loses all its {content}. Type its name to confirm: "
    )?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == name)
}
