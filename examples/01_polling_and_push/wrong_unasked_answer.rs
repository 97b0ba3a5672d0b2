//! Wrong, for chapter 01: an HTTP server that tells its client something without being asked.
//!
//! Run: cargo run --example wrong_01_unasked_answer
//! See: the client takes that for the answer to its next question.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    let serving = thread::spawn(move || serve(listener.accept()?.0));

    let socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut answers = BufReader::new(socket);
    ask(&mut answers, "/score")?;
    let weather = ask(&mut answers, "/weather")?;
    serving.join().map_err(|_| "the server panicked")??;
    if weather.starts_with("score") {
        return Err("we asked for the weather and were told the score".into());
    }
    Ok(())
}

// ANCHOR: serve
/// Answers two questions. Between them the score changes, and the server sends the new score.
fn serve(socket: TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut requests = BufReader::new(&socket);
    read_head(&mut requests)?;
    answer(&socket, "score 1 : 0")?;
    answer(&socket, "score 2 : 0")?; // the client has not asked for this
    read_head(&mut requests)?;
    answer(&socket, "sunny")
}
// ANCHOR_END: serve

fn answer(mut socket: &TcpStream, body: &str) -> io::Result<()> {
    let length = body.len() + 1;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}\n");
    socket.write_all(answer.as_bytes())
}

/// Asks a question, and takes the next answer on the connection for its answer, as HTTP does.
fn ask(stream: &mut BufReader<TcpStream>, path: &str) -> io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    read_head(stream)?;
    let mut body = String::new();
    stream.read_line(&mut body)?;
    print!("GET {path:8}  ->  {body}");
    Ok(body)
}

/// Reads up to the empty line that ends every head.
fn read_head(stream: &mut impl BufRead) -> io::Result<()> {
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
