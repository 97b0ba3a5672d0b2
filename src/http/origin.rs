//! Who may read what: the rules on `Origin` and `Host` (RFC 6455 section 10.2).
//!
//! A browser lets any page open a WebSocket to anywhere. It says where the page came from, in
//! `Origin`, and leaves the decision to the server. Echo and rooms are for everyone by default,
//! because the lesson is to connect from anywhere; what shows other people's traffic is not.

use std::net::{IpAddr, Ipv6Addr};

use crate::http::request::RequestHead;

/// The names by which this server may be asked for what is private, and the origins let in.
#[derive(Debug, Clone)]
pub struct Origins {
    /// From `--allow-origin`. Empty: everyone may open a WebSocket.
    allowed: Vec<String>,
    /// Host names this server is known by, beside `localhost` and addresses.
    names: Vec<String>,
}

impl Origins {
    /// The rules of a server that was told to listen at `listen` (`HOST:PORT`) and to let pages
    /// from `allowed` in.
    pub fn new(listen: &str, allowed: &[String]) -> Origins {
        let allowed: Vec<String> = allowed.iter().map(|o| normalised(o).to_owned()).collect();
        let names = allowed
            .iter()
            .filter_map(|origin| origin.split_once("://"))
            .map(|(_, authority)| authority)
            .chain([listen])
            .map(|authority| host_name(authority).to_ascii_lowercase())
            .collect();
        Origins { allowed, names }
    }

    /// Whether this request may open a WebSocket.
    ///
    /// # Errors
    /// The reason why not, as a sentence.
    pub fn may_upgrade(&self, head: &RequestHead) -> Result<(), String> {
        if self.allowed.is_empty() {
            return Ok(());
        }
        let Some(origin) = head.get("Origin") else {
            return Err("this server wants an Origin, and the request has none".to_owned());
        };
        let given = normalised(origin);
        if self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(given)) {
            Ok(())
        } else {
            Err(format!("pages from {origin:?} are not let in here"))
        }
    }

    /// Whether this request may read what is private: from a page of this server's, or from no
    /// page at all, and addressed to a name that is this server's.
    ///
    /// The name matters because a stranger's page can have its own name point to this address
    /// (DNS rebinding), and is then of the same origin as far as the browser can tell. It cannot
    /// do that with an address, nor with `localhost`.
    ///
    /// # Errors
    /// The reason why not, as a sentence.
    pub fn may_read_private(&self, head: &RequestHead) -> Result<(), String> {
        let host = head.get("Host").unwrap_or_default();
        if !self.knows(host_name(host)) {
            return Err(format!("this server is not known as {host:?}"));
        }
        // SendOutcome by browsers also where Origin is not, as for an image.
        if head.get("Sec-Fetch-Site").is_some_and(|site| site != "same-origin" && site != "none") {
            return Err("only this server's own page may read this".to_owned());
        }
        match head.get("Origin") {
            // Browsers send it with every POST.
            None if head.method == "POST" => Err("a POST comes with an Origin".to_owned()),
            Some(origin)
                if !origin
                    .split_once("://")
                    .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host)) =>
            {
                Err(format!("a page from {origin:?} may not read this"))
            }
            _ => Ok(()),
        }
    }

    fn knows(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let is_address = name.parse::<IpAddr>().is_ok()
            || name
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
        is_address || name == "localhost" || self.names.contains(&name)
    }
}

/// An origin without the slash that people write behind it.
fn normalised(origin: &str) -> &str {
    origin.strip_suffix('/').unwrap_or(origin)
}

/// The host of `host:port`, `host`, or `[v6]:port`.
fn host_name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::{HeadResult, parse_head};

    fn request(headers: &str) -> RequestHead {
        let text = format!("GET /stats HTTP/1.1\r\n{headers}\r\n");
        match parse_head(text.as_bytes(), 4096) {
            Some(HeadResult::Head(head, _)) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everyone_may_upgrade_unless_told_otherwise() {
        let open = Origins::new("127.0.0.1:8080", &[]);
        assert!(open.may_upgrade(&request("Origin: null\r\n")).is_ok());
        let closed = Origins::new("127.0.0.1:8080", &["https://school.example/".to_owned()]);
        assert!(closed.may_upgrade(&request("Origin: https://school.example\r\n")).is_ok());
        assert!(closed.may_upgrade(&request("Origin: HTTPS://SCHOOL.EXAMPLE\r\n")).is_ok());
        for stranger in [
            "",
            "Origin: null\r\n",
            "Origin: http://school.example\r\n",
            "Origin: https://school.example.evil.example\r\n",
            "Origin: https://evil.example\r\n",
        ] {
            assert!(closed.may_upgrade(&request(stranger)).is_err(), "{stranger}");
        }
    }

    #[test]
    fn private_pages_are_for_this_servers_own_pages() {
        let rules = Origins::new("class.local:8080", &["https://school.example".to_owned()]);
        let may = |headers: &str| rules.may_read_private(&request(headers)).is_ok();
        assert!(may("Host: 127.0.0.1:8080\r\n"));
        assert!(may("Host: [::1]:8080\r\n"));
        assert!(may("Host: localhost\r\n"));
        assert!(may("Host: Class.Local:8080\r\n"));
        assert!(may("Host: school.example\r\nOrigin: https://school.example\r\n"));
        assert!(may("Host: 127.0.0.1:8080\r\nSec-Fetch-Site: same-origin\r\n"));
        assert!(may("Host: 127.0.0.1:8080\r\nOrigin: http://127.0.0.1:8080\r\n"));
        assert!(!may(""));
        assert!(!may("Host: rebound.example:8080\r\n"));
        assert!(!may("Host: rebound.example:8080\r\nOrigin: http://rebound.example:8080\r\n"));
        assert!(!may("Host: 127.0.0.1.evil.example\r\n"));
        assert!(!may("Host: 127.0.0.1:8080\r\nOrigin: http://127.0.0.1:9090\r\n"));
        assert!(!may("Host: 127.0.0.1:8080\r\nOrigin: null\r\n"));
        assert!(!may("Host: 127.0.0.1:8080\r\nSec-Fetch-Site: cross-site\r\n"));
        let mut post = request("Host: 127.0.0.1:8080\r\n");
        post.method = "POST".to_owned();
        assert!(rules.may_read_private(&post).is_err());
    }
}
