//! Wrong, for chapter 06: a server that ignores the subprotocols which a client offers.
//!
//! Run: `cargo run --example wrong_06_ignores_subprotocols`
//! See: the client offered one, gets no answer to it, and gives up. Chapter 06 says why.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tungstenite::http::Uri;
use tungstenite::{ClientRequestBuilder, accept, client};

/// Runs a server that ignores subprotocols.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration (this program always does)
    #[argh(switch)]
    #[expect(dead_code, reason = "every example takes this flag")]
    once: bool,
}

const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // Wrong: `accept` answers 101, but it does not answer the offer.
            let socket = socket.set_read_timeout(Some(PATIENCE)).map(|()| socket);
            let _websocket = socket.ok().and_then(|socket| accept(socket).ok());
        }
    });

    // ANCHOR: offer
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let request = ClientRequestBuilder::new(Uri::from_static("ws://localhost/"));
    println!("the client offers demo.v1");
    client(request.with_sub_protocol("demo.v1"), socket)?;
    println!("open");
    // ANCHOR_END: offer
    Ok(())
}
