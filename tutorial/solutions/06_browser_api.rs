//! The exercises of chapter 06, solved: only codes that may travel, and what the browser asked for.
//!
//! Run: `cargo run --example solution_06_browser_api`
//! See: the server refuses `/close 1006` in words, and `/headers` shows what a script cannot see.
//! Still wrong: each client is alone.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{error::Error as StdError, thread, time::Duration, time::Instant};

use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::{HeaderValue, Uri};
use tungstenite::protocol::frame::{CloseFrame, coding::CloseCode};
use tungstenite::{ClientRequestBuilder, Error, Message, client};

#[path = "../../examples/common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../../examples/common/linger.rs"]
mod linger;
use accept_or_page::accept_or_page;
use linger::linger;

/// Runs a server that does what a page asks for, if that is allowed.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

const PAGE: &str = include_str!("../../examples/06_browser_api/page.html");
const SUBPROTOCOL: &str = "demo.v1";
/// After so much silence a client gets a Ping, and after as much again the server gives it up.
const SILENCE: Duration = Duration::from_secs(20);

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
    // ANCHOR: headers
    let mut asked = String::new();
    #[expect(clippy::result_large_err, reason = "tungstenite's type")]
    let look_and_choose = |request: &Request, response: Response| {
        for (name, value) in request.headers() {
            asked += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
        choose(request, response)
    };
    let accepted = accept_or_page(socket, PAGE, look_and_choose)?;
    // ANCHOR_END: headers
    let Some(mut websocket) = accepted else { return Ok(()) };
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
            // ANCHOR: close
            Message::Text(text) if text.starts_with("/close ") => {
                match text[7..].parse::<u16>().map(CloseCode::from) {
                    Ok(code) if code.is_allowed() => {
                        websocket.close(Some(CloseFrame { code, reason: "as asked".into() }))?;
                    }
                    _ => {
                        let refusal = format!("{} may not be sent", &text[7..]);
                        websocket.send(Message::text(refusal))?;
                    }
                }
            }
            // ANCHOR_END: close
            // ANCHOR: tell
            Message::Text(text) if text == "/headers" => {
                websocket.send(Message::text(asked.as_str()))?;
            }
            // ANCHOR_END: tell
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

fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let request = ClientRequestBuilder::new(Uri::from_static("ws://localhost/"))
        .with_sub_protocol("other.v9")
        .with_sub_protocol(SUBPROTOCOL);
    let (mut websocket, _) = client(request, TcpStream::connect(address)?)?;
    websocket.get_ref().set_read_timeout(Some(SILENCE))?;
    for wish in ["/close 1006", "/close soon", "/headers", "/close 4001"] {
        websocket.send(Message::text(wish))?;
        match websocket.read()? {
            Message::Close(Some(frame)) => println!("{wish:11}  Close {}", frame.code),
            // The key is different in each run.
            answer if wish == "/headers" => answer
                .to_text()?
                .lines()
                .filter(|line| !line.contains("key"))
                .for_each(|line| println!("{wish:11}  {line}")),
            answer => println!("{wish:11}  {answer}"),
        }
    }
    Ok(())
}
