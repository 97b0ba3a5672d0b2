//! Echo and broadcast on tokio-tungstenite. Run: `tokio_tungstenite_peer PORT`
//!
//! The echo is the one of tokio-tungstenite's own example. The broadcast has an unbounded channel
//! for each client.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

const MAX_MESSAGE: usize = 64 << 20;

/// The clients at `/broadcast`. A client that has left is removed at the next message.
type Everyone = Arc<Mutex<Vec<UnboundedSender<Message>>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).ok_or("tokio_tungstenite_peer PORT")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let everyone = Everyone::default();
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, everyone.clone()));
    }
}

// The signature of the callback is tungstenite's.
#[allow(clippy::result_large_err)]
async fn serve(stream: TcpStream, everyone: Everyone) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut at_broadcast = false;
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        at_broadcast = request.uri().path() == "/broadcast";
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let socket = accept_hdr_async_with_config(stream, look, Some(config)).await?;
    if at_broadcast { broadcast(socket, everyone).await } else { echo(socket).await }
}

fn carries_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

async fn echo(socket: WebSocketStream<TcpStream>) -> Result<(), Error> {
    let (write, read) = socket.split();
    read.try_filter(|message| future::ready(carries_data(message))).forward(write).await
}

async fn broadcast(socket: WebSocketStream<TcpStream>, everyone: Everyone) -> Result<(), Error> {
    let (mut write, mut read) = socket.split();
    let (sender, mut receiver) = unbounded_channel();
    everyone.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    let writer = tokio::spawn(async move {
        while let Some(message) = receiver.recv().await {
            write.feed(message).await?;
            while let Ok(message) = receiver.try_recv() {
                write.feed(message).await?;
            }
            write.flush().await?;
        }
        Ok::<(), Error>(())
    });
    while let Some(message) = read.next().await {
        match message {
            Ok(message) if carries_data(&message) => everyone
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|client| client.send(message.clone()).is_ok()),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    // This drops the receiver, so that the next message removes the client from the list.
    writer.abort();
    Ok(())
}
