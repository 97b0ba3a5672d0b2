//! The probe before the first step: whether a server listens, and whether it greets its clients.

use std::fmt;
use std::io;
use std::time::Duration;

use super::client::Client;
use super::received::Received;
use super::request::Request;
use super::target::Target;

/// How long the checker waits for a greeting.
const GREETING: Duration = Duration::from_millis(100);

/// The reason why the server cannot be tested.
#[derive(Debug)]
pub enum ProbeError {
    /// Nothing listens at this `host:port`.
    NotListening(String, io::Error),
    /// The checker cannot use its own socket.
    Socket(String),
    /// The server accepts connections, but sent nothing within this time.
    Silent(String, Duration),
    /// The server answers in TLS.
    Tls(String),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeError::NotListening(host, error) => write!(
                f,
                "nothing answers at {host} ({error}). Is your server running, and on this port?"
            ),
            ProbeError::Socket(why) => f.write_str(why),
            ProbeError::Silent(host, timeout) => write!(
                f,
                "{host} accepts connections, but answered nothing within {} s. Does your server see the blank line that \
                 ends the request, and does it send what it writes (flush)?",
                timeout.as_secs_f64()
            ),
            ProbeError::Tls(host) => {
                write!(f, "{host} answers in TLS. The check tests ws:// without TLS.")
            }
        }
    }
}

impl std::error::Error for ProbeError {}

/// Connects once, and notes in `target` whether the server greets its clients.
///
/// # Errors
/// If nothing listens there, or the server does not answer, or it answers in TLS.
pub fn probe(target: &mut Target) -> Result<(), ProbeError> {
    let host = target.host.clone();
    let stream = match target.connect() {
        Ok(stream) => stream,
        Err(error) => return Err(ProbeError::NotListening(host, error)),
    };
    let mut client =
        Client::over(stream, target).map_err(|finding| ProbeError::Socket(finding.why))?;
    client.send(&Request::new(target).encode());
    let response = client.read_response();
    if response.raw.is_empty() && !response.ended {
        return Err(ProbeError::Silent(host, target.timeout));
    }
    // A TLS record: an alert (21) or a handshake message (22), of version 3.x.
    if matches!(response.raw[..], [21 | 22, 3, ..]) {
        return Err(ProbeError::Tls(host));
    }
    if response.status() == Some(101) {
        target.greets = matches!(client.receive_within(GREETING), Received::Message(..));
    }
    Ok(())
}
