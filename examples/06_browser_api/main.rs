//! Chapter 06: the browser's API. A page shows everything that a browser knows of a WebSocket.
//!
//! Learn: events, readyState, bufferedAmount, binaryType, protocol, close codes.
//! Run:   `cargo run --example 06_browser_api`, then open <http://127.0.0.1:8080/>
//! See:   without a browser, a client that sends the server what the page's buttons send.
//! Still wrong: each client is alone. In chapter 07 the clients hear each other.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{error::Error as StdError, thread, time::Duration, time::Instant};

use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::{HeaderValue, Uri};
use tungstenite::protocol::frame::{CloseFrame, coding::CloseCode};
use tungstenite::{ClientRequestBuilder, Error, Message, client};

#[path = "../common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../common/linger.rs"]
mod linger;
use accept_or_page::accept_or_page;
use linger::linger;

/// Runs a server that does whatever a browser's page asks it to do.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

const PAGE: &str = include_str!("page.html");
const SUBPROTOCOL: &str = "demo.v1";
/// A client that is silent for this long gets a Ping. If it is silent for as long again, the server
/// drops it.
const SILENCE: Duration = Duration::from_secs(20);

// ANCHOR: serve
/// Chooses `demo.v1` if the client offers it, and otherwise no subprotocol.
#[expect(clippy::result_large_err, reason = "tungstenite's type")]
fn choose(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offers = request.headers().get_all("Sec-WebSocket-Protocol").into_iter();
    let mut names = offers.flat_map(|list| list.to_str().unwrap_or_default().split(','));
    if names.any(|name| name.trim() == SUBPROTOCOL) {
        let chosen = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert("Sec-WebSocket-Protocol", chosen);
    }
    Ok(response)
}

fn serve(socket: &TcpStream) -> Result<(), Error> {
    let Some(mut websocket) = accept_or_page(socket, PAGE, choose)? else { return Ok(()) };
    socket.set_read_timeout(Some(SILENCE))?;
    let mut pinged: Option<Instant> = None;
    let error = loop {
        let message = match websocket.read() {
            Ok(message) => message,
            // After a silence: a Ping, as if the page had asked for it. After one more: the end.
            Err(Error::Io(_)) if pinged.is_none() => Message::text("/ping"),
            Err(error) => break error,
        };
        match message {
            Message::Text(text) if text == "/vanish" => return Ok(()),
            Message::Text(text) if text == "/ping" => {
                pinged = Some(Instant::now());
                websocket.send(Message::Ping("are you there?".into()))?;
            }
            Message::Text(text) if text.starts_with("/close ") => {
                let code = CloseCode::from(text[7..].parse::<u16>().unwrap_or(1000));
                websocket.close(Some(CloseFrame { code, reason: "as asked".into() }))?;
            }
            Message::Pong(_) if let Some(at) = pinged.take() => {
                let ms = at.elapsed().as_millis();
                websocket.send(Message::text(format!("your Pong came after {ms} ms")))?;
            }
            Message::Text(_) | Message::Binary(_) => websocket.send(message)?,
            _ => {}
        }
    };
    let code = match error {
        Error::Protocol(_) => CloseCode::Protocol,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Capacity(_) => CloseCode::Size,
        _ => return Err(error),
    };
    websocket.close(Some(CloseFrame { code, reason: error.to_string().into() }))
}
// ANCHOR_END: serve

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let server = thread::spawn(move || {
        for socket in listener.incoming() {
            let started = socket.and_then(|socket| {
                thread::Builder::new().spawn(move || (serve(&socket).ok(), linger(&socket)))
            });
            if started.is_err() {
                thread::sleep(Duration::from_millis(100)); // too many sockets or threads
            }
        }
    });
    demonstrate(address)?;
    if !flags.once {
        println!("Open http://{address}/ in a browser. Ctrl-C ends the server.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

// ANCHOR: demonstrate
/// Sends the server what the page's buttons send.
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    for wishes in [&["Hello", "/ping", "/close 4001"][..], &["/vanish"]] {
        let request = ClientRequestBuilder::new(Uri::from_static("ws://localhost/"));
        let request = request.with_sub_protocol("other.v9").with_sub_protocol(SUBPROTOCOL);
        let (mut websocket, response) = client(request, TcpStream::connect(address)?)?;
        websocket.get_ref().set_read_timeout(Some(SILENCE))?;
        println!("open, protocol {:?}", response.headers()["Sec-WebSocket-Protocol"]);
        for wish in wishes {
            websocket.send(Message::text(*wish))?;
            match websocket.read() {
                Ok(Message::Ping(_)) => println!("{wish:11}  Ping; {}", websocket.read()?),
                Ok(Message::Close(Some(it))) => println!("{wish:11}  Close {}", it.code),
                Ok(answer) => println!("{wish:11}  {answer}"),
                Err(error) => println!("{wish:11}  {error}"),
            }
        }
    }
    Ok(())
}
// ANCHOR_END: demonstrate
