//! Wrong, for chapter 09: a server that always chooses the same subprotocol, offered or not.
//!
//! Run: `cargo run --example wrong_09_chooses_for_you`. It fails, as it should.

use std::error::Error;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{thread, time::Duration};

use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::{ClientRequestBuilder, HandshakeError, accept_hdr, client};

/// Chooses classroom.v1 for everyone.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

// ANCHOR: serve
#[expect(clippy::result_large_err, reason = "tungstenite's type")]
fn serve(socket: TcpStream) {
    let opened = accept_hdr(socket, |_: &Request, mut response: Response| {
        let chosen = HeaderValue::from_static("classroom.v1"); // without a look at the offer
        response.headers_mut().insert("Sec-WebSocket-Protocol", chosen);
        Ok(response)
    });
    if let Ok(mut websocket) = opened {
        while websocket.read().is_ok() {}
    }
}
// ANCHOR_END: serve

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let server = thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(|| serve(socket));
        }
    });
    let mut refused = 0;
    for offer in ["", "chat", "classroom.v1"] {
        if !try_offer(address, offer)? {
            refused += 1;
        }
    }
    if !flags.once {
        println!("It stays up for a browser. Ctrl-C ends the server.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Err(format!("{refused} of 3 clients have refused what was chosen for them"))?
}

/// Makes an offer. Returns whether tungstenite's client takes the server's answer.
fn try_offer(address: SocketAddr, offer: &str) -> Result<bool, Box<dyn Error>> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = ClientRequestBuilder::new(format!("ws://{address}/").parse()?);
    if !offer.is_empty() {
        request = request.with_sub_protocol(offer);
    }
    let verdict = match client(request, socket) {
        Ok(_) => "open".to_owned(),
        Err(HandshakeError::Failure(tungstenite::Error::Protocol(rule))) => rule.to_string(),
        Err(error) => return Err(error.to_string().into()),
    };
    println!("offer {offer:?}\n  {verdict}");
    Ok(verdict == "open")
}
