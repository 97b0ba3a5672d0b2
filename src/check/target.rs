//! The server under test: where it is, and how it is spoken to.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use tungstenite::http::Uri;

/// The server under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// As it was given.
    pub url: String,
    /// `host:port`, as the `Host` header has it.
    pub host: String,
    /// Path and query, as the request line has them.
    pub path: String,
    /// Where that leads.
    pub addresses: Vec<SocketAddr>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Whether messages come back.
    pub echoes: bool,
    /// Whether each client is sent a message before it has said anything.
    pub greets: bool,
}

impl Target {
    /// Reads `url`, and looks its host up.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn new(url: &str, timeout: Duration, echoes: bool) -> Result<Target, String> {
        let wrong = |what: &str| {
            Err(format!("{url:?} {what}; it should look like ws://127.0.0.1:8080/echo"))
        };
        let Ok(uri) = url.parse::<Uri>() else { return wrong("is no URL") };
        match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("ws") => {}
            Some("wss") => {
                return Err(format!(
                    "{url:?} asks for TLS, which is not spoken here; test the server behind it, with ws://"
                ));
            }
            Some("http") => return wrong("begins with http: a WebSocket begins with ws"),
            Some(_) => return wrong("is not a ws URL"),
            None => return wrong("does not begin with ws://"),
        }
        let Some(authority) = uri.authority() else { return wrong("names no host") };
        if authority.as_str().contains('@') {
            return wrong("has a name or password, which a WebSocket does not send");
        }
        if url.contains('#') {
            return wrong("has a fragment (#), which a ws URL must not have (RFC 6455 3)");
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            Some(_) => match authority.port_u16() {
                Some(port) if port > 0 => port,
                _ => return wrong("has a port that is not 1 to 65535"),
            },
            None => return wrong("names no host"),
        };
        let name = format!("{}:{port}", authority.host());
        let addresses: Vec<SocketAddr> = match name.to_socket_addrs() {
            Ok(addresses) => addresses.collect(),
            Err(error) => return Err(format!("{name} cannot be found: {error}")),
        };
        if addresses.is_empty() {
            return Err(format!("{name} has no address"));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let host = authority.as_str().to_owned();
        Ok(Target { url: url.to_owned(), host, path, addresses, timeout, echoes, greets: false })
    }

    /// A new TCP connection to the server.
    ///
    /// # Errors
    /// Of the last address tried: refused, or too slow.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::ErrorKind::NotFound.into();
        for address in &self.addresses {
            match TcpStream::connect_timeout(address, self.timeout) {
                Ok(stream) => {
                    // Each write leaves by itself: some steps are about where they are cut.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, String> {
        Target::new(url, Duration::from_secs(1), true)
    }

    #[test]
    fn a_url_leads_somewhere() {
        let found = target("ws://127.0.0.1:9000/echo?a=1").expect("a target");
        assert_eq!((&*found.host, &*found.path), ("127.0.0.1:9000", "/echo?a=1"));
        assert_eq!(found.addresses, ["127.0.0.1:9000".parse().expect("an address")]);
        assert_eq!(target("WS://127.0.0.1:9000").expect("a target").path, "/");
        let found = target("ws://[::1]:9000").expect("a target");
        assert_eq!((&*found.host, &*found.path), ("[::1]:9000", "/"));
        assert_eq!(target("ws://127.0.0.1").expect("a target").addresses[0].port(), 80);
    }

    #[test]
    fn what_is_no_target_is_told_why() {
        for (url, why) in [
            ("wss://127.0.0.1:9000/", "TLS"),
            ("http://127.0.0.1:9000/", "begins with http"),
            ("ftp://127.0.0.1/", "not a ws URL"),
            ("127.0.0.1:9000", "ws://"),
            ("ws://", "no URL"),
            ("ws://127.0.0.1:99999/", "65535"),
            ("ws://127.0.0.1:0/", "65535"),
            ("ws://127.0.0.1:/", "65535"),
            ("ws://me:secret@127.0.0.1/", "password"),
            ("ws://127.0.0.1/#top", "fragment"),
            ("ws://nowhere.invalid:1/", "cannot be found"),
            ("ws://a b/", "no URL"),
            ("", "no URL"),
        ] {
            let found = target(url).expect_err(url);
            assert!(found.contains(why), "{url}: {found}");
        }
    }
}
