//! The steps without a server: `chalkwire check --list`.

use std::fmt::Write;

use crate::check::selection::Selection;

/// The selected steps, each group below its title, with the section of RFC 6455 on the right.
pub fn list(selection: &Selection) -> String {
    let mut text = String::new();
    let mut last = None;
    for (group, step) in selection.steps() {
        if last != Some(group.number) {
            let _ = writeln!(text, "{} {}", group.number, group.title);
            last = Some(group.number);
        }
        let rfc = if step.rule.is_none() { String::new() } else { step.rfc() };
        let _ =
            writeln!(text, "{}", format!("  {:<4}  {:<60}{rfc}", step.id, step.title).trim_end());
    }
    text
}
