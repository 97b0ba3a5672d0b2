//! The rules on `Origin` and `Host`: whose pages may open a WebSocket, and whose may read what is
//! private (RFC 6455 section 10.2).
//!
//! A browser lets any page open a WebSocket to any server. It says in `Origin` where the page came
//! from, and leaves the decision to the server. Everybody may use echo and the rooms by default,
//! because the lesson is to connect from anywhere. Other people's traffic is a different matter.

use std::net::{IpAddr, Ipv6Addr};

use super::refusal::{OriginError, PrivateError};
use super::request::RequestHead;

/// The origins that may open a WebSocket, and the names of this server.
#[derive(Debug, Clone)]
pub struct Origins {
    /// From `--allow-origin`. When this is empty, every page may open a WebSocket.
    allowed: Vec<String>,
    /// Host names of this server, besides `localhost` and IP addresses.
    names: Vec<String>,
}

impl Origins {
    /// The rules of a server that was told to listen at `listen` (`HOST:PORT`) and to accept
    /// WebSockets from pages of the origins in `allowed`.
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

    /// An origin that may open a WebSocket, when not all may. The lab's own client sends it.
    pub fn one_allowed(&self) -> Option<&str> {
        self.allowed.first().map(String::as_str)
    }

    /// Checks whether this request may open a WebSocket.
    ///
    /// # Errors
    /// When it has no `Origin`, or one that is not on the list.
    pub fn may_upgrade(&self, head: &RequestHead) -> Result<(), OriginError> {
        if self.allowed.is_empty() {
            return Ok(());
        }
        let origin = head.get("Origin").ok_or(OriginError::Missing)?;
        let given = normalised(origin);
        if self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(given)) {
            Ok(())
        } else {
            Err(OriginError::NotAllowed(origin.to_owned()))
        }
    }

    /// Checks whether this request may read what is private: it must come from a page of this
    /// server, or from no page at all, and be addressed to a name of this server.
    ///
    /// The name matters because of DNS rebinding. An attacker's page can make its own host name
    /// point to this address; for the browser, page and server then have the same origin. The
    /// attacker cannot do that with an IP address or with `localhost`.
    ///
    /// # Errors
    /// When the request is addressed to another name, or comes from another page.
    pub fn may_read_private(&self, head: &RequestHead) -> Result<(), PrivateError> {
        let host = head.host();
        if !self.knows(host_name(host)) {
            return Err(PrivateError::UnknownHost(host.to_owned()));
        }
        // Browsers send this header even where they leave Origin out, as for an image.
        if head.get("Sec-Fetch-Site").is_some_and(|site| site != "same-origin" && site != "none") {
            return Err(PrivateError::OtherSite);
        }
        match head.get("Origin") {
            None if head.method == "POST" => Err(PrivateError::PostWithoutOrigin),
            None => Ok(()),
            Some(origin) => self.check_own_origin(origin, head),
        }
    }

    /// Checks that `origin` is that of this server's own pages: scheme, name and port.
    ///
    /// Behind a proxy that speaks TLS, the pages come from `https://`, and yet the request arrives here as plain HTTP. So
    /// an `https://` origin is accepted if it is listed, or if the browser says that page and server have the same
    /// origin. A browser sends `Sec-Fetch-Site` to `https://` addresses, and a page cannot set it.
    fn check_own_origin(&self, origin: &str, head: &RequestHead) -> Result<(), PrivateError> {
        let is_listed = || self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
        match origin.split_once("://") {
            Some((scheme, authority)) if authority.eq_ignore_ascii_case(head.host()) => {
                if scheme == "http" || is_listed() {
                    Ok(())
                } else if scheme != "https" {
                    Err(PrivateError::OtherOrigin(origin.to_owned()))
                } else if head.get("Sec-Fetch-Site") == Some("same-origin") {
                    Ok(())
                } else {
                    Err(PrivateError::UnconfirmedOrigin(origin.to_owned()))
                }
            }
            _ => Err(PrivateError::OtherOrigin(origin.to_owned())),
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
            Some(HeadResult::Head(head, _)) => *head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_page_may_open_a_websocket_unless_the_allowed_origins_are_listed() {
        let open = Origins::new("127.0.0.1:8080", &[]);
        assert!(open.may_upgrade(&request("Origin: null\r\n")).is_ok());
        let closed = Origins::new("127.0.0.1:8080", &["https://school.example/".to_owned()]);
        assert!(closed.may_upgrade(&request("Origin: https://school.example\r\n")).is_ok());
        assert!(closed.may_upgrade(&request("Origin: HTTPS://SCHOOL.EXAMPLE\r\n")).is_ok());
        for other in [
            "",
            "Origin: null\r\n",
            "Origin: http://school.example\r\n",
            "Origin: https://school.example.evil.example\r\n",
            "Origin: https://evil.example\r\n",
        ] {
            assert!(closed.may_upgrade(&request(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn only_this_servers_own_pages_may_read_what_is_private() {
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

    #[test]
    fn an_own_page_has_the_same_scheme_name_and_port_or_the_browser_says_so() {
        let listed = ["https://school.example".to_owned(), "ftp://files.example".to_owned()];
        let rules = Origins::new("127.0.0.1:8080", &listed);
        let other = |origin: &str| Err(PrivateError::OtherOrigin(origin.to_owned()));
        let unconfirmed = |origin: &str| Err(PrivateError::UnconfirmedOrigin(origin.to_owned()));
        for (host, origin, site, expected) in [
            ("10.0.0.1:8080", "http://10.0.0.1:8080", "", Ok(())),
            ("10.0.0.1:8080", "http://10.0.0.1:9090", "", other("http://10.0.0.1:9090")),
            ("10.0.0.1:8080", "ftp://10.0.0.1:8080", "", other("ftp://10.0.0.1:8080")),
            ("10.0.0.1:8080", "ftp://10.0.0.1:8080", "same-origin", other("ftp://10.0.0.1:8080")),
            ("10.0.0.1:8080", "null", "same-origin", other("null")),
            ("10.0.0.1:8080", "10.0.0.1:8080", "same-origin", other("10.0.0.1:8080")),
            // Behind a TLS proxy.
            ("10.0.0.1:8443", "https://10.0.0.1:8443", "", unconfirmed("https://10.0.0.1:8443")),
            (
                "10.0.0.1:8443",
                "https://10.0.0.1:8443",
                "none",
                unconfirmed("https://10.0.0.1:8443"),
            ),
            ("10.0.0.1:8443", "https://10.0.0.1:8443", "same-origin", Ok(())),
            ("10.0.0.1:8443", "https://10.0.0.1", "same-origin", other("https://10.0.0.1")),
            ("10.0.0.1:8443", "https://10.0.0.1:8443", "same-site", Err(PrivateError::OtherSite)),
            // On the list.
            ("school.example", "https://school.example", "", Ok(())),
            ("files.example", "ftp://files.example", "", Ok(())),
            ("10.0.0.1", "https://school.example", "", other("https://school.example")),
        ] {
            let site = if site.is_empty() { "" } else { &format!("Sec-Fetch-Site: {site}\r\n") };
            let head = request(&format!("Host: {host}\r\nOrigin: {origin}\r\n{site}"));
            assert_eq!(rules.may_read_private(&head), expected, "{host}, {origin}, {site}");
        }
    }

    #[test]
    fn a_request_for_a_whole_url_is_addressed_to_the_host_in_it() {
        let rules = Origins::new("127.0.0.1:8080", &[]);
        let may = |target: &str, host: &str| {
            let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let Some(HeadResult::Head(head, _)) = parse_head(text.as_bytes(), 4096) else {
                panic!("a head");
            };
            rules.may_read_private(&head)
        };
        let evil = Err(PrivateError::UnknownHost("evil".to_owned()));
        assert_eq!(may("http://evil/stats", "127.0.0.1:8080"), evil);
        assert_eq!(may("http://127.0.0.1:8080/stats", "evil"), Ok(()));
    }
}
