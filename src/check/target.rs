//! The server under test: where it is, and how to connect to it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use tungstenite::http::Uri;

/// The server under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL as the user gave it.
    pub url: String,
    /// `host:port`, as it stands in the `Host` header.
    pub host: String,
    /// Path and query, as they stand in the request line.
    pub path: String,
    /// The addresses of the host.
    pub addresses: Vec<SocketAddr>,
    /// How long the server may take for an answer.
    pub timeout: Duration,
    /// Whether the server sends messages back.
    pub echoes: bool,
    /// Whether the server sends each client a message before the client has sent one.
    pub greets: bool,
}

/// The reason why a URL cannot be tested.
#[derive(Debug)]
pub enum TargetError {
    /// It is not a WebSocket URL. The reason, and the URL.
    Url(UrlFault, String),
    /// It asks for TLS.
    Tls(String),
    /// The system cannot find the host's address: `host:port`, and the system's error.
    Unresolved(String, io::Error),
    /// The host's name is known, but leads to no address.
    NoAddress(String),
}

/// The mistake in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlFault {
    /// It cannot be parsed.
    NotAUrl,
    /// It begins with `http:`.
    Http,
    /// It begins with another scheme than `ws`.
    OtherScheme,
    /// It has no scheme.
    NoScheme,
    /// It has no host.
    NoHost,
    /// It has a user name or a password.
    Credentials,
    /// It has a fragment, which RFC 6455 section 3 forbids.
    Fragment,
    /// The port is not a number from 1 to 65535.
    Port,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlFault::NotAUrl => "is not a URL",
            UrlFault::Http => "begins with http, but a WebSocket URL begins with ws",
            UrlFault::OtherScheme => "is not a ws URL",
            UrlFault::NoScheme => "does not begin with ws://",
            UrlFault::NoHost => "does not name a host",
            UrlFault::Credentials => "has a user name or password, which a WebSocket does not send",
            UrlFault::Fragment => "has a fragment (#), which a ws URL must not have (RFC 6455 3)",
            UrlFault::Port => "has a port that is not a number from 1 to 65535",
        })
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::Url(fault, url) => {
                write!(f, "{url:?} {fault}; it should look like ws://127.0.0.1:8080/echo")
            }
            TargetError::Tls(url) => write!(
                f,
                "{url:?} asks for TLS, which the check does not support; test the server behind it, with ws://"
            ),
            TargetError::Unresolved(name, error) => write!(f, "{name} cannot be found: {error}"),
            TargetError::NoAddress(name) => write!(f, "{name} has no address"),
        }
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Reads `url`, and looks up its host.
    ///
    /// # Errors
    /// If it is not a WebSocket URL without TLS, or its host cannot be found.
    pub fn new(url: &str, timeout: Duration, echoes: bool) -> Result<Target, TargetError> {
        let wrong = |fault| Err(TargetError::Url(fault, url.to_owned()));
        let Ok(uri) = url.parse::<Uri>() else { return wrong(UrlFault::NotAUrl) };
        match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("ws") => {}
            Some("wss") => return Err(TargetError::Tls(url.to_owned())),
            Some("http") => return wrong(UrlFault::Http),
            Some(_) => return wrong(UrlFault::OtherScheme),
            None => return wrong(UrlFault::NoScheme),
        }
        let Some(authority) = uri.authority() else { return wrong(UrlFault::NoHost) };
        if authority.as_str().contains('@') {
            return wrong(UrlFault::Credentials);
        }
        if url.contains('#') {
            return wrong(UrlFault::Fragment);
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            Some(_) => match authority.port_u16() {
                Some(port) if port > 0 => port,
                _ => return wrong(UrlFault::Port),
            },
            None => return wrong(UrlFault::NoHost),
        };
        let name = format!("{}:{port}", authority.host());
        let addresses: Vec<SocketAddr> = match name.to_socket_addrs() {
            Ok(addresses) => addresses.collect(),
            Err(error) => return Err(TargetError::Unresolved(name, error)),
        };
        if addresses.is_empty() {
            return Err(TargetError::NoAddress(name));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let host = authority.as_str().to_owned();
        Ok(Target { url: url.to_owned(), host, path, addresses, timeout, echoes, greets: false })
    }

    /// Opens a TCP connection to the server.
    ///
    /// # Errors
    /// The error of the last address tried: the server refused the connection, or was too slow.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::ErrorKind::NotFound.into();
        for address in &self.addresses {
            match TcpStream::connect_timeout(address, self.timeout) {
                Ok(stream) => {
                    // Some steps are about where the bytes are cut, so each write must leave by itself.
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

    fn target(url: &str) -> Result<Target, TargetError> {
        Target::new(url, Duration::from_secs(1), true)
    }

    #[test]
    fn a_url_is_taken_apart() {
        let found = target("ws://127.0.0.1:9000/echo?a=1").expect("a target");
        assert_eq!((&*found.host, &*found.path), ("127.0.0.1:9000", "/echo?a=1"));
        assert_eq!(found.addresses, ["127.0.0.1:9000".parse().expect("an address")]);
        assert_eq!(target("WS://127.0.0.1:9000").expect("a target").path, "/");
        let found = target("ws://[::1]:9000").expect("a target");
        assert_eq!((&*found.host, &*found.path), ("[::1]:9000", "/"));
        assert_eq!(target("ws://127.0.0.1").expect("a target").addresses[0].port(), 80);
    }

    #[test]
    fn a_url_that_cannot_be_tested_is_explained() {
        for (url, why) in [
            ("wss://127.0.0.1:9000/", "TLS"),
            ("http://127.0.0.1:9000/", "begins with http"),
            ("ftp://127.0.0.1/", "not a ws URL"),
            ("127.0.0.1:9000", "does not begin with ws://"),
            ("ws://", "not a URL"),
            ("ws://127.0.0.1:99999/", "65535"),
            ("ws://127.0.0.1:0/", "65535"),
            ("ws://127.0.0.1:/", "65535"),
            ("ws://me:secret@127.0.0.1/", "password"),
            ("ws://127.0.0.1/#top", "fragment"),
            ("ws://nowhere.invalid:1/", "cannot be found"),
            ("ws://a b/", "not a URL"),
            ("", "not a URL"),
        ] {
            let found = target(url).expect_err(url).to_string();
            assert!(found.contains(why), "{url}: {found}");
        }
    }
}
