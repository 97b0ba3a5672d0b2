//! Chapter 09: subprotocols. Client and server agree on a language before the first message.
//!
//! Learn: the offer, the choice, and what happens when both sides have no language in common.
//! Run:   `cargo run --example 09_subprotocol`, then open the address in a browser.
//! See:   one server that speaks plain text with some clients, and `classroom.v1` with others.
//! Still wrong: every message is text, and every message is small. See chapter 10.

#[path = "../common/connection.rs"]
mod connection;
mod languages;
mod offer;
#[path = "../common/visitor.rs"]
mod visitor;

use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use connection::{Connection, accept_clients};
use crossbeam_channel::{Sender, bounded};
use languages::{CLASSROOM, Event, Rooms};
use offer::offer_by_hand;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::{ClientRequestBuilder, Error, Message};
use visitor::{connect, hear};

/// Runs a server with rooms that speak plain text or classroom.v1.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// do not serve: make the handshakes with the server at this ADDR:PORT
    #[argh(option)]
    against: Option<SocketAddr>,
}

const PAGE: &str = include_str!("page.html");

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    if let Some(address) = flags.against {
        return make_offers(address);
    }
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");

    let (events, inbox) = bounded(64);
    let mut rooms = Rooms::default();
    thread::spawn(move || inbox.iter().for_each(|event| rooms.take(event)));
    let serve = move |socket| serve(socket, &events);
    let server = thread::spawn(move || accept_clients(&listener, serve));
    make_offers(address)?;
    talk(address)?;
    if !flags.once {
        println!("Open http://{address}/ in a browser. Ctrl-C ends the server.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

// ANCHOR: choose
/// Chooses the first offer that we speak. A client puts first what it likes best.
fn choose(request: &Request) -> Option<&'static str> {
    let lines = request.headers().get_all("Sec-WebSocket-Protocol").iter();
    let mut offers = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    offers.any(|offer| offer.trim() == CLASSROOM).then_some(CLASSROOM)
}
// ANCHOR_END: choose

// ANCHOR: serve
fn serve(socket: TcpStream, events: &Sender<Event>) -> Result<(), Error> {
    let tell = |event| events.send(event).expect("the dispatcher lives as long as its senders");
    let connection = Arc::new(Connection::new(socket)?);
    let (mut room, mut speaks) = (String::new(), None);
    #[expect(clippy::result_large_err, reason = "tungstenite's type")]
    let agree = |request: &Request, mut response: Response| {
        let path = request.uri().path();
        room = path.strip_prefix("/room/").unwrap_or("lobby").to_owned();
        speaks = choose(request);
        if let Some(chosen) = speaks {
            let header = HeaderValue::from_static(chosen);
            response.headers_mut().insert("Sec-WebSocket-Protocol", header);
        }
        Ok(response)
    };
    let Some(mut websocket) = connection.accept_or_page(PAGE, agree)? else { return Ok(()) };

    static NEXT: AtomicU64 = AtomicU64::new(1);
    let client = NEXT.fetch_add(1, Ordering::Relaxed);
    tell(Event::Joined { client, room, speaks, connection: Arc::clone(&connection) });
    let error = loop {
        match websocket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                tell(Event::Said { client, message });
            }
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    tell(Event::Left { client });
    connection.end(websocket, error)
}
// ANCHOR_END: serve

// ANCHOR: offers
/// Makes each offer twice: by hand, to see the answer, and with tungstenite, to see if it agrees.
fn make_offers(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    println!("offer                the answer    tungstenite's client");
    for offer in [&[] as &[&str], &[CLASSROOM], &["chat", CLASSROOM], &["chat"]] {
        let (_, chosen) = offer_by_hand(address, &offer.join(", "))?;
        let request = ClientRequestBuilder::new(format!("ws://{address}/room/blue").parse()?);
        let request = offer.iter().fold(request, |request, one| request.with_sub_protocol(*one));
        let verdict = match connect(address, request) {
            Ok(_) => "open".to_owned(),
            Err(Error::Protocol(rule)) => rule.to_string(),
            Err(error) => return Err(error.into()),
        };
        println!("{:18}   {chosen:12}  {verdict}", offer.join(", "));
    }
    Ok(())
}
// ANCHOR_END: offers

// ANCHOR: talk
/// Lets three clients talk in one room: Ana speaks `classroom.v1`, and Tom and Zoe speak plain
/// text. Tom offers nothing, and the server does not speak what Zoe offers.
fn talk(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let (mut ana, _) = offer_by_hand(address, CLASSROOM)?;
    let (mut tom, _) = offer_by_hand(address, "")?;
    let (mut zoe, _) = offer_by_hand(address, "chat")?;
    ana.send(r#"{"type":"join","name":"Ana"}"#.into())?;
    println!("Ana hears {}", hear(&mut ana)?);
    tom.send("hello".into())?;
    println!("Tom hears {}", hear(&mut tom)?);
    println!("Zoe hears {}", hear(&mut zoe)?);
    ana.send(r#"{"type":"say","text":"hello"}"#.into())?;
    println!("Ana hears {}", hear(&mut ana)?);
    Ok(())
}
// ANCHOR_END: talk
