//! Access: whose connections the sender of a request may see and command (`--wire-for`).

use std::io;
use std::net::IpAddr;

use crate::config::WireFor;
use crate::http::request::RequestHead;
use crate::sys::{Asker, Secret};

/// The server's rule on who sees what, and the teacher's secret if the rule has one.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// The people to whom the server shows the connections of others.
    pub wire_for: WireFor,
    /// The secret in the teacher's link. `None` if the rule does not know a teacher.
    pub teacher: Option<Secret>,
}

impl Access {
    /// The rule of a server that listens at `ip`: `wanted`, or the default for that address.
    ///
    /// # Errors
    /// When the system does not give randomness for the teacher's secret.
    pub fn new(wanted: Option<WireFor>, ip: IpAddr) -> io::Result<Access> {
        let wire_for = wanted.unwrap_or_else(|| WireFor::default_at(ip));
        let teacher = (wire_for == WireFor::Teacher).then(Secret::random).transpose()?;
        Ok(Access { wire_for, teacher })
    }

    /// The sender of this request, with its rights. A wrong secret gives no rights: a teacher's page that is still
    /// open when the server starts again then sees its own connections, as every page does.
    pub fn asker(&self, head: &RequestHead) -> Asker {
        let is_teacher = self.teacher.is_some() && secret_in(head, "teacher") == self.teacher;
        let sees_all = is_teacher || self.wire_for == WireFor::Everyone;
        Asker { tab: tab_in(head), is_teacher, sees_all }
    }
}

/// The secret of the tab that sent this request. A page cannot set the headers of a WebSocket, so the secret is in the
/// query.
pub fn tab_in(head: &RequestHead) -> Option<Secret> {
    secret_in(head, "tab")
}

fn secret_in(head: &RequestHead, parameter: &str) -> Option<Secret> {
    head.query_param(parameter).and_then(|text| Secret::parse(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::{HeadResult, parse_head};

    const TAB: &str = "000102030405060708090a0b0c0d0e0f";

    fn asker(access: &Access, query: &str) -> Asker {
        let text = format!("GET /stats?{query} HTTP/1.1\r\nHost: a\r\n\r\n");
        match parse_head(text.as_bytes(), 4096) {
            Some(HeadResult::Head(head, _)) => access.asker(&head),
            other => panic!("{other:?}"),
        }
    }

    fn access(wanted: Option<WireFor>, ip: &str) -> Access {
        Access::new(wanted, ip.parse().unwrap()).expect("randomness")
    }

    #[test]
    fn the_flag_decides_or_else_the_address() {
        assert_eq!(access(None, "127.0.0.1").wire_for, WireFor::Everyone);
        assert_eq!(access(None, "0.0.0.0").wire_for, WireFor::Own);
        assert_eq!(access(Some(WireFor::Own), "127.0.0.1").wire_for, WireFor::Own);
        assert_eq!(access(Some(WireFor::Everyone), "0.0.0.0").wire_for, WireFor::Everyone);
    }

    #[test]
    fn only_the_teachers_secret_makes_a_teacher() {
        let of_teacher = access(Some(WireFor::Teacher), "127.0.0.1");
        let secret = of_teacher.teacher.expect("a secret").reveal();
        let rights = |access: &Access, query: &str| {
            let asker = asker(access, query);
            (asker.tab.is_some(), asker.is_teacher, asker.sees_all)
        };
        let both = format!("tab={TAB}&teacher={secret}");
        assert_eq!(rights(&of_teacher, &both), (true, true, true));
        for wrong in
            ["", "teacher=", "teacher=1", &format!("teacher={TAB}"), &format!("tab={secret}")]
        {
            let (_, is_teacher, sees_all) = rights(&of_teacher, wrong);
            assert!(!is_teacher && !sees_all, "{wrong}");
        }
        // The other rules do not have a teacher, and a missing secret is not equal to a missing secret.
        let own = access(Some(WireFor::Own), "127.0.0.1");
        assert_eq!(rights(&own, &both), (true, false, false));
        assert_eq!(rights(&own, ""), (false, false, false));
        assert_eq!(rights(&access(None, "127.0.0.1"), "tab=x7"), (false, false, true));
    }
}
